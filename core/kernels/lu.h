#pragma once
// LU factors of small square matrices, and what is made of them: linear systems, inverses, determinants. Source: Golub and Van Loan 2013,
// algorithm 3.4.1 (outer products with partial pivoting).

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct Lu {
  Tensor factors;      // [..., n, n]: U on and above the diagonal, L below it; L's diagonal of ones is not kept
  Tensor permutation;  // u32 [..., n]: row i of L U is row permutation[i] of A
  Tensor sign;         // [...]: of the determinant, -1, 0 or 1
  Tensor logAbsDet;    // [...]: ln |det A|; -infinity when a pivot is exactly zero
};

// P A = L U: a f32 [..., n, n], n at most 128; the pivot is the largest value of its column, the first of equals. A singular matrix has
// factors all the same, with a zero on U's diagonal, sign 0. The empty matrix has determinant 1. Throws std::invalid_argument when the
// matrices are not square and std::length_error when they are larger.
Lu lu(gpu::Stream& stream, const Tensor& a);

// X with A X = B, or A^T X = B, from lu(A): b f32 [..., n, m] -> [..., n, m]; the leading axes agree, or A is one matrix [n, n] for all.
// The whole X of a matrix with a zero pivot is NaN, and of no other.
Tensor luSolve(gpu::Stream& stream, const Lu& lu, const Tensor& b, bool transposed = false);
// The same for B = I: A^-1, or A^-T.
Tensor luInverse(gpu::Stream& stream, const Lu& lu, bool transposed = false);

struct LuReference {
  Doubles factors;
  std::vector<std::uint32_t> permutation;
  std::vector<double> sign, logAbsDet;  // per matrix
};
LuReference luReference(const Doubles& a);
Doubles luSolveReference(const LuReference& lu, const Doubles& b);

}  // namespace orrery::kernels
