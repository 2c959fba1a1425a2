#pragma once
// How a recipe is written into XML (SVG metadata, PDF XMP). Internal to app/export.

#include <string>
#include <string_view>

namespace orrery::exporting {

constexpr std::string_view recipeNamespace = "urn:orrery:recipe:1";

// Text for XML content and attributes: markup escaped; characters XML cannot hold and broken UTF-8 become U+FFFD.
std::string escapedXml(std::string_view text);

}  // namespace orrery::exporting
