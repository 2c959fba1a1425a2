// Samplers of a cloud: in one dispatch where kernels/mixture_step knows solver and denoiser, else step by step from core/diffusion's own
// samplers (sampler_plan.h).

#include "core/labs/generative/shared/cloud_sampler.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/slice.h"
#include "core/labs/generative/shared/sampler_plan.h"

namespace orrery::generative {

using diffusion::Run;
using diffusion::State;

namespace {

// Nodes of the Brownian tree lie below 2^21; noise off the path has numbers of its own.
constexpr std::size_t offPath = std::size_t{1} << 23;
constexpr int mostCorrectorSteps = 16;

// z for the rows of a cloud: as kernels/mixture_step forms it, taken from it.
class CloudNoise {
 public:
  explicit CloudNoise(const std::vector<double>& levels) {
    kernels::SolverPlan path = kernels::planSolver(kernels::Method::em, levels, 1);
    path.kind = kernels::StepKind::multistep;
    for (kernels::SolverStep& step : path.steps) step = noiseOnly(step);
    path_ = kernels::upload(path);
  }
  // `count` draws for every step, off the path.
  void addOffPath(std::size_t steps, int count) {
    perStep_ = static_cast<std::size_t>(count);
    kernels::SolverPlan draws;
    draws.kind = kernels::StepKind::multistep;
    for (std::size_t i = 0; i < steps * perStep_; ++i) {
      kernels::SolverStep step;
      step.walk = kernels::addFreshNormal(draws, static_cast<std::uint32_t>(offPath + i));
      step.weight = 1;
      draws.steps.push_back(noiseOnly(step));
    }
    draws_ = kernels::upload(draws);
  }

  // z over step `interval` of the grid, for the rows of a state.
  Tensor over(gpu::Stream& stream, std::size_t interval, CloudState& state, const kernels::StepOptions& rows) const {
    if (!state.noise) state.noise = std::make_shared<kernels::NoiseMemory>();
    return drawn(stream, path_, interval, state.x, rows, state.noise.get());
  }
  Tensor fresh(gpu::Stream& stream, std::size_t step, std::size_t number, const Tensor& like, const kernels::StepOptions& rows) const {
    return drawn(stream, draws_, step * perStep_ + number, like, rows, nullptr);
  }

 private:
  // 0 x + 0 D + z under one blob, whose D costs next to nothing.
  static kernels::SolverStep noiseOnly(const kernels::SolverStep& from) {
    kernels::SolverStep step;
    step.a = step.target = 1;
    step.cz = 1;
    step.restart = from.restart, step.walk = from.walk, step.weight = from.weight;
    return step;
  }
  Tensor drawn(gpu::Stream& stream, const kernels::DevicePlan& plan, std::size_t row, const Tensor& like, kernels::StepOptions rows,
               kernels::NoiseMemory* memory) const {
    rows.error = kernels::ScoreError::none;
    return kernels::mixtureSteps(stream, blob_, plan, static_cast<std::int64_t>(row), 1, like, like, rows, false, memory).state;
  }

  kernels::DevicePlan path_, draws_;
  kernels::MixtureTable blob_ = kernels::makeMixtureTable(std::vector<kernels::Component>{{1, 0, 0, 1, 1, 0}});
  std::size_t perStep_ = 0;
};

Tensor times(gpu::Stream& stream, const Tensor& x, double factor) {
  return factor == 1 ? x : kernels::affine(stream, x, static_cast<float>(factor), 0);
}

// What a plan's step knows of a cloud.
using Known = std::map<int, Tensor>;

Tensor combined(gpu::Stream& stream, const Known& known, const std::vector<PlanTerm>& terms) {
  Tensor sum = times(stream, known.at(terms.front().symbol), terms.front().factor);
  for (std::size_t i = 1; i < terms.size(); ++i)
    sum = kernels::binary(stream, kernels::Binary::add, sum, times(stream, known.at(terms[i].symbol), terms[i].factor));
  return sum;
}

// `state` is whose noise is drawn.
Tensor planned(gpu::Stream& stream, const PlanStep& step, Known& known, const CloudDenoiser& denoise, const CloudNoise* noise,
               CloudState& state, const kernels::StepOptions& rows) {
  for (const PlanEvent& event : step.events) {
    if (event.kind == PlanEvent::Kind::noise) {
      known[event.symbol] = noise->over(stream, event.interval, state, rows);
      continue;
    }
    const Tensor place = combined(stream, known, event.place), D = denoise(stream, place, event.level);
    known[event.symbol] = event.kind == PlanEvent::Kind::denoised ? D : kernels::binary(stream, kernels::Binary::sub, place, D);
  }
  return combined(stream, known, step.result);
}

// One frame after another, with the trail put together.
class SteppedSampler : public CloudSampler {
 public:
  CloudWalk walk(gpu::Stream& stream, std::int64_t first, std::int64_t count, CloudState from, const kernels::StepOptions& rows,
                 bool trail) const override {
    CloudWalk result{std::move(from), {}};
    std::vector<Tensor> states;
    for (std::int64_t i = first; i < first + count; ++i) {
      step(stream, static_cast<std::size_t>(i), result.end, rows);
      if (trail) states.push_back(result.end.x.reshaped(Shape{1, result.end.x.shape()[0], 2}));
    }
    if (trail) result.trail = kernels::concat(stream, states, 0);
    return result;
  }

 protected:
  virtual void step(gpu::Stream& stream, std::size_t frame, CloudState& state, const kernels::StepOptions& rows) const = 0;
};

class PlannedSampler : public SteppedSampler {
 public:
  PlannedSampler(SamplerPlan plan, CloudDenoiser denoise, std::optional<CloudNoise> noise)
      : plan_(std::move(plan)), denoise_(std::move(denoise)), noise_(std::move(noise)) {}
  double evaluations(std::int64_t frame) const override { return plan_.evaluations(static_cast<std::size_t>(frame)); }

 protected:
  void step(gpu::Stream& stream, std::size_t frame, CloudState& state, const kernels::StepOptions& rows) const override {
    const PlanStep& now = plan_.steps[frame];
    Known known{{0, state.x}};
    for (std::size_t i = 0; i < now.before.size(); ++i) known[now.before[i]] = state.history[i];
    state.x = planned(stream, now, known, denoise_, noise_ ? &*noise_ : nullptr, state, rows);
    state.history.clear();
    for (const int symbol : now.after) state.history.push_back(known.at(symbol));
  }

 private:
  SamplerPlan plan_;
  CloudDenoiser denoise_;
  std::optional<CloudNoise> noise_;
};

// kernels/mixture_step: any number of frames in one dispatch.
class KernelSampler : public CloudSampler {
 public:
  KernelSampler(const kernels::SolverPlan& plan, kernels::MixtureTable mixture)
      : mixture_(std::move(mixture)), device_(kernels::upload(plan)) {}
  CloudWalk walk(gpu::Stream& stream, std::int64_t first, std::int64_t count, CloudState from, const kernels::StepOptions& rows,
                 bool trail) const override {
    const Tensor history = from.history.empty() ? Tensor() : from.history.front();
    if (!from.noise) from.noise = std::make_shared<kernels::NoiseMemory>();
    auto result = kernels::mixtureSteps(stream, mixture_, device_, first, count, from.x, history, rows, trail, from.noise.get());
    CloudWalk walk{{std::move(result.state), {}, std::move(from.noise)}, std::move(result.trail)};
    if (!result.history.empty()) walk.end.history = {std::move(result.history)};
    return walk;
  }
  double evaluations(std::int64_t frame) const override { return static_cast<double>(frame * device_.evaluationsPerStep); }

 private:
  kernels::MixtureTable mixture_;
  kernels::DevicePlan device_;
};

// Euler-Maruyama with this share of noise, then Langevin steps at the level reached (Song et al. 2021, algorithms 2 and 4): their size is
// set by the ratio of the mean norms of z and score, over some of the particles, so that every particle has its path whoever else is in the
// cloud.
class LangevinSampler : public SteppedSampler {
 public:
  LangevinSampler(gpu::Stream& stream, SamplerPlan predictor, const CloudProblem& problem, const CloudSolver& solver)
      : predictor_(std::move(predictor)),
        denoise_(problem.denoise),
        levels_(problem.levels),
        noise_(problem.levels),
        correctorSteps_(std::min(solver.correctorSteps, mostCorrectorSteps)) {
    noise_.addOffPath(levels_.size() - 1, correctorSteps_);
    CloudState followed{problem.followed, {}};
    for (std::size_t frame = 0; frame + 1 < levels_.size(); ++frame) {
      predict(stream, frame, followed, problem.rows);
      const double b = levels_[frame + 1];
      for (int k = 0; k < correctorSteps_ && b > 0; ++k) {
        const Correction c = correction(stream, frame, k, followed, problem.rows);
        const double ratio = solver.correctorRatio * meanNorm(c.z) / (meanNorm(c.away) / (b * b));
        sizes_.push_back(2 * ratio * ratio);
        correct(stream, c, sizes_.back() / (b * b), sizes_.back(), followed);
      }
    }
  }
  double evaluations(std::int64_t frame) const override {
    const auto corrected = std::min(frame, static_cast<std::int64_t>(levels_.size()) - 2);
    return static_cast<double>(frame + corrected * correctorSteps_);
  }

 protected:
  void step(gpu::Stream& stream, std::size_t frame, CloudState& state, const kernels::StepOptions& rows) const override {
    predict(stream, frame, state, rows);
    const double b = levels_[frame + 1];
    for (int k = 0; k < correctorSteps_ && b > 0; ++k) {
      const double size = sizes_[frame * static_cast<std::size_t>(correctorSteps_) + static_cast<std::size_t>(k)];
      correct(stream, correction(stream, frame, k, state, rows), size / (b * b), size, state);
    }
  }

 private:
  struct Correction {
    Tensor away, z;  // D - x, which is b^2 times the score
  };
  void predict(gpu::Stream& stream, std::size_t frame, CloudState& state, const kernels::StepOptions& rows) const {
    Known known{{0, state.x}};
    state.x = planned(stream, predictor_.steps[frame], known, denoise_, &noise_, state, rows);
  }
  Correction correction(gpu::Stream& stream, std::size_t frame, int k, const CloudState& state, const kernels::StepOptions& rows) const {
    return {kernels::binary(stream, kernels::Binary::sub, denoise_(stream, state.x, levels_[frame + 1]), state.x),
            noise_.fresh(stream, frame, static_cast<std::size_t>(k), state.x, rows)};
  }
  static void correct(gpu::Stream& stream, const Correction& c, double share, double size, CloudState& state) {
    state.x = kernels::binary(stream, kernels::Binary::add, state.x, times(stream, c.away, share));
    state.x = kernels::binary(stream, kernels::Binary::add, state.x, times(stream, c.z, std::sqrt(2 * size)));
  }
  static double meanNorm(const Tensor& rows) {
    const auto v = rows.as<float>();
    double sum = 0;
    for (std::size_t i = 0; i + 1 < v.size(); i += 2) sum += std::hypot(static_cast<double>(v[i]), static_cast<double>(v[i + 1]));
    return sum / static_cast<double>(v.size() / 2);
  }

  SamplerPlan predictor_;
  CloudDenoiser denoise_;
  std::vector<double> levels_;
  CloudNoise noise_;
  int correctorSteps_;
  std::vector<double> sizes_;  // of every correction
};

PlanStep dormandPrince(double a, double b) {
  return planRun(
             [](Run& run, const State& x) {
               State end = diffusion::dormandPrinceStep(run, x, run.levels()[0], run.levels()[1]);
               run.visit(run.levels()[1], end);
               return end;
             },
             {a, b}, {})
      .steps.front();
}

// Dormand and Prince's steps as core/diffusion's rk45 chose them for some of the particles. Between two of them a frame is reached by a
// shorter step, which is for the picture only; what goes on is at the sampler's own level.
class AdaptiveSampler : public SteppedSampler {
 public:
  AdaptiveSampler(std::vector<double> own, int asked, const CloudProblem& problem)
      : own_(std::move(own)), asked_(asked), levels_(problem.levels), denoise_(problem.denoise) {
    for (std::size_t i = 0; i + 1 < own_.size(); ++i) steps_.push_back(dormandPrince(own_[i], own_[i + 1]));
    for (std::size_t f = 0; f < levels_.size(); ++f) {
      const std::size_t at = ownAt(levels_[f]);
      PlanStep shown;
      if (levels_[f] > 0 && levels_[f] < own_[at]) shown = dormandPrince(own_[at], levels_[f]);
      shown_.push_back(std::move(shown));
    }
  }
  double evaluations(std::int64_t frame) const override {
    const double level = levels_[static_cast<std::size_t>(frame)];
    const double share = own_.size() < 2 ? 0 : static_cast<double>(ownAt(level)) / static_cast<double>(own_.size() - 1);
    return std::round(share * asked_) + (level == 0 ? 1 : 0);
  }
  void moved(CloudState& state) const override { state.history = {state.x}; }

 protected:
  void step(gpu::Stream& stream, std::size_t frame, CloudState& state, const kernels::StepOptions& rows) const override {
    const std::size_t from = ownAt(levels_[frame]), to = ownAt(levels_[frame + 1]);
    Tensor own = state.history.empty() ? state.x : state.history.front();
    const auto go = [&](const PlanStep& step, const Tensor& x) {
      Known known{{0, x}};
      return planned(stream, step, known, denoise_, nullptr, state, rows);
    };
    for (std::size_t i = from; i < to; ++i) own = go(steps_[i], own);
    state.x = levels_[frame + 1] == 0            ? denoise_(stream, own, own_.back())
              : shown_[frame + 1].events.empty() ? own
                                                 : go(shown_[frame + 1], own);
    state.history = {own};
  }

 private:
  // The last of its own levels that is not below this one.
  std::size_t ownAt(double level) const {
    std::size_t i = 0;
    while (i + 1 < own_.size() && own_[i + 1] >= level * (1 - 1e-12)) ++i;
    return i;
  }

  std::vector<double> own_;
  int asked_;
  std::vector<double> levels_;
  CloudDenoiser denoise_;
  std::vector<PlanStep> steps_, shown_;  // between its own levels; from its own level to each frame's, empty where they agree
};

std::shared_ptr<const CloudSampler> adaptiveSampler(gpu::Stream& stream, const CloudSolver& solver, const CloudProblem& problem) {
  diffusion::SamplerOptions options;
  options.absolute = solver.absolute, options.relative = solver.relative;
  const double top = problem.levels.front(), bottom = problem.levels[problem.levels.size() - 2];
  std::vector<double> stops{top};
  if (problem.stopAt > bottom * (1 + 1e-9) && problem.stopAt < top * (1 - 1e-9)) stops.push_back(problem.stopAt);
  stops.push_back(bottom);
  const auto denoise = [&](const State& x, double level) {
    const std::vector<float> values(x.begin(), x.end());
    const auto D = problem.denoise(stream, Tensor::from(Shape{static_cast<std::int64_t>(x.size() / 2), 2}, values), level).toFloats();
    return State(std::vector<double>(D.begin(), D.end()));
  };
  const auto start = problem.followed.toFloats();
  State x(std::vector<double>(start.begin(), start.end()));
  std::vector<double> own{top};
  int asked = 0;
  for (std::size_t i = 0; i + 1 < stops.size(); ++i) {
    Run run(denoise, {stops[i], stops[i + 1]}, 0, x.size(), options);
    run.record = true;
    x = findRegistered<diffusion::Sampler>("rk45")->run(run, std::move(x));
    for (const diffusion::Visit& visit : run.visits) own.push_back(visit.level);
    own.back() = stops[i + 1];  // exactly
    asked += run.evaluations();
  }
  return std::make_shared<AdaptiveSampler>(std::move(own), asked, problem);
}

std::optional<kernels::Method> kernelMethod(const std::string& id) {
  static const std::map<std::string, kernels::Method> methods{
      {"euler", kernels::Method::euler},     {"euler-a", kernels::Method::eulerAncestral},
      {"em", kernels::Method::em},           {"heun", kernels::Method::heun},
      {"edm", kernels::Method::edm},         {"dpm-2", kernels::Method::dpm2},
      {"dpm++2m", kernels::Method::dpmpp2m}, {"dpm++2m-sde", kernels::Method::dpmpp2m},
      {"rk4", kernels::Method::rk4}};
  const auto found = methods.find(id);
  return found == methods.end() ? std::nullopt : std::optional(found->second);
}

std::string titleOf(const std::string& id) {
  for (const Choice::Option& option : cloudSolvers().options)
    if (option.id == id) return tr(option.label);
  return id;
}

}  // namespace

Choice cloudSolvers() {
  return {{{"em", "Euler–Maruyama"},
           {"euler", "Euler"},
           {"euler-a", "Euler ancestral"},
           {"ddpm-large", "DDPM, larger variance"},
           {"heun", "Heun"},
           {"edm", "EDM, Heun with churn"},
           {"dpm-2", "DPM-Solver-2"},
           {"dpm-3", "DPM-Solver-3"},
           {"dpm++2s", "DPM-Solver++(2S)"},
           {"dpm++2m", "DPM-Solver++(2M)"},
           {"dpm++3m", "DPM-Solver++(3M)"},
           {"dpm++3m-consistent", "DPM-Solver++(3M), consistent"},
           {"dpm++2m-sde", "DPM-Solver++(2M) SDE"},
           {"dpm++3m-sde", "DPM-Solver++(3M) SDE"},
           {"unipc-1", "UniPC-1"},
           {"unipc-2", "UniPC-2"},
           {"unipc-3", "UniPC-3"},
           {"lms", "LMS"},
           {"plms", "PLMS"},
           {"pndm", "PNDM"},
           {"rk4", "Runge–Kutta 4"},
           {"rk4-log", "Runge–Kutta 4 in ln σ"},
           {"rk45", "Dormand–Prince 5(4)"},
           {"langevin-pc", "Predictor–corrector, Langevin"}}};
}

Expected<std::shared_ptr<const CloudSampler>> cloudSampler(gpu::Stream& stream, const CloudSolver& solver, const CloudProblem& problem) {
  using Made = std::shared_ptr<const CloudSampler>;
  const std::string& id = solver.id;
  const double zeta = solver.zeta;
  const auto is = [&](std::initializer_list<const char*> ids) { return std::find(ids.begin(), ids.end(), id) != ids.end(); };
  if (zeta > 0 && id == "rk45") {
    return makeError(ErrorCode::usage,
                     tr("Dormand–Prince 5(4) chooses its steps by an error that noise would hide: set its noise share ζ to 0, or "
                        "choose another solver"));
  }
  if (zeta > 0 && is({"unipc-1", "unipc-2", "unipc-3", "lms", "plms", "pndm"})) {
    return makeError(
        ErrorCode::usage,
        trf("{} remembers a smooth path, which noise would break: set its noise share ζ to 0, or choose another solver", titleOf(id)));
  }
  if (zeta != 1 && id == "ddpm-large") {
    return makeError(ErrorCode::usage,
                     tr("DDPM's larger variance is the reverse SDE itself: set its noise share ζ to 1, or choose another solver"));
  }
  const auto method = kernelMethod(id);
  if (method && problem.mixture != nullptr)
    return Made(std::make_shared<KernelSampler>(kernels::planSolver(*method, problem.levels, zeta), *problem.mixture));
  if (id == "rk45") return adaptiveSampler(stream, solver, problem);

  diffusion::SamplerOptions options;
  std::string name = id == "euler-a" ? "euler" : id;
  if (zeta > 0 && is({"dpm++2m", "dpm++3m", "dpm++3m-consistent"})) {
    if (id == "dpm++3m-consistent") options.kappa = 2;
    name = id == "dpm++2m" ? "dpm++2m-sde" : "dpm++3m-sde";
  }
  if (id == "langevin-pc") name = "em";
  const diffusion::Sampler* sampler = diffusion::namedSampler(name, options);
  if (sampler == nullptr) return makeError(ErrorCode::internal, trf("There is no sampler '{}'", name));
  const std::size_t N = problem.levels.size() - 1;
  SamplerPlan plan;
  if (name == "em" || name == "ddpm-large") {
    options.eta = zeta;
    plan = planSteps(sampler->run, problem.levels, options, 0);
  } else if (name == "edm") {
    // Every step is planned for itself, so its share of the churn is given; the last, to 0, has none.
    options.churn = 40 * zeta / static_cast<double>(N), options.churnNoise = 1;
    options.churnFrom = N > 1 ? 0.5 * (problem.levels[N - 1] + problem.levels[N - 2]) : 2 * problem.levels.front();
    options.churnTo = 2 * problem.levels.front();
    plan = planSteps(sampler->run, problem.levels, options, 0);
  } else if (is({"euler", "euler-a", "heun", "dpm-2", "dpm-3", "dpm++2s", "rk4", "rk4-log"})) {
    plan = planSteps(sampler->run, problem.levels, options, zeta);
  } else {
    options.eta = zeta * zeta;
    plan = planRun(sampler->run, problem.levels, options);
  }
  if (id == "langevin-pc") return Made(std::make_shared<LangevinSampler>(stream, std::move(plan), problem, solver));
  std::optional<CloudNoise> noise;
  if (zeta > 0) noise.emplace(problem.levels);
  return Made(std::make_shared<PlannedSampler>(std::move(plan), problem.denoise, std::move(noise)));
}

}  // namespace orrery::generative
