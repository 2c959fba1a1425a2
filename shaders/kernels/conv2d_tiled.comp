#version 450
// Convolution and its weight gradient for GPUs, as implicit matrix products: 256 invocations make a 64 x 64 tile of C, 4 x 4 elements each, from
// tiles of A and B in shared memory; the elements of the column matrix are found by index when a tile is fetched.
// MODE 0: C[r, (n, oy, ox)] = sum over k = (channel, ky, kx) of weight[r, k] image[n, channel, oy sy + ky dy - py, ox sx + kx dx - px].
// MODE 1: C[r, k] = sum over the pixels of a part of gradient[n, r, oy, ox] image[...]: one sum per part. A part has `images` images and of these
// `planeHeight` lines, `planeWidth` such parts an image.
layout(constant_id = 0) const uint MODE = 0u;
layout(constant_id = 1) const uint BIAS = 0u;
layout(local_size_x = 256) in;
layout(set = 0, binding = 0, std430) readonly buffer Left { float left[]; };      // weights, or gradient
layout(set = 0, binding = 1, std430) readonly buffer Image { float image[]; };
layout(set = 0, binding = 2, std430) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Result { float c[]; };
layout(push_constant) uniform Push {
  uint rows, groups, channels, N, kh, kw, outHeight, outWidth;
  int height, width, upY, upX, strideY, strideX, paddingY, paddingX, dilationY, dilationX;
  uint groupStride, rowStride, channelStride;
  int tapStart, tapStepY, tapStepX;
  uint images, tileRows, planeHeight, planeWidth, stepY, stepX, offset;
};

const uint TILE = 64u, DEPTH = 16u;
shared vec4 tileA[DEPTH][TILE / 4u + 1u];
shared vec4 tileB[DEPTH][TILE / 4u + 1u];

float imageAt(uint group, uint n, uint oy, uint ox, uint k) {
  uint taps = kh * kw, channel = k / taps, tap = k - channel * taps, ky = tap / kw, kx = tap - ky * kw;
  int y = int(oy) * strideY + int(ky) * dilationY - paddingY, x = int(ox) * strideX + int(kx) * dilationX - paddingX;
  if (y < 0 || x < 0 || y % upY != 0 || x % upX != 0) return 0.0;
  y /= upY;
  x /= upX;
  if (y >= height || x >= width) return 0.0;
  return image[((n * groups + group) * channels + channel) * uint(height * width) + uint(y * width + x)];
}

void main() {
  uint thread = gl_LocalInvocationID.x, group = gl_WorkGroupID.z % groups, part = gl_WorkGroupID.z / groups;
  uint pixels = outHeight * outWidth, taps = kh * kw, reach = channels * taps;
  uint row = gl_WorkGroupID.x * TILE, column = (MODE == 0u ? part * tileRows + gl_WorkGroupID.y : gl_WorkGroupID.y) * TILE;
  uint firstImage = 0u, firstPixel = 0u, partPixels = pixels, columns = N * pixels, depth = reach;
  if (MODE == 1u) {
    uint block = part / planeWidth, line = (part - block * planeWidth) * planeHeight;
    firstImage = block * images;
    firstPixel = line * outWidth;
    partPixels = (min(outHeight, line + planeHeight) - line) * outWidth;
    columns = reach;
    depth = (min(N, firstImage + images) - firstImage) * partPixels;
  }
  uint x = thread % 16u, y = thread / 16u;
  vec4 sum0 = vec4(0), sum1 = vec4(0), sum2 = vec4(0), sum3 = vec4(0);
  float nextA[4], nextB[4];

  for (uint start = 0u; start < depth + DEPTH; start += DEPTH) {
    // Put the tiles fetched in the last round into shared memory.
    if (start > 0u) {
      barrier();
      for (uint e = 0u; e < 4u; ++e) {
        uint t = thread + 256u * e;
        tileA[t % DEPTH][t / DEPTH / 4u][t / DEPTH % 4u] = nextA[e];
        if (MODE == 0u) tileB[t / TILE][t % TILE / 4u][t % 4u] = nextB[e];
        else tileB[t % DEPTH][t / DEPTH / 4u][t / DEPTH % 4u] = nextB[e];
      }
      barrier();
    }
    // Fetch the next ones.
    for (uint e = 0u; e < 4u; ++e) {
      uint t = thread + 256u * e, k = start + t % DEPTH, m = row + t / DEPTH;
      nextA[e] = 0.0;
      nextB[e] = 0.0;
      if (MODE == 0u) {
        if (k < depth && m < rows) {
          uint channel = k / taps, tap = k - channel * taps, ky = tap / kw, kx = tap - ky * kw;
          nextA[e] = left[group * groupStride + m * rowStride + channel * channelStride +
                          uint(tapStart + int(ky) * tapStepY + int(kx) * tapStepX)];
        }
        k = start + t / TILE;
        uint j = column + t % TILE;
        if (k < depth && j < columns) {
          uint n = j / pixels, p = j - n * pixels, oy = p / outWidth;
          nextB[e] = imageAt(group, n, oy, p - oy * outWidth, k);
        }
      } else if (k < depth) {
        uint inPart = k / partPixels, n = firstImage + inPart, p = firstPixel + k - inPart * partPixels, oy = p / outWidth, j = column + t / DEPTH;
        if (m < rows) nextA[e] = left[((n * groups + group) * rows + m) * pixels + p];
        if (j < columns) nextB[e] = imageAt(group, n, oy, p - oy * outWidth, j);
      }
    }
    // Multiply.
    if (start > 0u) {
      for (uint k = 0u; k < DEPTH; ++k) {
        vec4 va = tileA[k][y], vb = tileB[k][x];
        sum0 += va.x * vb;
        sum1 += va.y * vb;
        sum2 += va.z * vb;
        sum3 += va.w * vb;
      }
    }
  }

  for (uint i = 0u; i < 4u; ++i) {
    vec4 sum = i == 0u ? sum0 : i == 1u ? sum1 : i == 2u ? sum2 : sum3;
    uint m = row + 4u * y + i, channel = group * rows + m;
    if (m >= rows) continue;
    if (MODE == 0u && BIAS != 0u) sum += bias[channel];
    for (uint e = 0u; e < 4u; ++e) {
      uint j = column + 4u * x + e;
      if (j >= columns) break;
      uint n = j / pixels, p = j - n * pixels, oy = p / outWidth;
      uint at = MODE == 0u ? ((n * groups * rows + channel) * planeHeight + oy * stepY) * planeWidth + (p - oy * outWidth) * stepX + offset
                           : (part * groups * rows + channel) * reach + j;
      c[at] = sum[e];
    }
  }
}
