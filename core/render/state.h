#pragma once
// The inside of a Renderer.

#include <memory>
#include <vector>

#include "core/gpu/stream.h"
#include "core/render/batches.h"
#include "core/render/frame_slot.h"
#include "core/render/glyph_atlas.h"
#include "core/render/host_buffer.h"
#include "core/render/image_cache.h"
#include "core/render/pipelines.h"
#include "core/render/renderer.h"
#include "core/render/text_runs.h"

namespace orrery::render {

class OffscreenTarget;  // offscreen.cpp

struct Renderer::State {
  State(std::shared_ptr<gpu::Device> device, const Fonts& fonts);
  ~State();
  void record(const DisplayList& list, float scale, RenderTarget& target);
  Pixels draw(const DisplayList& list, float scale);

  std::shared_ptr<gpu::Device> device;
  Pipelines pipelines;
  GlyphAtlas atlas;
  TextRuns text;
  ImageCache images;
  Batches batches;
  gpu::Stream stream;
  gpu::BufferView tables;  // the colour maps, 256 words each
  HostBuffer indices;      // 0 1 2 2 1 3, 4 5 6 6 5 7, ...
  std::vector<std::unique_ptr<FrameSlot>> slots;
  std::shared_ptr<OffscreenTarget> offscreen;
};

}  // namespace orrery::render
