#pragma once
// Compares an analytic gradient with central differences of a reference, both in double precision.

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/base/philox.h"
#include "core/kernels/check_support.h"
#include "core/kernels/reference.h"
#include "tests/support/catch.h"

namespace orrery::testing {

inline kernels::Doubles randomDoubles(const Shape& shape, std::uint32_t seed, double low = -1, double high = 1) {
  kernels::Doubles result(shape);
  const auto values = kernels::testFloats(shape.count(), seed, low, high);
  for (std::size_t i = 0; i < values.size(); ++i) result.values[i] = static_cast<double>(values[i]);
  return result;
}

// The gradient of sum(weights * f(x)) by central differences with h = 1e-4. Their error is f''' h^2 / 6 plus the rounding of f, 1e-16 |f| /
// h: both near 1e-9 for values of order 1; 1e-6 leaves room for sums of a few hundred terms and for curvature.
inline void checkGradient(const std::function<kernels::Doubles(const kernels::Doubles&)>& f, const kernels::Doubles& x,
                          const kernels::Doubles& weights, const kernels::Doubles& analytic) {
  constexpr double h = 1e-4, tolerance = 1e-6;
  REQUIRE(analytic.shape == x.shape);
  const auto loss = [&](const kernels::Doubles& at) {
    const kernels::Doubles y = f(at);
    REQUIRE(y.shape == weights.shape);
    double sum = 0;
    for (std::size_t i = 0; i < y.values.size(); ++i) sum += y.values[i] * weights.values[i];
    return sum;
  };
  double worst = 0, largest = 1;
  std::int64_t where = -1;
  for (std::int64_t i = 0; i < x.shape.count(); ++i) {
    kernels::Doubles up = x, down = x;
    up[i] += h;
    down[i] -= h;
    const double difference = std::abs((loss(up) - loss(down)) / (2 * h) - analytic[i]);
    largest = std::max(largest, std::abs(analytic[i]));
    if (!(difference <= worst)) worst = difference, where = i;
  }
  INFO("largest difference " << worst << " at element " << where);
  CHECK(worst <= tolerance * largest);
}

}  // namespace orrery::testing
