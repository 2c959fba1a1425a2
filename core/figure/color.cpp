#include "core/figure/color.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace orrery {

namespace {

constexpr Color rgb(std::uint32_t hex) {
  return {static_cast<float>((hex >> 16) & 255) / 255.0f, static_cast<float>((hex >> 8) & 255) / 255.0f, static_cast<float>(hex & 255) / 255.0f, 1};
}

// The tokens of the two themes.
Theme makeTheme(ThemeKind kind) {
  Theme theme;
  theme.kind = kind;
  const bool dark = kind == ThemeKind::dark;
  theme.canvas = rgb(dark ? 0x0F1115 : 0xFFFFFF);
  theme.panel = rgb(dark ? 0x1B1E24 : 0xFFFFFF);
  theme.border = rgb(dark ? 0x2E333D : 0xD9DDE3);
  theme.text = rgb(dark ? 0xE6E8EC : 0x1B1F26);
  theme.muted = rgb(dark ? 0x9AA3B2 : 0x5B6472);
  theme.ground = rgb(dark ? 0x14161A : 0xF3F4F6);
  theme.accent = rgb(dark ? 0x6EA8FE : 0x2563C9);
  theme.changed = rgb(dark ? 0xF2B25C : 0xB5651D);
  theme.danger = rgb(dark ? 0xF2777A : 0xC62F3B);
  theme.good = rgb(dark ? 0x5CC8A1 : 0x1B8A5A);
  theme.grid = theme.text.withAlpha(0.15f);
  return theme;
}

// Okabe and Ito 2008, black last because ink already means data. Yellow is darkened on white and blue lightened on black: both vanish otherwise.
constexpr std::array<std::uint32_t, 8> seriesOnLight{0xE69F00, 0x56B4E9, 0x009E73, 0xC8B400, 0x0072B2, 0xD55E00, 0xCC79A7, 0x3A404A};
constexpr std::array<std::uint32_t, 8> seriesOnDark{0xF2B74B, 0x7CC7F2, 0x3FC49C, 0xF2E96B, 0x5AA7E0, 0xF2854B, 0xE0A0C4, 0xC9CED6};

double luminance(const Color& color) {
  const auto linear = [](double c) { return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4); };
  return 0.2126 * linear(color.r) + 0.7152 * linear(color.g) + 0.0722 * linear(color.b);
}

}  // namespace

std::string Color::toHex() const {
  const auto byte = [](float c) { return static_cast<unsigned>(std::lround(std::clamp(c, 0.0f, 1.0f) * 255)); };
  char text[16];
  std::snprintf(text, sizeof text, "#%02X%02X%02X", byte(r), byte(g), byte(b));
  return text;
}

Color Theme::resolve(const Paint& paint) const {
  const bool dark = kind == ThemeKind::dark;
  const auto pick = [&](std::uint32_t onDark, std::uint32_t onLight) { return rgb(dark ? onDark : onLight); };
  Color color = text;
  switch (paint.role) {
    case Role::ink: color = text; break;
    case Role::muted: color = muted; break;
    case Role::grid: color = grid; break;
    case Role::ground: color = canvas; break;
    case Role::accent: color = accent; break;
    case Role::changed: color = changed; break;
    case Role::danger: color = danger; break;
    case Role::good: color = good; break;
    case Role::data: color = pick(0xECEEF2, 0x20242B); break;
    case Role::stochastic:
    case Role::key: color = pick(0xF2A55C, 0xD9730D); break;
    case Role::estimate:
    case Role::deterministic:
    case Role::missed:
    case Role::query: color = pick(0x6EA8FE, 0x2563C9); break;
    case Role::truePositive: color = pick(0x5CC8A1, 0x008A64); break;
    case Role::falsePositive: color = pick(0xF2784B, 0xD5500A); break;
    case Role::ignored: color = pick(0xF2C75C, 0xC08A00); break;
    case Role::series0: case Role::series1: case Role::series2: case Role::series3:
    case Role::series4: case Role::series5: case Role::series6: case Role::series7: {
      const auto index = static_cast<std::size_t>(paint.role) - static_cast<std::size_t>(Role::series0);
      color = rgb((dark ? seriesOnDark : seriesOnLight)[index]);
      break;
    }
    case Role::custom: color = paint.color.withAlpha(1); break;
  }
  return color.withAlpha(color.a * paint.alpha);
}

const Theme& themeOf(ThemeKind kind) {
  static const Theme light = makeTheme(ThemeKind::light);
  static const Theme dark = makeTheme(ThemeKind::dark);
  return kind == ThemeKind::dark ? dark : light;
}

Theme printTheme() {
  Theme theme = makeTheme(ThemeKind::light);
  theme.ground = theme.canvas;
  return theme;
}

double contrast(const Color& a, const Color& b) {
  const double high = std::max(luminance(a), luminance(b));
  const double low = std::min(luminance(a), luminance(b));
  return (high + 0.05) / (low + 0.05);
}

Color legible(Color color, const Color& ground) {
  const float target = luminance(ground) > 0.18 ? 0.0f : 1.0f;   // 0.18: where black and white contrast alike
  for (int step = 0; step < 32 && contrast(color, ground) < 4.5; ++step) {
    const auto toward = [target](float c) { return c + 0.06f * (target - c); };
    color = {toward(color.r), toward(color.g), toward(color.b), color.a};
  }
  return color;
}

}  // namespace orrery
