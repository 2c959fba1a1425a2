#include "core/figure/marks/support.h"

#include <fmt/format.h>

#include <algorithm>

namespace orrery::marks {

Rect grown(const Rect& r, float by) { return {r.x - by, r.y - by, r.width + 2 * by, r.height + 2 * by}; }

Polylines clipped(const Polylines& lines, const Rect& box) {
  Polylines result;
  for (const auto& line : lines) {
    std::vector<Vec2> run;
    const auto finish = [&] {
      if (run.size() >= 2) result.push_back(std::move(run));
      run.clear();
    };
    for (std::size_t i = 1; i < line.size(); ++i) {
      // Cut each segment to the box (Liang-Barsky, in double: points may be far outside).
      const double x0 = static_cast<double>(line[i - 1].x), y0 = static_cast<double>(line[i - 1].y);
      const double dx = static_cast<double>(line[i].x) - x0, dy = static_cast<double>(line[i].y) - y0;
      const double p[4] = {-dx, dx, -dy, dy};
      const double q[4] = {x0 - static_cast<double>(box.x), static_cast<double>(box.right()) - x0, y0 - static_cast<double>(box.y),
                           static_cast<double>(box.bottom()) - y0};
      double begin = 0, end = 1;
      bool inside = true;
      for (int side = 0; side < 4 && inside; ++side) {
        if (p[side] == 0) {
          inside = q[side] >= 0;
          continue;
        }
        const double t = q[side] / p[side];
        if (p[side] < 0) begin = std::max(begin, t);
        else end = std::min(end, t);
        inside = begin <= end;
      }
      if (!inside) {
        finish();
        continue;
      }
      const auto at = [&](double t) { return Vec2{static_cast<float>(x0 + t * dx), static_cast<float>(y0 + t * dy)}; };
      if (run.empty() || begin > 0) {
        finish();
        run.push_back(begin > 0 ? at(begin) : line[i - 1]);
      }
      run.push_back(end < 1 ? at(end) : line[i]);
      if (end < 1) finish();
    }
    finish();
  }
  return result;
}

namespace {

// Keep the first, lowest, highest and last point of each pixel column.
std::vector<Vec2> thinned(const std::vector<Vec2>& line) {
  std::vector<Vec2> kept;
  for (std::size_t i = 0; i < line.size();) {
    const float column = std::floor(line[i].x);
    std::size_t end = i, low = i, high = i;
    while (end < line.size() && std::floor(line[end].x) == column) {
      if (line[end].y < line[low].y) low = end;
      if (line[end].y > line[high].y) high = end;
      ++end;
    }
    std::size_t chosen[4] = {i, std::min(low, high), std::max(low, high), end - 1};
    for (int k = 0; k < 4; ++k) {
      if (k == 0 || chosen[k] != chosen[k - 1]) kept.push_back(line[chosen[k]]);
    }
    i = end;
  }
  return kept;
}

}  // namespace

Polylines pixelLines(const Floats& x, const Floats& y, const Frame& frame, bool steps) {
  const std::size_t n = std::min(x.size(), y.size());
  Polylines lines;
  std::vector<Vec2> run;
  for (std::size_t i = 0; i < n; ++i) {
    const Vec2 p = frame.transform.apply(static_cast<double>(x[i]), static_cast<double>(y[i]));
    if (!finite(p)) {
      if (!run.empty()) lines.push_back(std::move(run));
      run.clear();
      continue;
    }
    if (steps && !run.empty()) run.push_back({p.x, run.back().y});
    run.push_back(p);
  }
  if (!run.empty()) lines.push_back(std::move(run));
  if (n > 4 * static_cast<std::size_t>(std::max(1.0f, frame.area.width))) {
    for (auto& line : lines) line = thinned(line);
  }
  return clipped(lines, grown(frame.area, 8 * frame.unit));
}

PathItem strokedPath(Polylines lines, const Color& color, float width, std::vector<float> dash) {
  PathItem path;
  path.lines = std::move(lines);
  path.hasStroke = true;
  path.stroke = {color, width, std::move(dash)};
  return path;
}

std::vector<Vec2> corners(const Rect& r) { return {{r.x, r.y}, {r.right(), r.y}, {r.right(), r.bottom()}, {r.x, r.bottom()}}; }

std::vector<float> scaledDash(const std::vector<float>& dash, float unit) {
  std::vector<float> result = dash;
  for (float& length : result) length *= unit;
  return result;
}

PlacedRect place(const Range& x, const Range& y, const Frame& frame) {
  const Vec2 a = frame.transform.apply(x.low, y.low), b = frame.transform.apply(x.high, y.high);
  PlacedRect placed;
  placed.rect = {std::min(a.x, b.x), std::min(a.y, b.y), std::abs(b.x - a.x), std::abs(b.y - a.y)};
  placed.mirrored = a.x > b.x;
  placed.lowAtBottom = a.y > b.y;
  return placed;
}

Bounds extentOf(const Range& x, const Range& y) {
  Bounds bounds;
  bounds.include(x.low, y.low);
  bounds.include(x.high, y.high);
  return bounds;
}

Bounds boundsOfPairs(const Tensor& xy) {
  Bounds bounds;
  const Floats values(xy);
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) bounds.include(static_cast<double>(values[i]), static_cast<double>(values[i + 1]));
  return bounds;
}

std::string exact(double value) {
  if (!std::isfinite(value)) return formatNumber(value);
  std::string text = fmt::format("{:.6g}", value), result;
  // "1e+06" and "-3" as the axes write them.
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') continue;
    if (text[i] == '-') result += "\u2212";
    else result += text[i];
    if (text[i] == 'e') {
      const bool negative = i + 1 < text.size() && text[i + 1] == '-';
      std::size_t digits = i + 2;
      while (digits + 1 < text.size() && text[digits] == '0') ++digits;
      return result + (negative ? "\u2212" : "") + text.substr(digits);
    }
  }
  return result;
}

std::string named(std::int64_t index, const std::vector<std::string>& names) {
  if (index < 0 || static_cast<std::size_t>(index) >= names.size()) return fmt::format("{}", index);
  return fmt::format("{} '{}'", index, names[static_cast<std::size_t>(index)]);
}

float distanceTo(Vec2 p, Vec2 a, Vec2 b, float* along) {
  const float dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  const float t = length > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0.0f, 1.0f) : 0.0f;
  if (along) *along = t;
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

}  // namespace orrery::marks
