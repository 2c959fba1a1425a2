#version 450
//! prebuilt
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#pragma use_vulkan_memory_model
// Attention on cooperative matrices (VK_KHR_cooperative_matrix) with a running maximum and sum (Dao et al. 2022, algorithm 1): queries, keys,
// values and weights rounded to f16, sums in f32. Four subgroups take 32 query rows of up to 64 columns and walk over 32 keys at a time:
// scores, weights and the sums of the values lie in shared memory, since which lane holds which element of a matrix is the driver's secret.
layout(local_size_x_id = 3) in;                        // four subgroups, at least 32 invocations
layout(constant_id = 0) const uint WIDTH = 16u;        // vec4 of a query row, 1 to 16
layout(constant_id = 1) const uint COLUMNS = 16u;      // vec4 of a value row, 1 to 16
layout(constant_id = 2) const uint ADDITIVE = 0u;      // 1: a mask tensor is added to the scores
layout(constant_id = 4) const uint TM = 16u;           // the device's matrices, each a divisor of 32
layout(constant_id = 5) const uint TN = 16u;
layout(constant_id = 6) const uint TK = 16u;
layout(set = 0, binding = 0, std430) readonly buffer Query { float query[]; };
layout(set = 0, binding = 1, std430) readonly buffer Key { float key[]; };
layout(set = 0, binding = 2, std430) readonly buffer Value { float value[]; };
layout(set = 0, binding = 3, std430) readonly buffer Mask { float mask1[]; };
layout(set = 0, binding = 4, std430) writeonly buffer Output { float result[]; };
layout(set = 0, binding = 5, std430) writeonly buffer Statistics { vec2 statistics[]; };   // log-sum-exp, entropy
layout(push_constant) uniform Push {
  uint queries, keys, width4, value4Width;
  uint headsPerKey;
  float scale;                                         // times log2 e
  uint maskKind, maskParameter, validQueries, validKeys;
  uint maskHead, maskRow;
  uint firstRow;
};
#include "attention_rows.glsl"

const float NEVER = -1e30;
const float LN2 = 0.6931471805599453, LOG2E = 1.4426950408889634;
const uint ROWS = 32u, KEYS = 32u;
// Whole matrices, and eight elements against bank conflicts.
const uint DEPTH = (4u * WIDTH + 31u) / 32u * 32u, ACROSS = (4u * COLUMNS + 31u) / 32u * 32u;
const uint STRIDE_D = DEPTH + 8u, STRIDE_V = ACROSS + 8u, STRIDE_P = KEYS + 8u, STRIDE_S = KEYS + 4u, STRIDE_O = ACROSS + 4u;
shared float16_t q[ROWS * STRIDE_D];
shared float16_t k[KEYS * STRIDE_D];
shared float16_t v[KEYS * STRIDE_V];
shared float16_t p[ROWS * STRIDE_P];
shared float s[ROWS * STRIDE_S];
shared float o[ROWS * STRIDE_O];
shared vec3 parts[gl_WorkGroupSize.x];                 // of a row, by the invocations that share it: largest, sum, sum of weight * score

void main() {
  const uint all = gl_WorkGroupSize.x, perRow = all / ROWS;
  uint thread = gl_LocalInvocationID.x, head = gl_WorkGroupID.y, keyHead = head / headsPerKey;
  uint top = firstRow + gl_WorkGroupID.x * ROWS;
  // The row whose weights this invocation makes, and its share of the keys and columns: every perRow-th from `member`.
  uint mine = thread / perRow, member = thread % perRow, row = top + mine, read = min(row, queries - 1u);
  uvec2 seen = keysOfRow(read);
  if (row >= validQueries) seen.y = 0u;
  uint atMask = head * maskHead + read * maskRow;
  for (uint i = thread; i < ROWS * DEPTH; i += all) {
    uint r = i / DEPTH, d = i % DEPTH;
    q[r * STRIDE_D + d] = float16_t(d < 4u * WIDTH ? query[(head * queries + min(top + r, queries - 1u)) * 4u * width4 + d] : 0.0);
  }
  for (uint i = thread; i < ROWS * ACROSS; i += all) o[i / ACROSS * STRIDE_O + i % ACROSS] = 0.0;
  float largest = NEVER, sum = 0.0, mean = 0.0;

  uint begin = keysOfRow(min(top, queries - 1u)).x / KEYS * KEYS, end = keysOfRow(min(top + ROWS - 1u, queries - 1u)).y;
  for (uint start = begin; start < end; start += KEYS) {
    barrier();
    for (uint i = thread; i < KEYS * DEPTH; i += all) {
      uint j = i / DEPTH, d = i % DEPTH;
      k[j * STRIDE_D + d] = float16_t(d < 4u * WIDTH ? key[(keyHead * keys + min(start + j, keys - 1u)) * 4u * width4 + d] : 0.0);
    }
    for (uint i = thread; i < KEYS * ACROSS; i += all) {
      uint j = i / ACROSS, d = i % ACROSS;
      v[j * STRIDE_V + d] = float16_t(d < 4u * COLUMNS ? value[(keyHead * keys + min(start + j, keys - 1u)) * 4u * value4Width + d] : 0.0);
    }
    barrier();
    // Scores.
    for (uint block = gl_SubgroupID; block < (ROWS / TM) * (KEYS / TN); block += 4u) {
      uint r = block / (KEYS / TN) * TM, j = block % (KEYS / TN) * TN;
      coopmat<float, gl_ScopeSubgroup, TM, TN, gl_MatrixUseAccumulator> scores = coopmat<float, gl_ScopeSubgroup, TM, TN, gl_MatrixUseAccumulator>(0.0);
      for (uint d = 0u; d < DEPTH; d += TK) {
        coopmat<float16_t, gl_ScopeSubgroup, TM, TK, gl_MatrixUseA> a;
        coopmat<float16_t, gl_ScopeSubgroup, TK, TN, gl_MatrixUseB> b;
        coopMatLoad(a, q, r * STRIDE_D + d, STRIDE_D, gl_CooperativeMatrixLayoutRowMajor);
        coopMatLoad(b, k, j * STRIDE_D + d, STRIDE_D, gl_CooperativeMatrixLayoutColumnMajor);
        scores = coopMatMulAdd(a, b, scores);
      }
      coopMatStore(scores, s, r * STRIDE_S + j, STRIDE_S, gl_CooperativeMatrixLayoutRowMajor);
    }
    barrier();
    // Weights: hidden scores become NEVER, the largest of a row is found together, then each makes its share.
    float most = NEVER;
    for (uint j = member; j < KEYS; j += perRow) {
      float score = s[mine * STRIDE_S + j] * scale;
      bool hidden = start + j < seen.x || start + j >= seen.y;
      if (ADDITIVE != 0u) {
        float added = mask1[atMask + min(start + j, keys - 1u)];
        hidden = hidden || added < -1e29;
        score += added * LOG2E;
      }
      score = hidden ? NEVER : score;
      s[mine * STRIDE_S + j] = score;
      most = max(most, score);
    }
    parts[thread].x = most;
    barrier();
    for (uint i = 0u; i < perRow; ++i) most = max(most, parts[mine * perRow + i].x);
    most = max(most, largest);
    float shrink = exp2(largest - most), newSum = 0.0, newMean = 0.0;
    largest = most;
    for (uint j = member; j < KEYS; j += perRow) {
      float score = s[mine * STRIDE_S + j], weight = score > NEVER ? exp2(score - most) : 0.0;
      p[mine * STRIDE_P + j] = float16_t(weight);
      newSum += weight;
      newMean += weight * max(score, NEVER);
    }
    for (uint d = member; d < ACROSS; d += perRow) o[mine * STRIDE_O + d] *= shrink;
    parts[thread].yz = vec2(newSum, newMean);
    barrier();
    sum *= shrink;
    mean *= shrink;
    for (uint i = 0u; i < perRow; ++i) {
      sum += parts[mine * perRow + i].y;
      mean += parts[mine * perRow + i].z;
    }
    // Sums of the values.
    for (uint block = gl_SubgroupID; block < (ROWS / TM) * (ACROSS / TN); block += 4u) {
      uint r = block / (ACROSS / TN) * TM, d = block % (ACROSS / TN) * TN;
      coopmat<float, gl_ScopeSubgroup, TM, TN, gl_MatrixUseAccumulator> sums;
      coopMatLoad(sums, o, r * STRIDE_O + d, STRIDE_O, gl_CooperativeMatrixLayoutRowMajor);
      for (uint j = 0u; j < KEYS; j += TK) {
        coopmat<float16_t, gl_ScopeSubgroup, TM, TK, gl_MatrixUseA> a;
        coopmat<float16_t, gl_ScopeSubgroup, TK, TN, gl_MatrixUseB> b;
        coopMatLoad(a, p, r * STRIDE_P + j, STRIDE_P, gl_CooperativeMatrixLayoutRowMajor);
        coopMatLoad(b, v, j * STRIDE_V + d, STRIDE_V, gl_CooperativeMatrixLayoutRowMajor);
        sums = coopMatMulAdd(a, b, sums);
      }
      coopMatStore(sums, o, r * STRIDE_O + d, STRIDE_O, gl_CooperativeMatrixLayoutRowMajor);
    }
  }
  barrier();

  if (row >= queries) return;
  float share = sum > 0.0 ? 1.0 / sum : 0.0;
  for (uint d = member; d < 4u * COLUMNS; d += perRow) result[(head * queries + row) * 4u * value4Width + d] = o[mine * STRIDE_O + d] * share;
  if (member == 0u) {
    float lse = sum > 0.0 ? (largest + log2(sum)) * LN2 : NEVER;
    statistics[head * queries + row] = vec2(lse, sum > 0.0 ? max(lse - mean * share * LN2, 0.0) : 0.0);
  }
}
