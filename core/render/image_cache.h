#pragma once
// Images coloured cell by cell into textures, so that drawing one magnified costs a texture fetch per pixel, and an image that does not
// change is coloured once. Textures are reused for images of the same size; those that were not drawn for a while are freed.

#include <vulkan/vulkan.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/gpu/vulkan.h"
#include "core/render/pipelines.h"

namespace orrery::render {

class FrameSlot;
struct TensorDraw;

class ImageCache {
 public:
  static constexpr std::uint32_t largest = 4096;  // cells along a side, as every device allows

  explicit ImageCache(gpu::Device& device);
  ~ImageCache();
  ImageCache(const ImageCache&) = delete;
  ImageCache& operator=(const ImageCache&) = delete;

  // What makes two coloured images the same.
  struct Key {
    std::uint64_t version = 0, offset = 0;  // of the tensor's contents; versions are unique
    std::uint32_t width = 0, height = 0, flags = 0;
    float low = 0, scale = 0;
    bool operator==(const Key&) const = default;
  };
  struct Texture {
    Key key;
    VkImage image = VK_NULL_HANDLE;
    VkImageView view = VK_NULL_HANDLE;
    VkFramebuffer framebuffer = VK_NULL_HANDLE;
    std::shared_ptr<gpu::ImageMemory> memory;
    std::uint64_t lastUse = 0;
    int pending = -1;  // index of the draw that colours it in this frame
  };

  void beginFrame();
  // The texture for this key; `draw` is the index of the draw whose tensor colours it if that has not been done.
  Texture& find(const Key& key, int draw);
  // Colours what find() asked for; outside of a render pass.
  void record(VkCommandBuffer commands, Pipelines& pipelines, FrameSlot& slot, const std::vector<TensorDraw>& draws,
              const gpu::BufferView& tables);
  VkSampler sampler(bool smooth) const { return smooth ? smooth_ : nearest_; }

 private:
  void create(Texture& texture);
  void destroy(Texture& texture);

  gpu::Device& device_;
  VkRenderPass pass_ = VK_NULL_HANDLE;
  VkSampler nearest_ = VK_NULL_HANDLE, smooth_ = VK_NULL_HANDLE;
  std::vector<std::unique_ptr<Texture>> textures_;
  std::uint64_t frame_ = 0;
};

}  // namespace orrery::render
