#pragma once
// Triangular systems and triangles of matrices. Source: Golub and Van Loan 2013, section 3.1 (substitution).

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct TriangularOptions {
  bool upper = false;         // T is upper triangular; its other triangle is not read
  bool transposed = false;    // solve T^T X = B
  bool unitDiagonal = false;  // ones on the diagonal, whatever stands there (the L of an LU)
  // A permutation u32 [..., n]: row i of B is row order[i] of `b`; with orderResult, row i of X goes to row order[i] of the result instead.
  Tensor order{};
  bool orderResult = false;
};

// X with op(T) X = B: t f32 [..., n, n], b f32 [..., n, m] -> [..., n, m]. The leading axes agree, or t is one matrix [n, n] for all. A
// zero on the diagonal makes the whole X of that matrix NaN, and of no other. n is at most 1,000 on a CPU device (what one loop runs).
// Throws std::invalid_argument for shapes that do not fit.
Tensor solveTriangular(gpu::Stream& stream, const Tensor& t, const Tensor& b, const TriangularOptions& options = {});
// The same for B = I: op(T)^-1, with rows ordered as the options say.
Tensor invertTriangular(gpu::Stream& stream, const Tensor& t, const TriangularOptions& options = {});

// Without `order`.
Doubles solveTriangularReference(const Doubles& t, const Doubles& b, const TriangularOptions& options = {});

// The lower (upper) triangle of every matrix [..., n, n] and zeros elsewhere; the diagonal is multiplied by `diagonal`.
Tensor triangle(gpu::Stream& stream, const Tensor& x, bool upper = false, double diagonal = 1);

// For core/kernels/{lu,cholesky}.cpp too: how many matrices [..., n, n] these are. Throws std::invalid_argument, "lu: matrices [..., n, n]
// of f32 are needed, found f32 [2, 3]".
std::int64_t squareMatrices(const char* name, const Tensor& x);
// The factorisations take matrices of up to this many rows. Throws std::length_error, "lu: 200 rows are more than the 128 of its largest
// matrix".
inline constexpr std::int64_t largestFactorised = 128;
void requireFactorisable(const char* name, std::int64_t n);
// One workgroup per matrix, in two dimensions when there are many.
gpu::Groups groupPerMatrix(std::int64_t matrices);

}  // namespace orrery::kernels
