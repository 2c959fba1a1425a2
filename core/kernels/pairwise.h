#pragma once
// Squared distances between all points of two sets, with gradients.

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

// D[..., i, j] = |a[..., i, :] - b[..., j, :]|^2 with a f32 [..., n, d], b f32 [..., m, d], the same leading axes. Formed from the
// differences: never negative, exactly 0 for equal points. Throws std::invalid_argument for shapes that do not fit.
Tensor pairwiseSquaredDistances(gpu::Stream& stream, const Tensor& a, const Tensor& b);

// dL/da_i = 2 sum_j g_ij (a_i - b_j), dL/db_j = 2 sum_i g_ij (b_j - a_i). For one set with itself add the two.
struct PairwiseGradients {
  Tensor a, b;
};
PairwiseGradients pairwiseSquaredDistancesGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& a, const Tensor& b);

Doubles pairwiseSquaredDistancesReference(const Doubles& a, const Doubles& b);
// To `a`; to `b` with the roles and the axes of `gradient` exchanged.
Doubles pairwiseGradientReference(const Doubles& gradient, const Doubles& a, const Doubles& b, bool toB);

}  // namespace orrery::kernels
