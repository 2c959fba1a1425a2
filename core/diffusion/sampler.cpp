// What all samplers share.

#include "core/diffusion/sampler.h"

#include <algorithm>
#include <cmath>

#include "core/base/text.h"

namespace orrery::diffusion {

double Step::h() const { return std::log(a / b); }

Run::Run(Denoiser denoiser, std::vector<double> levels, std::uint64_t seed, std::size_t coordinates, SamplerOptions options)
    : denoiser_(std::move(denoiser)),
      levels_(std::move(levels)),
      coordinates_(coordinates),
      noise_(seed, options.noisePeriod > 0 ? options.noisePeriod : coordinates),
      options_(std::move(options)) {}

std::vector<Step> Run::steps() const {
  std::vector<Step> steps;
  for (std::size_t i = 0; i + 1 < levels_.size(); ++i) steps.push_back({i, levels_[i], levels_[i + 1]});
  return steps;
}

State Run::denoise(const State& x, double level) {
  ++evaluations_;
  return denoiser_(x, level);
}

State Run::slope(const State& x, double level) {
  if (!options_.slope) return (x - denoise(x, level)) / level;
  ++evaluations_;
  return options_.slope(x, level);
}

// z of one period, for all coordinates.
State Run::repeated(const State& z) const {
  if (z.size() == coordinates_) return z;
  State all(coordinates_);
  for (std::size_t i = 0; i < coordinates_; ++i) all[i] = z[i % z.size()];
  return all;
}

State Run::noise(double a, double b) {
  return options_.noiseScale * (options_.noise ? options_.noise(a, b) : repeated(noise_.increment(a, b)));
}

State Run::fresh(std::size_t step, std::uint32_t purpose) const {
  return options_.noise ? options_.noise(static_cast<double>(step), purpose)
                        : repeated(noise_.fresh(static_cast<std::uint32_t>(step), purpose));
}

bool Run::exactStart(const Step& step, int needed, State& x) const {
  if (!options_.exact || step.index >= static_cast<std::size_t>(needed) || step.b == 0) return false;
  x = options_.exact(step.b);
  return true;
}

void Run::visit(double level, const State& x) {
  if (record) visits.push_back({level, evaluations_, x});
}

void Run::tried(const Attempt& attempt) {
  if (!attempt.taken) ++rejected;
  if (record) attempts.push_back(attempt);
}

Sampler describeSampler(std::string id, std::string title, std::string source, double order, double weakOrder, double evaluations,
                        State (*run)(Run&, State), std::string diffusers, std::string kDiffusion, std::string comfy,
                        std::string others, bool adaptive) {
  Sampler s;
  s.id = std::move(id);
  s.title = std::move(title);
  s.source = std::move(source);
  s.order = order;
  s.weakOrder = weakOrder;
  s.evaluations = evaluations;
  s.stochastic = weakOrder > 0;
  s.adaptive = s.couples = adaptive;
  s.run = run;
  s.diffusers = std::move(diffusers);
  s.kDiffusion = std::move(kDiffusion);
  s.comfy = std::move(comfy);
  s.others = std::move(others);
  return s;
}

const Sampler* namedSampler(std::string_view id, SamplerOptions& options) {
  if (id.size() == 7 && id.starts_with("unipc-") && id.back() >= '1' && id.back() <= '3') {
    options.uniOrder = id.back() - '0';
    id = "unipc";
  } else if (id == "dpm++3m-consistent") {
    options.kappa = 2;
    id = "dpm++3m";
  }
  return findRegistered<Sampler>(id);
}

Expected<void> checkLevels(const std::vector<double>& levels) {
  if (levels.size() < 2) return makeError(ErrorCode::usage, trf("A step grid needs at least 2 noise levels, found {}", levels.size()));
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const bool last = i + 1 == levels.size();
    if (!std::isfinite(levels[i]) || levels[i] < 0 || (levels[i] == 0 && !last) || levels[i] > Noise::treeTop)
      return makeError(ErrorCode::usage,
                       trf("Noise level {} of the step grid is {}: levels lie above 0 and up to {}, only the last may be 0", i + 1,
                           levels[i], Noise::treeTop));
    if (i > 0 && !(levels[i] < levels[i - 1]))
      return makeError(
          ErrorCode::usage,
          trf("Noise level {} of the step grid ({}) does not lie below the one before it ({}): each level must be reached once", i + 1,
              levels[i], levels[i - 1]));
  }
  return {};
}

Expected<State> sample(const Sampler& sampler, Run& run, State start) {
  if (auto good = checkLevels(run.levels()); !good) return good.error();
  if (sampler.adaptive && run.levels()[run.levels().size() - 1] == 0 && run.levels().size() < 3)
    return makeError(
        ErrorCode::usage,
        trf("{} works in ln(level) and cannot reach 0: give it a smallest level above 0 before the final denoise step", sampler.title));
  run.visit(run.levels().front(), start);
  return sampler.run(run, std::move(start));
}

Ancestral ancestral(double a, double b, double eta) {
  const double up = std::min(b, eta * b * std::sqrt(1 - b * b / (a * a)));
  return {std::sqrt(std::max(0.0, b * b - up * up)), up};
}

double uniPhi(int k, double h) {
  // The recurrence loses digits for small h; its series is phi_k = -h sum_{j >= 0} (-h)^j / (j + k)!.
  if (std::abs(h) < 0.5) {
    double factorial = 1;
    for (int i = 2; i <= k; ++i) factorial *= i;
    double term = 1 / factorial, sum = 0;
    for (int j = 1; j < 30 && std::abs(term) > 1e-20; ++j) {
      sum += term;
      term *= -h / (j + k);
    }
    return -h * sum;
  }
  double phi = std::expm1(-h), factorial = 1;
  for (int i = 1; i < k; ++i) {
    factorial *= i;
    phi = phi / -h - 1 / factorial;
  }
  return phi;
}

double phi2(double h) { return -uniPhi(2, h); }
double phi3(double h) { return uniPhi(3, h); }

}  // namespace orrery::diffusion
