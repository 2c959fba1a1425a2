#include "core/diffusion/time_law.h"

#include <algorithm>
#include <cmath>

#include "core/diffusion/grid.h"

namespace orrery::diffusion {

namespace {

constexpr double pi = std::numbers::pi;

double logitNormalTime(double u, double mean, double scale) { return timeOfLogit(mean + scale * normalQuantile(u)); }
double logitNormalDensity(double t, double mean, double scale) {
  const double z = (logitOf(t) - mean) / scale;
  return std::exp(-z * z / 2) / (scale * std::sqrt(2 * pi) * t * (1 - t));
}

double modeTime(double u, double, double scale) {
  const double c = std::cos(pi * u / 2);
  return 1 - u - scale * (c * c - 1 + u);
}
// 1 / |dt / du| at the u of t, found by halving.
double modeDensity(double t, double, double scale) {
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (modeTime(middle, 0, scale) > t ? low : high) = middle;
  }
  return 1 / (1 + scale - scale * pi / 2 * std::sin(pi * 0.5 * (low + high)));
}

double cosmapTime(double u, double, double) {
  const double c = std::cos(pi * u / 2), s = std::sin(pi * u / 2);
  return s / (s + c);  // = 1 - 1 / (tan + 1), also at u = 1
}
double cosmapDensity(double t, double, double) { return 2 / (pi - 2 * pi * t + 2 * pi * t * t); }

}  // namespace

double logitOf(double t) { return std::log(t) - std::log1p(-t); }
double timeOfLogit(double logit) { return 1 / (1 + std::exp(-logit)); }

double shiftedTime(double t, double kappa) { return kappa * t / (1 + (kappa - 1) * t); }

const std::vector<TimeLaw>& timeLaws() {
  static const std::vector<TimeLaw> laws{
      {"uniform", "Uniform", [](double u, double, double) { return u; }, [](double, double, double) { return 1.0; }},
      {"logit-normal", "Logit-normal", logitNormalTime, logitNormalDensity},
      {"mode", "Mode with heavy tails", modeTime, modeDensity},
      {"cosmap", "CosMap", cosmapTime, cosmapDensity}};
  return laws;
}

const TimeLaw* timeLaw(std::string_view id) {
  const auto& laws = timeLaws();
  const auto found = std::find_if(laws.begin(), laws.end(), [&](const TimeLaw& law) { return law.id == id; });
  return found == laws.end() ? nullptr : &*found;
}

}  // namespace orrery::diffusion
