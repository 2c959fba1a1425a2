#include "core/nn/trainer.h"

#include <algorithm>
#include <cmath>

#include "core/base/text.h"

namespace orrery::nn {

Trainer::Trainer(Weights weights, const TrainerOptions& options)
    : options_(options),
      weights_(std::move(weights)),
      average_(options.averageDecay > 0 ? weights_ : Weights()),
      optimizer_(options.optimizer) {}

Trainer::Step Trainer::step(gpu::Stream& stream, const Loss& loss) {
  Tape tape(stream);
  std::vector<Variable> leaves;
  for (const NamedTensor& weight : weights_) leaves.push_back(tape.leaf(weight.value));
  const Variable value = loss(tape, leaves);
  tape.backward(value);
  std::vector<Tensor> gradients;
  for (const Variable& leaf : leaves) gradients.push_back(tape.gradient(leaf));
  Step result{value.value(), {}};
  Tensor scale;
  if (options_.clipNorm > 0) {
    ClippedNorm clipped = clipScale(stream, gradients, options_.clipNorm);
    result.gradientNorm = std::move(clipped.norm);
    scale = std::move(clipped.scale);
  }
  // All or nothing: who catches an exhausted memory finds the state before the step.
  Optimizer optimizer = optimizer_;
  Weights weights = weights_, average = average_;
  optimizer.step(stream, weights, gradients, options_.schedule.at(optimizer.steps()), scale);
  if (options_.averageDecay > 0) updateAverage(stream, average, weights, options_.averageDecay);
  optimizer_ = std::move(optimizer), weights_ = std::move(weights), average_ = std::move(average);
  return result;
}

namespace {

// Zeros in place of a state that the optimizer makes at its first step, so that every frame has the same tensors.
Weights zerosLike(const Weights& weights, const OptimizerOptions& options) {
  Weights zeros;
  for (const NamedTensor& weight : weights) {
    const std::vector<float> nothing(static_cast<std::size_t>(weight.value.count()), 0.0f);
    const int copies = options.kind == OptimizerKind::sgd ? 1 : 2;
    for (int i = 0; i < copies; ++i) zeros.push_back({"", Tensor::from(weight.value.shape(), nothing)});
  }
  return zeros;
}

}  // namespace

std::vector<Tensor> Trainer::capture() const {
  std::vector<Tensor> result;
  for (const NamedTensor& t : weights_) result.push_back(t.value);
  for (const NamedTensor& t : average_) result.push_back(t.value);
  const Weights state = optimizer_.steps() > 0 ? optimizer_.state(weights_) : zerosLike(weights_, options_.optimizer);
  for (const NamedTensor& t : state) result.push_back(t.value);
  return result;
}

void Trainer::restore(std::int64_t steps, std::span<const Tensor> state) {
  std::size_t at = 0;
  for (NamedTensor& t : weights_) t.value = state[at++];
  for (NamedTensor& t : average_) t.value = state[at++];
  Weights named;
  const bool adam = options_.optimizer.kind != OptimizerKind::sgd;
  for (const NamedTensor& t : weights_) {
    named.push_back({(adam ? "exp_avg." : "momentum.") + t.name, state[at++]});
    if (adam) named.push_back({"exp_avg_sq." + t.name, state[at++]});
  }
  Optimizer optimizer(options_.optimizer);
  // The shapes are those of capture(): nothing can be missing.
  (void)optimizer.restore(weights_, steps, named);
  optimizer_ = std::move(optimizer);
}

Weights Trainer::checkpoint() const {
  Weights result = weights_;
  for (const NamedTensor& t : average_) result.push_back({"ema." + t.name, t.value});
  for (NamedTensor& t : optimizer_.state(weights_)) result.push_back(std::move(t));
  return result;
}

Expected<void> Trainer::resume(std::int64_t steps, const Weights& checkpoint) {
  Weights weights = weights_, average = average_;
  const auto take = [&](const std::string& name, Tensor& into) -> Expected<void> {
    const auto found = std::find_if(checkpoint.begin(), checkpoint.end(), [&](const NamedTensor& t) { return t.name == name; });
    if (found == checkpoint.end()) return makeError(ErrorCode::badInput, trf("the model to resume has no tensor '{}'", name));
    if (found->value.shape() != into.shape() || found->value.dtype() != DType::f32) {
      return makeError(ErrorCode::badInput, trf("the tensor '{}' should be f32 {}, found {} {}", name, into.shape().toString(),
                                                nameOf(found->value.dtype()), found->value.shape().toString()));
    }
    const auto values = found->value.as<float>();
    const auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
    if (bad != values.end()) {
      return makeError(ErrorCode::badInput,
                       trf("the tensor '{}' holds {} at element {}", name, std::isnan(*bad) ? "NaN" : "infinity", bad - values.begin()));
    }
    into = found->value;
    return {};
  };
  for (NamedTensor& t : weights) {
    if (auto taken = take(t.name, t.value); !taken) return taken;
  }
  for (NamedTensor& t : average) {
    if (auto taken = take("ema." + t.name, t.value); !taken) return taken;
  }
  Optimizer optimizer(options_.optimizer);
  if (auto restored = optimizer.restore(weights, steps, checkpoint); !restored) return restored;
  weights_ = std::move(weights), average_ = std::move(average), optimizer_ = std::move(optimizer);
  return {};
}

}  // namespace orrery::nn
