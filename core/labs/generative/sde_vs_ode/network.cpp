// What a user's network gets wrong, in the lab sde-vs-ode: its D against the exact one, over the plane at the shown noise level and over
// all levels. The error of a level is that under p_t: root mean square of |D_network - D| over exact samples.

#include <algorithm>
#include <cmath>

#include "core/labs/generative/sde_vs_ode/lab.h"
#include "core/labs/generative/shared/network_velocity.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

namespace {

constexpr int errorLevels = 24;  // of the chart over noise levels
constexpr std::size_t errorPoints = 1024;

std::string inData(double error) { return fmt::format("{:.2g}", error); }

}  // namespace

double SdeVsOde::networkError(double level, std::size_t count) const {
  std::vector<float> points;
  for (std::size_t j = 0; j < std::min(count, exact_[0].size()); ++j)
    for (std::size_t c = 0; c < 2; ++c) points.push_back(static_cast<float>(exact_[0][j].x[c] + level * exact_[0][j].noise[c]));
  const Tensor x = Tensor::from(Shape{static_cast<std::int64_t>(points.size() / 2), 2}, points);
  const Tensor exact = kernels::mixture(*stream_, exactTable_, x, 1, level, kernels::MixtureOutput::denoiser);
  return rootMeanSquare(network_->denoise(*stream_, x, level), exact);
}

// How far the network's D is from the exact one, level by level.
void SdeVsOde::judgeNetwork() {
  networkErrors_.clear();
  complaint_.clear();
  if (!networked()) return;
  const double top = settings_.sigmaMax, bottom = settings_.levels[settings_.levels.size() - 2];
  for (int k = 0; k < errorLevels; ++k) {
    const double level = top * std::pow(bottom / top, static_cast<double>(k) / (errorLevels - 1));
    networkErrors_.emplace_back(level, networkError(level, errorPoints));
  }
  const auto start = sides_[settings_.network[0] ? 0 : 1].start.as<float>();
  const std::size_t values = std::min<std::size_t>(start.size(), 256);
  complaint_ = perceptronComplaint(
      *network_, diffusion::State(std::vector<double>(start.begin(), start.begin() + static_cast<std::ptrdiff_t>(values))), top);
}

Panel SdeVsOde::networkPanel() const {
  Panel panel;
  panel.id = "network";
  if (!networked()) {
    panel.message = tr("No network runs on either side: choose it as a denoiser, or drop its file");
    return panel;
  }
  // At the end of the run the last level that a network was asked at.
  const double level = std::max(sigma(), settings_.levels[settings_.levels.size() - 2]), scale = displayAlpha(settings_.display, level);
  const double half = reach();
  panel.title = trf("At σ = {} the network's D is off by {}", fmt::format("{:.3g}", level), inData(networkError(level, 512)));
  panel.note = complaint_.empty() ? tr("root mean square under pₜ; contours: exact density") : complaint_;
  constexpr std::int64_t cells = 48;
  gpu::Stream& stream = *stream_;
  const Tensor x = squareCentres(cells, half / scale);
  // Contours of a density narrower than a cell would be dots.
  const double wide = std::max(level, 2 * half / scale / static_cast<double>(cells));
  const auto logDensity = kernels::mixture(stream, exactTable_, x, 1, wide, kernels::MixtureOutput::logDensity).toFloats();
  drawErrorMap(panel, cells, half, network_->denoise(stream, x, level),
               kernels::mixture(stream, exactTable_, x, 1, level, kernels::MixtureOutput::denoiser), logDensity,
               tr("|D of the network − D|"));
  return panel;
}

Panel SdeVsOde::networkLevelsPanel() const {
  Panel panel;
  panel.id = "network-levels";
  if (networkErrors_.empty()) {
    panel.message = tr("No network runs on either side: choose it as a denoiser, or drop its file");
    return panel;
  }
  std::vector<double> x, y;
  auto worst = networkErrors_.front();
  for (const auto& [level, error] : networkErrors_) {
    x.push_back(level);
    y.push_back(std::max(error, 1e-9));
    if (error > worst.second) worst = {level, error};
  }
  panel.title = trf("The network's D is off most at σ = {}: by {}", fmt::format("{:.2g}", worst.first), inData(worst.second));
  panel.note = complaint_;
  panel.x.label = tr("noise level σ");
  panel.x.scale = ScaleKind::log;
  panel.x.reversed = true;
  panel.y.label = tr("error of D, root mean square under pₜ");
  panel.y.scale = ScaleKind::log;
  panel.y.grid = true;
  panel.marks.push_back(curveOf("error", x, y, paintOf(settings_.network[0] && !settings_.network[1] ? 0 : 1)));
  auto now = std::make_shared<RuleMark>("now");
  now->at = std::max(sigma(), x.back());
  now->paint = Paint::of(Role::accent);
  panel.marks.push_back(now);
  return panel;
}

}  // namespace orrery::generative
