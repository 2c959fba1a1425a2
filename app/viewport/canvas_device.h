#pragma once
// What a canvas needs on one device: renderer, overlay, swapchain, commands of the frames in flight.

#include <vulkan/vulkan.h>

#include <QImage>
#include <array>
#include <memory>
#include <optional>

#include "app/overlay/overlay.h"
#include "app/viewport/swapchain.h"
#include "core/gpu/device.h"
#include "core/render/host_buffer.h"
#include "core/render/renderer.h"

namespace orrery::app {

class CanvasDevice {
 public:
  explicit CanvasDevice(std::shared_ptr<gpu::Device> device);
  ~CanvasDevice();
  CanvasDevice(const CanvasDevice&) = delete;
  CanvasDevice& operator=(const CanvasDevice&) = delete;

  const std::shared_ptr<gpu::Device>& device() const { return device_; }
  render::Renderer& renderer() { return renderer_; }

  // Draws and presents; false when there is nothing to draw on (no area, or the swapchain has to be made anew: try again soon).
  // With `grab`, waits and returns the picture as it was presented.
  bool present(VkSurfaceKHR surface, std::uint32_t width, std::uint32_t height, const DisplayList& list, const DisplayList& above,
               float scale, const OverlayContent* overlay, QImage* grab);
  bool wantsAnotherTry() const { return retry_; }
  void releaseSurface();

 private:
  static constexpr std::uint32_t framesInFlight = 2;
  struct Slot {
    VkCommandBuffer commands = VK_NULL_HANDLE;
    VkFence finished = VK_NULL_HANDLE;
    VkSemaphore acquired = VK_NULL_HANDLE;
  };
  void prepareSurface(VkSurfaceKHR surface, std::uint32_t width, std::uint32_t height);
  void recordGrab(VkCommandBuffer commands, VkImage image);
  QImage grabbedImage();
  void waitForQueue();

  std::shared_ptr<gpu::Device> device_;
  render::Renderer renderer_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  std::array<Slot, framesInFlight> slots_{};
  std::uint32_t slot_ = 0;
  render::HostBuffer grab_;
  std::unique_ptr<Swapchain> swapchain_;
  std::unique_ptr<Overlay> overlay_;
  VkSurfaceKHR surface_ = VK_NULL_HANDLE;
  bool stale_ = false;  // the swapchain has to be made anew
  bool retry_ = false;  // this frame was not shown, the next one may be
};

}  // namespace orrery::app
