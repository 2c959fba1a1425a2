#pragma once
// Optimisers over named weights, with PyTorch's names and defaults: SGD, Adam, AdamW; gradient clipping by the global norm; learning-rate
// schedules. Nothing is read back from the device. Old weights stay as they were: a copy of an Optimizer and its Weights is a checkpoint.

#include <span>
#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/tensor/tensor.h"

namespace orrery::nn {

struct NamedTensor {
  std::string name;  // "0.weight": the names torch.nn would give
  Tensor value;      // f32
};
using Weights = std::vector<NamedTensor>;

enum class OptimizerKind { sgd, adam, adamw };

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::adamw;
  double learningRate = 1e-3;
  double momentum = 0, dampening = 0;  // SGD
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weightDecay = 0;  // torch.optim.AdamW's own default is 0.01
};

class Optimizer {
 public:
  Optimizer() = default;
  explicit Optimizer(const OptimizerOptions& options) : options_(options) {}

  // weights[i] moves against gradients[i]; `rate` multiplies the learning rate (a schedule), `scale` (one element on the device, may be
  // empty) the gradients. Throws std::invalid_argument when they do not fit.
  void step(gpu::Stream& stream, Weights& weights, std::span<const Tensor> gradients, double rate = 1, const Tensor& scale = {});

  std::int64_t steps() const { return steps_; }
  const OptimizerOptions& options() const { return options_; }

  // The state beside the weights, to keep or save: "momentum.<name>", or "exp_avg.<name>" and "exp_avg_sq.<name>"; none before the first
  // step.
  Weights state(const Weights& weights) const;
  // Takes back what state() gave. An Error names the tensor that is missing or has another shape, with both shapes.
  Expected<void> restore(const Weights& weights, std::int64_t steps, const Weights& state);

 private:
  OptimizerOptions options_;
  std::int64_t steps_ = 0;
  std::vector<Tensor> first_, second_;  // per weight
};

// min(1, maximum / (norm + 1e-6)) with the norm over all gradients together, as torch.nn.utils.clip_grad_norm_: f32 [], on the device.
struct ClippedNorm {
  Tensor norm, scale;
};
ClippedNorm clipScale(gpu::Stream& stream, std::span<const Tensor> gradients, double maximum);

// What multiplies the learning rate at a step from 0 of `total`.
struct Schedule {
  enum class Kind { constant, linear, cosine, step, exponential } kind = Kind::constant;
  std::int64_t warmup = 0;  // steps of linear rise from 1 / warmup to 1, before the rest
  std::int64_t total = 1;   // linear and cosine fall to `last` here
  double last = 0;
  std::int64_t period = 1;  // step: times `gamma` every `period` steps; exponential: times `gamma` every step
  double gamma = 0.1;

  double at(std::int64_t step) const;
};

// The exponential moving average of weights (EMA): average = decay average + (1 - decay) weights.
void updateAverage(gpu::Stream& stream, Weights& average, const Weights& weights, double decay);

}  // namespace orrery::nn
