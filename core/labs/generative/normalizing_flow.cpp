// Normalizing flows: planar ridges, radial centres, both in turn, affine couplings, or a continuous flow, trained live by maximum likelihood.
// Sources: Rezende and Mohamed 2015, eq. 4 (chains) and 10 to 14 (layers); Dinh et al. 2017 (couplings); Chen et al. 2018, eq. 8, and
// Grathwohl et al. 2019 (continuous flows); Finlay et al. 2020, eq. 6 (the energy penalty).
//   ln p(x) = ln N(f(x); 0, I) + sum_k ln |det df_k|,  f from data to latents; of a continuous flow each layer is one step of its solver
// A chain of homeomorphisms keeps the plane connected: between two blobs the density is thin, never 0. It is measured on the straight line
// between the first two blobs of the scene. Units: data units and nats.

#include <algorithm>
#include <cmath>

#include "core/kernels/elementwise.h"
#include "core/kernels/mixture.h"
#include "core/labs/generative/shared/plane_flow_lab.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

constexpr std::int64_t linePoints = 241;

const std::string& familyOf(const Values& values) { return std::get<std::string>(values.find("family")->second); }
bool flowing(const Values& values) { return familyOf(values) == "continuous"; }
bool networked(const Values& values) { return familyOf(values) == "coupling" || flowing(values); }

class NormalizingFlow final : public PlaneFlowLab {
 public:
  static LabEntry describe();
  Figure figure() const override;
  std::vector<Metric> metrics() const override;

 protected:
  Expected<PlaneFlowPlan> plan(const LabContext& context) const override;
  std::vector<std::string_view> ownPictureParameters() const override { return {"lower-right"}; }
  void readPicture(const LabContext& context) override;

 private:
  // ln p of model and data on the line from the first blob through the second and as far again on both sides by a third.
  struct Bridge {
    std::vector<double> at, model, data;  // at: 0 at the first blob, 1 at the second
    double thinnest = 0;                  // the least of the model's ln p between the two
    double thinnestData = 0;
  };
  Bridge bridge() const;
  Panel bridgePanel(const Bridge& bridge) const;
  std::int64_t evaluations_ = 0;  // of a continuous flow's velocity, from data to latents
  bool bridged() const { return scene_.density.named && scene_.density.components.size() > 1; }
  std::string lowerRight_;
};

LabEntry NormalizingFlow::describe() {
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  LabEntry entry;
  entry.id = "generative/normalizing-flow";
  entry.title = "Normalizing flows";
  entry.summary = "Chains of invertible maps, and what they cannot tear";
  entry.parameters = planeSceneParameters("ring8");
  const auto append = [&](std::vector<Parameter> more) { entry.parameters.insert(entry.parameters.end(), more.begin(), more.end()); };
  append({
      {"family", "Family", "What one layer of the chain is.", "Flow", "both"s,
       Choice{{{"planar", "Planar"}, {"radial", "Radial"}, {"both", "Planar and radial"}, {"coupling", "Affine coupling"}, {"continuous", "Continuous (ODE)"}}}},
      {"layers", "Layers K", "Length of the chain; of a continuous flow, the steps of its solver.", "Flow", whole(16), Integer{1, 64}},
      {"width", "Hidden width", "Units per hidden layer of a coupling's or the velocity's network.", "Flow", whole(64),
       Integer{16, 512, true}, "", networked},
      {"solver", "Solver", "How one step follows the velocity; its calls per step are in brackets.", "Flow", "midpoint"s,
       Choice{{{"euler", "Euler (1)"}, {"midpoint", "Midpoint (2)"}, {"rk4", "Runge–Kutta 4 (4)"}}}, "", flowing},
      {"trace", "Trace in training", "The divergence of the velocity: exact, or Hutchinson's estimate from one random probe per row.",
       "Flow", "exact"s, Choice{{{"exact", "Exact"}, {"hutchinson", "Hutchinson's estimate"}}}, "", flowing},
      {"energy-penalty", "Energy penalty λ", "Weight of the integral of |v|² in the loss: straighter ways, fewer steps.", "Flow", 0.01,
       Real{0, 1, 0.005}, "", flowing},
  });
  append(trainingParameters(1500, 1e-2, 1024));
  append(pictureParameters("volume"));
  append({{"lower-right", "Lower right", "What the lower right panel shows.", "Picture", "bridge"s,
           Choice{{{"bridge", "Between two blobs"}, {"inverse", "Error of the inverse"}}}}});
  append({seedParameter()});
  entry.presets = {
      {"one-plane",
       "One plane",
       "A single ridge closes the gap between two blobs: every point moves along one vector, and nothing else changes.",
       {{"family", "planar"s},
        {"layers", whole(1)},
        {"scene", "two-deltas"s},
        {"noise", 0.25},
        {"learning-rate", 0.03},
        {"steps", whole(400)}}},
      {"ring",
       "Thirty-two planes on a ring",
       "The disc opens but never tears: look at the density between the blobs.",
       {{"family", "planar"s}, {"layers", whole(32)}}},
      {"centres", "Radial only", "Sixteen centres that pull or push.", {{"family", "radial"s}, {"scene", "tri"s}}},
      {"coupling",
       "Six couplings instead",
       "The same target with networks inside the layers, one axis at a time: bridges all the same.",
       {{"family", "coupling"s}, {"layers", whole(6)}, {"learning-rate", 5e-3}, {"batch", whole(512)}, {"steps", whole(1000)}}},
      {"continuous",
       "Continuous flow",
       "One velocity field, eight steps: nothing about the network has to be invertible.",
       {{"family", "continuous"s}, {"layers", whole(8)}, {"learning-rate", 5e-3}, {"batch", whole(512)}, {"steps", whole(1000)}}},
      {"straightened",
       "Continuous flow, straightened",
       "The same flow with a price on its energy: nearly the same density along straighter ways, and two steps are enough.",
       {{"family", "continuous"s},
        {"layers", whole(2)},
        {"energy-penalty", 0.1},
        {"solver", "rk4"s},
        {"learning-rate", 5e-3},
        {"batch", whole(512)},
        {"steps", whole(1000)}}},
  };
  entry.views = {{"layers", "Cloud and grid on their way"}, {"density", "The model's density"},     {"samples", "Samples over data"},
                 {"likelihood", "Likelihood and entropy"},  {"volumes", "Volume change per layer"}, {"strip", "Layer by layer"},
                 {"bridge", "Between two blobs"},           {"inverse", "Error of the inverse"}};
  entry.accepts = {planeSceneAcceptance()};
  entry.make = [] { return std::make_unique<NormalizingFlow>(); };
  return entry;
}

flows::Solver solverOf(const LabContext& context) {
  const std::string& solver = context.text("solver");
  return solver == "euler" ? flows::Solver::euler : solver == "midpoint" ? flows::Solver::midpoint : flows::Solver::rk4;
}

Expected<PlaneFlowPlan> NormalizingFlow::plan(const LabContext& context) const {
  PlaneFlowPlan plan;
  const std::string& family = context.text("family");
  if (family == "continuous") {
    plan.energyWeight = context.number("energy-penalty");
    plan.estimated = context.text("trace") == "hutchinson";
  }
  for (std::int64_t i = 0; i < context.integer("layers"); ++i) {
    if (family == "coupling") {
      flows::CouplingOptions options;
      options.pass = flows::alternatingMask(2, i % 2 == 0);
      options.width = context.integer("width");
      options.identityStart = false;
      auto layer = flows::coupling(options);
      if (!layer) return layer.error();
      plan.layers.push_back(*std::move(layer));
    } else if (family == "continuous") {
      const double stretch = 1 / static_cast<double>(context.integer("layers"));
      flows::ContinuousOptions options;
      options.width = context.integer("width");
      options.from = stretch * static_cast<double>(i), options.to = stretch * static_cast<double>(i + 1);
      options.solver = solverOf(context);
      options.sharesWeights = i > 0;
      plan.layers.push_back(flows::continuous(options));
    } else {
      const bool ridge = family == "planar" || (family == "both" && i % 2 == 0);
      plan.layers.push_back(ridge ? flows::planar(2) : flows::radial(2));
    }
  }
  return plan;
}

void NormalizingFlow::readPicture(const LabContext& context) {
  lowerRight_ = context.text("lower-right");
  evaluations_ = context.text("family") == "continuous" ? context.integer("layers") * flows::evaluationsPerStep(solverOf(context)) : 0;
}

NormalizingFlow::Bridge NormalizingFlow::bridge() const {
  Bridge bridge;
  const kernels::Component &a = scene_.density.components[0], &b = scene_.density.components[1];
  std::vector<float> xy;
  for (std::int64_t i = 0; i < linePoints; ++i) {
    const double at = -1.0 / 3 + (5.0 / 3) * static_cast<double>(i) / (linePoints - 1);
    bridge.at.push_back(at);
    xy.insert(xy.end(), {static_cast<float>(a.x + at * (b.x - a.x)), static_cast<float>(a.y + at * (b.y - a.y))});
  }
  const Tensor line = Tensor::from(Shape{linePoints, 2}, xy);
  nn::Tape tape(*stream_);
  const auto weights = nn::constants(tape, trainer_.weights());
  const auto model = flows::logLikelihood(flow_, prior_, weights, tape.constant(line)).value().toFloats();
  const auto data = kernels::mixture(*stream_, table_, line, 1, 1e-6, kernels::MixtureOutput::logDensity).toFloats();
  bridge.model.assign(model.begin(), model.end());
  bridge.data.assign(data.begin(), data.end());
  bridge.thinnest = bridge.thinnestData = 1e30;
  for (std::size_t i = 0; i < bridge.at.size(); ++i) {
    if (bridge.at[i] < 0 || bridge.at[i] > 1) continue;
    bridge.thinnest = std::min(bridge.thinnest, bridge.model[i]);
    bridge.thinnestData = std::min(bridge.thinnestData, bridge.data[i]);
  }
  return bridge;
}

Panel NormalizingFlow::bridgePanel(const Bridge& bridge) const {
  Panel panel;
  panel.id = "bridge";
  panel.title = trf("Between two blobs: at least {:.1e}", std::exp(bridge.thinnest));
  panel.note = trf("data {:.1e}", std::exp(bridge.thinnestData));
  const double top =
      std::max(*std::max_element(bridge.model.begin(), bridge.model.end()), *std::max_element(bridge.data.begin(), bridge.data.end()));
  const double floor = std::min(bridge.thinnest, bridge.thinnestData) - 1;
  const auto density = [&](const std::vector<double>& logarithm) {
    std::vector<double> values;
    for (const double v : logarithm) values.push_back(std::exp(std::max(v, floor)));
    return values;
  };
  auto data = curveOf("data", bridge.at, density(bridge.data), Paint::of(Role::data), tr("data"));
  data->dash = {3, 2};
  auto model = curveOf("model", bridge.at, density(bridge.model), Paint::of(Role::estimate), tr("model"));
  model->width = 1.5f;
  for (const auto& line : {data, model}) {
    line->xName = tr("way"), line->yName = tr("density");
    panel.marks.push_back(line);
  }
  panel.x.label = tr("from the first blob (0) to the second (1)");
  panel.x.range = Range{-1.0 / 3, 4.0 / 3};
  panel.y.scale = ScaleKind::log;
  panel.y.label = tr("density p(x)");
  panel.y.range = Range{std::exp(floor), std::exp(top + 0.5)};
  return panel;
}

std::vector<Metric> NormalizingFlow::metrics() const {
  std::vector<Metric> result = PlaneFlowLab::metrics();
  if (evaluations_ > 0) result.push_back({"evaluations", static_cast<double>(evaluations_), ""});
  if (samples_.empty() || !bridged()) return result;
  const Bridge between = bridge();
  result.push_back({"bridge.model", between.thinnest, "nats"});
  result.push_back({"bridge.data", between.thinnestData, "nats"});
  return result;
}

Figure NormalizingFlow::figure() const {
  if (samples_.empty()) return {};
  return flowFigure(tr("Normalizing flows"), volumesPanel(), stripPanel(),
                    lowerRight_ == "inverse" || !bridged() ? inversePanel() : bridgePanel(bridge()));
}

}  // namespace

ORRERY_LAB(NormalizingFlow);

}  // namespace orrery::generative
