// Max pooling with indices, unpooling, average pooling and adaptive average pooling of images [N, C, H, W], with gradients. Averages are a
// map along each axis (resample.h): the divisor kernel x kernel, or its part inside of the image, is a product.

#include "core/kernels/pooling.h"

#include <cmath>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "core/kernels/resample.h"

namespace orrery::kernels {
namespace {

std::int64_t strideOf(const PoolOptions& options, std::size_t axis) {
  return options.stride[axis] == 0 ? options.kernel[axis] : options.stride[axis];
}

struct Push {
  std::uint32_t count;
  std::int32_t height, width, outHeight, outWidth, kernelY, kernelX, strideY, strideX, paddingY, paddingX, dilationY, dilationX;
};
Push pushFor(std::int64_t count, const Shape& input, const Shape& output, const PoolOptions& o) {
  const auto number = [](std::int64_t value) { return static_cast<std::int32_t>(value); };
  return {static_cast<std::uint32_t>(count),
          number(input[2]),
          number(input[3]),
          number(output[2]),
          number(output[3]),
          number(o.kernel[0]),
          number(o.kernel[1]),
          number(strideOf(o, 0)),
          number(strideOf(o, 1)),
          number(o.padding[0]),
          number(o.padding[1]),
          number(o.dilation[0]),
          number(o.dilation[1])};
}

// `perY` x `perX` rounds for every element.
gpu::Groups groupsFor(gpu::Stream& stream, const char* name, std::int64_t count, std::int64_t perY, std::int64_t perX) {
  const gpu::Groups groups = stridedGroups(count, 64);
  requireIterations(stream.device(), name, (count / (std::int64_t{std::max(groups.x, 1u)} * 64) + 1) * (1 + perY * (1 + perX)));
  return groups;
}
// Windows along one axis that a pixel may lie in.
std::int64_t windowsOver(const PoolOptions& o, std::size_t axis) { return (o.kernel[axis] - 1) * o.dilation[axis] / strideOf(o, axis) + 1; }

// The window of output pixel i along one axis, cut to the image, and its divisor.
struct Window {
  std::int64_t begin = 0, end = 0;
  double divisor = 1;
};
Window averageWindow(std::int64_t i, std::int64_t extent, const PoolOptions& o, std::size_t axis) {
  const std::int64_t start = i * strideOf(o, axis) - o.padding[axis], stop = std::min(start + o.kernel[axis], extent + o.padding[axis]);
  const std::int64_t begin = std::max<std::int64_t>(start, 0), end = std::min(stop, extent);
  return {begin, end, static_cast<double>(o.countIncludePad ? stop - start : end - begin)};
}
Window adaptiveWindow(std::int64_t i, std::int64_t in, std::int64_t out) {
  const std::int64_t begin = i * in / out, end = ((i + 1) * in + out - 1) / out;
  return {begin, end, static_cast<double>(end - begin)};
}

template <class WindowOf>
AxisMap mapFor(std::int64_t in, std::int64_t out, const WindowOf& windowOf) {
  AxisMap map;
  map.in = in;
  for (std::int64_t i = 0; i < out; ++i) {
    const Window window = windowOf(i);
    for (std::int64_t j = window.begin; j < window.end; ++j) map.add(j, 1 / window.divisor);
    map.endRow();
  }
  return map;
}
AxisMap averageMap(const Shape& input, const Shape& output, const PoolOptions& o, int axis) {
  const auto along = static_cast<std::size_t>(axis - 2);
  return mapFor(input[axis], output[axis], [&](std::int64_t i) { return averageWindow(i, input[axis], o, along); });
}
AxisMap adaptiveMap(std::int64_t in, std::int64_t out) {
  return mapFor(in, out, [&](std::int64_t i) { return adaptiveWindow(i, in, out); });
}

void requireShape(const char* name, const Tensor& tensor, const Shape& shape, DType type = DType::f32) {
  if (!(tensor.shape() == shape) || tensor.dtype() != type) {
    throw std::invalid_argument(std::string(name) + ": expected " + std::string(nameOf(type)) + " " + shape.toString() + ", found " +
                                std::string(nameOf(tensor.dtype())) + " " + tensor.shape().toString());
  }
}

void requireAdaptive(const Shape& input, const Shape& output) {
  if (input.rank() != 4 || output.rank() != 4 || input[2] < 1 || input[3] < 1 || output[2] < 1 || output[3] < 1)
    throw std::invalid_argument("adaptiveAveragePool2d: " + input.toString() + " to " + output.toString() + " is not possible");
}

PoolOptions undilated(PoolOptions options) {
  options.dilation = {1, 1};
  return options;
}

Tensor runUnpool(gpu::Stream& stream, const char* name, std::uint32_t mode, const Tensor& values, const Tensor& indices, const Shape& input,
                 const PoolOptions& options) {
  const Shape output = poolShape(input, options);
  requireShape(name, values, output);
  requireShape(name, indices, output, DType::u32);
  Tensor result(input);
  if (result.empty()) return result;
  stream.dispatch("kernels/max_unpool",
                  {{values.device(stream), gpu::Access::read},
                   {indices.device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  pushFor(input.count(), input, output, options),
                  groupsFor(stream, name, input.count(), windowsOver(options, 0), windowsOver(options, 1)), {mode});
  return result;
}

}  // namespace

Shape poolShape(const Shape& input, const PoolOptions& o) {
  const auto refuse = [&](const char* why) { throw std::invalid_argument("pooling of " + input.toString() + ": " + why); };
  if (input.rank() != 4) refuse("[N, C, H, W] is needed");
  std::array<std::int64_t, 2> extent{};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t stride = strideOf(o, i), in = input[static_cast<int>(i) + 2];
    if (o.kernel[i] < 1 || stride < 1 || o.dilation[i] < 1) refuse("kernel, stride and dilation must be at least 1");
    if (o.padding[i] < 0 || 2 * o.padding[i] > o.kernel[i]) refuse("the padding must be between 0 and half the kernel");
    const std::int64_t room = in + 2 * o.padding[i] - o.dilation[i] * (o.kernel[i] - 1) - 1;
    if (room < 0 || in < 1) refuse("the window is larger than the padded image");
    extent[i] = (room + (o.ceilMode ? stride - 1 : 0)) / stride + 1;
    if (o.ceilMode && (extent[i] - 1) * stride >= in + o.padding[i]) --extent[i];
  }
  return Shape{input[0], input[1], extent[0], extent[1]};
}

MaxPooled maxPool2d(gpu::Stream& stream, const Tensor& x, const PoolOptions& options) {
  const Shape shape = poolShape(x.shape(), options);
  requireShape("maxPool2d", x, x.shape());
  MaxPooled result{Tensor(shape), Tensor(shape, DType::u32)};
  if (shape.count() == 0) return result;
  stream.dispatch("kernels/max_pool",
                  {{x.device(stream), gpu::Access::read},
                   {result.values.deviceForWriting(stream), gpu::Access::write},
                   {result.indices.deviceForWriting(stream), gpu::Access::write}},
                  pushFor(shape.count(), x.shape(), shape, options),
                  groupsFor(stream, "maxPool2d", shape.count(), options.kernel[0], options.kernel[1]));
  return result;
}

Tensor maxPool2dGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& indices, const Shape& input,
                         const PoolOptions& options) {
  return runUnpool(stream, "maxPool2dGradient", 0, gradient, indices, input, options);
}

Tensor maxUnpool2d(gpu::Stream& stream, const Tensor& values, const Tensor& indices, const Shape& input, const PoolOptions& options) {
  return runUnpool(stream, "maxUnpool2d", 1, values, indices, input, options);
}

Tensor maxUnpool2dGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& indices) {
  const Shape &input = gradient.shape(), &output = indices.shape();
  if (input.rank() != 4 || output.rank() != 4 || input[0] != output[0] || input[1] != output[1] || indices.dtype() != DType::u32)
    throw std::invalid_argument("maxUnpool2dGradient: " + input.toString() + " and indices " + output.toString() + " do not fit");
  Tensor result(output);
  if (result.empty()) return result;
  stream.dispatch("kernels/max_unpool",
                  {{gradient.device(stream), gpu::Access::read},
                   {indices.device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  pushFor(output.count(), input, output, {}), stridedGroups(output.count(), 64), {2});
  return result;
}

Tensor averagePool2d(gpu::Stream& stream, const Tensor& x, const PoolOptions& options) {
  const PoolOptions o = undilated(options);
  const Shape output = poolShape(x.shape(), o);
  requireShape("averagePool2d", x, x.shape());
  return resample(stream, x, averageMap(x.shape(), output, o, 2), averageMap(x.shape(), output, o, 3));
}

Tensor averagePool2dGradient(gpu::Stream& stream, const Tensor& gradient, const Shape& input, const PoolOptions& options) {
  const PoolOptions o = undilated(options);
  const Shape output = poolShape(input, o);
  requireShape("averagePool2dGradient", gradient, output);
  return resample(stream, gradient, averageMap(input, output, o, 2).transposed(), averageMap(input, output, o, 3).transposed());
}

Tensor adaptiveAveragePool2d(gpu::Stream& stream, const Tensor& x, std::array<std::int64_t, 2> size) {
  const Shape& s = x.shape();
  requireAdaptive(s, Shape{0, 0, size[0], size[1]});
  requireShape("adaptiveAveragePool2d", x, s);
  return resample(stream, x, adaptiveMap(s[2], size[0]), adaptiveMap(s[3], size[1]));
}

Tensor adaptiveAveragePool2dGradient(gpu::Stream& stream, const Tensor& gradient, const Shape& input) {
  requireAdaptive(input, gradient.shape());
  requireShape("adaptiveAveragePool2dGradient", gradient, Shape{input[0], input[1], gradient.shape()[2], gradient.shape()[3]});
  return resample(stream, gradient, adaptiveMap(input[2], gradient.shape()[2]).transposed(),
                  adaptiveMap(input[3], gradient.shape()[3]).transposed());
}

// ---- references: window by window, both axes at once ----

MaxPooledReference maxPool2dReference(const Doubles& x, const PoolOptions& o) {
  const Shape shape = poolShape(x.shape, o);
  MaxPooledReference result{Doubles(shape), std::vector<std::uint32_t>(static_cast<std::size_t>(shape.count()))};
  const std::int64_t H = x.shape[2], W = x.shape[3];
  for (std::int64_t i = 0; i < shape.count(); ++i) {
    const std::int64_t ox = i % shape[3], oy = i / shape[3] % shape[2], plane = i / shape[3] / shape[2];
    bool found = false;
    for (std::int64_t ky = 0; ky < o.kernel[0]; ++ky) {
      for (std::int64_t kx = 0; kx < o.kernel[1]; ++kx) {
        const std::int64_t y = oy * strideOf(o, 0) + ky * o.dilation[0] - o.padding[0],
                           c = ox * strideOf(o, 1) + kx * o.dilation[1] - o.padding[1];
        if (y < 0 || y >= H || c < 0 || c >= W) continue;
        const double value = x[(plane * H + y) * W + c];
        if (found && !(value > result.values[i]) && !(std::isnan(value) && !std::isnan(result.values[i]))) continue;
        found = true;
        result.values[i] = value;
        result.indices[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(y * W + c);
      }
    }
  }
  return result;
}

Doubles maxPool2dGradientReference(const Doubles& gradient, const std::vector<std::uint32_t>& indices, const Shape& input) {
  Doubles result(input);
  const std::int64_t pixels = gradient.shape[2] * gradient.shape[3];
  for (std::int64_t i = 0; i < gradient.shape.count(); ++i)
    result[i / pixels * input[2] * input[3] + indices[static_cast<std::size_t>(i)]] += gradient[i];
  return result;
}

namespace {

// Calls visit(output place, input place, weight) for every pixel that an average takes.
template <class WindowY, class WindowX, class Visit>
void forEachShare(const Shape& input, const Shape& output, const WindowY& windowY, const WindowX& windowX, const Visit& visit) {
  for (std::int64_t i = 0; i < output.count(); ++i) {
    const std::int64_t plane = i / output[3] / output[2];
    const Window wy = windowY(i / output[3] % output[2]), wx = windowX(i % output[3]);
    for (std::int64_t y = wy.begin; y < wy.end; ++y)
      for (std::int64_t x = wx.begin; x < wx.end; ++x) visit(i, (plane * input[2] + y) * input[3] + x, 1 / (wy.divisor * wx.divisor));
  }
}
template <class Visit>
void forEachAverage(const Shape& input, const Shape& output, const PoolOptions& o, const Visit& visit) {
  forEachShare(
      input, output, [&](std::int64_t i) { return averageWindow(i, input[2], o, 0); },
      [&](std::int64_t i) { return averageWindow(i, input[3], o, 1); }, visit);
}
template <class Visit>
void forEachAdaptive(const Shape& input, const Shape& output, const Visit& visit) {
  forEachShare(
      input, output, [&](std::int64_t i) { return adaptiveWindow(i, input[2], output[2]); },
      [&](std::int64_t i) { return adaptiveWindow(i, input[3], output[3]); }, visit);
}

}  // namespace

Doubles averagePool2dReference(const Doubles& x, const PoolOptions& options) {
  Doubles y(poolShape(x.shape, undilated(options)));
  forEachAverage(x.shape, y.shape, options, [&](std::int64_t i, std::int64_t j, double w) { y[i] += w * x[j]; });
  return y;
}
Doubles averagePool2dGradientReference(const Doubles& gradient, const Shape& input, const PoolOptions& options) {
  Doubles result(input);
  forEachAverage(input, gradient.shape, options, [&](std::int64_t i, std::int64_t j, double w) { result[j] += w * gradient[i]; });
  return result;
}
Doubles adaptiveAveragePool2dReference(const Doubles& x, std::array<std::int64_t, 2> size) {
  Doubles y(Shape{x.shape[0], x.shape[1], size[0], size[1]});
  forEachAdaptive(x.shape, y.shape, [&](std::int64_t i, std::int64_t j, double w) { y[i] += w * x[j]; });
  return y;
}
Doubles adaptiveAveragePool2dGradientReference(const Doubles& gradient, const Shape& input) {
  Doubles result(input);
  forEachAdaptive(input, gradient.shape, [&](std::int64_t i, std::int64_t j, double w) { result[j] += w * gradient[i]; });
  return result;
}

}  // namespace orrery::kernels
