// The pictures of a flow of the plane.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/figure/place.h"
#include "core/kernels/elementwise.h"
#include "core/labs/generative/shared/error_histogram.h"
#include "core/labs/generative/shared/plane_flow_lab.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

namespace {

constexpr std::size_t mostTiles = 9;
constexpr std::int64_t tilePoints = 512;
constexpr double tileMargin = 0.03;  // of a tile's side, on each side

// a + share (b - a), on the device.
Tensor between(gpu::Stream& stream, const Tensor& a, const Tensor& b, double share) {
  if (share == 0) return a;
  const Tensor way = kernels::binary(stream, kernels::Binary::sub, b, a);
  return kernels::binary(stream, kernels::Binary::add, a, kernels::affine(stream, way, static_cast<float>(share), 0));
}

// What all but one in fifty of |values| lie below.
double usualSize(const Tensor& tensor) {
  std::vector<float> size = tensor.toFloats();
  if (size.empty()) return 0;
  for (float& v : size) v = std::abs(v);
  const auto at = size.begin() + static_cast<std::ptrdiff_t>(size.size() - 1 - size.size() / 50);
  std::nth_element(size.begin(), at, size.end());
  return static_cast<double>(*at);
}

// No minus before a zero of three decimals.
double shownExcess(double nats) { return std::abs(nats) < 5e-4 ? 0 : nats; }

// A dark rim under points whose colour may be that of the canvas.
std::shared_ptr<PointsMark> rimOf(const PointsMark& points) {
  auto rim = std::make_shared<PointsMark>(points.id() + "-rim");
  rim->xy = points.xy;
  rim->paint = Paint::of(Role::muted, 0.7f);
  rim->radius = points.radius + 0.35f;
  rim->knownBounds = points.knownBounds;
  return rim;
}

// 0 .. layers, at most `mostTiles` of them, both ends among them.
std::vector<std::size_t> tilesOf(std::size_t layers) {
  std::vector<std::size_t> tiles;
  const std::size_t shown = std::min(layers + 1, mostTiles);
  for (std::size_t i = 0; i < shown; ++i) tiles.push_back(shown < 2 ? 0 : (i * layers + (shown - 1) / 2) / (shown - 1));
  return tiles;
}

}  // namespace

std::vector<double> PlaneFlowLab::stripPositions() const {
  std::vector<double> positions;
  for (const std::size_t k : tilesOf(layerCount())) positions.push_back(static_cast<double>(k));
  return positions;
}

Panel PlaneFlowLab::layersPanel() const {
  const double at = position();
  Panel panel = planePanel("layers", half(at));
  const auto below = static_cast<std::size_t>(std::clamp(std::floor(at), 0.0, static_cast<double>(layerCount())));
  const std::size_t above = std::min(below + 1, layerCount());
  const double rest = at - static_cast<double>(below);
  const Way& way = towardsData_ ? up_ : down_;
  if (layerCount() == 0) {
    panel.title = tr("No layers: the latents are the data");
  } else if (at <= 0) {
    panel.title = towardsData_ ? tr("Samples of the model") : tr("The data");
  } else if (at >= static_cast<double>(layerCount())) {
    panel.title = towardsData_ ? tr("Latents drawn from the prior") : tr("The latents of the data");
  } else {
    panel.title = towardsData_ ? tr("Latents on their way to samples") : tr("Data on their way to latents");
  }
  panel.note = trf("after {:.4g} of {} layers", at, layerCount());

  auto grid = std::make_shared<PathsMark>("grid");
  grid->xy = between(*stream_, way.grid[below], way.grid[above], rest);
  grid->stepCount = grid->xy.shape()[0];
  grid->paint = Paint::of(Role::muted, 0.55f);
  grid->width = 0.6f;
  grid->fade = false;
  grid->knownBounds = Bounds{*panel.x.range, *panel.y.range};
  panel.marks.push_back(grid);

  auto cloud = std::make_shared<PointsMark>("points");
  cloud->xy = between(*stream_, way.cloud[below], way.cloud[above], rest);
  cloud->radius = particles_ > 8192 ? 0.8f : 1.35f;
  cloud->knownBounds = grid->knownBounds;
  cloud->name = towardsData_ ? tr("sample") : tr("data point");
  if (colourOfOrigin_) {
    cloud->scalar = origin_[towardsData_ ? 1 : 0];
    cloud->map = ColorMap::cyclic;
    cloud->range = {-std::numbers::pi, std::numbers::pi};
  } else {
    cloud->scalar = between(*stream_, way.volume[below], way.volume[above], rest);
    cloud->map = ColorMap::diverging;
    const double reach = std::max(usualSize(way.volume[layerCount()]), 1e-3);
    cloud->range = {-reach, reach};
    panel.colorBar = ColorBar{ColorMap::diverging, cloud->range, false, tr("ln |det| of the layers so far (nats)")};
  }
  if (!colourOfOrigin_) panel.marks.push_back(rimOf(*cloud));
  panel.marks.push_back(cloud);

  // The way of the followed point through the layers, and where it is now.
  std::vector<double> x, y;
  for (std::size_t k = 0; k <= below; ++k) {
    const auto p = pointAt(static_cast<double>(k));
    x.push_back(p[0]), y.push_back(p[1]);
  }
  const auto now = pointAt(at);
  x.push_back(now[0]), y.push_back(now[1]);
  auto path = curveOf("followed", x, y, Paint::of(Role::ink));
  path->width = 1.5f;
  path->markers = true;
  panel.marks.push_back(path);
  panel.handles.push_back({"point", now[0], now[1], Handle::Kind::point, tr("the followed point")});
  return panel;
}

Panel PlaneFlowLab::densityPanel() const {
  Panel panel = planePanel("density", half(0));
  const PlaneFlowRecord* now = record();
  if (now != nullptr) panel.title = trf("Model density: {:.3f} nats above the data", shownExcess(now->likelihood - entropy_));
  panel.note = trf("step {}", stepsAt(frame_));
  // Their sum would be what the cells happened to hit.
  if (!resolved()) panel.note = tr("ridges thinner than a cell: their mass is not summed");
  auto heat = std::make_shared<HeatMapMark>("model");
  heat->value = density_;
  heat->x = heat->y = Range{-planeRasterShare * half(0), planeRasterShare * half(0)};
  heat->map = ColorMap::magma;
  heat->range = {0, totalSteps_ == 0 ? std::max(1e-6, densest_) : peak_};
  heat->smooth = true;
  heat->matrix = false;
  heat->quantity = tr("density of the model");
  panel.marks.push_back(heat);
  if (scene_.density.components.size() <= 64) {
    auto truth = std::make_shared<ContourMark>("data");
    truth->value = exact_;
    truth->x = truth->y = heat->x;
    truth->levels = {0.25 * peak_};
    truth->paint = Paint::custom({1, 1, 1, 0.75f});
    panel.marks.push_back(truth);
  }
  const bool cut = totalSteps_ == 0 && !resolved();
  panel.colorBar = ColorBar{heat->map, heat->range, false, cut ? tr("density p(x), up to that of 99 % of the cells") : tr("density p(x)")};
  addBlobHandles(panel, scene_, 1);
  return panel;
}

Panel PlaneFlowLab::samplesPanel() const {
  Panel panel = planePanel("samples", half(0));
  panel.title = tr("Samples over data");
  panel.note = trf("T = {:.2f}", temperature_);
  // The flow is of two coordinates, whatever the file has: what it learns is the law of these two, not of all.
  if (target_ == nullptr && scene_.density.columns > 2) {
    panel.note += trf(", two principal axes of {} columns: {:.0f} % of the variance", scene_.density.columns, 100 * scene_.density.told);
  }
  auto data = cloudMark("data", data_, Paint::of(Role::data, 0.35f), half(0));
  data->name = tr("data point");
  data->label = tr("data");
  auto samples = cloudMark("model", samples_, Paint::of(Role::estimate, 0.7f), half(0));
  samples->name = tr("sample");
  samples->label = tr("samples");
  for (const auto& mark : {data, samples}) {
    mark->directLabel = false;
    panel.marks.push_back(mark);
  }
  panel.legend = true;
  panel.handles.push_back({"point", point_[0], point_[1], Handle::Kind::point, tr("the followed point")});
  return panel;
}

Panel PlaneFlowLab::likelihoodPanel() const {
  Panel panel;
  panel.id = "likelihood";
  std::vector<double> step, value;
  for (const auto& [frame, r] : records_) {
    if (frame > frame_) break;
    step.push_back(static_cast<double>(stepsAt(frame)));
    value.push_back(r.likelihood);
  }
  const PlaneFlowRecord* now = record();
  if (totalSteps_ == 0) {
    panel.title = tr("Nothing is trained here");
    if (now != nullptr) {
      panel.title = reverse_ ? trf("KL(model | target) is {:.3f} nats", now->reverse) : panel.title;
      panel.message = trf("−ln p is {:.3f} nats a point,\n{:.3f} above the entropy of the data", now->likelihood,
                          shownExcess(now->likelihood - entropy_));
    }
    return panel;
  }
  if (reverse_) return divergencesPanel(std::move(panel));
  const double first = records_.empty() ? 0 : records_.begin()->second.likelihood - entropy_;
  const double left = now == nullptr ? 0 : now->likelihood - entropy_;
  panel.title = frame_ == 0          ? tr("Press play: training has not begun")
                : left < 0.4 * first ? tr("The likelihood nears the entropy of the data")
                                     : trf("The likelihood is {:.2f} nats away from the entropy", left);
  if (now != nullptr) panel.note = trf("{:.3f}, entropy {:.3f} nats", now->likelihood, entropy_);
  panel.x.label = tr("step");
  panel.x.range = Range{0, static_cast<double>(totalSteps_)};
  panel.y.label = tr("−ln p per point (nats)");
  const double top = records_.empty() ? entropy_ + 1 : records_.begin()->second.likelihood;
  panel.y.range = Range{entropy_ - 0.08 * std::max(top - entropy_, 0.1), top + 0.04 * std::max(top - entropy_, 0.1)};
  auto line = curveOf("model", step, value, Paint::of(Role::estimate), compares() ? name_ : tr("model"));
  line->width = 1.5f;
  line->xName = tr("step"), line->yName = tr("−ln p");
  panel.marks.push_back(line);
  if (compares()) besideCurve(panel);
  auto least =
      curveOf("entropy", {0, static_cast<double>(totalSteps_)}, {entropy_, entropy_}, Paint::of(Role::data), tr("entropy of the data"));
  least->dash = {3, 2};
  least->xName = tr("step"), least->yName = tr("entropy");
  panel.marks.push_back(least);
  return panel;
}

// The flow beside it, and which of the two tells the data better.
void PlaneFlowLab::besideCurve(Panel& panel) const {
  std::vector<double> step, value;
  double top = panel.y.range->high;
  for (const auto& [frame, r] : records_) {
    if (frame > frame_) break;
    step.push_back(static_cast<double>(stepsAt(frame)));
    value.push_back(r.beside);
    top = std::max(top, r.beside);
  }
  panel.y.range->high = top;
  auto line = curveOf("beside", step, value, Paint::series(5), besideName_);
  line->width = 1.5f;
  line->xName = tr("step"), line->yName = tr("−ln p");
  panel.marks.push_back(line);
  const PlaneFlowRecord* now = record();
  if (frame_ == 0 || now == nullptr) return;
  panel.title = trf("{0} at {1:.3f} nats, {2} at {3:.3f}", name_, now->likelihood, besideName_, now->beside);
  panel.note = trf("entropy {:.3f} nats", entropy_);
}

// Towards an energy: what is minimised, and the divergence the other way round, which a mode left out makes large.
Panel PlaneFlowLab::divergencesPanel(Panel panel) const {
  std::vector<double> step, reverse, forward;
  for (const auto& [frame, r] : records_) {
    if (frame > frame_) break;
    step.push_back(static_cast<double>(stepsAt(frame)));
    reverse.push_back(std::max(r.reverse, 1e-4)), forward.push_back(std::max(r.likelihood - entropy_, 1e-4));
  }
  panel.title = frame_ == 0 ? tr("Press play: training has not begun")
                            : trf("KL(model | target) is {:.3f} nats", record() != nullptr ? record()->reverse : 0);
  if (record() != nullptr) panel.note = trf("KL(target | model) {:.3f}", record()->likelihood - entropy_);
  auto minimised = curveOf("reverse", step, reverse, Paint::of(Role::estimate), tr("KL(model | target), minimised"));
  auto other = curveOf("forward", step, forward, Paint::of(Role::data), tr("KL(target | model)"));
  minimised->width = 1.5f;
  other->dash = {3, 2};
  for (const auto& line : {minimised, other}) {
    line->directLabel = false;
    line->xName = tr("step"), line->yName = tr("divergence");
    panel.marks.push_back(line);
  }
  panel.legend = true;
  panel.x.label = tr("step");
  panel.x.range = Range{0, static_cast<double>(totalSteps_)};
  panel.y.label = tr("divergence (nats)");
  panel.y.scale = ScaleKind::log;
  return panel;
}

Panel PlaneFlowLab::inversePanel() const {
  Panel panel;
  panel.id = "inverse";
  const double worst = errors_.empty() ? 0 : *std::max_element(errors_.begin(), errors_.end());
  panel.title = worst == 0 ? tr("Inverse of forward: no error at all") : trf("Inverse of forward: off by {:.1e} at most", worst);
  addErrorHistogram(panel, errors_, 1);
  panel.x.label = tr("distance of f⁻¹(f(x)) from x (data units)");
  panel.y.label = tr("points (%)");
  return panel;
}

Panel PlaneFlowLab::stripPanel() const {
  Panel panel;
  panel.id = "strip";
  panel.frameless = true;
  panel.equalAspect = true;
  panel.legend = false;
  const Way& way = towardsData_ ? up_ : down_;
  panel.title = towardsData_ ? tr("From the latents, on the right, to samples") : tr("From the data to the latents, layer by layer");
  panel.note = tr("click a state to see it large");
  const auto positions = stripPositions();
  auto words = std::make_shared<TextMark>("names");
  auto frames = std::make_shared<BoxesMark>("frames");
  frames->lineWidth = 0.75f;
  const std::int64_t shown = std::min(particles_, tilePoints);
  const std::vector<float> origin = origin_[towardsData_ ? 1 : 0].toFloats();
  const double reach = std::max(usualSize(way.volume[layerCount()]), 1e-3);
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const auto k = static_cast<std::size_t>(positions[i]);
    const double centre = static_cast<double>(i) + 0.5, side = half(positions[i]), scale = (0.5 - tileMargin) / side;
    const std::vector<float> xy = way.cloud[k].toFloats(), volume = way.volume[k].toFloats();
    std::vector<float> points, scalar;
    for (std::size_t p = 0; p < static_cast<std::size_t>(shown); ++p) {
      // What leaves its tile is left out.
      const double x = static_cast<double>(xy[2 * p]), y = static_cast<double>(xy[2 * p + 1]);
      if (!(std::abs(x) <= side && std::abs(y) <= side)) continue;
      points.insert(points.end(), {static_cast<float>(centre + scale * x), static_cast<float>(0.5 + scale * y)});
      scalar.push_back(colourOfOrigin_ ? origin[p] : volume[p]);
    }
    auto cloud = std::make_shared<PointsMark>("state-" + std::to_string(k));
    const auto n = static_cast<std::int64_t>(scalar.size());
    cloud->xy = Tensor::from(Shape{n, 2}, points);
    cloud->scalar = Tensor::from(Shape{n}, scalar);
    cloud->map = colourOfOrigin_ ? ColorMap::cyclic : ColorMap::diverging;
    cloud->range = colourOfOrigin_ ? Range{-std::numbers::pi, std::numbers::pi} : Range{-reach, reach};
    cloud->radius = 0.8f;
    cloud->name = towardsData_ ? tr("sample") : tr("data point");
    if (n > 0 && !colourOfOrigin_) panel.marks.push_back(rimOf(*cloud));
    if (n > 0) panel.marks.push_back(cloud);
    const bool here = std::abs(position() - positions[i]) < 0.5;
    frames->boxes.push_back({centre - 0.5 + tileMargin,
                             tileMargin,
                             1 - 2 * tileMargin,
                             1 - 2 * tileMargin,
                             Paint::of(here ? Role::accent : Role::grid),
                             false,
                             {},
                             trf("after {} layers", k),
                             0});
    const std::string name = k == 0 ? (towardsData_ ? tr("samples") : tr("data")) : k == layerCount() ? tr("latents") : std::to_string(k);
    words->words.push_back({centre, -0.02, name, Paint::of(Role::muted), HAlign::center, VAlign::top, 8, Weight::regular, 0});
  }
  panel.marks.push_back(frames);
  panel.marks.push_back(words);
  panel.x.range = Range{0, static_cast<double>(positions.size())};
  panel.y.range = Range{-0.2, 1.02};
  return panel;
}

Panel PlaneFlowLab::volumesPanel() const {
  Panel panel;
  panel.id = "volumes";
  std::vector<double> at, mean, low, high;
  double most = 0;
  for (std::size_t k = 0; k < layerCount(); ++k) {
    std::vector<float> sorted = layerVolumes_[k].empty() ? std::vector<float>(1, 0.0f) : layerVolumes_[k];
    std::sort(sorted.begin(), sorted.end());
    double sum = 0;
    for (const float v : sorted) sum += static_cast<double>(v);
    const auto quantile = [&](double q) {
      return static_cast<double>(sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))]);
    };
    at.push_back(static_cast<double>(k) + 1);
    mean.push_back(sum / static_cast<double>(sorted.size()));
    low.push_back(quantile(0.05)), high.push_back(quantile(0.95));
    most = std::max({most, std::abs(low.back()), std::abs(high.back())});
  }
  panel.title = most == 0 ? tr("No layer changes volumes") : tr("Where volumes grow and shrink");
  panel.note = tr("bar: mean; line: 5 % to 95 % of the points");
  auto bars = std::make_shared<BarsMark>("mean");
  bars->position = columnOf(at), bars->value = columnOf(mean);
  bars->thickness = 0.6;
  bars->paint = Paint::of(Role::estimate, 0.85f);
  panel.marks.push_back(bars);
  for (std::size_t k = 0; k < at.size(); ++k) {
    auto range = curveOf("range-" + std::to_string(k + 1), {at[k], at[k]}, {low[k], high[k]}, Paint::of(Role::ink));
    range->width = 1.25f;
    range->yName = tr("ln |det|");
    panel.marks.push_back(range);
  }
  panel.x.range = Range{0.4, static_cast<double>(layerCount()) + 0.6};
  const std::size_t every = (layerCount() + 11) / 12;
  for (std::size_t k = 1; k <= layerCount(); k += every) panel.x.ticks.push_back({static_cast<double>(k), std::to_string(k)});
  panel.x.label = tr("layer");
  panel.y.label = tr("ln |det| (nats)");
  if (most == 0) panel.y.range = Range{-1, 1};
  if (layerCount() == 0) panel.message = tr("There are no layers");
  return panel;
}

Figure PlaneFlowLab::flowFigure(const std::string& title, Panel middleRight, Panel lowerLeft, Panel lowerRight) const {
  Figure figure;
  figure.title = title;
  place(figure, layersPanel(), 0, 0, 1, 2);
  place(figure, densityPanel(), 0, 1);
  place(figure, samplesPanel(), 0, 2);
  place(figure, likelihoodPanel(), 1, 1);
  place(figure, std::move(middleRight), 1, 2);
  place(figure, std::move(lowerLeft), 2, 0, 2, 1);
  place(figure, std::move(lowerRight), 2, 2);
  figure.rowWeights = {1.15f, 1, 0.62f};
  figure.columnWeights = {1.6f, 1, 1};
  return figure;
}

}  // namespace orrery::generative
