#include "core/render/stroke.h"

#include <algorithm>
#include <cmath>

namespace orrery::render {

namespace {

struct Point {
  double x = 0, y = 0;
};

// Coordinates beyond this are cut before anything is computed from them, so that no intermediate result loses its pixels.
constexpr double farAway = 1e5;
// A dash pattern shorter than this (px) is a grey line, not dashes.
constexpr float shortestPattern = 0.25f;
// cos of half the turn below which a join is bevelled: a mitre twice as long as the line is wide.
constexpr double sharpest = 0.5;

struct Box {
  double left, top, right, bottom;
};

// Liang-Barsky: the part [t0, t1] of a segment inside a box.
bool clipSegment(Point a, Point b, const Box& box, double& t0, double& t1) {
  t0 = 0;
  t1 = 1;
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double p[4] = {-dx, dx, -dy, dy}, q[4] = {a.x - box.left, box.right - a.x, a.y - box.top, box.bottom - a.y};
  for (int i = 0; i < 4; ++i) {
    if (p[i] == 0) {
      if (q[i] < 0) return false;
      continue;
    }
    const double t = q[i] / p[i];
    if (p[i] < 0)
      t0 = std::max(t0, t);
    else
      t1 = std::min(t1, t);
    if (t0 > t1) return false;
  }
  return true;
}

// Cohen-Sutherland: moves the ends of a segment onto the sides of a box. Unlike a parameter along the segment, this keeps the pixels of a
// segment that is 1e30 px long.
bool cutToBox(Point& a, Point& b, const Box& box) {
  const auto outside = [&](Point p) {
    return (p.x < box.left ? 1 : p.x > box.right ? 2 : 0) | (p.y < box.top ? 4 : p.y > box.bottom ? 8 : 0);
  };
  for (int round = 0; round < 4; ++round) {
    const int codeA = outside(a), codeB = outside(b);
    if (codeA & codeB) return false;
    if (!(codeA | codeB)) return true;
    Point& moved = codeA ? a : b;
    const int code = codeA ? codeA : codeB;
    if (code & 3) {
      const double x = code & 1 ? box.left : box.right;
      moved = {x, a.y + (b.y - a.y) * ((x - a.x) / (b.x - a.x))};
    } else {
      const double y = code & 4 ? box.top : box.bottom;
      moved = {a.x + (b.x - a.x) * ((y - a.y) / (b.y - a.y)), y};
    }
  }
  return !(outside(a) | outside(b));
}

// Quads of one unbroken, visible polyline.
class Mesher {
 public:
  Mesher(FillOutput out, const StrokeStyle& style, const PixelBounds& bounds)
      : out_(out), style_(style), bounds_(bounds), half_(0.5f * style.width), color_(packed(style.color)) {}

  void line(std::vector<Point>& points, bool closed) {
    points.erase(std::unique(points.begin(), points.end(), [](Point a, Point b) { return std::hypot(a.x - b.x, a.y - b.y) < 1e-3; }),
                 points.end());
    if (closed && points.size() > 2 && std::hypot(points.front().x - points.back().x, points.front().y - points.back().y) < 1e-3)
      points.pop_back();
    const std::size_t count = points.size();
    if (count < 2) return;
    closed = closed && count > 2;
    if (count == 2 && axisParallel(points[0], points[1])) return;

    const std::size_t segments = closed ? count : count - 1;
    const auto normalOf = [&](std::size_t i) {
      const Point a = points[i % count], b = points[(i + 1) % count];
      const double size = std::hypot(b.x - a.x, b.y - a.y);
      return Point{-(b.y - a.y) / size, (b.x - a.x) / size};
    };
    Point before = normalOf(closed ? segments - 1 : 0);
    Point normal = normalOf(0);
    for (std::size_t i = 0; i < segments; ++i) {
      const bool last = !closed && i + 1 == segments;
      const Point after = last ? normal : normalOf(i + 1);
      const Point a = points[i], b = points[(i + 1) % count];
      quad(a, mitre(before, normal), b, mitre(normal, after));
      if (!last && isSharp(normal, after)) bevel(b, normal, after);
      before = normal;
      normal = after;
    }
  }

 private:
  static bool isSharp(Point n0, Point n1) { return 1 + n0.x * n1.x + n0.y * n1.y < 2 * sharpest * sharpest; }

  static Point mitre(Point n0, Point n1) {
    // At a sharp turn each segment ends square; bevel() closes the gap. The caller passes its own normal once on either side.
    if (isSharp(n0, n1)) return {NAN, NAN};
    const double scale = 1 / (1 + n0.x * n1.x + n0.y * n1.y);
    return {(n0.x + n1.x) * scale, (n0.y + n1.y) * scale};
  }

  void quad(Point a, Point offsetA, Point b, Point offsetB) {
    const double size = std::hypot(b.x - a.x, b.y - a.y);
    const Point own{-(b.y - a.y) / size, (b.x - a.x) / size};
    if (std::isnan(offsetA.x)) offsetA = own;
    if (std::isnan(offsetB.x)) offsetB = own;
    const float reach = half_ + 0.5f;
    for (const auto& [p, offset] : {std::pair{a, offsetA}, std::pair{b, offsetB}}) {
      for (const float side : {-reach, reach}) {
        out_.blended.push_back({static_cast<float>(p.x + offset.x * side), static_cast<float>(p.y + offset.y * side), side, half_, color_});
      }
    }
  }

  void bevel(Point at, Point n0, Point n1) {
    const float reach = half_ + 0.5f;
    // The outer side is where the normals spread apart.
    const float side = n0.x * n1.y - n0.y * n1.x > 0 ? -reach : reach;
    const auto corner = [&](Point normal, float distance) {
      return Vertex{static_cast<float>(at.x + normal.x * distance), static_cast<float>(at.y + normal.y * distance), distance, half_,
                    color_};
    };
    const Vertex center = corner(n0, 0), first = corner(n0, side), second = corner(n1, side);
    out_.blended.insert(out_.blended.end(), {center, first, second, second});
  }

  bool axisParallel(Point a, Point b) {
    const float w = style_.width;
    if (a.x == b.x) {
      fillRectangle(out_,
                    {static_cast<float>(a.x) - w / 2, static_cast<float>(std::min(a.y, b.y)), w, static_cast<float>(std::abs(b.y - a.y))},
                    style_.color, bounds_);
      return true;
    }
    if (a.y == b.y) {
      fillRectangle(out_,
                    {static_cast<float>(std::min(a.x, b.x)), static_cast<float>(a.y) - w / 2, static_cast<float>(std::abs(b.x - a.x)), w},
                    style_.color, bounds_);
      return true;
    }
    return false;
  }

  FillOutput out_;
  const StrokeStyle& style_;
  const PixelBounds& bounds_;
  float half_;
  std::uint32_t color_;
};

bool isRectangle(std::span<const Vec2> p) {
  return p.size() == 4 && ((p[0].y == p[1].y && p[1].x == p[2].x && p[2].y == p[3].y && p[3].x == p[0].x) ||
                           (p[0].x == p[1].x && p[1].y == p[2].y && p[2].x == p[3].x && p[3].y == p[0].y));
}

}  // namespace

void strokeLine(FillOutput out, std::span<const Vec2> points, bool closed, const StrokeStyle& style, const PixelBounds& bounds) {
  if (!(style.width > 0) || style.color.a <= 0 || points.size() < 2 || bounds.empty()) return;

  // The four sides of a rectangle, without overlap at the corners.
  if (closed && style.dash.empty() && isRectangle(points)) {
    const float left = std::min(points[0].x, points[2].x), right = std::max(points[0].x, points[2].x);
    const float top = std::min(points[0].y, points[2].y), bottom = std::max(points[0].y, points[2].y);
    const float h = style.width / 2;
    if (right - left > style.width && bottom - top > style.width) {
      fillRectangle(out, {left - h, top - h, right - left + style.width, style.width}, style.color, bounds);
      fillRectangle(out, {left - h, bottom - h, right - left + style.width, style.width}, style.color, bounds);
      fillRectangle(out, {left - h, top + h, style.width, bottom - top - style.width}, style.color, bounds);
      fillRectangle(out, {right - h, top + h, style.width, bottom - top - style.width}, style.color, bounds);
      return;
    }
  }

  const double margin = style.width * 2 + 2;  // a mitre reaches at most twice the half width
  const Box box{bounds.left - margin, bounds.top - margin, bounds.right + margin, bounds.bottom + margin};
  Mesher mesher(out, style, bounds);
  double pattern = 0;
  for (const float length : style.dash) pattern += std::max(0.0f, length);
  // An odd pattern alternates: it is repeated once, as in SVG.
  const std::size_t dashCount = style.dash.size() * (style.dash.size() % 2 + 1);
  if (style.dash.size() % 2) pattern *= 2;
  const bool dashed = pattern > shortestPattern;
  double travelled = 0;

  std::vector<Point> piece;
  bool whole = true;  // nothing was dropped so far, so a closed line can be joined at its ends
  const auto flush = [&](bool join) {
    mesher.line(piece, join);
    piece.clear();
  };
  const auto visible = [&](Point a, Point b) {
    if (piece.empty() || piece.back().x != a.x || piece.back().y != a.y) {
      if (!piece.empty()) flush(false);
      piece.push_back(a);
    }
    piece.push_back(b);
  };
  // Give the "on" parts of [from, to] of a segment that starts `travelled` px along the line.
  const auto dashes = [&](Point a, Point b, double length, double from, double to) {
    const double begin = travelled + from * length, end = travelled + to * length;
    double at = begin - std::fmod(begin, pattern);
    for (std::size_t i = 0; at < end; i = (i + 1) % dashCount) {
      const double size = std::max(0.0f, style.dash[i % style.dash.size()]);
      const double low = std::max(at, begin), high = std::min(at + size, end);
      if (i % 2 == 0 && low < high) {
        const auto pointAt = [&](double s) {
          const double t = (s - travelled) / length;
          return s >= end && to == 1 ? b : s <= begin && from == 0 ? a : Point{a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t};
        };
        visible(pointAt(low), pointAt(high));
      }
      at += size;
    }
  };

  const std::size_t segments = closed ? points.size() : points.size() - 1;
  for (std::size_t i = 0; i < segments; ++i) {
    const Vec2 first = points[i], second = points[(i + 1) % points.size()];
    Point a{first.x, first.y}, b{second.x, second.y};
    if (!std::isfinite(a.x) || !std::isfinite(a.y) || !std::isfinite(b.x) || !std::isfinite(b.y)) {
      whole = false;
      flush(false);
      continue;
    }
    if (std::max({std::abs(a.x), std::abs(a.y), std::abs(b.x), std::abs(b.y)}) > farAway) {
      whole = false;
      if (!cutToBox(a, b, box)) {
        flush(false);
        continue;
      }
    }
    const double length = std::hypot(b.x - a.x, b.y - a.y);
    if (length == 0) continue;
    double t0 = 0, t1 = 1;
    if (!clipSegment(a, b, box, t0, t1)) {
      whole = false;
      flush(false);
    } else if (dashed) {
      whole = false;
      dashes(a, b, length, t0, t1);
    } else {
      visible(a, b);  // whole, so that joins do not move
    }
    travelled += length;
  }
  if (!piece.empty()) flush(closed && whole);
}

}  // namespace orrery::render
