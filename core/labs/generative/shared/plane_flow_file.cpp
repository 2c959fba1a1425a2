#include "core/labs/generative/shared/plane_flow_file.h"

#include "core/base/text.h"
#include "core/labs/generative/shared/plane_or_pictures.h"
#include "core/models/flow_file.h"

namespace orrery::generative {

namespace flows = models::flows;

using Kind = flows::FlowChain::Kind;

flows::Solver planeFlowSolverOf(const std::string& id) {
  return id == "euler" ? flows::Solver::euler : id == "midpoint" ? flows::Solver::midpoint : flows::Solver::rk4;
}

namespace {

// The steps of a continuous flow, which share the velocity that is all of the file.
Expected<void> addVelocity(const std::string& path, const flows::FlowChain& chain, const PlaneFlowOtherwise& otherwise, PlaneFlowPlan& plan) {
  const flows::FlowChain::Part& part = chain.parts.front();
  if (chain.parts.size() > 1) {
    return makeError(ErrorCode::badInput, trf("The flow in {} has other layers beside a velocity's; a velocity is a flow of its own", path));
  }
  if (part.depth > 2) {
    return makeError(ErrorCode::badInput,
                     trf("The velocity in {} has {} hidden layers; its exact trace is known for at most 2: choose the family 'Your velocity network'",
                         path, part.depth));
  }
  const auto solver = flows::choiceSaid(chain.said, path, "solver", otherwise.solver, {"euler", "midpoint", "rk4"});
  const auto steps = flows::numberSaid(chain.said, path, "solver_steps", static_cast<double>(otherwise.steps), 1, 64);
  if (!solver) return solver.error();
  if (!steps) return steps.error();
  const auto count = static_cast<std::int64_t>(*steps);
  for (std::int64_t i = 0; i < count; ++i) {
    // Time runs the way the chain is written.
    const auto at = static_cast<double>(plan.reverse ? count - 1 - i : i);
    flows::ContinuousOptions options;
    options.width = part.width, options.depth = part.depth;
    options.from = at / static_cast<double>(count), options.to = (at + 1) / static_cast<double>(count);
    options.solver = planeFlowSolverOf(*solver);
    options.sharesWeights = i > 0;
    options.adaptive = otherwise.adaptive;
    plan.layers.push_back(flows::continuous(options));
  }
  plan.calls = count * flows::evaluationsPerStep(planeFlowSolverOf(*solver));
  plan.said["solver"] = *solver, plan.said["solver_steps"] = std::to_string(count);
  return {};
}

}  // namespace

Expected<PlaneFlowPlan> planeFlowOfFile(const std::string& path, const PlaneFlowOtherwise& otherwise) {
  auto chain = flows::readFlowChain(path, otherwise.kinds);
  if (!chain) return chain.error();
  if (chain->dimensions != 2) {
    return makeError(ErrorCode::badInput, trf("The flow in {} has {} dimensions; points of the plane have 2", path, chain->dimensions));
  }
  const auto saidBound = flows::numberSaid(chain->said, path, "scale_bound", otherwise.bound, 0, 5);
  const auto momentum = flows::numberSaid(chain->said, path, "norm_momentum", 0.1, 0, 0.99);
  const auto saidPrior = flows::choiceSaid(chain->said, path, "prior", otherwise.prior == flows::Prior::normal ? "normal" : "logistic",
                                           {"normal", "logistic"});
  const auto direction = flows::choiceSaid(chain->said, path, "direction", "to-latents", {"to-latents", "to-data"});
  if (!saidBound) return saidBound.error();
  if (!momentum) return momentum.error();
  if (!saidPrior) return saidPrior.error();
  if (!direction) return direction.error();
  PlaneFlowPlan plan;
  plan.prior = *saidPrior == "normal" ? flows::Prior::normal : flows::Prior::logistic;
  plan.reverse = *direction == "to-data";
  plan.said = {{"scale_bound", flows::saidNumber(*saidBound)},
               {"norm_momentum", flows::saidNumber(*momentum)},
               {"prior", *saidPrior},
               {"direction", *direction}};
  if (plan.reverse && otherwise.kinds == flows::FlowKinds::couplings) {
    return makeError(ErrorCode::badInput,
                     trf("The flow in {} is written from latents to data, for training towards an energy: open it in Normalizing flows", path));
  }
  std::size_t couplings = 0;
  for (const flows::FlowChain::Part& part : chain->parts) {
    switch (part.kind) {
      case Kind::norm:
        if (plan.reverse) {
          return makeError(ErrorCode::badInput,
                           trf("The flow in {} is written from latents to data and normalizes by batches; only data can be normalized", path));
        }
        plan.layers.push_back(flows::batchNorm(2, *momentum));
        break;
      case Kind::scale:
        plan.layers.push_back(flows::diagonalScale(2));
        break;
      case Kind::planar:
        plan.layers.push_back(flows::planar(2));
        break;
      case Kind::radial:
        plan.layers.push_back(flows::radial(2));
        break;
      case Kind::coupling: {
        flows::CouplingOptions options;
        options.pass = flows::alternatingMask(2, couplings++ % 2 == 0);
        options.affine = part.affine, options.bound = *saidBound;
        options.width = part.width, options.depth = part.depth;
        auto layer = flows::coupling(options);
        if (!layer) return layer.error();
        plan.layers.push_back(*std::move(layer));
        break;
      }
      case Kind::continuous:
        if (auto added = addVelocity(path, *chain, otherwise, plan); !added) return added.error();
        break;
    }
  }
  if (plan.reverse) {
    for (flows::LayerPtr& layer : plan.layers) layer = flows::reversed(std::move(layer));
  }
  plan.weights = std::move(chain->weights);
  return plan;
}

Parameter ownFlowParameter() {
  return {
      "weights", "Your flow", "A tensor file that holds a flow, as these labs write it: it sets the layers, and training goes on from it.",
      "Flow",    Asset{},     FileWell{{"safetensors", "npz"}, false}};
}

bool drawnFlow(const Values& values) { return std::get<Asset>(values.at("weights")).path.empty(); }
bool drawnFlowOnPlane(const Values& values) { return drawnFlow(values) && onPlane(values); }
bool drawnFlowOnPictures(const Values& values) { return drawnFlow(values) && onPictures(values); }

Acceptance planeFlowAcceptance(bool scaling) {
  Acceptance acceptance;
  acceptance.kinds = "a flow of couplings (safetensors with layers.0.shift.weight ...)";
  acceptance.parameter = "weights";
  acceptance.also = {{"data", std::string("plane")}};
  const auto score = [](const FileReport& report, bool scales) {
    bool shifts = false, affine = false;
    for (const TensorSummary& tensor : report.tensors) {
      shifts = shifts || (tensor.name == "layers.0.shift.weight" && tensor.shape.size() == 2 && tensor.shape[0] == 2);
      affine = affine || tensor.name == "layers.0.scale.weight";
    }
    return !report.error && shifts && affine == scales ? 80 : 0;
  };
  if (scaling) {
    acceptance.score = [score](const FileReport& report) { return score(report, true); };
  } else {
    acceptance.score = [score](const FileReport& report) { return score(report, false); };
  }
  return acceptance;
}

Acceptance anyPlaneFlowAcceptance(Values also) {
  Acceptance acceptance;
  acceptance.kinds = "a flow of planes, centres, couplings or a velocity (safetensors with layers.0.w ...)";
  acceptance.parameter = "weights";
  acceptance.also = std::move(also);
  acceptance.score = [](const FileReport& report) {
    if (report.error) return 0;
    // A velocity's first matrix takes two coordinates and the time. NICE and RealNVP are asked first about couplings.
    int score = 0;
    for (const TensorSummary& tensor : report.tensors) {
      const std::size_t rank = tensor.shape.size();
      if (tensor.name == "layers.0.shift.weight") return rank == 2 && tensor.shape[0] == 2 ? 70 : 0;
      if ((tensor.name == "layers.0.w" || tensor.name == "layers.0.centre") && rank == 1 && tensor.shape[0] == 2) score = 85;
      if (tensor.name == "layers.0.0.weight" && rank == 2 && tensor.shape[1] == 3) score = 85;
    }
    return score;
  };
  return acceptance;
}

}  // namespace orrery::generative
