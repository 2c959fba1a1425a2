#pragma once
// Normalisation of rows. Sources: Ba, Kiros and Hinton 2016 (layer normalisation, eq. 3-4); Zhang and Sennrich 2019 (root mean square).

#include <string_view>
#include <vector>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct LayerNormOptions {
  double epsilon = 1e-5;
  bool rootMeanSquare = false;  // y = x / sqrt(mean(x^2) + epsilon): no mean is taken off
  Tensor gain, shift;           // optional, f32 [n]
  std::string_view variant{};   // "scalar", "subgroup"; empty = variantFor(device)
};

// y = (x - mean) / sqrt(variance + epsilon) * gain + shift along the last axis, f32, the shape of x. The variance divides by n.
// Throws std::invalid_argument for rank 0 and for gain or shift that are not [n].
Tensor layerNorm(gpu::Stream& stream, const Tensor& x, const LayerNormOptions& options = {});

std::vector<double> layerNormReference(const Tensor& x, const LayerNormOptions& options = {});

}  // namespace orrery::kernels
