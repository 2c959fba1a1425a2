#version 450
//! variant wide -DWIDE
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_basic : require
// A = L L^T from the lower triangle of A, one workgroup per matrix: right-looking, column by column, in the result's own memory (lanes as in
// lu.comp).
#include "texels.glsl"
#include "rows.glsl"
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1, std430) coherent buffer Factor { float a[]; };
layout(push_constant) uniform Push { uint matrices, n; };

#ifdef WIDE
#define SYNC memoryBarrierBuffer(); barrier()
const uint ACROSS = 32u;
#else
#define SYNC subgroupMemoryBarrierBuffer(); subgroupBarrier()
const uint ACROSS = 8u;
#endif
const uint DOWN = LANES / ACROSS;

void main() {
  uint matrix = gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x;
  if (matrix >= matrices) return;
  uint base = matrix * n * n, lane = gl_LocalInvocationID.x;
  uint across = lane % ACROSS, down = lane / ACROSS;
  for (uint i = 0u; i < n; ++i) {
    for (uint j = lane; j < n; j += LANES) a[base + i * n + j] = j <= i ? LOAD(x4, base + i * n + j) : 0.0;
  }
  SYNC;

  bool definite = true;
  for (uint k = 0u; k < n; ++k) {
    float pivot = a[base + k * n + k];
    definite = definite && pivot > 0.0;
    float root = sqrt(max(pivot, 0.0));
    SYNC;
    // The column of L.
    for (uint i = k + lane; i < n; i += LANES) a[base + i * n + k] = i == k ? root : a[base + i * n + k] / root;
    SYNC;
    // The rest loses the outer product of that column with itself, four columns per lane at a time.
    for (uint j = k + 1u + across; j < n; j += 4u * ACROSS) {
      vec4 u = vec4(0.0);
      for (uint c = 0u; c < 4u; ++c) {
        if (j + c * ACROSS < n) u[c] = a[base + (j + c * ACROSS) * n + k];
      }
      for (uint i = j - across + down; i < n; i += DOWN) {
        float factor = a[base + i * n + k];
        for (uint c = 0u; c < 4u; ++c) {
          if (j + c * ACROSS <= i) a[base + i * n + j + c * ACROSS] -= factor * u[c];
        }
      }
    }
    SYNC;
  }
  // Not positive definite: no part of this factor is to be used by mistake.
  if (!definite) {
    for (uint i = 0u; i < n; ++i) {
      for (uint j = lane; j <= i; j += LANES) a[base + i * n + j] = uintBitsToFloat(0x7fc00000u);
    }
  }
}
