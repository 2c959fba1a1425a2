// Normalizing flows: planar ridges, radial centres, both in turn, affine couplings, or a continuous flow, trained live by maximum
// likelihood or on their own samples towards an energy; one layer in the hand; a velocity network of the user's; and the probability-flow
// ODE of a diffusion beside them. Sources: Rezende and Mohamed 2015, eq. 4 (chains), 10 to 14 (layers) and 15 (their free energy); Dinh et
// al. 2017 (couplings); Chen et al. 2018, eq. 8, and Grathwohl et al. 2019 (continuous flows); Finlay et al. 2020, eq. 6 (the energy
// penalty); Song et al. 2021, eq. 39.
//   ln p(x) = ln N(f(x); 0, I) + sum_k ln |det df_k|,  f from data to latents; of a continuous flow each layer is one step of its solver
//   KL(q | p) = E_z[ln N(z; 0, I) - ln |det dg/dz| + U(g(z))] + ln Z,  g = f^-1 from latents to data: a chain trained towards an energy is
//   written that way round, so that no gradient has to pass through an inverse
// A chain of homeomorphisms keeps the plane connected: between two blobs the density is thin, never 0. It is measured on the straight line
// between the first two blobs of the scene. Units: data units and nats.

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/labs/generative/normalizing_flow/lab.h"
#include "core/labs/generative/shared/field_flow.h"
#include "core/labs/generative/shared/plane_flow_file.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

// Enough steps of the fourth order for likelihoods to a thousandth where blobs are as narrow as the scenes have them.
constexpr std::int64_t referenceSteps = 32;
constexpr std::size_t mostReferred = 64;  // components: each costs at every call

bool inHand(const std::string& family) { return family == "hand-planar" || family == "hand-radial"; }
bool trainable(const std::string& family) { return family != "diffusion" && family != "dropped" && !inHand(family); }

void readVelocityTraining(const LabContext& context, PlaneFlowPlan& plan) {
  plan.energyWeight = plan.reverse ? 0 : context.number("energy-penalty");
  plan.estimated = !plan.reverse && context.text("trace") == "hutchinson";
}

// The user's file; its direction has to be that of the objective, since no gradient passes through an inverse that is solved for.
Expected<PlaneFlowPlan> savedFlow(const LabContext& context, flows::AdaptivePtr adaptive) {
  const std::string& path = context.file("weights").path;
  if (path.empty()) {
    return makeError(ErrorCode::usage, tr("no flow yet: drop a file that this lab, NICE or RealNVP wrote, or choose another family"));
  }
  PlaneFlowOtherwise otherwise;
  otherwise.kinds = flows::FlowKinds::all;
  otherwise.solver = context.text("solver");
  otherwise.steps = context.integer("layers");
  otherwise.adaptive = std::move(adaptive);
  auto plan = planeFlowOfFile(path, otherwise);
  if (!plan) return plan.error();
  if (plan->reverse != (context.text("objective") == "reverse")) {
    return makeError(ErrorCode::usage,
                     plan->reverse ? trf("The flow in {} is written from latents to data, for training towards an energy: choose the "
                                         "objective 'Reverse KL to an energy'",
                                         path)
                                   : trf("The flow in {} is written from data to latents, for training on data: choose the objective "
                                         "'Likelihood of data'",
                                         path));
  }
  return plan;
}

}  // namespace

std::shared_ptr<const PlaneEnergy> NormalizingFlow::target(const LabContext& context) const {
  const std::string &energy = context.text("energy"), &family = context.text("family");
  const bool wanted = trainable(family) ? context.text("objective") == "reverse" : inHand(family);
  if (!wanted || energy == "scene") return nullptr;
  return std::make_shared<PlaneEnergy>(energy);
}

Expected<PlaneFlowPlan> NormalizingFlow::plan(const LabContext& context, const std::vector<kernels::Component>& data) const {
  PlaneFlowPlan plan;
  const std::string& family = context.text("family");
  const std::int64_t count = context.integer("layers");
  plan.trained = trainable(family);
  const bool towardsEnergy = plan.trained && context.text("objective") == "reverse";
  if (family == "saved") {
    auto saved = savedFlow(context, adaptive_);
    if (saved && saved->calls > 0) readVelocityTraining(context, *saved);
    return saved;
  }
  if (family == "diffusion" || family == "dropped" || family == "continuous")
    plan.calls = count * flows::evaluationsPerStep(planeFlowSolverOf(context.text("solver")));
  if (family == "diffusion") {
    plan.layers = diffusionFlow(data, count, flowSolverOf(context.text("solver")), adaptive_);
    return plan;
  }
  if (family == "dropped") {
    auto network = statedPlaneNetwork(context, tr("choose another family"));
    if (!network) return network.error();
    const bool estimated = context.text("trace") == "hutchinson";
    const auto seed = static_cast<std::uint64_t>(context.integer("seed"));
    const auto field = networkField(*std::move(network), estimated ? std::optional(seed) : std::nullopt);
    for (std::int64_t i = 0; i < count; ++i) {
      const double from = static_cast<double>(i) / static_cast<double>(count), to = static_cast<double>(i + 1) / static_cast<double>(count);
      plan.layers.push_back(fieldStretch(field, flowSolverOf(context.text("solver")), from, to, adaptive_));
    }
    return plan;
  }
  if (!plan.trained) {
    const Hand hand = family == "hand-planar" ? Hand::plane : Hand::centre;
    auto weights = handWeights(hand, handOf(context.values()));
    if (!weights) return weights.error();
    plan.weights = *std::move(weights);
    plan.reverse = true;
    plan.layers = {flows::reversed(hand == Hand::plane ? flows::planar(2) : flows::radial(2))};
    return plan;
  }
  plan.reverse = towardsEnergy;
  plan.said = {{"direction", plan.reverse ? "to-data" : "to-latents"}, {"prior", "normal"}};
  if (family == "continuous") {
    readVelocityTraining(context, plan);
    plan.said["solver"] = context.text("solver"), plan.said["solver_steps"] = std::to_string(count);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    flows::LayerPtr one;
    if (family == "coupling") {
      flows::CouplingOptions options;
      options.pass = flows::alternatingMask(2, i % 2 == 0);
      options.width = context.integer("width");
      options.identityStart = false;
      plan.said["scale_bound"] = flows::saidNumber(options.bound);
      auto layer = flows::coupling(options);
      if (!layer) return layer.error();
      one = *std::move(layer);
    } else if (family == "continuous") {
      // Time runs the way the chain is written.
      const double stretch = 1 / static_cast<double>(count);
      const auto at = static_cast<double>(plan.reverse ? count - 1 - i : i);
      flows::ContinuousOptions options;
      options.width = context.integer("width");
      options.from = stretch * at, options.to = stretch * (at + 1);
      options.solver = planeFlowSolverOf(context.text("solver"));
      options.sharesWeights = i > 0;
      options.adaptive = adaptive_;
      one = flows::continuous(options);
    } else {
      const bool ridge = family == "planar" || (family == "both" && i % 2 == 0);
      one = ridge ? flows::planar(2) : flows::radial(2);
    }
    plan.layers.push_back(plan.reverse ? flows::reversed(std::move(one)) : std::move(one));
  }
  return plan;
}

void NormalizingFlow::readPicture(const LabContext& context) {
  lowerLeft_ = context.text("lower-left"), lowerRight_ = context.text("lower-right");
  const std::string& family = context.text("family");
  diffusing_ = family == "diffusion";
  adaptive_->tolerance = context.text("evaluation") == "rk45" ? context.number("tolerance") : 0;
  hand_ = family == "hand-planar" ? Hand::plane : family == "hand-radial" ? Hand::centre : Hand::none;
  layer_ = handOf(context.values());
}

// The same data by a diffusion.
void NormalizingFlow::begun(gpu::Stream& stream) {
  diffusion_ = {};
  if (target_ != nullptr || widened_.size() > mostReferred) return;
  const flows::Flow flow(2, diffusionFlow(widened_, referenceSteps, FlowSolver::rk4));
  nn::Tape tape(stream);
  const auto logDensity = [&](const Tensor& points) {
    return flows::logLikelihood(flow, flows::Prior::normal, {}, tape.constant(points)).value().toFloats();
  };
  diffusion_.steps = referenceSteps;
  const auto shown = logDensity(data_);
  for (const float v : shown) diffusion_.likelihood -= static_cast<double>(v) / static_cast<double>(shown.size());
  if (!bridged()) return;
  std::vector<double> at;
  const auto line = logDensity(bridgeLine(at));
  diffusion_.line.assign(line.begin(), line.end());
}

std::vector<Metric> NormalizingFlow::metrics() const {
  std::vector<Metric> result = PlaneFlowLab::metrics();
  if (hasVelocity()) result.push_back({"evaluations", static_cast<double>(calls()), ""});
  if (diffusion_.steps > 0) result.push_back({"diffusion.nll", diffusion_.likelihood, "nats"});
  if (samples_.empty() || !bridged()) return result;
  const Bridge between = bridge();
  result.push_back({"bridge.model", between.thinnest, "nats"});
  result.push_back({"bridge.data", between.thinnestData, "nats"});
  return result;
}

Changes NormalizingFlow::pointer(const PointerEvent& event, const Values& values) const {
  if (event.panel == "table" && event.kind == PointerEvent::Kind::click) return tableChanges(event.x, event.y);
  if (event.panel == "density" && event.handle.rfind("hand-", 0) == 0) {
    return event.kind == PointerEvent::Kind::click ? Changes{} : handChanges(event, values);
  }
  return PlaneFlowLab::pointer(event, values);
}

ORRERY_LAB(NormalizingFlow);

}  // namespace orrery::generative
