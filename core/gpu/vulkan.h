#pragma once
// The raw Vulkan handles behind a gpu::Device, for core/gpu/*.cpp, core/render, app/viewport and app/overlay only.

#include <vulkan/vulkan.h>

#include <mutex>

#include "core/gpu/device.h"

namespace orrery::gpu {

struct VulkanHandles {
  VkInstance instance = VK_NULL_HANDLE;
  VkPhysicalDevice physicalDevice = VK_NULL_HANDLE;
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  std::uint32_t queueFamily = 0;
  VkPipelineCache pipelineCache = VK_NULL_HANDLE;
  std::mutex* queueMutex = nullptr;          // hold it around vkQueueSubmit, vkQueuePresentKHR and vkQueueWaitIdle
};

// The instance is shared by the whole process and made with the surface extensions the platform offers, so that a window can present with
// the same device that computes. Null handle when there is no loader or driver.
VkInstance sharedInstance();

// Throws DeviceLost or OutOfMemory for these results, std::runtime_error for any other failure.
void check(VkResult result, const char* call);

// The buffer and byte offset behind a view.
VkBuffer bufferOf(const BufferView& view);
std::uint64_t offsetOf(const BufferView& view);

// Drawing reads tensors: records the barriers that a read in the vertex and fragment stages needs before this command buffer, and keeps the
// memory alive until `submission` (see submitGraphics) has finished.
void useForDrawing(Device& device, VkCommandBuffer commands, const BufferView& view);

// Submits graphics commands on the device's queue in order with the compute submissions. Signals `fence` (may be null).
std::uint64_t submitGraphics(Device& device, VkCommandBuffer commands, VkSemaphore wait, VkPipelineStageFlags waitStage, VkSemaphore signal,
                             VkFence fence);

// Device memory for images (render targets, textures), from the same block suballocator; freed by the returned object.
struct ImageMemory;
std::shared_ptr<ImageMemory> bindImageMemory(Device& device, VkImage image);

// SPIR-V module for an embedded shader such as "figure/points.vert".
VkShaderModule shaderModule(Device& device, std::string_view name);

}  // namespace orrery::gpu
