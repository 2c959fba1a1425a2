#include "core/render/image_cache.h"

#include <algorithm>

#include "core/render/batches.h"
#include "core/render/frame_slot.h"
#include "core/render/target.h"

namespace orrery::render {

namespace {
constexpr VkFormat format = VK_FORMAT_R8G8B8A8_UNORM;
constexpr std::uint64_t keepFrames = 240;
}  // namespace

ImageCache::ImageCache(gpu::Device& device) : device_(device) {
  const VkDevice vk = device.vulkan().device;
  pass_ = makeRenderPass(device, format, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
  VkSamplerCreateInfo sampler{VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO};
  sampler.addressModeU = sampler.addressModeV = sampler.addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE;
  gpu::check(vkCreateSampler(vk, &sampler, nullptr, &nearest_), "vkCreateSampler");
  sampler.magFilter = sampler.minFilter = VK_FILTER_LINEAR;
  gpu::check(vkCreateSampler(vk, &sampler, nullptr, &smooth_), "vkCreateSampler");
}

ImageCache::~ImageCache() {
  for (auto& texture : textures_) destroy(*texture);
  const VkDevice vk = device_.vulkan().device;
  vkDestroySampler(vk, nearest_, nullptr);
  vkDestroySampler(vk, smooth_, nullptr);
  vkDestroyRenderPass(vk, pass_, nullptr);
}

void ImageCache::beginFrame() {
  ++frame_;
  std::erase_if(textures_, [this](std::unique_ptr<Texture>& texture) {
    if (texture->lastUse + keepFrames >= frame_) return false;
    destroy(*texture);
    return true;
  });
}

ImageCache::Texture& ImageCache::find(const Key& key, int draw) {
  Texture* spare = nullptr;
  for (const auto& texture : textures_) {
    if (texture->key == key) {
      texture->lastUse = frame_;
      return *texture;
    }
    // One that the last frame did not show either: images that are shown again and again keep theirs.
    const bool fits = texture->key.width == key.width && texture->key.height == key.height;
    if (fits && texture->lastUse + 1 < frame_) spare = texture.get();
  }
  if (!spare) {
    textures_.push_back(std::make_unique<Texture>());
    spare = textures_.back().get();
    spare->key = key;
    create(*spare);
  }
  spare->key = key;
  spare->lastUse = frame_;
  spare->pending = draw;
  return *spare;
}

void ImageCache::record(VkCommandBuffer commands, Pipelines& pipelines, FrameSlot& slot, const std::vector<TensorDraw>& draws,
                        const gpu::BufferView& tables) {
  for (const auto& texture : textures_) {
    if (texture->pending < 0) continue;
    const TensorDraw& draw = draws[static_cast<std::size_t>(texture->pending)];
    texture->pending = -1;
    const VkExtent2D extent{texture->key.width, texture->key.height};
    VkRenderPassBeginInfo begin{VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO};
    begin.renderPass = pass_;
    begin.framebuffer = texture->framebuffer;
    begin.renderArea = {{0, 0}, extent};
    const VkClearValue clear{};
    begin.clearValueCount = 1;
    begin.pClearValues = &clear;
    vkCmdBeginRenderPass(commands, &begin, VK_SUBPASS_CONTENTS_INLINE);
    const VkViewport viewport{0, 0, static_cast<float>(extent.width), static_cast<float>(extent.height), 0, 1};
    vkCmdSetViewport(commands, 0, 1, &viewport);
    vkCmdSetScissor(commands, 0, 1, &begin.renderArea);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipelines.get(Kind::cells, texture->key.flags, format));
    const VkDescriptorSet set = slot.dataSet(pipelines, draw, tables);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipelines.layout(), 0, 1, &set, 0, nullptr);
    vkCmdPushConstants(commands, pipelines.layout(), VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, 0, sizeof(Push),
                       &draw.push);
    vkCmdDraw(commands, 3, 1, 0, 0);
    vkCmdEndRenderPass(commands);
  }
}

void ImageCache::create(Texture& texture) {
  const VkDevice vk = device_.vulkan().device;
  VkImageCreateInfo info{VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO};
  info.imageType = VK_IMAGE_TYPE_2D;
  info.format = format;
  info.extent = {texture.key.width, texture.key.height, 1};
  info.mipLevels = 1;
  info.arrayLayers = 1;
  info.samples = VK_SAMPLE_COUNT_1_BIT;
  info.tiling = VK_IMAGE_TILING_OPTIMAL;
  info.usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_SAMPLED_BIT;
  gpu::check(vkCreateImage(vk, &info, nullptr, &texture.image), "vkCreateImage");
  texture.memory = gpu::bindImageMemory(device_, texture.image);
  VkImageViewCreateInfo view{VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO};
  view.image = texture.image;
  view.viewType = VK_IMAGE_VIEW_TYPE_2D;
  view.format = format;
  view.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  gpu::check(vkCreateImageView(vk, &view, nullptr, &texture.view), "vkCreateImageView");
  VkFramebufferCreateInfo framebuffer{VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO};
  framebuffer.renderPass = pass_;
  framebuffer.attachmentCount = 1;
  framebuffer.pAttachments = &texture.view;
  framebuffer.width = texture.key.width;
  framebuffer.height = texture.key.height;
  framebuffer.layers = 1;
  gpu::check(vkCreateFramebuffer(vk, &framebuffer, nullptr, &texture.framebuffer), "vkCreateFramebuffer");
}

void ImageCache::destroy(Texture& texture) {
  const VkDevice vk = device_.vulkan().device;
  vkDestroyFramebuffer(vk, texture.framebuffer, nullptr);
  vkDestroyImageView(vk, texture.view, nullptr);
  vkDestroyImage(vk, texture.image, nullptr);
}

}  // namespace orrery::render
