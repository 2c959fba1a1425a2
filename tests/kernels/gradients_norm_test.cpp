// The gradients of normalisations and of softmax against central differences of the forward references.

#include <cmath>
#include <stdexcept>

#include "core/kernels/group_norm.h"
#include "core/kernels/softmax_gradient.h"
#include "tests/kernels/gradient_support.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;
using namespace orrery::kernels;

TEST_CASE("norms, softmax and their gradients agree with their references in both variants") {
  for (const char* id : {"group_norm", "group_norm_gradient", "layer_norm_gradient", "softmax_gradient"}) checkAgainstReference(id);
}

TEST_CASE("the gradients of group, layer and root-mean-square norm are their central differences") {
  const Shape images{2, 6, 3, 5}, vectors{3, 7};
  const std::pair<Shape, NormRows> list[] = {{images, groupNormRows(images, 3)},
                                             {images, groupNormRows(images, 6)},
                                             {vectors, layerNormRows(vectors)},
                                             {vectors, layerNormRows(vectors, 1e-5, true)}};
  for (const auto& [shape, rows] : list) {
    const NormRows r = rows;
    const Shape parameters{r.groups * r.perGroup};
    const Doubles x = randomDoubles(shape, 1), gain = randomDoubles(parameters, 2, 0.5, 2), shift = randomDoubles(parameters, 3),
                  g = randomDoubles(shape, 4);
    const NormGradientsReference analytic = normGradientReference(g, x, gain, r);
    checkGradient([&](const Doubles& at) { return normReference(at, gain, shift, r); }, x, g, analytic.input);
    checkGradient([&](const Doubles& at) { return normReference(x, at, shift, r); }, gain, g, analytic.gain);
    checkGradient([&](const Doubles& at) { return normReference(x, gain, at, r); }, shift, g, analytic.shift);
  }
}

TEST_CASE("the gradient of softmax is its central difference along every axis") {
  for (const int axis : {0, 1, 2}) {
    const Shape shape{3, 4, 5};
    const auto forward = [&](const Doubles& x) {
      Doubles y(shape);
      const std::int64_t inner = axis == 0 ? 20 : axis == 1 ? 5 : 1, n = shape[axis];
      for (std::int64_t i = 0; i < 60; ++i) {
        const std::int64_t first = i - i / inner % n * inner;
        double sum = 0;
        for (std::int64_t j = 0; j < n; ++j) sum += std::exp(0.7 * x[first + j * inner]);
        y[i] = std::exp(0.7 * x[i]) / sum;
      }
      return y;
    };
    const Doubles x = randomDoubles(shape, 5, -2, 2), g = randomDoubles(shape, 6);
    checkGradient(forward, x, g, softmaxGradientReference(g, forward(x), axis, 0.7));
  }
}

TEST_CASE("norms refuse what does not fit") {
  gpu::Stream stream = openStream();
  CHECK_THROWS_AS(groupNorm(stream, Tensor(Shape{2, 6, 3}), 4), std::invalid_argument);
  GroupNormOptions options;
  options.gain = Tensor(Shape{5});
  CHECK_THROWS_AS(groupNorm(stream, Tensor(Shape{2, 6, 3}), 3, options), std::invalid_argument);
  CHECK_THROWS_AS(groupNormGradient(stream, Tensor(Shape{2, 6, 2}), Tensor(Shape{2, 6, 3}), 3), std::invalid_argument);
  CHECK_THROWS_AS(softmaxGradient(stream, Tensor(Shape{2, 6}), Tensor(Shape{2, 6}), 2), std::invalid_argument);
}
