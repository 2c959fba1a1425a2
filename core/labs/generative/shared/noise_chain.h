#pragma once
// The forward chain q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I), t = 1 .. T, its posterior q(x_{t-1} | x_t, x_0), the reverse
// variances and the terms of the variational bound, in double precision.
// Sources: Ho et al. 2020 (eq. 2-10, section 3.2), Nichol & Dhariwal 2021 (eq. 15, 17), Bao et al. 2022 (optimal variance), Lin et al. 2024
// (zero terminal SNR). Vectors over t have T + 1 entries; entry 0 is data: abar_0 = 1.

#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/labs/generative/shared/plane_scene_steps.h"

namespace orrery::generative {

struct ScheduleRequest {
  std::string kind = "linear";  // linear, scaled-linear, cosine, zero-snr, drawn
  int steps = 1000;
  double first = 1e-4, last = 0.02;  // beta_1 and beta_T of `linear` (and of the chain that zero-snr shifts)
  bool keepSnr = true;               // betas times 1000 / T (linear, scaled-linear, zero-snr, drawn)
  std::vector<double> curve;         // of `drawn`: betas at equal parts of the way, joined by straight lines in ln beta
};

enum class ReverseVariance { large, small, interpolated, analytic };

struct Chain {
  std::vector<double> beta;      // beta[0] = 0
  std::vector<double> alphaBar;  // prod (1 - beta)
  std::vector<double> oneMinus;  // 1 - abar, without cancellation
  int steps() const { return static_cast<int>(beta.size()) - 1; }
  double alpha(int t) const;  // sqrt(abar)
  double sigma(int t) const;
  // What a state is divided by, max(alpha, sigma / mostLevel): a chain may end at alpha = 0. Beyond mostLevel D is the mean of the data to
  // 1e-6.
  double scale(int t) const;
  double level(int t) const;  // sigma / scale
  double snr(int t) const;
  double posteriorVariance(int t) const;  // betaTilde_t, 0 at t = 1
  int crossing() const;                   // the step at which SNR is closest to 1
};
constexpr double mostLevel = 1e6;

// Error: a beta outside (0, 1).
Expected<Chain> makeChain(const ScheduleRequest& request);

// Sigma_t of every step; `interpolation` is w of e^{w ln beta + (1 - w) ln betaTilde}. ln betaTilde_1 = -inf is replaced by that of step 2,
// as in the authors' code, wherever a density is asked for. `error`[t]: E tr Cov[x_0 | x_t] / d, read by `analytic`.
std::vector<double> reverseVariances(const Chain& chain, ReverseVariance kind, double interpolation, const std::vector<double>& error);

// The reverse steps from t = T down to 1, in scaled coordinates.
std::vector<LinearStep> reverseSteps(const Chain& chain, const std::vector<double>& variance, bool lastStepNoise);

// The bound in nats per axis: term[t] for t >= 2 is L_{t-1}, term[1] is L_0 and term[0] is L_T. `error`[t] = E |x_0 - xhat_0|^2 / d of the
// denoiser at step t; `secondMoment` = E |x_0|^2 / d.
std::vector<double> boundTerms(const Chain& chain, const std::vector<double>& variance, const std::vector<double>& error,
                               double secondMoment);

enum class LossWeight { simple, bound, clipped };
// The weight of |eps - epshat|^2 at step t: 1; that of the bound; min(SNR, gamma) / SNR (Hang et al. 2023).
double lossWeight(const Chain& chain, const std::vector<double>& variance, int t, LossWeight kind, double gamma);

}  // namespace orrery::generative
