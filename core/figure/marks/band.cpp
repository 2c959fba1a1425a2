// BandMark: the area between two curves.

#include <algorithm>

#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

Bounds BandMark::bounds() const {
  Bounds bounds;
  const Floats xs(x), lows(low), highs(high);
  for (std::size_t i = 0; i < std::min({xs.size(), lows.size(), highs.size()}); ++i) {
    if (!std::isfinite(xs[i]) || !std::isfinite(lows[i]) || !std::isfinite(highs[i])) continue;
    bounds.include(static_cast<double>(xs[i]), static_cast<double>(lows[i]));
    bounds.include(static_cast<double>(xs[i]), static_cast<double>(highs[i]));
  }
  return bounds;
}

Vec2 BandMark::margin() const { return {0, 0.05f}; }
std::optional<Swatch> BandMark::swatch() const { return Swatch{Swatch::Kind::area, paint, {}, PointShape::disc}; }
Polylines BandMark::labelPath(const Frame& frame) const { return pixelLines(Floats(x), Floats(high), frame); }

void BandMark::lower(const Frame& frame, DisplayList& list) const {
  const Floats xs(x), lows(low), highs(high);
  const std::size_t n = std::min({xs.size(), lows.size(), highs.size()});
  // Far outside the area only the side matters, not the distance.
  const Rect box = grown(frame.area, 4096);
  const auto at = [&](std::size_t i, float value) {
    const Vec2 p = frame.transform.apply(static_cast<double>(xs[i]), static_cast<double>(value));
    if (!finite(p)) return p;
    return Vec2{std::clamp(p.x, box.x, box.right()), std::clamp(p.y, box.y, box.bottom())};
  };
  PathItem path;
  path.closed = true;
  path.hasFill = true;
  path.fill = frame.theme.resolve(paint);
  std::vector<Vec2> upper, lower;
  const auto finish = [&] {
    if (upper.size() >= 2) {
      upper.insert(upper.end(), lower.rbegin(), lower.rend());
      path.lines.push_back(std::move(upper));
    }
    upper.clear();
    lower.clear();
  };
  for (std::size_t i = 0; i < n; ++i) {
    const Vec2 a = at(i, highs[i]), b = at(i, lows[i]);
    if (finite(a) && finite(b)) {
      upper.push_back(a);
      lower.push_back(b);
    } else {
      finish();
    }
  }
  finish();
  if (!path.lines.empty()) list.items.emplace_back(std::move(path));
}

std::vector<Channel> BandMark::channels() const { return {{"x", x}, {"low", low}, {"high", high}}; }

}  // namespace orrery
