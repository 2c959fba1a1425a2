#include "app/export/raster.h"

#include <algorithm>
#include <cmath>

namespace orrery::exporting {

namespace {

// Premultiplied float canvas over a clip rectangle.
class Canvas {
 public:
  Canvas(const Rect& clip, float scale) : clip_(clip), scale_(scale) {
    constexpr float limit = 16000;     // px a side: a clip larger than any page
    width_ = static_cast<int>(std::clamp(std::ceil(clip.width * scale), 1.0f, limit));
    height_ = static_cast<int>(std::clamp(std::ceil(clip.height * scale), 1.0f, limit));
    data_.assign(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_) * 4, 0);
  }

  int width() const { return width_; }
  int height() const { return height_; }
  float scale() const { return scale_; }
  Vec2 toCanvas(Vec2 p) const { return {(p.x - clip_.x) * scale_, (p.y - clip_.y) * scale_}; }

  void blend(int x, int y, const Color& color, float alpha) {
    float* p = &data_[(static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x)) * 4];
    const float keep = 1 - alpha;
    p[0] = color.r * alpha + p[0] * keep;
    p[1] = color.g * alpha + p[1] * keep;
    p[2] = color.b * alpha + p[2] * keep;
    p[3] = alpha + p[3] * keep;
  }

  Picture finish() const {
    Picture picture;
    picture.to = {clip_.x, clip_.y, static_cast<float>(width_) / scale_, static_cast<float>(height_) / scale_};
    picture.pixels.width = width_;
    picture.pixels.height = height_;
    picture.pixels.rgba.resize(data_.size());
    const auto byte = [](float v) { return static_cast<std::uint8_t>(std::lround(std::clamp(v, 0.0f, 1.0f) * 255)); };
    for (std::size_t i = 0; i < data_.size(); i += 4) {
      const float a = data_[i + 3];
      for (std::size_t k = 0; k < 3; ++k) picture.pixels.rgba[i + k] = a > 0 ? byte(data_[i + k] / a) : 0;
      picture.pixels.rgba[i + 3] = byte(a);
    }
    return picture;
  }

 private:
  Rect clip_;
  float scale_;
  int width_ = 0, height_ = 0;
  std::vector<float> data_;
};

// Part of a pixel at distance d from the middle of a strip that the strip covers.
float strip(float d, float half) { return std::clamp(std::min(d + 0.5f, half) - std::max(d - 0.5f, -half), 0.0f, 1.0f); }

float coverageOf(PointShape shape, float dx, float dy, float r, float scale) {
  const float x = std::abs(dx), y = std::abs(dy), half = 0.5f * std::max(scale, r / 3);
  switch (shape) {
    case PointShape::disc: return std::clamp(r + 0.5f - std::hypot(x, y), 0.0f, 1.0f) * std::min(1.0f, 2 * r);
    case PointShape::ring: return strip(std::abs(std::hypot(x, y) - (r - half)), half);
    case PointShape::square: return strip(x, r) * strip(y, r);
    case PointShape::cross: return strip(std::abs(x - y) * 0.70710678f, half) * std::clamp(0.5f - (std::max(x, y) - r * 0.70710678f), 0.0f, 1.0f);
    case PointShape::diamond: return std::clamp((r - x - y) * 0.70710678f + 0.5f, 0.0f, 1.0f);
  }
  return 0;
}

std::array<std::uint8_t, 4> cellColor(const ImageItem& item, float value) {
  if (std::isnan(value)) return {0, 0, 0, 0};
  const auto f = [&](double v) { return item.logScale ? (v > 0 ? std::log10(v) : -1e30) : v; };
  const double low = f(item.low), high = f(item.high);
  const double position = std::clamp(high > low ? (f(static_cast<double>(value)) - low) / (high - low) : 0.0, 0.0, 1.0);
  const auto& rgb = tableOf(item.map)[std::min<std::size_t>(255, static_cast<std::size_t>(position * 256))];
  const float alpha = item.alpha * (item.alphaFromValue ? static_cast<float>(position) : 1.0f);
  return {rgb[0], rgb[1], rgb[2], static_cast<std::uint8_t>(std::lround(std::clamp(alpha, 0.0f, 1.0f) * 255))};
}

bool finite(Vec2 p) { return std::isfinite(p.x) && std::isfinite(p.y); }

}  // namespace

Picture pictureOf(const ImageItem& item) {
  Picture picture;
  picture.to = item.to;
  picture.smooth = item.smooth;
  const auto h = static_cast<std::size_t>(item.data.shape()[0]), w = static_cast<std::size_t>(item.data.shape()[1]);
  // Colour each cell.
  std::vector<std::uint8_t> cells(h * w * 4);
  const bool picturePixels = item.data.shape().rank() == 3;
  std::vector<float> widened;
  std::span<const float> values;
  if (!picturePixels && item.data.dtype() == DType::f32) {
    values = item.data.as<float>();
  } else if (!picturePixels) {
    widened = item.data.toFloats();
    values = widened;
  }
  for (std::size_t r = 0; r < h; ++r) {
    const std::size_t from = item.flipped ? h - 1 - r : r;
    for (std::size_t c = 0; c < w; ++c) {
      std::uint8_t* out = &cells[(r * w + c) * 4];
      if (picturePixels) {
        const auto* in = item.data.as<std::uint8_t>().data() + (from * w + c) * 4;
        std::copy(in, in + 3, out);
        out[3] = static_cast<std::uint8_t>(std::lround(static_cast<float>(in[3]) * std::clamp(item.alpha, 0.0f, 1.0f)));
      } else {
        const auto color = cellColor(item, values[from * w + c]);
        std::copy(color.begin(), color.end(), out);
      }
    }
  }
  // Repeat cells until one is at least three printed dots wide.
  std::size_t times = 1;
  if (!item.smooth) {
    const double wanted = 3.0 * static_cast<double>(std::max(item.to.width / static_cast<float>(w), item.to.height / static_cast<float>(h)));
    times = static_cast<std::size_t>(std::clamp(std::ceil(wanted), 1.0, 64.0));
    while (times > 1 && h * w * times * times > 4'000'000) --times;
  }
  picture.pixels.width = static_cast<int>(w * times);
  picture.pixels.height = static_cast<int>(h * times);
  if (times == 1) {
    picture.pixels.rgba = std::move(cells);
    return picture;
  }
  picture.pixels.rgba.resize(cells.size() * times * times);
  for (std::size_t r = 0; r < h * times; ++r) {
    for (std::size_t c = 0; c < w * times; ++c) {
      const std::uint8_t* in = &cells[((r / times) * w + c / times) * 4];
      std::copy(in, in + 4, &picture.pixels.rgba[(r * w * times + c) * 4]);
    }
  }
  return picture;
}

Color colorOf(const PointItem& item, std::span<const float> scalars, std::size_t i) {
  if (i >= scalars.size()) return item.color;
  const double position = item.high > item.low ? (static_cast<double>(scalars[i]) - item.low) / (item.high - item.low) : 0;
  const Color color = sample(item.map, static_cast<float>(position));
  return color.withAlpha(color.a * item.color.a);
}

float alphaOf(const BundleItem& item, std::span<const float> alphas, std::int64_t line, std::int64_t step) {
  float alpha = item.color.a;
  if (item.fade) alpha *= static_cast<float>(step + 1) / static_cast<float>(std::max<std::int64_t>(1, item.stepCount - 1));
  if (static_cast<std::size_t>(line) < alphas.size()) alpha *= std::clamp(alphas[static_cast<std::size_t>(line)], 0.0f, 1.0f);
  return alpha;
}

std::int64_t markCount(const PointItem& item) { return item.xy.empty() ? 0 : item.xy.shape()[0]; }
std::int64_t markCount(const BundleItem& item) { return item.xy.empty() ? 0 : item.stepCount * item.xy.shape()[1]; }

Picture pictureOf(const PointItem& item, float scale) {
  Canvas canvas(item.clip, scale);
  const auto xy = item.xy.as<float>();
  const std::span<const float> scalars = item.scalar.empty() ? std::span<const float>{} : item.scalar.as<float>();
  const float r = item.radius * scale, reach = r + 1;
  for (std::size_t i = 0; i + 1 < xy.size(); i += 2) {
    const Vec2 p = canvas.toCanvas(item.transform.apply(static_cast<double>(xy[i]), static_cast<double>(xy[i + 1])));
    if (!finite(p) || p.x < -reach || p.y < -reach || p.x > static_cast<float>(canvas.width()) + reach || p.y > static_cast<float>(canvas.height()) + reach) continue;
    const Color color = colorOf(item, scalars, i / 2);
    const int left = std::max(0, static_cast<int>(std::floor(p.x - reach))), right = std::min(canvas.width() - 1, static_cast<int>(std::ceil(p.x + reach)));
    const int top = std::max(0, static_cast<int>(std::floor(p.y - reach))), bottom = std::min(canvas.height() - 1, static_cast<int>(std::ceil(p.y + reach)));
    for (int y = top; y <= bottom; ++y) {
      for (int x = left; x <= right; ++x) {
        const float coverage = coverageOf(item.shape, static_cast<float>(x) + 0.5f - p.x, static_cast<float>(y) + 0.5f - p.y, r, scale);
        if (coverage > 0) canvas.blend(x, y, color, color.a * coverage);
      }
    }
  }
  return canvas.finish();
}

Picture pictureOf(const BundleItem& item, float scale) {
  Canvas canvas(item.clip, scale);
  const auto xy = item.xy.as<float>();
  const std::span<const float> alphas = item.scalar.empty() ? std::span<const float>{} : item.scalar.as<float>();
  const std::int64_t lines = item.xy.shape()[1];
  const float half = 0.5f * item.width * scale, reach = half + 1;
  // One line at a time: the strongest coverage of its segments, painted once, so that joins do not darken.
  std::vector<float> mask(static_cast<std::size_t>(canvas.width()) * static_cast<std::size_t>(canvas.height()), 0);
  std::vector<std::size_t> touched;
  for (std::int64_t line = 0; line < lines; ++line) {
    touched.clear();
    for (std::int64_t step = 0; step + 1 < item.stepCount; ++step) {
      const auto at = [&](std::int64_t s) {
        const auto index = static_cast<std::size_t>(((item.firstStep + s) * lines + line) * 2);
        return canvas.toCanvas(item.transform.apply(static_cast<double>(xy[index]), static_cast<double>(xy[index + 1])));
      };
      const Vec2 a = at(step), b = at(step + 1);
      if (!finite(a) || !finite(b)) continue;
      const float alpha = alphaOf(item, alphas, line, step), dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
      if (alpha <= 0.002f || length < 1e-12f) continue;
      // Walk the pixel rows the segment meets, and in each only the columns near it.
      const int top = static_cast<int>(std::clamp(std::floor(std::min(a.y, b.y) - reach), 0.0f, static_cast<float>(canvas.height())));
      const int bottom = static_cast<int>(std::clamp(std::ceil(std::max(a.y, b.y) + reach), -1.0f, static_cast<float>(canvas.height() - 1)));
      for (int y = top; y <= bottom; ++y) {
        const float py = static_cast<float>(y) + 0.5f;
        float from = std::min(a.x, b.x), to = std::max(a.x, b.x);
        if (std::abs(dy) > 1e-3f) {
          const float x0 = a.x + dx * std::clamp((py - reach - a.y) / dy, 0.0f, 1.0f), x1 = a.x + dx * std::clamp((py + reach - a.y) / dy, 0.0f, 1.0f);
          from = std::min(x0, x1);
          to = std::max(x0, x1);
        }
        const int left = static_cast<int>(std::clamp(std::floor(from - reach), 0.0f, static_cast<float>(canvas.width())));
        const int right = static_cast<int>(std::clamp(std::ceil(to + reach), -1.0f, static_cast<float>(canvas.width() - 1)));
        for (int x = left; x <= right; ++x) {
          const float px = static_cast<float>(x) + 0.5f;
          const float t = std::clamp(((px - a.x) * dx + (py - a.y) * dy) / length, 0.0f, 1.0f);
          const float value = alpha * strip(std::hypot(px - a.x - t * dx, py - a.y - t * dy), half);
          if (value <= 0) continue;
          const std::size_t index = static_cast<std::size_t>(y) * static_cast<std::size_t>(canvas.width()) + static_cast<std::size_t>(x);
          if (mask[index] == 0) touched.push_back(index);
          mask[index] = std::max(mask[index], value);
        }
      }
    }
    for (const std::size_t index : touched) {
      const auto width = static_cast<std::size_t>(canvas.width());
      canvas.blend(static_cast<int>(index % width), static_cast<int>(index / width), item.color, mask[index]);
      mask[index] = 0;
    }
  }
  return canvas.finish();
}

}  // namespace orrery::exporting
