#pragma once
// Renderer: DisplayList -> pixels with Vulkan, off screen (PNG, film frames, thumbnails) or into a live target (app/viewport).
// Draws points, bundles and images straight from the tensors' device memory, no host copy.
// Not thread-safe: one Renderer per thread. Throws gpu::DeviceLost, gpu::OutOfMemory.

#include <cstdint>
#include <memory>
#include <vector>

#include "core/figure/display_list.h"
#include "core/figure/fonts.h"
#include "core/gpu/device.h"

namespace orrery::render {

// 8-bit sRGB RGBA, straight alpha, row-major from the top.
struct Pixels {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgba;
};

struct RenderTarget;  // core/render/target.h (Vulkan types): an image view, a framebuffer, a command buffer

class Renderer {
 public:
  Renderer(std::shared_ptr<gpu::Device> device, const Fonts& fonts = Fonts::shared());
  ~Renderer();

  // Off screen; `scale` = device px per logical px. The image is list.size * scale, rounded up.
  Pixels draw(const DisplayList& list, float scale = 1);

  // Records the list into a running command buffer of a live target (app/viewport).
  void record(const DisplayList& list, float scale, RenderTarget& target);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace orrery::render
