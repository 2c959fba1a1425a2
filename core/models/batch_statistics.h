#pragma once
// What batch normalization does with its statistics, for flows of rows (flows_batch_norm.cpp) and of pictures (image_flow.cpp). Source: Dinh,
// Sohl-Dickstein and Bengio 2017, section 3.7 and appendix E:  y = (x - m) / sqrt(v + e).

#include "core/nn/layers.h"

namespace orrery::models::flows {

constexpr double normEpsilon = 1e-5;  // e: a dimension without width is stretched by at most 316

// r m_run + (1 - r) m_batch. The running value is watched, not learnt: no gradient leads to it.
inline nn::Variable mixedStatistic(const nn::Variable& running, const nn::Variable& batch, double momentum) {
  return nn::add(nn::affine(running.tape().constant(running.value()), momentum, 0), nn::affine(batch, 1 - momentum, 0));
}

// ln(v + e).
inline nn::Variable logWidth(const nn::Variable& variance) {
  return nn::apply(kernels::Unary::log, nn::affine(variance, 1, normEpsilon));
}

}  // namespace orrery::models::flows
