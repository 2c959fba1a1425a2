#pragma once
// Differential equations along a flow with steps as long as a tolerance lets them be. Sources: Dormand and Prince 1980 (the formulas of
// orders 5 and 4); Hairer, Norsett and Wanner 1993, II.4 (the PI control of the step, exponents 0.7 / 5 and 0.4 / 5).
//   error of a step: rms over all numbers of |y5 - y4| / (tolerance (1 + max(|y before|, |y after|))); at most 1 is taken
// Units: the flow's own time. One step's length serves all rows of a batch.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/gpu/stream.h"
#include "core/tensor/tensor.h"

namespace orrery::models::flows {

// What whoever looks at a flow says of its solver, shared with its layers and free to change between calls.
struct Adaptive {
  double tolerance = 0;          // 0: steps of one length, as the layer's options say
  std::int64_t evaluations = 0;  // of the velocity, counted on by every solve on the device
};
using AdaptivePtr = std::shared_ptr<Adaptive>;

// dy/dt = slope(y, t) from `from` to `to`, either way. `evaluations` is counted on.
Tensor solveAdaptive(gpu::Stream& stream, const std::function<Tensor(const Tensor& y, double t)>& slope, const Tensor& y, double from,
                     double to, double tolerance, std::int64_t& evaluations);
// The same on the host in double precision.
std::vector<double> solveAdaptive(const std::function<std::vector<double>(const std::vector<double>& y, double t)>& slope,
                                  std::vector<double> y, double from, double to, double tolerance, std::int64_t& evaluations);

}  // namespace orrery::models::flows
