// The lower panels of the lab sde-vs-ode that look at the particles themselves: marginals, the difference of the clouds, start against now.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/labs/generative/sde_vs_ode/lab.h"

namespace orrery::generative {

using kernels::Component;

Panel SdeVsOde::marginalsPanel(const Shown& shown) const {
  Panel panel;
  panel.id = "marginals";
  const Tick& measured = tick();
  const bool same = std::max(measured.of(DistanceKind::sliced).side[0], measured.of(DistanceKind::sliced).side[1]) <= 2 * measured.of(DistanceKind::sliced).floor;
  panel.title = same ? tr("The same marginal at every t, by different paths") : tr("Marginals at t against the exact density");
  panel.note = fmt::format("t = {}", decimals(time()));
  panel.x.label = tr("first coordinate of x");
  panel.y.label = tr("density");
  const double half = reach(), scale = alpha(), level = sigma();
  constexpr std::size_t bins = 96;
  const double width = 2 * half / bins;
  std::vector<double> edges, middle, exact(bins, 0);
  for (std::size_t b = 0; b < bins; ++b) {
    edges.push_back(-half + static_cast<double>(b) * width);
    middle.push_back(edges.back() + 0.5 * width);
  }
  for (const Component& c : density_.components) {
    const double along = std::cos(c.angle), across = std::sin(c.angle);
    const double deviation = scale * std::sqrt(c.along * along * along + c.across * across * across + level * level);
    // The mass of a bin, so that point masses stay finite.
    const auto cumulative = [&](double x) {
      return deviation > 0 ? 0.5 * std::erfc((scale * c.x - x) / (deviation * std::numbers::sqrt2)) : (x >= scale * c.x ? 1.0 : 0.0);
    };
    double before = cumulative(-half);
    for (std::size_t b = 0; b < bins; ++b) {
      const double after = cumulative(edges[b] + width);
      exact[b] += c.weight * (after - before) / width;
      before = after;
    }
  }
  panel.x.range = Range{-half, half};
  panel.y.range = Range{0, 1.3 * *std::max_element(exact.begin(), exact.end())};
  for (const int side : {0, 1}) {
    std::vector<double> density(bins, 0);
    const auto points = shown.points[side].as<float>();
    const double one = 1 / (width * static_cast<double>(points.size() / 2));
    for (std::size_t i = 0; i < points.size(); i += 2) {
      const double place = std::floor((static_cast<double>(points[i]) + half) / width);
      if (place >= 0 && place < static_cast<double>(bins)) density[static_cast<std::size_t>(place)] += one;
    }
    auto line = curveOf(side == 0 ? "left" : "right", edges, density, paintOf(side), nameOf(side));
    line->steps = true;
    line->directLabel = false;
    panel.marks.push_back(line);
  }
  auto line = curveOf("exact", middle, exact, Paint::of(Role::data), tr("exact"));
  line->dash = {4, 3};
  line->directLabel = false;
  panel.marks.push_back(line);
  return panel;
}

Panel SdeVsOde::differencePanel(const Shown& shown) const {
  Panel panel;
  panel.id = "difference";
  panel.title = tr("Left minus right: what remains is sampling noise or error");
  panel.equalAspect = true;
  constexpr std::int64_t g = 40;
  const double half = reach(), n = static_cast<double>(settings_.particles);
  std::vector<float> cells(g * g, 0);
  for (const int side : {0, 1}) {
    const auto points = shown.points[side].as<float>();
    for (std::size_t i = 0; i + 1 < points.size(); i += 2) {
      const double c = std::floor((static_cast<double>(points[i]) + half) * g / (2 * half)),
                   r = std::floor((static_cast<double>(points[i + 1]) + half) * g / (2 * half));
      if (c >= 0 && c < g && r >= 0 && r < g)
        cells[static_cast<std::size_t>(r) * g + static_cast<std::size_t>(c)] += static_cast<float>((side == 0 ? 100 : -100) / n);
    }
  }
  float most = 0;
  for (const float v : cells) most = std::max(most, std::abs(v));
  // The scale never falls below the noise of a cell that holds one percent of the particles.
  const double high = std::max(static_cast<double>(most), 100 * std::sqrt(0.02 / n));
  auto heat = std::make_shared<HeatMapMark>("difference");
  heat->matrix = false;
  heat->value = Tensor::from(Shape{g, g}, cells);
  heat->x = heat->y = Range{-half, half};
  heat->map = ColorMap::diverging;
  heat->range = Range{-high, high};
  heat->quantity = tr("difference (% of particles)");
  panel.marks.push_back(heat);
  panel.x.range = panel.y.range = Range{-half, half};
  panel.x.visible = panel.y.visible = false;
  panel.colorBar = ColorBar{ColorMap::diverging, Range{-high, high}, false, tr("% of particles")};
  return panel;
}

Panel SdeVsOde::twoTimePanel(const Shown& shown) const {
  Panel panel;
  panel.id = "two-time";
  // Both times at the VP scale, so that they share an axis.
  const double scale = measureAlpha(settings_.sigmaMax), nowScale = measureAlpha(sigma()) / alpha();
  std::string correlation[2];
  double far = 0.5;
  for (const int side : {0, 1}) {
    const auto now = shown.points[side].as<float>(), start = sides_[static_cast<std::size_t>(side)].start.as<float>();
    const std::size_t count = std::min<std::size_t>(now.size() / 2, 2048);
    std::vector<float> pairs;
    double sums[5] = {0, 0, 0, 0, 0};
    for (std::size_t i = 0; i < count; ++i) {
      const double a = scale * static_cast<double>(start[2 * i]), b = nowScale * static_cast<double>(now[2 * i]);
      pairs.insert(pairs.end(), {static_cast<float>(a), static_cast<float>(b)});
      const double terms[] = {a, b, a * a, b * b, a * b};
      for (std::size_t t = 0; t < 5; ++t) sums[t] += terms[t] / static_cast<double>(count);
      far = std::max({far, std::abs(a), std::abs(b)});
    }
    const double covariance = sums[4] - sums[0] * sums[1];
    correlation[side] = decimals(covariance / std::sqrt(std::max(1e-30, (sums[2] - sums[0] * sums[0]) * (sums[3] - sums[1] * sums[1]))));
    auto points = std::make_shared<PointsMark>(side == 0 ? "left" : "right");
    points->xy = Tensor::from(Shape{static_cast<std::int64_t>(count), 2}, pairs);
    points->paint = paintOf(side, 0.6f);
    points->radius = 0.8f;
    points->label = nameOf(side);
    points->directLabel = false;
    panel.marks.push_back(points);
  }
  panel.title = trf("Start against now: correlation {} ({}), {} ({})", correlation[0], nameOf(0), correlation[1], nameOf(1));
  panel.x.label = tr("x at the start");
  panel.y.label = tr("x now");
  panel.x.range = panel.y.range = Range{-1.05 * far, 1.05 * far};
  return panel;
}

}  // namespace orrery::generative
