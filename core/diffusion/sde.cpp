#include "core/diffusion/sde.h"

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/diffusion/process.h"

namespace orrery::diffusion {

namespace {

// Values at evenly spaced times from 0 to 1, linear between them.
struct Polygon {
  std::vector<double> values;

  std::pair<std::size_t, double> place(double t) const {
    const double pieces = static_cast<double>(values.size() - 1), at = std::clamp(t, 0.0, 1.0) * pieces;
    const auto piece = std::min(static_cast<std::size_t>(at), values.size() - 2);
    return {piece, at - static_cast<double>(piece)};
  }
  double at(double t) const {
    const auto [piece, share] = place(t);
    return values[piece] + share * (values[piece + 1] - values[piece]);
  }
  double slope(double t) const {
    const std::size_t piece = place(t).first;
    return (values[piece + 1] - values[piece]) * static_cast<double>(values.size() - 1);
  }
  // From 0 to t.
  double integral(double t) const {
    const auto [piece, share] = place(t);
    double sum = 0;
    for (std::size_t i = 0; i < piece; ++i) sum += 0.5 * (values[i] + values[i + 1]);
    sum += share * (values[piece] + 0.5 * share * (values[piece + 1] - values[piece]));
    return sum / static_cast<double>(values.size() - 1);
  }
};

// sigma^2 on a fine grid, cubic between its points: its slope 2 f sigma^2 + g^2 is known there.
struct VarianceTable {
  Polygon drift, diffusion;
  std::vector<double> variance;  // at i / (size - 1)

  double slope(double t, double v) const {
    const double g = diffusion.at(t);
    return 2 * drift.at(t) * v + g * g;
  }
  double at(double t) const {
    const double pieces = static_cast<double>(variance.size() - 1), place = std::clamp(t, 0.0, 1.0) * pieces, h = 1 / pieces;
    const auto i = std::min(static_cast<std::size_t>(place), variance.size() - 2);
    const double s = place - static_cast<double>(i), a = static_cast<double>(i) * h;
    const double v0 = variance[i], v1 = variance[i + 1], d0 = h * slope(a, v0), d1 = h * slope(a + h, v1);
    if (i == 0) {
      // From 0 the variance rises with t or, where g begins at 0, with t^3: follow the equation itself rather than a cubic through both ends.
      const double g0 = diffusion.at(0), rise = diffusion.slope(0), f = drift.at(0.5 * t);
      const double plain = g0 * g0 * t + g0 * rise * t * t + rise * rise * t * t * t / 3;
      return plain * std::exp(f * t);
    }
    return (1 + 2 * s) * (1 - s) * (1 - s) * v0 + s * (1 - s) * (1 - s) * d0 + s * s * (3 - 2 * s) * v1 - s * s * (1 - s) * d1;
  }
};

constexpr std::size_t tablePieces = 4096;

}  // namespace

SdeRates ratesAt(const Moment& at) {
  const double drift = at.alphaRate / at.alpha;
  return {drift, 2 * at.sigma * at.sigmaRate - 2 * drift * at.sigma * at.sigma};
}

Moment variancePreserving(double t, double beta0, double beta1) {
  const double exponent = 0.25 * t * t * (beta1 - beta0) + 0.5 * t * beta0, alpha = std::exp(-exponent);
  const double rate = -0.5 * (beta0 + t * (beta1 - beta0)) * alpha;
  // sigma by expm1 (generative.md C12.2).
  const double sigma = std::sqrt(-std::expm1(-2 * exponent));
  return {alpha, sigma, rate, -alpha * rate / sigma};
}

Moment subVariancePreserving(double t, double beta0, double beta1) {
  const Moment m = variancePreserving(t, beta0, beta1);
  return {m.alpha, m.sigma * m.sigma, m.alphaRate, -2 * m.alpha * m.alphaRate};
}

Moment varianceExploding(double t, double least, double most) {
  const double sigma = least * std::pow(most / least, t);
  return {1, sigma, 0, sigma * std::log(most / least)};
}

Sde sdeOf(const Process& process) { return {process.at, process.first, process.last, process.id == "ve" || process.id == "edm"}; }

Expected<Sde> sdeFromRates(const std::vector<double>& drift, const std::vector<double>& diffusion) {
  if (drift.size() < 2 || diffusion.size() < 2) {
    return makeError(ErrorCode::usage, trf("Drift and diffusion need two values each at least, found {} and {}", drift.size(), diffusion.size()));
  }
  for (const double g : diffusion) {
    if (g < 0) return makeError(ErrorCode::usage, trf("The diffusion g is the size of noise and cannot be below 0, found {:.3g}", g));
  }
  if (diffusion[0] == 0 && diffusion[1] == 0) {
    return makeError(ErrorCode::usage, tr("The diffusion g is 0 at the beginning: without noise at once the way back has no end"));
  }
  VarianceTable table{{drift}, {diffusion}, {0.0}};
  // Classic Runge-Kutta: the pieces of the polygons end on grid points or nearly so; the error is far below what a picture or a step shows.
  const double h = 1.0 / static_cast<double>(tablePieces);
  for (std::size_t i = 0; i < tablePieces; ++i) {
    const double t = static_cast<double>(i) * h, v = table.variance.back();
    const double k1 = table.slope(t, v), k2 = table.slope(t + h / 2, v + h / 2 * k1), k3 = table.slope(t + h / 2, v + h / 2 * k2),
                 k4 = table.slope(t + h, v + h * k3);
    table.variance.push_back(v + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4));
  }
  Sde sde;
  sde.exploding = std::all_of(drift.begin(), drift.end(), [](double f) { return f == 0; });
  sde.at = [table = std::move(table)](double t) {
    const double alpha = std::exp(table.drift.integral(t)), variance = std::max(table.at(t), 0.0), sigma = std::sqrt(variance);
    return Moment{alpha, sigma, table.drift.at(t) * alpha, sigma > 0 ? table.slope(t, variance) / (2 * sigma) : 0};
  };
  const double end = sde.at(1).alpha;
  if (!(end > 1e-12 && end < 1e12)) {
    return makeError(ErrorCode::usage, trf("This drift takes the data to {:.1e} of their size: keep its mean between −27 and 27", end));
  }
  return sde;
}

Expected<Sde> sdeFromMoments(const std::vector<double>& alphas, const std::vector<double>& sigmas) {
  if (alphas.size() != sigmas.size() || alphas.size() < 2) {
    return makeError(ErrorCode::usage, trf("α and σ need as many values each, two at least, found {} and {}", alphas.size(), sigmas.size()));
  }
  if (alphas.front() != 1 || sigmas.front() != 0) {
    return makeError(ErrorCode::usage, trf("The data are x₀ itself: α should begin with 1 and σ with 0, found {:.3g} and {:.3g}", alphas.front(),
                                           sigmas.front()));
  }
  for (std::size_t i = 0; i < alphas.size(); ++i) {
    const auto time = [&](std::size_t k) { return static_cast<double>(k) / static_cast<double>(alphas.size() - 1); };
    if (alphas[i] <= 0) return makeError(ErrorCode::usage, trf("α should be above 0, found {:.3g} at t = {:.2g}", alphas[i], time(i)));
    if (i == 0) continue;
    // Between two values both are linear, so their ratio is monotone: it rises where its ends do.
    const double before = sigmas[i - 1] / alphas[i - 1], now = sigmas[i] / alphas[i];
    if (!(now > before)) {
      return makeError(ErrorCode::usage, trf("From t = {:.2g} to {:.2g} the noise level σ/α goes from {:.3g} to {:.3g}: variance would have to shrink, "
                                             "g² would be below 0, and there is no such diffusion",
                                             time(i - 1), time(i), before, now));
    }
  }
  Sde sde;
  sde.exploding = std::all_of(alphas.begin(), alphas.end(), [](double a) { return a == 1; });
  sde.at = [alpha = Polygon{alphas}, sigma = Polygon{sigmas}](double t) {
    return Moment{alpha.at(t), sigma.at(t), alpha.slope(t), sigma.slope(t)};
  };
  return sde;
}

double timeOf(const Sde& sde, double level) {
  double low = sde.first, high = sde.last;
  for (int i = 0; i < 80; ++i) {
    const double middle = 0.5 * (low + high);
    (sde.at(middle).relative() > level ? high : low) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace orrery::diffusion
