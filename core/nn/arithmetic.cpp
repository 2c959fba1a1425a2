// Elementwise operations with gradients. d(ab) = b da + a db, d(a/b) = da / b - a db / b^2; the gradient of a broadcast axis is the sum
// along it. The tangent of an elementwise function is f'(x) times that of x: what unaryGradient computes, either way.

#include <cmath>
#include <stdexcept>

#include "core/nn/gradient_case.h"
#include "core/nn/jvp.h"
#include "core/nn/operations.h"

namespace orrery::nn {
namespace {

using kernels::Binary;
using kernels::Reduction;
using kernels::Unary;

// Sums a gradient over the axes along which an operand of `shape` was repeated.
Tensor summedTo(gpu::Stream& stream, Tensor gradient, const Shape& shape) {
  while (gradient.shape().rank() > shape.rank()) gradient = kernels::reduce(stream, gradient, 0, Reduction::sum);
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] != 1 || gradient.shape()[axis] == 1) continue;
    auto extents = gradient.shape().extents();
    extents[static_cast<std::size_t>(axis)] = 1;
    gradient = kernels::reduce(stream, gradient, axis, Reduction::sum).reshaped(Shape(std::move(extents)));
  }
  return gradient;
}

using Gradients = std::vector<Tensor>;
using Tangents = std::span<const Tensor>;

// a b, where an empty a stands for zeros.
Tensor times(gpu::Stream& stream, const Tensor& a, const Tensor& b) {
  return a.empty() ? Tensor() : kernels::binary(stream, Binary::mul, a, b);
}
Tensor negative(gpu::Stream& stream, const Tensor& x) { return x.empty() ? Tensor() : kernels::unary(stream, Unary::neg, x); }

}  // namespace

Variable add(const Variable& a, const Variable& b) {
  Tape& tape = a.tape();
  return tape.record(
      kernels::binary(tape.stream(), Binary::add, a.value(), b.value()), {a, b},
      [a, b](gpu::Stream& s, const Tensor& g) {
        return Gradients{a.needsGradient() ? summedTo(s, g, a.shape()) : Tensor(),
                         b.needsGradient() ? summedTo(s, g, b.shape()) : Tensor()};
      },
      [](gpu::Stream& s, Tangents t) { return added(s, t[0], t[1]); });
}

Variable sub(const Variable& a, const Variable& b) {
  Tape& tape = a.tape();
  return tape.record(
      kernels::binary(tape.stream(), Binary::sub, a.value(), b.value()), {a, b},
      [a, b](gpu::Stream& s, const Tensor& g) {
        return Gradients{a.needsGradient() ? summedTo(s, g, a.shape()) : Tensor(),
                         b.needsGradient() ? kernels::unary(s, Unary::neg, summedTo(s, g, b.shape())) : Tensor()};
      },
      [](gpu::Stream& s, Tangents t) { return added(s, t[0], negative(s, t[1])); });
}

Variable mul(const Variable& a, const Variable& b) {
  Tape& tape = a.tape();
  return tape.record(
      kernels::binary(tape.stream(), Binary::mul, a.value(), b.value()), {a, b},
      [a, b](gpu::Stream& s, const Tensor& g) {
        return Gradients{a.needsGradient() ? summedTo(s, kernels::binary(s, Binary::mul, g, b.value()), a.shape()) : Tensor(),
                         b.needsGradient() ? summedTo(s, kernels::binary(s, Binary::mul, g, a.value()), b.shape()) : Tensor()};
      },
      [a, b](gpu::Stream& s, Tangents t) { return added(s, times(s, t[0], b.value()), times(s, t[1], a.value())); });
}

Variable div(const Variable& a, const Variable& b) {
  Tape& tape = a.tape();
  return tape.record(
      kernels::binary(tape.stream(), Binary::div, a.value(), b.value()), {a, b},
      [a, b](gpu::Stream& s, const Tensor& g) {
        const Tensor share = kernels::binary(s, Binary::div, g, b.value());
        Gradients result{a.needsGradient() ? summedTo(s, share, a.shape()) : Tensor(), {}};
        if (b.needsGradient()) {
          const Tensor ratio = kernels::binary(s, Binary::div, a.value(), b.value());
          result[1] = kernels::unary(s, Unary::neg, summedTo(s, kernels::binary(s, Binary::mul, share, ratio), b.shape()));
        }
        return result;
      },
      [a, b](gpu::Stream& s, Tangents t) {
        const Tensor ratio = t[1].empty() ? Tensor() : kernels::binary(s, Binary::div, a.value(), b.value());
        return kernels::binary(s, Binary::div, added(s, t[0], negative(s, times(s, t[1], ratio))), b.value());
      });
}

Variable affine(const Variable& x, double scale, double shift) {
  Tape& tape = x.tape();
  const auto factor = static_cast<float>(scale);
  return tape.record(
      kernels::affine(tape.stream(), x.value(), factor, static_cast<float>(shift)), {x},
      [factor](gpu::Stream& s, const Tensor& g) { return Gradients{kernels::affine(s, g, factor, 0)}; },
      [factor](gpu::Stream& s, Tangents t) { return kernels::affine(s, t[0], factor, 0); });
}

Variable apply(Unary function, const Variable& x) {
  Tape& tape = x.tape();
  return tape.record(
      kernels::unary(tape.stream(), function, x.value()), {x},
      [function, x](gpu::Stream& s, const Tensor& g) { return Gradients{kernels::unaryGradient(s, function, x.value(), g)}; },
      [function, x](gpu::Stream& s, Tangents t) { return kernels::unaryGradient(s, function, x.value(), t[0]); });
}

Variable reshape(const Variable& x, const Shape& shape) {
  if (shape.count() != x.value().count()) {
    throw std::invalid_argument("reshape: " + x.shape().toString() + " has another number of elements than " + shape.toString());
  }
  const Shape before = x.shape();
  return x.tape().record(
      x.value().reshaped(shape), {x}, [before](gpu::Stream&, const Tensor& g) { return Gradients{g.reshaped(before)}; },
      [shape](gpu::Stream&, Tangents t) { return t[0].reshaped(shape); });
}

namespace {

using Values = std::vector<double>;

// f(a, b) over the broadcast of two shapes, index by index.
Values broadcast(const Shape& sa, const Shape& sb, const Values& a, const Values& b, double (*f)(double, double)) {
  const Shape to = *kernels::broadcastShape(sa, sb);
  const auto offset = [&](const Shape& shape, std::int64_t flat) {
    std::int64_t at = 0, stride = 1;
    for (int back = 1; back <= to.rank(); ++back) {
      const std::int64_t i = flat % to[-back];
      flat /= to[-back];
      if (back > shape.rank()) continue;
      if (shape[-back] != 1) at += i * stride;
      stride *= shape[-back];
    }
    return static_cast<std::size_t>(at);
  };
  Values result;
  for (std::int64_t i = 0; i < to.count(); ++i) result.push_back(f(a[offset(sa, i)], b[offset(sb, i)]));
  return result;
}

std::vector<GradientCase> cases() {
  std::vector<GradientCase> list;
  const struct {
    const char* name;
    Variable (*apply)(const Variable&, const Variable&);
    double (*f)(double, double);
  } binaries[] = {{"add", add, [](double a, double b) { return a + b; }},
                  {"sub", sub, [](double a, double b) { return a - b; }},
                  {"mul", mul, [](double a, double b) { return a * b; }},
                  {"div", div, [](double a, double b) { return a / b; }}};
  const std::pair<Shape, Shape> shapes[] = {{Shape{3, 5}, Shape{3, 5}},
                                            {Shape{3, 1, 5}, Shape{7, 1}},
                                            {Shape{5}, Shape{2, 3, 5}},
                                            {Shape{1}, Shape{4, 3}},
                                            {Shape{2, 1, 3, 1}, Shape{4, 1, 5}}};
  for (const auto& op : binaries) {
    for (const auto& [a, b] : shapes) {
      list.push_back({std::string(op.name) + " " + a.toString() + " with " + b.toString(),
                      {{a, -2, 2}, {b, 0.5, 2}},
                      [op](std::span<const Variable> in) { return op.apply(in[0], in[1]); },
                      [op, a = a, b = b](std::span<const Values> in) { return broadcast(a, b, in[0], in[1], op.f); }});
    }
    // The same variable twice: its gradients add up.
    list.push_back({std::string(op.name) + " of one variable with itself",
                    {{Shape{3, 5}, 0.5, 2}},
                    [op](std::span<const Variable> in) { return op.apply(in[0], in[0]); },
                    [op](std::span<const Values> in) {
                      return broadcast(Shape{3, 5}, Shape{3, 5}, in[0], in[0], op.f);
                    }});
  }
  const struct {
    const char* name;
    Unary function;
    double low, high;
  } unaries[] = {{"neg", Unary::neg, -2, 2},
                 {"exp", Unary::exp, -2, 2},
                 {"log", Unary::log, 0.3, 3},
                 {"sqrt", Unary::sqrt, 0.3, 3},
                 {"rsqrt", Unary::rsqrt, 0.3, 3},
                 {"sin", Unary::sin, -3, 3},
                 {"cos", Unary::cos, -3, 3},
                 {"tanh", Unary::tanh, -3, 3},
                 {"sigmoid", Unary::sigmoid, -4, 4},
                 {"relu", Unary::relu, 0.1, 3},
                 {"relu below", Unary::relu, -3, -0.1},
                 {"gelu", Unary::gelu, -3, 3},
                 {"gelu-tanh", Unary::geluTanh, -3, 3},
                 {"silu", Unary::silu, -4, 4},
                 {"abs", Unary::abs, -3, -0.1},
                 {"square", Unary::square, -2, 2},
                 {"reciprocal", Unary::reciprocal, 0.4, 2},
                 {"softplus", Unary::softplus, -6, 6}};
  for (const auto& op : unaries) {
    for (const Shape& shape : {Shape{1}, Shape{13, 5}}) {
      list.push_back({std::string(op.name) + " " + shape.toString(),
                      {{shape, op.low, op.high}},
                      [op](std::span<const Variable> in) { return apply(op.function, in[0]); },
                      [op](std::span<const Values> in) {
                        Values result;
                        for (const double x : in[0]) result.push_back(kernels::unaryReference(op.function, x));
                        return result;
                      }});
    }
  }
  list.push_back({"affine",
                  {{Shape{7, 3}}},
                  [](std::span<const Variable> in) { return affine(in[0], -1.5, 0.25); },
                  [](std::span<const Values> in) {
                    Values result;
                    for (const double x : in[0]) result.push_back(-1.5 * x + 0.25);
                    return result;
                  }});
  list.push_back({"a chain that uses its input three times",
                  {{Shape{5, 3}}},
                  [](std::span<const Variable> in) {
                    return mul(add(square(in[0]), in[0]), reshape(tanh(in[0]), Shape{5, 3}));
                  },
                  [](std::span<const Values> in) {
                    Values result;
                    for (const double x : in[0]) result.push_back((x * x + x) * std::tanh(x));
                    return result;
                  }});
  return list;
}

const Registration<Differentiable> registration{{"arithmetic", cases}};

}  // namespace
}  // namespace orrery::nn
