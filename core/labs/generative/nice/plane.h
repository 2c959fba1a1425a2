#pragma once
// The lab generative/nice on points of the plane.

#include <string>
#include <string_view>
#include <vector>

#include "core/labs/generative/shared/plane_flow_lab.h"

namespace orrery::generative {

class NicePlane final : public PlaneFlowLab {
 public:
  using PlaneFlowLab::pictureParameters;
  using PlaneFlowLab::seedParameter;
  using PlaneFlowLab::trainingParameters;
  Figure figure() const override;
  std::vector<Metric> metrics() const override;

 protected:
  Expected<PlaneFlowPlan> plan(const LabContext& context, const std::vector<kernels::Component>&) const override;
  std::vector<std::string_view> ownPictureParameters() const override { return {"lower-left", "lower-right"}; }
  void readPicture(const LabContext& context) override {
    lowerLeft_ = context.text("lower-left"), lowerRight_ = context.text("lower-right");
  }
  void begun(gpu::Stream&) override { scaled_ = trainer_.weights().back().name.find("log_scale") != std::string::npos; }

 private:
  Panel areasPanel() const;
  Panel jacobianPanel() const;
  Panel spectrumPanel() const;
  std::vector<std::vector<double>> areaRatios() const;  // per triangle: area after k layers over the area before, k from 0
  std::string lowerLeft_, lowerRight_;
  bool scaled_ = true;
};

}  // namespace orrery::generative
