// Parts of tensors along an axis.

#include "core/kernels/slice.h"

#include <stdexcept>

#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;
using namespace orrery::kernels;

TEST_CASE("slices, padding and concatenation place every element where their reference does") { checkAgainstReference("slice"); }

TEST_CASE("what does not fit is refused by its shape") {
  gpu::Stream stream = openStream();
  const Tensor x(Shape{2, 3}), other(Shape{3, 3}), bytes(Shape{2, 3}, DType::u8);
  CHECK_THROWS_AS(slice(stream, x, 2, 0, 1), std::invalid_argument);
  CHECK_THROWS_AS(slice(stream, x, 1, 1, 4), std::invalid_argument);
  CHECK_THROWS_AS(slice(stream, x, 1, 2, 1), std::invalid_argument);
  CHECK_THROWS_AS(slice(stream, bytes, 1, 0, 1), std::invalid_argument);
  CHECK_THROWS_AS(padAxis(stream, x, 1, 2, 4), std::invalid_argument);
  CHECK_THROWS_AS(concat(stream, {}, 0), std::invalid_argument);
  const std::vector<Tensor> parts{x, other};
  CHECK_THROWS_AS(concat(stream, parts, 1), std::invalid_argument);
  CHECK(concat(stream, parts, 0).shape() == Shape{5, 3});
}
