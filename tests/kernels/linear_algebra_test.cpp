// Cholesky, LU and triangular systems against their references, and what they refuse.

#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/cholesky.h"
#include "core/kernels/lu.h"
#include "core/kernels/triangular.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;
using namespace orrery::kernels;

TEST_CASE("linear algebra agrees with its references in both variants") {
  for (const char* id : {"triangle", "triangular_solve", "cholesky", "lu"}) {
    INFO(id);
    checkAgainstReference(id);
  }
}

TEST_CASE("linear algebra refuses what does not fit, with the shapes") {
  gpu::Stream stream = openStream();
  const Tensor square(Shape{2, 3, 3}), oblong(Shape{2, 3, 4}), large(Shape{129, 129});
  CHECK_THROWS_WITH(cholesky(stream, oblong), "cholesky: matrices [..., n, n] of f32 are needed, found f32 [2, 3, 4]");
  CHECK_THROWS_AS(lu(stream, Tensor(Shape{3})), std::invalid_argument);
  CHECK_THROWS_AS(lu(stream, Tensor(Shape{3, 3}, DType::u32)), std::invalid_argument);
  CHECK_THROWS_WITH(lu(stream, large), "lu: 129 rows are more than the 128 of its largest matrix");
  CHECK_THROWS_AS(cholesky(stream, large), std::length_error);
  CHECK_THROWS_AS(solveTriangular(stream, square, Tensor(Shape{2, 4, 3})), std::invalid_argument);
  CHECK_THROWS_AS(solveTriangular(stream, square, Tensor(Shape{3, 3, 3})), std::invalid_argument);
  CHECK_THROWS_AS(solveTriangular(stream, square, Tensor(Shape{3})), std::invalid_argument);
  TriangularOptions options;
  options.order = Tensor::from(Shape{3}, std::vector<std::uint32_t>{0, 1, 2});
  CHECK_THROWS_AS(solveTriangular(stream, square, Tensor(Shape{2, 3, 1}), options), std::invalid_argument);
  CHECK_THROWS_AS(triangle(stream, oblong), std::invalid_argument);
}

TEST_CASE("the sign of the determinant counts the exchanges of rows") {
  gpu::Stream stream = openStream();
  // A permutation of three rows in a cycle is even, an exchange is odd; a minus turns either over.
  const Tensor a =
      Tensor::from(Shape{4, 3, 3}, {0, 1, 0, 0, 0, 1, 1, 0, 0, /**/ 0, 1, 0, 1, 0, 0, 0, 0, 1, /**/ 0, 1, 0, 1, 0, 0, 0, 0, -1, /**/
                                    2, 0, 0, 0, 3, 0, 0, 0, -4});
  const Lu found = lu(stream, a);
  CHECK(found.sign.toFloats() == std::vector<float>{1, -1, 1, -1});
  CHECK(found.logAbsDet.toFloats()[0] == 0);
  CHECK(found.logAbsDet.toFloats()[3] == Approx(std::log(24.0)));
}

TEST_CASE("a NaN in one matrix stays there") {
  gpu::Stream stream = openStream();
  std::vector<float> values{2, 0, 0, 2, NAN, 0, 0, 2, 3, 1, 1, 3};
  const Tensor a = Tensor::from(Shape{3, 2, 2}, values);
  const auto logs = lu(stream, a).logAbsDet.toFloats(), factor = cholesky(stream, a).toFloats();
  CHECK(logs[0] == Approx(std::log(4.0)));
  CHECK(std::isnan(logs[1]));
  CHECK(logs[2] == Approx(std::log(8.0)));
  CHECK(factor[0] == Approx(std::sqrt(2.0)));
  CHECK(std::isnan(factor[4]));
  CHECK(factor[11] == Approx(std::sqrt(3 - 1.0 / 3)));
}
