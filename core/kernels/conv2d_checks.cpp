// Check and bench cases of the convolutions.

#include "core/kernels/check_support.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {
namespace {

struct Case {
  Shape input, weight;
  std::array<std::int64_t, 2> stride{1, 1}, padding{0, 0}, dilation{1, 1};
  std::int64_t groups = 1;
};

// Around the tiles (8 and 16 channels, 4 and 64 pixels), kernels of 1 to 9 taps a row that need one to three steps, every combination of
// stride and dilation that packs differently, groups, depthwise with a multiplier, images smaller than a quad, nothing at all.
const std::vector<Case>& cases() {
  static const std::vector<Case> list{
      {Shape{2, 3, 9, 11}, Shape{5, 3, 3, 3}, {1, 1}, {1, 1}},
      {Shape{1, 1, 1, 1}, Shape{1, 1, 1, 1}},
      {Shape{1, 16, 8, 16}, Shape{17, 16, 3, 3}, {1, 1}, {1, 1}},
      {Shape{3, 4, 7, 9}, Shape{16, 4, 3, 3}, {2, 2}, {1, 1}},
      {Shape{2, 5, 15, 13}, Shape{7, 5, 3, 3}, {1, 1}, {2, 2}, {2, 2}},
      {Shape{2, 6, 9, 10}, Shape{9, 2, 3, 2}, {1, 2}, {1, 0}, {1, 1}, 3},
      {Shape{2, 9, 13, 12}, Shape{9, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 9},
      {Shape{1, 4, 9, 17}, Shape{8, 1, 5, 5}, {2, 2}, {2, 2}, {1, 1}, 4},
      {Shape{2, 3, 19, 21}, Shape{4, 3, 7, 7}, {2, 2}, {3, 3}},
      {Shape{1, 2, 6, 33}, Shape{3, 2, 1, 5}, {1, 1}, {0, 2}},
      {Shape{1, 2, 33, 6}, Shape{3, 2, 5, 1}, {1, 1}, {2, 0}},
      {Shape{1, 2, 12, 30}, Shape{10, 2, 3, 9}, {3, 2}, {2, 5}, {2, 1}},
      {Shape{1, 2, 12, 30}, Shape{2, 2, 3, 4}, {2, 3}, {3, 4}, {1, 2}},
      {Shape{2, 17, 5, 7}, Shape{33, 17, 1, 1}},
      {Shape{2, 8, 6, 6}, Shape{8, 8, 1, 1}, {2, 2}},
      {Shape{1, 3, 4, 64}, Shape{8, 3, 4, 4}, {4, 4}},
      {Shape{3, 6, 9, 10}, Shape{4, 3, 3, 2}, {3, 2}, {0, 0}, {1, 1}, 2},
      {Shape{1, 3, 9, 64}, Shape{8, 3, 4, 4}, {4, 4}},
      {Shape{1, 17, 7, 19}, Shape{18, 17, 3, 3}, {1, 1}, {2, 2}, {2, 2}},
      {Shape{2, 6, 9, 10}, Shape{6, 1, 3, 2}, {2, 1}, {1, 0}, {1, 2}, 6},
      {Shape{1, 3, 9, 14}, Shape{4, 3, 3, 3}, {1, 1}, {3, 3}, {3, 3}},
      {Shape{0, 3, 5, 5}, Shape{2, 3, 3, 3}},
      {Shape{2, 65, 6, 5}, Shape{3, 65, 3, 3}, {1, 1}, {1, 1}},
  };
  return list;
}

std::string nameOf(const Case& c, std::string_view variant) {
  const auto pair = [](const auto& values) { return std::to_string(values[0]) + "," + std::to_string(values[1]); };
  return std::string(variant) + " " + c.input.toString() + " " + c.weight.toString() + " stride " + pair(c.stride) + " padding " +
         pair(c.padding) + " dilation " + pair(c.dilation) + " groups " + std::to_string(c.groups);
}

Conv2dOptions optionsOf(const Case& c, std::string_view variant) { return {c.stride, c.padding, c.dilation, c.groups, variant}; }

Tensor random(const Shape& shape, std::uint32_t seed, std::string_view variant = {}) {
  return Tensor::from(shape, testFloats(shape.count(), seed, -1, 1, variant));
}

// A sum of K products in [-1, 1] reaches about sqrt(K)/3; each of its K roundings is 6e-8 of the running sum and they add like a random
// walk: about 6e-8 sqrt(K) of the scale, below 2e-6 for the 1000 terms at hand.
constexpr double tolerance = 5e-6;

std::vector<CheckCase> eachCase(gpu::Device& device, Difference (*run)(gpu::Stream&, const Case&, const Conv2dOptions&)) {
  std::vector<CheckCase> result;
  for (const std::string_view variant : variantsWithMatrix(device)) {
    for (const Case& c : cases())
      result.push_back({nameOf(c, variant), tolerance, [=](gpu::Stream& stream) { return run(stream, c, optionsOf(c, variant)); }});
  }
  return result;
}

std::vector<CheckCase> forwardChecks(gpu::Device& device) {
  return eachCase(device, [](gpu::Stream& stream, const Case& c, const Conv2dOptions& options) {
    const Tensor x = random(c.input, 201, options.variant), weight = random(c.weight, 202, options.variant),
                 bias = random(Shape{c.weight[0]}, 203);
    const Doubles dx(x), dw(weight), db(bias);
    return worse(compare(conv2d(stream, x, weight, bias, options), conv2dReference(dx, dw, db, options).values),
                 compare(conv2d(stream, x, weight, {}, options), conv2dReference(dx, dw, {}, options).values));
  });
}

std::vector<CheckCase> inputGradientChecks(gpu::Device& device) {
  return eachCase(device, [](gpu::Stream& stream, const Case& c, const Conv2dOptions& options) {
    const Tensor gradient = random(convGeometry(c.input, c.weight, options).outputShape(), 204, options.variant),
                 weight = random(c.weight, 205, options.variant);
    return compare(conv2dInputGradient(stream, gradient, weight, c.input, options),
                   conv2dInputGradientReference(Doubles(gradient), Doubles(weight), c.input, options).values);
  });
}

std::vector<CheckCase> weightGradientChecks(gpu::Device& device) {
  return eachCase(device, [](gpu::Stream& stream, const Case& c, const Conv2dOptions& options) {
    const Tensor gradient = random(convGeometry(c.input, c.weight, options).outputShape(), 206, options.variant),
                 x = random(c.input, 207, options.variant);
    return compare(conv2dWeightGradient(stream, gradient, x, c.weight, options),
                   conv2dWeightGradientReference(Doubles(gradient), Doubles(x), c.weight, options).values);
  });
}

std::vector<CheckCase> transposeChecks(gpu::Device& device) {
  const struct {
    Shape input, weight;
    std::array<std::int64_t, 2> stride, padding, dilation, outputPadding;
    std::int64_t groups;
  } list[] = {
      {Shape{2, 3, 5, 7}, Shape{3, 4, 3, 3}, {1, 1}, {0, 0}, {1, 1}, {0, 0}, 1},
      {Shape{2, 6, 5, 7}, Shape{6, 2, 4, 4}, {2, 2}, {1, 1}, {1, 1}, {0, 0}, 3},
      {Shape{1, 17, 6, 8}, Shape{17, 9, 3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, 1},
      {Shape{1, 2, 4, 3}, Shape{2, 3, 3, 2}, {3, 2}, {1, 0}, {2, 3}, {2, 1}, 1},
      {Shape{1, 1, 1, 1}, Shape{1, 1, 2, 2}, {2, 2}, {0, 0}, {1, 1}, {0, 0}, 1},
      {Shape{2, 5, 3, 4}, Shape{5, 3, 2, 2}, {2, 2}, {0, 0}, {1, 1}, {0, 0}, 1},
  };
  std::vector<CheckCase> result;
  for (const std::string_view variant : variantsWithMatrix(device)) {
    for (const auto& c : list) {
      ConvTranspose2dOptions options;
      options.stride = c.stride, options.padding = c.padding, options.dilation = c.dilation, options.groups = c.groups;
      options.outputPadding = c.outputPadding, options.variant = variant;
      const Shape input = c.input, weightShape = c.weight;
      result.push_back({std::string(variant) + " " + input.toString() + " " + weightShape.toString(), tolerance, [=](gpu::Stream& stream) {
                          const Tensor x = random(input, 208, options.variant), weight = random(weightShape, 209, options.variant),
                                       bias = random(Shape{weightShape[1] * options.groups}, 210);
                          return compare(convTranspose2d(stream, x, weight, bias, options),
                                         convTranspose2dReference(Doubles(x), Doubles(weight), Doubles(bias), options).values);
                        }});
    }
  }
  return result;
}

using Call = std::function<void(gpu::Stream&, const Tensor& x, const Tensor& weight, const Tensor& gradient, const Conv2dOptions&)>;

std::vector<BenchCase> benchesOf(gpu::Device& device, std::string_view kernel, const Call& call) {
  const std::vector<Case> list{
      {Shape{8, 32, 32, 32}, Shape{32, 32, 3, 3}, {1, 1}, {1, 1}},  {Shape{8, 64, 64, 64}, Shape{64, 64, 3, 3}, {1, 1}, {1, 1}},
      {Shape{8, 64, 64, 64}, Shape{128, 64, 3, 3}, {2, 2}, {1, 1}}, {Shape{8, 64, 64, 64}, Shape{64, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 64},
      {Shape{8, 16, 128, 128}, Shape{256, 16, 8, 8}, {8, 8}},
  };
  std::vector<BenchCase> result;
  for (const Case& c : list) {
    const Conv2dOptions options = optionsOf(c, {});
    const ConvGeometry g = convGeometry(c.input, c.weight, options);
    BenchCase bench;
    bench.shape = std::to_string(g.N) + "x" + std::to_string(g.C) + "x" + std::to_string(g.H) + "x" + std::to_string(g.W) + " to " +
                  std::to_string(g.O) + ", " + std::to_string(g.kh) + "x" + std::to_string(g.kw) + " stride " +
                  std::to_string(g.stride[0]) + (g.groups > 1 ? " depthwise" : "");
    bench.variant = std::string(variantWithMatrix(device, kernel));
    bench.flops = 2.0 * static_cast<double>(g.outputShape().count() * g.channels() * g.kh * g.kw);
    bench.bytes = 4.0 * static_cast<double>(c.input.count() + c.weight.count() + g.outputShape().count());
    bench.computeBound = g.groups == 1;
    bench.prepare = [c, g, options, call](gpu::Stream&) {
      const Tensor x = random(c.input, 211), weight = random(c.weight, 212), gradient = random(g.outputShape(), 213);
      return [=](gpu::Stream& stream) { call(stream, x, weight, gradient, options); };
    };
    result.push_back(std::move(bench));
  }
  return result;
}

std::vector<BenchCase> forwardBenches(gpu::Device& device) {
  return benchesOf(device, "conv2d",
                   [](gpu::Stream& stream, const Tensor& x, const Tensor& weight, const Tensor&, const Conv2dOptions& options) {
                     conv2d(stream, x, weight, {}, options);
                   });
}
std::vector<BenchCase> inputGradientBenches(gpu::Device& device) {
  return benchesOf(device, "conv2d_input_gradient",
                   [](gpu::Stream& stream, const Tensor& x, const Tensor& weight, const Tensor& gradient, const Conv2dOptions& options) {
                     conv2dInputGradient(stream, gradient, weight, x.shape(), options);
                   });
}
std::vector<BenchCase> weightGradientBenches(gpu::Device& device) {
  return benchesOf(device, "conv2d_weight_gradient",
                   [](gpu::Stream& stream, const Tensor& x, const Tensor& weight, const Tensor& gradient, const Conv2dOptions& options) {
                     conv2dWeightGradient(stream, gradient, x, weight.shape(), options);
                   });
}

const Registration<Kernel> forward{
    {"conv2d", "Two-dimensional convolution with stride, padding, dilation and groups", forwardChecks, forwardBenches}};
const Registration<Kernel> inputGradient{
    {"conv2d_input_gradient", "Gradient of a convolution to its images", inputGradientChecks, inputGradientBenches}};
const Registration<Kernel> weightGradient{
    {"conv2d_weight_gradient", "Gradient of a convolution to its weights", weightGradientChecks, weightGradientBenches}};
const Registration<Kernel> transpose{{"conv_transpose2d", "Transposed convolution", transposeChecks, nullptr}};

}  // namespace
}  // namespace orrery::kernels
