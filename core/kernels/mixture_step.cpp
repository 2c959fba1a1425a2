// Solver steps of the reverse diffusion (generative.md C4, C5) under the exact denoiser of a Gaussian mixture. A lane carries its particle
// through all steps of the dispatch: 16 bytes in, 16 out, whatever the number of steps. State: scaled coordinates [n, 2].
// Sources: Song et al. 2021 (reverse SDE and probability flow), Karras et al. 2022 (Heun, churn), Lu et al. 2022 (DPM-Solver,
// DPM-Solver++).

#include "core/kernels/mixture_step.h"

#include <atomic>
#include <bit>
#include <cmath>

#include "core/base/philox.h"
#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

static_assert(sizeof(SolverStep) == 48 && sizeof(WalkStart) == 16 && sizeof(Bridge) == 16,
              "as shaders/kernels/mixture_step.comp lays them out");

DevicePlan upload(const SolverPlan& plan) {
  static std::atomic<std::uint64_t> uploads = 0;
  DevicePlan result;
  result.number = ++uploads;
  result.kind = plan.kind;
  result.count = static_cast<std::int64_t>(plan.steps.size());
  result.evaluationsPerStep = plan.evaluationsPerStep;
  result.slots = plan.slots;
  // A step without noise in a plan that has some walks too: one bridge of nothing.
  SolverPlan all = plan;
  const float nothing = addFreshNormal(all, 0);
  for (SolverStep& step : all.steps) {
    if (step.weight == 0) step.restart = -1, step.walk = nothing;
    const auto bridges = [&](float place) { return static_cast<std::int64_t>(all.noise[4 * static_cast<std::size_t>(place) + 2]); };
    if (step.weight != 0) result.mostBridges = std::max(result.mostBridges, bridges(step.walk));
    if (step.restart >= 0) result.restartBridges = std::max(result.restartBridges, bridges(step.restart));
  }
  const auto words = [](const auto& items) {
    using Item = typename std::decay_t<decltype(items)>::value_type;
    return std::span<const float>(reinterpret_cast<const float*>(items.data()), items.size() * sizeof(Item) / 4);
  };
  result.steps = Tensor::from(Shape{result.count, 12}, words(all.steps));
  result.noise = Tensor::from(Shape{static_cast<std::int64_t>(all.noise.size() / 4), 4}, all.noise);
  return result;
}

namespace {

// lavapipe pays some 0.2 us per workgroup: this many fill any number of cores, and their lanes take several quads each.
constexpr std::int64_t cpuGroups = 1024;

// lavapipe gives up a shader's loops after 65535 iterations in all (its loop limiter), silently. The iterations of a step at most: two per
// bridge, nine per four components when they are read in a loop, some for the few. Dispatches are cut to stay below; that also keeps
// them short.
constexpr std::int64_t sliceIterations = 48000;

std::int64_t iterationsOf(const DevicePlan& plan, const MixtureTable& mixture) {
  const std::int64_t evaluation = mixture.count <= 16 ? 4 * mixture.count : 9 * (mixture.count / 4);
  return 13 + 2 * plan.mostBridges + plan.evaluationsPerStep * evaluation;
}

std::array<std::uint64_t, 7> placeOf(const DevicePlan& plan, std::int64_t step, std::int64_t rows, const StepOptions& options) {
  return {
      plan.number, static_cast<std::uint64_t>(step), static_cast<std::uint64_t>(rows), options.seed, options.purpose, options.firstParticle,
      options.wrap};
}

}  // namespace

bool NoiseMemory::standsAt(const DevicePlan& plan, std::int64_t step, std::int64_t rows, const StepOptions& options) const {
  return place_ == placeOf(plan, step, rows, options);
}
void NoiseMemory::moveTo(const DevicePlan& plan, std::int64_t step, std::int64_t rows, const StepOptions& options) {
  place_ = placeOf(plan, step, rows, options);
}

StepResult mixtureSteps(gpu::Stream& stream, const MixtureTable& mixture, const DevicePlan& plan, std::int64_t first, std::int64_t count,
                        const Tensor& state, const Tensor& history, const StepOptions& options, bool trail, NoiseMemory* memory) {
  assert(state.dtype() == DType::f32 && state.shape().rank() == 2 && state.shape()[1] == 2);
  assert(first >= 0 && count > 0 && first + count <= plan.count);
  assert(options.firstParticle % 4 == 0 && options.wrap % 4 == 0);
  const std::int64_t n = state.shape()[0];
  const bool multistep = plan.kind == StepKind::multistep;
  StepResult result;
  if (trail) result.trail = Tensor(Shape{count, n, 2});
  result.state = state;
  result.history = history;
  if (n == 0) return result;
  const auto constants = mixtureConstants(mixture);
  const std::uint32_t error = options.errorAmount == 0 ? 0u : static_cast<std::uint32_t>(options.error);
  const bool onPath = plan.slots > 0;
  const std::uint32_t lanes = stream.device().isCpu() ? 8 : 64;
  const gpu::Binding table{mixture.table.device(stream), gpu::Access::read};
  const std::int64_t iterations = iterationsOf(plan, mixture), fromRoot = 2 * plan.restartBridges;
  const std::int64_t slice = std::max<std::int64_t>(1, (sliceIterations - fromRoot) / iterations);
  const std::int64_t quads = (n + 3) / 4;
  NoiseMemory own;
  if (memory == nullptr) memory = &own;
  const Shape kept{quads + 1, plan.slots, 8};
  if (onPath && (memory->values.empty() || memory->values.shape() != kept)) {
    *memory = {};
    memory->values = Tensor(kept);
  }

  for (std::int64_t done = 0; done < count; done += slice) {
    const std::int64_t steps = std::min(slice, count - done);
    std::int64_t perLane = 1;
    if (stream.device().isCpu()) {
      const std::int64_t most = std::max<std::int64_t>(1, sliceIterations / (fromRoot + iterations * steps));
      perLane = std::min((quads + cpuGroups * lanes - 1) / (cpuGroups * lanes), most);
    }
    const std::int64_t quadsPerGroup = perLane * lanes;
    const gpu::Groups groups{static_cast<std::uint32_t>((quads + quadsPerGroup - 1) / quadsPerGroup), 1, 1};
    Tensor nextState(state.shape()), nextHistory;
    const gpu::Binding in{inQuads(result.state.device(stream)), gpu::Access::read};
    const gpu::Binding out{inQuads(nextState.deviceForWriting(stream)), gpu::Access::write};
    // The first step has no history; any buffer stands in for it, since its coefficient c3 is 0.
    gpu::Binding before = in, after = out;
    if (multistep) {
      nextHistory = Tensor(state.shape());
      if (first + done > 0) before = {inQuads(result.history.device(stream)), gpu::Access::read};
      after = {inQuads(nextHistory.deviceForWriting(stream)), gpu::Access::write};
    }
    gpu::Binding path = out, values = out;
    bool restart = false;
    if (onPath) {
      values = {memory->values.deviceForWriting(stream), gpu::Access::readWrite};
      restart = !memory->standsAt(plan, first + done, n, options);
      memory->moveTo(plan, first + done + steps, n, options);
    }
    if (trail) path = {result.trail.deviceForWriting(stream), gpu::Access::write};
    const struct {
      std::uint32_t count, quads, components, firstStep, stepCount;
      float spread, errorAmount;
      std::uint32_t seedLow, seedHigh, purpose, firstParticle, trailRow, quadsPerLane, wrap, slots, restart;
    } push{static_cast<std::uint32_t>(n),
           static_cast<std::uint32_t>(quads),
           mixture.count,
           static_cast<std::uint32_t>(first + done),
           static_cast<std::uint32_t>(steps),
           static_cast<float>(mixture.spread),
           static_cast<float>(options.errorAmount),
           static_cast<std::uint32_t>(options.seed),
           static_cast<std::uint32_t>(options.seed >> 32),
           options.purpose,
           options.firstParticle,
           static_cast<std::uint32_t>(done),
           static_cast<std::uint32_t>(perLane),
           options.wrap,
           static_cast<std::uint32_t>(plan.slots),
           restart ? 1u : 0u};
    stream.dispatch("kernels/mixture_step",
                    {in,
                     table,
                     table,
                     {plan.steps.device(stream), gpu::Access::read},
                     {plan.noise.device(stream), gpu::Access::read},
                     out,
                     before,
                     after,
                     path,
                     {plan.steps.device(stream), gpu::Access::read},
                     values},
                    push, groups,
                    {constants[0], constants[1], static_cast<std::uint32_t>(plan.kind), error, lanes, steps == 1 ? 1u : 0u,
                     plan.mostBridges == 0 ? 0u
                     : onPath              ? 1u
                                           : 2u,
                     trail ? 1u : 0u});
    result.state = nextState;
    result.history = nextHistory;
  }
  return result;
}

namespace {

using Vector = std::array<double, 2>;
Vector operator+(Vector a, Vector b) { return {a[0] + b[0], a[1] + b[1]}; }
Vector operator-(Vector a, Vector b) { return {a[0] - b[0], a[1] - b[1]}; }
Vector operator*(double s, Vector a) { return {s * a[0], s * a[1]}; }

Vector errorField(Vector x, double sigma) {
  const Vector y = (1 / std::sqrt(1 + sigma * sigma)) * x;
  const double l = std::log(sigma + 1e-6);
  return {std::sin(2.1 * y[0] + 3.7 * y[1] + 0.9 * l) + std::cos(3.3 * y[1] - 1.7 * y[0] + 1.3 * l + 0.5),
          std::sin(2.9 * y[1] - 1.3 * y[0] + 1.1 * l + 1.0) + std::cos(1.9 * y[0] + 2.3 * y[1] - 0.7 * l)};
}

Vector denoise(std::span<const Component> components, Vector x, double sigma, const StepOptions& options) {
  Vector D = evaluateMixture(components, x[0], x[1], 1, sigma).denoiser;
  if (options.error == ScoreError::constant) D = D - sigma * options.errorAmount * Vector{1, 0};
  if (options.error == ScoreError::shrink) D = D + options.errorAmount * (x - D);
  if (options.error == ScoreError::field) D = D - sigma * options.errorAmount * errorField(x, sigma);
  return D;
}

}  // namespace

std::vector<Vector> mixtureStepsReference(std::span<const Component> components, const SolverPlan& plan, Vector x, std::uint32_t particle,
                                          const StepOptions& options) {
  const auto D = [&](Vector at, double sigma) { return denoise(components, at, sigma, options); };
  const auto slope = [&](Vector at, double sigma) { return (1 / sigma) * (at - D(at, sigma)); };
  std::vector<Vector> states;
  Vector previous{};
  for (const SolverStep& step : plan.steps) {
    Vector z{};
    for (const auto& [node, coefficient] : noiseTerms(plan, states.size())) {
      const PhiloxBlock words = philox({particle / 2, node, options.purpose, 0}, philoxKey(options.seed));
      z = z + coefficient * (particle % 2 == 0 ? philoxNormals(words[0], words[1]) : philoxNormals(words[2], words[3]));
    }
    const double b = step.target, c1 = step.c1, c2 = step.c2, c3 = step.c3, middle = step.middle;
    double a = step.a;
    if (plan.kind == StepKind::edm) {
      x = x + static_cast<double>(step.churn) * z;
      a = step.aHat;
    }
    const Vector Dx = D(x, a), e = (1 / a) * (x - Dx);
    if (b == 0) {
      x = Dx;
    } else {
      switch (plan.kind) {
        case StepKind::linear:
          x = x + c1 * e;
          break;
        case StepKind::heun:
        case StepKind::edm:
          x = x + (0.5 * (b - a)) * (e + slope(x + (b - a) * e, b));
          break;
        case StepKind::midpoint:
          x = x + (b - a) * slope(x + (middle - a) * e, middle);
          break;
        case StepKind::multistep:
          x = c1 * x + c2 * Dx + c3 * (Dx - previous);
          break;
        case StepKind::rungeKutta4: {
          const Vector e2 = slope(x + (middle - a) * e, middle), e3 = slope(x + (middle - a) * e2, middle), e4 = slope(x + (b - a) * e3, b);
          x = x + ((b - a) / 6) * (e + 2.0 * e2 + 2.0 * e3 + e4);
          break;
        }
      }
    }
    if (plan.kind != StepKind::edm) x = x + static_cast<double>(step.cz) * z;
    previous = Dx;
    states.push_back(x);
  }
  return states;
}

namespace {

std::vector<Component> testMixture(bool common) {
  std::vector<Component> components;
  for (int k = 0; k < 5; ++k) {
    components.push_back({1.0 + k, std::cos(1.3 * k), std::sin(1.3 * k), common ? 0.09 : 0.03 + 0.02 * k, 0.09, common ? 0.0 : 0.5 * k});
  }
  return components;
}

CheckCase check(const char* name, Method method, double zeta, bool common, ScoreError error, std::int64_t perDispatch) {
  // Components of deviation 0.17 to 0.3 keep neighbouring routes from parting (generative.md C12.5): an f32 error of 1e-6 per step grows
  // mildly over 9 steps; states reach 30, which is the scale. (x - D) / sigma at sigma = 0.02 carries 3e-6 of x and is multiplied by steps
  // of that size again. 2e-5 holds on every device tried with room to spare.
  return {name, 2e-5, [=](gpu::Stream& stream) {
            const std::int64_t n = 137;
            const auto components = testMixture(common);
            const auto levels = noiseLevels(Grid::karras, 9, 0.02, 10);
            const SolverPlan plan = planSolver(method, levels, zeta);
            const StepOptions options{424242, 3, 1000, error, error == ScoreError::none ? 0.0 : 0.2};
            const auto start = testFloats(2 * n, 71, -25, 25);
            std::vector<double> expected(static_cast<std::size_t>(9 * n * 2));
            for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
              const auto states =
                  mixtureStepsReference(components, plan, {static_cast<double>(start[2 * i]), static_cast<double>(start[2 * i + 1])},
                                        static_cast<std::uint32_t>(1000 + i), options);
              for (std::size_t s = 0; s < states.size(); ++s) {
                for (std::size_t c = 0; c < 2; ++c) expected[(s * static_cast<std::size_t>(n) + i) * 2 + c] = states[s][c];
              }
            }
            const DevicePlan device = upload(plan);
            const MixtureTable table = makeMixtureTable(components);
            Tensor state = Tensor::from(Shape{n, 2}, start), history;
            Difference worst;
            for (std::int64_t first = 0; first < 9; first += perDispatch) {
              const StepResult result = mixtureSteps(stream, table, device, first, perDispatch, state, history, options, true);
              const auto from = expected.begin() + first * n * 2;
              worst = worse(worst, compare(result.trail, std::vector<double>(from, from + perDispatch * n * 2)));
              state = result.state;
              history = result.history;
            }
            return worse(worst, compare(state, std::vector<double>(expected.end() - n * 2, expected.end())));
          }};
}

// Long enough to be cut into several dispatches.
CheckCase longRun(const char* name, int components, int steps) {
  // Errors of 1e-7 per step add up over the run at random; particles near a boundary between basins drift further apart. Far fewer
  // components than 2048 matter at a place, and a broad spread keeps the flow smooth.
  return {name, 1e-4, [components, steps](gpu::Stream& stream) {
            std::vector<Component> mixture;
            for (int k = 0; k < components; ++k) mixture.push_back({1, std::cos(2.4 * k), std::sin(1.7 * k), 0.25, 0.25, 0});
            const SolverPlan plan = planSolver(Method::em, noiseLevels(Grid::karras, steps, 0.02, 20), 1);
            const std::int64_t n = 6;
            const auto start = testFloats(2 * n, 73, -30, 30);
            const StepOptions options{99, 2};
            std::vector<double> expected(static_cast<std::size_t>(steps * n * 2));
            for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
              const auto states =
                  mixtureStepsReference(mixture, plan, {static_cast<double>(start[2 * i]), static_cast<double>(start[2 * i + 1])},
                                        static_cast<std::uint32_t>(i), options);
              for (std::size_t s = 0; s < states.size(); ++s) {
                for (std::size_t c = 0; c < 2; ++c) expected[(s * static_cast<std::size_t>(n) + i) * 2 + c] = states[s][c];
              }
            }
            return compare(
                mixtureSteps(stream, makeMixtureTable(mixture), upload(plan), 0, steps, Tensor::from(Shape{n, 2}, start), {}, options, true)
                    .trail,
                expected);
          }};
}

std::vector<CheckCase> checks(gpu::Device&) {
  return {
      check("heun, 9 steps at once", Method::heun, 0, true, ScoreError::none, 9),
      check("euler, 3 by 3", Method::euler, 0, true, ScoreError::none, 3),
      check("em, zeta 1", Method::em, 1, true, ScoreError::none, 9),
      check("em, zeta 0.5, ellipses", Method::em, 0.5, false, ScoreError::none, 3),
      check("euler ancestral, one by one", Method::eulerAncestral, 1, true, ScoreError::none, 1),
      check("heun ancestral, zeta 2", Method::heun, 2, false, ScoreError::none, 9),
      check("edm with churn", Method::edm, 1, true, ScoreError::none, 9),
      longRun("1000 steps of Brownian noise", 5, 1000),
      longRun("100 steps under 2048 components", 2048, 100),
      {"rows that share their noise", 0,
       [](gpu::Stream& stream) {  // the same start and particle number: the same bits
         const auto half = testFloats(2 * 20, 72, -25, 25);
         std::vector<float> twice = half;
         twice.insert(twice.end(), half.begin(), half.end());
         StepOptions options{7, 1, 500};
         options.wrap = 20;
         const DevicePlan plan = upload(planSolver(Method::em, noiseLevels(Grid::karras, 9, 0.02, 10), 1));
         const Tensor end =
             mixtureSteps(stream, makeMixtureTable(testMixture(true)), plan, 0, 9, Tensor::from(Shape{40, 2}, twice), {}, options).state;
         const auto values = end.as<float>();
         std::vector<float> expected(values.begin(), values.begin() + 40);
         expected.insert(expected.end(), values.begin(), values.begin() + 40);
         return compareExactly(end, expected);
       }},
      {"noise remembered from step to step", 0,
       [](gpu::Stream& stream) {  // at once; one by one; once more from step 3 with a memory that stands elsewhere: the same bits
         const MixtureTable table = makeMixtureTable(testMixture(true));
         const DevicePlan plan = upload(planSolver(Method::em, noiseLevels(Grid::karras, 9, 0.02, 10), 1));
         const Tensor start = Tensor::from(Shape{43, 2}, testFloats(2 * 43, 72, -25, 25));
         const StepOptions options{7, 1, 500};
         const Tensor trail = mixtureSteps(stream, table, plan, 0, 9, start, {}, options, true).trail;
         const auto expected = trail.as<float>();
         NoiseMemory memory;
         Difference worst;
         for (const std::int64_t from : {0, 3}) {
           Tensor state = from == 0 ? start : trail.rows(from - 1, from).reshaped(start.shape());
           for (std::int64_t step = from; step < 9; ++step) {
             state = mixtureSteps(stream, table, plan, step, 1, state, {}, options, false, &memory).state;
             worst =
                 worse(worst, compareExactly(state, std::vector<float>(expected.begin() + step * 86, expected.begin() + (step + 1) * 86)));
           }
         }
         return worst;
       }},
      check("dpm-2", Method::dpm2, 0, false, ScoreError::none, 9),
      check("dpm++2m, one by one", Method::dpmpp2m, 0, true, ScoreError::none, 1),
      check("dpm++2m stochastic, 3 by 3", Method::dpmpp2m, 1, true, ScoreError::none, 3),
      check("rk4", Method::rk4, 0, true, ScoreError::none, 9),
      check("heun, constant error", Method::heun, 0, true, ScoreError::constant, 9),
      check("em, shrunken score", Method::em, 1, true, ScoreError::shrink, 9),
      check("euler, error field", Method::euler, 0, false, ScoreError::field, 9)};
}

// `steps` of a plan from its sixth on, under eight components.
BenchCase bench(std::int64_t n, const char* method, const SolverPlan& plan, std::int64_t steps) {
  const double work = static_cast<double>(n * steps);
  return {std::to_string(n) + " particles x 8, " + method, "", 240.0 * work, 16.0 * static_cast<double>(n), true, [=](gpu::Stream& stream) {
            std::vector<Component> ring;
            for (int k = 0; k < 8; ++k) ring.push_back({1, std::cos(0.785398 * k), std::sin(0.785398 * k), 0.0144, 0.0144, 0});
            const Tensor state = Tensor::from(Shape{n, 2}, testFloats(2 * n, 1, -2, 2));
            const MixtureTable table = makeMixtureTable(ring);
            const DevicePlan device = upload(plan);
            state.device(stream);
            const auto memory = std::make_shared<NoiseMemory>();
            return [=](gpu::Stream& s) {
              memory->moveTo(device, 5, n, {});
              mixtureSteps(s, table, device, 5, steps, state, {}, {}, false, memory.get());
            };
          }};
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  const auto plan = [](Method method, int steps, double zeta) {
    return planSolver(method, noiseLevels(Grid::karras, steps, 0.002, 80), zeta);
  };
  for (const std::int64_t n : {std::int64_t{1} << 12, std::int64_t{1} << 16, std::int64_t{1} << 20})
    cases.push_back(bench(n, "euler", plan(Method::euler, 18, 0), 1));
  // Along one Brownian path: 32 steps of a run of 64 and of one of 1,000.
  cases.push_back(bench(std::int64_t{1} << 20, "32 of 64 stochastic steps", plan(Method::em, 64, 1), 32));
  cases.push_back(bench(std::int64_t{1} << 20, "32 of 1000 stochastic steps", plan(Method::em, 1000, 1), 32));
  cases.push_back(bench(std::int64_t{1} << 20, "1 of 1000 stochastic steps", plan(Method::em, 1000, 1), 1));
  return cases;
}

const Registration<Kernel> registration{{"mixture-step", "Solver steps of the reverse diffusion under a mixture", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
