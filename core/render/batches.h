#pragma once
// A DisplayList lowered to what one frame draws: quads made on the CPU, and draws that read tensors on the device. Consecutive quads of one
// kind under one clip are one batch.

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "core/figure/display_list.h"
#include "core/gpu/stream.h"
#include "core/render/fill.h"
#include "core/render/image_cache.h"
#include "core/render/pipelines.h"
#include "core/render/text_runs.h"
#include "core/render/vertex.h"

namespace orrery::render {

struct Batch {
  Kind kind = Kind::mesh;
  PixelBounds scissor;
  std::uint32_t first = 0, count = 0;  // mesh, solid, glyph: vertices of their array; others: index into `draws`
};

// A draw straight from tensors.
struct TensorDraw {
  std::uint32_t flags = 0;
  Push push;
  gpu::BufferView data, scalar;
  std::uint64_t offset = 0;                   // bytes into `data`, a multiple of 256
  std::uint32_t vertices = 0, instances = 1;  // vertices = 0: `quads` quads
  std::uint32_t quads = 0;
  float lineWidth = 1;
  const ImageCache::Texture* texture = nullptr;  // Kind::texture: the coloured cells
};

// What the device can draw natively.
struct Abilities {
  bool sprites = false, wideLines = false;
  float largestPoint = 1, widestLine = 1;
  std::uint64_t maxRange = 0;
};

class Batches {
 public:
  Batches(TextRuns& text, ImageCache& images, const Abilities& abilities) : text_(text), images_(images), abilities_(abilities) {}

  void begin(int width, int height);
  // `stream` carries the uploads of tensors that are newer on the host.
  void add(const DisplayList& list, float scale, gpu::Stream& stream);

  const std::vector<Batch>& batches() const { return batches_; }
  const std::vector<TensorDraw>& draws() const { return draws_; }
  const Vertices& mesh() const { return mesh_; }
  const Vertices& solid() const { return solid_; }
  const Vertices& glyphs() const { return glyphs_; }

 private:
  void add(const PathItem& item);
  void add(const GlyphItem& item);
  void add(const ImageItem& item);
  void add(const PointItem& item);
  void add(const BundleItem& item);
  void add(const ClipItem& item);
  void build(const PathItem& item, FillOutput out, bool fill) const;
  void append(Kind kind, std::size_t before);
  void appendDraw(Kind kind, TensorDraw draw, const PixelBounds& scissor);
  PixelBounds toBounds(const Rect& rect) const;
  const PixelBounds& clip() const { return clips_.back(); }
  void setTransform(TensorDraw& draw, const DataTransform& transform) const;
  static bool isNothing(const PixelBounds& bounds) { return bounds.empty(); }

  TextRuns& text_;
  ImageCache& images_;
  Abilities abilities_;
  gpu::Stream* stream_ = nullptr;
  float scale_ = 1;
  std::vector<PixelBounds> clips_;
  std::vector<Batch> batches_;
  std::vector<TensorDraw> draws_;
  Vertices mesh_, solid_, glyphs_;

  // Tessellated paths that may come again in the next frame.
  struct CachedPath {
    Vertices fillSolid, fillBlended, strokeSolid, strokeBlended;
    std::uint64_t lastUse = 0;
  };
  std::unordered_map<std::uint64_t, CachedPath> paths_;
  std::uint64_t frame_ = 0;
  mutable std::vector<std::vector<Vec2>> scaled_;
  mutable std::vector<float> dash_;
};

}  // namespace orrery::render
