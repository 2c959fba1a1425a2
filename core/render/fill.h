#pragma once
// Filled areas to quads, with the exact coverage of every pixel.

#include <span>

#include "core/render/vertex.h"

namespace orrery::render {

// Pixel bounds outside of which nothing needs to be drawn.
struct PixelBounds {
  int left = 0, top = 0, right = 0, bottom = 0;
  bool empty() const { return left >= right || top >= bottom; }
};

// Where quads go: fully covered, opaque, large ones are drawn without blending.
struct FillOutput {
  Vertices& blended;
  Vertices& solid;
};

// An axis-parallel rectangle: up to nine quads of constant coverage.
void fillRectangle(FillOutput out, Rect rect, const Color& color, const PixelBounds& bounds);

// Even-odd fill of closed polygons in device px, any shape. Points that are not finite are left out.
void fillPolygons(FillOutput out, std::span<const std::vector<Vec2>> polygons, const Color& color, const PixelBounds& bounds);

// The outline of a rectangle with rounded corners.
std::vector<Vec2> roundedRectangle(Rect rect, float radius);

}  // namespace orrery::render
