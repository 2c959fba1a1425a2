#pragma once
// Whether a device multiplies small matrices as one operation of a subgroup (VK_KHR_cooperative_matrix), and of which sizes.

#include <cstdint>
#include <optional>

#include "core/gpu/device.h"

namespace orrery::gpu {

// f16 [m, k] times f16 [k, n], summed in f32 [m, n] by a subgroup of `lanes` invocations. m and n are 8 or 16, k is 8, 16 or 32,
// lanes 8 to 64, so that our shaders can share their work evenly.
struct MatrixShape {
  std::uint32_t m = 0, n = 0, k = 0, lanes = 0;
};

// None where the device cannot, or not in a way our shaders can use (shaders/include/matrix_product.glsl).
std::optional<MatrixShape> matrixShape(Device& device);

}  // namespace orrery::gpu
