// Planar and radial layers. Source: Rezende and Mohamed 2015, "Variational inference with normalizing flows", eq. 10 to 14 and appendix A:
//   planar  y = x + u' tanh(w x + b),          det = 1 + w u' (1 - tanh^2),  u' = u + (softplus(w u) - 1 - w u) w / |w|^2, so w u' > -1
//   radial  y = x + beta h (x - c), h = 1 / (alpha + r), r = |x - c|,  det = (1 + beta h)^(D-1) (1 + alpha beta h^2),  beta > -alpha
// Where a layer nearly folds these are differences of numbers near 1; without them, with w u' = softplus(w u) - 1 and gamma = alpha + beta,
//   planar  det = tanh^2 + (1 - tanh^2) softplus(w u)
//   radial  1 + beta h = (r + gamma) h,  1 + alpha beta h^2 = (r (r + 2 alpha) + alpha gamma) h^2
// Shapes: x [n, D] -> y [n, D], log-determinant [n]. Convention: used from data to latents, so that the likelihood needs no inverse.

#include <algorithm>
#include <cmath>

#include "core/kernels/elementwise.h"
#include "core/models/flows.h"

namespace orrery::models::flows {
namespace {

using nn::Variable;

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
Variable logarithm(const Variable& x) { return nn::apply(kernels::Unary::log, x); }

class Planar final : public Layer {
 public:
  explicit Planar(std::int64_t dimensions) : dimensions_(dimensions) {}
  std::size_t weightCount() const override { return 3; }

  // A ridge anywhere near the data, nearly flat.
  nn::Weights initial(nn::Initializer& draw) const override {
    return {{"w", draw.normal(Shape{dimensions_}, 1)}, {"u", draw.normal(Shape{dimensions_}, 0.1)}, {"b", draw.uniform(Shape{1}, 1)}};
  }

  Mapped forward(nn::Tape&, std::span<const Variable> weights, const Variable& x) const override {
    const Variable &w = weights[0], &u = weights[1];
    const Variable along = nn::sum(nn::mul(w, u)), soft = nn::softplus(along);
    const Variable steer = nn::div(nn::affine(nn::sub(soft, along), 1, -1), nn::sum(nn::square(w)));
    const Variable push = nn::add(u, nn::mul(w, steer));
    const Variable t = nn::tanh(nn::add(nn::matmul(x, nn::reshape(w, Shape{dimensions_, 1})), weights[2]));  // [n, 1]
    const Variable square = nn::square(t);
    const Variable determinant = nn::add(square, nn::mul(nn::affine(square, -1, 1), soft));
    return {nn::add(x, nn::mul(t, push)), nn::reshape(logarithm(determinant), Shape{x.shape()[0]})};
  }

  // There is no closed form: each row is solved on the host.
  Variable inverse(nn::Tape& tape, std::span<const Variable> weights, const Variable& y) const override {
    HostWeights host;
    for (const Variable& w : weights) {
      const auto floats = w.value().toFloats();
      host.emplace_back(floats.begin(), floats.end());
    }
    std::vector<float> rows = y.value().toFloats();
    const auto d = static_cast<std::size_t>(dimensions_);
    std::vector<double> row(d);
    for (std::size_t i = 0; i < rows.size(); i += d) {
      std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(i), d, row.begin());
      inverse(host, row);
      for (std::size_t k = 0; k < d; ++k) rows[i + k] = static_cast<float>(row[k]);
    }
    return tape.constant(Tensor::from(y.shape(), rows));
  }

  double forward(std::span<const std::vector<double>> weights, std::span<double> x) const override {
    const Ridge ridge = ridgeOf(weights);
    const double t = std::tanh(dot(weights[0], x) + weights[2][0]);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += ridge.push[i] * t;
    return std::log(t * t + (1 - t * t) * ridge.least);
  }

  void inverse(std::span<const std::vector<double>> weights, std::span<double> y) const override {
    const Ridge ridge = ridgeOf(weights);
    const double b = weights[2][0], target = dot(weights[0], y), c = ridge.steepness;
    // Solve a + c tanh(a + b) = target, monotone because c > -1: Newton's steps within a shrinking bracket.
    double low = target - std::abs(c), high = target + std::abs(c), a = target;
    for (int i = 0; i < 100; ++i) {
      const double t = std::tanh(a + b), excess = a + c * t - target;
      if (excess == 0) break;
      (excess > 0 ? high : low) = a;
      double next = a - excess / (1 + c * (1 - t * t));
      if (!(next > low && next < high)) next = 0.5 * (low + high);
      if (next == a) break;
      a = next;
    }
    const double t = std::tanh(a + b);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] -= ridge.push[i] * t;
  }

 private:
  struct Ridge {
    std::vector<double> push;  // u'
    double steepness = 0;      // w u'
    double least = 0;          // 1 + w u', the determinant on the ridge
  };
  static double dot(const std::vector<double>& a, std::span<const double> b) {
    double sum = 0;
    for (std::size_t i = 0; i < b.size(); ++i) sum += a[i] * b[i];
    return sum;
  }
  static Ridge ridgeOf(std::span<const std::vector<double>> weights) {
    const std::vector<double>&w = weights[0], &u = weights[1];
    const double along = dot(w, u), steer = (softplus(along) - 1 - along) / dot(w, w);
    Ridge ridge{u, softplus(along) - 1, softplus(along)};
    for (std::size_t i = 0; i < w.size(); ++i) ridge.push[i] += steer * w[i];
    return ridge;
  }
  std::int64_t dimensions_;
};

class Radial final : public Layer {
 public:
  explicit Radial(std::int64_t dimensions) : dimensions_(dimensions) {}
  std::size_t weightCount() const override { return 3; }

  // A centre anywhere near the data, alpha = 1, beta = 0: the identity.
  nn::Weights initial(nn::Initializer& draw) const override {
    const double one = std::log(std::expm1(1.0));  // softplus of it is 1
    return {{"centre", draw.normal(Shape{dimensions_}, 1)}, {"a", draw.constant(Shape{1}, one)}, {"b", draw.constant(Shape{1}, one)}};
  }

  Mapped forward(nn::Tape&, std::span<const Variable> weights, const Variable& x) const override {
    const Variable alpha = nn::softplus(weights[1]), gamma = nn::softplus(weights[2]), beta = nn::sub(gamma, alpha);
    const Variable away = nn::sub(x, weights[0]);
    // The tiny number keeps the root's derivative finite at the centre.
    const Variable r = nn::apply(kernels::Unary::sqrt, nn::affine(nn::sum(nn::square(away), 1), 1, 1e-12));
    const Variable h = nn::apply(kernels::Unary::reciprocal, nn::add(r, alpha));  // [n]
    const Variable stretch = nn::mul(h, beta);
    const Variable across = logarithm(nn::mul(nn::add(r, gamma), h));
    const Variable along = nn::add(nn::mul(r, nn::add(r, nn::affine(alpha, 2, 0))), nn::mul(alpha, gamma));
    const Variable outwards = logarithm(nn::mul(along, nn::square(h)));
    const Variable column = nn::reshape(stretch, Shape{x.shape()[0], 1});
    return {nn::add(x, nn::mul(away, column)), nn::add(nn::affine(across, static_cast<double>(dimensions_ - 1), 0), outwards)};
  }

  Variable inverse(nn::Tape&, std::span<const Variable> weights, const Variable& y) const override {
    const Variable alpha = nn::softplus(weights[1]), beta = nn::sub(nn::softplus(weights[2]), alpha);
    const Variable away = nn::sub(y, weights[0]);
    const Variable rho = nn::apply(kernels::Unary::sqrt, nn::sum(nn::square(away), 1));
    // rho = r (1 + beta / (alpha + r)) is a quadratic equation: r = (p + sqrt(p^2 + 4 alpha rho)) / 2 with p = rho - alpha - beta.
    const Variable p = nn::sub(nn::sub(rho, alpha), beta);
    const Variable root = nn::apply(kernels::Unary::sqrt, nn::add(nn::square(p), nn::affine(nn::mul(rho, alpha), 4, 0)));
    const Variable r = nn::affine(nn::add(p, root), 0.5, 0);
    // (alpha + r) / (alpha + r + beta) of the way to the centre.
    const Variable reach = nn::add(r, alpha);
    const Variable share = nn::reshape(nn::div(reach, nn::add(reach, beta)), Shape{y.shape()[0], 1});
    return nn::add(nn::mul(away, share), weights[0]);
  }

  double forward(std::span<const std::vector<double>> weights, std::span<double> x) const override {
    const double alpha = softplus(weights[1][0]), gamma = softplus(weights[2][0]), beta = gamma - alpha;
    const double r = distance(weights[0], x), h = 1 / (alpha + r);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += beta * h * (x[i] - weights[0][i]);
    return static_cast<double>(x.size() - 1) * std::log((r + gamma) * h) + std::log((r * (r + 2 * alpha) + alpha * gamma) * h * h);
  }

  void inverse(std::span<const std::vector<double>> weights, std::span<double> y) const override {
    const double alpha = softplus(weights[1][0]), beta = softplus(weights[2][0]) - alpha, rho = distance(weights[0], y);
    const double p = rho - alpha - beta, r = 0.5 * (p + std::sqrt(p * p + 4 * alpha * rho));
    const double share = (alpha + r) / (alpha + r + beta);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = weights[0][i] + share * (y[i] - weights[0][i]);
  }

 private:
  static double distance(const std::vector<double>& centre, std::span<const double> x) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += (x[i] - centre[i]) * (x[i] - centre[i]);
    return std::sqrt(sum);
  }
  std::int64_t dimensions_;
};

}  // namespace

LayerPtr planar(std::int64_t dimensions) { return std::make_shared<Planar>(dimensions); }
LayerPtr radial(std::int64_t dimensions) { return std::make_shared<Radial>(dimensions); }

}  // namespace orrery::models::flows
