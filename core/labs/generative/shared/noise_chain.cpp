// The chain of DDPM; formulas and sources in noise_chain.h.

#include "core/labs/generative/shared/noise_chain.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/diffusion/process.h"

namespace orrery::generative {

double Chain::alpha(int t) const { return std::sqrt(alphaBar[static_cast<std::size_t>(t)]); }
double Chain::sigma(int t) const { return std::sqrt(oneMinus[static_cast<std::size_t>(t)]); }
double Chain::scale(int t) const { return std::max(alpha(t), sigma(t) / mostLevel); }
double Chain::level(int t) const { return sigma(t) / scale(t); }
double Chain::snr(int t) const { return 1 / (level(t) * level(t)); }
double Chain::posteriorVariance(int t) const {
  const auto i = static_cast<std::size_t>(t);
  return oneMinus[i - 1] / oneMinus[i] * beta[i];
}

int Chain::crossing() const {
  int best = 1;
  for (int t = 1; t <= steps(); ++t)
    if (std::abs(std::log(level(t))) < std::abs(std::log(level(best)))) best = t;
  return best;
}

namespace {

std::vector<double> betasOf(const ScheduleRequest& request) {
  const auto T = static_cast<std::size_t>(request.steps);
  const double scale = request.keepSnr ? 1000.0 / request.steps : 1;
  const auto share = [&](std::size_t i) { return T > 1 ? static_cast<double>(i) / static_cast<double>(T - 1) : 0.0; };
  std::vector<double> betas(T);
  for (std::size_t i = 0; i < T; ++i) {
    if (request.kind == "cosine") {
      const auto h = [&](double t) {
        const double c = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2);
        return c * c;
      };
      const auto steps = static_cast<double>(T);
      betas[i] = std::min(0.999, 1 - h((static_cast<double>(i) + 1) / steps) / h(static_cast<double>(i) / steps));
    } else if (request.kind == "scaled-linear") {
      const double root = std::sqrt(0.00085) + (std::sqrt(0.012) - std::sqrt(0.00085)) * share(i);
      betas[i] = scale * root * root;
    } else if (request.kind == "drawn" && request.curve.size() > 1) {
      const double place = share(i) * static_cast<double>(request.curve.size() - 1);
      const std::size_t k = std::min(static_cast<std::size_t>(place), request.curve.size() - 2);
      const double f = place - static_cast<double>(k);
      betas[i] = scale * std::exp((1 - f) * std::log(request.curve[k]) + f * std::log(request.curve[k + 1]));
    } else {
      betas[i] = scale * (request.first + (request.last - request.first) * share(i));
    }
  }
  return betas;
}

}  // namespace

Expected<Chain> makeChain(const ScheduleRequest& request) {
  std::vector<double> betas = betasOf(request);
  for (std::size_t i = 0; i < betas.size(); ++i) {
    if (betas[i] > 0 && betas[i] < 1) continue;
    return makeError(ErrorCode::usage,
                     trf("β at step {} is {:.3g}, outside (0, 1): each step must keep some signal and add some noise. Lower β "
                         "at the end, take more steps, or do not keep the SNR",
                         i + 1, betas[i]));
  }
  if (request.kind == "zero-snr") betas = diffusion::zeroTerminal(betas);
  Chain chain;
  chain.beta = {0};
  chain.alphaBar = {1};
  chain.oneMinus = {0};
  double logarithm = 0;
  for (const double beta : betas) {
    logarithm += std::log1p(-std::min(beta, 1.0));
    chain.beta.push_back(beta);
    chain.alphaBar.push_back(std::exp(logarithm));
    chain.oneMinus.push_back(-std::expm1(logarithm));
  }
  return chain;
}

std::vector<double> reverseVariances(const Chain& chain, ReverseVariance kind, double interpolation, const std::vector<double>& error) {
  std::vector<double> variances(chain.beta.size(), 0);
  for (int t = 1; t <= chain.steps(); ++t) {
    const auto i = static_cast<std::size_t>(t);
    const double small = chain.posteriorVariance(t > 1 ? t : std::min(2, chain.steps())), large = chain.beta[i];
    double& variance = variances[i];
    switch (kind) {
      case ReverseVariance::large:
        variance = large;
        break;
      case ReverseVariance::small:
        variance = small;
        break;
      case ReverseVariance::interpolated:
        variance = std::exp(interpolation * std::log(large) + (1 - interpolation) * std::log(small));
        break;
      case ReverseVariance::analytic: {
        const double pull = chain.beta[i] / chain.oneMinus[i];
        variance = chain.posteriorVariance(t) + chain.alphaBar[i - 1] * pull * pull * error[i];
        // Data without width leave nothing at the last step.
        if (!(variance > 0)) variance = small;
        break;
      }
    }
  }
  return variances;
}

std::vector<LinearStep> reverseSteps(const Chain& chain, const std::vector<double>& variance, bool lastStepNoise) {
  std::vector<LinearStep> steps;
  for (int t = chain.steps(); t >= 1; --t) {
    const auto i = static_cast<std::size_t>(t);
    // The posterior mean, each side divided by its scale.
    LinearStep step;
    step.level = chain.level(t);
    step.toward = chain.alpha(t - 1) / chain.scale(t - 1) * chain.beta[i] / chain.oneMinus[i];
    step.keep = std::sqrt(1 - chain.beta[i]) * chain.oneMinus[i - 1] / chain.oneMinus[i] * chain.scale(t) / chain.scale(t - 1);
    const bool noisy = t > 1 || lastStepNoise;
    step.noise = noisy ? std::sqrt(variance[i]) / chain.scale(t - 1) : 0;
    steps.push_back(step);
  }
  return steps;
}

std::vector<double> boundTerms(const Chain& chain, const std::vector<double>& variance, const std::vector<double>& error,
                               double secondMoment) {
  const int T = chain.steps();
  std::vector<double> terms(chain.beta.size(), 0);
  const auto last = static_cast<std::size_t>(T);
  const double logOneMinus = chain.alphaBar[last] < 0.5 ? std::log1p(-chain.alphaBar[last]) : std::log(chain.oneMinus[last]);
  terms[0] = 0.5 * (chain.alphaBar[last] * (secondMoment - 1) - logOneMinus);
  terms[1] = 0.5 * std::log(2 * std::numbers::pi * variance[1]) + error[1] / (2 * variance[1]);
  for (int t = 2; t <= T; ++t) {
    const auto i = static_cast<std::size_t>(t);
    const double ratio = chain.posteriorVariance(t) / variance[i], pull = chain.beta[i] / chain.oneMinus[i];
    terms[i] = 0.5 * (ratio - 1 - std::log(ratio)) + chain.alphaBar[i - 1] * pull * pull * error[i] / (2 * variance[i]);
  }
  return terms;
}

double lossWeight(const Chain& chain, const std::vector<double>& variance, int t, LossWeight kind, double gamma) {
  const auto i = static_cast<std::size_t>(t);
  switch (kind) {
    case LossWeight::bound:
      // beta^2 / (2 Sigma (1 - beta) (1 - abar)); at t = 1 the same is the weight of |x_0 - xhat_0|^2 in L_0.
      return chain.beta[i] * chain.beta[i] / (2 * variance[i] * std::max(1 - chain.beta[i], 1e-12) * chain.oneMinus[i]);
    case LossWeight::clipped:
      return std::min(chain.snr(t), gamma) / chain.snr(t);
    case LossWeight::simple:
      break;
  }
  return 1;
}

}  // namespace orrery::generative
