#pragma once
// Measures the device's ceilings and the kernels as fractions of them, in one run (performance.md: a figure is a fraction or a ratio, never
// a bare time).

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/gpu/device.h"

namespace orrery::kernels {

struct Ceilings {
  double mulAddGflops = 0;          // f32 multiply-add rate, 2 operations each
  double halfMulAddGflops = 0;      // the same in f16; 0 where the device has no 16-bit arithmetic
  double copyGBps = 0;              // read + written bytes of a large copy
  double dispatchMicroseconds = 0;  // one dispatch with a barrier inside a submission
  std::uint32_t chains = 4;         // the shape of the multiply-add kernel that was fastest
};
Ceilings measureCeilings(const std::shared_ptr<gpu::Device>& device);

struct Measurement {
  std::string id, shape, variant;
  double milliseconds = 0;  // best
  double fraction = 0;      // of the bounding ceiling measured between this kernel's runs: median of the pairs
  std::string bound;        // "multiply-add", "copy", "dispatch"
};
// `names`: kernel ids, empty = all. At least 7 runs after warm-up, each beside a run of the ceiling that bounds the kernel: on a machine
// with neighbours both change by the second, their ratio much less. `ceilings` are raised where a better one was seen on the way.
std::vector<Measurement> measureKernels(const std::shared_ptr<gpu::Device>& device, Ceilings& ceilings, std::span<const std::string> names,
                                        const std::function<void(std::string_view)>& progress);

}  // namespace orrery::kernels
