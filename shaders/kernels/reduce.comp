#version 450
//! variant wide -DWIDE
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_basic : require
// Sum, largest value, or place of the largest value (the first of equals) along one axis. Long axes are cut into chunks, and a second dispatch
// reduces what the chunks gave; the cut depends on the shape only, so results are the same on every run.
#include "texels.glsl"
#include "rows.glsl"
layout(constant_id = 0) const uint MODE = 0u;
layout(constant_id = 1) const uint OPERATION = 0u;     // 0 sum, 1 max, 2 argmax
layout(constant_id = 2) const uint SECOND = 0u;        // 1: argmax of chunk results, whose places are in `places4`
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1) uniform usamplerBuffer places4;
layout(set = 0, binding = 2, std430) writeonly buffer Values { float values[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Places { uint places[]; };
layout(push_constant) uniform Push {
  uint rows, n, inner;       // mode 2: rows counts columns
  uint chunks, chunk;        // every row is cut into `chunks` of `chunk` elements, a multiple of 4
  float factor;              // of sums: 1 / n for means
};
const float LEAST = -3.402823466e38;
float best;
uint place;

void offer(float value, uint index) {
  if (value > best || (value == best && index < place)) {
    best = value;
    place = index;
  }
}
uint placeAt(uint at, uint j) { return SECOND != 0u ? LOAD(places4, at) : j; }

void alongRow() {
  uint item = MODE == 1u ? gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x
                         : (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x) * LANES + gl_LocalInvocationID.x;
  bool valid = item < rows * chunks;
  item = min(item, rows * chunks - 1u);
  uint begin = item % chunks * chunk, count = min(chunk, n - begin), base = item / chunks * n + begin, texels = (count + 3u) / 4u;
  uint first = MODE == 1u ? gl_LocalInvocationID.x : 0u, step = MODE == 1u ? LANES : 1u;
  float sum = 0.0;
  best = LEAST;
  place = 0xffffffffu;
  for (uint block = first; block < texels; block += step * SUM_BLOCK) {
    vec4 part = vec4(0), most = vec4(LEAST);
    uint end = min(texels, block + step * SUM_BLOCK);
    for (uint t = block; t < end; t += step) {
      vec4 value = LOAD4(x4, base + 4u * t);
      bvec4 outside = greaterThanEqual(uvec4(4u * t) + uvec4(0, 1, 2, 3), uvec4(count));
      if (OPERATION == 0u) part += mix(value, vec4(0), outside);
      if (OPERATION == 1u) most = max(most, mix(value, vec4(LEAST), outside));
      if (OPERATION == 2u) {
        for (uint i = 0u; i < 4u; ++i) {
          uint j = 4u * t + i;
          if (j < count) offer(value[i], placeAt(base + j, begin + j));
        }
      }
    }
    if (OPERATION == 0u) sum += sumOf(part);
    if (OPERATION == 1u) best = max(best, maxOf(most));
  }
  if (MODE == 1u) {
    if (OPERATION == 0u) sum = groupSum(sum);
    if (OPERATION == 1u) best = groupMax(best);
    if (OPERATION == 2u) {
      // Places below 2^24 are exact as f32; longer axes come here chunk by chunk, and the last dispatch compares places of its own row.
      float largest = groupMax(best);
      uint mine = best == largest ? place : 0xffffffffu;
      float high = groupMin(float(mine >> 16));
      float low = groupMin(float(mine >> 16) == high ? float(mine & 0xffffu) : 65536.0);
      best = largest;
      place = uint(high) << 16 | uint(low);
    }
  }
  if (!valid || (MODE == 1u && first != 0u)) return;
  if (OPERATION != 2u || chunks > 1u) values[item] = OPERATION == 0u ? sum * factor : best;
  if (OPERATION == 2u) places[item] = place;
}

void alongColumn() {
  uint item = (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x) * LANES + gl_LocalInvocationID.x;
  if (item >= rows * chunks) return;
  // item = (outer * chunks + c) * inner + column
  uint column = item % inner, c = item / inner % chunks, outer = item / inner / chunks;
  uint begin = c * chunk, end = min(begin + chunk, n), base = outer * n * inner + column;
  float sum = 0.0;
  best = LEAST;
  place = 0xffffffffu;
  for (uint block = begin; block < end; block += SUM_BLOCK) {
    float part = 0.0;
    uint stop = min(end, block + SUM_BLOCK);
    for (uint j = block; j < stop; ++j) {
      float value = LOAD(x4, base + j * inner);
      if (OPERATION == 0u) part += value;
      if (OPERATION == 1u) best = max(best, value);
      if (OPERATION == 2u) offer(value, placeAt(base + j * inner, j));
    }
    sum += part;
  }
  if (OPERATION != 2u || chunks > 1u) values[item] = OPERATION == 0u ? sum * factor : best;
  if (OPERATION == 2u) places[item] = place;
}

void main() {
  if (MODE == 2u) alongColumn();
  else alongRow();
}
