#pragma once
// Axes in another order, and what is made of it.

#include <vector>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// Axis i of the result is axis axes[i] of x (PyTorch's permute, copied). 4-byte elements; any rank, as long as at most 6 axes remain when
// those that stay neighbours are joined. The gradient is the permutation by inversePermutation(axes). Throws std::invalid_argument for axes
// that are no permutation.
Tensor permute(gpu::Stream& stream, const Tensor& x, const std::vector<int>& axes);
std::vector<int> inversePermutation(const std::vector<int>& axes);

// Shi et al. 2016, eq. 4: x [N, C r r, H, W] -> [N, C, H r, W r] with y[n, c, h r + i, w r + j] = x[n, (c r + i) r + j, h, w]; and back.
// Each is the other's gradient.
Tensor pixelShuffle(gpu::Stream& stream, const Tensor& x, std::int64_t factor);
Tensor pixelUnshuffle(gpu::Stream& stream, const Tensor& x, std::int64_t factor);

// The order along one axis turned round: its own gradient.
Tensor flip(gpu::Stream& stream, const Tensor& x, int axis);

}  // namespace orrery::kernels
