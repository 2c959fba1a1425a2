// The likelihood of points by the probability-flow ODE, in the lab score-sde; formulas in lab.h and score_sde.cpp.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/parallel.h"
#include "core/base/philox.h"
#include "core/labs/generative/score_sde/lab.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

using diffusion::Moment;
using diffusion::State;

namespace {

constexpr std::size_t judged = 64;                                  // points whose likelihood is compared
constexpr int likelihoodSteps = 200, networkLikelihoodSteps = 100;  // of order 4: errors below 1e-4 and 1e-3 nats
constexpr std::uint32_t judgedPurpose = 0x6DC;
// Of the map: its steps leave about a hundredth of a bit in the tails, and the work is counted in components evaluated, sixteen products of
// a network each.
constexpr double mapSteps = 80, networkMapSteps = 16, mostMapWork = 8e6;
constexpr std::int64_t fewestCells = 6, mostCells = 40;

}  // namespace

FlowDrift flowDrift(const diffusion::Denoiser& denoise, const Moment& at, const State& x, int probes, std::uint64_t seed, ProbeLaw law) {
  const auto sde = diffusion::ratesAt(at);
  const auto velocity = [&](const State& points) {
    const State clean = denoise(points / at.alpha, at.relative());
    return sde.drift * points - (sde.diffusion2 / (2 * at.sigma * at.sigma)) * (at.alpha * clean - points);
  };
  FlowDrift result{velocity(x), std::vector<double>(x.size() / 2, 0.0)};
  const double h = 1e-5 * std::hypot(at.alpha, at.sigma);
  // Along the axes, or along random directions: v . (du/dx v) has the trace as its mean.
  const int directions = probes > 0 ? probes : 2;
  for (int d = 0; d < directions; ++d) {
    State step(x.size());
    for (std::size_t i = 0; i < x.size(); i += 2) {
      if (probes == 0) {
        step[i + static_cast<std::size_t>(d)] = 1;
      } else {
        const auto words = philox({static_cast<std::uint32_t>(i / 2), static_cast<std::uint32_t>(d), 0x5E0, 0}, philoxKey(seed));
        if (law == ProbeLaw::signs) {
          step[i] = (words[0] & 1u) != 0 ? 1 : -1, step[i + 1] = (words[1] & 1u) != 0 ? 1 : -1;
        } else {
          const auto normals = philoxNormals(words[0], words[1]);
          step[i] = normals[0], step[i + 1] = normals[1];
        }
      }
    }
    const State slope = (velocity(x + h * step) - velocity(x + (-h) * step)) / (2 * h);
    for (std::size_t i = 0; i < x.size(); i += 2)
      result.divergence[i / 2] += (step[i] * slope[i] + step[i + 1] * slope[i + 1]) / (probes > 0 ? probes : 1);
  }
  return result;
}

std::vector<double> flowLikelihood(const diffusion::PlaneMixture& mixture, const diffusion::Sde& sde, const std::vector<double>& times,
                                   const State& points, const LikelihoodOptions& options) {
  const diffusion::Denoiser denoise =
      options.denoise ? options.denoise : [&mixture](const State& scaled, double level) { return mixture.denoise(scaled, level); };
  State x = points;
  std::vector<double> gained(points.size() / 2, 0.0);
  for (std::size_t i = 0; i + 1 < times.size(); ++i) {
    const double a = times[i], h = times[i + 1] - a;
    const auto drift = [&](const State& at, double t) {
      return flowDrift(denoise, sde.at(t), at, options.probes, options.seed, options.law);
    };
    const FlowDrift k1 = drift(x, a), k2 = drift(x + (h / 2) * k1.u, a + h / 2), k3 = drift(x + (h / 2) * k2.u, a + h / 2),
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

bool ScoreSde::likelihoodChanged(const LabContext& context) {
  // How the cloud is stepped back is nothing to a density.
  static constexpr std::string_view others[] = {"particles", "noise-share", "predictor", "corrector-steps", "corrector-ratio", "steps",
                                                "grid",      "early",       "compare",   "replays",         "replayed"};
  if (context.restarting()) return true;
  for (const auto& [id, value] : context.values()) {
    if (context.changed(id) && std::find(std::begin(others), std::end(others), id) == std::end(others)) return true;
  }
  return false;
}

// Equal steps of ln(sigma / alpha) from the first time up to the last.
std::vector<double> ScoreSde::likelihoodTimes(int steps) const {
  std::vector<double> times;
  const double high = way_.sde.at(way_.times.front()).relative(), low = std::max(way_.sde.at(way_.times.back()).relative(), 1e-4);
  for (int i = 0; i <= steps; ++i) times.push_back(diffusion::timeOf(way_.sde, low * std::pow(high / low, static_cast<double>(i) / steps)));
  return times;
}

void ScoreSde::judgeLikelihood() {
  exactLog_.clear();
  judgedPoints_ = scene_.draw(seed_, judged, judgedPurpose);
  const std::vector<double> times = likelihoodTimes(network_ ? networkLikelihoodSteps : likelihoodSteps);
  const Moment first = way_.sde.at(times.front());
  diffusion::Denoiser precisely;
  if (network_) precisely = [this](const State& x, double level) { return network_->denoise(x, level); };
  flowLog_ =
      flowLikelihood(scene_.mixture, way_.sde, times, first.alpha * judgedPoints_, {exactEnd_, probes_, seed_, precisely, probeLaw_});
  for (std::size_t p = 0; p < judged; ++p)
    exactLog_.push_back(scene_.mixture.logDensity(judgedPoints_[2 * p], judgedPoints_[2 * p + 1], first.relative()) -
                        2 * std::log(first.alpha));
  judgeMap();
}

// ln p over the plane, by the same ODE at as many places as take about a second.
void ScoreSde::judgeMap() {
  map_ = {};
  map_.half = canvasHalf();
  // Four slopes a step, each of the drift and its differences along every direction.
  const double steps = network_ ? networkMapSteps : mapSteps, directions = probes_ > 0 ? probes_ : 2;
  const double perPlace =
      4 * steps * (1 + 2 * directions) *
      static_cast<double>(network_ ? std::max<std::size_t>(network_->parameters(), 1) / 16 : scene_.mixture.components.size());
  const auto cells = static_cast<std::int64_t>(std::sqrt(mostMapWork / std::max(perPlace, 1.0)));
  if (cells < fewestCells) return;
  map_.cells = std::min(cells, mostCells);
  const auto side = static_cast<std::size_t>(map_.cells);
  const std::vector<double> times = likelihoodTimes(static_cast<int>(steps));
  const Moment first = way_.sde.at(times.front());
  diffusion::Denoiser precisely;
  if (network_) precisely = [this](const State& x, double level) { return network_->denoise(x, level); };
  map_.flow.resize(side * side), map_.exact.resize(side * side);
  parallelFor(side, 0, [&](std::size_t r) {
    State places(2 * side);
    const auto centre = [&](std::size_t i) { return map_.half * (2 * (static_cast<double>(i) + 0.5) / static_cast<double>(side) - 1); };
    for (std::size_t c = 0; c < side; ++c) places[2 * c] = centre(c), places[2 * c + 1] = centre(r);
    const auto found = flowLikelihood(scene_.mixture, way_.sde, times, places, {exactEnd_, probes_, seed_ + r, precisely, probeLaw_});
    for (std::size_t c = 0; c < side; ++c) {
      map_.flow[r * side + c] = found[c];
      map_.exact[r * side + c] =
          scene_.mixture.logDensity(centre(c) / first.alpha, centre(r) / first.alpha, first.relative()) - 2 * std::log(first.alpha);
    }
  });
}

// Bits per dimension, -ln p / (2 ln 2), over the plane and of the judged points.
Panel ScoreSde::mapPanel() const {
  Panel panel = planePanel("likelihood-map", map_.half);
  panel.title = network_ ? tr("Bits per dimension by your network's ODE") : tr("Bits per dimension by the ODE");
  if (map_.cells == 0) {
    panel.message =
        network_ ? tr("This network is too large for a map of the likelihood") : tr("Too many blobs for a map of the likelihood");
    return panel;
  }
  const auto bitsOf = [](double logDensity) { return static_cast<float>(-logDensity / (2 * std::numbers::ln2)); };
  std::vector<float> bits, density, ofPoints;
  const double peak = *std::max_element(map_.exact.begin(), map_.exact.end());
  for (std::size_t i = 0; i < map_.flow.size(); ++i)
    bits.push_back(bitsOf(map_.flow[i])), density.push_back(static_cast<float>(std::exp(map_.exact[i] - peak)));
  for (const double value : flowLog_) ofPoints.push_back(bitsOf(value));
  double least = static_cast<double>(bitsOf(peak)), mean = 0;
  for (const float b : ofPoints) {
    if (!std::isfinite(b)) continue;
    least = std::min(least, static_cast<double>(b)), mean += static_cast<double>(b) / static_cast<double>(ofPoints.size());
  }
  // A few bits above the data: far away every density falls without end.
  const Range range{least, least + 10};
  for (float& b : bits) b = std::isfinite(b) ? b : static_cast<float>(range.high);
  auto heat = std::make_shared<HeatMapMark>("bits");
  heat->value = Tensor::from(Shape{map_.cells, map_.cells}, bits);
  heat->x = heat->y = Range{-map_.half, map_.half};
  heat->range = range;
  heat->matrix = false;
  heat->smooth = true;
  heat->quantity = tr("bits per dimension");
  panel.marks.push_back(heat);
  auto contour = std::make_shared<ContourMark>("exact");
  contour->value = Tensor::from(Shape{map_.cells, map_.cells}, density);
  contour->x = contour->y = heat->x;
  contour->levels = {0.01, 0.1, 0.5};
  contour->paint = Paint::custom(Color{1, 1, 1, 0.8f});
  panel.marks.push_back(std::move(contour));
  auto rims = cloudMark("rims", pairsOf(judgedPoints_), Paint::custom(Color{1, 1, 1, 1}), map_.half);
  rims->radius = 2.8f;
  panel.marks.push_back(std::move(rims));
  auto points = cloudMark("points", pairsOf(judgedPoints_), Paint::of(Role::ink), map_.half);
  points->scalar = Tensor::from(Shape{static_cast<std::int64_t>(ofPoints.size())}, ofPoints);
  points->range = range;
  points->radius = 2;
  panel.marks.push_back(std::move(points));
  panel.colorBar = ColorBar{heat->map, range, false, heat->quantity};
  panel.note = trf("mean of the points {:.3f}; contours: exact density", mean);
  return panel;
}

}  // namespace orrery::generative
