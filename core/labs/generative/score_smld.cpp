// Score matching and Langevin dynamics: a cloud that follows the exact score of a density of the plane, by plain Langevin steps, by steps
// with a Metropolis test, or down a ladder of noise levels; and four objectives that learn a score, on one family. Sources: Song and Ermon
// 2019, 2020 (annealing, ladders); Hyvarinen 2005 (implicit), Vincent 2011 (denoising), Song et al. 2019 (sliced); Roberts and Tweedie 1996
// (MALA). Formulas: x <- x + a S(x) + sqrt(2 a) z, S = grad ln p_sigma = (D - x) / sigma^2; annealed a = step sigma_i^2, ladder geometric;
// the last step may be Tweedie's, x + sigma^2 S = D. MALA accepts y with probability min(1, p(y) q(x | y) / (p(x) q(y | x))), q(y | x) =
// N(y; x + a S(x), 2 a I). A user's network may give D in place of the exact one, on the device in f32; it knows no level 0, so a plain
// chain asks it at the smallest. Host, double precision; State holds pairs. Random numbers, key = seed: z of step n is
// core/diffusion/noise.h off the path (n, 0x53), uniform starts and Metropolis tests the Philox block (particle, n, 0x530, 0), n = 0 for starts.

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/philox.h"
#include "core/diffusion/noise.h"
#include "core/labs/generative/score_smld/lab.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr double box = 8;  // uniform starts lie in [-8, 8]^2
constexpr std::int64_t mostFrames = 200, measuredFrames = 16;
constexpr std::uint32_t noisePurpose = 0x53, uniformPurpose = 0x530, truthPurpose = 0x550;
constexpr double almostZero = 1e-4;  // of the narrowest deviation: the level at which the data's own score is taken, (D - x) / level^2

double normalCumulative(double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; }

}  // namespace

std::optional<double> advisedRatio(std::int64_t d) {
  const double root = std::sqrt(2 * static_cast<double>(d));
  const auto overlap = [&](double r) { return normalCumulative(root * (r - 1) + 3 * r) - normalCumulative(root * (r - 1) - 3 * r); };
  // It falls with r as long as the shell is thin beside its radius: with sqrt(2 d) above 3.
  if (root <= 3) return std::nullopt;
  double low = 1, high = 1e6;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (overlap(middle) > 0.5 ? low : high) = middle;
  }
  return low;
}

State ScoreSmld::exactScore(const State& x, double level) const {
  const double at = level > 0 ? level : almostZero * std::sqrt(smallest_);
  return (scene_.mixture.denoise(x, at) - x) / (at * at);
}

State ScoreSmld::denoise(const State& x, double level) const {
  return network_ ? denoiseOnDevice(*stream_, *network_, x, level) : scene_.mixture.denoise(x, level);
}

State ScoreSmld::score(const State& x, double level) const {
  return network_ ? (denoise(x, level) - x) / (level * level) : exactScore(x, level);
}

double ScoreSmld::levelOf(std::int64_t step) const {
  if (mode_ != Mode::annealed) return network_ ? bottom_ : 0;
  return ladder_[static_cast<std::size_t>(std::min<std::int64_t>(step / stepsPerLevel_, static_cast<std::int64_t>(ladder_.size()) - 1))];
}

std::vector<double> ScoreSmld::massOf(const State& x) const {
  const auto& components = scene_.mixture.components;
  std::vector<double> mass(components.size());
  for (std::size_t i = 0; i + 1 < x.size(); i += 2) {
    std::size_t best = 0;
    double most = -std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < components.size(); ++k) {
      const auto& c = components[k];
      const double dx = x[i] - c.x, dy = x[i + 1] - c.y, cosine = std::cos(c.angle), sine = std::sin(c.angle);
      const double u = cosine * dx + sine * dy, v = cosine * dy - sine * dx;
      const double value = std::log(c.weight) - 0.5 * (u * u / c.along + v * v / c.across + std::log(c.along * c.across));
      if (value > most) most = value, best = k;
    }
    mass[best] += 2 / static_cast<double>(x.size());
  }
  return mass;
}

// One step of every particle; `accepted` is told the share that moved.
void ScoreSmld::step(State& x, std::int64_t number, double level, double& accepted) const {
  const double a = mode_ == Mode::annealed ? stepSize_ * level * level : stepSize_;
  const State z = diffusion::Noise(seed_, x.size()).fresh(static_cast<std::uint32_t>(number + 1), noisePurpose);
  const State slope = score(x, level);
  State next = x + a * slope + std::sqrt(2 * a) * z;
  accepted = 1;
  if (mode_ == Mode::metropolis) {
    const State there = score(next, level);
    double moved = 0;
    for (std::size_t i = 0; i < x.size(); i += 2) {
      double forward = 0, backward = 0;
      for (std::size_t k = i; k < i + 2; ++k) {
        forward += std::pow(next[k] - x[k] - a * slope[k], 2);
        backward += std::pow(x[k] - next[k] - a * there[k], 2);
      }
      const double gain = scene_.mixture.logDensity(next[i], next[i + 1], 0) - scene_.mixture.logDensity(x[i], x[i + 1], 0);
      const PhiloxBlock words =
          philox({static_cast<std::uint32_t>(i / 2), static_cast<std::uint32_t>(number + 1), uniformPurpose, 0}, philoxKey(seed_));
      if (std::log(static_cast<double>(philoxUniform(words[0]))) < gain + (forward - backward) / (4 * a)) {
        moved += 2 / static_cast<double>(x.size());
      } else {
        next[i] = x[i], next[i + 1] = x[i + 1];
      }
    }
    accepted = moved;
  }
  x = std::move(next);
}

void ScoreSmld::finish(Moment& moment) const {
  if (scene_.density.named) moment.mass = massOf(moment.x);
}

void ScoreSmld::measure(Moment& moment) const { moment.distance = truth_.to(moment.x, moment.level); }

const SampleDistance* ScoreSmld::distance() const {
  if (learning_) return ticks_.count(frame_) > 0 ? &ticks_.at(frame_).distance : nullptr;
  for (auto frame = static_cast<std::size_t>(frame_) + 1; frame-- > 0;)
    if (moments_[frame].distance) return &*moments_[frame].distance;
  return nullptr;
}

Expected<void> ScoreSmld::update(LabContext& context) {
  probeX_ = context.number("probe-x"), probeY_ = context.number("probe-y");
  dimensions_ = context.integer("dimensions");
  shownLevel_ = context.number("shown-level");
  stream_ = &context.stream();
  if (keepsTime(context)) {
    if (learning_ && context.changed("shown-level"))
      if (const auto tick = ticks_.find(frame_); tick != ticks_.end()) tick->second.region = regionOff();
    return {};
  }
  auto scene = planeScene(context);
  if (!scene) return scene.error();
  auto network = chosenPlaneNetwork(context, learning_ ? nullptr : network_);
  if (!network) return network.error();
  const std::string& mode = context.text("mode");
  const std::int64_t levels = context.integer("levels");
  const bool learning = context.text("denoiser") == "learned", oneLevel = mode == "annealed" && levels == 1;
  const Mode wanted = mode == "plain" || oneLevel ? Mode::plain : mode == "mala" ? Mode::metropolis : Mode::annealed;
  const bool networked = *network || learning;
  double smallest = std::numeric_limits<double>::infinity();
  for (const auto& c : scene->mixture.components) smallest = std::min({smallest, c.along, c.across});
  const double step = context.number("step"), top = context.number("sigma-max"), bottom = context.number("sigma-min");
  if (wanted == Mode::metropolis && networked) {
    return makeError(ErrorCode::usage, tr("A Metropolis test compares densities, and a score network has none: choose the plain chain or anneal"));
  }
  // A plain chain under a network follows the data with the noise of the smallest level.
  if (wanted != Mode::annealed && networked) smallest += bottom * bottom;
  if (wanted != Mode::annealed && !(smallest > 0)) {
    return makeError(ErrorCode::usage, tr("points without width have no density to follow: give them a spread, or anneal"));
  }
  if (wanted == Mode::plain && step >= 2 * smallest) {
    return makeError(ErrorCode::usage,
                     trf("Step a = {:.4g} is at or above the stability limit 2 / |∇² ln p| = {:.4g} of the narrowest blob: the chain "
                         "diverges; choose a smaller one",
                         step, 2 * smallest));
  }
  if (wanted == Mode::annealed && step >= 2) {
    return makeError(ErrorCode::usage, trf("Step {:.4g} in units of σ² is at or above the stability limit 2: the chain diverges", step));
  }
  if ((wanted == Mode::annealed || learning) && top <= bottom) {
    return makeError(ErrorCode::usage, trf("The largest noise level {:.4g} should lie above the smallest {:.4g}", top, bottom));
  }
  scene_ = *std::move(scene);
  const bool otherNetwork = *network != network_;
  network_ = *std::move(network);
  mode_ = wanted, stepSize_ = step, smallest_ = std::max(smallest, 1e-12), bottom_ = bottom;
  oneLevel_ = oneLevel, learning_ = learning;
  ladder_.clear();
  for (std::int64_t i = 0; i < levels; ++i)
    ladder_.push_back(levels > 1 ? top * std::pow(bottom / top, static_cast<double>(i) / static_cast<double>(levels - 1)) : bottom);
  stepsPerLevel_ = context.integer("steps-per-level");
  total_ = levels * stepsPerLevel_;
  perFrame_ = (total_ + mostFrames - 1) / mostFrames;
  seed_ = static_cast<std::uint64_t>(context.integer("seed"));
  finalDenoise_ = context.flag("final-denoise") && mode_ == Mode::annealed;
  start_ = context.text("start");
  particles_ = static_cast<std::size_t>(context.integer("particles"));
  samples_ = static_cast<std::size_t>(context.integer("samples"));
  lossLevel_ = context.number("loss-level");

  Moment first;
  const double startLevel = mode_ == Mode::annealed ? top : 1;
  if (start_ == "data") {
    first.x = scene_.draw(seed_, particles_, uniformPurpose + 1);
  } else if (start_ == "normal") {
    first.x = startLevel * diffusion::Noise(seed_, 2 * particles_).fresh(0, noisePurpose);
  } else {
    first.x = State(2 * particles_);
    for (std::size_t i = 0; i < particles_; ++i) {
      const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), 0, uniformPurpose, 0}, philoxKey(seed_));
      for (std::size_t k = 0; k < 2; ++k) first.x[2 * i + k] = box * (2 * static_cast<double>(philoxUniform(words[k])) - 1);
    }
  }
  networkErrors_ = {};
  table_ = kernels::makeMixtureTable(scene_.density.components);
  frame_ = 0;
  const bool otherTruth = context.restarting() || context.anyChanged({"scene", "spread", "strokes", "file", "invert", "components",
                                                                      "particles", "seed", "denoiser"});
  if (otherTruth) truth_ = ExactSamples(scene_, seed_, learning_ ? std::min(particles_, learnedParticles) : particles_, truthPurpose);
  if (learning_) {
    first_ = std::move(first);
    if (auto begun = beginTraining(context); !begun) return begun;
  } else {
    training_ = {}, ticks_.clear();
    if (network_) networkErrors_ = judgeNetwork(*stream_, table_, *network_, scene_, std::max(top, bottom), bottom, seed_);
    first.level = levelOf(0);
    finish(first);
    measure(first);
    moments_.assign(1, std::move(first));
  }
  const bool otherSamples = context.restarting() || thetas_.empty() ||
                            context.anyChanged({"scene", "spread", "strokes", "file", "invert", "components", "samples", "loss-level", "seed"});
  if (otherSamples) compareLosses();
  if (learning_)
    networkLosses_.clear();
  else if (otherSamples || otherNetwork)
    compareNetworkLosses();
  return {};
}

bool ScoreSmld::keepsTime(const LabContext& context) const {
  if (context.restarting() || moments_.empty()) return false;
  bool any = false;
  for (const auto& [id, value] : context.values()) {
    if (!context.changed(id)) continue;
    if (id != "probe-x" && id != "probe-y" && id != "dimensions" && id != "shown-level") return false;
    any = true;
  }
  return any;
}

Timeline ScoreSmld::timeline() const {
  if (learning_) return {framesOfTraining(), "frame", 30, true};
  return {(total_ + perFrame_ - 1) / perFrame_ + 1, perFrame_ == 1 ? "step" : "frame", 30};
}

Expected<bool> ScoreSmld::advance(LabContext& context) {
  if (learning_) return trainFrame(context);
  const std::int64_t last = timeline().frames - 1;
  if (frame_ >= last) return false;
  if (frame_ + 1 < static_cast<std::int64_t>(moments_.size())) {
    ++frame_;
    return true;
  }
  Moment next = now();
  next.distance.reset();
  double sum = next.acceptance * static_cast<double>(frame_ * perFrame_);
  const std::int64_t from = frame_ * perFrame_, to = std::min(from + perFrame_, total_);
  for (std::int64_t n = from; n < to; ++n) {
    if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
    double accepted = 1;
    next.level = levelOf(n);
    step(next.x, n, next.level, accepted);
    sum += accepted;
  }
  if (network_ && !allFinite(next.x)) return ranAway();
  next.acceptance = sum / static_cast<double>(to);
  // Tweedie's step from the last level.
  if (to == total_ && finalDenoise_) next.x = denoise(next.x, next.level);
  finish(next);
  if ((frame_ + 1) % std::max<std::int64_t>(1, last / measuredFrames) == 0 || frame_ + 1 == last) measure(next);
  moments_.push_back(std::move(next));
  ++frame_;
  return true;
}

// The frames of a chain are kept here, in double precision.
std::vector<Tensor> ScoreSmld::capture() const {
  if (learning_) return training_.capture();
  return {Tensor::from(Shape{1}, std::vector<float>{static_cast<float>(frame_)})};
}

void ScoreSmld::restore(std::int64_t frame, std::vector<Tensor> state) {
  if (learning_) {
    frame_ = frame;
    training_.restore(trainedAt(frame), state);
    showLearned();
    return;
  }
  frame_ = std::min(frame, static_cast<std::int64_t>(moments_.size()) - 1);
}

// J(theta) of S_theta(x) = -(x - m) / theta at one noise level, on the same samples for all four; the constants that set them apart are
// taken from the exact score: J_ESM = J_ISM + E |S|^2 / 2, and J_DSM = J_ESM + (E |z / sigma|^2 - E |S|^2) / 2.
void ScoreSmld::compareLosses() {
  const double sigma = lossLevel_;
  const State clean = scene_.draw(seed_, samples_, lossDataPurpose);
  const State z = diffusion::Noise(seed_, clean.size()).fresh(1, lossNoisePurpose);
  const State x = clean + sigma * z, exact = exactScore(x, sigma);
  double mean[2] = {0, 0};
  const auto n = static_cast<double>(samples_);
  for (std::size_t i = 0; i < x.size(); ++i) mean[i % 2] += x[i] / n;
  // Sums that every theta shares: |x|^2, x S, |S|^2, x z, |z|^2, and (v x)^2 with v of random signs.
  double xx = 0, xs = 0, ss = 0, xz = 0, zz = 0, vx = 0;
  for (std::size_t i = 0; i < x.size(); i += 2) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i / 2), 0, lossProbePurpose, 0}, philoxKey(seed_));
    const double a = x[i] - mean[0], b = x[i + 1] - mean[1];
    const double v = (words[0] & 1u) != 0 ? a - b : a + b;  // up to a common sign, which squares away
    xx += (a * a + b * b) / n, vx += v * v / n;
    xs += (a * exact[i] + b * exact[i + 1]) / n, ss += (exact[i] * exact[i] + exact[i + 1] * exact[i + 1]) / n;
    xz += (a * z[i] + b * z[i + 1]) / n, zz += (z[i] * z[i] + z[i + 1] * z[i + 1]) / n;
  }
  thetas_.clear(), explicit_.clear(), implicit_.clear(), sliced_.clear(), denoising_.clear();
  const double around = xx / 2;  // the best theta
  constexpr int points = 61;
  for (int i = 0; i < points; ++i) {
    const double theta = around * std::pow(4.0, -1 + 2.0 * i / (points - 1));
    thetas_.push_back(theta);
    explicit_.push_back(0.5 * (xx / (theta * theta) + 2 * xs / theta + ss));
    implicit_.push_back(0.5 * xx / (theta * theta) - 2 / theta + 0.5 * ss);
    sliced_.push_back(0.5 * vx / (theta * theta) - 2 / theta + 0.5 * ss);
    denoising_.push_back(0.5 * (xx / (theta * theta) - 2 * xz / (sigma * theta) + zz / (sigma * sigma)) -
                         0.5 * (zz / (sigma * sigma) - ss));
  }
}

std::vector<Metric> ScoreSmld::metrics() const {
  std::vector<Metric> result;
  if (moments_.empty()) return result;
  const Moment& m = now();
  const std::int64_t steps = std::min(frame_ * perFrame_, total_);
  if (learning_) {
    result.push_back({"trained", static_cast<double>(trainedAt(frame_)), "step"});
    result.push_back({"parameters", static_cast<double>(training_.network().parameters()), ""});
    if (const auto tick = ticks_.find(frame_); tick != ticks_.end()) {
      if (frame_ > 0) result.push_back({"loss", tick->second.loss, ""});
      result.push_back({"score-error", tick->second.error, ""});
      result.push_back({"error-region", tick->second.region, "of the picture"});
    }
  }
  if (const SampleDistance* far = distance()) {
    result.push_back({"sw2", far->sliced, ""});
    result.push_back({"sw2.floor", far->floor, ""});
    result.push_back({"nll-excess", far->excess, "nats"});
    result.push_back({"nll-excess.floor", far->excessFloor, "nats"});
  }
  result.push_back({"steps", static_cast<double>(learning_ ? total_ : steps), ""});
  result.push_back({"level", m.level, ""});
  result.push_back({"acceptance", m.acceptance, ""});
  if (network_) result.push_back({"network-error", networkErrors_.at(m.level) / m.level, "of sigma S"});
  for (std::size_t k = 0; k < m.mass.size() && k < 32; ++k) result.push_back({"mass." + std::to_string(k + 1), m.mass[k], ""});
  for (const std::size_t axis : {0, 1}) {
    double sum = 0, squares = 0;
    for (std::size_t i = axis; i < m.x.size(); i += 2) sum += m.x[i], squares += m.x[i] * m.x[i];
    const double n = static_cast<double>(m.x.size()) / 2;
    result.push_back({axis == 0 ? "variance.x" : "variance.y", squares / n - sum / n * (sum / n), ""});
  }
  const auto gap = [&](const std::vector<double>& other) {
    double most = 0;
    for (std::size_t i = 0; i < other.size(); ++i) most = std::max(most, std::abs(other[i] - explicit_[i]));
    return most;
  };
  result.push_back({"loss.implicit-gap", gap(implicit_), ""});
  result.push_back({"loss.sliced-gap", gap(sliced_), ""});
  result.push_back({"loss.denoising-gap", gap(denoising_), ""});
  const auto best = std::min_element(explicit_.begin(), explicit_.end()) - explicit_.begin();
  result.push_back({"loss.best-theta", thetas_[static_cast<std::size_t>(best)], ""});
  if (!networkLosses_.empty()) {
    const NetworkLoss& truth = networkLosses_.front();
    result.push_back({"network-loss.samples", static_cast<double>(networkLossSamples_), ""});
    if (truth.square > 0) result.push_back({"network-loss.best-c", -truth.slope / truth.square, ""});
    for (const NetworkLoss& loss : networkLosses_) {
      const std::string id = std::string("network-loss.") + loss.id;
      result.push_back({id, loss.at(1, networkLossRest_), ""});
      if (&loss == &truth) continue;
      result.push_back({id + "-gap", loss.gap, ""});
      result.push_back({id + "-gap.error", loss.gapError, ""});
    }
  }
  if (const auto ratio = advisedRatio(dimensions_)) result.push_back({"advised-ratio", *ratio, ""});
  return result;
}

Changes ScoreSmld::pointer(const PointerEvent& event, const Values& values) const {
  if (event.panel == "score" && (event.kind == PointerEvent::Kind::click || event.kind == PointerEvent::Kind::drag))
    return {{"probe-x", std::clamp(event.x, -20.0, 20.0)}, {"probe-y", std::clamp(event.y, -20.0, 20.0)}};
  if (event.panel != "cloud") return {};
  return sceneChanges(event, values, 1);
}

ORRERY_LAB(ScoreSmld);

}  // namespace orrery::generative
