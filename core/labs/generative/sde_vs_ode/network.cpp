// What a user's network gets wrong, in the lab sde-vs-ode: its D against the exact one, over the plane at the shown noise level and over
// all levels.

#include <algorithm>
#include <cmath>

#include "core/labs/generative/sde_vs_ode/lab.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

namespace {

constexpr int errorLevels = 24;  // of the chart over noise levels
constexpr std::size_t errorPoints = 1024;

}  // namespace

double SdeVsOde::networkErrorAt(double level, std::size_t count) const {
  std::vector<float> points;
  for (std::size_t j = 0; j < std::min(count, exact_[0].size()); ++j)
    for (std::size_t c = 0; c < 2; ++c) points.push_back(static_cast<float>(exact_[0][j].x[c] + level * exact_[0][j].noise[c]));
  return networkError(*stream_, exactTable_, *network_, Tensor::from(Shape{static_cast<std::int64_t>(points.size() / 2), 2}, points), level);
}

// How far the network's D is from the exact one, level by level.
void SdeVsOde::judgeNetwork() {
  networkErrors_ = {};
  if (!networked()) return;
  const double top = settings_.sigmaMax, bottom = settings_.levels[settings_.levels.size() - 2];
  for (int k = 0; k < errorLevels; ++k) {
    const double level = top * std::pow(bottom / top, static_cast<double>(k) / (errorLevels - 1));
    networkErrors_.levels.emplace_back(level, networkErrorAt(level, errorPoints));
  }
  const auto start = sides_[settings_.network[0] ? 0 : 1].start.as<float>();
  const std::size_t values = std::min<std::size_t>(start.size(), 256);
  networkErrors_.complaint = pointNetworkComplaint(
      *network_, diffusion::State(std::vector<double>(start.begin(), start.begin() + static_cast<std::ptrdiff_t>(values))), top);
}

Panel SdeVsOde::networkPanel(const std::string& kind) const {
  if (!networked()) {
    Panel panel;
    panel.id = kind;
    panel.message = tr("No network runs on either side: choose it as a denoiser, or drop its file");
    return panel;
  }
  if (kind == "network-levels")
    return networkErrorChart(networkErrors_, sigma(), paintOf(settings_.network[0] && !settings_.network[1] ? 0 : 1));
  // At the end of the run the last level that a network was asked at.
  const double level = std::max(sigma(), settings_.levels[settings_.levels.size() - 2]);
  return networkErrorMap(*stream_, exactTable_, *network_, level, displayAlpha(settings_.display, level), reach(),
                         networkErrorAt(level, 512), networkErrors_.complaint);
}

}  // namespace orrery::generative
