// The charts of the lab ddim: convergence, round trips, walks, eta.

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/labs/generative/ddim/lab.h"

namespace orrery::generative {

Panel Ddim::convergencePanel() const {
  Panel panel;
  panel.id = "convergence";
  const bool network = !convergence_.apart.empty();
  const std::string order = fmt::format("{:.2f}", convergence_.order);
  if (network)
    panel.title = convergence_.order > 0 ? trf("Error against your network's own path: order {}", order)
                                         : tr("Error against your network's own path");
  else
    panel.title = convergence_.order > 0 ? trf("Error against the exact path: order {}", order) : tr("Error against the exact path");
  panel.note = tr("η = 0, at the least noise level");
  panel.x.label = tr("steps N");
  panel.x.scale = panel.y.scale = ScaleKind::log;
  panel.y.label = tr("error (rms)");
  panel.x.grid = panel.y.grid = true;
  if (!convergence_.error.empty()) {
    const auto [least, most] = std::minmax_element(convergence_.error.begin(), convergence_.error.end());
    const double high = network ? std::max(*most, *std::max_element(convergence_.apart.begin(), convergence_.apart.end())) : *most;
    if (*least > 0) panel.y.range = Range{std::pow(10.0, std::floor(std::log10(*least))), 1.5 * high};
  }
  auto line = curveOf("error", convergence_.steps, convergence_.error, Paint::of(Role::deterministic), network ? tr("against its own path") : tr("the same latents"));
  line->markers = true;
  line->xName = tr("steps");
  line->yName = tr("error");
  panel.marks.push_back(line);
  if (network) {
    // Where more steps stop helping: what is left is the network's.
    auto apart = curveOf("apart", convergence_.steps, convergence_.apart, Paint::of(Role::stochastic), tr("against the exact path"));
    apart->markers = true;
    panel.marks.push_back(apart);
  }
  if (convergence_.steps.size() > 1) {
    // Half the error for twice the steps, through the last point.
    std::vector<double> guide;
    for (const double N : convergence_.steps) guide.push_back(convergence_.error.back() * convergence_.steps.back() / N);
    auto slope = curveOf("slope", convergence_.steps, guide, Paint::of(Role::muted), tr("slope −1"));
    slope->dash = {3, 2};
    panel.marks.push_back(slope);
  }
  auto now = std::make_shared<RuleMark>("now");
  now->at = N_;
  now->tag = fmt::format("N = {}", N_);
  panel.marks.push_back(now);
  return panel;
}

Panel Ddim::roundTripPanel() const {
  Panel panel;
  panel.id = "round-trip";
  panel.title = tr("From data to latents and back");
  panel.x.label = tr("steps N");
  panel.x.scale = panel.y.scale = ScaleKind::log;
  panel.y.label = tr("mean error on return");
  panel.x.grid = panel.y.grid = true;
  if (!roundTrip_) return panel;
  const auto add = [&](const char* id, std::vector<double> y, Paint paint, std::string label) {
    // An iteration that ran away has no place in the chart.
    for (double& value : y)
      if (!(value < 1e3)) value = std::nan("");
    auto line = curveOf(id, roundTrip_->steps, y, paint, std::move(label));
    line->markers = true;
    line->xName = tr("steps");
    line->yName = tr("error");
    panel.marks.push_back(line);
  };
  add("explicit", roundTrip_->explicitError, Paint::of(Role::stochastic), tr("explicit"));
  add("fixed-point", roundTrip_->fixedError, Paint::of(Role::deterministic), trf("{} iterations", iterations_));
  auto now = std::make_shared<RuleMark>("now");
  now->at = N_;
  now->tag = fmt::format("N = {}", N_);
  panel.marks.push_back(now);
  return panel;
}

// How far from where it began each particle came back, in powers of ten.
Panel Ddim::histogramPanel() const {
  Panel panel;
  panel.id = "histogram";
  panel.title = tr("Errors of the round trip");
  if (mode_ == Mode::sample) {
    panel.message = tr("Switch the inversion on to send data to latents and back");
    return panel;
  }
  if (mode_ == Mode::fixedPoint) panel.note = trf("largest residual {}", fmt::format("{:.1e}", residual_));
  constexpr int bins = 36;
  double low = 1e300, high = -1e300;
  std::vector<double> logs;
  for (const double error : returnErrors_) {
    if (!std::isfinite(error)) continue;
    logs.push_back(std::log10(std::max(error, 1e-17)));
    low = std::min(low, logs.back());
    high = std::max(high, logs.back());
  }
  if (logs.empty()) {
    panel.message = tr("The fixed-point iteration ran away: take more steps");
    return panel;
  }
  low = std::floor(low);
  high = std::max(std::ceil(high), low + 1);
  std::vector<double> position, value(bins, 0);
  for (int b = 0; b < bins; ++b) position.push_back(low + (high - low) * (b + 0.5) / bins);
  for (const double v : logs)
    value[static_cast<std::size_t>(std::clamp(static_cast<int>((v - low) / (high - low) * bins), 0, bins - 1))] +=
        100.0 / static_cast<double>(logs.size());
  auto bars = std::make_shared<BarsMark>("errors");
  bars->position = columnOf(position);
  bars->value = columnOf(value);
  bars->thickness = 0.9 * (high - low) / bins;
  bars->paint = Paint::of(Role::estimate, 0.85f);
  panel.marks.push_back(bars);
  panel.x.label = tr("distance from the start, log₁₀");
  panel.x.range = Range{low, high};
  panel.y.label = tr("% of particles");
  return panel;
}

Panel Ddim::walkPanel() const {
  Panel panel;
  panel.id = "walk";
  const auto least = [](const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); };
  panel.title = trf("Walking from a to b: the straight line passes a latent of norm {}", fmt::format("{:.2g}", least(walks_[0].norm)));
  panel.x.label = tr("share w of b");
  panel.x.range = Range{0, 1};
  panel.y.label = tr("ln density of the sample");
  panel.y.grid = true;
  for (const int kind : {0, 1}) {
    const Walk& walk = walks_[kind];
    const bool chosen = spherical_ == (kind == 1);
    auto line = curveOf(kind == 1 ? "slerp" : "lerp", walk.w, walk.logDensity, Paint::of(chosen ? Role::accent : Role::muted),
                        kind == 1 ? tr("great circle") : tr("straight line"));
    line->directLabel = false;
    if (!chosen) line->dash = {3, 2};
    panel.marks.push_back(line);
  }
  auto now = std::make_shared<RuleMark>("now");
  now->at = weight_;
  now->tag = fmt::format("w = {:.2f}", weight_);
  panel.marks.push_back(now);
  return panel;
}

Panel Ddim::etaPanel() const {
  Panel panel;
  panel.id = "eta";
  panel.title = tr("Distance to the data for every share of noise");
  panel.note = tr("sliced W₂");
  panel.x.label = tr("noise share η");
  panel.x.range = Range{0, 1};
  panel.y.grid = true;
  double high = 0;
  for (const EtaCurve& curve : etaCurves_)
    for (const double v : curve.distance) high = std::max(high, v);
  panel.y.range = Range{0, 1.1 * std::max(high, 1.5 * etaFloor_)};
  auto band = std::make_shared<BandMark>("floor");
  band->x = columnOf({0, 1});
  band->low = columnOf({0, 0});
  band->high = columnOf({etaFloor_, etaFloor_});
  band->label = tr("sampling noise");
  panel.marks.push_back(band);
  int index = 0;
  for (const EtaCurve& curve : etaCurves_) {
    auto line = curveOf("steps-" + std::to_string(curve.steps), curve.eta, curve.distance,
                        Paint::series(index == 0   ? 1
                                      : index == 1 ? 4
                                                   : 2),
                        trf("{} steps", curve.steps));
    line->markers = true;
    panel.marks.push_back(line);
    ++index;
  }
  return panel;
}

Panel Ddim::networkPanel(const std::string& kind) const {
  if (!network_) {
    Panel panel;
    panel.id = kind;
    panel.message = tr("No network runs: choose it as the denoiser, or drop its file");
    return panel;
  }
  // At the end of the run the least level of the chain.
  const double level = std::max(levelAt(frame_), chain_.level(1));
  if (kind == "network-levels") return networkErrorChart(networkErrors_, level, Paint::of(Role::deterministic));
  return networkErrorMap(*stream_, table_, *network_, level, scaleOf(level), half(), networkErrors_.at(level), networkErrors_.complaint);
}

Panel Ddim::lowerPanel(const std::string& kind) const {
  if (kind == "network" || kind == "network-levels") return networkPanel(kind);
  if (kind == "round-trip") return roundTripPanel();
  if (kind == "histogram") return histogramPanel();
  if (kind == "walk") return walkPanel();
  if (kind == "eta") return etaPanel();
  return convergencePanel();
}

}  // namespace orrery::generative
