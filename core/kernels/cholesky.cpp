// L_kk = sqrt(A_kk), L_ik = A_ik / L_kk, then A_ij -= L_ik L_jk for what remains below and right of k.

#include "core/kernels/cholesky.h"

#include <array>
#include <limits>
#include <string>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "core/kernels/triangular.h"

namespace orrery::kernels {
namespace {

Tensor factor(gpu::Stream& stream, const Tensor& a, std::string_view variant) {
  const std::int64_t matrices = squareMatrices("cholesky", a), n = a.shape()[-1];
  requireFactorisable("cholesky", n);
  Tensor result(a.shape());
  if (a.empty()) return result;
  const bool plain = runsScalar(stream.device(), "cholesky", variant);
  const std::array<std::uint32_t, 2> push{static_cast<std::uint32_t>(matrices), static_cast<std::uint32_t>(n)};
  stream.dispatch(plain ? "kernels/cholesky" : "kernels/cholesky@wide",
                  {{a.device(stream), gpu::Access::read}, {result.deviceForWriting(stream), gpu::Access::readWrite}}, push,
                  groupPerMatrix(matrices));
  return result;
}

}  // namespace

Tensor cholesky(gpu::Stream& stream, const Tensor& a) { return factor(stream, a, variantFor(stream.device(), "cholesky")); }

Doubles choleskyReference(const Doubles& a) {
  Doubles result(a.shape);
  const std::int64_t n = a.shape[-1], matrices = n == 0 ? 0 : a.shape.count() / (n * n);
  for (std::int64_t matrix = 0; matrix < matrices; ++matrix) {
    const std::int64_t base = matrix * n * n;
    bool definite = true;
    // Row by row, each element from the ones left of and above it.
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j <= i; ++j) {
        double sum = a[base + i * n + j];
        for (std::int64_t k = 0; k < j; ++k) sum -= result[base + i * n + k] * result[base + j * n + k];
        if (i == j) definite = definite && sum > 0;
        result[base + i * n + j] = i == j ? std::sqrt(sum) : sum / result[base + j * n + j];
      }
    }
    for (std::int64_t i = 0; i < n && !definite; ++i) {
      for (std::int64_t j = 0; j <= i; ++j) result[base + i * n + j] = std::numeric_limits<double>::quiet_NaN();
    }
  }
  return result;
}

namespace {

// X X^T / n + I: eigenvalues between 1 and about 5, so that the factor is as exact as its arithmetic.
Tensor positiveDefinite(const Shape& shape, std::uint32_t seed) {
  const std::int64_t n = shape[-1], matrices = n == 0 ? 0 : shape.count() / (n * n);
  const auto x = testFloats(shape.count(), seed, -1.7, 1.7);
  std::vector<float> values(x.size());
  for (std::int64_t at = 0; at < matrices * n * n; ++at) {
    const std::int64_t base = at / (n * n) * n * n, i = at / n % n, j = at % n;
    double sum = i == j ? 1 : 0;
    for (std::int64_t k = 0; k < n; ++k)
      sum += static_cast<double>(x[static_cast<std::size_t>(base + i * n + k)] * x[static_cast<std::size_t>(base + j * n + k)]) /
             static_cast<double>(n);
    values[static_cast<std::size_t>(at)] = static_cast<float>(sum);
  }
  return Tensor::from(shape, values);
}

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const char* variant : {"scalar", "subgroup"}) {
    for (const Shape& shape : {Shape{9, 9}, Shape{0, 0}, Shape{1, 1}, Shape{5, 2, 2}, Shape{2, 2, 3, 3}, Shape{7, 7}, Shape{8, 8},
                               Shape{3, 33, 33}, Shape{2, 65, 65}, Shape{128, 128}, Shape{0, 3, 3}}) {
      // Each element is a sum of up to n products of order 1 / sqrt(n): the square root of n times 6e-8, with a condition number near 5.
      cases.push_back({std::string(variant) + " " + shape.toString(), 2e-6, [shape, variant](gpu::Stream& stream) {
                         const Tensor a = positiveDefinite(shape, 41);
                         return compare(factor(stream, a, variant), choleskyReference(Doubles(a)).values);
                       }});
    }
    // As above.
    cases.push_back({std::string(variant) + ": what stands above the diagonal is not read", 2e-6, [variant](gpu::Stream& stream) {
                       const Tensor a = positiveDefinite(Shape{9, 9}, 42);
                       Tensor b = Tensor::from(a.shape(), a.as<float>());
                       auto values = b.asMutable<float>();
                       for (std::size_t i = 0; i < 9; ++i) {
                         for (std::size_t j = i + 1; j < 9; ++j) values[i * 9 + j] = std::numeric_limits<float>::quiet_NaN();
                       }
                       return compare(factor(stream, b, variant), choleskyReference(Doubles(a)).values);
                     }});
    for (const std::int64_t n : {1, 3, 9}) {
      // As above; the second of three matrices has a last pivot below zero, or of exactly zero.
      for (const bool zero : {false, true}) {
        cases.push_back({std::string(variant) + ": " + (zero ? "a singular" : "an indefinite") + " matrix of " + std::to_string(n) +
                             " rows makes NaN of its own factor only",
                         2e-6, [n, zero, variant](gpu::Stream& stream) {
                           const Shape shape{3, n, n};
                           Tensor a = positiveDefinite(shape, 43);
                           auto values = a.asMutable<float>();
                           const auto size = static_cast<std::size_t>(n * n);
                           if (zero) {
                             for (std::size_t i = 0; i < size; ++i)
                               values[size + i] = i % (static_cast<std::size_t>(n) + 1) == 0 && i + 1 < size ? 1.0f : 0.0f;
                           } else {
                             values[2 * size - 1] = -0.5f;
                           }
                           return compare(factor(stream, a, variant), choleskyReference(Doubles(a)).values);
                         }});
      }
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  for (const auto& [matrices, n] : {std::pair<std::int64_t, std::int64_t>{512, 8}, {64, 32}, {4, 128}}) {
    const Shape shape{matrices, n, n};
    cases.push_back({shape.toString(), std::string(variantFor(device, "cholesky")), static_cast<double>(matrices * n * n * n) / 3,
                     8.0 * static_cast<double>(shape.count()), true, [shape](gpu::Stream& stream) {
                       const Tensor a = positiveDefinite(shape, 41);
                       a.device(stream);
                       return [a](gpu::Stream& s) { cholesky(s, a); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"cholesky", "Cholesky factors of small matrices", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
