#include "core/render/glyph_atlas.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace orrery::render {

namespace {
constexpr int firstSize = 512, largestSize = 4096;
constexpr int gap = 1;  // empty texels between glyphs, so that bilinear sampling of rotated text sees no neighbour
}  // namespace

std::size_t GlyphAtlas::Hash::operator()(const Key& key) const {
  std::uint64_t h = (std::uint64_t{key.face} << 32 | key.glyph) * 0x9E3779B97F4A7C15u;
  h ^= (std::uint64_t{std::bit_cast<std::uint32_t>(key.pixels)} << 2 | static_cast<std::uint64_t>(key.shift)) * 0xC2B2AE3D27D4EB4Fu;
  return static_cast<std::size_t>(h ^ h >> 29);
}

GlyphAtlas::GlyphAtlas(gpu::Device& device, const Fonts& fonts) : device_(device), fonts_(fonts), size_(firstSize) {
  texels_.resize(static_cast<std::size_t>(size_) * static_cast<std::size_t>(size_));
  clear();
  VkSamplerCreateInfo info{VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO};
  info.magFilter = VK_FILTER_LINEAR;
  info.minFilter = VK_FILTER_LINEAR;
  info.addressModeU = info.addressModeV = info.addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE;
  gpu::check(vkCreateSampler(device_.vulkan().device, &info, nullptr, &sampler_), "vkCreateSampler");
}

GlyphAtlas::~GlyphAtlas() {
  destroyImage();
  vkDestroySampler(device_.vulkan().device, sampler_, nullptr);
}

void GlyphAtlas::clear() {
  entries_.clear();
  std::fill(texels_.begin(), texels_.end(), std::uint8_t{0});
  shelfTop_ = gap;
  shelfRight_ = gap;
  shelfHeight_ = 0;
  dirtyTop_ = 0;
  dirtyBottom_ = size_;
}

void GlyphAtlas::beginFrame() {
  if (size_ == largestSize && shelfTop_ > largestSize * 3 / 4) clear();
}

bool GlyphAtlas::place(Entry& entry) {
  for (;;) {
    if (shelfRight_ + entry.width + gap > size_) {
      shelfTop_ += shelfHeight_ + gap;
      shelfRight_ = gap;
      shelfHeight_ = 0;
    }
    if (shelfTop_ + entry.height + gap <= size_ && shelfRight_ + entry.width + gap <= size_) break;
    if (size_ >= largestSize) return false;
    // Twice as large; rows keep their place.
    const int old = size_;
    size_ *= 2;
    std::vector<std::uint8_t> larger(static_cast<std::size_t>(size_) * static_cast<std::size_t>(size_));
    for (int y = 0; y < old; ++y) {
      std::memcpy(larger.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(size_),
                  texels_.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(old), static_cast<std::size_t>(old));
    }
    texels_ = std::move(larger);
    destroyImage();
    dirtyTop_ = 0;
    dirtyBottom_ = size_;
  }
  entry.x = shelfRight_;
  entry.y = shelfTop_;
  shelfRight_ += entry.width + gap;
  shelfHeight_ = std::max(shelfHeight_, entry.height);
  return true;
}

const GlyphAtlas::Entry& GlyphAtlas::find(std::uint32_t face, std::uint32_t glyph, float pixels, int quarterShift) {
  const Key key{face, glyph, pixels, quarterShift};
  const auto found = entries_.find(key);
  if (found != entries_.end()) return found->second;
  const GlyphBitmap bitmap = fonts_.bitmapOf(face, glyph, pixels, quarterShift);
  Entry entry{0, 0, bitmap.width, bitmap.height, bitmap.left, bitmap.top};
  if (entry.width <= 0 || entry.height <= 0 ||
      bitmap.coverage.size() < static_cast<std::size_t>(entry.width) * static_cast<std::size_t>(entry.height)) {
    entry.width = entry.height = 0;
    return entries_.emplace(key, entry).first->second;
  }
  if (!place(entry)) return none_;
  for (int y = 0; y < entry.height; ++y) {
    std::memcpy(
        texels_.data() + static_cast<std::size_t>(entry.y + y) * static_cast<std::size_t>(size_) + static_cast<std::size_t>(entry.x),
        bitmap.coverage.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(entry.width),
        static_cast<std::size_t>(entry.width));
  }
  if (dirtyTop_ >= dirtyBottom_) {
    dirtyTop_ = entry.y;
    dirtyBottom_ = entry.y + entry.height;
  } else {
    dirtyTop_ = std::min(dirtyTop_, entry.y);
    dirtyBottom_ = std::max(dirtyBottom_, entry.y + entry.height);
  }
  return entries_.emplace(key, entry).first->second;
}

void GlyphAtlas::createImage() {
  const VkDevice vk = device_.vulkan().device;
  VkImageCreateInfo info{VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO};
  info.imageType = VK_IMAGE_TYPE_2D;
  info.format = VK_FORMAT_R8_UNORM;
  info.extent = {static_cast<std::uint32_t>(size_), static_cast<std::uint32_t>(size_), 1};
  info.mipLevels = 1;
  info.arrayLayers = 1;
  info.samples = VK_SAMPLE_COUNT_1_BIT;
  info.tiling = VK_IMAGE_TILING_OPTIMAL;
  info.usage = VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_SAMPLED_BIT;
  gpu::check(vkCreateImage(vk, &info, nullptr, &image_), "vkCreateImage");
  memory_ = gpu::bindImageMemory(device_, image_);
  VkImageViewCreateInfo view{VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO};
  view.image = image_;
  view.viewType = VK_IMAGE_VIEW_TYPE_2D;
  view.format = VK_FORMAT_R8_UNORM;
  view.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  gpu::check(vkCreateImageView(vk, &view, nullptr, &view_), "vkCreateImageView");
  imageIsNew_ = true;
  ++generation_;
}

void GlyphAtlas::destroyImage() {
  if (image_ == VK_NULL_HANDLE) return;
  // Rare (the image doubles at most three times), so the frames that still sample it are simply waited for.
  try {
    device_.waitIdle();
  } catch (const gpu::DeviceLost&) {
    // Nothing runs on a lost device.
  }
  vkDestroyImageView(device_.vulkan().device, view_, nullptr);
  vkDestroyImage(device_.vulkan().device, image_, nullptr);
  memory_.reset();
  image_ = VK_NULL_HANDLE;
  view_ = VK_NULL_HANDLE;
}

void GlyphAtlas::record(VkCommandBuffer commands, HostBuffer& staging, std::size_t offset) {
  if (image_ == VK_NULL_HANDLE) {
    createImage();
  }
  const auto move = [&](VkImageLayout from, VkImageLayout to, VkAccessFlags before, VkAccessFlags after, VkPipelineStageFlags beforeStage,
                        VkPipelineStageFlags afterStage) {
    VkImageMemoryBarrier barrier{VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER};
    barrier.srcAccessMask = before;
    barrier.dstAccessMask = after;
    barrier.oldLayout = from;
    barrier.newLayout = to;
    barrier.srcQueueFamilyIndex = barrier.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.image = image_;
    barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    vkCmdPipelineBarrier(commands, beforeStage, afterStage, 0, 0, nullptr, 0, nullptr, 1, &barrier);
  };
  const std::size_t bytes = stagingBytes();
  std::memcpy(staging.data() + offset, texels_.data() + static_cast<std::size_t>(dirtyTop_) * static_cast<std::size_t>(size_), bytes);
  move(imageIsNew_ ? VK_IMAGE_LAYOUT_UNDEFINED : VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
       imageIsNew_ ? 0 : VK_ACCESS_SHADER_READ_BIT, VK_ACCESS_TRANSFER_WRITE_BIT, VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT,
       VK_PIPELINE_STAGE_TRANSFER_BIT);
  VkBufferImageCopy region{};
  region.bufferOffset = offset;
  region.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
  region.imageOffset = {0, dirtyTop_, 0};
  region.imageExtent = {static_cast<std::uint32_t>(size_), static_cast<std::uint32_t>(dirtyBottom_ - dirtyTop_), 1};
  vkCmdCopyBufferToImage(commands, staging.buffer(), image_, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &region);
  move(VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL, VK_ACCESS_TRANSFER_WRITE_BIT,
       VK_ACCESS_SHADER_READ_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT);
  imageIsNew_ = false;
  dirtyTop_ = dirtyBottom_ = 0;
}

void GlyphAtlas::writeDescriptor(VkDescriptorSet set) const {
  const VkDescriptorImageInfo image{sampler_, view_, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL};
  VkWriteDescriptorSet write{VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
  write.dstSet = set;
  write.descriptorCount = 1;
  write.descriptorType = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER;
  write.pImageInfo = &image;
  vkUpdateDescriptorSets(device_.vulkan().device, 1, &write, 0, nullptr);
}

}  // namespace orrery::render
