#include "core/labs/generative/edm_unified/walks.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/diffusion/noise.h"
#include "core/diffusion/process.h"

namespace orrery::generative {

using diffusion::Moment;
using diffusion::State;

double NoisingLaw::within(double level) const { return std::clamp(level, lowest(), highest()); }

NoisingLaw lawOf(std::string_view process) {
  const auto* found = findRegistered<diffusion::Process>(process);
  return {found->id, tr(found->title), diffusion::sdeOf(*found)};
}

Expected<NoisingLaw> drawnLaw(const std::vector<double>& scales, const std::vector<double>& levels) {
  const auto time = [&](std::size_t k) { return static_cast<double>(k) / (static_cast<double>(levels.size()) - 1); };
  for (std::size_t k = 0; k < scales.size(); ++k) {
    if (!(scales[k] > 0))
      return makeError(ErrorCode::usage, trf("The scale s should be above 0, found {:.3g} as its value {}", scales[k], k + 1));
  }
  for (std::size_t k = 1; k < levels.size(); ++k) {
    if (!(levels[k] > levels[k - 1])) {
      return makeError(ErrorCode::usage, trf("From t = {:.2g} to {:.2g} the noise level σ goes from {:.3g} to {:.3g}: it has to rise, as each "
                                             "noise level must be reached once",
                                             time(k - 1), time(k), levels[k - 1], levels[k]));
    }
  }
  std::vector<double> sigmas;
  for (std::size_t k = 0; k < std::min(scales.size(), levels.size()); ++k) sigmas.push_back(scales[k] * levels[k]);
  if (scales.size() != levels.size())
    return makeError(ErrorCode::usage, trf("s and σ need as many values each, found {} and {}", scales.size(), levels.size()));
  auto sde = diffusion::sdeFromMoments(scales, sigmas);
  if (!sde) return sde.error();
  return NoisingLaw{"drawn", tr("Drawn by you"), *std::move(sde)};
}

LawWalk walkLaw(const NoisingLaw& law, const std::vector<double>& levels, const State& start, const DesignSolver& solver,
                const diffusion::Denoiser& denoise) {
  // dx/dt = s' D + (s sigma)' eps with eps = (x - s D) / (s sigma).
  const auto velocity = [&](const State& x, double t) {
    const Moment at = law.sde.at(t);
    const State clean = denoise(x / at.alpha, at.relative());
    return at.alphaRate * clean + (at.sigmaRate / at.sigma) * (x - at.alpha * clean);
  };
  const diffusion::Noise noise(solver.seed, start.size());
  const double most = std::min(solver.churn / (static_cast<double>(levels.size()) - 1), std::numbers::sqrt2 - 1);
  LawWalk walk;
  walk.levels = levels;
  for (const double level : levels) walk.times.push_back(diffusion::timeOf(law.sde, level));  // of 0 the first there is
  State x = law.sde.at(walk.times.front()).alpha * start;
  walk.raw.push_back(x);
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    double a = walk.times[i];
    const double b = walk.times[i + 1], level = levels[i];
    if (most > 0 && level >= solver.churnFrom && level <= solver.churnTo) {
      // New noise raises the level and moves the time back; no law can be raised above its last level.
      const double raised = std::min(level * (1 + most), law.highest());
      a = diffusion::timeOf(law.sde, raised);
      const double deviation = std::sqrt(std::max(raised * raised - level * level, 0.0)) * solver.churnNoise;
      const State more = deviation * noise.fresh(static_cast<std::uint32_t>(i), 1);
      x = law.sde.at(a).alpha * (x / law.sde.at(walk.times[i]).alpha + more);
    }
    if (levels[i + 1] == 0) {
      // Euler's step to 0 in the scaled state is D, and no other evaluation can follow.
      const Moment at = law.sde.at(a);
      x = law.sde.at(b).alpha * denoise(x / at.alpha, at.relative());
      walk.raw.push_back(x);
      break;
    }
    const double h = b - a, middle = a + h / 2;
    const State k1 = velocity(x, a);
    if (solver.id == "euler") {
      x += h * k1;
    } else if (solver.id == "heun") {
      const double share = 1 / (2 * solver.alpha);
      x += h * ((1 - share) * k1 + share * velocity(x + solver.alpha * h * k1, a + solver.alpha * h));
    } else {
      const State k2 = velocity(x + (h / 2) * k1, middle), k3 = velocity(x + (h / 2) * k2, middle);
      x += (h / 6) * (k1 + 2 * k2 + 2 * k3 + velocity(x + h * k3, b));
    }
    walk.raw.push_back(x);
  }
  return walk;
}

}  // namespace orrery::generative
