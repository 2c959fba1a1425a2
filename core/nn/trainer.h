#pragma once
// The training loop's one step: forward, backward, clip, optimise, average. Everything stays on the device; the loss comes back as a tensor
// to be read when somebody looks.

#include <functional>

#include "core/nn/optimizer.h"
#include "core/nn/tape.h"

namespace orrery::nn {

struct TrainerOptions {
  OptimizerOptions optimizer;
  Schedule schedule;
  double clipNorm = 0;      // 0: no clipping
  double averageDecay = 0;  // 0: no moving average of the weights
};

// A value: a copy is a checkpoint and continues to the same bits.
class Trainer {
 public:
  // The loss [] of the present weights, as leaves in their order.
  using Loss = std::function<Variable(Tape&, std::span<const Variable> weights)>;

  Trainer() = default;
  Trainer(Weights weights, const TrainerOptions& options);

  struct Step {
    Tensor loss;          // []
    Tensor gradientNorm;  // [], only with clipping
  };
  // When it throws (gpu::OutOfMemory), everything is as it was before, and the step can be repeated.
  Step step(gpu::Stream& stream, const Loss& loss);

  const Weights& weights() const { return weights_; }
  const Weights& average() const { return options_.averageDecay > 0 ? average_ : weights_; }
  std::int64_t steps() const { return optimizer_.steps(); }
  const TrainerOptions& options() const { return options_; }

  // Everything that the next step depends on, as tensors in a fixed order (for Lab::capture), and back. All of one training run have the
  // same number of tensors.
  std::vector<Tensor> capture() const;
  void restore(std::int64_t steps, std::span<const Tensor> state);
  // The same with names, for a file: weights, "ema.<name>", and the optimizer's state.
  Weights checkpoint() const;
  // Takes what checkpoint() gave. An Error names the tensor that does not fit, and nothing is changed.
  Expected<void> resume(std::int64_t steps, const Weights& checkpoint);

 private:
  TrainerOptions options_;
  Weights weights_, average_;
  Optimizer optimizer_;
};

}  // namespace orrery::nn
