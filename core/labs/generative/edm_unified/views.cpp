// How a network is wrapped and trained, row by row (generative.md's table; Karras et al. 2022, table 1).

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/labs/generative/edm_unified/lab.h"

namespace orrery::generative {

using diffusion::Preconditioning;

namespace {

double normalDensity(double x, double mean, double deviation) {
  const double z = (x - mean) / deviation;
  return std::exp(-z * z / 2) / (deviation * std::sqrt(2 * std::numbers::pi));
}

// Uniform in the time of the VP process, t from 1e-5 to 1: the density of ln sigma is dt / d ln sigma. With L = ln(1 + sigma^2) = b0 t +
// (b1 - b0) t^2 / 2, dL / d ln sigma = 2 sigma^2 / (1 + sigma^2).
constexpr double beta0 = 0.1, beta1 = 20;
double vpTime(double sigma) {
  return (std::sqrt(beta0 * beta0 + 2 * (beta1 - beta0) * std::log1p(sigma * sigma)) - beta0) / (beta1 - beta0);
}
double vpDensity(double lnSigma, double, double) {
  const double sigma = std::exp(lnSigma), t = vpTime(sigma);
  if (t < 1e-5 || t > 1) return 0;
  return 2 * sigma * sigma / (1 + sigma * sigma) / (beta0 + (beta1 - beta0) * t);
}
double veDensity(double lnSigma, double, double) {
  return lnSigma >= std::log(0.02) && lnSigma <= std::log(100.0) ? 1 / std::log(100 / 0.02) : 0;
}
// iDDPM: u_j uniform in the cosine schedule's angle; sigma = tan of it (Karras et al. 2022, table 1, with C_1 = 0.001, C_2 = 0.008).
double cosineDensity(double lnSigma, double, double) {
  const double angle = std::atan(std::exp(lnSigma)), first = std::numbers::pi / 2 * 0.008 / 1.008;
  if (angle < first) return 0;
  return std::sin(2 * angle) / 2 / (std::numbers::pi / 2 - first);  // d angle / d ln sigma = sin cos
}
// t uniform in 0 ... 1 on the straight path: sigma = t / (1 - t), a logistic law of ln sigma.
double flowDensity(double lnSigma, double, double) {
  const double t = 1 / (1 + std::exp(-lnSigma));
  return t * (1 - t);
}
double inverseSquare(double sigma, double) { return 1 / (sigma * sigma); }

}  // namespace

const std::vector<NetworkView>& networkViews() {
  static const std::vector<NetworkView> views{
      {"edm", "EDM", [](double s, double d) { return diffusion::preconditioning(s, d); },
       [](double s, double d) { return (s * s + d * d) / (s * s * d * d); }, normalDensity},
      {"vp", "VP",
       [](double s, double) {
         return Preconditioning{1, -s, 1 / std::sqrt(s * s + 1), 999 * vpTime(s)};
       },
       inverseSquare, vpDensity},
      {"ve", "VE",
       [](double s, double) {
         return Preconditioning{1, s, 1, std::log(s / 2)};
       },
       inverseSquare, veDensity},
      // The index of the nearest of 1000 levels, counted from the largest.
      {"iddpm", "iDDPM",
       [](double s, double) {
         const double first = std::numbers::pi / 2 * 0.008 / 1.008;
         const double share = (std::atan(s) - first) / (std::numbers::pi / 2 - first);
         return Preconditioning{1, -s, 1 / std::sqrt(s * s + 1), 999 - std::round(999 * (1 - std::clamp(share, 0.0, 1.0)))};
       },
       inverseSquare, cosineDensity},
      // In the scaled state x_t / (1 - t): x_0 = x_t - t u = skip x + out F with F = u.
      {"flow", "Flow",
       [](double s, double) {
         const double t = s / (1 + s);
         return Preconditioning{1 - t, -t, 1 - t, t};
       },
       [](double s, double) { return std::pow((1 + s) / s, 2); }, flowDensity},
      {"data", "None: predicts x₀",
       [](double s, double) {
         return Preconditioning{0, 1, 1, std::log(s)};
       },
       [](double, double) { return 1.0; }, normalDensity},
      {"noise", "None: predicts ε",
       [](double s, double) {
         return Preconditioning{1, -s, 1, std::log(s)};
       },
       inverseSquare, normalDensity}};
  return views;
}

double trainingDensity(const NetworkView& view, bool logitNormal, double lnSigma, double mean, double deviation) {
  // logit t = ln(t / (1 - t)) = ln sigma.
  return view.id == "flow" && logitNormal ? normalDensity(lnSigma, mean, deviation) : view.density(lnSigma, mean, deviation);
}

}  // namespace orrery::generative
