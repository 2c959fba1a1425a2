#pragma once
// A flow of the plane in a file, under the names of core/models/flow_file.h: couplings whose masks take turns, the first passing x, with
// normalizations and scales between and behind them; planes and centres; or the velocity of a continuous flow. What is no tensor stands in
// the metadata: "scale_bound" of couplings, "norm_momentum", "prior", and
//   "direction"     "to-latents", or "to-data": the chain is written from latents to data, as training towards an energy has it
//   "solver"        of a velocity, "euler", "midpoint" or "rk4", with "solver_steps" of one length from time 0 to 1

#include <string>

#include "core/labs/generative/shared/plane_flow_lab.h"

namespace orrery::generative {

// Where the file says nothing, and which layers the caller can do with.
struct PlaneFlowOtherwise {
  double bound = 2;
  models::flows::Prior prior = models::flows::Prior::normal;
  models::flows::FlowKinds kinds = models::flows::FlowKinds::couplings;
  std::string solver = "midpoint";
  std::int64_t steps = 16;
  models::flows::AdaptivePtr adaptive{};  // of the layers that follow a velocity
};
// Its layers, weights, prior and direction, and what a file of it says again. Error: badInput, when there is no such flow of two
// coordinates in it, or with couplings alone one that is written from latents to data.
Expected<PlaneFlowPlan> planeFlowOfFile(const std::string& path, const PlaneFlowOtherwise& otherwise);
// What files say of a velocity's solver.
models::flows::Solver planeFlowSolverOf(const std::string& id);

// "weights": a tensor file with such a flow, or with one of pictures.
Parameter ownFlowParameter();
// Whether there is none, and the lab's parameters make the flow; and that with the kind of data.
bool drawnFlow(const Values& values);
bool drawnFlowOnPlane(const Values& values);
bool drawnFlowOnPictures(const Values& values);
// Takes files of couplings of the plane that scale, or that only shift.
Acceptance planeFlowAcceptance(bool scaling);
// Takes any flow of the plane into "weights" and sets `also`.
Acceptance anyPlaneFlowAcceptance(Values also);

}  // namespace orrery::generative
