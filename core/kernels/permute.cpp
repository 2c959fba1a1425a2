// Axes in another order, pixel shuffle, flip: copies, equal to the bit.

#include "core/kernels/permute.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "core/kernels/rows.h"

namespace orrery::kernels {

Tensor permute(gpu::Stream& stream, const Tensor& x, const std::vector<int>& axes) {
  const int rank = x.shape().rank();
  std::vector<int> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  bool fits = static_cast<int>(axes.size()) == rank && sizeOf(x.dtype()) == 4;
  for (int i = 0; fits && i < rank; ++i) fits = sorted[static_cast<std::size_t>(i)] == i;
  if (!fits) throw std::invalid_argument("permute: the axes are no permutation of those of " + x.shape().toString());

  std::vector<std::int64_t> extents, strides(static_cast<std::size_t>(rank));
  std::int64_t stride = 1;
  for (int axis = rank - 1; axis >= 0; --axis) strides[static_cast<std::size_t>(axis)] = stride, stride *= x.shape()[axis];
  struct {
    std::uint32_t count;
    std::array<std::uint32_t, 6> extent, stride;
  } push{static_cast<std::uint32_t>(x.count()), {1}, {1}};
  for (const int axis : axes) extents.push_back(x.shape()[axis]);
  Tensor result(Shape(std::move(extents)), x.dtype());
  if (result.empty()) return result;
  // From the fastest axis on, join those that are neighbours in x as well.
  std::uint32_t joined = 0;
  for (int i = rank - 1; i >= 0; --i) {
    const auto extent = static_cast<std::uint32_t>(result.shape()[i]);
    const auto step = static_cast<std::uint32_t>(strides[static_cast<std::size_t>(axes[static_cast<std::size_t>(i)])]);
    if (extent == 1) continue;
    if (joined > 0 && step == push.stride[joined - 1] * push.extent[joined - 1]) {
      push.extent[joined - 1] *= extent;
      continue;
    }
    if (joined == 6) throw std::length_error("permute: more than 6 axes that cannot be joined");
    push.extent[joined] = extent, push.stride[joined] = step;
    ++joined;
  }
  // Whole texels along the axis that is fastest in x: copied as they are where it stays, turned around in blocks where another one is.
  std::uint32_t mode = 0, fastest = 0;
  while (fastest < joined && push.stride[fastest] != 1) ++fastest;
  bool whole = fastest < joined && push.extent[0] % 4 == 0 && push.extent[fastest] % 4 == 0;
  for (std::uint32_t i = 0; i < joined; ++i) whole = whole && (i == fastest || push.stride[i] % 4 == 0);
  if (whole) {
    mode = fastest == 0 ? 1 : 2;
    push.extent[0] /= 4;
    if (mode == 2) push.extent[fastest] /= 4;
    for (std::uint32_t i = 0; i < joined; ++i) push.stride[i] = i == fastest ? 1 : push.stride[i] / 4;
    push.count /= mode == 1 ? 4 : 16;
  }
  const gpu::Groups groups = stridedGroups(push.count, mode == 2 ? 64 : 256);  // a block is more work than a copy
  requireIterations(stream.device(), "permute", std::int64_t{push.count} / (std::int64_t{groups.x} * 64) + 1);
  stream.dispatch("kernels/permute", {{x.device(stream), gpu::Access::read}, {result.deviceForWriting(stream), gpu::Access::write}}, push,
                  groups, {mode, std::max<std::uint32_t>(joined, 1), mode == 2 ? fastest : 0});
  return result;
}

std::vector<int> inversePermutation(const std::vector<int>& axes) {
  std::vector<int> result(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) result[static_cast<std::size_t>(axes[i])] = static_cast<int>(i);
  return result;
}

Tensor pixelShuffle(gpu::Stream& stream, const Tensor& x, std::int64_t r) {
  const Shape& s = x.shape();
  if (s.rank() != 4 || r < 1 || s[1] % (r * r) != 0)
    throw std::invalid_argument("pixelShuffle: " + s.toString() + " has no channels for a factor of " + std::to_string(r));
  const std::int64_t C = s[1] / (r * r);
  return permute(stream, x.reshaped(Shape{s[0], C, r, r, s[2], s[3]}), {0, 1, 4, 2, 5, 3}).reshaped(Shape{s[0], C, s[2] * r, s[3] * r});
}

Tensor pixelUnshuffle(gpu::Stream& stream, const Tensor& x, std::int64_t r) {
  const Shape& s = x.shape();
  if (s.rank() != 4 || r < 1 || s[2] % r != 0 || s[3] % r != 0)
    throw std::invalid_argument("pixelUnshuffle: " + s.toString() + " does not divide by " + std::to_string(r));
  const std::int64_t H = s[2] / r, W = s[3] / r;
  return permute(stream, x.reshaped(Shape{s[0], s[1], H, r, W, r}), {0, 1, 3, 5, 2, 4}).reshaped(Shape{s[0], s[1] * r * r, H, W});
}

Tensor flip(gpu::Stream& stream, const Tensor& x, int axis) {
  const int wrapped = wrappedAxis(x.shape(), axis);
  if (wrapped < 0 || sizeOf(x.dtype()) != 4)
    throw std::invalid_argument("flip: " + x.shape().toString() + " has no axis " + std::to_string(axis));
  const AxisSplit split = splitAt(x.shape(), wrapped);
  Tensor result(x.shape(), x.dtype());
  if (result.empty()) return result;
  const struct {
    std::uint32_t count, n, inner;
  } push{static_cast<std::uint32_t>(x.count()), static_cast<std::uint32_t>(split.n), static_cast<std::uint32_t>(split.inner)};
  stream.dispatch("kernels/flip", {{x.device(stream), gpu::Access::read}, {result.deviceForWriting(stream), gpu::Access::write}}, push,
                  stridedGroups(x.count(), 64));
  return result;
}

namespace {

Tensor random(const Shape& shape) { return Tensor::from(shape, testFloats(shape.count(), 281, -1, 1)); }

std::vector<CheckCase> checks(gpu::Device&) {
  const std::pair<Shape, std::vector<int>> list[] = {
      {Shape{3, 5}, {1, 0}}, {Shape{2, 65, 33}, {0, 2, 1}}, {Shape{2, 3, 4, 5}, {3, 1, 0, 2}},
      {Shape{1}, {0}},       {Shape{7, 9}, {0, 1}},       {Shape{3, 5, 2, 8}, {0, 2, 1, 3}},         {Shape{2, 3, 2, 3, 2, 3}, {5, 3, 1, 4, 2, 0}},
      {Shape{0, 4}, {1, 0}}, {Shape{8, 12}, {1, 0}},      {Shape{3, 64, 68}, {0, 2, 1}},    {Shape{2, 4, 3, 8}, {3, 1, 0, 2}},
      {Shape{2, 8, 3, 12}, {0, 3, 2, 1}},                  {Shape{4, 2, 3, 4}, {3, 2, 0, 1}},  {Shape{1, 1}, {1, 0}}};
  std::vector<CheckCase> cases;
  for (const auto& entry : list) {
    const Shape shape = entry.first;
    const std::vector<int> axes = entry.second;
    cases.push_back({"permute " + shape.toString(), 0, [=](gpu::Stream& stream) {
                       const Tensor x = random(shape), y = permute(stream, x, axes);
                       const auto values = x.as<float>();
                       std::vector<double> expected(values.size());
                       // Every index of x, to its place in y.
                       std::vector<std::int64_t> index(axes.size());
                       for (std::size_t i = 0; i < values.size(); ++i) {
                         auto rest = static_cast<std::int64_t>(i);
                         for (int axis = shape.rank() - 1; axis >= 0; --axis)
                           index[static_cast<std::size_t>(axis)] = rest % shape[axis], rest /= shape[axis];
                         std::int64_t at = 0;
                         for (const int axis : axes) at = at * shape[axis] + index[static_cast<std::size_t>(axis)];
                         expected[static_cast<std::size_t>(at)] = static_cast<double>(values[i]);
                       }
                       const Tensor back = permute(stream, y, inversePermutation(axes));
                       return worse(compare(y, expected), compareExactly(back, std::vector<float>(values.begin(), values.end())));
                     }});
  }
  for (const auto& [shape, r] : {std::pair<Shape, std::int64_t>{Shape{2, 12, 3, 5}, 2}, {Shape{1, 9, 4, 1}, 3}, {Shape{2, 3, 5, 4}, 1}}) {
    const Shape s = shape;
    const std::int64_t f = r;
    cases.push_back(
        {"pixel shuffle " + s.toString() + " by " + std::to_string(f), 0, [=](gpu::Stream& stream) {
           const Tensor x = random(s), y = pixelShuffle(stream, x, f);
           const auto values = x.as<float>();
           const std::int64_t C = s[1] / f / f, H = s[2], W = s[3];
           std::vector<double> expected;
           for (std::int64_t i = 0; i < x.count(); ++i) {
             const std::int64_t X = i % (W * f), Y = i / (W * f) % (H * f), c = i / (W * f * H * f) % C, n = i / (W * f * H * f * C);
             const std::int64_t channel = (c * f + Y % f) * f + X % f;
             expected.push_back(static_cast<double>(values[static_cast<std::size_t>(((n * s[1] + channel) * H + Y / f) * W + X / f)]));
           }
           return worse(compare(y, expected),
                        compareExactly(pixelUnshuffle(stream, y, f), std::vector<float>(values.begin(), values.end())));
         }});
  }
  for (const auto& [shape, axis] : {std::pair<Shape, int>{Shape{3, 65}, -1}, {Shape{5, 4, 3}, 1}, {Shape{1}, 0}}) {
    const Shape s = shape;
    const int a = axis;
    cases.push_back({"flip " + s.toString(), 0, [=](gpu::Stream& stream) {
                       const Tensor x = random(s);
                       const auto values = x.as<float>();
                       const AxisSplit split = splitAt(s, wrappedAxis(s, a));
                       std::vector<double> expected;
                       for (std::int64_t i = 0; i < x.count(); ++i) {
                         const std::int64_t c = i % split.inner, j = i / split.inner % split.n, o = i / split.inner / split.n;
                         expected.push_back(
                             static_cast<double>(values[static_cast<std::size_t>((o * split.n + split.n - 1 - j) * split.inner + c)]));
                       }
                       return compare(flip(stream, x, a), expected);
                     }});
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t n : {64, 256, 512}) {
    const Shape shape{4, n, 4, n};
    cases.push_back({shape.toString() + " axes 1 and 2", "", 0, 8.0 * static_cast<double>(shape.count()), false, [shape](gpu::Stream&) {
                       const Tensor x = random(shape);
                       return [x](gpu::Stream& s) { permute(s, x, {0, 2, 1, 3}); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"permute", "Axes in another order, pixel shuffle, flip", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
