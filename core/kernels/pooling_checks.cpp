// Check and bench cases of pooling.

#include <cmath>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "core/kernels/pooling.h"

namespace orrery::kernels {
namespace {

struct Case {
  Shape input;
  PoolOptions options;
};
const std::vector<Case>& cases() {
  static const std::vector<Case> list{
      {Shape{2, 3, 8, 10}, {}},
      {Shape{2, 3, 9, 7}, {{3, 3}, {2, 2}, {1, 1}}},
      {Shape{1, 2, 9, 10}, {{3, 2}, {2, 3}, {1, 1}, {1, 1}, true, true}},
      {Shape{1, 2, 9, 10}, {{3, 2}, {2, 3}, {1, 0}, {1, 1}, true, false}},
      {Shape{1, 2, 11, 12}, {{3, 3}, {1, 1}, {1, 1}, {1, 1}, false, false}},
      {Shape{1, 1, 1, 1}, {{1, 1}}},
      {Shape{1, 2, 5, 33}, {{5, 33}}},
      {Shape{0, 2, 4, 4}, {}},
      {Shape{3, 65, 6, 6}, {{2, 2}, {1, 2}}},
  };
  return list;
}
std::string nameOf(const Case& c) {
  const auto pair = [](const auto& values) { return std::to_string(values[0]) + "," + std::to_string(values[1]); };
  return c.input.toString() + " kernel " + pair(c.options.kernel) + " stride " + pair(c.options.stride) + " padding " +
         pair(c.options.padding) + " dilation " + pair(c.options.dilation) + (c.options.ceilMode ? " ceil" : "") +
         (c.options.countIncludePad ? "" : " inside only");
}

// Rounded to eighths, so that equal values occur and the first must win.
Tensor coarse(const Shape& shape, std::uint32_t seed) {
  auto values = testFloats(shape.count(), seed, -1, 1);
  for (float& value : values) value = std::round(value * 8) / 8;
  return Tensor::from(shape, values);
}
Tensor random(const Shape& shape, std::uint32_t seed) { return Tensor::from(shape, testFloats(shape.count(), seed, -1, 1)); }

std::vector<CheckCase> maxChecks(gpu::Device&) {
  std::vector<CheckCase> result;
  auto list = cases();
  list.push_back({Shape{2, 2, 13, 11}, {{3, 2}, {2, 1}, {1, 1}, {2, 3}}});
  for (const Case& c : list) {
    // Values and places are copied: exact.
    result.push_back({nameOf(c), 0, [c](gpu::Stream& stream) {
                        const Tensor x = coarse(c.input, 261);
                        const MaxPooled found = maxPool2d(stream, x, c.options);
                        const MaxPooledReference expected = maxPool2dReference(Doubles(x), c.options);
                        return worse(compare(found.values, expected.values.values), compareExactly(found.indices, expected.indices));
                      }});
  }
  result.push_back({"NaN wins", 0, [](gpu::Stream& stream) {
                      const float nan = std::nanf("");
                      const Tensor x = Tensor::from(Shape{1, 1, 2, 4}, {1, nan, 3, 4, 5, 2, nan, nan});
                      const MaxPooled found = maxPool2d(stream, x);
                      return worse(compare(found.values, std::vector<double>{std::nan(""), std::nan("")}),
                                   compareExactly(found.indices, std::vector<std::uint32_t>{1, 6}));
                    }});
  return result;
}

std::vector<CheckCase> maxGradientChecks(gpu::Device&) {
  std::vector<CheckCase> result;
  auto list = cases();
  list.push_back({Shape{2, 2, 13, 11}, {{3, 2}, {2, 1}, {1, 1}, {2, 3}}});
  for (const Case& c : list) {
    // At most 9 values in [-1, 1] are added: 9 roundings of 6e-8.
    result.push_back({nameOf(c), 1e-6, [c](gpu::Stream& stream) {
                        const MaxPooled pooled = maxPool2d(stream, coarse(c.input, 262), c.options);
                        const auto places = pooled.indices.as<std::uint32_t>();
                        const std::vector<std::uint32_t> indices(places.begin(), places.end());
                        const Tensor g = random(pooled.values.shape(), 263);
                        return compare(maxPool2dGradient(stream, g, pooled.indices, c.input, c.options),
                                       maxPool2dGradientReference(Doubles(g), indices, c.input).values);
                      }});
  }
  return result;
}

std::vector<CheckCase> unpoolChecks(gpu::Device&) {
  std::vector<CheckCase> result;
  for (const Case& c : cases()) {
    result.push_back({nameOf(c), 0, [c](gpu::Stream& stream) {  // values are copied
                        const MaxPooled pooled = maxPool2d(stream, random(c.input, 264), c.options);
                        const auto places = pooled.indices.as<std::uint32_t>();
                        const Doubles values(pooled.values);
                        Doubles expected(c.input);
                        const std::int64_t pixels = values.shape[2] * values.shape[3];
                        for (std::int64_t i = 0; i < values.shape.count(); ++i)
                          expected[i / pixels * c.input[2] * c.input[3] + places[static_cast<std::size_t>(i)]] = values[i];
                        return compare(maxUnpool2d(stream, pooled.values, pooled.indices, c.input, c.options), expected.values);
                      }});
    result.push_back({nameOf(c) + " gradient", 0, [c](gpu::Stream& stream) {
                        const MaxPooled pooled = maxPool2d(stream, random(c.input, 265), c.options);
                        const auto places = pooled.indices.as<std::uint32_t>();
                        const Tensor g = random(c.input, 266);
                        const auto values = g.as<float>();
                        const std::int64_t pixels = pooled.values.shape()[2] * pooled.values.shape()[3];
                        std::vector<double> expected;
                        for (std::int64_t i = 0; i < pooled.values.count(); ++i) {
                          const std::int64_t at =
                              i / std::max<std::int64_t>(pixels, 1) * c.input[2] * c.input[3] + places[static_cast<std::size_t>(i)];
                          expected.push_back(static_cast<double>(values[static_cast<std::size_t>(at)]));
                        }
                        return compare(maxUnpool2dGradient(stream, g, pooled.indices), expected);
                      }});
  }
  return result;
}

// Two sums of at most 33 values in [-1, 1] times a rounded weight.
constexpr double averageTolerance = 2e-6;

std::vector<CheckCase> averageChecks(gpu::Device&) {
  std::vector<CheckCase> result;
  for (const Case& c : cases()) {
    result.push_back({nameOf(c), averageTolerance, [c](gpu::Stream& stream) {
                        const Tensor x = random(c.input, 267);
                        return compare(averagePool2d(stream, x, c.options), averagePool2dReference(Doubles(x), c.options).values);
                      }});
  }
  for (const std::array<std::int64_t, 2> size : {std::array<std::int64_t, 2>{1, 1}, {3, 5}, {9, 20}}) {
    result.push_back({"adaptive to " + Shape{size[0], size[1]}.toString(), averageTolerance, [size](gpu::Stream& stream) {
                        const Tensor x = random(Shape{2, 3, 7, 16}, 268);
                        return compare(adaptiveAveragePool2d(stream, x, size), adaptiveAveragePool2dReference(Doubles(x), size).values);
                      }});
  }
  return result;
}

std::vector<CheckCase> averageGradientChecks(gpu::Device&) {
  std::vector<CheckCase> result;
  for (const Case& c : cases()) {
    result.push_back({nameOf(c), averageTolerance, [c](gpu::Stream& stream) {
                        const Tensor g = random(poolShape(c.input, c.options), 269);
                        return compare(averagePool2dGradient(stream, g, c.input, c.options),
                                       averagePool2dGradientReference(Doubles(g), c.input, c.options).values);
                      }});
  }
  for (const std::array<std::int64_t, 2> size : {std::array<std::int64_t, 2>{1, 1}, {3, 5}, {9, 20}}) {
    result.push_back({"adaptive from " + Shape{size[0], size[1]}.toString(), averageTolerance, [size](gpu::Stream& stream) {
                        const Shape input{2, 3, 7, 16};
                        const Tensor g = random(Shape{2, 3, size[0], size[1]}, 270);
                        return compare(adaptiveAveragePool2dGradient(stream, g, input),
                                       adaptiveAveragePool2dGradientReference(Doubles(g), input).values);
                      }});
  }
  return result;
}

using Call = void (*)(gpu::Stream&, const Tensor& x, const MaxPooled& pooled, const PoolOptions&);

std::vector<BenchCase> benchesOf(Call call) {
  std::vector<BenchCase> result;
  const PoolOptions options{{3, 3}, {2, 2}, {1, 1}};
  for (const std::int64_t n : {32, 64, 128}) {
    const Shape shape{8, 32, n, n};
    result.push_back(
        {shape.toString() + " 3x3 stride 2", "", 0, 4.0 * 1.25 * static_cast<double>(shape.count()), false, [=](gpu::Stream& prepare) {
           const Tensor x = random(shape, 271);
           const MaxPooled pooled = maxPool2d(prepare, x, options);
           return [=](gpu::Stream& stream) { call(stream, x, pooled, options); };
         }});
  }
  return result;
}
std::vector<BenchCase> maxBenches(gpu::Device&) {
  return benchesOf([](gpu::Stream& s, const Tensor& x, const MaxPooled&, const PoolOptions& o) { maxPool2d(s, x, o); });
}
std::vector<BenchCase> maxGradientBenches(gpu::Device&) {
  return benchesOf([](gpu::Stream& s, const Tensor& x, const MaxPooled& pooled, const PoolOptions& o) {
    maxPool2dGradient(s, pooled.values, pooled.indices, x.shape(), o);
  });
}
std::vector<BenchCase> averageBenches(gpu::Device&) {
  return benchesOf([](gpu::Stream& s, const Tensor& x, const MaxPooled&, const PoolOptions& o) { averagePool2d(s, x, o); });
}
std::vector<BenchCase> averageGradientBenches(gpu::Device&) {
  return benchesOf([](gpu::Stream& s, const Tensor& x, const MaxPooled& pooled, const PoolOptions& o) {
    averagePool2dGradient(s, pooled.values, x.shape(), o);
  });
}

const Registration<Kernel> largest{{"max_pool2d", "Largest value of every window of an image, with its place", maxChecks, maxBenches}};
const Registration<Kernel> largestGradient{{"max_pool2d_gradient", "Gradient of max pooling", maxGradientChecks, maxGradientBenches}};
const Registration<Kernel> unpool{{"max_unpool2d", "Max pooling turned round, and its gradient", unpoolChecks, nullptr}};
const Registration<Kernel> average{{"average_pool2d", "Average of every window of an image", averageChecks, averageBenches}};
const Registration<Kernel> averageGradient{
    {"average_pool2d_gradient", "Gradient of average pooling", averageGradientChecks, averageGradientBenches}};

}  // namespace
}  // namespace orrery::kernels
