// ImageMark: a picture, pixel by pixel.

#include <algorithm>

#include "core/base/text.h"
#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

namespace {

bool isPicture(const Tensor& pixels) {
  return !pixels.empty() && pixels.dtype() == DType::u8 && pixels.shape().rank() == 3 && pixels.shape()[2] == 4;
}

Tensor mirroredColumns(const Tensor& pixels) {
  const auto h = static_cast<std::size_t>(pixels.shape()[0]), w = static_cast<std::size_t>(pixels.shape()[1]);
  const auto source = pixels.as<std::uint8_t>();
  std::vector<std::uint8_t> copy(h * w * 4);
  for (std::size_t r = 0; r < h; ++r) {
    for (std::size_t c = 0; c < w; ++c) {
      for (std::size_t k = 0; k < 4; ++k) copy[(r * w + c) * 4 + k] = source[(r * w + (w - 1 - c)) * 4 + k];
    }
  }
  return Tensor::from(pixels.shape(), copy);
}

}  // namespace

Bounds ImageMark::bounds() const { return extentOf(x, y); }
Vec2 ImageMark::margin() const { return {-1, -1}; }

void ImageMark::lower(const Frame& frame, DisplayList& list) const {
  if (!isPicture(pixels)) return;
  const PlacedRect placed = place(x, y, frame);
  ImageItem item;
  item.to = placed.rect;
  item.data = placed.mirrored ? mirroredColumns(pixels) : pixels;
  item.smooth = smooth;
  item.flipped = placed.lowAtBottom;
  list.items.emplace_back(std::move(item));
}

std::vector<Channel> ImageMark::channels() const { return {{"pixels", pixels}}; }

std::optional<Probe> ImageMark::probe(const Frame& frame, Vec2 pixel) const {
  if (!isPicture(pixels) || !frame.area.contains(pixel)) return std::nullopt;
  const auto at = frame.transform.invert(pixel);
  const std::int64_t h = pixels.shape()[0], w = pixels.shape()[1];
  const double u = (at[0] - x.low) / (x.high - x.low), v = (at[1] - y.low) / (y.high - y.low);
  if (!(u >= 0 && u < 1 && v >= 0 && v < 1)) return std::nullopt;
  const auto column = std::min(w - 1, static_cast<std::int64_t>(u * static_cast<double>(w)));
  const auto row = std::min(h - 1, static_cast<std::int64_t>(v * static_cast<double>(h)));
  const std::int64_t index = row * w + column;
  const auto* rgba = pixels.as<std::uint8_t>().data() + index * 4;
  Probe probe;
  probe.index = index;
  probe.x = at[0];
  probe.y = at[1];
  probe.distance = 8 * frame.unit;
  probe.lines = {trf("pixel ({}, {})", column, row), fmt::format("RGB {} {} {}", rgba[0], rgba[1], rgba[2])};
  return probe;
}

}  // namespace orrery
