#version 450
#extension GL_GOOGLE_include_directive : require
// Attention for GPUs with a running maximum and sum (Dao et al. 2022, algorithm 1). One workgroup of 64 takes 64 query rows, one per invocation,
// and up to 64 value columns; keys and values pass through shared memory 16 at a time. The sums are rescaled only when a maximum grew.
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint WIDTH = 16u;        // vec4 of a query row, at most 64
layout(constant_id = 1) const uint COLUMNS = 16u;      // vec4 of a value row that this group makes, 1 to 16
layout(constant_id = 2) const uint ADDITIVE = 0u;      // 1: a mask tensor is added to the scores
layout(set = 0, binding = 0, std430) readonly buffer Query { vec4 query4[]; };
layout(set = 0, binding = 1, std430) readonly buffer Key { vec4 key4[]; };
layout(set = 0, binding = 2, std430) readonly buffer Value { vec4 value4[]; };
layout(set = 0, binding = 3, std430) readonly buffer Mask { float mask1[]; };
layout(set = 0, binding = 4, std430) writeonly buffer Output { vec4 output4[]; };
layout(set = 0, binding = 5, std430) writeonly buffer Statistics { vec2 statistics[]; };   // log-sum-exp, entropy
layout(push_constant) uniform Push {
  uint queries, keys, width4, value4Width;
  uint headsPerKey;
  float scale;
  uint maskKind, maskParameter, validQueries, validKeys;
  uint maskHead, maskRow;
  uint firstRow;
};
#include "attention_rows.glsl"

const float NEVER = -1e30;
const float LOG2E = 1.4426950408889634, LN2 = 0.6931471805599453;
const uint TILE = 16u, ROWS = 64u;
shared vec4 keyTile[TILE * WIDTH];
shared vec4 valueTile[TILE * COLUMNS];

void main() {
  uint thread = gl_LocalInvocationID.x, head = gl_WorkGroupID.y, column = gl_WorkGroupID.z * 16u;
  uint top = firstRow + gl_WorkGroupID.x * ROWS, row = top + thread, read = min(row, queries - 1u), keyHead = head / headsPerKey;
  uvec2 seen = keysOfRow(read);
  if (row >= validQueries) seen.y = 0u;
  uint atMask = head * maskHead + read * maskRow;
  vec4 q[WIDTH], o[COLUMNS];
  for (uint c = 0u; c < WIDTH; ++c) q[c] = query4[(head * queries + read) * width4 + c] * scale;
  for (uint c = 0u; c < COLUMNS; ++c) o[c] = vec4(0);
  float largest = NEVER, sum = 0.0, mean = 0.0;

  uint begin = keysOfRow(min(top, queries - 1u)).x / TILE * TILE, end = keysOfRow(min(top + ROWS - 1u, queries - 1u)).y;
  for (uint start = begin; start < end; start += TILE) {
    barrier();
    for (uint i = thread; i < TILE * WIDTH; i += ROWS) {
      uint key = min(start + i / WIDTH, keys - 1u);
      keyTile[i] = key4[(keyHead * keys + key) * width4 + i % WIDTH];
    }
    for (uint i = thread; i < TILE * COLUMNS; i += ROWS) {
      uint key = min(start + i / COLUMNS, keys - 1u), c = column + i % COLUMNS;
      valueTile[i] = c < value4Width ? value4[(keyHead * keys + key) * value4Width + c] : vec4(0);
    }
    barrier();
    for (uint t = 0u; t < TILE; ++t) {
      uint key = start + t;
      float score = 0.0;
      for (uint c = 0u; c < WIDTH; ++c) score += dot(q[c], keyTile[t * WIDTH + c]);
      bool hidden = key < seen.x || key >= seen.y;
      if (ADDITIVE != 0u) {
        float added = mask1[atMask + min(key, keys - 1u)];
        hidden = hidden || added < -1e29;
        score += added * LOG2E;
      }
      if (!hidden) {
        if (score > largest) {
          float shrink = exp2(largest - score);
          largest = score;
          sum *= shrink;
          mean *= shrink;
          for (uint c = 0u; c < COLUMNS; ++c) o[c] *= shrink;
        }
        float weight = exp2(score - largest);
        sum += weight;
        mean += weight * score;
        for (uint c = 0u; c < COLUMNS; ++c) o[c] += weight * valueTile[t * COLUMNS + c];
      }
    }
  }

  if (row >= queries) return;
  float share = sum > 0.0 ? 1.0 / sum : 0.0;
  for (uint c = 0u; c < COLUMNS; ++c) {
    if (column + c < value4Width) output4[(head * queries + row) * value4Width + column + c] = o[c] * share;
  }
  if (column == 0u) {
    float lse = sum > 0.0 ? (largest + log2(sum)) * LN2 : NEVER;
    statistics[head * queries + row] = vec2(lse, sum > 0.0 ? max(lse - mean * share * LN2, 0.0) : 0.0);
  }
}
