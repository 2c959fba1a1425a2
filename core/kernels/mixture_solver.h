#pragma once
// Plans for the reverse diffusion in scaled coordinates (x_t / alpha_t against the relative noise level): step grids (generative.md C6),
// the coefficients of every solver step (C5) in double precision, and the noise of one Brownian path.

#include <cstdint>
#include <string_view>
#include <vector>

namespace orrery::kernels {

enum class Grid { karras, exponential, linear };

// Noise levels of N steps: sigma_0 = sigmaMax > ... > sigma_{N-1} = sigmaMin, then 0. N >= 2; returns N + 1 levels. `rho` is for karras
// only.
std::vector<double> noiseLevels(Grid grid, int steps, double sigmaMin, double sigmaMax, double rho = 7);

enum class Method { euler, heun, em, eulerAncestral, dpm2, dpmpp2m, rk4, edm };

// Which code of kernels/mixture_step runs a method.
enum class StepKind : std::uint32_t { linear, heun, edm, midpoint, multistep, rungeKutta4 };

// One step as the shader reads it: three texels.
struct SolverStep {
  float a = 0, target = 0, middle = 0, aHat = 0;
  float c1 = 0, c2 = 0, c3 = 0, cz = 0;
  float noiseBegin = 0, noiseCount = 0;  // whole numbers
  float churn = 0, unused = 0;
};

// One term of a step's standard normal vector z: coefficient times the two normals of Philox counter (particle / 2, node, purpose, 0), see
// mixture_step.comp.
struct NoiseTerm {
  float node = 0;  // whole number below 2^24
  float coefficient = 0;
  float unused[2] = {0, 0};
};

struct SolverPlan {
  StepKind kind = StepKind::linear;
  std::vector<double> levels;     // N + 1
  std::vector<SolverStep> steps;  // N
  std::vector<NoiseTerm> noise;
  int evaluationsPerStep = 1;
};

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

// The terms of W at `sigma` (before normalisation), for tests: sum of squares = sigmaMax^2 - sigma^2.
std::vector<std::pair<std::uint32_t, double>> brownianTerms(double sigma, double sigmaMin, double sigmaMax, int depth = 11);

}  // namespace orrery::kernels
