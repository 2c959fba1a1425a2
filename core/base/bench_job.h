#pragma once
// A timed job for `orrery bench`: anything with a number worth watching that is not a kernel (evaluating COCO, opening a file).
// Registered where the code lives; the bench command runs them all and prints {id, value, unit}.

#include <string_view>

#include "core/base/expected.h"
#include "core/base/registry.h"

namespace orrery {

struct BenchJob {
  std::string_view id;        // "map-coco-val-size-cold"
  std::string_view summary;   // one line, English
  std::string_view unit;      // "ms", "MB", "fps"
  Expected<double> (*run)();  // best of several after a warm-up, unless the id says cold
};

}  // namespace orrery
