// The EDM design space: every noising law x_t = s(t) x_0 + s(t) sigma(t) eps as one model. On the line with an exactly known density: the
// same trajectories in the law's own coordinates and scaled, what a network would be asked under six parameterisations, its input and
// target under five preconditionings, and the least loss per noise level against the density of levels in training. Source: Karras et al.
// 2022 (equation 4, table 1, appendix B.6); Lipman et al. 2023 for the straight path. Formulas: the probability-flow ODE in the law's own
// time, dx/dt = alpha' D + sigma' eps with eps = (x - alpha D) / sigma, D = D(x / alpha; sigma / alpha); the spread of what is behind a
// state, Var[x_0 | x] = sigma^2 dD/dx (generative.md C3), by central differences. Double precision on the host, 1-D.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/diffusion/grid.h"
#include "core/labs/generative/edm_unified/lab.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

using diffusion::Moment;
using diffusion::Preconditioning;
using diffusion::State;

namespace {

constexpr int starts = 24, fineSteps = 800, lossPoints = 97;
constexpr double lossFrom = -6.5, lossTo = 5;  // ln sigma

double normalDensity(double x, double mean, double deviation) {
  const double z = (x - mean) / deviation;
  return std::exp(-z * z / 2) / (deviation * std::sqrt(2 * std::numbers::pi));
}

// Uniform in the time of the VP process, t from 1e-5 to 1: the density of ln sigma is dt / d ln sigma. With L = ln(1 + sigma^2) = b0 t +
// (b1 - b0) t^2 / 2, dL / d ln sigma = 2 sigma^2 / (1 + sigma^2).
constexpr double beta0 = 0.1, beta1 = 20;
double vpTime(double sigma) {
  return (std::sqrt(beta0 * beta0 + 2 * (beta1 - beta0) * std::log1p(sigma * sigma)) - beta0) / (beta1 - beta0);
}
double vpDensity(double lnSigma, double, double) {
  const double sigma = std::exp(lnSigma), t = vpTime(sigma);
  if (t < 1e-5 || t > 1) return 0;
  return 2 * sigma * sigma / (1 + sigma * sigma) / (beta0 + (beta1 - beta0) * t);
}
double veDensity(double lnSigma, double, double) {
  return lnSigma >= std::log(0.02) && lnSigma <= std::log(100.0) ? 1 / std::log(100 / 0.02) : 0;
}
// iDDPM: u_j uniform in the cosine schedule's angle; sigma = tan of it (Karras et al. 2022, table 1, with C_1 = 0.001, C_2 = 0.008).
double cosineDensity(double lnSigma, double, double) {
  const double angle = std::atan(std::exp(lnSigma)), first = std::numbers::pi / 2 * 0.008 / 1.008;
  if (angle < first) return 0;
  return std::sin(2 * angle) / 2 / (std::numbers::pi / 2 - first);  // d angle / d ln sigma = sin cos
}
// t uniform in 0 ... 1 on the straight path: sigma = t / (1 - t), a logistic law of ln sigma.
double flowDensity(double lnSigma, double, double) {
  const double t = 1 / (1 + std::exp(-lnSigma));
  return t * (1 - t);
}
double inverseSquare(double sigma, double) { return 1 / (sigma * sigma); }

}  // namespace

const std::vector<NetworkView>& networkViews() {
  static const std::vector<NetworkView> views{
      {"edm", "EDM", [](double s, double d) { return diffusion::preconditioning(s, d); },
       [](double s, double d) { return (s * s + d * d) / (s * s * d * d); }, normalDensity},
      {"vp", "VP",
       [](double s, double) {
         return Preconditioning{1, -s, 1 / std::sqrt(s * s + 1), 999 * vpTime(s)};
       },
       inverseSquare, vpDensity},
      {"ve", "VE",
       [](double s, double) {
         return Preconditioning{1, s, 1, std::log(s / 2)};
       },
       inverseSquare, veDensity},
      // The index of the nearest of 1000 levels, counted from the largest.
      {"iddpm", "iDDPM",
       [](double s, double) {
         const double first = std::numbers::pi / 2 * 0.008 / 1.008;
         const double share = (std::atan(s) - first) / (std::numbers::pi / 2 - first);
         return Preconditioning{1, -s, 1 / std::sqrt(s * s + 1), 999 - std::round(999 * (1 - std::clamp(share, 0.0, 1.0)))};
       },
       inverseSquare, cosineDensity},
      // In the scaled state x_t / (1 - t): x_0 = x_t - t u = skip x + out F with F = u.
      {"flow", "Flow",
       [](double s, double) {
         const double t = s / (1 + s);
         return Preconditioning{1 - t, -t, 1 - t, t};
       },
       [](double s, double) { return std::pow((1 + s) / s, 2); }, flowDensity},
      {"data", "None: predicts x₀",
       [](double s, double) {
         return Preconditioning{0, 1, 1, std::log(s)};
       },
       [](double, double) { return 1.0; }, normalDensity},
      {"noise", "None: predicts ε",
       [](double s, double) {
         return Preconditioning{1, -s, 1, std::log(s)};
       },
       inverseSquare, normalDensity}};
  return views;
}

State EdmUnified::start(double level) const {
  State x(starts);
  for (int i = 0; i < starts; ++i) x[static_cast<std::size_t>(i)] = data_.quantile(0.03 + 0.94 * i / (starts - 1.0), level);
  return x;
}

EdmUnified::Walk EdmUnified::walk(const diffusion::Process& process, const std::vector<double>& levels, const std::string& solver,
                                  Denoise denoise) const {
  const auto velocity = [&](const State& x, double t) {
    const Moment at = process.at(t);
    const State clean = (this->*denoise)(x / at.alpha, at.relative());
    return at.alphaRate * clean + (at.sigmaRate / at.sigma) * (x - at.alpha * clean);
  };
  Walk walk;
  walk.levels = levels;
  for (const double level : levels) walk.times.push_back(diffusion::timeOf(process, level));
  State x = process.at(walk.times.front()).alpha * start(levels.front());
  walk.raw.push_back(x);
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const double a = walk.times[i], b = walk.times[i + 1], h = b - a, middle = a + h / 2;
    const State k1 = velocity(x, a);
    if (solver == "euler") {
      x += h * k1;
    } else if (solver == "heun") {
      x += (h / 2) * (k1 + velocity(x + h * k1, b));
    } else {
      const State k2 = velocity(x + (h / 2) * k1, middle), k3 = velocity(x + (h / 2) * k2, middle);
      x += (h / 6) * (k1 + 2 * k2 + 2 * k3 + velocity(x + h * k3, b));
    }
    walk.raw.push_back(x);
  }
  return walk;
}

double EdmUnified::spread(double x, double level) const {
  const double h = 1e-4 * std::hypot(level, measured_);
  return level * level * (data_.denoise({x + h}, level)[0] - data_.denoise({x - h}, level)[0]) / (2 * h);
}

// Over the quantiles of the noised density.
double EdmUnified::meanSpread(double level) const {
  constexpr int nodes = 64;
  double sum = 0;
  for (int i = 0; i < nodes; ++i) sum += spread(data_.quantile((i + 0.5) / nodes, level), level) / nodes;
  return sum;
}

double EdmUnified::networkError(double level) const {
  constexpr std::size_t nodes = 64;
  State x(nodes);
  for (std::size_t i = 0; i < nodes; ++i) x[i] = data_.quantile((static_cast<double>(i) + 0.5) / nodes, level);
  const State off = byNetwork(x, level) - exactly(x, level);
  double sum = 0;
  for (const double d : off) sum += d * d / nodes;
  return sum;
}

void EdmUnified::followLaws(const std::vector<double>& levels) {
  paths_.clear();
  for (const char* id : {"ve", "vp", "flow", "edm", "trigonometric"}) {
    LawPath path;
    path.process = findRegistered<diffusion::Process>(id);
    path.walk = walk(*path.process, levels, "rk4", &EdmUnified::exactly);
    const Walk& w = path.walk;
    for (std::size_t k = 0; k < starts; ++k) {
      double length = 0;
      for (std::size_t i = 0; i + 1 < w.raw.size(); ++i) length += std::hypot(w.raw[i + 1][k] - w.raw[i][k], w.times[i + 1] - w.times[i]);
      path.curvature += length / std::hypot(w.raw.back()[k] - w.raw.front()[k], w.times.back() - w.times.front()) / starts;
    }
    paths_.push_back(std::move(path));
  }
  // VE, VP and flow at equal levels.
  agreement_ = 0;
  const auto scaled = [&](std::size_t law, std::size_t i, std::size_t k) {
    return paths_[law].walk.raw[i][k] / paths_[law].process->at(paths_[law].walk.times[i]).alpha;
  };
  for (std::size_t i = 0; i < levels.size(); ++i) {
    for (std::size_t k = 0; k < starts; ++k) {
      for (const std::size_t law : {1, 2}) agreement_ = std::max(agreement_, std::abs(scaled(law, i, k) - scaled(0, i, k)));
    }
  }
}

Expected<void> EdmUnified::update(LabContext& context) {
  const bool gaussian = context.text("data") == "1d-gauss";
  diffusion::LineMixture data = gaussian ? diffusion::LineMixture{{{1, 0, context.number("width")}}} : diffusion::threeModes();
  double mean = 0, squares = 0;
  for (const auto& c : data.components) mean += c.weight * c.mean, squares += c.weight * (c.mean * c.mean + c.deviation * c.deviation);
  const double low = context.number("sigma-min"), high = context.number("sigma-max");
  const auto* law = findRegistered<diffusion::Process>(context.text("law"));
  const auto& views = networkViews();
  const auto view = std::find_if(views.begin(), views.end(), [&](const NetworkView& v) { return v.id == context.text("preconditioning"); });
  diffusion::GridRequest request;
  request.sigmaMin = low, request.sigmaMax = high;
  const auto levels = diffusion::stepLevels(*findRegistered<diffusion::Grid>(context.text("grid")),
                                            static_cast<int>(context.integer("steps")), false, request);
  if (!levels) return levels.error();

  std::shared_ptr<const models::PointDenoiser> network;
  if (context.text("denoiser") == "network") {
    network = network_;
    if (!network || pointNetworkChanged(context, "network-schedule")) {
      auto opened = statedLineNetwork(context, tr("choose the exact denoiser"), "network-schedule");
      if (!opened) return opened.error();
      network = *std::move(opened);
    }
  }

  network_ = std::move(network);
  data_ = std::move(data);
  measured_ = std::sqrt(squares - mean * mean);
  dataDeviation_ = context.flag("measure") ? measured_ : context.number("data-deviation");
  law_ = law, view_ = &*view;
  level_ = context.number("level"), mean_ = context.number("p-mean"), deviation_ = context.number("p-std");
  solver_ = context.text("solver");
  levels_ = *levels;

  complaint_ = network_ ? pointNetworkComplaint(*network_, start(high), high) : std::string();
  // The exact trajectories of every law and their bend in their own coordinates; then the solver's error there, scaled back at the end.
  const bool dataChanged = context.restarting() || context.anyChanged({"data", "width"});
  if (dataChanged || context.anyChanged({"sigma-min", "sigma-max"})) {
    std::vector<double> fine;
    for (int i = 0; i <= fineSteps; ++i) fine.push_back(high * std::pow(low / high, static_cast<double>(i) / fineSteps));
    followLaws(fine);
  }
  const State exact = start(low);
  error_.clear();
  for (const LawPath& path : paths_) {
    const Walk quick = walk(*path.process, levels_, solver_, denoiser());
    if (path.process == law_) coarse_ = quick;
    double error = 0;
    for (std::size_t k = 0; k < starts; ++k)
      error = std::max(error, std::abs(quick.raw.back()[k] / path.process->at(quick.times.back()).alpha - exact[k]));
    error_.emplace_back(path.process->id, error);
  }

  // The loss per level: what the best network is left with, and what one that says 0 begins with.
  if (dataChanged) spreads_.clear();
  lossAt_.clear(), lossLeast_.clear(), lossDensity_.clear(), lossFirst_.clear(), lossNetwork_.clear();
  for (int i = 0; i < lossPoints; ++i) {
    const double lnSigma = lossFrom + (lossTo - lossFrom) * i / (lossPoints - 1.0), sigma = std::exp(lnSigma);
    const Preconditioning p = view_->at(sigma, dataDeviation_);
    const double weight = view_->weight(sigma, dataDeviation_), variance = measured_ * measured_;
    lossAt_.push_back(sigma);
    if (static_cast<int>(spreads_.size()) <= i) spreads_.push_back(meanSpread(sigma));
    lossLeast_.push_back(weight * spreads_[static_cast<std::size_t>(i)]);
    if (network_) lossNetwork_.push_back(weight * (spreads_[static_cast<std::size_t>(i)] + networkError(sigma)));
    lossFirst_.push_back(weight * (std::pow(1 - p.skip, 2) * (variance + mean * mean) + std::pow(p.skip * sigma, 2)));
    lossDensity_.push_back(view_->density(lnSigma, mean_, deviation_));
  }
  return {};
}

std::vector<Metric> EdmUnified::metrics() const {
  if (view_ == nullptr) return {};
  const Preconditioning p = view_->at(level_, dataDeviation_);
  const double variance = measured_ * measured_, seen = variance + level_ * level_;
  // Of input in (y + n) and target (y - skip (y + n)) / out.
  const double target = (std::pow(1 - p.skip, 2) * variance + std::pow(p.skip * level_, 2)) / (p.out * p.out);
  const double covariance = p.in * (variance - p.skip * seen) / p.out;
  std::vector<Metric> result{{"input.variance", p.in * p.in * seen, ""},
                             {"target.variance", target, ""},
                             {"correlation", target > 0 ? covariance / std::sqrt(p.in * p.in * seen * target) : 0, ""},
                             {"weight", view_->weight(level_, dataDeviation_) * p.out * p.out, ""},
                             {"data.deviation", measured_, ""},
                             {"agreement", agreement_, ""}};
  if (network_) result.push_back({"network-error", std::sqrt(networkError(level_)), ""});
  for (const LawPath& path : paths_) result.push_back({"curvature." + path.process->id, path.curvature, ""});
  for (const auto& [id, value] : error_) result.push_back({"error." + id, value, ""});
  return result;
}

Changes EdmUnified::pointer(const PointerEvent& event, const Values&) const {
  if (event.kind != PointerEvent::Kind::drag || !(event.x > 0)) return {};
  if (event.handle == "p-mean") return {{"p-mean", std::clamp(std::log(event.x), -5.0, 3.0)}};
  if (event.handle == "level") return {{"level", std::clamp(event.x, 0.002, 80.0)}};
  return {};
}

ORRERY_LAB(EdmUnified);

}  // namespace orrery::generative
