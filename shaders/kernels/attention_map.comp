#version 450
//! variant apart -DAPART
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
// The attention weights behind a picture, made again from queries, keys and the stored log-sum-exp: cells of `cell` x `cell` weights, each the
// largest weight inside (cell = 1: the weights themselves). One workgroup of 8 lanes makes 8 rows of cells over a stretch of keys, 8 keys at a
// time (lane = key for the fetches of keys, lane = row of cells for everything else). Built with -DAPART, for subgroups of fewer than 8 lanes, each
// lane fetches every key.
#include "texels.glsl"
layout(local_size_x = 8) in;
layout(constant_id = 0) const uint ADDITIVE = 0u;
layout(set = 0, binding = 0) uniform samplerBuffer query4;
layout(set = 0, binding = 1) uniform samplerBuffer key4;
layout(set = 0, binding = 2) uniform samplerBuffer statistics4;
layout(set = 0, binding = 3) uniform samplerBuffer mask4;
layout(set = 0, binding = 4, std430) writeonly buffer Cells { float cells[]; };
layout(push_constant) uniform Push {
  uint queries, keys, width4;
  uint headsPerKey;
  float scale;                               // of the scores, times log2(e)
  uint maskKind, maskParameter, validQueries, validKeys;
  uint maskHead, maskRow;
  uint firstHead, firstRow, rows;            // rows of weights, from firstRow on
  uint cell, cellRows, cellColumns;          // cell: a power of two
  uint stretch;                              // keys per workgroup, a multiple of 8 and of cell
};
#include "attention_rows.glsl"

const float LOG2E = 1.4426950408889634;
#define EACH8(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#define SPREAD(all, t) vec4(subgroupShuffle(all.x, t), subgroupShuffle(all.y, t), subgroupShuffle(all.z, t), subgroupShuffle(all.w, t))
#ifdef APART
#define SCORE(t) s##t += dot(q, texelFetch(key4, int((keyHead * keys + min(j + t, keys - 1u)) * width4) + c));
#else
#define SCORE(t) s##t += dot(q, SPREAD(k, t));
#endif
#define WEIGH(t) { \
    uint key = j + t; \
    bool hidden = key < seen.x || key >= seen.y; \
    if (ADDITIVE != 0u) { \
      float added = LOAD(mask4, atMask + min(key, keys - 1u)); \
      hidden = hidden || added < -1e29; \
      s##t += added * LOG2E; \
    } \
    b##t = max(b##t, hidden ? 0.0 : exp2(s##t - lse)); \
  }
#define STORE(c, value) if (valid && c < cellColumns) cells[base + c] = value;

void main() {
  uint lane = gl_LocalInvocationID.x, head = firstHead + gl_WorkGroupID.y, keyHead = head / headsPerKey;
  uint cellRow = gl_WorkGroupID.x * 8u + lane;
  bool valid = cellRow < cellRows;
  uint base = (gl_WorkGroupID.y * cellRows + cellRow) * cellColumns;
  uint begin = gl_WorkGroupID.z * stretch, end = min(begin + stretch, keys);
  float running = 0.0;

  for (uint j = begin; j < end; j += 8u) {
    float b0 = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0, b6 = 0, b7 = 0;
    int atK = int((keyHead * keys + min(j + lane, keys - 1u)) * width4);
    for (uint r = 0u; r < cell; ++r) {
      uint offset = cellRow * cell + r, row = firstRow + min(offset, rows - 1u);
      uvec2 seen = keysOfRow(row);
      if (row >= validQueries || offset >= rows) seen.y = 0u;
      int atQ = int((head * queries + row) * width4);
      uint atMask = head * maskHead + row * maskRow;
      float lse = LOAD(statistics4, (head * queries + row) * 2u) * LOG2E;
      float s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
      for (int c = 0; c < int(width4); ++c) {
        vec4 k = texelFetch(key4, atK + c), q = texelFetch(query4, atQ + c) * scale;
        EACH8(SCORE)
      }
      EACH8(WEIGH)
    }
    // Hand over whole cells.
    uint c = j / cell;
    if (cell == 1u) {
      STORE(c, b0) STORE(c + 1u, b1) STORE(c + 2u, b2) STORE(c + 3u, b3) STORE(c + 4u, b4) STORE(c + 5u, b5) STORE(c + 6u, b6) STORE(c + 7u, b7)
    } else if (cell == 2u) {
      STORE(c, max(b0, b1)) STORE(c + 1u, max(b2, b3)) STORE(c + 2u, max(b4, b5)) STORE(c + 3u, max(b6, b7))
    } else if (cell == 4u) {
      STORE(c, max(max(b0, b1), max(b2, b3))) STORE(c + 1u, max(max(b4, b5), max(b6, b7)))
    } else {
      running = max(running, max(max(max(b0, b1), max(b2, b3)), max(max(b4, b5), max(b6, b7))));
      if ((j + 8u) % cell == 0u || j + 8u >= keys) {
        STORE(c, running)
        running = 0.0;
      }
    }
  }
}
