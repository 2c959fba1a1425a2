#pragma once
// Scaled dot-product attention, O = softmax(scale Q K^T + M) V, without ever holding the n x n scores.
// Sources: Vaswani et al. 2017, eq. 1; running maximum and sum: Milakov and Gimelshein 2018, Dao et al. 2022 ("FlashAttention"),
// algorithm 1. Convention: i = query (row), j = key (column), both from 0. Unequal lengths align the last query with the last key (as
// FlashAttention 2.1).

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

enum class AttentionMask : std::uint32_t {
  none,
  causal,  // j <= i + keys - queries
  prefix,  // causal, and the first `maskParameter` keys are seen by all
  blocks,  // only inside blocks of `maskParameter` tokens: floor(i / b) = floor(j / b)
};

struct AttentionOptions {
  std::optional<float> scale;  // of the scores; none = 1 / sqrt(d)
  AttentionMask mask = AttentionMask::none;
  std::int64_t maskParameter = 0;  // prefix: 0 or more; blocks: 1 or more
  std::int64_t validKeys = -1;     // keys from here on are hidden; -1 = all are valid
  std::int64_t validQueries = -1;  // rows from here on see nothing; -1 = all are valid
  Tensor additive;                 // optional, f32 [n, m] or [H, n, m], added to the scaled scores; -1e30 and below hides a pair
  std::string_view variant{};      // "scalar", "subgroup", "matrix"; empty = variantWithMatrix(device)
};

struct Attention {
  Tensor output;      // f32 [H, n, dv]; a row that sees no key is zero
  Tensor statistics;  // f32 [H, n, 2]: log-sum-exp of the row's scores (-1e30 when it sees none), entropy in nats (0 likewise)
};

// q [H, n, d], k [G, m, d], v [G, m, dv], f32; G divides H (grouped-query attention: H / G heads share a key head). Deterministic. Throws
// std::invalid_argument when the shapes do not fit, std::length_error when d > 256 on a GPU.
Attention attention(gpu::Stream& stream, const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options = {});

struct AttentionGradients {
  Tensor q, k, v;  // of the shapes of q, k, v
};

// What the gradient of the output [H, n, dv] becomes, given the result of attention() under the same options. Rows of at most 64 columns go
// through a kernel that holds no scores (Dao 2023, "FlashAttention-2", algorithm 2) on CPU devices; wider ones and GPUs make the weights
// [H, n, m] again.
AttentionGradients attentionGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& q, const Tensor& k, const Tensor& v,
                                     const Attention& result, const AttentionOptions& options = {});

// Which weights a picture shows.
struct WeightsView {
  std::int64_t firstHead = 0, heads = 1;
  std::int64_t firstRow = 0, rows = -1;  // -1 = to the end
  std::int64_t cell = 1;                 // a power of two: each value is the largest weight of a cell x cell block
};

// f32 [heads, ceil(rows / cell), ceil(m / cell)], made again from q, k and the statistics of attention() under the same options.
Tensor attentionWeights(gpu::Stream& stream, const Tensor& q, const Tensor& k, const Tensor& statistics, const WeightsView& view,
                        const AttentionOptions& options = {});

// The smallest cell for which a map of n rows has at most `most` cells a side.
std::int64_t cellFor(std::int64_t n, std::int64_t most);

// In double on the host, for tests and for small exact work.
struct AttentionReference {
  std::vector<double> output, weights, logSumExp, entropy;  // [H, n, dv], [H, n, m], [H, n], [H, n]
};
AttentionReference attentionReference(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options = {});
// The gradients by q, k and v, flattened.
std::array<std::vector<double>, 3> attentionGradientReference(const Tensor& gradient, const Tensor& q, const Tensor& k, const Tensor& v,
                                                              const AttentionOptions& options = {});

}  // namespace orrery::kernels
