#include "core/kernels/reduce.h"

#include <cmath>
#include <stdexcept>

#include "core/gpu/device.h"
#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;

TEST_CASE("reduce agrees with its reference in both variants") {
  checkAgainstReference("reduce");
}

TEST_CASE("a sum over nothing is 0, a mean over nothing is refused") {
  gpu::Stream stream = openStream();
  CHECK(kernels::reduce(stream, Tensor(Shape{2, 0}), 1, kernels::Reduction::sum).toFloats() == std::vector<float>{0, 0});
  CHECK_THROWS_AS(kernels::reduce(stream, Tensor(Shape{2, 0}), 1, kernels::Reduction::mean), std::invalid_argument);
}

TEST_CASE("reduceAll sums ten million ones exactly enough") {
  gpu::Stream stream = openStream();
  const Tensor ones = Tensor::from(Shape{10'000'000}, std::vector<float>(10'000'000, 0.1f));
  // 0.1f is 0.100000001490116; one running f32 sum would end near 1 087 937.
  CHECK(kernels::reduceAll(stream, ones, kernels::Reduction::sum).toFloats()[0] == Approx(1000000.0149).epsilon(1e-6));
}
