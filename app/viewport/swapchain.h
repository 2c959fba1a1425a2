#pragma once
// The images of a surface on a device. Recreate it when the surface has changed (needsRebuild, out of date).

#include <vulkan/vulkan.h>

#include <vector>

#include "core/gpu/device.h"

namespace orrery::app {

class Swapchain {
 public:
  // Throws std::runtime_error when the device cannot present to the surface, gpu::DeviceLost, gpu::OutOfMemory; SurfaceLost.
  Swapchain(gpu::Device& device, VkSurfaceKHR surface, std::uint32_t width, std::uint32_t height);
  ~Swapchain();  // nothing of it may be in use
  Swapchain(const Swapchain&) = delete;
  Swapchain& operator=(const Swapchain&) = delete;

  bool empty() const { return swapchain_ == VK_NULL_HANDLE; }  // the window has no area now
  VkSwapchainKHR handle() const { return swapchain_; }
  VkFormat format() const { return format_; }
  VkExtent2D extent() const { return extent_; }
  VkRenderPass pass() const { return pass_; }
  bool canCopy() const { return canCopy_; }
  std::uint32_t imageCount() const { return static_cast<std::uint32_t>(images_.size()); }
  VkImage image(std::uint32_t i) const { return images_[i].image; }
  VkFramebuffer framebuffer(std::uint32_t i) const { return images_[i].framebuffer; }
  VkSemaphore rendered(std::uint32_t i) const { return images_[i].rendered; }

 private:
  explicit Swapchain(gpu::Device& device) : device_(device) {}  // so that the destructor cleans up after a failure
  struct Image {
    VkImage image = VK_NULL_HANDLE;
    VkImageView view = VK_NULL_HANDLE;
    VkFramebuffer framebuffer = VK_NULL_HANDLE;
    VkSemaphore rendered = VK_NULL_HANDLE;  // signalled when drawing has finished, waited for by presentation
  };
  gpu::Device& device_;
  VkSwapchainKHR swapchain_ = VK_NULL_HANDLE;
  VkRenderPass pass_ = VK_NULL_HANDLE;
  VkFormat format_ = VK_FORMAT_UNDEFINED;
  VkExtent2D extent_{};
  bool canCopy_ = false;
  std::vector<Image> images_;
};

// The surface is gone (the window was closed or recreated); a new one may come.
struct SurfaceLost {};

}  // namespace orrery::app
