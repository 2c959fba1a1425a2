#pragma once
// A noising law x_t = s(t) x_0 + s(t) sigma(t) eps of the lab edm-unified and the walks of a solver in its own time (Karras et al. 2022,
// equation 4 and algorithms 1 and 2).

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/diffusion/density.h"
#include "core/diffusion/sde.h"

namespace orrery::generative {

struct NoisingLaw {
  std::string id, title;
  diffusion::Sde sde;

  double lowest() const { return sde.at(sde.first).relative(); }  // noise levels it reaches
  double highest() const { return sde.at(sde.last).relative(); }
  // A level, or the nearest it reaches.
  double within(double level) const;
};
NoisingLaw lawOf(std::string_view process);
// s and the relative noise level at evenly spaced times from 0 to 1, s and s sigma linear between them. Error: s not above 0; sigma not
// rising; more or fewer than two values of both; they do not begin with 1 and 0.
Expected<NoisingLaw> drawnLaw(const std::vector<double>& scales, const std::vector<double>& levels);

struct DesignSolver {
  std::string id = "heun";  // euler, heun, rk4
  double alpha = 1;         // of heun: where the second slope is taken; 1 Heun's, 1/2 the midpoint method, 2/3 Ralston's
  double churn = 0, churnFrom = 0, churnTo = 1e9, churnNoise = 1;  // S_churn, S_tmin, S_tmax, S_noise
  std::uint64_t seed = 0;
};

struct LawWalk {
  std::vector<double> times, levels;
  std::vector<diffusion::State> raw;  // x_t, one state per time
};
// From `start`, scaled, at the first of the levels to the last, which may be 0 (then x = D).
LawWalk walkLaw(const NoisingLaw& law, const std::vector<double>& levels, const diffusion::State& start, const DesignSolver& solver,
                const diffusion::Denoiser& denoise);

}  // namespace orrery::generative
