// Area coverage by cells (the method of FreeType's and AGG's smooth rasterisers): every edge adds its height (cover) and the area to its
// left inside the pixel it crosses; a running sum along a row then gives the exact signed coverage of each pixel. Even-odd folds that sum,
// which is exact except in pixels where two edges cross. Equal runs of neighbouring rows become one quad, so a large area costs few quads.

#include "core/render/fill.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace orrery::render {

namespace {

// Quads with fewer pixels than this are not worth a change of pipeline.
constexpr float solidPixels = 2048;

struct Cell {
  int x = 0, y = 0;
  float cover = 0, area = 0;
};

class CellRaster {
 public:
  explicit CellRaster(const PixelBounds& bounds) : bounds_(bounds) {}

  void addEdge(double x0, double y0, double x1, double y1) {
    if (y0 == y1) return;
    const double top = bounds_.top, bottom = bounds_.bottom;
    if (std::max(y0, y1) <= top || std::min(y0, y1) >= bottom) return;
    const double slope = (x1 - x0) / (y1 - y0);
    if (y0 < top) {
      x0 += (top - y0) * slope;
      y0 = top;
    }
    if (y0 > bottom) {
      x0 += (bottom - y0) * slope;
      y0 = bottom;
    }
    if (y1 < top) {
      x1 += (top - y1) * slope;
      y1 = top;
    }
    if (y1 > bottom) {
      x1 += (bottom - y1) * slope;
      y1 = bottom;
    }
    addBetweenSides(x0, y0, x1, y1);
  }

  std::vector<Cell>& cells() { return cells_; }

 private:
  // Left of the bounds an edge counts with its whole height in the first column; right of them it covers nothing.
  void addBetweenSides(double x0, double y0, double x1, double y1) {
    const double left = bounds_.left, right = bounds_.right;
    double cuts[4] = {0, 1, 1, 1};
    int count = 1;
    const auto cutAt = [&](double side) {
      if ((x0 < side) != (x1 < side)) cuts[count++] = std::clamp((side - x0) / (x1 - x0), 0.0, 1.0);
    };
    cutAt(left);
    cutAt(right);
    if (count == 3 && cuts[1] > cuts[2]) std::swap(cuts[1], cuts[2]);
    cuts[count] = 1;
    for (int i = 0; i < count; ++i) {
      const double ax = x0 + (x1 - x0) * cuts[i], ay = y0 + (y1 - y0) * cuts[i];
      const double bx = i + 1 == count ? x1 : x0 + (x1 - x0) * cuts[i + 1];
      const double by = i + 1 == count ? y1 : y0 + (y1 - y0) * cuts[i + 1];
      const double middle = 0.5 * (ax + bx);
      if (middle >= right) continue;
      if (middle <= left)
        addInside(left, ay, left, by);
      else
        addInside(std::clamp(ax, left, right), ay, std::clamp(bx, left, right), by);
    }
  }

  void addInside(double x0, double y0, double x1, double y1) {
    if (y0 == y1) return;
    const double slope = (x1 - x0) / (y1 - y0);
    const int step = y1 > y0 ? 1 : -1;
    double x = x0, y = y0;
    int row = step > 0 ? static_cast<int>(std::floor(y0)) : static_cast<int>(std::ceil(y0)) - 1;
    while (step > 0 ? y < y1 : y > y1) {
      const double border = step > 0 ? row + 1 : row;
      const double nextY = step > 0 ? std::min(border, y1) : std::max(border, y1);
      const double nextX = nextY == y1 ? x1 : x + (nextY - y) * slope;
      addInRow(row, x, nextX, nextY - y);
      x = nextX;
      y = nextY;
      row += step;
    }
  }

  void addInRow(int row, double x0, double x1, double height) {
    if (row < bounds_.top || row >= bounds_.bottom) return;
    if (x0 > x1) std::swap(x0, x1);  // the area left of the edge does not depend on its direction along x
    int column = std::clamp(static_cast<int>(std::floor(x0)), bounds_.left, bounds_.right - 1);
    const int last = std::clamp(static_cast<int>(std::ceil(x1)) - 1, column, bounds_.right - 1);
    if (column == last) {
      addCell(column, row, height, 0.5 * (x0 + x1) - column);
      return;
    }
    const double perColumn = height / (x1 - x0);
    double x = x0;
    for (; column <= last; ++column) {
      const double next = column == last ? x1 : column + 1;
      addCell(column, row, (next - x) * perColumn, 0.5 * (x + next) - column);
      x = next;
    }
  }

  void addCell(int x, int y, double cover, double middle) {
    const auto c = static_cast<float>(cover), area = static_cast<float>(cover * std::clamp(middle, 0.0, 1.0));
    if (!cells_.empty() && cells_.back().x == x && cells_.back().y == y) {
      cells_.back().cover += c;
      cells_.back().area += area;
    } else {
      cells_.push_back({x, y, c, area});
    }
  }

  PixelBounds bounds_;
  std::vector<Cell> cells_;
};

// Coverage 0..255 of a signed sum by the even-odd rule.
int folded(float sum) {
  float m = std::fmod(std::abs(sum), 2.0f);
  if (m > 1) m = 2 - m;
  return static_cast<int>(m * 255.0f + 0.5f);
}

struct Run {
  int left = 0, right = 0, level = 0;
  bool operator==(const Run&) const = default;
};

void emitRows(FillOutput out, const std::vector<Run>& runs, int top, int bottom, const Color& color) {
  for (const Run& run : runs) {
    const bool solid =
        run.level == 255 && color.a >= 1 && static_cast<float>(run.right - run.left) * static_cast<float>(bottom - top) >= solidPixels;
    addPixels(solid ? out.solid : out.blended, static_cast<float>(run.left), static_cast<float>(top), static_cast<float>(run.right),
              static_cast<float>(bottom), packed(color, static_cast<float>(run.level) / 255.0f));
  }
}

bool isFinite(Vec2 p) { return std::isfinite(p.x) && std::isfinite(p.y); }

}  // namespace

void fillRectangle(FillOutput out, Rect rect, const Color& color, const PixelBounds& bounds) {
  const float left = std::clamp(rect.x, static_cast<float>(bounds.left), static_cast<float>(bounds.right));
  const float right = std::clamp(rect.right(), static_cast<float>(bounds.left), static_cast<float>(bounds.right));
  const float top = std::clamp(rect.y, static_cast<float>(bounds.top), static_cast<float>(bounds.bottom));
  const float bottom = std::clamp(rect.bottom(), static_cast<float>(bounds.top), static_cast<float>(bounds.bottom));
  if (!(left < right && top < bottom)) return;

  // Cut each side into a partly covered first pixel, whole pixels, and a partly covered last pixel.
  struct Part {
    float low, high, coverage;
  };
  const auto cut = [](float low, float high, Part* parts) {
    int count = 0;
    const float firstWhole = std::ceil(low), lastWhole = std::floor(high);
    if (firstWhole > lastWhole) {
      parts[count++] = {lastWhole, firstWhole, high - low};
      return count;
    }
    if (low < firstWhole) parts[count++] = {firstWhole - 1, firstWhole, firstWhole - low};
    if (firstWhole < lastWhole) parts[count++] = {firstWhole, lastWhole, 1};
    if (lastWhole < high) parts[count++] = {lastWhole, lastWhole + 1, high - lastWhole};
    return count;
  };
  Part columns[3], rows[3];
  const int columnCount = cut(left, right, columns), rowCount = cut(top, bottom, rows);
  for (int r = 0; r < rowCount; ++r) {
    for (int c = 0; c < columnCount; ++c) {
      const float coverage = rows[r].coverage * columns[c].coverage;
      const float pixels = (rows[r].high - rows[r].low) * (columns[c].high - columns[c].low);
      Vertices& to = coverage >= 1 && color.a >= 1 && pixels >= solidPixels ? out.solid : out.blended;
      addPixels(to, columns[c].low, rows[r].low, columns[c].high, rows[r].high, packed(color, coverage));
    }
  }
}

void fillPolygons(FillOutput out, std::span<const std::vector<Vec2>> polygons, const Color& color, const PixelBounds& bounds) {
  if (bounds.empty()) return;
  CellRaster raster(bounds);
  for (const auto& polygon : polygons) {
    const Vec2* first = nullptr;
    const Vec2* previous = nullptr;
    for (const Vec2& point : polygon) {
      if (!isFinite(point)) continue;
      if (previous)
        raster.addEdge(previous->x, previous->y, point.x, point.y);
      else
        first = &point;
      previous = &point;
    }
    if (first && previous != first) raster.addEdge(previous->x, previous->y, first->x, first->y);
  }
  auto& cells = raster.cells();
  std::sort(cells.begin(), cells.end(), [](const Cell& a, const Cell& b) { return a.y != b.y ? a.y < b.y : a.x < b.x; });

  // Turn each row into runs of equal coverage; rows that repeat the one above extend its quads.
  std::vector<Run> pending, row;
  int pendingTop = 0, pendingBottom = 0;
  for (std::size_t i = 0; i < cells.size();) {
    const int y = cells[i].y;
    row.clear();
    float sum = 0;
    const auto add = [&row](int left, int right, int level) {
      if (level == 0 || left >= right) return;
      if (!row.empty() && row.back().right == left && row.back().level == level)
        row.back().right = right;
      else
        row.push_back({left, right, level});
    };
    while (i < cells.size() && cells[i].y == y) {
      const int x = cells[i].x;
      float cover = 0, area = 0;
      for (; i < cells.size() && cells[i].y == y && cells[i].x == x; ++i) {
        cover += cells[i].cover;
        area += cells[i].area;
      }
      add(x, x + 1, folded(sum + cover - area));
      sum += cover;
      const bool lastOfRow = i >= cells.size() || cells[i].y != y;
      add(x + 1, lastOfRow ? bounds.right : cells[i].x, folded(sum));
    }
    if (!pending.empty() && y == pendingBottom && row == pending) {
      pendingBottom = y + 1;
    } else {
      emitRows(out, pending, pendingTop, pendingBottom, color);
      std::swap(pending, row);
      pendingTop = y;
      pendingBottom = y + 1;
    }
  }
  emitRows(out, pending, pendingTop, pendingBottom, color);
}

std::vector<Vec2> roundedRectangle(Rect rect, float radius) {
  radius = std::min({radius, rect.width / 2, rect.height / 2});
  if (!(radius > 0)) return {{rect.x, rect.y}, {rect.right(), rect.y}, {rect.right(), rect.bottom()}, {rect.x, rect.bottom()}};
  // A chord deviates from its arc by r (1 - cos(step / 2)); keep that below 0.05 px, which no 8-bit coverage shows.
  const int steps =
      std::clamp(static_cast<int>(std::ceil(std::numbers::pi_v<float> / 4 / std::acos(1 - std::min(0.05f / radius, 1.0f)))), 2, 64);
  std::vector<Vec2> outline;
  outline.reserve(static_cast<std::size_t>(4 * (steps + 1)));
  const Vec2 centers[4] = {{rect.right() - radius, rect.y + radius},
                           {rect.right() - radius, rect.bottom() - radius},
                           {rect.x + radius, rect.bottom() - radius},
                           {rect.x + radius, rect.y + radius}};
  for (int corner = 0; corner < 4; ++corner) {
    for (int i = 0; i <= steps; ++i) {
      const float angle =
          (static_cast<float>(corner - 1) + static_cast<float>(i) / static_cast<float>(steps)) * std::numbers::pi_v<float> / 2;
      outline.push_back({centers[corner].x + radius * std::cos(angle), centers[corner].y + radius * std::sin(angle)});
    }
  }
  return outline;
}

}  // namespace orrery::render
