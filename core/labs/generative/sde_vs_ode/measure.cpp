// What both clouds of the lab sde-vs-ode are measured by against the exact density, at the scale of the VP schedule (core/metrics/distances).

#include <algorithm>
#include <cmath>
#include <future>

#include "core/labs/generative/sde_vs_ode/lab.h"

namespace orrery::generative {

namespace {

// Share of points whose likeliest component at this level is k.
std::vector<double> modeMassOf(std::span<const float> scaled, std::int64_t count, const PlanarDensity& density, double sigma) {
  struct Quick {
    double x, y, xx, xy, yy, bias;
  };
  std::vector<Quick> components;
  for (const kernels::Component& c : density.components) {
    const double s1 = c.along + sigma * sigma, s2 = c.across + sigma * sigma, cosine = std::cos(c.angle), sine = std::sin(c.angle);
    components.push_back({c.x, c.y, 0.5 * (cosine * cosine / s1 + sine * sine / s2), cosine * sine * (1 / s1 - 1 / s2),
                          0.5 * (sine * sine / s1 + cosine * cosine / s2), std::log(std::max(c.weight, 1e-300)) - 0.5 * std::log(s1 * s2)});
  }
  std::vector<double> mass(components.size(), 0);
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    std::size_t best = 0;
    double largest = -1e308;
    for (std::size_t k = 0; k < components.size(); ++k) {
      const Quick& c = components[k];
      const double dx = static_cast<double>(scaled[2 * i]) - c.x, dy = static_cast<double>(scaled[2 * i + 1]) - c.y;
      const double logit = c.bias - (c.xx * dx * dx + c.xy * dx * dy + c.yy * dy * dy);
      if (logit > largest) {
        largest = logit;
        best = k;
      }
    }
    mass[best] += 1 / static_cast<double>(count);
  }
  return mass;
}

}  // namespace

double SdeVsOde::meanLogDensity(gpu::Stream& stream, const Tensor& scaled) const {
  // Point masses have a density only with some noise.
  const double level = std::max(sigma(), 1e-4);
  const auto each = kernels::mixture(stream, exactTable_, scaled, 1, level, kernels::MixtureOutput::logDensity).toFloats();
  double sum = 0;
  for (const float v : each) sum += static_cast<double>(v);
  return sum / static_cast<double>(each.size());
}

// Measures both clouds against the exact density at this frame, once per frame: the same frame always gives the same numbers.
void SdeVsOde::measure(gpu::Stream& stream) {
  const auto known =
      std::lower_bound(ticks_.begin(), ticks_.end(), frame_, [](const Tick& t, std::int64_t frame) { return t.frame < frame; });
  if (known != ticks_.end() && known->frame == frame_) return;
  Tick tick;
  tick.frame = frame_;
  const double level = sigma(), scale = measureAlpha(level);
  const std::size_t measured = exact_[0].size();
  const std::size_t few = std::min(measured, static_cast<std::size_t>(energyMeasured));

  // Carry the exact samples to this level.
  std::array<std::vector<float>, 2> exact;
  for (std::size_t e = 0; e < 2; ++e) {
    for (const ExactPoint& p : exact_[e]) {
      for (std::size_t c = 0; c < 2; ++c) exact[e].push_back(static_cast<float>(scale * (p.x[c] + level * p.noise[c])));
    }
  }
  const auto components = static_cast<std::int64_t>(density_.components.size());
  const auto judged = std::min(static_cast<std::int64_t>(measured), std::max(energyMeasured, likelihoodWork / components / 4 * 4));
  const auto logDensityOfExact = [&](std::size_t e) {
    std::vector<float> scaled(exact[e].begin(), exact[e].begin() + 2 * judged);
    for (float& v : scaled) v /= static_cast<float>(scale);
    return meanLogDensity(stream, Tensor::from(Shape{judged, 2}, scaled));
  };
  const auto head = [few](const std::vector<float>& points) { return std::span<const float>(points.data(), 2 * few); };
  Truth truth;
  if (frame_ == 0 && firstTruth_.level == level) {
    truth = std::move(firstTruth_);
  } else {
    truth.level = level;
    auto second = std::async(std::launch::async, [&] { return project(exact[1], directionCount); });
    truth.sample = project(exact[0], directionCount);
    truth.likelihood = -logDensityOfExact(0);
    truth.floors[0] = slicedWasserstein2(truth.sample, second.get());
    truth.floors[1] = std::abs(energyDistance(head(exact[0]), head(exact[1])));
    truth.floors[2] = std::abs(squaredDiscrepancy(head(exact[0]), head(exact[1]), discrepancyScale));
    truth.floors[3] = std::abs(-logDensityOfExact(1) - truth.likelihood);
  }
  for (std::size_t k = 0; k < 4; ++k) tick.distances[k].floor = truth.floors[k];
  for (std::size_t i = 0; i < 2; ++i) {
    tick.of(DistanceKind::likelihood).side[i] = -meanLogDensity(stream, sides_[i].state.x.rows(0, judged)) - truth.likelihood;
  }
  const std::span<const float> states[2] = {sides_[0].state.x.as<float>(), sides_[1].state.x.as<float>()};
  const auto measureSide = [&](std::size_t i) {
    const auto state = states[i];
    std::vector<float> points(2 * measured);
    for (std::size_t j = 0; j < points.size(); ++j) points[j] = static_cast<float>(scale) * state[j];
    tick.of(DistanceKind::sliced).side[i] = slicedWasserstein2(truth.sample, project(points, directionCount));
    tick.of(DistanceKind::energy).side[i] = energyDistance(head(points), head(exact[0]));
    tick.of(DistanceKind::discrepancy).side[i] = squaredDiscrepancy(head(points), head(exact[0]), discrepancyScale);
    if (density_.named)
      tick.modeMass[i] =
          modeMassOf(state, static_cast<std::int64_t>(measured), density_, std::max(level, 1e-4));  // point masses stay finite
  };
  auto left = std::async(std::launch::async, [&] { measureSide(0); });
  measureSide(1);
  left.get();
  if (frame_ == 0) firstTruth_ = std::move(truth);
  ticks_.insert(known, std::move(tick));
}

const Tick& SdeVsOde::tick() const {
  const auto after =
      std::upper_bound(ticks_.begin(), ticks_.end(), frame_, [](std::int64_t frame, const Tick& t) { return frame < t.frame; });
  return *std::prev(after);
}

std::vector<Metric> SdeVsOde::metrics() const {
  if (ticks_.empty()) return {};
  const Tick& t = tick();
  std::vector<Metric> result;
  static constexpr const char* ids[] = {"sw2", "energy", "mmd2", "nll"};
  for (const DistanceKind kind : distanceKinds) {
    const std::string id = ids[static_cast<std::size_t>(kind)], unit = kind == DistanceKind::likelihood ? "nats" : "";
    result.push_back({id + ".left", t.of(kind).side[0], unit});
    result.push_back({id + ".right", t.of(kind).side[1], unit});
    result.push_back({id + ".floor", t.of(kind).floor, unit});
  }
  const Metric place[] = {{"measured-at", static_cast<double>(t.frame), "step"},
                          {"sigma", sigma(), ""},
                          {"time", time(), ""}};
  result.insert(result.end(), std::begin(place), std::end(place));
  if (networked()) result.push_back({"network-error", networkErrors_.at(sigma()), ""});
  const char* names[] = {"left", "right"};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string side = names[i];
    result.push_back({"separation." + side, sides_[i].separation[static_cast<std::size_t>(frame_)], ""});
    result.push_back({"evaluations." + side, sides_[i].sampler->evaluations(frame_), ""});
    for (std::size_t k = 0; k < t.modeMass[i].size(); ++k)
      result.push_back({"mode-mass." + side + "." + std::to_string(k), t.modeMass[i][k], ""});
  }
  return result;
}

}  // namespace orrery::generative
