// Rows of a table by index: result[i, :] = table[index[i], :].
// Convention: an index outside the table does not clamp or wrap; it gives NaN (f32) or zeros (integers), so that the fault shows.

#include "core/kernels/gather.h"

#include <array>
#include <limits>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

Tensor gather(gpu::Stream& stream, const Tensor& table, const Tensor& index) {
  assert(sizeOf(table.dtype()) == 4 && index.dtype() == DType::u32 && table.shape().rank() >= 1);
  std::vector<std::int64_t> extents = index.shape().extents();
  std::int64_t width = 1;
  for (int axis = 1; axis < table.shape().rank(); ++axis) {
    extents.push_back(table.shape()[axis]);
    width *= table.shape()[axis];
  }
  Tensor result(Shape(std::move(extents)), table.dtype());
  if (result.empty()) return result;
  const struct {
    std::uint32_t rows, width, tableRows, missing;
  } push{static_cast<std::uint32_t>(index.count()), static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(table.shape()[0]),
         table.dtype() == DType::f32 ? 0x7FC00000u : 0u};
  stream.dispatch("kernels/gather",
                  {{table.device(stream), gpu::Access::read},
                   {index.device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  push, stridedGroups(result.count(), 512));
  return result;
}

namespace {

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const auto& [rows, width, picks] : {std::array<std::int64_t, 3>{37, 5, 1001}, {1, 1, 1}, {65, 33, 70}}) {
    const std::int64_t r = rows, w = width, n = picks;
    const std::string name = Shape{r, w}.toString() + " by [" + std::to_string(n) + "]";
    // A gather copies bits. Indices run a little past the table.
    cases.push_back({name, 0, [=](gpu::Stream& stream) {
                       const auto table = testFloats(r * w, 41, -1, 1);
                       auto index = testWords(n, 42);
                       std::vector<double> expected;
                       for (auto& i : index) {
                         i %= static_cast<std::uint32_t>(r + 2);
                         for (std::int64_t c = 0; c < w; ++c) {
                           expected.push_back(i < r ? static_cast<double>(table[static_cast<std::size_t>(i * w + c)])
                                                    : std::numeric_limits<double>::quiet_NaN());
                         }
                       }
                       return compare(gather(stream, Tensor::from(Shape{r, w}, table), Tensor::from(Shape{n}, index)), expected);
                     }});
    cases.push_back({name + " u32", 0, [=](gpu::Stream& stream) {
                       const auto table = testWords(r * w, 43);
                       auto index = testWords(n, 44);
                       std::vector<std::uint32_t> expected;
                       for (auto& i : index) {
                         i %= static_cast<std::uint32_t>(r + 1);
                         for (std::int64_t c = 0; c < w; ++c) expected.push_back(i < r ? table[static_cast<std::size_t>(i * w + c)] : 0u);
                       }
                       return compareExactly(gather(stream, Tensor::from(Shape{r, w}, table), Tensor::from(Shape{n}, index)), expected);
                     }});
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t count : {std::int64_t{1} << 10, std::int64_t{1} << 13, std::int64_t{1} << 16}) {
    cases.push_back(
        {std::to_string(count) + " rows of 64", "", 0, 8.0 * 64 * static_cast<double>(count), false, [count](gpu::Stream& stream) {
           auto words = testWords(count, 1);
           for (auto& i : words) i %= 4096;
           const Tensor table = Tensor::from(Shape{4096, 64}, testFloats(4096 * 64, 2, -1, 1)), index = Tensor::from(Shape{count}, words);
           table.device(stream);
           index.device(stream);
           return [table, index](gpu::Stream& s) { gather(s, table, index); };
         }});
  }
  return cases;
}

const Registration<Kernel> registration{{"gather", "Rows of a table by index", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
