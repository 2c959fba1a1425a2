#pragma once
// The design space of diffusion models as functions of the noise level. Source: Karras, Aittala, Aila and Laine 2022 ("EDM"), table 1,
// column "ours"; the schedule is their equation 5. Noise levels sigma are standard deviations in the units of the data; a denoiser is
//   D(x; sigma) = cSkip x + cOut F(cIn x; cNoise)
// with a network F whose inputs and targets then have variance 1 at every sigma.

#include <cmath>
#include <vector>

namespace orrery::models::edm {

struct Preconditioning {
  double cSkip = 0, cOut = 0, cIn = 0, cNoise = 0;
};

inline Preconditioning preconditioning(double sigma, double sigmaData) {
  const double total = sigma * sigma + sigmaData * sigmaData;
  return {sigmaData * sigmaData / total, sigma * sigmaData / std::sqrt(total), 1 / std::sqrt(total), std::log(sigma) / 4};
}

// lambda(sigma), the weight of |D - y|^2; lambda cOut^2 = 1: the loss of F's own target (y - cSkip x) / cOut has the weight 1.
inline double weight(double sigma, double sigmaData) {
  return (sigma * sigma + sigmaData * sigmaData) / (sigma * sigma * sigmaData * sigmaData);
}

// ln sigma of training is normal.
inline constexpr double meanLogSigma = -1.2, deviationLogSigma = 1.2;

// Noise levels from `largest` to `smallest` in `steps` values, then 0: t_i = (largest^(1/rho) + i / (steps - 1) (smallest^(1/rho) -
// largest^(1/rho)))^rho.
inline std::vector<double> schedule(int steps, double smallest = 0.002, double largest = 80, double rho = 7) {
  std::vector<double> t;
  const double from = std::pow(largest, 1 / rho), to = std::pow(smallest, 1 / rho);
  for (int i = 0; i < steps; ++i) t.push_back(std::pow(from + (steps > 1 ? i / static_cast<double>(steps - 1) : 0) * (to - from), rho));
  t.push_back(0);
  return t;
}

}  // namespace orrery::models::edm
