#version 450
//! variant pairs -DPAIRS=1
//! variant wide -DWIDE
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_basic : require
// The gradient of a row normalisation. With xHat = (x - mean) r, r = 1 / sqrt(variance + epsilon), g = dL/dy, h = g gain:
//   dx = r (h - mean(h) - xHat mean(h xHat)); with root mean square, mean and mean(h) are 0.
// Also stores g xHat, whose sums are the gradient to the gain.
#include "stores.glsl"
#include "texels.glsl"
#include "rows.glsl"
layout(constant_id = 0) const uint MODE = 0u;
layout(constant_id = 1) const uint ALIGNED = 1u;
layout(constant_id = 2) const uint CHANNELS = 0u;
layout(constant_id = 3) const uint GAIN = 0u;
layout(constant_id = 4) const uint ROOT_MEAN_SQUARE = 0u;
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1) uniform samplerBuffer g4;
layout(set = 0, binding = 2) uniform samplerBuffer gain4;
layout(set = 0, binding = 3, std430) writeonly buffer Result { float dx[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Result4 { FOUR dx4[]; };
layout(set = 0, binding = 4, std430) writeonly buffer Product { float product[]; };
layout(set = 0, binding = 4, std430) writeonly buffer Product4 { FOUR product4[]; };
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

  // Average h and h xHat.
  float sum = 0.0, sumHat = 0.0;
  for (uint block = first; block < texels; block += step * SUM_BLOCK) {
    vec4 part = vec4(0), partHat = vec4(0);
    uint end = min(texels, block + step * SUM_BLOCK);
    for (uint t = block; t < end; t += step) {
      vec4 h = VALUES(g4, base, t);
      if (GAIN != 0u) h *= PARAMETERS(gain4, row, t);
      h = inside(h, t);
      part += h;
      partHat += h * inside((VALUES(x4, base, t) - moments.x) * moments.y, t);
    }
    sum += sumOf(part);
    sumHat += sumOf(partHat);
  }
  if (MODE == 1u) {
    sum = groupSum(sum);
    sumHat = groupSum(sumHat);
  }
  float average = ROOT_MEAN_SQUARE != 0u ? 0.0 : sum / float(n), averageHat = sumHat / float(n);

  if (!valid) return;
  for (uint t = first; t < texels; t += step) {
    vec4 g = VALUES(g4, base, t), hat = (VALUES(x4, base, t) - moments.x) * moments.y, h = g;
    if (GAIN != 0u) h *= PARAMETERS(gain4, row, t);
    vec4 result = moments.y * (h - average - hat * averageHat);
    if (ALIGNED != 0u) {
      dx4[base / 4u + t] = asFour(result);
      if (GAIN != 0u) product4[base / 4u + t] = asFour(g * hat);
    } else {
      for (uint i = 0u; i < 4u; ++i) {
        if (4u * t + i < n) {
          dx[base + 4u * t + i] = result[i];
          if (GAIN != 0u) product[base + 4u * t + i] = g[i] * hat[i];
        }
      }
    }
  }
}
