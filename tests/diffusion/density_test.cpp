// The exact denoisers against each other and against their own densities.

#include "core/diffusion/density.h"

#include <cmath>

#include "tests/support/catch.h"

using namespace orrery::diffusion;

namespace {

PlaneMixture tri() { return {{{0.3, -1, 0.2, 0.06, 0.02, 0.55}, {0.5, 0.8, 0.5, 0.04, 0.1, 0}, {0.2, 0.1, -1.1, 0.02, 0.02, 0}}}; }

}  // namespace

TEST_CASE("a mixture of one is the Gaussian") {
  const Gaussian gauss{0.4, 0.7};
  const LineMixture line{{{1, 0.4, 0.7}}};
  const State x{-3, 0.1, 5};
  for (const double level : {0.01, 1.0, 30.0}) {
    const State a = gauss.denoise(x, level), b = line.denoise(x, level), p = gauss.exact(x, level, 0.5 * level),
                q = line.exact(x, level, 0.5 * level);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(a[i] == Approx(b[i]).epsilon(1e-12));
      // The inverse of the distribution function loses what 1 - F rounds away at 5 deviations: 1e-16 / density.
      if (std::abs(x[i] - 0.4) < 4 * std::sqrt(0.49 + level * level)) CHECK(p[i] == Approx(q[i]).epsilon(1e-9));
    }
  }
}

TEST_CASE("Tweedie: the denoiser is x plus level squared times the score") {
  const LineMixture line = threeModes();
  const PlaneMixture plane = tri();
  const double h = 1e-5;
  for (const double level : {0.3, 1.0, 4.0}) {
    for (const double x : {-2.0, -0.4, 0.9}) {
      const double score = (line.logDensity(x + h, level) - line.logDensity(x - h, level)) / (2 * h);
      // Central differences of the log density: 1e-10 of truncation, 1e-11 of rounding, times the level squared.
      CHECK(line.denoise({x}, level)[0] == Approx(x + level * level * score).margin(1e-8 * (1 + level * level)));
      const double y = 0.3 - x, sx = (plane.logDensity(x + h, y, level) - plane.logDensity(x - h, y, level)) / (2 * h),
                   sy = (plane.logDensity(x, y + h, level) - plane.logDensity(x, y - h, level)) / (2 * h);
      const State D = plane.denoise({x, y}, level);
      CHECK(D[0] == Approx(x + level * level * sx).margin(1e-8 * (1 + level * level)));
      CHECK(D[1] == Approx(y + level * level * sy).margin(1e-8 * (1 + level * level)));
    }
  }
}

TEST_CASE("quantiles invert the distribution function") {
  const LineMixture line = threeModes();
  for (const double level : {0.0, 0.02, 1.0, 20.0})
    for (const double q : {1e-6, 0.03, 0.5, 0.97, 1 - 1e-6})
      CHECK(line.cumulative(line.quantile(q, level), level) == Approx(q).epsilon(1e-11));
}

TEST_CASE("the plane's reference converges with order 4 and reduces to the line's exact path") {
  const PlaneMixture plane = tri();
  const State start{8, -3, -12, 5, 1, 14};
  const State fine = plane.reference(start, 20, 0.05, 4096);
  const auto distance = [&](int steps) {
    double most = 0;
    const State difference = plane.reference(start, 20, 0.05, steps) - fine;
    for (const double value : difference) most = std::max(most, std::abs(value));
    return most;
  };
  CHECK(std::log2(distance(128) / distance(256)) == Approx(4).margin(0.3));
  // A mixture along the first axis with round blobs of one width factorises.
  const PlaneMixture row{{{0.4, -1, 0, 0.09, 0.09, 0}, {0.6, 1, 0, 0.09, 0.09, 0}}};
  const LineMixture line{{{0.4, -1, 0.3}, {0.6, 1, 0.3}}};
  const State end = row.reference({3, 2}, 10, 0.05, 2048), exact = line.exact({3}, 10, 0.05);
  CHECK(end[0] == Approx(exact[0]).epsilon(1e-8));
  CHECK(end[1] == Approx(2 * std::sqrt((0.09 + 0.0025) / (0.09 + 100))).epsilon(1e-8));
}

TEST_CASE("a set of points is a mixture of no width: its denoiser is that of narrow blobs, and its nearest point at the end") {
  PointSet set;
  set.dimension = 2;
  set.points = {-1, 0.2f, 0.8f, 0.5f, 0.1f, -1.1f};
  PlaneMixture blobs;
  for (std::size_t k = 0; k < 3; ++k)
    blobs.components.push_back({1.0 / 3, static_cast<double>(set.points[2 * k]), static_cast<double>(set.points[2 * k + 1]), 1e-14, 1e-14, 0});
  const State x{0.3, 0.4, -2, 1, 0.1, -0.2};
  for (const double level : {0.2, 0.7, 5.0}) {
    const State a = set.denoise(x, level), b = blobs.denoise(x, level);
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).margin(1e-10));
  }
  const State end = set.denoise({0.2, -0.9}, 0.01);
  CHECK(end[0] == static_cast<double>(0.1f));
  CHECK(end[1] == static_cast<double>(-1.1f));
  // Among some of them only.
  const State other = set.denoise({0.2, -0.9}, 0.01, {0, 1});
  CHECK(other[0] == static_cast<double>(0.8f));
  // Far away, the mean.
  CHECK(set.denoise({0, 0}, 1e6)[0] == Approx((-1 + 0.8 + 0.1) / 3).epsilon(1e-6));
}

TEST_CASE("what a particle says of a set of points: the mean, how many it could be, and the covariance that the denoiser's slope tells") {
  const PointSet set{3, {0, 0, 0, 1, 0, 0.5f, -0.4f, 0.9f, 0, 0.3f, -0.2f, 1.2f}};
  const State x{0.2, 0.1, 0.3};
  const double h = 1e-5;
  for (const double level : {0.2, 0.6, 3.0}) {
    INFO("level " << level);
    const auto answer = set.ask(x.values(), level);
    CHECK(answer.mean == set.denoise(x, level));
    // dD/dx = Cov[x_0 | x] / level^2 (generative.md C3 at alpha = 1).
    double trace = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      State up = x, down = x;
      up[i] += h, down[i] -= h;
      trace += (set.denoise(up, level)[i] - set.denoise(down, level)[i]) / (2 * h);
    }
    CHECK(answer.variance == Approx(level * level * trace / 3).epsilon(1e-6));  // central differences
    CHECK(answer.candidates >= 1);
    CHECK(answer.candidates <= 4);
  }
  // Far up in the noise it could be any of them, and near a point that one alone.
  CHECK(set.ask(x.values(), 1e3).candidates == Approx(4).epsilon(1e-5));
  CHECK(set.ask(State{1, 0, 0.5}.values(), 0.01).candidates == Approx(1));
  // Two points as far away as each other are two candidates.
  CHECK(PointSet{1, {-1, 1, 50}}.ask(State{0}.values(), 0.5).candidates == Approx(2));
  const auto nearest = set.nearest(x.values());
  CHECK(nearest.index == 0);
  CHECK(nearest.distance == Approx(std::sqrt((0.04 + 0.01 + 0.09) / 3)));
  CHECK(set.nearestBut(0, x.values()).index == 1);
}
