#pragma once
// Masks of eight by eight cells that a person paints over mosaics of pictures (core/models/image_flow.h has their text form).

#include <cstdint>
#include <optional>
#include <string>

#include "core/session/lab.h"

namespace orrery::generative {

// The cell under a place of a mosaic whose pictures of `side` pixels have `gap` pixels between them; a picture and its gap make one unit.
// None over a gap.
std::optional<std::size_t> paintedCellAt(double x, double y, std::int64_t side, double gap);
// The parameter `id`, a mask's text, with that cell set or cleared. Empty when it is so already, or the text is none of a mask.
Changes paintedCellSet(const Values& values, const std::string& id, std::size_t cell, bool set);

}  // namespace orrery::generative
