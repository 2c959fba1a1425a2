#pragma once
// The parameters that choose the noise levels of a sampler's steps: one of core/diffusion's grids, and what it reads.

#include <string_view>
#include <vector>

#include "core/diffusion/grid.h"
#include "core/session/lab.h"

namespace orrery::generative {

// "grid", "sigma-min", "sigma-max" with these defaults, and what single grids read, shown when they are chosen: "rho", "poly-rho",
// "beta-shape", "beta-b", "shift", "level-mean", "level-deviation", "process", "levels". Group "Step grid".
std::vector<Parameter> stepGridParameters(std::string_view grid, double sigmaMin, double sigmaMax);

const diffusion::Grid& chosenGrid(const LabContext& context);
diffusion::GridRequest gridRequest(const LabContext& context);

}  // namespace orrery::generative
