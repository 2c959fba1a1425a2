// What the four objectives say of a user's network: of c s(x), s the network's score, at one noise level, on the same samples for all four
// and constants subtracted. With S the exact score, x = x_0 + sigma z and v of random signs:
//   explicit   E |c s - S|^2 / 2                          = c^2 E|s|^2 / 2 - c E s.S     + E|S|^2 / 2
//   implicit   E [|c s|^2 / 2 + tr grad c s] + E|S|^2 / 2 = c^2 E|s|^2 / 2 + c E tr ds   + E|S|^2 / 2
//   sliced     E [(v.c s)^2 / 2 + v.grad(c s) v] + ...    = c^2 E(v.s)^2 / 2 + c E v.ds v + E|S|^2 / 2
//   denoising  E |c s + z / sigma|^2 / 2 - constant       = c^2 E|s|^2 / 2 + c E s.z / sigma + E|S|^2 / 2
// The slopes agree in the mean, by Stein's identity, wherever s is continuous and differentiable almost everywhere; all of the activations
// are. The derivatives are central differences on the host in double precision: steps of 1e-5 sigma leave about 1e-9.

#include <algorithm>
#include <cmath>

#include "core/base/parallel.h"
#include "core/base/philox.h"
#include "core/diffusion/noise.h"
#include "core/labs/generative/score_smld/lab.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr double mostWork = 1.5e9;  // products of the network: about a second
constexpr std::size_t chunk = 512;  // samples at once
constexpr double curveReach = 2;    // of c in the chart

struct Mean {
  double sum = 0, square = 0;
  void add(double value) { sum += value, square += value * value; }
  double mean(double n) const { return sum / n; }
  double error(double n) const { return std::sqrt(std::max(square / n - sum / n * (sum / n), 0.0) / n); }
};

}  // namespace

void ScoreSmld::compareNetworkLosses() {
  networkLosses_.clear();
  if (!network_) return;
  const double sigma = lossLevel_, step = 1e-5 * sigma;
  const double perSample = 5 * static_cast<double>(std::max<std::size_t>(network_->parameters(), 1));
  const std::size_t n = std::min(samples_, static_cast<std::size_t>(std::max(mostWork / perSample, 64.0)));
  // The same samples as those of the family of one parameter.
  const State clean = scene_.draw(seed_, samples_, lossDataPurpose), z = diffusion::Noise(seed_, clean.size()).fresh(1, lossNoisePurpose);
  const State noisy = clean + sigma * z, exact = exactScore(noisy, sigma);
  // Per sample: s, and its derivatives by x and by y.
  std::vector<double> score(2 * n), jacobian(4 * n);
  parallelFor((n + chunk - 1) / chunk, 0, [&](std::size_t part) {
    const std::size_t first = part * chunk, count = std::min(chunk, n - first);
    const auto scoreOf = [&](std::size_t axis, double by) {
      State x(2 * count);
      for (std::size_t i = 0; i < 2 * count; ++i) x[i] = noisy[2 * first + i] + (i % 2 == axis ? by : 0);
      return (network_->denoise(x, sigma) - x) / (sigma * sigma);
    };
    const State here = scoreOf(0, 0);
    for (std::size_t i = 0; i < 2 * count; ++i) score[2 * first + i] = here[i];
    for (const std::size_t axis : {0, 1}) {
      const State slope = (scoreOf(axis, step) - scoreOf(axis, -step)) / (2 * step);
      for (std::size_t i = 0; i < 2 * count; ++i) jacobian[2 * (2 * first + i) + axis] = slope[i];
    }
  });
  if (!allFinite(score) || !allFinite(jacobian)) return;

  const auto count = static_cast<double>(n);
  Mean square, slicedSquare, gaps[3], slopes[4];
  double rest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), 0, lossProbePurpose, 0}, philoxKey(seed_));
    const double sign = (words[0] & 1u) != 0 ? -1 : 1;  // v = (1, sign), up to a common sign, which squares away
    const double* s = &score[2 * i];
    const double* d = &jacobian[4 * i];
    const double squares = s[0] * s[0] + s[1] * s[1], along = s[0] + sign * s[1];
    const double slope[4] = {-(s[0] * exact[2 * i] + s[1] * exact[2 * i + 1]), d[0] + d[3], d[0] + d[3] + sign * (d[1] + d[2]),
                             (s[0] * z[2 * i] + s[1] * z[2 * i + 1]) / sigma};
    square.add(squares), slicedSquare.add(along * along);
    for (std::size_t k = 0; k < 4; ++k) slopes[k].add(slope[k]);
    for (std::size_t k = 1; k < 4; ++k) gaps[k - 1].add(slope[k] - slope[0] + (k == 2 ? 0.5 * (along * along - squares) : 0));
    rest += 0.5 * (exact[2 * i] * exact[2 * i] + exact[2 * i + 1] * exact[2 * i + 1]) / count;
  }
  static constexpr const char* ids[] = {"explicit", "implicit", "sliced", "denoising"};
  for (std::size_t k = 0; k < 4; ++k) {
    const double gap = k > 0 ? gaps[k - 1].mean(count) : 0, error = k > 0 ? gaps[k - 1].error(count) : 0;
    networkLosses_.push_back({ids[k], (k == 2 ? slicedSquare : square).mean(count), slopes[k].mean(count), gap, error});
  }
  networkLossRest_ = rest;
  networkLossSamples_ = n;
}

Panel ScoreSmld::networkLossPanel() const {
  Panel panel;
  panel.id = "losses";
  panel.title = tr("Four losses of your network");
  panel.x.label = tr("c times your network's score");
  panel.y.label = tr("loss");
  if (networkLosses_.empty()) {
    panel.message = tr("Your network's answers are no numbers at this noise level");
    return panel;
  }
  const NetworkLoss& truth = networkLosses_.front();
  panel.note = trf("σ = {:.2g}, least at c = {:.3g}", lossLevel_, truth.square > 0 ? -truth.slope / truth.square : 0.0);
  const std::string names[] = {tr("explicit"), tr("implicit"), tr("sliced"), tr("denoising")};
  static constexpr int order[] = {4, 5, 2, 6};
  for (std::size_t k = 0; k < networkLosses_.size(); ++k) {
    std::vector<double> x, y;
    constexpr int points = 81;
    for (int i = 0; i < points; ++i) {
      x.push_back(curveReach * i / (points - 1));
      y.push_back(networkLosses_[k].at(x.back(), networkLossRest_));
    }
    auto line = curveOf(networkLosses_[k].id, x, y, Paint::series(order[k]), names[k]);
    line->directLabel = false;
    if (k > 0) line->dash = {2.0f + 2.0f * static_cast<float>(k), 3};
    panel.marks.push_back(std::move(line));
  }
  auto rule = std::make_shared<RuleMark>("network");
  rule->at = 1;
  rule->tag = tr("your network");
  panel.marks.push_back(std::move(rule));
  panel.x.range = Range{0, curveReach};
  return panel;
}

}  // namespace orrery::generative
