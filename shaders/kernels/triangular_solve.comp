#version 450
//! variant wide -DWIDE
#extension GL_GOOGLE_include_directive : require
// op(T) X = B by substitution, one invocation per right-hand side: no lane waits for another. Rows are taken four at a time, so that an
// element of X found before is read once for four of them.
#include "texels.glsl"
layout(constant_id = 0) const uint FORWARD = 1u;     // op(T) is lower triangular
layout(constant_id = 1) const uint TRANSPOSED = 0u;
layout(constant_id = 2) const uint UNIT = 0u;        // ones on the diagonal, not read
layout(constant_id = 3) const uint ALIGNED = 1u;     // n is a multiple of 4
layout(constant_id = 4) const uint ORDER = 0u;       // 1: row i of B is row order[i] of b; 2: row i of X goes to row order[i] of x
layout(constant_id = 5) const uint IDENTITY = 0u;    // B is the identity, b is not read
#ifdef WIDE
#define LANES 64u
layout(local_size_x = 64) in;
#else
#define LANES 8u
layout(local_size_x = 8) in;
#endif
layout(set = 0, binding = 0) uniform samplerBuffer t4;
layout(set = 0, binding = 1) uniform samplerBuffer b4;
layout(set = 0, binding = 2) uniform usamplerBuffer order4;
layout(set = 0, binding = 3, std430) buffer Result { float x[]; };
layout(push_constant) uniform Push { uint matrices, n, columns, blocks, stride; };  // blocks of LANES columns; stride of T, 0: one for all

vec4 fromT(uint element) { return ALIGNED != 0u ? texelFetch(t4, int(element / 4u)) : LOAD4(t4, element); }

// Rows i .. i + 3 and columns j .. j + 3 of op(T), one column each; what lies outside of the matrix is 0.
mat4 blockOf(uint base, uint i, uint j) {
  mat4 block = mat4(0.0);
  for (uint k = 0u; k < 4u; ++k) {
    uint row = (TRANSPOSED != 0u ? j : i) + k;
    if (row < n) block[k] = fromT(base + row * n + (TRANSPOSED != 0u ? i : j));
  }
  if (ALIGNED == 0u) {
    uint first = TRANSPOSED != 0u ? i : j;
    for (uint k = 0u; k < 4u; ++k) block[k] = mix(block[k], vec4(0.0), greaterThanEqual(uvec4(first) + uvec4(0, 1, 2, 3), uvec4(n)));
  }
  return TRANSPOSED != 0u ? block : transpose(block);
}

uint placeOf(uint order, uint row) { return ORDER == 2u ? LOAD(order4, order + row) : row; }

void main() {
  uint group = gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x;
  uint matrix = group / blocks, column = (group - matrix * blocks) * LANES + gl_LocalInvocationID.x;
  if (matrix >= matrices || column >= columns) return;
  uint base = matrix * stride, order = stride != 0u ? matrix * n : 0u, first = matrix * n * columns + column;

  bool regular = true;
  uint steps = (n + 3u) / 4u;
  for (uint step = 0u; step < steps; ++step) {
    uint i = 4u * (FORWARD != 0u ? step : steps - 1u - step);
    vec4 sum = vec4(0.0);
    for (uint r = 0u; r < 4u; ++r) {
      if (i + r < n) {
        uint row = ORDER == 1u ? LOAD(order4, order + i + r) : i + r;
        sum[r] = IDENTITY != 0u ? (row == column ? 1.0 : 0.0) : LOAD(b4, first + row * columns);
      }
    }
    // What is known already goes to the other side.
    for (uint other = 0u; other < step; ++other) {
      uint j = 4u * (FORWARD != 0u ? other : steps - 1u - other);
      vec4 known = vec4(0.0);
      for (uint c = 0u; c < 4u; ++c) {
        if (j + c < n) known[c] = x[first + placeOf(order, j + c) * columns];
      }
      sum -= blockOf(base, i, j) * known;
    }
    // The four unknowns on the diagonal.
    mat4 diagonal = blockOf(base, i, i);
    for (uint s = 0u; s < 4u; ++s) {
      uint r = FORWARD != 0u ? s : 3u - s;
      if (i + r < n) {
        float value = sum[r];
        if (UNIT == 0u) {
          regular = regular && diagonal[r][r] != 0.0;
          value /= diagonal[r][r];
        }
        for (uint q = 0u; q < 4u; ++q) {
          if (FORWARD != 0u ? q > r : q < r) sum[q] -= diagonal[r][q] * value;
        }
        x[first + placeOf(order, i + r) * columns] = value;
      }
    }
  }
  // Singular: no part of this solution is to be used by mistake.
  if (!regular) {
    for (uint i = 0u; i < n; ++i) x[first + i * columns] = uintBitsToFloat(0x7fc00000u);
  }
}
