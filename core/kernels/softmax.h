#pragma once
// Softmax along an axis. Source: Bridle 1990, in the shifted form that cannot overflow.

#include <string_view>
#include <vector>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct SoftmaxOptions {
  double temperature = 1;      // > 0; scores are divided by it
  double scale = 1;            // and multiplied by this
  Tensor mask;                 // optional, last axis only: added to the scaled scores; shape = x's trailing axes; -1e30 and below hides
  std::string_view variant{};  // "scalar", "subgroup"; empty = variantFor(device)
};

// y_j = exp(s_j) / sum_j exp(s_j) with s = scale x / temperature + mask, f32, the shape of x. Hidden entries are exactly 0, a row in which
// all are hidden is all zero. `logSumExp`, when given, gets m + ln sum_j exp(s_j - m) per row ([...] without the axis; -1e30 when all are
// hidden). Throws std::invalid_argument for an axis or mask that does not fit, or a temperature that is not positive.
Tensor softmax(gpu::Stream& stream, const Tensor& x, int axis = -1, const SoftmaxOptions& options = {}, Tensor* logSumExp = nullptr);

std::vector<double> softmaxReference(const Tensor& x, int axis = -1, const SoftmaxOptions& options = {});

}  // namespace orrery::kernels
