// Inverted dropout (Srivastava et al. 2014, section 4). Which elements vanish depends on the key and their index only: see dropout.h.

#include "core/kernels/dropout.h"

#include <cmath>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

namespace {

// p as a multiple of 2^-16, in half words.
std::uint32_t thresholdOf(double p) {
  if (!(p >= 0 && p < 1)) throw std::invalid_argument("dropout: a probability in [0, 1) is needed, found " + std::to_string(p));
  return std::min(static_cast<std::uint32_t>(std::lround(p * 65536)), 65535u);
}

double scaleOf(std::uint32_t threshold) { return 65536.0 / (65536.0 - static_cast<double>(threshold)); }

}  // namespace

Tensor dropout(gpu::Stream& stream, const Tensor& x, double p, const RandomKey& key) {
  assert(x.dtype() == DType::f32 && key.first % 8 == 0);
  const std::uint32_t threshold = thresholdOf(p);
  if (x.empty() || threshold == 0) return x;
  Tensor result(x.shape());
  const std::uint64_t block = key.first / 8;
  const struct {
    std::uint32_t count, seedLow, seedHigh, streamId, firstBlockLow, firstBlockHigh, threshold;
    float scale;
  } push{static_cast<std::uint32_t>(x.count()),
         static_cast<std::uint32_t>(key.seed),
         static_cast<std::uint32_t>(key.seed >> 32),
         key.stream,
         static_cast<std::uint32_t>(block),
         static_cast<std::uint32_t>(block >> 32),
         threshold,
         static_cast<float>(scaleOf(threshold))};
  stream.dispatch("kernels/dropout", {{x.device(stream), gpu::Access::read}, {result.deviceForWriting(stream), gpu::Access::write}}, push,
                  stridedGroups(x.count(), 512));
  return result;
}

Doubles dropoutReference(const Doubles& x, double p, const RandomKey& key) {
  const std::uint32_t threshold = thresholdOf(p);
  Doubles result(x.shape);
  for (std::int64_t i = 0; i < x.shape.count(); ++i) {
    const std::uint64_t at = key.first + static_cast<std::uint64_t>(i), block = at / 8, half = at % 8;
    const PhiloxBlock words =
        philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), key.stream, 0}, philoxKey(key.seed));
    const std::uint32_t word = words[half / 2] >> (half % 2 * 16) & 0xffffu;
    if (word >= threshold) result[i] = x[i] * scaleOf(threshold);
  }
  return result;
}

namespace {

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  // Counts that are not whole blocks or texels; a key near the end of the low counter word; more elements than one walk of all groups.
  const struct {
    std::int64_t count;
    double p;
    RandomKey key;
  } list[] = {{1029, 0.1, {7, 3, 0}},
              {7, 0.5, {1, 0, 4096}},
              {300, 0, {1, 0, 0}},
              {4098, 0.25, {2, 9, (std::uint64_t{1} << 35) - 80}},
              {2100003, 0.9, {5, 1, 0}}};
  for (const auto& c : list) {
    // One rounding of the scale and one of the product.
    cases.push_back({"p = " + std::to_string(c.p).substr(0, 4) + " of [" + std::to_string(c.count) + "]", 3e-7, [c](gpu::Stream& stream) {
                       const Tensor x = Tensor::from(Shape{c.count}, testFloats(c.count, 301, -1, 1));
                       return compare(dropout(stream, x, c.p, c.key), dropoutReference(Doubles(x), c.p, c.key).values);
                     }});
  }
  // Of 2^18 ones a share p vanishes, and the mean stays 1: its standard error is sqrt(p / (1 - p) / n); the bound is four of them.
  cases.push_back({"the mean of 262144 ones stays", 4, [](gpu::Stream& stream) {
                     constexpr double n = 1 << 18, p = 0.2;
                     const Tensor y = dropout(stream, Tensor::from(Shape{1 << 18}, std::vector<float>(1 << 18, 1.0f)), p, {11, 2, 0});
                     double sum = 0;
                     for (const float v : y.as<float>()) sum += static_cast<double>(v);
                     return Difference{std::abs(sum / n - 1) / std::sqrt(p / (1 - p) / n), 0, sum / n, 1};
                   }});
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t count : {std::int64_t{1} << 14, std::int64_t{1} << 18, std::int64_t{1} << 22}) {
    // About 10 rounds x 14 integer operations per eight numbers, and four per number.
    cases.push_back(
        {std::to_string(count), "", 22.0 * static_cast<double>(count), 8.0 * static_cast<double>(count), true, [count](gpu::Stream&) {
           const Tensor x = Tensor::from(Shape{count}, testFloats(count, 302, -1, 1));
           return [x](gpu::Stream& s) { dropout(s, x, 0.1, {1, 0, 0}); };
         }});
  }
  return cases;
}

const Registration<Kernel> registration{{"dropout", "Hide elements at random and keep the mean", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
