// HeatMapMark: a matrix as coloured cells.

#include <algorithm>

#include "core/base/text.h"
#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

namespace {

// The display list has no left-right mirror: a reversed x axis gets a mirrored copy.
Tensor mirroredColumns(const Tensor& value) {
  const auto h = static_cast<std::size_t>(value.shape()[0]), w = static_cast<std::size_t>(value.shape()[1]);
  const Floats source(value);
  std::vector<float> copy(h * w);
  for (std::size_t r = 0; r < h; ++r) {
    for (std::size_t c = 0; c < w; ++c) copy[r * w + c] = source[r * w + (w - 1 - c)];
  }
  return Tensor::from(value.shape(), copy);
}

}  // namespace

Bounds HeatMapMark::bounds() const { return extentOf(x, y); }
Vec2 HeatMapMark::margin() const { return {-1, -1}; }

void HeatMapMark::lower(const Frame& frame, DisplayList& list) const {
  if (value.empty() || value.shape().rank() != 2) return;
  const PlacedRect placed = place(x, y, frame);
  ImageItem item;
  item.to = placed.rect;
  item.data = placed.mirrored ? mirroredColumns(value) : value;
  item.map = mapOn(frame.theme.kind, map);
  item.low = range.low;
  item.high = range.high;
  item.logScale = logScale;
  item.smooth = smooth;
  item.flipped = placed.lowAtBottom;
  item.alpha = alpha;
  item.alphaFromValue = alphaFromValue;
  list.items.emplace_back(std::move(item));
}

std::vector<Channel> HeatMapMark::channels() const { return {{"value", value}}; }

std::optional<Probe> HeatMapMark::probe(const Frame& frame, Vec2 pixel) const {
  if (value.empty() || value.shape().rank() != 2 || !frame.area.contains(pixel)) return std::nullopt;
  const auto at = frame.transform.invert(pixel);
  const std::int64_t h = value.shape()[0], w = value.shape()[1];
  const double u = (at[0] - x.low) / (x.high - x.low), v = (at[1] - y.low) / (y.high - y.low);
  if (!(u >= 0 && u < 1 && v >= 0 && v < 1)) return std::nullopt;
  const auto column = std::min(w - 1, static_cast<std::int64_t>(u * static_cast<double>(w)));
  const auto row = std::min(h - 1, static_cast<std::int64_t>(v * static_cast<double>(h)));
  const Floats values(value);
  const std::int64_t index = row * w + column;
  Probe probe;
  probe.lines = {matrix ? trf("row {} → column {}", named(row, rowNames), named(column, columnNames))
                        : trf("x = {:.4g}, y = {:.4g}", at[0], at[1]),
                 fmt::format("{} {}", quantity.empty() ? tr("value") : quantity, exact(static_cast<double>(values[static_cast<std::size_t>(index)])))};
  probe.x = x.low + (static_cast<double>(column) + 0.5) * (x.high - x.low) / static_cast<double>(w);
  probe.y = y.low + (static_cast<double>(row) + 0.5) * (y.high - y.low) / static_cast<double>(h);
  probe.index = index;
  // A matrix lies under everything else: whatever is drawn on it and is near wins.
  probe.distance = 8 * frame.unit;
  return probe;
}

}  // namespace orrery
