#include "core/labs/generative/shared/sample_distance.h"

#include <algorithm>
#include <cmath>

#include "core/base/parallel.h"
#include "core/base/text.h"
#include "core/diffusion/noise.h"
#include "core/metrics/distances.h"

namespace orrery::generative {

namespace {

constexpr int directions = 64;
constexpr std::size_t fewestJudged = 512, mostWork = std::size_t{1} << 18;  // points of the likelihood; components evaluated

}  // namespace

ExactSamples::ExactSamples(const PlaneScene& scene, std::uint64_t seed, std::size_t count, std::uint32_t purpose) {
  count = std::min(count, most);
  mixture_ = scene.mixture;
  for (std::uint32_t e = 0; e < samples; ++e) {
    x_[e] = scene.draw(seed, count, purpose + e);
    noise_[e] = diffusion::Noise(seed, 2 * count).fresh(0, purpose + e);
  }
}

SampleDistance ExactSamples::to(const diffusion::State& scaled, double level) const {
  const double unit = 1 / std::sqrt(1 + level * level);
  const std::size_t values = std::min(x_[0].size(), scaled.size());
  // The excess looks at as many points as keep within some work. Point masses stay finite.
  const std::size_t judged = std::min(values / 2, std::max(fewestJudged, mostWork / std::max<std::size_t>(mixture_.components.size(), 1)));
  const double judgedLevel = std::max(level, 1e-4);
  ProjectedSample projected[samples + 1];
  double surprise[samples + 1] = {};
  parallelFor(samples + 1, 0, [&](std::size_t part) {
    std::vector<float> points(values);
    for (std::size_t i = 0; i < values; ++i)
      points[i] = static_cast<float>(unit * (part < samples ? x_[part][i] + level * noise_[part][i] : scaled[i]));
    projected[part] = project(points, directions);
    for (std::size_t p = 0; p < judged; ++p)
      surprise[part] -=
          mixture_.logDensity(static_cast<double>(points[2 * p]) / unit, static_cast<double>(points[2 * p + 1]) / unit, judgedLevel) /
          static_cast<double>(judged);
  });
  SampleDistance distance;
  const double each = 1.0 / samples;  // as many pairs as samples
  for (std::size_t e = 0; e < samples; ++e) {
    const std::size_t next = (e + 1) % samples;
    distance.sliced += each * std::pow(slicedWasserstein2(projected[samples], projected[e]), 2);
    distance.floor += each * std::pow(slicedWasserstein2(projected[next], projected[e]), 2);
    distance.excess += each * (surprise[samples] - surprise[e]);
    distance.excessFloor += each * std::pow(surprise[next] - surprise[e], 2);
  }
  distance.sliced = std::sqrt(distance.sliced), distance.floor = std::sqrt(distance.floor);
  distance.excessFloor = std::sqrt(distance.excessFloor);
  return distance;
}

double addDistances(Panel& panel, const DistanceCourse& course, std::string id, Paint paint, std::string name, bool band) {
  double high = 1e-3;
  for (std::size_t i = 0; i < course.x.size(); ++i) high = std::max({high, course.sliced[i], 1.5 * course.floor[i]});
  if (band) {
    auto noise = std::make_shared<BandMark>("floor");
    noise->x = columnOf(course.x), noise->low = columnOf(std::vector<double>(course.x.size(), 0.0)), noise->high = columnOf(course.floor);
    noise->label = tr("sampling noise");
    panel.marks.push_back(std::move(noise));
  }
  auto line = curveOf(std::move(id), course.x, course.sliced, paint, std::move(name));
  line->markers = course.x.size() < 3;
  line->directLabel = false;
  panel.marks.push_back(std::move(line));
  return high;
}

}  // namespace orrery::generative
