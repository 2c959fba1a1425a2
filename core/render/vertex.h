#pragma once
// What the CPU hands to the mesh and glyph pipelines: quads of four vertices in device px.

#include <cstdint>
#include <vector>

#include "core/figure/color.h"
#include "core/figure/display_list.h"

namespace orrery::render {

struct Vertex {
  float x = 0, y = 0;
  float u = 0, v = 0;       // mesh: distance from the middle line, half width; glyph: texture coordinates
  std::uint32_t color = 0;  // RGBA, 8 bit each, R lowest
};

using Vertices = std::vector<Vertex>;  // size is a multiple of 4; corners 0 1 2 3 are drawn as the triangles 0 1 2 and 2 1 3

inline std::uint32_t packed(const Color& color, float coverage = 1) {
  const auto byte = [](float x) { return static_cast<std::uint32_t>((x < 0 ? 0 : x > 1 ? 1 : x) * 255.0f + 0.5f); };
  return byte(color.r) | byte(color.g) << 8 | byte(color.b) << 16 | byte(color.a * coverage) << 24;
}

// A rectangle of whole pixels, covered alike everywhere.
inline void addPixels(Vertices& out, float left, float top, float right, float bottom, std::uint32_t color) {
  out.push_back({left, top, 0, 1, color});
  out.push_back({right, top, 0, 1, color});
  out.push_back({left, bottom, 0, 1, color});
  out.push_back({right, bottom, 0, 1, color});
}

}  // namespace orrery::render
