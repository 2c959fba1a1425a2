// Two-dimensional convolution, its gradients and its transpose: all are correlations (correlation.h) but for the gradient to the weights.

#include "core/kernels/conv2d.h"

#include <stdexcept>

#include "core/kernels/correlation.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/fill.h"
#include "core/kernels/kernel.h"
#include "core/kernels/matmul.h"
#include "core/kernels/permute.h"
#include "core/kernels/reduce.h"

namespace orrery::kernels {
namespace {

void requireImages(const char* name, const Tensor& tensor) {
  if (tensor.dtype() != DType::f32 || tensor.shape().rank() != 4)
    throw std::invalid_argument(std::string(name) + ": f32 [N, C, H, W] is needed, found " + tensor.shape().toString());
}

void requireShape(const char* name, const Tensor& found, const Shape& expected) {
  if (found.dtype() != DType::f32 || !(found.shape() == expected))
    throw std::invalid_argument(std::string(name) + ": expected f32 " + expected.toString() + ", found " + found.shape().toString());
}

Correlation forwardOf(const ConvGeometry& g) {
  Correlation c;
  c.N = g.N, c.groups = g.groups, c.rows = g.outputs(), c.channels = g.channels();
  c.H = g.H, c.W = g.W, c.kh = g.kh, c.kw = g.kw, c.OH = g.OH, c.OW = g.OW;
  c.stride = g.stride, c.padding = g.padding, c.dilation = g.dilation;
  c.channelStride = g.kh * g.kw, c.rowStride = g.channels() * c.channelStride, c.groupStride = g.outputs() * c.rowStride;
  c.tapStepY = g.kw;
  return c;
}

// x[iy] gathers y[oy] for iy = oy stride + ky dilation - padding: with the kernel turned round, a correlation over gradients `stride`
// apart.
Correlation backwardOf(const ConvGeometry& g) {
  Correlation c;
  c.N = g.N, c.groups = g.groups, c.rows = g.channels(), c.channels = g.outputs();
  c.H = g.OH, c.W = g.OW, c.kh = g.kh, c.kw = g.kw, c.OH = g.H, c.OW = g.W;
  c.up = g.stride, c.dilation = g.dilation;
  c.padding = {g.dilation[0] * (g.kh - 1) - g.padding[0], g.dilation[1] * (g.kw - 1) - g.padding[1]};
  c.rowStride = g.kh * g.kw, c.channelStride = g.channels() * c.rowStride, c.groupStride = g.outputs() * c.channelStride;
  c.tapStart = g.kh * g.kw - 1, c.tapStepY = -g.kw, c.tapStepX = -1;
  return c;
}

// The same for a stride without dilation, pixel by pixel modulo the stride: pixels iy = m stride + r - padding see only the taps
// ky = r + j stride, and gather y[m - j] with them. No products with the zeros between gradients.
Correlation phaseOf(const ConvGeometry& g, const std::array<std::int64_t, 2>& r) {
  Correlation c = backwardOf(g);
  const std::array<std::int64_t, 2> kernel{g.kh, g.kw}, image{g.H, g.W}, tapStep{g.kw, 1};
  std::array<std::int64_t, 2> taps{}, extent{};
  c.up = {1, 1};
  c.resultStride = g.stride;
  c.tapStart = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t s = g.stride[i];
    taps[i] = r[i] < kernel[i] ? (kernel[i] - r[i] - 1) / s + 1 : 0;
    const std::int64_t first = g.padding[i] > r[i] ? (g.padding[i] - r[i] + s - 1) / s : 0;  // the first m inside of the image
    c.resultOffset[i] = first * s + r[i] - g.padding[i];
    extent[i] = c.resultOffset[i] < image[i] ? (image[i] - 1 - c.resultOffset[i]) / s + 1 : 0;
    c.padding[i] = taps[i] - 1 - first;
    c.tapStart += (r[i] + s * (taps[i] - 1)) * tapStep[i];
  }
  c.tapStepY = -g.stride[0] * g.kw, c.tapStepX = -g.stride[1];
  c.kh = taps[0], c.kw = taps[1], c.OH = extent[0], c.OW = extent[1];
  return c;
}

// dL/dx of a convolution, or with a bias a transposed convolution.
Tensor correlateBack(gpu::Stream& stream, const Tensor& gradient, const Tensor& weight, const Tensor& bias, const ConvGeometry& g,
                     std::string_view variant) {
  variant = variantWithMatrix(stream.device(), "conv2d_input_gradient", variant);
  const auto [sy, sx] = g.stride;
  const bool phases = sy * sx > 1 && g.dilation[0] == 1 && g.dilation[1] == 1 && sy <= g.kh && sx <= g.kw;  // every pixel has a tap
  Tensor result(g.inputShape());
  if (result.empty()) return result;
  if (gradient.empty()) return fill(stream, g.inputShape(), 0.0f);
  if (!phases) correlate(stream, gradient, weight, bias, backwardOf(g), result, variant);
  for (std::int64_t ry = 0; phases && ry < sy; ++ry) {
    for (std::int64_t rx = 0; rx < sx; ++rx) correlate(stream, gradient, weight, bias, phaseOf(g, {ry, rx}), result, variant);
  }
  return result;
}

// Kernels that tile the image without gaps or overlap (patch embeddings, 1 x 1 kernels) make a matrix product of patches.
bool tilesImage(const ConvGeometry& g) {
  const bool dense = (g.kh == 1 || g.dilation[0] == 1) && (g.kw == 1 || g.dilation[1] == 1);
  return dense && g.stride[0] == g.kh && g.stride[1] == g.kw && g.padding[0] == 0 && g.padding[1] == 0 && g.H == g.OH * g.kh &&
         g.W == g.OW * g.kw && g.outputs() > 1 && g.channels() * g.kh * g.kw > 1 && g.N * g.groups <= 65535;
}
std::int64_t patchSize(const ConvGeometry& g) { return g.channels() * g.kh * g.kw; }
Shape weightMatrices(const ConvGeometry& g) { return {1, g.groups, g.outputs(), patchSize(g)}; }
Shape outputMatrices(const ConvGeometry& g) { return {g.N, g.groups, g.outputs(), g.OH * g.OW}; }

// [N, groups, patch elements, patches] and back.
Tensor patchesOf(gpu::Stream& stream, const Tensor& x, const ConvGeometry& g) {
  const Shape matrices{g.N, g.groups, patchSize(g), g.OH * g.OW};
  if (g.kh * g.kw == 1) return x.reshaped(matrices);
  return permute(stream, x.reshaped(Shape{g.N * g.C, g.OH, g.kh, g.OW, g.kw}), {0, 2, 4, 1, 3}).reshaped(matrices);
}
Tensor fromPatches(gpu::Stream& stream, const Tensor& patches, const ConvGeometry& g) {
  if (g.kh * g.kw == 1) return patches.reshaped(g.inputShape());
  return permute(stream, patches.reshaped(Shape{g.N * g.C, g.kh, g.kw, g.OH, g.OW}), {0, 3, 1, 4, 2}).reshaped(g.inputShape());
}

MatmulOptions matmulOptions(bool transposeA, bool transposeB, std::string_view variant) {
  MatmulOptions options;
  options.transposeA = transposeA, options.transposeB = transposeB, options.variant = variant;
  return options;
}

Tensor withBias(gpu::Stream& stream, const Tensor& y, const Tensor& bias) {
  return bias.empty() || y.empty() ? y : binary(stream, Binary::add, y, bias.reshaped(Shape{bias.count(), 1, 1}));
}

// The convolution of which a transposed one is the input gradient.
ConvGeometry transposedGeometry(const Shape& input, const Shape& weight, const ConvTranspose2dOptions& options) {
  const Shape output = convTranspose2dShape(input, weight, options);
  return convGeometry(output, weight, options);
}

}  // namespace

ConvGeometry convGeometry(const Shape& input, const Shape& weight, const Conv2dOptions& options) {
  const auto refuse = [&](const std::string& why) {
    throw std::invalid_argument("conv2d: images " + input.toString() + " and weights " + weight.toString() + ": " + why);
  };
  if (input.rank() != 4 || weight.rank() != 4) refuse("[N, C, H, W] and [O, C / groups, kh, kw] are needed");
  ConvGeometry g;
  g.N = input[0], g.C = input[1], g.H = input[2], g.W = input[3];
  g.O = weight[0], g.kh = weight[2], g.kw = weight[3], g.groups = options.groups;
  g.stride = options.stride, g.padding = options.padding, g.dilation = options.dilation;
  if (g.groups < 1 || g.C % g.groups != 0 || g.O % g.groups != 0)
    refuse("the channels do not divide into " + std::to_string(g.groups) + " groups");
  if (weight[1] != g.C / g.groups) refuse("the weights must have " + std::to_string(g.C / g.groups) + " input channels");
  if (g.kh < 1 || g.kw < 1) refuse("an empty kernel");
  for (std::size_t i = 0; i < 2; ++i) {
    if (g.stride[i] < 1 || g.dilation[i] < 1 || g.padding[i] < 0) refuse("stride and dilation must be at least 1, padding at least 0");
    const std::int64_t room = (i == 0 ? g.H : g.W) + 2 * g.padding[i] - g.dilation[i] * ((i == 0 ? g.kh : g.kw) - 1) - 1;
    if (room < 0) refuse("the kernel is larger than the padded image");
    (i == 0 ? g.OH : g.OW) = room / g.stride[i] + 1;
  }
  return g;
}

Tensor conv2d(gpu::Stream& stream, const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  requireImages("conv2d", x);
  const ConvGeometry g = convGeometry(x.shape(), weight.shape(), options);
  requireShape("conv2d: weight", weight, g.weightShape());
  if (!bias.empty()) requireShape("conv2d: bias", bias, Shape{g.O});
  if (g.C == 0) return withBias(stream, fill(stream, g.outputShape(), 0.0f), bias);
  if (tilesImage(g)) {
    const Tensor y =
        matmul(stream, weight.reshaped(weightMatrices(g)), patchesOf(stream, x, g), matmulOptions(false, false, options.variant));
    return withBias(stream, y.reshaped(g.outputShape()), bias);
  }
  Tensor result(g.outputShape());
  correlate(stream, x, weight, bias, forwardOf(g), result, options.variant);
  return result;
}

Tensor conv2dInputGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& weight, const Shape& input,
                           const Conv2dOptions& options) {
  const ConvGeometry g = convGeometry(input, weight.shape(), options);
  requireShape("conv2dInputGradient: weight", weight, g.weightShape());
  requireShape("conv2dInputGradient: gradient", gradient, g.outputShape());
  if (g.O == 0) return fill(stream, input, 0.0f);
  if (tilesImage(g)) {
    const Tensor patches = matmul(stream, weight.reshaped(weightMatrices(g)), gradient.reshaped(outputMatrices(g)),
                                  matmulOptions(true, false, options.variant));
    return fromPatches(stream, patches, g);
  }
  return correlateBack(stream, gradient, weight, {}, g, options.variant);
}

Tensor conv2dWeightGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& x, const Shape& weight,
                            const Conv2dOptions& options) {
  requireImages("conv2dWeightGradient", x);
  const ConvGeometry g = convGeometry(x.shape(), weight, options);
  requireShape("conv2dWeightGradient: gradient", gradient, g.outputShape());
  // One matrix per image, unless they become many times what they are added up to.
  constexpr std::int64_t partialBudget = 8 << 20;  // elements
  if (tilesImage(g) && !gradient.empty() && g.N * weight.count() <= partialBudget) {
    const Tensor parts =
        matmul(stream, gradient.reshaped(outputMatrices(g)), patchesOf(stream, x, g), matmulOptions(false, true, options.variant));
    return reduce(stream, parts.reshaped(Shape{g.N, weight.count()}), 0, Reduction::sum, options.variant).reshaped(weight);
  }
  return correlationWeightGradient(stream, gradient, x, forwardOf(g), options.variant);
}

Tensor conv2dBiasGradient(gpu::Stream& stream, const Tensor& gradient) {
  requireImages("conv2dBiasGradient", gradient);
  const Shape& s = gradient.shape();
  return reduce(stream, reduce(stream, gradient.reshaped(Shape{s[0], s[1], s[2] * s[3]}), 2, Reduction::sum), 0, Reduction::sum);
}

Shape convTranspose2dShape(const Shape& input, const Shape& weight, const ConvTranspose2dOptions& options) {
  if (input.rank() != 4 || weight.rank() != 4 || input[1] != weight[0] || options.groups < 1) {
    throw std::invalid_argument("convTranspose2d: images [N, C, H, W] and weights [C, O / groups, kh, kw] are needed, found " +
                                input.toString() + " and " + weight.toString());
  }
  std::array<std::int64_t, 2> extent{};
  for (std::size_t i = 0; i < 2; ++i) {
    const int axis = static_cast<int>(i) + 2;
    // Below the stride, the shape rule of conv2d rounds the added rows off again, so that the two stay each other's transpose.
    if (options.outputPadding[i] < 0 || options.outputPadding[i] >= options.stride[i])
      throw std::invalid_argument("convTranspose2d: the output padding must be smaller than the stride");
    extent[i] = (input[axis] - 1) * options.stride[i] - 2 * options.padding[i] + options.dilation[i] * (weight[axis] - 1) +
                options.outputPadding[i] + 1;
    if (input[axis] < 1 || extent[i] < 1)
      throw std::invalid_argument("convTranspose2d: " + input.toString() + " and " + weight.toString() + " leave no pixel");
  }
  return Shape{input[0], weight[1] * options.groups, extent[0], extent[1]};
}

Tensor convTranspose2d(gpu::Stream& stream, const Tensor& x, const Tensor& weight, const Tensor& bias,
                       const ConvTranspose2dOptions& options) {
  requireImages("convTranspose2d", x);
  const ConvGeometry g = transposedGeometry(x.shape(), weight.shape(), options);
  requireShape("convTranspose2d: weight", weight, g.weightShape());
  if (!bias.empty()) requireShape("convTranspose2d: bias", bias, Shape{g.C});
  if (g.O == 0 || g.C == 0) throw std::invalid_argument("convTranspose2d: " + weight.shape().toString() + " has no channels");
  if (tilesImage(g)) return withBias(stream, conv2dInputGradient(stream, x, weight, g.inputShape(), options), bias);
  return correlateBack(stream, x, weight, bias, g, options.variant);
}

Tensor convTranspose2dInputGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& weight,
                                    const ConvTranspose2dOptions& options) {
  return conv2d(stream, gradient, weight, {}, options);
}

Tensor convTranspose2dWeightGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& x, const Shape& weight,
                                     const ConvTranspose2dOptions& options) {
  return conv2dWeightGradient(stream, x, gradient, weight, options);
}

namespace {

// Calls visit(place in y, place in x, place in w) for every product of the convolution.
template <class Visit>
void forEachProduct(const ConvGeometry& g, const Visit& visit) {
  for (std::int64_t n = 0; n < g.N; ++n)
    for (std::int64_t o = 0; o < g.O; ++o)
      for (std::int64_t oy = 0; oy < g.OH; ++oy)
        for (std::int64_t ox = 0; ox < g.OW; ++ox)
          for (std::int64_t c = 0; c < g.channels(); ++c)
            for (std::int64_t ky = 0; ky < g.kh; ++ky)
              for (std::int64_t kx = 0; kx < g.kw; ++kx) {
                const std::int64_t y = oy * g.stride[0] + ky * g.dilation[0] - g.padding[0];
                const std::int64_t x = ox * g.stride[1] + kx * g.dilation[1] - g.padding[1];
                if (y < 0 || y >= g.H || x < 0 || x >= g.W) continue;
                const std::int64_t channel = o / g.outputs() * g.channels() + c;
                visit(((n * g.O + o) * g.OH + oy) * g.OW + ox, ((n * g.C + channel) * g.H + y) * g.W + x,
                      ((o * g.channels() + c) * g.kh + ky) * g.kw + kx);
              }
}

void addBias(Doubles& y, const Doubles& bias) {
  const std::int64_t plane = y.shape[2] * y.shape[3];
  for (std::int64_t i = 0; i < y.shape.count() && !bias.empty(); ++i) y[i] += bias[i / plane % y.shape[1]];
}

}  // namespace

Doubles conv2dReference(const Doubles& x, const Doubles& weight, const Doubles& bias, const Conv2dOptions& options) {
  const ConvGeometry g = convGeometry(x.shape, weight.shape, options);
  Doubles y(g.outputShape());
  forEachProduct(g, [&](std::int64_t i, std::int64_t j, std::int64_t k) { y[i] += x[j] * weight[k]; });
  addBias(y, bias);
  return y;
}

Doubles conv2dInputGradientReference(const Doubles& gradient, const Doubles& weight, const Shape& input, const Conv2dOptions& options) {
  Doubles result(input);
  forEachProduct(convGeometry(input, weight.shape, options),
                 [&](std::int64_t i, std::int64_t j, std::int64_t k) { result[j] += gradient[i] * weight[k]; });
  return result;
}

Doubles conv2dWeightGradientReference(const Doubles& gradient, const Doubles& x, const Shape& weight, const Conv2dOptions& options) {
  Doubles result(weight);
  forEachProduct(convGeometry(x.shape, weight, options),
                 [&](std::int64_t i, std::int64_t j, std::int64_t k) { result[k] += gradient[i] * x[j]; });
  return result;
}

Doubles convTranspose2dReference(const Doubles& x, const Doubles& weight, const Doubles& bias, const ConvTranspose2dOptions& options) {
  Doubles result(convTranspose2dShape(x.shape, weight.shape, options));
  forEachProduct(transposedGeometry(x.shape, weight.shape, options),
                 [&](std::int64_t i, std::int64_t j, std::int64_t k) { result[j] += x[i] * weight[k]; });
  addBias(result, bias);
  return result;
}

}  // namespace orrery::kernels
