#pragma once
// Measures the device's ceilings and the kernels as fractions of them, in one run (performance.md: a figure is a fraction or a ratio, never a
// bare time).

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/gpu/device.h"

namespace orrery::kernels {

struct Ceilings {
  double mulAddGflops = 0;          // f32 multiply-add rate, 2 operations each
  double copyGBps = 0;              // read + written bytes of a large copy
  double dispatchMicroseconds = 0;  // one dispatch with a barrier inside a submission
};
Ceilings measureCeilings(const std::shared_ptr<gpu::Device>& device);

struct Measurement {
  std::string id, shape, variant;
  double milliseconds = 0;
  double fraction = 0;              // of the bounding ceiling
  std::string bound;                // "multiply-add", "copy", "dispatch"
};
// `names`: kernel ids, empty = all. Best of at least 5 runs after warm-up.
std::vector<Measurement> measureKernels(const std::shared_ptr<gpu::Device>& device, const Ceilings& ceilings,
                                        std::span<const std::string> names, const std::function<void(std::string_view)>& progress);

}  // namespace orrery::kernels
