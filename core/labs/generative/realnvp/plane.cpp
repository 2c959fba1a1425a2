// RealNVP in the plane: a chain of affine couplings, trained live by maximum likelihood. Source: Dinh, Sohl-Dickstein and Bengio 2017,
// eq. 4 to 9:
//   y = b x + (1 - b) (x exp(s(b x)) + t(b x)),   ln |det| = sum (1 - b) s(b x),   s = c tanh(network)
// so each half tells how to move and stretch the other. Between couplings, when asked for, batch normalization (their section 3.7):
//   y = (x - m) / sqrt(v + e),   ln |det| = -1/2 sum ln(v + e)
// with running statistics; evaluated, shown and sampled from with them as they stand. Units: data units and nats. Convention: forward is
// from data to latents; c is a fixed bound (the authors learn a factor per dimension); c = 0 is NICE.

#include "core/labs/generative/realnvp/plane.h"

#include "core/base/text.h"
#include "core/labs/generative/shared/plane_flow_file.h"

namespace orrery::generative {

namespace flows = models::flows;

Expected<PlaneFlowPlan> RealNvpPlane::plan(const LabContext& context, const std::vector<kernels::Component>&) const {
  const double bound = context.number("scale-bound"), momentum = context.number("norm-momentum");
  if (const std::string& path = context.file("weights").path; !path.empty()) return planeFlowOfFile(path, {bound});
  PlaneFlowPlan plan;
  plan.said = {{"scale_bound", flows::saidNumber(bound)}, {"norm_momentum", flows::saidNumber(momentum)}};
  const bool normalized = context.flag("batch-norm");
  const auto chain = [&](double limit) -> Expected<std::vector<flows::LayerPtr>> {
    std::vector<flows::LayerPtr> layers;
    const std::int64_t couplings = context.integer("couplings");
    for (std::int64_t i = 0; i < couplings; ++i) {
      flows::CouplingOptions options;
      options.pass = flows::alternatingMask(2, i % 2 == 0);
      options.bound = limit;
      options.width = context.integer("width");
      options.identityStart = false;  // not at a point where symmetric data leave no gradient
      options.depth = static_cast<int>(context.integer("depth"));
      auto layer = flows::coupling(options);
      if (!layer) return layer.error();
      layers.push_back(*std::move(layer));
      if (normalized && i + 1 < couplings) layers.push_back(flows::batchNorm(2, momentum));
    }
    return layers;
  };
  auto layers = chain(bound);
  if (!layers) return layers.error();
  plan.layers = *std::move(layers);
  if (context.text("plane-compare") == "additive") {
    auto beside = chain(0);
    if (!beside) return beside.error();
    plan.beside = *std::move(beside);
    plan.name = trf("c = {:g}", bound), plan.besideName = tr("c = 0: NICE");
  }
  return plan;
}

Figure RealNvpPlane::figure() const {
  if (samples_.empty()) return {};
  return flowFigure(tr("RealNVP: affine coupling"), volumesPanel(), stripPanel(), inversePanel());
}

}  // namespace orrery::generative
