#pragma once
// A live target for Renderer::record: for core/render and app/viewport only (Vulkan types).

#include <vulkan/vulkan.h>

#include <cstdint>
#include <functional>

#include "core/figure/display_list.h"
#include "core/gpu/device.h"

namespace orrery::render {

// Frames in flight that record() supports: slots 0 .. frameSlots - 1.
constexpr std::uint32_t frameSlots = 3;

struct RenderTarget {
  VkCommandBuffer commands = VK_NULL_HANDLE;  // recording, outside of a render pass
  VkRenderPass pass = VK_NULL_HANDLE;         // from makeRenderPass(); record() begins and ends it
  VkFramebuffer framebuffer = VK_NULL_HANDLE;
  VkFormat format = VK_FORMAT_UNDEFINED;
  std::uint32_t width = 0, height = 0;           // device px
  std::uint32_t slot = 0;                        // the earlier commands recorded with this slot have finished on the GPU
  const DisplayList* above = nullptr;            // drawn over the list with the same scale: handles, highlights, busy state
  std::function<void(VkCommandBuffer)> overlay;  // called inside the pass, last
};

// One colour attachment, cleared at the start, left in `finalLayout`. The caller destroys it.
VkRenderPass makeRenderPass(gpu::Device& device, VkFormat format, VkImageLayout finalLayout);

}  // namespace orrery::render
