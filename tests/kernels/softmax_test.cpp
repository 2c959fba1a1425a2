#include "core/kernels/softmax.h"

#include <cmath>
#include <stdexcept>

#include "core/gpu/device.h"
#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;

TEST_CASE("softmax agrees with its reference in both variants") {
  checkAgainstReference("softmax");
}

TEST_CASE("softmax rows sum to 1, hidden entries are exactly 0, and a hidden row is all zero") {
  gpu::Stream stream = openStream();
  const Tensor x = Tensor::from(Shape{3, 5}, kernels::testFloats(15, 1, -50, 50));
  kernels::SoftmaxOptions options;
  options.mask = Tensor::from(Shape{3, 5}, {0, 0, -1e30f, 0, 0, -1e30f, -1e30f, -1e30f, -1e30f, -1e30f, 0, -1e30f, 0, -1e30f, 0});
  Tensor logSumExp;
  const auto y = kernels::softmax(stream, x, -1, options, &logSumExp).toFloats();
  const auto mask = options.mask.toFloats();
  for (std::size_t row = 0; row < 3; ++row) {
    double sum = 0;
    for (std::size_t j = 0; j < 5; ++j) {
      if (mask[row * 5 + j] < 0) CHECK(y[row * 5 + j] == 0.0f);
      sum += static_cast<double>(y[row * 5 + j]);
    }
    // Class A: five additions and one division in f32.
    CHECK(sum == Approx(row == 1 ? 0.0 : 1.0).margin(5e-7));
  }
  CHECK(logSumExp.toFloats()[1] == -1e30f);
}

TEST_CASE("softmax does not change when a constant is added to a row") {
  gpu::Stream stream = openStream();
  auto values = kernels::testFloats(64, 1, -2, 2);
  const auto y = kernels::softmax(stream, Tensor::from(Shape{2, 32}, values)).toFloats();
  for (float& value : values) value += 64.0f;  // a power of two: the differences lose at most 64 x 6e-8
  const auto shifted = kernels::softmax(stream, Tensor::from(Shape{2, 32}, values)).toFloats();
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == Approx(shifted[i]).epsilon(1.5e-5));
}

TEST_CASE("softmax refuses a temperature of zero and an axis that is not there") {
  gpu::Stream stream = openStream();
  kernels::SoftmaxOptions options;
  options.temperature = 0;
  CHECK_THROWS_AS(kernels::softmax(stream, Tensor::from(Shape{2}, {1, 2}), -1, options), std::invalid_argument);
  CHECK_THROWS_AS(kernels::softmax(stream, Tensor::from(Shape{2}, {1, 2}), 1), std::invalid_argument);
}
