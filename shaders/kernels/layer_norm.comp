#version 450
//! variant pairs -DPAIRS=1
//! variant wide -DWIDE
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_basic : require
// y = (x - mean) / sqrt(variance + epsilon) * gain + shift along rows; root-mean-square form: mean taken as 0. The variance is summed from the
// differences to the mean in a second walk, which does not cancel.
#include "stores.glsl"
#include "texels.glsl"
#include "rows.glsl"
layout(constant_id = 0) const uint MODE = 0u;
layout(constant_id = 1) const uint ALIGNED = 1u;
layout(constant_id = 2) const uint ROOT_MEAN_SQUARE = 0u;
layout(constant_id = 3) const uint GAIN = 0u;
layout(constant_id = 4) const uint SHIFT = 0u;
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1) uniform samplerBuffer gain4;
layout(set = 0, binding = 2) uniform samplerBuffer shift4;
layout(set = 0, binding = 3, std430) writeonly buffer Result { float y[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Result4 { FOUR y4[]; };
layout(push_constant) uniform Push { uint rows, n; float epsilon; };

vec4 values(uint base, uint t) {
  return ALIGNED != 0u ? texelFetch(x4, int(base / 4u + t)) : LOAD4(x4, base + 4u * t);
}
// Zero behind the end of the row.
vec4 inside(vec4 value, uint t) {
  return ALIGNED != 0u ? value : mix(value, vec4(0), greaterThanEqual(uvec4(4u * t) + uvec4(0, 1, 2, 3), uvec4(n)));
}

void main() {
  uint row = MODE == 1u ? gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x
                        : (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x) * LANES + gl_LocalInvocationID.x;
  bool valid = row < rows;
  row = min(row, rows - 1u);
  uint base = row * n, texels = (n + 3u) / 4u;
  uint first = MODE == 1u ? gl_LocalInvocationID.x : 0u, step = MODE == 1u ? LANES : 1u;

  float mean = 0.0;
  if (ROOT_MEAN_SQUARE == 0u) {
    float sum = 0.0;
    for (uint block = first; block < texels; block += step * SUM_BLOCK) {
      vec4 part = vec4(0);
      uint end = min(texels, block + step * SUM_BLOCK);
      for (uint t = block; t < end; t += step) part += inside(values(base, t), t);
      sum += sumOf(part);
    }
    if (MODE == 1u) sum = groupSum(sum);
    mean = sum / float(n);
  }

  float squares = 0.0;
  for (uint block = first; block < texels; block += step * SUM_BLOCK) {
    vec4 part = vec4(0);
    uint end = min(texels, block + step * SUM_BLOCK);
    for (uint t = block; t < end; t += step) {
      vec4 difference = inside(values(base, t) - mean, t);
      part += difference * difference;
    }
    squares += sumOf(part);
  }
  if (MODE == 1u) squares = groupSum(squares);
  float factor = 1.0 / sqrt(squares / float(n) + epsilon);

  if (!valid) return;
  for (uint t = first; t < texels; t += step) {
    vec4 result = (values(base, t) - mean) * factor;
    if (GAIN != 0u) result *= texelFetch(gain4, int(t));
    if (SHIFT != 0u) result += texelFetch(shift4, int(t));
    if (ALIGNED != 0u) {
      y4[base / 4u + t] = asFour(result);
    } else {
      for (uint i = 0u; i < 4u; ++i) {
        if (4u * t + i < n) y[base + 4u * t + i] = result[i];
      }
    }
  }
}
