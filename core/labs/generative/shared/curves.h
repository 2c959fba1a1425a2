#pragma once
// Numbers of a chart as marks take them.

#include <memory>
#include <string>
#include <vector>

#include "core/figure/marks/marks.h"

namespace orrery::generative {

// f32 [n] on the host.
Tensor columnOf(const std::vector<double>& values);
std::shared_ptr<LineMark> curveOf(std::string id, const std::vector<double>& x, const std::vector<double>& y, Paint paint,
                                  std::string label = {});

}  // namespace orrery::generative
