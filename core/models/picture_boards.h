#pragma once
// Which pixels pass the first of a level's couplings of pixels, told alike on the tape and on the host.

#include "core/models/image_flow.h"

namespace orrery::models::flows {

inline bool boardPasses(const ImageFlowOptions& options, std::int64_t height, std::int64_t width, std::int64_t row, std::int64_t column) {
  if (!options.painted) return (row + column) % 2 == 0;
  const std::int64_t y = row * paintedSide / height, x = column * paintedSide / width;
  return (*options.painted)[static_cast<std::size_t>(y * paintedSide + x)] != 0;
}

}  // namespace orrery::models::flows
