#version 450
//! variant pairs -DPAIRS=1
//! variant wide -DWIDE
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_basic : require
// y_j = exp(s_j - m) / sum_j exp(s_j - m) with s = scale x + mask and m the largest s (so nothing overflows); also m + ln sum. Three walks over the
// row: largest, sum, result. Scores are kept in units of log 2.
#include "stores.glsl"
#include "texels.glsl"
#include "rows.glsl"
layout(constant_id = 0) const uint MODE = 0u;
layout(constant_id = 1) const uint ALIGNED = 1u;       // rows of x and of the mask are whole texels
layout(constant_id = 2) const uint MASKED = 0u;
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1) uniform samplerBuffer mask4;
layout(set = 0, binding = 2, std430) writeonly buffer Result { float y[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Result4 { FOUR y4[]; };
layout(set = 0, binding = 3, std430) writeonly buffer LogSumExp { float logSumExp[]; };
layout(push_constant) uniform Push {
  uint rows, n, inner;       // mode 2: rows counts columns
  uint maskRows;             // row r takes mask row r % maskRows
  float scale;               // times log2(e)
};
const float NEVER = -1e30, LOG2E = 1.4426950408889634, LN2 = 0.6931471805599453;

// Four scores of a row, NEVER behind its end and where the mask hides.
vec4 scores(uint base, uint maskBase, uint t) {
  vec4 s = scale * (ALIGNED != 0u ? texelFetch(x4, int(base / 4u + t)) : LOAD4(x4, base + 4u * t));
  if (MASKED != 0u) {
    vec4 added = ALIGNED != 0u ? texelFetch(mask4, int(maskBase / 4u + t)) : LOAD4(mask4, maskBase + 4u * t);
    s = mix(s + added * LOG2E, vec4(NEVER), lessThan(added, vec4(-1e29)));
  }
  if (ALIGNED == 0u) s = mix(s, vec4(NEVER), greaterThanEqual(uvec4(4u * t) + uvec4(0, 1, 2, 3), uvec4(n)));
  return s;
}
vec4 weights(vec4 s, float largest) { return mix(exp2(s - largest), vec4(0), lessThan(s, vec4(-0.9e30))); }

void alongRow() {
  uint row = MODE == 1u ? gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x
                        : (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x) * LANES + gl_LocalInvocationID.x;
  bool valid = row < rows;
  row = min(row, rows - 1u);
  uint base = row * n, maskBase = row % maskRows * n, texels = (n + 3u) / 4u;
  uint first = MODE == 1u ? gl_LocalInvocationID.x : 0u, step = MODE == 1u ? LANES : 1u;

  vec4 most = vec4(NEVER);
  for (uint t = first; t < texels; t += step) most = max(most, scores(base, maskBase, t));
  float largest = maxOf(most);
  if (MODE == 1u) largest = groupMax(largest);

  float sum = 0.0;
  for (uint block = first; block < texels; block += step * SUM_BLOCK) {
    vec4 part = vec4(0);
    uint end = min(texels, block + step * SUM_BLOCK);
    for (uint t = block; t < end; t += step) part += weights(scores(base, maskBase, t), largest);
    sum += sumOf(part);
  }
  if (MODE == 1u) sum = groupSum(sum);

  float share = sum > 0.0 ? 1.0 / sum : 0.0;
  if (!valid) return;
  for (uint t = first; t < texels; t += step) {
    vec4 w = weights(scores(base, maskBase, t), largest) * share;
    if (ALIGNED != 0u) {
      y4[base / 4u + t] = asFour(w);
    } else {
      for (uint i = 0u; i < 4u; ++i) {
        if (4u * t + i < n) y[base + 4u * t + i] = w[i];
      }
    }
  }
  if (first == 0u) logSumExp[row] = sum > 0.0 ? (largest + log2(sum)) * LN2 : NEVER;
}

void alongColumn() {
  uint column = (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x) * LANES + gl_LocalInvocationID.x;
  if (column >= rows) return;
  uint base = column / inner * n * inner + column % inner;
  float largest = NEVER;
  for (uint j = 0u; j < n; ++j) largest = max(largest, scale * LOAD(x4, base + j * inner));
  float sum = 0.0;
  for (uint block = 0u; block < n; block += SUM_BLOCK) {
    float part = 0.0;
    uint end = min(n, block + SUM_BLOCK);
    for (uint j = block; j < end; ++j) part += exp2(scale * LOAD(x4, base + j * inner) - largest);
    sum += part;
  }
  for (uint j = 0u; j < n; ++j) y[base + j * inner] = exp2(scale * LOAD(x4, base + j * inner) - largest) / sum;
  logSumExp[column] = (largest + log2(sum)) * LN2;
}

void main() {
  if (MODE == 2u) alongColumn();
  else alongRow();
}
