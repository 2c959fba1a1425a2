#pragma once
// How large errors are, as a histogram over their powers of ten.

#include <vector>

#include "core/figure/figure.h"

namespace orrery::generative {

// Bars of the share (%) of sizes between 1e-9 and 1e-3, 24 bins of log10; what is smaller is in the first bar, what is larger in the last. A
// tick every `tickStep` powers.
void addErrorHistogram(Panel& panel, const std::vector<double>& sizes, int tickStep);

}  // namespace orrery::generative
