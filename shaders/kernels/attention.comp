#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
// Attention for CPU devices with a running maximum and sum (Milakov and Gimelshein 2018; Dao et al. 2022, algorithm 1): no score matrix is ever
// held. One workgroup of 8 lanes takes 16 query rows, lane l rows l and l + 8, and up to 64 value columns; 8 keys at a time. One texel fetch
// brings 4 components of 8 keys (lane = key), handed out with constant shuffles, so each fetch feeds 64 multiply-adds. Queries and outputs are
// named registers; nothing is shared and nothing waits. Scores are kept in units of log 2.
#include "texels.glsl"
#include "stores.glsl"
layout(local_size_x = 8) in;
layout(constant_id = 0) const uint WIDTH = 16u;        // texels of a query row, at most 16; 0 = wider: read again for every key block
layout(constant_id = 1) const uint COLUMNS = 16u;      // texels of a value row that this group makes, 1 to 16
layout(constant_id = 2) const uint ADDITIVE = 0u;      // 1: a mask tensor is added to the scores
layout(set = 0, binding = 0) uniform samplerBuffer query4;
layout(set = 0, binding = 1) uniform samplerBuffer key4;
layout(set = 0, binding = 2) uniform samplerBuffer value4;
layout(set = 0, binding = 3) uniform samplerBuffer mask4;
layout(set = 0, binding = 4, std430) writeonly buffer Output { FOUR output4[]; };
layout(set = 0, binding = 5, std430) writeonly buffer Statistics { TWO statistics[]; };   // log-sum-exp, entropy
layout(push_constant) uniform Push {
  uint queries, keys, width4, value4Width;   // widths in texels
  uint headsPerKey;                          // this many query heads share a key head
  float scale;                               // of the scores, times log2(e)
  uint maskKind, maskParameter, validQueries, validKeys;
  uint maskHead, maskRow;                    // elements from one head and row of the mask tensor to the next; 0 = shared
  uint firstRow;                             // of this dispatch
};
#include "attention_rows.glsl"

const float NEVER = -1e30;                   // a masked score; infinities need not be honoured by a device
const float LOG2E = 1.4426950408889634, LN2 = 0.6931471805599453;

#define EACH16(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define EACH8(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)

#define LOAD_QUERY(c) \
  vec4 qa##c = vec4(0), qb##c = vec4(0); \
  if (WIDTH > c) { qa##c = texelFetch(query4, atA + c) * scale; qb##c = texelFetch(query4, atB + c) * scale; }

#define SPREAD(all, t) vec4(subgroupShuffle(all.x, t), subgroupShuffle(all.y, t), subgroupShuffle(all.z, t), subgroupShuffle(all.w, t))
#define ADD_DOT(sum, left, right) sum = left.w * right.w + (left.z * right.z + (left.y * right.y + (left.x * right.x + sum)));
#define SCORE(t) { vec4 b = SPREAD(k, t); ADD_DOT(sa##t, qa, b) ADD_DOT(sb##t, qb, b) }
#define SCORES(c) if (WIDTH > c) { vec4 k = texelFetch(key4, atK + c); vec4 qa = qa##c, qb = qb##c; EACH8(SCORE) }

#define ADD_MASK(t) \
  if (ADDITIVE != 0u) { \
    uint key = min(j + t, keys - 1u); \
    float ma = LOAD(mask4, atMaskA + key), mb = LOAD(mask4, atMaskB + key); \
    sa##t = ma < -1e29 ? NEVER : sa##t + ma * LOG2E; \
    sb##t = mb < -1e29 ? NEVER : sb##t + mb * LOG2E; \
  }
#define HIDE(t) \
  if (j + t < seenA.x || j + t >= seenA.y) sa##t = NEVER; \
  if (j + t < seenB.x || j + t >= seenB.y) sb##t = NEVER;
#define LARGEST(t) newA = max(newA, sa##t); newB = max(newB, sb##t);
// A masked weight is exactly zero, also in a row that has seen no key yet (whose maximum is NEVER itself).
#define WEIGH(t) \
  float pa##t = sa##t > -0.9e30 ? exp2(sa##t - newA) : 0.0, pb##t = sb##t > -0.9e30 ? exp2(sb##t - newB) : 0.0; \
  sumA += pa##t; sumB += pb##t; \
  meanA += pa##t * sa##t; meanB += pb##t * sb##t;

#define CLEAR(c) vec4 oa##c = vec4(0), ob##c = vec4(0);
#define MIX(t) { vec4 b = SPREAD(v, t); oa += pa##t * b; ob += pb##t * b; }
#define VALUES(c) if (COLUMNS > c) { \
    vec4 v = texelFetch(value4, atV + c); \
    vec4 oa = oa##c * shrinkA, ob = ob##c * shrinkB; \
    EACH8(MIX) \
    oa##c = oa; ob##c = ob; \
  }
#define STORE(c) if (COLUMNS > c && column + c < value4Width) output4[to + c] = asFour(set == 0u ? oa##c * shareA : ob##c * shareB);

void main() {
  uint lane = gl_LocalInvocationID.x, head = gl_WorkGroupID.y, column = gl_WorkGroupID.z * 16u;
  uint top = firstRow + gl_WorkGroupID.x * 16u, rowA = top + lane, rowB = rowA + 8u;
  uint readA = min(rowA, queries - 1u), readB = min(rowB, queries - 1u), keyHead = head / headsPerKey;
  int atA = int((head * queries + readA) * width4), atB = int((head * queries + readB) * width4);
  uint atMaskA = head * maskHead + readA * maskRow, atMaskB = head * maskHead + readB * maskRow;
  uvec2 seenA = keysOfRow(readA), seenB = keysOfRow(readB);
  if (rowA >= validQueries) seenA.y = 0u;
  if (rowB >= validQueries) seenB.y = 0u;
  EACH16(LOAD_QUERY)
  EACH16(CLEAR)
  float maxA = NEVER, maxB = NEVER, sumA = 0, sumB = 0, meanA = 0, meanB = 0;

  // Intervals only grow with the row, so the first and last row of the group bound what the group has to look at.
  uint begin = keysOfRow(min(top, queries - 1u)).x & ~7u, end = keysOfRow(min(top + 15u, queries - 1u)).y;
  for (uint j = begin; j < end; j += 8u) {
    uint key = min(j + lane, keys - 1u);
    int atK = int((keyHead * keys + key) * width4), atV = int((keyHead * keys + key) * value4Width + column);

    // Score 8 keys.
    float sa0 = 0, sa1 = 0, sa2 = 0, sa3 = 0, sa4 = 0, sa5 = 0, sa6 = 0, sa7 = 0;
    float sb0 = 0, sb1 = 0, sb2 = 0, sb3 = 0, sb4 = 0, sb5 = 0, sb6 = 0, sb7 = 0;
    if (WIDTH > 0u) {
      EACH16(SCORES)
    } else {
      for (int c = 0; c < int(width4); ++c) {
        vec4 k = texelFetch(key4, atK + c), qa = texelFetch(query4, atA + c) * scale, qb = texelFetch(query4, atB + c) * scale;
        EACH8(SCORE)
      }
    }
    EACH8(ADD_MASK)
    EACH8(HIDE)

    // Raise the running maxima, and shrink what was summed under the old ones.
    float newA = maxA, newB = maxB;
    EACH8(LARGEST)
    float shrinkA = exp2(maxA - newA), shrinkB = exp2(maxB - newB);
    maxA = newA;
    maxB = newB;
    sumA *= shrinkA;
    sumB *= shrinkB;
    meanA *= shrinkA;
    meanB *= shrinkB;

    // Weigh the values.
    EACH8(WEIGH)
    EACH16(VALUES)
  }

  // A row that sees nothing gives zeros.
  float shareA = sumA > 0 ? 1 / sumA : 0.0, shareB = sumB > 0 ? 1 / sumB : 0.0;
  // A loop over the two sets of rows, since every store is a loop over the lanes that has to be compiled.
  uint sets = top + 8u < queries ? 2u : 1u;
  for (uint set = 0u; set < sets; ++set) {
    uint row = rowA + 8u * set, to = (head * queries + row) * value4Width + column;
    if (row < queries) {
      EACH16(STORE)
    }
  }
  if (column == 0u) {
    float lseA = sumA > 0 ? (maxA + log2(sumA)) * LN2 : NEVER, lseB = sumB > 0 ? (maxB + log2(sumB)) * LN2 : NEVER;
    if (rowA < queries) statistics[head * queries + rowA] = asTwo(vec2(lseA, sumA > 0 ? max(lseA - meanA * shareA * LN2, 0.0) : 0.0));
    if (rowB < queries) statistics[head * queries + rowB] = asTwo(vec2(lseB, sumB > 0 ? max(lseB - meanB * shareB * LN2, 0.0) : 0.0));
  }
}
