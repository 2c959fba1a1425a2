// RealNVP: a chain of affine couplings in the plane, trained live by maximum likelihood. Source: Dinh, Sohl-Dickstein and Bengio 2017,
// eq. 4 to 9:
//   y = b x + (1 - b) (x exp(s(b x)) + t(b x)),   ln |det| = sum (1 - b) s(b x),   s = c tanh(network)
// so each half tells how to move and stretch the other. Units: data units and nats. Convention: forward is from data to latents; c is a
// fixed bound (the authors learn a factor per dimension); c = 0 is NICE.

#include "core/labs/generative/shared/plane_flow_lab.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

class RealNvp final : public PlaneFlowLab {
 public:
  static LabEntry describe();
  Figure figure() const override;

 protected:
  Expected<PlaneFlowPlan> plan(const LabContext& context) const override;
};

LabEntry RealNvp::describe() {
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  LabEntry entry;
  entry.id = "generative/realnvp";
  entry.title = "RealNVP: affine coupling";
  entry.summary = "Each half moves and stretches the other";
  entry.parameters = planeSceneParameters("ring8");
  const auto append = [&](std::vector<Parameter> more) { entry.parameters.insert(entry.parameters.end(), more.begin(), more.end()); };
  append({
      {"couplings", "Couplings K", "Layers of the flow; each moves one coordinate.", "Flow", whole(6), Integer{1, 12}},
      {"scale-bound", "Scale bound c", "A layer stretches by at most exp(c); 0 is NICE, which keeps volumes.", "Flow", 2.0,
       Real{0, 5, 0.05}},
      {"width", "Hidden width", "Units per hidden layer of each coupling's network.", "Flow", whole(64), Integer{16, 512, true}},
      {"depth", "Hidden layers", "Of each coupling's network.", "Flow", whole(2), Integer{1, 5}},
  });
  append(trainingParameters(1000, 5e-3, 512));
  append(pictureParameters("volume"));
  append({seedParameter()});
  entry.presets = {
      {"nice-vs-realnvp",
       "NICE on the same moons",
       "A scale bound of 0: volumes stay, the likelihood stops higher. Set the bound to 2 and compare.",
       {{"scene", "moons"s}, {"scale-bound", 0.0}, {"colour", "origin"s}}},
      {"bridges",
       "Bridges",
       "One Gaussian must be torn into far blobs: a continuous map keeps filaments between them.",
       {{"scene", "ring8"s}, {"spread", 0.5}, {"direction", "to-data"s}, {"way", 0.0}, {"colour", "origin"s}}},
      {"moons", "Two moons", "Two interleaved arcs unfold into one round cloud.", {{"scene", "moons"s}, {"colour", "origin"s}}},
      {"deep",
       "Twelve small layers",
       "More layers with a tighter bound share the work.",
       {{"couplings", whole(12)}, {"scale-bound", 1.0}, {"width", whole(32)}, {"scene", "pinwheel"s}}},
  };
  entry.views = {{"layers", "Cloud and grid on their way"}, {"density", "The model's density"},     {"samples", "Samples over data"},
                 {"likelihood", "Likelihood and entropy"},  {"volumes", "Volume change per layer"}, {"strip", "Layer by layer"},
                 {"inverse", "Error of the inverse"}};
  entry.accepts = {planeSceneAcceptance()};
  entry.make = [] { return std::make_unique<RealNvp>(); };
  return entry;
}

Expected<PlaneFlowPlan> RealNvp::plan(const LabContext& context) const {
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

Figure RealNvp::figure() const {
  if (samples_.empty()) return {};
  return flowFigure(tr("RealNVP: affine coupling"), volumesPanel(), stripPanel(), inversePanel());
}

}  // namespace

ORRERY_LAB(RealNvp);

}  // namespace orrery::generative
