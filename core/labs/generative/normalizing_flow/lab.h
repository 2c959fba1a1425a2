#pragma once
// The lab generative/normalizing-flow: its flows (normalizing_flow.cpp), one layer in the hand (hand.cpp), its own pictures (figure.cpp);
// what it offers is in describe.cpp. Training and the other pictures are those of every flow of the plane.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/labs/generative/shared/plane_flow_lab.h"

namespace orrery::generative {

class NormalizingFlow final : public PlaneFlowLab {
 public:
  static LabEntry describe();
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 protected:
  Expected<PlaneFlowPlan> plan(const LabContext& context, const std::vector<kernels::Component>& data) const override;
  std::shared_ptr<const PlaneEnergy> target(const LabContext& context) const override;
  std::vector<std::string_view> ownPictureParameters() const override { return {"lower-left", "lower-right", "evaluation", "tolerance"}; }
  void begun(gpu::Stream& stream) override;
  void readPicture(const LabContext& context) override;
  models::flows::AdaptivePtr counted() const override { return adaptive_; }

 private:
  // ln p of model and data on the line from the first blob through the second and as far again on both sides by a third.
  struct Bridge {
    std::vector<double> at, model, data;  // at: 0 at the first blob, 1 at the second
    double thinnest = 0;                  // the least of the model's ln p between the two
    double thinnestData = 0;
  };
  // The probability-flow ODE of a diffusion with the exact score, on the same data.
  struct Diffusion {
    std::int64_t steps = 0;    // of its solver; 0: there is none
    double likelihood = 0;     // mean -ln p of the points shown, nats
    std::vector<double> line;  // ln p along the bridge
  };
  struct TableRow {
    std::string name, flow, diffusion;
    Changes shows;
  };
  enum class Hand { none, plane, centre };
  // One layer in the hand, as the parameters say it.
  struct HandLayer {
    double w1 = 0, w2 = 2, u1 = 0, u2 = 1, b = 0;  // plane
    double x = 0, y = 0, alpha = 1, beta = 2;      // centre
  };
  static HandLayer handOf(const Values& values);
  static Expected<nn::Weights> handWeights(Hand hand, const HandLayer& layer);
  void addHand(Panel& panel) const;
  Changes handChanges(const PointerEvent& event, const Values& values) const;

  Tensor bridgeLine(std::vector<double>& at) const;  // [points, 2]
  Bridge bridge() const;
  Panel bridgePanel(const Bridge& bridge) const;
  std::vector<TableRow> tableRows() const;
  Panel tablePanel() const;
  Changes tableChanges(double x, double y) const;
  bool bridged() const { return scene_.density.named && scene_.density.components.size() > 1; }

  models::flows::AdaptivePtr adaptive_ = std::make_shared<models::flows::Adaptive>();  // read by the layers of a flow
  bool hasVelocity() const { return calls_ > 0; }
  // Of the velocity, or passes through the layers.
  std::int64_t calls() const { return !hasVelocity() ? 1 : adaptive_->tolerance > 0 ? evaluations_ : calls_; }
  bool diffusing_ = false;
  Hand hand_ = Hand::none;
  HandLayer layer_;
  Diffusion diffusion_;
  std::string lowerLeft_, lowerRight_;
};

}  // namespace orrery::generative
