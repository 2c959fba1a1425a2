#version 450
#extension GL_GOOGLE_include_directive : require
// One sum per (segment, channel) over the entries of a window of the sorted order; later windows add to the earlier ones' sums.
#include "divide.glsl"
#include "texels.glsl"
layout(constant_id = 0) const uint WEIGHTED = 0u;
layout(constant_id = 1) const uint FAN = 1u;   // 1 or 4 entries of a source row
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform usamplerBuffer order;
layout(set = 0, binding = 1) uniform usamplerBuffer starts;
layout(set = 0, binding = 2) uniform samplerBuffer source;
layout(set = 0, binding = 3) uniform samplerBuffer weight;
layout(set = 0, binding = 4, std430) buffer Result { float result[]; };
layout(push_constant) uniform Push {
  uint count;
  uint windowBegin, windowEnd;          // entries
  uint keys, channels;
  uint sourceBatch, sourceEntry, sourceChannel, resultBatch, resultKey, resultChannel;
};

void main() {
  uint i = gl_GlobalInvocationID.x + gl_GlobalInvocationID.y * (gl_NumWorkGroups.x * 64u);
  if (i >= count) return;
  // The axis that is contiguous in the result is the fastest.
  uint c, segment;
  if (resultChannel == 1u) {
    segment = divideBy(i, channels);
    c = i - segment * channels;
  } else {
    uint rest = divideBy(i, keys), above = divideBy(rest, channels);
    c = rest - above * channels;
    segment = above * keys + i - rest * keys;
  }
  uint batch = divideBy(segment, keys), key = segment - batch * keys;
  uint begin = max(LOAD(starts, segment), windowBegin), end = min(LOAD(starts, segment + 1u), windowEnd);
  uint base = batch * sourceBatch + c * sourceChannel, at = batch * resultBatch + key * resultKey + c * resultChannel;
  float sum = 0.0;
  // Blocks keep the error of long sums small.
  for (uint block = begin; block < end; block += 64u) {
    float part = 0.0;
    uint stop = min(end, block + 64u);
    for (uint e = block; e < stop; ++e) {
      uint entry = LOAD(order, e);
      float value = LOAD(source, base + (FAN == 4u ? entry >> 2 : entry) * sourceEntry);
      part += WEIGHTED != 0u ? value * LOAD(weight, entry) : value;
    }
    sum += part;
  }
  result[at] = windowBegin == 0u ? sum : result[at] + sum;
}
