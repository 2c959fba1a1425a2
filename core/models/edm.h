#pragma once
// How EDM trains a denoiser. Source: Karras, Aittala, Aila and Laine 2022, table 1, column "ours". Its preconditioning is
// diffusion::preconditioning() (core/diffusion/prediction.h), its noise levels are the grid "karras".

namespace orrery::models::edm {

// lambda(sigma), the weight of |D - y|^2; lambda cOut^2 = 1: the loss of F's own target (y - cSkip x) / cOut has the weight 1.
inline double weight(double sigma, double sigmaData) {
  return (sigma * sigma + sigmaData * sigmaData) / (sigma * sigma * sigmaData * sigmaData);
}

// ln sigma of training is normal.
inline constexpr double meanLogSigma = -1.2, deviationLogSigma = 1.2;

}  // namespace orrery::models::edm
