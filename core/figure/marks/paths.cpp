// PathsMark: many paths of equal length, drawn from the tensor where it lies.

#include <algorithm>

#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

Bounds PathsMark::bounds() const { return knownBounds ? *knownBounds : boundsOfPairs(xy); }

std::optional<Swatch> PathsMark::swatch() const {
  if (directLabel) return std::nullopt;       // a bundle has no one place for its name
  return Swatch{Swatch::Kind::line, paint, {}, PointShape::disc};
}

void PathsMark::lower(const Frame& frame, DisplayList& list) const {
  if (xy.empty() || xy.shape().rank() != 3) return;
  BundleItem item;
  item.xy = xy;
  item.firstStep = std::clamp<std::int64_t>(firstStep, 0, xy.shape()[0]);
  item.stepCount = std::clamp<std::int64_t>(stepCount, 0, xy.shape()[0] - item.firstStep);
  if (item.stepCount < 2) return;
  item.transform = frame.transform;
  item.clip = frame.area;
  item.width = width * frame.unit;
  item.color = frame.theme.resolve(paint);
  item.fade = fade;
  item.scalar = lineAlpha;
  list.items.emplace_back(std::move(item));
}

std::vector<Channel> PathsMark::channels() const { return {{"xy", xy}}; }

}  // namespace orrery
