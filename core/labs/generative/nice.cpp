// NICE: a chain of additive couplings in the plane and a diagonal scale, trained live by maximum likelihood. Source: Dinh, Krueger and
// Bengio 2014, sections 3.2 to 3.4:
//   y = b x + (1 - b) (x + m(b x)),  det = 1 whatever m;   h = exp(s) y last,  ln |det| = s_1 + s_2
// so without the scale the map bends and never squeezes. Latents: standard normal or logistic. Units: data units and nats. Convention:
// forward is from data to latents. Areas are measured with triangles of side 1e-6 times the canvas, mapped in double precision.

#include <algorithm>
#include <cmath>

#include "core/labs/generative/shared/plane_flow_lab.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

constexpr std::size_t triangles = 48;
constexpr double triangleSide = 1e-6;  // of the canvas's half side

class Nice final : public PlaneFlowLab {
 public:
  static LabEntry describe();
  Figure figure() const override;
  std::vector<Metric> metrics() const override;

 protected:
  Expected<PlaneFlowPlan> plan(const LabContext& context) const override;
  std::vector<std::string_view> ownPictureParameters() const override { return {"lower-left", "lower-right"}; }
  void readPicture(const LabContext& context) override {
    lowerLeft_ = context.text("lower-left"), lowerRight_ = context.text("lower-right");
    scaled_ = context.flag("scale-layer");
  }

 private:
  Panel areasPanel() const;
  Panel jacobianPanel() const;
  Panel spectrumPanel() const;
  std::vector<std::vector<double>> areaRatios() const;  // per triangle: area after k layers over the area before, k from 0
  std::string lowerLeft_, lowerRight_;
  bool scaled_ = true;
};

LabEntry Nice::describe() {
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  LabEntry entry;
  entry.id = "generative/nice";
  entry.title = "NICE: additive coupling";
  entry.summary = "Invertible by construction, volume preserved";
  entry.parameters = planeSceneParameters("moons");
  const auto append = [&](std::vector<Parameter> more) { entry.parameters.insert(entry.parameters.end(), more.begin(), more.end()); };
  append({
      {"couplings", "Couplings K", "Layers of the flow; each moves one coordinate.", "Flow", whole(6), Integer{0, 16}},
      {"scale-layer", "Scale layer", "A last layer that stretches each axis by a learned factor: the only one that changes volumes.",
       "Flow", true, Switch{}},
      {"prior", "Law of the latents", "What the data are mapped to.", "Flow", "normal"s,
       Choice{{{"normal", "Normal"}, {"logistic", "Logistic"}}}},
      {"width", "Hidden width", "Units per hidden layer of each coupling's network.", "Flow", whole(64), Integer{8, 1024, true}},
      {"depth", "Hidden layers", "Of each coupling's network.", "Flow", whole(2), Integer{1, 5}},
  });
  append(trainingParameters(1000, 1e-2, 512));
  append(pictureParameters("origin"));
  append({{"lower-left", "Lower left", "What the lower left panel shows.", "Picture", "strip"s,
           Choice{{{"strip", "Layer by layer"}, {"jacobian", "Jacobian after each layer"}}}},
          {"lower-right", "Lower right", "What the lower right panel shows.", "Picture", "spectrum"s,
           Choice{{{"spectrum", "Widths of the latents"}, {"inverse", "Error of the inverse"}, {"volumes", "Volume change per layer"}}}}});
  append({seedParameter()});
  entry.presets = {
      {"shear-stack",
       "Shear stack",
       "Every layer shears along one axis, in turn. Drag the way through the layers and watch the grid.",
       {{"way", 0.5}, {"scale-layer", false}, {"lower-left", "jacobian"s}}},
      {"cannot-squeeze",
       "Cannot squeeze",
       "No scale layer: the couplings bend the moons but keep every area, so samples spread over as much of the plane as the prior's.",
       {{"scale-layer", false}}},
      {"scale-on",
       "Scale on",
       "The same stack with a scale at the end: mass concentrates, and the widths say how far each axis was stretched.",
       {{"scale-layer", true}, {"lower-right", "spectrum"s}}},
      {"symmetric-ring",
       "Held by symmetry",
       "On the ring the mean of one coordinate given the other is 0, so no small shift helps: additive couplings stay at the identity, and "
       "only the scale moves.",
       {{"scene", "ring8"s}}},
      {"deep",
       "Twelve shears",
       "More layers bend the spiral further.",
       {{"scene", "spiral"s}, {"couplings", whole(12)}, {"width", whole(32)}}},
  };
  entry.views = {{"layers", "Cloud and grid on their way"}, {"density", "The model's density"},    {"samples", "Samples over data"},
                 {"likelihood", "Likelihood and entropy"},  {"areas", "Areas of small triangles"}, {"strip", "Layer by layer"},
                 {"jacobian", "Jacobian after each layer"}, {"spectrum", "Widths of the latents"}, {"inverse", "Error of the inverse"},
                 {"volumes", "Volume change per layer"}};
  entry.accepts = {planeSceneAcceptance()};
  entry.make = [] { return std::make_unique<Nice>(); };
  return entry;
}

Expected<PlaneFlowPlan> Nice::plan(const LabContext& context) const {
  PlaneFlowPlan plan;
  plan.prior = context.text("prior") == "normal" ? flows::Prior::normal : flows::Prior::logistic;
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

std::vector<std::vector<double>> Nice::areaRatios() const {
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

std::vector<Metric> Nice::metrics() const {
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

Panel Nice::areasPanel() const {
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

Panel Nice::jacobianPanel() const {
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

Panel Nice::spectrumPanel() const {
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

Figure Nice::figure() const {
  if (samples_.empty()) return {};
  return flowFigure(tr("NICE: additive coupling"), areasPanel(), lowerLeft_ == "jacobian" ? jacobianPanel() : stripPanel(),
                    lowerRight_ == "inverse"   ? inversePanel()
                    : lowerRight_ == "volumes" ? volumesPanel()
                                               : spectrumPanel());
}

}  // namespace

ORRERY_LAB(Nice);

}  // namespace orrery::generative
