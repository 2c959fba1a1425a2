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

// Independent chains x = x b + c in registers, long enough that the submission does not count: 10 ms against about 0.1 ms.
class MulAdd {
 public:
  MulAdd(gpu::Stream& stream, std::uint32_t chains, bool half = false)
      : stream_(stream),
        shader_(half ? "kernels/peak@half" : "kernels/peak"),
        chains_(chains),
        group_(stream.device().isCpu() ? 8 : 256),
        groups_(stream.device().isCpu() ? 64 : 4096),
        result_(stream.device().allocate(std::uint64_t{group_} * groups_ * 4)) {
    (void)seconds();  // compile
    while (seconds() < 0.01 && steps_ < (1u << 24)) steps_ *= 2;
  }

  double gflops() { return 2.0 * 4 * 8 * chains_ * steps_ * static_cast<double>(group_) * groups_ / seconds() / 1e9; }  // 8 rounds a step

 private:
  double seconds() {
    const struct {
      std::uint32_t steps;
      float b, c;
    } push{steps_, 0.999f, 0.001f};
    return bestSeconds(stream_, 1, [&] {
      stream_.dispatch(shader_, {{result_, gpu::Access::write}}, push, {groups_, 1, 1}, {group_, chains_});
    });
  }

  gpu::Stream& stream_;
  std::string_view shader_;
  std::uint32_t chains_, group_, groups_, steps_ = 64;
  gpu::BufferView result_;
};

// 12 to 64 chains per invocation, since a device with long latencies needs many and one with few registers spills when there are too many.
void measureMulAdd(gpu::Stream& stream, Ceilings& ceilings) {
  for (const std::uint32_t chains : {3u, 6u, 8u, 12u, 16u}) {  // of vec4
    MulAdd kernel(stream, chains);
    for (int run = 0; run < 5; ++run) {
      const double gflops = kernel.gflops();
      if (gflops > ceilings.mulAddGflops) ceilings.mulAddGflops = gflops, ceilings.chains = chains;
    }
  }
}

// The same in f16. CPU drivers take seconds to compile each shape of the kernel: there, the one that was best in f32.
void measureHalfMulAdd(gpu::Stream& stream, Ceilings& ceilings) {
  if (!stream.device().summary().float16) return;
  std::vector<std::uint32_t> shapes{3, 6, 8, 12, 16};
  if (stream.device().isCpu()) shapes = {ceilings.chains};
  for (const std::uint32_t chains : shapes) {
    MulAdd kernel(stream, chains, true);
    for (int run = 0; run < 5; ++run) ceilings.halfMulAddGflops = std::max(ceilings.halfMulAddGflops, kernel.gflops());
  }
}

// A copy larger than any cache of the devices we know, except the largest of servers.
class Copy {
 public:
  explicit Copy(gpu::Stream& stream) : stream_(stream), from_(stream.device().allocate(bytes)), to_(stream.device().allocate(bytes)) {
    stream.fill(from_, 0x3f800000u);
    (void)gbps();
  }
  double gbps() {
    return 2.0 * static_cast<double>(bytes) / bestSeconds(stream_, 1, [&] { stream_.copy(from_, to_); }) / 1e9;
  }

 private:
  static constexpr std::uint64_t bytes = std::uint64_t{64} << 20;
  gpu::Stream& stream_;
  gpu::BufferView from_, to_;
};

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
  measureMulAdd(stream, ceilings);
  measureHalfMulAdd(stream, ceilings);
  Copy copy(stream);
  for (int run = 0; run < 7; ++run) ceilings.copyGBps = std::max(ceilings.copyGBps, copy.gbps());
  ceilings.dispatchMicroseconds = measureDispatch(stream);
  return ceilings;
}

std::vector<Measurement> measureKernels(const std::shared_ptr<gpu::Device>& device, Ceilings& ceilings, std::span<const std::string> names,
                                        const std::function<void(std::string_view)>& progress) {
  std::vector<Measurement> results;
  gpu::Stream ceilingStream(device);
  std::unique_ptr<MulAdd> mulAdd;
  std::unique_ptr<Copy> copy;
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
      // Repeat short calls inside one submission, and spend about a second, at least 7 rounds.
      const int repeats = static_cast<int>(std::clamp(0.002 / std::max(once, 1e-6), 1.0, 64.0));
      const int rounds = static_cast<int>(std::clamp(1.0 / (once * repeats + 0.015), 7.0, 40.0));
      const double dispatchSeconds = ceilings.dispatchMicroseconds / 1e6;
      if (bench.computeBound && !mulAdd) mulAdd = std::make_unique<MulAdd>(ceilingStream, ceilings.chains);
      if (!bench.computeBound && !copy) copy = std::make_unique<Copy>(ceilingStream);

      Measurement result;
      result.id = kernel.id, result.shape = bench.shape, result.variant = bench.variant;
      double shortest = std::numeric_limits<double>::max(), bounding = shortest;
      std::vector<double> fractions;
      for (int round = 0; round < rounds; ++round) {
        double& ceiling = bench.computeBound ? ceilings.mulAddGflops : ceilings.copyGBps;
        const double now = bench.computeBound ? mulAdd->gflops() : copy->gbps();
        ceiling = std::max(ceiling, now);
        const double seconds = bestSeconds(stream, 1,
                                           [&] {
                                             for (int i = 0; i < repeats; ++i) call(stream);
                                           }) /
                               repeats;
        // The bound is the ceiling that would take longest: arithmetic or memory as the case says, unless the dispatch itself is longer.
        const double bound = (bench.computeBound ? bench.flops : bench.bytes) / (now * 1e9);
        fractions.push_back(std::max(bound, dispatchSeconds) / seconds);
        shortest = std::min(shortest, seconds), bounding = std::min(bounding, bound);
      }
      std::nth_element(fractions.begin(), fractions.begin() + rounds / 2, fractions.end());
      result.milliseconds = shortest * 1e3;
      result.fraction = fractions[static_cast<std::size_t>(rounds / 2)];
      result.bound = bounding < dispatchSeconds ? "dispatch" : bench.computeBound ? "multiply-add" : "copy";
      results.push_back(std::move(result));
    }
  }
  return results;
}

}  // namespace orrery::kernels
