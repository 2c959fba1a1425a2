// NICE in the plane: a chain of additive couplings in the plane and a diagonal scale, trained live by maximum likelihood. Source: Dinh,
// Krueger and Bengio 2014, sections 3.2 to 3.4:
//   y = b x + (1 - b) (x + m(b x)),  det = 1 whatever m;   h = exp(s) y last,  ln |det| = s_1 + s_2
// so without the scale the map bends and never squeezes. Latents: standard normal or logistic. Units: data units and nats. Convention:
// forward is from data to latents. Areas are measured with triangles of side 1e-6 times the canvas, mapped in double precision.

#include "core/labs/generative/nice/plane.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/labs/generative/shared/plane_flow_file.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

constexpr std::size_t triangles = 48;
constexpr double triangleSide = 1e-6;  // of the canvas's half side

}  // namespace

Expected<PlaneFlowPlan> NicePlane::plan(const LabContext& context, const std::vector<kernels::Component>&) const {
  const flows::Prior prior = context.text("prior") == "normal" ? flows::Prior::normal : flows::Prior::logistic;
  if (const std::string& path = context.file("weights").path; !path.empty()) {
    auto file = planeFlowOfFile(path, {0, prior});
    if (!file) return file.error();
    for (const nn::NamedTensor& w : file->weights) {
      if (w.name.find(".scale.") == std::string::npos && w.name.find(".running_") == std::string::npos) continue;
      return makeError(
          ErrorCode::badInput,
          trf("The flow in {} has couplings that scale, or normalizations ('{}'); NICE's only shift: open it in RealNVP", path, w.name));
    }
    return file;
  }
  PlaneFlowPlan plan;
  plan.said = {{"prior", context.text("prior")}};
  plan.prior = prior;
  for (std::int64_t i = 0; i < context.integer("couplings"); ++i) {
    flows::CouplingOptions options;
    options.pass = flows::alternatingMask(2, i % 2 == 0);
    options.affine = false;
    options.width = context.integer("width");
    options.identityStart = false;  // not at a point where symmetric data leave no gradient
    options.depth = static_cast<int>(context.integer("depth"));
    auto layer = flows::coupling(options);
    if (!layer) return layer.error();
    plan.layers.push_back(*std::move(layer));
  }
  if (context.flag("scale-layer")) plan.layers.push_back(flows::diagonalScale(2));
  if (plan.layers.empty()) {
    return makeError(ErrorCode::usage, tr("A flow needs at least one layer to train: add a coupling or the scale layer"));
  }
  return plan;
}

std::vector<std::vector<double>> NicePlane::areaRatios() const {
  const auto xy = data_.toFloats();
  const double side = triangleSide * half(0);
  std::vector<std::vector<double>> ratios;
  for (std::size_t i = 0; i < std::min(triangles, xy.size() / 2); ++i) {
    std::array<std::array<double, 2>, 3> corner;
    for (std::size_t c = 0; c < 3; ++c) {
      corner[c] = {static_cast<double>(xy[2 * i]) + (c == 1 ? side : 0), static_cast<double>(xy[2 * i + 1]) + (c == 2 ? side : 0)};
    }
    std::vector<double> ratio{1};
    for (std::size_t k = 0; k < layerCount(); ++k) {
      for (auto& p : corner) flow_.forward(host_, p, k, k + 1);
      const double area = 0.5 * ((corner[1][0] - corner[0][0]) * (corner[2][1] - corner[0][1]) -
                                 (corner[2][0] - corner[0][0]) * (corner[1][1] - corner[0][1]));
      ratio.push_back(area / (0.5 * side * side));
    }
    ratios.push_back(std::move(ratio));
  }
  return ratios;
}

std::vector<Metric> NicePlane::metrics() const {
  std::vector<Metric> result = PlaneFlowLab::metrics();
  if (host_.empty()) return result;
  // The largest change of a triangle's area by the couplings alone, in shares of it.
  double worst = 0;
  const std::size_t couplings = layerCount() - (scaled_ ? 1 : 0);
  for (const auto& ratio : areaRatios()) {
    for (std::size_t k = 0; k <= couplings; ++k) worst = std::max(worst, std::abs(ratio[k] - 1));
  }
  result.push_back({"area-change.couplings", worst, ""});
  if (scaled_) {
    for (std::size_t d = 0; d < 2; ++d) result.push_back({"log-scale." + std::to_string(d + 1), host_.back()[d], ""});
  }
  return result;
}

Panel NicePlane::areasPanel() const {
  Panel panel;
  panel.id = "areas";
  const auto ratios = areaRatios();
  std::vector<double> layer, low, high, middle;
  double worst = 0;
  const std::size_t couplings = layerCount() - (scaled_ ? 1 : 0);
  for (std::size_t k = 0; k <= layerCount(); ++k) {
    std::vector<double> at;
    for (const auto& ratio : ratios) at.push_back(std::max(ratio[k], 1e-6));
    std::sort(at.begin(), at.end());
    layer.push_back(static_cast<double>(k));
    low.push_back(at.front()), high.push_back(at.back()), middle.push_back(at[at.size() / 2]);
    if (k <= couplings) worst = std::max({worst, std::abs(at.front() - 1), std::abs(at.back() - 1)});
  }
  panel.title =
      couplings == 0 ? tr("The scale changes every area alike") : trf("Couplings keep areas: within {:.1g} %", std::max(100 * worst, 0.01));
  panel.note = trf("{} small triangles", ratios.size());
  auto band = std::make_shared<BandMark>("range");
  band->x = columnOf(layer), band->low = columnOf(low), band->high = columnOf(high);
  band->paint = Paint::of(Role::estimate, 0.25f);
  panel.marks.push_back(band);
  auto line = curveOf("median", layer, middle, Paint::of(Role::estimate));
  line->markers = true;
  line->width = 1.5f;
  line->xName = tr("layer"), line->yName = tr("area / area before");
  panel.marks.push_back(line);
  auto rule = std::make_shared<RuleMark>("kept");
  rule->vertical = false;
  rule->at = 1;
  panel.marks.push_back(rule);
  panel.x.range = Range{-0.2, static_cast<double>(layerCount()) + 0.2};
  for (std::size_t k = 0; k <= layerCount(); ++k) {
    if (layerCount() > 8 && k % 2 == 1) continue;
    panel.x.ticks.push_back({static_cast<double>(k), k == layerCount() && scaled_ ? tr("scale") : std::to_string(k)});
  }
  panel.x.label = tr("after layer");
  panel.y.label = tr("area / area before");
  panel.y.scale = ScaleKind::log;
  const double most = std::max({2.0, 1.3 * *std::max_element(high.begin(), high.end()), 1.3 / *std::min_element(low.begin(), low.end())});
  panel.y.range = Range{scaled_ && middle.back() > 1 ? 1 / std::sqrt(most) : 1 / most, most};
  return panel;
}

Panel NicePlane::jacobianPanel() const {
  Panel panel;
  panel.id = "jacobian";
  panel.frameless = true;
  panel.equalAspect = true;
  panel.legend = false;
  const auto positions = stripPositions();
  std::vector<std::vector<double>> jacobians;
  double most = 1;
  std::size_t full = layerCount() + 1;
  for (const double position : positions) {
    jacobians.push_back(flow_.jacobian(host_, point_, static_cast<std::size_t>(position)));
    for (const double v : jacobians.back()) most = std::max(most, std::abs(v));
    const bool zero = std::any_of(jacobians.back().begin(), jacobians.back().end(), [](double v) { return v == 0; });
    if (!zero) full = std::min(full, static_cast<std::size_t>(position));
  }
  panel.title = full <= layerCount() ? trf("From layer {} on, every output depends on every input", full)
                                     : tr("Some outputs do not depend on some inputs");
  panel.note = tr("∂ output (row) / ∂ input (column) at the followed point");
  auto words = std::make_shared<TextMark>("determinants");
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const std::vector<double>& j = jacobians[i];
    const double left = static_cast<double>(i) + 0.08, side = 0.84;
    auto map = std::make_shared<HeatMapMark>("layer-" + std::to_string(static_cast<int>(positions[i])));
    map->value =
        Tensor::from(Shape{2, 2}, {static_cast<float>(j[0]), static_cast<float>(j[1]), static_cast<float>(j[2]), static_cast<float>(j[3])});
    map->x = {left, left + side};
    map->y = {1, 1 - side};  // row 0 above
    map->map = ColorMap::diverging;
    map->range = {-most, most};
    map->quantity = tr("derivative");
    map->rowNames = {tr("output x"), tr("output y")};
    map->columnNames = {tr("input x"), tr("input y")};
    panel.marks.push_back(map);
    for (std::size_t e = 0; e < 4; ++e) {
      const double cx = left + side * (e % 2 == 0 ? 0.25 : 0.75), cy = 1 - side * (e < 2 ? 0.25 : 0.75);
      const Paint ink = Paint::of(std::abs(j[e]) > 0.55 * most ? Role::ground : Role::ink);
      const std::string value = j[e] == 0 ? "0" : std::abs(j[e]) < 0.005 ? "≈ 0" : formatNumber(j[e], 0.01);
      words->words.push_back({cx, cy, value, ink, HAlign::center, VAlign::middle, 7, Weight::regular, 0});
    }
    const double determinant = j[0] * j[3] - j[1] * j[2];
    words->words.push_back({left + 0.5 * side, 0.08, trf("det {:.3f}", determinant), Paint::of(Role::muted), HAlign::center, VAlign::top, 8,
                            Weight::regular, 0});
  }
  panel.marks.push_back(words);
  panel.x.range = Range{0, static_cast<double>(positions.size())};
  panel.y.range = Range{-0.2, 1.02};
  return panel;
}

Panel NicePlane::spectrumPanel() const {
  Panel panel;
  panel.id = "spectrum";
  if (!scaled_) {
    panel.title = tr("Widths of the latents");
    panel.message = tr("Without the scale layer every latent is as wide as the prior: turn it on to see the widths");
    return panel;
  }
  const std::vector<double>& s = host_.back();
  std::vector<double> at, width;
  for (std::size_t d = 0; d < s.size(); ++d) {
    at.push_back(static_cast<double>(d));
    width.push_back(std::exp(-s[d]));
    panel.x.categories.push_back(d == 0 ? tr("x") : tr("y"));
  }
  panel.title = tr("How wide the data are along each latent");
  panel.note = trf("ln |det| = {:.2f}", s[0] + s[1]);
  auto bars = std::make_shared<BarsMark>("width");
  bars->position = columnOf(at), bars->value = columnOf(width);
  bars->thickness = 0.5;
  bars->paint = Paint::of(Role::estimate, 0.85f);
  panel.marks.push_back(bars);
  auto rule = std::make_shared<RuleMark>("unscaled");
  rule->vertical = false;
  rule->at = 1;
  rule->tag = tr("not scaled");
  panel.marks.push_back(rule);
  panel.x.scale = ScaleKind::categorical;
  panel.y.label = tr("exp(−s)");
  panel.y.range = Range{0, 1.15 * std::max(1.0, *std::max_element(width.begin(), width.end()))};
  return panel;
}

Figure NicePlane::figure() const {
  if (samples_.empty()) return {};
  return flowFigure(tr("NICE: additive coupling"), areasPanel(), lowerLeft_ == "jacobian" ? jacobianPanel() : stripPanel(),
                    lowerRight_ == "inverse"   ? inversePanel()
                    : lowerRight_ == "volumes" ? volumesPanel()
                                               : spectrumPanel());
}

}  // namespace orrery::generative
