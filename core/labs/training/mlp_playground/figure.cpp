// The picture of the MLP playground, and what clicking in it means.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/figure/marks/marks.h"
#include "core/figure/place.h"
#include "core/labs/training/mlp_playground/lab.h"

namespace orrery::training {
namespace {

constexpr std::size_t mostUnits = 36;  // pictures of units shown at once
constexpr double tileGap = 0.14;       // between tiles, in tile sides

Tensor column(const std::vector<double>& values) {
  std::vector<float> floats(values.begin(), values.end());
  return Tensor::from(Shape{static_cast<std::int64_t>(floats.size())}, floats);
}

std::int64_t tileColumns(std::size_t tiles) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(tiles) * 1.6))));
}

double largestOf(const Tensor& tensor) {
  double most = 0;
  for (const float v : tensor.toFloats()) most = std::max(most, std::abs(static_cast<double>(v)));
  return most;
}

std::shared_ptr<LineMark> curve(std::string id, const std::vector<double>& x, const std::vector<double>& y, Paint paint,
                                std::string label) {
  auto line = std::make_shared<LineMark>(std::move(id));
  line->x = column(x), line->y = column(y);
  line->paint = paint;
  line->label = std::move(label);
  line->xName = tr("step"), line->yName = tr("loss");
  return line;
}

}  // namespace

Panel MlpPlayground::surfacePanel() const {
  Panel panel;
  panel.id = "surface";
  const bool ofUnit = unit_ > 0 && unit_ <= static_cast<std::int64_t>(units_.size());
  const Record* now = record();
  if (ofUnit) {
    panel.title = trf("Unit {} of hidden layer {}", unit_, std::min<std::int64_t>(layer_, static_cast<std::int64_t>(mlp_.layers()) - 1));
  } else if (task_.classes && now != nullptr) {
    panel.title = trf("{:.1f} % of held-out points are right", 100 * now->heldOutRight);
  } else {
    panel.title = task_.classes ? tr("What the network says everywhere") : tr("The surface the network has learnt");
  }
  panel.note = trf("step {}", stepsAt(frame_));
  panel.equalAspect = true;
  panel.frameless = true;
  panel.x.range = panel.y.range = Range{-1.05, 1.05};
  const Tensor& shown = ofUnit ? units_[static_cast<std::size_t>(unit_ - 1)] : surface_;
  auto heat = std::make_shared<HeatMapMark>(ofUnit ? "activation" : "output");
  heat->value = shown;
  heat->x = heat->y = Range{-canvasReach, canvasReach};
  heat->map = ColorMap::diverging;
  const double reach = ofUnit ? std::max(largestOf(shown), 1e-6) : 1;
  heat->range = ofUnit || !task_.classes ? Range{-reach, reach} : Range{0, 1};
  heat->smooth = true;
  heat->matrix = false;
  heat->alpha = ofUnit ? 0.9f : 0.45f;  // pale, so that the points stand out
  heat->quantity = ofUnit ? tr("activation") : task_.classes ? tr("probability of class 1") : tr("prediction");
  panel.marks.push_back(heat);
  if (!ofUnit && task_.classes) {
    auto boundary = std::make_shared<ContourMark>("boundary");
    boundary->value = surface_;
    boundary->x = boundary->y = heat->x;
    boundary->levels = {0.5};
    boundary->paint = Paint::of(Role::ink);
    panel.marks.push_back(boundary);
  }
  const Bounds bounds{*panel.x.range, *panel.y.range};
  for (std::size_t k = 0; k < 2; ++k) {
    for (const bool heldOut : {false, true}) {
      const Tensor& xy = heldOut ? heldOutPoints_[k] : trainPoints_[k];
      if (xy.empty()) continue;
      const char* set = heldOut ? "held-out" : "train";
      auto points = std::make_shared<PointsMark>(task_.classes ? fmt::format("{}-{}", set, k) : set);
      points->xy = xy;
      points->shape = heldOut ? PointShape::ring : PointShape::disc;
      points->radius = heldOut ? 2.2f : 1.9f;
      points->knownBounds = bounds;
      points->name = heldOut ? tr("held-out point") : tr("training point");
      if (task_.classes) {
        points->paint = Paint::of(k == 1 ? Role::stochastic : Role::deterministic);
      } else {
        points->scalar = heldOut ? heldOutTargets_ : trainTargets_;
        points->map = ColorMap::diverging;
        points->range = Range{-1, 1};
      }
      panel.marks.push_back(points);
    }
  }
  panel.legend = false;
  return panel;
}

Panel MlpPlayground::lossPanel() const {
  Panel panel;
  panel.id = "loss";
  std::vector<double> step, train, heldOut;
  for (const auto& [frame, r] : records_) {
    if (frame > frame_) break;
    step.push_back(static_cast<double>(stepsAt(frame)));
    train.push_back(std::max(r.train, 1e-12));
    heldOut.push_back(std::max(r.heldOut, 1e-12));
  }
  const Record* now = record();
  // Say what the curves show: learnt by heart when the held-out loss has left its best value well behind.
  const double best = heldOut.empty() ? 0 : *std::min_element(heldOut.begin(), heldOut.end());
  if (now != nullptr && frame_ > 4 && now->heldOut > 1.3 * best && now->train < 0.7 * now->heldOut) {
    panel.title = tr("Learnt by heart: the held-out loss rises again");
  } else {
    panel.title = task_.classes ? tr("Cross entropy falls") : tr("Squared error falls");
    if (now != nullptr && frame_ > 0 && now->train > 0.98 * records_.at(0).train) {
      panel.title = task_.classes ? tr("Cross entropy does not fall") : tr("Squared error does not fall");
    }
  }
  if (now != nullptr) panel.note = trf("{:.3g} training, {:.3g} held out", now->train, now->heldOut);
  panel.x.label = tr("step");
  panel.x.range = Range{0, static_cast<double>(totalSteps_)};
  panel.y.label = task_.classes ? tr("loss (nats)") : tr("loss");
  panel.y.scale = ScaleKind::log;
  panel.marks.push_back(curve("train", step, train, Paint::of(Role::estimate), tr("training")));
  panel.marks.push_back(curve("held-out", step, heldOut, Paint::of(Role::stochastic), tr("held out")));
  return panel;
}

Panel MlpPlayground::unitsPanel() const {
  Panel panel;
  panel.id = "units";
  panel.frameless = true;
  panel.equalAspect = true;
  if (units_.empty()) {
    panel.title = tr("No hidden layer");
    panel.message = tr("A linear model has no units to show. Add a hidden layer.");
    return panel;
  }
  const std::size_t shown = std::min(units_.size(), mostUnits);
  panel.title = trf("What the units of layer {} have learnt", std::min<std::int64_t>(layer_, static_cast<std::int64_t>(mlp_.layers()) - 1));
  if (shown < units_.size()) panel.note = trf("{} of {} units", shown, units_.size());
  panel.y.reversed = true;
  const std::int64_t columns = tileColumns(shown);
  const auto rows = (static_cast<std::int64_t>(shown) + columns - 1) / columns;
  for (std::size_t u = 0; u < shown; ++u) {
    const double x = static_cast<double>(static_cast<std::int64_t>(u) % columns) * (1 + tileGap),
                 y = static_cast<double>(static_cast<std::int64_t>(u) / columns) * (1 + tileGap);
    auto tile = std::make_shared<HeatMapMark>("unit-" + std::to_string(u + 1));
    tile->value = units_[u];
    tile->x = {x, x + 1};
    // Row 0 of the grid is at the bottom of the plane, and this panel counts downwards.
    tile->y = {y + 1, y};
    tile->map = ColorMap::diverging;
    const double reach = std::max(largestOf(units_[u]), 1e-6);
    tile->range = {-reach, reach};
    tile->smooth = true;
    tile->quantity = trf("activation of unit {}", u + 1);
    panel.marks.push_back(tile);
    if (static_cast<std::int64_t>(u) + 1 == unit_) {
      auto frame = std::make_shared<BoxesMark>("chosen");
      frame->boxes.push_back({x - 0.04, y - 0.04, 1.08, 1.08, Paint::of(Role::accent), false, {}, trf("unit {}", u + 1), 0});
      frame->lineWidth = 1.5f;
      panel.marks.push_back(frame);
    }
  }
  panel.x.range = Range{-0.5 * tileGap, static_cast<double>(columns) * (1 + tileGap) - 0.5 * tileGap};
  panel.y.range = Range{-0.5 * tileGap, static_cast<double>(rows) * (1 + tileGap) - 0.5 * tileGap};
  return panel;
}

Panel MlpPlayground::weightsPanel() const {
  Panel panel;
  panel.id = "weights";
  panel.frameless = true;
  double most = 1e-6;
  for (std::size_t layer = 0; layer < mlp_.layers(); ++layer) most = std::max(most, largestOf(trainer_.weights()[2 * layer].value));
  std::int64_t parameters = 0;
  for (const nn::NamedTensor& w : trainer_.weights()) parameters += w.value.count();
  panel.title = trf("{} weights and biases", formatNumber(static_cast<double>(parameters)));
  panel.note = trf("largest weight {:.2f}", most);
  panel.y.reversed = true;
  // One matrix per layer beside the other, rows are the units it feeds; all of one height, width by the logarithm of the inputs.
  double at = 0;
  auto words = std::make_shared<TextMark>("layers");
  for (std::size_t layer = 0; layer < mlp_.layers(); ++layer) {
    const nn::NamedTensor& w = trainer_.weights()[2 * layer];
    const std::int64_t out = w.value.shape()[0], in = w.value.shape()[1];
    const double width = 0.35 + 0.25 * std::log2(static_cast<double>(in));
    auto map = std::make_shared<HeatMapMark>("weight-" + std::to_string(layer + 1));
    map->value = w.value;
    map->x = {at, at + width};
    map->y = {0, 1};
    map->map = ColorMap::diverging;
    map->range = {-most, most};
    map->quantity = tr("weight");
    for (std::int64_t r = 0; r < out; ++r) map->rowNames.push_back(layer + 1 == mlp_.layers() ? tr("output") : trf("unit {}", r + 1));
    for (std::int64_t c = 0; c < in; ++c) map->columnNames.push_back(layer == 0 ? (c == 0 ? "x" : "y") : trf("unit {}", c + 1));
    panel.marks.push_back(map);
    words->words.push_back({at + 0.5 * width, -0.04, trf("{} → {}", in, out), Paint::of(Role::muted), HAlign::center, VAlign::baseline, 7,
                            Weight::regular, 0});
    at += width + 0.2;
  }
  panel.marks.push_back(words);
  panel.x.range = Range{-0.1, at - 0.1};
  panel.y.range = Range{-0.16, 1.06};
  return panel;
}

Panel MlpPlayground::movementPanel() const {
  Panel panel;
  panel.id = "movement";
  panel.title = tr("How fast the layers move");
  panel.note = tr("change of a weight per step, root mean square");
  panel.x.label = tr("step");
  panel.x.range = Range{0, static_cast<double>(totalSteps_)};
  panel.y.scale = ScaleKind::log;
  panel.y.label = tr("change per step");
  for (std::size_t layer = 0; layer < mlp_.layers(); ++layer) {
    std::vector<double> step, value;
    for (const auto& [frame, r] : records_) {
      if (frame > frame_) break;
      if (r.movement.empty()) continue;
      step.push_back(static_cast<double>(stepsAt(frame)));
      value.push_back(std::max(r.movement[layer], 1e-12));
    }
    auto line = curve("layer-" + std::to_string(layer + 1), step, value, Paint::series(static_cast<int>(layer)),
                      layer + 1 == mlp_.layers() ? tr("output layer") : trf("layer {}", layer + 1));
    line->yName = tr("change per step");
    panel.marks.push_back(line);
  }
  if (frame_ == 0) panel.message = tr("Press play: training has not begun");
  return panel;
}

Figure MlpPlayground::figure() const {
  Figure figure;
  figure.title = tr("Training an MLP");
  if (surface_.empty()) return figure;
  place(figure, surfacePanel(), 0, 0, 1, 2);
  place(figure, lossPanel(), 0, 1);
  place(figure, movementPanel(), 1, 1);
  place(figure, unitsPanel(), 2, 0);
  place(figure, weightsPanel(), 2, 1);
  figure.rowWeights = {1, 1, 1.05f};
  figure.columnWeights = {1.1f, 1};
  return figure;
}

Changes MlpPlayground::pointer(const PointerEvent& event, const Values&) const {
  if (event.kind != PointerEvent::Kind::click) return {};
  if (event.panel == "units" && !units_.empty()) {
    const std::size_t shown = std::min(units_.size(), mostUnits);
    const std::int64_t columns = tileColumns(shown);
    const auto c = static_cast<std::int64_t>(std::floor(event.x / (1 + tileGap))),
               r = static_cast<std::int64_t>(std::floor(event.y / (1 + tileGap)));
    const std::int64_t unit = r * columns + c + 1;
    if (c < 0 || c >= columns || r < 0 || unit > static_cast<std::int64_t>(shown)) return {};
    return {{"unit", unit == unit_ ? std::int64_t{0} : unit}};
  }
  // A matrix in the weights panel chooses its layer.
  if (event.panel == "weights") {
    double at = 0;
    for (std::size_t layer = 0; layer < mlp_.layers(); ++layer) {
      const double width = 0.35 + 0.25 * std::log2(static_cast<double>(trainer_.weights()[2 * layer].value.shape()[1]));
      if (event.x >= at && event.x < at + width && layer + 1 < mlp_.layers()) return {{"layer", static_cast<std::int64_t>(layer) + 1}};
      at += width + 0.2;
    }
  }
  return {};
}

}  // namespace orrery::training
