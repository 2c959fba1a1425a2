// The timed job mlp-step: one training step of 2 -> 128 -> 128 -> 128 -> 2, batch 4,096, cross entropy, AdamW.

#include <algorithm>
#include <chrono>

#include "core/base/bench_job.h"
#include "core/kernels/check_support.h"
#include "core/nn/layers.h"
#include "core/nn/trainer.h"

namespace orrery::nn {
namespace {

Expected<double> mlpStepMilliseconds() {
  auto device = gpu::Device::open();
  if (!device) return device.error();
  gpu::Stream stream(*device);
  constexpr std::int64_t batch = 4096;
  const Mlp mlp{{2, 128, 128, 128, 2}, kernels::Unary::relu};
  Initializer draw(stream, 1);
  TrainerOptions options;
  options.optimizer.weightDecay = 0.01;
  Trainer trainer(mlp.initial(draw), options);
  const Tensor x = Tensor::from(Shape{batch, 2}, kernels::testFloats(2 * batch, 1, -1, 1));
  std::vector<std::uint32_t> targets = kernels::testWords(batch, 2);
  for (std::uint32_t& t : targets) t %= 2;
  const Tensor y = Tensor::from(Shape{batch}, targets);
  const Trainer::Loss loss = [&](Tape& tape, std::span<const Variable> weights) {
    return crossEntropy(mlp.forward(weights, tape.constant(x)), y);
  };
  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  const auto began = Clock::now();
  for (int run = 0; run < 12 || Clock::now() - began < std::chrono::seconds(2); ++run) {
    // The first two compile and upload.
    const auto start = Clock::now();
    trainer.step(stream, loss);
    stream.finish();
    if (run >= 2) best = std::min(best, std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  return best;
}

const Registration<BenchJob> job{
    {"mlp-step", "One training step of an MLP 2-128-128-128-2, batch 4,096, AdamW", "ms", mlpStepMilliseconds}};

}  // namespace
}  // namespace orrery::nn
