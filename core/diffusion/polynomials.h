#pragma once
// Weights of multistep formulas: integrals of Lagrange's basis polynomials against a weight.

#include <array>
#include <cstddef>
#include <functional>
#include <vector>

namespace orrery::diffusion {

// Integral of f from `from` to `to` by Gauss-Legendre with 16 nodes, exact for polynomials of degree 31.
template <class F>
double integrate(const F& f, double from, double to) {
  static constexpr std::array<double, 8> node = {0.0950125098376374402, 0.2816035507792589132, 0.4580167776572273863,
                                                 0.6178762444026437484, 0.7554044083550030339, 0.8656312023878317439,
                                                 0.9445750230732325761, 0.9894009349916499326};
  static constexpr std::array<double, 8> weight = {0.1894506104550684963, 0.1826034150449235889, 0.1691565193950025382,
                                                   0.1495959888165767321, 0.1246289712555338721, 0.0951585116824927848,
                                                   0.0622535239386478929, 0.0271524594117540949};
  const double middle = 0.5 * (from + to), half = 0.5 * (to - from);
  double sum = 0;
  for (std::size_t i = 0; i < node.size(); ++i) sum += weight[i] * (f(middle - half * node[i]) + f(middle + half * node[i]));
  return half * sum;
}

// The j-th Lagrange basis polynomial of `places` at t.
inline double lagrange(const std::vector<double>& places, std::size_t j, double t) {
  double value = 1;
  for (std::size_t m = 0; m < places.size(); ++m)
    if (m != j) value *= (t - places[m]) / (places[j] - places[m]);
  return value;
}

// Integral of weight(t) l_j(t) from `from` to `to`, for every j.
template <class F>
std::vector<double> lagrangeWeights(const std::vector<double>& places, double from, double to, const F& weight) {
  std::vector<double> result;
  for (std::size_t j = 0; j < places.size(); ++j)
    result.push_back(integrate([&](double t) { return weight(t) * lagrange(places, j, t); }, from, to));
  return result;
}

}  // namespace orrery::diffusion
