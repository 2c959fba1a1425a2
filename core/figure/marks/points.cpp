// PointsMark: a cloud of points, drawn from the tensor where it lies.

#include <algorithm>

#include "core/base/text.h"
#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

Bounds PointsMark::bounds() const { return knownBounds ? *knownBounds : boundsOfPairs(xy); }

std::optional<Swatch> PointsMark::swatch() const { return Swatch{Swatch::Kind::point, paint, {}, shape}; }

void PointsMark::lower(const Frame& frame, DisplayList& list) const {
  if (xy.empty()) return;
  PointItem item;
  item.xy = xy;
  item.transform = frame.transform;
  item.clip = frame.area;
  item.shape = shape;
  item.radius = radius * frame.unit;
  item.color = frame.theme.resolve(paint);
  item.scalar = scalar;
  item.map = mapOn(frame.theme.kind, map);
  item.low = range.low;
  item.high = range.high;
  list.items.emplace_back(std::move(item));
}

std::vector<Channel> PointsMark::channels() const {
  std::vector<Channel> result{{"xy", xy}};
  if (!scalar.empty()) result.push_back({"scalar", scalar});
  return result;
}

std::optional<Probe> PointsMark::probe(const Frame& frame, Vec2 pixel) const {
  if (xy.empty() || !frame.area.contains(pixel)) return std::nullopt;
  const Floats values(xy);
  float best = (radius + 5) * frame.unit;
  std::size_t index = values.size();
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    const Vec2 p = frame.transform.apply(static_cast<double>(values[i]), static_cast<double>(values[i + 1]));
    const float distance = std::hypot(p.x - pixel.x, p.y - pixel.y);
    // Equal distances go to the newest: it is drawn on top.
    if (distance <= best) {
      best = distance;
      index = i;
    }
  }
  if (index == values.size()) return std::nullopt;
  Probe probe;
  probe.index = static_cast<std::int64_t>(index / 2);
  probe.x = static_cast<double>(values[index]);
  probe.y = static_cast<double>(values[index + 1]);
  probe.distance = best;
  probe.lines = {fmt::format("{} {}", name, formatNumber(static_cast<double>(probe.index))), fmt::format("x = ({}, {})", exact(probe.x), exact(probe.y))};
  if (!scalar.empty() && probe.index < scalar.count()) {
    probe.lines.push_back(trf("value {}", exact(static_cast<double>(Floats(scalar)[static_cast<std::size_t>(probe.index)]))));
  }
  return probe;
}

}  // namespace orrery
