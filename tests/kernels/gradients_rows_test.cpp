// Running sums, largest values and pairwise distances: against their references, their gradients against central differences.

#include <stdexcept>

#include "core/kernels/cumulative_sum.h"
#include "core/kernels/pairwise.h"
#include "core/kernels/top_k.h"
#include "tests/kernels/gradient_support.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;
using namespace orrery::kernels;

TEST_CASE("running sums, largest values and pairwise distances agree with their references") {
  for (const char* id : {"cumulative_sum", "top_k", "pairwise"}) checkAgainstReference(id);
}

TEST_CASE("the gradient of a running sum is the running sum from the other end") {
  for (const int axis : {0, 1, 2}) {
    for (const bool reverse : {false, true}) {
      const Shape shape{2, 5, 3};
      const Doubles x = randomDoubles(shape, 1), g = randomDoubles(shape, 2);
      checkGradient([&](const Doubles& at) { return cumulativeSumReference(at, axis, reverse); }, x, g,
                    cumulativeSumReference(g, axis, !reverse));
    }
  }
}

TEST_CASE("the gradient of the largest values is its central difference") {
  const Doubles x = randomDoubles(Shape{3, 9}, 3), g = randomDoubles(Shape{3, 4}, 4);
  for (const bool largest : {true, false}) {
    checkGradient([&](const Doubles& at) { return topKReference(at, 4, largest).values; }, x, g,
                  topKGradientReference(g, topKReference(x, 4, largest).indices, 9));
  }
}

TEST_CASE("the gradients of pairwise distances are their central differences, also for one set with itself") {
  const Doubles a = randomDoubles(Shape{2, 5, 3}, 5), b = randomDoubles(Shape{2, 4, 3}, 6), g = randomDoubles(Shape{2, 5, 4}, 7);
  checkGradient([&](const Doubles& at) { return pairwiseSquaredDistancesReference(at, b); }, a, g,
                pairwiseGradientReference(g, a, b, false));
  checkGradient([&](const Doubles& at) { return pairwiseSquaredDistancesReference(a, at); }, b, g,
                pairwiseGradientReference(g, a, b, true));
  const Doubles own = randomDoubles(Shape{2, 5, 5}, 8);
  Doubles both = pairwiseGradientReference(own, a, a, false);
  const Doubles second = pairwiseGradientReference(own, a, a, true);
  for (std::int64_t i = 0; i < both.shape.count(); ++i) both[i] += second[i];
  checkGradient([&](const Doubles& at) { return pairwiseSquaredDistancesReference(at, at); }, a, own, both);
}

TEST_CASE("row kernels refuse what does not fit") {
  gpu::Stream stream = openStream();
  CHECK_THROWS_AS(topK(stream, Tensor(Shape{2, 3}), 4), std::invalid_argument);
  CHECK_THROWS_AS(topKGradient(stream, Tensor(Shape{2, 3}), Tensor(Shape{2, 2}, DType::u32), 5), std::invalid_argument);
  CHECK_THROWS_AS(pairwiseSquaredDistances(stream, Tensor(Shape{2, 3}), Tensor(Shape{2, 4})), std::invalid_argument);
  CHECK_THROWS_AS(cumulativeSum(stream, Tensor(Shape{2, 3}), 2), std::invalid_argument);
}
