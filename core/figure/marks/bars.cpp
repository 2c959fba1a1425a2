// BarsMark: bars from a base to a value.

#include <algorithm>

#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

namespace {

struct Bar {
  double position = 0, from = 0, to = 0;
  bool drawn = false;
};

Bar barAt(const Floats& position, const Floats& value, const Floats& base, std::size_t i) {
  Bar bar{static_cast<double>(position[i]), i < base.size() ? static_cast<double>(base[i]) : 0.0, static_cast<double>(value[i]), true};
  bar.drawn = std::isfinite(bar.position) && std::isfinite(bar.from) && std::isfinite(bar.to);
  return bar;
}

// The bar in px. On a log axis a base at or below zero stands for the end of the axis.
Rect rectOf(const Bar& bar, double thickness, bool horizontal, const Frame& frame) {
  const auto corner = [&](double along, double across) {
    const Vec2 p = horizontal ? frame.transform.apply(across, along) : frame.transform.apply(along, across);
    return Vec2{std::isfinite(p.x) ? p.x : frame.area.x, std::isfinite(p.y) ? p.y : frame.area.bottom()};
  };
  const Vec2 a = corner(bar.position - 0.5 * thickness, bar.from), b = corner(bar.position + 0.5 * thickness, bar.to);
  const Rect limit = grown(frame.area, 64);
  const float left = std::clamp(std::min(a.x, b.x), limit.x, limit.right()), right = std::clamp(std::max(a.x, b.x), limit.x, limit.right());
  const float top = std::clamp(std::min(a.y, b.y), limit.y, limit.bottom()), bottom = std::clamp(std::max(a.y, b.y), limit.y, limit.bottom());
  return {left, top, right - left, bottom - top};
}

}  // namespace

Bounds BarsMark::bounds() const {
  Bounds bounds;
  const Floats positions(position), values(value), bases(base);
  for (std::size_t i = 0; i < std::min(positions.size(), values.size()); ++i) {
    const Bar bar = barAt(positions, values, bases, i);
    if (!bar.drawn) continue;
    for (const double along : {bar.position - 0.5 * thickness, bar.position + 0.5 * thickness}) {
      for (const double across : {bar.from, bar.to}) horizontal ? bounds.include(across, along) : bounds.include(along, across);
    }
  }
  return bounds;
}

Vec2 BarsMark::margin() const { return horizontal ? Vec2{0.05f, 0.02f} : Vec2{0.02f, 0.05f}; }
std::optional<Swatch> BarsMark::swatch() const { return Swatch{Swatch::Kind::point, paint, {}, PointShape::square}; }

void BarsMark::lower(const Frame& frame, DisplayList& list) const {
  const Floats positions(position), values(value), bases(base);
  const std::size_t n = std::min(positions.size(), values.size());
  // Neighbours of one colour make one path.
  PathItem path;
  const auto finish = [&] {
    if (!path.lines.empty()) list.items.emplace_back(std::move(path));
    path = PathItem{};
  };
  for (std::size_t i = 0; i < n; ++i) {
    const Bar bar = barAt(positions, values, bases, i);
    if (!bar.drawn) continue;
    const Color color = frame.theme.resolve(i < paints.size() ? paints[i] : paint);
    if (!path.lines.empty() && !(path.fill == color)) finish();
    path.closed = true;
    path.hasFill = true;
    path.fill = color;
    path.lines.push_back(corners(rectOf(bar, thickness, horizontal, frame)));
  }
  finish();
}

std::vector<Channel> BarsMark::channels() const {
  std::vector<Channel> result{{"position", position}, {"value", value}};
  if (!base.empty()) result.push_back({"base", base});
  return result;
}

std::optional<Probe> BarsMark::probe(const Frame& frame, Vec2 pixel) const {
  if (!frame.area.contains(pixel)) return std::nullopt;
  const Floats positions(position), values(value), bases(base);
  for (std::size_t i = 0; i < std::min(positions.size(), values.size()); ++i) {
    const Bar bar = barAt(positions, values, bases, i);
    if (!bar.drawn || !grown(rectOf(bar, thickness, horizontal, frame), 1.5f * frame.unit).contains(pixel)) continue;
    Probe probe;
    probe.index = static_cast<std::int64_t>(i);
    probe.x = horizontal ? bar.to : bar.position;
    probe.y = horizontal ? bar.position : bar.to;
    probe.lines = {i < names.size() ? names[i] : exact(bar.position), exact(bar.to)};
    return probe;
  }
  return std::nullopt;
}

}  // namespace orrery
