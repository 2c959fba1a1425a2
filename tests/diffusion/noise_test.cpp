// One Brownian path per coordinate in sigma^2, whatever the steps.

#include "core/diffusion/noise.h"

#include <cmath>

#include "tests/support/catch.h"

using namespace orrery::diffusion;

TEST_CASE("halving the step keeps the Brownian path") {
  const double levels[] = {80, 31, 12, 5, 1.4, 0.3, 0.02};
  Noise noise(5, 8), other(5, 8);
  for (std::size_t i = 0; i + 1 < 7; ++i) {
    const double a = levels[i], b = levels[i + 1], middle = std::sqrt(a * b);
    const State coarse = std::sqrt(a * a - b * b) * noise.increment(a, b);
    const State fine =
        std::sqrt(a * a - middle * middle) * other.increment(a, middle) + std::sqrt(middle * middle - b * b) * other.increment(middle, b);
    // The values themselves are of the order of the level: sums of them round at 1e-16 of it.
    for (std::size_t j = 0; j < 8; ++j) CHECK(std::abs(coarse[j] - fine[j]) < 1e-13 * a * 10);
  }
}

TEST_CASE("the path does not depend on the order of asking, on earlier levels or on how many coordinates there are") {
  Noise once(9, 4), again(9, 64);
  const State first = once.path(3.7);
  again.path(80);
  again.path(0.01);
  const State second = again.path(3.7);
  for (std::size_t j = 0; j < 4; ++j) CHECK(first[j] == second[j]);
  CHECK_FALSE(Noise(10, 4).path(3.7) == first);
}

TEST_CASE("increments are standard normal and independent") {
  constexpr std::size_t n = 20000;
  Noise noise(1, n);
  const State z1 = noise.increment(10, 4), z2 = noise.increment(4, 1), z3 = noise.increment(0.02, 0.01);
  const auto moment = [&](const State& a, const State& b) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i] / n;
    return sum;
  };
  // Means have deviation 1 / sqrt(n) = 0.0071, second moments sqrt(2 / n) = 0.01, fourth moments sqrt(96 / n) = 0.07: four of each.
  const State one(n, 1.0);
  for (const State* z : {&z1, &z2, &z3}) {
    CHECK(std::abs(moment(*z, one)) < 0.029);
    CHECK(std::abs(moment(*z, *z) - 1) < 0.04);
    double fourth = 0;
    for (const double v : *z) fourth += v * v * v * v / n;
    CHECK(std::abs(fourth - 3) < 0.28);
  }
  CHECK(std::abs(moment(z1, z2)) < 0.029);
  CHECK(std::abs(moment(z2, z3)) < 0.029);
  const State off = noise.fresh(3, 1);
  CHECK(std::abs(moment(off, z1)) < 0.029);
  CHECK(std::abs(moment(off, off) - 1) < 0.04);
  CHECK_FALSE(off == noise.fresh(4, 1));
}
