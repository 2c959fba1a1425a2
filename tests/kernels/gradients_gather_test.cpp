// Kernels that move or pick values (permute, embedding, grid sampling): against their references, their gradients against central
// differences.

#include <cmath>
#include <stdexcept>

#include "core/kernels/embedding.h"
#include "core/kernels/grid_sample.h"
#include "core/kernels/permute.h"
#include "tests/kernels/gradient_support.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;
using namespace orrery::kernels;

TEST_CASE("permute, embedding, grid sampling and their gradients agree with their references") {
  for (const char* id : {"permute", "embedding", "grid_sample", "grid_sample_input_gradient", "grid_sample_grid_gradient"})
    checkAgainstReference(id);
}

TEST_CASE("the gradient of embedding is its central difference, rows picked twice included") {
  const std::vector<std::uint32_t> index{3, 0, 3, 3, 5, 1, 0};
  const Doubles weight = randomDoubles(Shape{6, 3}, 1), g = randomDoubles(Shape{7, 3}, 2);
  checkGradient([&](const Doubles& at) { return embeddingReference(at, index); }, weight, g, embeddingGradientReference(g, index, 6));
}

TEST_CASE("the gradients of grid sampling are its central differences") {
  for (const GridPadding padding : {GridPadding::zeros, GridPadding::border}) {
    for (const bool align : {false, true}) {
      const GridSampleOptions options{padding, align};
      const Shape input{2, 3, 4, 5};
      const Doubles x = randomDoubles(input, 3), g = randomDoubles(Shape{2, 3, 3, 7}, 5);
      Doubles grid = randomDoubles(Shape{2, 3, 7, 2}, 4, -1.4, 1.4);
      // Samples have a kink at whole pixels: keep a distance of 0.01 pixels from them, more than h = 1e-4 of the grid.
      for (std::int64_t i = 0; i < grid.shape.count(); ++i) {
        const double extent = i % 2 == 0 ? 5 : 4;
        const double place = align ? (grid[i] + 1) / 2 * (extent - 1) : ((grid[i] + 1) * extent - 1) / 2;
        if (std::abs(place - std::round(place)) < 0.01) grid[i] += 0.02;
      }
      checkGradient([&](const Doubles& at) { return gridSampleReference(at, grid, options); }, x, g,
                    gridSampleInputGradientReference(g, grid, input, options));
      checkGradient([&](const Doubles& at) { return gridSampleReference(x, at, options); }, grid, g,
                    gridSampleGridGradientReference(g, x, grid, options));
    }
  }
}

TEST_CASE("sums of rows that share a key repeat to the bit") {
  gpu::Stream stream = openStream();
  auto words = testWords(5000, 7);
  for (auto& w : words) w %= 11;
  const Tensor index = Tensor::from(Shape{5000}, words), g = Tensor::from(Shape{5000, 8}, testFloats(40000, 8, -1, 1));
  CHECK(embeddingGradient(stream, g, index, 11).toFloats() == embeddingGradient(stream, g, index, 11).toFloats());
  const Tensor grid = Tensor::from(Shape{1, 40, 40, 2}, testFloats(3200, 9, -1, 1)),
               gy = Tensor::from(Shape{1, 3, 40, 40}, testFloats(4800, 10, -1, 1));
  const Shape input{1, 3, 6, 5};
  CHECK(gridSampleInputGradient(stream, gy, grid, input).toFloats() == gridSampleInputGradient(stream, gy, grid, input).toFloats());
}

TEST_CASE("sampling an image at its own pixel centres gives the image") {
  gpu::Stream stream = openStream();
  const Tensor x = Tensor::from(Shape{1, 2, 3, 4}, testFloats(24, 11, -1, 1));
  std::vector<float> places;
  for (int y = 0; y < 3; ++y)
    for (int c = 0; c < 4; ++c)
      places.push_back((2.0f * static_cast<float>(c) + 1) / 4 - 1), places.push_back((2.0f * static_cast<float>(y) + 1) / 3 - 1);
  CHECK(compare(gridSample(stream, x, Tensor::from(Shape{1, 3, 4, 2}, places)), Doubles(x).values).worst < 1e-6);  // places rounded to f32
}

TEST_CASE("picking kernels refuse shapes that do not fit") {
  gpu::Stream stream = openStream();
  CHECK_THROWS_AS(permute(stream, Tensor(Shape{2, 3}), {0, 0}), std::invalid_argument);
  CHECK_THROWS_AS(pixelShuffle(stream, Tensor(Shape{1, 6, 2, 2}), 2), std::invalid_argument);
  CHECK_THROWS_AS(gridSample(stream, Tensor(Shape{1, 1, 2, 2}), Tensor(Shape{2, 1, 1, 2})), std::invalid_argument);
  CHECK_THROWS_AS(embeddingGradient(stream, Tensor(Shape{3, 4}), Tensor(Shape{2}, DType::u32), 5), std::invalid_argument);
}
