// A tensor with one value everywhere, written by the device's own fill command (no shader).

#include "core/kernels/fill.h"

#include <bit>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

Tensor fill(gpu::Stream& stream, Shape shape, std::uint32_t value) {
  Tensor result(std::move(shape), DType::u32);
  if (result.empty()) return result;
  gpu::BufferView view = result.deviceForWriting(stream);
  view.bytes = result.bytes();
  stream.fill(view, value);
  return result;
}

Tensor fill(gpu::Stream& stream, Shape shape, float value) {
  Tensor result(std::move(shape), DType::f32);
  if (result.empty()) return result;
  gpu::BufferView view = result.deviceForWriting(stream);
  view.bytes = result.bytes();
  stream.fill(view, std::bit_cast<std::uint32_t>(value));
  return result;
}

namespace {

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const std::int64_t count : {std::int64_t{1}, std::int64_t{1021}}) {
    // A fill copies bits: nothing may differ.
    cases.push_back({"f32 [" + std::to_string(count) + "]", 0, [count](gpu::Stream& stream) {
                       const Tensor found = fill(stream, Shape{count}, -0.3f);
                       return compareExactly(found, std::vector<float>(static_cast<std::size_t>(count), -0.3f));
                     }});
    cases.push_back({"u32 [" + std::to_string(count) + "]", 0, [count](gpu::Stream& stream) {
                       const Tensor found = fill(stream, Shape{count}, 0xDEADBEEFu);
                       return compareExactly(found, std::vector<std::uint32_t>(static_cast<std::size_t>(count), 0xDEADBEEFu));
                     }});
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t count : {std::int64_t{1} << 16, std::int64_t{1} << 20, std::int64_t{1} << 24}) {
    cases.push_back({std::to_string(count), "", 0, 4.0 * static_cast<double>(count), false,
                     [count](gpu::Stream&) { return [count](gpu::Stream& stream) { fill(stream, Shape{count}, 1.0f); }; }});
  }
  return cases;
}

const Registration<Kernel> registration{{"fill", "One value everywhere", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
