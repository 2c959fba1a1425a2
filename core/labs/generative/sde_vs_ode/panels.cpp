// The pictures of the lab sde-vs-ode: two canvases with a common time, and two smaller panels chosen by the user.

#include <algorithm>
#include <cmath>

#include "core/kernels/copy.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/histogram.h"
#include "core/labs/generative/sde_vs_ode/lab.h"

namespace orrery::generative {

namespace {

using kernels::Component;

// Centres of n x n cells over a canvas's rasters, row 0 at the bottom.
Tensor gridPoints(std::int64_t n, double reach) {
  std::vector<float> points;
  const auto centre = [&](std::int64_t i) {
    return static_cast<float>(rasterShare * reach * (2 * (static_cast<double>(i) + 0.5) / static_cast<double>(n) - 1));
  };
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t c = 0; c < n; ++c) {
      points.push_back(centre(c));
      points.push_back(centre(r));
    }
  }
  return Tensor::from(Shape{n * n, 2}, points);
}

// About the largest value of p_t: its value at some of the component means.
double peakOf(const PlanarDensity& density, double alpha, double sigma) {
  const auto& components = density.components;
  const std::size_t tries = components.size() <= 64 ? components.size() : 8;
  double peak = -1e308;
  for (std::size_t i = 0; i < tries; ++i) {
    const Component& c = components[i * components.size() / tries];
    peak = std::max(peak, kernels::evaluateMixture(components, alpha * c.x, alpha * c.y, alpha, alpha * sigma).logDensity);
  }
  return std::exp(peak);
}

}  // namespace

std::string decimals(double value, int places) { return fmt::format("{:.{}f}", value, places); }

double SdeVsOde::reach() const {
  // Scaled schedules keep everything within a few units; the unscaled one is followed by the camera.
  const double data = 1.2 * density_.reach;
  if (settings_.display == Display::edm) return std::max(data, 2.2 * sigma());
  const double away = std::max(std::abs(settings_.shiftX), std::abs(settings_.shiftY));
  return std::max(data, (2.1 + away) * std::max(0.7, settings_.startScale));
}

std::string SdeVsOde::nameOf(int side) const {
  const bool left = settings_.solver[0].zeta > 0, right = settings_.solver[1].zeta > 0;
  if (left == right) return side == 0 ? tr("left") : tr("right");
  return (side == 0 ? left : right) ? tr("SDE") : tr("ODE");
}

Paint SdeVsOde::paintOf(int side, float alpha) const {
  const bool left = settings_.solver[0].zeta > 0, right = settings_.solver[1].zeta > 0;
  if (side == 1 && left == right) return Paint::of(Role::series2, alpha);
  return Paint::of((side == 0 ? left : right) ? Role::stochastic : Role::deterministic, alpha);
}

Axis SdeVsOde::timeAxis() const {
  Axis axis;
  axis.reversed = true;
  axis.label = tr("time t (data at 0)");
  axis.range = Range{0, std::max(displayTime(settings_.display, settings_.sigmaMax), 1e-3)};
  return axis;
}

SdeVsOde::Shown SdeVsOde::prepare() const {
  Shown shown;
  gpu::Stream& stream = *stream_;
  const double level = sigma(), scale = alpha(), half = reach();
  const auto edge = static_cast<float>(rasterShare * half);
  for (std::size_t i = 0; i < 2; ++i) {
    shown.points[i] = scale == 1 ? sides_[i].state.x : kernels::affine(stream, sides_[i].state.x, static_cast<float>(scale), 0);
    if (settings_.particles >= imageFrom) {
      constexpr std::int64_t cells = 228;
      const kernels::Bins bins{-edge, edge, cells};
      shown.image[i] = kernels::convert(stream, kernels::histogram2d(stream, shown.points[i], bins, bins), DType::f32);
      const double cell = 2 * rasterShare * half / static_cast<double>(cells);
      shown.imageHigh = std::max(
          4.0, 0.8 * peakOf(density_, scale, std::max(level, settings_.levels[settings_.levels.size() - 2])) * cell * cell * static_cast<double>(settings_.particles));
    }
  }
  const std::size_t components = density_.components.size();
  if (settings_.showDensity) {
    // Deltas are shown at least one cell wide.
    const std::int64_t cells = components <= 32 ? 76 : components <= 256 ? 66 : 48;
    const double shownLevel = std::max(level, rasterShare * half / static_cast<double>(cells) / scale);
    const Tensor logarithm =
        kernels::mixture(stream, exactTable_, gridPoints(cells, half), scale, scale * shownLevel, kernels::MixtureOutput::logDensity);
    shown.density = kernels::unary(stream, kernels::Unary::exp, logarithm).reshaped(Shape{cells, cells});
    shown.densityHigh = peakOf(density_, scale, shownLevel);
  }
  if (settings_.showField) {
    // The ODE pushes from x_t towards alpha D.
    const double fieldLevel = std::max(level, 0.05);
    shown.fieldAt = gridPoints(17, half);
    const Tensor scaled = kernels::affine(stream, shown.fieldAt, static_cast<float>(1 / scale), 0);
    for (std::size_t i = 0; i < 2; ++i) {
      const Tensor D = sides_[i].denoise(stream, scaled, fieldLevel);
      shown.field[i] =
          kernels::binary(stream, kernels::Binary::sub, kernels::affine(stream, D, static_cast<float>(scale), 0), shown.fieldAt);
    }
  }
  return shown;
}

Panel SdeVsOde::canvas(int side, const Shown& shown) const {
  const auto s = static_cast<std::size_t>(side);
  const Side& sampler = sides_[s];
  const double half = reach(), scale = alpha(), level = sigma(), zeta = settings_.solver[s].zeta;
  Panel panel;
  panel.id = side == 0 ? "left" : "right";
  panel.title = zeta > 0 ? trf("Reverse SDE, ζ = {}", decimals(zeta)) : tr("Probability-flow ODE, ζ = 0");
  if (settings_.network[s]) panel.title = trf("{}, your network", panel.title);
  const std::string when = fmt::format("t = {}  σ = {:.3g}", decimals(time()), level);
  panel.note = side == 0 ? when : settings_.sharedStart ? tr("same start, same σ") : tr("own start, same σ");
  if (settings_.network[s] && !networkErrors_.complaint.empty()) panel.note = networkErrors_.complaint;
  panel.column = side;
  panel.equalAspect = true;
  panel.frameless = true;
  panel.x.range = panel.y.range = Range{-half, half};
  panel.legend = false;
  const Bounds bounds{*panel.x.range, *panel.y.range};
  const Range raster{-rasterShare * half, rasterShare * half};

  if (!shown.density.empty()) {
    auto heat = std::make_shared<HeatMapMark>("density");
    heat->value = shown.density;
    heat->x = heat->y = raster;
    heat->map = zeta > 0 ? ColorMap::magma : ColorMap::viridis;
    heat->range = Range{0, shown.densityHigh};
    heat->smooth = true;
    heat->alphaFromValue = true;
    heat->alpha = 0.35f;
    heat->quantity = tr("exact density");
    heat->matrix = false;
    panel.marks.push_back(heat);
  }
  if (!shown.field[s].empty()) {
    auto field = std::make_shared<VectorFieldMark>("field");
    field->xy = shown.fieldAt;
    field->uv = shown.field[s];
    panel.marks.push_back(field);
  }
  if (settings_.trails > 0) {
    auto trails = std::make_shared<PathsMark>("trails");
    trails->xy = sampler.path;
    trails->firstStep = std::max<std::int64_t>(0, frame_ - std::llround(settings_.trailShare * static_cast<double>(settings_.steps)));
    trails->stepCount = frame_ + 1 - trails->firstStep;
    trails->paint = paintOf(side, 0.8f);
    trails->knownBounds = bounds;
    panel.marks.push_back(trails);
  }
  if (!shown.image[s].empty()) {
    auto image = std::make_shared<HeatMapMark>("particles");
    image->value = shown.image[s];
    image->x = image->y = raster;
    image->map = ColorMap::gray;
    image->range = Range{0, shown.imageHigh};
    image->alphaFromValue = true;
    image->quantity = tr("particles");
    image->matrix = false;
    panel.marks.push_back(image);
  } else {
    auto points = std::make_shared<PointsMark>("particles");
    points->xy = shown.points[s];
    points->paint = Paint::of(Role::data, settings_.particles > 8192 ? 0.5f : 0.8f);
    points->radius = settings_.particles > 2048 ? 0.7f : 1.1f;
    points->name = tr("particle");
    points->knownBounds = bounds;
    panel.marks.push_back(points);
  }
  if (settings_.traced >= 0) {
    // The traced particle and where it may have come from: every component weighted by its responsibility.
    const auto state = sampler.state.x.as<float>();
    const auto i = static_cast<std::size_t>(settings_.traced);
    const auto x = static_cast<double>(state[2 * i]), y = static_cast<double>(state[2 * i + 1]);
    if (density_.components.size() <= 64) {
      std::vector<float> from, to, weight;
      std::vector<double> logits;
      for (const Component& c : density_.components) {
        logits.push_back(std::log(c.weight) + kernels::evaluateMixture({&c, 1}, x, y, 1, std::max(level, 1e-3)).logDensity);
      }
      const double largest = *std::max_element(logits.begin(), logits.end());
      double sum = 0;
      for (double& l : logits) sum += l = std::exp(l - largest);
      for (std::size_t k = 0; k < logits.size(); ++k) {
        from.insert(from.end(), {static_cast<float>(scale * x), static_cast<float>(scale * y)});
        to.insert(to.end(), {static_cast<float>(scale * density_.components[k].x), static_cast<float>(scale * density_.components[k].y)});
        weight.push_back(static_cast<float>(logits[k] / sum));
      }
      const auto count = static_cast<std::int64_t>(weight.size());
      auto links = std::make_shared<LinksMark>("posterior");
      links->from = Tensor::from(Shape{count, 2}, from);
      links->to = Tensor::from(Shape{count, 2}, to);
      links->weight = Tensor::from(Shape{count}, weight);
      links->paint = Paint::of(Role::accent);
      panel.marks.push_back(links);
    }
    auto path = std::make_shared<PathsMark>("traced-path");
    path->xy = sampler.tracedPath;
    path->stepCount = frame_ + 1;
    path->paint = Paint::of(Role::accent);
    path->width = 1.5f;
    path->fade = false;
    path->knownBounds = bounds;
    panel.marks.push_back(path);
    auto ring = std::make_shared<PointsMark>("traced");
    ring->xy = Tensor::from(Shape{1, 2}, {static_cast<float>(scale * x), static_cast<float>(scale * y)});
    ring->shape = PointShape::ring;
    ring->radius = 4;
    ring->paint = Paint::of(Role::accent);
    ring->name = trf("particle {}", formatNumber(static_cast<double>(settings_.traced)));
    panel.marks.push_back(ring);
    panel.handles.push_back({"traced", scale * x, scale * y, Handle::Kind::point, ring->name});
  }
  if (density_.named && settings_.scene != "drawn") {
    for (std::size_t k = 0; k < density_.components.size(); ++k) {
      const Component& c = density_.components[k];
      panel.handles.push_back({"component-" + std::to_string(k), scale * c.x, scale * c.y, Handle::Kind::point, trf("blob {}", k + 1)});
    }
  }
  if (frame_ == 0) {
    panel.handles.push_back({"start", scale * settings_.shiftX * settings_.sigmaMax, scale * settings_.shiftY * settings_.sigmaMax,
                             Handle::Kind::point, tr("start cloud")});
  }
  return panel;
}

Panel SdeVsOde::tracePanel(DistanceKind kind) const {
  static constexpr const char* ids[] = {"distance", "energy", "discrepancy", "likelihood"};
  // What two exact samples may differ by beyond their floor: the unbiased ones are often near 0.
  static constexpr double slack[] = {0, 0.002, 0.002, 0.01};
  const auto index = static_cast<std::size_t>(kind);
  const bool above = kind == DistanceKind::sliced;  // never below 0
  Panel panel;
  panel.id = ids[index];
  std::vector<double> x, value[2], floor, lowest;
  double high = 0, low = 0;
  for (const Tick& tick : ticks_) {
    const Distance& d = tick.of(kind);
    high = std::max({high, d.side[0], d.side[1], 1.5 * d.floor});
    low = std::min({low, d.side[0], d.side[1]});
    if (tick.frame > frame_) continue;
    x.push_back(displayTime(settings_.display, settings_.levels[static_cast<std::size_t>(tick.frame)]));
    for (std::size_t i = 0; i < 2; ++i) value[i].push_back(d.side[i]);
    floor.push_back(d.floor);
    lowest.push_back(above ? 0 : -d.floor);
  }
  // Say what the newest measurement shows. Twice the floor: two exact samples differ by it, too, with room for chance.
  const Distance& now = tick().of(kind);
  const double limit = 2 * (now.floor + slack[index]);
  const bool off[2] = {std::abs(now.side[0]) > limit, std::abs(now.side[1]) > limit};
  if (off[0] != off[1]) {
    panel.title = trf("The {} matches the exact density, the {} does not", nameOf(off[0] ? 1 : 0), nameOf(off[0] ? 0 : 1));
  } else {
    panel.title = off[0] ? tr("Neither matches the exact density at t") : tr("Both match the exact density at t");
  }
  const std::string notes[] = {tr("sliced W₂"), tr("energy distance"), trf("MMD², kernel width {}", decimals(discrepancyScale, 1)),
                               tr("−ln p above exact samples (nats)")};
  panel.note = notes[index];
  panel.x = timeAxis();
  panel.y.range = Range{above ? 0.0 : std::min(1.1 * low, -0.1 * high), 1.1 * std::max(high, 1e-3)};
  panel.y.grid = true;
  auto band = std::make_shared<BandMark>("floor");
  band->x = columnOf(x);
  band->low = columnOf(lowest);
  band->high = columnOf(floor);
  band->label = tr("sampling noise");
  panel.marks.push_back(band);
  panel.marks.push_back(curveOf("left", x, value[0], paintOf(0), nameOf(0)));
  panel.marks.push_back(curveOf("right", x, value[1], paintOf(1), nameOf(1)));
  return panel;
}

Panel SdeVsOde::tablePanel() const {
  Panel panel;
  panel.id = "table";
  const Tick& now = tick();
  panel.title = now.frame == settings_.steps ? tr("At the end, against the exact density") : trf("At step {}, against the exact density", now.frame);
  panel.frameless = true;
  panel.x.range = Range{0, 1};
  panel.y.range = Range{0, 7};
  auto words = std::make_shared<TextMark>("table");
  const auto row = [&](double y, const std::string& name, const std::string& left, const std::string& right, const std::string& noise, bool head) {
    const Weight weight = head ? Weight::semibold : Weight::regular;
    const float size = 8.5f;
    words->words.push_back({0.01, y, name, Paint::of(head ? Role::muted : Role::ink), HAlign::left, VAlign::middle, size, weight});
    words->words.push_back({0.6, y, left, head ? paintOf(0) : Paint::of(Role::ink), HAlign::right, VAlign::middle, size, weight});
    words->words.push_back({0.79, y, right, head ? paintOf(1) : Paint::of(Role::ink), HAlign::right, VAlign::middle, size, weight});
    words->words.push_back({0.98, y, noise, Paint::of(Role::muted), HAlign::right, VAlign::middle, size, weight});
  };
  row(6.4, tr("distance"), nameOf(0), nameOf(1), tr("sampling noise"), true);
  const std::string names[] = {tr("sliced W₂"), tr("energy distance"), tr("MMD²"), tr("−ln p above exact (nats)")};
  for (const DistanceKind kind : distanceKinds) {
    const auto index = static_cast<std::size_t>(kind);
    const Distance& d = now.of(kind);
    row(5.3 - static_cast<double>(index), names[index], decimals(d.side[0], 4), decimals(d.side[1], 4), decimals(d.floor, 4), false);
  }
  if (density_.named && !now.modeMass[0].empty()) {
    double total = 0, worst[2] = {0, 0};
    for (const auto& c : density_.components) total += c.weight;
    for (std::size_t k = 0; k < now.modeMass[0].size(); ++k) {
      const double share = density_.components[k].weight / total;
      for (std::size_t i = 0; i < 2; ++i) worst[i] = std::max(worst[i], std::abs(now.modeMass[i][k] - share));
    }
    // Of a share w of n particles the deviation is sqrt(w (1 - w) / n); the largest share's.
    const double n = static_cast<double>(exact_[0].size());
    double noise = 0;
    for (const auto& c : density_.components) noise = std::max(noise, std::sqrt(c.weight / total * (1 - c.weight / total) / n));
    row(1.3, tr("mode mass, largest gap"), decimals(worst[0], 4), decimals(worst[1], 4), decimals(noise, 4), false);
  }
  row(0.3, tr("evaluations per particle"), decimals(sides_[0].sampler->evaluations(frame_), 0),
      decimals(sides_[1].sampler->evaluations(frame_), 0), "", false);
  panel.marks.push_back(words);
  return panel;
}

Panel SdeVsOde::forgetPanel() const {
  Panel panel;
  panel.id = "forget";
  std::vector<double> x, value[2];
  for (std::int64_t f = 0; f <= frame_; ++f) {
    x.push_back(displayTime(settings_.display, settings_.levels[static_cast<std::size_t>(f)]));
    for (std::size_t i = 0; i < 2; ++i) value[i].push_back(sides_[i].separation[static_cast<std::size_t>(f)]);
  }
  double high = 0;
  for (const Side& side : sides_) high = std::max(high, *std::max_element(side.separation.begin(), side.separation.end()));
  const bool shifted = settings_.shiftX != 0 || settings_.shiftY != 0;
  const std::string shift = decimals(shifted ? std::hypot(settings_.shiftX, settings_.shiftY) : 0.5);
  std::string verdict[2];
  for (std::size_t i = 0; i < 2; ++i) {
    // What is left at the end of the distance at the start.
    const double left = value[i].back() / std::max(value[i].front(), 1e-12);
    verdict[i] = left < 0.1 ? trf("{} forgets", nameOf(static_cast<int>(i))) : trf("{} remembers", nameOf(static_cast<int>(i)));
  }
  const bool ended = frame_ == settings_.steps;
  if (ended)
    panel.title = trf("Start shifted by {} σ: {}, {}", shift, verdict[0], verdict[1]);
  else
    panel.title = shifted ? trf("Start shifted by {} σ: who forgets?", shift) : trf("Two starts {} σ apart: who forgets?", shift);
  panel.note = tr("distance of the pairs");
  panel.x = timeAxis();
  panel.y.range = Range{0, 1.1 * std::max(high, 1e-6)};
  panel.y.grid = true;
  panel.marks.push_back(curveOf("left", x, value[0], paintOf(0), ended ? verdict[0] : nameOf(0)));
  panel.marks.push_back(curveOf("right", x, value[1], paintOf(1), ended ? verdict[1] : nameOf(1)));
  return panel;
}

Panel SdeVsOde::fanPanel() const {
  Panel panel;
  panel.id = "fan";
  const bool stochastic[2] = {settings_.solver[0].zeta > 0, settings_.solver[1].zeta > 0};
  panel.title = stochastic[0] != stochastic[1] ? trf("One start: {} futures for the SDE, one for the ODE", fanCount)
                                               : tr("One start: its futures left and right");
  panel.x = timeAxis();
  panel.y.label = tr("first coordinate of x");
  const double high = std::max(2.0, 1.2 * density_.reach);
  panel.y.range = Range{-high, high};
  for (const int side : {0, 1}) {
    auto fan = std::make_shared<PathsMark>(side == 0 ? "left" : "right");
    fan->xy = sides_[static_cast<std::size_t>(side)].fan;
    fan->stepCount = frame_ + 1;
    fan->paint = paintOf(side, stochastic[side] ? 0.35f : 1.0f);
    fan->width = stochastic[side] ? 0.6f : 1.5f;
    fan->fade = false;
    fan->knownBounds = Bounds{*panel.x.range, *panel.y.range};
    fan->label = nameOf(side);
    fan->directLabel = false;
    panel.marks.push_back(fan);
  }
  const double unit = measureAlpha(settings_.sigmaMax) * settings_.sigmaMax;
  panel.handles.push_back({"fan-start", displayTime(settings_.display, settings_.sigmaMax), unit * settings_.fanStart[0],
                           Handle::Kind::point, tr("the one start")});
  return panel;
}

Panel SdeVsOde::modesPanel() const {
  Panel panel;
  panel.id = "modes";
  const Tick& now = tick();
  if (now.modeMass[0].empty()) {
    panel.message = tr("This density has no modes to count: choose one of the mixtures");
    return panel;
  }
  double worst[2] = {0, 0};
  const std::size_t count = density_.components.size();
  std::vector<double> position[2], weightAt, weight;
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t i = 0; i < 2; ++i) {
      position[i].push_back(static_cast<double>(k) + (i == 0 ? -0.2 : 0.2));
      worst[i] = std::max(worst[i], std::abs(now.modeMass[i][k] - density_.components[k].weight));
    }
    weightAt.insert(weightAt.end(), {static_cast<double>(k) - 0.42, static_cast<double>(k) + 0.42, static_cast<double>(k) + 0.42});
    weight.insert(weight.end(), {density_.components[k].weight, density_.components[k].weight, std::nan("")});
    panel.x.categories.push_back(std::to_string(k + 1));
  }
  panel.title = trf("Mode mass is off by at most {} % ({}) and {} % ({})", decimals(100 * worst[0], 1), nameOf(0),
                    decimals(100 * worst[1], 1), nameOf(1));
  panel.x.scale = ScaleKind::categorical;
  panel.x.label = tr("mode");
  panel.y.label = tr("share of particles");
  panel.y.range = Range{0, 1.25 * std::max({*std::max_element(now.modeMass[0].begin(), now.modeMass[0].end()),
                                            *std::max_element(now.modeMass[1].begin(), now.modeMass[1].end()), 1e-3})};
  for (const int side : {0, 1}) {
    auto bars = std::make_shared<BarsMark>(side == 0 ? "left" : "right");
    bars->position = columnOf(position[side]);
    bars->value = columnOf(now.modeMass[side]);
    bars->thickness = 0.36;
    bars->paint = paintOf(side, 0.85f);
    bars->label = nameOf(side);
    bars->directLabel = false;
    panel.marks.push_back(bars);
  }
  auto exact = curveOf("weight", weightAt, weight, Paint::of(Role::data), tr("exact weight"));
  exact->directLabel = false;
  panel.marks.push_back(exact);
  return panel;
}

Panel SdeVsOde::lowerPanel(const std::string& kind, const Shown& shown) const {
  if (kind == "energy") return tracePanel(DistanceKind::energy);
  if (kind == "discrepancy") return tracePanel(DistanceKind::discrepancy);
  if (kind == "likelihood") return tracePanel(DistanceKind::likelihood);
  if (kind == "table") return tablePanel();
  if (kind == "forget") return forgetPanel();
  if (kind == "modes") return modesPanel();
  if (kind == "fan") return fanPanel();
  if (kind == "marginals") return marginalsPanel(shown);
  if (kind == "difference") return differencePanel(shown);
  if (kind == "two-time") return twoTimePanel(shown);
  if (kind == "network" || kind == "network-levels") return networkPanel(kind);
  return tracePanel(DistanceKind::sliced);
}

Figure SdeVsOde::figure() const {
  Figure figure;
  figure.title = tr("Same marginals, different paths");
  const Shown shown = prepare();
  figure.panels.push_back(canvas(0, shown));
  figure.panels.push_back(canvas(1, shown));
  const bool same = settings_.lower[0] == settings_.lower[1];
  for (const int place : {0, 1}) {
    if (place == 1 && same) break;
    Panel panel = lowerPanel(settings_.lower[place], shown);
    panel.row = 1;
    panel.column = place;
    panel.columnSpan = same ? 2 : 1;
    figure.panels.push_back(std::move(panel));
  }
  figure.rowWeights = {1.45f, 1.0f};
  return figure;
}

}  // namespace orrery::generative
