// The largest k values of every row: a stable sort of the row (sort.h), its first k places and the values there.

#include "core/kernels/top_k.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/fill.h"
#include "core/kernels/kernel.h"
#include "core/kernels/sort.h"

namespace orrery::kernels {
namespace {

Shape withLast(const Shape& shape, std::int64_t last) {
  auto extents = shape.extents();
  extents.back() = last;
  return Shape(std::move(extents));
}

void run(gpu::Stream& stream, std::uint32_t mode, const Tensor& x, const Tensor& places, Tensor& values, Tensor& indices,
         std::int64_t count, std::int64_t n, std::int64_t k) {
  const struct {
    std::uint32_t count, n, k;
  } push{static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(k)};
  stream.dispatch("kernels/top_k",
                  {{x.device(stream), gpu::Access::read},
                   {places.device(stream), gpu::Access::read},
                   {values.deviceForWriting(stream), mode == 0 ? gpu::Access::write : gpu::Access::readWrite},
                   {indices.deviceForWriting(stream), gpu::Access::write}},
                  push, stridedGroups(count, 64), {mode});
}

}  // namespace

TopK topK(gpu::Stream& stream, const Tensor& x, std::int64_t k, bool largest) {
  if (x.shape().rank() < 1 || x.dtype() != DType::f32 || k < 0 || k > x.shape()[-1]) {
    throw std::invalid_argument("topK: " + std::to_string(k) + " values of every row of f32 " + x.shape().toString() + " do not exist");
  }
  const Shape shape = withLast(x.shape(), k);
  TopK result{Tensor(shape), Tensor(shape, DType::u32)};
  if (shape.count() == 0) return result;
  // The sort is ascending, so the largest have their sign turned. Adding 0 makes -0 a +0: the two are equal and must keep their order.
  const Sorted sorted = sort(stream, affine(stream, x, largest ? -1.0f : 1.0f, 0.0f));
  run(stream, 0, x, sorted.payload, result.values, result.indices, shape.count(), x.shape()[-1], k);
  return result;
}

Tensor topKGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& indices, std::int64_t n) {
  if (gradient.shape().rank() < 1 || !(gradient.shape() == indices.shape()) || indices.dtype() != DType::u32 ||
      gradient.dtype() != DType::f32 || n < gradient.shape()[-1]) {
    throw std::invalid_argument("topKGradient: gradient " + gradient.shape().toString() + " and indices " + indices.shape().toString() +
                                " do not fit rows of " + std::to_string(n));
  }
  Tensor result = fill(stream, withLast(gradient.shape(), n), 0.0f), unused(Shape{1}, DType::u32);
  if (!gradient.empty()) run(stream, 1, gradient, indices, result, unused, gradient.count(), n, gradient.shape()[-1]);
  return result;
}

TopKReference topKReference(const Doubles& x, std::int64_t k, bool largest) {
  const std::int64_t n = x.shape[-1], rows = n > 0 ? x.shape.count() / n : 0;
  TopKReference result{Doubles(withLast(x.shape, k)), {}};
  for (std::int64_t row = 0; row < rows; ++row) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
      const double va = x[row * n + a], vb = x[row * n + b];
      if (std::isnan(va) || std::isnan(vb)) return !std::isnan(va) && std::isnan(vb);
      return largest ? va > vb : va < vb;
    });
    for (std::int64_t j = 0; j < k; ++j) {
      result.values[row * k + j] = x[row * n + order[static_cast<std::size_t>(j)]];
      result.indices.push_back(static_cast<std::uint32_t>(order[static_cast<std::size_t>(j)]));
    }
  }
  return result;
}

Doubles topKGradientReference(const Doubles& gradient, const std::vector<std::uint32_t>& indices, std::int64_t n) {
  Doubles result(withLast(gradient.shape, n));
  const std::int64_t k = gradient.shape[-1];
  for (std::int64_t i = 0; i < gradient.shape.count(); ++i) result[i / k * n + indices[static_cast<std::size_t>(i)]] += gradient[i];
  return result;
}

namespace {

// Rounded to 1/32, so that equal values occur and the first must win.
Tensor coarse(const Shape& shape) {
  auto values = testFloats(shape.count(), 311, -2, 2);
  for (float& value : values) value = std::round(value * 32) / 32;
  return Tensor::from(shape, values);
}

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const auto& [shape, k] : {std::pair<Shape, std::int64_t>{Shape{3, 65}, 7},
                                 {Shape{2, 3, 33}, 33},
                                 {Shape{1}, 1},
                                 {Shape{5, 9}, 0},
                                 {Shape{0, 4}, 2},
                                 {Shape{2, 5000}, 100}}) {
    for (const bool largest : {true, false}) {
      const Shape s = shape;
      const std::int64_t count = k;
      // Values are copied: exact.
      cases.push_back({std::to_string(count) + (largest ? " largest of " : " smallest of ") + s.toString(), 0, [=](gpu::Stream& stream) {
                         const Tensor x = coarse(s);
                         const TopK found = topK(stream, x, count, largest);
                         const TopKReference expected = topKReference(Doubles(x), count, largest);
                         const Tensor g = Tensor::from(found.values.shape(), testFloats(found.values.count(), 312, -1, 1));
                         return worse(worse(compare(found.values, expected.values.values), compareExactly(found.indices, expected.indices)),
                                      compare(topKGradient(stream, g, found.indices, s[-1]),
                                              topKGradientReference(Doubles(g), expected.indices, s[-1]).values));
                       }});
    }
  }
  cases.push_back({"NaN, infinities and zeros", 0, [](gpu::Stream& stream) {
                     const float inf = HUGE_VALF;
                     const Tensor x = Tensor::from(Shape{1, 7}, {0.0f, std::nanf(""), -0.0f, inf, -inf, 0.0f, 1.0f});
                     const TopK found = topK(stream, x, 7);
                     return compareExactly(found.indices, topKReference(Doubles(x), 7).indices);
                   }});
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t n : {1024, 8192, 65536}) {
    cases.push_back({"100 of [4, " + std::to_string(n) + "]", "", 0, 16.0 * static_cast<double>(n), false, [n](gpu::Stream&) {
                       const Tensor x = Tensor::from(Shape{4, n}, testFloats(4 * n, 313, -1, 1));
                       return [x](gpu::Stream& s) { topK(s, x, 100); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"top_k", "The largest values of every row, their places and gradient", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
