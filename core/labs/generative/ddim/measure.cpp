// What the lab ddim measures: convergence, round trips, the law of the samples against eta.

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/diffusion/noise.h"
#include "core/labs/generative/ddim/lab.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr int chartSteps[] = {5, 10, 20, 50, 100, 200, 500, 1000};
constexpr int tripSteps[] = {10, 20, 40, 80, 160};

}  // namespace

// Root mean square distance of particles.
double Ddim::apart(const State& a, const State& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum / static_cast<double>(std::max<std::size_t>(1, a.size() / 2)));
}

std::vector<double> Ddim::distancesOf(const State& a, const State& b) {
  std::vector<double> result;
  for (std::size_t i = 0; i + 1 < a.size(); i += 2) result.push_back(std::hypot(a[i] - b[i], a[i + 1] - b[i + 1]));
  return result;
}

double Ddim::meanOf(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(std::max<std::size_t>(1, values.size()));
}

double Ddim::comparedApart() const {
  const auto a = end_.as<float>(), b = comparedEnd_.as<float>();
  double sum = 0;
  for (std::size_t i = 0; i < b.size(); ++i) sum += static_cast<double>(a[i] - b[i]) * static_cast<double>(a[i] - b[i]);
  return std::sqrt(sum / static_cast<double>(b.size() / 2));
}

Expected<void> Ddim::measureConvergence() {
  convergence_ = {};
  const State latent = diffusion::Noise(seed_, 2 * tracked()).fresh(0, 0);
  const auto denoiser = [this](const State& x, double level) { return denoise(x, level); };
  std::map<std::pair<double, double>, State> own;
  for (const int N : chartSteps) {
    if (N > T_) break;
    auto levels = levelsFor(N);
    if (!levels) return levels.error();
    // The last step to data errs alike whatever N: compared before it.
    if (levels->back() == 0) levels->pop_back();
    if (levels->size() < 2) continue;
    const auto steps = ddimSteps(*levels, 0);
    const double from = levels->front(), to = levels->back();
    const State end = runSteps(denoiser, *steps, from * latent).back();
    if (!own.contains({from, to})) own[{from, to}] = ownEnd(latent, from, to);
    const double error = apart(end, own[{from, to}]);
    if (network_ && !std::isfinite(error)) continue;  // it ran away
    if (network_) convergence_.apart.push_back(apart(end, exactEnd(latent, from, to)));
    const std::size_t n = convergence_.steps.size();
    if (n > 0 && convergence_.steps.back() >= 64 && error > 0)
      convergence_.order = std::log(convergence_.error[n - 1] / error) / std::log(N / convergence_.steps[n - 1]);
    convergence_.steps.push_back(N);
    convergence_.error.push_back(error);
  }
  return {};
}

Expected<void> Ddim::measureRoundTrip(LabContext& context) {
  RoundTrip trip;
  const auto denoiser = [this](const State& x, double level) { return denoise(x, level); };
  const State data = scene_.draw(seed_, (network_ ? 1 : 4) * tracked(), dataPurpose);
  for (const int N : tripSteps) {
    if (N > T_ || context.cancelled()) break;
    auto levels = levelsFor(N);
    if (!levels) return levels.error();
    if (levels->back() == 0) levels->pop_back();
    if (levels->size() < 2) continue;
    const auto back = ddimSteps(*levels, 0);
    const auto errorOf = [&](int iterations) {
      return meanOf(distancesOf(runSteps(denoiser, *back, invert(denoiser, *levels, data, iterations).states.back()).back(), data));
    };
    context.progress(static_cast<double>(N) / 200, tr("Inverting"));
    trip.steps.push_back(N);
    trip.explicitError.push_back(errorOf(0));
    trip.fixedError.push_back(errorOf(iterations_));
  }
  roundTrip_ = std::move(trip);
  return {};
}

// The distance of the samples' law to the data against eta, for few, some and many steps.
Expected<void> Ddim::measureEta(LabContext& context) {
  const std::size_t n = network_ ? 1024 : scene_.density.components.size() <= 64 ? 8192 : 2048;
  const State latents = diffusion::Noise(seed_, 2 * n).fresh(0, 0);
  const auto sums = cumulativeWeights(scene_.density);
  std::vector<int> counts{N_, std::min(100, T_)};
  if (!network_) counts.push_back(T_);
  std::sort(counts.begin(), counts.end());
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  ProjectedSample truth[2];
  for (const int N : counts) {
    const auto levels = levelsFor(N);
    if (!levels) return levels.error();
    if (levels->size() < 2) continue;
    const double last = levels->back(), scale = scaleOf(last);
    for (std::uint32_t e = 0; e < 2; ++e) {
      std::vector<float> points;
      for (std::size_t j = 0; j < n; ++j) {
        const ExactPoint p = exactPoint(scene_.density, sums, seed_, exactPurpose + e, static_cast<std::uint32_t>(j));
        for (std::size_t c = 0; c < 2; ++c) points.push_back(static_cast<float>(scale * (p.x[c] + last * p.noise[c])));
      }
      truth[e] = project(points, directions);
    }
    etaFloor_ = slicedWasserstein2(truth[0], truth[1]);
    EtaCurve curve;
    curve.steps = N;
    for (int k = 0; k <= 5; ++k) {
      if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("Cancelled"));
      context.progress(k / 6.0, tr("Sampling for every η"));
      const double eta = 0.2 * k;
      const auto steps = ddimSteps(*levels, eta);
      if (!steps) break;
      const auto plan = kernels::upload(linearPlan(*steps));
      const Tensor end =
          cloudSteps(context.stream(), *steps, plan, 0, static_cast<std::int64_t>(steps->size()), pairsOf(latents, levels->front())).state;
      if (network_ && !allFinite(end.as<float>())) break;
      std::vector<float> points;
      for (const float value : end.as<float>()) points.push_back(static_cast<float>(scale * static_cast<double>(value)));
      curve.eta.push_back(eta);
      curve.distance.push_back(slicedWasserstein2(truth[0], project(points, directions)));
    }
    etaCurves_.push_back(std::move(curve));
  }
  return {};
}

}  // namespace orrery::generative
