// For k = 0, 1, ...: the row with the largest |A_ik|, i >= k, changes places with row k; L_ik = A_ik / A_kk; A_ij -= L_ik A_kj.

#include "core/kernels/lu.h"

#include <array>
#include <limits>
#include <numeric>
#include <string>

#include "core/kernels/check_support.h"
#include "core/kernels/fill.h"
#include "core/kernels/kernel.h"
#include "core/kernels/triangular.h"

namespace orrery::kernels {
namespace {

Lu factor(gpu::Stream& stream, const Tensor& a, std::string_view variant) {
  const std::int64_t matrices = squareMatrices("lu", a), n = a.shape()[-1];
  requireFactorisable("lu", n);
  auto rows = a.shape().extents();
  rows.pop_back();
  auto batch = rows;
  batch.pop_back();
  const Shape each(std::move(batch));
  if (a.empty()) return {Tensor(a.shape()), Tensor(Shape(rows), DType::u32), fill(stream, each, 1.0f), fill(stream, each, 0.0f)};
  Lu result{Tensor(a.shape()), Tensor(Shape(rows), DType::u32), Tensor(each), Tensor(each)};
  const bool plain = runsScalar(stream.device(), "lu", variant);
  const std::array<std::uint32_t, 2> push{static_cast<std::uint32_t>(matrices), static_cast<std::uint32_t>(n)};
  stream.dispatch(plain ? "kernels/lu" : "kernels/lu@wide",
                  {{a.device(stream), gpu::Access::read},
                   {result.factors.deviceForWriting(stream), gpu::Access::readWrite},
                   {result.permutation.deviceForWriting(stream), gpu::Access::readWrite},
                   {result.sign.deviceForWriting(stream), gpu::Access::write},
                   {result.logAbsDet.deviceForWriting(stream), gpu::Access::write}},
                  push, groupPerMatrix(matrices));
  return result;
}

}  // namespace

Lu lu(gpu::Stream& stream, const Tensor& a) { return factor(stream, a, variantFor(stream.device(), "lu")); }

namespace {

// A = P^T L U, so A^-1 = U^-1 L^-1 P and A^-T = P^T L^-T U^-T. `b` empty: the identity.
Tensor solveWith(gpu::Stream& stream, const Lu& lu, const Tensor* b, bool transposed) {
  TriangularOptions lower, upper;
  lower.unitDiagonal = true, lower.transposed = transposed;
  upper.upper = true, upper.transposed = transposed;
  lower.order = lu.permutation, lower.orderResult = transposed;
  const TriangularOptions &first = transposed ? upper : lower, &second = transposed ? lower : upper;
  const Tensor half = b == nullptr ? invertTriangular(stream, lu.factors, first) : solveTriangular(stream, lu.factors, *b, first);
  return solveTriangular(stream, lu.factors, half, second);
}

}  // namespace

Tensor luSolve(gpu::Stream& stream, const Lu& lu, const Tensor& b, bool transposed) { return solveWith(stream, lu, &b, transposed); }

Tensor luInverse(gpu::Stream& stream, const Lu& lu, bool transposed) { return solveWith(stream, lu, nullptr, transposed); }

LuReference luReference(const Doubles& a) {
  const std::int64_t n = a.shape[-1];
  std::int64_t matrices = 1;
  for (int axis = 0; axis + 2 < a.shape.rank(); ++axis) matrices *= a.shape[axis];
  LuReference result{a, {}, {}, {}};
  for (std::int64_t matrix = 0; matrix < matrices; ++matrix) {
    const auto at = [&](std::int64_t i, std::int64_t j) -> double& { return result.factors[matrix * n * n + i * n + j]; };
    std::vector<std::uint32_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), 0u);
    double sign = 1, logarithm = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      std::int64_t row = k;
      for (std::int64_t i = k + 1; i < n; ++i) row = std::abs(at(i, k)) > std::abs(at(row, k)) ? i : row;
      for (std::int64_t j = 0; j < n && row != k; ++j) std::swap(at(k, j), at(row, j));
      std::swap(order[static_cast<std::size_t>(k)], order[static_cast<std::size_t>(row)]);
      const double pivot = at(k, k);
      sign *= pivot == 0 ? 0 : (row != k) == (pivot < 0) ? 1 : -1;
      logarithm += std::log(std::abs(pivot));
      for (std::int64_t i = k + 1; i < n && pivot != 0; ++i) {
        at(i, k) /= pivot;
        for (std::int64_t j = k + 1; j < n; ++j) at(i, j) -= at(i, k) * at(k, j);
      }
    }
    result.permutation.insert(result.permutation.end(), order.begin(), order.end());
    result.sign.push_back(sign);
    result.logAbsDet.push_back(logarithm);
  }
  return result;
}

Doubles luSolveReference(const LuReference& lu, const Doubles& b) {
  const std::int64_t n = lu.factors.shape[-1], columns = b.shape[-1];
  Doubles ordered(b.shape);
  if (ordered.empty()) return ordered;
  const std::int64_t one = lu.factors.shape.count() == n * n ? 0 : 1;
  for (std::int64_t i = 0; i < b.shape.count() / columns; ++i) {
    const std::int64_t from = i / n * n + lu.permutation[static_cast<std::size_t>(one * (i / n * n) + i % n)];
    for (std::int64_t c = 0; c < columns; ++c) ordered[i * columns + c] = b[from * columns + c];
  }
  TriangularOptions lower, upper;
  lower.unitDiagonal = true;
  upper.upper = true;
  return solveTriangularReference(lu.factors, solveTriangularReference(lu.factors, ordered, lower), upper);
}

namespace {

// Noise, and in every row one large element of its own column, not the diagonal: pivots must move, and are never close to each other.
Tensor shuffledDiagonal(const Shape& shape, std::uint32_t seed) {
  auto values = testFloats(shape.count(), seed, -1, 1);
  const std::int64_t n = shape[-1];
  for (std::int64_t at = 0; at < shape.count(); ++at) {
    const std::int64_t i = at / n % n, j = at % n;
    if ((i + 1) % n == j) values[static_cast<std::size_t>(at)] += (at % 3 == 0 ? -1.0f : 1.0f) * (1 + 0.7f * static_cast<float>(n));
  }
  return Tensor::from(shape, values);
}

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const char* variant : {"scalar", "subgroup"}) {
    for (const Shape& shape : {Shape{9, 9}, Shape{0, 0}, Shape{1, 1}, Shape{5, 2, 2}, Shape{2, 2, 3, 3}, Shape{7, 7}, Shape{8, 8},
                               Shape{3, 33, 33}, Shape{2, 65, 65}, Shape{128, 128}, Shape{0, 3, 3}, Shape{3, 0, 0}}) {
      // Multipliers below 1 and large pivots keep every element to a few roundings; n logarithms add up to 400 with 6e-8 each.
      cases.push_back(
          {std::string(variant) + " " + shape.toString(), 2e-6, [shape, variant](gpu::Stream& stream) {
             const Tensor a = shuffledDiagonal(shape, 51);
             const Lu found = factor(stream, a, variant);
             const LuReference expected = luReference(Doubles(a));
             return worse(worse(compare(found.factors, expected.factors.values), compareExactly(found.permutation, expected.permutation)),
                          worse(compare(found.sign, expected.sign), compare(found.logAbsDet, expected.logAbsDet)));
           }});
    }
    for (const std::int64_t n : {3, 33, 128}) {
      // Random matrices have a condition near n, so the factors may differ, but L U is P A to n times 6e-8 times the growth of the pivots
      // (a few).
      cases.push_back({std::string(variant) + ": L U of random matrices of " + std::to_string(n) + " rows is P A", 1e-5,
                       [n, variant](gpu::Stream& stream) {
                         const Tensor a = Tensor::from(Shape{2, n, n}, testFloats(2 * n * n, 52, -1, 1));
                         const Lu found = factor(stream, a, variant);
                         const Doubles f(found.factors), original(a);
                         const auto order = found.permutation.as<std::uint32_t>();
                         Tensor product(a.shape());
                         auto values = product.asMutable<float>();
                         std::vector<double> expected;
                         for (std::int64_t at = 0; at < 2 * n * n; ++at) {
                           const std::int64_t base = at / (n * n) * n * n, i = at / n % n, j = at % n;
                           double sum = 0;
                           for (std::int64_t k = 0; k <= std::min(i, j); ++k)
                             sum += (k == i ? 1 : f[base + i * n + k]) * f[base + k * n + j];
                           values[static_cast<std::size_t>(at)] = static_cast<float>(sum);
                           expected.push_back(original[base + order[static_cast<std::size_t>(at / n)] * n + j]);
                         }
                         return compare(product, expected);
                       }});
    }
    cases.push_back({std::string(variant) + ": a singular matrix between two others", 2e-6, [variant](gpu::Stream& stream) {
                       // Rows of small integers, the third the sum of the others: every step is exact, the last pivot a true zero.
                       Tensor a = shuffledDiagonal(Shape{3, 3, 3}, 53);
                       const float rows[] = {4, 2, 1, 2, 3, 1, 6, 5, 2};
                       std::copy(std::begin(rows), std::end(rows), a.asMutable<float>().begin() + 9);
                       std::copy(std::begin(rows), std::begin(rows) + 3, a.asMutable<float>().begin() + 12);
                       const Lu found = factor(stream, a, variant);
                       const LuReference expected = luReference(Doubles(a));
                       const auto logs = found.logAbsDet.as<float>();
                       if (found.sign.as<float>()[1] != 0 || !std::isinf(logs[1]) || logs[1] > 0)
                         return Difference{1, 1, static_cast<double>(logs[1]), 0};
                       const Tensor b = Tensor::from(Shape{3, 3, 2}, testFloats(18, 54, -1, 1));
                       return worse(compare(found.factors, expected.factors.values),
                                    compare(luSolve(stream, found, b), luSolveReference(expected, Doubles(b)).values));
                     }});
  }
  const std::pair<Shape, Shape> systems[] = {{Shape{9, 9}, Shape{9, 5}},    {Shape{3, 33, 33}, Shape{3, 33, 9}},
                                             {Shape{65, 65}, Shape{65, 1}}, {Shape{3, 3}, Shape{4, 3, 17}},
                                             {Shape{0, 0}, Shape{0, 2}},    {Shape{2, 2, 2, 2}, Shape{2, 2, 2, 7}}};
  for (const auto& [as, bs] : systems) {
    // The condition of these matrices is below 10: two substitutions of 4e-6 each at most.
    cases.push_back({"systems " + as.toString() + " on " + bs.toString(), 8e-6, [as = as, bs = bs](gpu::Stream& stream) {
                       const Tensor a = shuffledDiagonal(as, 55), b = Tensor::from(bs, testFloats(bs.count(), 56, -1, 1));
                       return compare(luSolve(stream, lu(stream, a), b), luSolveReference(luReference(Doubles(a)), Doubles(b)).values);
                     }});
    // As above, of the matrix turned over.
    cases.push_back({"systems " + as.toString() + " transposed on " + bs.toString(), 8e-6, [as = as, bs = bs](gpu::Stream& stream) {
                       const Tensor a = shuffledDiagonal(as, 55), b = Tensor::from(bs, testFloats(bs.count(), 56, -1, 1));
                       Doubles turned(as);
                       const Doubles given(a);
                       const std::int64_t n = as[-1];
                       for (std::int64_t at = 0; at < as.count(); ++at) turned[at / (n * n) * n * n + at % n * n + at / n % n] = given[at];
                       return compare(luSolve(stream, lu(stream, a), b, true), luSolveReference(luReference(turned), Doubles(b)).values);
                     }});
  }
  for (const bool transposed : {false, true}) {
    // As above.
    cases.push_back({transposed ? "inverse transposed" : "inverse", 8e-6, [transposed](gpu::Stream& stream) {
                       const Shape shape{2, 7, 7};
                       const Tensor a = shuffledDiagonal(shape, 57);
                       const Doubles inverse(luInverse(stream, lu(stream, a), transposed)), given(a);
                       Tensor product(shape);
                       auto values = product.asMutable<float>();
                       Doubles identity(shape);
                       for (std::int64_t at = 0; at < shape.count(); ++at) {
                         const std::int64_t base = at / 49 * 49, i = at / 7 % 7, j = at % 7;
                         double sum = 0;
                         for (std::int64_t k = 0; k < 7; ++k)
                           sum += given[base + i * 7 + k] * inverse[base + (transposed ? j * 7 + k : k * 7 + j)];
                         values[static_cast<std::size_t>(at)] = static_cast<float>(sum);
                         identity[at] = i == j ? 1 : 0;
                       }
                       return compare(product, identity.values);
                     }});
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  for (const auto& [matrices, n] : {std::pair<std::int64_t, std::int64_t>{512, 8}, {64, 32}, {4, 128}}) {
    const Shape shape{matrices, n, n};
    cases.push_back({shape.toString(), std::string(variantFor(device, "lu")), 2 * static_cast<double>(matrices * n * n * n) / 3,
                     8.0 * static_cast<double>(shape.count()), true, [shape](gpu::Stream& stream) {
                       const Tensor a = shuffledDiagonal(shape, 51);
                       a.device(stream);
                       return [a](gpu::Stream& s) { lu(s, a); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"lu", "LU factors, linear systems and determinants of small matrices", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
