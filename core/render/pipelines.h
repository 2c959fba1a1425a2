#pragma once
// The graphics pipelines of one device, made at first use and kept: one per kind of draw, set of flags and target format.

#include <vulkan/vulkan.h>

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "core/gpu/device.h"

namespace orrery::render {

enum class Kind : std::uint8_t { mesh, solid, glyph, points, pointQuads, bundle, bundleLines, image, texture, cells };

// The flags of shaders/include/figure_push.glsl.
namespace flag {
constexpr std::uint32_t logX = 1, logY = 2, hasScalar = 4, fade = 8, logValue = 16, smoothImage = 32, alphaFromValue = 128, rgbaImage = 256,
                        wholePixels = 512;
constexpr std::uint32_t shape(std::uint32_t s) { return s << 12; }
constexpr std::uint32_t map(std::uint32_t m) { return m << 16; }
}  // namespace flag

struct Push {
  std::array<float, 4> toClip{}, transform{}, color{}, rect{}, range{};
  std::array<std::uint32_t, 4> info{};
};
static_assert(sizeof(Push) == 96);

class Pipelines {
 public:
  explicit Pipelines(gpu::Device& device);
  ~Pipelines();
  Pipelines(const Pipelines&) = delete;
  Pipelines& operator=(const Pipelines&) = delete;

  VkPipeline get(Kind kind, std::uint32_t flags, VkFormat format);
  VkPipelineLayout layout() const { return layout_; }
  VkDescriptorSetLayout dataLayout() const { return dataLayout_; }    // set 0: three storage buffers
  VkDescriptorSetLayout atlasLayout() const { return atlasLayout_; }  // set 1: the glyph atlas
  bool hasSprites() const { return hasSprites_; }
  bool hasWideLines() const { return hasWideLines_; }

 private:
  VkRenderPass passFor(VkFormat format);

  gpu::Device& device_;
  VkDescriptorSetLayout dataLayout_ = VK_NULL_HANDLE, atlasLayout_ = VK_NULL_HANDLE;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  bool hasSprites_ = false, hasWideLines_ = false;
  std::map<VkFormat, VkRenderPass> passes_;
  struct Made {
    Kind kind;
    std::uint32_t flags;
    VkFormat format;
    VkPipeline pipeline;
  };
  std::vector<Made> made_;
};

}  // namespace orrery::render
