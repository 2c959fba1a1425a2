#version 450
//! prebuilt
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#pragma use_vulkan_memory_model
// Matrix product on cooperative matrices (matrix_product.glsl). BIASED, ACTIVATION, ADDED: C = f(A B + bias) + residual, in the epilogue.
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
#define A_ALONG_K (columnA == 1u)
#define B_ALONG_K (rowB == 1u)
uint baseA, baseB;
float elementA(uint m, uint k) { return m < M && k < K ? a[baseA + m * rowA + k * columnA] : 0.0; }
float elementB(uint k, uint n) { return k < K && n < N ? b[baseB + k * rowB + n * columnB] : 0.0; }
void finish(uint m, uint n, float sum) {
  if (m >= M || n >= N) return;
  uint at = (gl_WorkGroupID.z * M + m) * N + n;
  if (BIASED != 0u) sum += bias[n];
  if (ACTIVATION != 0u) sum = unaryOf(vec4(sum)).x;
  c[at] = ADDED != 0u ? sum + residual[at] : sum;
}
#include "matrix_product.glsl"

void main() {
  uint batch = gl_WorkGroupID.z, i2 = batch % extent2, i1 = batch / extent2 % extent1, i0 = batch / extent2 / extent1;
  baseA = i0 * batchA0 + i1 * batchA1 + i2 * batchA2;
  baseB = i0 * batchB0 + i1 * batchB1 + i2 * batchB2;
  product(gl_WorkGroupID.x * TILE_M, gl_WorkGroupID.y * TILE_N, K);
}
