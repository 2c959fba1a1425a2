#include "core/render/host_buffer.h"

#include <algorithm>

#include "core/gpu/vulkan.h"

namespace orrery::render {

namespace {

// The best memory type of these: all of `required`, then as many of `preferred` as there are.
std::uint32_t memoryTypeFor(VkPhysicalDevice device, std::uint32_t allowed, VkMemoryPropertyFlags required,
                            VkMemoryPropertyFlags preferred) {
  VkPhysicalDeviceMemoryProperties properties{};
  vkGetPhysicalDeviceMemoryProperties(device, &properties);
  std::uint32_t fallback = 0;
  for (std::uint32_t i = 0; i < properties.memoryTypeCount; ++i) {
    const VkMemoryPropertyFlags flags = properties.memoryTypes[i].propertyFlags;
    if (!(allowed & 1u << i) || (flags & required) != required) continue;
    if ((flags & preferred) == preferred) return i;
    fallback = i;
  }
  return fallback;
}

}  // namespace

void HostBuffer::reserve(std::size_t bytes) {
  if (bytes <= bytes_) return;
  release();
  const gpu::VulkanHandles& vk = device_.vulkan();
  // Doubling keeps a growing frame from reallocating every time.
  const std::size_t wanted = std::max<std::size_t>(64 << 10, bytes + bytes / 2);
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = wanted;
  info.usage = usage_;
  gpu::check(vkCreateBuffer(vk.device, &info, nullptr, &buffer_), "vkCreateBuffer");
  VkMemoryRequirements requirements{};
  vkGetBufferMemoryRequirements(vk.device, buffer_, &requirements);
  VkMemoryAllocateInfo allocation{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
  allocation.allocationSize = requirements.size;
  allocation.memoryTypeIndex = memoryTypeFor(vk.physicalDevice, requirements.memoryTypeBits, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT,
                                             forReading_ ? VK_MEMORY_PROPERTY_HOST_CACHED_BIT : VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
  gpu::check(vkAllocateMemory(vk.device, &allocation, nullptr, &memory_), "vkAllocateMemory");
  gpu::check(vkBindBufferMemory(vk.device, buffer_, memory_, 0), "vkBindBufferMemory");
  void* mapped = nullptr;
  gpu::check(vkMapMemory(vk.device, memory_, 0, VK_WHOLE_SIZE, 0, &mapped), "vkMapMemory");
  data_ = static_cast<std::byte*>(mapped);
  VkPhysicalDeviceMemoryProperties properties{};
  vkGetPhysicalDeviceMemoryProperties(vk.physicalDevice, &properties);
  coherent_ = (properties.memoryTypes[allocation.memoryTypeIndex].propertyFlags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;
  bytes_ = wanted;
}

void HostBuffer::invalidate() {
  if (coherent_ || memory_ == VK_NULL_HANDLE) return;
  const VkMappedMemoryRange range{VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory_, 0, VK_WHOLE_SIZE};
  gpu::check(vkInvalidateMappedMemoryRanges(device_.vulkan().device, 1, &range), "vkInvalidateMappedMemoryRanges");
}

void HostBuffer::flush() {
  if (coherent_ || memory_ == VK_NULL_HANDLE) return;
  const VkMappedMemoryRange range{VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory_, 0, VK_WHOLE_SIZE};
  gpu::check(vkFlushMappedMemoryRanges(device_.vulkan().device, 1, &range), "vkFlushMappedMemoryRanges");
}

void HostBuffer::release() {
  const VkDevice vk = device_.vulkan().device;
  vkDestroyBuffer(vk, buffer_, nullptr);
  vkFreeMemory(vk, memory_, nullptr);  // unmaps
  buffer_ = VK_NULL_HANDLE;
  memory_ = VK_NULL_HANDLE;
  data_ = nullptr;
  bytes_ = 0;
}

}  // namespace orrery::render
