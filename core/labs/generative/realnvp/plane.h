#pragma once
// The lab generative/realnvp on points of the plane.

#include "core/labs/generative/shared/plane_flow_lab.h"

namespace orrery::generative {

class RealNvpPlane final : public PlaneFlowLab {
 public:
  using PlaneFlowLab::pictureParameters;
  using PlaneFlowLab::seedParameter;
  using PlaneFlowLab::trainingParameters;
  Figure figure() const override;

 protected:
  Expected<PlaneFlowPlan> plan(const LabContext& context, const std::vector<kernels::Component>&) const override;
};

}  // namespace orrery::generative
