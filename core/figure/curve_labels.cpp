// Curves carry their name where they run: each name takes the place near the end of its curve, above or below it, that crosses the fewest
// other curves and no other name.

#include <algorithm>
#include <cmath>

#include "core/figure/layout_parts.h"

namespace orrery::layout {

namespace {

using Polylines = std::vector<std::vector<Vec2>>;

// At most `limit` points of each line: enough to see whether a word crosses it.
Polylines thinned(const Polylines& lines, std::size_t limit) {
  Polylines result;
  for (const auto& line : lines) {
    const std::size_t stride = std::max<std::size_t>(1, line.size() / limit);
    std::vector<Vec2> kept;
    for (std::size_t i = 0; i < line.size(); i += stride) kept.push_back(line[i]);
    if (!line.empty() && (line.size() - 1) % stride != 0) kept.push_back(line.back());
    result.push_back(std::move(kept));
  }
  return result;
}

bool overlap(const Rect& a, const Rect& b) { return a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom(); }

// Whether a segment meets a rectangle (Liang-Barsky).
bool crosses(Vec2 from, Vec2 to, const Rect& r) {
  float begin = 0, end = 1;
  const float dx = to.x - from.x, dy = to.y - from.y;
  const float p[4] = {-dx, dx, -dy, dy}, q[4] = {from.x - r.x, r.right() - from.x, from.y - r.y, r.bottom() - from.y};
  for (int i = 0; i < 4; ++i) {
    if (p[i] == 0) {
      if (q[i] < 0) return false;
      continue;
    }
    const float t = q[i] / p[i];
    if (p[i] < 0) begin = std::max(begin, t);
    else end = std::min(end, t);
    if (begin > end) return false;
  }
  return true;
}

int crossings(const Polylines& lines, const Rect& r) {
  int count = 0;
  for (const auto& line : lines) {
    for (std::size_t i = 1; i < line.size(); ++i) count += crosses(line[i - 1], line[i], r) ? 1 : 0;
  }
  return count;
}

// Height of the curve over [left, right]: the extremes of y there; false where the curve does not run.
bool extentOver(const Polylines& lines, float left, float right, float& top, float& bottom) {
  top = 1e30f;
  bottom = -1e30f;
  for (const auto& line : lines) {
    for (std::size_t i = 1; i < line.size(); ++i) {
      Vec2 a = line[i - 1], b = line[i];
      if (a.x > b.x) std::swap(a, b);
      if (b.x < left || a.x > right) continue;
      const auto at = [&](float x) { return b.x - a.x < 1e-6f ? a.y : a.y + (b.y - a.y) * (x - a.x) / (b.x - a.x); };
      for (const float y : {at(std::max(a.x, left)), at(std::min(b.x, right))}) {
        top = std::min(top, y);
        bottom = std::max(bottom, y);
      }
    }
  }
  return top <= bottom;
}

struct Curve {
  const Mark* mark = nullptr;
  Polylines lines;
};

}  // namespace

void drawCurveLabels(const PanelWork& work, const Frame& frame, const Drawing& d) {
  // Gather every curve: the unnamed ones are obstacles too.
  std::vector<Curve> curves;
  bool any = false;
  for (const auto& mark : work.panel->marks) {
    if (!mark || !mark->swatch() || mark->swatch()->kind == Swatch::Kind::point) continue;
    const bool named = mark->directLabel && !mark->label.empty() && !goesToLegend(*work.panel, *mark);
    any = any || named;
    curves.push_back({named ? mark.get() : nullptr, thinned(mark->labelPath(frame), 160)});
  }
  if (!any) return;

  const Rect& area = work.area;
  const TextStyle style = d.sizes.curveStyle();
  const Color ground = d.sizes.interactive ? (work.framed() ? d.theme.panel : d.theme.canvas) : d.theme.canvas;
  const float clearance = 2 * d.sizes.unit, height = 0.95f * style.size;
  std::vector<Rect> taken;
  for (const Curve& curve : curves) {
    if (!curve.mark || curve.lines.empty()) continue;
    const float width = d.metrics.width(curve.mark->label, style);
    Rect best;
    float bestCost = 1e30f;
    for (int step = 0; step <= 24; ++step) {
      // Walk from the right end to the left.
      const float right = area.right() - clearance - (area.width - width - 2 * clearance) * static_cast<float>(step) / 24.0f;
      const float left = right - width;
      if (left < area.x) continue;
      float top = 0, bottom = 0;
      if (!extentOver(curve.lines, left - clearance, right + clearance, top, bottom)) continue;
      for (const bool above : {true, false}) {
        const Rect box{left, above ? top - clearance - height : bottom + clearance, width, height};
        if (box.y < area.y || box.bottom() > area.bottom()) continue;
        const Rect grown{box.x - clearance, box.y - 0.5f * clearance, box.width + 2 * clearance, box.height + clearance};
        float cost = 0.7f * static_cast<float>(step) + (above ? 0.0f : 1.0f) + 0.15f * (bottom - top);
        for (const Curve& other : curves) {
          const int met = crossings(other.lines, grown);
          if (met > 0) cost += (&other == &curve ? 30.0f : 60.0f) + static_cast<float>(met);
          // A name should be nearer to its own curve than to any other, and not stand where two curves run together.
          float otherTop = 0, otherBottom = 0;
          if (&other != &curve && extentOver(other.lines, left, right, otherTop, otherBottom)) {
            const float distance = above ? box.y - otherBottom : otherTop - box.bottom();
            if (distance > -height && distance < 2 * clearance) cost += 15;
            const float apart = std::max(otherTop - bottom, top - otherBottom);
            if (apart < 0.6f * height) cost += 20;
          }
        }
        for (const Rect& name : taken) cost += overlap(grown, name) ? 500.0f : 0.0f;
        if (cost < bestCost) {
          bestCost = cost;
          best = box;
        }
      }
    }
    if (bestCost >= 400) continue;                    // better no name than two on top of each other
    taken.push_back(best);
    const Color color = legible(d.theme.resolve(curve.mark->swatch()->paint).withAlpha(1), ground);
    d.text(curve.mark->label, {best.x, best.y + 0.5f * best.height}, HAlign::left, VAlign::middle, style, color);
  }
}

}  // namespace orrery::layout
