// Cooperative matrices: what of them a device offers, and how they are switched on.

#include "core/gpu/cooperative_matrix.h"

#include <algorithm>
#include <cstring>

#include "core/gpu/matrix_support.h"
#include "core/gpu/shader_code.h"
#include "core/gpu/state.h"

namespace orrery::gpu {
namespace {

constexpr std::uint32_t minLanes = 8;            // four subgroups must have 32 invocations (attention_matrix.comp)
constexpr std::uint32_t sharedBytes = 32 << 10;  // of attention_matrix.comp
constexpr std::uint32_t step = 32;               // of K, and rows and columns of a block of attention

bool divides(std::uint32_t size) { return size > 0 && step % size == 0; }

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
  if (subgroup.subgroupSize < minLanes || 4 * subgroup.subgroupSize > properties.properties.limits.maxComputeWorkGroupInvocations) return;
  if (properties.properties.limits.maxComputeSharedMemorySize < sharedBytes) return;
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
        f.ResultType != VK_COMPONENT_TYPE_FLOAT32_KHR || f.scope != VK_SCOPE_SUBGROUP_KHR || !divides(f.MSize) || !divides(f.NSize) ||
        !divides(f.KSize)) {
      continue;
    }
    const MatrixShape shape{f.MSize, f.NSize, f.KSize, subgroup.subgroupSize};
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
