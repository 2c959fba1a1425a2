// The picture of the lab score-smld.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/figure/place.h"
#include "core/labs/generative/score_smld/lab.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr int arrows = 17;
constexpr std::size_t mostTraced = 8;

std::string levelText(double level) { return fmt::format("{:.3g}", level); }

}  // namespace

// Wide enough for a uniform start.
double ScoreSmld::canvasHalf() const { return start_ == "uniform" ? std::max(scene_.density.reach, 8.5) : scene_.density.reach; }

Panel ScoreSmld::cloudPanel() const {
  const Moment& m = now();
  const double half = canvasHalf();
  Panel panel = planePanel("cloud", half);
  panel.title = mode_ == Mode::annealed ? tr("Annealed Langevin")
                : mode_ == Mode::plain  ? tr("Plain Langevin")
                                        : tr("Langevin with Metropolis test");
  if (learning_) {
    panel.title = trf("A short chain under the network, step {}", trainedAt(frame_));
  } else if (network_) {
    panel.title = trf("{}, your network", panel.title);
  }
  panel.note = m.level > 0 ? trf("σ = {}", levelText(m.level)) : trf("step {}", std::min(frame_ * perFrame_, total_));
  if (oneLevel_) panel.note = tr("one level is no ladder: plain Langevin");
  if (!networkErrors_.complaint.empty()) panel.note = networkErrors_.complaint;
  // The density that the chain follows at this moment.
  panel.marks.push_back(hostDensityMark(scene_, 1, m.level, half));
  panel.marks.push_back(cloudMark("particles", pairsOf(m.x), Paint::of(Role::data, 0.55f), half));
  addBlobHandles(panel, scene_, 1);
  return panel;
}

// The share of each mode against the steps taken, and what it should be.
Panel ScoreSmld::tracePanel() const {
  Panel panel;
  panel.id = "trace";
  panel.title = tr("Do the modes get their shares?");
  panel.x.label = tr("step");
  panel.y.label = tr("share of the particles");
  panel.x.range = Range{0, static_cast<double>(learning_ ? trainSteps_ : total_)};
  panel.y.range = Range{0, 1};
  if (now().mass.empty()) {
    panel.message = tr("this density has no named modes");
    return panel;
  }
  const std::size_t count = std::min(now().mass.size(), mostTraced);
  for (std::size_t k = 0; k < count; ++k) {
    std::vector<double> x, y;
    for (const auto& [frame, tick] : ticks_)
      if (frame <= frame_) x.push_back(static_cast<double>(trainedAt(frame))), y.push_back(tick.mass[k]);
    for (std::int64_t frame = 0; frame <= frame_ && !learning_; ++frame) {
      x.push_back(static_cast<double>(std::min(frame * perFrame_, total_)));
      y.push_back(moments_[static_cast<std::size_t>(frame)].mass[k]);
    }
    auto line = curveOf("mode-" + std::to_string(k + 1), x, y, Paint::series(static_cast<int>(k)), trf("mode {}", k + 1));
    line->width = 1.5f;
    line->directLabel = false;
    panel.marks.push_back(std::move(line));
    auto truth = std::make_shared<RuleMark>("truth-" + std::to_string(k + 1));
    truth->vertical = false;
    truth->at = scene_.mixture.components[k].weight;
    truth->paint = Paint::series(static_cast<int>(k));
    panel.marks.push_back(std::move(truth));
  }
  panel.note = tr("dashed: the truth");
  return panel;
}

// Sliced W2 to exact samples of what the chain is after: the density of its level, or the data's own.
Panel ScoreSmld::distancePanel() const {
  Panel panel;
  panel.id = "distance";
  panel.x.label = tr("step");
  panel.x.range = Range{0, static_cast<double>(learning_ ? trainSteps_ : total_)};
  panel.y.label = tr("sliced W₂ to exact samples");
  panel.y.grid = true;
  DistanceCourse course;
  for (const auto& [frame, tick] : ticks_)
    if (frame <= frame_) course.add(static_cast<double>(trainedAt(frame)), tick.distance);
  for (std::int64_t frame = 0; frame <= frame_ && !learning_; ++frame)
    if (const auto& measured = moments_[static_cast<std::size_t>(frame)].distance)
      course.add(static_cast<double>(std::min(frame * perFrame_, total_)), *measured);
  double high = addDistances(panel, course, "sliced", Paint::of(Role::estimate), tr("cloud"), true);
  if (learning_ && course.x.size() > 2) {
    // The first frames of a network that knows nothing would hide the rest.
    high = 1.5 * course.floor.back();
    for (std::size_t i = course.x.size() / 4; i < course.x.size(); ++i) high = std::max(high, course.sliced[i]);
  }
  panel.y.range = Range{0, 1.1 * high};
  panel.title = tr("How far from exact samples?");
  if (const SampleDistance* last = distance()) {
    panel.note = trf("{:.3f}, exact samples {:.3f}; −ln p above theirs {:.2f}", last->sliced, last->floor, last->excess);
  }
  return panel;
}

Panel ScoreSmld::ladderPanel() const {
  Panel panel;
  panel.id = "ladder";
  panel.title = mode_ == Mode::annealed ? tr("The ladder of noise levels")
                : network_              ? trf("One level: the density at σ = {}", levelText(bottom_))
                                        : tr("One level: the data's own density");
  panel.x.label = tr("step");
  panel.legend = false;
  panel.x.range = Range{0, static_cast<double>(total_)};
  std::vector<double> x, y;
  if (mode_ == Mode::annealed) {
    panel.y.label = tr("noise level σ");
    panel.y.scale = ScaleKind::log;
    for (std::size_t i = 0; i < ladder_.size(); ++i) {
      x.push_back(static_cast<double>(static_cast<std::int64_t>(i) * stepsPerLevel_)), y.push_back(ladder_[i]);
      x.push_back(static_cast<double>(static_cast<std::int64_t>(i + 1) * stepsPerLevel_)), y.push_back(ladder_[i]);
    }
    if (const auto advice = advisedRatio(dimensions_); advice && ladder_.size() > 1) {
      panel.note = trf("ratio {:.3g}; advised for d = {}: {:.4g}", ladder_[0] / ladder_[1], dimensions_, *advice);
    } else if (ladder_.size() > 1) {
      panel.note = trf("ratio {:.3g}; no advice below 5 dimensions", ladder_[0] / ladder_[1]);
    }
    panel.marks.push_back(curveOf("levels", x, y, Paint::of(Role::estimate)));
  } else if (mode_ == Mode::plain && scene_.mixture.components.size() == 1) {
    // What a chain of this step ends with on one Gaussian, and what it should.
    const double variance = scene_.mixture.components[0].along + now().level * now().level;
    panel.title = tr("Steps inflate the variance");
    panel.y.label = tr("variance / the data's");
    for (std::int64_t frame = 0; frame <= frame_; ++frame) {
      const State& state = moments_[static_cast<std::size_t>(frame)].x;
      double squares = 0;
      for (std::size_t i = 0; i < state.size(); i += 2) squares += std::pow(state[i] - scene_.mixture.components[0].x, 2);
      x.push_back(static_cast<double>(std::min(frame * perFrame_, total_)));
      y.push_back(2 * squares / static_cast<double>(state.size()) / variance);
    }
    const double expected = 1 / (1 - stepSize_ / (2 * variance));
    panel.y.range = Range{0.8, std::max(1.3, 1.15 * expected)};
    panel.note = trf("expected {:.4g}", expected);
    panel.marks.push_back(curveOf("variance", x, y, Paint::of(Role::estimate)));
    for (const double at : {1.0, expected}) {
      auto level = std::make_shared<RuleMark>(at == 1 ? "data" : "expected");
      level->vertical = false;
      level->at = at;
      panel.marks.push_back(std::move(level));
    }
  } else if (mode_ == Mode::plain) {
    panel.message = tr("a plain chain accepts every step, so its variance is too large by 1 / (1 − a / 2σ²)");
  } else {
    panel.y.label = tr("accepted share");
    panel.y.range = Range{0, 1.05};
    for (std::int64_t frame = 1; frame <= frame_; ++frame) {
      x.push_back(static_cast<double>(std::min(frame * perFrame_, total_)));
      y.push_back(moments_[static_cast<std::size_t>(frame)].acceptance);
    }
    panel.marks.push_back(curveOf("accepted", x, y, Paint::of(Role::estimate)));
  }
  auto rule = std::make_shared<RuleMark>("now");
  rule->at = static_cast<double>(std::min(frame_ * perFrame_, total_));
  rule->paint = Paint::of(Role::accent);
  panel.marks.push_back(std::move(rule));
  return panel;
}

Panel ScoreSmld::lossPanel() const {
  Panel panel;
  panel.id = "losses";
  panel.title = tr("Four losses, one minimiser");
  panel.note = tr("constants subtracted");
  panel.x.label = tr("θ of S(x) = −(x − m) / θ");
  panel.x.scale = ScaleKind::log;
  panel.y.label = tr("loss");
  const std::pair<const char*, const std::vector<double>*> all[] = {
      {"explicit", &explicit_}, {"implicit", &implicit_}, {"sliced", &sliced_}, {"denoising", &denoising_}};
  const std::string names[] = {tr("explicit"), tr("implicit"), tr("sliced"), tr("denoising")};
  static constexpr int order[] = {4, 5, 2, 6};
  for (std::size_t i = 0; i < 4; ++i) {
    auto line = curveOf(all[i].first, thetas_, *all[i].second, Paint::series(order[i]), names[i]);
    line->directLabel = false;
    if (i > 0) line->dash = {2.0f + 2.0f * static_cast<float>(i), 3};
    panel.marks.push_back(std::move(line));
  }
  return panel;
}

Panel ScoreSmld::scorePanel() const {
  const double half = canvasHalf(), level = learning_ ? shownLevel_ : now().level;
  Panel panel = planePanel("score", half);
  panel.title = tr("Where the score points");
  State places(static_cast<std::size_t>(2 * arrows * arrows));
  for (int r = 0; r < arrows; ++r) {
    for (int c = 0; c < arrows; ++c) {
      const auto at = [&](int i) { return 0.94 * half * (2.0 * i / (arrows - 1) - 1); };
      places[static_cast<std::size_t>(2 * (r * arrows + c))] = at(c), places[static_cast<std::size_t>(2 * (r * arrows + c) + 1)] = at(r);
    }
  }
  const auto addField = [&](const char* id, State slope, Paint paint) {
    // Length by the cube root: far from the data the score is tens of times what it is near it.
    for (std::size_t i = 0; i < slope.size(); i += 2) {
      const double length = std::hypot(slope[i], slope[i + 1]);
      if (length <= 0) continue;
      slope[i] *= std::cbrt(length) / length, slope[i + 1] *= std::cbrt(length) / length;
    }
    auto field = std::make_shared<VectorFieldMark>(id);
    field->xy = pairsOf(places), field->uv = pairsOf(slope);
    field->length = 16;
    field->paint = paint;
    panel.marks.push_back(std::move(field));
  };
  if (network_) {
    panel.title =
        learning_ ? trf("The score it has learnt at σ = {}; grey: exact", levelText(level)) : tr("Your network's score; grey: exact");
    addField("exact", exactScore(places, level), Paint::of(Role::muted, 0.6f));
  }
  addField("field", score(places, level), Paint::of(network_ ? Role::estimate : Role::ink, 0.75f));
  const State probe{probeX_, probeY_}, there = score(probe, level), expected = denoise(probe, std::max(level, 1e-9));
  auto dot = cloudMark("probe", pairsOf(probe), Paint::of(Role::accent), half);
  panel.marks.push_back(std::move(dot));
  panel.note = trf("probe: S = ({:.3g}, {:.3g}), D = ({:.3g}, {:.3g})", there[0], there[1], expected[0], expected[1]);
  return panel;
}

Figure ScoreSmld::figure() const {
  Figure figure;
  figure.title = tr("Score matching and Langevin");
  if (moments_.empty()) return figure;
  place(figure, cloudPanel(), 0, 0);
  place(figure, scorePanel(), 0, 1);
  if (learning_) {
    place(figure, learnedMap(), 0, 2);
    place(figure, networkErrorChart(networkErrors_, shownLevel_, Paint::of(Role::estimate), ErrorOf::score), 0, 3);
    place(figure, trainingPanel(), 1, 0);
    place(figure, distancePanel(), 1, 1);
    place(figure, tracePanel(), 1, 2);
    place(figure, lossPanel(), 1, 3);
  } else {
    place(figure, tracePanel(), 0, 2);
    place(figure, distancePanel(), 1, 0);
    place(figure, ladderPanel(), 1, 1);
    place(figure, network_ ? networkLossPanel() : lossPanel(), 1, 2);
  }
  figure.rowWeights = {1.35f, 1};
  if (network_ && !learning_) {
    const double level = now().level;
    place(figure,
          networkErrorMap(*stream_, table_, *network_, level, 1, canvasHalf(), networkErrors_.at(level), networkErrors_.complaint,
                          ErrorOf::score),
          0, 3);
    place(figure, networkErrorChart(networkErrors_, level, Paint::of(Role::estimate), ErrorOf::score), 1, 3);
  }
  return figure;
}

}  // namespace orrery::generative
