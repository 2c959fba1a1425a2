// Sums, means, softmax and log-sum-exp with gradients, and the losses made of them.

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/kernels/cross_entropy.h"
#include "core/kernels/fill.h"
#include "core/kernels/softmax.h"
#include "core/nn/gradient_case.h"
#include "core/nn/jvp.h"
#include "core/nn/operations.h"

namespace orrery::nn {
namespace {

using kernels::Binary;
using kernels::Reduction;
using Gradients = std::vector<Tensor>;
using Tangents = std::span<const Tensor>;

int wrapped(const Shape& shape, int axis) { return axis < 0 ? axis + shape.rank() : axis; }

Shape withOne(const Shape& shape, int axis) {
  auto extents = shape.extents();
  extents[static_cast<std::size_t>(axis)] = 1;
  return Shape(std::move(extents));
}

// Repeats a tensor over a larger shape, times a factor.
Tensor spread(gpu::Stream& stream, const Tensor& x, const Shape& shape, double factor) {
  return kernels::binary(stream, Binary::mul, x, kernels::fill(stream, shape, static_cast<float>(factor)));
}

}  // namespace

Variable sum(const Variable& x, int axis) {
  Tape& tape = x.tape();
  const int a = wrapped(x.shape(), axis);
  return tape.record(
      kernels::reduce(tape.stream(), x.value(), a, Reduction::sum), {x},
      [x, a](gpu::Stream& s, const Tensor& g) { return Gradients{spread(s, g.reshaped(withOne(x.shape(), a)), x.shape(), 1)}; },
      [a](gpu::Stream& s, Tangents t) { return kernels::reduce(s, t[0], a, Reduction::sum); });
}

Variable sum(const Variable& x) {
  Tape& tape = x.tape();
  return tape.record(
      kernels::reduceAll(tape.stream(), x.value(), Reduction::sum), {x},
      [x](gpu::Stream& s, const Tensor& g) { return Gradients{spread(s, g, x.shape(), 1)}; },
      [](gpu::Stream& s, Tangents t) { return kernels::reduceAll(s, t[0], Reduction::sum); });
}

Variable mean(const Variable& x, int axis) {
  const auto n = static_cast<double>(x.shape()[wrapped(x.shape(), axis)]);
  return affine(sum(x, axis), 1 / n, 0);
}

Variable mean(const Variable& x) { return affine(sum(x), 1 / static_cast<double>(std::max<std::int64_t>(x.value().count(), 1)), 0); }

// y = softmax(x): dx = y (dy - sum(y dy)), and since the Jacobian is symmetric, the same way forward.
Variable softmax(const Variable& x, int axis) {
  Tape& tape = x.tape();
  const int a = wrapped(x.shape(), axis);
  const Tensor y = kernels::softmax(tape.stream(), x.value(), a);
  const auto through = [y, a](gpu::Stream& s, const Tensor& g) {
    const Tensor weighted = kernels::binary(s, Binary::mul, y, g);
    const Tensor total = kernels::reduce(s, weighted, a, Reduction::sum).reshaped(withOne(y.shape(), a));
    return kernels::binary(s, Binary::sub, weighted, kernels::binary(s, Binary::mul, y, total));
  };
  return tape.record(
      y, {x}, [through](gpu::Stream& s, const Tensor& g) { return Gradients{through(s, g)}; },
      [through](gpu::Stream& s, Tangents t) { return through(s, t[0]); });
}

Variable logSumExp(const Variable& x) {
  Tape& tape = x.tape();
  Tensor lse;
  const Tensor y = kernels::softmax(tape.stream(), x.value(), -1, {}, &lse);
  const int last = x.shape().rank() - 1;
  return tape.record(
      lse, {x},
      [y, last](gpu::Stream& s, const Tensor& g) {
        return Gradients{kernels::binary(s, Binary::mul, y, g.reshaped(withOne(y.shape(), last)))};
      },
      [y](gpu::Stream& s, Tangents t) { return kernels::reduce(s, kernels::binary(s, Binary::mul, y, t[0]), -1, Reduction::sum); });
}

Variable crossEntropy(const Variable& logits, const Tensor& targets) {
  Tape& tape = logits.tape();
  const kernels::CrossEntropy forward = kernels::crossEntropy(tape.stream(), logits.value(), targets);
  const Tensor lse = forward.logSumExp;
  const Variable rows = tape.record(
      forward.loss, {logits},
      [logits, targets, lse](gpu::Stream& s, const Tensor& g) {
        return Gradients{kernels::crossEntropyGradient(s, logits.value(), targets, lse, g)};
      },
      [logits, targets, lse](gpu::Stream& s, Tangents t) {
        const Tensor slope = kernels::crossEntropyGradient(s, logits.value(), targets, lse, kernels::fill(s, targets.shape(), 1.0f));
        return kernels::reduce(s, kernels::binary(s, Binary::mul, slope, t[0]), -1, Reduction::sum);
      });
  return mean(rows);
}

Variable mseLoss(const Variable& prediction, const Variable& target) { return mean(square(sub(prediction, target))); }

Variable bceWithLogits(const Variable& logits, const Variable& target) { return mean(sub(softplus(logits), mul(logits, target))); }

namespace {

using Values = std::vector<double>;

// f over each row of the last axis.
Values perRow(const Values& x, std::size_t n, const std::function<void(std::span<const double>, Values&)>& f) {
  Values result;
  for (std::size_t at = 0; at < x.size(); at += n) f(std::span(x).subspan(at, n), result);
  return result;
}

double lseOf(std::span<const double> row) {
  const double largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const double x : row) sum += std::exp(x - largest);
  return largest + std::log(sum);
}

double totalOf(const Values& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return sum;
}

std::vector<GradientCase> cases() {
  std::vector<GradientCase> list;
  const Shape cube{3, 4, 5};
  for (const int axis : {0, 1, 2}) {
    const auto reference = [axis](std::span<const Values> in) {
      Values result;
      const std::int64_t extents[] = {3, 4, 5};
      const std::int64_t inner = axis == 2 ? 1 : axis == 1 ? 5 : 20, n = extents[axis], outer = 60 / inner / n;
      for (std::int64_t o = 0; o < outer; ++o) {
        for (std::int64_t i = 0; i < inner; ++i) {
          double sum = 0;
          for (std::int64_t j = 0; j < n; ++j) sum += in[0][static_cast<std::size_t>((o * n + j) * inner + i)];
          result.push_back(sum);
        }
      }
      return result;
    };
    list.push_back(
        {"sum along axis " + std::to_string(axis), {{cube}}, [axis](std::span<const Variable> in) { return sum(in[0], axis); }, reference});
    list.push_back({"mean along axis " + std::to_string(axis),
                    {{cube}},
                    [axis](std::span<const Variable> in) { return mean(in[0], axis); },
                    [axis, reference](std::span<const Values> in) {
                      Values result = reference(in);
                      for (double& v : result) v /= axis == 0 ? 3 : axis == 1 ? 4 : 5;
                      return result;
                    }});
  }
  list.push_back({"sum of all",
                  {{Shape{7, 9}}},
                  [](std::span<const Variable> in) { return sum(in[0]); },
                  [](std::span<const Values> in) { return Values{totalOf(in[0])}; }});
  list.push_back({"mean of all",
                  {{Shape{7, 9}}},
                  [](std::span<const Variable> in) { return mean(in[0]); },
                  [](std::span<const Values> in) { return Values{totalOf(in[0]) / 63}; }});
  list.push_back({"softmax",
                  {{Shape{6, 9}, -3, 3}},
                  [](std::span<const Variable> in) { return softmax(in[0]); },
                  [](std::span<const Values> in) {
                    return perRow(in[0], 9, [](std::span<const double> row, Values& out) {
                      for (const double x : row) out.push_back(std::exp(x - lseOf(row)));
                    });
                  }});
  list.push_back({"log-sum-exp",
                  {{Shape{6, 9}, -3, 3}},
                  [](std::span<const Variable> in) { return logSumExp(in[0]); },
                  [](std::span<const Values> in) {
                    return perRow(in[0], 9, [](std::span<const double> row, Values& out) { out.push_back(lseOf(row)); });
                  }});
  const std::vector<std::uint32_t> targets{0, 4, 2, 9, 1, 3};  // 9 is ignored
  list.push_back({"cross entropy",
                  {{Shape{6, 5}, -3, 3}},
                  [targets](std::span<const Variable> in) { return crossEntropy(in[0], Tensor::from(Shape{6}, targets)); },
                  [targets](std::span<const Values> in) { return Values{totalOf(kernels::crossEntropyReference(in[0], targets)) / 6}; }});
  list.push_back({"mean squared error",
                  {{Shape{4, 3}}, {Shape{4, 3}}},
                  [](std::span<const Variable> in) { return mseLoss(in[0], in[1]); },
                  [](std::span<const Values> in) {
                    double sum = 0;
                    for (std::size_t i = 0; i < 12; ++i) sum += (in[0][i] - in[1][i]) * (in[0][i] - in[1][i]);
                    return Values{sum / 12};
                  }});
  list.push_back({"binary cross entropy with logits",
                  {{Shape{4, 3}, -4, 4}, {Shape{4, 3}, 0, 1}},
                  [](std::span<const Variable> in) { return bceWithLogits(in[0], in[1]); },
                  [](std::span<const Values> in) {
                    double sum = 0;
                    for (std::size_t i = 0; i < 12; ++i) {
                      const double p = 1 / (1 + std::exp(-in[0][i])), y = in[1][i];
                      sum -= y * std::log(p) + (1 - y) * std::log(1 - p);
                    }
                    return Values{sum / 12};
                  }});
  return list;
}

const Registration<Differentiable> registration{{"reductions", cases}};

}  // namespace
}  // namespace orrery::nn
