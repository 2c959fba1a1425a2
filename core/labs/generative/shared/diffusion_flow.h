#pragma once
// The probability-flow ODE of a diffusion as a normalizing flow: each layer is one step of a solver along the exact velocity of a mixture
// on the variance-preserving path, from data at t = 0 to noise at t = 1. Source: Song et al. 2021, eq. 13 and 39. Nothing is learnt. Times
// t_i = (i / K)^3: blobs are narrow where data begin.

#include <vector>

#include "core/labs/generative/shared/flow_field.h"
#include "core/models/flows.h"

namespace orrery::generative {

// K layers. Components need a width.
std::vector<models::flows::LayerPtr> diffusionFlow(const std::vector<kernels::Component>& components, std::int64_t steps,
                                                   FlowSolver solver);

}  // namespace orrery::generative
