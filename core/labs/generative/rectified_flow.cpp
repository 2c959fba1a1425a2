// Rectified flow: any coupling (X_0, X_1) of data and base defines X_t = (1 - t) X_0 + t X_1 and the velocity v(x, t) = E[X_1 - X_0 | X_t =
// x]; its flow Z_t has the laws of X_t and yields a deterministic coupling (Z_0, Z_1) that costs no more. Training again on it (reflow)
// makes the paths straighter, until one Euler step is enough:
//   S(Z) = int_0^1 E|(Z_1 - Z_0) - v(Z_t, t)|^2 dt,   E|X_1 - X_0|^2 = E|Z_1 - Z_0|^2 + int E tr Cov[X_1 - X_0 | X_t] dt + S(Z)
// Sources: Liu et al. 2022b (rectified flow, theorems 3.3, 3.5 and 3.7); Liu 2022 (optimal transport). Units: data units; t = 0 is data
// (C1; the paper runs the other way). Velocities on the device (shared/flow_field), pairs and distances on the host. Random numbers, key =
// seed: pairs: purposes 70 to 72 (stored) and 83 to 85 (training round 1, j = step * batch + i); fresh starts and data: 73 to 81; training:
// (i, step, 82, 0).

#include <algorithm>
#include <cmath>

#include "core/base/philox.h"
#include "core/diffusion/grid.h"
#include "core/kernels/slice.h"
#include "core/labs/generative/rectified_flow/lab.h"
#include "core/labs/generative/shared/density_file.h"
#include "core/labs/generative/shared/plane_scene_panels.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {
namespace {

constexpr std::size_t mostComponents = 4096;

RectifiedSettings readSettings(const LabContext& context) {
  RectifiedSettings s;
  s.scene = context.text("scene");
  s.line = s.scene == "1d-tri";
  s.base = context.text("base");
  s.round = context.integer("round");
  s.pairs = context.integer("pairs");
  s.steps = context.integer("steps");
  s.pairSteps = context.integer("pair-steps");
  s.particles = context.integer("particles");
  s.width = context.number("kernel-width");
  const std::string& velocity = context.text("velocity");
  s.source = velocity == "network"      ? RoundSource::network
             : velocity == "regression" ? RoundSource::regression
             : velocity == "dropped"    ? RoundSource::dropped
                                        : RoundSource::exact;
  s.pairSolver = flowSolverOf(context.text("pair-solver"));
  s.distil = context.flag("distil");
  s.timeLaw = context.text("time-law");
  s.trainSteps = context.integer("train-steps");
  s.stepsPerFrame = context.integer("steps-per-frame");
  s.trainBatch = context.integer("batch");
  s.learningRate = context.number("learning-rate");
  s.layerWidth = context.integer("width");
  s.depth = context.integer("depth");
  s.showDensity = context.flag("density");
  s.lower[0] = context.text("lower-left");
  s.lower[1] = context.text("lower-right");
  s.probe = {context.number("start-x"), context.number("start-y")};
  s.seed = static_cast<std::uint64_t>(context.integer("seed"));
  return s;
}

}  // namespace

double RectifiedFlow::time() const {
  if (training()) return 0;
  return 1 - static_cast<double>(frame_) / static_cast<double>(flowSteps());
}

std::size_t RectifiedFlow::shownRound() const { return rounds_.size() - 1; }

bool RectifiedFlow::keepsTime(const LabContext& context) const {
  static constexpr std::string_view pictureOnly[] = {"density", "lower-left", "lower-right", "brush", "start-x", "start-y", "steps"};
  if (context.restarting()) return false;
  for (const auto& [id, value] : context.values()) {
    if (context.changed(id) && std::find(std::begin(pictureOnly), std::end(pictureOnly), id) == std::end(pictureOnly)) return false;
  }
  return true;
}

Expected<void> RectifiedFlow::update(LabContext& context) {
  stream_ = &context.stream();
  if (context.number("noise-share") > 0)
    return makeError(ErrorCode::usage, tr("Pairs must come from a deterministic flow: set the noise share ζ of the pairs to 0"));
  const RectifiedSettings before = settings_;
  settings_ = readSettings(context);
  Expected<void> done;
  if (!keepsTime(context)) {
    // Rounds that are known stay when only the number of rounds changes.
    const bool sameRounds = !context.restarting() && !training() && !rounds_.empty() && [&] {
      for (const auto& [id, value] : context.values()) {
        if (id != "round" && context.changed(id)) return false;
      }
      return true;
    }();
    if (sameRounds) {
      frame_ = 0;
      if (rounds_.size() > static_cast<std::size_t>(settings_.round)) rounds_.resize(static_cast<std::size_t>(settings_.round));
    } else {
      done = begin(context);
    }
    if (done) done = buildRounds(context);
  }
  if (!done) {
    settings_ = before;
    return done;
  }
  follow(*stream_);
  return {};
}

Expected<void> RectifiedFlow::begin(LabContext& context) {
  const RectifiedSettings& s = settings_;
  Expected<PlaneScene> scene = [&]() -> Expected<PlaneScene> {
    if (!s.line) return planeScene(context);
    // The three modes on the line; across it there is (almost) no width.
    PlanarDensity density;
    for (const auto& c : diffusion::threeModes().components)
      density.components.push_back({c.weight, c.mean, 0, c.deviation * c.deviation, 1e-6, 0});
    density.reach = 2.4;
    return planeScene(s.scene, std::move(density));
  }();
  if (!scene) return scene.error();
  if (s.line && s.base != "normal") return makeError(ErrorCode::usage, tr("On the line the base is the standard normal: choose it"));
  Expected<BaseLaw> base = [&]() -> Expected<BaseLaw> {
    if (s.base != "file") return baseLaw(s.base);
    auto density = densityOfFile(context.file("base-file"), context.flag("invert"), context.number("spread"));
    if (!density) return density.error();
    return BaseLaw{BaseLaw::Kind::scene, planeScene("dropped", *std::move(density))};
  }();
  if (!base) return base.error();
  std::optional<ExactFlow> exact;
  if (s.base == "normal" || base->scene) {
    exact = ExactFlow{scene->density, {}, {}};
    if (s.line) exact->base = {{1, 0, 0, 1, 1e-6, 0}};
    if (base->scene) exact->base = base->scene->density.components;
    if (exact->count() > mostComponents) exact.reset();
  }
  if (!exact && s.source == RoundSource::exact) {
    return makeError(ErrorCode::usage, tr("Round 1 has no closed form between these two laws: choose kernel regression or the network"));
  }
  std::shared_ptr<const models::PointDenoiser> dropped;
  if (s.source == RoundSource::dropped) {
    if (s.line) return makeError(ErrorCode::usage, tr("A network of the plane has no place on the line: choose a shape of the plane"));
    auto opened = statedPlaneNetwork(context, tr("choose the closed form"));
    if (!opened) return opened.error();
    dropped = *std::move(opened);
  }
  source_ = PairSource{*std::move(scene), *std::move(base), Coupling::independent, 1, 0.05, s.seed};
  exact_ = std::move(exact);
  dropped_ = std::move(dropped);

  // Fresh starts, and two samples of the data to be judged by.
  const auto count = static_cast<std::size_t>(training() ? std::min<std::int64_t>(s.particles, 1024) : s.particles);
  const auto sample = source_.draw(count, 73), first = source_.draw(count, 76), second = source_.draw(count, 79);
  const auto flat = [&](const std::vector<double>& xy) {
    std::vector<float> values(xy.begin(), xy.end());
    for (std::size_t i = 1; s.line && i < values.size(); i += 2) values[i] = 0;
    return values;
  };
  starts_ = Tensor::from(Shape{static_cast<std::int64_t>(count), 2}, flat(sample.x1));
  data_ = flat(first.x0), otherData_ = flat(second.x0);
  complaint_.clear();
  networkError_.reset();
  if (dropped_) {
    networkError_ = velocityError(context.stream());
    // Near the base x_t / alpha is noise of deviation t / (1 - t) and little else.
    const auto noise = starts_.as<float>().first(256);
    if (s.base == "normal")
      complaint_ = pointNetworkComplaint(*dropped_, 100 * diffusion::State(std::vector<double>(noise.begin(), noise.end())), 99);
  }
  rounds_.clear();
  losses_.clear();
  frame_ = 0;
  if (training()) {
    ToyNetworkOptions options;
    options.width = s.layerWidth, options.depth = s.depth, options.learningRate = s.learningRate, options.decaySteps = s.trainSteps;
    options.detail = 4, options.seed = s.seed;
    network_ = ToyNetwork(context.stream(), options);
  }
  return {};
}

// What depends on the round shown: its few Euler steps, and the chosen start's way in every round.
void RectifiedFlow::follow(gpu::Stream& stream) {
  if (rounds_.empty()) return;
  const RectifiedSettings& s = settings_;
  const auto x = static_cast<float>(s.probe[0]), y = s.line ? 0.0f : static_cast<float>(s.probe[1]);
  const Tensor probe = Tensor::from(Shape{4, 2}, {x, y, x, y, x, y, x, y});
  for (std::size_t i = 0; i < rounds_.size(); ++i) {
    if (training() && i + 1 < rounds_.size()) continue;  // the network has moved on
    rounds_[i].probe = runFlow(stream, velocityOf(i), probe, flowSteps(), FlowSolver::heun, openAtData(i)).path;
  }
  few_ = runFlow(stream, velocityOf(shownRound()), starts_, s.steps, FlowSolver::euler, openAtData(shownRound())).path;
  const std::int64_t m = starts_.shape()[0];
  const Tensor end = kernels::slice(stream, few_, 0, s.steps, s.steps + 1).reshaped(Shape{m, 2});
  fewError_ = slicedWasserstein2(project(data_, 64), project(end.as<float>(), 64));
}

ToyBatch RectifiedFlow::batchOf(std::int64_t step) const {
  const RectifiedSettings& s = settings_;
  const auto n = static_cast<std::size_t>(s.trainBatch);
  const std::size_t round = shownRound();
  const auto fresh = round == 0 ? source_.draw(n, 83, static_cast<std::uint32_t>(step * s.trainBatch)) : PairSource::Pairs{};
  const std::vector<float>& stored = rounds_[round].pairs;
  std::vector<float> x, time, target;
  for (std::size_t i = 0; i < n; ++i) {
    const auto number = static_cast<std::uint32_t>(step + static_cast<std::int64_t>(round) * s.trainSteps);
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), number, 82, 0}, philoxKey(s.seed));
    const double q = (static_cast<double>(i) + static_cast<double>(philoxUniform(words[0])) + 0x1p-26) / static_cast<double>(n);
    double t = s.timeLaw == "logit-normal" ? 1 / (1 + std::exp(-diffusion::normalQuantile(q)))
               : s.timeLaw == "ends"       ? 0.5 - 0.5 * std::cos(3.14159265358979323846 * q)  // the arcsine law
                                           : q;
    // Distillation asks at the base only: x_0 = x_1 - v(x_1, 1).
    if (s.distil && round > 0) t = 1;
    double pair[4];
    if (round == 0) {
      for (std::size_t c = 0; c < 2; ++c)
        pair[c] = s.line && c == 1 ? 0 : fresh.x0[2 * i + c], pair[2 + c] = s.line && c == 1 ? 0 : fresh.x1[2 * i + c];
    } else {
      const std::size_t row = philoxBounded(words[1], static_cast<std::uint32_t>(stored.size() / 4));
      for (std::size_t c = 0; c < 4; ++c) pair[c] = static_cast<double>(stored[4 * row + c]);
    }
    for (std::size_t c = 0; c < 2; ++c) {
      x.push_back(static_cast<float>((1 - t) * pair[c] + t * pair[2 + c]));
      target.push_back(static_cast<float>(pair[2 + c] - pair[c]));
    }
    time.push_back(static_cast<float>(t));
  }
  const auto rows = static_cast<std::int64_t>(n);
  return {Tensor::from(Shape{rows, 2}, x), Tensor::from(Shape{rows}, time), Tensor::from(Shape{rows, 2}, target), {}};
}

Expected<bool> RectifiedFlow::advance(LabContext& context) {
  if (frame_ + 1 >= timeline().frames) return false;
  gpu::Stream& stream = context.stream();
  if (!training()) {
    ++frame_;
    return true;
  }
  const RectifiedSettings& s = settings_;
  const std::int64_t inRound = frame_ % framesPerRound();
  if (frame_ > 0 && inRound == 0) {
    // A round is over: its flow makes the pairs of the next, whose network goes on from its weights.
    Round next;
    next.pairs = flowPairs(stream, shownRound());
    next.stored = Tensor::from(Shape{static_cast<std::int64_t>(next.pairs.size() / 4), 4}, next.pairs);
    rounds_.push_back(std::move(next));
    ToyNetwork fresh(stream, network_.options());
    std::vector<Tensor> state = fresh.capture();
    const std::size_t weights = network_.average().size();
    for (std::size_t i = 0; i < weights; ++i) state[i] = state[state.size() - weights + i] = network_.average()[i].value;
    fresh.restore(0, state);
    network_ = std::move(fresh);
  }
  const std::int64_t from = inRound * s.stepsPerFrame, to = std::min(from + s.stepsPerFrame, s.trainSteps);
  const ToyNetwork before = network_;
  std::vector<Tensor> losses;
  for (std::int64_t step = from; step < to; ++step) losses.push_back(network_.train(stream, batchOf(step)));
  double loss = 0;
  for (const Tensor& l : losses) loss += static_cast<double>(l.as<float>()[0]) / static_cast<double>(losses.size());
  if (!std::isfinite(loss)) {
    network_ = before;
    return makeError(ErrorCode::badInput,
                     trf("The loss is no longer a number after step {}: lower the learning rate {:.3g}", to, s.learningRate));
  }
  ++frame_;
  losses_[frame_] = loss;
  judge(stream, rounds_.back(), shownRound());
  follow(stream);
  return true;
}

Timeline RectifiedFlow::timeline() const {
  if (training()) return {settings_.round * framesPerRound() + 1, "frame", 30, true};
  return {flowSteps() + 1, "step", 30};
}

// Training: the network, then the pairs of every round so far.
std::vector<Tensor> RectifiedFlow::capture() const {
  if (!training()) return {starts_};
  std::vector<Tensor> state = network_.capture();
  for (std::size_t i = 1; i < rounds_.size(); ++i) state.push_back(rounds_[i].stored);
  return state;
}

void RectifiedFlow::restore(std::int64_t frame, std::vector<Tensor> state) {
  frame_ = frame;
  if (!training()) return;
  const auto index = static_cast<std::size_t>(frame == 0 ? 0 : (frame - 1) / framesPerRound());
  const std::size_t ofNetwork = state.size() - index;
  const std::int64_t step =
      frame == 0 ? 0
                 : std::min((frame - static_cast<std::int64_t>(index) * framesPerRound()) * settings_.stepsPerFrame, settings_.trainSteps);
  network_.restore(step, std::span<const Tensor>(state).first(ofNetwork));
  rounds_.resize(std::min(rounds_.size(), index + 1));
  for (std::size_t i = 1; i <= index; ++i) {
    if (i == rounds_.size()) rounds_.emplace_back();
    rounds_[i].stored = state[ofNetwork + i - 1];
    const auto rows = rounds_[i].stored.as<float>();
    rounds_[i].pairs.assign(rows.begin(), rows.end());
  }
  judge(*stream_, rounds_.back(), shownRound());
  follow(*stream_);
}

std::vector<Metric> RectifiedFlow::metrics() const {
  std::vector<Metric> result{{"time", time(), ""}};
  if (rounds_.empty()) return result;
  result.push_back({"round", static_cast<double>(rounds_.size()), ""});
  result.push_back({"sw2.few", fewError_, ""});
  result.push_back({"sw2.floor", rounds_.back().floor, ""});
  for (std::size_t i = 0; i < rounds_.size(); ++i) {
    const Round& round = rounds_[i];
    const std::string k = fmt::format(".{}", i + 1);
    if (round.run.path.empty()) continue;
    result.push_back({"pair-cost" + k, round.pairCost, ""});
    result.push_back({"flow-cost" + k, round.run.cost, ""});
    result.push_back({"disagreement" + k, round.disagreement, ""});
    result.push_back({"straightness" + k, round.run.straightness, ""});
    for (const auto& [steps, error] : round.stepErrors) result.push_back({"sw2" + k + ".n" + std::to_string(steps), error, ""});
  }
  if (networkError_) result.push_back({"velocity-error", *networkError_, ""});
  if (training() && losses_.count(frame_) == 1) result.push_back({"loss", losses_.at(frame_), ""});
  return result;
}

Changes RectifiedFlow::pointer(const PointerEvent& event, const Values& values) const {
  const bool moving = event.kind == PointerEvent::Kind::drag;
  if (event.panel == "flow" && event.handle == "start") {
    if (!moving) return {};
    if (settings_.line) return {{"start-x", std::clamp(event.y, -4.0, 4.0)}};
    return {{"start-x", std::clamp(event.x, -4.0, 4.0)}, {"start-y", std::clamp(event.y, -4.0, 4.0)}};
  }
  return settings_.line ? Changes{} : sceneChanges(event, values, 1);
}

ORRERY_LAB(RectifiedFlow);

}  // namespace orrery::generative
