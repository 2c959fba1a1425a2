#pragma once
// How large a batch of a recipe the device has memory for.

#include <cstdint>
#include <memory>

#include "core/gpu/device.h"
#include "core/models/recipe.h"

namespace orrery::cli {

// The largest batch, at most the one in `settings`, of which one training step can be recorded; 0 when not even the recipe's smallest.
// Steps are only recorded, which allocates all they need, and then dropped: nothing runs. The moments and
// averages of later steps have their room in it.
std::int64_t largestBatch(const models::Recipe& recipe, const models::Settings& settings, const std::shared_ptr<gpu::Device>& device);

}  // namespace orrery::cli
