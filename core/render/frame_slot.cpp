#include "core/render/frame_slot.h"

#include <algorithm>

#include "core/gpu/vulkan.h"

namespace orrery::render {

FrameSlot::~FrameSlot() { vkDestroyDescriptorPool(device_.vulkan().device, pool_, nullptr); }

void FrameSlot::beginDescriptors(const Pipelines&, std::size_t draws) {
  const VkDevice vk = device_.vulkan().device;
  const auto wanted = static_cast<std::uint32_t>(draws);
  if (pool_ != VK_NULL_HANDLE && wanted <= capacity_) {
    gpu::check(vkResetDescriptorPool(vk, pool_, 0), "vkResetDescriptorPool");
    return;
  }
  vkDestroyDescriptorPool(vk, pool_, nullptr);
  pool_ = VK_NULL_HANDLE;
  capacity_ = std::max(64u, wanted + wanted / 2);
  const VkDescriptorPoolSize sizes[2] = {{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 3 * capacity_},
                                         {VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, capacity_ + 1}};
  VkDescriptorPoolCreateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
  info.maxSets = 2 * capacity_ + 1;  // an image may need its values and its colours
  info.poolSizeCount = 2;
  info.pPoolSizes = sizes;
  gpu::check(vkCreateDescriptorPool(vk, &info, nullptr, &pool_), "vkCreateDescriptorPool");
}

VkDescriptorSet FrameSlot::allocate(VkDescriptorSetLayout layout) {
  VkDescriptorSetAllocateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
  info.descriptorPool = pool_;
  info.descriptorSetCount = 1;
  info.pSetLayouts = &layout;
  VkDescriptorSet set = VK_NULL_HANDLE;
  gpu::check(vkAllocateDescriptorSets(device_.vulkan().device, &info, &set), "vkAllocateDescriptorSets");
  return set;
}

VkDescriptorSet FrameSlot::atlasSet(const Pipelines& pipelines, const GlyphAtlas& atlas) {
  const VkDescriptorSet set = allocate(pipelines.atlasLayout());
  atlas.writeDescriptor(set);
  return set;
}

VkDescriptorSet FrameSlot::textureSet(const Pipelines& pipelines, VkImageView view, VkSampler sampler) {
  const VkDescriptorSet set = allocate(pipelines.atlasLayout());
  const VkDescriptorImageInfo image{sampler, view, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL};
  VkWriteDescriptorSet write{VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
  write.dstSet = set;
  write.descriptorCount = 1;
  write.descriptorType = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER;
  write.pImageInfo = &image;
  vkUpdateDescriptorSets(device_.vulkan().device, 1, &write, 0, nullptr);
  return set;
}

VkDescriptorSet FrameSlot::dataSet(const Pipelines& pipelines, const TensorDraw& draw, const gpu::BufferView& tables) {
  const VkDescriptorSet set = allocate(pipelines.dataLayout());
  const std::uint64_t range = std::min(draw.data.bytes - draw.offset, device_.maxBufferRange());
  // A binding that the shader does not read still needs a buffer.
  const gpu::BufferView& scalar = draw.scalar ? draw.scalar : tables;
  const VkDescriptorBufferInfo buffers[3] = {{gpu::bufferOf(draw.data), gpu::offsetOf(draw.data) + draw.offset, range},
                                             {gpu::bufferOf(scalar), gpu::offsetOf(scalar), scalar.bytes},
                                             {gpu::bufferOf(tables), gpu::offsetOf(tables), tables.bytes}};
  VkWriteDescriptorSet write{VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
  write.dstSet = set;
  write.descriptorCount = 3;
  write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
  write.pBufferInfo = buffers;
  vkUpdateDescriptorSets(device_.vulkan().device, 1, &write, 0, nullptr);
  return set;
}

}  // namespace orrery::render
