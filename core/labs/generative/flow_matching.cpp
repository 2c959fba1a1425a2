// Flow matching: how to train an ODE whose flow carries noise to data without ever simulating it. A pair (x_0, x_1) is joined by a path
// x_t = alpha x_0 + sigma x_1; the velocity of the flow is the average of the pairs' velocities that pass a place,
//   u_t(x) = E[dx_t/dt | x_t = x],   d p / dt + div(p u) = 0,   L_CFM = E|v(x_t, t) - dx_t/dt|^2 = L_FM + E tr Cov[dx_t/dt | x_t]
// Sources: Lipman et al. 2023; Liu et al. 2022b; Albergo & Vanden-Eijnden 2023; Tong et al. 2024 (minibatch optimal transport).
// Units: data units; t = 0 is data (C1; the papers' direction is a label). Velocities and clouds on the device (shared/flow_field), pairs
// and distances on the host. Random numbers, key = seed: start: stream 1 of kernels/philox, or counter (i, 0, 49, .) for a scene as base;
// pairs: purposes 50 (stored), 53 and 56 (measured), 59 (drawn), 62 (training, j = step * batch + i), each with the two that follow;
// training times: (i, step, 65, 0).

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/philox.h"
#include "core/diffusion/grid.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/philox.h"
#include "core/kernels/slice.h"
#include "core/labs/generative/flow_matching/lab.h"
#include "core/labs/generative/flow_matching/pictures.h"
#include "core/labs/generative/shared/density_file.h"
#include "core/labs/generative/shared/plane_or_pictures.h"
#include "core/labs/generative/shared/plane_scene_panels.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {
namespace {

constexpr int directionCount = 64;
constexpr std::int64_t mostMeasured = 4096, mostPairsDrawn = 96;
constexpr std::size_t mostComponents = 4096;

FlowSettings readSettings(const LabContext& context) {
  FlowSettings s;
  s.scene = context.text("scene");
  s.base = context.text("base");
  s.path = {flowPathOf(context.text("path")), context.number("floor"), context.number("sigma-max")};
  const std::string& coupling = context.text("coupling");
  s.coupling = coupling == "independent" ? Coupling::independent : coupling == "batch-sinkhorn" ? Coupling::entropic : Coupling::optimal;
  s.full = coupling == "full-ot";
  s.pairs = context.integer("pairs");
  s.batch = s.full ? s.pairs : context.integer("ot-batch");
  s.epsilon = context.number("epsilon");
  s.width = context.number("kernel-width");
  const std::string& velocity = context.text("velocity");
  s.source = velocity == "network"      ? VelocitySource::network
             : velocity == "regression" ? VelocitySource::regression
             : velocity == "dropped"    ? VelocitySource::dropped
                                        : VelocitySource::exact;
  s.solver = flowSolverOf(context.text("solver"));
  s.steps = context.integer("steps");
  s.particles = context.integer("particles");
  s.trails = std::min(context.integer("trails"), s.particles);
  s.hutchinson = context.text("divergence") == "hutchinson";
  s.trainSteps = context.integer("train-steps");
  s.stepsPerFrame = context.integer("steps-per-frame");
  s.trainBatch = context.integer("batch");
  s.learningRate = context.number("learning-rate");
  s.layerWidth = context.integer("width");
  s.depth = context.integer("depth");
  s.timeLaw = context.text("time-law");
  s.shownParticles = context.integer("shown-particles");
  s.shownSteps = context.integer("shown-steps");
  s.shownTime = context.number("shown-time");
  s.showDensity = context.flag("density");
  s.showField = context.flag("vector-field");
  s.paperDirection = context.flag("paper-direction");
  s.lower[0] = context.text("lower-left");
  s.lower[1] = context.text("lower-right");
  s.heatGrid = context.integer("heatmap-grid");
  s.pairData = {context.number("pair-data-x"), context.number("pair-data-y")};
  s.pairNoise = {context.number("pair-noise-x"), context.number("pair-noise-y")};
  s.dye = {context.number("dye-x"), context.number("dye-y")};
  s.dyeRadius = context.number("dye-radius");
  s.seed = static_cast<std::uint64_t>(context.integer("seed"));
  return s;
}

// What cannot be done, before anything is computed.
Expected<void> check(const FlowSettings& s) {
  const bool straight = s.path.kind == FlowPathKind::linear || s.path.kind == FlowPathKind::floor;
  if (s.path.kind == FlowPathKind::ve && s.base != "normal")
    return makeError(ErrorCode::usage, tr("Exploding variance adds Gaussian noise: it needs the standard normal as base law"));
  if (s.source == VelocitySource::exact) {
    if (s.coupling != Coupling::independent) {
      return makeError(ErrorCode::usage,
                       tr("Re-paired points have no closed-form velocity: choose kernel regression or the network, or independent pairs"));
    }
    if (s.base == "uniform")
      return makeError(ErrorCode::usage, tr("The uniform base has no closed-form velocity: choose kernel regression or the network"));
    if (s.base != "normal" && s.path.kind != FlowPathKind::linear)
      return makeError(ErrorCode::usage, tr("Between two scenes the closed form knows the straight line only: choose it, or the network"));
  }
  if (s.source == VelocitySource::regression && !straight)
    return makeError(ErrorCode::usage, tr("Kernel regression joins its pairs by straight lines: choose a straight path or the network"));
  if (s.coupling == Coupling::entropic && s.path.kind == FlowPathKind::ve)
    return makeError(ErrorCode::usage,
                     tr("Exploding variance ends far from the data, where pairing means nothing: choose independent pairs"));
  if (s.full && s.pairs > 2048) {
    return makeError(ErrorCode::usage,
                     trf("The optimal pairing of {} points would take minutes: choose at most 2048 stored pairs", s.pairs));
  }
  return {};
}

// [n, 2] on the host.
Tensor pointsOf(std::span<const double> xy) {
  std::vector<float> values(xy.begin(), xy.end());
  return Tensor::from(Shape{static_cast<std::int64_t>(values.size() / 2), 2}, values);
}

}  // namespace

double FlowMatching::time() const {
  if (!training()) return 1 - static_cast<double>(frame_) / static_cast<double>(settings_.steps);
  // The step of the preview nearest to the time asked for.
  const auto steps = static_cast<double>(settings_.shownSteps);
  return 1 - std::round((1 - settings_.shownTime) * steps) / steps;
}

double FlowMatching::inputScale(double t) const {
  if (settings_.path.kind == FlowPathKind::linear || settings_.path.kind == FlowPathKind::floor) return 1;
  const FlowMoment m = settings_.path.at(t);
  return 1 / std::sqrt(0.5 * m.alpha * m.alpha + m.sigma * m.sigma);
}

double FlowMatching::outputScale(double t) const {
  if (settings_.path.kind == FlowPathKind::linear || settings_.path.kind == FlowPathKind::floor) return 1;
  const FlowMoment m = settings_.path.at(t);
  const double sigmaRate = m.halfVarianceRate / m.sigma;
  return std::sqrt(0.5 * m.alphaRate * m.alphaRate + sigmaRate * sigmaRate);
}

Velocity FlowMatching::velocity() const {
  if (training()) {
    return [this](gpu::Stream& stream, const Tensor& cloud, double t) {
      const double at = std::max(t, 1e-3);
      const Tensor x = inputScale(at) == 1 ? cloud : kernels::affine(stream, cloud, static_cast<float>(inputScale(at)), 0);
      const Tensor y = network_.at(stream, x, at);
      return outputScale(at) == 1 ? y : kernels::affine(stream, y, static_cast<float>(outputScale(at)), 0);
    };
  }
  if (settings_.source == VelocitySource::regression) {
    return [this](gpu::Stream& stream, const Tensor& cloud, double t) {
      return regressedVelocity(stream, stored_, settings_.width, t, cloud);
    };
  }
  if (settings_.source == VelocitySource::dropped) return networkVelocity(dropped_, settings_.path);
  return [this](gpu::Stream& stream, const Tensor& cloud, double t) { return flowVelocity(stream, exact_->at(t), cloud); };
}

Velocity FlowMatching::velocityWithDivergence() const {
  if (settings_.hutchinson || settings_.source == VelocitySource::dropped) {
    // z . (u(x + h z) - u(x - h z)) / 2h with one draw of signs z per row for the whole way (Hutchinson 1990; Grathwohl et al. 2019). For a
    // user's network the exact divergence is the sum of this over z = (1, 0) and (0, 1).
    return [this, v = velocity()](gpu::Stream& stream, const Tensor& state, double t) {
      const std::int64_t n = state.shape()[0];
      constexpr double h = 5e-3;
      const Tensor x = kernels::slice(stream, state, 1, 0, 2);
      const auto along = [&](const Tensor& z) {
        const Tensor change = kernels::binary(stream, kernels::Binary::sub, v(stream, addScaled(stream, x, z, h), t),
                                              v(stream, addScaled(stream, x, z, -h), t));
        const Tensor product = kernels::binary(stream, kernels::Binary::mul, change, z);
        return kernels::matmul(stream, product,
                               Tensor::from(Shape{2, 2}, {static_cast<float>(0.5 / h), 0, static_cast<float>(0.5 / h), 0}));
      };
      std::vector<float> signs;
      for (std::int64_t i = 0; i < n && settings_.hutchinson; ++i) {
        const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), 0, 66, 0}, philoxKey(settings_.seed));
        signs.insert(signs.end(), {(words[0] & 1) != 0 ? 1.0f : -1.0f, (words[1] & 1) != 0 ? 1.0f : -1.0f});
      }
      const Tensor sum = settings_.hutchinson ? along(Tensor::from(Shape{n, 2}, signs))
                                              : kernels::binary(stream, kernels::Binary::add, along(Tensor::from(Shape{1, 2}, {1, 0})),
                                                                along(Tensor::from(Shape{1, 2}, {0, 1})));
      const Tensor parts[] = {v(stream, x, t), sum};
      return kernels::concat(stream, parts, 1);
    };
  }
  if (settings_.source == VelocitySource::regression) {
    return [this](gpu::Stream& stream, const Tensor& state, double t) {
      return regressedWithDivergence(stream, stored_, settings_.width, t, state);
    };
  }
  return [this](gpu::Stream& stream, const Tensor& state, double t) { return flowWithDivergence(stream, exact_->at(t), state); };
}

bool FlowMatching::stopsShort(double to) const { return settings_.source == VelocitySource::exact && to <= 0 && exact_->pointsInData(); }

Tensor FlowMatching::stepped(gpu::Stream& stream, const Velocity& v, const Tensor& cloud, double t, double to) const {
  // The velocity at points of no width does not exist: the last step to them is Euler's, which lands on the denoised state.
  return flowStep(stream, v, stopsShort(to) ? FlowSolver::euler : settings_.solver, cloud, t, to);
}

Tensor FlowMatching::follow(gpu::Stream& stream, const Tensor& start, std::int64_t steps, FlowSolver solver) const {
  const std::int64_t n = start.shape()[0];
  const Velocity v = velocity();
  std::vector<Tensor> states{start.reshaped(Shape{1, n, 2})};
  Tensor cloud = start;
  for (std::int64_t i = 0; i < steps; ++i) {
    const double t = 1 - static_cast<double>(i) / static_cast<double>(steps),
                 to = 1 - static_cast<double>(i + 1) / static_cast<double>(steps);
    cloud = flowStep(stream, v, stopsShort(to) ? FlowSolver::euler : solver, cloud, t, to);
    states.push_back(cloud.reshaped(Shape{1, n, 2}));
  }
  return kernels::concat(stream, states, 0);
}

bool FlowMatching::keepsTime(const LabContext& context) const {
  static constexpr std::string_view pictureOnly[] = {"density",      "vector-field",    "trails",      "pair-data-x",     "pair-data-y",
                                                     "pair-noise-x", "pair-noise-y",    "dye-x",       "dye-y",           "dye-radius",
                                                     "lower-left",   "lower-right",     "brush",       "paper-direction", "heatmap-grid",
                                                     "divergence",   "shown-particles", "shown-steps", "shown-time"};
  if (context.restarting()) return false;
  for (const auto& [id, value] : context.values()) {
    if (context.changed(id) && std::find(std::begin(pictureOnly), std::end(pictureOnly), id) == std::end(pictureOnly)) return false;
  }
  return true;
}

Expected<void> FlowMatching::update(LabContext& context) {
  stream_ = &context.stream();
  const FlowSettings before = settings_;
  settings_ = readSettings(context);
  Expected<void> done = check(settings_);
  const bool stays = keepsTime(context);
  if (done && !stays) done = begin(context);
  if (!done) {
    settings_ = before;
    return done;
  }
  if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("Cancelled"));
  gpu::Stream& stream = *stream_;
  if (training()) {
    integrateShown(stream);
    // The distances known so far were those of other particles.
    if (stays && context.anyChanged({"shown-particles", "shown-steps", "shown-time"})) {
      for (auto& [frame, tick] : ticks_) tick.sliced = tick.floor = 0;
    }
  } else {
    path_ = settings_.trails > 0 ? follow(stream, start_.rows(0, settings_.trails), settings_.steps, settings_.solver) : Tensor();
  }
  measure();
  study(stream);
  return {};
}

Expected<void> FlowMatching::begin(LabContext& context) {
  const FlowSettings& s = settings_;
  auto scene = planeScene(context);
  if (!scene) return scene.error();
  Expected<BaseLaw> base = [&]() -> Expected<BaseLaw> {
    if (s.base != "file") return baseLaw(s.base);
    auto density = densityOfFile(context.file("base-file"), context.flag("invert"), context.number("spread"));
    if (!density) return density.error();
    return BaseLaw{BaseLaw::Kind::scene, planeScene("dropped", *std::move(density))};
  }();
  if (!base) return base.error();
  std::shared_ptr<const models::PointDenoiser> dropped;
  if (s.source == VelocitySource::dropped) {
    auto opened = statedPlaneNetwork(context, tr("choose the closed form"));
    if (!opened) return opened.error();
    dropped = *std::move(opened);
  }
  PairSource source{*std::move(scene), *std::move(base), s.coupling, static_cast<std::size_t>(s.batch), s.epsilon, s.seed};
  std::optional<ExactFlow> exact;
  if (s.base == "normal" || (source.base.scene && s.path.kind == FlowPathKind::linear)) {
    exact = ExactFlow{source.data.density, s.path, {}};
    if (source.base.scene) exact->base = source.base.scene->density.components;
    if (exact->count() > mostComponents) {
      if (s.source == VelocitySource::exact) {
        return makeError(ErrorCode::usage,
                         trf("The closed form between these two scenes has {} parts, more than {}: choose kernel regression or the network",
                             exact->count(), mostComponents));
      }
      exact.reset();
    }
  }
  source_ = std::move(source);
  exact_ = std::move(exact);
  dropped_ = std::move(dropped);
  gpu::Stream& stream = context.stream();

  // Draw the pairs that are shown, measured and averaged.
  const auto batch = static_cast<std::size_t>(s.coupling == Coupling::independent ? 1 : s.batch);
  drawnPairs_ = source_.draw(std::max<std::size_t>(batch, mostPairsDrawn), 59);
  drawnPairs_.x0.resize(2 * mostPairsDrawn), drawnPairs_.x1.resize(2 * mostPairsDrawn);
  const std::int64_t cloud = training() ? s.shownParticles : s.particles;
  const auto measured = static_cast<std::size_t>(std::min(cloud, s.coupling == Coupling::independent ? mostMeasured : mostMeasured / 2));
  for (std::uint32_t e = 0; e < 2; ++e) truth_[e] = source_.draw(std::max(measured, batch), 53 + 3 * e);
  stored_ = {};
  if (s.source == VelocitySource::regression) {
    const auto pairs = source_.draw(static_cast<std::size_t>(s.pairs), 50);
    std::vector<float> rows;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      // On the path with a floor, x_t = (1 - t)(x_0 + floor x_1) + t x_1.
      const double floor = s.path.kind == FlowPathKind::floor ? s.path.floor : 0;
      for (std::size_t c = 0; c < 2; ++c) rows.push_back(static_cast<float>(pairs.x0[2 * i + c] + floor * pairs.x1[2 * i + c]));
      for (std::size_t c = 0; c < 2; ++c) rows.push_back(static_cast<float>(pairs.x1[2 * i + c]));
    }
    stored_ = Tensor::from(Shape{s.pairs, 4}, rows);
  }
  if (training()) {
    ToyNetworkOptions options;
    options.width = s.layerWidth, options.depth = s.depth;
    options.learningRate = s.learningRate, options.decaySteps = s.trainSteps;
    options.detail = 4, options.seed = s.seed;
    network_ = ToyNetwork(stream, options);
  }

  // The start cloud.
  const Shape shape{training() ? std::int64_t{16384} : s.particles, 2};
  const auto sigma = static_cast<float>(s.path.at(1).sigma);
  switch (source_.base.kind) {
    case BaseLaw::Kind::normal:
      start_ = kernels::normal(stream, shape, {s.seed, 1, 0}, 0, sigma);
      break;
    case BaseLaw::Kind::uniform:
      start_ = kernels::uniform(stream, shape, {s.seed, 1, 0}, -static_cast<float>(std::numbers::sqrt3),
                                static_cast<float>(std::numbers::sqrt3));
      break;
    case BaseLaw::Kind::scene:
      start_ = pointsOf(source_.base.scene->draw(s.seed, static_cast<std::size_t>(shape[0]), 49).values());
      break;
  }
  complaint_.clear();
  if (dropped_ && s.base == "normal") {
    // Near the base x_t / alpha is noise of deviation sigma / alpha and little else.
    const FlowMoment m = s.path.at(0.99);
    const auto first = start_.as<float>().first(256);
    complaint_ =
        pointNetworkComplaint(*dropped_, 1 / m.alpha * diffusion::State(std::vector<double>(first.begin(), first.end())), m.sigma / m.alpha);
  }
  cloud_ = start_;
  frame_ = 0;
  ticks_.clear();
  couplingCost_.clear();
  grid_ = {};
  prepareLoss();
  return {};
}

ToyBatch FlowMatching::batchOf(std::int64_t step) const {
  const FlowSettings& s = settings_;
  const auto n = static_cast<std::size_t>(s.trainBatch);
  const auto pairs = source_.draw(n, 62, static_cast<std::uint32_t>(step * s.trainBatch));
  std::vector<float> x, time, target;
  const bool straight = s.path.kind == FlowPathKind::linear || s.path.kind == FlowPathKind::floor;
  for (std::size_t i = 0; i < n; ++i) {
    // One time in each of n equal parts of the law: the same law with less noise.
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(step), 65, 0}, philoxKey(s.seed));
    const double q = (static_cast<double>(i) + static_cast<double>(philoxUniform(words[0])) + 0x1p-26) / static_cast<double>(n);
    double t = s.timeLaw == "logit-normal" ? 1 / (1 + std::exp(-diffusion::normalQuantile(q))) : s.timeLaw == "beta" ? q * q : q;
    if (!straight) t = std::max(t, 1e-3);
    const FlowMoment m = s.path.at(t);
    const double sigmaRate = m.halfVarianceRate / std::max(m.sigma, 1e-12), in = inputScale(t), out = outputScale(t);
    for (std::size_t c = 0; c < 2; ++c) {
      const double x0 = pairs.x0[2 * i + c], x1 = pairs.x1[2 * i + c];
      x.push_back(static_cast<float>(in * (m.alpha * x0 + m.sigma * x1)));
      target.push_back(static_cast<float>((m.alphaRate * x0 + sigmaRate * x1) / out));
    }
    time.push_back(static_cast<float>(t));
  }
  const auto rows = static_cast<std::int64_t>(n);
  return {Tensor::from(Shape{rows, 2}, x), Tensor::from(Shape{rows}, time), Tensor::from(Shape{rows, 2}, target), {}};
}

void FlowMatching::integrateShown(gpu::Stream& stream) {
  const FlowSettings& s = settings_;
  path_ = follow(stream, start_.rows(0, s.shownParticles), s.shownSteps, FlowSolver::heun);
  const std::int64_t at = std::llround((1 - time()) * static_cast<double>(s.shownSteps));
  cloud_ = kernels::slice(stream, path_, 0, at, at + 1).reshaped(Shape{s.shownParticles, 2});
}

Expected<bool> FlowMatching::advance(LabContext& context) {
  gpu::Stream& stream = context.stream();
  const FlowSettings& s = settings_;
  if (training()) {
    const std::int64_t from = stepsAt(frame_), to = stepsAt(frame_ + 1);
    if (from >= to) return false;
    std::vector<Tensor> losses;
    const ToyNetwork before = network_;
    for (std::int64_t step = from; step < to; ++step) losses.push_back(network_.train(stream, batchOf(step)));
    double loss = 0;
    for (const Tensor& l : losses) loss += static_cast<double>(l.as<float>()[0]) / static_cast<double>(losses.size());
    if (!std::isfinite(loss)) {
      network_ = before;
      return makeError(ErrorCode::badInput,
                       trf("The loss is no longer a number after step {}: lower the learning rate {:.3g}", to, s.learningRate));
    }
    ++frame_;
    ticks_[frame_].loss = loss;
    integrateShown(stream);
  } else {
    if (frame_ >= s.steps) return false;
    const double t = time();
    ++frame_;
    cloud_ = stepped(stream, velocity(), cloud_, t, time());
  }
  measure();
  study(stream);
  return true;
}

Timeline FlowMatching::timeline() const {
  if (training()) return {(settings_.trainSteps + settings_.stepsPerFrame - 1) / settings_.stepsPerFrame + 1, "frame", 30, true};
  return {settings_.steps + 1, "step", settings_.steps < 16 ? 4.0 : 30.0};
}

std::vector<Tensor> FlowMatching::capture() const { return training() ? network_.capture() : std::vector<Tensor>{cloud_}; }

void FlowMatching::restore(std::int64_t frame, std::vector<Tensor> state) {
  frame_ = frame;
  if (training()) {
    network_.restore(stepsAt(frame), state);
    integrateShown(*stream_);
  } else {
    cloud_ = std::move(state[0]);
  }
  measure();
  study(*stream_);
}

std::vector<float> FlowMatching::lawAt(double t, std::size_t half) const {
  const FlowMoment m = settings_.path.at(t);
  std::vector<float> points;
  for (std::size_t i = 0; i < truth_[half].x0.size(); ++i)
    points.push_back(static_cast<float>(m.alpha * truth_[half].x0[i] + m.sigma * truth_[half].x1[i]));
  return points;
}

// The distance of the cloud to the law of x_t, once per frame: in runs of many steps every few of them.
void FlowMatching::measure() {
  const std::int64_t every = training() ? 1 : std::max<std::int64_t>(1, settings_.steps / 32);
  if (!training() && frame_ % every != 0 && frame_ != settings_.steps) return;
  FlowTick& tick = ticks_[frame_];
  if (tick.floor > 0) return;
  const double t = time();
  const auto cloud = cloud_.as<float>();
  const std::vector<float> law = lawAt(t, 0), other = lawAt(t, 1);
  const ProjectedSample projected = project(law, directionCount);
  tick.floor = slicedWasserstein2(projected, project(other, directionCount));
  tick.sliced = slicedWasserstein2(projected, project(cloud.first(std::min(cloud.size(), law.size())), directionCount));
}

void FlowMatching::study(gpu::Stream& stream) {
  const FlowSettings& s = settings_;
  dyed_ = {};
  if (s.dyeRadius > 0 && !training()) {
    std::vector<std::uint32_t> rows;
    const auto start = start_.as<float>();
    for (std::size_t i = 0; i < start.size() / 2; ++i) {
      const double dx = static_cast<double>(start[2 * i]) - s.dye[0], dy = static_cast<double>(start[2 * i + 1]) - s.dye[1];
      if (dx * dx + dy * dy <= s.dyeRadius * s.dyeRadius) rows.push_back(static_cast<std::uint32_t>(i));
    }
    if (!rows.empty()) dyed_ = Tensor::from(Shape{static_cast<std::int64_t>(rows.size())}, rows);
  }
  if (shown("loss") || dropped_) studyLoss(stream);
  if (shown("coupling")) studyCoupling();
  if (shown("density")) studyDensity(stream);
  if (shown("residual")) studyResidual();
  if (shown("determinant") && grid_.empty() && !training()) {
    // A grid of starts and its neighbours on four sides, followed through all steps.
    std::vector<float> starts;
    const double sigma = s.path.at(1).sigma;
    for (int r = -3; r <= 3; ++r) {
      for (int c = -3; c <= 3; ++c) {
        const double x = 0.6 * c * sigma, y = 0.6 * r * sigma, h = 0.01 * sigma;
        for (const auto& [dx, dy] : {std::pair{0.0, 0.0}, {h, 0.0}, {-h, 0.0}, {0.0, h}, {0.0, -h}})
          starts.insert(starts.end(), {static_cast<float>(x + dx), static_cast<float>(y + dy)});
      }
    }
    grid_ = follow(stream, Tensor::from(Shape{245, 2}, starts), s.steps, s.solver);
  }
}

Changes FlowMatching::pointer(const PointerEvent& event, const Values& values) const {
  if (event.panel != "pairs" && event.panel != "flow") return {};
  const bool moving = event.kind == PointerEvent::Kind::drag;
  const auto place = [](const char* x, const char* y, const PointerEvent& e) {
    return Changes{{x, std::clamp(e.x, -6.0, 6.0)}, {y, std::clamp(e.y, -6.0, 6.0)}};
  };
  if (event.handle == "pair-data") return moving ? place("pair-data-x", "pair-data-y", event) : Changes{};
  if (event.handle == "pair-noise") {
    // The base point is drawn where it stands at t = 1.
    PointerEvent scaled = event;
    const double sigma = settings_.path.at(1).sigma;
    scaled.x /= sigma, scaled.y /= sigma;
    return moving ? place("pair-noise-x", "pair-noise-y", scaled) : Changes{};
  }
  if (event.handle == "dye") return moving ? place("dye-x", "dye-y", event) : Changes{};
  const double alpha = settings_.path.at(time()).alpha;
  return alpha > 0.05 ? sceneChanges(event, values, alpha) : Changes{};
}

namespace {

class FlowMatchingLab final : public PlaneOrPictures {
 public:
  FlowMatchingLab() : PlaneOrPictures(std::make_unique<FlowMatching>(), std::make_unique<PictureMemoryLab>("Flow matching", flowCourse)) {}
  static LabEntry describe() {
    LabEntry entry = FlowMatching::describe();
    entry.make = [] { return std::make_unique<FlowMatchingLab>(); };
    return entry;
  }
};

}  // namespace

ORRERY_LAB(FlowMatchingLab);

}  // namespace orrery::generative
