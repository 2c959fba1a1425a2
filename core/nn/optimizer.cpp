#include "core/nn/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/fill.h"
#include "core/kernels/optimizer_step.h"
#include "core/kernels/reduce.h"

namespace orrery::nn {

void Optimizer::step(gpu::Stream& stream, Weights& weights, std::span<const Tensor> gradients, double rate, const Tensor& scale) {
  if (gradients.size() != weights.size()) throw std::invalid_argument("optimizer: one gradient per weight is needed");
  const bool adam = options_.kind != OptimizerKind::sgd;
  if (first_.empty()) {
    // Moments start at zero; SGD's buffer starts with the first gradient.
    first_.resize(weights.size());
    second_.resize(weights.size());
    for (std::size_t i = 0; i < weights.size() && adam; ++i) {
      first_[i] = kernels::fill(stream, weights[i].value.shape(), 0.0f);
      second_[i] = kernels::fill(stream, weights[i].value.shape(), 0.0f);
    }
  }
  ++steps_;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    Tensor& weight = weights[i].value;
    if (adam) {
      kernels::AdamStep o;
      o.learningRate = rate * options_.learningRate;
      o.beta1 = options_.beta1, o.beta2 = options_.beta2, o.epsilon = options_.epsilon, o.weightDecay = options_.weightDecay;
      o.decoupled = options_.kind == OptimizerKind::adamw;
      o.step = steps_;
      auto result = kernels::adamStep(stream, weight, gradients[i], first_[i], second_[i], o, scale);
      weight = std::move(result.weights), first_[i] = std::move(result.first), second_[i] = std::move(result.second);
    } else {
      kernels::SgdStep o;
      o.learningRate = rate * options_.learningRate;
      o.momentum = options_.momentum, o.dampening = options_.dampening, o.weightDecay = options_.weightDecay,
      o.nesterov = options_.nesterov;
      o.first = first_[i].shape() != weight.shape();
      auto result = kernels::sgdStep(stream, weight, gradients[i], o.first ? Tensor() : first_[i], o, scale);
      weight = std::move(result.weights), first_[i] = std::move(result.momentum);
    }
  }
}

Weights Optimizer::state(const Weights& weights) const {
  Weights result;
  if (first_.empty()) return result;
  const bool adam = options_.kind != OptimizerKind::sgd;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    result.push_back({(adam ? "exp_avg." : "momentum.") + weights[i].name, first_[i]});
    if (adam) result.push_back({"exp_avg_sq." + weights[i].name, second_[i]});
  }
  return result;
}

Expected<void> Optimizer::restore(const Weights& weights, std::int64_t steps, const Weights& state) {
  std::vector<Tensor> first, second;
  const auto take = [&](const std::string& name, const Shape& shape) -> Expected<Tensor> {
    const auto found = std::find_if(state.begin(), state.end(), [&](const NamedTensor& t) { return t.name == name; });
    if (found == state.end()) return makeError(ErrorCode::badInput, trf("the optimizer's state has no tensor '{}'", name));
    if (found->value.shape() != shape || found->value.dtype() != DType::f32) {
      return makeError(ErrorCode::badInput, trf("the optimizer's tensor '{}' should be f32 {}, found {} {}", name, shape.toString(),
                                                nameOf(found->value.dtype()), found->value.shape().toString()));
    }
    return found->value;
  };
  const bool adam = options_.kind != OptimizerKind::sgd;
  for (const NamedTensor& weight : weights) {
    if (steps == 0) break;
    auto m = take((adam ? "exp_avg." : "momentum.") + weight.name, weight.value.shape());
    if (!m) return m.error();
    first.push_back(*std::move(m));
    if (!adam) continue;
    auto v = take("exp_avg_sq." + weight.name, weight.value.shape());
    if (!v) return v.error();
    second.push_back(*std::move(v));
  }
  second.resize(first.size());
  first_ = std::move(first), second_ = std::move(second);
  steps_ = steps;
  return {};
}

ClippedNorm clipScale(gpu::Stream& stream, std::span<const Tensor> gradients, double maximum) {
  using kernels::Binary;
  using kernels::Unary;
  Tensor total = kernels::fill(stream, Shape{}, 0.0f);
  for (const Tensor& gradient : gradients) {
    total = kernels::binary(stream, Binary::add, total,
                            kernels::reduceAll(stream, kernels::unary(stream, Unary::square, gradient), kernels::Reduction::sum));
  }
  ClippedNorm result;
  result.norm = kernels::unary(stream, Unary::sqrt, total);
  const Tensor share = kernels::unary(
      stream, Unary::reciprocal, kernels::affine(stream, result.norm, static_cast<float>(1 / maximum), static_cast<float>(1e-6 / maximum)));
  result.scale = kernels::binary(stream, Binary::min, share, kernels::fill(stream, Shape{}, 1.0f));
  return result;
}

double Schedule::at(std::int64_t step) const {
  if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double done =
      std::clamp(static_cast<double>(step - warmup) / static_cast<double>(std::max<std::int64_t>(total - warmup, 1)), 0.0, 1.0);
  switch (kind) {
    case Kind::constant:
      return 1;
    case Kind::linear:
      return 1 + (last - 1) * done;
    case Kind::cosine:
      return last + 0.5 * (1 - last) * (1 + std::cos(std::numbers::pi * done));
    case Kind::step:
      return std::pow(gamma, static_cast<double>((step - warmup) / std::max<std::int64_t>(period, 1)));
    case Kind::exponential:
      return std::pow(gamma, static_cast<double>(step - warmup));
  }
  return 1;
}

void updateAverage(gpu::Stream& stream, Weights& average, const Weights& weights, double decay) {
  for (std::size_t i = 0; i < average.size(); ++i) average[i].value = kernels::lerp(stream, average[i].value, weights[i].value, decay);
}

}  // namespace orrery::nn
