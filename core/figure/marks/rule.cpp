// RuleMark: a straight line across the panel.

#include <algorithm>

#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

Bounds RuleMark::bounds() const {
  Bounds bounds;
  vertical ? bounds.include(at, NAN) : bounds.include(NAN, at);
  return bounds;
}

Vec2 RuleMark::margin() const { return {0, 0}; }

void RuleMark::lower(const Frame& frame, DisplayList& list) const {
  const Rect& area = frame.area;
  const auto inverse = frame.transform.invert({area.x, area.y});
  const Vec2 p = vertical ? frame.transform.apply(at, inverse[1]) : frame.transform.apply(inverse[0], at);
  const float place = vertical ? p.x : p.y;
  const float low = vertical ? area.x : area.y, high = vertical ? area.right() : area.bottom();
  if (!std::isfinite(place) || place < low - 0.5f || place > high + 0.5f) return;
  const Color color = frame.theme.resolve(paint);
  std::vector<Vec2> line = vertical ? std::vector<Vec2>{{place, area.y}, {place, area.bottom()}} : std::vector<Vec2>{{area.x, place}, {area.right(), place}};
  list.items.emplace_back(strokedPath({std::move(line)}, color, width * frame.unit, scaledDash(dash, frame.unit)));
  if (tag.empty()) return;
  // The tag stands beside the end of the line, on the side that has room.
  const TextStyle style{(frame.interactive ? 8.4f : 8.0f) * frame.unit, Weight::regular, true};
  const float gap = 2 * frame.unit, wide = frame.metrics.width(tag, style);
  GlyphItem text{tag, {}, HAlign::left, VAlign::middle, style, legible(color.withAlpha(1), frame.interactive ? frame.theme.panel : frame.theme.canvas), 0};
  if (vertical) {
    const bool right = place + gap + wide <= area.right();
    text.h = right ? HAlign::left : HAlign::right;
    text.at = {right ? place + gap : place - gap, area.y + 0.5f * style.size + gap};
  } else {
    const bool above = place - gap - style.size >= area.y;
    text.h = HAlign::right;
    text.at = {area.right() - gap, above ? place - gap - 0.4f * style.size : place + gap + 0.5f * style.size};
  }
  list.items.emplace_back(std::move(text));
}

std::vector<Channel> RuleMark::channels() const { return {{"value", Tensor::from({1}, {static_cast<float>(at)})}}; }

}  // namespace orrery
