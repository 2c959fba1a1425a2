#pragma once
// The parts of multi-head attention that its labs and tests share: projections, rollout, and the statistics of one softmax row in double.
// Row vectors, weights stored [in, out]; i = query, j = key, both from 0 (Vaswani et al. 2017, section 3.2.2).

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/expected.h"
#include "core/kernels/attention.h"
#include "core/tensor/tensor.h"

namespace orrery::attention {

// One layer's projections, cut by heads: query, key, value [H, d, dh]; output [H, dh, d].
struct HeadWeights {
  Tensor query, key, value, output;
};
// From whole matrices [d, d], d = H dh; head h takes columns h dh .. (h + 1) dh - 1 (rows, for the output).
HeadWeights cutByHeads(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& output, std::int64_t heads);

struct LayerOptions {
  kernels::AttentionOptions attention;
  bool normalize = false;  // q <- g q / rms(q), same for k (Henry et al. 2020; Dehghani et al. 2023)
  double gain = 1;
};

struct LayerResult {
  Tensor q, k, v;                // [H, n, dh], after the normalisation if there is one
  kernels::Attention attention;  // output [H, n, dh], statistics [H, n, 2]
  Tensor output;                 // [n, d]: heads concatenated, times the output weights
};
// x [n, d].
LayerResult multiHead(gpu::Stream& stream, const Tensor& x, const HeadWeights& weights, const LayerOptions& options);

enum class Fusion { mean, max, min };

// [n, n]: the heads' weights fused into one matrix, one head at a time so that H n^2 is never held.
Tensor fusedWeights(gpu::Stream& stream, const LayerResult& layer, const kernels::AttentionOptions& options, Fusion fusion);

// Attention rollout (Abnar and Zuidema 2020): R = A_L ... A_1 with A_l = rownorm(alpha I + (1 - alpha) fused_l). `discard` is the share of
// the smallest entries of each fused matrix that is dropped before. Each [n, n]; at least one. Rows without any weight become the
// identity's.
Tensor rollout(gpu::Stream& stream, std::span<const Tensor> fused, double alpha, double discard);

// One row of scores s at inverse temperature beta: P = softmax(beta s). -1e30 and below hides a key.
struct SoftmaxRow {
  std::vector<double> weights;
  double entropy = 0;   // nats
  double variance = 0;  // of s under P: dH/dbeta = -beta variance
};
SoftmaxRow softmaxRow(std::span<const double> scores, double beta);

// Spectral norm of the softmax Jacobian diag(P) - P^T P, at most 1/2 (reached at two equal weights).
double jacobianNorm(std::span<const double> weights);

// The additive mask [n, n] of a tree: a token sees itself and its ancestors. parents[i] is the parent of token i, negative or i itself for
// a root; tokens behind the end of the list follow the token before them. Error: a parent that does not come before its child.
Expected<Tensor> treeMask(std::span<const std::int64_t> parents, std::int64_t n);

}  // namespace orrery::attention
