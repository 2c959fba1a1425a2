#version 450
#extension GL_GOOGLE_include_directive : require
// Matrix product for GPUs: 256 invocations make a 64 x 64 tile of C, 4 x 4 elements each, from tiles of A and B in shared memory. The next tiles
// are fetched into registers while the present ones are multiplied. Rows of the shared tiles are padded against bank conflicts.
// BIASED, ACTIVATION, ADDED: C = f(A B + bias) + residual, in the epilogue.
layout(local_size_x = 256) in;
layout(set = 0, binding = 0, std430) readonly buffer MatrixA { float a[]; };
layout(set = 0, binding = 1, std430) readonly buffer MatrixB { float b[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Result { float c[]; };
layout(set = 0, binding = 3, std430) readonly buffer Bias { float bias[]; };   // [N], read when BIASED
layout(set = 0, binding = 4, std430) readonly buffer Residual { float residual[]; };   // of the shape of C, read when ADDED
layout(constant_id = 0) const uint BIASED = 0u;
layout(constant_id = 1) const uint ADDED = 0u;
layout(constant_id = 2) const uint ACTIVATION = 0u;   // 1 + kernels::Unary; 0: none
const uint UNARY = ACTIVATION - 1u;
#include "unary.glsl"
layout(push_constant) uniform Push {
  uint M, N, K;
  uint rowA, columnA, rowB, columnB;   // elements from one row and column to the next
  uint extent1, extent2;               // batch index = (i0 * extent1 + i1) * extent2 + i2
  uint batchA0, batchA1, batchA2;      // elements
  uint batchB0, batchB1, batchB2;
};

const uint TILE = 64u, DEPTH = 16u;
shared vec4 tileA[DEPTH][TILE / 4u + 1u];
shared vec4 tileB[DEPTH][TILE / 4u + 1u];

// Where invocation `i`'s e-th element lies in a tile: along the axis that is contiguous in memory first.
uvec2 placeIn(uint i, uint e, bool depthContiguous) {
  uint t = i + 256u * e;
  return depthContiguous ? uvec2(t % DEPTH, t / DEPTH) : uvec2(t / TILE, t % TILE);   // (depth, across)
}

void main() {
  uint thread = gl_LocalInvocationID.x, batch = gl_WorkGroupID.z;
  uint i2 = batch % extent2, i1 = batch / extent2 % extent1, i0 = batch / extent2 / extent1;
  uint baseA = i0 * batchA0 + i1 * batchA1 + i2 * batchA2, baseB = i0 * batchB0 + i1 * batchB1 + i2 * batchB2;
  uint row = gl_WorkGroupID.x * TILE, column = gl_WorkGroupID.y * TILE;
  uint x = thread % 16u, y = thread / 16u;
  vec4 sum0 = vec4(0), sum1 = vec4(0), sum2 = vec4(0), sum3 = vec4(0);
  float nextA[4], nextB[4];

  for (uint start = 0; start < K + DEPTH; start += DEPTH) {
    // Put the tiles fetched in the last round into shared memory.
    if (start > 0) {
      barrier();
      for (uint e = 0; e < 4u; ++e) {
        uvec2 pa = placeIn(thread, e, columnA == 1u), pb = placeIn(thread, e, rowB == 1u);
        tileA[pa.x][pa.y / 4u][pa.y % 4u] = nextA[e];
        tileB[pb.x][pb.y / 4u][pb.y % 4u] = nextB[e];
      }
      barrier();
    }
    // Fetch the next ones.
    for (uint e = 0; e < 4u; ++e) {
      uvec2 pa = placeIn(thread, e, columnA == 1u), pb = placeIn(thread, e, rowB == 1u);
      uint ka = start + pa.x, m = row + pa.y, kb = start + pb.x, n = column + pb.y;
      nextA[e] = ka < K && m < M ? a[baseA + m * rowA + ka * columnA] : 0.0;
      nextB[e] = kb < K && n < N ? b[baseB + kb * rowB + n * columnB] : 0.0;
    }
    // Multiply.
    if (start > 0) {
      for (uint k = 0; k < DEPTH; ++k) {
        vec4 va = tileA[k][y], vb = tileB[k][x];
        sum0 += va.x * vb;
        sum1 += va.y * vb;
        sum2 += va.z * vb;
        sum3 += va.w * vb;
      }
    }
  }

  for (uint i = 0; i < 4u; ++i) {
    vec4 sum = i == 0u ? sum0 : i == 1u ? sum1 : i == 2u ? sum2 : sum3;
    uint m = row + 4u * y + i, n = column + 4u * x;
    if (m < M) {
      uint at = (batch * M + m) * N + n;
      if (BIASED != 0u) {
        for (uint j = 0u; j < 4u; ++j) {
          if (n + j < N) sum[j] += bias[n + j];
        }
      }
      if (ACTIVATION != 0u) sum = unaryOf(sum);
      if (ADDED != 0u) {
        for (uint j = 0u; j < 4u; ++j) {
          if (n + j < N) sum[j] += residual[at + j];
        }
      }
      if (n < N) c[at] = sum.x;
      if (n + 1u < N) c[at + 1u] = sum.y;
      if (n + 2u < N) c[at + 2u] = sum.z;
      if (n + 3u < N) c[at + 3u] = sum.w;
    }
  }
}
