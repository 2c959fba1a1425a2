#include <algorithm>
#include <cmath>

#include "core/figure/color.h"
#include "core/figure/color_map_tables.h"

namespace orrery {

namespace {

constexpr color_maps::Table makeGray() {
  color_maps::Table table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto level = static_cast<std::uint8_t>(i);
    table[i] = {level, level, level};
  }
  return table;
}

constexpr color_maps::Table gray = makeGray();

}  // namespace

std::string_view nameOf(ColorMap map) {
  switch (map) {
    case ColorMap::viridis: return "viridis";
    case ColorMap::magma: return "magma";
    case ColorMap::cividis: return "cividis";
    case ColorMap::diverging: return "diverging";
    case ColorMap::cyclic: return "cyclic";
    case ColorMap::gray: return "gray";
    case ColorMap::divergingDark: return "diverging-dark";
  }
  return "viridis";
}

ColorMap mapOn(ThemeKind theme, ColorMap map) {
  return theme == ThemeKind::dark && map == ColorMap::diverging ? ColorMap::divergingDark : map;
}

const std::array<std::array<std::uint8_t, 3>, 256>& tableOf(ColorMap map) {
  switch (map) {
    case ColorMap::viridis: return color_maps::viridis;
    case ColorMap::magma: return color_maps::magma;
    case ColorMap::cividis: return color_maps::cividis;
    case ColorMap::diverging: return color_maps::diverging;
    case ColorMap::cyclic: return color_maps::cyclic;
    case ColorMap::gray: return gray;
    case ColorMap::divergingDark: return color_maps::divergingDark;
  }
  return color_maps::viridis;
}

Color sample(ColorMap map, float position) {
  if (std::isnan(position)) return {0, 0, 0, 0};
  const float clamped = std::clamp(position, 0.0f, 1.0f);
  const auto index = std::min<std::size_t>(255, static_cast<std::size_t>(clamped * 256.0f));
  const auto& entry = tableOf(map)[index];
  return {static_cast<float>(entry[0]) / 255.0f, static_cast<float>(entry[1]) / 255.0f, static_cast<float>(entry[2]) / 255.0f, 1};
}

}  // namespace orrery
