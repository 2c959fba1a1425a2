// Cooperative matrices: what of them a device offers, and how they are switched on.

#include "core/gpu/cooperative_matrix.h"

#include <algorithm>
#include <cstring>

#include "core/gpu/matrix_support.h"
#include "core/gpu/shader_code.h"
#include "core/gpu/state.h"

namespace orrery::gpu {
namespace {

// Four subgroups share 32 rows of attention (attention_matrix.comp) and the 1024 or more elements of a tile (matrix_product.glsl) evenly.
bool serves(std::uint32_t lanes) { return lanes == 8 || lanes == 16 || lanes == 32 || lanes == 64; }

// Shared memory of attention_matrix.comp at its widest, and what each invocation adds to it.
constexpr std::uint32_t sharedBytes = 29'696, sharedBytesEach = 16;

// Rows and columns of tiles are four matrices, of blocks of attention 32; with matrices of 32 the tiles would not fit into shared memory.
bool fits(std::uint32_t m, std::uint32_t n, std::uint32_t k) {
  return (m == 8 || m == 16) && (n == 8 || n == 16) && (k == 8 || k == 16 || k == 32);
}

}  // namespace

MatrixSupport::MatrixSupport(VkInstance instance, VkPhysicalDevice physical, const std::vector<VkExtensionProperties>& offered) {
  const auto has = [&](const char* name) {
    return std::any_of(offered.begin(), offered.end(), [&](const auto& entry) { return std::strcmp(entry.extensionName, name) == 0; });
  };
  if (!has(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME)) return;
  const bool sizeControl = has(VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);

  VkPhysicalDeviceVulkan12Features v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, &matrices_};
  VkPhysicalDeviceFeatures2 features{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &v12};
  if (sizeControl) matrices_.pNext = &sizes_;
  vkGetPhysicalDeviceFeatures2(physical, &features);
  matrices_.pNext = nullptr;
  sizes_.pNext = nullptr;
  matrices_.cooperativeMatrixRobustBufferAccess = VK_FALSE;
  if (matrices_.cooperativeMatrix != VK_TRUE || v12.shaderFloat16 != VK_TRUE || v12.vulkanMemoryModel != VK_TRUE) return;

  VkPhysicalDeviceSubgroupProperties subgroup{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
  VkPhysicalDeviceSubgroupSizeControlPropertiesEXT control{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT,
                                                           &subgroup};
  VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                         sizeControl ? static_cast<void*>(&control) : &subgroup};
  vkGetPhysicalDeviceProperties2(physical, &properties);
  const std::uint32_t lanes = subgroup.subgroupSize;
  const auto& limits = properties.properties.limits;
  if (!serves(lanes) || 4 * lanes > limits.maxComputeWorkGroupInvocations) return;
  if (limits.maxComputeSharedMemorySize < sharedBytes + 4 * lanes * sharedBytesEach) return;
  // The shaders count on subgroups of one size: they ask for it where sizes vary.
  fixesSize_ = !sizeControl || control.minSubgroupSize != control.maxSubgroupSize;
  if (fixesSize_ && (!sizeControl || sizes_.subgroupSizeControl != VK_TRUE || sizes_.computeFullSubgroups != VK_TRUE ||
                     (control.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) == 0)) {
    return;
  }

  const auto list = reinterpret_cast<PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR>(
      vkGetInstanceProcAddr(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
  if (list == nullptr) return;
  std::uint32_t count = 0;
  list(physical, &count, nullptr);
  std::vector<VkCooperativeMatrixPropertiesKHR> found(count, {VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR});
  list(physical, &count, found.data());
  // The one closest to a cube of 16, the size that drivers map to the hardware's own.
  const auto badness = [](const MatrixShape& s) {
    const auto off = [](std::uint32_t size) { return size > 16 ? size - 16 : 16 - size; };
    return off(s.m) + off(s.n) + off(s.k);
  };
  for (const auto& f : found) {
    if (f.AType != VK_COMPONENT_TYPE_FLOAT16_KHR || f.BType != VK_COMPONENT_TYPE_FLOAT16_KHR || f.CType != VK_COMPONENT_TYPE_FLOAT32_KHR ||
        f.ResultType != VK_COMPONENT_TYPE_FLOAT32_KHR || f.scope != VK_SCOPE_SUBGROUP_KHR || !fits(f.MSize, f.NSize, f.KSize)) {
      continue;
    }
    const MatrixShape shape{f.MSize, f.NSize, f.KSize, lanes};
    if (!shape_ || badness(shape) < badness(*shape_)) shape_ = shape;
  }
}

std::vector<const char*> MatrixSupport::extensions() const {
  if (!shape_) return {};
  std::vector<const char*> result{VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME};
  if (fixesSize_) result.push_back(VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
  return result;
}

void* MatrixSupport::chain(void* next) {
  if (!shape_) return next;
  sizes_.pNext = next;
  matrices_.pNext = fixesSize_ ? &sizes_ : next;
  return &matrices_;
}

bool usesMatrices(const ShaderCode& code) {
  constexpr std::uint32_t opCapability = 17, cooperativeMatrixKHR = 6022;
  // Capabilities come first.
  for (std::size_t at = 5; at + 1 < code.bytes / 4 && code.words[at] == (2u << 16 | opCapability); at += 2) {
    if (code.words[at + 1] == cooperativeMatrixKHR) return true;
  }
  return false;
}

std::optional<MatrixShape> matrixShape(Device& device) { return device.state().matrices; }

}  // namespace orrery::gpu
