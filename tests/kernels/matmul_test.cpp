#include "core/kernels/matmul.h"

#include <stdexcept>

#include "core/gpu/device.h"
#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;

TEST_CASE("matmul agrees with its reference in both variants") {
  checkAgainstReference("matmul");
}

TEST_CASE("matmul gives a small product by hand") {
  gpu::Stream stream = openStream();
  const Tensor a = Tensor::from(Shape{2, 3}, {1, 2, 3, 4, 5, 6}), b = Tensor::from(Shape{3, 2}, {7, 8, 9, 10, 11, 12});
  for (const char* variant : {"scalar", "subgroup"}) {
    const auto c = kernels::matmul(stream, a, b, {.variant = variant}).toFloats();
    CHECK(c == std::vector<float>{58, 64, 139, 154});
  }
}

TEST_CASE("matmul refuses shapes that do not fit and says which") {
  gpu::Stream stream = openStream();
  const Tensor a(Shape{2, 3}), b(Shape{4, 5});
  CHECK_THROWS_WITH(kernels::matmul(stream, a, b), "matmul: [2, 3] and [4, 5] do not fit");
  CHECK_THROWS_AS(kernels::matmul(stream, Tensor(Shape{3}), b), std::invalid_argument);
  CHECK_THROWS_AS(kernels::matmul(stream, Tensor(Shape{2, 2, 4}), Tensor(Shape{3, 4, 4})), std::invalid_argument);
}

TEST_CASE("matmul is deterministic: two runs give the same bytes") {
  gpu::Stream stream = openStream();
  const Tensor a = Tensor::from(Shape{100, 300}, kernels::testFloats(30000, 1, -1, 1)),
               b = Tensor::from(Shape{300, 90}, kernels::testFloats(27000, 2, -1, 1));
  CHECK(kernels::matmul(stream, a, b).toFloats() == kernels::matmul(stream, a, b).toFloats());
}
