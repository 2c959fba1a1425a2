// Distances between samples against their closed forms (generative.md C7).

#include "core/metrics/distances.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/philox.h"
#include "tests/support/catch.h"

using namespace orrery;

namespace {

// n points of N((shift, 0), I), or with the second coordinate 0.
std::vector<float> normals(std::size_t n, std::uint32_t stream, double shift = 0, bool flat = false) {
  std::vector<float> points;
  for (std::size_t i = 0; i < n; ++i) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), 0, stream, 0}, philoxKey(20261120));
    const auto z = philoxNormals(words[0], words[1]);
    points.push_back(static_cast<float>(z[0] + shift));
    points.push_back(flat ? 0.0f : static_cast<float>(z[1]));
  }
  return points;
}

}  // namespace

TEST_CASE("a shift by m has sliced Wasserstein distance |m| / sqrt 2") {
  for (const std::size_t n : {std::size_t{3}, std::size_t{1000}, std::size_t{4097}}) {
    const auto a = normals(n, 1);
    auto b = a;
    for (std::size_t i = 0; i < b.size(); i += 2) {
      b[i] += 0.75f;
      b[i + 1] -= 1.0f;
    }
    // Exact up to the f32 rounding of the projections (6e-8 of values up to 5, averaged): far below 1e-6.
    CHECK(slicedWasserstein2(a, b) == Approx(1.25 / std::sqrt(2.0)).epsilon(1e-6));
    CHECK(slicedWasserstein2(a, a) == 0);
  }
}

TEST_CASE("sorted projections are sorted and keep every value, negative ones too") {
  const auto points = normals(3000, 2);
  const ProjectedSample sample = project(points, 7);
  for (std::size_t l = 0; l < 7; ++l) {
    const double angle = std::numbers::pi * (static_cast<double>(l) + 0.5) / 7;
    std::vector<float> expected;
    for (std::size_t i = 0; i < points.size(); i += 2)
      expected.push_back(static_cast<float>(std::cos(angle)) * points[i] + static_cast<float>(std::sin(angle)) * points[i + 1]);
    std::sort(expected.begin(), expected.end());
    const std::vector<float> found(sample.sorted.begin() + static_cast<std::ptrdiff_t>(l * 3000),
                                   sample.sorted.begin() + static_cast<std::ptrdiff_t>((l + 1) * 3000));
    CHECK(found == expected);
  }
}

TEST_CASE("samples of different sizes are compared by their quantile functions") {
  // Two points against the same two, each three times: the same law.
  const std::vector<float> a{0, 0, 1, 2}, b{0, 0, 1, 2, 0, 0, 1, 2, 1, 2, 0, 0};
  CHECK(slicedWasserstein2(a, b) == Approx(0).margin(1e-7));
  // One point against two at distance 1 to either side along x: W2 = |cos theta|, so SW2 = 1 / sqrt 2.
  const std::vector<float> one{0, 0}, two{-1, 0, 1, 0};
  CHECK(slicedWasserstein2(one, two) == Approx(1 / std::sqrt(2.0)).epsilon(1e-6));
}

TEST_CASE("energy distance of shifted normals on a line is 2 A(delta) - 2 A(0)") {
  const double delta = 0.8;
  const auto A = [](double m) { return 2 / std::sqrt(std::numbers::pi) * std::exp(-m * m / 4) + m * std::erf(m / 2); };
  const double expected = 2 * A(delta) - 2 * A(0);
  const double found = energyDistance(normals(4000, 3, 0, true), normals(4000, 4, delta, true));
  // The estimator's standard error at n = 4000 is about 2 sd(h) / sqrt n with h(x) = E|x - Y| - E|x - X'|, sd about 0.45: 0.014 (two
  // samples: 0.02). Four of them.
  CHECK(std::abs(found - expected) < 0.08);
  // The same number as 2 times the integral of (F - G)^2 (Szekely and Rizzo 2004), by the trapezoidal rule, which is spectrally exact here.
  double integral = 0;
  for (double x = -10; x < 11; x += 0.01) {
    const auto F = [](double v) { return 0.5 * std::erfc(-v / std::sqrt(2.0)); };
    integral += 0.01 * 2 * std::pow(F(x) - F(x - delta), 2);
  }
  CHECK(expected == Approx(integral).epsilon(1e-8));
  // Equal laws: unbiased around 0 with an error of order 1 / n.
  CHECK(std::abs(energyDistance(normals(4000, 3, 0, true), normals(4000, 5, 0, true))) < 0.005);
}

TEST_CASE("energy distance equals the plain double loop") {
  const auto a = normals(137, 6), b = normals(91, 7, 0.4);
  const auto mean = [](const std::vector<float>& p, const std::vector<float>& q, bool same) {
    double sum = 0, pairs = 0;
    for (std::size_t i = 0; i < p.size(); i += 2) {
      for (std::size_t j = 0; j < q.size(); j += 2) {
        if (same && i == j) continue;
        sum += std::hypot(static_cast<double>(p[i]) - static_cast<double>(q[j]),
                          static_cast<double>(p[i + 1]) - static_cast<double>(q[j + 1]));
        ++pairs;
      }
    }
    return sum / pairs;
  };
  // Partial sums of at most 32 f32 values: 1e-6 relative of means near 1.8.
  CHECK(energyDistance(a, b) == Approx(2 * mean(a, b, false) - mean(a, a, true) - mean(b, b, true)).margin(4e-6));
}

TEST_CASE("MMD of shifted normals has its closed form") {
  const double delta = 1, scale = 1;
  const double expected = 2 * (scale * scale / (scale * scale + 2)) * (1 - std::exp(-delta * delta / (2 * (scale * scale + 2))));
  // d = 2: the factor is (l^2 / (l^2 + 2))^(d/2). Standard error at n = 3000: about 2 sd(witness) sqrt(2 / n) with sd 0.1: 0.005. Four of
  // them.
  CHECK(std::abs(squaredDiscrepancy(normals(3000, 8), normals(3000, 9, delta), scale) - expected) < 0.02);
  CHECK(std::abs(squaredDiscrepancy(normals(3000, 8), normals(3000, 10), scale)) < 0.002);
}
