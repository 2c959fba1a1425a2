#pragma once
// One embedded shader (SPIR-V). The build generates a registration per shader file and variant (packaging/cmake/shaders.cmake).

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/registry.h"

namespace orrery::gpu {

struct ShaderCode {
  std::string_view id;                 // "kernels/softmax", "kernels/matmul@subgroup", "figure/points.vert"
  const std::uint32_t* words;
  std::size_t bytes;
};

}  // namespace orrery::gpu
