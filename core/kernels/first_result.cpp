// How long a kernel takes the first time: its pipelines compiled, or fetched from the caches of the driver and of Orrery.

#include <algorithm>
#include <chrono>

#include "core/base/bench_job.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {
namespace {

// The longest over all kernels, each in its smallest bench case on a device of its own, so that none finds another's pipelines compiled.
Expected<double> firstResultMilliseconds() {
  double longest = 0;
  for (const Kernel& kernel : registered<Kernel>()) {
    if (kernel.benches == nullptr) continue;
    auto device = gpu::Device::open();
    if (!device) return device.error();
    gpu::Stream stream(*device);
    const auto cases = kernel.benches(**device);
    if (cases.empty()) continue;
    const auto run = cases.front().prepare(stream);
    stream.finish();
    const auto began = std::chrono::steady_clock::now();
    run(stream);
    stream.finish();
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
    longest = std::max(longest, ms);
  }
  return longest;
}

const Registration<BenchJob> job{{"kernel-first-result",
                                  "The slowest kernel's first result; cold in a new cache folder, warm when it is run again", "ms",
                                  firstResultMilliseconds}};

}  // namespace
}  // namespace orrery::kernels
