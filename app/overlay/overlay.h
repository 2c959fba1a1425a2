#pragma once
// The Dear ImGui overlay of a canvas: pinned probes, GPU timings, update time and frame rate in a small panel. Nothing exists only here:
// the same numbers stand in the status bar and the read-outs.
// Used by one thread at a time; several overlays may live in several threads.

#include <vulkan/vulkan.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/figure/color.h"
#include "core/gpu/device.h"

namespace orrery::app {

struct OverlayContent {
  float width = 0, height = 0, scale = 1;  // logical px, device px per logical px
  ThemeKind theme = ThemeKind::dark;
  std::vector<std::pair<std::string, std::string>> rows;  // name, value
  std::vector<std::string> probes;                        // pinned read-outs, one line each
};

class Overlay {
 public:
  Overlay(gpu::Device& device, VkRenderPass pass, std::uint32_t imageCount, float scale);
  ~Overlay();  // the GPU must have finished with it
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;

  float scale() const;
  // Builds the panel; `commands` is outside of a render pass (the font texture is uploaded once).
  void prepare(const OverlayContent& content, VkCommandBuffer commands);
  // Inside the pass.
  void record(VkCommandBuffer commands);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace orrery::app
