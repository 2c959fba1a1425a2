// The live score network of the lab score-smld: training by frames, the short chain under it, and where its score is wrong.

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/diffusion/noise.h"
#include "core/labs/generative/score_smld/lab.h"
#include "core/labs/generative/shared/network_velocity.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr std::uint32_t trainPurpose = 0x560;
constexpr std::size_t fewComponents = 64;  // of a density whose exact score is asked at every step
constexpr std::int64_t regionCells = 48;   // a side
constexpr std::size_t shownPoints = 1000;  // of the training set

ScoreObjective objectiveOf(const std::string& id) {
  return id == "sliced"     ? ScoreObjective::sliced
         : id == "implicit" ? ScoreObjective::implicit
         : id == "explicit" ? ScoreObjective::explicitly
                            : ScoreObjective::denoising;
}

}  // namespace

Expected<void> ScoreSmld::beginTraining(LabContext& context) {
  trainSteps_ = context.integer("train-steps");
  stepsPerFrame_ = context.integer("steps-per-frame");
  batch_ = context.integer("batch");
  // The chain shown is a short one: every frame runs it anew.
  stepsPerLevel_ = context.integer("shown-steps");
  total_ = static_cast<std::int64_t>(ladder_.size()) * stepsPerLevel_;
  perFrame_ = std::max<std::int64_t>(total_, 1);
  ToyNetworkOptions options;
  options.width = context.integer("width");
  options.depth = context.integer("depth");
  options.learningRate = context.number("learning-rate");
  options.decaySteps = trainSteps_;
  options.seed = seed_;
  const auto points = static_cast<std::size_t>(context.integer("training-set"));
  training_ =
      ScoreTraining(context.stream(), options, objectiveOf(context.text("objective")), scene_.draw(seed_, points, trainPurpose), ladder_);
  ticks_.clear();
  showLearned();
  return {};
}

Expected<bool> ScoreSmld::trainFrame(LabContext& context) {
  const std::int64_t from = trainedAt(frame_), to = trainedAt(frame_ + 1);
  if (from >= to) return false;
  const ScoreTraining before = training_;
  const bool every = scene_.mixture.components.size() <= fewComponents;
  double loss = 0, counted = 0;
  for (std::int64_t step = from; step < to; ++step) {
    if (context.cancelled()) {
      training_ = before;
      return makeError(ErrorCode::cancelled, tr("cancelled"));
    }
    const auto samples = training_.samplesOf(step, batch_);
    // -sigma S = (x - D) / sigma, level by level: the mixture is prepared for one at a time.
    std::vector<double> exact;
    const bool judged = every || step + 1 == to;
    if (judged || training_.explicitly()) {
      exact.resize(samples.x.size());
      for (const double level : ladder_) {
        std::vector<std::size_t> rows;
        for (std::size_t j = 0; j < samples.level.size(); ++j)
          if (samples.level[j] == level) rows.push_back(j);
        State x(2 * rows.size());
        for (std::size_t r = 0; r < rows.size(); ++r) x[2 * r] = samples.x[2 * rows[r]], x[2 * r + 1] = samples.x[2 * rows[r] + 1];
        const State clean = scene_.mixture.denoise(x, level);
        for (std::size_t r = 0; r < 2 * rows.size(); ++r) exact[2 * rows[r / 2] + r % 2] = (x[r] - clean[r]) / level;
      }
    }
    const auto now = static_cast<double>(training_.train(context.stream(), samples, exact).toFloats()[0]);
    if (!std::isfinite(now)) {
      training_ = before;
      return makeError(ErrorCode::badInput, trf("The loss is no longer a number after step {}: lower the learning rate", step + 1));
    }
    if (judged) loss += now - training_.constantOf(samples, exact), ++counted;
  }
  ++frame_;
  ticks_[frame_].loss = loss / counted;
  showLearned();
  return true;
}

// The network as it is now: its errors, the cloud a short chain ends with, and what is measured of both.
void ScoreSmld::showLearned() {
  network_ = training_.now();
  networkErrors_ = judgeNetwork(*stream_, table_, *network_, scene_, ladder_.front(), ladder_.back(), seed_);
  networkErrors_.complaint.clear();  // it has only begun to learn
  Moment moment = first_;
  moment.x = State(
      std::vector<double>(first_.x.begin(), first_.x.begin() + static_cast<std::ptrdiff_t>(2 * std::min(particles_, learnedParticles))));
  for (std::int64_t n = 0; n < total_; ++n) {
    double accepted = 1;
    moment.level = levelOf(n);
    step(moment.x, n, moment.level, accepted);
  }
  if (finalDenoise_) moment.x = denoise(moment.x, moment.level);
  // Before it has learnt anything, particles may run away.
  for (std::size_t i = 0; i < moment.x.size(); ++i) moment.x[i] = std::isfinite(moment.x[i]) ? std::clamp(moment.x[i], -1e6, 1e6) : 1e6;
  finish(moment);
  Tick& tick = ticks_[frame_];
  double squares = 0;
  for (const auto& [level, error] : networkErrors_.levels)
    squares += error * error / (level * level) / static_cast<double>(networkErrors_.levels.size());
  tick.error = squares / 2;
  tick.mass = moment.mass;
  tick.distance = truth_.to(moment.x, moment.level);
  tick.region = regionOff();
  moments_.assign(1, std::move(moment));
}

// The share of the picture where |S_network - S| is above 1 / sigma.
double ScoreSmld::regionOff() const {
  const Tensor x = squareCentres(regionCells, canvasHalf());
  const auto found = network_->denoise(*stream_, x, shownLevel_).toFloats();
  const auto exact = kernels::mixture(*stream_, table_, x, 1, shownLevel_, kernels::MixtureOutput::denoiser).toFloats();
  double off = 0;
  for (std::size_t i = 0; i < found.size(); i += 2)
    off += std::hypot(static_cast<double>(found[i] - exact[i]), static_cast<double>(found[i + 1] - exact[i + 1])) > shownLevel_ ? 1 : 0;
  return 2 * off / static_cast<double>(found.size());
}

Panel ScoreSmld::learnedMap() const {
  Panel panel =
      networkErrorMap(*stream_, table_, *network_, shownLevel_, 1, canvasHalf(), networkErrors_.at(shownLevel_), "", ErrorOf::score);
  if (const auto tick = ticks_.find(frame_); tick != ticks_.end())
    panel.note = trf("off by more than 1 / σ in {:.0f} % of the picture", 100 * tick->second.region);
  const State& data = training_.data();
  const State shown(std::vector<double>(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(std::min(2 * shownPoints, data.size()))));
  auto points = cloudMark("training-set", pairsOf(shown), Paint::custom(Color{1, 1, 1, 0.55f}), canvasHalf());
  points->radius = 0.8f;
  panel.marks.push_back(std::move(points));
  return panel;
}

Panel ScoreSmld::trainingPanel() const {
  Panel panel;
  panel.id = "training";
  panel.title = tr("What is left to learn");
  panel.note = tr("loss − its constant");
  panel.x.label = tr("step");
  panel.x.range = Range{0, static_cast<double>(trainSteps_)};
  panel.y.label = tr("σ² E|S of the network − S|² / 2");
  panel.y.scale = ScaleKind::log;
  panel.y.grid = true;
  std::vector<double> x, loss, error;
  for (const auto& [frame, tick] : ticks_) {
    if (frame > frame_) continue;
    x.push_back(static_cast<double>(trainedAt(frame)));
    // Sampling noise may take it below 0, which a logarithm cannot show.
    loss.push_back(frame > 0 && tick.loss > 0 ? tick.loss : std::numeric_limits<double>::quiet_NaN());
    error.push_back(tick.error);
  }
  auto fell = curveOf("loss", x, loss, Paint::series(4), tr("training loss")),
       truth = curveOf("error", x, error, Paint::series(5), tr("fresh points"));
  for (const auto& line : {fell, truth}) {
    line->directLabel = false;
    line->markers = x.size() < 3;
    panel.marks.push_back(line);
  }
  return panel;
}

}  // namespace orrery::generative
