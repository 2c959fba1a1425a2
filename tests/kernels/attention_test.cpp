#include "core/kernels/attention.h"

#include <cmath>
#include <stdexcept>

#include "core/gpu/device.h"
#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;

namespace {

Tensor random(Shape shape, std::uint32_t seed) { return Tensor::from(shape, kernels::testFloats(shape.count(), seed, -1, 1)); }

}  // namespace

TEST_CASE("attention agrees with its reference in both variants, and so do the weights made again from its statistics") {
  checkAgainstReference("attention");
}

TEST_CASE("a fully masked row gives zeros and no NaN, whatever the values are") {
  gpu::Stream stream = openStream();
  const Tensor q = random(Shape{2, 12, 8}, 1), k = random(Shape{2, 12, 8}, 2), v = random(Shape{2, 12, 8}, 3);
  for (const char* variant : {"scalar", "subgroup"}) {
    kernels::AttentionOptions options;
    options.variant = variant;
    options.validQueries = 5;
    options.validKeys = 5;
    const auto found = kernels::attention(stream, q, k, v, options);
    const auto output = found.output.toFloats(), statistics = found.statistics.toFloats();
    for (std::size_t i = 0; i < output.size(); ++i) {
      const bool padded = i / 8 % 12 >= 5;
      CHECK(std::isfinite(output[i]));
      if (padded) CHECK(output[i] == 0.0f);
    }
    CHECK(statistics[2 * 11] == -1e30f);
    CHECK(statistics[2 * 11 + 1] == 0.0f);
  }
}

TEST_CASE("causal attention: later tokens do not touch earlier rows, bit for bit") {
  gpu::Stream stream = openStream();
  const Shape shape{2, 40, 16};
  const Tensor q = random(shape, 1), k = random(shape, 2), v = random(shape, 3);
  auto k2 = k.toFloats(), v2 = v.toFloats();
  for (std::size_t h = 0; h < 2; ++h) {
    for (std::size_t c = 0; c < 16; ++c) k2[(h * 40 + 23) * 16 + c] += 5, v2[(h * 40 + 23) * 16 + c] -= 3;
  }
  for (const char* variant : {"scalar", "subgroup"}) {
    kernels::AttentionOptions options;
    options.mask = kernels::AttentionMask::causal;
    options.variant = variant;
    const auto a = kernels::attention(stream, q, k, v, options).output.toFloats();
    const auto b = kernels::attention(stream, q, Tensor::from(shape, k2), Tensor::from(shape, v2), options).output.toFloats();
    bool same = true, changed = false;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (i / 16 % 40 < 23) same = same && a[i] == b[i];
      if (i / 16 % 40 >= 23) changed = changed || a[i] != b[i];
    }
    CHECK(same);
    CHECK(changed);
  }
}

TEST_CASE("attention refuses shapes that do not fit") {
  gpu::Stream stream = openStream();
  CHECK_THROWS_AS(kernels::attention(stream, Tensor(Shape{2, 4, 8}), Tensor(Shape{2, 4, 9}), Tensor(Shape{2, 4, 8})),
                  std::invalid_argument);
  CHECK_THROWS_AS(kernels::attention(stream, Tensor(Shape{3, 4, 8}), Tensor(Shape{2, 4, 8}), Tensor(Shape{2, 4, 8})),
                  std::invalid_argument);
  CHECK_THROWS_AS(kernels::attention(stream, Tensor(Shape{2, 4, 8}), Tensor(Shape{2, 4, 8}), Tensor(Shape{2, 5, 8})),
                  std::invalid_argument);
}

TEST_CASE("a map of 2048 tokens and 12 heads at a level of detail stays far below n x n x H") {
  CHECK(kernels::cellFor(2048, 256) == 8);
  CHECK(kernels::cellFor(48, 256) == 1);
  CHECK(kernels::cellFor(1025, 512) == 4);
}
