#include <cmath>

#include "core/figure/color.h"
#include "tests/support/catch.h"

using namespace orrery;

namespace {

// Lightness of Oklab (Ottosson 2020).
double lightness(const std::array<std::uint8_t, 3>& rgb) {
  double linear[3];
  for (std::size_t i = 0; i < 3; ++i) {
    const double c = rgb[i] / 255.0;
    linear[i] = c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  }
  const double l = std::cbrt(0.4122214708 * linear[0] + 0.5363325363 * linear[1] + 0.0514459929 * linear[2]);
  const double m = std::cbrt(0.2119034982 * linear[0] + 0.6806995451 * linear[1] + 0.1073969566 * linear[2]);
  const double s = std::cbrt(0.0883024619 * linear[0] + 0.2817188376 * linear[1] + 0.6299787005 * linear[2]);
  return 0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s;
}

}  // namespace

TEST_CASE("Sequential maps rise in lightness, so that they survive grey print") {
  for (const ColorMap map : {ColorMap::viridis, ColorMap::magma, ColorMap::cividis, ColorMap::gray}) {
    CAPTURE(nameOf(map));
    const auto& table = tableOf(map);
    // Rounding to 8 bits moves lightness by up to 0.003.
    for (std::size_t i = 1; i < 256; ++i) REQUIRE(lightness(table[i]) > lightness(table[i - 1]) - 0.003);
    for (std::size_t i = 8; i < 256; i += 8) REQUIRE(lightness(table[i]) > lightness(table[i - 8]));
    CHECK(lightness(table[255]) - lightness(table[0]) > 0.5);
  }
}

TEST_CASE("The tables are matplotlib's") {
  CHECK(sample(ColorMap::viridis, 0).toHex() == "#440154");
  CHECK(sample(ColorMap::viridis, 1).toHex() == "#FDE725");
  CHECK(sample(ColorMap::magma, 0).toHex() == "#000004");
  CHECK(sample(ColorMap::magma, 1).toHex() == "#FCFDBF");
  CHECK(sample(ColorMap::cividis, 1).toHex() == "#FEE838");
  CHECK(sample(ColorMap::viridis, 0.5f).toHex() == "#21918C");
}

TEST_CASE("The diverging map is lightest in the middle and equally dark at both ends; its dark twin is the reverse") {
  const auto& light = tableOf(ColorMap::diverging);
  const auto& dark = tableOf(ColorMap::divergingDark);
  for (std::size_t i = 0; i < 128; ++i) {
    // 0.03: orange leaves the sRGB gamut sooner than blue, and the chroma that is cut costs a little lightness.
    CHECK(std::abs(lightness(light[i]) - lightness(light[255 - i])) < 0.03);
    CHECK(std::abs(lightness(dark[i]) - lightness(dark[255 - i])) < 0.03);
  }
  CHECK(lightness(light[127]) > 0.95);
  CHECK(lightness(dark[127]) < 0.25);
  CHECK(light[0][2] > light[0][0]);       // blue below
  CHECK(light[255][0] > light[255][2]);   // orange above
  CHECK(mapOn(ThemeKind::dark, ColorMap::diverging) == ColorMap::divergingDark);
  CHECK(mapOn(ThemeKind::light, ColorMap::diverging) == ColorMap::diverging);
  CHECK(mapOn(ThemeKind::dark, ColorMap::viridis) == ColorMap::viridis);
}

TEST_CASE("The cyclic map closes without a seam") {
  const auto& table = tableOf(ColorMap::cyclic);
  int largest = 0;
  for (std::size_t i = 1; i < 256; ++i) {
    for (std::size_t k = 0; k < 3; ++k) largest = std::max(largest, std::abs(int{table[i][k]} - int{table[i - 1][k]}));
  }
  for (std::size_t k = 0; k < 3; ++k) CHECK(std::abs(int{table[255][k]} - int{table[0][k]}) <= largest);
}

TEST_CASE("NaN has no colour and positions are clamped") {
  CHECK(sample(ColorMap::viridis, NAN).a == 0);
  CHECK(sample(ColorMap::viridis, -5) == sample(ColorMap::viridis, 0));
  CHECK(sample(ColorMap::viridis, 7) == sample(ColorMap::viridis, 1));
}

TEST_CASE("Text reads on its ground in both themes, and so do curve names") {
  for (const ThemeKind kind : {ThemeKind::light, ThemeKind::dark}) {
    const Theme& theme = themeOf(kind);
    for (const Color& ground : {theme.canvas, theme.panel}) {
      CHECK(contrast(theme.text, ground) >= 4.5);
      CHECK(contrast(theme.muted, ground) >= 4.5);
      for (int role = 0; role < static_cast<int>(Role::custom); ++role) {
        if (static_cast<Role>(role) == Role::grid || static_cast<Role>(role) == Role::ground) continue;
        CHECK(contrast(legible(theme.resolve(Paint::of(static_cast<Role>(role))), ground), ground) >= 4.5);
      }
    }
  }
}

TEST_CASE("A paint's alpha multiplies, and a custom colour stays") {
  const Theme& theme = themeOf(ThemeKind::light);
  CHECK(theme.resolve(Paint::of(Role::estimate, 0.5f)).a == 0.5f);
  CHECK(theme.resolve(Paint::custom({0.25f, 0.5f, 1, 0.5f})) == Color{0.25f, 0.5f, 1, 0.5f});
  CHECK(theme.resolve(Paint::series(0)) == theme.resolve(Paint::series(8)));
}
