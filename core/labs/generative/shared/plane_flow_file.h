#pragma once
// A flow of the plane in a file: couplings whose masks take turns, the first passing x, with normalizations and a scale between and behind
// them, under the names of core/models/flow_file.h.

#include <string>

#include "core/labs/generative/shared/plane_flow_lab.h"

namespace orrery::generative {

// Its layers and weights. `bound` and `prior`: where the file says none. Error: badInput, when there is no such flow of two coordinates in
// it.
Expected<PlaneFlowPlan> planeFlowOfFile(const std::string& path, double bound, models::flows::Prior prior);

// "weights": a tensor file with such a flow, or with one of pictures.
Parameter ownFlowParameter();
// Whether there is none, and the lab's parameters make the flow; and that with the kind of data.
bool drawnFlow(const Values& values);
bool drawnFlowOnPlane(const Values& values);
bool drawnFlowOnPictures(const Values& values);
// Takes files of couplings of the plane that scale, or that only shift.
Acceptance planeFlowAcceptance(bool scaling);

}  // namespace orrery::generative
