#version 450
//! variant pairs -DPAIRS=1
//! variant ragged -DRAGGED=1
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_GOOGLE_include_directive : require
// Convolution for CPU devices, as an implicit matrix product: one workgroup of 8 lanes makes PANEL output channels x 64 output pixels. Lane l holds
// two quads of pixels of all channels in named accumulators. A step brings up to four taps that are neighbours in the packed image
// (conv_pack.comp): two texels per quad hold all of their pixels, the taps differ by a constant shift; a texel per output channel holds their
// weights (conv_weights.comp), handed out by constant shuffles. No shared memory, no barriers, no index arithmetic in the loop.
#include "stores.glsl"
layout(constant_id = 0) const uint PANEL = 16u;      // 16, 8 or 1
layout(constant_id = 1) const uint TAPS = 4u;
layout(constant_id = 2) const uint MISALIGNED = 0u;  // steps begin inside of a texel
layout(constant_id = 3) const uint ADJACENT = 0u;    // a lane's two quads lie next to each other
layout(constant_id = 4) const uint BIAS = 0u;
layout(constant_id = 5) const uint SPACING = 1u;     // 2: up to three taps of dilation 2, never misaligned
layout(local_size_x = 8) in;
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1) uniform samplerBuffer w4;
layout(set = 0, binding = 2) uniform samplerBuffer bias4;
#ifdef RAGGED
layout(set = 0, binding = 3, std430) writeonly buffer Result { float y[]; };
#else
layout(set = 0, binding = 3, std430) writeonly buffer Result4 { FOUR y4[]; };
#endif
layout(push_constant) uniform Push {
  uint rows, groups, steps, tileRows;      // tileRows: tiles of 16 quads along one axis of the dispatch
  uint quads, quadsPerRow, outHeight, outWidth;
  uint imageTexels, groupTexels, rowTexels;
  uint planeHeight, planeWidth, stepY, stepX, offset;   // `ragged`: the result's planes, and from one pixel to the next in them
  float scale;                             // of the sums: see matmul.comp for what a factor does to the registers
};

#define ROWS_1_TO_7(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#define ROWS_8_TO_15(F) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define ZERO(r) vec4 s##r = vec4(0), t##r = vec4(0);
#define TAP(r, weights, i, p, q) { float v = subgroupShuffle(weights[i], r & 7); s##r += v * p; t##r += v * q; }
#define ROW(r) \
  TAP(r, a, 0, pA, qA) \
  if (TAPS > 1u) TAP(r, a, 1, pB, qB) \
  if (TAPS > 2u) TAP(r, a, 2, pC, qC) \
  if (TAPS > 3u) TAP(r, a, 3, pD, qD) \
  TAP(r, c, 0, mA, nA) \
  if (TAPS > 1u) TAP(r, c, 1, mB, nB) \
  if (TAPS > 2u) TAP(r, c, 2, mC, nC) \
  if (TAPS > 3u) TAP(r, c, 3, mD, nD)
// The pixels of a step: quads pA .. pD and qA .. qD, each SPACING elements further on.
#define PIXELS(p, q, at) \
  vec4 p##place = texelFetch(w4, at); \
  int p##from = atX0 + int(p##place.x), q##from = atX1 + int(p##place.x); \
  vec4 p##A = texelFetch(x4, p##from), p##next = vec4(0), q##A, q##next = vec4(0); \
  if (TAPS > 1u || MISALIGNED != 0u || ADJACENT != 0u) p##next = texelFetch(x4, p##from + 1); \
  if (ADJACENT != 0u) q##A = p##next; else q##A = texelFetch(x4, q##from); \
  if (TAPS > 1u || MISALIGNED != 0u) q##next = texelFetch(x4, q##from + 1); \
  if (MISALIGNED != 0u) { \
    int shift = int(p##place.y); \
    vec4 p##last = ADJACENT != 0u ? q##next : texelFetch(x4, p##from + 2), q##last = texelFetch(x4, q##from + 2); \
    p##A = joined(p##A, p##next, shift); \
    p##next = joined(p##next, p##last, shift); \
    q##A = joined(q##A, q##next, shift); \
    q##next = joined(q##next, q##last, shift); \
  } \
  vec4 p##B = SPACING == 2u ? vec4(p##A.zw, p##next.xy) : vec4(p##A.yzw, p##next.x); \
  vec4 p##C = SPACING == 2u ? p##next : vec4(p##A.zw, p##next.xy), p##D = vec4(p##A.w, p##next.xyz); \
  vec4 q##B = SPACING == 2u ? vec4(q##A.zw, q##next.xy) : vec4(q##A.yzw, q##next.x); \
  vec4 q##C = SPACING == 2u ? q##next : vec4(q##A.zw, q##next.xy), q##D = vec4(q##A.w, q##next.xyz);
#ifdef RAGGED
#define PUT(at, value, x) \
  for (uint i = 0u; i < 4u; ++i) { \
    if (x + i < outWidth) y[at + i * stepX] = value[i]; \
  }
#define STORE(r) \
  if (row + r < rows) { \
    float b = BIAS != 0u ? subgroupShuffle(r < 8 ? biasLow : biasHigh, r & 7) : 0.0; \
    if (first) { PUT(at0 + r * plane, (s##r * scale + b), x0) } \
    if (second) { PUT(at1 + r * plane, (t##r * scale + b), x1) } \
  }
#else
#define STORE(r) \
  if (row + r < rows) { \
    float b = BIAS != 0u ? subgroupShuffle(r < 8 ? biasLow : biasHigh, r & 7) : 0.0; \
    if (first) y4[at0 + r * plane] = asFour(s##r * scale + b); \
    if (second) y4[at1 + r * plane] = asFour(t##r * scale + b); \
  }
#endif

vec4 joined(vec4 low, vec4 high, int shift) {
  return shift == 0 ? low : shift == 1 ? vec4(low.yzw, high.x) : shift == 2 ? vec4(low.zw, high.xy) : vec4(low.w, high.xyz);
}

void main() {
  uint lane = gl_LocalInvocationID.x, panels = gl_NumWorkGroups.x, row = gl_WorkGroupID.x * PANEL;
  uint group = gl_WorkGroupID.z % groups, tile = gl_WorkGroupID.z / groups * tileRows + gl_WorkGroupID.y;
  uint quad0 = tile * 16u + lane * 2u, quad1 = quad0 + 1u;
  bool first = quad0 < quads, second = quad1 < quads;
  quad0 = min(quad0, quads - 1u);
  quad1 = min(quad1, quads - 1u);
  uint line0 = quad0 / quadsPerRow, line1 = quad1 / quadsPerRow, x0 = quad0 - line0 * quadsPerRow, x1 = quad1 - line1 * quadsPerRow;
  uint image0 = line0 / outHeight, image1 = line1 / outHeight, y0 = line0 - image0 * outHeight, y1 = line1 - image1 * outHeight;
  int atX0 = int(image0 * imageTexels + group * groupTexels + y0 * rowTexels + x0);
  int atX1 = int(image1 * imageTexels + group * groupTexels + y1 * rowTexels + x1);
  int atW = int((group * panels + gl_WorkGroupID.x) * steps * (PANEL + 1u));
  int low = atW + int(min(lane, PANEL - 1u));

  ZERO(0) ROWS_1_TO_7(ZERO) ROWS_8_TO_15(ZERO)
  // Two steps a round: an accumulator is fetched and put back once for both.
  for (uint step = 0u; step < steps; step += 2u) {
    PIXELS(p, q, atW + int(PANEL))
    PIXELS(m, n, atW + 2 * int(PANEL) + 1)
    vec4 a = texelFetch(w4, low), c = texelFetch(w4, low + int(PANEL) + 1);
    ROW(0)
    if (PANEL > 1u) { ROWS_1_TO_7(ROW) }
    if (PANEL > 8u) {
      a = texelFetch(w4, low + 8);
      c = texelFetch(w4, low + int(PANEL) + 9);
      ROWS_8_TO_15(ROW)
    }
    atW += 2 * (int(PANEL) + 1);
    low += 2 * (int(PANEL) + 1);
  }

  // Store, with the bias of each row.
  uint channel = group * rows + row;
  float biasLow = 0.0, biasHigh = 0.0;
  if (BIAS != 0u) {
    uint at = group * rows + min(row + lane, rows - 1u);
    biasLow = texelFetch(bias4, int(at >> 2))[at & 3u];
    at = group * rows + min(row + lane + 8u, rows - 1u);
    biasHigh = texelFetch(bias4, int(at >> 2))[at & 3u];
  }
#ifdef RAGGED
  x0 *= 4u;
  x1 *= 4u;
  uint plane = planeHeight * planeWidth;
  uint at0 = (image0 * groups * rows + channel) * plane + y0 * stepY * planeWidth + x0 * stepX + offset;
  uint at1 = (image1 * groups * rows + channel) * plane + y1 * stepY * planeWidth + x1 * stepX + offset;
#else
  uint plane = outHeight * quadsPerRow;
  uint at0 = ((image0 * groups * rows + channel) * outHeight + y0) * quadsPerRow + x0;
  uint at1 = ((image1 * groups * rows + channel) * outHeight + y1) * quadsPerRow + x1;
#endif
  STORE(0)
  if (PANEL > 1u) { ROWS_1_TO_7(STORE) }
  if (PANEL > 8u) { ROWS_8_TO_15(STORE) }
}
