#pragma once
// The least mean squared error of any denoiser of a plane scene, mse(s) = E tr Cov[x_0 | x_0 + s eps] / 2, and the entropy of its data, in
// double precision: closed for one Gaussian, else by quadrature.

#include <functional>
#include <vector>

#include "core/diffusion/state.h"
#include "core/labs/generative/shared/plane_scene.h"

namespace orrery::generative {

// Points x of the scene at a level, equally weighted, spread evenly under every component (Kronecker sequence of Roberts 2018 through the
// normal quantile, shares of the components by their weights): expectations over x_t with errors near 1 / count instead of 1 / sqrt(count).
diffusion::State evenSample(const PlaneScene& scene, double level, std::size_t count);

class DenoisingError {
 public:
  DenoisingError() = default;
  explicit DenoisingError(const PlaneScene& scene);

  double at(double level) const;                         // per axis
  double variance() const { return variance_; }          // of the data, per axis
  double secondMoment() const { return secondMoment_; }  // E |x_0|^2 / 2
  // -E ln p_0(x_0) per axis in nats; -infinity for data without width.
  double entropy() const { return entropy_; }

 private:
  double variance_ = 0, secondMoment_ = 0, entropy_ = 0;
  std::vector<double> gaussian_;  // the two principal variances of a lone component
  // mse over that of the best linear denoiser, v s^2 / (v + s^2), at levels e^(firstKnot + knotStep k).
  std::vector<double> ratio_;
};

}  // namespace orrery::generative
