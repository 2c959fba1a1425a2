// Score SDEs: a law of the plane taken to noise by dx = f(t) x dt + g(t) dw, and back by the reverse SDE, the probability-flow ODE or
// anything between them; how variance goes with time, what two times of one path have in common, and the likelihood of points by the ODE.
// Source: Song et al. 2021 (equations 5-6, 13, 39, algorithm 1-5; appendix C: sub-VP); Anderson 1982 (reverse SDE). Formulas, S = grad ln
// p_t:
//   dx = [f x - (1 + zeta^2) / 2 g^2 S] dt + zeta g dw, run from t = 1 to 0;
//   ln p_0(x_0) = ln p_T(x_T) + int_0^T div u dt, u = f x - g^2 S / 2.
// Predictors: Euler-Maruyama in the SDE's own time; reverse diffusion, the forward transition x' = A x + sqrt(V) z turned round; ancestral, the
// exact transition of the chain for a fixed denoiser; Runge-Kutta for the ODE. Corrector: Langevin steps at the new level, delta = 2 (ratio |z| / |S|)^2 (algorithm 4 and 5 of the source).
// Host, double precision; pairs in a State. A user's network in place of the exact score is asked on the device in f32 by the cloud and in
// double precision by the likelihood. Random numbers: core/diffusion/noise.h; forward paths are x_0 + W(sigma^2) with the path's own
// W, the reverse ones take step n's z off the path (n, 0x5DE), correctors (n, 0x5DF + m).

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/base/philox.h"
#include "core/diffusion/noise.h"
#include "core/diffusion/process.h"
#include "core/labs/generative/score_sde/lab.h"
#include "core/labs/generative/shared/number_list.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

using diffusion::Moment;
using diffusion::State;

namespace {

constexpr std::uint32_t startPurpose = 0x5DD, noisePurpose = 0x5DE, correctorPurpose = 0x5DF, dataPurpose = 0x5DC, truthPurpose = 0x600;

}  // namespace

State ScoreSde::denoise(const State& x, double level) const {
  return network_ ? denoiseOnDevice(*stream_, *network_, x, level) : scene_.mixture.denoise(x, level);
}

State ScoreSde::score(const State& x, const Moment& at) const {
  return (at.alpha * denoise(x / at.alpha, at.relative()) - x) / (at.sigma * at.sigma);
}

// Langevin steps at one level (Song et al. 2021, algorithms 4 and 5).
bool ScoreSde::correct(State& x, const Moment& at, std::uint32_t step, std::uint32_t run) const {
  // A mixture's -ln p_t curves by at most 1 / (its narrowest variance now); beyond twice that variance a step overshoots more than it corrects.
  double narrowest = std::numeric_limits<double>::infinity();
  for (const auto& c : scene_.mixture.components) narrowest = std::min({narrowest, c.along, c.across});
  const double limit = 2 * (at.sigma * at.sigma + at.alpha * at.alpha * narrowest);
  bool stable = true;
  const diffusion::Noise noise(seed_, x.size());
  const auto meanLength = [](const State& pairs) {
    double sum = 0;
    for (std::size_t i = 0; i < pairs.size(); i += 2) sum += std::hypot(pairs[i], pairs[i + 1]);
    return 2 * sum / static_cast<double>(pairs.size());
  };
  for (int m = 0; m < correctorSteps_; ++m) {
    const State slope = score(x, at), z = noise.fresh(step, correctorPurpose + static_cast<std::uint32_t>(m) + (run << 16));
    const double length = ratio_ * meanLength(z) / meanLength(slope), delta = 2 * length * length;
    x += delta * slope + std::sqrt(2 * delta) * z;
    stable = stable && delta <= limit;
  }
  return stable;
}

State ScoreSde::startOf(const Way& way) const {
  const Moment top = way.sde.at(way.times.front());
  return top.alpha * scene_.draw(seed_, particles_, startPurpose) +
         top.sigma * diffusion::Noise(seed_, 2 * particles_).fresh(0, startPurpose);
}

Expected<void> ScoreSde::wayBack(LabContext& context, State x, std::uint32_t run, Way& way) const {
  const diffusion::Noise noise(seed_, x.size());
  const std::uint32_t purpose = noisePurpose + (run << 16);
  const auto& times = way.times;
  way.unstable = 0;
  way.reverse = {x};
  for (std::size_t i = 0; i + 1 < times.size(); ++i) {
    if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
    const double a = times[i], b = times[i + 1], h = a - b;
    const Moment from = way.sde.at(a), to = way.sde.at(b);
    const auto step = static_cast<std::uint32_t>(i + 1);
    if (predictor_ == "em") {
      const auto sde = diffusion::ratesAt(from);
      const State z = noise.fresh(step, purpose);
      x = x + (-h * sde.drift) * x + (h * (1 + share_ * share_) / 2 * sde.diffusion2) * score(x, from) +
          (share_ * std::sqrt(h * sde.diffusion2)) * z;
    } else if (predictor_ == "reverse-diffusion") {
      const double mean = from.alpha / to.alpha, variance = std::max(0.0, from.sigma * from.sigma - mean * mean * to.sigma * to.sigma);
      x = (2 - mean) * x + ((1 + share_ * share_) / 2 * variance) * score(x, from) +
          (share_ * std::sqrt(variance)) * noise.fresh(step, purpose);
    } else if (predictor_ == "ancestral") {
      const double s = from.relative(), r = to.relative();
      const double up = std::min(r, share_ * r * std::sqrt(1 - r * r / (s * s))), down = std::sqrt(std::max(0.0, r * r - up * up));
      const State scaled = x / from.alpha, clean = denoise(scaled, s);
      x = to.alpha * (clean + (down / s) * (scaled - clean) + up * noise.fresh(step, purpose));
    } else {
      const auto u = [&](const State& at, double t) {
        const Moment m = way.sde.at(t);
        const auto sde = diffusion::ratesAt(m);
        return sde.drift * at - (sde.diffusion2 / 2) * score(at, m);
      };
      const State k1 = u(x, a), k2 = u(x + (-h / 2) * k1, a - h / 2), k3 = u(x + (-h / 2) * k2, a - h / 2), k4 = u(x + (-h) * k3, b);
      x += (-h / 6) * (k1 + 2 * k2 + 2 * k3 + k4);
    }
    if (!correct(x, to, step, run)) ++way.unstable;
    if (network_ && !allFinite(x)) return ranAway();
    way.reverse.push_back(x);
    context.progress(static_cast<double>(i) / static_cast<double>(times.size()), tr("Rebuilding"));
  }
  return {};
}

Expected<void> ScoreSde::rebuild(LabContext& context) {
  diffusion::Noise path(seed_, 2 * particles_);
  const State data = scene_.draw(seed_, particles_, dataPurpose);
  if (auto built = wayBack(context, startOf(way_), 0, way_); !built) return built;
  for (Way& way : compared_) {
    if (auto built = wayBack(context, startOf(way), 0, way); !built) return built;
  }
  if (auto fanned = replay(context); !fanned) return fanned;
  // The same data taken to noise, each on one Brownian path.
  forward_.resize(way_.times.size());
  for (std::size_t i = 0; i < way_.times.size(); ++i) {
    const Moment at = way_.sde.at(way_.times[i]);
    forward_[i] = at.alpha * (data + path.path(std::min(at.relative(), diffusion::Noise::treeTop)));
  }
  truth_ = ExactSamples(scene_, seed_, particles_, truthPurpose);
  return {};
}

// One particle's way back again and again from where it began. A corrector's step is measured over the fan alone.
Expected<void> ScoreSde::replay(LabContext& context) {
  Way fan{way_.id, way_.sde, way_.times, {}, 0, {}};
  if (replays_ > 0) {
    State start(2 * replays_);
    for (std::size_t i = 0; i < start.size(); ++i) start[i] = way_.reverse.front()[2 * std::min(replayed_, particles_ - 1) + i % 2];
    if (auto run = wayBack(context, std::move(start), 1, fan); !run) return run;
  }
  fan_ = std::move(fan);
  return {};
}

double ScoreSde::fanSpread() const {
  if (fan_.reverse.empty()) return 0;
  const State& now = fan_.reverse[static_cast<std::size_t>(frame_)];
  const double n = static_cast<double>(now.size()) / 2;
  double mean[2] = {0, 0}, squares = 0;
  for (std::size_t i = 0; i < now.size(); ++i) mean[i % 2] += now[i] / n;
  for (std::size_t i = 0; i < now.size(); ++i) squares += (now[i] - mean[i % 2]) * (now[i] - mean[i % 2]) / n;
  return std::sqrt(squares);
}

Expected<diffusion::Sde> ScoreSde::chosenSde(const LabContext& context, const std::string& id) {
  const double beta0 = context.number("beta-first"), beta1 = context.number("beta-last");
  const double least = context.number("sigma-min"), most = context.number("sigma-max");
  if (id == "vp") return diffusion::Sde{[=](double t) { return diffusion::variancePreserving(t, beta0, beta1); }, 1e-5, 1};
  if (id == "sub-vp") return diffusion::Sde{[=](double t) { return diffusion::subVariancePreserving(t, beta0, beta1); }, 1e-5, 1};
  if (id == "ve") {
    if (least >= most) return makeError(ErrorCode::usage, trf("σ at the end should be above σ at the beginning, found {:.3g} and {:.3g}", most, least));
    return diffusion::Sde{[=](double t) { return diffusion::varianceExploding(t, least, most); }, 0, 1, true};
  }
  if (id == "flow") {
    diffusion::Sde sde = diffusion::sdeOf(*findRegistered<diffusion::Process>("flow"));
    sde.last = 0.999;  // its drift has no bound at 1
    return sde;
  }
  const bool rates = id == "rates";
  const auto a = numbersIn(context.text(rates ? "drift" : "alphas"), rates ? tr("Drift f") : tr("Signal α"), {-100, 100, 2, 64});
  if (!a) return a.error();
  const auto b = numbersIn(context.text(rates ? "diffusion" : "sigmas"), rates ? tr("Diffusion g") : tr("Noise σ"), {-1000, 1000, 2, 64});
  if (!b) return b.error();
  auto sde = rates ? diffusion::sdeFromRates(*a, *b) : diffusion::sdeFromMoments(*a, *b);
  if (sde) sde->first = 1e-5;
  return sde;
}

// From the last time down to the first, by equal steps of t or of ln(sigma / alpha).
std::vector<double> ScoreSde::timesOf(const LabContext& context, const diffusion::Sde& sde) {
  const int steps = static_cast<int>(context.integer("steps"));
  const double last = sde.last, first = std::max(sde.first, context.number("first-time"));
  const double high = sde.at(last).relative(), low = sde.at(first).relative();
  std::vector<double> times;
  for (int i = 0; i <= steps; ++i) {
    const double part = static_cast<double>(i) / steps;
    times.push_back(context.text("grid") == "time" ? last + (first - last) * part
                                                   : diffusion::timeOf(sde, high * std::pow(low / high, part)));
  }
  return times;
}

Expected<void> ScoreSde::update(LabContext& context) {
  stream_ = &context.stream();
  early_ = context.number("early");
  if (keepsTime(context)) {
    if (!context.anyChanged({"replays", "replayed"})) return {};
    const std::size_t replaysBefore = std::exchange(replays_, static_cast<std::size_t>(context.integer("replays")));
    const std::size_t replayedBefore = std::exchange(replayed_, static_cast<std::size_t>(context.integer("replayed")));
    auto fanned = replay(context);
    if (!fanned) replays_ = replaysBefore, replayed_ = replayedBefore;
    return fanned;
  }
  auto scene = planeScene(context);
  if (!scene) return scene.error();
  std::vector<Way> ways;
  std::vector<std::string> ids{context.text("sde")};
  if (context.flag("compare")) ids.insert(ids.end(), {"vp", "sub-vp", "ve"});
  for (const std::string& id : ids) {
    auto chosen = chosenSde(context, id);
    if (!chosen) return chosen.error();
    auto times = timesOf(context, *chosen);
    ways.push_back({id, *std::move(chosen), std::move(times), {}, 0, {}});
  }
  auto network = chosenPlaneNetwork(context, network_);
  if (!network) return network.error();
  const Way& main = ways.front();
  auto judged = judgePicture(context, main.sde, main.times.back(), main.sde.last);
  if (!judged) return judged.error();
  const std::string& predictor = context.text("predictor");
  const double share = context.number("noise-share");
  if (predictor == "rk4" && share > 0) {
    return makeError(ErrorCode::usage, trf("Runge-Kutta follows the ODE: the noise share ζ should be 0, found {:.3g}", share));
  }
  const double high = main.sde.at(main.times.front()).relative(), low = main.sde.at(main.times.back()).relative();
  PlaneScene before = std::exchange(scene_, *std::move(scene));
  auto networkBefore = std::exchange(network_, *std::move(network));
  Way wayBefore = std::exchange(way_, std::move(ways.front()));
  ways.erase(ways.begin());
  auto comparedBefore = std::exchange(compared_, std::move(ways));
  predictor_ = predictor, share_ = share, ratio_ = context.number("corrector-ratio");
  correctorSteps_ = static_cast<int>(context.integer("corrector-steps"));
  const std::size_t particlesBefore = std::exchange(particles_, static_cast<std::size_t>(context.integer("particles")));
  replays_ = static_cast<std::size_t>(context.integer("replays")), replayed_ = static_cast<std::size_t>(context.integer("replayed"));
  seed_ = static_cast<std::uint64_t>(context.integer("seed"));
  exactEnd_ = context.text("end-law") == "exact";
  probes_ = static_cast<int>(context.integer("probes"));
  probeLaw_ = context.text("probe-law") == "normal" ? ProbeLaw::normal : ProbeLaw::signs;
  if (auto built = rebuild(context); !built) {
    scene_ = std::move(before), way_ = std::move(wayBefore), compared_ = std::move(comparedBefore);
    network_ = std::move(networkBefore), particles_ = particlesBefore;
    return built;
  }
  frame_ = 0;
  judged_ = *std::move(judged);
  if (likelihoodChanged(context)) judgeLikelihood();
  networkErrors_ = {};
  if (network_) {
    table_ = kernels::makeMixtureTable(scene_.density.components);
    networkErrors_ = judgeNetwork(*stream_, table_, *network_, scene_, high, low, seed_);
  }
  measure();
  return {};
}

bool ScoreSde::keepsTime(const LabContext& context) const {
  static constexpr std::string_view still[] = {"early", "replays", "replayed"};
  if (context.restarting() || way_.reverse.empty() || !context.anyChanged({"early", "replays", "replayed"})) return false;
  for (const auto& [id, value] : context.values()) {
    if (context.changed(id) && std::find(std::begin(still), std::end(still), id) == std::end(still)) return false;
  }
  return true;
}

Timeline ScoreSde::timeline() const { return {static_cast<std::int64_t>(way_.times.size()), "step", 30}; }

Expected<bool> ScoreSde::advance(LabContext&) {
  if (frame_ + 1 >= static_cast<std::int64_t>(way_.times.size())) return false;
  ++frame_;
  measure();
  return true;
}

// Every frame is there already; which one is shown is all that changes.
std::vector<Tensor> ScoreSde::capture() const { return {Tensor::from(Shape{1}, std::vector<float>{static_cast<float>(frame_)})}; }
void ScoreSde::restore(std::int64_t frame, std::vector<Tensor>) {
  frame_ = frame;
  measure();
}

// At t = 0, 1/4, ... 1, or as near as the SDE goes.
diffusion::SdeRates ScoreSde::ratesAtKnot(int knot) const {
  const double t = static_cast<double>(knot) / (knots - 1);
  return diffusion::ratesAt(way_.sde.at(std::clamp(t, std::max(way_.sde.first, 1e-4), way_.sde.last)));
}

std::size_t ScoreSde::frameOf(double time) const {
  std::size_t best = 0;
  for (std::size_t i = 0; i < way_.times.size(); ++i) {
    if (std::abs(way_.times[i] - time) < std::abs(way_.times[best] - time)) best = i;
  }
  return best;
}

double ScoreSde::varianceOfX(const State& x) {
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < x.size(); i += 2) sum += x[i], squares += x[i] * x[i];
  const double n = static_cast<double>(x.size()) / 2;
  return squares / n - sum / n * (sum / n);
}

double ScoreSde::correlation() const {
  const State &a = way_.reverse[frameOf(early_)], &b = way_.reverse[static_cast<std::size_t>(frame_)];
  double sums[5] = {0, 0, 0, 0, 0};
  for (std::size_t i = 0; i < a.size(); i += 2)
    sums[0] += a[i], sums[1] += b[i], sums[2] += a[i] * a[i], sums[3] += b[i] * b[i], sums[4] += a[i] * b[i];
  const double n = static_cast<double>(a.size()) / 2;
  const double va = sums[2] / n - sums[0] * sums[0] / (n * n), vb = sums[3] / n - sums[1] * sums[1] / (n * n);
  return va > 0 && vb > 0 ? (sums[4] / n - sums[0] * sums[1] / (n * n)) / std::sqrt(va * vb) : 0;
}

std::vector<Metric> ScoreSde::metrics() const {
  std::vector<Metric> result;
  if (way_.reverse.empty()) return result;
  const auto now = static_cast<std::size_t>(frame_);
  result.push_back({"time", way_.times[now], ""});
  result.push_back({"variance.reverse", varianceOfX(way_.reverse[now]), ""});
  result.push_back({"variance.forward", varianceOfX(forward_[now]), ""});
  result.push_back({"correlation", correlation(), ""});
  const SampleDistance& distance = way_.distance(now);
  result.push_back({"sw2", distance.sliced, ""});
  result.push_back({"sw2.floor", distance.floor, ""});
  result.push_back({"nll-excess", distance.excess, "nats"});
  result.push_back({"nll-excess.floor", distance.excessFloor, "nats"});
  for (const Way& way : compared_) {
    result.push_back({"sw2." + way.id, way.distance(now).sliced, ""});
    result.push_back({"sw2.floor." + way.id, way.distance(now).floor, ""});
    result.push_back({"variance." + way.id, varianceOfX(way.reverse[now]), ""});
  }
  if (!fan_.reverse.empty()) result.push_back({"replays.spread", fanSpread(), ""});
  if (network_) result.push_back({"network-error", networkErrors_.at(way_.sde.at(way_.times[now]).relative()), ""});
  double most = 0, mean = 0;
  for (std::size_t p = 0; p < flowLog_.size(); ++p)
    most = std::max(most, std::abs(flowLog_[p] - exactLog_[p])), mean += flowLog_[p] / static_cast<double>(flowLog_.size());
  if (correctorSteps_ > 0) result.push_back({"corrector.unstable", static_cast<double>(way_.unstable), ""});
  if (judged_) {
    result.push_back({"picture.bits-per-dim", judged_->bits.mean(), "bits"});
    result.push_back({"picture.bits-error", judged_->bits.error(), "bits"});
    result.push_back({"picture.evaluations", static_cast<double>(judged_->bits.evaluations), ""});
    for (std::size_t p = 0; p < judged_->bits.probes.size(); ++p)
      result.push_back({"picture.probe." + std::to_string(p), judged_->bits.probes[p], "bits"});
  }
  result.push_back({"likelihood.error", most, "nats"});
  result.push_back({"likelihood.mean", mean, "nats"});
  result.push_back({"likelihood.bits-per-dim", -mean / (2 * std::numbers::ln2), "bits"});
  return result;
}

// The particle nearest to a place of the canvas, as the one whose way is replayed.
Changes ScoreSde::replayNear(double x, double y, const Values& values) const {
  if (way_.reverse.empty()) return {};
  const auto now = static_cast<std::size_t>(frame_);
  const State& cloud = way_.reverse[now];
  const double scale = shownScale(way_.sde.at(way_.times[now]));
  double least = std::numeric_limits<double>::infinity();
  std::int64_t nearest = 0;
  for (std::size_t p = 0; p < cloud.size() / 2; ++p) {
    const double distance = std::hypot(scale * cloud[2 * p] - x, scale * cloud[2 * p + 1] - y);
    if (distance < least) least = distance, nearest = static_cast<std::int64_t>(p);
  }
  Changes changes{{"replayed", nearest}};
  if (std::get<std::int64_t>(values.find("replays")->second) == 0) changes.emplace_back("replays", std::int64_t{16});
  return changes;
}

Changes ScoreSde::pointer(const PointerEvent& event, const Values& values) const {
  if (event.panel == "reverse" && event.kind == PointerEvent::Kind::click) return replayNear(event.x, event.y, values);
  if (event.handle == "early") return {{"early", std::clamp(event.x, 0.0, 1.0)}};
  if (way_.times.empty()) return {};
  if (event.panel == "rates" && event.handle.size() == 3 && event.kind == PointerEvent::Kind::drag) {
    // Drag a point of a curve: the drawn curves begin as the present ones, and what is not dragged stays to the last digit.
    std::vector<double> f, g;
    for (int k = 0; k < knots; ++k) {
      const auto sde = ratesAtKnot(k);
      f.push_back(std::clamp(sde.drift, -50.0, 20.0)), g.push_back(std::clamp(std::sqrt(std::max(sde.diffusion2, 0.0)), 0.0, 200.0));
    }
    const auto textOf = [&](const char* id) { return std::get<std::string>(values.find(id)->second); };
    if (textOf("sde") == "rates") {
      const ListLimits limits{-1000, 1000, knots, knots};
      if (const auto drawn = numbersIn(textOf("drift"), tr("Drift f"), limits)) f = *drawn;
      if (const auto drawn = numbersIn(textOf("diffusion"), tr("Diffusion g"), limits)) g = *drawn;
    }
    const auto moved = static_cast<std::size_t>(event.handle[2] - '0');
    (event.handle[0] == 'f' ? f : g)[moved] = event.handle[0] == 'f' ? std::clamp(event.y, -50.0, 20.0) : std::clamp(event.y, 0.0, 200.0);
    std::string drift, diffusion;
    for (std::size_t k = 0; k < knots; ++k) {
      drift += fmt::format("{}{:.4g}", k > 0 ? ", " : "", f[k]);
      diffusion += fmt::format("{}{:.4g}", k > 0 ? ", " : "", g[k]);
    }
    return {{"sde", std::string("rates")}, {"drift", drift}, {"diffusion", diffusion}};
  }
  if (event.panel != "forward") return {};
  return sceneChanges(event, values, way_.sde.at(way_.times[static_cast<std::size_t>(frame_)]).alpha);
}

ORRERY_LAB(ScoreSde);

}  // namespace orrery::generative
