#pragma once
// The recipe in a film: the tag "comment" of MP4 and WebM, a comment block before the trailer of a GIF. Internal to app/export.

#include <string>
#include <string_view>

#include "core/base/expected.h"

namespace orrery::exporting {

Expected<void> appendGifComment(const std::string& path, std::string_view text);
Expected<std::string> gifComment(const std::string& path);  // the last one; empty when there is none

}  // namespace orrery::exporting
