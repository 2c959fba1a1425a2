#pragma once
// Lines of text to glyph quads. Horizontal and vertical text keeps quarter-pixel positions along the line and whole pixels across it.

#include <string>
#include <string_view>
#include <unordered_map>

#include "core/figure/fonts.h"
#include "core/render/fill.h"
#include "core/render/glyph_atlas.h"
#include "core/render/vertex.h"

namespace orrery::render {

class TextRuns {
 public:
  TextRuns(const Fonts& fonts, GlyphAtlas& atlas) : fonts_(fonts), atlas_(atlas) {}
  void beginFrame();
  void add(Vertices& out, const GlyphItem& item, float scale, const PixelBounds& bounds);

 private:
  struct Key {
    std::string text;
    TextStyle style;
  };
  struct KeyView {
    std::string_view text;
    TextStyle style;
  };
  struct Hash {
    using is_transparent = void;
    static std::size_t of(std::string_view text, const TextStyle& style);
    std::size_t operator()(const Key& key) const { return of(key.text, key.style); }
    std::size_t operator()(const KeyView& key) const { return of(key.text, key.style); }
  };
  struct Equal {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return a.text == b.text && a.style == b.style;
    }
  };
  struct Run {
    std::vector<PlacedGlyph> glyphs;
    float width = 0, ascent = 0, descent = 0;
    std::uint64_t lastUse = 0;
  };
  Run& runOf(const GlyphItem& item);

  const Fonts& fonts_;
  GlyphAtlas& atlas_;
  std::unordered_map<Key, Run, Hash, Equal> runs_;
  std::uint64_t frame_ = 0;
};

}  // namespace orrery::render
