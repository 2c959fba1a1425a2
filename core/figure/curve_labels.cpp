// Curves carry their name where they run: each name takes the place near the end of its curve, above or below it, that crosses the fewest
// other curves and no other name. Where three or more curves run too close for that, the names stand as a list in an empty corner instead.

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

struct Placed {
  const Curve* curve = nullptr;
  Rect box;
  float penalty = 1e30f;                                // what is wrong with the place; 0 = nothing
  bool listed = false;                                  // in a corner list, with a swatch
};

constexpr float swatchWidth = 10, swatchGap = 4;        // points

// Walks along the curve from its right end and weighs the places above and below it.
Placed bestPlace(const Curve& curve, const std::vector<Curve>& curves, const std::vector<Placed>& taken, const Rect& area, const TextStyle& style, const Drawing& d) {
  const float clearance = 2 * d.sizes.unit, height = 0.95f * style.size, width = d.metrics.width(curve.mark->label, style);
  Placed best;
  best.curve = &curve;
  float bestCost = 1e30f;
  for (int step = 0; step <= 24; ++step) {
    const float right = area.right() - clearance - (area.width - width - 2 * clearance) * static_cast<float>(step) / 24.0f;
    const float left = right - width;
    if (left < area.x) continue;
    float top = 0, bottom = 0;
    if (!extentOver(curve.lines, left - clearance, right + clearance, top, bottom)) continue;
    for (const bool above : {true, false}) {
      const Rect box{left, above ? top - clearance - height : bottom + clearance, width, height};
      if (box.y < area.y || box.bottom() > area.bottom()) continue;
      const Rect grown{box.x - clearance, box.y - 0.5f * clearance, box.width + 2 * clearance, box.height + clearance};
      float penalty = 0;
      for (const Curve& other : curves) {
        const int met = crossings(other.lines, grown);
        if (met > 0) penalty += (&other == &curve ? 30.0f : 60.0f) + static_cast<float>(met);
        // A name should be nearer to its own curve than to any other, and not stand where two curves run together.
        float otherTop = 0, otherBottom = 0;
        if (&other != &curve && extentOver(other.lines, left, right, otherTop, otherBottom)) {
          const float distance = above ? box.y - otherBottom : otherTop - box.bottom();
          if (distance > -height && distance < 2 * clearance) penalty += 15;
          const float apart = std::max(otherTop - bottom, top - otherBottom);
          if (apart < 0.6f * height) penalty += 20;
        }
      }
      for (const Placed& name : taken) penalty += overlap(grown, name.box) ? 500.0f : 0.0f;
      const float cost = penalty + 0.7f * static_cast<float>(step) + (above ? 0.0f : 1.0f) + 0.15f * (bottom - top);
      if (cost < bestCost) {
        bestCost = cost;
        best.box = box;
        best.penalty = penalty;
      }
    }
  }
  return best;
}

// The names below each other in the corner that no curve enters; empty when there is none.
std::vector<Placed> cornerList(const std::vector<Curve>& curves, const Rect& area, const TextStyle& style, const Drawing& d) {
  const float row = 1.3f * style.size, inset = 4 * d.sizes.unit;
  float width = 0;
  std::vector<Placed> list;
  for (const Curve& curve : curves) {
    if (!curve.mark || curve.lines.empty()) continue;
    list.push_back({&curve, {}, 0, true});
    width = std::max(width, (swatchWidth + swatchGap) * d.sizes.unit + d.metrics.width(curve.mark->label, style));
  }
  const float height = row * static_cast<float>(list.size());
  if (width + 2 * inset > area.width || height + 2 * inset > area.height) return {};
  for (const bool bottom : {true, false}) {
    for (const bool right : {false, true}) {
      const Rect box{right ? area.right() - inset - width : area.x + inset, bottom ? area.bottom() - inset - height : area.y + inset, width, height};
      const Rect grown{box.x - inset, box.y - inset, box.width + 2 * inset, box.height + 2 * inset};
      const bool free = std::all_of(curves.begin(), curves.end(), [&](const Curve& curve) { return crossings(curve.lines, grown) == 0; });
      if (!free) continue;
      for (std::size_t i = 0; i < list.size(); ++i) list[i].box = {box.x, box.y + row * static_cast<float>(i), box.width, row};
      return list;
    }
  }
  return {};
}

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
  std::vector<Placed> names;
  std::size_t wanted = 0;
  bool doubtful = false;
  for (const Curve& curve : curves) {
    if (!curve.mark || curve.lines.empty()) continue;
    ++wanted;
    const Placed name = bestPlace(curve, curves, names, area, style, d);
    doubtful = doubtful || name.penalty >= 15;
    // Better no name than two on top of each other.
    if (name.penalty < 400) names.push_back(name);
  }
  if (wanted >= 3 && doubtful) {
    std::vector<Placed> list = cornerList(curves, area, style, d);
    if (!list.empty()) names = std::move(list);
  }
  for (const Placed& name : names) {
    const Swatch swatch = *name.curve->mark->swatch();
    if (name.listed) {
      std::vector<float> dash = swatch.dash;
      for (float& part : dash) part *= d.sizes.unit;
      const float y = name.box.y + 0.5f * name.box.height;
      d.line({name.box.x, y}, {name.box.x + swatchWidth * d.sizes.unit, y}, d.theme.resolve(swatch.paint), (swatch.kind == Swatch::Kind::area ? 4.0f : 1.2f) * d.sizes.unit, std::move(dash));
    }
    const Color color = legible(d.theme.resolve(swatch.paint).withAlpha(1), ground);
    const float x = name.box.x + (name.listed ? (swatchWidth + swatchGap) * d.sizes.unit : 0);
    d.text(name.curve->mark->label, {x, name.box.y + 0.5f * name.box.height}, HAlign::left, VAlign::middle, style, color);
  }
}

}  // namespace orrery::layout
