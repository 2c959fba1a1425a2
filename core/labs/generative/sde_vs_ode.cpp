// Same marginals, different paths: the reverse SDE and the probability-flow ODE of one exactly known density, from the same start, in lock
// step. Sources: Anderson 1982 and Song et al. 2021 (reverse SDE, eq. 6; probability flow, eq. 13), Karras et al. 2022 (scaled state, noise
// levels).
//   dx = [f x - (1 + zeta^2) / 2 g^2 score] dt + zeta g dw,  zeta = 0 ODE, 1 SDE; every zeta has the same one-time laws (generative.md C4)
// Units: data units; sigma is the relative noise level sigma_t / alpha_t; t = 0 is data. The state is kept scaled (x_t / alpha_t) and shown
// at the scale of the chosen schedule. Steps run on the device (shared/cloud_sampler), under the exact D or a user's network; the distances
// are computed on the host every 8 steps, more often in short runs. Random numbers, key = seed: start of particle i: block of
// kernels/philox stream 1 (2 on the right when starts are not shared); noise: Brownian node counters (i / 2, node, 10 or 11, 0); exact
// samples: (j, 0, 30 or 31, .); fan-out: particle numbers from 2^24 on.

#include "core/labs/generative/sde_vs_ode/lab.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>

#include "core/kernels/elementwise.h"
#include "core/kernels/philox.h"
#include "core/labs/generative/shared/density_file.h"
#include "core/labs/generative/shared/stated_network.h"
#include "core/labs/generative/shared/step_grid.h"

namespace orrery::generative {

double displayAlpha(Display display, double sigma) {
  switch (display) {
    case Display::vp:
      return 1 / std::sqrt(1 + sigma * sigma);
    case Display::linear:
      return 1 / (1 + sigma);
    case Display::edm:
      break;
  }
  return 1;
}

double displayTime(Display display, double sigma) {
  constexpr double beta0 = 0.1, beta1 = 20;
  if (display == Display::linear) return sigma / (1 + sigma);
  return (std::sqrt(beta0 * beta0 + 2 * (beta1 - beta0) * std::log1p(sigma * sigma)) - beta0) / (beta1 - beta0);
}

double measureAlpha(double sigma) { return displayAlpha(Display::vp, sigma); }

namespace {

using kernels::Component;

constexpr std::uint32_t firstFanParticle = 1u << 24;

constexpr std::int64_t controlling = 256;  // particles that control the steps of the adaptive solver

// The exact D of the table, with what is wrong with it.
CloudDenoiser exactDenoiser(const kernels::MixtureTable& table, kernels::StepOptions options) {
  return [table, options](gpu::Stream& stream, const Tensor& x, double level) {
    if (options.error == kernels::ScoreError::none) return kernels::mixture(stream, table, x, 1, level, kernels::MixtureOutput::denoiser);
    // A step to 0 ends at D, its error included.
    kernels::SolverPlan plan;
    kernels::SolverStep step;
    step.a = static_cast<float>(level);
    plan.steps.push_back(step);
    return kernels::mixtureSteps(stream, table, kernels::upload(plan), 0, 1, x, {}, options).state;
  };
}

Expected<Settings> readSettings(const LabContext& context) {
  Settings s;
  s.scene = context.text("scene");
  const char* names[] = {"left", "right"};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string side = names[i];
    s.solver[i] = {context.text("solver-" + side),
                   context.number("noise-share-" + side),
                   context.number("absolute-tolerance"),
                   context.number("relative-tolerance"),
                   static_cast<int>(context.integer("corrector-steps")),
                   context.number("corrector-ratio")};
    s.network[i] = context.text("denoiser-" + side) == "network";
  }
  s.steps = context.integer("steps");
  s.particles = context.integer("particles");
  s.trails = std::min(context.integer("trails"), s.particles / 4 * 4);
  s.trailShare = context.number("trail-length");
  // A grid over timesteps may have fewer levels than steps were asked for.
  auto levels = diffusion::stepLevels(chosenGrid(context), static_cast<int>(s.steps), true, gridRequest(context));
  if (!levels) return levels.error();
  s.levels = *std::move(levels);
  s.steps = static_cast<std::int64_t>(s.levels.size()) - 1;
  s.sigmaMax = s.levels.front();
  s.shiftX = context.number("start-shift");
  s.shiftY = context.number("start-shift-y");
  s.startScale = context.number("start-scale");
  s.errorKind = context.text("score-error-kind");
  s.errorAmount = context.number("score-error");
  s.sharedStart = context.flag("shared-start");
  s.sharedNoise = context.flag("shared-noise");
  const std::string& display = context.text("schedule");
  s.display = display == "edm" ? Display::edm : display == "linear" ? Display::linear : Display::vp;
  s.showDensity = context.flag("density");
  s.showField = context.flag("vector-field");
  s.lower[0] = context.text("lower-left");
  s.lower[1] = context.text("lower-right");
  s.seed = static_cast<std::uint64_t>(context.integer("seed"));
  s.traced = std::min(context.integer("traced"), s.particles - 1);
  s.fanStart = {context.number("fan-x"), context.number("fan-y")};
  // What does not read as "particle,frame,x,y" moves nothing.
  Settings::Moved moved;
  if (std::sscanf(context.text("moved-particle").c_str(), "%" SCNd64 ",%" SCNd64 ",%f,%f", &moved.particle, &moved.frame, &moved.x, &moved.y) == 4 &&
      moved.particle >= 0 && moved.particle < s.particles && moved.frame >= 0 && std::isfinite(moved.x) && std::isfinite(moved.y)) {
    s.moved = moved;
  }
  return s;
}

// first [n, 2] followed by second along axis 0: trails behind their start, or more rows.
Tensor joined(gpu::Stream& stream, const Tensor& first, const Tensor& second, Shape shape) {
  Tensor whole(std::move(shape));
  const gpu::BufferView to = whole.deviceForWriting(stream);
  gpu::BufferView head = first.device(stream), tail = second.device(stream);
  head.bytes = first.bytes();
  tail.bytes = second.bytes();
  stream.copy(head, {to.buffer, to.offset, head.bytes});
  stream.copy(tail, {to.buffer, to.offset + head.bytes, tail.bytes});
  return whole;
}

}  // namespace

Expected<PlanarDensity> SdeVsOde::readDensity(LabContext& context) const {
  const double spread = context.number("spread");
  Expected<PlanarDensity> density = settings_.scene == "drawn"     ? densityOfDrawing(context.text("strokes"), spread)
                                    : settings_.scene == "dropped" ? densityOfFile(context.file("file"), context.flag("invert"), spread)
                                                                   : builtInDensity(settings_.scene, spread);
  if (density && density->named) applyMoves(context.text("components"), settings_.scene, *density);
  return density;
}

// The samplers run on; only what is drawn of them changes.
bool SdeVsOde::keepsTime(const LabContext& context) const {
  static constexpr std::string_view pictureOnly[] = {"density",    "vector-field", "trails", "trail-length", "lower-left", "lower-right",
                                                     "schedule",   "traced",       "fan-x",  "fan-y",        "brush"};
  for (const auto& [id, value] : context.values()) {
    if (context.changed(id) && std::find(std::begin(pictureOnly), std::end(pictureOnly), id) == std::end(pictureOnly)) return false;
  }
  return !context.restarting();
}

Expected<void> SdeVsOde::update(LabContext& context) {
  stream_ = &context.stream();
  auto settings = readSettings(context);
  if (!settings) return settings.error();
  // What fails leaves the lab as it was.
  const Settings before = std::exchange(settings_, *std::move(settings));
  const PlanarDensity densityBefore = density_;
  const auto networkBefore = network_;
  const auto undo = [&](const Error& error) {
    settings_ = before, density_ = densityBefore, network_ = networkBefore;
    return error;
  };
  const bool otherDensity = context.anyChanged({"scene", "spread", "components", "strokes", "file", "invert"});
  if (otherDensity) {
    auto read = readDensity(context);
    if (!read) return undo(read.error());
    density_ = *std::move(read);
  }
  const bool asked = networked(), told = pointNetworkChanged(context, "network-schedule");
  if (asked && (told || !network_)) {
    auto opened = statedPlaneNetwork(context, tr("choose the exact denoiser on both sides"), "network-schedule");
    if (!opened) return undo(opened.error());
    network_ = *std::move(opened);
  }
  // Views change the picture only; everything else starts the measurement anew.
  fanShown_ = settings_.lower[0] == "fan" || settings_.lower[1] == "fan";
  if (otherDensity || (asked && told) ||
      context.anyChanged({"noise-share-left",
                          "noise-share-right",
                          "solver-left",
                          "solver-right",
                          "denoiser-left",
                          "denoiser-right",
                          "absolute-tolerance",
                          "relative-tolerance",
                          "corrector-steps",
                          "corrector-ratio",
                          "steps",
                          "particles",
                          "grid",
                          "rho",
                          "sigma-min",
                          "sigma-max",
                          "poly-rho",
                          "beta-shape",
                          "beta-b",
                          "shift",
                          "level-mean",
                          "level-deviation",
                          "process",
                          "levels",
                          "start-shift",
                          "start-shift-y",
                          "start-scale",
                          "score-error-kind",
                          "score-error",
                          "shared-start",
                          "shared-noise",
                          "moved-particle",
                          "seed"})) {
    if (auto begun = begin(*stream_); !begun) return undo(begun.error());
    ticks_.clear();
    if (otherDensity || context.anyChanged({"particles", "seed"})) drawExact();
    judgeNetwork();
  }
  const bool stays = keepsTime(context);
  for (Side& side : sides_) {
    if (stays) break;
    side.state = {side.start, {}};
    moveParticle(side, side.state, 0, 0);
  }
  if (!stays) frame_ = 0;
  if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("Cancelled"));
  tracePaths(*stream_);
  traceOne(*stream_);
  if (!stays) measure(*stream_);
  return {};
}

Expected<void> SdeVsOde::begin(gpu::Stream& stream) {
  const Settings& s = settings_;
  const kernels::MixtureTable exact = kernels::makeMixtureTable(density_.components);
  kernels::MixtureTable seen = exact;
  if (s.errorKind == "missing" && s.errorAmount > 0) {
    // The network has not seen the first mode; of a point set, the first eighth.
    std::vector<Component> components = density_.components;
    const std::size_t missing = density_.named ? 1 : std::max<std::size_t>(1, components.size() / 8);
    for (std::size_t k = 0; k < missing && components.size() > 1; ++k) components[k].weight *= 1 - s.errorAmount;
    seen = kernels::makeMixtureTable(components);
  }
  std::array<Side, 2> sides;
  for (std::size_t i = 0; i < 2; ++i) {
    Side& side = sides[i];
    side.options.seed = s.seed;
    side.options.purpose = i == 1 && !s.sharedNoise ? 11 : 10;
    side.options.error = s.errorKind == "constant" ? kernels::ScoreError::constant
                         : s.errorKind == "shrink" ? kernels::ScoreError::shrink
                         : s.errorKind == "field"  ? kernels::ScoreError::field
                                                   : kernels::ScoreError::none;
    side.options.errorAmount = side.options.error == kernels::ScoreError::none ? 0 : s.errorAmount;
    if (side.options.errorAmount == 0) side.options.error = kernels::ScoreError::none;
    // Draw the start cloud N(shift, scale^2) sigma_T; the true p_T is N(0, sigma_T^2) but for the data's own spread.
    if (i == 0 || !s.sharedStart) {
      const Tensor z =
          kernels::normal(stream, Shape{s.particles, 2}, {s.seed, i == 0 ? 1u : 2u, 0}, 0, static_cast<float>(s.startScale * s.sigmaMax));
      const Tensor shift = Tensor::from(Shape{2}, {static_cast<float>(s.shiftX * s.sigmaMax), static_cast<float>(s.shiftY * s.sigmaMax)});
      side.start = kernels::binary(stream, kernels::Binary::add, z, shift);
    } else {
      side.start = sides[0].start;
    }
    if (s.network[i]) {
      side.denoise = [network = network_](gpu::Stream& on, const Tensor& x, double level) { return network->denoise(on, x, level); };
    } else {
      side.denoise = exactDenoiser(seen, side.options);
    }
    CloudProblem problem;
    problem.levels = s.levels;
    problem.denoise = side.denoise;
    if (!s.network[i]) problem.mixture = &seen;
    problem.followed = side.start.rows(0, std::min(controlling, s.particles));
    problem.rows = side.options;
    if (s.moved.particle >= 0 && s.moved.frame < s.steps) problem.stopAt = s.levels[static_cast<std::size_t>(s.moved.frame)];
    auto sampler = cloudSampler(stream, s.solver[i], problem);
    if (!sampler) return sampler.error();
    side.sampler = *std::move(sampler);
    if (!s.network[i]) continue;
    const CloudState first{side.start.rows(0, std::min(controlling, s.particles)), {}};
    if (!allFinite(side.sampler->walk(stream, 0, s.steps, first, side.options, false).end.x.as<float>())) return ranAway();
  }
  exactTable_ = exact, samplerTable_ = seen;
  sides_ = std::move(sides);
  return {};
}

// Two exact samples of p_0, with the noise that carries them to any t.
void SdeVsOde::drawExact() {
  const std::int64_t measured = std::min(settings_.particles, mostMeasured);
  const auto cumulative = cumulativeWeights(density_);
  for (std::size_t e = 0; e < 2; ++e) {
    exact_[e].clear();
    for (std::int64_t j = 0; j < measured; ++j) {
      exact_[e].push_back(
          exactPoint(density_, cumulative, settings_.seed, 30 + static_cast<std::uint32_t>(e), static_cast<std::uint32_t>(j)));
    }
  }
  firstTruth_ = {};
}

// The tracked particles, the pairs of the forgetting panel and the fan are followed to the end at once: about a hundred particles, all
// steps in one dispatch. Their numbers are those of the cloud's first particles, so the trails pass through them bit by bit.
void SdeVsOde::tracePaths(gpu::Stream& stream) {
  const Settings& s = settings_;
  const std::int64_t pairs = std::min(pairCount, s.particles), followed = (std::max(pairs, s.trails) + 3) / 4 * 4, rows = followed + pairs;
  const auto& levels = s.levels;

  // The partner of a pair starts elsewhere: without the shift when there is one, else half a sigma to the right.
  const bool shifted = s.shiftX != 0 || s.shiftY != 0;
  const double dx = shifted ? -s.shiftX : 0.5, dy = shifted ? -s.shiftY : 0.0;
  const Tensor shift = Tensor::from(Shape{2}, {static_cast<float>(dx * s.sigmaMax), static_cast<float>(dy * s.sigmaMax)});
  const auto follow = [&](const Side& side, const Tensor& start, const kernels::StepOptions& options) {
    const Tensor trail = side.sampler->walk(stream, 0, s.steps, {start, {}}, options, true).trail;
    return joined(stream, start, trail, Shape{s.steps + 1, start.shape()[0], 2});
  };
  std::array<Tensor, 2> paths, fans;
  for (std::size_t i = 0; i < 2; ++i) {
    const Side& side = sides_[i];
    const Tensor partners = kernels::binary(stream, kernels::Binary::add, side.start.rows(0, pairs), shift);
    kernels::StepOptions options = side.options;
    options.wrap = static_cast<std::uint32_t>(followed);  // a partner has its pair's number, hence its noise
    paths[i] = follow(side, joined(stream, side.start.rows(0, followed), partners, Shape{rows, 2}), options);
    if (fanShown_) {
      std::vector<float> start;
      for (std::int64_t k = 0; k < fanCount; ++k) {
        start.insert(start.end(), {static_cast<float>(s.fanStart[0] * s.sigmaMax), static_cast<float>(s.fanStart[1] * s.sigmaMax)});
      }
      options = side.options;
      options.firstParticle = firstFanParticle;
      fans[i] = follow(side, Tensor::from(Shape{fanCount, 2}, start), options);
    }
  }
  for (std::size_t i = 0; i < 2; ++i) {
    Side& side = sides_[i];
    const auto path = paths[i].as<float>();
    std::vector<float> trails, fan;
    side.separation.clear();
    for (std::size_t f = 0; f < levels.size(); ++f) {
      const float* row = path.data() + f * static_cast<std::size_t>(rows) * 2;
      const float* partner = row + followed * 2;
      const double scale = displayAlpha(s.display, levels[f]);
      for (std::int64_t k = 0; k < 2 * s.trails; ++k) trails.push_back(static_cast<float>(scale * static_cast<double>(row[k])));
      double sum = 0;
      for (std::int64_t k = 0; k < 2 * pairs; ++k) {
        const double d = static_cast<double>(row[k]) - static_cast<double>(partner[k]);
        sum += d * d;
      }
      side.separation.push_back(measureAlpha(levels[f]) * std::sqrt(sum / static_cast<double>(pairs)));
    }
    side.path = s.trails > 0 ? Tensor::from(Shape{s.steps + 1, s.trails, 2}, trails) : Tensor();
    side.fan = {};
    if (!fanShown_) continue;
    const auto futures = fans[i].as<float>();
    for (std::size_t f = 0; f < levels.size(); ++f) {
      for (std::size_t k = 0; k < static_cast<std::size_t>(fanCount); ++k) {
        fan.push_back(static_cast<float>(displayTime(s.display, levels[f])));
        fan.push_back(
            static_cast<float>(measureAlpha(levels[f]) * static_cast<double>(futures[2 * (f * static_cast<std::size_t>(fanCount) + k)])));
      }
    }
    side.fan = Tensor::from(Shape{s.steps + 1, fanCount, 2}, fan);
  }
}

// Puts the dragged particle where it was dragged to, at the frame it was dragged at. Row 0 of `state` is particle `firstRow`.
void SdeVsOde::moveParticle(const Side& side, CloudState& state, std::int64_t frame, std::int64_t firstRow) const {
  const auto& moved = settings_.moved;
  const std::int64_t row = moved.particle - firstRow;
  if (moved.particle < 0 || frame != moved.frame || row < 0 || row >= state.x.shape()[0]) return;
  const auto read = state.x.as<float>();
  std::vector<float> values(read.begin(), read.end());
  values[static_cast<std::size_t>(2 * row)] = moved.x;
  values[static_cast<std::size_t>(2 * row + 1)] = moved.y;
  state.x = Tensor::from(state.x.shape(), values);
  side.sampler->moved(state);
}

// The whole path of the traced particle, with the cloud's numbers. Noise is drawn for four particles at a time, so its quad comes along.
void SdeVsOde::traceOne(gpu::Stream& stream) {
  const Settings& s = settings_;
  const auto& levels = s.levels;
  for (Side& side : sides_) {
    side.tracedPath = {};
    if (s.traced < 0) continue;
    const std::int64_t first = s.traced / 4 * 4, rows = std::min<std::int64_t>(4, s.particles - first);
    kernels::StepOptions options = side.options;
    options.firstParticle = static_cast<std::uint32_t>(first);
    CloudState state{side.start.rows(first, first + rows), {}};
    const auto row = static_cast<std::size_t>(s.traced - first);
    std::vector<float> path;
    const auto keep = [&](std::span<const float> quad) {
      const double scale = displayAlpha(s.display, levels[path.size() / 2]);
      path.push_back(static_cast<float>(scale * static_cast<double>(quad[2 * row])));
      path.push_back(static_cast<float>(scale * static_cast<double>(quad[2 * row + 1])));
    };
    moveParticle(side, state, 0, first);
    keep(state.x.as<float>());
    // In one go, or in two when the particle was moved on the way.
    const bool stops = s.moved.particle >= first && s.moved.particle < first + rows && s.moved.frame > 0 && s.moved.frame < s.steps;
    for (std::int64_t from = 0; from < s.steps;) {
      const std::int64_t to = stops && from < s.moved.frame ? s.moved.frame : s.steps;
      auto result = side.sampler->walk(stream, from, to - from, std::move(state), options, true);
      moveParticle(side, result.end, to, first);
      const auto trail = result.trail.as<float>(), end = result.end.x.as<float>();
      const auto quad = static_cast<std::size_t>(2 * rows);
      for (std::size_t step = 0; step + 1 < static_cast<std::size_t>(to - from); ++step) keep(trail.subspan(step * quad, quad));
      keep(end);
      state = std::move(result.end);
      from = to;
    }
    side.tracedPath = Tensor::from(Shape{s.steps + 1, 1, 2}, path);
  }
}

Expected<bool> SdeVsOde::advance(LabContext& context) {
  if (frame_ >= settings_.steps) return false;
  gpu::Stream& stream = context.stream();
  for (Side& side : sides_) {
    side.state = side.sampler->walk(stream, frame_, 1, std::move(side.state), side.options, false).end;
    moveParticle(side, side.state, frame_ + 1, 0);
  }
  ++frame_;
  if (frame_ % measureEvery(settings_.steps) == 0 || frame_ == settings_.steps) measure(stream);
  return true;
}

Timeline SdeVsOde::timeline() const { return {settings_.steps + 1, "step", 60}; }

// Each side's cloud, how many tensors it remembers, and those.
std::vector<Tensor> SdeVsOde::capture() const {
  std::vector<Tensor> state;
  for (const Side& side : sides_) {
    state.push_back(side.state.x);
    state.push_back(Tensor::from(Shape{1}, {static_cast<float>(side.state.history.size())}));
    state.insert(state.end(), side.state.history.begin(), side.state.history.end());
  }
  return state;
}

void SdeVsOde::restore(std::int64_t frame, std::vector<Tensor> state) {
  frame_ = frame;
  auto next = state.begin();
  for (Side& side : sides_) {
    side.state.x = *next++;
    const auto remembered = static_cast<std::ptrdiff_t>((next++)->as<float>()[0]);
    side.state.history.assign(next, next + remembered);
    next += remembered;
  }
}

Changes SdeVsOde::pointer(const PointerEvent& event, const Values& values) const {
  if (sides_[0].state.x.empty()) return {};
  const auto number = [&](const char* id) { return std::get<double>(values.find(id)->second); };
  const auto text = [&](const char* id) { return std::get<std::string>(values.find(id)->second); };
  const bool moving = event.kind == PointerEvent::Kind::drag;
  if (event.panel == "fan" && event.handle == "fan-start" && moving) {
    return {{"fan-x", std::clamp(event.y / (measureAlpha(settings_.sigmaMax) * settings_.sigmaMax), -4.0, 4.0)}};
  }
  if (event.panel != "left" && event.panel != "right") return {};
  const double x = event.x / alpha(), y = event.y / alpha();
  const std::string scene = text("scene");
  if (event.handle.starts_with("component-")) {
    if (!moving) return {};
    return {{"components", moved(text("components"), scene, static_cast<std::size_t>(std::stoul(event.handle.substr(10))), x, y)}};
  }
  if (event.handle == "traced") {
    if (!moving || settings_.traced < 0) return {};
    return {{"moved-particle", fmt::format("{},{},{:.6g},{:.6g}", settings_.traced, frame_, x, y)}};
  }
  if (event.handle == "start") {
    if (!moving) return {};
    return {{"start-shift", std::clamp(x / settings_.sigmaMax, -1.0, 1.0)},
            {"start-shift-y", std::clamp(y / settings_.sigmaMax, -1.0, 1.0)}};
  }
  if (scene == "drawn" && (moving || event.kind == PointerEvent::Kind::press)) {
    const std::string before = text("strokes"), after = painted(before, x, y, number("brush"), event.alternate);
    if (after == before) return {};
    return {{"strokes", after}};
  }
  if (event.kind == PointerEvent::Kind::click && scene != "drawn") {
    // Trace the particle under the pointer; clicking far from all of them lets go.
    const auto state = sides_[event.panel == "left" ? 0 : 1].state.x.as<float>();
    double best = 0.03 * reach() / alpha();
    std::int64_t nearest = -1;
    for (std::size_t i = 0; i + 1 < state.size(); i += 2) {
      const double distance = std::hypot(static_cast<double>(state[i]) - x, static_cast<double>(state[i + 1]) - y);
      if (distance < best) {
        best = distance;
        nearest = static_cast<std::int64_t>(i / 2);
      }
    }
    // Letting go of the particle puts it back on its own path.
    if (nearest == settings_.traced) return {};
    return {{"traced", nearest}, {"moved-particle", std::string()}};
  }
  return {};
}

ORRERY_LAB(SdeVsOde);

}  // namespace orrery::generative
