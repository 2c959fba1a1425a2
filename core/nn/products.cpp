// Matrix products with gradients: C = A B gives dA = dC B^T and dB = A^T dC, summed over the batches that an operand was repeated in.

#include <algorithm>
#include <iterator>
#include <stdexcept>

#include "core/kernels/fill.h"
#include "core/kernels/matmul.h"
#include "core/nn/gradient_case.h"
#include "core/nn/jvp.h"
#include "core/nn/operations.h"

namespace orrery::nn {
namespace {

using kernels::MatmulOptions;
using kernels::Reduction;
using Gradients = std::vector<Tensor>;
using Tangents = std::span<const Tensor>;

// Sums the leading axes of [..., R, C] to those of `shape`.
Tensor batchesSummedTo(gpu::Stream& stream, Tensor gradient, const Shape& shape) {
  while (gradient.shape().rank() > shape.rank()) gradient = kernels::reduce(stream, gradient, 0, Reduction::sum);
  for (int axis = 0; axis + 2 < shape.rank(); ++axis) {
    if (shape[axis] == gradient.shape()[axis]) continue;
    auto extents = gradient.shape().extents();
    extents[static_cast<std::size_t>(axis)] = 1;
    gradient = kernels::reduce(stream, gradient, axis, Reduction::sum).reshaped(Shape(std::move(extents)));
  }
  return gradient;
}

// The tangent of op(a) op(b): dA B + A dB, where either may stand still.
Tensor movedBy(gpu::Stream& stream, Tangents tangents, const Variable& a, const Variable& b, const MatmulOptions& options) {
  Tensor result;
  if (!tangents[0].empty()) result = kernels::matmul(stream, tangents[0], b.value(), options);
  if (!tangents[1].empty()) result = added(stream, result, kernels::matmul(stream, a.value(), tangents[1], options));
  return result;
}

}  // namespace

Variable matmul(const Variable& a, const Variable& b) {
  Tape& tape = a.tape();
  return tape.record(
      kernels::matmul(tape.stream(), a.value(), b.value()), {a, b},
      [a, b](gpu::Stream& s, const Tensor& g) {
        Gradients result(2);
        if (a.needsGradient()) result[0] = batchesSummedTo(s, kernels::matmul(s, g, b.value(), {.transposeB = true}), a.shape());
        if (b.needsGradient()) result[1] = batchesSummedTo(s, kernels::matmul(s, a.value(), g, {.transposeA = true}), b.shape());
        return result;
      },
      [a, b](gpu::Stream& s, Tangents t) { return movedBy(s, t, a, b, {}); });
}

Variable matmulTransposed(const Variable& a, const Variable& b) {
  Tape& tape = a.tape();
  return tape.record(
      kernels::matmul(tape.stream(), a.value(), b.value(), {.transposeB = true}), {a, b},
      [a, b](gpu::Stream& s, const Tensor& g) {
        Gradients result(2);
        if (a.needsGradient()) result[0] = batchesSummedTo(s, kernels::matmul(s, g, b.value()), a.shape());
        if (b.needsGradient()) result[1] = batchesSummedTo(s, kernels::matmul(s, g, a.value(), {.transposeA = true}), b.shape());
        return result;
      },
      [a, b](gpu::Stream& s, Tangents t) { return movedBy(s, t, a, b, {.transposeB = true}); });
}

Variable linear(const Variable& x, const Variable& weight, const Variable& bias, std::optional<kernels::Unary> f,
                const Variable& residual) {
  // The gradient of relu can be read off its result; that of another function needs what went in, where a gradient is wanted.
  const bool relu = f == kernels::Unary::relu;
  const Variable* const inputsAll[] = {&x, &weight, &bias, &residual};
  const bool learns =
      std::any_of(std::begin(inputsAll), std::end(inputsAll), [](const Variable* v) { return !v->empty() && v->needsGradient(); });
  if (f && learns && (!relu || !residual.empty())) {
    const Variable y = relu ? linear(x, weight, bias, f) : apply(*f, linear(x, weight, bias));
    return residual.empty() ? y : add(y, residual);
  }
  Tape& tape = x.tape();
  const Shape& shape = x.shape();
  if (shape.rank() < 1 || weight.shape().rank() != 2 || weight.shape()[1] != shape[-1] ||
      (!bias.empty() && bias.shape() != Shape{weight.shape()[0]})) {
    throw std::invalid_argument("linear: an input " + shape.toString() + " does not fit weights " + weight.shape().toString());
  }
  const std::int64_t in = shape[-1], out = weight.shape()[0], rows = in == 0 ? 0 : x.value().count() / in;
  auto extents = shape.extents();
  extents.back() = out;
  const Shape outShape(std::move(extents));
  if (!residual.empty() && residual.shape() != outShape) {
    throw std::invalid_argument("linear: a residual " + residual.shape().toString() + " does not fit a result " + outShape.toString());
  }
  MatmulOptions options{.transposeB = true};
  if (!bias.empty()) options.bias = bias.value();
  options.activation = f;
  if (!residual.empty()) options.residual = residual.value().reshaped(Shape{rows, out});
  const Tensor y = kernels::matmul(tape.stream(), x.value().reshaped(Shape{rows, in}), weight.value(), options);
  std::vector<Variable> inputs{x, weight};
  if (!bias.empty()) inputs.push_back(bias);
  if (!residual.empty()) inputs.push_back(residual);
  return tape.record(
      y.reshaped(outShape), inputs,
      [x, weight, bias, residual, rows, in, out, positive = relu ? y : Tensor()](gpu::Stream& s, const Tensor& gradient) {
        Tensor g = gradient.reshaped(Shape{rows, out});
        if (!positive.empty()) g = kernels::unaryGradient(s, kernels::Unary::relu, positive, g);
        Gradients result(2);
        if (x.needsGradient()) result[0] = kernels::matmul(s, g, weight.value()).reshaped(x.shape());
        if (weight.needsGradient()) result[1] = kernels::matmul(s, g, x.value().reshaped(Shape{rows, in}), {.transposeA = true});
        if (!bias.empty()) result.push_back(bias.needsGradient() ? kernels::reduce(s, g, 0, Reduction::sum) : Tensor());
        if (!residual.empty()) result.push_back(gradient);
        return result;
      },
      [x, weight, bias, residual, outShape, positive = relu ? y : Tensor()](gpu::Stream& s, Tangents t) {
        Tensor result = movedBy(s, t, x, weight, {.transposeB = true});
        if (!bias.empty() && !t[2].empty()) {
          // Alone it is one row for all.
          result = added(s, result.empty() ? kernels::fill(s, outShape, 0.0f) : result, t[2]);
        }
        if (!positive.empty()) result = kernels::unaryGradient(s, kernels::Unary::relu, positive.reshaped(outShape), result);
        return residual.empty() ? result : added(s, result, t.back());
      });
}

namespace {

using Values = std::vector<double>;

// One product [M, K] [K, N] of flattened matrices.
void multiply(const double* a, const double* b, std::int64_t M, std::int64_t K, std::int64_t N, Values& into) {
  for (std::int64_t m = 0; m < M; ++m) {
    for (std::int64_t n = 0; n < N; ++n) {
      double sum = 0;
      for (std::int64_t k = 0; k < K; ++k) sum += a[m * K + k] * b[k * N + n];
      into.push_back(sum);
    }
  }
}

std::vector<GradientCase> cases() {
  std::vector<GradientCase> list;
  list.push_back({"matmul [5, 7] [7, 3]",
                  {{Shape{5, 7}}, {Shape{7, 3}}},
                  [](std::span<const Variable> in) { return matmul(in[0], in[1]); },
                  [](std::span<const Values> in) {
                    Values result;
                    multiply(in[0].data(), in[1].data(), 5, 7, 3, result);
                    return result;
                  }});
  list.push_back({"matmul of one matrix with itself",
                  {{Shape{5, 5}}},
                  [](std::span<const Variable> in) { return matmul(in[0], in[0]); },
                  [](std::span<const Values> in) {
                    Values result;
                    multiply(in[0].data(), in[0].data(), 5, 5, 5, result);
                    return result;
                  }});
  list.push_back({"matmul [2, 3, 4] [4, 5], a batch against one matrix",
                  {{Shape{2, 3, 4}}, {Shape{4, 5}}},
                  [](std::span<const Variable> in) { return matmul(in[0], in[1]); },
                  [](std::span<const Values> in) {
                    Values result;
                    for (int b = 0; b < 2; ++b) multiply(in[0].data() + b * 12, in[1].data(), 3, 4, 5, result);
                    return result;
                  }});
  list.push_back({"matmul [2, 1, 3, 4] [3, 4, 5], both repeated",
                  {{Shape{2, 1, 3, 4}}, {Shape{3, 4, 5}}},
                  [](std::span<const Variable> in) { return matmul(in[0], in[1]); },
                  [](std::span<const Values> in) {
                    Values result;
                    for (int i = 0; i < 2; ++i) {
                      for (int j = 0; j < 3; ++j) multiply(in[0].data() + i * 12, in[1].data() + j * 20, 3, 4, 5, result);
                    }
                    return result;
                  }});
  list.push_back({"matmul with the second operand transposed",
                  {{Shape{2, 3, 4}}, {Shape{5, 4}}},
                  [](std::span<const Variable> in) { return matmulTransposed(in[0], in[1]); },
                  [](std::span<const Values> in) {
                    Values b, result;
                    for (std::size_t k = 0; k < 4; ++k) {
                      for (std::size_t n = 0; n < 5; ++n) b.push_back(in[1][n * 4 + k]);
                    }
                    for (int i = 0; i < 2; ++i) multiply(in[0].data() + i * 12, b.data(), 3, 4, 5, result);
                    return result;
                  }});
  for (const bool biased : {false, true}) {
    std::vector<GradientCase::Input> inputs{{Shape{2, 9, 7}}, {Shape{5, 7}}};
    if (biased) inputs.push_back({Shape{5}});
    list.push_back({biased ? "linear [2, 9, 7] to 5 with bias" : "linear [2, 9, 7] to 5", inputs,
                    [biased](std::span<const Variable> in) { return linear(in[0], in[1], biased ? in[2] : Variable()); },
                    [biased](std::span<const Values> in) {
                      Values result;
                      for (std::size_t row = 0; row < 18; ++row) {
                        for (std::size_t o = 0; o < 5; ++o) {
                          double sum = biased ? in[2][o] : 0;
                          for (std::size_t k = 0; k < 7; ++k) sum += in[0][row * 7 + k] * in[1][o * 7 + k];
                          result.push_back(sum);
                        }
                      }
                      return result;
                    }});
  }
  // f(x W^T + b) + residual; inputs away from relu's kink are not needed: no sum of these lies within the step of a difference from 0.
  for (const auto& [f, residual] : {std::pair<std::optional<kernels::Unary>, bool>{kernels::Unary::relu, false},
                                    {kernels::Unary::relu, true},
                                    {kernels::Unary::gelu, true},
                                    {std::nullopt, true}}) {
    std::vector<GradientCase::Input> inputs{{Shape{9, 7}}, {Shape{5, 7}}, {Shape{5}}};
    if (residual) inputs.push_back({Shape{9, 5}});
    list.push_back(
        {std::string("linear with bias") + (f ? *f == kernels::Unary::relu ? ", relu" : ", gelu" : "") + (residual ? ", residual" : ""),
         inputs,
         [f = f, with = residual](std::span<const Variable> in) { return linear(in[0], in[1], in[2], f, with ? in[3] : Variable()); },
         [f = f, with = residual](std::span<const Values> in) {
           Values result;
           for (std::size_t row = 0; row < 9; ++row) {
             for (std::size_t o = 0; o < 5; ++o) {
               double sum = in[2][o];
               for (std::size_t k = 0; k < 7; ++k) sum += in[0][row * 7 + k] * in[1][o * 7 + k];
               if (f) sum = kernels::unaryReference(*f, sum);
               result.push_back(sum + (with ? in[3][row * 5 + o] : 0));
             }
           }
           return result;
         }});
  }
  return list;
}

const Registration<Differentiable> registration{{"products", cases}};

}  // namespace
}  // namespace orrery::nn
