#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
// The gradients of attention for CPU devices, weights made again from the stored log-sum-exp (Dao 2023, "FlashAttention-2", algorithm 2):
//   P_ij = exp(s_ij - lse_i),  dS_ij = P_ij (dO_i . V_j - D_i),  D_i = dO_i . O_i,
//   dQ_i = scale sum_j dS_ij K_j,   dK_j = scale sum_i dS_ij Q_i,   dV_j = sum_i P_ij dO_i.
// KEYS 0: own rows are queries (x = q, y = dO) and walk over keys (x = k, y = v); first = dQ.
// KEYS 1: own rows are keys (x = k, y = v) and walk over queries (x = q, y = dO) of all heads that share them; first = dK, second = dV.
// One workgroup of 8 lanes takes 8 SETS own rows, lane l rows l and l + 8, 8 walked rows at a time: as in attention.comp one texel fetch brings 4
// components of 8 of them (lane = walked row), handed out with constant shuffles. Own rows and sums are named registers, nothing is shared.
#include "texels.glsl"
#include "stores.glsl"
layout(local_size_x = 8) in;
layout(constant_id = 0) const uint WIDTH = 16u;     // texels of a row of q and k, 1 to 16
layout(constant_id = 1) const uint COLUMNS = 16u;   // texels of a row of v and dO, 1 to 16
layout(constant_id = 2) const uint ADDITIVE = 0u;   // 1: a mask tensor is added to the scores
layout(constant_id = 3) const uint KEYS = 0u;
layout(constant_id = 4) const uint SETS = 1u;       // 1 or 2
layout(constant_id = 5) const uint maskKind = 0u;   // known beforehand: what a walked query sees is found again for every pair
layout(set = 0, binding = 0) uniform samplerBuffer ownX4;
layout(set = 0, binding = 1) uniform samplerBuffer ownY4;
layout(set = 0, binding = 2) uniform samplerBuffer walkedX4;
layout(set = 0, binding = 3) uniform samplerBuffer walkedY4;
layout(set = 0, binding = 4) uniform samplerBuffer statistics4;   // [heads, queries, 2]: log-sum-exp, -
layout(set = 0, binding = 5) uniform samplerBuffer products4;     // D [heads, queries]
layout(set = 0, binding = 6) uniform samplerBuffer mask4;
layout(set = 0, binding = 7, std430) writeonly buffer First { FOUR first4[]; };
layout(set = 0, binding = 8, std430) writeonly buffer Second { FOUR second4[]; };
layout(push_constant) uniform Push {
  uint queries, keys, headsPerKey;
  float scale;                               // of the scores
  uint maskParameter, validQueries, validKeys;
  uint maskHead, maskRow;                    // elements from one head and row of the mask tensor to the next; 0 = shared
};
#include "attention_rows.glsl"

const float LOG2E = 1.4426950408889634;

#define EACH16(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define EACH8(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)

#define OWN_X(c) \
  vec4 xa##c = vec4(0), xb##c = vec4(0), fa##c = vec4(0), fb##c = vec4(0); \
  if (WIDTH > c) { \
    xa##c = texelFetch(ownX4, (ownHead * ownCount + readA) * int(WIDTH) + c); \
    if (SETS > 1u) xb##c = texelFetch(ownX4, (ownHead * ownCount + readB) * int(WIDTH) + c); \
  }
#define OWN_Y(c) \
  vec4 ya##c = vec4(0), yb##c = vec4(0), ga##c = vec4(0), gb##c = vec4(0); \
  if (COLUMNS > c) { \
    ya##c = texelFetch(ownY4, (ownHead * ownCount + readA) * int(COLUMNS) + c); \
    if (SETS > 1u) yb##c = texelFetch(ownY4, (ownHead * ownCount + readB) * int(COLUMNS) + c); \
  }
#define WALK_X(c) vec4 wx##c = vec4(0); if (WIDTH > c) wx##c = texelFetch(walkedX4, atX + c);
#define WALK_Y(c) vec4 wy##c = vec4(0); if (COLUMNS > c) wy##c = texelFetch(walkedY4, atY + c);

#define SPREAD(all, t) vec4(subgroupShuffle(all.x, t), subgroupShuffle(all.y, t), subgroupShuffle(all.z, t), subgroupShuffle(all.w, t))
#define ADD_DOT(sum, left, right) sum = left.w * right.w + (left.z * right.z + (left.y * right.y + (left.x * right.x + sum)));
#define NOTHING(t) float sa##t = 0.0, sb##t = 0.0, da##t = 0.0, db##t = 0.0;
#define SCORE(t) { vec4 o = SPREAD(w, t); ADD_DOT(sa##t, a, o) if (SETS > 1u) { ADD_DOT(sb##t, b, o) } }
#define SCORES(c) if (WIDTH > c) { vec4 w = wx##c, a = xa##c, b = xb##c; EACH8(SCORE) }
#define REACT(t) { vec4 o = SPREAD(w, t); ADD_DOT(da##t, a, o) if (SETS > 1u) { ADD_DOT(db##t, b, o) } }
#define REACTIONS(c) if (COLUMNS > c) { vec4 w = wy##c, a = ya##c, b = yb##c; EACH8(REACT) }

// The weight s becomes, and the gradient d of its score, of one own row `read` and the walked row j + t.
#define WEIGH_ONE(s, d, read, lse, product, seenOwn) { \
    uint i = KEYS != 0u ? min(walkedRow, queries - 1u) : uint(read), key = KEYS != 0u ? uint(read) : min(walkedRow, keys - 1u); \
    uvec2 seen = KEYS != 0u ? seenWalked : seenOwn; \
    bool hidden = walkedRow >= uint(walkedCount) || key < seen.x || key >= seen.y; \
    s *= scale * LOG2E; \
    if (ADDITIVE != 0u) { \
      float added = LOAD(mask4, uint(head) * maskHead + i * maskRow + key); \
      hidden = hidden || added < -1e29; \
      s += added * LOG2E; \
    } \
    s = hidden ? 0.0 : exp2(s - lse); \
    d = s * (d - product); \
  }
#define WEIGH(t) { \
    uint walkedRow = j + t; \
    float walkedLse = KEYS != 0u ? subgroupShuffle(lseOfWalked, t) : 0.0, walkedProduct = KEYS != 0u ? subgroupShuffle(productOfWalked, t) : 0.0; \
    uvec2 seenWalked = uvec2(0u); \
    if (KEYS != 0u) { \
      seenWalked = keysOfRow(min(walkedRow, queries - 1u)); \
      if (walkedRow >= validQueries) seenWalked.y = 0u; \
    } \
    WEIGH_ONE(sa##t, da##t, readA, (KEYS != 0u ? walkedLse : lseA), (KEYS != 0u ? walkedProduct : productA), seenA) \
    if (SETS > 1u) { WEIGH_ONE(sb##t, db##t, readB, (KEYS != 0u ? walkedLse : lseB), (KEYS != 0u ? walkedProduct : productB), seenB) } \
  }
#define TAKE(t) { vec4 o = SPREAD(w, t); a += da##t * o; if (SETS > 1u) b += db##t * o; }
#define FIRST(c) if (WIDTH > c) { vec4 w = wx##c, a = fa##c, b = fb##c; EACH8(TAKE) fa##c = a; fb##c = b; }
#define TAKE_VALUE(t) { vec4 o = SPREAD(w, t); a += sa##t * o; if (SETS > 1u) b += sb##t * o; }
#define SECOND(c) if (KEYS != 0u && COLUMNS > c) { vec4 w = wy##c, a = ga##c, b = gb##c; EACH8(TAKE_VALUE) ga##c = a; gb##c = b; }
#define STORE_FIRST(c) if (WIDTH > c) first4[to * WIDTH + c] = asFour((set == 0u ? fa##c : fb##c) * scale);
#define STORE_SECOND(c) if (KEYS != 0u && COLUMNS > c) second4[to * COLUMNS + c] = asFour(set == 0u ? ga##c : gb##c);

void main() {
  uint lane = gl_LocalInvocationID.x;
  int ownHead = int(gl_WorkGroupID.y), ownCount = int(KEYS != 0u ? keys : queries), walkedCount = int(KEYS != 0u ? queries : keys);
  uint top = gl_WorkGroupID.x * 8u * SETS, rowA = top + lane, rowB = rowA + 8u;
  int readA = min(int(rowA), ownCount - 1), readB = min(int(rowB), ownCount - 1);
  EACH16(OWN_X)
  EACH16(OWN_Y)

  // What a query sees, its log-sum-exp (times log2 e) and D; of queries that walk, below.
  uvec2 seenA = uvec2(0u), seenB = uvec2(0u);
  float lseA = 0.0, lseB = 0.0, productA = 0.0, productB = 0.0;
  uint begin = 0u, end = 0u;
  if (KEYS == 0u) {
    seenA = keysOfRow(uint(readA));
    seenB = keysOfRow(uint(readB));
    if (rowA >= validQueries) seenA.y = 0u;
    if (rowB >= validQueries) seenB.y = 0u;
    lseA = LOAD(statistics4, 2u * uint(ownHead * ownCount + readA)) * LOG2E;
    lseB = LOAD(statistics4, 2u * uint(ownHead * ownCount + readB)) * LOG2E;
    productA = LOAD(products4, uint(ownHead * ownCount + readA));
    productB = LOAD(products4, uint(ownHead * ownCount + readB));
    // Intervals only grow with the row.
    begin = keysOfRow(min(top, queries - 1u)).x & ~7u;
    end = keysOfRow(min(top + 8u * SETS - 1u, queries - 1u)).y;
  } else {
    end = min(queries, validQueries);
    if (maskKind == MASK_CAUSAL) begin = uint(max(int(top) + int(queries) - int(keys), 0)) & ~7u;   // the first query that sees the first key
  }
  uint heads = KEYS != 0u ? headsPerKey : 1u;
  for (uint member = 0u; member < heads; ++member) {
    int walkedHead = KEYS != 0u ? ownHead * int(headsPerKey) + int(member) : ownHead / int(headsPerKey);
    int head = KEYS != 0u ? walkedHead : ownHead;
    for (uint j = begin; j < end; j += 8u) {
      int read = walkedHead * walkedCount + min(int(j + lane), walkedCount - 1), atX = read * int(WIDTH), atY = read * int(COLUMNS);
      float lseOfWalked = 0.0, productOfWalked = 0.0;
      if (KEYS != 0u) {
        lseOfWalked = LOAD(statistics4, 2u * uint(read)) * LOG2E;
        productOfWalked = LOAD(products4, uint(read));
      }
      EACH16(WALK_X)
      EACH16(WALK_Y)
      EACH8(NOTHING)
      EACH16(SCORES)
      EACH16(REACTIONS)
      EACH8(WEIGH)
      EACH16(FIRST)
      EACH16(SECOND)
    }
  }

  // A loop over the sets of rows, since every store is a loop over the lanes that has to be compiled.
  for (uint set = 0u; set < SETS; ++set) {
    uint row = rowA + 8u * set, to = uint(ownHead * ownCount) + row;
    if (row < uint(ownCount)) {
      EACH16(STORE_FIRST)
      EACH16(STORE_SECOND)
    }
  }
}
