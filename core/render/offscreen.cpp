#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/gpu/vulkan.h"
#include "core/render/state.h"
#include "core/render/target.h"

namespace orrery::render {

// An image that is drawn into and copied back; kept for the next picture of the same size.
class OffscreenTarget {
 public:
  static constexpr VkFormat format = VK_FORMAT_R8G8B8A8_UNORM;

  OffscreenTarget(gpu::Device& device, std::uint32_t pixelWidth, std::uint32_t pixelHeight)
      : width(pixelWidth), height(pixelHeight), readback(device, VK_BUFFER_USAGE_TRANSFER_DST_BIT, true), device_(device) {
    const gpu::VulkanHandles& vk = device.vulkan();
    VkImageCreateInfo imageInfo{VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO};
    imageInfo.imageType = VK_IMAGE_TYPE_2D;
    imageInfo.format = format;
    imageInfo.extent = {width, height, 1};
    imageInfo.mipLevels = 1;
    imageInfo.arrayLayers = 1;
    imageInfo.samples = VK_SAMPLE_COUNT_1_BIT;
    imageInfo.tiling = VK_IMAGE_TILING_OPTIMAL;
    imageInfo.usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT;
    gpu::check(vkCreateImage(vk.device, &imageInfo, nullptr, &image), "vkCreateImage");
    memory_ = gpu::bindImageMemory(device, image);
    VkImageViewCreateInfo viewInfo{VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO};
    viewInfo.image = image;
    viewInfo.viewType = VK_IMAGE_VIEW_TYPE_2D;
    viewInfo.format = format;
    viewInfo.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    gpu::check(vkCreateImageView(vk.device, &viewInfo, nullptr, &view_), "vkCreateImageView");
    pass = makeRenderPass(device, format, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    VkFramebufferCreateInfo framebufferInfo{VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO};
    framebufferInfo.renderPass = pass;
    framebufferInfo.attachmentCount = 1;
    framebufferInfo.pAttachments = &view_;
    framebufferInfo.width = width;
    framebufferInfo.height = height;
    framebufferInfo.layers = 1;
    gpu::check(vkCreateFramebuffer(vk.device, &framebufferInfo, nullptr, &framebuffer), "vkCreateFramebuffer");
    VkCommandPoolCreateInfo poolInfo{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    poolInfo.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    poolInfo.queueFamilyIndex = vk.queueFamily;
    gpu::check(vkCreateCommandPool(vk.device, &poolInfo, nullptr, &pool_), "vkCreateCommandPool");
    VkCommandBufferAllocateInfo allocation{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
    allocation.commandPool = pool_;
    allocation.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocation.commandBufferCount = 1;
    gpu::check(vkAllocateCommandBuffers(vk.device, &allocation, &commands), "vkAllocateCommandBuffers");
    const VkFenceCreateInfo fenceInfo{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO, nullptr, 0};
    gpu::check(vkCreateFence(vk.device, &fenceInfo, nullptr, &fence), "vkCreateFence");
    readback.reserve(std::size_t{4} * width * height);
  }

  ~OffscreenTarget() {
    const VkDevice vk = device_.vulkan().device;
    vkDestroyFence(vk, fence, nullptr);
    vkDestroyCommandPool(vk, pool_, nullptr);
    vkDestroyFramebuffer(vk, framebuffer, nullptr);
    vkDestroyRenderPass(vk, pass, nullptr);
    vkDestroyImageView(vk, view_, nullptr);
    vkDestroyImage(vk, image, nullptr);
  }
  OffscreenTarget(const OffscreenTarget&) = delete;
  OffscreenTarget& operator=(const OffscreenTarget&) = delete;

  std::uint32_t width, height;
  VkImage image = VK_NULL_HANDLE;
  VkRenderPass pass = VK_NULL_HANDLE;
  VkFramebuffer framebuffer = VK_NULL_HANDLE;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  VkFence fence = VK_NULL_HANDLE;
  HostBuffer readback;

 private:
  gpu::Device& device_;
  std::shared_ptr<gpu::ImageMemory> memory_;
  VkImageView view_ = VK_NULL_HANDLE;
  VkCommandPool pool_ = VK_NULL_HANDLE;
};

Pixels Renderer::State::draw(const DisplayList& list, float scale) {
  const double width = std::ceil(double{list.size.x} * scale - 1e-4), height = std::ceil(double{list.size.y} * scale - 1e-4);
  if (!(width >= 1 && height >= 1)) return {};
  VkPhysicalDeviceProperties properties{};
  vkGetPhysicalDeviceProperties(device->vulkan().physicalDevice, &properties);
  const double most = properties.limits.maxFramebufferWidth;
  if (width > most || height > most) {
    throw gpu::OutOfMemory(static_cast<std::uint64_t>(4 * width * height), static_cast<std::uint64_t>(4 * most * most));
  }
  if (!offscreen || offscreen->width != static_cast<std::uint32_t>(width) || offscreen->height != static_cast<std::uint32_t>(height)) {
    offscreen.reset();
    offscreen = std::make_shared<OffscreenTarget>(*device, static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height));
  }
  OffscreenTarget& image = *offscreen;

  gpu::check(vkResetCommandBuffer(image.commands, 0), "vkResetCommandBuffer");
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  gpu::check(vkBeginCommandBuffer(image.commands, &begin), "vkBeginCommandBuffer");
  RenderTarget target;
  target.commands = image.commands;
  target.pass = image.pass;
  target.framebuffer = image.framebuffer;
  target.format = OffscreenTarget::format;
  target.width = image.width;
  target.height = image.height;
  target.slot = frameSlots;  // one more than the live ones
  record(list, scale, target);
  VkBufferImageCopy region{};
  region.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
  region.imageExtent = {image.width, image.height, 1};
  vkCmdCopyImageToBuffer(image.commands, image.image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, image.readback.buffer(), 1, &region);
  VkMemoryBarrier toHost{VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr, VK_ACCESS_TRANSFER_WRITE_BIT, VK_ACCESS_HOST_READ_BIT};
  vkCmdPipelineBarrier(image.commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &toHost, 0, nullptr, 0, nullptr);
  gpu::check(vkEndCommandBuffer(image.commands), "vkEndCommandBuffer");
  gpu::check(vkResetFences(device->vulkan().device, 1, &image.fence), "vkResetFences");
  gpu::submitGraphics(*device, image.commands, VK_NULL_HANDLE, 0, VK_NULL_HANDLE, image.fence);
  gpu::check(vkWaitForFences(device->vulkan().device, 1, &image.fence, VK_TRUE, UINT64_MAX), "vkWaitForFences");
  image.readback.invalidate();

  Pixels pixels{static_cast<int>(image.width), static_cast<int>(image.height), {}};
  pixels.rgba.resize(std::size_t{4} * image.width * image.height);
  std::memcpy(pixels.rgba.data(), image.readback.data(), pixels.rgba.size());
  if (list.ground.a < 1) {
    // Colours stand multiplied by their alpha in the image; straight alpha is what was promised.
    for (std::size_t i = 0; i < pixels.rgba.size(); i += 4) {
      const unsigned alpha = pixels.rgba[i + 3];
      if (alpha == 0 || alpha == 255) continue;
      for (std::size_t c = 0; c < 3; ++c) {
        pixels.rgba[i + c] = static_cast<std::uint8_t>(std::min(255u, (pixels.rgba[i + c] * 255u + alpha / 2) / alpha));
      }
    }
  }
  return pixels;
}

}  // namespace orrery::render
