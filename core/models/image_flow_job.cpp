// The timed job image-flow-step: one training step of the flow of pictures as the lab glow starts it, 16 x 16 x 3, L = 2, K = 4, 32 hidden
// channels, batch 32, LU mixing, affine couplings, Adam.

#include <algorithm>
#include <chrono>

#include "core/base/bench_job.h"
#include "core/kernels/philox.h"
#include "core/models/image_flow.h"
#include "core/nn/trainer.h"

namespace orrery::models::flows {
namespace {

Expected<double> imageFlowStepMilliseconds() {
  auto device = gpu::Device::open();
  if (!device) return device.error();
  gpu::Stream stream(*device);
  ImageFlowOptions options;
  options.hidden = 32;
  const auto flow = ImageFlow::make(options, 1);
  if (!flow) return flow.error();
  const Tensor x = kernels::normal(stream, Shape{32, 3, 16, 16}, {1, 1, 0}, 0.5f, 0.1f);
  nn::Initializer draw(stream, 1);
  nn::Weights weights = flow->initial(draw);
  if (auto started = flow->initializeActnorm(stream, weights, x); !started) return started.error();
  nn::TrainerOptions training;
  training.optimizer.kind = nn::OptimizerKind::adam;
  nn::Trainer trainer(std::move(weights), training);
  const nn::Trainer::Loss loss = [&](nn::Tape& tape, std::span<const nn::Variable> leaves) {
    return nn::affine(nn::mean(flow->logLikelihood(leaves, tape.constant(x))), -1, 0);
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

const Registration<BenchJob> job{{"image-flow-step", "One training step of a flow of 16 x 16 pictures, L 2, K 4, h 32, batch 32, Adam",
                                  "ms", imageFlowStepMilliseconds}};

}  // namespace
}  // namespace orrery::models::flows
