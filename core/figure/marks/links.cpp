// LinksMark: lines between two sets of places, width and alpha by weight.

#include <algorithm>
#include <array>

#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

Bounds LinksMark::bounds() const {
  Bounds bounds = boundsOfPairs(from);
  bounds.include(boundsOfPairs(to));
  return bounds;
}

void LinksMark::lower(const Frame& frame, DisplayList& list) const {
  const Floats starts(from), ends(to), weights(weight);
  const std::size_t n = std::min({starts.size() / 2, ends.size() / 2, weights.size()});
  // Sort the lines into classes of weight: one path each, the heaviest drawn last.
  constexpr std::size_t classes = 24;
  std::array<Polylines, classes> lines;
  for (std::size_t i = 0; i < n; ++i) {
    const float w = std::min(weights[i], 1.0f);
    if (!(w > 0.004f)) continue;              // fainter than one step of an 8-bit alpha
    const Vec2 a = frame.transform.apply(static_cast<double>(starts[2 * i]), static_cast<double>(starts[2 * i + 1]));
    const Vec2 b = frame.transform.apply(static_cast<double>(ends[2 * i]), static_cast<double>(ends[2 * i + 1]));
    if (!finite(a) || !finite(b)) continue;
    lines[std::min(classes - 1, static_cast<std::size_t>(w * classes))].push_back({a, b});
  }
  for (std::size_t k = 0; k < classes; ++k) {
    if (lines[k].empty()) continue;
    const float w = (static_cast<float>(k) + 0.5f) / static_cast<float>(classes);
    Paint faded = paint;
    faded.alpha *= 0.12f + 0.88f * w;
    list.items.emplace_back(strokedPath(std::move(lines[k]), frame.theme.resolve(faded), std::max(0.35f, w * maximumWidth) * frame.unit));
  }
}

std::vector<Channel> LinksMark::channels() const { return {{"from", from}, {"to", to}, {"weight", weight}}; }

}  // namespace orrery
