// C = A B on cooperative matrices (VK_KHR_cooperative_matrix): elements rounded to f16, products summed in f32. Four subgroups make a tile of
// 2 x 2 blocks, each block 2 x 2 matrices of TM x TN; tiles of A and B pass through shared memory 32 steps of K at a time, the next ones being
// fetched while the present ones are multiplied. The including shader gives elements and takes results:
//   float elementA(uint m, uint k), float elementB(uint k, uint n)   zero outside
//   bool A_ALONG_K, B_ALONG_K                                        along which axis neighbours lie next to each other in memory
//   void finish(uint m, uint n, float sum)                           any m, n of the tile, also outside
layout(local_size_x_id = 3) in;                       // four subgroups
layout(constant_id = 4) const uint TM = 16u;          // the device's matrices
layout(constant_id = 5) const uint TN = 16u;
layout(constant_id = 6) const uint TK = 16u;          // divides 32
const uint DEPTH = 32u, TILE_M = 4u * TM, TILE_N = 4u * TN, PAD = 8u;
shared float16_t tileA[TILE_M * (DEPTH + PAD)];       // [m][k]
shared float16_t tileB[DEPTH * (TILE_N + PAD)];       // [k][n]
shared float staged[4u * TM * TN];                    // a matrix of results for each subgroup

// (m or n, k) of the t-th element of a tile.
uvec2 placeIn(uint t, uint across, bool alongK) { return alongK ? uvec2(t / DEPTH, t % DEPTH) : uvec2(t % across, t / across); }

void product(uint row, uint column, uint depth) {
  const uint all = gl_WorkGroupSize.x, lanes = all / 4u, shareA = TILE_M * DEPTH / all, shareB = TILE_N * DEPTH / all;
  uint thread = gl_LocalInvocationID.x, blockM = gl_SubgroupID / 2u * 2u * TM, blockN = gl_SubgroupID % 2u * 2u * TN;
  coopmat<float, gl_ScopeSubgroup, TM, TN, gl_MatrixUseAccumulator> sum00, sum01, sum10, sum11;
  sum00 = sum01 = sum10 = sum11 = coopmat<float, gl_ScopeSubgroup, TM, TN, gl_MatrixUseAccumulator>(0.0);
  float16_t nextA[shareA], nextB[shareB];
  for (uint start = 0u; start < depth + DEPTH; start += DEPTH) {
    if (start > 0u) {
      barrier();
      for (uint e = 0u; e < shareA; ++e) {
        uvec2 at = placeIn(thread + all * e, TILE_M, A_ALONG_K);
        tileA[at.x * (DEPTH + PAD) + at.y] = nextA[e];
      }
      for (uint e = 0u; e < shareB; ++e) {
        uvec2 at = placeIn(thread + all * e, TILE_N, B_ALONG_K);
        tileB[at.y * (TILE_N + PAD) + at.x] = nextB[e];
      }
      barrier();
    }
    if (start < depth) {
      for (uint e = 0u; e < shareA; ++e) {
        uvec2 at = placeIn(thread + all * e, TILE_M, A_ALONG_K);
        nextA[e] = float16_t(elementA(row + at.x, start + at.y));
      }
      for (uint e = 0u; e < shareB; ++e) {
        uvec2 at = placeIn(thread + all * e, TILE_N, B_ALONG_K);
        nextB[e] = float16_t(elementB(start + at.y, column + at.x));
      }
    }
    if (start > 0u) {
      for (uint k = 0u; k < DEPTH; k += TK) {
        coopmat<float16_t, gl_ScopeSubgroup, TM, TK, gl_MatrixUseA> a0, a1;
        coopmat<float16_t, gl_ScopeSubgroup, TK, TN, gl_MatrixUseB> b0, b1;
        coopMatLoad(a0, tileA, blockM * (DEPTH + PAD) + k, DEPTH + PAD, gl_CooperativeMatrixLayoutRowMajor);
        coopMatLoad(a1, tileA, (blockM + TM) * (DEPTH + PAD) + k, DEPTH + PAD, gl_CooperativeMatrixLayoutRowMajor);
        coopMatLoad(b0, tileB, k * (TILE_N + PAD) + blockN, TILE_N + PAD, gl_CooperativeMatrixLayoutRowMajor);
        coopMatLoad(b1, tileB, k * (TILE_N + PAD) + blockN + TN, TILE_N + PAD, gl_CooperativeMatrixLayoutRowMajor);
        sum00 = coopMatMulAdd(a0, b0, sum00);
        sum01 = coopMatMulAdd(a0, b1, sum01);
        sum10 = coopMatMulAdd(a1, b0, sum10);
        sum11 = coopMatMulAdd(a1, b1, sum11);
      }
    }
  }
  // Which lane holds which element is the driver's secret: through memory, a matrix at a time.
  const uint slot = gl_SubgroupID * TM * TN;
  for (uint i = 0u; i < 4u; ++i) {
    if (i == 0u) coopMatStore(sum00, staged, slot, TN, gl_CooperativeMatrixLayoutRowMajor);
    if (i == 1u) coopMatStore(sum01, staged, slot, TN, gl_CooperativeMatrixLayoutRowMajor);
    if (i == 2u) coopMatStore(sum10, staged, slot, TN, gl_CooperativeMatrixLayoutRowMajor);
    if (i == 3u) coopMatStore(sum11, staged, slot, TN, gl_CooperativeMatrixLayoutRowMajor);
    barrier();
    uint m = row + blockM + i / 2u * TM, n = column + blockN + i % 2u * TN;
    for (uint at = gl_SubgroupInvocationID; at < TM * TN; at += lanes) finish(m + at / TN, n + at % TN, staged[slot + at]);
    barrier();
  }
}
