#version 450
#extension GL_GOOGLE_include_directive : require
// Convolution and its weight gradient for GPUs, as implicit matrix products (convolution.glsl): 256 invocations make a 64 x 64 tile of C, 4 x 4
// elements each, from tiles of A and B in shared memory.
layout(local_size_x = 256) in;
#include "convolution.glsl"

const uint TILE = 64u, DEPTH = 16u;
shared vec4 tileA[DEPTH][TILE / 4u + 1u];
shared vec4 tileB[DEPTH][TILE / 4u + 1u];

// (row or column, step of K) of the t-th element of a tile.
uvec2 placeIn(uint t, bool alongK) { return alongK ? uvec2(t / DEPTH, t % DEPTH) : uvec2(t % TILE, t / TILE); }

void main() {
  uint thread = gl_LocalInvocationID.x, x = thread % 16u, y = thread / 16u;
  uvec2 first = beginProduct(TILE, TILE);
  vec4 sum0 = vec4(0), sum1 = vec4(0), sum2 = vec4(0), sum3 = vec4(0);
  float nextA[4], nextB[4];

  for (uint start = 0u; start < depth + DEPTH; start += DEPTH) {
    // Put the tiles fetched in the last round into shared memory.
    if (start > 0u) {
      barrier();
      for (uint e = 0u; e < 4u; ++e) {
        uvec2 pa = placeIn(thread + 256u * e, A_ALONG_K), pb = placeIn(thread + 256u * e, B_ALONG_K);
        tileA[pa.y][pa.x / 4u][pa.x % 4u] = nextA[e];
        tileB[pb.y][pb.x / 4u][pb.x % 4u] = nextB[e];
      }
      barrier();
    }
    // Fetch the next ones.
    for (uint e = 0u; e < 4u; ++e) {
      uvec2 pa = placeIn(thread + 256u * e, A_ALONG_K), pb = placeIn(thread + 256u * e, B_ALONG_K);
      nextA[e] = elementA(first.x + pa.x, start + pa.y);
      nextB[e] = elementB(start + pb.y, first.y + pb.x);
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
    for (uint e = 0u; e < 4u; ++e) finish(first.x + 4u * y + i, first.y + 4u * x + e, sum[e]);
  }
}
