// Step grids, solver coefficients and the Brownian tree of the reverse diffusion; formulas and sources in mixture_solver.h and
// generative.md C4-C6 (Karras et al. 2022, Lu et al. 2022, Song et al. 2021, Kidger 2022). Everything here is double precision on the host.

#include "core/kernels/mixture_solver.h"

#include <algorithm>
#include <cassert>
#include <cmath>

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

// The place of a level on the tree's clock.
double placeOf(double sigma, double sigmaMin, double sigmaMax) {
  const double top = std::pow(sigmaMax, 1 / treeRho), bottom = std::pow(sigmaMin, 1 / treeRho);
  return std::clamp((top - std::pow(sigma, 1 / treeRho)) / (top - bottom), 0.0, 1.0);
}

float append(SolverPlan& plan, const WalkStart& start) {
  const float at = static_cast<float>(plan.noise.size() / 4);
  plan.noise.insert(plan.noise.end(), {start.low, start.high, start.bridges, 0});
  return at;
}

void append(SolverPlan& plan, const Bridge& b) { plan.noise.insert(plan.noise.end(), {b.node, b.lowShare, b.own, b.kept}); }

// Walks through the tree of one path to levels that fall. Interval i of depth l is [i, i + 1] / 2^l on the tree's clock. Slot 2 keeps the
// beginning of the path (slot 0, always 0, is its end), slot 3 + l the middle of the interval of depth l on the way to the last level.
class PathWalks {
 public:
  PathWalks(SolverPlan& plan, int depth) : plan_(plan), depth_(depth) {
    sigmaMax_ = plan.levels.front();
    sigmaMin_ = plan.levels[plan.levels.size() - 2];
    plan.slots = depth + 3;
  }

  // From nothing to W at `sigma`.
  float restart(double sigma) {
    const float begin = append(plan_, WalkStart{0, 0, static_cast<float>(depth_ + 2), 0});
    append(plan_, Bridge{0, 0, static_cast<float>(-std::sqrt(sigmaMax_ * sigmaMax_ - sigmaMin_ * sigmaMin_)), 2 * firstSlot + 1});
    descend(0, sigma);
    return begin;
  }
  // From W at `before` to W at `sigma`, below it: what lies above the parting of their ways is kept.
  float walk(double before, double sigma) {
    const std::uint32_t from = leafOf(before), to = leafOf(sigma);
    int depth = 0;
    while (depth < depth_ && (from >> (depth_ - depth)) == (to >> (depth_ - depth))) ++depth;
    const float begin = append(plan_, WalkStart{lowSlot(depth, to), highSlot(depth, to), static_cast<float>(depth_ - depth + 1), 0});
    descend(depth, sigma);
    return begin;
  }

 private:
  std::uint32_t leafOf(double sigma) const {
    const double leaves = std::ldexp(1.0, depth_);
    return static_cast<std::uint32_t>(std::min(std::floor(placeOf(sigma, sigmaMin_, sigmaMax_) * leaves), leaves - 1));
  }
  bool goesRight(int depth, std::uint32_t leaf) const { return ((leaf >> (depth_ - 1 - depth)) & 1u) != 0; }
  float lowSlot(int depth, std::uint32_t leaf) const {
    while (--depth >= 0 && !goesRight(depth, leaf)) {
    }
    return static_cast<float>(firstSlot + 1 + depth);
  }
  float highSlot(int depth, std::uint32_t leaf) const {
    while (--depth >= 0 && goesRight(depth, leaf)) {
    }
    return depth < 0 ? 0.0f : static_cast<float>(firstSlot + 1 + depth);
  }

  // Splits the interval of depth `depth` around the level at its middle, depth by depth, then bridges once more to the level itself.
  void descend(int depth, double sigma) {
    const std::uint32_t leaf = leafOf(sigma);
    for (;; ++depth) {
      const std::uint32_t interval = leaf >> (depth_ - depth);
      const double length = std::ldexp(1.0, -depth), low = length * interval;
      const double timeLow = timeAt(low, sigmaMin_, sigmaMax_), timeHigh = timeAt(low + length, sigmaMin_, sigmaMax_);
      const double middle =
          depth < depth_ ? timeAt(low + 0.5 * length, sigmaMin_, sigmaMax_) : std::clamp(sigma * sigma, timeHigh, timeLow);
      const double whole = timeLow - timeHigh, fromLow = timeLow - middle, fromHigh = middle - timeHigh;
      const int slot = depth < depth_ ? firstSlot + 1 + depth : 1;
      append(plan_, Bridge{static_cast<float>((1u << depth) + interval), static_cast<float>(fromHigh / whole),
                           static_cast<float>(std::sqrt(fromLow * fromHigh / whole)),
                           static_cast<float>(2 * slot + (depth < depth_ && goesRight(depth, leaf) ? 1 : 0))});
      if (depth == depth_) return;
    }
  }

  static constexpr int firstSlot = 2;

  SolverPlan& plan_;
  int depth_;
  double sigmaMin_ = 0, sigmaMax_ = 0;
};

// The walks of every step but the last (which ends at 0 and has no noise).
void addNoise(SolverPlan& plan) {
  const double sigmaMax = plan.levels.front(), sigmaMin = plan.levels[plan.levels.size() - 2];
  // Deep enough that no two levels share a leaf.
  double closest = 1;
  for (std::size_t i = 0; i + 2 < plan.levels.size(); ++i) {
    closest = std::min(closest, placeOf(plan.levels[i + 1], sigmaMin, sigmaMax) - placeOf(plan.levels[i], sigmaMin, sigmaMax));
  }
  const int depth = std::clamp(static_cast<int>(std::ceil(-std::log2(std::max(closest, 1e-9)))), leastDepth, mostDepth);
  PathWalks walks(plan, depth);
  for (std::size_t i = 0; i + 1 < plan.steps.size(); ++i) {
    const double a = plan.levels[i], b = plan.levels[i + 1];
    plan.steps[i].restart = walks.restart(a);
    plan.steps[i].walk = walks.walk(a, b);
    plan.steps[i].weight = static_cast<float>(1 / std::sqrt(a * a - b * b));
  }
}

}  // namespace

float addFreshNormal(SolverPlan& plan, std::uint32_t node) {
  const float begin = append(plan, WalkStart{0, 0, 1, 0});
  append(plan, Bridge{static_cast<float>(node), 0, 1, 2});
  return begin;
}

std::map<std::uint32_t, double> noiseTerms(const SolverPlan& plan, std::size_t step) {
  using Terms = std::map<std::uint32_t, double>;
  const auto add = [](Terms& to, double share, const Terms& from) {
    for (const auto& [node, coefficient] : from) to[node] += share * coefficient;
  };
  const SolverStep& s = plan.steps[step];
  Terms z;
  if (s.weight == 0) return z;
  std::vector<Terms> kept(static_cast<std::size_t>(std::max(plan.slots, 2)));
  const auto walk = [&](float place, double weight) {
    const float* texel = &plan.noise[4 * static_cast<std::size_t>(place)];
    Terms low = kept[static_cast<std::size_t>(texel[0])], high = kept[static_cast<std::size_t>(texel[1])], middle;
    for (int left = static_cast<int>(texel[2]); left > 0; --left) {
      texel += 4;
      middle = {{static_cast<std::uint32_t>(texel[0]), static_cast<double>(texel[2])}};
      add(middle, static_cast<double>(texel[1]), low);
      add(middle, 1 - static_cast<double>(texel[1]), high);
      const auto slot = static_cast<unsigned>(texel[3]);
      kept[slot / 2] = middle;
      (slot % 2 != 0 ? low : high) = middle;
    }
    add(z, weight, middle);
  };
  if (s.restart >= 0) walk(s.restart, -static_cast<double>(s.weight));
  walk(s.walk, static_cast<double>(s.weight));
  return z;
}

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
