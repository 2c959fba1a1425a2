#pragma once
// DDIM's steps on a sub-sequence of the timesteps 1 .. T of a chain (Song, Meng and Ermon 2020), in scaled coordinates: from level a to b <
// a
//   x' = D + sqrt(b^2 - up^2) e + up z,  e = (x - D) / a,  up = eta b sqrt(1 - b^2 / a^2)
// which is their eq. 12 with varsigma = sqrt(abar') up (eq. 16). Double precision.

#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/diffusion/density.h"
#include "core/labs/generative/shared/noise_chain.h"

namespace orrery::generative {

// N distinct timesteps, falling. "linspace": T to 1; "leading": i floor(T / N) + 1; "trailing": T - i T / N; "quadratic": dense near data,
// T to 1. Rounded; where rounding repeats a timestep the next free one below is taken, so that there are always N. 1 <= N <= T.
std::vector<int> timestepsOf(const std::string& spacing, int T, int N);
std::vector<double> levelsOf(const Chain& chain, const std::vector<int>& timesteps, bool finalZero);

// Error: eta so large that the noise exceeds the level it goes to.
Expected<std::vector<LinearStep>> ddimSteps(const std::vector<double>& levels, double eta);
double stochasticity(const Chain& chain, int from, int to, double eta);  // varsigma

using NoiseOfStep = std::function<diffusion::State(std::size_t step)>;
// The states at every level, the start included. `noise` may be empty when no step has any.
std::vector<diffusion::State> runSteps(const diffusion::Denoiser& denoise, const std::vector<LinearStep>& steps, diffusion::State x,
                                       const NoiseOfStep& noise = {});

// From data to noise along the same levels (the last above 0 first). `iterations` = 0: eps of the level left (explicit); k > 0: k
// fixed-point iterations for eps at the level reached, begun explicitly. The state at the first level is x.
struct Inversion {
  std::vector<diffusion::State> states;
  // Root mean square change of the last iteration relative to its level, largest over the steps; per iteration for the step where it is.
  double residual = 0;
  std::vector<double> residuals;
};
Inversion invert(const diffusion::Denoiser& denoise, const std::vector<double>& levels, diffusion::State x, int iterations);

// (1 - w) a + w b, or along the great circle through both, radius interpolated by the same weights (Shoemake 1985); d = 2.
std::array<double, 2> interpolate(std::array<double, 2> a, std::array<double, 2> b, double w, bool spherical);

}  // namespace orrery::generative
