// VectorFieldMark: arrows at places.

#include <algorithm>

#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

Bounds VectorFieldMark::bounds() const { return boundsOfPairs(xy); }

void VectorFieldMark::lower(const Frame& frame, DisplayList& list) const {
  const Floats places(xy), vectors(uv);
  const std::size_t n = std::min(places.size(), vectors.size()) / 2;
  // On the picture an arrow points where the particle would go: each component is scaled like its axis.
  const double sx = frame.transform.logX ? std::copysign(1.0, frame.transform.scaleX) : frame.transform.scaleX;
  const double sy = frame.transform.logY ? std::copysign(1.0, frame.transform.scaleY) : frame.transform.scaleY;
  double longest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double size = std::hypot(sx * static_cast<double>(vectors[2 * i]), sy * static_cast<double>(vectors[2 * i + 1]));
    if (std::isfinite(size)) longest = std::max(longest, size);
  }
  if (longest <= 0) return;
  const double scale = static_cast<double>(length * frame.unit) / longest;
  const float barb = 2.6f * frame.unit;
  Polylines lines;
  for (std::size_t i = 0; i < n; ++i) {
    const Vec2 from = frame.transform.apply(static_cast<double>(places[2 * i]), static_cast<double>(places[2 * i + 1]));
    const Vec2 d{static_cast<float>(scale * sx * static_cast<double>(vectors[2 * i])), static_cast<float>(scale * sy * static_cast<double>(vectors[2 * i + 1]))};
    const float size = std::hypot(d.x, d.y);
    if (!finite(from) || !finite(d) || size < 0.35f * frame.unit || !grown(frame.area, 2 * length * frame.unit).contains(from)) continue;
    // Centre the arrow on its place: the field is read where the grid is.
    const Vec2 tail{from.x - 0.5f * d.x, from.y - 0.5f * d.y}, tip{from.x + 0.5f * d.x, from.y + 0.5f * d.y};
    const float b = std::min(barb, 0.45f * size);
    const Vec2 u{d.x / size, d.y / size};
    const auto barbEnd = [&](float side) {
      return Vec2{tip.x - b * (0.88f * u.x - side * 0.48f * u.y), tip.y - b * (0.88f * u.y + side * 0.48f * u.x)};
    };
    lines.push_back({tail, tip});
    lines.push_back({barbEnd(1), tip, barbEnd(-1)});
  }
  if (!lines.empty()) list.items.emplace_back(strokedPath(std::move(lines), frame.theme.resolve(paint), 0.75f * frame.unit));
}

std::vector<Channel> VectorFieldMark::channels() const { return {{"xy", xy}, {"uv", uv}}; }

}  // namespace orrery
