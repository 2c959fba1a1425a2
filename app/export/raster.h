#pragma once
// A small painter on the processor for what a vector file holds as pixels: matrices, pictures, and clouds and bundles too large to be vectors.
// Same rules as shaders/figure: sRGB mixing, the cell under the pixel's centre, NaN transparent.

#include "core/figure/display_list.h"
#include "core/render/renderer.h"

namespace orrery::exporting {

struct Picture {
  Rect to;                             // logical px
  render::Pixels pixels;               // straight alpha
  bool smooth = false;
};

// One pixel per cell, or a whole multiple of it when cells are few: viewers that interpolate images then still show sharp cells.
Picture pictureOf(const ImageItem& item);
// `scale` = px of the picture per logical px.
Picture pictureOf(const PointItem& item, float scale);
Picture pictureOf(const BundleItem& item, float scale);

// How many points the item draws.
std::int64_t markCount(const PointItem& item);
std::int64_t markCount(const BundleItem& item);

// The colour of point i, alpha 0 when its scalar is NaN.
Color colorOf(const PointItem& item, std::span<const float> scalars, std::size_t i);
// Alpha of segment `step` (between drawn steps step and step + 1) of a line.
float alphaOf(const BundleItem& item, std::span<const float> alphas, std::int64_t line, std::int64_t step);

constexpr float rasterScale = 300.0f / 96.0f;   // 300 dots per inch: what journals ask for

}  // namespace orrery::exporting
