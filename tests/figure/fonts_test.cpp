#include "core/figure/fonts.h"
#include "core/figure/utf8.h"
#include "tests/support/catch.h"

using namespace orrery;

TEST_CASE("Tabular figures are equally wide") {
  const Fonts& fonts = Fonts::shared();
  const TextStyle tabular{12, Weight::regular, true};
  for (const char* digit : {"1", "2", "3", "4", "5", "6", "7", "8", "9"}) CHECK(fonts.width(digit, tabular) == fonts.width("0", tabular));
  CHECK(fonts.width("111", tabular) == Approx(fonts.width("888", tabular)));
}

TEST_CASE("Widths grow with the size and add up") {
  const Fonts& fonts = Fonts::shared();
  const TextStyle small{10, Weight::regular, false}, large{20, Weight::regular, false};
  CHECK(fonts.width("Orrery", large) == Approx(2 * fonts.width("Orrery", small)));
  CHECK(fonts.width("ab", small) == Approx(fonts.width("a", small) + fonts.width("b", small)));
  CHECK(fonts.width("", small) == 0);
  CHECK(fonts.ascent(large) > 0);
  CHECK(fonts.descent(large) > 0);
}

TEST_CASE("Greek, mathematics and Chinese fall back glyph by glyph, and every one has a shape") {
  const Fonts& fonts = Fonts::shared();
  const TextStyle style{16, Weight::semibold, false};
  const auto placed = fonts.place("\u03C3\u2212\u6CE8", style);
  REQUIRE(placed.size() == 3);
  CHECK(placed[0].x == 0);
  CHECK(placed[1].x > placed[0].x);
  CHECK(placed[2].x > placed[1].x);
  for (const PlacedGlyph& glyph : placed) {
    const GlyphBitmap bitmap = fonts.bitmapOf(glyph.face, glyph.glyph, 32, 0);
    CHECK(bitmap.width > 0);
    CHECK(bitmap.coverage.size() == static_cast<std::size_t>(bitmap.width * bitmap.height));
    CHECK(std::any_of(bitmap.coverage.begin(), bitmap.coverage.end(), [](auto c) { return c > 128; }));
    CHECK(!fonts.outlineOf(glyph.face, glyph.glyph).commands.empty());
  }
}

TEST_CASE("A quarter pixel moves a glyph") {
  const Fonts& fonts = Fonts::shared();
  const auto placed = fonts.place("l", {16, Weight::regular, false});
  const GlyphBitmap still = fonts.bitmapOf(placed[0].face, placed[0].glyph, 16, 0), moved = fonts.bitmapOf(placed[0].face, placed[0].glyph, 16, 2);
  CHECK(still.coverage != moved.coverage);
}

TEST_CASE("An unknown face is a box, never a crash") {
  const GlyphBitmap box = Fonts::shared().bitmapOf(0xFFFFFFFFu, 3, 20, 0);
  CHECK(box.width > 0);
  CHECK(box.height > 0);
}

TEST_CASE("Broken UTF-8 reads as replacement characters and always ends") {
  const auto decode = [](std::string_view text) {
    std::vector<std::uint32_t> codes;
    for (std::size_t at = 0; at < text.size();) codes.push_back(nextCodePoint(text, at));
    return codes;
  };
  CHECK(decode("a\xC3\xA9\xE6\xB3\xA8") == std::vector<std::uint32_t>{'a', 0xE9, 0x6CE8});
  CHECK(decode("\xFF\xC3") == std::vector<std::uint32_t>{0xFFFD, 0xFFFD});
  CHECK(decode("\xE6\xB3") == std::vector<std::uint32_t>{0xFFFD, 0xFFFD});
  CHECK(decode("\xC3(") == std::vector<std::uint32_t>{0xFFFD, '('});
  CHECK(Fonts::shared().width("\xE6\xB3", {12, Weight::regular, false}) > 0);
}
