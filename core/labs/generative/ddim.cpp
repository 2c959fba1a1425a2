// Denoising diffusion implicit models (Song, Meng and Ermon 2020): any joint law with DDPM's q(x_t | x_0) trains the same network, so the
// trained one may be run on a sub-sequence of its timesteps, with a share eta of the noise, without any, and backwards:
//   x' = sqrt(abar') D + sqrt(1 - abar' - varsigma^2) epshat + varsigma z,
//   varsigma = eta sqrt((1 - abar') / (1 - abar)) sqrt(1 - abar / abar')
// eta = 1 is DDPM on the sub-sequence, eta = 0 one Euler step of d xbar / d level = (xbar - D) / level. The denoiser D is exact
// (generative.md C3), so what is wrong is the steps' own; or it is a user's network, which errs as well. The cloud runs on the device in f32; errors against the exact path, walks between
// latents and inversion are computed on the host in double precision. States are kept scaled (x_t / alpha_t) and shown as x_t. Units: data
// units. Random numbers, key = seed: latents: core/diffusion/noise.h, off the path, purpose 0; z of step i, particle j: (j / 2, i, 44, 0);
// draws from one latent: purposes 1 and 2 of noise.h; data: (j, 0, 45, .); exact samples: (j, 0, 46 or 47, .).

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/diffusion/noise.h"
#include "core/labs/generative/ddim/lab.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr std::size_t manyDraws = 48;
constexpr std::size_t measuredMost = 4096;
constexpr std::int64_t comparedMost = 512;  // particles that a network takes through another number of steps
constexpr int referenceSteps = 1024;  // of the exact path: errors below 1e-8
constexpr int networkSteps = 256;     // of a network's own
constexpr double almostZero = 1e-6;   // it ends here instead of at 0: what remains moves a particle by less than 1e-5

}  // namespace

std::size_t Ddim::tracked() const {
  const std::size_t components = scene_.density.components.size();
  return components <= 32 ? 64 : components <= 256 ? 24 : 8;
}

Expected<std::vector<double>> Ddim::levelsFor(int N) const {
  if (N > T_)
    return makeError(ErrorCode::usage,
                     trf("{} steps are more than the chain's {} timesteps: the sub-sequence visits each at most once", N, T_));
  return levelsOf(chain_, timestepsOf(spacing_, T_, N), finalZero_);
}

State Ddim::exactEnd(const State& latent, double from, double to) const {
  const auto found = exact_.find({from, to});
  if (found != exact_.end()) return found->second;
  State end = scene_.mixture.reference(from * latent, from, std::max(to, almostZero), referenceSteps);
  exact_.emplace(std::pair{from, to}, end);
  return end;
}

State Ddim::ownEnd(const State& latent, double from, double to) const {
  if (!network_) return exactEnd(latent, from, to);
  return diffusion::referencePath([this](const State& x, double level) { return denoise(x, level); }, from * latent, from,
                                  std::max(to, almostZero), networkSteps);
}

kernels::StepResult Ddim::cloudSteps(gpu::Stream& stream, const std::vector<LinearStep>& steps, const kernels::DevicePlan& plan,
                                     std::int64_t first, std::int64_t count, const Tensor& state, bool trail) const {
  if (!network_) return linearSteps(stream, table_, plan, first, count, state, seed_, stepPurpose, trail);
  const auto denoiser = [&](const Tensor& x, double level) { return network_->denoise(stream, x, level); };
  return linearSteps(stream, denoiser, steps, first, count, state, seed_, stepPurpose, trail);
}

bool Ddim::keepsTime(const LabContext& context) const {
  static constexpr std::string_view pictureOnly[] = {"density", "lower-left", "lower-right", "trails", "interpolation", "weight",
                                                     "a-x",     "a-y",        "b-x",         "b-y",    "compare-steps", "brush"};
  for (const auto& [id, value] : context.values()) {
    if (context.changed(id) && std::find(std::begin(pictureOnly), std::end(pictureOnly), id) == std::end(pictureOnly)) return false;
  }
  return !context.restarting();
}

Expected<void> Ddim::update(LabContext& context) {
  const Ddim before = *this;
  const auto kept = [&](const Error& error) {
    *this = before;
    return error;
  };
  stream_ = &context.stream();
  const bool stays = keepsTime(context);
  const bool fresh = context.restarting() || context.anyChanged({"scene", "spread", "file", "invert", "strokes", "components"});
  if (fresh) {
    auto scene = planeScene(context);
    if (!scene) return kept(scene.error());
    scene_ = std::move(*scene);
    table_ = kernels::makeMixtureTable(scene_.density.components);
  }
  auto network = chosenPlaneNetwork(context, network_);
  if (!network) return kept(network.error());
  const bool otherDenoiser = *network != network_;
  network_ = *std::move(network);
  T_ = static_cast<int>(context.integer("chain"));
  N_ = static_cast<int>(context.integer("steps"));
  spacing_ = context.text("spacing");
  eta_ = context.number("eta");
  finalZero_ = context.text("final") == "x0";
  const std::string& inversion = context.text("inversion");
  mode_ = inversion == "explicit" ? Mode::explicitInversion : inversion == "fixed-point" ? Mode::fixedPoint : Mode::sample;
  iterations_ = static_cast<int>(context.integer("iterations"));
  lower_[0] = context.text("lower-left");
  lower_[1] = context.text("lower-right");
  showDensity_ = context.flag("density");
  spherical_ = context.text("interpolation") == "slerp";
  weight_ = context.number("weight");
  ends_[0] = {context.number("a-x"), context.number("a-y")};
  ends_[1] = {context.number("b-x"), context.number("b-y")};
  particles_ = context.integer("particles");
  trails_ = std::min(context.integer("trails"), particles_);
  seed_ = static_cast<std::uint64_t>(context.integer("seed"));
  compared_ = static_cast<int>(context.integer("compare-steps"));

  // The levels and the steps between them.
  ScheduleRequest request;
  request.kind = context.text("schedule");
  request.steps = T_;
  auto chain = makeChain(request);
  if (!chain) return kept(chain.error());
  chain_ = std::move(*chain);
  if (mode_ != Mode::sample && eta_ > 0)
    return kept(makeError(ErrorCode::usage, tr("Only the deterministic path is invertible: set η to 0, or switch the inversion off")));
  auto levels = levelsFor(N_);
  if (!levels) return kept(levels.error());
  if (mode_ != Mode::sample && levels->size() < (finalZero_ ? 3u : 2u))
    return kept(makeError(ErrorCode::usage, tr("Inversion goes from one noise level to the next: it needs at least 2 timesteps")));
  auto steps = ddimSteps(*levels, eta_);
  if (!steps) return kept(steps.error());
  levels_ = std::move(*levels);
  steps_ = std::move(*steps);

  if (fresh || context.anyChanged({"seed", "chain", "schedule", "final"})) exact_.clear();
  if (!stays) {
    begin(context);
    if (network_ && !allFinite(end_.as<float>())) return kept(ranAway());
    trackEnd();
    if (fresh || otherDenoiser || context.anyChanged({"seed", "chain", "schedule", "final", "spacing"})) {
      if (auto done = measureConvergence(); !done) return kept(done.error());
      networkErrors_ = {};
      if (network_) networkErrors_ = judgeNetwork(*stream_, table_, *network_, scene_, chain_.level(T_), chain_.level(1), seed_);
    }
    roundTrip_.reset();
    etaCurves_.clear();
  } else if (context.anyChanged({"trails", "compare-steps"})) {
    const Tensor state = state_;
    const std::int64_t frame = frame_;
    begin(context);
    state_ = state;
    frame_ = frame;
  }
  if (compared_ > T_)
    return kept(
        makeError(ErrorCode::usage,
                  trf("{} steps are more than the chain's {} timesteps: the sub-sequence visits each at most once", compared_, T_)));
  walk();
  if (context.cancelled()) return kept(makeError(ErrorCode::cancelled, tr("Cancelled")));
  if (!roundTrip_ && shows("round-trip")) {
    if (auto done = measureRoundTrip(context); !done) return kept(done.error());
  }
  if (etaCurves_.empty() && shows("eta")) {
    if (auto done = measureEta(context); !done) return kept(done.error());
  }
  return {};
}

void Ddim::begin(LabContext& context) {
  frame_ = 0;
  const double top = levels_.front();
  comparedEnd_ = {};
  if (mode_ != Mode::sample) {
    beginInversion();
    return;
  }
  visited_.clear();
  gpu::Stream& stream = context.stream();
  const auto n = static_cast<std::size_t>(particles_);
  const State latents = diffusion::Noise(seed_, 2 * n).fresh(0, 0);
  start_ = pairsOf(latents, top);
  state_ = start_;
  plan_ = kernels::upload(linearPlan(steps_));
  const auto count = static_cast<std::int64_t>(steps_.size());
  // A run of one level and no step is its own end.
  end_ = count > 0 ? cloudSteps(stream, steps_, plan_, 0, count, start_).state : start_;
  if (compared_ > 0 && compared_ <= T_) {
    if (const auto levels = levelsFor(compared_)) {
      if (const auto steps = ddimSteps(*levels, eta_); steps && !steps->empty()) {
        const auto plan = kernels::upload(linearPlan(*steps));
        const Tensor first = pairsOf(latents, levels->front());
        comparedEnd_ = cloudSteps(stream, *steps, plan, 0, static_cast<std::int64_t>(steps->size()),
                                  network_ ? first.rows(0, std::min(comparedMost, particles_)) : first)
                           .state;
      }
    }
  }

  // Follow the first particles: their numbers are the cloud's, so the trails pass through it.
  path_ = {};
  if (trails_ > 0 && count > 0) {
    const std::int64_t followed = std::min<std::int64_t>((trails_ + 3) / 4 * 4, particles_);
    const Tensor head = start_.rows(0, followed);
    const Tensor whole = withStart(stream, head, cloudSteps(stream, steps_, plan_, 0, count, head, true).trail);
    const auto from = whole.as<float>();
    std::vector<float> points;
    for (std::int64_t f = 0; f <= count; ++f) {
      const double scale = scaleOf(levelAt(f)), shift = distance() * placeAt(f);
      for (std::int64_t i = 0; i < trails_; ++i) {
        const auto at = static_cast<std::size_t>(2 * (f * followed + i));
        points.push_back(static_cast<float>(scale * static_cast<double>(from[at]) + shift));
        points.push_back(static_cast<float>(scale * static_cast<double>(from[at + 1])));
      }
    }
    path_ = Tensor::from(Shape{count + 1, trails_, 2}, points);
  }

  const auto ended = end_.as<float>();
  goal_.clear();
  for (std::size_t i = 0; i + 1 < ended.size(); i += 2) {
    const double turn = std::atan2(static_cast<double>(ended[i + 1]), static_cast<double>(ended[i])) / (2 * std::numbers::pi);
    goal_.push_back(static_cast<float>(turn - std::floor(turn)));
  }
  // The law of what came out.
  const auto measured = std::min(n, measuredMost);
  const double last = levels_.back(), scale = scaleOf(last);
  const auto sums = cumulativeWeights(scene_.density);
  ProjectedSample truth[2];
  for (std::uint32_t e = 0; e < 2; ++e) {
    std::vector<float> points;
    for (std::size_t j = 0; j < measured; ++j) {
      const ExactPoint p = exactPoint(scene_.density, sums, seed_, exactPurpose + e, static_cast<std::uint32_t>(j));
      for (std::size_t c = 0; c < 2; ++c) points.push_back(static_cast<float>(scale * (p.x[c] + last * p.noise[c])));
    }
    truth[e] = project(points, directions);
  }
  if (network_ && !allFinite(ended)) return;
  std::vector<float> points;
  for (std::size_t i = 0; i < 2 * measured; ++i) points.push_back(static_cast<float>(scale * static_cast<double>(ended[i])));
  sliced_ = slicedWasserstein2(truth[0], project(points, directions));
  slicedFloor_ = slicedWasserstein2(truth[0], truth[1]);
}

// The tracked latents under the present steps, in double precision.
void Ddim::trackEnd() {
  const State latent = diffusion::Noise(seed_, 2 * tracked()).fresh(0, 0);
  diffusion::Noise noise(seed_, latent.size());
  trackedEnd_ = runSteps([this](const State& x, double level) { return denoise(x, level); }, steps_, levels_.front() * latent,
                         [&](std::size_t i) { return noise.fresh(static_cast<std::uint32_t>(i), 3); })
                    .back();
}

// Data to latents and back, in double precision.
void Ddim::beginInversion() {
  const std::size_t work =
      cost() * levels_.size() * static_cast<std::size_t>(2 + (mode_ == Mode::fixedPoint ? iterations_ : 0));
  const auto n = std::clamp<std::size_t>((1u << 23) / work, 32, 1024);
  std::vector<double> positive = levels_;
  if (positive.back() == 0) positive.pop_back();
  const auto denoiser = [this](const State& x, double level) { return denoise(x, level); };
  const State data = scene_.draw(seed_, n, dataPurpose);
  Inversion there = invert(denoiser, positive, data, mode_ == Mode::fixedPoint ? iterations_ : 0);
  residual_ = there.residual;
  residuals_ = there.residuals;
  visited_ = std::move(there.states);
  const auto back = ddimSteps(positive, 0);
  std::vector<State> states = runSteps(denoiser, *back, visited_.back());
  visited_.insert(visited_.end(), states.begin() + 1, states.end());
  returnErrors_ = distancesOf(visited_.back(), data);
  returnError_ = meanOf(returnErrors_);
  start_ = pairsOf(visited_[positive.size() - 1]);
  end_ = pairsOf(visited_.back());
  state_ = pairsOf(visited_.front());
  goal_.clear();
  for (std::size_t i = 0; i + 1 < data.size(); i += 2) {
    const double turn = std::atan2(data[i + 1], data[i]) / (2 * std::numbers::pi);
    goal_.push_back(static_cast<float>(turn - std::floor(turn)));
  }
  const auto count = std::min<std::size_t>(static_cast<std::size_t>(trails_), n);
  path_ = {};
  if (count == 0) return;
  std::vector<float> points;
  for (std::size_t f = 0; f < visited_.size(); ++f) {
    const double scale = scaleOf(levelAt(static_cast<std::int64_t>(f))), shift = distance() * placeAt(static_cast<std::int64_t>(f));
    for (std::size_t i = 0; i < count; ++i) {
      points.push_back(static_cast<float>(scale * visited_[f][2 * i] + shift));
      points.push_back(static_cast<float>(scale * visited_[f][2 * i + 1]));
    }
  }
  path_ = Tensor::from(Shape{static_cast<std::int64_t>(visited_.size()), static_cast<std::int64_t>(count), 2}, points);
}

double Ddim::levelAt(std::int64_t frame) const {
  const std::size_t levels = levels_.size() - (mode_ != Mode::sample && levels_.back() == 0 ? 1 : 0);
  const auto f = static_cast<std::size_t>(frame);
  if (mode_ == Mode::sample) return levels_[f];
  return f < levels ? levels_[levels - 1 - f] : levels_[f - (levels - 1)];
}

double Ddim::placeAt(std::int64_t frame) const {
  const auto last = static_cast<double>(std::max<std::int64_t>(1, timeline().frames - 1)), f = static_cast<double>(frame);
  return mode_ == Mode::sample ? f / last : std::abs(1 - 2 * f / last);
}

// From the latents on both ways from a to b, and from the present one.
void Ddim::walk() {
  const std::size_t work = cost() * std::max<std::size_t>(1, steps_.size());
  const std::size_t points = std::clamp<std::size_t>((network_ ? 4'000'000 : 20'000'000) / work, 17, 129);
  const auto denoiser = [this](const State& x, double level) { return denoise(x, level); };
  const double top = levels_.front(), last = std::max(levels_.back(), 0.02);
  for (const bool spherical : {false, true}) {
    Walk& walk = walks_[spherical ? 1 : 0];
    walk = {};
    State latent(2 * points);
    for (std::size_t i = 0; i < points; ++i) {
      const double w = static_cast<double>(i) / static_cast<double>(points - 1);
      const auto z = interpolate(ends_[0], ends_[1], w, spherical);
      walk.w.push_back(w);
      walk.norm.push_back(std::hypot(z[0], z[1]));
      walk.latentX.push_back(latent[2 * i] = z[0]);
      walk.latentY.push_back(latent[2 * i + 1] = z[1]);
    }
    diffusion::Noise noise(seed_, latent.size());
    const State end =
        runSteps(denoiser, steps_, top * latent, [&](std::size_t i) { return noise.fresh(static_cast<std::uint32_t>(i), 1); }).back();
    for (std::size_t i = 0; i < points; ++i) {
      walk.endX.push_back(end[2 * i]);
      walk.endY.push_back(end[2 * i + 1]);
      walk.logDensity.push_back(scene_.mixture.logDensity(end[2 * i], end[2 * i + 1], last));
    }
  }
  const std::size_t draws = eta_ > 0 ? manyDraws : 1;
  const auto z = latentNow();
  State start(2 * draws);
  for (std::size_t i = 0; i < draws; ++i) {
    start[2 * i] = top * z[0];
    start[2 * i + 1] = top * z[1];
  }
  diffusion::Noise noise(seed_, start.size());
  draws_ = runSteps(denoiser, steps_, start, [&](std::size_t i) { return noise.fresh(static_cast<std::uint32_t>(i), 2); });
}

Expected<bool> Ddim::advance(LabContext& context) {
  if (frame_ + 1 >= timeline().frames) return false;
  if (mode_ == Mode::sample) state_ = cloudSteps(context.stream(), steps_, plan_, frame_, 1, state_).state;
  ++frame_;
  if (mode_ != Mode::sample) state_ = pairsOf(visited_[static_cast<std::size_t>(frame_)]);
  return true;
}

Timeline Ddim::timeline() const {
  const auto frames = static_cast<std::int64_t>(mode_ == Mode::sample ? std::max<std::size_t>(levels_.size(), 1) : visited_.size());
  return {frames, "step", std::clamp(static_cast<double>(frames) / 5, 5.0, 120.0)};
}

std::vector<Tensor> Ddim::capture() const { return {state_}; }

void Ddim::restore(std::int64_t frame, std::vector<Tensor> state) {
  frame_ = frame;
  state_ = std::move(state.front());
}

std::vector<Metric> Ddim::metrics() const {
  if (levels_.empty() || end_.empty()) return {};
  std::vector<Metric> result{
      {"evaluations", static_cast<double>(steps_.size()), ""}, {"level", levelAt(frame_), ""}, {"order", convergence_.order, ""}};
  for (std::size_t i = 0; i < convergence_.steps.size(); ++i)
    result.push_back({"error." + std::to_string(static_cast<int>(convergence_.steps[i])), convergence_.error[i], ""});

  // The tracked latents under the present steps: how far from the exact path, and how wide.
  const State exact = exactEnd(diffusion::Noise(seed_, 2 * tracked()).fresh(0, 0), levels_.front(), levels_.back());
  const auto size = [](const State& x) {
    double sum = 0;
    for (const double v : x) sum += v * v;
    return std::sqrt(sum);
  };
  result.push_back({"error", apart(trackedEnd_, exact), ""});
  result.push_back({"width-over-exact", size(trackedEnd_) / std::max(size(exact), 1e-300), ""});
  if (network_) {
    result.push_back({"network-error", networkErrors_.at(levelAt(frame_)), ""});
    for (std::size_t i = 0; i < convergence_.steps.size(); ++i)
      result.push_back({"apart." + std::to_string(static_cast<int>(convergence_.steps[i])), convergence_.apart[i], ""});
  }
  if (mode_ == Mode::sample) {
    result.push_back({"sw2", sliced_, ""});
    result.push_back({"sw2.floor", slicedFloor_, ""});
    if (!comparedEnd_.empty()) result.push_back({"compared", comparedApart(), ""});
    double spread = 0;
    const State& last = draws_.back();
    for (std::size_t i = 0; i + 1 < last.size(); i += 2) spread = std::max(spread, std::hypot(last[i] - last[0], last[i + 1] - last[1]));
    result.push_back({"draws.spread", spread, ""});
  } else {
    result.push_back({"return.mean", returnError_, ""});
    result.push_back({"return.largest", *std::max_element(returnErrors_.begin(), returnErrors_.end()), ""});
    if (mode_ == Mode::fixedPoint) result.push_back({"residual", residual_, ""});
  }
  if (roundTrip_) {
    for (std::size_t i = 0; i < roundTrip_->steps.size(); ++i) {
      const std::string N = std::to_string(static_cast<int>(roundTrip_->steps[i]));
      result.push_back({"round-trip.explicit." + N, roundTrip_->explicitError[i], ""});
      result.push_back({"round-trip.fixed-point." + N, roundTrip_->fixedError[i], ""});
    }
  }
  for (const EtaCurve& curve : etaCurves_) {
    for (std::size_t i = 0; i < curve.eta.size(); ++i)
      result.push_back({fmt::format("eta.{}.{:.1f}", curve.steps, curve.eta[i]), curve.distance[i], ""});
  }
  if (!etaCurves_.empty()) result.push_back({"eta.floor", etaFloor_, ""});
  const auto least = [](const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); };
  result.push_back({"walk.lerp.least-norm", least(walks_[0].norm), ""});
  result.push_back({"walk.slerp.least-norm", least(walks_[1].norm), ""});
  return result;
}

Changes Ddim::pointer(const PointerEvent& event, const Values& values) const {
  if (event.panel != "planes" || levels_.empty()) return {};
  if (event.handle == "latent-a" || event.handle == "latent-b") {
    if (event.kind != PointerEvent::Kind::drag) return {};
    const double scale = scaleOf(levels_.front()) * levels_.front();
    const std::string end = event.handle.substr(7);
    return {{end + "-x", std::clamp(event.x / scale, -4.0, 4.0)}, {end + "-y", std::clamp(event.y / scale, -4.0, 4.0)}};
  }
  PointerEvent shifted = event;
  shifted.x -= distance();
  if (shifted.x < -0.5 * distance() && event.handle.empty()) return {};
  return sceneChanges(shifted, values, 1);
}

ORRERY_LAB(Ddim);

}  // namespace orrery::generative
