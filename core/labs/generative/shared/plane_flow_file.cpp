#include "core/labs/generative/shared/plane_flow_file.h"

#include "core/base/text.h"
#include "core/labs/generative/shared/plane_or_pictures.h"
#include "core/models/flow_file.h"

namespace orrery::generative {

namespace flows = models::flows;

Expected<PlaneFlowPlan> planeFlowOfFile(const std::string& path, double bound, flows::Prior prior) {
  auto chain = flows::readFlowChain(path);
  if (!chain) return chain.error();
  if (chain->dimensions != 2) {
    return makeError(ErrorCode::badInput, trf("The flow in {} has {} dimensions; points of the plane have 2", path, chain->dimensions));
  }
  const auto saidBound = flows::numberSaid(chain->said, path, "scale_bound", bound, 0, 5);
  const auto momentum = flows::numberSaid(chain->said, path, "norm_momentum", 0.1, 0, 0.99);
  const auto saidPrior =
      flows::choiceSaid(chain->said, path, "prior", prior == flows::Prior::normal ? "normal" : "logistic", {"normal", "logistic"});
  if (!saidBound) return saidBound.error();
  if (!momentum) return momentum.error();
  if (!saidPrior) return saidPrior.error();
  PlaneFlowPlan plan;
  plan.prior = *saidPrior == "normal" ? flows::Prior::normal : flows::Prior::logistic;
  std::size_t couplings = 0;
  for (const flows::FlowChain::Part& part : chain->parts) {
    if (part.kind == flows::FlowChain::Kind::norm) {
      plan.layers.push_back(flows::batchNorm(2, *momentum));
    } else if (part.kind == flows::FlowChain::Kind::scale) {
      plan.layers.push_back(flows::diagonalScale(2));
    } else {
      flows::CouplingOptions options;
      options.pass = flows::alternatingMask(2, couplings++ % 2 == 0);
      options.affine = part.affine, options.bound = *saidBound;
      options.width = part.width, options.depth = part.depth;
      auto layer = flows::coupling(options);
      if (!layer) return layer.error();
      plan.layers.push_back(*std::move(layer));
    }
  }
  plan.weights = std::move(chain->weights);
  plan.said = {{"scale_bound", flows::saidNumber(*saidBound)}, {"norm_momentum", flows::saidNumber(*momentum)}, {"prior", *saidPrior}};
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

}  // namespace orrery::generative
