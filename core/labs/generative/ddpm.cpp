// Denoising diffusion probabilistic models (Ho, Jain and Abbeel 2020; Nichol and Dhariwal 2021): a chain of T steps that adds Gaussian
// noise,
//   q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I),   q(x_t | x_0) = N(sqrt(abar_t) x_0, (1 - abar_t) I),
// and the reverse chain that undoes it by ancestral sampling,
//   x_{t-1} = sqrt(abar_{t-1}) beta_t / (1 - abar_t) D + sqrt(1 - beta_t) (1 - abar_{t-1}) / (1 - abar_t) x_t + sqrt(Sigma_t) z,
// with the exact denoiser D = E[x_0 | x_t] of a Gaussian mixture (generative.md C3), so that what is wrong is the chain's own, or with a
// network, trained here or a user's. On pictures the denoiser is the exact one of a set of them (ddpm/pictures.cpp). The variational bound is computed term by term in double precision (shared/noise_chain.h). States are
// kept scaled (x_t / alpha_t) and shown as x_t. Units: data units, nats per axis; t = 0 is data. Random numbers, key = seed: start of
// particle j: stream 1; z of the step to t: (j / 2, T - t, 40, 0); x_0 of the forward cloud: (j, 0, 41, .); its Brownian path:
// core/diffusion/noise.h; exact samples: (j, 0, 42 or 43, .); a picture's pixel i: (i, 0, 51, .).

#include <algorithm>
#include <cmath>
#include <future>
#include <numeric>

#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/philox.h"
#include "core/labs/generative/ddpm/chain.h"
#include "core/labs/generative/ddpm/lab.h"
#include "core/labs/generative/ddpm/pictures.h"
#include "core/labs/generative/shared/plane_network.h"
#include "core/labs/generative/shared/plane_or_pictures.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr std::uint32_t stepPurpose = 40, dataPurpose = 41, exactPurpose = 42;
constexpr int directions = 64;

}  // namespace

double ChainResult::total() const { return std::accumulate(terms.begin(), terms.end(), 0.0); }

Expected<ChainResult> Ddpm::chainFor(const std::string& kind, const LabContext& context, const DenoisingError& error) {
  auto chain = chainOf(context, kind);
  if (!chain) return chain.error();
  ChainResult result;
  result.kind = kind;
  result.chain = std::move(*chain);
  result.error.assign(result.chain.beta.size(), 0);
  for (int t = 1; t <= result.chain.steps(); ++t) result.error[static_cast<std::size_t>(t)] = error.at(result.chain.level(t));
  result.variance = reverseVariances(result.chain, reverseVarianceOf(context.text("variance")), context.number("interpolation"), result.error);
  result.terms = boundTerms(result.chain, result.variance, result.error, error.secondMoment());
  return result;
}

bool Ddpm::keepsTime(const LabContext& context) const {
  static constexpr std::string_view pictureOnly[] = {"density",      "film",   "lower-left", "lower-right", "trails",
                                                     "trail-length", "pinned", "compare",    "loss-weight", "gamma",
                                                     "predict",      "brush",  "picture"};
  // A network learns with them, and only its picture depends on these.
  static constexpr std::string_view learnt[] = {"loss-weight", "gamma", "predict"};
  static constexpr std::string_view shown[] = {"shown-time", "shown-steps", "clip"};
  const bool network = context.text("source") == "network";
  const auto isIn = [](const auto& list, std::string_view id) { return std::find(std::begin(list), std::end(list), id) != std::end(list); };
  for (const auto& [id, value] : context.values()) {
    if (!context.changed(id)) continue;
    if (network ? isIn(learnt, id) : !isIn(pictureOnly, id)) return false;
    if (!isIn(pictureOnly, id) && !isIn(shown, id)) return false;
  }
  return !context.restarting();
}

Expected<void> Ddpm::update(LabContext& context) {
  stream_ = &context.stream();
  const bool stays = keepsTime(context);
  const bool dropped = context.text("source") == "dropped";
  std::shared_ptr<const models::PointDenoiser> network = dropped ? dropped_ : nullptr;
  const bool told = dropped && (!dropped_ || context.changed("data") || pointNetworkChanged(context, "network-schedule"));
  if (told) {
    auto opened = statedPlaneNetwork(context, tr("choose the exact denoiser"), "network-schedule");
    if (!opened) return opened.error();
    network = *std::move(opened);
  }
  // What has no signal at T says nothing about the data through its noise.
  const diffusion::Prediction predicted = network ? network->meaning().prediction : diffusion::Prediction::data;
  const bool byNoise = network ? predicted == diffusion::Prediction::epsilon || predicted == diffusion::Prediction::score
                               : context.text("predict") == "epsilon" || context.text("predict") == "score";
  if (context.text("schedule") == "zero-snr" && byNoise)
    return makeError(
        ErrorCode::usage,
        tr("With the zero terminal SNR schedule there is no signal at T, and x̂₀ does not follow from ε or the score: predict v or x₀"));
  const bool fresh = context.restarting() || context.anyChanged({"data", "scene", "spread", "file", "invert", "strokes", "components"});
  PlaneScene scene;
  DenoisingError error = error_;
  if (fresh) {
    auto read = planeScene(context);
    if (!read) return read.error();
    scene = std::move(*read);
    context.progress(-1, tr("Integrating over the posterior"));
    error = DenoisingError(scene);
  }
  auto chain = chainFor(context.text("schedule"), context, error);
  if (!chain) return chain.error();
  std::optional<ChainResult> other;
  if (context.text("compare") != "none" && context.text("compare") != context.text("schedule")) {
    auto compared = chainFor(context.text("compare"), context, error);
    if (!compared) return compared.error();
    other = std::move(*compared);
  }
  if (context.text("film") == "picture" &&
      (context.restarting() || context.anyChanged({"data", "film", "picture", "seed"}) || picture_.x0.empty())) {
    seed_ = static_cast<std::uint64_t>(context.integer("seed"));
    if (auto read = readPicture(context.file("picture")); !read) return read.error();
  }
  const Ddpm before = *this;
  if (fresh) {
    scene_ = std::move(scene);
    table_ = kernels::makeMixtureTable(scene_.density.components);
    error_ = std::move(error);
  }
  dropped_ = std::move(network);
  main_ = std::move(*chain);
  other_ = std::move(other);
  predict_ = context.text("predict");
  target_ = {predict_};
  lossWeight_ = context.text("loss-weight");
  gamma_ = context.number("gamma");
  interpolation_ = context.number("interpolation");
  varianceKind_ = reverseVarianceOf(context.text("variance"));
  film_ = context.text("film");
  lower_[0] = context.text("lower-left");
  lower_[1] = context.text("lower-right");
  showDensity_ = context.flag("density");
  trailShare_ = context.number("trail-length");
  const std::int64_t trails = std::min(context.integer("trails"), context.integer("particles"));
  const bool followed = stays && trails == trails_;
  trails_ = trails;
  pinned_ = std::min(context.integer("pinned"), context.integer("particles") - 1);
  request_.keepSnr = context.flag("keep-snr");
  learning_ = context.text("source") == "network";
  clip_ = context.number("clip");
  if (!stays) begin(context);
  if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("Cancelled"));
  if (!learning_ && !stays) judgeDropped(*stream_);
  if (learning_) {
    readShown(context);
    if (!stays) beginTraining(context);
    runNetwork(*stream_);
    if (stays && context.anyChanged({"shown-time", "shown-steps", "clip"})) ticks_.clear();
    measure();
    measureNetwork(*stream_);
    return {};
  }
  if (!followed && !follow(*stream_)) {
    *this = before;
    return ranAway();
  }
  if (!stays) measure();
  return {};
}

void Ddpm::begin(LabContext& context) {
  lastStepNoise_ = context.flag("last-step-noise");
  particles_ = context.integer("particles");
  seed_ = static_cast<std::uint64_t>(context.integer("seed"));
  stride_ = (main_.chain.steps() + 999) / 1000;
  steps_ = reverseSteps(main_.chain, main_.variance, lastStepNoise_);
  plan_ = kernels::upload(linearPlan(steps_));
  // x_T is N(0, I) whatever the chain left: divided by the scale there.
  start_ =
      kernels::normal(*stream_, Shape{particles_, 2}, {seed_, 1, 0}, 0, static_cast<float>(1 / main_.chain.scale(main_.chain.steps())));
  state_ = start_;
  frame_ = 0;
  ticks_.clear();

  const auto shown = std::min<std::size_t>(static_cast<std::size_t>(particles_), forwardMost);
  data_ = scene_.draw(seed_, shown, dataPurpose);
  forwardNoise_ = diffusion::Noise(seed_, 2 * shown);
  const auto sums = cumulativeWeights(scene_.density);
  // As many as the network's cloud has, so that the floor is its own.
  const auto measured = std::min<std::size_t>(static_cast<std::size_t>(particles_), learning_ ? measuredMost / 4 : measuredMost);
  for (std::size_t e = 0; e < 2; ++e) {
    exact_[e].clear();
    for (std::size_t j = 0; j < measured; ++j)
      exact_[e].push_back(
          exactPoint(scene_.density, sums, seed_, exactPurpose + static_cast<std::uint32_t>(e), static_cast<std::uint32_t>(j)));
  }
}

Tensor Ddpm::reverse(gpu::Stream& stream, Tensor state, std::int64_t first, std::int64_t count, Tensor* trail) const {
  // Under a network, or with a clamp on the denoised point, every step is taken apart.
  const auto clamped = [&](const Tensor& x, double level) {
    Tensor D = dropped_ ? dropped_->denoise(stream, x, level) : kernels::mixture(stream, table_, x, 1, level, kernels::MixtureOutput::denoiser);
    if (clip_ > 0) {
      D = kernels::binary(stream, kernels::Binary::max, D, Tensor::from(Shape{1}, {static_cast<float>(-clip_)}));
      D = kernels::binary(stream, kernels::Binary::min, D, Tensor::from(Shape{1}, {static_cast<float>(clip_)}));
    }
    return D;
  };
  auto result = clip_ <= 0 && !dropped_ ? linearSteps(stream, table_, plan_, first, count, state, seed_, stepPurpose, trail != nullptr)
                                        : linearSteps(stream, clamped, steps_, first, count, state, seed_, stepPurpose, trail != nullptr);
  if (trail != nullptr) *trail = result.trail;
  return result.state;
}

int Ddpm::filmTime(std::size_t tile) const {
  if (learning_) {
    const auto last = static_cast<double>(subTimes_.size() - 1);
    return subTimes_[static_cast<std::size_t>(std::lround(last * static_cast<double>(tile) / (filmTiles - 1)))];
  }
  return static_cast<int>(std::lround(static_cast<double>(main_.chain.steps()) * (1 - static_cast<double>(tile) / (filmTiles - 1))));
}

// The first particles are followed to the end at once: their numbers are those of the cloud's first, so the trails pass through it.
bool Ddpm::follow(gpu::Stream& stream) {
  const Chain& chain = main_.chain;
  const std::int64_t T = chain.steps();
  const auto followed = std::min<std::int64_t>((std::max<std::int64_t>(filmParticles, trails_) + 3) / 4 * 4, particles_);
  const Tensor start = start_.rows(0, followed);
  Tensor trail;
  reverse(stream, start, 0, T, &trail);
  const Tensor whole = withStart(stream, start, trail);
  const auto path = whole.as<float>();
  if (dropped_ && !allFinite(path)) return false;
  const auto row = [&](int t) {
    return path.subspan(static_cast<std::size_t>((T - t) * followed * 2), static_cast<std::size_t>(followed * 2));
  };
  const std::int64_t frames = timeline().frames;
  std::vector<float> points;
  for (std::int64_t f = 0; f < frames; ++f) {
    const auto from = row(timeAt(f));
    const double scale = chain.scale(timeAt(f));
    for (std::size_t i = 0; i < static_cast<std::size_t>(2 * trails_); ++i)
      points.push_back(static_cast<float>(scale * static_cast<double>(from[i])));
  }
  reversePath_ = trails_ > 0 ? Tensor::from(Shape{frames, trails_, 2}, points) : Tensor();
  reverseFilm_.clear();
  for (std::size_t tile = 0; tile < filmTiles; ++tile) {
    const int t = filmTime(tile);
    std::vector<float> shown;
    for (std::size_t i = 0; i < std::min(2 * filmParticles, static_cast<std::size_t>(2 * followed)); ++i)
      shown.push_back(static_cast<float>(chain.scale(t) * static_cast<double>(row(t)[i])));
    reverseFilm_.push_back(std::move(shown));
  }

  // Step the forward chain for the trails: x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) z with z the increment of their path.
  const auto count = std::min<std::size_t>(static_cast<std::size_t>(trails_), data_.size() / 2);
  diffusion::Noise noise(seed_, 2 * std::max<std::size_t>(count, 1));
  State x(2 * count), first(2 * count);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = first[i] = data_[i];
  std::vector<State> visited{x};
  stepAgainstJump_ = 0;
  for (int t = 1; t <= chain.steps(); ++t) {
    const double beta = chain.beta[static_cast<std::size_t>(t)], before = chain.level(t - 1), now = chain.level(t);
    if (count > 0 && now < diffusion::Noise::treeTop && beta < 1) {
      x = std::sqrt(1 - beta) * x + std::sqrt(beta) * noise.increment(now, before);
      const State jumped = chain.alpha(t) * (first + noise.path(now));
      for (std::size_t i = 0; i < x.size(); ++i) stepAgainstJump_ = std::max(stepAgainstJump_, std::abs(x[i] - jumped[i]));
    } else if (count > 0) {
      x = chain.alpha(t) * first + chain.sigma(t) / diffusion::Noise::treeTop * noise.path(diffusion::Noise::treeTop);
    }
    visited.push_back(x);
  }
  points.clear();
  for (std::int64_t f = 0; f < frames; ++f) {
    for (const double value : visited[static_cast<std::size_t>(timeAt(f))]) points.push_back(static_cast<float>(value));
  }
  forwardPath_ = count > 0 ? Tensor::from(Shape{frames, static_cast<std::int64_t>(count), 2}, points) : Tensor();
  return true;
}

State Ddpm::forwardAt(int t) const {
  // Beyond the tree's top the direction of the noise stays.
  const double level = std::min(main_.chain.level(t), diffusion::Noise::treeTop);
  if (!(level > 0)) return data_;
  return main_.chain.alpha(t) * data_ + main_.chain.sigma(t) / level * forwardNoise_.path(level);
}

Expected<bool> Ddpm::advance(LabContext& context) {
  if (learning_) return trainFrame(context);
  const std::int64_t from = stepsAt(frame_), to = stepsAt(frame_ + 1);
  if (from >= to) return false;
  const Tensor next = reverse(context.stream(), state_, from, to - from, nullptr);
  // Those that are followed have not run away; others may.
  if (dropped_ && !allFinite(next.as<float>())) return ranAway();
  state_ = next;
  ++frame_;
  measure();
  return true;
}

Timeline Ddpm::timeline() const {
  if (learning_) return {(trainSteps_ + stepsPerFrame_ - 1) / stepsPerFrame_ + 1, "frame", 30, true};
  const std::int64_t T = std::max(1, main_.chain.beta.empty() ? 1 : main_.chain.steps());
  const std::int64_t frames = (T + stride_ - 1) / stride_ + 1;
  return {frames, "step", std::clamp(static_cast<double>(frames) / 10, 5.0, 120.0)};
}

std::vector<Tensor> Ddpm::capture() const { return learning_ ? network_.capture() : std::vector<Tensor>{state_}; }

void Ddpm::restore(std::int64_t frame, std::vector<Tensor> state) {
  frame_ = frame;
  if (learning_) {
    network_.restore(trainedAt(frame), state);
    runNetwork(*stream_);
    return;
  }
  state_ = std::move(state.front());
}

// Measures the reverse cloud against exact samples of q(x_t), once per frame and at a twentieth of the frames.
void Ddpm::measure() {
  const std::int64_t frames = timeline().frames, every = std::max<std::int64_t>(1, frames / 20);
  if (frame_ % every != 0 && frame_ + 1 != frames && !ticks_.empty()) return;
  const auto known =
      std::lower_bound(ticks_.begin(), ticks_.end(), frame_, [](const ChainTick& t, std::int64_t frame) { return t.frame < frame; });
  if (known != ticks_.end() && known->frame == frame_) return;
  const double scale = main_.chain.scale(time()), level = main_.chain.level(time());
  const auto sample = [&](std::size_t e) {
    std::vector<float> points;
    for (const ExactPoint& p : exact_[e])
      for (std::size_t c = 0; c < 2; ++c) points.push_back(static_cast<float>(scale * (p.x[c] + level * p.noise[c])));
    return project(points, directions);
  };
  const auto state = state_.as<float>();
  auto second = std::async(std::launch::async, sample, std::size_t{1});
  std::vector<float> points;
  for (std::size_t i = 0; i < std::min(2 * exact_[0].size(), state.size()); ++i)
    points.push_back(static_cast<float>(scale * static_cast<double>(state[i])));
  const ProjectedSample truth = sample(0);
  ChainTick tick{frame_, slicedWasserstein2(truth, project(points, directions)), 0};
  tick.floor = slicedWasserstein2(truth, second.get());
  ticks_.insert(known, tick);
}

const ChainTick& Ddpm::tick() const {
  const auto after =
      std::upper_bound(ticks_.begin(), ticks_.end(), frame_, [](std::int64_t frame, const ChainTick& t) { return frame < t.frame; });
  return after == ticks_.begin() ? ticks_.front() : *std::prev(after);
}

std::vector<Metric> Ddpm::metrics() const {
  if (ticks_.empty()) return {};
  const Chain& chain = main_.chain;
  const int t = time(), T = chain.steps();
  std::vector<Metric> result{{"t", static_cast<double>(t), ""},
                             {"alpha-bar", chain.alphaBar[static_cast<std::size_t>(t)], ""},
                             {"alpha-bar.T", chain.alphaBar.back(), ""},
                             {"alpha-bar.half", chain.alphaBar[static_cast<std::size_t>(T / 2)], ""},
                             {"beta.1", chain.beta[1], ""},
                             {"beta.T", chain.beta.back(), ""},
                             {"beta-tilde.1", chain.posteriorVariance(1), ""},
                             {"beta-tilde.2-over-beta.2", chain.posteriorVariance(2) / chain.beta[2], ""},
                             {"snr-one", static_cast<double>(chain.crossing()), "step"},
                             {"bound", main_.total(), "nats per axis"},
                             {"bound.prior", main_.terms[0], "nats per axis"},
                             {"bound.reconstruction", main_.terms[1], "nats per axis"},
                             {"nll", error_.entropy(), "nats per axis"},
                             {"bound.gap", main_.total() - error_.entropy(), "nats per axis"},
                             {"sw2", tick().sliced, ""},
                             {"sw2.floor", tick().floor, ""},
                             {"measured-at", static_cast<double>(learning_ ? trainedAt(tick().frame) : timeAt(tick().frame)), "step"},
                             {"forward.step-against-jump", stepAgainstJump_, ""}};
  if (other_) {
    result.push_back({"compare.bound", other_->total(), "nats per axis"});
    result.push_back({"compare.snr-one", static_cast<double>(other_->chain.crossing()), "step"});
  }
  if (dropped_) {
    if (const ChainResult* found = learned()) result.push_back({"network.bound", found->total(), "nats per axis"});
  }
  if (learning_) {
    result.push_back({"trained", static_cast<double>(trainedAt(frame_)), "step"});
    result.push_back({"parameters", static_cast<double>(network_.network().parameters()), ""});
    result.push_back({"loss.least", leastLoss_, ""});
    if (const auto loss = losses_.find(frame_); loss != losses_.end()) result.push_back({"loss", loss->second, ""});
    if (const ChainResult* found = learned()) result.push_back({"network.bound", found->total(), "nats per axis"});
  }
  // Mean and covariance of both clouds.
  const auto moments = [&](const std::string& name, const auto& values, double scale) {
    double m[2] = {0, 0}, c[3] = {0, 0, 0};
    const auto n = static_cast<double>(values.size() / 2);
    for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
      m[0] += scale * static_cast<double>(values[i]) / n;
      m[1] += scale * static_cast<double>(values[i + 1]) / n;
    }
    for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
      const double dx = scale * static_cast<double>(values[i]) - m[0], dy = scale * static_cast<double>(values[i + 1]) - m[1];
      c[0] += dx * dx / n;
      c[1] += dx * dy / n;
      c[2] += dy * dy / n;
    }
    const char* names[] = {".mean.x", ".mean.y", ".covariance.xx", ".covariance.xy", ".covariance.yy"};
    const double numbers[] = {m[0], m[1], c[0], c[1], c[2]};
    for (std::size_t i = 0; i < 5; ++i) result.push_back({name + names[i], numbers[i], ""});
  };
  moments("forward", forwardAt(t), 1);
  moments("reverse", state_.as<float>(), chain.scale(t));
  return result;
}

Changes Ddpm::pointer(const PointerEvent& event, const Values& values) const {
  if (state_.empty()) return {};
  const double scale = std::max(main_.chain.scale(time()), 0.02);
  if (event.panel == "beta" && event.handle.starts_with("beta-") && event.kind == PointerEvent::Kind::drag) {
    // Drag a control point: the drawn curve begins as the present one.
    const std::size_t moved = std::stoul(event.handle.substr(5));
    const double factor = request_.keepSnr ? 1000.0 / main_.chain.steps() : 1;
    std::string text;
    for (std::size_t k = 0; k < 5; ++k) {
      const auto t = static_cast<std::size_t>(std::lround(1 + static_cast<double>(k) / 4 * (main_.chain.steps() - 1)));
      const double beta = k == moved ? std::clamp(event.y, 1e-6, 0.995) : std::min(main_.chain.beta[t], 0.995);
      text += (k > 0 ? ", " : "") + fmt::format("{:.4g}", beta / factor);
    }
    return {{"schedule", std::string("drawn")}, {"curve", text}};
  }
  if (event.panel != "forward" && event.panel != "reverse") return {};
  if (auto changes = sceneChanges(event, values, scale); !changes.empty()) return changes;
  if (event.kind != PointerEvent::Kind::click || event.panel != "reverse" || std::get<std::string>(values.find("scene")->second) == "drawn")
    return {};
  // Pin the particle under the pointer; clicking far from all of them lets go.
  const auto state = state_.as<float>();
  double best = 0.04 * half();
  std::int64_t nearest = -1;
  for (std::size_t i = 0; i + 1 < state.size(); i += 2) {
    const double distance = std::hypot(main_.chain.scale(time()) * static_cast<double>(state[i]) - event.x,
                                       main_.chain.scale(time()) * static_cast<double>(state[i + 1]) - event.y);
    if (distance < best) {
      best = distance;
      nearest = static_cast<std::int64_t>(i / 2);
    }
  }
  if (nearest == pinned_) return {};
  return {{"pinned", nearest}};
}

namespace {

class DdpmLab final : public PlaneOrPictures {
 public:
  DdpmLab() : PlaneOrPictures(std::make_unique<Ddpm>(), std::make_unique<PictureMemoryLab>("Denoising diffusion", ddpmCourse)) {}
  static LabEntry describe() {
    LabEntry entry = Ddpm::describe();
    entry.make = [] { return std::make_unique<DdpmLab>(); };
    return entry;
  }
};

}  // namespace

ORRERY_LAB(DdpmLab);

}  // namespace orrery::generative
