// Parts of tensors along an axis. What lies along and behind the axis is contiguous, so all three are copies of blocks of rows:
// result[row, to + i] = x[row, i + shift] for i in 0 .. width - 1, zero where x ends.

#include "core/kernels/slice.h"

#include <stdexcept>
#include <string>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "core/kernels/rows.h"

namespace orrery::kernels {
namespace {

int axisOf(const char* name, const Tensor& x, int axis) {
  const int at = wrappedAxis(x.shape(), axis);
  if (at < 0 || sizeOf(x.dtype()) != 4) {
    throw std::invalid_argument(std::string(name) + ": " + std::string(nameOf(x.dtype())) + " " + x.shape().toString() +
                                (at < 0 ? " has no axis " + std::to_string(axis) : " has no 4-byte elements"));
  }
  return at;
}

Shape withExtent(const Shape& shape, int axis, std::int64_t extent) {
  auto extents = shape.extents();
  extents[static_cast<std::size_t>(axis)] = extent;
  return Shape(std::move(extents));
}

struct Block {
  std::int64_t rows = 0, width = 0;   // what is written
  std::int64_t from = 0, to = 0;      // elements of a row of x and of the result
  std::int64_t shift = 0, begin = 0;  // where reading and writing begin
};

void copyBlock(gpu::Stream& stream, const Tensor& x, Tensor& result, const Block& block) {
  const auto word = [](std::int64_t value) { return static_cast<std::uint32_t>(value); };
  const struct {
    std::uint32_t count, width, from, to;
    std::int32_t shift, begin;
  } push{word(block.rows * block.width),        word(block.width), word(block.from), word(block.to), static_cast<std::int32_t>(block.shift),
         static_cast<std::int32_t>(block.begin)};
  if (push.count == 0) return;
  const gpu::Groups groups = stridedGroups(push.count, 512);
  requireIterations(stream.device(), "slice", push.count / (std::int64_t{groups.x} * 64) + 1);
  stream.dispatch("kernels/slice", {{x.device(stream), gpu::Access::read}, {result.deviceForWriting(stream), gpu::Access::write}}, push,
                  groups);
}

}  // namespace

Tensor slice(gpu::Stream& stream, const Tensor& x, int axis, std::int64_t begin, std::int64_t end) {
  const int at = axisOf("slice", x, axis);
  if (begin < 0 || end < begin || end > x.shape()[at]) {
    throw std::invalid_argument("slice: " + x.shape().toString() + " has no elements " + std::to_string(begin) + " to " +
                                std::to_string(end) + " along axis " + std::to_string(axis));
  }
  const AxisSplit split = splitAt(x.shape(), at);
  Tensor result(withExtent(x.shape(), at, end - begin), x.dtype());
  const std::int64_t width = (end - begin) * split.inner;
  copyBlock(stream, x, result, {split.outer, width, split.n * split.inner, width, begin * split.inner, 0});
  return result;
}

Tensor padAxis(gpu::Stream& stream, const Tensor& x, int axis, std::int64_t begin, std::int64_t extent) {
  const int at = axisOf("padAxis", x, axis);
  if (begin < 0 || begin + x.shape()[at] > extent) {
    throw std::invalid_argument("padAxis: " + x.shape().toString() + " does not fit at " + std::to_string(begin) + " of " +
                                std::to_string(extent) + " along axis " + std::to_string(axis));
  }
  const AxisSplit split = splitAt(x.shape(), at);
  Tensor result(withExtent(x.shape(), at, extent), x.dtype());
  const std::int64_t width = extent * split.inner;
  copyBlock(stream, x, result, {split.outer, width, split.n * split.inner, width, -begin * split.inner, 0});
  return result;
}

Tensor concat(gpu::Stream& stream, std::span<const Tensor> parts, int axis) {
  if (parts.empty()) throw std::invalid_argument("concat: there is nothing to put side by side");
  const int at = axisOf("concat", parts[0], axis);
  std::int64_t extent = 0;
  for (const Tensor& part : parts) {
    if (part.dtype() != parts[0].dtype() || part.shape().rank() != parts[0].shape().rank() ||
        !(withExtent(part.shape(), at, 0) == withExtent(parts[0].shape(), at, 0))) {
      throw std::invalid_argument("concat: " + part.shape().toString() + " and " + parts[0].shape().toString() +
                                  " differ in more than axis " + std::to_string(axis));
    }
    extent += part.shape()[at];
  }
  Tensor result(withExtent(parts[0].shape(), at, extent), parts[0].dtype());
  std::int64_t begin = 0;
  for (const Tensor& part : parts) {
    const AxisSplit split = splitAt(part.shape(), at);
    const std::int64_t width = split.n * split.inner;
    copyBlock(stream, part, result, {split.outer, width, width, extent * split.inner, 0, begin});
    begin += width;
  }
  return result;
}

namespace {

// Element by element over an axis: f(outer, i, inner) for i in 0 .. n - 1.
template <class F>
std::vector<double> along(const AxisSplit& split, std::int64_t n, const F& f) {
  std::vector<double> values;
  for (std::int64_t outer = 0; outer < split.outer; ++outer)
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t inner = 0; inner < split.inner; ++inner) values.push_back(f(outer, i, inner));
  return values;
}

std::vector<CheckCase> checks(gpu::Device&) {
  struct Part {
    Shape shape;
    int axis;
    std::int64_t begin, end;
  };
  std::vector<CheckCase> cases;
  for (const Part& part :
       {Part{Shape{3, 65, 7}, 1, 0, 64}, Part{Shape{3, 65, 7}, 1, 63, 65}, Part{Shape{63}, 0, 5, 5}, Part{Shape{2, 1, 129}, -1, 1, 129},
        Part{Shape{129, 33}, 0, 127, 129}, Part{Shape{0, 4}, 1, 1, 3}, Part{Shape{5, 3, 2, 11}, 1, 1, 3}}) {
    const std::string name = part.shape.toString() + " axis " + std::to_string(part.axis) + ", " + std::to_string(part.begin) + " to " +
                             std::to_string(part.end);
    const auto at = [part](const std::vector<float>& x, const AxisSplit& split, std::int64_t outer, std::int64_t i, std::int64_t inner) {
      return static_cast<double>(x[static_cast<std::size_t>((outer * split.n + i) * split.inner + inner)]);
    };
    // Copies: bit-equal.
    cases.push_back({"slice " + name, 0, [=](gpu::Stream& stream) {
                       const auto x = testFloats(part.shape.count(), 351, -1, 1);
                       const AxisSplit split = splitAt(part.shape, wrappedAxis(part.shape, part.axis));
                       const auto expected =
                           along(split, part.end - part.begin, [&](std::int64_t outer, std::int64_t i, std::int64_t inner) {
                             return at(x, split, outer, part.begin + i, inner);
                           });
                       return compare(slice(stream, Tensor::from(part.shape, x), part.axis, part.begin, part.end), expected);
                     }});
    cases.push_back({"pad back " + name, 0, [=](gpu::Stream& stream) {
                       const int axis = wrappedAxis(part.shape, part.axis);
                       const Shape small = withExtent(part.shape, axis, part.end - part.begin);
                       const auto x = testFloats(small.count(), 352, -1, 1);
                       const AxisSplit split = splitAt(small, axis);
                       const auto expected = along(split, part.shape[axis], [&](std::int64_t outer, std::int64_t i, std::int64_t inner) {
                         return i < part.begin || i >= part.end ? 0.0 : at(x, split, outer, i - part.begin, inner);
                       });
                       return compare(padAxis(stream, Tensor::from(small, x), part.axis, part.begin, part.shape[axis]), expected);
                     }});
    cases.push_back({"concat of the parts of " + name, 0, [=](gpu::Stream& stream) {
                       const auto x = testFloats(part.shape.count(), 353, -1, 1);
                       const Tensor whole = Tensor::from(part.shape, x);
                       const std::vector<Tensor> parts{slice(stream, whole, part.axis, 0, part.begin),
                                                       slice(stream, whole, part.axis, part.begin, part.end),
                                                       slice(stream, whole, part.axis, part.end, part.shape[part.axis])};
                       return compare(concat(stream, parts, part.axis), std::vector<double>(x.begin(), x.end()));
                     }});
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t rows : {256, 4096, 16384}) {
    cases.push_back(
        {std::to_string(rows) + " rows, 96 of 288", "", 0, 2.0 * 4 * 96 * static_cast<double>(rows), false, [rows](gpu::Stream& stream) {
           const Tensor x = Tensor::from(Shape{rows, 288}, testFloats(rows * 288, 354, -1, 1));
           x.device(stream);
           return [x](gpu::Stream& s) { slice(s, x, 1, 96, 192); };
         }});
  }
  return cases;
}

const Registration<Kernel> registration{{"slice", "Parts of tensors along an axis: cut, padded back, put side by side", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
