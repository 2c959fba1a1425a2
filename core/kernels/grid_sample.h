#pragma once
// Bilinear sampling of images at given places (Jaderberg et al. 2015, "Spatial transformer networks", eq. 5), with gradients. Conventions,
// names and defaults of PyTorch's grid_sample.

#include <string_view>

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

enum class GridPadding { zeros, border };  // what lies outside of the image: zeros, or the pixel at its border

struct GridSampleOptions {
  GridPadding padding = GridPadding::zeros;
  bool alignCorners = false;  // -1 and 1 are the centres of the corner pixels, instead of their outer edges
};

// x f32 [N, C, H, W], grid f32 [N, OH, OW, 2] of (x, y) in [-1, 1] -> [N, C, OH, OW]. Throws std::invalid_argument for shapes that do not
// fit.
Tensor gridSample(gpu::Stream& stream, const Tensor& x, const Tensor& grid, const GridSampleOptions& options = {});

// The gradient to the image is a scatter: its shares are sorted by pixel and summed in their order (segments.h), so it repeats to the bit.
Tensor gridSampleInputGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& grid, const Shape& input,
                               const GridSampleOptions& options = {});
Tensor gridSampleGridGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& x, const Tensor& grid,
                              const GridSampleOptions& options = {});

Doubles gridSampleReference(const Doubles& x, const Doubles& grid, const GridSampleOptions& options);
Doubles gridSampleInputGradientReference(const Doubles& gradient, const Doubles& grid, const Shape& input,
                                         const GridSampleOptions& options);
Doubles gridSampleGridGradientReference(const Doubles& gradient, const Doubles& x, const Doubles& grid, const GridSampleOptions& options);

}  // namespace orrery::kernels
