// The pictures of the lab flow-matching: pairs and their flow side by side at one time, and two smaller panels chosen by the user.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/kernels/elementwise.h"
#include "core/kernels/gather.h"
#include "core/labs/generative/flow_matching/lab.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

namespace {

Tensor cellCentres(std::int64_t n, double half) {
  std::vector<float> points;
  const auto centre = [&](std::int64_t i) {
    return static_cast<float>(half * (2 * (static_cast<double>(i) + 0.5) / static_cast<double>(n) - 1));
  };
  for (std::int64_t r = 0; r < n; ++r)
    for (std::int64_t c = 0; c < n; ++c) points.insert(points.end(), {centre(c), centre(r)});
  return Tensor::from(Shape{n * n, 2}, points);
}

// Points of pairs at one time.
Tensor pairPoints(const PairSource::Pairs& pairs, const FlowMoment& m) {
  std::vector<float> points;
  for (std::size_t i = 0; i < pairs.x0.size(); ++i) points.push_back(static_cast<float>(m.alpha * pairs.x0[i] + m.sigma * pairs.x1[i]));
  return Tensor::from(Shape{static_cast<std::int64_t>(points.size() / 2), 2}, points);
}

constexpr int pathPoints = 33;  // of a pair's line

}  // namespace

double FlowMatching::reach() const {
  const double data = std::max(1.2 * source_.data.density.reach, 1.0);
  if (settings_.path.kind != FlowPathKind::ve) return std::max(data, source_.base.reach());
  // The camera follows the spreading cloud.
  return std::max(data, 2.4 * settings_.path.at(time()).sigma);
}

std::string FlowMatching::timeText() const {
  const double t = time();
  return settings_.paperDirection ? fmt::format("t = {:.2f}", 1 - t) : fmt::format("t = {:.2f}", t);
}

Axis FlowMatching::timeAxis() const {
  Axis axis;
  axis.range = Range{0, 1};
  // The same places either way: time runs to the right from noise to data.
  axis.reversed = true;
  axis.label = settings_.paperDirection ? tr("time t (noise at 0, data at 1)") : tr("time t (data at 0)");
  if (settings_.paperDirection) axis.ticks = {{1, "0"}, {0.75, "0.25"}, {0.5, "0.5"}, {0.25, "0.75"}, {0, "1"}};
  return axis;
}

Panel FlowMatching::pairsPanel() const {
  Panel panel = planePanel("pairs", reach());
  const FlowSettings& s = settings_;
  panel.title = s.coupling == Coupling::independent ? tr("Pairs are joined by crossing lines")
                : s.full                            ? tr("Pairs of least total length")
                : s.coupling == Coupling::optimal   ? trf("Pairs of least total length in batches of {}", s.batch)
                                                    : trf("Entropic pairs in batches of {}", s.batch);
  panel.note = timeText();
  const Bounds bounds{*panel.x.range, *panel.y.range};
  const FlowMoment now = s.path.at(time());

  const auto linesOf = [&](const PairSource::Pairs& pairs) {
    std::vector<float> xy;
    for (int i = 0; i < pathPoints; ++i) {
      const FlowMoment m = s.path.at(1 - static_cast<double>(i) / (pathPoints - 1));
      for (std::size_t j = 0; j < pairs.x0.size(); ++j) xy.push_back(static_cast<float>(m.alpha * pairs.x0[j] + m.sigma * pairs.x1[j]));
    }
    return Tensor::from(Shape{pathPoints, static_cast<std::int64_t>(pairs.size()), 2}, xy);
  };
  auto lines = std::make_shared<PathsMark>("lines");
  lines->xy = linesOf(drawnPairs_);
  lines->stepCount = pathPoints;
  lines->paint = Paint::of(Role::muted, 0.55f);
  lines->fade = false;
  lines->knownBounds = bounds;
  panel.marks.push_back(lines);
  auto noise = cloudMark("base-points", pairPoints(drawnPairs_, s.path.at(1)), Paint::of(Role::stochastic), reach());
  noise->radius = 1.8f, noise->shape = PointShape::ring, noise->name = tr("base point");
  panel.marks.push_back(noise);
  auto data = cloudMark("data-points", pairPoints(drawnPairs_, s.path.at(0)), Paint::of(Role::data), reach());
  data->radius = 1.8f, data->name = tr("data point");
  panel.marks.push_back(data);
  auto moving = cloudMark("at-time", pairPoints(drawnPairs_, now), Paint::of(Role::estimate), reach());
  moving->radius = 1.4f, moving->name = tr("pair at t");
  panel.marks.push_back(moving);

  // The held-out pair: its own velocity, and that of the flow at the same place.
  PairSource::Pairs own;
  own.x0 = {s.pairData[0], s.pairData[1]}, own.x1 = {s.pairNoise[0], s.pairNoise[1]};
  auto line = std::make_shared<PathsMark>("held-out-pair");
  line->xy = linesOf(own);
  line->stepCount = pathPoints;
  line->paint = Paint::of(Role::accent);
  line->width = 1.5f;
  line->fade = false;
  line->knownBounds = bounds;
  panel.marks.push_back(line);
  const Tensor place = pairPoints(own, now);
  auto dot = cloudMark("held-out-point", place, Paint::of(Role::accent), reach());
  dot->radius = 3.5f, dot->name = tr("held-out pair at t");
  panel.marks.push_back(dot);
  const FlowMoment top = s.path.at(1);
  panel.handles.push_back({"pair-data", s.pairData[0], s.pairData[1], Handle::Kind::point, tr("data end of the pair")});
  panel.handles.push_back({"pair-noise", top.sigma * s.pairNoise[0] + top.alpha * s.pairData[0],
                           top.sigma * s.pairNoise[1] + top.alpha * s.pairData[1], Handle::Kind::point, tr("base end of the pair")});
  return panel;
}

Panel FlowMatching::flowPanel() const {
  const FlowSettings& s = settings_;
  const double half = reach(), t = time();
  Panel panel = planePanel("flow", half);
  panel.title =
      training()
          ? settings_.base == "normal" ? tr("What the network's flow makes of noise") : tr("What the network's flow makes of the base")
      : s.source == VelocitySource::regression ? tr("The flow of the averaged pairs")
      : dropped_ ? (s.showField && exactLaw() ? tr("The flow of your network; grey arrows: exact") : tr("The flow of your network"))
      : s.path.kind == FlowPathKind::ve ? tr("The flow: ink spreading, backwards")
                                        : tr("Paths of the flow never cross");
  panel.note = training() ? trf("step {}  {}", stepsAt(frame_), timeText()) : timeText();
  if (!complaint_.empty()) panel.note = complaint_;
  const Bounds bounds{*panel.x.range, *panel.y.range};
  gpu::Stream& stream = *stream_;
  const bool lawKnown = exactLaw() || (t == 0 && source_.base.kind != BaseLaw::Kind::uniform);
  if (s.showDensity && lawKnown) {
    const ExactFlow law = exactLaw() ? *exact_ : ExactFlow{source_.data.density, {}, {}};
    // Points of no width are shown a cell wide.
    const std::int64_t cells = law.count() <= 32 ? 76 : law.count() <= 256 ? 64 : 48;
    const double shown = law.pointsInData() ? std::max(t, 1.4 * half / static_cast<double>(cells)) : t;
    const double extent = planeRasterShare * half;
    auto heat = std::make_shared<HeatMapMark>("density");
    const Tensor logarithm = flowLogDensity(stream, law.at(shown), cellCentres(cells, extent));
    heat->value = kernels::unary(stream, kernels::Unary::exp, logarithm).reshaped(Shape{cells, cells});
    double peak = 1e-12;
    for (const float value : heat->value.as<float>()) peak = std::max(peak, static_cast<double>(value));
    heat->x = heat->y = Range{-extent, extent};
    heat->map = ColorMap::viridis;
    heat->range = Range{0, peak};
    heat->smooth = true;
    heat->alphaFromValue = true;
    heat->alpha = 0.4f;
    heat->quantity = tr("exact density");
    heat->matrix = false;
    panel.marks.push_back(heat);
  }
  if (s.showField && !(stopsShort(t))) {
    if (dropped_ && exactLaw() && !(exact_->pointsInData() && t <= 0)) {
      auto truth = std::make_shared<VectorFieldMark>("exact-field");
      truth->xy = cellCentres(17, half);
      truth->uv = kernels::affine(stream, flowVelocity(stream, exact_->at(t), truth->xy), -1, 0);
      truth->paint = Paint::of(Role::data, 0.35f);
      panel.marks.push_back(truth);
    }
    auto field = std::make_shared<VectorFieldMark>("field");
    if (dropped_) field->paint = Paint::of(Role::estimate, 0.9f);
    field->xy = cellCentres(17, half);
    // Where particles go: time falls.
    field->uv = kernels::affine(stream, velocity()(stream, field->xy, t), -1, 0);
    panel.marks.push_back(field);
  }
  if (!path_.empty()) {
    auto trails = std::make_shared<PathsMark>("trails");
    const std::int64_t steps = path_.shape()[0] - 1, until = std::llround((1 - t) * static_cast<double>(steps));
    trails->xy = path_;
    trails->stepCount = until + 1;
    trails->paint = Paint::of(Role::deterministic, training() ? 0.25f : path_.shape()[1] > 128 ? 0.45f : 0.8f);
    trails->fade = training();
    trails->knownBounds = bounds;
    panel.marks.push_back(trails);
  }
  panel.marks.push_back(cloudMark("particles", cloud_, Paint::of(Role::data, cloud_.shape()[0] > 8192 ? 0.5f : 0.85f), half));
  if (!dyed_.empty()) {
    auto dye = cloudMark("dye", kernels::gather(stream, cloud_, dyed_), Paint::of(Role::stochastic), half);
    dye->radius = 1.2f, dye->name = tr("dyed particle");
    panel.marks.push_back(dye);
  }
  if (s.dyeRadius > 0 && !training() && frame_ == 0) panel.handles.push_back({"dye", s.dye[0], s.dye[1], Handle::Kind::point, tr("dye")});
  const double alpha = s.path.at(t).alpha;
  if (alpha > 0.3) addBlobHandles(panel, source_.data, alpha);
  return panel;
}

Panel FlowMatching::lossPanel() const {
  Panel panel;
  panel.id = "loss";
  panel.title = tr("Most of the loss is not the network's fault");
  if (lossParts_.empty()) {
    panel.message = tr("The parts of the loss are known for independent pairs whose law has a closed form");
    return panel;
  }
  panel.x = timeAxis();
  panel.y.label = tr("mean squared error");
  panel.y.grid = true;
  std::vector<double> t, zero, irreducible, total;
  double sum = 0, error = 0;
  for (const LossPart& part : lossParts_) {
    t.push_back(part.t);
    zero.push_back(0);
    irreducible.push_back(part.irreducible);
    total.push_back(part.irreducible + part.error);
    sum += part.irreducible / static_cast<double>(lossParts_.size());
    error += part.error / static_cast<double>(lossParts_.size());
  }
  panel.note = trf("{:.3g} irreducible, {:.3g} model", sum, error);
  if (settings_.source == VelocitySource::exact) panel.title = tr("Even the exact velocity has a loss: pairs disagree");
  auto band = std::make_shared<BandMark>("irreducible");
  band->x = columnOf(t), band->low = columnOf(zero), band->high = columnOf(irreducible);
  band->label = tr("pairs disagree");
  panel.marks.push_back(band);
  auto floor = curveOf("floor", t, irreducible, Paint::of(Role::data), {});
  panel.marks.push_back(floor);
  if (settings_.source != VelocitySource::exact) {
    auto model = std::make_shared<BandMark>("error");
    model->x = columnOf(t), model->low = columnOf(irreducible), model->high = columnOf(total);
    model->paint = Paint::of(Role::falsePositive, 0.35f);
    panel.marks.push_back(model);
    panel.marks.push_back(curveOf("total", t, total, Paint::of(Role::falsePositive),
                                  training() || dropped_ ? tr("with the network's error") : tr("with the kernel's error")));
  }
  panel.y.range = Range{0, 1.15 * std::max(1e-6, *std::max_element(total.begin(), total.end()))};
  return panel;
}

Panel FlowMatching::trainingPanel() const {
  Panel panel;
  panel.id = "training";
  panel.title = tr("Training loss");
  if (!training()) {
    panel.message = tr("Nothing is trained: choose the network as the source of the velocity");
    return panel;
  }
  std::vector<double> step, loss;
  for (const auto& [frame, tick] : ticks_) {
    if (frame == 0 || frame > frame_) continue;
    step.push_back(static_cast<double>(stepsAt(frame)));
    loss.push_back(tick.loss);
  }
  panel.x.label = tr("step");
  panel.x.range = Range{0, static_cast<double>(settings_.trainSteps)};
  panel.y.label = tr("mean squared error");
  panel.y.grid = true;
  if (step.empty()) {
    panel.message = tr("Press play: training has not begun");
    return panel;
  }
  panel.note = trf("{:.3f} at step {}", loss.back(), std::llround(step.back()));
  panel.marks.push_back(curveOf("loss", step, loss, Paint::of(Role::estimate)));
  double low = *std::min_element(loss.begin(), loss.end()), high = *std::max_element(loss.begin(), loss.end());
  const bool plain = settings_.path.kind == FlowPathKind::linear || settings_.path.kind == FlowPathKind::floor;
  if (!lossParts_.empty() && plain) {
    // The mean over the law of the training's times: each part of time counts as often as it is drawn.
    const auto before = [&](double t) {
      if (settings_.timeLaw == "beta") return std::sqrt(t);
      if (settings_.timeLaw != "logit-normal") return t;
      return t <= 0 ? 0.0 : t >= 1 ? 1.0 : 0.5 * std::erfc(-std::log(t / (1 - t)) / std::numbers::sqrt2);
    };
    const double half = 0.5 / static_cast<double>(lossParts_.size());
    double floor = 0;
    for (const LossPart& part : lossParts_) floor += part.irreducible * (before(part.t + half) - before(part.t - half));
    auto rule = std::make_shared<RuleMark>("floor");
    rule->vertical = false;
    rule->at = floor;
    rule->tag = tr("no velocity does better");
    panel.marks.push_back(rule);
    low = std::min(low, floor), high = std::max(high, floor);
    panel.title =
        loss.back() < 1.03 * floor ? tr("The loss has reached its floor, which is not 0") : tr("The loss falls towards a floor, not to 0");
  }
  panel.y.range = Range{std::max(0.0, low - 0.15 * (high - low) - 0.02), high + 0.1 * (high - low) + 0.02};
  return panel;
}

Panel FlowMatching::distancePanel() const {
  Panel panel;
  panel.id = "distance";
  std::vector<double> x, value, floor, zero;
  double high = 0;
  for (const auto& [frame, tick] : ticks_) {
    if (tick.floor <= 0) continue;
    high = std::max({high, tick.sliced, 1.5 * tick.floor});
    if (frame > frame_) continue;
    x.push_back(training() ? static_cast<double>(stepsAt(frame)) : 1 - static_cast<double>(frame) / static_cast<double>(settings_.steps));
    value.push_back(tick.sliced);
    floor.push_back(tick.floor);
    zero.push_back(0);
  }
  if (x.empty()) return panel;
  const bool off = value.back() > 2 * floor.back();
  if (training()) {
    panel.title = off ? tr("The network's samples approach the data") : tr("The network's samples are as good as fresh data");
    panel.x.label = tr("step");
    panel.x.range = Range{0, static_cast<double>(settings_.trainSteps)};
  } else {
    panel.title = off ? tr("The cloud is off the law at t") : tr("The cloud has the law at t");
    panel.x = timeAxis();
  }
  panel.note = tr("sliced W₂");
  panel.y.range = Range{0, 1.1 * std::max(high, 1e-3)};
  panel.y.grid = true;
  auto band = std::make_shared<BandMark>("floor");
  band->x = columnOf(x), band->low = columnOf(zero), band->high = columnOf(floor);
  band->label = tr("sampling noise");
  panel.marks.push_back(band);
  auto line = curveOf("sliced", x, value, Paint::of(Role::deterministic), tr("flow"));
  line->markers = x.size() < 12;
  panel.marks.push_back(line);
  return panel;
}

Panel FlowMatching::couplingPanel() const {
  Panel panel;
  panel.id = "coupling";
  panel.title = tr("Larger batches pair closer");
  std::vector<double> batch, cost;
  for (const auto& [b, c] : couplingCost_) batch.push_back(b), cost.push_back(c);
  if (batch.empty()) return panel;
  const double now = meanSquaredDistance(truth_[0]);
  panel.note = trf("now {:.3f}", now);
  panel.x.label = tr("batch B (1: independent)");
  panel.x.scale = ScaleKind::log;
  panel.x.range = Range{0.8, 3000};
  panel.y.label = tr("mean squared distance of a pair");
  panel.y.range = Range{0, 1.15 * std::max(now, *std::max_element(cost.begin(), cost.end()))};
  panel.y.grid = true;
  auto line = curveOf("optimal", batch, cost, Paint::of(Role::estimate), tr("optimal in batches"));
  line->markers = true;
  panel.marks.push_back(line);
  auto dot = std::make_shared<PointsMark>("now");
  dot->xy = Tensor::from(Shape{1, 2},
                         {static_cast<float>(settings_.coupling == Coupling::independent ? 1 : settings_.batch), static_cast<float>(now)});
  dot->radius = 4;
  dot->shape = PointShape::ring;
  dot->paint = Paint::of(Role::accent);
  dot->name = tr("this pairing");
  panel.marks.push_back(dot);
  return panel;
}

Panel FlowMatching::densityPanel() const {
  Panel panel = planePanel("density", reach());
  panel.title = tr("Density carried along by the flow");
  panel.note = timeText();
  if (flowDensity_.empty()) {
    panel.message = training() ? tr("The carried density is shown for the closed form and for kernel regression")
                               : tr("The likelihood needs a base with a density everywhere: the uniform square has edges");
    return panel;
  }
  const double half = reach();
  auto heat = std::make_shared<HeatMapMark>("carried");
  heat->value = flowDensity_;
  heat->x = heat->y = Range{-half, half};
  heat->map = ColorMap::magma;
  heat->range = Range{0, densityHigh_};
  heat->smooth = true;
  heat->quantity = tr("density carried by the flow");
  heat->matrix = false;
  panel.marks.push_back(heat);
  if (!exactDensity_.empty()) {
    auto lines = std::make_shared<ContourMark>("exact");
    lines->value = exactDensity_;
    lines->x = lines->y = heat->x;
    lines->levels = {0.1 * densityHigh_, 0.5 * densityHigh_};
    lines->paint = Paint::custom(Color{1, 1, 1, 0.8f});
    panel.marks.push_back(lines);
    panel.note = trf("{}  ln p off by at most {:.1g} nats", timeText(), densityError_);
  }
  return panel;
}

Panel FlowMatching::residualPanel() const {
  Panel panel = planePanel("residual", reach());
  const bool heatView = settings_.path.kind == FlowPathKind::ve;
  panel.title = heatView ? tr("∂p/∂τ − ½ Δp: the density obeys the heat equation") : tr("∂p/∂t + ∇·(p u): the flow loses no mass");
  if (residual_.empty()) {
    panel.message = tr("The residual is shown where the law of x_t has a closed form: choose independent pairs");
    return panel;
  }
  panel.note = trf("{:.2g} of the rate, {}² cells", residualShare_, residual_.shape()[0]);
  auto heat = std::make_shared<HeatMapMark>("residual");
  heat->value = residual_;
  heat->x = heat->y = *panel.x.range;
  heat->map = ColorMap::diverging;
  heat->range = Range{-residualHigh_, residualHigh_};
  heat->quantity = tr("residual");
  heat->matrix = false;
  panel.marks.push_back(heat);
  panel.colorBar = ColorBar{ColorMap::diverging, heat->range, false, tr("residual (a tenth of the largest rate)")};
  return panel;
}

Panel FlowMatching::determinantPanel() const {
  Panel panel = planePanel("determinant", reach());
  panel.title = tr("Discs of the base, carried by the flow");
  panel.note = timeText();
  if (grid_.empty()) {
    panel.message = tr("Shown for the closed form and for kernel regression");
    return panel;
  }
  // From central differences: the image of a disc of a quarter of the grid's spacing.
  const std::int64_t rows = grid_.shape()[1], discs = rows / 5;
  const auto all = grid_.as<float>();
  const float* row = all.data() + frame_ * rows * 2;
  const double sigma = settings_.path.at(1).sigma, h = 0.01 * sigma, radius = 0.2 * sigma;
  std::vector<float> xy;
  double smallest = 1e300, largest = 0;
  constexpr int around = 33;
  for (int i = 0; i < around; ++i) {
    const double angle = 2 * std::numbers::pi * i / (around - 1), c = radius * std::cos(angle), s = radius * std::sin(angle);
    for (std::int64_t k = 0; k < discs; ++k) {
      const float* p = row + 10 * k;
      const auto at = [&](int j, int axis) { return static_cast<double>(p[2 * j + axis]); };
      const double xx = (at(1, 0) - at(2, 0)) / (2 * h), yx = (at(1, 1) - at(2, 1)) / (2 * h), xy2 = (at(3, 0) - at(4, 0)) / (2 * h),
                   yy = (at(3, 1) - at(4, 1)) / (2 * h), determinant = xx * yy - xy2 * yx;
      smallest = std::min(smallest, determinant), largest = std::max(largest, determinant);
      xy.push_back(static_cast<float>(at(0, 0) + xx * c + xy2 * s));
      xy.push_back(static_cast<float>(at(0, 1) + yx * c + yy * s));
    }
  }
  panel.note = trf("{}  determinants {:.2g} to {:.2g}", timeText(), smallest, largest);
  auto paths = std::make_shared<PathsMark>("discs");
  paths->xy = Tensor::from(Shape{around, discs, 2}, xy);
  paths->stepCount = around;
  paths->fade = false;
  paths->paint = Paint::of(Role::deterministic, 0.9f);
  paths->width = 1;
  paths->knownBounds = Bounds{*panel.x.range, *panel.y.range};
  panel.marks.push_back(paths);
  return panel;
}

Panel FlowMatching::lowerPanel(const std::string& kind) const {
  if (kind == "training") return trainingPanel();
  if (kind == "distance") return distancePanel();
  if (kind == "coupling") return couplingPanel();
  if (kind == "density") return densityPanel();
  if (kind == "residual") return residualPanel();
  if (kind == "determinant") return determinantPanel();
  if (kind == "error") return errorPanel();
  return lossPanel();
}

Figure FlowMatching::figure() const {
  Figure figure;
  figure.title = tr("Flow matching");
  if (cloud_.empty()) return figure;
  figure.panels.push_back(pairsPanel());
  figure.panels.push_back(flowPanel());
  figure.panels.back().column = 1;
  const bool same = settings_.lower[0] == settings_.lower[1];
  for (const int place : {0, 1}) {
    if (place == 1 && same) break;
    Panel panel = lowerPanel(settings_.lower[place]);
    panel.row = 1;
    panel.column = place;
    panel.columnSpan = same ? 2 : 1;
    figure.panels.push_back(std::move(panel));
  }
  figure.rowWeights = {1.45f, 1.0f};
  return figure;
}

}  // namespace orrery::generative
