// Noisy samplers judged by their law. On one Gaussian every update is linear, so the variance is a sum over the start and every z. Elsewhere
// particles start by the exact law of the first level and their ends are held against that of the last: quantiles on a line, sliced
// Wasserstein distance in the plane (generative.md C7; of more than two coordinates the first two). A network's law is that of its own ODE.
// Every distance has its floor: what exact samples of the same size are apart from the truth, the mean of four.
// Random numbers, key = seed: counters of core/diffusion/noise.h with step 2^20 + k, purpose 30; points of the plane purpose 31 + k.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/parallel.h"
#include "core/labs/generative/samplers/lab.h"

namespace orrery::generative {

using diffusion::Noise;
using diffusion::Run;
using diffusion::SamplerOptions;
using diffusion::State;

namespace {

constexpr std::size_t lawParticles = 1024, fewParticles = 256;
constexpr std::size_t manyComponents = 64;  // from here on fewer particles, so that the chart stays a matter of seconds
constexpr int floorSamples = 4, truthShare = 4;  // the truth in the plane has so many times the particles
constexpr int networkLawSteps = 64;              // of Runge-Kutta: errors of 1e-5, far below any floor
constexpr int directions = 64;
constexpr double almostZero = 1e-6;
constexpr std::uint32_t drawStep = 1u << 20, drawPurpose = 30, pointPurpose = 31;

// The first two coordinates of every particle.
std::vector<float> pairsOf(const State& x, std::size_t dimension) {
  std::vector<float> pairs;
  for (std::size_t i = 0; i < x.size(); i += dimension) pairs.insert(pairs.end(), {static_cast<float>(x[i]), static_cast<float>(x[i + 1])});
  return pairs;
}

std::vector<double> sorted(const State& x) {
  std::vector<double> values(x.begin(), x.end());
  std::sort(values.begin(), values.end());
  return values;
}

double lawDistance(const State& x, const BenchLaw& law, std::size_t dimension) {
  if (dimension > 1) return slicedWasserstein2(project(pairsOf(x, dimension), directions), law.truth);
  const auto values = sorted(x);
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += (values[i] - law.quantiles[i]) * (values[i] - law.quantiles[i]);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

}  // namespace

bool SamplerBench::drawsNoise(const Contestant& one) const {
  if (!one.sampler->stochastic) return false;
  const auto levels = levelsFor(16);
  if (!levels) return true;  // whoever needs the levels says why there are none
  // Without noise the end is the same whatever z is.
  double ends[2] = {0, 0};
  for (const int z : {0, 1}) {
    SamplerOptions options = one.options;
    options.exact = {};
    options.dimension = 1;
    options.noise = [z](double, double) { return State(1, z); };
    const diffusion::Gaussian gaussian{0, 0.5};
    Run run([&](const State& x, double level) { return gaussian.denoise(x, level); }, *levels, seed_, 1, options);
    const auto end = diffusion::sample(*one.sampler, run, State(1, levels->front()));
    if (!end) return true;
    ends[z] = (*end)[0];
  }
  return ends[0] != ends[1];
}

bool SamplerBench::exactInLaw(const Contestant& one) const {
  return scene_.gaussian && one.sampler->id != "langevin-pc" && (scene_.error == BenchError::none || scene_.error == BenchError::shrink);
}

std::size_t SamplerBench::lawCount() const {
  return scene_.network || (scene_.dimension > 1 && scene_.plane.components.size() > manyComponents) ? fewParticles : lawParticles;
}

BenchLaw SamplerBench::lawBetween(double from, double to) const {
  BenchLaw law;
  const std::size_t n = lawCount(), d = scene_.dimension;
  Noise noise(seed_, n * d);
  const auto normals = [&](std::uint32_t k) { return noise.fresh(drawStep + k, drawPurpose); };
  // Exact samples of the end: sample k of n particles.
  std::function<State(std::uint32_t)> exact;
  if (scene_.onLine()) {
    law.start = State(n);
    for (std::size_t i = 0; i < n; ++i) {
      const double q = (static_cast<double>(i) + 0.5) / static_cast<double>(n);
      law.start[i] = scene_.line.quantile(q, from);
      law.quantiles.push_back(scene_.line.quantile(q, to));
    }
    exact = [&](std::uint32_t k) {
      State x = normals(k);
      for (std::size_t i = 0; i < n; ++i) x[i] = scene_.line.quantile(0.5 * std::erfc(-x[i] / std::numbers::sqrt2), to);
      return x;
    };
  } else if (scene_.network) {
    law.start = from * normals(0);
    exact = [&, from, to](std::uint32_t k) { return scene_.path(from * normals(k + 1), from, std::max(to, almostZero), networkLawSteps); };
  } else {
    const auto sums = cumulativeWeights(scene_.density);
    const auto draw = [&, sums](std::uint32_t k, double level) {
      State x(2 * n);
      for (std::size_t i = 0; i < n; ++i) {
        const ExactPoint point = exactPoint(scene_.density, sums, seed_, pointPurpose + k, static_cast<std::uint32_t>(i));
        for (std::size_t c = 0; c < 2; ++c) x[2 * i + c] = point.x[c] + level * point.noise[c];
      }
      return x;
    };
    law.start = draw(0, from);
    exact = [draw, to](std::uint32_t k) { return draw(k + 1, to); };
  }
  // The truth, where quantiles do not say it: a larger sample; of a network one, for every sample costs as much as a sampler's run.
  std::uint32_t next = 0;
  if (d > 1) {
    std::vector<float> all;
    for (int k = 0; k < (scene_.network ? 1 : truthShare); ++k) {
      const auto pairs = pairsOf(exact(next++), d);
      all.insert(all.end(), pairs.begin(), pairs.end());
    }
    law.truth = project(all, directions);
  } else if (scene_.network) {
    law.quantiles = sorted(exact(next++));
  }
  const int samples = scene_.network ? 1 : floorSamples;
  for (int k = 0; k < samples; ++k) law.floor += lawDistance(exact(next++), law, d) / samples;
  return law;
}

Expected<double> SamplerBench::errorInLaw(const Contestant& one, const std::vector<double>& levels, int& evaluations) const {
  SamplerOptions options = one.options;
  options.exact = {};  // its path is that of the bench's own starts
  const auto answer = [this](const State& x, double level) { return scene_.answer(x, level); };
  if (exactInLaw(one)) {
    // Every coordinate follows one source of variance: the start, then every z.
    const std::size_t sources = 4 * levels.size() + 1;
    State start(sources);
    start[0] = std::sqrt(0.25 + levels.front() * levels.front());
    std::size_t next = 1;
    options.noise = [&](double, double) {
      State z(sources);
      if (next < sources) z[next++] = 1;
      return z;
    };
    Run run(answer, levels, seed_, sources, options);
    const auto end = diffusion::sample(*one.sampler, run, start);
    if (!end) return end.error();
    evaluations = run.evaluations();
    double variance = 0;
    for (const double value : *end) variance += value * value;
    return std::abs(std::sqrt(variance) - std::sqrt(0.25 + levels.back() * levels.back()));
  }
  const BenchLaw& law = laws_.at({levels.front(), levels.back()});
  Run run(answer, levels, seed_, law.start.size(), options);
  const auto end = diffusion::sample(*one.sampler, run, law.start);
  if (!end) return end.error();
  evaluations = run.evaluations();
  return lawDistance(*end, law, scene_.dimension);
}

Expected<SamplerBench::ChurnCurve> SamplerBench::churnCurve(const Contestant& one, const std::atomic<bool>& stop) const {
  constexpr int points = 17;  // 0, 5 ... 80
  const auto levels = levelsFor(stepsWithin(one));
  if (!levels) return levels.error();
  ChurnCurve curve;
  curve.steps = static_cast<int>(levels->size()) - 1;
  if (const auto law = laws_.find({levels->front(), levels->back()}); law != laws_.end() && !exactInLaw(one)) curve.floor = law->second.floor;
  SamplerBench exact = *this;  // the same bench without the score's error
  exact.scene_.error = BenchError::none;
  for (int i = 0; i < points; ++i) {
    if (stop) return makeError(ErrorCode::cancelled, tr("Cancelled"));
    Contestant churned = one;
    churned.options.churn = 5.0 * i;
    int evaluations = 0;
    const auto error = errorInLaw(churned, *levels, evaluations);
    if (!error) return error.error();
    curve.churn.push_back(churned.options.churn);
    curve.error.push_back(*error);
    if (scene_.error == BenchError::none) continue;
    const auto without = exact.errorInLaw(churned, *levels, evaluations);
    if (!without) return without.error();
    curve.exactScore.push_back(*without);
  }
  return curve;
}

}  // namespace orrery::generative
