#version 450
//! variant pairs -DPAIRS=1
//! variant wide -DWIDE
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_basic : require
// dx_j = scale y_j (g_j - sum_k g_k y_k) along an axis, y = softmax(x), g = dL/dy.
#include "stores.glsl"
#include "texels.glsl"
#include "rows.glsl"
layout(constant_id = 0) const uint MODE = 0u;
layout(constant_id = 1) const uint ALIGNED = 1u;
layout(set = 0, binding = 0) uniform samplerBuffer y4;
layout(set = 0, binding = 1) uniform samplerBuffer g4;
layout(set = 0, binding = 2, std430) writeonly buffer Result { float dx[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Result4 { FOUR dx4[]; };
layout(push_constant) uniform Push { uint rows, n, inner; float scale; };

vec4 inside(vec4 value, uint t) {
  return ALIGNED != 0u ? value : mix(value, vec4(0), greaterThanEqual(uvec4(4u * t) + uvec4(0, 1, 2, 3), uvec4(n)));
}
#define VALUES(buffer, base, t) (ALIGNED != 0u ? texelFetch(buffer, int((base) / 4u + (t))) : LOAD4(buffer, (base) + 4u * (t)))

void walkColumn(uint column) {
  uint o = column / inner, at = o * n * inner + (column - o * inner);
  float sum = 0.0;
  for (uint block = 0u; block < n; block += 4u * SUM_BLOCK) {
    float part = 0.0;
    uint end = min(n, block + 4u * SUM_BLOCK);
    for (uint j = block; j < end; ++j) part += LOAD(y4, at + j * inner) * LOAD(g4, at + j * inner);
    sum += part;
  }
  for (uint j = 0u; j < n; ++j) dx[at + j * inner] = scale * LOAD(y4, at + j * inner) * (LOAD(g4, at + j * inner) - sum);
}

void main() {
  uint row = MODE == 1u ? gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x
                        : (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x) * LANES + gl_LocalInvocationID.x;
  bool valid = row < rows;
  row = min(row, rows - 1u);
  if (MODE == 2u) {
    if (valid) walkColumn(row);
    return;
  }
  uint base = row * n, texels = (n + 3u) / 4u;
  uint first = MODE == 1u ? gl_LocalInvocationID.x : 0u, step = MODE == 1u ? LANES : 1u;
  float sum = 0.0;
  for (uint block = first; block < texels; block += step * SUM_BLOCK) {
    vec4 part = vec4(0);
    uint end = min(texels, block + step * SUM_BLOCK);
    for (uint t = block; t < end; t += step) part += inside(VALUES(y4, base, t) * VALUES(g4, base, t), t);
    sum += sumOf(part);
  }
  if (MODE == 1u) sum = groupSum(sum);
  if (!valid) return;
  for (uint t = first; t < texels; t += step) {
    vec4 result = scale * VALUES(y4, base, t) * (VALUES(g4, base, t) - sum);
    if (ALIGNED != 0u) {
      dx4[base / 4u + t] = asFour(result);
    } else {
      for (uint i = 0u; i < 4u; ++i) {
        if (4u * t + i < n) dx[base + 4u * t + i] = result[i];
      }
    }
  }
}
