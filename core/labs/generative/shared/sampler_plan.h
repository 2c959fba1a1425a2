#pragma once
// A sampler of core/diffusion as a list of linear combinations, so that a cloud can take its steps on the device under any denoiser and
// stop after each. The sampler itself is run, on symbols: all but the adaptive ones and Langevin's are linear in the state, in what they
// ask the denoiser and in the noise, so a State that holds one coefficient per symbol says how each place it asks about and each state it
// stops at is made. Everything is expressed by the state the step begins with, the answers in it, and the few earlier ones that a multistep
// sampler remembers. Double precision on the host.

#include <functional>
#include <vector>

#include "core/diffusion/sampler.h"

namespace orrery::generative {

// factor times a symbol: 0 is the state the step begins with, others are numbered by SamplerPlan::Event::symbol.
struct PlanTerm {
  int symbol = 0;
  double factor = 0;
};

struct PlanEvent {
  enum class Kind {
    denoised,   // D(place, level)
    direction,  // place - D(place, level)
    noise,      // z of the path's part over grid step `interval`, standard normal
  } kind = Kind::denoised;
  int symbol = 0;
  double level = 0;
  std::vector<PlanTerm> place;
  std::size_t interval = 0;
};

struct PlanStep {
  std::vector<PlanEvent> events;
  std::vector<PlanTerm> result;
  std::vector<int> before, after;  // symbols of earlier steps that are known when it begins, and when it has ended
};

struct SamplerPlan {
  std::vector<PlanStep> steps;
  double evaluations(std::size_t steps) const;  // of the first `steps`
};

using SamplerFunction = std::function<diffusion::State(diffusion::Run&, diffusion::State)>;

// The steps of a run over these levels. Noise must be that of whole steps: z of the path between two neighbouring levels.
SamplerPlan planRun(const SamplerFunction& sampler, const std::vector<double>& levels, const diffusion::SamplerOptions& options);

// Every step for itself, for samplers that remember nothing: from a down to sqrt(b^2 - up^2), up = min(b, zeta b sqrt(1 - b^2 / a^2)), then
// up z is added (the ancestral form; zeta 0 leaves the sampler as it is).
SamplerPlan planSteps(const SamplerFunction& sampler, const std::vector<double>& levels, const diffusion::SamplerOptions& options,
                      double zeta);

}  // namespace orrery::generative
