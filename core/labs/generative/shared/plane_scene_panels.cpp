// Marks of plane scenes.

#include "core/labs/generative/shared/plane_scene_panels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/base/text.h"
#include "core/kernels/elementwise.h"

namespace orrery::generative {

using kernels::Component;

namespace {

// Centres of n x n cells over a canvas's raster, row 0 at the bottom.
Tensor cellCentres(std::int64_t n, double half) {
  std::vector<float> points;
  const auto centre = [&](std::int64_t i) {
    return static_cast<float>(planeRasterShare * half * (2 * (static_cast<double>(i) + 0.5) / static_cast<double>(n) - 1));
  };
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t c = 0; c < n; ++c) points.insert(points.end(), {centre(c), centre(r)});
  }
  return Tensor::from(Shape{n * n, 2}, points);
}

}  // namespace

Panel planePanel(std::string id, double half) {
  Panel panel;
  panel.id = std::move(id);
  panel.equalAspect = true;
  panel.frameless = true;
  panel.x.range = panel.y.range = Range{-half, half};
  panel.legend = false;
  return panel;
}

std::shared_ptr<HeatMapMark> densityMark(gpu::Stream& stream, const PlaneScene& scene, const kernels::MixtureTable& table, double alpha,
                                         double level, double half, ColorMap map) {
  const auto& components = scene.density.components;
  const std::int64_t cells = components.size() <= 32 ? 76 : components.size() <= 256 ? 66 : 48;
  const double shown = std::max(level, planeRasterShare * half / static_cast<double>(cells) / alpha);
  const Tensor logarithm =
      kernels::mixture(stream, table, cellCentres(cells, half), alpha, alpha * shown, kernels::MixtureOutput::logDensity);
  // About the largest value: that at some of the means.
  const std::size_t tries = std::min<std::size_t>(components.size(), components.size() <= 64 ? 64 : 8);
  double peak = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < tries; ++i) {
    const Component& c = components[i * components.size() / tries];
    peak = std::max(peak, kernels::evaluateMixture(components, alpha * c.x, alpha * c.y, alpha, alpha * shown).logDensity);
  }
  auto heat = std::make_shared<HeatMapMark>("density");
  heat->value = kernels::unary(stream, kernels::Unary::exp, logarithm).reshaped(Shape{cells, cells});
  heat->x = heat->y = Range{-planeRasterShare * half, planeRasterShare * half};
  heat->map = map;
  heat->range = Range{0, std::exp(peak)};
  heat->smooth = true;
  heat->alphaFromValue = true;
  heat->alpha = 0.35f;
  heat->quantity = tr("exact density");
  heat->matrix = false;
  return heat;
}

std::shared_ptr<HeatMapMark> hostDensityMark(const PlaneScene& scene, double scale, double level, double half) {
  constexpr std::int64_t cells = 68;
  const double extent = planeRasterShare * half / scale, cell = extent / static_cast<double>(cells);
  // Blobs narrower than a cell are shown one cell wide.
  const double shown = std::max(level, cell);
  std::vector<float> values;
  double peak = 0;
  const auto centre = [&](std::int64_t i) { return extent * (2 * (static_cast<double>(i) + 0.5) / static_cast<double>(cells) - 1); };
  for (std::int64_t r = 0; r < cells; ++r) {
    for (std::int64_t c = 0; c < cells; ++c) {
      const double density = std::exp(scene.mixture.logDensity(centre(c), centre(r), shown));
      values.push_back(static_cast<float>(density));
      peak = std::max(peak, density);
    }
  }
  auto heat = std::make_shared<HeatMapMark>("density");
  heat->value = Tensor::from(Shape{cells, cells}, values);
  heat->x = heat->y = Range{-planeRasterShare * half, planeRasterShare * half};
  heat->range = Range{0, std::max(peak, 1e-300)};
  heat->smooth = true;
  heat->matrix = false;
  heat->alpha = 0.5f;
  heat->alphaFromValue = true;
  heat->quantity = tr("density");
  return heat;
}

Tensor pairsOf(const diffusion::State& state, double scale) {
  std::vector<float> floats;
  floats.reserve(state.size());
  for (const double value : state) floats.push_back(static_cast<float>(scale * value));
  return Tensor::from(Shape{static_cast<std::int64_t>(floats.size() / 2), 2}, floats);
}

std::shared_ptr<PointsMark> cloudMark(std::string id, Tensor xy, Paint paint, double half) {
  auto points = std::make_shared<PointsMark>(std::move(id));
  points->radius = xy.shape()[0] > 2048 ? 0.7f : 1.1f;
  points->xy = std::move(xy);
  points->paint = paint;
  points->name = tr("particle");
  points->knownBounds = Bounds{Range{-half, half}, Range{-half, half}};
  return points;
}

void addPosterior(Panel& panel, const PlaneScene& scene, double x, double y, double alpha, double level) {
  const auto& components = scene.density.components;
  std::vector<double> logits;
  for (const Component& c : components)
    logits.push_back(std::log(std::max(c.weight, 1e-300)) + kernels::evaluateMixture({&c, 1}, x, y, 1, std::max(level, 1e-4)).logDensity);
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (double& logit : logits) sum += logit = std::exp(logit - largest);

  std::vector<double> ellipseX, ellipseY;
  std::vector<float> from, to, weight;
  for (std::size_t k = 0; k < components.size() && weight.size() < 64; ++k) {
    const double share = logits[k] / sum;
    if (share < 0.01) continue;
    // Per principal axis: mean mu + C / S (x - mu), variance C s^2 / S.
    const Component& c = components[k];
    const double cosine = std::cos(c.angle), sine = std::sin(c.angle), u = cosine * (x - c.x) + sine * (y - c.y),
                 v = cosine * (y - c.y) - sine * (x - c.x), s2 = level * level;
    const auto shareOf = [&](double variance) { return variance > 0 ? variance / (variance + s2) : 0.0; };
    const double mu = shareOf(c.along) * u, mv = shareOf(c.across) * v;
    const double mx = c.x + cosine * mu - sine * mv, my = c.y + sine * mu + cosine * mv;
    const double along = 2 * std::sqrt(shareOf(c.along) * s2), across = 2 * std::sqrt(shareOf(c.across) * s2);
    for (int i = 0; i <= 48; ++i) {
      const double angle = 2 * std::numbers::pi * i / 48, a = along * std::cos(angle), b = across * std::sin(angle);
      ellipseX.push_back(mx + cosine * a - sine * b);
      ellipseY.push_back(my + sine * a + cosine * b);
    }
    ellipseX.push_back(std::nan(""));
    ellipseY.push_back(std::nan(""));
    from.insert(from.end(), {static_cast<float>(alpha * x), static_cast<float>(alpha * y)});
    to.insert(to.end(), {static_cast<float>(mx), static_cast<float>(my)});
    weight.push_back(static_cast<float>(share));
  }
  const auto count = static_cast<std::int64_t>(weight.size());
  auto links = std::make_shared<LinksMark>("posterior-links");
  links->from = Tensor::from(Shape{count, 2}, from);
  links->to = Tensor::from(Shape{count, 2}, to);
  links->weight = Tensor::from(Shape{count}, weight);
  links->paint = Paint::of(Role::accent);
  panel.marks.push_back(links);
  panel.marks.push_back(curveOf("posterior", ellipseX, ellipseY, Paint::of(Role::accent)));
}

void addBlobHandles(Panel& panel, const PlaneScene& scene, double alpha) {
  if (!scene.density.named || scene.id == "drawn") return;
  const auto& components = scene.density.components;
  for (std::size_t k = 0; k < components.size(); ++k)
    panel.handles.push_back(
        {"component-" + std::to_string(k), alpha * components[k].x, alpha * components[k].y, Handle::Kind::point, trf("blob {}", k + 1)});
}

Changes sceneChanges(const PointerEvent& event, const Values& values, double alpha) {
  const auto text = [&](const char* id) { return std::get<std::string>(values.find(id)->second); };
  const std::string scene = text("scene");
  const double x = event.x / alpha, y = event.y / alpha;
  if (event.handle.starts_with("component-")) {
    if (event.kind != PointerEvent::Kind::drag) return {};
    return {{"components", moved(text("components"), scene, static_cast<std::size_t>(std::stoul(event.handle.substr(10))), x, y)}};
  }
  if (scene != "drawn" || (event.kind != PointerEvent::Kind::drag && event.kind != PointerEvent::Kind::press)) return {};
  const std::string before = text("strokes");
  const std::string after = painted(before, x, y, std::get<double>(values.find("brush")->second), event.alternate);
  if (after == before) return {};
  return {{"strokes", after}};
}

}  // namespace orrery::generative
