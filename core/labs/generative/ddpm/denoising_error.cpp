// Posterior variances by quadrature. With responsibilities r_k, means m_k and variances V_k of the components of p(x_0 | x) (generative.md
// C3):
//   tr Cov[x_0 | x] = sum_k r_k (tr V_k + |m_k|^2) - |sum_k r_k m_k|^2

#include "core/labs/generative/ddpm/denoising_error.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/diffusion/grid.h"

namespace orrery::generative {

using diffusion::State;
using kernels::Component;

namespace {

constexpr double firstKnot = -6.9, lastKnot = 6.9;  // ln of levels 1e-3 to 1e3: beyond, the ratio is 1 (or data without width keep 0)
constexpr std::size_t knots = 70;

// tr Cov[x_0 | x] / 2, averaged over the points.
double meanVariance(const PlaneScene& scene, const State& points, double level) {
  struct Prepared {
    double x, y, cosine, sine, alongInverse, acrossInverse, alongShare, acrossShare, logWeight, trace;
  };
  std::vector<Prepared> prepared;
  const double s2 = level * level;
  for (const Component& c : scene.density.components) {
    const double along = c.along + s2, across = c.across + s2;
    prepared.push_back({c.x, c.y, std::cos(c.angle), std::sin(c.angle), 1 / along, 1 / across, c.along / along, c.across / across,
                        std::log(std::max(c.weight, 1e-300)) - 0.5 * std::log(along * across), s2 * (c.along / along + c.across / across)});
  }
  std::vector<double> logits(prepared.size());
  double total = 0;
  for (std::size_t i = 0; i + 1 < points.size(); i += 2) {
    double largest = -std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < prepared.size(); ++k) {
      const Prepared& c = prepared[k];
      const double dx = points[i] - c.x, dy = points[i + 1] - c.y, u = c.cosine * dx + c.sine * dy, v = c.cosine * dy - c.sine * dx;
      logits[k] = c.logWeight - 0.5 * (u * u * c.alongInverse + v * v * c.acrossInverse);
      largest = std::max(largest, logits[k]);
    }
    // Deviations from the point itself, so that nothing cancels.
    double sum = 0, meanX = 0, meanY = 0, square = 0;
    for (std::size_t k = 0; k < prepared.size(); ++k) {
      if (logits[k] < largest - 40) continue;  // below 1e-17 of the largest
      const Prepared& c = prepared[k];
      const double r = std::exp(logits[k] - largest), dx = points[i] - c.x, dy = points[i + 1] - c.y;
      const double u = (c.alongShare - 1) * (c.cosine * dx + c.sine * dy), v = (c.acrossShare - 1) * (c.cosine * dy - c.sine * dx);
      const double mx = c.cosine * u - c.sine * v, my = c.sine * u + c.cosine * v;
      sum += r;
      meanX += r * mx;
      meanY += r * my;
      square += r * (c.trace + mx * mx + my * my);
    }
    total += square / sum - (meanX * meanX + meanY * meanY) / (sum * sum);
  }
  return std::max(0.0, 0.5 * total / static_cast<double>(points.size() / 2));
}

}  // namespace

namespace {

// A component and two standard normals per point.
struct EvenDraw {
  std::size_t component = 0;
  double z0 = 0, z1 = 0;
};

std::vector<EvenDraw> evenDraws(const PlaneScene& scene, std::size_t count) {
  const std::vector<double> sums = cumulativeWeights(scene.density);
  // 1 / plastic number and its square: the sequence of least discrepancy in two dimensions known.
  constexpr double g1 = 0.7548776662466927, g2 = 0.5698402909980532;
  std::vector<EvenDraw> draws(count);
  std::size_t k = 0, inside = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double place = (static_cast<double>(i) + 0.5) / static_cast<double>(count) * sums.back();
    while (k + 1 < sums.size() && place > sums[k]) {
      ++k;
      inside = 0;
    }
    // Point `inside` of component k, shifted by component so that small shares are even together.
    const double shift = 0.618033988749895 * static_cast<double>(k), n = static_cast<double>(inside++);
    const auto part = [](double v) { return std::clamp(v - std::floor(v), 1e-9, 1 - 1e-9); };
    draws[i] = {k, diffusion::normalQuantile(part(0.5 + shift + g1 * n)), diffusion::normalQuantile(part(0.5 + 0.7 * shift + g2 * n))};
  }
  return draws;
}

State pointsOf(const PlaneScene& scene, const std::vector<EvenDraw>& draws, double level) {
  State points(2 * draws.size());
  for (std::size_t i = 0; i < draws.size(); ++i) {
    const Component& c = scene.density.components[draws[i].component];
    const double u = std::sqrt(c.along + level * level) * draws[i].z0, v = std::sqrt(c.across + level * level) * draws[i].z1;
    points[2 * i] = c.x + std::cos(c.angle) * u - std::sin(c.angle) * v;
    points[2 * i + 1] = c.y + std::sin(c.angle) * u + std::cos(c.angle) * v;
  }
  return points;
}

}  // namespace

State evenSample(const PlaneScene& scene, double level, std::size_t count) { return pointsOf(scene, evenDraws(scene, count), level); }

DenoisingError::DenoisingError(const PlaneScene& scene) {
  const auto& components = scene.density.components;
  double meanX = 0, meanY = 0, thinnest = std::numeric_limits<double>::infinity();
  for (const Component& c : components) {
    meanX += c.weight * c.x;
    meanY += c.weight * c.y;
    secondMoment_ += 0.5 * c.weight * (c.x * c.x + c.y * c.y + c.along + c.across);
    thinnest = std::min({thinnest, c.along, c.across});
  }
  variance_ = std::max(0.0, secondMoment_ - 0.5 * (meanX * meanX + meanY * meanY));
  if (components.size() == 1) {
    const Component& c = components.front();
    gaussian_ = {c.along, c.across};
    variance_ = 0.5 * (c.along + c.across);
    entropy_ =
        0.25 * (std::log(2 * std::numbers::pi * std::numbers::e * c.along) + std::log(2 * std::numbers::pi * std::numbers::e * c.across));
    return;
  }
  // As many points as some ten million component evaluations in all allow.
  const std::size_t count = std::clamp<std::size_t>((1u << 23) / (knots * components.size()), 512, 4096);
  const std::vector<EvenDraw> draws = evenDraws(scene, count);
  if (thinnest > 0) {
    const State points = pointsOf(scene, draws, 0);
    for (std::size_t i = 0; i + 1 < points.size(); i += 2)
      entropy_ -= 0.5 / static_cast<double>(count) * kernels::evaluateMixture(components, points[i], points[i + 1], 1, 0).logDensity;
  } else {
    entropy_ = -std::numeric_limits<double>::infinity();
  }
  for (std::size_t k = 0; k < knots; ++k) {
    const double level = std::exp(firstKnot + (lastKnot - firstKnot) * static_cast<double>(k) / (knots - 1)), s2 = level * level;
    ratio_.push_back(meanVariance(scene, pointsOf(scene, draws, level), level) * (variance_ + s2) / (variance_ * s2));
  }
}

double DenoisingError::at(double level) const {
  const double s2 = level * level;
  if (!gaussian_.empty()) {
    double sum = 0;
    for (const double c : gaussian_) sum += c > 0 ? 0.5 * c / (1 + c / s2) : 0.0;
    return level > 0 ? sum : 0;
  }
  if (!(level > 0)) return 0;
  const double linear = variance_ / (1 + variance_ / s2);
  const double place = (std::log(level) - firstKnot) / (lastKnot - firstKnot) * (knots - 1);
  if (place <= 0) return linear * ratio_.front();
  if (place >= knots - 1) return linear;
  // Catmull-Rom between the knots.
  const auto k = static_cast<std::size_t>(place);
  const double f = place - static_cast<double>(k), b = ratio_[k], c = ratio_[k + 1];
  const double a = ratio_[k > 0 ? k - 1 : 0], d = ratio_[std::min(k + 2, knots - 1)];
  const double value = b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)));
  return linear * std::clamp(value, std::min({a, b, c, d}), std::max({a, b, c, d}));
}

}  // namespace orrery::generative
