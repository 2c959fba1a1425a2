#include "app/cli/grid.h"

#include <algorithm>
#include <charconv>

#include "app/cli/scene.h"
#include "core/base/text.h"

namespace orrery::cli {

Expected<Grid> Grid::read(const LabEntry& lab, const std::vector<std::string>& texts) {
  Grid grid;
  for (const auto& text : texts) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) return makeError(ErrorCode::usage, trf("--grid needs id=a,b,c, found '{}'", text));
    Axis axis;
    axis.parameter = text.substr(0, equals);
    for (const auto& earlier : grid.axes_) {
      if (earlier.parameter == axis.parameter) return makeError(ErrorCode::usage, trf("--grid {} is given twice", axis.parameter));
    }
    for (std::size_t at = equals + 1; at <= text.size();) {
      const auto comma = std::min(text.find(',', at), text.size());
      auto setting = readSetting(lab, axis.parameter + "=" + text.substr(at, comma - at));
      if (!setting) return setting.error();
      if (std::find(axis.values.begin(), axis.values.end(), setting->second) != axis.values.end()) {
        return makeError(ErrorCode::usage, trf("--grid {}: the value '{}' is given twice", axis.parameter, text.substr(at, comma - at)));
      }
      axis.values.push_back(std::move(setting->second));
      at = comma + 1;
    }
    grid.axes_.push_back(std::move(axis));
    if (grid.points() > mostPoints) return makeError(ErrorCode::usage, trf("the sweep has more than {} points; give fewer values", mostPoints));
  }
  return grid;
}

std::int64_t Grid::points() const {
  std::int64_t points = 1;
  for (const auto& axis : axes_) points *= static_cast<std::int64_t>(axis.values.size());
  return points;
}

Changes Grid::at(std::int64_t point) const {
  Changes changes(axes_.size());
  for (auto i = axes_.size(); i-- > 0;) {
    const auto count = static_cast<std::int64_t>(axes_[i].values.size());
    changes[i] = {axes_[i].parameter, axes_[i].values[static_cast<std::size_t>(point % count)]};
    point /= count;
  }
  return changes;
}

Expected<Shard> readShard(const std::string& text) {
  Shard shard;
  const auto slash = text.find('/');
  const char *begin = text.data(), *end = begin + text.size();
  bool good = slash != std::string::npos;
  if (good) {
    const auto first = std::from_chars(begin, begin + slash, shard.index), second = std::from_chars(begin + slash + 1, end, shard.of);
    good = first.ec == std::errc() && first.ptr == begin + slash && second.ec == std::errc() && second.ptr == end;
  }
  if (!good || shard.of < 1 || shard.index < 1 || shard.index > shard.of) {
    return makeError(ErrorCode::usage, trf("--shard needs I/N with I from 1 to N, found '{}'", text));
  }
  return shard;
}

}  // namespace orrery::cli
