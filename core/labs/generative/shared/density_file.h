#pragma once
// A density of the plane from a dropped file: points (CSV, npy, npz) or an image.

#include "core/labs/generative/shared/planar_density.h"
#include "core/session/parameter.h"

namespace orrery::generative {

// `invert`: dark pixels are dense. Error: no file chosen, or what the reader says.
Expected<PlanarDensity> densityOfFile(const Asset& file, bool invert, double spread);

}  // namespace orrery::generative
