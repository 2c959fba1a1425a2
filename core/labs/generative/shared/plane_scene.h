#pragma once
// A density of the plane with its exact denoiser, for labs that compute on the host: the built-in scenes of generative.md C8, a painting or
// a file, and samples of x_0 from it.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/expected.h"
#include "core/diffusion/density.h"
#include "core/labs/generative/shared/planar_density.h"
#include "core/session/lab.h"

namespace orrery::generative {

struct PlaneScene {
  std::string id;
  PlanarDensity density;            // as kernels and drawing functions take it: components, reach, whether it has modes
  diffusion::PlaneMixture mixture;  // the same components, weights sum to 1

  // x_0 of particles first .. first + count - 1 as pairs: particle j depends on seed, purpose and j alone (exactPoint of planar_density.h).
  diffusion::State draw(std::uint64_t seed, std::size_t count, std::uint32_t purpose, std::uint32_t first = 0) const;
};

// Any id of sceneOptions() but "drawn" and "dropped". `spread` multiplies every deviation.
Expected<PlaneScene> planeScene(std::string_view id, double spread = 1);
PlaneScene planeScene(std::string id, PlanarDensity density);
// What the parameters "scene", "spread", "strokes", "file", "invert" and "components" of planeSceneParameters() say.
Expected<PlaneScene> planeScene(const LabContext& context);

// Ids and titles of the built-in scenes; `own` adds "drawn" and "dropped".
Choice sceneOptions(bool own = true);
// The parameters scene, spread, file, invert, brush, strokes, components in the group "Density", shown as the scene needs them.
std::vector<Parameter> planeSceneParameters(std::string_view scene, double spread = 1);
// Takes points and images into the parameter "file" and sets scene = dropped.
Acceptance planeSceneAcceptance();

}  // namespace orrery::generative
