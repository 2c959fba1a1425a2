// Random tensors from Philox4x32-10 (Salmon et al. 2011). Element i takes word i mod 4 of block i / 4; normals take the words of a block in
// two Box-Muller pairs. The result depends on (seed, stream, index) only: see philox.h.

#include "core/kernels/philox.h"

#include <span>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

namespace {

Tensor draw(gpu::Stream& stream, Shape shape, DType type, std::uint32_t kind, const RandomKey& key, float scale, float shift) {
  assert(key.first % 4 == 0);
  Tensor result(std::move(shape), type);
  if (result.empty()) return result;
  const std::uint64_t block = key.first / 4;
  const struct {
    std::uint32_t count, seedLow, seedHigh, streamId, firstBlockLow, firstBlockHigh;
    float scale, shift;
  } push{static_cast<std::uint32_t>(result.count()),
         static_cast<std::uint32_t>(key.seed),
         static_cast<std::uint32_t>(key.seed >> 32),
         key.stream,
         static_cast<std::uint32_t>(block),
         static_cast<std::uint32_t>(block >> 32),
         scale,
         shift};
  stream.dispatch("kernels/philox", {{result.deviceForWriting(stream), gpu::Access::write}}, push, stridedGroups(result.count(), 512),
                  {kind});
  return result;
}

PhiloxBlock blockAt(const RandomKey& key, std::uint64_t index) {
  const std::uint64_t block = (key.first + index) / 4;
  return philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), key.stream, 0}, philoxKey(key.seed));
}

}  // namespace

Tensor uniform(gpu::Stream& stream, Shape shape, RandomKey key, float low, float high) {
  return draw(stream, std::move(shape), DType::f32, 0, key, high - low, low);
}

Tensor normal(gpu::Stream& stream, Shape shape, RandomKey key, float mean, float deviation) {
  return draw(stream, std::move(shape), DType::f32, 1, key, deviation, mean);
}

Tensor randomWords(gpu::Stream& stream, Shape shape, RandomKey key) { return draw(stream, std::move(shape), DType::u32, 2, key, 1, 0); }

namespace {

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  // The last key starts near the end of the low counter word, so that the carry into the high word is met.
  const RandomKey keys[] = {{20261120, 0, 0}, {0x123456789ABCDEFull, 7, 4096}, {1, 3, (std::uint64_t{1} << 34) - 40}};
  for (const RandomKey& key : keys) {
    const std::string name = " stream " + std::to_string(key.stream) + " [1027]";
    cases.push_back({"words" + name, 0, [key](gpu::Stream& stream) {  // the words themselves: equal to the bit
                       std::vector<std::uint32_t> expected;
                       for (std::uint64_t i = 0; i < 1027; ++i) expected.push_back(blockAt(key, i)[i % 4]);
                       return compareExactly(randomWords(stream, Shape{1027}, key), expected);
                     }});
    // One rounding each in scale * u + low.
    cases.push_back({"uniform" + name, 3e-7, [key](gpu::Stream& stream) {
                       std::vector<double> expected;
                       for (std::uint64_t i = 0; i < 1027; ++i)
                         expected.push_back(-1 + 3 * static_cast<double>(philoxUniform(blockAt(key, i)[i % 4])));
                       return compare(uniform(stream, Shape{1027}, key, -1, 2), expected);
                     }});
    // f32 log, root, sine and cosine against doubles: sin and cos of up to 2 pi err by up to 2e-6 on common drivers, times a radius of at
    // most 5.9, relative to the largest value (about 3.5).
    cases.push_back({"normal" + name, 1e-5, [key](gpu::Stream& stream) {
                       std::vector<double> expected;
                       for (std::uint64_t i = 0; i < 1027; ++i) {
                         const PhiloxBlock b = blockAt(key, i);
                         const auto pair = i % 4 < 2 ? philoxNormals(b[0], b[1]) : philoxNormals(b[2], b[3]);
                         expected.push_back(pair[i % 2]);
                       }
                       return compare(normal(stream, Shape{1027}, key), expected);
                     }});
  }
  // Moments of 2^18 normals: the mean has a standard error of 0.00195, the variance of 0.00276; the bound is four of them each.
  cases.push_back({"mean and variance of 262144 normals", 4, [](gpu::Stream& stream) {
                     const Tensor z = normal(stream, Shape{1 << 18}, {99, 1, 0});
                     double sum = 0, squares = 0;
                     for (const float v : z.as<float>()) {
                       sum += static_cast<double>(v);
                       squares += static_cast<double>(v) * static_cast<double>(v);
                     }
                     const double n = 1 << 18, mean = sum / n, variance = squares / n - mean * mean;
                     const double errors = std::max(std::abs(mean) / 0.001953125, std::abs(variance - 1) / 0.0027621);
                     return Difference{errors, 0, variance, 1};
                   }});
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t count : {std::int64_t{1} << 14, std::int64_t{1} << 18, std::int64_t{1} << 22}) {
    // About 10 rounds x 14 integer operations per four numbers, and 30 per number for Box-Muller.
    cases.push_back({std::to_string(count) + " normals", "", 65.0 * static_cast<double>(count), 4.0 * static_cast<double>(count), true,
                     [count](gpu::Stream&) { return [count](gpu::Stream& s) {
                                               normal(s, Shape{count}, {1, 0, 0});
                                             }; }});
  }
  return cases;
}

const Registration<Kernel> registration{{"philox", "Uniform and normal random numbers by counter", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
