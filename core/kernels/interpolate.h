#pragma once
// Resizing of images. Conventions, names and defaults of PyTorch's interpolate (with a size, without antialiasing).

#include <array>

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

enum class Interpolation { nearest, bilinear, bicubic };  // bicubic: Keys 1981 with a = -0.75

// x f32 [N, C, H, W] -> [N, C, size[0], size[1]]. Pixel centres lie at whole numbers. Output pixel i reads from
//   nearest   floor(i in / out)
//   otherwise (i + 1/2) in / out - 1/2 (bilinear: at least 0), or with alignCorners i (in - 1) / (out - 1).
// Reads outside of the image take the pixel at its border. Throws std::invalid_argument for another rank or an empty size.
Tensor interpolate(gpu::Stream& stream, const Tensor& x, std::array<std::int64_t, 2> size, Interpolation mode = Interpolation::nearest,
                   bool alignCorners = false);
// dL/dx from dL/dy [N, C, OH, OW]; `input` is x's shape.
Tensor interpolateGradient(gpu::Stream& stream, const Tensor& gradient, const Shape& input, Interpolation mode = Interpolation::nearest,
                           bool alignCorners = false);

Doubles interpolateReference(const Doubles& x, std::array<std::int64_t, 2> size, Interpolation mode, bool alignCorners);
Doubles interpolateGradientReference(const Doubles& gradient, const Shape& input, Interpolation mode, bool alignCorners);

}  // namespace orrery::kernels
