#pragma once
// Rasterised glyphs in one 8-bit image, packed on shelves. Texture coordinates are texels, so the image may grow without touching what was
// already placed.

#include <vulkan/vulkan.h>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/figure/fonts.h"
#include "core/gpu/vulkan.h"
#include "core/render/host_buffer.h"

namespace orrery::render {

class GlyphAtlas {
 public:
  GlyphAtlas(gpu::Device& device, const Fonts& fonts);
  ~GlyphAtlas();
  GlyphAtlas(const GlyphAtlas&) = delete;
  GlyphAtlas& operator=(const GlyphAtlas&) = delete;

  struct Entry {
    int x = 0, y = 0, width = 0, height = 0;  // texels
    int left = 0, top = 0;                    // as in GlyphBitmap
  };
  // Empty (width 0) for blank glyphs and when the image is full.
  const Entry& find(std::uint32_t face, std::uint32_t glyph, float pixels, int quarterShift);

  void beginFrame();  // forgets all glyphs when little room is left
  bool hasNewGlyphs() const { return dirtyTop_ < dirtyBottom_ || image_ == VK_NULL_HANDLE; }
  std::size_t stagingBytes() const { return static_cast<std::size_t>(size_) * static_cast<std::size_t>(dirtyBottom_ - dirtyTop_); }
  // Outside of a render pass; `staging` holds stagingBytes() at `offset` (a multiple of 4) until the commands have run.
  void record(VkCommandBuffer commands, HostBuffer& staging, std::size_t offset);
  void writeDescriptor(VkDescriptorSet set) const;
  int size() const { return size_; }
  std::uint64_t generation() const { return generation_; }  // changes with the image: write the descriptor again

 private:
  void createImage();
  void destroyImage();
  bool place(Entry& entry);
  void clear();

  gpu::Device& device_;
  const Fonts& fonts_;
  int size_ = 0;
  std::vector<std::uint8_t> texels_;
  int shelfTop_ = 0, shelfHeight_ = 0, shelfRight_ = 0;
  int dirtyTop_ = 0, dirtyBottom_ = 0;
  struct Key {
    std::uint32_t face, glyph;
    float pixels;
    int shift;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };
  std::unordered_map<Key, Entry, Hash> entries_;
  Entry none_;
  VkImage image_ = VK_NULL_HANDLE;
  VkImageView view_ = VK_NULL_HANDLE;
  VkSampler sampler_ = VK_NULL_HANDLE;
  std::shared_ptr<gpu::ImageMemory> memory_;
  bool imageIsNew_ = true;
  std::uint64_t generation_ = 0;
};

}  // namespace orrery::render
