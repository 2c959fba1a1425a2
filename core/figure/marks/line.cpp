// LineMark: y against x.

#include <algorithm>

#include "core/base/text.h"
#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

Bounds LineMark::bounds() const {
  Bounds bounds;
  const Floats xs(x), ys(y);
  // A point with one coordinate missing is not drawn, so it does not widen the axes.
  for (std::size_t i = 0; i < std::min(xs.size(), ys.size()); ++i) {
    if (finite({xs[i], ys[i]})) bounds.include(static_cast<double>(xs[i]), static_cast<double>(ys[i]));
  }
  return bounds;
}

Vec2 LineMark::margin() const { return {markers ? 0.04f : 0.0f, 0.05f}; }

std::optional<Swatch> LineMark::swatch() const { return Swatch{Swatch::Kind::line, paint, dash, PointShape::disc}; }

Polylines LineMark::labelPath(const Frame& frame) const { return pixelLines(Floats(x), Floats(y), frame, steps); }

void LineMark::lower(const Frame& frame, DisplayList& list) const {
  const Floats xs(x), ys(y);
  const Color color = frame.theme.resolve(paint);
  Polylines lines = pixelLines(xs, ys, frame, steps);
  if (!lines.empty()) list.items.emplace_back(strokedPath(std::move(lines), color, width * frame.unit, scaledDash(dash, frame.unit)));
  // Markers, and a lone point that no line shows.
  std::vector<float> dots;
  const std::size_t n = std::min(xs.size(), ys.size());
  for (std::size_t i = 0; i < n; ++i) {
    if (!finite(frame.transform.apply(static_cast<double>(xs[i]), static_cast<double>(ys[i])))) continue;
    const bool alone = (i == 0 || !finite({xs[i - 1], ys[i - 1]})) && (i + 1 == n || !finite({xs[i + 1], ys[i + 1]}));
    if (markers || alone) dots.insert(dots.end(), {xs[i], ys[i]});
  }
  if (dots.empty()) return;
  PointItem points;
  points.xy = Tensor::from({static_cast<std::int64_t>(dots.size() / 2), 2}, dots);
  points.transform = frame.transform;
  points.clip = frame.area;
  points.radius = std::max(1.6f, 1.2f * width) * frame.unit;
  points.color = color;
  list.items.emplace_back(std::move(points));
}

std::vector<Channel> LineMark::channels() const { return {{"x", x}, {"y", y}}; }

std::optional<Probe> LineMark::probe(const Frame& frame, Vec2 pixel) const {
  if (!frame.area.contains(pixel)) return std::nullopt;
  const Floats xs(x), ys(y);
  const std::size_t n = std::min(xs.size(), ys.size());
  float best = 1e30f;
  std::size_t index = n;
  Vec2 before{NAN, NAN};
  for (std::size_t i = 0; i < n; ++i) {
    const Vec2 p = frame.transform.apply(static_cast<double>(xs[i]), static_cast<double>(ys[i]));
    if (finite(p)) {
      float along = 1;
      const float distance = finite(before) ? distanceTo(pixel, before, p, &along) : std::hypot(p.x - pixel.x, p.y - pixel.y);
      if (distance < best) {
        best = distance;
        index = along < 0.5f && i > 0 ? i - 1 : i;
      }
    }
    before = p;
  }
  if (index == n || best > 16 * frame.unit) return std::nullopt;
  Probe probe;
  if (!label.empty()) probe.lines.push_back(label);
  probe.x = static_cast<double>(xs[index]);
  probe.y = static_cast<double>(ys[index]);
  probe.lines.push_back(fmt::format("{} = {}", xName.empty() ? "x" : xName, exact(probe.x)));
  probe.lines.push_back(fmt::format("{} = {}", yName.empty() ? "y" : yName, exact(probe.y)));
  probe.index = static_cast<std::int64_t>(index);
  probe.distance = best;
  return probe;
}

}  // namespace orrery
