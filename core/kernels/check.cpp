// Runs the registered check cases of every kernel on one device.

#include "core/kernels/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/base/registry.h"
#include "core/base/text.h"
#include "core/gpu/stream.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

std::vector<KernelReport> checkKernels(const std::shared_ptr<gpu::Device>& device, bool quick,
                                       const std::function<bool(std::string_view)>& progress) {
  std::vector<KernelReport> reports;
  for (const Kernel& kernel : registered<Kernel>()) {
    if (progress && !progress(kernel.id)) break;
    KernelReport report{std::string(kernel.id), true, 0, ""};
    auto cases = kernel.checks(*device);
    if (quick && cases.size() > 1) cases.resize(1);
    gpu::Stream stream(device);
    double worstShare = -1;
    for (const CheckCase& c : cases) {
      const Difference difference = c.run(stream);
      // A comparison with NaN is a failure, too.
      const bool ok = difference.worst <= c.tolerance;
      // Keep the case that is worst against its own tolerance; a failure beats any success.
      const double share = !ok ? std::numeric_limits<double>::max() : c.tolerance > 0 ? difference.worst / c.tolerance : 0;
      if (share > worstShare && (report.ok || !ok)) {
        worstShare = share;
        report.worstRelativeError = difference.worst;
        report.where = difference.where < 0 ? c.name
                                            : trf("{}, element {}: {} instead of {}", c.name, difference.where,
                                                  fmt::format("{:.9g}", difference.found), fmt::format("{:.9g}", difference.expected));
      }
      report.ok = report.ok && ok;
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace orrery::kernels
