#include "core/labs/generative/shared/toy_network.h"

#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>

#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/slice.h"

namespace orrery::generative {
namespace {

constexpr std::int64_t features = 2 * ToyNetwork::frequencies;

// 2 pi f as one row.
Tensor angularFrequencies() {
  std::vector<float> row;
  for (const double f : ToyNetwork::frequencyTable()) row.push_back(static_cast<float>(2 * std::numbers::pi * f));
  return Tensor::from(Shape{1, ToyNetwork::frequencies}, row);
}

void expectShape(const char* what, const Tensor& tensor, const Shape& wanted) {
  if (tensor.shape() == wanted && tensor.dtype() == DType::f32) return;
  throw std::invalid_argument(std::string("toy network: ") + what + " is " + tensor.shape().toString() + " where f32 " + wanted.toString() +
                              " is needed");
}

}  // namespace

std::vector<double> ToyNetwork::frequencyTable() {
  std::vector<double> table;
  for (std::int64_t k = 0; k < frequencies; ++k)
    table.push_back(0.125 * std::pow(32.0, static_cast<double>(k) / static_cast<double>(frequencies - 1)));
  return table;
}

double ToyNetwork::featureScale() const { return std::sqrt(static_cast<double>(options_.dimension) / static_cast<double>(frequencies)); }

Tensor timeFeatures(gpu::Stream& stream, const Tensor& times, double scale) {
  const Tensor phase = kernels::binary(stream, kernels::Binary::mul, times.reshaped(Shape{times.count(), 1}), angularFrequencies());
  const Tensor parts[] = {kernels::unary(stream, kernels::Unary::cos, phase), kernels::unary(stream, kernels::Unary::sin, phase)};
  const Tensor whole = kernels::concat(stream, parts, 1);
  return scale == 1 ? whole : kernels::affine(stream, whole, static_cast<float>(scale), 0);
}

ToyNetwork::ToyNetwork(gpu::Stream& stream, const ToyNetworkOptions& options) : options_(options) {
  mlp_.widths = {options.dimension + features};
  for (std::int64_t i = 0; i < options.depth; ++i) mlp_.widths.push_back(options.width);
  mlp_.widths.push_back(options.outputs);
  mlp_.activation = kernels::Unary::silu;
  nn::TrainerOptions training;
  training.optimizer.kind = nn::OptimizerKind::adam;
  training.optimizer.learningRate = options.learningRate;
  if (options.decaySteps > 0) {
    training.schedule.kind = nn::Schedule::Kind::cosine;
    training.schedule.total = options.decaySteps;
  }
  nn::Initializer draw(stream, options.seed);
  nn::Weights weights;
  for (std::size_t i = 0; i < mlp_.layers(); ++i) {
    const std::int64_t in = mlp_.widths[i], out = mlp_.widths[i + 1];
    // The squared length of the first layer's input is about 2 d, whatever its number of features.
    const double bound = i == 0                  ? std::sqrt(3.0 / static_cast<double>(2 * options.dimension))
                         : i + 1 < mlp_.layers() ? std::sqrt(6.0 / static_cast<double>(in))
                                                 : 1 / std::sqrt(static_cast<double>(in));
    Tensor weight = draw.uniform(Shape{out, in}, bound), bias = draw.kaimingUniform(Shape{out}, in);
    if (i == 0 && options.detail != 1) {
      std::vector<float> values = weight.toFloats();
      for (std::size_t k = 0; k < values.size(); ++k)
        if (static_cast<std::int64_t>(k) % in < options.dimension) values[k] *= static_cast<float>(options.detail);
      weight = Tensor::from(Shape{out, in}, values);
      bias = draw.uniform(Shape{out}, 0.5 * options.detail);
    }
    weights.push_back({fmt::format("{}.weight", 2 * i), weight});
    weights.push_back({fmt::format("{}.bias", 2 * i), bias});
  }
  trainer_ = nn::Trainer(std::move(weights), training);
  average_ = trainer_.weights();
}

nn::Variable ToyNetwork::forward(std::span<const nn::Variable> weights, const nn::Variable& x, const Tensor& times) const {
  nn::Tape& tape = x.tape();
  return mlp_.forward(weights, nn::concat({x, tape.constant(timeFeatures(tape.stream(), times, featureScale()))}, 1));
}

Tensor ToyNetwork::train(gpu::Stream& stream, const ToyBatch& batch) {
  const std::int64_t n = batch.x.shape()[0];
  expectShape("x", batch.x, Shape{n, options_.dimension});
  expectShape("time", batch.time, Shape{n});
  expectShape("target", batch.target, Shape{n, options_.outputs});
  if (!batch.weight.empty()) expectShape("weight", batch.weight, Shape{n});
  return descend(stream, [&](nn::Tape& tape, std::span<const nn::Variable> weights) {
    const nn::Variable output = forward(weights, tape.constant(batch.x), batch.time);
    nn::Variable squares = nn::square(nn::sub(output, tape.constant(batch.target)));
    if (!batch.weight.empty()) squares = nn::mul(squares, tape.constant(batch.weight.reshaped(Shape{n, 1})));
    return nn::affine(nn::mean(squares), static_cast<double>(options_.outputs), 0);
  });
}

Tensor ToyNetwork::descend(gpu::Stream& stream, const nn::Trainer::Loss& of) {
  const nn::Trainer before = trainer_;
  const Tensor loss = trainer_.step(stream, of).loss;
  try {
    const auto step = static_cast<double>(trainer_.steps());
    nn::Weights average = average_;
    nn::updateAverage(stream, average, trainer_.weights(), std::min(options_.averageDecay, (1 + step) / (10 + step)));
    average_ = std::move(average);
  } catch (...) {
    trainer_ = before;
    throw;
  }
  return loss;
}

Tensor ToyNetwork::at(gpu::Stream& stream, const Tensor& x, const Tensor& times) const {
  nn::Tape tape(stream);
  return forward(nn::constants(tape, average_), tape.constant(x), times).value();
}

Tensor ToyNetwork::at(gpu::Stream& stream, const Tensor& x, double time) const {
  // One time for all: its features' share of the first layer is a bias.
  const std::int64_t d = options_.dimension;
  const Tensor& first = average_[0].value;
  const Tensor ofTime = timeFeatures(stream, Tensor::from(Shape{1}, {static_cast<float>(time)}), featureScale());
  kernels::MatmulOptions product;
  product.transposeB = true;
  product.bias = average_[1].value;
  product.bias =
      kernels::matmul(stream, ofTime, kernels::slice(stream, first, 1, d, d + features), product).reshaped(Shape{mlp_.widths[1]});
  Tensor y = kernels::matmul(stream, x, kernels::slice(stream, first, 1, 0, d), product);
  for (std::size_t layer = 1; layer < mlp_.layers(); ++layer) {
    product.bias = average_[2 * layer + 1].value;
    y = kernels::matmul(stream, kernels::unary(stream, kernels::Unary::silu, y), average_[2 * layer].value, product);
  }
  return y;
}

std::int64_t ToyNetwork::parameters() const {
  std::int64_t count = 0;
  for (const nn::NamedTensor& weight : trainer_.weights()) count += weight.value.count();
  return count;
}

std::vector<Tensor> ToyNetwork::capture() const {
  std::vector<Tensor> state = trainer_.capture();
  for (const nn::NamedTensor& weight : average_) state.push_back(weight.value);
  return state;
}

void ToyNetwork::restore(std::int64_t steps, std::span<const Tensor> state) {
  const std::size_t ofTrainer = state.size() - average_.size();
  trainer_.restore(steps, state.first(ofTrainer));
  for (std::size_t i = 0; i < average_.size(); ++i) average_[i].value = state[ofTrainer + i];
}

}  // namespace orrery::generative
