// Matrix products with gradients: C = A B gives dA = dC B^T and dB = A^T dC, summed over the batches that an operand was repeated in.

#include <stdexcept>

#include "core/kernels/matmul.h"
#include "core/nn/gradient_case.h"
#include "core/nn/operations.h"

namespace orrery::nn {
namespace {

using kernels::MatmulOptions;
using kernels::Reduction;
using Gradients = std::vector<Tensor>;

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

}  // namespace

Variable matmul(const Variable& a, const Variable& b) {
  Tape& tape = a.tape();
  return tape.record(kernels::matmul(tape.stream(), a.value(), b.value()), {a, b}, [a, b](gpu::Stream& s, const Tensor& g) {
    Gradients result(2);
    if (a.needsGradient()) result[0] = batchesSummedTo(s, kernels::matmul(s, g, b.value(), {.transposeB = true}), a.shape());
    if (b.needsGradient()) result[1] = batchesSummedTo(s, kernels::matmul(s, a.value(), g, {.transposeA = true}), b.shape());
    return result;
  });
}

Variable matmulTransposed(const Variable& a, const Variable& b) {
  Tape& tape = a.tape();
  return tape.record(kernels::matmul(tape.stream(), a.value(), b.value(), {.transposeB = true}), {a, b},
                     [a, b](gpu::Stream& s, const Tensor& g) {
                       Gradients result(2);
                       if (a.needsGradient()) result[0] = batchesSummedTo(s, kernels::matmul(s, g, b.value()), a.shape());
                       if (b.needsGradient())
                         result[1] = batchesSummedTo(s, kernels::matmul(s, g, a.value(), {.transposeA = true}), b.shape());
                       return result;
                     });
}

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  Tape& tape = x.tape();
  const Shape& shape = x.shape();
  if (shape.rank() < 1 || weight.shape().rank() != 2 || weight.shape()[1] != shape[-1] ||
      (!bias.empty() && bias.shape() != Shape{weight.shape()[0]})) {
    throw std::invalid_argument("linear: an input " + shape.toString() + " does not fit weights " + weight.shape().toString());
  }
  const std::int64_t in = shape[-1], out = weight.shape()[0], rows = in == 0 ? 0 : x.value().count() / in;
  auto extents = shape.extents();
  extents.back() = out;
  const Tensor y = kernels::matmul(tape.stream(), x.value().reshaped(Shape{rows, in}), weight.value(),
                                   {.transposeB = true, .bias = bias.empty() ? Tensor() : bias.value()});
  std::vector<Variable> inputs{x, weight};
  if (!bias.empty()) inputs.push_back(bias);
  return tape.record(y.reshaped(Shape(std::move(extents))), inputs,
                     [x, weight, bias, rows, in, out](gpu::Stream& s, const Tensor& gradient) {
                       const Tensor g = gradient.reshaped(Shape{rows, out});
                       Gradients result(bias.empty() ? 2 : 3);
                       if (x.needsGradient()) result[0] = kernels::matmul(s, g, weight.value()).reshaped(x.shape());
                       if (weight.needsGradient())
                         result[1] = kernels::matmul(s, g, x.value().reshaped(Shape{rows, in}), {.transposeA = true});
                       if (bias.needsGradient()) result[2] = kernels::reduce(s, g, 0, Reduction::sum);
                       return result;
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
  return list;
}

const Registration<Differentiable> registration{{"products", cases}};

}  // namespace
}  // namespace orrery::nn
