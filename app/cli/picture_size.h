#pragma once
// "1280x720" of --size.

#include <string>

#include "core/base/expected.h"
#include "core/figure/display_list.h"

namespace orrery::cli {

// Smaller figures hold no axis; larger ones exceed the image limits of common devices.
constexpr int smallestSide = 64, largestSide = 16384;

Expected<Vec2> readSize(const std::string& text);

// The ending of a path in small letters, without its dot; a usage error that lists the known ones otherwise.
Expected<std::string> knownEnding(const std::string& path, std::initializer_list<std::string_view> known);

}  // namespace orrery::cli
