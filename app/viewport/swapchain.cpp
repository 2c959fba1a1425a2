#include "app/viewport/swapchain.h"

#include <algorithm>
#include <stdexcept>

#include "core/base/text.h"
#include "core/gpu/vulkan.h"
#include "core/render/target.h"

namespace orrery::app {

namespace {

void checkSurface(VkResult result, const char* call) {
  if (result == VK_ERROR_SURFACE_LOST_KHR || result == VK_ERROR_NATIVE_WINDOW_IN_USE_KHR) throw SurfaceLost{};
  gpu::check(result, call);
}

// 8 bit without automatic sRGB conversion: colours are mixed as SVG viewers mix them.
VkSurfaceFormatKHR chooseFormat(VkPhysicalDevice device, VkSurfaceKHR surface) {
  std::uint32_t count = 0;
  checkSurface(vkGetPhysicalDeviceSurfaceFormatsKHR(device, surface, &count, nullptr), "vkGetPhysicalDeviceSurfaceFormatsKHR");
  std::vector<VkSurfaceFormatKHR> formats(count);
  checkSurface(vkGetPhysicalDeviceSurfaceFormatsKHR(device, surface, &count, formats.data()), "vkGetPhysicalDeviceSurfaceFormatsKHR");
  for (const VkFormat wanted : {VK_FORMAT_B8G8R8A8_UNORM, VK_FORMAT_R8G8B8A8_UNORM}) {
    for (const VkSurfaceFormatKHR& format : formats) {
      if (format.format == wanted) return format;
    }
  }
  throw std::runtime_error(tr("this display offers no 8-bit RGBA format to draw the canvas in"));
}

// The one that never waits for the display, else the queue every device has.
VkPresentModeKHR chooseMode(VkPhysicalDevice device, VkSurfaceKHR surface) {
  std::uint32_t count = 0;
  checkSurface(vkGetPhysicalDeviceSurfacePresentModesKHR(device, surface, &count, nullptr), "vkGetPhysicalDeviceSurfacePresentModesKHR");
  std::vector<VkPresentModeKHR> modes(count);
  checkSurface(vkGetPhysicalDeviceSurfacePresentModesKHR(device, surface, &count, modes.data()),
               "vkGetPhysicalDeviceSurfacePresentModesKHR");
  for (const VkPresentModeKHR wanted : {VK_PRESENT_MODE_MAILBOX_KHR, VK_PRESENT_MODE_IMMEDIATE_KHR}) {
    if (std::find(modes.begin(), modes.end(), wanted) != modes.end()) return wanted;
  }
  return VK_PRESENT_MODE_FIFO_KHR;
}

}  // namespace

Swapchain::Swapchain(gpu::Device& device, VkSurfaceKHR surface, std::uint32_t width, std::uint32_t height) : Swapchain(device) {
  const gpu::VulkanHandles& vk = device.vulkan();
  VkBool32 supported = VK_FALSE;
  checkSurface(vkGetPhysicalDeviceSurfaceSupportKHR(vk.physicalDevice, vk.queueFamily, surface, &supported),
               "vkGetPhysicalDeviceSurfaceSupportKHR");
  if (!supported) throw std::runtime_error(trf("the device {} cannot draw into this window", device.summary().name));
  VkSurfaceCapabilitiesKHR abilities{};
  checkSurface(vkGetPhysicalDeviceSurfaceCapabilitiesKHR(vk.physicalDevice, surface, &abilities),
               "vkGetPhysicalDeviceSurfaceCapabilitiesKHR");
  extent_ = abilities.currentExtent;
  if (extent_.width == UINT32_MAX) {
    extent_ = {std::clamp(width, abilities.minImageExtent.width, abilities.maxImageExtent.width),
               std::clamp(height, abilities.minImageExtent.height, abilities.maxImageExtent.height)};
  }
  if (extent_.width == 0 || extent_.height == 0) return;

  const VkSurfaceFormatKHR format = chooseFormat(vk.physicalDevice, surface);
  format_ = format.format;
  canCopy_ = (abilities.supportedUsageFlags & VK_IMAGE_USAGE_TRANSFER_SRC_BIT) != 0;
  VkSwapchainCreateInfoKHR info{VK_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR};
  info.surface = surface;
  info.minImageCount = std::max(abilities.minImageCount, 3u);
  if (abilities.maxImageCount > 0) info.minImageCount = std::min(info.minImageCount, abilities.maxImageCount);
  info.imageFormat = format.format;
  info.imageColorSpace = format.colorSpace;
  info.imageExtent = extent_;
  info.imageArrayLayers = 1;
  info.imageUsage =
      VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | (canCopy_ ? VkImageUsageFlags{VK_IMAGE_USAGE_TRANSFER_SRC_BIT} : VkImageUsageFlags{0});
  info.imageSharingMode = VK_SHARING_MODE_EXCLUSIVE;
  info.preTransform = abilities.currentTransform;
  info.compositeAlpha = abilities.supportedCompositeAlpha & VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR ? VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR
                                                                                              : VK_COMPOSITE_ALPHA_INHERIT_BIT_KHR;
  info.presentMode = chooseMode(vk.physicalDevice, surface);
  info.clipped = VK_TRUE;
  checkSurface(vkCreateSwapchainKHR(vk.device, &info, nullptr, &swapchain_), "vkCreateSwapchainKHR");
  pass_ = render::makeRenderPass(device, format_, VK_IMAGE_LAYOUT_PRESENT_SRC_KHR);

  std::uint32_t count = 0;
  gpu::check(vkGetSwapchainImagesKHR(vk.device, swapchain_, &count, nullptr), "vkGetSwapchainImagesKHR");
  std::vector<VkImage> images(count);
  gpu::check(vkGetSwapchainImagesKHR(vk.device, swapchain_, &count, images.data()), "vkGetSwapchainImagesKHR");
  images_.resize(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    Image& image = images_[i];
    image.image = images[i];
    VkImageViewCreateInfo view{VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO};
    view.image = image.image;
    view.viewType = VK_IMAGE_VIEW_TYPE_2D;
    view.format = format_;
    view.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    gpu::check(vkCreateImageView(vk.device, &view, nullptr, &image.view), "vkCreateImageView");
    VkFramebufferCreateInfo framebuffer{VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO};
    framebuffer.renderPass = pass_;
    framebuffer.attachmentCount = 1;
    framebuffer.pAttachments = &image.view;
    framebuffer.width = extent_.width;
    framebuffer.height = extent_.height;
    framebuffer.layers = 1;
    gpu::check(vkCreateFramebuffer(vk.device, &framebuffer, nullptr, &image.framebuffer), "vkCreateFramebuffer");
    const VkSemaphoreCreateInfo semaphore{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, nullptr, 0};
    gpu::check(vkCreateSemaphore(vk.device, &semaphore, nullptr, &image.rendered), "vkCreateSemaphore");
  }
}

Swapchain::~Swapchain() {
  const VkDevice vk = device_.vulkan().device;
  for (const Image& image : images_) {
    vkDestroySemaphore(vk, image.rendered, nullptr);
    vkDestroyFramebuffer(vk, image.framebuffer, nullptr);
    vkDestroyImageView(vk, image.view, nullptr);
  }
  vkDestroyRenderPass(vk, pass_, nullptr);
  vkDestroySwapchainKHR(vk, swapchain_, nullptr);
}

}  // namespace orrery::app
