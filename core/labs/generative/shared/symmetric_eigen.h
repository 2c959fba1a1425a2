#pragma once
// Eigenvalues and eigenvectors of a symmetric matrix in double precision on the host. Source: Jacobi 1846, cyclic; Golub and Van Loan 2013,
// section 8.5.

#include <cstddef>
#include <vector>

namespace orrery::generative {

struct SymmetricEigen {
  std::vector<double> values;   // falling
  std::vector<double> vectors;  // [n, n]: row i belongs to value i, of length 1
};
// matrix [n, n], of which the lower triangle is read.
SymmetricEigen symmetricEigen(const std::vector<double>& matrix, std::size_t n);

}  // namespace orrery::generative
