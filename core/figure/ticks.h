#pragma once
// Ticks of one axis together with their labels, in one style for the whole axis.

#include <string>
#include <vector>

#include "core/figure/figure.h"

namespace orrery {

struct TickLabels {
  std::vector<double> at;
  std::vector<std::string> labels;
};

TickLabels labelledTicks(Range range, ScaleKind scale, int wanted);

// A range an axis can use: finite, low < high, wide enough for double arithmetic; for a log axis also positive.
// `positive` is the smallest positive value in the data, used when a log range reaches zero or below (0 = unknown).
Range saneRange(Range range, ScaleKind scale, double positive = 0);

}  // namespace orrery
