// DDIM's steps; formulas in steps.h.

#include "core/labs/generative/ddim/steps.h"

#include <algorithm>
#include <cmath>

#include "core/base/text.h"

namespace orrery::generative {

using diffusion::State;

std::vector<int> timestepsOf(const std::string& spacing, int T, int N) {
  std::vector<int> steps;
  for (int i = 0; i < N; ++i) {
    const double share = N == 1 ? 0 : static_cast<double>(i) / (N - 1);
    double t = 0;
    if (spacing == "leading")
      t = (N - 1 - i) * (T / N) + 1;
    else if (spacing == "trailing")
      t = T - static_cast<double>(i) * T / N;
    else if (spacing == "quadratic")
      t = 1 + (T - 1) * (1 - share) * (1 - share);
    else
      t = 1 + (T - 1) * (1 - share);
    steps.push_back(static_cast<int>(std::lround(t)));
  }
  // Make them distinct: from the top down below their neighbour, then from the bottom up above 0.
  for (std::size_t i = 1; i < steps.size(); ++i) steps[i] = std::min(steps[i], steps[i - 1] - 1);
  int least = 1;
  for (std::size_t i = steps.size(); i-- > 0; ++least) steps[i] = std::max(steps[i], least);
  return steps;
}

std::vector<double> levelsOf(const Chain& chain, const std::vector<int>& timesteps, bool finalZero) {
  std::vector<double> levels;
  for (const int t : timesteps) levels.push_back(chain.level(t));
  if (finalZero) levels.push_back(0);
  return levels;
}

Expected<std::vector<LinearStep>> ddimSteps(const std::vector<double>& levels, double eta) {
  std::vector<LinearStep> steps;
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const double a = levels[i], b = levels[i + 1], up = eta * b * std::sqrt((1 - b / a) * (1 + b / a));
    if (up > b)
      return makeError(ErrorCode::usage,
                       trf("At step {} the added noise {:.3g} would exceed the level {:.3g} it goes to: lower η to at most {:.3g}", i + 1,
                           up, b, eta * b / up));
    const double down = std::sqrt((b - up) * (b + up));
    steps.push_back({a, down / a, (a - down) / a, up});
  }
  return steps;
}

double stochasticity(const Chain& chain, int from, int to, double eta) {
  const auto a = static_cast<std::size_t>(from), b = static_cast<std::size_t>(to);
  return eta * std::sqrt(chain.oneMinus[b] / chain.oneMinus[a]) * std::sqrt(1 - chain.alphaBar[a] / chain.alphaBar[b]);
}

std::vector<State> runSteps(const diffusion::Denoiser& denoise, const std::vector<LinearStep>& steps, State x, const NoiseOfStep& noise) {
  std::vector<State> states{x};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const LinearStep& step = steps[i];
    x = step.keep * x + step.toward * denoise(x, step.level);
    if (step.noise > 0) x += step.noise * noise(i);
    states.push_back(x);
  }
  return states;
}

Inversion invert(const diffusion::Denoiser& denoise, const std::vector<double>& levels, State x, int iterations) {
  std::vector<double> rising(levels.rbegin(), levels.rend());
  if (rising.front() == 0) rising.erase(rising.begin());
  Inversion result;
  result.states.push_back(x);
  for (std::size_t i = 0; i + 1 < rising.size(); ++i) {
    const double a = rising[i], b = rising[i + 1];
    State next = x + (b - a) / a * (x - denoise(x, a));
    std::vector<double> residuals;
    for (int k = 0; k < iterations; ++k) {
      State better = x + (b - a) / b * (next - denoise(next, b));
      double sum = 0;
      for (std::size_t j = 0; j < x.size(); ++j) sum += (better[j] - next[j]) * (better[j] - next[j]);
      residuals.push_back(std::sqrt(sum / static_cast<double>(std::max<std::size_t>(1, x.size() / 2))) / b);
      next = std::move(better);
    }
    if (!residuals.empty() && !(residuals.back() < result.residual)) {
      result.residual = residuals.back();
      result.residuals = residuals;
    }
    x = next;
    result.states.push_back(std::move(next));
  }
  return result;
}

std::array<double, 2> interpolate(std::array<double, 2> a, std::array<double, 2> b, double w, bool spherical) {
  double first = 1 - w, second = w;
  const double normA = std::hypot(a[0], a[1]), normB = std::hypot(b[0], b[1]);
  if (spherical && normA > 0 && normB > 0) {
    const double cosine = std::clamp((a[0] * b[0] + a[1] * b[1]) / (normA * normB), -1.0, 1.0), angle = std::acos(cosine);
    if (angle > 1e-6 && angle < 3.14159) {
      first = std::sin((1 - w) * angle) / std::sin(angle);
      second = std::sin(w * angle) / std::sin(angle);
    } else if (angle >= 3.14159) {
      // Opposite ends: half a turn, anticlockwise.
      const double c = std::cos(angle * w), s = std::sin(angle * w), radius = (1 - w) + w * normB / normA;
      return {radius * (c * a[0] - s * a[1]), radius * (s * a[0] + c * a[1])};
    }
  }
  return {first * a[0] + second * b[0], first * a[1] + second * b[1]};
}

}  // namespace orrery::generative
