// NICE on pictures: D values in one row. Source: Dinh, Krueger and Bengio 2014. Shapes: x [N, C, H, W] is [N, D], D = C H W, channel by
// channel and row by row; weights "layers.<i>.*" of core/models/flows.h.

#include "core/models/flat_flow.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/philox.h"
#include "core/base/text.h"

namespace orrery::models::flows {
namespace {

// Half of the dimensions, drawn without replacement.
Mask randomMask(std::int64_t dimensions, std::uint64_t seed) {
  Mask mask(static_cast<std::size_t>(dimensions), 0);
  std::fill(mask.begin(), mask.begin() + dimensions / 2, std::uint8_t{1});
  for (std::uint32_t i = static_cast<std::uint32_t>(dimensions); i-- > 1;) {
    const PhiloxBlock words = philox({i, 0, 0x612, 0}, philoxKey(seed));
    std::swap(mask[i], mask[philoxBounded(words[0], i + 1)]);
  }
  return mask;
}

}  // namespace

Expected<FlatFlow> FlatFlow::make(const FlatFlowOptions& options, std::uint64_t seed) {
  FlatFlow made;
  made.options_ = options;
  made.seed_ = seed;
  const std::int64_t d = options.channels * options.height * options.width;
  Mask mask = options.split == FlatSplit::halves   ? halvesMask(d, true)
              : options.split == FlatSplit::random ? randomMask(d, seed)
                                                   : alternatingMask(d, true);
  std::vector<LayerPtr> layers;
  const auto stage = [&](Kind kind, std::int64_t step, std::size_t first, std::size_t weights) {
    made.stages_.push_back({kind, 0, step, options.channels, options.height, options.width, first, weights, true, step % 2 == 1});
  };
  std::size_t weight = 0;
  for (std::int64_t k = 0; k < options.couplings; ++k) {
    CouplingOptions one;
    one.pass = mask;
    one.affine = false;
    one.width = options.hidden, one.depth = options.depth;
    auto layer = coupling(one);
    if (!layer) return layer.error();
    stage(Kind::coupling, k, weight, (*layer)->weightCount());
    weight += (*layer)->weightCount();
    layers.push_back(*std::move(layer));
    made.masks_.push_back(mask);
    for (std::uint8_t& b : mask) b = b != 0 ? 0 : 1;
  }
  if (options.scale) {
    layers.push_back(diagonalScale(d));
    stage(Kind::scale, options.couplings, weight, 1);
  }
  if (layers.empty()) {
    return makeError(ErrorCode::usage, tr("A flow needs at least one layer to train: add a coupling or the scale layer"));
  }
  made.flow_ = Flow(d, std::move(layers));
  return made;
}

Expected<void> FlatFlow::prepare(gpu::Stream&, nn::Weights& weights, const Tensor& batch) const {
  // Mean and deviation of every value over the batch.
  const std::vector<float> x = batch.toFloats();
  const auto d = static_cast<std::size_t>(dimensions());
  const double count = static_cast<double>(x.size() / d);
  std::vector<double> mean(d, 0.0), square(d, 0.0);
  for (std::size_t i = 0; i < x.size(); ++i) mean[i % d] += static_cast<double>(x[i]) / count;
  for (std::size_t i = 0; i < x.size(); ++i) square[i % d] += std::pow(static_cast<double>(x[i]) - mean[i % d], 2) / count;
  // The first two couplings, between them, shift every value; the networks' own part starts at 0.
  for (std::size_t k = 0; k < std::min<std::size_t>(2, masks_.size()); ++k) {
    std::vector<float> bias;
    for (std::size_t i = 0; i < d; ++i) bias.push_back(masks_[k][i] != 0 ? 0.0f : static_cast<float>(-mean[i]));
    const Stage& stage = stages_[k];
    weights[stage.firstWeight + stage.weights - 1].value = Tensor::from(Shape{dimensions()}, bias);
  }
  if (!options_.scale) return {};
  // Narrower than this, a batch says little of the width.
  constexpr double leastWidth = 1e-3;
  const double width = options_.prior == Prior::logistic ? std::numbers::pi / std::numbers::sqrt3 : 1;
  std::vector<float> logScale;
  for (const double v : square) logScale.push_back(static_cast<float>(std::log(width / std::max(std::sqrt(v), leastWidth))));
  weights[stages_.back().firstWeight].value = Tensor::from(Shape{dimensions()}, logScale);
  return {};
}

Expected<void> FlatFlow::check(const HostWeights& weights) const {
  for (const auto& values : weights) {
    if (std::any_of(values.begin(), values.end(), [](double v) { return !std::isfinite(v); })) {
      return makeError(ErrorCode::badInput, tr("a weight of the flow is no longer a number"));
    }
  }
  return {};
}

nn::Variable FlatFlow::picture(const nn::Variable& x) const {
  return nn::reshape(x, Shape{x.shape()[0], options_.channels, options_.height, options_.width});
}

Mapped FlatFlow::forward(std::span<const nn::Variable> weights, const nn::Variable& x, Trace* trace) const {
  Flow::Trace way;
  Mapped mapped = flow_.forward(weights, rows(x), trace != nullptr ? &way : nullptr);
  if (trace != nullptr) {
    for (std::size_t k = 0; k < way.states.size(); ++k) {
      trace->inputs.push_back(k == 0 ? x : trace->states.back());
      trace->states.push_back(picture(way.states[k]));
      trace->logDets.push_back(way.logDets[k]);
    }
  }
  mapped.y = picture(mapped.y);
  return mapped;
}

nn::Variable FlatFlow::inverse(std::span<const nn::Variable> weights, const nn::Variable& z, std::vector<nn::Variable>* states) const {
  const nn::Variable x = picture(flow_.inverse(weights, rows(z), states));
  if (states != nullptr) {
    for (nn::Variable& state : *states) state = picture(state);
  }
  return x;
}

nn::Variable FlatFlow::logLikelihood(std::span<const nn::Variable> weights, const nn::Variable& x) const {
  return flows::logLikelihood(flow_, options_.prior, weights, rows(x));
}

std::vector<double> FlatFlow::maskOf(std::size_t stage) const {
  if (stage >= masks_.size()) return std::vector<double>(static_cast<std::size_t>(dimensions()), 1.0);
  return {masks_[stage].begin(), masks_[stage].end()};
}

}  // namespace orrery::models::flows
