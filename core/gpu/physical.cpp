// Which physical devices can run us, best first.

#include <fmt/format.h>

#include <algorithm>

#include "core/gpu/state.h"

namespace orrery::gpu {
namespace {

std::string versionText(std::uint32_t version) {
  return fmt::format("{}.{}.{}", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version), VK_API_VERSION_PATCH(version));
}

DeviceKind kindOf(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return DeviceKind::discrete;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return DeviceKind::integrated;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return DeviceKind::cpu;
    default: return DeviceKind::other;
  }
}

int rankOf(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::discrete: return 0;
    case DeviceKind::integrated: return 1;
    case DeviceKind::other: return 2;   // virtual GPUs
    case DeviceKind::cpu: return 3;
  }
  return 4;
}

// A family that computes and draws; timestamps may be missing.
bool findQueueFamily(VkPhysicalDevice physical, std::uint32_t& family, bool& timestamps) {
  std::uint32_t count = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families.data());
  for (std::uint32_t i = 0; i < count; ++i) {
    constexpr VkQueueFlags needed = VK_QUEUE_COMPUTE_BIT | VK_QUEUE_GRAPHICS_BIT;
    if ((families[i].queueFlags & needed) != needed) continue;
    family = i;
    timestamps = families[i].timestampValidBits > 0;
    return true;
  }
  return false;
}

}  // namespace

std::string_view nameOf(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::cpu: return "cpu";
    case DeviceKind::integrated: return "integrated";
    case DeviceKind::discrete: return "discrete";
    case DeviceKind::other: break;
  }
  return "other";
}

std::vector<Candidate> candidates(VkInstance instance) {
  std::vector<Candidate> result;
  if (instance == VK_NULL_HANDLE) return result;
  std::uint32_t count = 0;
  if (vkEnumeratePhysicalDevices(instance, &count, nullptr) != VK_SUCCESS) return result;
  std::vector<VkPhysicalDevice> devices(count);
  vkEnumeratePhysicalDevices(instance, &count, devices.data());
  for (VkPhysicalDevice physical : devices) {
    VkPhysicalDeviceProperties basic;
    vkGetPhysicalDeviceProperties(physical, &basic);
    if (basic.apiVersion < VK_API_VERSION_1_2) continue;
    VkPhysicalDeviceSubgroupProperties subgroup{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceDriverProperties driver{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES, &subgroup};
    VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &driver};
    vkGetPhysicalDeviceProperties2(physical, &properties);
    VkPhysicalDeviceVulkan12Features features12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceVulkan11Features features11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, &features12};
    VkPhysicalDeviceFeatures2 features{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &features11};
    vkGetPhysicalDeviceFeatures2(physical, &features);

    Candidate candidate;
    candidate.physical = physical;
    DeviceSummary& summary = candidate.summary;
    if (!findQueueFamily(physical, candidate.queueFamily, summary.timestamps) || features12.timelineSemaphore != VK_TRUE) continue;
    summary.name = basic.deviceName;
    summary.driver = fmt::format("{} {}", driver.driverName, driver.driverInfo);
    summary.apiVersion = versionText(basic.apiVersion);
    summary.kind = kindOf(basic.deviceType);
    summary.subgroupSize = std::max(1u, subgroup.subgroupSize);
    summary.float16 = features12.shaderFloat16 == VK_TRUE && features11.storageBuffer16BitAccess == VK_TRUE;
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(physical, &memory);
    for (std::uint32_t i = 0; i < memory.memoryHeapCount; ++i) {
      if ((memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0) {
        summary.memoryBytes = std::max<std::uint64_t>(summary.memoryBytes, memory.memoryHeaps[i].size);
      }
    }
    result.push_back(std::move(candidate));
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const Candidate& a, const Candidate& b) { return rankOf(a.summary.kind) < rankOf(b.summary.kind); });
  for (std::size_t i = 0; i < result.size(); ++i) result[i].summary.index = static_cast<int>(i);
  return result;
}

std::vector<DeviceSummary> listDevices() {
  std::vector<DeviceSummary> result;
  for (auto& candidate : candidates(sharedInstance())) result.push_back(std::move(candidate.summary));
  return result;
}

}  // namespace orrery::gpu
