#pragma once
// ShapeWorld scenes as the rows a device draws from (core/kernels/shapeworld_raster.h states the words).

#include <span>

#include "core/data/shapeworld.h"
#include "core/tensor/tensor.h"

namespace orrery::shapeworld {

// How many objects a scene of these options can hold, its crowd included.
int mostObjects(const Options& options);

// u32 [scenes, 8 + 4 capacity], the crowd before the objects. `capacity` 0 = mostObjects(options); every scene must fit.
Tensor drawTable(std::span<const Scene> scenes, const Options& options, int capacity = 0);

}  // namespace orrery::shapeworld
