// The live network of the lab ddpm: training by frames, and its reverse chain. The chain under the network runs on a sub-sequence of the
// timesteps with the posterior variance of that sub-sequence (DDIM with eta = 1), so that every picture takes a fraction of a second.

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/labs/generative/ddpm/lab.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr std::uint32_t networkPurpose = 47;  // of its reverse steps
constexpr std::int64_t networkParticles = 1024;

LossWeight kindOf(const std::string& id) {
  return id == "bound" ? LossWeight::bound : id == "clipped" ? LossWeight::clipped : LossWeight::simple;
}

}  // namespace

void Ddpm::readShown(const LabContext& context) {
  const int T = main_.chain.steps();
  shownTime_ = static_cast<int>(std::lround(context.number("shown-time") * T));
  shownSteps_ = std::min<std::int64_t>(context.integer("shown-steps"), T);
  subTimes_.clear();
  for (std::int64_t k = 0; k <= shownSteps_; ++k)
    subTimes_.push_back(
        static_cast<int>(std::lround(static_cast<double>(T) * (1 - static_cast<double>(k) / static_cast<double>(shownSteps_)))));
  subTimes_.push_back(shownTime_);
  std::sort(subTimes_.rbegin(), subTimes_.rend());
  subTimes_.erase(std::unique(subTimes_.begin(), subTimes_.end()), subTimes_.end());
}

void Ddpm::beginTraining(LabContext& context) {
  trainSteps_ = context.integer("train-steps");
  stepsPerFrame_ = context.integer("steps-per-frame");
  batch_ = context.integer("batch");
  ToyNetworkOptions options;
  options.width = context.integer("width");
  options.depth = context.integer("depth");
  options.learningRate = context.number("learning-rate");
  options.decaySteps = trainSteps_;
  options.seed = seed_;
  std::vector<double> weight(main_.chain.beta.size(), 0);
  for (int t = 1; t <= main_.chain.steps(); ++t)
    weight[static_cast<std::size_t>(t)] =
        lossWeight(main_.chain, main_.variance, t, kindOf(lossWeight_), gamma_) * target_.factor(main_.chain, t);
  network_ = ChainNetwork(context.stream(), options, main_.chain, target_, weight);
  leastLoss_ = network_.leastLoss(error_);
  losses_.clear();
  learned_.clear();
  forwardPath_ = {};
  start_ = start_.rows(0, std::min(particles_, networkParticles));
}

Expected<bool> Ddpm::trainFrame(LabContext& context) {
  const std::int64_t from = trainedAt(frame_), to = trainedAt(frame_ + 1);
  if (from >= to) return false;
  const ChainNetwork before = network_;
  double loss = 0;
  for (std::int64_t step = from; step < to; ++step)
    loss += static_cast<double>(network_.train(context.stream(), scene_, batch_).toFloats()[0]) / static_cast<double>(to - from);
  if (!std::isfinite(loss)) {
    network_ = before;
    return makeError(ErrorCode::badInput, trf("The loss is no longer a number after step {}: lower the learning rate", to));
  }
  ++frame_;
  losses_[frame_] = loss;
  runNetwork(context.stream());
  measure();
  measureNetwork(context.stream());
  return true;
}

void Ddpm::runNetwork(gpu::Stream& stream) {
  const Chain& chain = main_.chain;
  Tensor x = start_;
  const std::int64_t trails = std::min(trails_, start_.shape()[0]);
  std::vector<float> path;
  std::int64_t rows = 0;
  std::vector<std::vector<float>> kept;  // x_t of the film's particles, per stop
  for (std::size_t k = 0; k < subTimes_.size(); ++k) {
    const int t = subTimes_[k];
    const auto values = x.as<float>();
    const auto shown = [&](std::size_t count) {
      std::vector<float> points;
      for (std::size_t i = 0; i < std::min(2 * count, values.size()); ++i)
        points.push_back(static_cast<float>(chain.scale(t) * static_cast<double>(values[i])));
      return points;
    };
    kept.push_back(shown(filmParticles));
    if (t >= shownTime_) {
      const auto row = shown(static_cast<std::size_t>(trails));
      path.insert(path.end(), row.begin(), row.end());
      ++rows;
    }
    if (t == shownTime_) state_ = x;
    if (k + 1 == subTimes_.size()) break;
    Tensor D = network_.denoise(stream, x, t);
    if (clip_ > 0) {
      D = kernels::binary(stream, kernels::Binary::max, D, Tensor::from(Shape{1}, {static_cast<float>(-clip_)}));
      D = kernels::binary(stream, kernels::Binary::min, D, Tensor::from(Shape{1}, {static_cast<float>(clip_)}));
    }
    const double a = chain.level(t), b = chain.level(subTimes_[k + 1]), share = b * b / (a * a);
    x = linearStep(stream, {a, share, 1 - share, b * std::sqrt(1 - share)}, static_cast<std::uint32_t>(k), x, D, seed_, networkPurpose);
  }
  reversePath_ = trails > 0 ? Tensor::from(Shape{rows, trails, 2}, path) : Tensor();
  reverseFilm_.clear();
  for (std::size_t tile = 0; tile < filmTiles; ++tile) {
    const auto stop = std::find(subTimes_.begin(), subTimes_.end(), filmTime(tile)) - subTimes_.begin();
    reverseFilm_.push_back(kept[static_cast<std::size_t>(stop)]);
  }
}

void Ddpm::measureNetwork(gpu::Stream& stream) {
  const std::int64_t frames = timeline().frames, every = std::max<std::int64_t>(1, frames / 20);
  if ((frame_ % every != 0 && frame_ + 1 != frames) || learned_.count(frame_) > 0) return;
  ChainResult result = main_;
  const std::vector<double> excess = network_.excess(stream, scene_);
  for (std::size_t t = 1; t < excess.size(); ++t) result.error[t] += excess[t];
  result.terms = boundTerms(result.chain, result.variance, result.error, error_.secondMoment());
  learned_[frame_] = std::move(result);
}

void Ddpm::judgeDropped(gpu::Stream& stream) {
  learned_.clear();
  complaint_.clear();
  if (!dropped_) return;
  const Chain& chain = main_.chain;
  ChainResult result = main_;
  const auto excess =
      denoisingExcess(scene_, chain, [&](const Tensor& state, int t) { return dropped_->denoise(stream, state, chain.level(t)); });
  for (std::size_t t = 1; t < excess.size(); ++t) result.error[t] += excess[t];
  result.terms = boundTerms(chain, result.variance, result.error, error_.secondMoment());
  learned_[0] = std::move(result);
  const auto first = start_.as<float>().first(256);
  complaint_ = pointNetworkComplaint(*dropped_, State(std::vector<double>(first.begin(), first.end())), chain.level(chain.steps()));
}

const ChainResult* Ddpm::learned() const {
  const auto after = learned_.upper_bound(frame_);
  return after == learned_.begin() ? nullptr : &std::prev(after)->second;
}

}  // namespace orrery::generative
