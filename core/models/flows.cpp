// The chain of layers, its simplest members, and the laws of the latents. Sources: Dinh et al. 2014, sections 3.3 (scale) and 3.4 (priors).

#include "core/models/flows.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/kernels/elementwise.h"

namespace orrery::models::flows {
namespace {

class DiagonalScale final : public Layer {
 public:
  explicit DiagonalScale(std::int64_t dimensions) : dimensions_(dimensions) {}
  std::size_t weightCount() const override { return 1; }
  nn::Weights initial(nn::Initializer& draw) const override { return {{"log_scale", draw.constant(Shape{dimensions_}, 0)}}; }
  Mapped forward(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& x) const override {
    // The same volume everywhere: one number, repeated for every row.
    const nn::Variable perRow = nn::add(nn::sum(weights[0]), tape.constant(Tensor::from(Shape{x.shape()[0]}, zeros(x.shape()[0]))));
    return {nn::mul(x, nn::apply(kernels::Unary::exp, weights[0])), perRow};
  }
  nn::Variable inverse(nn::Tape&, std::span<const nn::Variable> weights, const nn::Variable& y) const override {
    return nn::mul(y, nn::apply(kernels::Unary::exp, nn::affine(weights[0], -1, 0)));
  }
  double forward(std::span<const std::vector<double>> weights, std::span<double> x) const override {
    double logDet = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] *= std::exp(weights[0][i]);
      logDet += weights[0][i];
    }
    return logDet;
  }
  void inverse(std::span<const std::vector<double>> weights, std::span<double> y) const override {
    for (std::size_t i = 0; i < y.size(); ++i) y[i] *= std::exp(-weights[0][i]);
  }

 private:
  static std::vector<float> zeros(std::int64_t n) { return std::vector<float>(static_cast<std::size_t>(n), 0.0f); }
  std::int64_t dimensions_;
};

class Permutation final : public Layer {
 public:
  explicit Permutation(std::vector<std::uint32_t> order) : order_(std::move(order)), back_(order_.size()) {
    for (std::uint32_t i = 0; i < order_.size(); ++i) back_[order_[i]] = i;
  }
  std::size_t weightCount() const override { return 0; }
  nn::Weights initial(nn::Initializer&) const override { return {}; }
  Mapped forward(nn::Tape&, std::span<const nn::Variable>, const nn::Variable& x) const override { return {picked(x, order_), {}}; }
  nn::Variable inverse(nn::Tape&, std::span<const nn::Variable>, const nn::Variable& y) const override { return picked(y, back_); }
  double forward(std::span<const std::vector<double>>, std::span<double> x) const override {
    pick(x, order_);
    return 0;
  }
  void inverse(std::span<const std::vector<double>>, std::span<double> y) const override { pick(y, back_); }

 private:
  // Rows are picked along the first axis, so the columns become rows and back.
  static nn::Variable picked(const nn::Variable& x, const std::vector<std::uint32_t>& order) {
    const Tensor index = Tensor::from(Shape{static_cast<std::int64_t>(order.size())}, order);
    return nn::permute(nn::indexSelect(nn::permute(x, {1, 0}), index), {1, 0});
  }
  static void pick(std::span<double> x, const std::vector<std::uint32_t>& order) {
    const std::vector<double> from(x.begin(), x.end());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = from[order[i]];
  }
  std::vector<std::uint32_t> order_, back_;
};

class Reversed final : public Layer {
 public:
  explicit Reversed(LayerPtr layer) : layer_(std::move(layer)) {}
  std::size_t weightCount() const override { return layer_->weightCount(); }
  bool sharesWeights() const override { return layer_->sharesWeights(); }
  nn::Weights initial(nn::Initializer& draw) const override { return layer_->initial(draw); }
  Mapped forward(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& x) const override {
    return layer_->generate(tape, weights, x);
  }
  nn::Variable inverse(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& y) const override {
    return layer_->forward(tape, weights, y).y;
  }
  Mapped generate(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& y) const override {
    return layer_->forward(tape, weights, y);
  }
  double forward(std::span<const std::vector<double>> weights, std::span<double> x) const override {
    layer_->inverse(weights, x);
    std::vector<double> back(x.begin(), x.end());
    return -layer_->forward(weights, back);
  }
  void inverse(std::span<const std::vector<double>> weights, std::span<double> y) const override { layer_->forward(weights, y); }

 private:
  LayerPtr layer_;
};

}  // namespace

HostWeights toHost(const nn::Weights& weights) {
  HostWeights host;
  for (const nn::NamedTensor& w : weights) {
    const auto floats = w.value.toFloats();
    host.emplace_back(floats.begin(), floats.end());
  }
  return host;
}

Mapped Layer::generate(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& y) const {
  const nn::Variable x = inverse(tape, weights, y), logDet = forward(tape, weights, x).logDet;
  return {x, logDet.empty() ? logDet : nn::affine(logDet, -1, 0)};
}

LayerPtr reversed(LayerPtr layer) { return std::make_shared<Reversed>(std::move(layer)); }
LayerPtr diagonalScale(std::int64_t dimensions) { return std::make_shared<DiagonalScale>(dimensions); }
LayerPtr permutation(std::vector<std::uint32_t> order) { return std::make_shared<Permutation>(std::move(order)); }

Flow::Flow(std::int64_t dimensions, std::vector<LayerPtr> layers) : dimensions_(dimensions), layers_(std::move(layers)) {
  std::size_t end = 0;
  for (const LayerPtr& layer : layers_) {
    const Part own{end, layer->weightCount()};
    parts_.push_back(layer->sharesWeights() && !parts_.empty() ? parts_.back() : own);
    end += own.count;
  }
}

nn::Weights Flow::initial(nn::Initializer& draw) const {
  nn::Weights weights;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    for (nn::NamedTensor& w : layers_[i]->initial(draw)) weights.push_back({"layers." + std::to_string(i) + "." + w.name, w.value});
  }
  return weights;
}

void setWatched(nn::Trainer& trainer, const Flow::Watched& watched) {
  if (watched.empty()) return;
  std::vector<Tensor> state = trainer.capture();  // the weights first
  for (const auto& [weight, value] : watched) state[weight] = value;
  trainer.restore(trainer.steps(), state);
}

Expected<nn::Weights> adopt(nn::Weights wanted, const nn::Weights& named) {
  for (nn::NamedTensor& w : wanted) {
    const auto found = std::find_if(named.begin(), named.end(), [&](const nn::NamedTensor& t) { return t.name == w.name; });
    if (found == named.end()) {
      return makeError(ErrorCode::badInput,
                       trf("The flow needs a tensor '{}' of shape {}; the file has none of that name", w.name, w.value.shape().toString()));
    }
    if (found->value.shape() != w.value.shape()) {
      return makeError(ErrorCode::badInput, trf("The tensor '{}' should have the shape {}, found {}", w.name, w.value.shape().toString(),
                                                found->value.shape().toString()));
    }
    const auto values = found->value.toFloats();
    const auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
    if (bad != values.end()) {
      return makeError(ErrorCode::badInput, trf("The tensor '{}' holds {} at element {}; every weight must be finite", w.name,
                                                std::isnan(*bad) ? "NaN" : tr("infinity"), bad - values.begin()));
    }
    w.value = found->value;
  }
  return wanted;
}

Mapped Flow::forward(std::span<const nn::Variable> weights, const nn::Variable& x, Trace* trace, const nn::Variable& probe) const {
  Mapped result{x, {}, {}};
  const auto sumOf = [](const nn::Variable& before, const nn::Variable& more) {
    return before.empty() ? more : more.empty() ? before : nn::add(before, more);
  };
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto own = weightsOf(i, weights);
    const Mapped one = probe.empty() ? layers_[i]->forward(x.tape(), own, result.y) : layers_[i]->estimate(x.tape(), own, result.y, probe);
    result = {one.y, sumOf(result.logDet, one.logDet), sumOf(result.energy, one.energy)};
    if (trace == nullptr) continue;
    trace->states.push_back(one.y);
    trace->logDets.push_back(one.logDet);
  }
  return result;
}

Mapped Flow::learn(std::span<const nn::Variable> weights, const nn::Variable& x, Watched& watched) const {
  Mapped result{x, {}, {}};
  watched.clear();
  const auto sumOf = [](const nn::Variable& before, const nn::Variable& more) {
    return before.empty() ? more : more.empty() ? before : nn::add(before, more);
  };
  std::vector<Tensor> after;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Mapped one = layers_[i]->learn(x.tape(), weightsOf(i, weights), result.y, after);
    result = {one.y, sumOf(result.logDet, one.logDet), sumOf(result.energy, one.energy)};
    for (std::size_t k = 0; k < after.size(); ++k) watched.emplace_back(parts_[i].begin + k, after[k]);
  }
  return result;
}

bool Flow::watches() const {
  return std::any_of(layers_.begin(), layers_.end(), [](const LayerPtr& layer) { return layer->watches(); });
}

bool Flow::watches(std::size_t weight) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (layers_[i]->watches() && weight >= parts_[i].begin && weight < parts_[i].begin + parts_[i].count) return true;
  }
  return false;
}

nn::Variable Flow::inverse(std::span<const nn::Variable> weights, const nn::Variable& z, std::vector<nn::Variable>* states) const {
  nn::Variable x = z;
  for (std::size_t i = layers_.size(); i-- > 0;) {
    x = layers_[i]->inverse(z.tape(), weightsOf(i, weights), x);
    if (states != nullptr) states->push_back(x);
  }
  return x;
}

Mapped Flow::generate(std::span<const nn::Variable> weights, const nn::Variable& z) const {
  Mapped result{z, {}, {}};
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Mapped one = layers_[i]->generate(z.tape(), weightsOf(i, weights), result.y);
    result.y = one.y;
    result.logDet = result.logDet.empty() ? one.logDet : one.logDet.empty() ? result.logDet : nn::add(result.logDet, one.logDet);
  }
  return result;
}

double Flow::forward(const HostWeights& weights, std::span<double> x, std::size_t first, std::size_t last) const {
  double logDet = 0;
  for (std::size_t i = first; i < last; ++i) logDet += layers_[i]->forward(weightsOf(i, std::span(weights)), x);
  return logDet;
}

void Flow::inverse(const HostWeights& weights, std::span<double> y, std::size_t first, std::size_t last) const {
  for (std::size_t i = last; i-- > first;) layers_[i]->inverse(weightsOf(i, std::span(weights)), y);
}

std::vector<double> Flow::jacobian(const HostWeights& weights, std::span<const double> x, std::size_t last) const {
  const std::size_t d = x.size();
  constexpr double h = 1e-5;  // central differences in double precision: errors of h^2 and 1e-16 / h, both about 1e-10
  std::vector<double> result(d * d);
  for (std::size_t j = 0; j < d; ++j) {
    std::vector<double> up(x.begin(), x.end()), down(x.begin(), x.end());
    up[j] += h, down[j] -= h;
    const double width = up[j] - down[j];
    forward(weights, up, 0, last), forward(weights, down, 0, last);
    for (std::size_t i = 0; i < d; ++i) result[i * d + j] = (up[i] - down[i]) / width;
  }
  return result;
}

nn::Variable logPrior(Prior prior, const nn::Variable& z) {
  if (prior == Prior::logistic) {
    return nn::affine(nn::sum(nn::add(nn::softplus(z), nn::softplus(nn::affine(z, -1, 0))), 1), -1, 0);
  }
  const double constant = -0.5 * static_cast<double>(z.shape()[1]) * std::log(2 * std::numbers::pi);
  return nn::affine(nn::sum(nn::square(z), 1), -0.5, constant);
}

double logPrior(Prior prior, std::span<const double> z) {
  double sum = 0;
  for (const double h : z) {
    // ln(1 + e^h) + ln(1 + e^-h) = |h| + 2 ln(1 + e^-|h|)
    sum -= prior == Prior::logistic ? std::abs(h) + 2 * std::log1p(std::exp(-std::abs(h)))
                                    : 0.5 * h * h + 0.5 * std::log(2 * std::numbers::pi);
  }
  return sum;
}

Tensor samplePrior(gpu::Stream& stream, Prior prior, const Shape& shape, const kernels::RandomKey& key, double temperature) {
  const auto scale = static_cast<float>(temperature);
  if (prior == Prior::normal) return kernels::normal(stream, shape, key, 0, scale);
  // The inverse of the logistic's distribution function, ln(u / (1 - u)), away from both ends by half a step of the uniform's 24 bits.
  using kernels::Unary;
  const Tensor u = kernels::uniform(stream, shape, key, 0x1p-25f, 1 - 0x1p-24f);
  const Tensor logit = kernels::binary(stream, kernels::Binary::sub, kernels::unary(stream, Unary::log, u),
                                       kernels::unary(stream, Unary::log, kernels::affine(stream, u, -1, 1)));
  return kernels::affine(stream, logit, scale, 0);
}

nn::Variable logLikelihood(const Flow& flow, Prior prior, std::span<const nn::Variable> weights, const nn::Variable& x) {
  const Mapped mapped = flow.forward(weights, x);
  const nn::Variable latent = logPrior(prior, mapped.y);
  return mapped.logDet.empty() ? latent : nn::add(latent, mapped.logDet);
}

double bitsPerDimension(double logLikelihood, std::int64_t dimensions, double width) {
  return -logLikelihood / (static_cast<double>(dimensions) * std::numbers::ln2) + std::log2(256 / width);
}

}  // namespace orrery::models::flows
