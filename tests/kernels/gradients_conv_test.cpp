// The gradients of convolutions against central differences of the forward reference, and what the shape rule refuses.

#include <stdexcept>

#include "core/kernels/conv2d.h"
#include "core/kernels/fill.h"
#include "tests/kernels/gradient_support.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;
using namespace orrery::kernels;

TEST_CASE("convolutions and their gradients agree with their references in both variants") {
  for (const char* id : {"conv2d", "conv2d_input_gradient", "conv2d_weight_gradient", "conv_transpose2d"}) checkAgainstReference(id);
}

namespace {

struct Case {
  Shape input, weight;
  Conv2dOptions options;
};
const Case list[] = {
    {Shape{2, 2, 5, 4}, Shape{3, 2, 3, 3}, {{1, 1}, {1, 1}, {1, 1}, 1}},
    {Shape{1, 4, 7, 6}, Shape{6, 2, 3, 2}, {{2, 3}, {1, 1}, {1, 1}, 2}},
    {Shape{1, 3, 7, 9}, Shape{3, 1, 2, 3}, {{1, 2}, {0, 2}, {2, 2}, 3}},
    {Shape{1, 1, 1, 1}, Shape{1, 1, 1, 1}, {}},
};

}  // namespace

TEST_CASE("the gradients of conv2d are its central differences") {
  for (const Case& c : list) {
    INFO(c.input.toString() << " " << c.weight.toString());
    const Shape output = convGeometry(c.input, c.weight, c.options).outputShape();
    const Doubles x = randomDoubles(c.input, 1), w = randomDoubles(c.weight, 2), g = randomDoubles(output, 3);
    checkGradient([&](const Doubles& at) { return conv2dReference(at, w, {}, c.options); }, x, g,
                  conv2dInputGradientReference(g, w, c.input, c.options));
    checkGradient([&](const Doubles& at) { return conv2dReference(x, at, {}, c.options); }, w, g,
                  conv2dWeightGradientReference(g, x, c.weight, c.options));
  }
}

TEST_CASE("the gradients of convTranspose2d are its central differences") {
  ConvTranspose2dOptions options;
  options.stride = {2, 3}, options.padding = {1, 0}, options.outputPadding = {1, 2}, options.groups = 2;
  const Shape input{2, 4, 3, 2}, weight{4, 1, 3, 2};
  const Shape output = convTranspose2dShape(input, weight, options);
  CHECK(output == Shape{2, 2, 6, 7});
  const Doubles x = randomDoubles(input, 4), w = randomDoubles(weight, 5), g = randomDoubles(output, 6);
  checkGradient([&](const Doubles& at) { return convTranspose2dReference(at, w, {}, options); }, x, g, conv2dReference(g, w, {}, options));
  checkGradient([&](const Doubles& at) { return convTranspose2dReference(x, at, {}, options); }, w, g,
                conv2dWeightGradientReference(x, g, weight, options));
  // The device's gradients are those of the same references.
  gpu::Stream stream = openStream();
  const auto tensor = [](const Doubles& d) { return Tensor::from(d.shape, std::vector<float>(d.values.begin(), d.values.end())); };
  CHECK(compare(convTranspose2dInputGradient(stream, tensor(g), tensor(w), options), conv2dReference(g, w, {}, options).values).worst <
        5e-6);
  CHECK(compare(convTranspose2dWeightGradient(stream, tensor(g), tensor(x), weight, options),
                conv2dWeightGradientReference(x, g, weight, options).values)
            .worst < 5e-6);
}

TEST_CASE("the bias gradient of conv2d sums over images and pixels") {
  gpu::Stream stream = openStream();
  const Tensor g = Tensor::from(Shape{2, 3, 5, 7}, testFloats(210, 9, -1, 1));
  const auto values = g.as<float>();
  std::vector<double> expected(3, 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) expected[i / 35 % 3] += static_cast<double>(values[i]);
  CHECK(compare(conv2dBiasGradient(stream, g), expected).worst < 1e-6);  // 70 terms of at most 1, 6e-8 each
}

TEST_CASE("weight gradients repeat to the bit") {
  gpu::Stream stream = openStream();
  const Tensor g = Tensor::from(Shape{3, 9, 8, 8}, testFloats(1728, 10, -1, 1)),
               x = Tensor::from(Shape{3, 5, 8, 8}, testFloats(960, 11, -1, 1));
  const Conv2dOptions options{{1, 1}, {1, 1}, {1, 1}, 1};
  const Shape weight{9, 5, 3, 3};
  CHECK(conv2dWeightGradient(stream, g, x, weight, options).toFloats() == conv2dWeightGradient(stream, g, x, weight, options).toFloats());
}

TEST_CASE("convolutions refuse shapes that do not fit") {
  gpu::Stream stream = openStream();
  const Tensor x(Shape{1, 4, 5, 5});
  CHECK_THROWS_AS(conv2d(stream, x, Tensor(Shape{2, 3, 3, 3})), std::invalid_argument);
  CHECK_THROWS_AS(conv2d(stream, x, Tensor(Shape{2, 4, 6, 3})), std::invalid_argument);
  CHECK_THROWS_AS(conv2d(stream, x, Tensor(Shape{2, 2, 3, 3}), {}, {{1, 1}, {0, 0}, {1, 1}, 3}), std::invalid_argument);
  CHECK_THROWS_AS(conv2d(stream, x, Tensor(Shape{2, 4, 3, 3}), Tensor(Shape{3})), std::invalid_argument);
  CHECK_THROWS_AS(conv2dInputGradient(stream, Tensor(Shape{1, 2, 4, 4}), Tensor(Shape{2, 4, 3, 3}), x.shape()), std::invalid_argument);
}

TEST_CASE("the weight gradient of an image longer than one loop of a CPU device is whole") {
  // 540 lines of 131 texels: more than 65,000 rounds. Ones everywhere, so each weight's gradient counts the pixels it meets.
  gpu::Stream stream = openStream();
  const Tensor x = kernels::fill(stream, Shape{1, 1, 540, 520}, 1.0f), g = kernels::fill(stream, Shape{1, 1, 540, 520}, 1.0f);
  const Tensor found = conv2dWeightGradient(stream, g, x, Shape{1, 1, 3, 1}, {{1, 1}, {1, 0}});
  // Sums of 280,800 ones in f32, in chains of at most 65,000: exact.
  CHECK(compare(found, std::vector<double>{539.0 * 520, 540.0 * 520, 539.0 * 520}).worst == 0);
}
