#pragma once
// Plans for the reverse diffusion in scaled coordinates (x_t / alpha_t against the relative noise level): step grids (generative.md C6),
// the coefficients of every solver step (C5) in double precision, and the noise of one Brownian path.

#include <cstdint>
#include <map>
#include <vector>

namespace orrery::kernels {

enum class Grid { karras, exponential, linear };

// Noise levels of N steps: sigma_0 = sigmaMax > ... > sigma_{N-1} = sigmaMin, then 0. N >= 2; returns N + 1 levels. `rho` is for karras
// only.
std::vector<double> noiseLevels(Grid grid, int steps, double sigmaMin, double sigmaMax, double rho = 7);

enum class Method { euler, heun, em, eulerAncestral, dpm2, dpmpp2m, rk4, edm };

// Which code of kernels/mixture_step runs a method.
enum class StepKind : std::uint32_t { linear, heun, edm, midpoint, multistep, rungeKutta4 };

// One step as the shader reads it: three texels. The walks are places in SolverPlan::noise, whole numbers.
struct SolverStep {
  float a = 0, target = 0, middle = 0, aHat = 0;
  float c1 = 0, c2 = 0, c3 = 0, cz = 0;
  // z = weight (W after - W before). W after is where the step's walk ends, given that the step before has walked; where that is not so
  // (the first step of a dispatch) `restart` walks to W before first. No restart (-1): z = weight W after. weight 0: no noise.
  float restart = -1, walk = 0;
  float churn = 0, weight = 0;
};

// The noise of a plan is a list of walks down a binary tree, each a WalkStart and its bridges, as the shader reads them. W is the path
// minus its value at the end, so that small levels keep their precision in f32.
struct WalkStart {
  float low = 0, high = 0;  // slots of the values at the two ends of the interval, low being the earlier one (the larger level)
  float bridges = 0;        // 1 or more
  float unused = 0;
};
// value = high + lowShare (low - high) + own N(node), with N(node) the two normals of Philox counter (particle / 2, node, purpose, 0). It
// is kept in a slot and becomes the interval's low end (kept = 2 slot + 1) or its high end (kept = 2 slot). The last one, of slot 1, is
// where the walk ends.
struct Bridge {
  float node = 0;  // whole number below 2^24
  float lowShare = 0, own = 0;
  float kept = 0;
};

struct SolverPlan {
  StepKind kind = StepKind::linear;
  std::vector<double> levels;     // N + 1
  std::vector<SolverStep> steps;  // N
  std::vector<float> noise;       // walks, as texels of four
  int slots = 0;  // values the walks keep: slot 0 is always 0, slot 1 where the last walk ended. 0: no path, and no walk reads one
  int evaluationsPerStep = 1;
};

// Appends a walk of one bridge without ends, z = N(node), and says where it begins: noise that belongs to no path.
float addFreshNormal(SolverPlan& plan, std::uint32_t node);

// z of a step as a sum of coefficient N(node).
std::map<std::uint32_t, double> noiseTerms(const SolverPlan& plan, std::size_t step);

// zeta is the noise share of generative.md C4: 0 the probability-flow ODE, 1 the reverse SDE. `em` discretises C4 directly. The other
// methods run in ancestral form: the deterministic step goes down to sqrt(b^2 - up^2) with up = min(b, zeta b sqrt(1 - b^2 / a^2)), then up
// z is added (for Euler this is `euler-a`, zeta = 1 being DDPM's smaller variance); dpm++2m takes its own stochastic form with eta =
// zeta^2; edm churns with gamma = min(40 zeta / N, sqrt 2 - 1). To leading order in the step all of them follow C4 with the same zeta.
//
// The noise: z of the step from a to b is (W(a^2) - W(b^2)) / sqrt(a^2 - b^2), with W one Brownian motion in the variable sigma^2 per
// particle. W is a virtual Brownian tree (Li et al. 2020; Kidger 2022, section 5.5): it is split at the dyadic points of u, where u in [0,
// 1] numbers the levels from sigmaMax to sigmaMin along the rho = 7 Karras curve. W depends on seed, particle, purpose, sigmaMin and
// sigmaMax only, so any two step counts, grids and solvers see the same path; halving the steps keeps it. The tree has 11 levels, and more
// where a grid sets levels closer than 2^-11 in u; inside such an interval the path of a grid that needs the deeper tree differs.
SolverPlan planSolver(Method method, std::vector<double> levels, double zeta);

}  // namespace orrery::kernels
