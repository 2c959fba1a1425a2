#pragma once
// The grid of a sweep: every combination of the values of some parameters, numbered so that every machine numbers alike.

#include <string>
#include <vector>

#include "core/session/session.h"

namespace orrery::cli {

struct Axis {
  std::string parameter;
  std::vector<Value> values;
};

constexpr std::int64_t mostPoints = 100000;

class Grid {
 public:
  // "id=a,b,c" each; a usage error names what is wrong.
  static Expected<Grid> read(const LabEntry& lab, const std::vector<std::string>& texts);

  const std::vector<Axis>& axes() const { return axes_; }
  std::int64_t points() const;
  // The last axis varies fastest.
  Changes at(std::int64_t point) const;

 private:
  std::vector<Axis> axes_;
};

// "i/n", i from 1 to n: every n-th point from the i-th, so that dear and cheap ends of an axis are shared out.
struct Shard {
  std::int64_t index = 1, of = 1;
  bool has(std::int64_t point) const { return point % of == index - 1; }
};
Expected<Shard> readShard(const std::string& text);

}  // namespace orrery::cli
