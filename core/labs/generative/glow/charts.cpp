// The charts of the lab glow's own, a step's mixing matrix and actnorm, and where everything stands.

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/figure/place.h"
#include "core/labs/generative/glow/lab.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative {

Panel Glow::matrixPanel() const {
  Panel panel;
  panel.id = "matrix";
  const std::size_t index = stageOf(shownStep(), Kind::mixing);
  const Stage& stage = flow().stages()[index];
  const std::vector<double> w = imageFlow().mixingMatrix(host_, index);
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
  const double logDet = imageFlow().mixingLogDet(host_, index);
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

// From 0 on the left to mostAmount on the right, below the pictures.
void Glow::addAmount(Panel& panel) const {
  const double y = static_cast<double>(small_.size()) + 0.22, width = rowColumns, at = width * amount_ / mostAmount;
  auto way = curveOf("amount-way", {0, width}, {y, y}, Paint::of(Role::grid));
  auto taken = curveOf("amount", {0, at}, {y, y}, Paint::of(Role::accent));
  taken->width = 2;
  panel.marks.push_back(way);
  panel.marks.push_back(taken);
  panel.handles.push_back({"amount", at, y, Handle::Kind::point, tr("how much of the attribute")});
  panel.note = trf("from −{0:.2f} to {0:.2f} of the way", amount_);
  panel.y.range = Range{0, y + 0.28};
}

Figure Glow::figure() const {
  Figure figure;
  figure.title = tr("Glow: a flow of pictures");
  if (runs_.empty()) return figure;
  place(figure, stagePanel(), 0, 0, 3);
  place(figure, samplesPanel(), 0, 3, 3);
  Panel rows = rowsPanel();
  if (rows_ == "attribute") addAmount(rows);
  place(figure, std::move(rows), 0, 6, 3);
  place(figure, bitsPanel(), 0, 9, 3);
  place(figure, stripPanel(), 1, 0, 8);
  place(figure, showPlaneMix_ ? planeMixPanel() : matrixPanel(), 1, 8, 4);
  place(figure, volumesPanel(), 2, 0, 4);
  place(figure, actnormPanel(), 2, 4, 4);
  place(figure, inversePanel(), 2, 8, 4);
  figure.rowWeights = {1.25f, 1, 0.9f};
  return figure;
}

}  // namespace orrery::generative
