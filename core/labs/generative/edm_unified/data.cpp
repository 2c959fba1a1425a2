#include "core/labs/generative/edm_unified/data.h"

#include <algorithm>
#include <cmath>

#include "core/diffusion/noise.h"
#include "core/metrics/distances.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr std::uint32_t particlePurpose = 0xED3, judgePurpose = 0xED4, quantilePurpose = 0xED5;

State noised(const PlaneScene& scene, std::size_t count, double level, std::uint64_t seed, std::uint32_t purpose) {
  return scene.draw(seed, count, purpose) + level * diffusion::Noise(seed, 2 * count).fresh(0, purpose);
}

}  // namespace

UnifiedData::UnifiedData(diffusion::LineMixture line) : line_(std::move(line)) {
  double mean = 0, squares = 0;
  for (const auto& c : line_.components) mean += c.weight * c.mean, squares += c.weight * (c.mean * c.mean + c.deviation * c.deviation);
  mean_ = {mean};
  variance_ = squares - mean * mean, squaredMean_ = mean * mean;
}

UnifiedData::UnifiedData(PlaneScene plane) : plane_(std::move(plane)) {
  double x = 0, y = 0, squares = 0;
  for (const auto& c : plane_->mixture.components)
    x += c.weight * c.x, y += c.weight * c.y, squares += c.weight * (c.x * c.x + c.y * c.y + c.along + c.across);
  mean_ = {x, y};
  squaredMean_ = (x * x + y * y) / 2, variance_ = squares / 2 - squaredMean_;
}

State UnifiedData::denoise(const State& x, double level) const { return plane_ ? plane_->mixture.denoise(x, level) : line_.denoise(x, level); }

State UnifiedData::particles(std::size_t count, double level, double share, std::uint64_t seed) const {
  if (plane_) return noised(*plane_, count, level, seed, particlePurpose);
  State x(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double place = count == 1 ? 0.5 : static_cast<double>(i) / (static_cast<double>(count) - 1);
    x[i] = line_.quantile(share + (1 - 2 * share) * place, level);
  }
  return x;
}

double UnifiedData::distance(const State& particles, double level, std::uint64_t seed) const {
  if (plane_) {
    const State exact = noised(*plane_, particles.size() / 2, level, seed, judgePurpose);
    const std::vector<float> a(particles.begin(), particles.end()), b(exact.begin(), exact.end());
    return slicedWasserstein2(a, b);
  }
  std::vector<double> sorted(particles.begin(), particles.end());
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  double sum = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) sum += std::abs(sorted[i] - line_.quantile((static_cast<double>(i) + 0.5) / n, level)) / n;
  return sum;
}

double UnifiedData::quantile(double share, double level) const {
  if (!plane_) return line_.quantile(share, level);
  constexpr std::size_t drawn = 2048;
  const State x = noised(*plane_, drawn, level, 20261123, quantilePurpose);
  std::vector<double> first;
  for (std::size_t i = 0; i < drawn; ++i) first.push_back(x[2 * i]);
  std::sort(first.begin(), first.end());
  return first[static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * (drawn - 1))];
}

std::vector<double> UnifiedData::spread(const State& x, double level) const {
  const std::size_t d = dimension();
  const double h = 1e-4 * std::hypot(level, std::sqrt(variance_));
  std::vector<double> result(x.size() / d, 0);
  for (std::size_t c = 0; c < d; ++c) {
    State up = x, down = x;
    for (std::size_t i = c; i < x.size(); i += d) up[i] += h, down[i] -= h;
    const State high = denoise(up, level), low = denoise(down, level);
    for (std::size_t i = c; i < x.size(); i += d)
      result[i / d] += level * level * (high[i] - low[i]) / (2 * h) / static_cast<double>(d);
  }
  return result;
}

}  // namespace orrery::generative
