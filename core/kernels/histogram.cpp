// Counts of values in equal half-open bins, in one and two dimensions, by integer atomics: the counts do not depend on the order of
// execution. Convention: bin = floor((value - low) * (count / (high - low))), evaluated in f32; what falls outside is left out.

#include "core/kernels/histogram.h"

#include <array>
#include <limits>

#include "core/kernels/check_support.h"
#include "core/kernels/fill.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

namespace {

struct HistogramPush {
  std::uint32_t count, columns, rows;
  float lowX, perUnitX, lowY, perUnitY;
};

float perUnit(const Bins& bins) { return static_cast<float>(bins.count) / (bins.high - bins.low); }

}  // namespace

Tensor histogram(gpu::Stream& stream, const Tensor& values, Bins bins) {
  assert(values.dtype() == DType::f32 && bins.low < bins.high && bins.count > 0);
  Tensor counts = fill(stream, Shape{bins.count}, std::uint32_t{0});
  if (values.empty()) return counts;
  const HistogramPush push{
      static_cast<std::uint32_t>(values.count()), static_cast<std::uint32_t>(bins.count), 1, bins.low, perUnit(bins), 0, 1};
  stream.dispatch("kernels/histogram",
                  {{values.device(stream), gpu::Access::read}, {counts.deviceForWriting(stream), gpu::Access::readWrite}}, push,
                  stridedGroups(values.count(), 512), {1});
  return counts;
}

Tensor histogram2d(gpu::Stream& stream, const Tensor& points, Bins x, Bins y) {
  assert(points.dtype() == DType::f32 && points.shape().rank() == 2 && points.shape()[1] == 2);
  assert(x.low < x.high && y.low < y.high && x.count > 0 && y.count > 0);
  Tensor counts = fill(stream, Shape{y.count, x.count}, std::uint32_t{0});
  if (points.empty()) return counts;
  const HistogramPush push{static_cast<std::uint32_t>(points.shape()[0]),
                           static_cast<std::uint32_t>(x.count),
                           static_cast<std::uint32_t>(y.count),
                           x.low,
                           perUnit(x),
                           y.low,
                           perUnit(y)};
  stream.dispatch("kernels/histogram",
                  {{points.device(stream), gpu::Access::read}, {counts.deviceForWriting(stream), gpu::Access::readWrite}}, push,
                  stridedGroups(points.shape()[0], 512), {2});
  return counts;
}

namespace {

// The same f32 arithmetic as the shader: one subtraction and one product, each rounded; bins therefore agree to the last value.
bool place(float value, const Bins& bins, std::size_t& bin) {
  const float at = (value - bins.low) * perUnit(bins);
  if (!(at >= 0.0f && at < static_cast<float>(bins.count))) return false;
  bin = static_cast<std::size_t>(at);
  return true;
}

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const auto& [count, bins] : {std::array<std::int64_t, 2>{10007, 37}, {1, 1}, {5003, 4096}}) {
    const std::int64_t n = count, b = bins;
    // A value on a bin's edge may fall to either side where a driver fuses or reorders the two operations: two counts then differ by one.
    // The check therefore allows 4 misplaced values in total, and no lost one.
    cases.push_back({std::to_string(n) + " values in " + std::to_string(b) + " bins", 4, [=](gpu::Stream& stream) {
                       auto values = testFloats(n, 51, -1.2, 1.2);
                       if (n > 4)
                         values[1] = std::numeric_limits<float>::quiet_NaN(), values[2] = std::numeric_limits<float>::infinity(),
                         values[3] = -1, values[4] = 1;
                       const Bins spec{-1, 1, b};
                       std::vector<std::int64_t> expected(static_cast<std::size_t>(b), 0);
                       std::size_t bin = 0;
                       for (const float v : values) {
                         if (place(v, spec, bin)) ++expected[bin];
                       }
                       const Tensor found = histogram(stream, Tensor::from(Shape{n}, values), spec);
                       std::int64_t moved = 0, balance = 0;
                       for (std::size_t i = 0; i < expected.size(); ++i) {
                         const auto difference = static_cast<std::int64_t>(found.as<std::uint32_t>()[i]) - expected[i];
                         moved += std::abs(difference);
                         balance += difference;
                       }
                       return Difference{balance == 0 ? static_cast<double>(moved) : 1e9, 0, static_cast<double>(moved), 0};
                     }});
    cases.push_back({std::to_string(n) + " points in 33 x " + std::to_string(b) + " bins", 4, [=](gpu::Stream& stream) {
                       auto values = testFloats(2 * n, 52, -1.2, 1.2);
                       const Bins x{-1, 1, b}, y{-0.5f, 1.1f, 33};
                       std::vector<std::int64_t> expected(static_cast<std::size_t>(33 * b), 0);
                       std::size_t column = 0, row = 0;
                       for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
                         if (place(values[2 * i], x, column) && place(values[2 * i + 1], y, row))
                           ++expected[row * static_cast<std::size_t>(b) + column];
                       }
                       const Tensor found = histogram2d(stream, Tensor::from(Shape{n, 2}, values), x, y);
                       std::int64_t moved = 0, balance = 0;
                       for (std::size_t i = 0; i < expected.size(); ++i) {
                         const auto difference = static_cast<std::int64_t>(found.as<std::uint32_t>()[i]) - expected[i];
                         moved += std::abs(difference);
                         balance += difference;
                       }
                       return Difference{std::abs(balance) <= 2 ? static_cast<double>(moved) : 1e9, 0, static_cast<double>(moved), 0};
                     }});
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t count : {std::int64_t{1} << 14, std::int64_t{1} << 17, std::int64_t{1} << 20}) {
    cases.push_back(
        {std::to_string(count) + " points in 256 x 256", "", 0, 16.0 * static_cast<double>(count), false, [count](gpu::Stream& stream) {
           const Tensor points = Tensor::from(Shape{count, 2}, testFloats(2 * count, 1, -1, 1));
           points.device(stream);
           return [points](gpu::Stream& s) { histogram2d(s, points, {-1, 1, 256}, {-1, 1, 256}); };
         }});
  }
  return cases;
}

const Registration<Kernel> registration{{"histogram", "Counts in one- and two-dimensional bins", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
