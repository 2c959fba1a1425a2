#pragma once
// ShapeWorld scenes as a batch of pictures on the device.

#include <cstdint>
#include <span>
#include <vector>

#include "core/data/shapeworld.h"
#include "core/tensor/tensor.h"

namespace orrery::models {

// Scenes `first` .. `first + count - 1` of the options' split.
std::vector<shapeworld::Scene> scenesFrom(const shapeworld::Options& options, std::int64_t first, std::int64_t count);

// `count` scenes whose first object has a radius of `least` lattice units or more: the first such ones among indices 16 first ... 16 (first +
// count) - 1, and, out of luck, whatever comes last there. With `least` 0 those of scenesFrom().
std::vector<shapeworld::Scene> largeScenes(const shapeworld::Options& options, std::int64_t first, std::int64_t count, double least);

// f32 [scenes, 3, size, size] in -1 ... 1, drawn there; `options` are those the scenes were made with.
Tensor drawn(gpu::Stream& stream, std::span<const shapeworld::Scene> scenes, const shapeworld::Options& options, std::int64_t size);

}  // namespace orrery::models
