#pragma once
// Every kernel against its plain C++ reference on this device: what `orrery check`, the status bar and the oracle test run.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/gpu/device.h"

namespace orrery::kernels {

struct KernelReport {
  std::string id;
  bool ok = true;
  double worstRelativeError = 0;
  std::string where;                // the case and index of the worst error: "axis 1 of [3, 65, 7], element 12: 0.25 instead of 0.5"
};
// `quick` runs each kernel's first case only.
std::vector<KernelReport> checkKernels(const std::shared_ptr<gpu::Device>& device, bool quick,
                                       const std::function<bool(std::string_view kernel)>& progress = {});   // false = stop

}  // namespace orrery::kernels
