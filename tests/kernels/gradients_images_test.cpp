// Pooling and interpolation: the kernels against their references, the gradients against central differences.

#include <stdexcept>

#include "core/kernels/interpolate.h"
#include "core/kernels/pooling.h"
#include "tests/kernels/gradient_support.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;
using namespace orrery::kernels;

TEST_CASE("pooling, interpolation and their gradients agree with their references") {
  for (const char* id : {"max_pool2d", "max_pool2d_gradient", "max_unpool2d", "average_pool2d", "average_pool2d_gradient", "interpolate",
                         "interpolate_gradient"})
    checkAgainstReference(id);
}

TEST_CASE("the gradients of pooling are its central differences") {
  const Shape input{2, 2, 7, 6};
  const PoolOptions list[] = {{}, {{3, 2}, {2, 3}, {1, 1}, {1, 1}, true, false}, {{3, 3}, {1, 1}, {1, 1}}};
  for (const PoolOptions& o : list) {
    const Doubles x = randomDoubles(input, 1), g = randomDoubles(poolShape(input, o), 2);
    // Values that differ by more than h: no window changes its choice.
    checkGradient([&](const Doubles& at) { return maxPool2dReference(at, o).values; }, x, g,
                  maxPool2dGradientReference(g, maxPool2dReference(x, o).indices, input));
    checkGradient([&](const Doubles& at) { return averagePool2dReference(at, o); }, x, g, averagePool2dGradientReference(g, input, o));
  }
  const Doubles x = randomDoubles(input, 3), g = randomDoubles(Shape{2, 2, 3, 4}, 4);
  checkGradient(
      [&](const Doubles& at) {
        return adaptiveAveragePool2dReference(at, {3, 4});
      },
      x, g, adaptiveAveragePool2dGradientReference(g, input));
}

TEST_CASE("the gradients of interpolation are its central differences") {
  const Shape input{1, 2, 5, 4};
  for (const Interpolation mode : {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic}) {
    for (const bool align : {false, true}) {
      for (const std::array<std::int64_t, 2> size : {std::array<std::int64_t, 2>{9, 7}, {3, 2}, {1, 1}}) {
        const Doubles x = randomDoubles(input, 5), g = randomDoubles(Shape{1, 2, size[0], size[1]}, 6);
        checkGradient([&](const Doubles& at) { return interpolateReference(at, size, mode, align); }, x, g,
                      interpolateGradientReference(g, input, mode, align));
      }
    }
  }
}

TEST_CASE("bicubic interpolation keeps straight lines inside of the image") {
  gpu::Stream stream = openStream();
  std::vector<float> ramp;
  for (int i = 0; i < 8; ++i) ramp.push_back(static_cast<float>(i));
  const Tensor y = interpolate(stream, Tensor::from(Shape{1, 1, 1, 8}, ramp), {1, 16}, Interpolation::bicubic, false);
  // Keys' kernel with a = -0.75 reproduces constants, and with a sample half way between pixels also a ramp.
  const Tensor middle = interpolate(stream, Tensor::from(Shape{1, 1, 1, 8}, ramp), {1, 15}, Interpolation::bicubic, true);
  CHECK(middle.toFloats()[7] == Approx(3.5f).margin(1e-6));  // 4 products of values up to 6: 1e-6
  CHECK(y.toFloats()[8] + y.toFloats()[7] == Approx(7.0f).margin(2e-6));
}

TEST_CASE("pooling refuses windows that make no sense") {
  CHECK_THROWS_AS(poolShape(Shape{1, 1, 4, 4}, {{2, 2}, {0, 0}, {2, 0}}), std::invalid_argument);
  CHECK_THROWS_AS(poolShape(Shape{1, 1, 4, 4}, {{5, 2}}), std::invalid_argument);
  CHECK_THROWS_AS(poolShape(Shape{1, 4, 4}, {}), std::invalid_argument);
  // PyTorch: max_pool2d(3, stride 2, ceil_mode) of 6 pixels has 3 windows, avg_pool2d(2, stride 2, padding 1, ceil_mode) of 5 has 3.
  CHECK(poolShape(Shape{1, 1, 6, 6}, {{3, 3}, {2, 2}, {0, 0}, {1, 1}, true}) == Shape{1, 1, 3, 3});
  CHECK(poolShape(Shape{1, 1, 5, 5}, {{2, 2}, {2, 2}, {1, 1}, {1, 1}, true}) == Shape{1, 1, 3, 3});
}

TEST_CASE("average pooling counts padding as PyTorch does") {
  gpu::Stream stream = openStream();
  const Tensor ones = Tensor::from(Shape{1, 1, 4, 4}, std::vector<float>(16, 1.0f));
  PoolOptions options{{3, 3}, {2, 2}, {1, 1}};
  CHECK(averagePool2d(stream, ones, options).toFloats()[0] == Approx(4.0 / 9));
  CHECK(averagePool2d(stream, ones, options).toFloats()[3] == Approx(1.0));
  options.countIncludePad = false;
  CHECK(averagePool2d(stream, ones, options).toFloats()[0] == Approx(1.0));
  // Ceil mode: the third window of five pixels begins at 3 and reaches the padding's end, 6: it divides by 3, not by 4, along each axis.
  const Tensor five = Tensor::from(Shape{1, 1, 5, 5}, std::vector<float>(25, 1.0f));
  CHECK(averagePool2d(stream, five, {{4, 4}, {2, 2}, {1, 1}, {1, 1}, true}).toFloats().back() == Approx(4.0 / 9));
}
