// The charts of the lab glow: bits per dimension, volumes, the mixing matrix, actnorm, the error of the inverse.

#include <algorithm>
#include <cmath>

#include "core/labs/generative/glow/lab.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative {

namespace {

// Series colours in an order that keeps neighbours apart.
Paint runPaint(std::size_t run) {
  static constexpr int order[] = {4, 5, 2, 6};
  return run == 0 ? Paint::of(Role::estimate) : Paint::series(order[run % 4]);
}

}  // namespace

Panel Glow::bitsPanel() const {
  Panel panel;
  panel.id = "bits";
  double low = 1e9, high = -1e9;
  for (std::size_t r = 0; r < runs_.size(); ++r) {
    std::vector<double> step, heldOut, trainStep, train;
    for (const auto& [frame, record] : records_) {
      if (frame > frame_ || record.heldOut.size() <= r) continue;
      const auto at = static_cast<double>(stepsAt(frame));
      step.push_back(at), heldOut.push_back(record.heldOut[r]);
      low = std::min(low, heldOut.back()), high = std::max(high, heldOut.back());
      if (r != 0 || record.train.empty()) continue;
      // The mean over the frame's batches belongs to its middle.
      trainStep.push_back(0.5 * (at + static_cast<double>(stepsAt(frame - 1)))), train.push_back(record.train[r]);
      low = std::min(low, train.back()), high = std::max(high, train.back());
    }
    if (runs_.size() == 1 && !train.empty()) {
      auto line = curveOf("train", trainStep, train, Paint::of(Role::data, 0.7f), tr("training"));
      line->width = 1;
      line->directLabel = false;
      line->xName = tr("step"), line->yName = tr("bits");
      panel.marks.push_back(line);
    }
    auto line = curveOf("held-out-" + runs_[r].id, step, heldOut, runPaint(r), runs_.size() == 1 ? tr("held out") : runs_[r].name);
    line->width = 1.6f;
    line->directLabel = false;
    line->xName = tr("step"), line->yName = tr("bits");
    line->markers = step.size() < 2;
    panel.marks.push_back(line);
  }
  const Record* now = record();
  if (frame_ == 0) {
    panel.title = tr("Press play: training has not begun");
  } else if (now != nullptr && runs_.size() > 1) {
    const auto best = std::min_element(now->heldOut.begin(), now->heldOut.end()) - now->heldOut.begin();
    panel.title = trf("Fewest bits: {}", runs_[static_cast<std::size_t>(best)].name);
  } else if (now != nullptr) {
    panel.title = trf("A value costs {:.2f} of its {} bits", now->heldOut.front(), bits_);
  }
  if (now != nullptr) panel.note = trf("{:.3f} bits/dim", now->heldOut.front());
  panel.x.label = tr("step");
  panel.x.range = Range{0, static_cast<double>(totalSteps_)};
  panel.y.label = tr("bits per dimension");
  const double room = 0.06 * std::max(high - low, 0.5);
  if (low <= high) panel.y.range = Range{low - room, high + room};
  return panel;
}

Panel Glow::volumesPanel() const {
  Panel panel;
  panel.id = "volumes";
  struct Part {
    const char* id;
    std::string name;
    double StepVolumes::*value;
    Paint paint;
    double offset;
  };
  const std::vector<Part> parts{{"actnorm", tr("actnorm"), &StepVolumes::actnorm, Paint::series(4), -0.26},
                                {"mixing", tr("mixing"), &StepVolumes::mixing, Paint::series(5), 0},
                                {"coupling", tr("coupling"), &StepVolumes::coupling, Paint::series(2), 0.26}};
  double most = 0, couplings = 0, all = 0;
  for (const Part& part : parts) {
    std::vector<double> at, value;
    for (std::size_t k = 0; k < volumes_.size(); ++k) {
      at.push_back(static_cast<double>(k) + 1 + part.offset);
      value.push_back(volumes_[k].*part.value);
      most = std::max(most, std::abs(value.back()));
      all += value.back();
      if (part.value == &StepVolumes::coupling) couplings += std::abs(value.back());
    }
    auto bars = std::make_shared<BarsMark>(part.id);
    bars->position = columnOf(at), bars->value = columnOf(value);
    bars->thickness = 0.24;
    bars->paint = part.paint;
    bars->label = part.name;
    bars->directLabel = false;
    panel.marks.push_back(bars);
  }
  panel.title = couplings == 0 ? tr("Additive couplings change no volume") : trf("ln |det| is {:.0f} nats in all", all);
  panel.note = tr("mean over held-out pictures");
  panel.x.range = Range{0.4, static_cast<double>(volumes_.size()) + 0.6};
  const std::size_t every = (volumes_.size() + 11) / 12;
  const auto perLevel = static_cast<std::size_t>(flow().options().steps);
  for (std::size_t k = 0; k < volumes_.size(); k += every) {
    panel.x.ticks.push_back({static_cast<double>(k) + 1, fmt::format("{}.{}", k / perLevel + 1, k % perLevel + 1)});
  }
  panel.x.label = tr("level.step");
  panel.y.label = tr("ln |det| (nats per picture)");
  if (most == 0) panel.y.range = Range{-1, 1};
  return panel;
}

Panel Glow::matrixPanel() const {
  Panel panel;
  panel.id = "matrix";
  const std::size_t index = stageOf(shownStep(), Kind::mixing);
  const Stage& stage = flow().stages()[index];
  const std::vector<double> w = flow().mixingMatrix(host_, index);
  std::vector<float> values(w.begin(), w.end());
  double most = 1e-6;
  for (const double v : w) most = std::max(most, std::abs(v));
  auto heat = std::make_shared<HeatMapMark>("w");
  heat->value = Tensor::from(Shape{stage.channels, stage.channels}, values);
  heat->x = heat->y = Range{0, static_cast<double>(stage.channels)};
  heat->map = ColorMap::diverging;
  heat->range = {-most, most};
  heat->quantity = tr("weight");
  panel.marks.push_back(heat);
  panel.title = trf("The mixing matrix W of step {}", stepName(stage));
  const double logDet = flow().mixingLogDet(host_, index);
  panel.note = trf("ln |det W| = {:.3f}", std::abs(logDet) < 5e-4 ? 0.0 : logDet);  // no minus before a zero
  panel.equalAspect = true;
  panel.y.reversed = true;
  panel.x.range = panel.y.range = heat->x;
  const std::int64_t every = std::max<std::int64_t>(1, stage.channels / 6);
  for (std::int64_t c = 0; c < stage.channels; c += every) panel.x.ticks.push_back({static_cast<double>(c) + 0.5, std::to_string(c + 1)});
  panel.y.ticks = panel.x.ticks;
  panel.x.label = tr("channel in"), panel.y.label = tr("channel out");
  panel.colorBar = ColorBar{heat->map, heat->range, false, tr("weight")};
  return panel;
}

Panel Glow::actnormPanel() const {
  Panel panel;
  panel.id = "actnorm";
  constexpr std::size_t bins = 60;
  constexpr double low = -4, high = 4;
  const auto histogram = [&](const std::vector<float>& values) {
    std::vector<double> share(bins, 0);
    for (const float v : values) {
      const double place = (static_cast<double>(v) - low) / (high - low) * bins;
      if (place >= 0 && place < static_cast<double>(bins)) {
        share[static_cast<std::size_t>(place)] += static_cast<double>(bins) / (high - low) / static_cast<double>(values.size());
      }
    }
    return share;
  };
  std::vector<double> at(bins);
  for (std::size_t b = 0; b < bins; ++b) at[b] = low + (high - low) * static_cast<double>(b) / bins;
  auto before = curveOf("before", at, histogram(actnormBefore_), Paint::of(Role::data), tr("before"));
  auto after = curveOf("after", at, histogram(actnormAfter_), Paint::of(Role::estimate), tr("after"));
  for (const auto& line : {before, after}) {
    line->steps = true;
    line->directLabel = false;
    line->width = 1.4f;
    line->xName = tr("value"), line->yName = tr("density");
    panel.marks.push_back(line);
  }
  const Stage& stage = flow().stages()[stageOf(shownStep(), Kind::actnorm)];
  panel.title = frame_ == 0 ? trf("Actnorm of step {} makes its first batch standard", stepName(stage))
                            : trf("The first batch around actnorm of step {}", stepName(stage));
  panel.note = trf("per channel: |mean| ≤ {:.0e}, |variance − 1| ≤ {:.0e}", worstMean_, worstVariance_);
  panel.x.range = Range{low, high};
  panel.x.label = tr("value, all channels");
  panel.y.label = tr("density");
  return panel;
}

Panel Glow::inversePanel() const {
  Panel panel;
  panel.id = "inverse";
  float worst = 0;
  for (const float e : errors_) worst = std::max(worst, std::abs(e));
  panel.title = trf("f⁻¹(f(x)) is off by {:.1e} at most", static_cast<double>(worst));
  constexpr int bins = 24;
  constexpr double low = -9, high = -3;  // of log10 of the error; what is smaller is in the first bar
  std::vector<double> at(bins), share(bins, 0);
  for (std::size_t b = 0; b < bins; ++b) at[b] = low + (high - low) * (static_cast<double>(b) + 0.5) / bins;
  for (const float e : errors_) {
    const double place = (std::log10(std::max(std::abs(static_cast<double>(e)), 1e-12)) - low) / (high - low) * bins;
    share[static_cast<std::size_t>(std::clamp(place, 0.0, bins - 1.0))] += 100 / static_cast<double>(errors_.size());
  }
  auto bars = std::make_shared<BarsMark>("error");
  bars->position = columnOf(at), bars->value = columnOf(share);
  bars->thickness = 0.9 * (high - low) / bins;
  bars->paint = Paint::of(Role::estimate);
  panel.marks.push_back(bars);
  panel.x.range = Range{low, high};
  for (int e = -9; e <= -3; e += 2) panel.x.ticks.push_back({e, e == -9 ? trf("≤ {}", "1e−9") : fmt::format("1e−{}", -e)});
  panel.x.label = tr("error of a value (pixels are 0 … 1)");
  panel.y.label = tr("values (%)");
  return panel;
}

}  // namespace orrery::generative
