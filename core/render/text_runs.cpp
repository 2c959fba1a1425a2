#include "core/render/text_runs.h"

#include <bit>
#include <cmath>
#include <numbers>

namespace orrery::render {

namespace {
// Text that changes with every frame (a clock, a metric) must not pile up: forget runs not drawn for this many frames.
constexpr std::uint64_t keepFrames = 240;
constexpr std::size_t manyRuns = 1024;
}  // namespace

std::size_t TextRuns::Hash::of(std::string_view text, const TextStyle& style) {
  std::size_t h = std::hash<std::string_view>{}(text);
  h ^= (std::size_t{std::bit_cast<std::uint32_t>(style.size)} << 8 | static_cast<std::size_t>(style.weight) << 1 |
        std::size_t{style.tabular}) *
       0x9E3779B97F4A7C15u;
  return h;
}

void TextRuns::beginFrame() {
  ++frame_;
  if (runs_.size() > manyRuns && frame_ % keepFrames == 0) {
    std::erase_if(runs_, [this](const auto& run) { return run.second.lastUse + keepFrames < frame_; });
  }
}

TextRuns::Run& TextRuns::runOf(const GlyphItem& item) {
  auto found = runs_.find(KeyView{item.text, item.style});
  if (found == runs_.end()) {
    Run run{fonts_.place(item.text, item.style), fonts_.width(item.text, item.style), fonts_.ascent(item.style), fonts_.descent(item.style),
            0};
    found = runs_.emplace(Key{item.text, item.style}, std::move(run)).first;
  }
  found->second.lastUse = frame_;
  return found->second;
}

void TextRuns::add(Vertices& out, const GlyphItem& item, float scale, const PixelBounds& bounds) {
  if (item.text.empty() || item.color.a <= 0 || !std::isfinite(item.at.x) || !std::isfinite(item.at.y)) return;
  const Run& run = runOf(item);
  float along = 0, across = 0;
  if (item.h == HAlign::center) along = -run.width / 2;
  if (item.h == HAlign::right) along = -run.width;
  if (item.v == VAlign::top) across = run.ascent;
  if (item.v == VAlign::middle) across = (run.ascent - run.descent) / 2;
  if (item.v == VAlign::bottom) across = -run.descent;

  // Work in a frame turned with the text: u along the line, v across it (downwards for upright text).
  const float turns = item.angle / 90.0f;
  const bool square = turns == std::round(turns);
  float c = std::cos(item.angle * std::numbers::pi_v<float> / 180), s = std::sin(item.angle * std::numbers::pi_v<float> / 180);
  if (square) {
    c = std::round(c);
    s = std::round(s);
  }
  const float x = item.at.x * scale, y = item.at.y * scale;
  const float u = c * x - s * y + along * scale;
  float v = s * x + c * y + across * scale;
  if (square) v = std::round(v);

  // Nothing of a line far outside of the bounds is rasterised.
  const float reach = (run.width + run.ascent + run.descent) * scale + 4;
  if (x + reach < static_cast<float>(bounds.left) || x - reach > static_cast<float>(bounds.right) ||
      y + reach < static_cast<float>(bounds.top) || y - reach > static_cast<float>(bounds.bottom)) {
    return;
  }

  const std::uint32_t color = packed(item.color);
  const float pixels = item.style.size * scale;
  for (const PlacedGlyph& glyph : run.glyphs) {
    const float pen = u + glyph.x * scale;
    const float quarters = std::round(pen * 4);
    const float whole = std::floor(quarters / 4);
    const GlyphAtlas::Entry& entry = atlas_.find(glyph.face, glyph.glyph, pixels, static_cast<int>(quarters - whole * 4));
    if (entry.width == 0) continue;
    const float left = whole + static_cast<float>(entry.left), top = v - static_cast<float>(entry.top);
    for (int corner = 0; corner < 4; ++corner) {
      const float du = corner & 1 ? static_cast<float>(entry.width) : 0, dv = corner & 2 ? static_cast<float>(entry.height) : 0;
      const float pu = left + du, pv = top + dv;
      out.push_back({c * pu + s * pv, -s * pu + c * pv, static_cast<float>(entry.x) + du, static_cast<float>(entry.y) + dv, color});
    }
  }
}

}  // namespace orrery::render
