// The noise processes of generative.md C1.

#include "core/diffusion/process.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/diffusion/sde.h"

namespace orrery::diffusion {

std::vector<double> cumulativeAlphas(const std::vector<double>& betas) {
  std::vector<double> result;
  double product = 1;
  for (const double beta : betas) result.push_back(product *= 1 - beta);
  return result;
}

std::vector<double> zeroTerminal(const std::vector<double>& betas) {
  std::vector<double> roots = cumulativeAlphas(betas);
  for (double& value : roots) value = std::sqrt(value);
  const double first = roots.front(), last = roots.back();
  for (double& value : roots) value = (value - last) * first / (first - last);
  std::vector<double> result;
  double before = 1;
  for (const double value : roots) {
    result.push_back(1 - value * value / (before * before));
    before = value;
  }
  return result;
}

namespace {

constexpr int chainLength = 1000;
constexpr double vpBeta0 = 0.1, vpBeta1 = 20, veLeast = 0.01, veMost = 50;

std::vector<double> linearBetas() {
  std::vector<double> betas;
  for (int i = 0; i < chainLength; ++i) betas.push_back(1e-4 + (0.02 - 1e-4) * i / (chainLength - 1));
  return betas;
}

std::vector<double> scaledLinearBetas() {
  std::vector<double> betas;
  const double low = std::sqrt(0.00085), high = std::sqrt(0.012);
  for (int i = 0; i < chainLength; ++i) {
    const double root = low + (high - low) * i / (chainLength - 1);
    betas.push_back(root * root);
  }
  return betas;
}

std::vector<double> cosineBetas() {
  const auto h = [](double t) {
    const double c = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2);
    return c * c;
  };
  std::vector<double> betas;
  for (int i = 0; i < chainLength; ++i)
    betas.push_back(std::min(0.999, 1 - h((i + 1.0) / chainLength) / h(static_cast<double>(i) / chainLength)));
  return betas;
}

std::vector<double> sigmoidBetas() {
  std::vector<double> betas;
  for (int i = 0; i < chainLength; ++i) betas.push_back(1e-4 + (0.02 - 1e-4) / (1 + std::exp(6 - 12.0 * i / (chainLength - 1))));
  return betas;
}

std::vector<double> zeroTerminalBetas() { return zeroTerminal(linearBetas()); }

// alpha with its rate -> the variance-preserving moment; sigma by expm1 (C12.2).
Moment preserving(double alpha, double rate) {
  const double sigma = alpha > 0 ? std::sqrt(std::max(0.0, -std::expm1(2 * std::log(alpha)))) : 1.0;
  return {alpha, sigma, rate, -alpha * rate / sigma};
}

// A chain, sqrt(abar) linear between its steps.
Moment chainAt(const std::vector<double>& bars, double t) {
  const double place = std::clamp(t * static_cast<double>(bars.size()), 0.0, static_cast<double>(bars.size()));
  const auto step = std::min(static_cast<std::size_t>(place), bars.size() - 1);  // between chain steps `step` and `step` + 1
  const double low = step == 0 ? 1.0 : std::sqrt(bars[step - 1]), high = std::sqrt(bars[step]);
  const double share = place - static_cast<double>(step);
  return preserving(low + share * (high - low), (high - low) * static_cast<double>(bars.size()));
}

template <std::vector<double> (*betas)()>
Moment chain(double t) {
  static const std::vector<double> bars = cumulativeAlphas(betas());
  return chainAt(bars, t);
}

Moment vp(double t) { return variancePreserving(t, vpBeta0, vpBeta1); }
Moment subVp(double t) { return subVariancePreserving(t, vpBeta0, vpBeta1); }
Moment ve(double t) { return varianceExploding(t, veLeast, veMost); }
Moment edm(double t) { return {1, t, 0, 1}; }
Moment flow(double t) { return {1 - t, t, -1, 1}; }

Moment trigonometric(double t) {
  const double phi = 0.5 * std::numbers::pi * t;
  return {std::cos(phi), std::sin(phi), -0.5 * std::numbers::pi * std::sin(phi), 0.5 * std::numbers::pi * std::cos(phi)};
}

const Registration<Process> entries[] = {
    Registration<Process>{{"ddpm-linear", "DDPM, linear β", "Ho et al. 2020", 1e-3, 1, chain<linearBetas>, linearBetas}},
    Registration<Process>{
        {"scaled-linear", "Scaled linear β", "Rombach et al. 2022", 1e-3, 1, chain<scaledLinearBetas>, scaledLinearBetas}},
    Registration<Process>{{"cosine", "Cosine", "Nichol & Dhariwal 2021, eq. 17", 1e-3, 1, chain<cosineBetas>, cosineBetas}},
    Registration<Process>{{"sigmoid", "Sigmoid β", "Xu et al. 2022", 1e-3, 1, chain<sigmoidBetas>, sigmoidBetas}},
    Registration<Process>{
        {"zero-terminal", "Zero terminal SNR", "Lin et al. 2024, algorithm 1", 1e-3, 0.999, chain<zeroTerminalBetas>, zeroTerminalBetas}},
    Registration<Process>{{"vp", "Variance preserving SDE", "Song et al. 2021", 1e-5, 1, vp}},
    Registration<Process>{{"sub-vp", "Sub-VP SDE", "Song et al. 2021", 1e-5, 1, subVp}},
    Registration<Process>{{"ve", "Variance exploding SDE", "Song et al. 2021", 0, 1, ve}},
    Registration<Process>{{"edm", "EDM", "Karras et al. 2022", 0.002, 80, edm}},
    Registration<Process>{{"flow", "Flow matching, straight path", "Lipman et al. 2023; Liu et al. 2022b", 1e-5, 0.99999, flow}},
    Registration<Process>{{"trigonometric", "Trigonometric", "Salimans & Ho 2022", 1e-5, 0.99999, trigonometric}},
};

}  // namespace

std::vector<double> levelTable(const Process& process, int T) {
  std::vector<double> table;
  if (process.betas != nullptr) {
    for (const double bar : cumulativeAlphas(process.betas()))
      if (bar > 0) table.push_back(std::sqrt((1 - bar) / bar));
    return table;
  }
  for (int i = 1; i <= T; ++i) {
    const double t = std::clamp(process.first + (process.last - process.first) * i / T, process.first, process.last);
    table.push_back(process.at(t).relative());
  }
  return table;
}

double timeOf(const Process& process, double level) { return timeOf(sdeOf(process), level); }

}  // namespace orrery::diffusion
