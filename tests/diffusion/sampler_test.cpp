// Every sampler against the exact flow of a three-mode mixture on the line, from level 20 to 0.02 in equal steps of ln(level), starts at 24
// quantiles from 0.03 to 0.97 (generative.md C5 and `samplers`, must-hold 1-7).

#include "core/diffusion/sampler.h"

#include <algorithm>
#include <cmath>

#include "core/diffusion/grid.h"
#include "core/diffusion/prediction.h"
#include "core/diffusion/process.h"
#include "tests/support/catch.h"

using namespace orrery;
using namespace orrery::diffusion;

namespace {

constexpr double sigmaMax = 20, sigmaMin = 0.02;

std::vector<double> uniformInLambda(int steps, double from = sigmaMax, double to = sigmaMin) {
  GridRequest request;
  request.sigmaMin = to;
  request.sigmaMax = from;
  return *stepLevels(*findRegistered<Grid>("exponential"), steps, false, request);
}

State quantiles(double level) {
  static const LineMixture mixture = threeModes();
  State x(24);
  for (std::size_t i = 0; i < 24; ++i) x[i] = mixture.quantile(0.03 + 0.94 * static_cast<double>(i) / 23, level);
  return x;
}

Denoiser threeModesDenoiser() {
  return [mixture = threeModes()](const State& x, double level) { return mixture.denoise(x, level); };
}

// The options of the ODE: no sampler adds noise.
SamplerOptions deterministic() {
  SamplerOptions options;
  options.eta = 0;
  options.churn = 0;
  return options;
}

State run(const std::string& id, const std::vector<double>& levels, const SamplerOptions& options, const State& start,
          std::uint64_t seed = 7) {
  const Sampler* sampler = findRegistered<Sampler>(id);
  REQUIRE(sampler != nullptr);
  Run one(threeModesDenoiser(), levels, seed, start.size(), options);
  const auto result = sample(*sampler, one, start);
  REQUIRE(result.hasValue());
  return *result;
}

double largest(const State& difference) {
  double most = 0;
  for (const double value : difference) most = std::max(most, std::abs(value));
  return most;
}

double error(const std::string& id, int steps, const SamplerOptions& options = deterministic()) {
  return largest(run(id, uniformInLambda(steps), options, quantiles(sigmaMax)) - quantiles(sigmaMin));
}

double slope(const std::string& id, const SamplerOptions& options = deterministic()) {
  return std::log2(error(id, 256, options) / error(id, 512, options));
}

SamplerOptions with(const std::function<void(SamplerOptions&)>& change) {
  SamplerOptions options = deterministic();
  change(options);
  return options;
}

SamplerOptions exactly(SamplerOptions options) {
  options.exact = quantiles;
  return options;
}

}  // namespace

TEST_CASE("the quantiles' exact path agrees with Runge-Kutta, and the distribution function stays constant along it") {
  const State end = run("rk4-log", uniformInLambda(2000), deterministic(), quantiles(sigmaMax));
  // C3: RK4 with 2000 steps agreed to 6e-12; the quantiles are solved to about 1e-14.
  CHECK(largest(end - quantiles(sigmaMin)) < 2e-11);
  const LineMixture mixture = threeModes();
  for (std::size_t i = 0; i < 24; ++i)
    CHECK(std::abs(mixture.cumulative(end[i], sigmaMin) - (0.03 + 0.94 * static_cast<double>(i) / 23)) < 1e-9);
}

TEST_CASE("largest errors at 256 steps are those of the specification") {
  const struct {
    const char* id;
    double error;
    int uniOrder;
  } rows[] = {{"euler", 2.20e-2, 0}, {"heun", 2.53e-4, 0},  {"dpm-2", 1.11e-4, 0}, {"dpm-3", 1.61e-7, 0}, {"dpm++2m", 1.39e-4, 0},
              {"unipc", 6.94e-6, 2}, {"unipc", 2.61e-7, 3}, {"plms", 9.48e-5, 0},  {"rk4", 1.37e-8, 0}};
  for (const auto& row : rows) {
    const double measured = error(row.id, 256, with([&](SamplerOptions& o) { o.uniOrder = row.uniOrder; }));
    INFO(row.id << " " << row.uniOrder << ": " << measured);
    CHECK(measured == Approx(row.error).epsilon(0.05));  // the specification's own 5 %
  }
}

TEST_CASE("orders measured between 256 and 512 steps are those of the specification") {
  const struct {
    const char* id;
    double order;
    SamplerOptions options;
  } rows[] = {
      {"euler", 1.03, deterministic()},
      {"ddim", 1.03, deterministic()},
      {"heun", 2.00, deterministic()},
      {"edm", 2.00, deterministic()},
      {"dpm-2", 2.00, deterministic()},
      {"dpm-3", 3.01, deterministic()},
      {"dpm++2s", 1.99, deterministic()},
      {"dpm++2m", 1.99, deterministic()},
      {"unipc", 2.00, with([](SamplerOptions& o) { o.uniOrder = 1; })},
      {"unipc", 3.02, with([](SamplerOptions& o) { o.uniOrder = 2; })},
      {"unipc", 3.88, with([](SamplerOptions& o) { o.uniOrder = 3; })},
      {"unipc", 3.0, with([](SamplerOptions& o) { o.uniOrder = 2, o.uniBh1 = true; })},
      {"lms", 2.8, deterministic()},
      {"lms", 3.94, exactly(deterministic())},
      {"plms", 2.00, deterministic()},
      {"rk4", 4.00, deterministic()},
      {"em", 1.0, deterministic()},
      // Not in C5; the design orders of their papers.
      {"res-2s", 2, deterministic()},
      {"exp-heun", 2, deterministic()},
      {"res-multistep", 2, deterministic()},
      {"rk4-log", 4, deterministic()},
      {"pndm", 2, deterministic()},
      {"ipndm", 2, deterministic()},
      {"seeds-2", 2, deterministic()},
      {"seeds-3", 3, deterministic()},
      {"deis", 3, exactly(deterministic())},
      {"gradient-estimation", 1, deterministic()},
  };
  for (const auto& row : rows) {
    INFO(row.id);
    CHECK(std::abs(slope(row.id, row.options) - row.order) < 0.15);  // the specification's own band
  }
}

TEST_CASE("3M as coded is of second order and the consistent one of third") {
  CHECK(std::abs(slope("dpm++3m", exactly(with([](SamplerOptions& o) { o.kappa = 1; }))) - 2.02) < 0.15);
  CHECK(std::abs(slope("dpm++3m", exactly(with([](SamplerOptions& o) { o.kappa = 2; }))) - 3.12) < 0.15);
}

TEST_CASE("the consistent 3M is UniP-3 and 2M is UniP-2") {
  const auto levels = uniformInLambda(40);
  const auto unip = [](int order) {
    return with([&](SamplerOptions& o) {
      o.uniOrder = order;
      o.uniCorrector = false;
    });
  };
  const SamplerOptions consistent = with([](SamplerOptions& o) { o.kappa = 2; });
  // Equal formulas, different sums: rounding of 40 steps. The second step of UniP-3 is UniP-2 with rho = 1/2, that of 3M has phi_2: they
  // start alike from exact values only.
  const State start = quantiles(sigmaMax);
  CHECK(largest(run("dpm++2m", levels, deterministic(), start) - run("unipc", levels, unip(2), start)) < 1e-12);
  CHECK(largest(run("dpm++3m", levels, exactly(consistent), start) - run("unipc", levels, exactly(unip(3)), start)) < 1e-12);
}

TEST_CASE("DDIM without noise is Euler on the probability-flow ODE, and a flow's Euler step is the same step") {
  const auto levels = uniformInLambda(40);
  const State start = quantiles(sigmaMax), euler = run("euler", levels, deterministic(), start);
  CHECK(largest(run("ddim", levels, deterministic(), start) - euler) < 1e-12);  // C2: 1e-14 per step, 40 steps that amplify it
  const auto steps = [&](const char* id, Prediction given) {
    // x_t of the process, its velocity from what the network gives, Euler in t.
    const Process& process = *findRegistered<Process>(id);
    const Denoiser D = threeModesDenoiser();
    State x = process.at(timeOf(process, levels.front())).alpha * start;
    for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
      const double t = timeOf(process, levels[i]), next = timeOf(process, levels[i + 1]);
      const Moment at = process.at(t);
      const State answer = convert(Prediction::data, given, D(x / at.alpha, at.relative()), x, at);
      x += (next - t) * convert(given, Prediction::velocity, answer, x, at);
    }
    return x / process.at(timeOf(process, levels.back())).alpha;
  };
  // The straight path's Euler step is DDIM's (flow-matching, must-hold 4); so is VE's in its own level.
  for (const Prediction given : allPredictions) CHECK(largest(steps("flow", given) - euler) < 1e-11);
  CHECK(largest(steps("edm", Prediction::velocity) - euler) < 1e-11);
  // A path that is not straight takes another step.
  CHECK(largest(steps("vp", Prediction::velocity) - euler) > 1e-3);
}

TEST_CASE("DDPM is DDIM with eta 1 and Euler ancestral, under the same noise") {
  const auto levels = uniformInLambda(60);
  SamplerOptions options;
  const State start = quantiles(sigmaMax), reference = run("euler-a", levels, options, start);
  CHECK(largest(reference - run("euler", levels, options, start)) > 0.1);  // there is noise to agree on
  CHECK(largest(run("ddim", levels, options, start) - reference) < 1e-11);
  CHECK(largest(run("ddpm", levels, options, start) - reference) < 1e-11);
}

TEST_CASE("without noise the stochastic samplers are their deterministic ones") {
  const auto levels = uniformInLambda(30);
  const State start = quantiles(sigmaMax);
  const std::pair<const char*, const char*> pairs[] = {
      {"euler-a", "euler"},       {"edm", "heun"},         {"dpm-2-a", "dpm-2"},
      {"dpm++2s-a", "dpm++2s"},   {"dpm++sde", "dpm++2s"}, {"dpm++2m-sde", "dpm++2m"},
      {"dpm++3m-sde", "dpm++3m"}, {"seeds-2", "dpm++2s"},  {"res-multistep-a", "res-multistep"}};
  for (const auto& [noisy, plain] : pairs) {
    INFO(noisy);
    CHECK(largest(run(noisy, levels, deterministic(), start) - run(plain, levels, deterministic(), start)) < 1e-12);
  }
}

namespace {

// The exact law of a sampler on one Gaussian of variance 0.25: D is linear, so the final state is a sum of the start and of every z; each
// coordinate follows one of them.
double finalVariance(const std::string& id, int steps, SamplerOptions options) {
  const Gaussian gauss{0, 0.5};
  const std::size_t sources = 4 * static_cast<std::size_t>(steps) + 1;
  State start(sources);
  start[0] = std::sqrt(0.25 + sigmaMax * sigmaMax);
  std::size_t next = 1;
  options.noise = [&](double, double) {
    State z(sources);
    z[next++] = 1;
    return z;
  };
  Run one([&](const State& x, double level) { return gauss.denoise(x, level); }, uniformInLambda(steps), 1, sources, options);
  const auto end = sample(*findRegistered<Sampler>(id), one, start);
  REQUIRE(end.hasValue());
  double variance = 0;
  for (const double value : *end) variance += value * value;
  return variance;
}

}  // namespace

TEST_CASE("the variance of one Gaussian ends where the specification's recursions do") {
  const double exact = 0.25 + sigmaMin * sigmaMin;
  const auto excess = [&](
                          const char* id, const std::function<void(SamplerOptions&)>& change = [](SamplerOptions&) {}) {
    SamplerOptions options;
    change(options);
    return finalVariance(id, 128, options) - exact;
  };
  // Printed to three digits.
  CHECK(excess("euler") == Approx(-6.65e-3).epsilon(0.005));
  CHECK(excess("euler-a") == Approx(-1.30e-2).epsilon(0.005));
  CHECK(excess("em") == Approx(1.40e-2).epsilon(0.005));
  CHECK(excess("dpm++2m-sde") == Approx(2.40e-4).epsilon(0.01));
  CHECK(excess("dpm++2m-sde", [](SamplerOptions& o) { o.sdeHeun = true; }) == Approx(4.92e-4).epsilon(0.01));
  CHECK(excess("edm", [](SamplerOptions& o) { o.churnFrom = 0, o.churnTo = 1e3, o.churnNoise = 1; }) == Approx(1.88e-3).epsilon(0.01));
}

TEST_CASE("every stochastic sampler ends with the variance of the data, the better the finer") {
  for (const Sampler& sampler : registered<Sampler>()) {
    if (sampler.weakOrder == 0) continue;
    SamplerOptions options;
    options.churnNoise = 1;
    if (sampler.id == "langevin-pc") continue;  // its step size depends on the noise: not linear
    INFO(sampler.id);
    const double exact = 0.25 + sigmaMin * sigmaMin, coarse = std::abs(finalVariance(sampler.id, 64, options) - exact),
                 fine = std::abs(finalVariance(sampler.id, 128, options) - exact);
    CHECK(fine < 0.12 * exact);
    // Weak order 1 halves the error at least; 0.65 leaves room for the next term at these step sizes.
    CHECK(fine < 0.65 * coarse);
  }
}

TEST_CASE("Langevin's corrector keeps the law") {
  // 16384 particles of one Gaussian; the variance of a sample has a relative deviation of sqrt(2 / 16384) = 1.1 %, and the unadjusted
  // corrector at ratio 0.16 adds a bias of the order of its square, 2.6 %: five deviations and the bias.
  const Gaussian gauss{0, 0.5};
  constexpr std::size_t n = 16384;
  Noise noise(3, n);
  SamplerOptions options;
  Run one([&](const State& x, double level) { return gauss.denoise(x, level); }, uniformInLambda(128), 5, n, options);
  const auto end = sample(*findRegistered<Sampler>("langevin-pc"), one, std::sqrt(0.25 + sigmaMax * sigmaMax) * noise.fresh(0, 0));
  REQUIRE(end.hasValue());
  double variance = 0;
  for (const double value : *end) variance += value * value / n;
  CHECK(std::abs(variance / 0.2504 - 1) < 0.085);
}

TEST_CASE("ODE and SDE samplers have the exact marginal at every level") {
  // 65 536 independent particles drawn from the noised density. Kolmogorov's statistic times sqrt(n) exceeds 1.95 with probability 0.001;
  // the seeds are fixed, so a pass stays a pass. 128 steps of these samplers are off by less than 9e-4 in distribution (their error on the
  // quantiles, 1e-3 at most, times the density's height 0.9), against the bound 7.6e-3.
  constexpr std::size_t n = 65536;
  const LineMixture mixture = threeModes();
  Noise draws(77, n);
  const State which = draws.fresh(0, 10), inside = draws.fresh(0, 11), noise = draws.fresh(0, 12);
  State start(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double u = 0.5 * std::erfc(-which[i] / std::sqrt(2.0));
    const auto& c = mixture.components[u < 0.3 ? 0 : u < 0.8 ? 1 : 2];
    start[i] = c.mean + c.deviation * inside[i] + sigmaMax * noise[i];
  }
  const auto statistic = [&](const State& x, double level) {
    std::vector<double> sorted(x.begin(), x.end());
    std::sort(sorted.begin(), sorted.end());
    double most = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double F = mixture.cumulative(sorted[i], level);
      most = std::max({most, F - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - F});
    }
    return most * std::sqrt(static_cast<double>(n));
  };
  CHECK(statistic(start, sigmaMax) < 1.95);
  for (const double level : {1.0, 0.02}) {
    for (const char* id : {"dpm++2m", "dpm++2m-sde"}) {
      Run one(threeModesDenoiser(), uniformInLambda(128, sigmaMax, level), 31, n, {});
      const auto end = sample(*findRegistered<Sampler>(id), one, start);
      REQUIRE(end.hasValue());
      INFO(id << " at " << level << ": " << statistic(*end, level));
      CHECK(statistic(*end, level) < 1.95);
    }
  }
  // The statistic sees a law that is wrong by a twentieth.
  CHECK(statistic(1.05 * start, sigmaMax) > 1.95);
}

TEST_CASE("a seed is a run, and another seed another") {
  const auto levels = uniformInLambda(12);
  const State start = quantiles(sigmaMax);
  for (const Sampler& sampler : registered<Sampler>()) {
    INFO(sampler.id);
    const State once = run(sampler.id, levels, {}, start, 11);
    CHECK(once == run(sampler.id, levels, {}, start, 11));
    CHECK((once == run(sampler.id, levels, {}, start, 12)) == !sampler.stochastic);
    for (const double value : once) CHECK(std::isfinite(value));
  }
}

TEST_CASE("Euler-Maruyama converges to one path as the steps halve") {
  // On one Gaussian the noise is additive: strong order 1 in sigma^2 (score-sde, must-hold 7). The path of 4096 steps stands for the limit.
  const Gaussian gauss{0, 0.5};
  const auto end = [&](int steps) {
    Run one([&](const State& x, double level) { return gauss.denoise(x, level); }, uniformInLambda(steps, 5, 0.1), 21, 256, {});
    return *sample(*findRegistered<Sampler>("em"), one, State(256, 3.0));
  };
  const State limit = end(8192);
  const auto distance = [&](int steps) {
    const State difference = end(steps) - limit;
    double sum = 0;
    for (const double value : difference) sum += value * value;
    return std::sqrt(sum / 256);
  };
  const double order = 0.5 * std::log2(distance(128) / distance(512));
  CHECK(order > 0.9);
  CHECK(order < 1.15);  // the limit itself is off by a sixteenth of the finer error, which steepens the slope by up to 0.05
}

TEST_CASE("with one step from very far every sampler gives the mean of the data") {
  // Mean 0.3 (-1.5) + 0.5 0.4 + 0.2 1.6 = 0.07; at level 1e4 the start moves it by 1e-4 of the data's variance 1.37.
  for (const Sampler& sampler : registered<Sampler>()) {
    if (sampler.adaptive || sampler.id == "ddim-inversion") continue;
    INFO(sampler.id);
    CHECK(largest(run(sampler.id, {1e4, 0}, {}, {1e4, -5e3, 100}) - State(3, 0.07)) < 3e-4);
  }
}

TEST_CASE("an adaptive sampler keeps its tolerance and says what it took back") {
  for (const char* id : {"rk45", "dpm-adaptive"}) {
    double before = 1;
    for (const double tolerance : {1e-3, 1e-5, 1e-7}) {
      Run one(threeModesDenoiser(), {sigmaMax, sigmaMin}, 1, 24, with([&](SamplerOptions& o) { o.absolute = o.relative = tolerance; }));
      const auto end = sample(*findRegistered<Sampler>(id), one, quantiles(sigmaMax));
      REQUIRE(end.hasValue());
      const double distance = largest(*end - quantiles(sigmaMin));
      INFO(id << " at " << tolerance << ": " << distance << " with " << one.evaluations());
      // Errors of the steps add up and are stretched by the flow: 100 tolerances bound both here.
      CHECK(distance < 100 * tolerance);
      CHECK(distance < before);
      CHECK(one.evaluations() < 3000);
      before = distance;
    }
  }
}

TEST_CASE("Dormand-Prince is of fifth order, by its steps and by its tolerances") {
  // Equal steps in ln(level), without control.
  const auto stepped = [](int steps) {
    const auto levels = uniformInLambda(steps);
    Run one(threeModesDenoiser(), levels, 1, 24, deterministic());
    State x = quantiles(sigmaMax);
    for (const Step& s : one.steps()) x = dormandPrinceStep(one, x, s.a, s.b);
    return largest(x - quantiles(sigmaMin));
  };
  const double order = std::log2(stepped(128) / stepped(256));
  INFO("by steps " << order);
  CHECK(order == Approx(5).margin(0.3));
  // Tighter tolerances buy evaluations: the error falls as their fifth power. The controller's steps follow the solution, which changes with
  // the tolerance a little: 0.6 of an order.
  const auto controlled = [](double tolerance) {
    Run one(threeModesDenoiser(), {sigmaMax, sigmaMin}, 1, 24, with([&](SamplerOptions& o) { o.absolute = o.relative = tolerance; }));
    const auto end = sample(*findRegistered<Sampler>("rk45"), one, quantiles(sigmaMax));
    REQUIRE(end);
    return std::pair(largest(*end - quantiles(sigmaMin)), one.evaluations());
  };
  const auto [coarse, few] = controlled(1e-8);
  const auto [fine, many] = controlled(1e-11);
  const double bought = std::log(coarse / fine) / std::log(static_cast<double>(many) / few);
  INFO("by tolerances " << bought << ": " << coarse << " with " << few << ", " << fine << " with " << many);
  CHECK(bought == Approx(5).margin(0.6));
}

TEST_CASE("samplers that choose their steps in ln(level) refuse 0 as the only level below, and end in D where there is another") {
  for (const char* id : {"dpm-adaptive", "rk45"}) {
    INFO(id);
    Run straight(threeModesDenoiser(), {20, 0}, 1, 1, {});
    const auto refused = sample(*findRegistered<Sampler>(id), straight, State(1, 0.5));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::usage);
    CHECK(refused.error().message.find("cannot reach 0") != std::string::npos);
    CHECK(straight.evaluations() == 0);
    Run with(threeModesDenoiser(), {20, 0.02, 0}, 1, 1, {});
    with.record = true;
    const auto end = sample(*findRegistered<Sampler>(id), with, State(1, 0.5));
    REQUIRE(end);
    const Visit& before = with.visits[with.visits.size() - 2];
    CHECK(before.level == Approx(0.02));
    CHECK((*end)[0] == Approx(threeModes().denoise(before.x, 0.02)[0]).epsilon(1e-12));
  }
}

TEST_CASE("every sampler ends where the denoiser answers no number") {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const auto levels = stepLevels(*findRegistered<Grid>("karras"), 12, false, {});
  REQUIRE(levels);
  for (const Sampler& sampler : registered<Sampler>()) {
    INFO(sampler.id);
    // From the start, and only below a level, as where a network overflows.
    for (const double from : {1000.0, 1.0}) {
      Run run([&](const State& x, double level) { return level < from ? none * x : 0.5 * x; }, *levels, 7, 4);
      const auto end = sample(sampler, run, State{1, 2, 3, 4});
      CHECK((!end || !std::isfinite((*end)[0])));
      CHECK(run.evaluations() < 10000);
    }
  }
}

TEST_CASE("DDIM inversion returns: explicit to first order, by fixed point to rounding") {
  const auto back = [&](int steps, int fixedPoint) {
    const auto levels = uniformInLambda(steps);
    const State data = quantiles(sigmaMin);
    const State noise = run("ddim-inversion", levels, with([&](SamplerOptions& o) { o.fixedPoint = fixedPoint; }), data);
    return largest(run("euler", levels, deterministic(), noise) - data);
  };
  const double explicitOrder = std::log2(back(256, 0) / back(512, 0));
  CHECK(explicitOrder == Approx(1).margin(0.15));
  CHECK(back(256, 40) < 1e-9);
}

TEST_CASE("bad grids are refused with their reason") {
  const Sampler& euler = *findRegistered<Sampler>("euler");
  for (const std::vector<double>& levels : {std::vector<double>{1}, {1, 2}, {2, 1, 1}, {2, 0, 0}, {2, -1}, {2e4, 1}, {std::nan(""), 1}}) {
    Run one(threeModesDenoiser(), levels, 1, 1, {});
    const auto result = sample(euler, one, State(1, 0.5));
    REQUIRE_FALSE(result.hasValue());
    CHECK(result.error().code == ErrorCode::usage);
    CHECK(result.error().message.size() > 20);
  }
}

TEST_CASE("evaluations per step are as declared") {
  for (const Sampler& sampler : registered<Sampler>()) {
    if (sampler.adaptive) continue;
    Run one(threeModesDenoiser(), uniformInLambda(64), 1, 24, {});
    REQUIRE(sample(sampler, one, quantiles(sigmaMax)).hasValue());
    INFO(sampler.id << " " << one.evaluations());
    // PNDM and PLMS take a few more at their start.
    CHECK(std::abs(one.evaluations() / 64.0 - sampler.evaluations) < 0.2);
  }
}

TEST_CASE("with a period every z repeats: copies of a particle take the same way") {
  const auto levels = stepLevels(*findRegistered<Grid>("karras"), 8, true, {});
  REQUIRE(levels);
  const auto denoiser = [](const State& x, double level) { return 1 / (1 + level * level) * x; };
  for (const auto& sampler : registered<Sampler>()) {
    if (sampler.id == "ddim-inversion") continue;
    INFO(sampler.id);
    SamplerOptions options;
    options.dimension = 3;
    Run one(denoiser, *levels, 5, 6, options);
    options.noisePeriod = 6;
    Run three(denoiser, *levels, 5, 18, options);
    State start(18);
    for (std::size_t i = 0; i < 18; ++i) start[i] = 10 * std::cos(static_cast<double>(i % 6));
    State first(6);
    for (std::size_t i = 0; i < 6; ++i) first[i] = start[i];
    const auto alone = sample(sampler, one, first), together = sample(sampler, three, start);
    REQUIRE(alone);
    REQUIRE(together);
    // Sums over more particles, of samplers that size their steps by them, round otherwise.
    for (std::size_t i = 0; i < 18; ++i) CHECK(std::abs((*together)[i] - (*alone)[i % 6]) <= (sampler.couples ? 1e-9 : 0.0));
  }
}
