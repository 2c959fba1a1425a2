// Linear sampler steps.

#include "core/labs/generative/shared/plane_scene_steps.h"

#include <cassert>

#include "core/kernels/elementwise.h"
#include "core/kernels/philox.h"
#include "core/kernels/slice.h"

namespace orrery::generative {

kernels::SolverPlan linearPlan(const std::vector<LinearStep>& steps, std::uint32_t firstNode) {
  assert(firstNode + steps.size() < (1u << 24));  // node numbers are kept as f32
  kernels::SolverPlan plan;
  plan.kind = kernels::StepKind::multistep;  // c1 x + c2 D + c3 (D - D before) + cz z with c3 = 0
  for (const LinearStep& step : steps) {
    kernels::SolverStep s;
    s.a = static_cast<float>(step.level);
    s.target = 1;  // above 0: the coefficients say everything, x = D included
    s.c1 = static_cast<float>(step.keep);
    s.c2 = static_cast<float>(step.toward);
    s.cz = static_cast<float>(step.noise);
    if (step.noise > 0) {
      s.weight = 1;
      s.walk = kernels::addFreshNormal(plan, firstNode + static_cast<std::uint32_t>(plan.steps.size()));
    }
    plan.steps.push_back(s);
    plan.levels.push_back(step.level);
  }
  return plan;
}

kernels::StepResult linearSteps(gpu::Stream& stream, const kernels::MixtureTable& mixture, const kernels::DevicePlan& plan,
                                std::int64_t first, std::int64_t count, const Tensor& state, std::uint64_t seed, std::uint32_t purpose,
                                bool trail) {
  kernels::StepOptions options;
  options.seed = seed;
  options.purpose = purpose;
  // No step looks back: any tensor stands for the history.
  return kernels::mixtureSteps(stream, mixture, plan, first, count, state, state, options, trail);
}

Tensor linearStep(gpu::Stream& stream, const LinearStep& step, std::uint32_t node, const Tensor& state, const Tensor& denoised,
                  std::uint64_t seed, std::uint32_t purpose) {
  using kernels::Binary;
  Tensor next = kernels::affine(stream, denoised, static_cast<float>(step.toward), 0);
  if (step.keep != 0) next = kernels::binary(stream, Binary::add, next, kernels::affine(stream, state, static_cast<float>(step.keep), 0));
  if (step.noise > 0) {
    // Element 2 j of the sequence that begins at `node` 2^34 lies in block (j / 2, node).
    const kernels::RandomKey key{seed, purpose, std::uint64_t{node} << 34};
    next = kernels::binary(stream, Binary::add, next, kernels::normal(stream, state.shape(), key, 0, static_cast<float>(step.noise)));
  }
  return next;
}

kernels::StepResult linearSteps(gpu::Stream& stream, const RowsDenoiser& denoise, const std::vector<LinearStep>& steps, std::int64_t first,
                                std::int64_t count, Tensor state, std::uint64_t seed, std::uint32_t purpose, bool trail) {
  std::vector<Tensor> states;
  for (std::int64_t i = first; i < first + count; ++i) {
    const LinearStep& step = steps[static_cast<std::size_t>(i)];
    state = linearStep(stream, step, static_cast<std::uint32_t>(i), state, denoise(state, step.level), seed, purpose);
    if (trail) states.push_back(state.reshaped(Shape{1, state.shape()[0], 2}));
  }
  kernels::StepResult result;
  if (trail) result.trail = kernels::concat(stream, states, 0);
  result.state = std::move(state);
  return result;
}

Tensor withStart(gpu::Stream& stream, const Tensor& start, const Tensor& trail) {
  Tensor whole(Shape{trail.shape()[0] + 1, start.shape()[0], 2});
  const gpu::BufferView to = whole.deviceForWriting(stream);
  gpu::BufferView head = start.device(stream), tail = trail.device(stream);
  head.bytes = start.bytes();
  tail.bytes = trail.bytes();
  stream.copy(head, {to.buffer, to.offset, head.bytes});
  stream.copy(tail, {to.buffer, to.offset + head.bytes, tail.bytes});
  return whole;
}

}  // namespace orrery::generative
