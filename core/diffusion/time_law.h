#pragma once
// Laws from which the times of a flow's training pairs are drawn (t in 0 ... 1, data at 0), and the shift of times between resolutions.
// Source: Esser et al. 2024, section 3.1 (equations 19 and 20, "CosMap") and equation 23.

#include <numbers>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::diffusion {

struct TimeLaw {
  std::string id, title;
  double (*time)(double u, double mean, double scale) = nullptr;     // of a uniform u; logit-normal rises with u, mode and CosMap fall
  double (*density)(double t, double mean, double scale) = nullptr;  // over t, 0 < t < 1
};

// uniform; logit-normal: logit t ~ N(mean, scale^2); mode: t = 1 - u - scale (cos^2(pi u / 2) - 1 + u); cosmap: t = 1 - 1 / (tan(pi u / 2)
// + 1).
const std::vector<TimeLaw>& timeLaws();
const TimeLaw* timeLaw(std::string_view id);  // null: none

// The map of "mode" is monotone exactly for scales between these.
constexpr double leastModeScale = -1, largestModeScale = 2 / (std::numbers::pi - 2);

double logitOf(double t);
double timeOfLogit(double logit);

// From n to m pixels, kappa = sqrt(m / n): t' = kappa t / (1 + (kappa - 1) t) multiplies t / (1 - t) by kappa.
double shiftedTime(double t, double kappa);

}  // namespace orrery::diffusion
