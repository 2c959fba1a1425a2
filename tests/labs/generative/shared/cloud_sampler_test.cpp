// Samplers of a cloud on the device: every solver ends where core/diffusion's own run of it ends, under the same noise, and what a sampler
// is planned as is what it does.

#include "core/labs/generative/shared/cloud_sampler.h"

#include <algorithm>
#include <cmath>

#include "core/base/philox.h"
#include "core/diffusion/sampler.h"
#include "core/labs/generative/shared/planar_density.h"
#include "core/labs/generative/shared/plane_scene.h"
#include "core/labs/generative/shared/sampler_plan.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::generative;
using diffusion::Run;
using diffusion::State;

namespace {

constexpr std::size_t particles = 64;

// z of every grid step, as kernels/mixture_step forms it from the path's nodes.
std::vector<State> pathNoise(const std::vector<double>& levels, const kernels::StepOptions& rows) {
  const kernels::SolverPlan path = kernels::planSolver(kernels::Method::em, levels, 1);
  std::vector<State> result;
  for (std::size_t step = 0; step < path.steps.size(); ++step) {
    State z(2 * particles);
    for (const auto& [node, coefficient] : kernels::noiseTerms(path, step)) {
      for (std::uint32_t i = 0; i < particles; ++i) {
        const PhiloxBlock words = philox({i / 2, node, rows.purpose, 0}, philoxKey(rows.seed));
        const auto pair = i % 2 == 0 ? philoxNormals(words[0], words[1]) : philoxNormals(words[2], words[3]);
        for (std::size_t c = 0; c < 2; ++c) z[2 * i + c] += coefficient * pair[c];
      }
    }
    result.push_back(std::move(z));
  }
  return result;
}

struct Fixture {
  PlaneScene scene = *planeScene("tri");
  kernels::MixtureTable table = kernels::makeMixtureTable(scene.density.components);
  std::vector<double> levels;
  kernels::StepOptions rows;
  State start = State(2 * particles);
  CloudProblem problem;

  explicit Fixture(int steps) {
    levels = kernels::noiseLevels(kernels::Grid::exponential, steps, 0.02, 20);
    rows.seed = 5, rows.purpose = 10;
    std::vector<float> values;
    for (std::uint32_t i = 0; i < particles; ++i) {
      const PhiloxBlock words = philox({i, 0, 99, 0}, philoxKey(3));
      for (const double v : philoxNormals(words[0], words[1])) values.push_back(static_cast<float>(20 * v));
    }
    for (std::size_t i = 0; i < values.size(); ++i) start[i] = static_cast<double>(values[i]);
    problem.levels = levels;
    problem.denoise = [this](gpu::Stream& stream, const Tensor& x, double level) {
      return kernels::mixture(stream, table, x, 1, level, kernels::MixtureOutput::denoiser);
    };
    problem.followed = Tensor::from(Shape{particles, 2}, values);
    problem.rows = rows;
  }
  State device(gpu::Stream& stream, const CloudSolver& solver, bool fast) {
    problem.mixture = fast ? &table : nullptr;
    const auto sampler = cloudSampler(stream, solver, problem);
    REQUIRE(sampler);
    // In three pieces, so that what is remembered is handed on.
    const auto N = static_cast<std::int64_t>(levels.size()) - 1;
    CloudState state{problem.followed, {}};
    for (const auto& [from, to] : {std::pair<std::int64_t, std::int64_t>{0, 1}, {1, N / 2}, {N / 2, N}})
      state = (*sampler)->walk(stream, from, to - from, std::move(state), rows, false).end;
    const auto end = state.x.toFloats();
    return State(std::vector<double>(end.begin(), end.end()));
  }
};

// core/diffusion's run of a solver with this noise share; the ancestral form of one-step solvers is put together from its steps.
State oracle(const Fixture& f, const CloudSolver& solver) {
  const auto noise = pathNoise(f.levels, f.rows);
  const auto denoise = [&](const State& x, double level) { return f.scene.mixture.denoise(x, level); };
  diffusion::SamplerOptions options;
  options.dimension = 2;
  options.noise = [&](double a, double b) {
    const auto at = std::find(f.levels.begin(), f.levels.end(), a);
    if (at != f.levels.end() && std::next(at) != f.levels.end() && *std::next(at) == b)
      return noise[static_cast<std::size_t>(at - f.levels.begin())];
    if (solver.id == "edm") return noise[static_cast<std::size_t>(a)];  // step, purpose
    State z(2 * particles);                                             // off the path: node numbers from 2^23 on
    const auto node =
        (1u << 23) + static_cast<std::uint32_t>(a) * static_cast<std::uint32_t>(solver.correctorSteps) + static_cast<std::uint32_t>(b) - 2;
    for (std::uint32_t i = 0; i < particles; ++i) {
      const PhiloxBlock words = philox({i / 2, node, f.rows.purpose, 0}, philoxKey(f.rows.seed));
      const auto pair = i % 2 == 0 ? philoxNormals(words[0], words[1]) : philoxNormals(words[2], words[3]);
      for (std::size_t c = 0; c < 2; ++c) z[2 * i + c] = pair[c];
    }
    return z;
  };
  options.correctorSteps = solver.correctorSteps, options.correctorRatio = solver.correctorRatio;
  options.absolute = solver.absolute, options.relative = solver.relative;
  const double zeta = solver.zeta;
  std::string name = solver.id == "euler-a" ? "euler" : solver.id;
  const bool oneStep =
      name == "euler" || name == "heun" || name == "dpm-2" || name == "dpm-3" || name == "dpm++2s" || name == "rk4" || name == "rk4-log";
  if (oneStep && zeta > 0) {
    State x = f.start;
    for (std::size_t i = 0; i + 1 < f.levels.size(); ++i) {
      const auto [down, up] = diffusion::ancestral(f.levels[i], f.levels[i + 1], zeta);
      Run run(denoise, {f.levels[i], down}, 0, x.size(), options);
      x = *diffusion::sample(*diffusion::namedSampler(name, options), run, x);
      if (up > 0) x += up * noise[i];
    }
    return x;
  }
  options.eta = name == "em" || name == "langevin-pc" ? zeta : zeta * zeta;
  if (zeta > 0 && name == "dpm++2m") name = "dpm++2m-sde";
  if (zeta > 0 && name.starts_with("dpm++3m")) {
    options.kappa = name == "dpm++3m-consistent" ? 2 : 1;
    name = "dpm++3m-sde";
  }
  if (name == "edm")
    options.churn = 40 * zeta, options.churnFrom = 1.2 * f.levels[f.levels.size() - 2], options.churnTo = 1000, options.churnNoise = 1;
  const diffusion::Sampler* sampler = diffusion::namedSampler(name, options);
  REQUIRE(sampler != nullptr);
  Run run(denoise, f.levels, 0, f.start.size(), options);
  return *diffusion::sample(*sampler, run, f.start);
}

// The share of particles further apart than `near`, and the worst.
void agree(const State& found, const State& expected, double near) {
  REQUIRE(found.size() == expected.size());
  std::size_t off = 0;
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); i += 2) {
    const double apart = std::hypot(found[i] - expected[i], found[i + 1] - expected[i + 1]);
    worst = std::max(worst, apart);
    if (!(apart < near)) ++off;
  }
  INFO("worst " << worst << ", " << off << " beyond " << near);
  CHECK(off == 0);
}

}  // namespace

TEST_CASE("every solver of a cloud ends where core/diffusion's own run ends, with and without noise, fast and step by step") {
  gpu::Stream stream = orrery::testing::openStream();
  Fixture f(24);
  for (const Choice::Option& option : cloudSolvers().options) {
    for (const double zeta : {0.0, 0.6, 1.0}) {
      CloudSolver solver;
      solver.id = option.id, solver.zeta = zeta;
      solver.correctorSteps = 2;
      if (option.id == "langevin-pc" && zeta != 1) continue;  // core/diffusion's predictor has all the noise
      f.problem.mixture = nullptr;
      if (!cloudSampler(stream, solver, f.problem)) continue;  // refused: the next test
      for (const bool fast : {true, false}) {
        INFO(option.id << " zeta " << zeta << (fast ? " fast" : " step by step"));
        // f32 starts of size 20 round by 1e-6 each; where two blobs part a path multiplies that by up to some hundred (C12.5).
        agree(f.device(stream, solver, fast), oracle(f, solver), option.id == "rk45" ? 2e-3 : 5e-4);
      }
    }
  }
}

TEST_CASE("solvers of the ODE refuse noise, and DDPM's larger variance anything but all of it, each in a sentence") {
  gpu::Stream stream = orrery::testing::openStream();
  Fixture f(6);
  const auto refused = [&](const char* id, double zeta, const char* word) {
    const auto made = cloudSampler(stream, {id, zeta}, f.problem);
    INFO(id << " " << zeta);
    REQUIRE_FALSE(made.hasValue());
    CHECK(made.error().message.find(word) != std::string::npos);
  };
  refused("rk45", 0.5, "Dormand–Prince");
  for (const char* id : {"unipc-1", "unipc-2", "unipc-3", "lms", "plms", "pndm"}) refused(id, 0.1, "noise share");
  refused("ddpm-large", 0, "to 1");
  CHECK(cloudSampler(stream, {"ddpm-large", 1}, f.problem).hasValue());
  CHECK(cloudSampler(stream, {"rk45", 0}, f.problem).hasValue());
}

TEST_CASE("a plan remembers what its sampler remembers, and asks as often") {
  const auto levels = kernels::noiseLevels(kernels::Grid::karras, 12, 0.02, 20);
  const struct {
    const char* id;
    std::size_t remembered;  // symbols carried in the middle of the run
    double evaluations;      // of the whole run
  } cases[] = {{"dpm++2m", 1, 12}, {"dpm++3m", 2, 12}, {"unipc-2", 2, 12}, {"unipc-3", 3, 12},
               {"lms", 3, 12},     {"plms", 3, 13},    {"heun", 0, 23}};
  for (const auto& c : cases) {
    diffusion::SamplerOptions options;
    const diffusion::Sampler* sampler = diffusion::namedSampler(c.id, options);
    REQUIRE(sampler != nullptr);
    const SamplerPlan plan = planRun(sampler->run, levels, options);
    INFO(c.id);
    REQUIRE(plan.steps.size() == 12);
    CHECK(plan.steps[6].after.size() == c.remembered);
    CHECK(plan.steps[7].before == plan.steps[6].after);
    CHECK(plan.evaluations(12) == c.evaluations);
  }
}
