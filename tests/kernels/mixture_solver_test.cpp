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

double covariance(const Terms& a, const Terms& b) {
  double sum = 0;
  for (const auto& [node, coefficient] : a) {
    if (const auto found = b.find(node); found != b.end()) sum += coefficient * found->second;
  }
  return sum;
}

}  // namespace

TEST_CASE("the path is a Brownian motion in sigma squared") {
  // Karras, of 37 and of 300 steps; exponential, of 100; and one dense enough for a deeper tree than usual.
  std::vector<std::vector<double>> grids{noiseLevels(Grid::karras, 37, 0.002, 80),
                                         noiseLevels(Grid::karras, 300, 0.002, 80),
                                         noiseLevels(Grid::exponential, 100, 0.002, 80),
                                         {80, 40, 39.999, 39.998, 5, 0.002, 0}};
  for (const auto& levels : grids) {
    const auto plan = planSolver(Method::em, levels, 1);
    std::vector<Terms> z;
    for (std::size_t i = 0; i + 1 < plan.steps.size(); ++i) z.push_back(noiseTerms(plan, i));
    CHECK(noiseTerms(plan, plan.steps.size() - 1).empty());  // the step to 0
    // The normals of a step have variance 1 and those of two steps are independent. Coefficients are f32 and make up W, which is at most of
    // the size of sigma: up to 16 bridges round it by 6e-8 each, and z magnifies that by sigma / sqrt(a^2 - b^2), 141 at 39.999 and below 6
    // on the grids. 16 x 6e-8 x 141 = 1.4e-4 at worst.
    double worst = 0;
    for (std::size_t i = 0; i < z.size(); ++i) {
      for (std::size_t j = 0; j <= i; ++j) worst = std::max(worst, std::abs(covariance(z[i], z[j]) - (i == j ? 1 : 0)));
    }
    INFO(levels.size());
    CHECK(worst < 2e-4);
  }
}

TEST_CASE("halving the steps keeps the Brownian path") {
  // The increments of one coarse step and of the fine steps inside it, as sums over tree nodes.
  for (const int steps : {33, 48}) {  // the points of the first are nodes of the tree, those of the second are not
    const auto coarse = planSolver(Method::em, noiseLevels(Grid::karras, steps, 0.002, 80), 1);
    const auto fine = planSolver(Method::em, noiseLevels(Grid::karras, 2 * steps - 1, 0.002, 80), 1);
    const auto increment = [](const SolverPlan& plan, std::size_t i, Terms& sum, double sign) {
      const double scale = std::sqrt(plan.levels[i] * plan.levels[i] - plan.levels[i + 1] * plan.levels[i + 1]);
      for (const auto& [node, coefficient] : noiseTerms(plan, i)) sum[node] += sign * scale * coefficient;
      return scale;
    };
    for (std::size_t i = 0; i + 1 < static_cast<std::size_t>(steps); ++i) {
      Terms difference;
      const double scale = increment(coarse, i, difference, 1);
      for (const std::size_t j : {2 * i, 2 * i + 1}) increment(fine, j, difference, -1);
      CHECK(std::sqrt(covariance(difference, difference)) < 1e-4 * scale);
    }
  }
}

TEST_CASE("a step walks only where its way parts from the last one") {
  // 1,000 steps on a tree of 2,048 leaves: 3 bridges a step on average, where two ways from the top are 24.
  const auto plan = planSolver(Method::em, noiseLevels(Grid::karras, 1000, 0.002, 80), 1);
  double bridges = 0;
  for (std::size_t i = 0; i + 1 < plan.steps.size(); ++i)
    bridges += static_cast<double>(plan.noise[4 * static_cast<std::size_t>(plan.steps[i].walk) + 2]);
  CHECK(bridges / 999 < 3.1);
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
          one.steps[0].weight = 0;
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
