#pragma once
// Two-dimensional convolution as neural networks mean it (a correlation), its gradients and its transpose. Names, layouts and defaults
// follow PyTorch: images f32 [N, C, H, W], weights f32 [O, C / groups, kh, kw].

#include <array>
#include <string_view>

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct Conv2dOptions {
  std::array<std::int64_t, 2> stride{1, 1}, padding{0, 0}, dilation{1, 1};  // along y, along x
  std::int64_t groups = 1;                                                  // groups == C: depthwise
  std::string_view variant{};                                               // "scalar", "subgroup", "matrix"; empty = variantWithMatrix(device)
};

// Extents of one convolution, checked: OH = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1.
struct ConvGeometry {
  std::int64_t N = 0, C = 0, H = 0, W = 0, O = 0, kh = 0, kw = 0, OH = 0, OW = 0, groups = 1;
  std::array<std::int64_t, 2> stride{1, 1}, padding{0, 0}, dilation{1, 1};
  std::int64_t channels() const { return C / groups; }  // per group, in
  std::int64_t outputs() const { return O / groups; }   // per group, out
  Shape inputShape() const { return {N, C, H, W}; }
  Shape weightShape() const { return {O, channels(), kh, kw}; }
  Shape outputShape() const { return {N, O, OH, OW}; }
};
// Throws std::invalid_argument when the shapes and options do not fit each other.
ConvGeometry convGeometry(const Shape& input, const Shape& weight, const Conv2dOptions& options);

// y[n, o, oy, ox] = bias[o] + sum over c, ky, kx of weight[o, c, ky, kx] x[n, g C/groups + c, oy sy + ky dy - py, ox sx + kx dx - px], zero
// outside of the image; g = the group of o. `bias` [O] may be empty. Throws std::invalid_argument for what does not fit.
Tensor conv2d(gpu::Stream& stream, const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv2dOptions& options = {});

// The gradients of a loss L given dL/dy [N, O, OH, OW].
Tensor conv2dInputGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& weight, const Shape& input,
                           const Conv2dOptions& options = {});
Tensor conv2dWeightGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& x, const Shape& weight,
                            const Conv2dOptions& options = {});
// dL/dbias[o]: the sum over n, oy, ox.
Tensor conv2dBiasGradient(gpu::Stream& stream, const Tensor& gradient);

struct ConvTranspose2dOptions : Conv2dOptions {
  std::array<std::int64_t, 2> outputPadding{0, 0};  // rows and columns added at the far side, below the stride
};

// The transpose of conv2d: x [N, C, H, W], weight [C, O / groups, kh, kw], bias [O] or empty; result [N, O, OH, OW] with
// OH = (H - 1) stride - 2 padding + dilation (kh - 1) + outputPadding + 1.
Tensor convTranspose2d(gpu::Stream& stream, const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                       const ConvTranspose2dOptions& options = {});
Shape convTranspose2dShape(const Shape& input, const Shape& weight, const ConvTranspose2dOptions& options);
Tensor convTranspose2dInputGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& weight,
                                    const ConvTranspose2dOptions& options = {});
Tensor convTranspose2dWeightGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& x, const Shape& weight,
                                     const ConvTranspose2dOptions& options = {});

// References in double precision.
Doubles conv2dReference(const Doubles& x, const Doubles& weight, const Doubles& bias, const Conv2dOptions& options = {});
Doubles conv2dInputGradientReference(const Doubles& gradient, const Doubles& weight, const Shape& input, const Conv2dOptions& options = {});
Doubles conv2dWeightGradientReference(const Doubles& gradient, const Doubles& x, const Shape& weight, const Conv2dOptions& options = {});
Doubles convTranspose2dReference(const Doubles& x, const Doubles& weight, const Doubles& bias, const ConvTranspose2dOptions& options = {});

}  // namespace orrery::kernels
