#pragma once
// The DisplayList: what a figure is after layout. A small closed set of primitives in logical pixels (96 per inch, origin top left, y down),
// drawn by core/render with Vulkan, by app/export as SVG and PDF. Large data stay in tensors: points and line bundles refer to device memory
// and carry the transform from data to pixels.

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/figure/color.h"
#include "core/tensor/tensor.h"

namespace orrery {

struct Vec2 {
  float x = 0, y = 0;
  bool operator==(const Vec2&) const = default;
};

struct Rect {
  float x = 0, y = 0, width = 0, height = 0;
  float right() const { return x + width; }
  float bottom() const { return y + height; }
  bool contains(Vec2 p) const { return p.x >= x && p.x < right() && p.y >= y && p.y < bottom(); }
  bool operator==(const Rect&) const = default;
};

// pixel = offset + scale * f(data), f = identity or log10, per axis.
struct DataTransform {
  double scaleX = 1, offsetX = 0, scaleY = 1, offsetY = 0;
  bool logX = false, logY = false;
  Vec2 apply(double x, double y) const;
  std::array<double, 2> invert(Vec2 pixel) const;
};

struct Stroke {
  Color color;
  float width = 1;                     // px
  std::vector<float> dash;             // lengths on, off, ... in px; empty = solid
};

// Polylines or polygons. With `fill`, each line is closed and filled (even-odd); NaN points are not allowed (split the line instead).
struct PathItem {
  std::vector<std::vector<Vec2>> lines;
  bool closed = false;
  bool hasFill = false;
  Color fill;
  bool hasStroke = false;
  Stroke stroke;
  float cornerRadius = 0;              // for a single closed rectangle of 4 points
};

enum class HAlign : std::uint8_t { left, center, right };
enum class VAlign : std::uint8_t { top, middle, baseline, bottom };
enum class Weight : std::uint8_t { regular, medium, semibold };

struct TextStyle {
  float size = 11;                     // px
  Weight weight = Weight::regular;
  bool tabular = false;                // equal-width figures
  bool operator==(const TextStyle&) const = default;
};

// One line of text (never broken), anchored at `at`, rotated by `angle` degrees anticlockwise about it.
struct GlyphItem {
  std::string text;                    // UTF-8
  Vec2 at;
  HAlign h = HAlign::left;
  VAlign v = VAlign::baseline;
  TextStyle style;
  Color color;
  float angle = 0;
};

// An image or heat map filling `to`; row 0 is at the top unless `flipped`.
struct ImageItem {
  Rect to;
  Tensor data;                         // [h, w] f32 through the colour map, or [h, w, 4] u8 RGBA as it is
  ColorMap map = ColorMap::viridis;
  double low = 0, high = 1;            // values at the ends of the map
  bool logScale = false;
  bool smooth = false;                 // bilinear; default nearest: pixel-exact
  bool flipped = false;
  float alpha = 1;
  bool alphaFromValue = false;         // f32 only: alpha rises from 0 at `low` to `alpha` at `high` (density overlays)
};

enum class PointShape : std::uint8_t { disc, ring, square, cross, diamond };

struct PointItem {
  Tensor xy;                           // [n, 2] f32, data coordinates
  DataTransform transform;
  Rect clip;
  PointShape shape = PointShape::disc;
  float radius = 2;                    // px
  Color color;                         // straight alpha
  Tensor scalar;                       // optional [n] f32 through the map (then `color.a` is the alpha)
  ColorMap map = ColorMap::viridis;
  double low = 0, high = 1;
};

// Many polylines of equal length, e.g. particle paths.
struct BundleItem {
  Tensor xy;                           // [steps, lines, 2] f32, data coordinates: row s holds every line's point s
  std::int64_t firstStep = 0, stepCount = 0;   // the steps drawn
  DataTransform transform;
  Rect clip;
  float width = 1;
  Color color;
  bool fade = false;                   // alpha falls towards the oldest step
  Tensor scalar;                       // optional [lines] f32 in 0..1: multiplies the alpha of a line
};

struct ClipItem {
  Rect rect;
  bool pop = false;                    // pop = end of the innermost clip
};

using Primitive = std::variant<PathItem, GlyphItem, ImageItem, PointItem, BundleItem, ClipItem>;

struct DisplayList {
  Vec2 size;                           // logical px
  Color ground;                        // painted first; alpha 0 = transparent
  std::vector<Primitive> items;
  std::string toText() const;          // the golden form: one line per primitive, numbers with 2 decimals, tensors as shape + checksum
};

}  // namespace orrery
