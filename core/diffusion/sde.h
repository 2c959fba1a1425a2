#pragma once
// Linear diffusions dx = f(t) x dt + g(t) dw with numbers of their own (core/diffusion/process.h lists those with the published ones):
//   d alpha / dt = f alpha,  d sigma^2 / dt = 2 f sigma^2 + g^2,  alpha(0) = 1.
// Source: Song et al. 2021, equations 25 to 32 and appendix C; Särkkä and Solin 2019, section 5.5 (moments of a linear SDE).

#include <functional>
#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/diffusion/prediction.h"

namespace orrery::diffusion {

struct Process;

struct Sde {
  std::function<Moment(double)> at;  // t in [first, last]
  double first = 0, last = 1;
  bool exploding = false;            // f = 0 throughout: alpha stays 1
};

// Drift factor f and squared diffusion g^2 at one time: f = alpha' / alpha, g^2 = 2 sigma sigma' - 2 f sigma^2.
struct SdeRates {
  double drift = 0, diffusion2 = 0;
};
SdeRates ratesAt(const Moment& at);

// f = -beta / 2, g^2 = beta = beta0 + t (beta1 - beta0).
Moment variancePreserving(double t, double beta0, double beta1);
// The same drift, sigma squared: g^2 = beta (1 - alpha^4).
Moment subVariancePreserving(double t, double beta0, double beta1);
// f = 0, sigma = least (most / least)^t.
Moment varianceExploding(double t, double least, double most);

Sde sdeOf(const Process& process);
// f and g at evenly spaced times from 0 to 1, linear between them. Error: fewer than two values of either, a negative g, g = 0 on the first
// piece (no noise at t = 0+).
Expected<Sde> sdeFromRates(const std::vector<double>& drift, const std::vector<double>& diffusion);
// alpha and sigma at evenly spaced times from 0 to 1, linear between them. Error: as many of both are needed, two or more; alpha above 0 and 1
// at the beginning; sigma 0 at the beginning; sigma / alpha rising, or else g^2 would be below 0.
Expected<Sde> sdeFromMoments(const std::vector<double>& alphas, const std::vector<double>& sigmas);

// The time of a relative noise level, by halving; clamped to [first, last].
double timeOf(const Sde& sde, double level);

}  // namespace orrery::diffusion
