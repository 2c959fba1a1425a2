#version 450
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_GOOGLE_include_directive : require
// dL/dw of a convolution for CPU devices: one workgroup of 8 lanes sums, over the pixels of some images, 16 output channels x 8 input channels x up
// to four taps that are neighbours in the packed image (conv_pack.comp). Lane l reads input channel l; the output channels' gradients are
// handed out by constant shuffles. DEPTHWISE: a group has one input channel, lane l takes group l and its own gradient.
// Result: one sum per part of the images and their lines, [parts][O][channels][kh][kw]; the caller adds the parts.
layout(constant_id = 0) const uint TAPS = 4u;
layout(constant_id = 1) const uint MISALIGNED = 0u;
layout(constant_id = 2) const uint DEPTHWISE = 0u;
layout(constant_id = 3) const uint BLOCKS = 1u;      // of 8 input channels a workgroup sums: 2 hand every gradient out once for both
layout(constant_id = 4) const uint SPACING = 1u;     // 2: up to three taps of dilation 2, never misaligned
layout(local_size_x = 8) in;
layout(set = 0, binding = 0) uniform samplerBuffer gradient4;   // rows of whole texels, zeros behind their end
layout(set = 0, binding = 1) uniform samplerBuffer x4;          // packed
layout(set = 0, binding = 2, std430) writeonly buffer Result { float result[]; };
layout(push_constant) uniform Push {
  uint rows, groups, channels, kh, kw;
  uint R, stepsX, images, N;                                    // images per part
  uint strideY, strideX, dilationY, dilationX, phasesX, phasesY, packedRows, rowTexels;
  uint quadsPerRow, outHeight, lines, lineParts;                // a part takes `lines` lines of its images
};

#define ROWS_1_TO_7(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#define ROWS_8_TO_15(F) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define ZERO(r) vec4 s##r = vec4(0), t##r = vec4(0);
#define HANDED(value, r) (DEPTHWISE != 0u ? value : subgroupShuffle(value, r & 7))
#define ROW(r) \
  { \
    float v0 = HANDED(a.x, r), v1 = HANDED(a.y, r), v2 = HANDED(a.z, r), v3 = HANDED(a.w, r); \
    s##r += v0 * b0; s##r += v1 * b1; s##r += v2 * b2; s##r += v3 * b3; \
    if (BLOCKS > 1u) { t##r += v0 * d0; t##r += v1 * d1; t##r += v2 * d2; t##r += v3 * d3; } \
  }
#define PUT(sum, at) \
  for (uint t = 0u; t < TAPS; ++t) { \
    if (kx + R * t < kw) result[at + R * t] = sum[t]; \
  }
#define STORE(r) \
  if (row + r < rows) { \
    if (valid) { PUT(s##r, base + r * rowStride) } \
    if (BLOCKS > 1u && valid2) { PUT(t##r, base + r * rowStride + 8u * kh * kw) } \
  }

// The elements that the taps of pixels 0 to 3 read, out of two texels.
#define TAPS_OF(e, next, f0, f1, f2, f3) \
  if (SPACING == 2u) { \
    f1 = vec4(e.yw, next.yw); \
    f2 = vec4(e.z, next.xz, 0.0); \
    f3 = vec4(e.w, next.yw, 0.0); \
    f0 = vec4(e.xz, next.xz); \
  } else { \
    f0 = e; \
    f1 = vec4(e.yzw, next.x); \
    f2 = vec4(e.zw, next.xy); \
    f3 = vec4(e.w, next.xyz); \
  }

vec4 joined(vec4 low, vec4 high, uint shift) {
  return shift == 0u ? low : shift == 1u ? vec4(low.yzw, high.x) : shift == 2u ? vec4(low.zw, high.xy) : vec4(low.w, high.xyz);
}

void main() {
  uint lane = gl_LocalInvocationID.x;
  uint step = gl_WorkGroupID.y % (kh * stepsX), block = gl_WorkGroupID.y / (kh * stepsX);
  uint part, group, channel, row;
  bool valid, valid2 = false;
  if (DEPTHWISE != 0u) {
    row = gl_WorkGroupID.x;
    part = gl_WorkGroupID.z;
    channel = 0u;
    valid = block * 8u + lane < groups;
    group = min(block * 8u + lane, groups - 1u);
  } else {
    row = gl_WorkGroupID.x * 16u;
    group = gl_WorkGroupID.z % groups;
    part = gl_WorkGroupID.z / groups;
    channel = block * 8u * BLOCKS + lane;
    valid = channel < channels;
    valid2 = channel + 8u < channels;
    channel = min(channel, channels - 1u);
  }
  uint g = step % stepsX, ky = step / stepsX, b = g / R, kx = g % R + R * b * TAPS;
  uint y = ky * dilationY, x = kx * dilationX, column = x / strideX, shift = column % 4u;
  uint planes = phasesY * phasesX, planeTexels = packedRows * rowTexels, O = groups * rows, C = groups * channels;
  uint inside = ((y % strideY) * phasesX + x % strideX) * planeTexels + y / strideY * rowTexels + column / 4u;

  ZERO(0) ROWS_1_TO_7(ZERO) ROWS_8_TO_15(ZERO)
  uint imageBlock = part / lineParts, firstLine = (part - imageBlock * lineParts) * lines, endLine = min(outHeight, firstLine + lines);
  uint end = min(N, (imageBlock + 1u) * images);
  for (uint n = imageBlock * images; n < end; ++n) {
    int atX = int((n * C + group * channels + channel) * planes * planeTexels + inside + firstLine * rowTexels);
    int toSecond = valid2 ? int(8u * planes * planeTexels) : 0;
    uint lineTexels = outHeight * quadsPerRow, first = firstLine * quadsPerRow, low = DEPTHWISE != 0u ? row : min(row + lane, rows - 1u);
    int atG = int((n * O + group * rows + low) * lineTexels + first);
    int atG2 = int((n * O + group * rows + min(row + lane + 8u, rows - 1u)) * lineTexels + first);
    for (uint line = firstLine; line < endLine; ++line) {
      for (uint q = 0u; q < quadsPerRow; ++q) {
        int from = atX + int(q);
        vec4 e = texelFetch(x4, from), next = texelFetch(x4, from + 1);
        if (MISALIGNED != 0u) {
          e = joined(e, next, shift);
          next = joined(next, texelFetch(x4, from + 2), shift);
        }
        vec4 b0, b1, b2, b3;
        TAPS_OF(e, next, b0, b1, b2, b3)
        vec4 d0 = vec4(0), d1 = vec4(0), d2 = vec4(0), d3 = vec4(0);
        if (BLOCKS > 1u) {
          from += toSecond;
          e = texelFetch(x4, from);
          next = texelFetch(x4, from + 1);
          if (MISALIGNED != 0u) {
            e = joined(e, next, shift);
            next = joined(next, texelFetch(x4, from + 2), shift);
          }
          TAPS_OF(e, next, d0, d1, d2, d3)
        }
        vec4 a = texelFetch(gradient4, atG + int(q));
        ROW(0)
        if (DEPTHWISE == 0u) {
          ROWS_1_TO_7(ROW)
          a = texelFetch(gradient4, atG2 + int(q));
          ROWS_8_TO_15(ROW)
        }
      }
      atX += int(rowTexels);
      atG += int(quadsPerRow);
      atG2 += int(quadsPerRow);
    }
  }

  uint rowStride = channels * kh * kw;
  uint base = ((part * O + group * rows + row) * channels + channel) * kh * kw + ky * kw + kx;
  STORE(0)
  if (DEPTHWISE == 0u) { ROWS_1_TO_7(STORE) ROWS_8_TO_15(STORE) }
}
