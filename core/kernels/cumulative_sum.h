#pragma once
// Running sums along any axis and their gradient.

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

// y_i = x_0 + ... + x_i along an axis (PyTorch's cumsum); f32. With `reverse`, x_i + ... + x_(n - 1). The gradient of either is the other,
// applied to dL/dy. Throws std::invalid_argument for an axis that is not there.
Tensor cumulativeSum(gpu::Stream& stream, const Tensor& x, int axis = -1, bool reverse = false);
Tensor cumulativeSumGradient(gpu::Stream& stream, const Tensor& gradient, int axis = -1, bool reverse = false);

Doubles cumulativeSumReference(const Doubles& x, int axis = -1, bool reverse = false);

}  // namespace orrery::kernels
