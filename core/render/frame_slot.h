#pragma once
// What one frame in flight needs until the GPU has finished it: its vertices and its descriptor sets.

#include <vulkan/vulkan.h>

#include "core/render/batches.h"
#include "core/render/glyph_atlas.h"
#include "core/render/host_buffer.h"
#include "core/render/pipelines.h"

namespace orrery::render {

class FrameSlot {
 public:
  explicit FrameSlot(gpu::Device& device)
      : memory(device, VK_BUFFER_USAGE_VERTEX_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT), device_(device) {}
  ~FrameSlot();
  FrameSlot(const FrameSlot&) = delete;
  FrameSlot& operator=(const FrameSlot&) = delete;

  HostBuffer memory;
  void beginDescriptors(const Pipelines& pipelines, std::size_t draws);
  VkDescriptorSet atlasSet(const Pipelines& pipelines, const GlyphAtlas& atlas);
  VkDescriptorSet textureSet(const Pipelines& pipelines, VkImageView view, VkSampler sampler);
  VkDescriptorSet dataSet(const Pipelines& pipelines, const TensorDraw& draw, const gpu::BufferView& tables);

 private:
  VkDescriptorSet allocate(VkDescriptorSetLayout layout);

  gpu::Device& device_;
  VkDescriptorPool pool_ = VK_NULL_HANDLE;
  std::uint32_t capacity_ = 0;
};

}  // namespace orrery::render
