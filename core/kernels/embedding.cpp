// The gradient of picking rows: sums of rows that share an index (segments.h).

#include "core/kernels/embedding.h"

#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/fill.h"
#include "core/kernels/gather.h"
#include "core/kernels/kernel.h"
#include "core/kernels/segments.h"

namespace orrery::kernels {

Tensor embedding(gpu::Stream& stream, const Tensor& weight, const Tensor& index) {
  if (weight.shape().rank() != 2 || weight.dtype() != DType::f32 || index.dtype() != DType::u32)
    throw std::invalid_argument("embedding: f32 [rows, D] and u32 indices are needed, found " + weight.shape().toString());
  return gather(stream, weight, index);
}

Tensor embeddingGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& index, std::int64_t rows, std::int64_t paddingIndex) {
  const Shape& g = gradient.shape();
  const std::int64_t D = g.rank() > 0 ? g[-1] : 0;
  if (g.rank() < 1 || index.dtype() != DType::u32 || gradient.dtype() != DType::f32 || index.count() * D != gradient.count() || rows < 0)
    throw std::invalid_argument("embeddingGradient: a gradient " + g.toString() + " does not fit indices " + index.shape().toString());
  const Segments segments = segmentsOf(stream, index, rows);
  SegmentSum sum;
  sum.keys = rows, sum.channels = D;
  sum.sourceEntry = D, sum.sourceChannel = 1;
  sum.resultKey = D, sum.resultChannel = 1;
  Tensor result = segmentSum(stream, segments, gradient, {}, Shape{rows, D}, sum);
  if (paddingIndex >= 0 && paddingIndex < rows && D > 0) {
    gpu::BufferView row = result.deviceForWriting(stream);
    row.offset += static_cast<std::uint64_t>(paddingIndex * D) * 4;
    row.bytes = static_cast<std::uint64_t>(D) * 4;
    stream.fill(row, 0);
  }
  return result;
}

Doubles embeddingReference(const Doubles& weight, const std::vector<std::uint32_t>& index) {
  const std::int64_t D = weight.shape[1];
  Doubles result(Shape{static_cast<std::int64_t>(index.size()), D});
  for (std::int64_t i = 0; i < result.shape.count(); ++i) result[i] = weight[index[static_cast<std::size_t>(i / D)] * D + i % D];
  return result;
}

Doubles embeddingGradientReference(const Doubles& gradient, const std::vector<std::uint32_t>& index, std::int64_t rows,
                                   std::int64_t paddingIndex) {
  const std::int64_t D = gradient.shape[-1];
  Doubles result(Shape{rows, D});
  for (std::int64_t i = 0; i < gradient.shape.count(); ++i) {
    const std::int64_t row = index[static_cast<std::size_t>(i / D)];
    if (row < rows && row != paddingIndex) result[row * D + i % D] += gradient[i];
  }
  return result;
}

namespace {

std::vector<std::uint32_t> indices(std::int64_t count, std::uint32_t below, std::uint32_t seed) {
  auto words = testWords(count, seed);
  for (auto& w : words) w %= below;
  return words;
}

std::vector<CheckCase> checks(gpu::Device&) {
  struct Case {
    std::int64_t places, D, rows, below, padding;
  };
  std::vector<CheckCase> cases;
  // Rows that nothing picks, indices behind the table, one row that all pick (more than one window on CPU devices), rows of one element.
  for (const Case& c :
       {Case{1000, 5, 37, 40, -1}, {65, 33, 9, 9, 3}, {1, 1, 1, 1, -1}, {0, 4, 3, 3, -1}, {70001, 2, 4, 1, -1}, {300, 64, 256, 256, 0}}) {
    // Sums of up to 70,001 values in [0, 1): blocks of 64 keep the error at a few hundred roundings of 6e-8, which add like a random walk.
    cases.push_back({"[" + std::to_string(c.places) + "] into " + Shape{c.rows, c.D}.toString(), 3e-6, [c](gpu::Stream& stream) {
                       const auto index = indices(c.places, static_cast<std::uint32_t>(c.below), 291);
                       const Shape shape{c.places, c.D};
                       const Tensor g = Tensor::from(shape, testFloats(shape.count(), 292, 0, 1));
                       return compare(embeddingGradient(stream, g, Tensor::from(Shape{c.places}, index), c.rows, c.padding),
                                      embeddingGradientReference(Doubles(g), index, c.rows, c.padding).values);
                     }});
  }
  cases.push_back(
      {"forward [65, 7] by [3, 4]", 0, [](gpu::Stream& stream) {
         const auto index = indices(12, 65, 293);
         const Tensor weight = Tensor::from(Shape{65, 7}, testFloats(455, 294, -1, 1));
         return compare(embedding(stream, weight, Tensor::from(Shape{3, 4}, index)), embeddingReference(Doubles(weight), index).values);
       }});
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t places : {1024, 8192, 32768}) {
    cases.push_back(
        {std::to_string(places) + " of 64 into 256 rows", "", 0, 4.0 * 64 * static_cast<double>(places), false, [places](gpu::Stream&) {
           const Tensor index = Tensor::from(Shape{places}, indices(places, 256, 295)),
                        g = Tensor::from(Shape{places, 64}, testFloats(places * 64, 296, -1, 1));
           return [=](gpu::Stream& s) { embeddingGradient(s, g, index, 256); };
         }});
  }
  return cases;
}

const Registration<Kernel> registration{{"embedding", "Gradient to the rows of a table that were picked by index", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
