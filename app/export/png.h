#pragma once
// PNG with the text chunks we need. Internal to app/export.

#include <string>
#include <string_view>

#include "core/base/expected.h"
#include "core/render/renderer.h"

namespace orrery::exporting {

struct PngTexts {
  std::string recipe, title;
  double dotsPerInch = 0;              // 0 = not stated
};

std::string encodePng(const render::Pixels& pixels, const PngTexts& texts);
// The iTXt chunk "orrery" of a PNG file's bytes.
Expected<std::string> recipeInPng(std::string_view bytes, const std::string& path);

}  // namespace orrery::exporting
