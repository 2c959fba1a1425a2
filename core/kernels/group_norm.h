#pragma once
// Group normalisation and the gradients of group, layer and root-mean-square normalisation. Sources: Wu and He 2018 (group normalisation,
// eq. 7); Ba, Kiros and Hinton 2016; Zhang and Sennrich 2019.

#include <string_view>

#include "core/kernels/layer_norm.h"
#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct GroupNormOptions {
  double epsilon = 1e-5;
  Tensor gain, shift;          // optional, f32 [C]
  std::string_view variant{};  // "scalar", "subgroup"; empty = variantFor(device)
};

// y = (x - mean) / sqrt(variance + epsilon) * gain[channel] + shift[channel]; x f32 [N, C, ...], mean and variance (by n) over the C /
// groups channels of a group and everything behind them. groups == C is instance normalisation. Throws std::invalid_argument for a rank
// below 2, groups that do not divide C, and gain or shift that are not [C].
Tensor groupNorm(gpu::Stream& stream, const Tensor& x, std::int64_t groups, const GroupNormOptions& options = {});

// Gradients; `gain` and `shift` stay empty where the options have none. Sums over rows are made of blocks in an order that depends on the
// shape only: same input, same bytes.
struct NormGradients {
  Tensor input, gain, shift;
};
NormGradients groupNormGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& x, std::int64_t groups,
                                const GroupNormOptions& options = {});
NormGradients layerNormGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& x, const LayerNormOptions& options = {});

// References in double precision, both norms as one: rows of n = perGroup width elements, of which row r, column j takes
// gain[r % groups perGroup + j / width]. `gain` and `shift` may be empty.
struct NormRows {
  std::int64_t rows = 0, n = 0, groups = 1, perGroup = 1, width = 1;
  double epsilon = 1e-5;
  bool rootMeanSquare = false;
};
NormRows groupNormRows(const Shape& x, std::int64_t groups, double epsilon = 1e-5);
NormRows layerNormRows(const Shape& x, double epsilon = 1e-5, bool rootMeanSquare = false);
Doubles normReference(const Doubles& x, const Doubles& gain, const Doubles& shift, const NormRows& rows);
struct NormGradientsReference {
  Doubles input, gain, shift;
};
NormGradientsReference normGradientReference(const Doubles& gradient, const Doubles& x, const Doubles& gain, const NormRows& rows);

}  // namespace orrery::kernels
