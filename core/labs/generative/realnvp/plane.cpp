// RealNVP in the plane: a chain of affine couplings, trained live by maximum likelihood. Source: Dinh, Sohl-Dickstein and Bengio 2017,
// eq. 4 to 9:
//   y = b x + (1 - b) (x exp(s(b x)) + t(b x)),   ln |det| = sum (1 - b) s(b x),   s = c tanh(network)
// so each half tells how to move and stretch the other. Units: data units and nats. Convention: forward is from data to latents; c is a
// fixed bound (the authors learn a factor per dimension); c = 0 is NICE.

#include "core/labs/generative/realnvp/plane.h"

#include "core/base/text.h"

namespace orrery::generative {

namespace flows = models::flows;

Expected<PlaneFlowPlan> RealNvpPlane::plan(const LabContext& context, const std::vector<kernels::Component>&) const {
  PlaneFlowPlan plan;
  for (std::int64_t i = 0; i < context.integer("couplings"); ++i) {
    flows::CouplingOptions options;
    options.pass = flows::alternatingMask(2, i % 2 == 0);
    options.bound = context.number("scale-bound");
    options.width = context.integer("width");
    options.identityStart = false;  // not at a point where symmetric data leave no gradient
    options.depth = static_cast<int>(context.integer("depth"));
    auto layer = flows::coupling(options);
    if (!layer) return layer.error();
    plan.layers.push_back(*std::move(layer));
  }
  return plan;
}

Figure RealNvpPlane::figure() const {
  if (samples_.empty()) return {};
  return flowFigure(tr("RealNVP: affine coupling"), volumesPanel(), stripPanel(), inversePanel());
}

}  // namespace orrery::generative
