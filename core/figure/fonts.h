#pragma once
// One fallback chain for window, canvas and exports: Inter, DejaVu Sans, Noto Sans CJK SC, found through fontconfig and read by FreeType.
// Thread-safe.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/figure/display_list.h"

namespace orrery {

// Widths and heights in logical px.
class TextMetrics {
 public:
  virtual ~TextMetrics() = default;
  virtual float width(std::string_view utf8, const TextStyle& style) const = 0;
  virtual float ascent(const TextStyle& style) const = 0;
  virtual float descent(const TextStyle& style) const = 0;   // positive
};

struct GlyphBitmap {
  int width = 0, height = 0;           // device px
  int left = 0, top = 0;               // offset of the bitmap from the pen, top upwards
  std::vector<std::uint8_t> coverage;  // row-major, 8 bit
};

struct PlacedGlyph {
  std::uint32_t face = 0, glyph = 0;   // keys for bitmapOf
  float x = 0;                         // pen position from the start of the run, logical px
};

// A glyph's shape in em units, y upwards from the baseline; filled by the nonzero rule.
struct GlyphOutline {
  enum class Kind : std::uint8_t { move, line, quadratic, cubic, close };
  struct Command {
    Kind kind = Kind::move;
    Vec2 points[3];                    // the last one used is the end point
  };
  std::vector<Command> commands;
};

class Fonts : public TextMetrics {
 public:
  static const Fonts& shared();        // the first call loads the chain; text stays measurable (boxes) when no font is installed
  float width(std::string_view utf8, const TextStyle& style) const override;
  float ascent(const TextStyle& style) const override;
  float descent(const TextStyle& style) const override;

  std::vector<PlacedGlyph> place(std::string_view utf8, const TextStyle& style) const;
  // The glyph at `pixels` device px per em; subpixel shift in quarters of a device px (0..3).
  GlyphBitmap bitmapOf(std::uint32_t face, std::uint32_t glyph, float pixels, int quarterShift) const;
  GlyphOutline outlineOf(std::uint32_t face, std::uint32_t glyph) const;

  // CSS/Qt family list for exports: "Inter, 'DejaVu Sans', 'Noto Sans CJK SC', sans-serif".
  static std::string familyList();

 private:
  Fonts();
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace orrery
