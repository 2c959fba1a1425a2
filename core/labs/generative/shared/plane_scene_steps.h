#pragma once
// Samplers of one evaluation per step in scaled coordinates (x_t / alpha against the relative noise level):
//   x' = keep x + toward D(x, level) + noise z,  z standard normal
// DDPM, DDIM for any eta and DDIM inversion are of this form. On the device the denoiser is the mixture's own (kernels/mixture_step runs
// any number of steps in one dispatch) or any function of a tensor; both take the same z.

#include <cstdint>
#include <functional>
#include <vector>

#include "core/kernels/mixture_step.h"

namespace orrery::generative {

struct LinearStep {
  double level = 0, keep = 0, toward = 1, noise = 0;
};

// z of step i, particle j: Philox counter (j / 2, firstNode + i, purpose, 0), words 0 and 1 for an even particle, 2 and 3 for an odd one.
kernels::SolverPlan linearPlan(const std::vector<LinearStep>& steps, std::uint32_t firstNode = 0);

// Runs steps [first, first + count) of an uploaded linearPlan from `state` [n, 2] under the mixture's exact denoiser; rows are particles 0
// .. n - 1. `trail`: also the states after every step, [count, n, 2].
kernels::StepResult linearSteps(gpu::Stream& stream, const kernels::MixtureTable& mixture, const kernels::DevicePlan& plan,
                                std::int64_t first, std::int64_t count, const Tensor& state, std::uint64_t seed, std::uint32_t purpose,
                                bool trail = false);

// One step given D of `state`: the same numbers but for rounding.
Tensor linearStep(gpu::Stream& stream, const LinearStep& step, std::uint32_t node, const Tensor& state, const Tensor& denoised,
                  std::uint64_t seed, std::uint32_t purpose);

// Steps [first, first + count) under any denoiser, taken apart.
using RowsDenoiser = std::function<Tensor(const Tensor& state, double level)>;
kernels::StepResult linearSteps(gpu::Stream& stream, const RowsDenoiser& denoise, const std::vector<LinearStep>& steps, std::int64_t first,
                                std::int64_t count, Tensor state, std::uint64_t seed, std::uint32_t purpose, bool trail = false);

// `start` [n, 2] followed by `trail` [m, n, 2]: [m + 1, n, 2].
Tensor withStart(gpu::Stream& stream, const Tensor& start, const Tensor& trail);

}  // namespace orrery::generative
