#pragma once
// Colours with a fixed meaning (shared by window and exports, in both themes), themes, and colour maps.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

// sRGB, straight alpha, components 0..1.
struct Color {
  float r = 0, g = 0, b = 0, a = 1;
  bool operator==(const Color&) const = default;
  Color withAlpha(float alpha) const { return {r, g, b, alpha}; }
  std::string toHex() const;                       // "#6EA8FE"; alpha is not part of it
};

// Marks name a role; the theme gives the colour. Series 0..7 are the Okabe-Ito order.
enum class Role : std::uint8_t {
  ink, muted, grid, ground,
  accent, changed, danger, good,
  data,        // data, truth: near-black on light, near-white on dark
  estimate,    // model, estimate: blue
  stochastic,  // SDE: amber-orange
  deterministic,  // ODE: blue
  truePositive, falsePositive, missed, ignored,
  query, key,
  series0, series1, series2, series3, series4, series5, series6, series7,
  custom,      // Paint::color is used as it is
};

struct Paint {
  Role role = Role::ink;
  float alpha = 1;
  Color color{};                                   // only for Role::custom
  static Paint of(Role role, float alpha = 1) { return {role, alpha, {}}; }
  static Paint series(int index, float alpha = 1) {
    return {static_cast<Role>(static_cast<int>(Role::series0) + index % 8), alpha, {}};
  }
  static Paint custom(Color color) { return {Role::custom, color.a, color}; }
};

enum class ThemeKind : std::uint8_t { light, dark };

struct Theme {
  ThemeKind kind = ThemeKind::light;
  Color canvas, panel, border, text, muted, grid;
  Color ground;                                    // around the panel cards of the live canvas
  Color accent, changed, danger, good;
  Color resolve(const Paint& paint) const;
};
const Theme& themeOf(ThemeKind kind);              // light: white canvas; dark: #0F1115
Theme printTheme();                                // light, for exports (white ground, no panel cards)

// WCAG contrast ratio of two opaque colours, 1..21.
double contrast(const Color& a, const Color& b);
// `color` moved towards black or white until text in it reads on `ground` (contrast 4.5 or more): curve labels in the curve's colour.
Color legible(Color color, const Color& ground);

enum class ColorMap : std::uint8_t { viridis, magma, cividis, diverging, cyclic, gray, divergingDark };
constexpr int colorMapCount = 7;
std::string_view nameOf(ColorMap map);
// What `map` becomes on this theme: diverging turns into divergingDark on a dark one; the others stay.
ColorMap mapOn(ThemeKind theme, ColorMap map);
// 256 entries, sRGB 8 bit, made by packaging/dev/make_color_maps.py. diverging is blue-white-orange, divergingDark blue-black-orange, cyclic
// starts and ends alike. Position p in 0..1 takes entry min(255, floor(256 p)), as matplotlib does.
const std::array<std::array<std::uint8_t, 3>, 256>& tableOf(ColorMap map);
Color sample(ColorMap map, float position);        // position clamped to 0..1; NaN gives transparent

}  // namespace orrery
