#pragma once
// The data of the lab edm-unified: a density of the line or of the plane whose denoiser is known exactly. A State holds particles of
// `dimension` coordinates, scaled (x_t / s) against the relative noise level.

#include <cstdint>
#include <optional>
#include <vector>

#include "core/diffusion/density.h"
#include "core/labs/generative/shared/plane_scene.h"

namespace orrery::generative {

class UnifiedData {
 public:
  UnifiedData() = default;
  explicit UnifiedData(diffusion::LineMixture line);
  explicit UnifiedData(PlaneScene plane);

  std::size_t dimension() const { return plane_ ? 2 : 1; }
  std::size_t components() const { return plane_ ? plane_->mixture.components.size() : line_.components.size(); }
  // Of a coordinate: mean over the coordinates of their variances and of their squared means.
  double variance() const { return variance_; }
  double squaredMean() const { return squaredMean_; }
  const std::vector<double>& mean() const { return mean_; }

  diffusion::State denoise(const diffusion::State& x, double level) const;
  // Particles of the noised density: on the line its quantiles at evenly spaced shares between `share` and 1 - share, in the plane a sample.
  diffusion::State particles(std::size_t count, double level, double share, std::uint64_t seed) const;
  // How far particles are from having the law of this level: on the line the mean distance between sorted particles and quantiles (W1), in the
  // plane sliced W2 against as many exact ones.
  double distance(const diffusion::State& particles, double level, std::uint64_t seed) const;
  // Where `share` of the first coordinate lies below, on the line exactly, in the plane of a sample.
  double quantile(double share, double level) const;
  // Var[x_0 | x] of each particle, mean over its coordinates: level^2 dD/dx by central differences.
  std::vector<double> spread(const diffusion::State& x, double level) const;

  const diffusion::LineMixture* line() const { return plane_ ? nullptr : &line_; }

 private:
  diffusion::LineMixture line_;
  std::optional<PlaneScene> plane_;
  std::vector<double> mean_{0};
  double variance_ = 1, squaredMean_ = 0;
};

}  // namespace orrery::generative
