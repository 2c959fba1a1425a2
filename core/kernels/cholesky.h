#pragma once
// The Cholesky factor of symmetric positive definite matrices. Source: Golub and Van Loan 2013, algorithm 4.2.2 (outer products).

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

// L lower triangular with A = L L^T and zeros above: a f32 [..., n, n] -> [..., n, n], n at most 128. Only the lower triangle of A is read.
// A matrix that is not positive definite (to rounding) gives NaN in its whole lower triangle; the others of the batch are not touched by
// it. Throws std::invalid_argument when the matrices are not square and std::length_error when they are larger.
Tensor cholesky(gpu::Stream& stream, const Tensor& a);

Doubles choleskyReference(const Doubles& a);

}  // namespace orrery::kernels
