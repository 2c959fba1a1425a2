#pragma once
// What a user's network, whatever it predicts, says of the velocity of a path; and a picture of where it errs.

#include <memory>
#include <span>
#include <string>

#include "core/figure/figure.h"
#include "core/labs/generative/shared/flow_field.h"
#include "core/models/point_denoiser.h"

namespace orrery::generative {

// The velocity of x_t = alpha x_0 + sigma eps under the network's D: u = alpha' D + sigma' eps with eps = (x_t - alpha D) / sigma
// (generative.md C2). Where sigma or alpha vanish, that of a thousandth away.
Velocity networkVelocity(std::shared_ptr<const models::PointDenoiser> network, const FlowPath& path);

// Centres of cells x cells over [-half, half]^2, row 0 at the bottom: [cells^2, 2].
Tensor squareCentres(std::int64_t cells, double half);

// Fills a square panel with |found - exact| at those centres, both [cells^2, 2], and contours of the density exp(logDensity). Its colours
// end at the largest error where the density is at least a hundredth of its peak: no particle asks elsewhere.
void drawErrorMap(Panel& panel, std::int64_t cells, double half, const Tensor& found, const Tensor& exact,
                  std::span<const float> logDensity, const std::string& quantity);

// Root mean square length of found - exact, both [n, 2].
double rootMeanSquare(const Tensor& found, const Tensor& exact);

}  // namespace orrery::generative
