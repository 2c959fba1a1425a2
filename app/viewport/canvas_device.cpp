#include "app/viewport/canvas_device.h"

#include "core/gpu/vulkan.h"
#include "core/render/target.h"

namespace orrery::app {

namespace {
// A window system that gives no image for this long is asked again later, so that the thread can still be stopped.
constexpr std::uint64_t acquireTimeout = 200'000'000;  // ns
}  // namespace

CanvasDevice::CanvasDevice(std::shared_ptr<gpu::Device> device)
    : device_(std::move(device)), renderer_(device_), grab_(*device_, VK_BUFFER_USAGE_TRANSFER_DST_BIT, true) {
  const gpu::VulkanHandles& vk = device_->vulkan();
  VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  pool.queueFamilyIndex = vk.queueFamily;
  gpu::check(vkCreateCommandPool(vk.device, &pool, nullptr, &pool_), "vkCreateCommandPool");
  for (Slot& slot : slots_) {
    VkCommandBufferAllocateInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
    info.commandPool = pool_;
    info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    info.commandBufferCount = 1;
    gpu::check(vkAllocateCommandBuffers(vk.device, &info, &slot.commands), "vkAllocateCommandBuffers");
    const VkFenceCreateInfo fence{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO, nullptr, VK_FENCE_CREATE_SIGNALED_BIT};
    gpu::check(vkCreateFence(vk.device, &fence, nullptr, &slot.finished), "vkCreateFence");
    const VkSemaphoreCreateInfo semaphore{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, nullptr, 0};
    gpu::check(vkCreateSemaphore(vk.device, &semaphore, nullptr, &slot.acquired), "vkCreateSemaphore");
  }
}

CanvasDevice::~CanvasDevice() {
  releaseSurface();
  const VkDevice vk = device_->vulkan().device;
  for (const Slot& slot : slots_) {
    vkDestroyFence(vk, slot.finished, nullptr);
    vkDestroySemaphore(vk, slot.acquired, nullptr);
  }
  vkDestroyCommandPool(vk, pool_, nullptr);
}

// Waits for presentation too, which submissions alone do not tell of.
void CanvasDevice::waitForQueue() {
  const gpu::VulkanHandles& vk = device_->vulkan();
  const std::scoped_lock lock(*vk.queueMutex);
  vkQueueWaitIdle(vk.queue);  // of a lost device nothing runs: its result does not matter
}

void CanvasDevice::releaseSurface() {
  waitForQueue();
  overlay_.reset();
  swapchain_.reset();
  surface_ = VK_NULL_HANDLE;
}

void CanvasDevice::prepareSurface(VkSurfaceKHR surface, std::uint32_t width, std::uint32_t height) {
  const bool fits = swapchain_ && !swapchain_->empty() && surface_ == surface && !stale_;
  if (fits && swapchain_->extent().width == width && swapchain_->extent().height == height) return;
  waitForQueue();
  const VkFormat before = swapchain_ ? swapchain_->format() : VK_FORMAT_UNDEFINED;
  const std::uint32_t imagesBefore = swapchain_ ? swapchain_->imageCount() : 0;
  swapchain_.reset();
  surface_ = surface;
  stale_ = false;
  swapchain_ = std::make_unique<Swapchain>(*device_, surface, width, height);
  // The overlay's pipeline fits any pass of the same format.
  if (swapchain_->format() != before || swapchain_->imageCount() != imagesBefore) overlay_.reset();
}

bool CanvasDevice::present(VkSurfaceKHR surface, std::uint32_t width, std::uint32_t height, const DisplayList& list,
                           const DisplayList& above, float scale, const OverlayContent* overlay, QImage* grab) {
  prepareSurface(surface, width, height);
  if (swapchain_->empty()) return false;
  const gpu::VulkanHandles& vk = device_->vulkan();
  slot_ = (slot_ + 1) % framesInFlight;
  Slot& slot = slots_[slot_];
  gpu::check(vkWaitForFences(vk.device, 1, &slot.finished, VK_TRUE, UINT64_MAX), "vkWaitForFences");
  std::uint32_t index = 0;
  const VkResult acquired = vkAcquireNextImageKHR(vk.device, swapchain_->handle(), acquireTimeout, slot.acquired, VK_NULL_HANDLE, &index);
  if (acquired == VK_ERROR_OUT_OF_DATE_KHR) stale_ = true;
  retry_ = acquired == VK_ERROR_OUT_OF_DATE_KHR || acquired == VK_TIMEOUT || acquired == VK_NOT_READY;
  if (acquired == VK_ERROR_SURFACE_LOST_KHR) throw SurfaceLost{};
  if (acquired == VK_ERROR_OUT_OF_DATE_KHR || acquired == VK_TIMEOUT || acquired == VK_NOT_READY) return false;
  if (acquired != VK_SUBOPTIMAL_KHR) gpu::check(acquired, "vkAcquireNextImageKHR");

  gpu::check(vkResetCommandBuffer(slot.commands, 0), "vkResetCommandBuffer");
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  gpu::check(vkBeginCommandBuffer(slot.commands, &begin), "vkBeginCommandBuffer");
  render::RenderTarget target;
  target.commands = slot.commands;
  target.pass = swapchain_->pass();
  target.framebuffer = swapchain_->framebuffer(index);
  target.format = swapchain_->format();
  target.width = swapchain_->extent().width;
  target.height = swapchain_->extent().height;
  target.slot = slot_;
  target.above = &above;
  if (overlay) {
    if (!overlay_ || overlay_->scale() != overlay->scale) {
      if (overlay_) waitForQueue();
      overlay_.reset();
      overlay_ = std::make_unique<Overlay>(*device_, swapchain_->pass(), swapchain_->imageCount(), overlay->scale);
    }
    overlay_->prepare(*overlay, slot.commands);
    target.overlay = [this](VkCommandBuffer commands) { overlay_->record(commands); };
  }
  renderer_.record(list, scale, target);
  const bool copies = grab && swapchain_->canCopy();
  if (copies) recordGrab(slot.commands, swapchain_->image(index));
  gpu::check(vkEndCommandBuffer(slot.commands), "vkEndCommandBuffer");
  gpu::check(vkResetFences(vk.device, 1, &slot.finished), "vkResetFences");
  gpu::submitGraphics(*device_, slot.commands, slot.acquired, VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT, swapchain_->rendered(index),
                      slot.finished);
  // A CPU device draws while it presents: wait here, not while holding the queue that the session's worker needs.
  if (device_->isCpu() || copies) gpu::check(vkWaitForFences(vk.device, 1, &slot.finished, VK_TRUE, UINT64_MAX), "vkWaitForFences");

  const VkSemaphore rendered = swapchain_->rendered(index);
  const VkSwapchainKHR handle = swapchain_->handle();
  VkPresentInfoKHR info{VK_STRUCTURE_TYPE_PRESENT_INFO_KHR};
  info.waitSemaphoreCount = 1;
  info.pWaitSemaphores = &rendered;
  info.swapchainCount = 1;
  info.pSwapchains = &handle;
  info.pImageIndices = &index;
  VkResult presented = VK_SUCCESS;
  {
    const std::scoped_lock lock(*vk.queueMutex);
    presented = vkQueuePresentKHR(vk.queue, &info);
  }
  if (presented == VK_ERROR_SURFACE_LOST_KHR) throw SurfaceLost{};
  if (presented == VK_ERROR_OUT_OF_DATE_KHR || presented == VK_SUBOPTIMAL_KHR || acquired == VK_SUBOPTIMAL_KHR) {
    stale_ = true;
    retry_ = presented == VK_ERROR_OUT_OF_DATE_KHR;
  } else {
    gpu::check(presented, "vkQueuePresentKHR");
  }
  if (copies) *grab = grabbedImage();
  return presented != VK_ERROR_OUT_OF_DATE_KHR;
}

void CanvasDevice::recordGrab(VkCommandBuffer commands, VkImage image) {
  const VkExtent2D extent = swapchain_->extent();
  grab_.reserve(std::size_t{4} * extent.width * extent.height);
  const auto move = [&](VkImageLayout from, VkImageLayout to, VkAccessFlags before, VkAccessFlags after) {
    VkImageMemoryBarrier barrier{VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER};
    barrier.srcAccessMask = before;
    barrier.dstAccessMask = after;
    barrier.oldLayout = from;
    barrier.newLayout = to;
    barrier.srcQueueFamilyIndex = barrier.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.image = image;
    barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
                         VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_HOST_BIT, 0, 0, nullptr, 0, nullptr, 1, &barrier);
  };
  move(VK_IMAGE_LAYOUT_PRESENT_SRC_KHR, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
       VK_ACCESS_TRANSFER_READ_BIT);
  VkBufferImageCopy region{};
  region.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
  region.imageExtent = {extent.width, extent.height, 1};
  vkCmdCopyImageToBuffer(commands, image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, grab_.buffer(), 1, &region);
  const VkMemoryBarrier toHost{VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr, VK_ACCESS_TRANSFER_WRITE_BIT, VK_ACCESS_HOST_READ_BIT};
  vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &toHost, 0, nullptr, 0, nullptr);
  move(VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, VK_IMAGE_LAYOUT_PRESENT_SRC_KHR, VK_ACCESS_TRANSFER_READ_BIT, 0);
}

QImage CanvasDevice::grabbedImage() {
  grab_.invalidate();
  const VkExtent2D extent = swapchain_->extent();
  const QImage::Format format = swapchain_->format() == VK_FORMAT_B8G8R8A8_UNORM ? QImage::Format_RGB32 : QImage::Format_RGBX8888;
  const QImage view(reinterpret_cast<const uchar*>(grab_.data()), static_cast<int>(extent.width), static_cast<int>(extent.height),
                    static_cast<int>(extent.width) * 4, format);
  return view.convertToFormat(QImage::Format_RGB32).copy();
}

}  // namespace orrery::app
