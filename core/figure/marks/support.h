#pragma once
// What the marks share: reading tensors, turning data into clipped pixel lines, hover texts. Internal to core/figure/marks.

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "core/figure/figure.h"

namespace orrery::marks {

// A tensor's values as floats, whatever its type; f32 without a copy.
class Floats {
 public:
  explicit Floats(const Tensor& tensor) : keep_(tensor) {
    if (tensor.empty()) return;
    if (tensor.dtype() == DType::f32) {
      view_ = keep_.as<float>();
    } else {
      own_ = tensor.toFloats();
      view_ = own_;
    }
  }
  std::size_t size() const { return view_.size(); }
  float operator[](std::size_t i) const { return view_[i]; }

 private:
  Tensor keep_;
  std::vector<float> own_;
  std::span<const float> view_;
};

using Polylines = std::vector<std::vector<Vec2>>;

inline bool finite(Vec2 p) { return std::isfinite(p.x) && std::isfinite(p.y); }

// The curve in px: broken at NaN and at values a log axis cannot show, cut to the area and a little around it, and thinned to what a pixel
// column can show (first, lowest, highest, last) when there are many more points than columns.
Polylines pixelLines(const Floats& x, const Floats& y, const Frame& frame, bool steps = false);
Polylines clipped(const Polylines& lines, const Rect& box);
Rect grown(const Rect& r, float by);

PathItem strokedPath(Polylines lines, const Color& color, float width, std::vector<float> dash = {});
std::vector<Vec2> corners(const Rect& r);
std::vector<float> scaledDash(const std::vector<float>& dash, float unit);

// Where data rectangle x, y lies in px, and whether its low ends lie right or below there.
struct PlacedRect {
  Rect rect;
  bool mirrored = false;               // x.low is at the right
  bool lowAtBottom = false;            // y.low is at the bottom
};
PlacedRect place(const Range& x, const Range& y, const Frame& frame);
Bounds extentOf(const Range& x, const Range& y);

Bounds boundsOfPairs(const Tensor& xy);

// A value as a hover shows it: up to 6 significant digits, true minus.
std::string exact(double value);
// "3 'the'" or "3".
std::string named(std::int64_t index, const std::vector<std::string>& names);
// Distance from p to segment a-b, and where on it (0..1).
float distanceTo(Vec2 p, Vec2 a, Vec2 b, float* along = nullptr);

}  // namespace orrery::marks
