#include "core/render/batches.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/render/stroke.h"

namespace orrery::render {

namespace {

constexpr std::size_t pathPointsWorthCaching = 24;
constexpr std::uint64_t keepPathFrames = 120;
constexpr std::size_t manyPaths = 512;
constexpr std::uint64_t offsetAlignment = 256;  // the largest that Vulkan lets a device ask for

PixelBounds intersection(const PixelBounds& a, const PixelBounds& b) {
  return {std::max(a.left, b.left), std::max(a.top, b.top), std::min(a.right, b.right), std::min(a.bottom, b.bottom)};
}

bool sameBounds(const PixelBounds& a, const PixelBounds& b) {
  return a.left == b.left && a.top == b.top && a.right == b.right && a.bottom == b.bottom;
}

class Hasher {
 public:
  void add(std::uint64_t word) {
    state_ = (state_ ^ word) * 0x9E3779B97F4A7C15u;
    state_ ^= state_ >> 32;
  }
  void add(float a, float b) { add(std::uint64_t{std::bit_cast<std::uint32_t>(a)} << 32 | std::bit_cast<std::uint32_t>(b)); }
  void add(const Color& c) {
    add(c.r, c.g);
    add(c.b, c.a);
  }
  std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0x243F6A8885A308D3u;
};

bool isRectangle(const std::vector<Vec2>& p, Rect& rect) {
  if (p.size() != 4) return false;
  const bool rowFirst = p[0].y == p[1].y && p[1].x == p[2].x && p[2].y == p[3].y && p[3].x == p[0].x;
  const bool columnFirst = p[0].x == p[1].x && p[1].y == p[2].y && p[2].x == p[3].x && p[3].y == p[0].y;
  if (!rowFirst && !columnFirst) return false;
  rect = {std::min(p[0].x, p[2].x), std::min(p[0].y, p[2].y), std::abs(p[2].x - p[0].x), std::abs(p[2].y - p[0].y)};
  return std::isfinite(rect.x) && std::isfinite(rect.y) && std::isfinite(rect.width) && std::isfinite(rect.height);
}

int roundedPixel(double value) { return static_cast<int>(std::lround(std::clamp(value, -1e6, 1e6))); }

}  // namespace

void Batches::begin(int width, int height) {
  batches_.clear();
  draws_.clear();
  mesh_.clear();
  solid_.clear();
  glyphs_.clear();
  clips_.assign(1, {0, 0, width, height});
  ++frame_;
  if (paths_.size() > manyPaths) {
    std::erase_if(paths_, [this](const auto& path) { return path.second.lastUse + keepPathFrames < frame_; });
    if (paths_.size() > 4 * manyPaths) paths_.clear();
  }
}

void Batches::add(const DisplayList& list, float scale, gpu::Stream& stream) {
  scale_ = scale;
  stream_ = &stream;
  clips_.resize(1);
  for (const Primitive& primitive : list.items) {
    std::visit([this](const auto& item) { add(item); }, primitive);
  }
  clips_.resize(1);
  stream_ = nullptr;
}

PixelBounds Batches::toBounds(const Rect& rect) const {
  return {roundedPixel(double{rect.x} * scale_), roundedPixel(double{rect.y} * scale_),
          roundedPixel((double{rect.x} + rect.width) * scale_), roundedPixel((double{rect.y} + rect.height) * scale_)};
}

void Batches::append(Kind kind, std::size_t before) {
  const Vertices& vertices = kind == Kind::mesh ? mesh_ : kind == Kind::solid ? solid_ : glyphs_;
  const std::size_t count = vertices.size() - before;
  if (count == 0) return;
  if (!batches_.empty() && batches_.back().kind == kind && sameBounds(batches_.back().scissor, clip())) {
    batches_.back().count += static_cast<std::uint32_t>(count);
  } else {
    batches_.push_back({kind, clip(), static_cast<std::uint32_t>(before), static_cast<std::uint32_t>(count)});
  }
}

void Batches::appendDraw(Kind kind, TensorDraw draw, const PixelBounds& scissor) {
  batches_.push_back({kind, scissor, static_cast<std::uint32_t>(draws_.size()), 1});
  draws_.push_back(std::move(draw));
}

void Batches::add(const ClipItem& item) {
  if (!item.pop) {
    clips_.push_back(intersection(clip(), toBounds(item.rect)));
  } else if (clips_.size() > 1) {
    clips_.pop_back();
  }
}

void Batches::add(const GlyphItem& item) {
  if (isNothing(clip())) return;
  const std::size_t before = glyphs_.size();
  text_.add(glyphs_, item, scale_, clip());
  append(Kind::glyph, before);
}

void Batches::build(const PathItem& item, FillOutput out, bool fill) const {
  const auto scaledLine = [this](const std::vector<Vec2>& line, std::vector<Vec2>& to) {
    to.clear();
    for (const Vec2& point : line) to.push_back({point.x * scale_, point.y * scale_});
  };
  const bool isRounded = item.cornerRadius > 0 && item.lines.size() == 1;
  scaled_.resize(item.lines.size());
  for (std::size_t i = 0; i < item.lines.size(); ++i) {
    scaledLine(item.lines[i], scaled_[i]);
    Rect rect;
    if (isRounded && isRectangle(scaled_[i], rect)) scaled_[i] = roundedRectangle(rect, item.cornerRadius * scale_);
  }
  if (fill) {
    Rect rect;
    if (scaled_.size() == 1 && isRectangle(scaled_[0], rect)) {
      fillRectangle(out, rect, item.fill, clip());
    } else {
      fillPolygons(out, scaled_, item.fill, clip());
    }
    return;
  }
  dash_.clear();
  for (const float length : item.stroke.dash) dash_.push_back(length * scale_);
  const StrokeStyle style{item.stroke.width * scale_, dash_, item.stroke.color};
  for (const auto& line : scaled_) strokeLine(out, line, item.closed, style, clip());
}

void Batches::add(const PathItem& item) {
  if (isNothing(clip()) || item.lines.empty()) return;
  std::size_t points = item.cornerRadius > 0 ? pathPointsWorthCaching : 0;
  for (const auto& line : item.lines) points += line.size();
  const bool fills = item.hasFill && item.fill.a > 0, strokes = item.hasStroke && item.stroke.color.a > 0;

  // The solid quads of a fill go below its blended ones, and a stroke above both.
  const auto emit = [this](auto&& write) {
    const std::size_t solidBefore = solid_.size(), meshBefore = mesh_.size();
    write();
    append(Kind::solid, solidBefore);
    append(Kind::mesh, meshBefore);
  };
  if (points < pathPointsWorthCaching) {
    if (fills) emit([&] { build(item, {mesh_, solid_}, true); });
    if (strokes) emit([&] { build(item, {mesh_, solid_}, false); });
    return;
  }

  Hasher hash;
  hash.add(std::bit_cast<std::uint32_t>(scale_));
  hash.add(static_cast<std::uint64_t>(clip().left) << 32 ^ static_cast<std::uint64_t>(clip().top));
  hash.add(static_cast<std::uint64_t>(clip().right) << 32 ^ static_cast<std::uint64_t>(clip().bottom));
  hash.add(std::uint64_t{item.closed} | std::uint64_t{fills} << 1 | std::uint64_t{strokes} << 2);
  hash.add(item.cornerRadius, item.stroke.width);
  hash.add(item.fill);
  hash.add(item.stroke.color);
  for (const float length : item.stroke.dash) hash.add(length, 1);
  for (const auto& line : item.lines) {
    hash.add(line.size());
    for (const Vec2& point : line) hash.add(point.x, point.y);
  }
  const auto [found, isNew] = paths_.try_emplace(hash.value());
  CachedPath& path = found->second;
  if (isNew) {
    if (fills) build(item, {path.fillBlended, path.fillSolid}, true);
    if (strokes) build(item, {path.strokeBlended, path.strokeSolid}, false);
  }
  path.lastUse = frame_;
  emit([&] {
    solid_.insert(solid_.end(), path.fillSolid.begin(), path.fillSolid.end());
    mesh_.insert(mesh_.end(), path.fillBlended.begin(), path.fillBlended.end());
  });
  emit([&] {
    solid_.insert(solid_.end(), path.strokeSolid.begin(), path.strokeSolid.end());
    mesh_.insert(mesh_.end(), path.strokeBlended.begin(), path.strokeBlended.end());
  });
}

void Batches::setTransform(TensorDraw& draw, const DataTransform& transform) const {
  draw.push.transform = {static_cast<float>(transform.scaleX * scale_), static_cast<float>(transform.scaleY * scale_),
                         static_cast<float>(transform.offsetX * scale_), static_cast<float>(transform.offsetY * scale_)};
  if (transform.logX) draw.flags |= flag::logX;
  if (transform.logY) draw.flags |= flag::logY;
}

void Batches::add(const ImageItem& item) {
  const bool isRgba = item.data.dtype() == DType::u8;
  const Shape& shape = item.data.shape();
  if (item.data.empty() || item.alpha <= 0 || !(item.to.width > 0) || !(item.to.height > 0)) return;
  if (isRgba ? shape.rank() != 3 || shape[2] != 4 : item.data.dtype() != DType::f32 || shape.rank() != 2) return;
  TensorDraw draw;
  draw.push.rect = {item.to.x * scale_, item.to.y * scale_, item.to.right() * scale_, item.to.bottom() * scale_};
  const PixelBounds seen = intersection(clip(), {roundedPixel(std::floor(draw.push.rect[0])), roundedPixel(std::floor(draw.push.rect[1])),
                                                 roundedPixel(std::ceil(draw.push.rect[2])), roundedPixel(std::ceil(draw.push.rect[3]))});
  if (seen.empty()) return;
  draw.data = item.data.device(*stream_);
  if (draw.data.bytes > abilities_.maxRange) return;
  const double low = item.logScale ? std::log2(item.low) : item.low, high = item.logScale ? std::log2(item.high) : item.high;
  draw.push.range[0] = static_cast<float>(low);
  draw.push.range[1] = high > low ? static_cast<float>(1 / (high - low)) : 0;
  draw.push.color = {1, 1, 1, item.alpha};
  draw.push.info = {0, static_cast<std::uint32_t>(shape[1]), static_cast<std::uint32_t>(shape[0]), 0};
  draw.flags = flag::map(static_cast<std::uint32_t>(item.map));
  if (isRgba)
    draw.flags = flag::rgbaImage;
  else if (item.logScale)
    draw.flags |= flag::logValue;
  if (!isRgba && item.alphaFromValue) draw.flags |= flag::alphaFromValue;
  if (item.smooth) draw.flags |= flag::smoothImage;
  const auto& rect = draw.push.rect;
  const float perX = 1 / (rect[2] - rect[0]), perY = (item.flipped ? -1.0f : 1.0f) / (rect[3] - rect[1]);
  draw.push.transform = {perX, perY, -rect[0] * perX, item.flipped ? -rect[3] * perY : -rect[1] * perY};
  if (std::all_of(rect.begin(), rect.end(), [](float side) { return side == std::round(side); })) draw.flags |= flag::wholePixels;
  draw.vertices = 4;
  // Colour the cells first when that is less work than colouring the pixels.
  const auto columns = draw.push.info[1], rows = draw.push.info[2];
  const auto pixels = static_cast<std::uint64_t>(seen.right - seen.left) * static_cast<std::uint64_t>(seen.bottom - seen.top);
  if (std::uint64_t{columns} * rows <= pixels && columns <= ImageCache::largest && rows <= ImageCache::largest) {
    const std::uint32_t coloring = draw.flags & ~(flag::wholePixels | flag::smoothImage);
    const ImageCache::Key key{item.data.version(), draw.data.offset, columns, rows, coloring, draw.push.range[0], draw.push.range[1]};
    draw.texture = &images_.find(key, static_cast<int>(draws_.size()));
    appendDraw(Kind::texture, std::move(draw), seen);
    return;
  }
  appendDraw(Kind::image, std::move(draw), seen);
}

void Batches::add(const PointItem& item) {
  const Shape& shape = item.xy.shape();
  if (item.xy.dtype() != DType::f32 || shape.rank() != 2 || shape[1] != 2 || item.xy.empty() || item.color.a <= 0 || !(item.radius > 0))
    return;
  const PixelBounds seen = intersection(clip(), toBounds(item.clip));
  if (seen.empty()) return;
  TensorDraw draw;
  draw.data = item.xy.device(*stream_);
  const std::uint64_t count = std::min<std::uint64_t>(static_cast<std::uint64_t>(shape[0]), abilities_.maxRange / 8);
  setTransform(draw, item.transform);
  draw.push.color = {item.color.r, item.color.g, item.color.b, item.color.a};
  draw.push.rect = {static_cast<float>(seen.left), static_cast<float>(seen.top), static_cast<float>(seen.right),
                    static_cast<float>(seen.bottom)};
  draw.push.range = {static_cast<float>(item.low), item.high > item.low ? static_cast<float>(1 / (item.high - item.low)) : 0,
                     item.radius * scale_, scale_};
  draw.flags |= flag::shape(static_cast<std::uint32_t>(item.shape));
  if (item.scalar.dtype() == DType::f32 && item.scalar.count() >= static_cast<std::int64_t>(count)) {
    draw.scalar = item.scalar.device(*stream_);
    draw.flags |= flag::hasScalar | flag::map(static_cast<std::uint32_t>(item.map));
  }
  const bool sprites = abilities_.sprites && 2 * (item.radius * scale_ + 1) <= abilities_.largestPoint;
  if (sprites)
    draw.vertices = static_cast<std::uint32_t>(count);
  else
    draw.quads = static_cast<std::uint32_t>(count);
  appendDraw(sprites ? Kind::points : Kind::pointQuads, std::move(draw), seen);
}

void Batches::add(const BundleItem& item) {
  const Shape& shape = item.xy.shape();
  if (item.xy.dtype() != DType::f32 || shape.rank() != 3 || shape[2] != 2 || item.xy.empty() || item.color.a <= 0 || !(item.width > 0))
    return;
  const std::int64_t first = std::clamp<std::int64_t>(item.firstStep, 0, shape[0]), lines = shape[1];
  std::int64_t steps = std::min(item.stepCount, shape[0] - first);
  const PixelBounds seen = intersection(clip(), toBounds(item.clip));
  if (seen.empty()) return;
  TensorDraw draw;
  draw.data = item.xy.device(*stream_);
  const std::uint64_t start = static_cast<std::uint64_t>(first * lines) * 8;
  draw.offset = start / offsetAlignment * offsetAlignment;
  steps = std::min(steps, static_cast<std::int64_t>((abilities_.maxRange - (start - draw.offset)) / 8) / lines);
  if (steps < 2) return;
  setTransform(draw, item.transform);
  draw.push.color = {item.color.r, item.color.g, item.color.b, item.color.a};
  draw.push.rect = {static_cast<float>(seen.left), static_cast<float>(seen.top), static_cast<float>(seen.right),
                    static_cast<float>(seen.bottom)};
  draw.push.range[2] = item.width * scale_ / 2;
  draw.push.info = {static_cast<std::uint32_t>((start - draw.offset) / 8), static_cast<std::uint32_t>(lines),
                    static_cast<std::uint32_t>(steps), 0};
  if (item.fade) draw.flags |= flag::fade;
  if (item.scalar.dtype() == DType::f32 && item.scalar.count() >= lines) {
    draw.scalar = item.scalar.device(*stream_);
    draw.flags |= flag::hasScalar;
  }
  // Native lines have no joins: only for lines too thin for a missing corner to show.
  draw.lineWidth = item.width * scale_ + 1;
  const bool native = abilities_.wideLines && item.width * scale_ <= 2 && draw.lineWidth <= abilities_.widestLine;
  if (native) {
    draw.vertices = static_cast<std::uint32_t>(steps);
    draw.instances = static_cast<std::uint32_t>(lines);
  } else {
    const std::int64_t most = std::numeric_limits<std::uint32_t>::max() / 4;
    draw.quads = static_cast<std::uint32_t>(std::min((steps - 1) * lines, most));
  }
  appendDraw(native ? Kind::bundleLines : Kind::bundle, std::move(draw), seen);
}

}  // namespace orrery::render
