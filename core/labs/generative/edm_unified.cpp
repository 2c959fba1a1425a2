// The EDM design space: every noising law x_t = s(t) x_0 + s(t) sigma(t) eps as one model. On a density known exactly, of the line or of the
// plane: the same trajectories in the law's own coordinates and scaled, what a network would be asked under six parameterisations, its
// input and target under seven preconditionings, and the least loss per noise level against the density of levels in training. Source:
// Karras et al. 2022 (equation 4, table 1, algorithms 1 and 2, appendix B.6); Lipman et al. 2023 for the straight path; Esser et al. 2024 for its
// logit-normal times. Formulas: the probability-flow ODE in the law's own time, dx/dt = s' D + (s sigma)' eps with eps = (x - s D) / (s
// sigma), D = D(x / s; sigma); the spread of what is behind a state, Var[x_0 | x] = sigma^2 dD/dx of the scaled state (generative.md C3), by
// central differences. Double precision on the host.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/parallel.h"
#include "core/base/text.h"
#include "core/labs/generative/edm_unified/lab.h"
#include "core/labs/generative/shared/number_list.h"
#include "core/labs/generative/shared/plane_network.h"
#include "core/labs/generative/shared/stated_network.h"
#include "core/labs/generative/shared/step_grid.h"

namespace orrery::generative {

using diffusion::Moment;
using diffusion::Preconditioning;
using diffusion::State;

namespace {

constexpr std::size_t starts = 24, lossNodes = 64, lossPoints = 97;
constexpr double lossFrom = -6.5, lossTo = 5;  // ln sigma
constexpr std::uint64_t ownSeed = 20261123;    // of what does not follow the user's seed
constexpr const char* processes[] = {"ve", "vp", "flow", "edm", "trigonometric"};

// RK4 of 800 steps where a denoiser is cheap; a point set's is not.
int fineSteps(std::size_t components) { return components <= 64 ? 800 : 80; }

}  // namespace

State EdmUnified::denoise(const State& x, double level) const { return network_ ? network_->denoise(x, level) : data_.denoise(x, level); }

State EdmUnified::exactAt(double level) const {
  if (data_.line() != nullptr) return data_.particles(starts, level, 0.03, 0);
  const auto after = std::find_if(fine_.begin(), fine_.end(), [&](double l) { return l < level; });
  const auto i = static_cast<std::size_t>(std::max<std::ptrdiff_t>(after - fine_.begin() - 1, 0));
  if (level >= fine_[i]) return exact_[i];
  // Below the smallest level a path is straight to its end, to the square of that level.
  if (level == 0) return data_.denoise(exact_.back(), fine_.back());
  return diffusion::referencePath([&](const State& x, double l) { return data_.denoise(x, l); }, exact_[i], fine_[i], level, 1);
}

// On the line the distribution function stays along a path.
void EdmUnified::followExactly(double high, double low) {
  const int n = fineSteps(data_.components());
  fine_.clear(), exact_.clear();
  for (int i = 0; i <= n; ++i) fine_.push_back(high * std::pow(low / high, static_cast<double>(i) / n));
  const auto exactly = [&](const State& x, double level) { return data_.denoise(x, level); };
  for (std::size_t i = 0; i < fine_.size(); ++i) {
    if (data_.line() != nullptr || i == 0)
      exact_.push_back(data_.particles(starts, fine_[i], 0.03, ownSeed));
    else
      exact_.push_back(diffusion::referencePath(exactly, exact_.back(), fine_[i - 1], fine_[i], 1));
  }
}

// A drawn law has corners, at which no solver keeps its order: its exact paths are the scaled ones times s.
LawWalk EdmUnified::carriedOver(const NoisingLaw& law, const std::vector<double>& levels, std::size_t offset) const {
  LawWalk walk;
  walk.levels = levels;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    walk.times.push_back(diffusion::timeOf(law.sde, levels[i]));
    walk.raw.push_back(law.sde.at(walk.times.back()).alpha * exact_[offset + i]);
  }
  return walk;
}

void EdmUnified::followLaws(const std::vector<NoisingLaw>& laws) {
  const DesignSolver finely{"rk4"};
  const std::size_t d = data_.dimension();
  paths_.assign(laws.size(), {});
  parallelFor(laws.size(), 0, [&](std::size_t n) {
    const NoisingLaw& law = laws[n];
    LawPath& path = paths_[n];
    path.law = law;
    std::vector<double> levels;
    for (std::size_t i = 0; i < fine_.size(); ++i) {
      if (fine_[i] < law.lowest() || fine_[i] > law.highest()) continue;
      if (levels.empty()) path.offset = i;
      levels.push_back(fine_[i]);
    }
    if (levels.size() > 1) {
      path.walk = law.id == "drawn" ? carriedOver(law, levels, path.offset)
                                    : walkLaw(law, levels, exact_[path.offset], finely,
                                              [&](const State& x, double level) { return data_.denoise(x, level); });
      const LawWalk& w = path.walk;
      for (std::size_t k = 0; k < starts; ++k) {
        const auto apart = [&](std::size_t i, std::size_t j) {
          double squares = std::pow(w.times[i] - w.times[j], 2);
          for (std::size_t c = k * d; c < (k + 1) * d; ++c) squares += std::pow(w.raw[i][c] - w.raw[j][c], 2);
          return std::sqrt(squares);
        };
        double length = 0;
        for (std::size_t i = 0; i + 1 < w.raw.size(); ++i) length += apart(i, i + 1);
        path.curvature += length / apart(0, w.raw.size() - 1) / static_cast<double>(starts);
      }
    }
  });
  // VE, VP and flow at the levels that all of them reach.
  agreement_ = 0;
  const auto scaled = [&](std::size_t law, std::size_t i) {
    const LawPath& path = paths_[law];
    return path.walk.raw[i - path.offset] / path.law.sde.at(path.walk.times[i - path.offset]).alpha;
  };
  const auto reaches = [&](std::size_t law, std::size_t i) {
    return i >= paths_[law].offset && i - paths_[law].offset < paths_[law].walk.levels.size();
  };
  for (std::size_t i = 0; i < fine_.size(); ++i) {
    if (!reaches(0, i) || !reaches(1, i) || !reaches(2, i)) continue;
    for (const std::size_t law : {1, 2}) {
      for (const double off : scaled(law, i) - scaled(0, i)) agreement_ = std::max(agreement_, std::abs(off));
    }
  }
}

LawWalk EdmUnified::solve(const NoisingLaw& law, const State* start) const {
  std::vector<double> levels;
  for (const double level : levels_) {
    const double within = level == 0 ? 0 : law.within(level);
    if (levels.empty() || within < levels.back()) levels.push_back(within);
  }
  return walkLaw(law, levels, start != nullptr ? *start : exactAt(levels.front()), solver_,
                 [&](const State& x, double level) { return denoise(x, level); });
}

double EdmUnified::networkError(double level) const {
  const State x = data_.particles(lossNodes, level, 0.5 / lossNodes, ownSeed), off = network_->denoise(x, level) - data_.denoise(x, level);
  double sum = 0;
  for (const double one : off) sum += one * one / static_cast<double>(off.size());
  return sum;
}

Expected<UnifiedData> EdmUnified::readData(const LabContext& context) const {
  const std::string& data = context.text("data");
  if (data == "1d-gauss") return UnifiedData(diffusion::LineMixture{{{1, 0, context.number("width")}}});
  if (data == "1d-tri") return UnifiedData(diffusion::threeModes());
  auto scene = planeScene(context);
  if (!scene) return scene.error();
  return UnifiedData(*std::move(scene));
}

Expected<NoisingLaw> EdmUnified::readDrawn(const LabContext& context) const {
  const auto scales = numbersIn(context.text("scale-curve"), tr("Scale s"), {-1e4, 1e4, 2, 32});
  if (!scales) return scales.error();
  const auto levels = numbersIn(context.text("level-curve"), tr("Noise level σ"), {0, 1e6, 2, 32});
  if (!levels) return levels.error();
  return drawnLaw(*scales, *levels);
}

Expected<void> EdmUnified::update(LabContext& context) {
  const EdmUnified before = *this;
  const auto kept = [&](const Error& error) {
    *this = before;
    return error;
  };
  const bool dataChanged = context.restarting() || paths_.empty() ||
                           context.anyChanged({"data", "width", "scene", "spread", "file", "invert", "strokes", "components"});
  if (dataChanged) {
    auto data = readData(context);
    if (!data) return data.error();
    data_ = *std::move(data);
    measured_ = std::sqrt(std::max(data_.variance(), 0.0));
    spreads_.clear();
  }
  if (context.flag("measure") && !(measured_ > 0)) {
    return kept(makeError(ErrorCode::usage, tr("These data are one point, σ_d = 0: EDM's scalings need a deviation above 0; do not measure "
                                                  "it, but state one")));
  }
  dataDeviation_ = context.flag("measure") ? measured_ : context.number("data-deviation");

  law_ = context.text("law");
  std::vector<NoisingLaw> laws;
  for (const char* id : processes) laws.push_back(lawOf(id));
  if (law_ == "drawn") {
    auto drawn = readDrawn(context);
    if (!drawn) return kept(drawn.error());
    laws.push_back(*std::move(drawn));
  }
  const auto& views = networkViews();
  view_ = &*std::find_if(views.begin(), views.end(), [&](const NetworkView& v) { return v.id == context.text("preconditioning"); });
  const auto levels = diffusion::stepLevels(chosenGrid(context), static_cast<int>(context.integer("steps")), context.flag("final-zero"),
                                            gridRequest(context));
  if (!levels) return kept(levels.error());
  levels_ = *levels;
  const double high = levels_.front(), low = levels_.back() > 0 ? levels_.back() : levels_[levels_.size() - 2];
  if (context.text("denoiser") != "network") {
    network_.reset();
  } else if (dataChanged || !network_ || pointNetworkChanged(context, "network-schedule")) {
    auto opened = data_.line() != nullptr ? statedLineNetwork(context, tr("choose the exact denoiser"), "network-schedule")
                                          : statedPlaneNetwork(context, tr("choose the exact denoiser"), "network-schedule");
    if (!opened) return kept(opened.error());
    network_ = *std::move(opened);
  }
  level_ = context.number("level"), mean_ = context.number("p-mean"), deviation_ = context.number("p-std");
  logitNormal_ = context.text("flow-times") == "logit-normal";
  solver_ = {context.text("solver"),
             context.number("alpha"),
             context.number("churn"),
             context.number("churn-from"),
             context.number("churn-to"),
             context.number("churn-noise"),
             static_cast<std::uint64_t>(context.integer("seed"))};

  // The exact trajectories of every law and their bend in their own coordinates; then the solver's error there, scaled back at the end.
  const bool otherLevels = dataChanged || fine_.empty() || high != fine_.front() || std::abs(low - fine_.back()) > 1e-12 * low;
  const auto givenUp = [&] { return kept(makeError(ErrorCode::cancelled, tr("Cancelled"))); };
  if (otherLevels) followExactly(high, low);
  if (context.cancelled()) return givenUp();
  if (otherLevels || context.anyChanged({"law", "scale-curve", "level-curve"})) followLaws(laws);
  if (chosenPath().walk.raw.empty()) {
    const NoisingLaw& none = chosenPath().law;
    return kept(makeError(ErrorCode::usage, trf("This law reaches noise levels from {:.3g} to {:.3g} and the grid goes from {:.3g} down to {:.3g}: "
                                                "choose levels between them",
                                                none.lowest(), none.highest(), high, low)));
  }
  if (context.cancelled()) return givenUp();
  complaint_ = network_ ? pointNetworkComplaint(*network_, exactAt(high), high) : std::string();
  std::vector<char> away(paths_.size(), 0);
  parallelFor(paths_.size(), 0, [&](std::size_t n) {
    LawPath& path = paths_[n];
    path.error = 0;
    if (!(std::min(high, path.law.highest()) > std::max(low, path.law.lowest()))) return;
    const LawWalk quick = solve(path.law);
    const State end = quick.raw.back() / path.law.sde.at(quick.times.back()).alpha, off = end - exactAt(quick.levels.back());
    away[n] = !allFinite(end);
    for (const double one : off) path.error = std::max(path.error, std::abs(one));
    if (path.law.id == law_) coarse_ = quick;
  });
  if (std::find(away.begin(), away.end(), 1) != away.end()) return kept(ranAway());
  if (context.cancelled()) return givenUp();
  // How far the chosen law's cloud ends from the data's law: what counts where noise is added again.
  const double evaluations = 2 * static_cast<double>(levels_.size() * data_.components());
  counted_ = static_cast<std::size_t>(std::clamp(4e7 / evaluations, 128.0, 1024.0));
  const NoisingLaw& law = chosenPath().law;
  const State cloud = data_.particles(counted_, law.within(high), 0.5 / static_cast<double>(counted_), solver_.seed);
  const LawWalk walk = solve(law, &cloud);
  const State end = walk.raw.back() / law.sde.at(walk.times.back()).alpha;
  if (!allFinite(end)) return kept(ranAway());
  distance_ = data_.distance(end, walk.levels.back(), solver_.seed);
  if (context.cancelled()) return givenUp();
  measureLoss(dataChanged);
  return {};
}

// The loss per level: what the best network is left with, and what one that says 0 begins with.
void EdmUnified::measureLoss(bool dataChanged) {
  const auto sigmaAt = [](std::size_t i) { return std::exp(lossFrom + (lossTo - lossFrom) * static_cast<double>(i) / (lossPoints - 1)); };
  const double variance = data_.variance();
  if (dataChanged || spreads_.empty()) {
    spreads_.assign(lossPoints, 0);
    parallelFor(spreads_.size(), 0, [&](std::size_t i) {
      const double sigma = sigmaAt(i);
      for (const double one : data_.spread(data_.particles(lossNodes, sigma, 0.5 / lossNodes, ownSeed), sigma)) spreads_[i] += one / lossNodes;
      // A sample may say more than the best straight line leaves, v s^2 / (v + s^2), which is never less than what the best answer does.
      spreads_[i] = std::min(spreads_[i], variance * sigma * sigma / (variance + sigma * sigma));
    });
  }
  lossAt_.clear(), lossLeast_.clear(), lossDensity_.clear(), lossFirst_.clear(), lossNetwork_.clear();
  for (std::size_t i = 0; i < spreads_.size(); ++i) {
    const double sigma = sigmaAt(i), left = spreads_[i];
    const Preconditioning p = view_->at(sigma, dataDeviation_);
    const double weight = view_->weight(sigma, dataDeviation_);
    lossAt_.push_back(sigma);
    lossLeast_.push_back(weight * left);
    if (network_) lossNetwork_.push_back(weight * (left + networkError(sigma)));
    lossFirst_.push_back(weight * (std::pow(1 - p.skip, 2) * (variance + data_.squaredMean()) + std::pow(p.skip * sigma, 2)));
    lossDensity_.push_back(trainingDensityAt(std::log(sigma)));
  }
}

std::vector<Metric> EdmUnified::metrics() const {
  if (view_ == nullptr) return {};
  const Preconditioning p = view_->at(level_, dataDeviation_);
  const double variance = data_.variance(), seen = variance + level_ * level_;
  // Of input in (y + n) and target (y - skip (y + n)) / out.
  const double target = (std::pow(1 - p.skip, 2) * variance + std::pow(p.skip * level_, 2)) / (p.out * p.out);
  const double covariance = p.in * (variance - p.skip * seen) / p.out;
  std::vector<Metric> result{{"input.variance", p.in * p.in * seen, ""},
                             {"target.variance", target, ""},
                             {"correlation", target > 0 ? covariance / std::sqrt(p.in * p.in * seen * target) : 0, ""},
                             {"weight", view_->weight(level_, dataDeviation_) * p.out * p.out, ""},
                             {"data.deviation", measured_, ""},
                             {"agreement", agreement_, ""},
                             {"distance", distance_, ""},
                             {"distance.particles", static_cast<double>(counted_), ""}};
  if (network_) result.push_back({"network-error", std::sqrt(networkError(level_)), ""});
  for (const LawPath& path : paths_) {
    if (path.walk.raw.empty()) continue;
    result.push_back({"curvature." + path.law.id, path.curvature, ""});
    result.push_back({"error." + path.law.id, path.error, ""});
  }
  return result;
}

std::array<double, 2> EdmUnified::knotOf(int k) const {
  // What a drawn law can be: s above 0, sigma rising and not beyond what is drawn.
  const diffusion::Sde& sde = chosenPath().law.sde;
  if (k == 0) return {1, 0};
  const Moment at = sde.at(std::clamp(sde.last * k / (knots - 1), sde.first, sde.last));
  return {std::clamp(at.alpha, 1e-2, 1e2), std::min(at.relative(), 200.0)};
}

Changes EdmUnified::pointer(const PointerEvent& event, const Values& values) const {
  if (event.kind != PointerEvent::Kind::drag) return {};
  if (event.panel == "law" && event.handle.size() == 3 && !paths_.empty()) {
    // Drag a point of a curve: the drawn curves begin as the present ones, and what is not dragged stays to the last digit.
    std::vector<double> scales, levels;
    for (int k = 0; k < knots; ++k) scales.push_back(knotOf(k)[0]), levels.push_back(knotOf(k)[1]);
    const auto textOf = [&](const char* id) { return std::get<std::string>(values.find(id)->second); };
    if (textOf("law") == "drawn") {
      const ListLimits limits{-1e6, 1e6, knots, knots};
      if (const auto drawn = numbersIn(textOf("scale-curve"), tr("Scale s"), limits)) scales = *drawn;
      if (const auto drawn = numbersIn(textOf("level-curve"), tr("Noise level σ"), limits)) levels = *drawn;
    }
    const auto moved = static_cast<std::size_t>(event.handle[2] - '0');
    (event.handle[0] == 's' ? scales : levels)[moved] = std::clamp(event.y, 1e-2, 200.0);
    std::string s, sigma;
    for (std::size_t k = 0; k < knots; ++k) {
      s += fmt::format("{}{:.4g}", k > 0 ? ", " : "", scales[k]);
      sigma += fmt::format("{}{:.4g}", k > 0 ? ", " : "", levels[k]);
    }
    return {{"law", std::string("drawn")}, {"scale-curve", s}, {"level-curve", sigma}};
  }
  if (!(event.x > 0)) return {};
  if (event.handle == "p-mean") return {{"p-mean", std::clamp(std::log(event.x), -5.0, 3.0)}};
  if (event.handle == "p-std") {
    const double mean = std::get<double>(values.find("p-mean")->second);
    return {{"p-std", std::clamp(std::log(event.x) - mean, 0.1, 3.0)}};
  }
  if (event.handle == "level") return {{"level", std::clamp(event.x, 0.002, 80.0)}};
  return {};
}

ORRERY_LAB(EdmUnified);

}  // namespace orrery::generative
