#pragma once
// Solver steps of the reverse diffusion under an exact mixture denoiser, any number of them in one dispatch.

#include <array>
#include <span>

#include "core/kernels/mixture.h"
#include "core/kernels/mixture_solver.h"

namespace orrery::kernels {

// What is wrong with the sampler's noise estimate e (generative.md, sde-vs-ode, "score error"), as a share:
// constant: e + amount (1, 0); shrink: (1 - amount) e; field: e + amount times a smooth field over place and level.
enum class ScoreError : std::uint32_t { none, constant, shrink, field };

struct StepOptions {
  std::uint64_t seed = 0;
  std::uint32_t purpose = 0;        // which noise: the third word of the counter
  std::uint32_t firstParticle = 0;  // the particle number of row 0, a multiple of 4
  ScoreError error = ScoreError::none;
  double errorAmount = 0;
  std::uint32_t wrap = 0xFFFFFFFCu;  // that of row i is firstParticle + i mod wrap (a multiple of 4): rows that share their noise
};

// A plan on the device.
struct DevicePlan {
  StepKind kind = StepKind::linear;
  std::int64_t count = 0;           // steps
  std::int64_t mostBridges = 0;     // of the longest walk; 0: no noise
  std::int64_t restartBridges = 0;  // of the longest walk from nothing
  int slots = 0;
  int evaluationsPerStep = 1;
  Tensor steps, noise;
  std::uint64_t number = 0;  // another one for every upload
};
DevicePlan upload(const SolverPlan& plan);

// What the walks of a cloud's noise have kept (SolverPlan::slots x 8 bytes a particle), so that the next steps begin there and not at the
// root of the tree. It is written in place and knows whose it is and where it stands: for other rows or another step nothing of it is used,
// and the result is the same to the bit.
class NoiseMemory {
 public:
  bool standsAt(const DevicePlan& plan, std::int64_t step, std::int64_t rows, const StepOptions& options) const;
  void moveTo(const DevicePlan& plan, std::int64_t step, std::int64_t rows, const StepOptions& options);
  Tensor values;  // [quads + 1, slots, 8]

 private:
  std::array<std::uint64_t, 7> place_{};
};

struct StepResult {
  Tensor state;    // [n, 2]
  Tensor history;  // [n, 2], D of the last step for multistep methods (in the shader's order); else empty
  Tensor trail;    // [steps, n, 2] when asked for; else empty
};
// Runs steps [first, first + count) from `state` [n, 2] (scaled coordinates). `history` is what the step before returned (empty at step 0),
// `memory` what the steps before kept (without it, or when it stands elsewhere, the noise is found from the root).
StepResult mixtureSteps(gpu::Stream& stream, const MixtureTable& mixture, const DevicePlan& plan, std::int64_t first, std::int64_t count,
                        const Tensor& state, const Tensor& history, const StepOptions& options, bool trail = false,
                        NoiseMemory* memory = nullptr);

// The same in double precision for one particle: the state after each step.
std::vector<std::array<double, 2>> mixtureStepsReference(std::span<const Component> components, const SolverPlan& plan,
                                                         std::array<double, 2> state, std::uint32_t particle, const StepOptions& options);

}  // namespace orrery::kernels
