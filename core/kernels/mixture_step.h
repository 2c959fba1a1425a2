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
  std::int64_t count = 0;      // steps
  std::int64_t mostNoise = 0;  // noise terms of the richest step
  int evaluationsPerStep = 1;
  Tensor steps, noise;
};
DevicePlan upload(const SolverPlan& plan);

struct StepResult {
  Tensor state;    // [n, 2]
  Tensor history;  // [n, 2], D of the last step for multistep methods (in the shader's order); else empty
  Tensor trail;    // [steps, n, 2] when asked for; else empty
};
// Runs steps [first, first + count) from `state` [n, 2] (scaled coordinates). `history` is what the step before returned (empty at step 0).
StepResult mixtureSteps(gpu::Stream& stream, const MixtureTable& mixture, const DevicePlan& plan, std::int64_t first, std::int64_t count,
                        const Tensor& state, const Tensor& history, const StepOptions& options, bool trail = false);

// The same in double precision for one particle: the state after each step.
std::vector<std::array<double, 2>> mixtureStepsReference(std::span<const Component> components, const SolverPlan& plan,
                                                         std::array<double, 2> state, std::uint32_t particle, const StepOptions& options);

}  // namespace orrery::kernels
