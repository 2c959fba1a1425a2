#version 450
//! variant wide -DWIDE
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_basic : require
// P A = L U with partial pivoting, one workgroup per matrix: right-looking elimination, column by column, in the result's own memory. The 8
// lanes of the plain build are one subgroup and need no barrier of the workgroup (a coroutine switch in lavapipe).
#include "texels.glsl"
#include "rows.glsl"
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1, std430) coherent buffer Factors { float a[]; };
layout(set = 0, binding = 2, std430) coherent buffer Permutation { uint permutation[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Signs { float signs[]; };
layout(set = 0, binding = 4, std430) writeonly buffer Logs { float logs[]; };
layout(push_constant) uniform Push { uint matrices, n; };

#ifdef WIDE
#define SYNC memoryBarrierBuffer(); barrier()
const uint ACROSS = 32u;  // lanes along a row
#else
#define SYNC subgroupMemoryBarrierBuffer(); subgroupBarrier()
const uint ACROSS = 8u;
#endif
const uint DOWN = LANES / ACROSS;
const uint INFINITY = 0x7f800000u;

void main() {
  uint matrix = gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x;
  if (matrix >= matrices) return;
  uint base = matrix * n * n, order = matrix * n, lane = gl_LocalInvocationID.x;
  uint across = lane % ACROSS, down = lane / ACROSS;
  for (uint i = lane; i < n * n; i += LANES) a[base + i] = LOAD(x4, base + i);
  for (uint i = lane; i < n; i += LANES) permutation[order + i] = i;
  SYNC;

  float sign = 1.0, logarithm = 0.0;
  for (uint k = 0u; k < n; ++k) {
    // The pivot: the largest value in the column, the first of equals. NaN counts as infinite, so that it is not passed over.
    float largest = -1.0;
    uint at = k;
    for (uint i = k + lane; i < n; i += LANES) {
      float size = abs(a[base + i * n + k]);
      size = isnan(size) ? uintBitsToFloat(INFINITY) : size;
      if (size > largest) {
        largest = size;
        at = i;
      }
    }
    float most = groupMax(largest);
    uint row = min(uint(groupMin(largest == most ? float(at) : float(n))), n - 1u);
    float pivot = a[base + row * n + k];
    SYNC;

    // Its row changes places with row k.
    if (row != k) {
      for (uint j = lane; j < n; j += LANES) {
        float upper = a[base + k * n + j], lower = a[base + row * n + j];
        a[base + k * n + j] = lower;
        a[base + row * n + j] = upper;
      }
      if (lane == 0u) {
        uint upper = permutation[order + k], lower = permutation[order + row];
        permutation[order + k] = lower;
        permutation[order + row] = upper;
      }
      sign = -sign;
    }
    SYNC;
    if (pivot == 0.0) {
      // The column is zero already: nothing to eliminate.
      sign *= 0.0;
      logarithm = -uintBitsToFloat(INFINITY);
      continue;
    }
    sign = isnan(pivot) ? pivot : pivot < 0.0 ? -sign : sign;
    logarithm += log(abs(pivot));

    // The column of L.
    for (uint i = k + 1u + lane; i < n; i += LANES) a[base + i * n + k] /= pivot;
    SYNC;
    // The rest loses the outer product of that column and row k, four columns per lane at a time.
    for (uint j = k + 1u + across; j < n; j += 4u * ACROSS) {
      vec4 u = vec4(0.0);
      for (uint c = 0u; c < 4u; ++c) {
        if (j + c * ACROSS < n) u[c] = a[base + k * n + j + c * ACROSS];
      }
      for (uint i = k + 1u + down; i < n; i += DOWN) {
        float factor = a[base + i * n + k];
        for (uint c = 0u; c < 4u; ++c) {
          if (j + c * ACROSS < n) a[base + i * n + j + c * ACROSS] -= factor * u[c];
        }
      }
    }
    SYNC;
  }
  if (lane == 0u) {
    signs[matrix] = sign;
    logs[matrix] = logarithm;
  }
}
