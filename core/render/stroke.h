#pragma once
// Lines to quads: mitred joins (bevelled when sharp), butt caps, dashes, coverage by distance from the middle line.

#include <span>

#include "core/render/fill.h"
#include "core/render/vertex.h"

namespace orrery::render {

struct StrokeStyle {
  float width = 1;              // device px
  std::span<const float> dash;  // device px, on, off, ...
  Color color;
};

// Points in device px. What lies outside of `bounds` is dropped; a point that is not finite breaks the line.
void strokeLine(FillOutput out, std::span<const Vec2> points, bool closed, const StrokeStyle& style, const PixelBounds& bounds);

}  // namespace orrery::render
