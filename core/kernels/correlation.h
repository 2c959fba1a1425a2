#pragma once
// What conv2d, its input gradient and the transposed convolution have in common: a correlation of images with small kernels, grouped, with
// any stride, dilation and padding, read from images whose pixels may lie `up` apart on a grid of zeros.

#include <array>
#include <string_view>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// result[n, g rows + r, oy By + by, ox Bx + bx] = bias[g rows + r] + sum over c < channels, ky, kx of
//   w[g groupStride + r rowStride + c channelStride + tapStart + ky tapStepY + kx tapStepX]
//   X[n, g channels + c, oy sy + ky dy - py, ox sx + kx dx - px]
// with B = resultStride and b = resultOffset; X[.., y, x] = x[.., y / uy, x / ux] where both divide and lie inside, otherwise 0.
struct Correlation {
  std::int64_t N = 0, groups = 1, rows = 0, channels = 0, H = 0, W = 0, kh = 0, kw = 0, OH = 0, OW = 0;
  std::array<std::int64_t, 2> up{1, 1}, stride{1, 1}, padding{0, 0}, dilation{1, 1};
  std::int64_t groupStride = 0, rowStride = 0, channelStride = 0, tapStart = 0, tapStepY = 0, tapStepX = 1;
  std::array<std::int64_t, 2> resultStride{1, 1}, resultOffset{0, 0};
};

// Writes pixels of `result` [N, groups rows, ..., ...]; `bias` may be empty. Throws std::length_error for what this device cannot bind or
// run at once.
void correlate(gpu::Stream& stream, const Tensor& x, const Tensor& weight, const Tensor& bias, const Correlation& c, Tensor& result,
               std::string_view variant);

// dL/dw of the same correlation (up = 1, weights as conv2d stores them) from dL/dresult [N, groups rows, OH, OW]:
// [groups rows, channels, kh, kw].
Tensor correlationWeightGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& x, const Correlation& c,
                                 std::string_view variant);

}  // namespace orrery::kernels
