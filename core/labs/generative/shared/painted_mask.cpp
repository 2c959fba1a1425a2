#include "core/labs/generative/shared/painted_mask.h"

#include <cmath>

#include "core/models/image_flow.h"

namespace orrery::generative {

namespace flows = models::flows;

std::optional<std::size_t> paintedCellAt(double x, double y, std::int64_t side, double gap) {
  const double share = static_cast<double>(side) / (static_cast<double>(side) + gap);
  const double column = std::floor((x - std::floor(x)) / share * flows::paintedSide),
               row = std::floor((y - std::floor(y)) / share * flows::paintedSide);
  if (column >= flows::paintedSide || row >= flows::paintedSide) return std::nullopt;
  return static_cast<std::size_t>(row) * flows::paintedSide + static_cast<std::size_t>(column);
}

Changes paintedCellSet(const Values& values, const std::string& id, std::size_t cell, bool set) {
  const std::string before = std::get<std::string>(values.find(id)->second);
  auto mask = flows::maskOfText(before);
  if (!mask) return {};
  (*mask)[cell] = set ? 1 : 0;
  const std::string after = flows::textOfMask(*mask);
  return after == before ? Changes{} : Changes{{id, after}};
}

}  // namespace orrery::generative
