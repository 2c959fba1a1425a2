// Where elements go, with gradients: running sums, parts along an axis, rows by index.

#include "core/kernels/cumulative_sum.h"
#include "core/kernels/fill.h"
#include "core/kernels/slice.h"
#include "core/nn/gradient_case.h"
#include "core/nn/operations.h"

namespace orrery::nn {
namespace {

using Gradients = std::vector<Tensor>;
using Tangents = std::span<const Tensor>;

}  // namespace

Variable cumsum(const Variable& x, int axis) {
  Tape& tape = x.tape();
  return tape.record(
      kernels::cumulativeSum(tape.stream(), x.value(), axis), {x},
      [axis](gpu::Stream& s, const Tensor& g) { return Gradients{kernels::cumulativeSumGradient(s, g, axis)}; },
      [axis](gpu::Stream& s, Tangents t) { return kernels::cumulativeSum(s, t[0], axis); });
}

Variable concat(const std::vector<Variable>& parts, int axis) {
  Tape& tape = parts.at(0).tape();
  std::vector<Tensor> values;
  for (const Variable& part : parts) values.push_back(part.value());
  return tape.record(
      kernels::concat(tape.stream(), values, axis), parts,
      [parts, axis](gpu::Stream& s, const Tensor& g) {
        Gradients result;
        std::int64_t begin = 0;
        for (const Variable& part : parts) {
          const std::int64_t end = begin + part.shape()[axis];
          result.push_back(part.needsGradient() ? kernels::slice(s, g, axis, begin, end) : Tensor());
          begin = end;
        }
        return result;
      },
      [parts, axis](gpu::Stream& s, Tangents t) {
        std::vector<Tensor> tangents;
        for (std::size_t i = 0; i < parts.size(); ++i) tangents.push_back(t[i].empty() ? kernels::fill(s, parts[i].shape(), 0.0f) : t[i]);
        return kernels::concat(s, tangents, axis);
      });
}

Variable slice(const Variable& x, int axis, std::int64_t begin, std::int64_t end) {
  Tape& tape = x.tape();
  // Rows of the first axis are read where they lie, if a device can bind them there: layers whose weights are parts of one tensor take them
  // at every step.
  const auto isBindable = [&] {
    const auto rowBytes = static_cast<std::int64_t>(x.value().bytes()) / x.shape()[0];
    return rowBytes * begin % 256 == 0;
  };
  const bool isPart = axis == 0 && begin >= 0 && begin < end && end <= x.shape()[0];
  return tape.record(
      isPart && isBindable() ? x.value().rows(begin, end) : kernels::slice(tape.stream(), x.value(), axis, begin, end), {x},
      [axis, begin, extent = x.shape()[axis]](gpu::Stream& s, const Tensor& g) {
        return Gradients{kernels::padAxis(s, g, axis, begin, extent)};
      },
      [axis, begin, end](gpu::Stream& s, Tangents t) { return kernels::slice(s, t[0], axis, begin, end); });
}

Variable indexSelect(const Variable& x, const Tensor& index) {
  // Rows of any rank are rows of a table.
  auto extents = x.shape().extents();
  const std::int64_t rows = extents.at(0);
  std::int64_t width = 1;
  for (std::size_t axis = 1; axis < extents.size(); ++axis) width *= extents[axis];
  extents[0] = index.count();
  const Variable picked = embedding(reshape(x, Shape{rows, width}), index.reshaped(Shape{index.count()}));
  return reshape(picked, Shape(std::move(extents)));
}

namespace {

using Values = std::vector<double>;

std::vector<GradientCase> cases() {
  std::vector<GradientCase> list;
  list.push_back({"cumsum [3, 5, 2] along 1",
                  {{Shape{3, 5, 2}}},
                  [](std::span<const Variable> in) { return cumsum(in[0], 1); },
                  [](std::span<const Values> in) {
                    Values y = in[0];
                    for (std::size_t i = 0; i < y.size(); ++i) {
                      if (i % 10 >= 2) y[i] += y[i - 2];
                    }
                    return y;
                  }});
  list.push_back({"concat of [2, 3, 5], [2, 1, 5] and the first again, along 1",
                  {{Shape{2, 3, 5}}, {Shape{2, 1, 5}}},
                  [](std::span<const Variable> in) {
                    return concat({in[0], in[1], in[0]}, 1);
                  },
                  [](std::span<const Values> in) {
                    Values y;
                    for (std::ptrdiff_t n = 0; n < 2; ++n) {
                      for (const auto& [part, width] : {std::pair<std::size_t, std::ptrdiff_t>{0, 15}, {1, 5}, {0, 15}}) {
                        y.insert(y.end(), in[part].begin() + n * width, in[part].begin() + (n + 1) * width);
                      }
                    }
                    return y;
                  }});
  list.push_back({"slice 2 to 5 of [3, 7], last axis",
                  {{Shape{3, 7}}},
                  [](std::span<const Variable> in) { return slice(in[0], -1, 2, 5); },
                  [](std::span<const Values> in) {
                    Values y;
                    for (std::size_t row = 0; row < 3; ++row) {
                      for (std::size_t i = 2; i < 5; ++i) y.push_back(in[0][row * 7 + i]);
                    }
                    return y;
                  }});
  const std::vector<std::uint32_t> index{4, 0, 4};
  list.push_back({"indexSelect of [5, 2, 3], a row picked twice",
                  {{Shape{5, 2, 3}}},
                  [index](std::span<const Variable> in) { return indexSelect(in[0], Tensor::from(Shape{3}, index)); },
                  [index](std::span<const Values> in) {
                    Values y;
                    for (const std::uint32_t i : index) y.insert(y.end(), in[0].begin() + 6 * i, in[0].begin() + 6 * i + 6);
                    return y;
                  }});
  return list;
}

const Registration<Differentiable> registration{{"arranging", cases}};

}  // namespace
}  // namespace orrery::nn
