// Step grids, solver orders and the Brownian tree (generative.md C4-C6).

#include "core/kernels/mixture_solver.h"

#include <cmath>
#include <map>

#include "core/kernels/mixture_step.h"
#include "tests/support/catch.h"

using namespace orrery::kernels;

TEST_CASE("the Karras grid of 18 steps is that of the paper") {
  const auto levels = noiseLevels(Grid::karras, 18, 0.002, 80);
  REQUIRE(levels.size() == 19);
  const double expected[] = {80, 57.586, 40.786, 28.375, 19.353, 12.910, 8.401};        // generative.md C6
  for (std::size_t i = 0; i < 7; ++i) CHECK(std::abs(levels[i] - expected[i]) < 6e-4);  // printed to three decimals
  CHECK(levels[16] == Approx(0.0075).epsilon(0.01));
  CHECK(levels[17] == 0.002);
  CHECK(levels[18] == 0);
}

TEST_CASE("grids fall from the largest to the smallest level, then to 0") {
  for (const Grid grid : {Grid::karras, Grid::exponential, Grid::linear}) {
    const auto levels = noiseLevels(grid, 37, 0.01, 50);
    CHECK(levels.front() == 50);
    CHECK(levels[36] == 0.01);
    for (std::size_t i = 1; i < levels.size(); ++i) CHECK(levels[i] < levels[i - 1]);
  }
}

namespace {

using Terms = std::map<std::uint32_t, double>;

Terms termsAt(double sigma) {
  Terms terms;
  for (const auto& [node, coefficient] : brownianTerms(sigma, 0.002, 80)) terms[node] += coefficient;
  return terms;
}

double covariance(const Terms& a, const Terms& b) {
  double sum = 0;
  for (const auto& [node, coefficient] : a) {
    if (const auto found = b.find(node); found != b.end()) sum += coefficient * found->second;
  }
  return sum;
}

}  // namespace

TEST_CASE("the tree is a Brownian motion in sigma squared") {
  const double levels[] = {79, 40.5, 12.25, 3, 0.71, 0.2, 0.033, 0.0021, 0.002};
  for (const double a : levels) {
    for (const double b : levels) {
      // Cov[W(a), W(b)] is the time common to both: sigma_max^2 - max(a, b)^2.
      CHECK(covariance(termsAt(a), termsAt(b)) == Approx(6400 - std::max(a, b) * std::max(a, b)).epsilon(1e-9).margin(1e-6));
    }
  }
}

TEST_CASE("halving the steps keeps the Brownian path") {
  // The increments of one coarse step and of the fine steps inside it, as sums over tree nodes.
  const auto coarse = planSolver(Method::em, noiseLevels(Grid::karras, 33, 0.002, 80), 1);
  const auto fine = planSolver(Method::em, noiseLevels(Grid::karras, 65, 0.002, 80), 1);
  const auto increment = [](const SolverPlan& plan, std::size_t i) {
    Terms terms;
    const double scale = std::sqrt(plan.levels[i] * plan.levels[i] - plan.levels[i + 1] * plan.levels[i + 1]);
    const auto begin = static_cast<std::size_t>(plan.steps[i].noiseBegin), count = static_cast<std::size_t>(plan.steps[i].noiseCount);
    for (std::size_t j = begin; j < begin + count; ++j)
      terms[static_cast<std::uint32_t>(plan.noise[j].node)] += scale * static_cast<double>(plan.noise[j].coefficient);
    return terms;
  };
  for (std::size_t i = 0; i < 32; ++i) {
    Terms difference = increment(coarse, i);
    const double variance = covariance(difference, difference);
    for (const std::size_t j : {2 * i, 2 * i + 1}) {
      for (const auto& [node, coefficient] : increment(fine, j)) difference[node] -= coefficient;
    }
    // Terms below a ten-thousandth of a step's noise are left out: a few of them remain.
    CHECK(std::sqrt(covariance(difference, difference) / variance) < 5e-4);
  }
}

TEST_CASE("the normals of a step have variance 1 and those of two steps are independent") {
  const auto plan = planSolver(Method::em, noiseLevels(Grid::exponential, 100, 0.002, 80), 1);
  for (std::size_t i = 0; i + 2 < plan.steps.size(); ++i) {
    Terms now, next;
    for (auto j = static_cast<std::size_t>(plan.steps[i].noiseBegin); j < static_cast<std::size_t>(plan.steps[i + 1].noiseBegin); ++j)
      now[static_cast<std::uint32_t>(plan.noise[j].node)] += static_cast<double>(plan.noise[j].coefficient);
    const auto& step = plan.steps[i + 1];
    for (auto j = static_cast<std::size_t>(step.noiseBegin); j < static_cast<std::size_t>(step.noiseBegin + step.noiseCount); ++j)
      next[static_cast<std::uint32_t>(plan.noise[j].node)] += static_cast<double>(plan.noise[j].coefficient);
    CHECK(covariance(now, now) == Approx(1).epsilon(1e-6));
    CHECK(std::abs(covariance(now, next)) < 1e-3);  // what the left-out terms leave
  }
}

namespace {

// The error of a method on one Gaussian of variance c^2 = 0.25 against the exact solution x(sigma) = x_T sqrt((c^2 + sigma^2) / (c^2 +
// sigma_T^2)).
double gaussianError(Method method, int steps) {
  const std::vector<Component> gauss{{1, 0, 0, 0.25, 0.25, 0}};
  auto levels = noiseLevels(Grid::exponential, steps + 1, 0.02, 20);
  levels.pop_back();  // stop at 0.02: the step to 0 is D for all of them
  const auto states = mixtureStepsReference(gauss, planSolver(method, levels, 0), {30, -11}, 0, {});
  const double exact = 30 * std::sqrt((0.25 + 0.02 * 0.02) / (0.25 + 400));
  return std::abs(states.back()[0] - exact);
}

}  // namespace

TEST_CASE("solvers converge with their order") {
  const struct {
    Method method;
    double order;
  } cases[] = {{Method::euler, 1},   {Method::em, 1},  {Method::heun, 2}, {Method::dpm2, 2},
               {Method::dpmpp2m, 2}, {Method::rk4, 4}, {Method::edm, 2}};
  for (const auto& c : cases) {
    const double slope = std::log2(gaussianError(c.method, 128) / gaussianError(c.method, 256));
    INFO(static_cast<int>(c.method) << " slope " << slope);
    // The slope between 128 and 256 steps still carries the next term, about order x (step of 0.03): a tenth of the order, a little more
    // for rk4 whose coefficients are stored in f32 (errors stay above 1e-9 here).
    CHECK(std::abs(slope - c.order) < 0.12 * c.order + 0.05);
  }
}

TEST_CASE("with a noise share the ancestral forms keep the variance of the Gaussian") {
  // One linear step maps variance V_a to k^2 V_a + noise^2; for Gaussian data D = c^2 / (c^2 + a^2) x. All of them must stay near V_b.
  for (const Method method : {Method::em, Method::eulerAncestral, Method::heun, Method::dpm2, Method::dpmpp2m, Method::rk4}) {
    for (const double zeta : {0.5, 1.0, 1.5}) {
      const auto levels = noiseLevels(Grid::exponential, 400, 0.02, 20);
      SolverPlan plan = planSolver(method, levels, zeta);
      const double noise = [&] {
        double variance = 0.25 + 400;
        double before = 0, beforeScale = 0;
        for (std::size_t i = 0; i + 1 < plan.steps.size(); ++i) {
          // Follow a unit start without noise through one step to read off the factor.
          SolverPlan one = plan;
          one.steps = {plan.steps[i]};
          one.steps[0].noiseCount = 0;
          if (method == Method::dpmpp2m) {
            // Linear two-step recursion: factor on x and on the previous D.
            const double a = plan.levels[i], share = 0.25 / (0.25 + a * a);
            const auto& s = plan.steps[i];
            const double factor = static_cast<double>(s.c1) + (static_cast<double>(s.c2) + static_cast<double>(s.c3)) * share;
            // D of the previous step is nearly share_prev x_prev; x_prev = x / beforeScale: good to the order the bound needs.
            const double memory = beforeScale == 0 ? 0 : static_cast<double>(s.c3) * before / beforeScale;
            const double k = factor - memory;
            variance = k * k * variance + static_cast<double>(s.cz) * static_cast<double>(s.cz);
            before = share;
            beforeScale = std::sqrt((0.25 + plan.levels[i + 1] * plan.levels[i + 1]) / (0.25 + a * a));
            continue;
          }
          const std::vector<Component> gauss{{1, 0, 0, 0.25, 0.25, 0}};
          const double k = mixtureStepsReference(gauss, one, {1, 0}, 0, {})[0][0];
          variance = k * k * variance + static_cast<double>(plan.steps[i].cz) * static_cast<double>(plan.steps[i].cz);
        }
        return variance;
      }();
      INFO(static_cast<int>(method) << " zeta " << zeta);
      // Weak order 1 with steps of ln(1000) / 399 = 0.017 in ln sigma: a few percent.
      CHECK(noise == Approx(0.25 + 0.0004).epsilon(0.06));
    }
  }
}
