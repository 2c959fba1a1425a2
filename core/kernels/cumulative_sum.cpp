// Running sums along any axis: the axis goes last (permute.h) and the rows through scan.h.

#include "core/kernels/cumulative_sum.h"

#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "core/kernels/permute.h"
#include "core/kernels/rows.h"
#include "core/kernels/scan.h"

namespace orrery::kernels {

Tensor cumulativeSum(gpu::Stream& stream, const Tensor& x, int axis, bool reverse) {
  const int wrapped = wrappedAxis(x.shape(), axis);
  if (wrapped < 0 || x.dtype() != DType::f32)
    throw std::invalid_argument("cumulativeSum: f32 " + x.shape().toString() + " has no axis " + std::to_string(axis));
  const AxisSplit split = splitAt(x.shape(), wrapped);
  Tensor rows = x.reshaped(Shape{split.outer, split.n, split.inner});
  if (reverse) rows = flip(stream, rows, 1);
  if (split.inner > 1) rows = permute(stream, rows, {0, 2, 1});
  rows = scan(stream, rows.reshaped(Shape{split.outer * split.inner, split.n}), ScanKind::inclusive);
  if (split.inner > 1) rows = permute(stream, rows.reshaped(Shape{split.outer, split.inner, split.n}), {0, 2, 1});
  rows = rows.reshaped(Shape{split.outer, split.n, split.inner});
  return (reverse ? flip(stream, rows, 1) : rows).reshaped(x.shape());
}

Tensor cumulativeSumGradient(gpu::Stream& stream, const Tensor& gradient, int axis, bool reverse) {
  return cumulativeSum(stream, gradient, axis, !reverse);
}

Doubles cumulativeSumReference(const Doubles& x, int axis, bool reverse) {
  const AxisSplit split = splitAt(x.shape, wrappedAxis(x.shape, axis));
  Doubles result(x.shape);
  for (std::int64_t o = 0; o < split.outer; ++o) {
    for (std::int64_t c = 0; c < split.inner; ++c) {
      double running = 0;
      for (std::int64_t j = 0; j < split.n; ++j) {
        const std::int64_t at = (o * split.n + (reverse ? split.n - 1 - j : j)) * split.inner + c;
        result[at] = running += x[at];
      }
    }
  }
  return result;
}

namespace {

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const auto& [shape, axis] : {std::pair<Shape, int>{Shape{3, 65}, -1},
                                    {Shape{3, 65, 7}, 1},
                                    {Shape{33, 4}, 0},
                                    {Shape{1}, 0},
                                    {Shape{0, 4}, 1},
                                    {Shape{2, 3000}, 1}}) {
    for (const bool reverse : {false, true}) {
      const Shape s = shape;
      const int a = axis;
      // A chain of n additions of values in [-1, 1] loses about sqrt(n) roundings of 6e-8 of sums near sqrt(n): 2e-6 of the scale at n =
      // 3000.
      cases.push_back(
          {std::string(reverse ? "reverse " : "") + "axis " + std::to_string(a) + " of " + s.toString(), 5e-6, [=](gpu::Stream& stream) {
             const Tensor x = Tensor::from(s, testFloats(s.count(), 331, -1, 1));
             return compare(cumulativeSum(stream, x, a, reverse), cumulativeSumReference(Doubles(x), a, reverse).values);
           }});
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t n : {64, 256, 1024}) {
    cases.push_back({"reverse " + Shape{n, n}.toString(), "", 0, 8.0 * static_cast<double>(n * n), false, [n](gpu::Stream&) {
                       const Tensor x = Tensor::from(Shape{n, n}, testFloats(n * n, 332, -1, 1));
                       return [x](gpu::Stream& s) { cumulativeSum(s, x, -1, true); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"cumulative_sum", "Running sums along any axis, forwards or backwards", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
