#pragma once
// Cooperative matrices of a physical device, for core/gpu/*.cpp only.

#include <vulkan/vulkan.h>

#include <optional>
#include <vector>

#include "core/gpu/cooperative_matrix.h"
#include "core/gpu/shader_code.h"

// Vulkan's headers know the extension since 1.3.255 (2023); Debian 12 has 1.3.239.
#ifndef VK_KHR_cooperative_matrix
#define VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME "VK_KHR_cooperative_matrix"
#define VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR static_cast<VkStructureType>(1000506000)
#define VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR static_cast<VkStructureType>(1000506001)
enum VkComponentTypeKHR {
  VK_COMPONENT_TYPE_FLOAT16_KHR = 0,
  VK_COMPONENT_TYPE_FLOAT32_KHR = 1,
  VK_COMPONENT_TYPE_MAX_ENUM_KHR = 0x7FFFFFFF
};
enum VkScopeKHR { VK_SCOPE_SUBGROUP_KHR = 3, VK_SCOPE_MAX_ENUM_KHR = 0x7FFFFFFF };
struct VkCooperativeMatrixPropertiesKHR {
  VkStructureType sType;
  void* pNext;
  uint32_t MSize, NSize, KSize;
  VkComponentTypeKHR AType, BType, CType, ResultType;
  VkBool32 saturatingAccumulation;
  VkScopeKHR scope;
};
struct VkPhysicalDeviceCooperativeMatrixFeaturesKHR {
  VkStructureType sType;
  void* pNext;
  VkBool32 cooperativeMatrix, cooperativeMatrixRobustBufferAccess;
};
typedef VkResult(VKAPI_PTR* PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)(VkPhysicalDevice, uint32_t*,
                                                                                   VkCooperativeMatrixPropertiesKHR*);
#endif

namespace orrery::gpu {

class MatrixSupport {
 public:
  MatrixSupport(VkInstance instance, VkPhysicalDevice physical, const std::vector<VkExtensionProperties>& offered);
  MatrixSupport(const MatrixSupport&) = delete;
  MatrixSupport& operator=(const MatrixSupport&) = delete;

  const std::optional<MatrixShape>& shape() const { return shape_; }
  // Pipelines of shaders that use matrices must ask for subgroups of shape().lanes, full ones.
  bool fixesSize() const { return fixesSize_; }
  std::vector<const char*> extensions() const;  // to switch on
  void* chain(void* next);                      // the features to switch on, in front of `next`; valid as long as this

 private:
  std::optional<MatrixShape> shape_;
  bool fixesSize_ = false;
  VkPhysicalDeviceSubgroupSizeControlFeaturesEXT sizes_{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT};
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices_{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
};

bool usesMatrices(const ShaderCode& code);

}  // namespace orrery::gpu
