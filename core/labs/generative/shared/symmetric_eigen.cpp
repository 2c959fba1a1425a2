#include "core/labs/generative/shared/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace orrery::generative {

SymmetricEigen symmetricEigen(const std::vector<double>& matrix, std::size_t n) {
  std::vector<double> a(n * n), v(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) a[i * n + j] = a[j * n + i] = matrix[i * n + j];
    v[i * n + i] = 1;
  }
  double scale = 0;
  for (const double x : a) scale += x * x;
  for (int sweep = 0; sweep < 60; ++sweep) {
    double off = 0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < i; ++j) off += 2 * a[i * n + j] * a[i * n + j];
    }
    if (!(off > 1e-30 * scale)) break;  // 1e-15 of the matrix: rounding
    for (std::size_t p = 0; p + 1 < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        // Turn axes p and q so that a_pq becomes 0, by the smaller angle.
        const double apq = a[p * n + q];
        if (apq == 0) continue;
        const double theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
        const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        double *rowP = &a[p * n], *rowQ = &a[q * n];
        for (std::size_t k = 0; k < n; ++k) {
          const double x = rowP[k], y = rowQ[k];
          rowP[k] = c * x - s * y, rowQ[k] = s * x + c * y;
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double x = a[k * n + p], y = a[k * n + q];
          a[k * n + p] = c * x - s * y, a[k * n + q] = s * x + c * y;
        }
        double *axisP = &v[p * n], *axisQ = &v[q * n];
        for (std::size_t k = 0; k < n; ++k) {
          const double x = axisP[k], y = axisQ[k];
          axisP[k] = c * x - s * y, axisQ[k] = s * x + c * y;
        }
      }
    }
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return a[i * n + i] > a[j * n + j]; });
  SymmetricEigen result;
  for (const std::size_t i : order) {
    result.values.push_back(a[i * n + i]);
    result.vectors.insert(result.vectors.end(), v.begin() + static_cast<std::ptrdiff_t>(i * n),
                          v.begin() + static_cast<std::ptrdiff_t>((i + 1) * n));
  }
  return result;
}

}  // namespace orrery::generative
