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

constexpr std::uint32_t startPurpose = 0x5DD, noisePurpose = 0x5DE, correctorPurpose = 0x5DF, dataPurpose = 0x5DC;
constexpr std::size_t judged = 64;  // points whose likelihood is compared
constexpr int likelihoodSteps = 200, networkLikelihoodSteps = 100;  // of order 4: errors below 1e-4 and 1e-3 nats

// u and div u at points, for one time: u = f x - g^2 S / 2 with S = (alpha D - x) / sigma^2.
struct Drift {
  State u;
  std::vector<double> divergence;
};

Drift driftAt(const diffusion::Denoiser& denoise, const Moment& at, const State& x, int probes, std::uint64_t seed) {
  const auto sde = diffusion::ratesAt(at);
  const auto velocity = [&](const State& points) {
    const State clean = denoise(points / at.alpha, at.relative());
    return sde.drift * points - (sde.diffusion2 / (2 * at.sigma * at.sigma)) * (at.alpha * clean - points);
  };
  Drift result{velocity(x), std::vector<double>(x.size() / 2, 0.0)};
  const double h = 1e-5 * std::hypot(at.alpha, at.sigma);
  // Along the axes, or along random signs: v . (du/dx v) has the trace as its mean.
  const int directions = probes > 0 ? probes : 2;
  for (int d = 0; d < directions; ++d) {
    State step(x.size());
    for (std::size_t i = 0; i < x.size(); i += 2) {
      if (probes == 0) {
        step[i + static_cast<std::size_t>(d)] = 1;
      } else {
        const auto words = philox({static_cast<std::uint32_t>(i / 2), static_cast<std::uint32_t>(d), 0x5E0, 0}, philoxKey(seed));
        step[i] = (words[0] & 1u) != 0 ? 1 : -1, step[i + 1] = (words[1] & 1u) != 0 ? 1 : -1;
      }
    }
    const State slope = (velocity(x + h * step) - velocity(x + (-h) * step)) / (2 * h);
    for (std::size_t i = 0; i < x.size(); i += 2)
      result.divergence[i / 2] += (step[i] * slope[i] + step[i + 1] * slope[i + 1]) / (probes > 0 ? probes : 1);
  }
  return result;
}

}  // namespace

std::vector<double> flowLikelihood(const diffusion::PlaneMixture& mixture, const diffusion::Sde& sde, const std::vector<double>& times,
                                   const State& points, const LikelihoodOptions& options) {
  const diffusion::Denoiser denoise =
      options.denoise ? options.denoise : [&mixture](const State& scaled, double level) { return mixture.denoise(scaled, level); };
  State x = points;
  std::vector<double> gained(points.size() / 2, 0.0);
  for (std::size_t i = 0; i + 1 < times.size(); ++i) {
    const double a = times[i], h = times[i + 1] - a;
    const auto drift = [&](const State& at, double t) { return driftAt(denoise, sde.at(t), at, options.probes, options.seed); };
    const Drift k1 = drift(x, a), k2 = drift(x + (h / 2) * k1.u, a + h / 2), k3 = drift(x + (h / 2) * k2.u, a + h / 2),
                k4 = drift(x + h * k3.u, a + h);
    x += (h / 6) * (k1.u + 2 * k2.u + 2 * k3.u + k4.u);
    for (std::size_t p = 0; p < gained.size(); ++p)
      gained[p] += h / 6 * (k1.divergence[p] + 2 * k2.divergence[p] + 2 * k3.divergence[p] + k4.divergence[p]);
  }
  const Moment end = sde.at(times.back());
  for (std::size_t p = 0; p < gained.size(); ++p) {
    const double a = x[2 * p], b = x[2 * p + 1];
    if (options.exactEnd) {
      // The density of x_t = alpha xbar: two axes are stretched by alpha.
      gained[p] += mixture.logDensity(a / end.alpha, b / end.alpha, end.relative()) - 2 * std::log(end.alpha);
    } else {
      // The prior of a trained model: N(0, sigma^2) where alpha stays 1, N(0, 1) where the variance is preserved.
      const double variance = sde.exploding ? end.sigma * end.sigma : 1;
      gained[p] += -(a * a + b * b) / (2 * variance) - std::log(2 * std::numbers::pi * variance);
    }
  }
  return gained;
}

State ScoreSde::denoise(const State& x, double level) const {
  return network_ ? denoiseOnDevice(*stream_, *network_, x, level) : scene_.mixture.denoise(x, level);
}

State ScoreSde::score(const State& x, const Moment& at) const {
  return (at.alpha * denoise(x / at.alpha, at.relative()) - x) / (at.sigma * at.sigma);
}

// Langevin steps at one level (Song et al. 2021, algorithms 4 and 5).
bool ScoreSde::correct(State& x, const Moment& at, std::uint32_t step) const {
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
    const State slope = score(x, at), z = noise.fresh(step, correctorPurpose + static_cast<std::uint32_t>(m));
    const double length = ratio_ * meanLength(z) / meanLength(slope), delta = 2 * length * length;
    x += delta * slope + std::sqrt(2 * delta) * z;
    stable = stable && delta <= limit;
  }
  return stable;
}

Expected<void> ScoreSde::rebuild(LabContext& context) {
  const diffusion::Noise noise(seed_, 2 * particles_);
  diffusion::Noise path(seed_, 2 * particles_);
  const State data = scene_.draw(seed_, particles_, dataPurpose);
  std::vector<State> reverse, forward(times_.size());
  const Moment top = sde_.at(times_.front());
  unstable_ = 0;
  State x = top.alpha * scene_.draw(seed_, particles_, startPurpose) + top.sigma * noise.fresh(0, startPurpose);
  reverse.push_back(x);
  for (std::size_t i = 0; i + 1 < times_.size(); ++i) {
    if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
    const double a = times_[i], b = times_[i + 1], h = a - b;
    const Moment from = sde_.at(a), to = sde_.at(b);
    const auto step = static_cast<std::uint32_t>(i + 1);
    if (predictor_ == "em") {
      const auto sde = diffusion::ratesAt(from);
      const State z = noise.fresh(step, noisePurpose);
      x = x + (-h * sde.drift) * x + (h * (1 + share_ * share_) / 2 * sde.diffusion2) * score(x, from) +
          (share_ * std::sqrt(h * sde.diffusion2)) * z;
    } else if (predictor_ == "reverse-diffusion") {
      const double mean = from.alpha / to.alpha, variance = std::max(0.0, from.sigma * from.sigma - mean * mean * to.sigma * to.sigma);
      x = (2 - mean) * x + ((1 + share_ * share_) / 2 * variance) * score(x, from) +
          (share_ * std::sqrt(variance)) * noise.fresh(step, noisePurpose);
    } else if (predictor_ == "ancestral") {
      const double s = from.relative(), r = to.relative();
      const double up = std::min(r, share_ * r * std::sqrt(1 - r * r / (s * s))), down = std::sqrt(std::max(0.0, r * r - up * up));
      const State scaled = x / from.alpha, clean = denoise(scaled, s);
      x = to.alpha * (clean + (down / s) * (scaled - clean) + up * noise.fresh(step, noisePurpose));
    } else {
      const auto u = [&](const State& at, double t) {
        const Moment m = sde_.at(t);
        const auto sde = diffusion::ratesAt(m);
        return sde.drift * at - (sde.diffusion2 / 2) * score(at, m);
      };
      const State k1 = u(x, a), k2 = u(x + (-h / 2) * k1, a - h / 2), k3 = u(x + (-h / 2) * k2, a - h / 2), k4 = u(x + (-h) * k3, b);
      x += (-h / 6) * (k1 + 2 * k2 + 2 * k3 + k4);
    }
    if (!correct(x, to, step)) ++unstable_;
    if (network_ && !allFinite(x)) return ranAway();
    reverse.push_back(x);
    context.progress(static_cast<double>(i) / static_cast<double>(times_.size()), tr("Rebuilding"));
  }
  // The same data taken to noise, each on one Brownian path.
  for (std::size_t i = 0; i < times_.size(); ++i) {
    const Moment at = sde_.at(times_[i]);
    forward[i] = at.alpha * (data + path.path(std::min(at.relative(), diffusion::Noise::treeTop)));
  }
  reverse_ = std::move(reverse), forward_ = std::move(forward);
  return {};
}

void ScoreSde::judgeLikelihood() {
  exactLog_.clear(), flowLog_.clear();
  const State points = scene_.draw(seed_, judged, dataPurpose + 0x100);
  std::vector<double> times;
  const double high = sde_.at(times_.front()).relative(), low = std::max(sde_.at(times_.back()).relative(), 1e-4);
  const int steps = network_ ? networkLikelihoodSteps : likelihoodSteps;
  for (int i = 0; i <= steps; ++i) times.push_back(diffusion::timeOf(sde_, low * std::pow(high / low, static_cast<double>(i) / steps)));
  const Moment first = sde_.at(times.front());
  diffusion::Denoiser precisely;
  if (network_) precisely = [this](const State& x, double level) { return network_->denoise(x, level); };
  flowLog_ = flowLikelihood(scene_.mixture, sde_, times, first.alpha * points, {exactEnd_, probes_, seed_, precisely});
  for (std::size_t p = 0; p < judged; ++p)
    exactLog_.push_back(scene_.mixture.logDensity(points[2 * p], points[2 * p + 1], first.relative()) - 2 * std::log(first.alpha));
}

Expected<diffusion::Sde> ScoreSde::chosenSde(const LabContext& context) {
  const std::string& id = context.text("sde");
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

Expected<void> ScoreSde::update(LabContext& context) {
  stream_ = &context.stream();
  early_ = context.number("early");
  if (keepsTime(context)) return {};
  auto scene = planeScene(context);
  if (!scene) return scene.error();
  auto chosen = chosenSde(context);
  if (!chosen) return chosen.error();
  auto network = chosenPlaneNetwork(context, network_);
  if (!network) return network.error();
  const double firstTime = std::max(chosen->first, context.number("first-time"));
  auto judged = judgePicture(context, *chosen, firstTime, chosen->last);
  if (!judged) return judged.error();
  const std::string& predictor = context.text("predictor");
  const double share = context.number("noise-share");
  if (predictor == "rk4" && share > 0) {
    return makeError(ErrorCode::usage, trf("Runge-Kutta follows the ODE: the noise share ζ should be 0, found {:.3g}", share));
  }
  const int steps = static_cast<int>(context.integer("steps"));
  std::vector<double> times;
  const double last = chosen->last, first = firstTime;
  const double high = chosen->at(last).relative(), low = chosen->at(first).relative();
  for (int i = 0; i <= steps; ++i) {
    const double part = static_cast<double>(i) / steps;
    times.push_back(context.text("grid") == "time" ? last + (first - last) * part
                                                   : diffusion::timeOf(*chosen, high * std::pow(low / high, part)));
  }
  PlaneScene before = std::exchange(scene_, *std::move(scene));
  auto sdeBefore = std::exchange(sde_, *std::move(chosen));
  auto idBefore = std::exchange(sdeId_, context.text("sde"));
  auto timesBefore = std::exchange(times_, std::move(times));
  auto networkBefore = std::exchange(network_, *std::move(network));
  predictor_ = predictor, share_ = share, ratio_ = context.number("corrector-ratio");
  correctorSteps_ = static_cast<int>(context.integer("corrector-steps"));
  particles_ = static_cast<std::size_t>(context.integer("particles"));
  seed_ = static_cast<std::uint64_t>(context.integer("seed"));
  exactEnd_ = context.text("end-law") == "exact";
  probes_ = static_cast<int>(context.integer("probes"));
  if (auto built = rebuild(context); !built) {
    scene_ = std::move(before), sde_ = std::move(sdeBefore), sdeId_ = std::move(idBefore), times_ = std::move(timesBefore);
    network_ = std::move(networkBefore);
    return built;
  }
  frame_ = 0;
  judged_ = *std::move(judged);
  judgeLikelihood();
  networkErrors_ = {};
  if (network_) {
    table_ = kernels::makeMixtureTable(scene_.density.components);
    networkErrors_ = judgeNetwork(*stream_, table_, *network_, scene_, high, low, seed_);
  }
  return {};
}

bool ScoreSde::keepsTime(const LabContext& context) const {
  if (context.restarting() || reverse_.empty() || !context.changed("early")) return false;
  for (const auto& [id, value] : context.values()) {
    if (id != "early" && context.changed(id)) return false;
  }
  return true;
}

Timeline ScoreSde::timeline() const { return {static_cast<std::int64_t>(times_.size()), "step", 30}; }

Expected<bool> ScoreSde::advance(LabContext&) {
  if (frame_ + 1 >= static_cast<std::int64_t>(times_.size())) return false;
  ++frame_;
  return true;
}

// Every frame is there already; which one is shown is all that changes.
std::vector<Tensor> ScoreSde::capture() const { return {Tensor::from(Shape{1}, std::vector<float>{static_cast<float>(frame_)})}; }
void ScoreSde::restore(std::int64_t frame, std::vector<Tensor>) { frame_ = frame; }

// At t = 0, 1/4, ... 1, or as near as the SDE goes.
diffusion::SdeRates ScoreSde::ratesAtKnot(int knot) const {
  const double t = static_cast<double>(knot) / (knots - 1);
  return diffusion::ratesAt(sde_.at(std::clamp(t, std::max(sde_.first, 1e-4), sde_.last)));
}

std::size_t ScoreSde::frameOf(double time) const {
  std::size_t best = 0;
  for (std::size_t i = 0; i < times_.size(); ++i) {
    if (std::abs(times_[i] - time) < std::abs(times_[best] - time)) best = i;
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
  const State &a = reverse_[frameOf(early_)], &b = reverse_[static_cast<std::size_t>(frame_)];
  double sums[5] = {0, 0, 0, 0, 0};
  for (std::size_t i = 0; i < a.size(); i += 2)
    sums[0] += a[i], sums[1] += b[i], sums[2] += a[i] * a[i], sums[3] += b[i] * b[i], sums[4] += a[i] * b[i];
  const double n = static_cast<double>(a.size()) / 2;
  const double va = sums[2] / n - sums[0] * sums[0] / (n * n), vb = sums[3] / n - sums[1] * sums[1] / (n * n);
  return va > 0 && vb > 0 ? (sums[4] / n - sums[0] * sums[1] / (n * n)) / std::sqrt(va * vb) : 0;
}

std::vector<Metric> ScoreSde::metrics() const {
  std::vector<Metric> result;
  if (reverse_.empty()) return result;
  const auto now = static_cast<std::size_t>(frame_);
  result.push_back({"time", times_[now], ""});
  result.push_back({"variance.reverse", varianceOfX(reverse_[now]), ""});
  result.push_back({"variance.forward", varianceOfX(forward_[now]), ""});
  result.push_back({"correlation", correlation(), ""});
  if (network_) result.push_back({"network-error", networkErrors_.at(sde_.at(times_[now]).relative()), ""});
  double most = 0, mean = 0;
  for (std::size_t p = 0; p < flowLog_.size(); ++p)
    most = std::max(most, std::abs(flowLog_[p] - exactLog_[p])), mean += flowLog_[p] / static_cast<double>(flowLog_.size());
  if (correctorSteps_ > 0) result.push_back({"corrector.unstable", static_cast<double>(unstable_), ""});
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

Changes ScoreSde::pointer(const PointerEvent& event, const Values& values) const {
  if (event.handle == "early") return {{"early", std::clamp(event.x, 0.0, 1.0)}};
  if (times_.empty()) return {};
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
  return sceneChanges(event, values, sde_.at(times_[static_cast<std::size_t>(frame_)]).alpha);
}

ORRERY_LAB(ScoreSde);

}  // namespace orrery::generative
