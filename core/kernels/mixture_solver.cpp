// Step grids, solver coefficients and the Brownian tree of the reverse diffusion; formulas and sources in mixture_solver.h and
// generative.md C4-C6 (Karras et al. 2022, Lu et al. 2022, Song et al. 2021, Kidger 2022). Everything here is double precision on the host.

#include "core/kernels/mixture_solver.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>

namespace orrery::kernels {

std::vector<double> noiseLevels(Grid grid, int steps, double sigmaMin, double sigmaMax, double rho) {
  assert(steps >= 2 && 0 < sigmaMin && sigmaMin < sigmaMax);
  std::vector<double> levels;
  for (int i = 0; i < steps; ++i) {
    const double share = static_cast<double>(i) / (steps - 1);
    switch (grid) {
      case Grid::karras: {
        const double top = std::pow(sigmaMax, 1 / rho), bottom = std::pow(sigmaMin, 1 / rho);
        levels.push_back(std::pow(top + share * (bottom - top), rho));
        break;
      }
      case Grid::exponential:
        levels.push_back(sigmaMax * std::pow(sigmaMin / sigmaMax, share));
        break;
      case Grid::linear:
        levels.push_back(sigmaMax + share * (sigmaMin - sigmaMax));
        break;
    }
  }
  // The ends exactly, whatever the powers rounded to.
  levels.front() = sigmaMax;
  levels.back() = sigmaMin;
  levels.push_back(0);
  return levels;
}

namespace {

constexpr int leastDepth = 11, mostDepth = 20;
constexpr double treeRho = 7;

// sigma^2 at the place u of the tree's own clock.
double timeAt(double u, double sigmaMin, double sigmaMax) {
  const double top = std::pow(sigmaMax, 1 / treeRho), bottom = std::pow(sigmaMin, 1 / treeRho);
  return std::pow(top + u * (bottom - top), 2 * treeRho);
}

struct Path {
  std::uint32_t node;
  double low, high;  // the node's coefficient in W at the two ends of the interval
};

// Adds the bridge point at `middle` (a time between the ends): W = (1 - f) W_low + f W_high + deviation * z.
double bridge(std::vector<Path>& path, std::uint32_t node, double timeLow, double timeHigh, double middle,
              std::vector<double>& coefficients) {
  const double f = (timeLow - middle) / (timeLow - timeHigh);
  coefficients.clear();
  for (const Path& p : path) coefficients.push_back((1 - f) * p.low + f * p.high);
  const double deviation = std::sqrt(std::max(0.0, (timeLow - middle) * (middle - timeHigh) / (timeLow - timeHigh)));
  path.push_back({node, 0, 0});
  coefficients.push_back(deviation);
  return f;
}

}  // namespace

namespace {

// The place of a level on the tree's clock.
double placeOf(double sigma, double sigmaMin, double sigmaMax) {
  const double top = std::pow(sigmaMax, 1 / treeRho), bottom = std::pow(sigmaMin, 1 / treeRho);
  return std::clamp((top - std::pow(sigma, 1 / treeRho)) / (top - bottom), 0.0, 1.0);
}

}  // namespace

std::vector<std::pair<std::uint32_t, double>> brownianTerms(double sigma, double sigmaMin, double sigmaMax, int depth) {
  const double u = placeOf(sigma, sigmaMin, sigmaMax);
  const double time = sigma * sigma;
  double low = 0, high = 1, timeLow = sigmaMax * sigmaMax, timeHigh = sigmaMin * sigmaMin;
  std::vector<Path> path{{0, 0, std::sqrt(timeLow - timeHigh)}};
  std::vector<double> coefficients;
  std::uint32_t index = 0;

  // Split the interval around u at its middle, level by level.
  for (int level = 0; level < depth; ++level) {
    const double middle = 0.5 * (low + high), timeMiddle = timeAt(middle, sigmaMin, sigmaMax);
    bridge(path, (1u << level) + index, timeLow, timeHigh, timeMiddle, coefficients);
    const bool right = u >= middle;
    for (std::size_t i = 0; i < path.size(); ++i) (right ? path[i].low : path[i].high) = coefficients[i];
    (right ? low : high) = middle;
    (right ? timeLow : timeHigh) = timeMiddle;
    index = 2 * index + (right ? 1 : 0);
  }
  // Bridge once more to the time itself.
  bridge(path, (1u << depth) + index, timeLow, timeHigh, std::clamp(time, timeHigh, timeLow), coefficients);
  std::vector<std::pair<std::uint32_t, double>> terms;
  for (std::size_t i = 0; i < path.size(); ++i) terms.emplace_back(path[i].node, coefficients[i]);
  return terms;
}

namespace {

// The terms of z for every step but the last (which ends at 0 and has no noise).
void addNoise(SolverPlan& plan) {
  const double sigmaMax = plan.levels.front(), sigmaMin = plan.levels[plan.levels.size() - 2];
  // Deep enough that no two levels share a leaf.
  double closest = 1;
  for (std::size_t i = 0; i + 2 < plan.levels.size(); ++i) {
    closest = std::min(closest, placeOf(plan.levels[i + 1], sigmaMin, sigmaMax) - placeOf(plan.levels[i], sigmaMin, sigmaMax));
  }
  const int depth = std::clamp(static_cast<int>(std::ceil(-std::log2(std::max(closest, 1e-9)))), leastDepth, mostDepth);
  auto before = brownianTerms(sigmaMax, sigmaMin, sigmaMax, depth);
  for (std::size_t i = 0; i + 1 < plan.steps.size(); ++i) {
    const double a = plan.levels[i], b = plan.levels[i + 1];
    const auto after = brownianTerms(b, sigmaMin, sigmaMax, depth);
    std::map<std::uint32_t, double> difference;
    for (const auto& [node, coefficient] : after) difference[node] += coefficient;
    for (const auto& [node, coefficient] : before) difference[node] -= coefficient;
    // Leave out what is below a ten-thousandth of the step's noise, and scale the rest to variance 1.
    const double scale = 1 / std::sqrt(a * a - b * b);
    double variance = 0;
    std::vector<std::pair<std::uint32_t, double>> kept;
    for (const auto& [node, coefficient] : difference) {
      if (std::abs(coefficient * scale) < 1e-4) continue;
      kept.emplace_back(node, coefficient * scale);
      variance += coefficient * coefficient * scale * scale;
    }
    plan.steps[i].noiseBegin = static_cast<float>(plan.noise.size());
    plan.steps[i].noiseCount = static_cast<float>(kept.size());
    for (const auto& [node, coefficient] : kept)
      plan.noise.push_back({static_cast<float>(node), static_cast<float>(coefficient / std::sqrt(variance))});
    before = after;
  }
}

}  // namespace

SolverPlan planSolver(Method method, std::vector<double> levels, double zeta) {
  SolverPlan plan;
  plan.levels = std::move(levels);
  const std::size_t N = plan.levels.size() - 1;
  double previousH = 0;
  for (std::size_t i = 0; i < N; ++i) {
    const double a = plan.levels[i], b = plan.levels[i + 1];
    const double up = b > 0 ? std::min(b, zeta * b * std::sqrt(1 - b * b / (a * a))) : 0.0;
    const double down = up < b ? std::sqrt(b * b - up * up) : 0.0;
    double target = down, middle = 0, aHat = a, c1 = 0, c2 = 0, c3 = 0, cz = up, churn = 0;
    switch (method) {
      case Method::euler:
      case Method::eulerAncestral:
        plan.kind = StepKind::linear;
        c1 = down - a;
        break;
      case Method::em:
        plan.kind = StepKind::linear;
        target = b;
        c1 = -0.5 * (1 + zeta * zeta) * (a * a - b * b) / a;
        cz = b > 0 ? zeta * std::sqrt(a * a - b * b) : 0.0;
        break;
      case Method::heun:
        plan.kind = StepKind::heun;
        plan.evaluationsPerStep = 2;
        break;
      case Method::edm: {
        plan.kind = StepKind::edm;
        plan.evaluationsPerStep = 2;
        const double gamma = b > 0 ? std::min(40 * zeta / static_cast<double>(N), std::sqrt(2.0) - 1) : 0.0;
        target = b;
        cz = 0;
        aHat = a * (1 + gamma);
        churn = std::sqrt(aHat * aHat - a * a);
        break;
      }
      case Method::dpm2:
        plan.kind = StepKind::midpoint;
        plan.evaluationsPerStep = 2;
        middle = std::sqrt(a * down);
        break;
      case Method::rk4:
        plan.kind = StepKind::rungeKutta4;
        plan.evaluationsPerStep = 4;
        middle = 0.5 * (a + down);
        break;
      case Method::dpmpp2m: {
        plan.kind = StepKind::multistep;
        target = b;
        cz = 0;
        if (b > 0) {
          const double eta = zeta * zeta, h = std::log(a / b);
          c1 = b / a * std::exp(-eta * h);
          c2 = -std::expm1(-(1 + eta) * h);
          c3 = i == 0 ? 0.0 : c2 / (2 * previousH / h);
          cz = b * std::sqrt(-std::expm1(-2 * eta * h));
          previousH = h;
        }
        break;
      }
    }
    SolverStep step;
    step.a = static_cast<float>(a);
    step.target = static_cast<float>(target);
    step.middle = static_cast<float>(middle);
    step.aHat = static_cast<float>(aHat);
    step.c1 = static_cast<float>(c1);
    step.c2 = static_cast<float>(c2);
    step.c3 = static_cast<float>(c3);
    step.cz = static_cast<float>(cz);
    step.churn = static_cast<float>(churn);
    plan.steps.push_back(step);
  }
  if (zeta > 0) addNoise(plan);
  return plan;
}

}  // namespace orrery::kernels
