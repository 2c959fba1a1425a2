#pragma once
// Pooling of images and its gradients. Names, meanings and defaults follow PyTorch. Global pooling is a reduce over the pixels.

#include <array>

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct PoolOptions {
  std::array<std::int64_t, 2> kernel{2, 2};
  std::array<std::int64_t, 2> stride{0, 0};    // 0: the kernel's extent
  std::array<std::int64_t, 2> padding{0, 0};   // at most half the kernel
  std::array<std::int64_t, 2> dilation{1, 1};  // max pooling only
  bool ceilMode = false;                       // windows that only begin inside count, too
  bool countIncludePad = true;                 // average pooling: the divisor counts padded pixels
};

// [N, C, OH, OW] for images [N, C, H, W]: OH = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, rounded up in ceil mode
// unless the last window would begin behind the image and its padding. Throws std::invalid_argument for options that make no sense or leave
// no pixel.
Shape poolShape(const Shape& input, const PoolOptions& options);

struct MaxPooled {
  Tensor values;   // f32 [N, C, OH, OW]
  Tensor indices;  // u32, y W + x in its plane; the first of equals
};
// NaN in a window gives NaN. Padding counts as minus infinity.
MaxPooled maxPool2d(gpu::Stream& stream, const Tensor& x, const PoolOptions& options = {});
// dL/dx from dL/dvalues, gathered: no atomics, same input, same bytes.
Tensor maxPool2dGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& indices, const Shape& input,
                         const PoolOptions& options = {});

// The values back at the places they came from, zeros elsewhere; `input` is the shape that was pooled. Where windows overlap and give a
// place twice, the window that comes last wins. The gradient picks dL/dy at those places.
Tensor maxUnpool2d(gpu::Stream& stream, const Tensor& values, const Tensor& indices, const Shape& input, const PoolOptions& options = {});
Tensor maxUnpool2dGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& indices);

Tensor averagePool2d(gpu::Stream& stream, const Tensor& x, const PoolOptions& options = {});
Tensor averagePool2dGradient(gpu::Stream& stream, const Tensor& gradient, const Shape& input, const PoolOptions& options = {});
// Output pixel i averages the pixels from floor(i H / OH) to ceil((i + 1) H / OH) - 1.
Tensor adaptiveAveragePool2d(gpu::Stream& stream, const Tensor& x, std::array<std::int64_t, 2> size);
Tensor adaptiveAveragePool2dGradient(gpu::Stream& stream, const Tensor& gradient, const Shape& input);

// References in double precision.
struct MaxPooledReference {
  Doubles values;
  std::vector<std::uint32_t> indices;
};
MaxPooledReference maxPool2dReference(const Doubles& x, const PoolOptions& options);
Doubles maxPool2dGradientReference(const Doubles& gradient, const std::vector<std::uint32_t>& indices, const Shape& input);
Doubles averagePool2dReference(const Doubles& x, const PoolOptions& options);
Doubles averagePool2dGradientReference(const Doubles& gradient, const Shape& input, const PoolOptions& options);
Doubles adaptiveAveragePool2dReference(const Doubles& x, std::array<std::int64_t, 2> size);
Doubles adaptiveAveragePool2dGradientReference(const Doubles& gradient, const Shape& input);

}  // namespace orrery::kernels
