#include "core/render/renderer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "core/gpu/vulkan.h"
#include "core/render/batches.h"
#include "core/render/frame_slot.h"
#include "core/render/state.h"
#include "core/render/target.h"

namespace orrery::render {

namespace {

constexpr std::uint32_t quadsPerDraw = 16384;  // 65,536 vertices: 16-bit indices
// The viewport reaches this far beyond the image, so that a point whose centre lies just outside is not dropped by the clipper.
constexpr float guard = 64;

std::vector<std::uint16_t> quadIndices() {
  std::vector<std::uint16_t> indices;
  indices.reserve(quadsPerDraw * 6);
  for (std::uint32_t quad = 0; quad < quadsPerDraw; ++quad) {
    for (const std::uint32_t corner : {0u, 1u, 2u, 2u, 1u, 3u}) indices.push_back(static_cast<std::uint16_t>(quad * 4 + corner));
  }
  return indices;
}

gpu::BufferView colorTables(gpu::Device& device) {
  std::vector<std::uint32_t> words;
  for (int map = 0; map <= static_cast<int>(ColorMap::divergingDark); ++map) {
    for (const auto& rgb : tableOf(static_cast<ColorMap>(map))) words.push_back(rgb[0] | rgb[1] << 8 | rgb[2] << 16 | 0xFF000000u);
  }
  const gpu::BufferView view = device.allocate(words.size() * 4);
  device.upload(view, std::as_bytes(std::span(words)));
  return view;
}

// lavapipe allocates and frees the bins of every frame. By default glibc gives them back to the system each time and faults them in again,
// which was a fifth of the time of a frame with many points.
void keepFreedMemory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

Abilities abilitiesOf(gpu::Device& device, const Pipelines& pipelines) {
  VkPhysicalDeviceProperties properties{};
  vkGetPhysicalDeviceProperties(device.vulkan().physicalDevice, &properties);
  return {pipelines.hasSprites(), pipelines.hasWideLines() && properties.limits.strictLines, properties.limits.pointSizeRange[1],
          properties.limits.lineWidthRange[1], device.maxBufferRange()};
}

}  // namespace

Renderer::State::State(std::shared_ptr<gpu::Device> owner, const Fonts& fonts)
    : device(std::move(owner)),
      pipelines(*device),
      atlas(*device, fonts),
      text(fonts, atlas),
      images(*device),
      batches(text, images, abilitiesOf(*device, pipelines)),
      stream(device),
      tables(colorTables(*device)),
      indices(*device, VK_BUFFER_USAGE_INDEX_BUFFER_BIT) {
  if (device->isCpu()) keepFreedMemory();
  const std::vector<std::uint16_t> quads = quadIndices();
  indices.reserve(quads.size() * 2);
  std::memcpy(indices.data(), quads.data(), quads.size() * 2);
  indices.flush();
}

Renderer::State::~State() {
  try {
    device->waitIdle();
  } catch (const gpu::DeviceLost&) {
    // Nothing runs on a lost device.
  }
}

Renderer::Renderer(std::shared_ptr<gpu::Device> device, const Fonts& fonts) : state_(std::make_unique<State>(std::move(device), fonts)) {}
Renderer::~Renderer() = default;

void Renderer::record(const DisplayList& list, float scale, RenderTarget& target) { state_->record(list, scale, target); }
Pixels Renderer::draw(const DisplayList& list, float scale) { return state_->draw(list, scale); }

void Renderer::State::record(const DisplayList& list, float scale, RenderTarget& target) {
  while (slots.size() <= target.slot) slots.push_back(std::make_unique<FrameSlot>(*device));
  FrameSlot& slot = *slots[target.slot];
  const VkCommandBuffer commands = target.commands;

  // Lower the lists to batches; uploads of host tensors go ahead of the drawing.
  atlas.beginFrame();
  text.beginFrame();
  images.beginFrame();
  batches.begin(static_cast<int>(target.width), static_cast<int>(target.height));
  batches.add(list, scale, stream);
  if (target.above) batches.add(*target.above, scale, stream);
  if (!stream.empty()) stream.submit();

  // Vertices and new glyphs to the slot's memory.
  const std::array<const Vertices*, 3> arrays{&batches.mesh(), &batches.solid(), &batches.glyphs()};
  std::array<std::size_t, 4> offsets{};
  for (std::size_t i = 0; i < 3; ++i) offsets[i + 1] = offsets[i] + arrays[i]->size() * sizeof(Vertex);
  const bool hasText = !batches.glyphs().empty(), hasNewGlyphs = hasText && atlas.hasNewGlyphs();
  slot.memory.reserve(offsets[3] + (hasNewGlyphs ? atlas.stagingBytes() : 0));
  for (std::size_t i = 0; i < 3; ++i) {
    if (!arrays[i]->empty()) std::memcpy(slot.memory.data() + offsets[i], arrays[i]->data(), arrays[i]->size() * sizeof(Vertex));
  }
  if (hasNewGlyphs) atlas.record(commands, slot.memory, offsets[3]);
  slot.memory.flush();
  slot.beginDescriptors(pipelines, batches.draws().size());
  const VkDescriptorSet atlasSet = hasText ? slot.atlasSet(pipelines, atlas) : VK_NULL_HANDLE;
  for (const TensorDraw& draw : batches.draws()) {
    gpu::useForDrawing(*device, commands, draw.data);
    if (draw.scalar) gpu::useForDrawing(*device, commands, draw.scalar);
  }
  images.record(commands, pipelines, slot, batches.draws(), tables);

  VkClearValue clear{};
  clear.color = {{list.ground.r * list.ground.a, list.ground.g * list.ground.a, list.ground.b * list.ground.a, list.ground.a}};
  VkRenderPassBeginInfo begin{VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO};
  begin.renderPass = target.pass;
  begin.framebuffer = target.framebuffer;
  begin.renderArea = {{0, 0}, {target.width, target.height}};
  begin.clearValueCount = 1;
  begin.pClearValues = &clear;
  vkCmdBeginRenderPass(commands, &begin, VK_SUBPASS_CONTENTS_INLINE);
  const float width = static_cast<float>(target.width) + 2 * guard, height = static_cast<float>(target.height) + 2 * guard;
  const VkViewport viewport{-guard, -guard, width, height, 0, 1};
  vkCmdSetViewport(commands, 0, 1, &viewport);
  vkCmdBindIndexBuffer(commands, indices.buffer(), 0, VK_INDEX_TYPE_UINT16);
  Push push;
  push.toClip = {2 / width, 2 / height, 2 * guard / width - 1, 2 * guard / height - 1};

  VkPipeline bound = VK_NULL_HANDLE;
  const auto bind = [&](VkPipeline pipeline) {
    if (pipeline != bound) vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    bound = pipeline;
  };
  const auto pushConstants = [&](const Push& values) {
    vkCmdPushConstants(commands, pipelines.layout(), VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, 0, sizeof(Push), &values);
  };
  const auto drawQuads = [&](std::uint32_t quads) {
    for (std::uint32_t first = 0; first < quads; first += quadsPerDraw) {
      vkCmdDrawIndexed(commands, std::min(quadsPerDraw, quads - first) * 6, 1, 0, static_cast<std::int32_t>(first * 4), 0);
    }
  };
  for (const Batch& batch : batches.batches()) {
    const PixelBounds& s = batch.scissor;
    const VkRect2D scissor{{s.left, s.top}, {static_cast<std::uint32_t>(s.right - s.left), static_cast<std::uint32_t>(s.bottom - s.top)}};
    vkCmdSetScissor(commands, 0, 1, &scissor);
    if (batch.kind == Kind::mesh || batch.kind == Kind::solid || batch.kind == Kind::glyph) {
      bind(pipelines.get(batch.kind, 0, target.format));
      const VkDeviceSize offset = offsets[batch.kind == Kind::mesh    ? 0
                                          : batch.kind == Kind::solid ? 1
                                                                      : 2] +
                                  VkDeviceSize{batch.first} * sizeof(Vertex);
      const VkBuffer buffer = slot.memory.buffer();
      vkCmdBindVertexBuffers(commands, 0, 1, &buffer, &offset);
      if (batch.kind == Kind::glyph) {
        vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipelines.layout(), 1, 1, &atlasSet, 0, nullptr);
        push.range[0] = 1.0f / static_cast<float>(atlas.size());
      }
      pushConstants(push);
      drawQuads(batch.count / 4);
      continue;
    }
    const TensorDraw& draw = batches.draws()[batch.first];
    // How the cells were coloured does not matter any more.
    const std::uint32_t flags = batch.kind == Kind::texture ? draw.flags & flag::wholePixels : draw.flags;
    bind(pipelines.get(batch.kind, flags, target.format));
    const bool isTexture = batch.kind == Kind::texture;
    const VkDescriptorSet set = isTexture
                                    ? slot.textureSet(pipelines, draw.texture->view, images.sampler((draw.flags & flag::smoothImage) != 0))
                                    : slot.dataSet(pipelines, draw, tables);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipelines.layout(), isTexture ? 1 : 0, 1, &set, 0, nullptr);
    Push values = draw.push;
    values.toClip = push.toClip;
    pushConstants(values);
    if (batch.kind == Kind::bundleLines) vkCmdSetLineWidth(commands, draw.lineWidth);
    if (draw.vertices > 0)
      vkCmdDraw(commands, draw.vertices, draw.instances, 0, 0);
    else
      drawQuads(draw.quads);
  }
  if (target.overlay) {
    const VkViewport plain{0, 0, static_cast<float>(target.width), static_cast<float>(target.height), 0, 1};
    vkCmdSetViewport(commands, 0, 1, &plain);
    target.overlay(commands);
  }
  vkCmdEndRenderPass(commands);
}

}  // namespace orrery::render
