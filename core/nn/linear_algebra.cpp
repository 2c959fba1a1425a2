// Cholesky, triangular and general systems, inverses and determinants with gradients. Sources: Giles 2008, "An extended collection of
// matrix derivative results"; Murray 2016, "Differentiation of the Cholesky decomposition", eq. 8 and 10. Written with G for the gradient
// of the result:
//   L L^T = A      dL = L P(L^-1 dA L^-T)         A gets (S + S^T) / 2, S = L^-T P(L^T G) L^-1;  P: lower triangle, half the diagonal
//   op(T) X = B    dX = op(T)^-1 (dB - op(dT) X)  B gets H = op(T)^-T G, op(T) gets -H X^T
//   Y = A^-1       dY = -Y dA Y                   A gets -Y^T G Y^T
//   ln |det A|     tr(A^-1 dA)                    A gets G A^-T

#include <cmath>
#include <stdexcept>

#include "core/kernels/cholesky.h"
#include "core/kernels/lu.h"
#include "core/kernels/matmul.h"
#include "core/kernels/permute.h"
#include "core/nn/gradient_case.h"
#include "core/nn/operations.h"

namespace orrery::nn {
namespace {

using kernels::Binary;
using kernels::Reduction;
using Gradients = std::vector<Tensor>;

Tensor turned(gpu::Stream& stream, const Tensor& x) {
  std::vector<int> axes;
  for (int axis = 0; axis < x.shape().rank(); ++axis) axes.push_back(axis);
  std::swap(axes[axes.size() - 1], axes[axes.size() - 2]);
  return kernels::permute(stream, x, axes);
}

// (x + x^T) / 2.
Tensor symmetric(gpu::Stream& stream, const Tensor& x) {
  return kernels::affine(stream, kernels::binary(stream, Binary::add, x, turned(stream, x)), 0.5f, 0);
}

Tensor negated(gpu::Stream& stream, const Tensor& x) { return kernels::affine(stream, x, -1, 0); }

// Sums [..., n, n] over its matrices when there was one for all.
Tensor summedTo(gpu::Stream& stream, const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const std::int64_t n = shape[-1];
  return kernels::reduce(stream, x.reshaped(Shape{n == 0 ? 0 : x.count() / (n * n), n, n}), 0, Reduction::sum);
}

// dB - dA X, where either may be missing.
Tensor difference(gpu::Stream& stream, const Tensor& db, const Tensor& da, const Tensor& x, bool transposed) {
  if (da.empty()) return db;
  const Tensor moved = kernels::matmul(stream, da, x, {.transposeA = transposed});
  return db.empty() ? negated(stream, moved) : kernels::binary(stream, Binary::sub, db, moved);
}

}  // namespace

Variable cholesky(const Variable& a) {
  Tape& tape = a.tape();
  const Tensor l = kernels::cholesky(tape.stream(), a.value());
  return tape.record(
      l, {a},
      [l](gpu::Stream& s, const Tensor& g) {
        const Tensor p = kernels::triangle(s, kernels::matmul(s, l, kernels::triangle(s, g), {.transposeA = true}), false, 0.5);
        const Tensor half = kernels::solveTriangular(s, l, p, {.transposed = true});
        return Gradients{symmetric(s, kernels::solveTriangular(s, l, turned(s, half), {.transposed = true}))};
      },
      [l](gpu::Stream& s, std::span<const Tensor> t) {
        const Tensor half = kernels::solveTriangular(s, l, symmetric(s, t[0]));
        const Tensor whole = kernels::solveTriangular(s, l, turned(s, half));
        return kernels::matmul(s, l, kernels::triangle(s, whole, false, 0.5));
      });
}

Variable solveTriangular(const Variable& t, const Variable& b, const kernels::TriangularOptions& options) {
  if (!options.order.empty()) throw std::invalid_argument("solveTriangular: rows in another order have no gradient");
  Tape& tape = t.tape();
  const Tensor x = kernels::solveTriangular(tape.stream(), t.value(), b.value(), options);
  const auto own = [options](gpu::Stream& s, const Tensor& m) {
    return kernels::triangle(s, m, options.upper, options.unitDiagonal ? 0 : 1);
  };
  return tape.record(
      x, {t, b},
      [t, x, options, own](gpu::Stream& s, const Tensor& g) {
        kernels::TriangularOptions back = options;
        back.transposed = !options.transposed;
        const Tensor h = kernels::solveTriangular(s, t.value(), g, back);
        Gradients result{{}, h};
        if (t.needsGradient()) {
          const Tensor product =
              options.transposed ? kernels::matmul(s, x, h, {.transposeB = true}) : kernels::matmul(s, h, x, {.transposeB = true});
          result[0] = own(s, negated(s, summedTo(s, product, t.shape())));
        }
        return result;
      },
      [t, x, options, own](gpu::Stream& s, std::span<const Tensor> moved) {
        const Tensor dt = moved[0].empty() ? Tensor() : own(s, moved[0]);
        return kernels::solveTriangular(s, t.value(), difference(s, moved[1], dt, x, options.transposed), options);
      });
}

Variable solve(const Variable& a, const Variable& b) {
  Tape& tape = a.tape();
  const kernels::Lu lu = kernels::lu(tape.stream(), a.value());
  const Tensor x = kernels::luSolve(tape.stream(), lu, b.value());
  return tape.record(
      x, {a, b},
      [a, lu, x](gpu::Stream& s, const Tensor& g) {
        const Tensor h = kernels::luSolve(s, lu, g, true);
        Gradients result{{}, h};
        if (a.needsGradient()) result[0] = negated(s, summedTo(s, kernels::matmul(s, h, x, {.transposeB = true}), a.shape()));
        return result;
      },
      [lu, x](gpu::Stream& s, std::span<const Tensor> t) { return kernels::luSolve(s, lu, difference(s, t[1], t[0], x, false)); });
}

Variable inverse(const Variable& a) {
  Tape& tape = a.tape();
  const Tensor y = kernels::luInverse(tape.stream(), kernels::lu(tape.stream(), a.value()));
  return tape.record(
      y, {a},
      [y](gpu::Stream& s, const Tensor& g) {
        return Gradients{negated(s, kernels::matmul(s, kernels::matmul(s, y, g, {.transposeA = true}), y, {.transposeB = true}))};
      },
      [y](gpu::Stream& s, std::span<const Tensor> t) { return negated(s, kernels::matmul(s, kernels::matmul(s, y, t[0]), y)); });
}

SignedLogDet slogdet(const Variable& a) {
  Tape& tape = a.tape();
  const kernels::Lu lu = kernels::lu(tape.stream(), a.value());
  const Variable logarithm = tape.record(
      lu.logAbsDet, {a},
      [lu](gpu::Stream& s, const Tensor& g) {
        auto extents = g.shape().extents();
        extents.insert(extents.end(), {1, 1});
        return Gradients{kernels::binary(s, Binary::mul, kernels::luInverse(s, lu, true), g.reshaped(Shape(std::move(extents))))};
      },
      [lu](gpu::Stream& s, std::span<const Tensor> t) {
        const Tensor each = kernels::binary(s, Binary::mul, kernels::luInverse(s, lu, true), t[0]);
        return kernels::reduce(s, kernels::reduce(s, each, -1, Reduction::sum), -1, Reduction::sum);
      });
  return {lu.sign, logarithm};
}

namespace {

using kernels::Doubles;
using Values = std::vector<double>;

// A constant [n, n] with this on its diagonal, to keep random matrices away from singular ones.
Tensor diagonal(std::int64_t n, float value) {
  std::vector<float> values(static_cast<std::size_t>(n * n), 0.0f);
  for (std::int64_t i = 0; i < n; ++i) values[static_cast<std::size_t>(i * (n + 1))] = value;
  return Tensor::from(Shape{n, n}, values);
}
Variable plusDiagonal(const Variable& a, float value) { return add(a, a.tape().constant(diagonal(a.shape()[-1], value))); }
Doubles plusDiagonal(const Shape& shape, const Values& a, double value) {
  Doubles result(shape, a);
  const std::int64_t n = shape[-1];
  for (std::int64_t at = 0; at < shape.count(); ++at) result[at] += at / n % n == at % n ? value : 0;
  return result;
}
// X X^T + I.
Doubles gram(const Shape& shape, const Values& x) {
  Doubles result(shape);
  const std::int64_t n = shape[-1];
  for (std::int64_t at = 0; at < shape.count(); ++at) {
    const std::size_t matrix = static_cast<std::size_t>(at / (n * n) * n * n), i = static_cast<std::size_t>(at / n % n * n),
                      j = static_cast<std::size_t>(at % n * n);
    result[at] = i == j ? 1 : 0;
    for (std::size_t k = 0; k < static_cast<std::size_t>(n); ++k) result[at] += x[matrix + i + k] * x[matrix + j + k];
  }
  return result;
}

std::vector<GradientCase> cases() {
  std::vector<GradientCase> list;
  for (const Shape& shape : {Shape{1, 1}, Shape{2, 2}, Shape{2, 3, 3}, Shape{7, 7}, Shape{8, 8}, Shape{9, 9}, Shape{17, 17}}) {
    const std::int64_t n = shape[-1];
    const auto reach = static_cast<float>(n) / 2 + 1;
    list.push_back({"cholesky of X X^T + I " + shape.toString(),
                    {{shape}},
                    [](std::span<const Variable> in) { return cholesky(plusDiagonal(matmulTransposed(in[0], in[0]), 1)); },
                    [shape](std::span<const Values> in) { return kernels::choleskyReference(gram(shape, in[0])).values; }});
    list.push_back({"slogdet " + shape.toString(),
                    {{shape}},
                    [reach](std::span<const Variable> in) { return slogdet(plusDiagonal(in[0], -reach)).logAbsDet; },
                    [shape, reach](std::span<const Values> in) {
                      return kernels::luReference(plusDiagonal(shape, in[0], -static_cast<double>(reach))).logAbsDet;
                    }});
    list.push_back({"inverse " + shape.toString(),
                    {{shape}},
                    [reach](std::span<const Variable> in) { return inverse(plusDiagonal(in[0], reach)); },
                    [shape, reach, n](std::span<const Values> in) {
                      return kernels::luSolveReference(kernels::luReference(plusDiagonal(shape, in[0], static_cast<double>(reach))),
                                                       plusDiagonal(shape, Values(static_cast<std::size_t>(shape.count()), 0.0), 1))
                          .values;
                    }});
  }
  for (const auto& [as, bs] : {std::pair<Shape, Shape>{Shape{7, 7}, Shape{7, 3}},
                               {Shape{2, 3, 3}, Shape{2, 3, 5}},
                               {Shape{3, 3}, Shape{4, 3, 2}},
                               {Shape{9, 9}, Shape{9, 1}}}) {
    const auto reach = static_cast<float>(as[-1]) / 2 + 1;
    list.push_back({"solve " + as.toString() + " on " + bs.toString(),
                    {{as}, {bs}},
                    [reach](std::span<const Variable> in) { return solve(plusDiagonal(in[0], reach), in[1]); },
                    [as = as, bs = bs, reach](std::span<const Values> in) {
                      return kernels::luSolveReference(kernels::luReference(plusDiagonal(as, in[0], static_cast<double>(reach))),
                                                       Doubles(bs, in[1]))
                          .values;
                    }});
    for (const bool upper : {false, true}) {
      for (const bool transposed : {false, true}) {
        for (const bool unit : {false, true}) {
          kernels::TriangularOptions options;
          options.upper = upper, options.transposed = transposed, options.unitDiagonal = unit;
          list.push_back({std::string("solveTriangular ") + (upper ? "upper " : "lower ") + (transposed ? "transposed " : "") +
                              (unit ? "unit " : "") + as.toString() + " on " + bs.toString(),
                          {{as, -0.5, 0.5}, {bs}},
                          [options](std::span<const Variable> in) { return solveTriangular(plusDiagonal(in[0], 2), in[1], options); },
                          [as = as, bs = bs, options](std::span<const Values> in) {
                            return kernels::solveTriangularReference(plusDiagonal(as, in[0], 2), Doubles(bs, in[1]), options).values;
                          }});
        }
      }
    }
  }
  return list;
}

const Registration<Differentiable> registration{{"linear algebra", cases}};

}  // namespace
}  // namespace orrery::nn
