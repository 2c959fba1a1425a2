// The velocity of a flow on the device against sums in double precision, with more components than one dispatch walks.

#include "core/labs/generative/shared/flow_field.h"

#include <cmath>

#include "tests/support/kernel_oracle.h"
#include "tests/support/lab_session.h"
#include "tests/support/zero_perceptron.h"

using namespace orrery;
using namespace orrery::generative;
using orrery::testing::device;
using orrery::testing::drawn;

namespace {

// (u, v, div u) of kernel regression.
std::array<double, 3> regressedReference(std::span<const float> pairs, double width, double t, double x, double y) {
  double largest = -1e300;
  const std::size_t n = pairs.size() / 4;
  const auto at = [&](std::size_t k, std::size_t c) { return static_cast<double>(pairs[4 * k + c]); };
  const auto logit = [&](std::size_t k) {
    const double dx = x - ((1 - t) * at(k, 0) + t * at(k, 2)), dy = y - ((1 - t) * at(k, 1) + t * at(k, 3));
    return -(dx * dx + dy * dy) / (2 * width * width);
  };
  for (std::size_t k = 0; k < n; ++k) largest = std::max(largest, logit(k));
  double total = 0, u = 0, v = 0, sx = 0, sy = 0, own = 0;
  for (std::size_t k = 0; k < n; ++k) {
    const double w = std::exp(logit(k) - largest), ku = at(k, 2) - at(k, 0), kv = at(k, 3) - at(k, 1);
    const double kx = -(x - ((1 - t) * at(k, 0) + t * at(k, 2))) / (width * width),
                 ky = -(y - ((1 - t) * at(k, 1) + t * at(k, 3))) / (width * width);
    total += w, u += w * ku, v += w * kv, sx += w * kx, sy += w * ky, own += w * (kx * ku + ky * kv);
  }
  return {u / total, v / total, (own - (sx * u + sy * v) / total) / total};
}

}  // namespace

TEST_CASE("the velocity regressed on pairs, however many there are") {
  gpu::Stream stream(device());
  // 29,126 pairs are more than one dispatch of a CPU device walks, 90,003 more than three; 65,535 loop iterations end there without a word.
  for (const std::int64_t m : {1, 3, 4, 5, 29126, 90003}) {
    const Tensor pairs = drawn(Shape{m, 4}, 1, 1);
    for (const std::int64_t n : {1, 4, 5, 33}) {
      if (m > 10 && n == 4) continue;
      const Tensor state = drawn(Shape{n, 4}, 2, 1);
      const auto rows = state.toFloats();
      std::vector<float> points;
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) points.insert(points.end(), {rows[4 * i], rows[4 * i + 1]});
      const double width = 0.3, t = 0.4;
      const auto plain = regressedVelocity(stream, pairs, width, t, Tensor::from(Shape{n, 2}, points)).toFloats();
      const auto whole = regressedWithDivergence(stream, pairs, width, t, state).toFloats();
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        INFO(m << " pairs, point " << i << " of " << n);
        const auto expected =
            regressedReference(pairs.as<float>(), width, t, static_cast<double>(points[2 * i]), static_cast<double>(points[2 * i + 1]));
        // Sums of weights in f32, one after another: an error of 6e-8 times the root of their number, at velocities of about 1; the
        // divergence is a difference of terms of about 10 (|s| is up to 3 / h).
        for (std::size_t c = 0; c < 2; ++c) {
          CHECK(static_cast<double>(plain[2 * i + c]) == Approx(expected[c]).margin(4e-5));
          CHECK(static_cast<double>(whole[4 * i + c]) == Approx(expected[c]).margin(4e-5));
        }
        CHECK(static_cast<double>(whole[4 * i + 2]) == Approx(expected[2]).margin(1e-3));
      }
    }
  }
}

TEST_CASE("the exact velocity of a mixture on the device is that of the host") {
  gpu::Stream stream(device());
  for (const int count : {1, 3, 8}) {
    ExactFlow flow;
    for (int k = 0; k < count; ++k)
      flow.data.components.push_back({1.0 + k, std::cos(1.3 * k), std::sin(1.3 * k), 0.04 + 0.01 * k, 0.09, 0.5 * k});
    for (const double t : {0.0, 0.3, 0.9}) {
      const auto components = flow.at(t);
      const Tensor state = drawn(Shape{33, 4}, 3, 1);
      const auto rows = state.toFloats();
      std::vector<float> points;
      for (std::size_t i = 0; i < 33; ++i) points.insert(points.end(), {rows[4 * i], rows[4 * i + 1]});
      const Tensor cloud = Tensor::from(Shape{33, 2}, points);
      const auto velocity = flowVelocity(stream, components, cloud).toFloats(),
                 whole = flowWithDivergence(stream, components, state).toFloats(),
                 logDensity = flowLogDensity(stream, components, cloud).toFloats();
      for (std::size_t i = 0; i < 33; ++i) {
        INFO(count << " components, t " << t << ", point " << i);
        const FlowValue expected = evaluateFlow(components, static_cast<double>(points[2 * i]), static_cast<double>(points[2 * i + 1]));
        // At t = 0 the blobs are 0.2 wide and points lie up to 3 away: P (x - c) is 75, ln p -110, velocities up to 15.
        const double tolerance = 3e-5 * std::max({1.0, std::abs(expected.u), std::abs(expected.v)});
        CHECK(static_cast<double>(velocity[2 * i]) == Approx(expected.u).margin(tolerance));
        CHECK(static_cast<double>(velocity[2 * i + 1]) == Approx(expected.v).margin(tolerance));
        CHECK(static_cast<double>(whole[4 * i]) == Approx(expected.u).margin(tolerance));
        CHECK(static_cast<double>(whole[4 * i + 2]) ==
              Approx(expected.divergence).margin(3e-5 * std::max(30.0, std::abs(expected.divergence))));
        CHECK(static_cast<double>(logDensity[i]) ==
              Approx(expected.logDensity).margin(2e-6 * std::max(10.0, std::abs(expected.logDensity))));
      }
    }
  }
}
