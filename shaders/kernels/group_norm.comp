#version 450
//! variant pairs -DPAIRS=1
//! variant wide -DWIDE
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_basic : require
// y = (x - mean) / sqrt(variance + epsilon) * gain[channel] + shift[channel], mean and variance over a group of channels and all of their pixels:
// one row of n = perGroup width elements per image and group.
#include "stores.glsl"
#include "texels.glsl"
#include "rows.glsl"
layout(constant_id = 0) const uint MODE = 0u;
layout(constant_id = 1) const uint ALIGNED = 1u;
layout(constant_id = 2) const uint CHANNELS = 0u;
layout(constant_id = 3) const uint GAIN = 0u;
layout(constant_id = 4) const uint SHIFT = 0u;
const uint ROOT_MEAN_SQUARE = 0u;
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1) uniform samplerBuffer gain4;
layout(set = 0, binding = 2) uniform samplerBuffer shift4;
layout(set = 0, binding = 3, std430) writeonly buffer Result { float y[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Result4 { FOUR y4[]; };
layout(push_constant) uniform Push { uint rows, n, groups, perGroup, width; float epsilon; };
#include "norm_rows.glsl"

void main() {
  uint row = MODE == 1u ? gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x
                        : (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x) * LANES + gl_LocalInvocationID.x;
  bool valid = row < rows;
  row = min(row, rows - 1u);
  uint base = row * n, texels = (n + 3u) / 4u;
  uint first = MODE == 1u ? gl_LocalInvocationID.x : 0u, step = MODE == 1u ? LANES : 1u;
  vec2 moments = rowMoments(base, texels, first, step);
  if (!valid) return;
  for (uint t = first; t < texels; t += step) {
    vec4 result = (VALUES(x4, base, t) - moments.x) * moments.y;
    if (GAIN != 0u) result *= PARAMETERS(gain4, row, t);
    if (SHIFT != 0u) result += PARAMETERS(shift4, row, t);
    if (ALIGNED != 0u) {
      y4[base / 4u + t] = asFour(result);
    } else {
      for (uint i = 0u; i < 4u; ++i) {
        if (4u * t + i < n) y[base + 4u * t + i] = result[i];
      }
    }
  }
}
