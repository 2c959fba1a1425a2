// The device's ceilings and every kernel as a fraction of the one that bounds it. Times are wall-clock times from submission to the end on
// the GPU, best of several after a warm-up, and a ceiling is the best of several shapes of kernel: a fraction must not look good because
// its ceiling was measured badly.

#include "core/kernels/benchmark.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "core/base/registry.h"
#include "core/gpu/stream.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {
namespace {

double secondsNow() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// The shortest of `runs` executions of what `record` records, each submitted and waited for on its own.
template <class Record>
double bestSeconds(gpu::Stream& stream, int runs, const Record& record) {
  double best = std::numeric_limits<double>::max();
  for (int run = 0; run < runs; ++run) {
    stream.finish();
    record();
    const double start = secondsNow();
    stream.finish();
    best = std::min(best, secondsNow() - start);
  }
  return best;
}

// Independent chains x = x b + c in registers: 12 to 64 per invocation, since a device with long latencies needs many and one with few
// registers spills when there are too many.
double measureMulAdd(gpu::Stream& stream) {
  gpu::Device& device = stream.device();
  const bool cpu = device.isCpu();
  const std::uint32_t group = cpu ? 8 : 256, groups = cpu ? 64 : 4096;
  const gpu::BufferView result = device.allocate(std::uint64_t{group} * groups * 4);
  double best = 0;
  for (const std::uint32_t chains : {3u, 6u, 8u, 12u, 16u}) {  // of vec4
    std::uint32_t steps = 64;
    const auto seconds = [&](int runs) {
      const struct {
        std::uint32_t steps;
        float b, c;
      } push{steps, 0.999f, 0.001f};
      return bestSeconds(stream, runs, [&] {
        stream.dispatch("kernels/peak", {{result, gpu::Access::write}}, push, {groups, 1, 1}, {group, chains});
      });
    };
    // Lengthen the run until the submission itself does not count: 10 ms against about 0.1 ms.
    double time = seconds(2);
    while (time < 0.01 && steps < (1u << 24)) {
      steps *= 2;
      time = seconds(1);
    }
    time = std::min(time, seconds(5));
    best = std::max(best, 2.0 * 4 * 8 * chains * steps * static_cast<double>(group) * groups / time);  // 8 rounds a step
  }
  return best / 1e9;
}

double measureCopy(gpu::Stream& stream) {
  gpu::Device& device = stream.device();
  const std::uint64_t bytes = std::uint64_t{64} << 20;  // larger than any cache of the devices we know, except the largest of servers
  const gpu::BufferView from = device.allocate(bytes), to = device.allocate(bytes);
  stream.fill(from, 0x3f800000u);
  stream.finish();
  return 2.0 * static_cast<double>(bytes) / bestSeconds(stream, 7, [&] { stream.copy(from, to); }) / 1e9;
}

// Many tiny dispatches that depend on each other, less the time of few: what one more costs inside a submission.
double measureDispatch(gpu::Stream& stream) {
  const gpu::BufferView result = stream.device().allocate(64 * 4);
  const auto chain = [&](int count) {
    return bestSeconds(stream, 7, [&] {
      const struct {
        std::uint32_t steps;
        float b, c;
      } push{1, 0.999f, 0.001f};
      for (int i = 0; i < count; ++i) stream.dispatch("kernels/peak", {{result, gpu::Access::readWrite}}, push, {1, 1, 1}, {8, 3});
    });
  };
  constexpr int few = 16, many = 272;
  return std::max(0.0, (chain(many) - chain(few)) / (many - few)) * 1e6;
}

}  // namespace

Ceilings measureCeilings(const std::shared_ptr<gpu::Device>& device) {
  gpu::Stream stream(device);
  Ceilings ceilings;
  ceilings.mulAddGflops = measureMulAdd(stream);
  ceilings.copyGBps = measureCopy(stream);
  ceilings.dispatchMicroseconds = measureDispatch(stream);
  return ceilings;
}

std::vector<Measurement> measureKernels(const std::shared_ptr<gpu::Device>& device, const Ceilings& ceilings,
                                        std::span<const std::string> names, const std::function<void(std::string_view)>& progress) {
  std::vector<Measurement> results;
  for (const Kernel& kernel : registered<Kernel>()) {
    if (kernel.benches == nullptr || (!names.empty() && std::find(names.begin(), names.end(), kernel.id) == names.end())) continue;
    for (const BenchCase& bench : kernel.benches(*device)) {
      if (progress) progress(std::string(kernel.id) + " " + bench.shape);
      gpu::Stream stream(device);
      const auto call = bench.prepare(stream);
      // Warm up: compile, upload, allocate.
      for (int run = 0; run < 2; ++run) {
        call(stream);
        stream.finish();
      }
      double once = bestSeconds(stream, 1, [&] { call(stream); });
      // Repeat short calls inside one submission, and spend about half a second, at least 5 runs.
      const int repeats = static_cast<int>(std::clamp(0.002 / std::max(once, 1e-6), 1.0, 64.0));
      const int runs = static_cast<int>(std::clamp(0.5 / std::max(once * repeats, 1e-6), 5.0, 40.0));
      const double seconds = bestSeconds(stream, runs,
                                         [&] {
                                           for (int i = 0; i < repeats; ++i) call(stream);
                                         }) /
                             repeats;

      Measurement result;
      result.id = kernel.id, result.shape = bench.shape, result.variant = bench.variant;
      result.milliseconds = seconds * 1e3;
      // The bound is the ceiling that would take longest: arithmetic or memory as the case says, unless the dispatch itself is longer.
      const double dispatchSeconds = ceilings.dispatchMicroseconds / 1e6;
      const double bounding = bench.computeBound ? bench.flops / (ceilings.mulAddGflops * 1e9) : bench.bytes / (ceilings.copyGBps * 1e9);
      result.bound = bounding < dispatchSeconds ? "dispatch" : bench.computeBound ? "multiply-add" : "copy";
      result.fraction = std::max(bounding, dispatchSeconds) / seconds;
      results.push_back(std::move(result));
    }
  }
  return results;
}

}  // namespace orrery::kernels
