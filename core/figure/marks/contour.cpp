// ContourMark: level lines by marching squares (Lorensen and Cline 1987 in two dimensions); saddles are decided by the cell's mean. Segments
// are joined over shared edges into open lines and closed rings.

#include <algorithm>
#include <array>
#include <unordered_map>

#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

namespace {

using EdgeId = std::int64_t;                 // 2 (r w + c) = from (r, c) to (r, c + 1); 2 (r w + c) + 1 = from (r, c) to (r + 1, c)

struct Segment {
  EdgeId a = 0, b = 0;
  bool used = false;
};

class Field {
 public:
  Field(const Floats& values, std::int64_t h, std::int64_t w) : values_(values), h_(h), w_(w) {}

  double at(std::int64_t r, std::int64_t c) const { return static_cast<double>(values_[static_cast<std::size_t>(r * w_ + c)]); }

  std::vector<Segment> segments(double level) const {
    std::vector<Segment> result;
    for (std::int64_t r = 0; r + 1 < h_; ++r) {
      for (std::int64_t c = 0; c + 1 < w_; ++c) {
        // Corners anticlockwise from (r, c), edges between consecutive corners.
        const std::array<double, 4> v{at(r, c), at(r, c + 1), at(r + 1, c + 1), at(r + 1, c)};
        if (!std::isfinite(v[0] + v[1] + v[2] + v[3])) continue;
        const std::array<EdgeId, 4> edge{2 * (r * w_ + c), 2 * (r * w_ + c + 1) + 1, 2 * ((r + 1) * w_ + c), 2 * (r * w_ + c) + 1};
        int above = 0;
        for (int i = 0; i < 4; ++i) above |= (v[static_cast<std::size_t>(i)] >= level ? 1 : 0) << i;
        const auto join = [&](std::size_t i, std::size_t j) { result.push_back({edge[i], edge[j]}); };
        switch (above) {
          case 1: case 14: join(3, 0); break;
          case 2: case 13: join(0, 1); break;
          case 4: case 11: join(1, 2); break;
          case 8: case 7: join(2, 3); break;
          case 3: case 12: join(3, 1); break;
          case 6: case 9: join(0, 2); break;
          case 5: case 10: {
            const bool middleAbove = 0.25 * (v[0] + v[1] + v[2] + v[3]) >= level;
            if ((above == 5) == middleAbove) {
              join(0, 1);
              join(2, 3);
            } else {
              join(3, 0);
              join(1, 2);
            }
            break;
          }
          default: break;
        }
      }
    }
    return result;
  }

  // Where the level crosses an edge, in samples: {column, row}.
  std::array<double, 2> crossing(EdgeId id, double level) const {
    const std::int64_t r = id / 2 / w_, c = id / 2 % w_;
    const bool alongRow = id % 2 == 0;
    const double a = at(r, c), b = alongRow ? at(r, c + 1) : at(r + 1, c);
    const double t = b == a ? 0.5 : (level - a) / (b - a);
    return {static_cast<double>(c) + (alongRow ? t : 0), static_cast<double>(r) + (alongRow ? 0 : t)};
  }

 private:
  const Floats& values_;
  std::int64_t h_, w_;
};

// Chains of edges; a ring repeats its first edge at the end.
std::vector<std::vector<EdgeId>> joined(std::vector<Segment> segments) {
  std::unordered_map<EdgeId, std::array<std::int64_t, 2>> at;
  at.reserve(segments.size() * 2);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    for (const EdgeId edge : {segments[i].a, segments[i].b}) {
      auto [entry, fresh] = at.try_emplace(edge, std::array<std::int64_t, 2>{-1, -1});
      entry->second[fresh ? 0 : 1] = static_cast<std::int64_t>(i);
    }
  }
  std::vector<std::vector<EdgeId>> chains;
  const auto walk = [&](std::size_t first, EdgeId from) {
    std::vector<EdgeId> chain{from};
    std::int64_t next = static_cast<std::int64_t>(first);
    EdgeId edge = from;
    while (next >= 0 && !segments[static_cast<std::size_t>(next)].used) {
      Segment& segment = segments[static_cast<std::size_t>(next)];
      segment.used = true;
      edge = segment.a == edge ? segment.b : segment.a;
      chain.push_back(edge);
      const auto& both = at.at(edge);
      next = both[0] == next ? both[1] : both[0];
    }
    chains.push_back(std::move(chain));
  };
  // Open lines first, from their loose ends; what is left are rings.
  for (std::size_t i = 0; i < segments.size(); ++i) {
    for (const EdgeId edge : {segments[i].a, segments[i].b}) {
      if (!segments[i].used && at.at(edge)[1] < 0) walk(i, edge);
    }
  }
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (!segments[i].used) walk(i, segments[i].a);
  }
  return chains;
}

}  // namespace

Bounds ContourMark::bounds() const { return extentOf(x, y); }
Vec2 ContourMark::margin() const { return {0, 0}; }
std::optional<Swatch> ContourMark::swatch() const {
  if (directLabel) return std::nullopt;
  return Swatch{Swatch::Kind::line, paint, {}, PointShape::disc};
}

void ContourMark::lower(const Frame& frame, DisplayList& list) const {
  if (value.empty() || value.shape().rank() != 2) return;
  const std::int64_t h = value.shape()[0], w = value.shape()[1];
  const Floats values(value);
  const Field field(values, h, w);
  Polylines open, rings;
  for (const double level : levels) {
    if (!std::isfinite(level)) continue;
    for (const auto& chain : joined(field.segments(level))) {
      std::vector<Vec2> line;
      for (const EdgeId edge : chain) {
        const auto at = field.crossing(edge, level);
        line.push_back(frame.transform.apply(x.low + (at[0] + 0.5) * (x.high - x.low) / static_cast<double>(w),
                                             y.low + (at[1] + 0.5) * (y.high - y.low) / static_cast<double>(h)));
      }
      const bool ring = chain.size() > 2 && chain.front() == chain.back();
      if (ring) line.pop_back();
      (ring ? rings : open).push_back(std::move(line));
    }
  }
  const Color color = frame.theme.resolve(paint);
  if (!open.empty()) list.items.emplace_back(strokedPath(std::move(open), color, width * frame.unit));
  if (!rings.empty()) {
    PathItem path = strokedPath(std::move(rings), color, width * frame.unit);
    path.closed = true;
    list.items.emplace_back(std::move(path));
  }
}

std::vector<Channel> ContourMark::channels() const { return {{"value", value}}; }

}  // namespace orrery
