// The double-precision references against PyTorch (tests/oracles/images_oracle.py): conventions that a formula written twice by the same
// hand would get wrong twice.

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "core/kernels/conv2d.h"
#include "core/kernels/grid_sample.h"
#include "core/kernels/group_norm.h"
#include "core/kernels/interpolate.h"
#include "core/kernels/permute.h"
#include "core/kernels/pooling.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;
using namespace orrery::kernels;

namespace {

const std::map<std::string, std::vector<double>>& expected() {
  static const auto table = [] {
    std::map<std::string, std::vector<double>> result;
    std::ifstream file(std::string(ORRERY_SOURCE_FOLDER) + "/tests/oracles/images_expected.txt");
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string name;
      std::size_t count = 0;
      words >> name >> count;
      auto& values = result[name];
      for (double value; words >> value;) values.push_back(value);
      REQUIRE(values.size() == count);
    }
    return result;
  }();
  return table;
}

Doubles wave(const Shape& shape, double seed, double scale = 1) {
  Doubles result(shape);
  for (std::int64_t i = 0; i < shape.count(); ++i) result[i] = scale * std::sin(0.7 * static_cast<double>(i) + seed);
  return result;
}
Doubles weightsFor(const Doubles& y) {
  Doubles result(y.shape);
  for (std::int64_t i = 0; i < y.shape.count(); ++i) result[i] = std::sin(0.3 * static_cast<double>(i) + 1);
  return result;
}

// Both in double precision, written with 12 digits: 1e-10 of values of order 1 to 10.
void agrees(const std::string& name, const Doubles& found) {
  INFO(name);
  REQUIRE(expected().count(name) == 1);
  const auto& values = expected().at(name);
  REQUIRE(values.size() == found.values.size());
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) worst = std::max(worst, std::abs(values[i] - found.values[i]));
  CHECK(worst < 1e-9);
}

}  // namespace

TEST_CASE("convolutions and their gradients are PyTorch's") {
  Conv2dOptions options{{2, 1}, {1, 1}, {1, 2}, 2};
  Doubles x = wave(Shape{1, 4, 6, 5}, 0), w = wave(Shape{6, 2, 3, 2}, 1), y = conv2dReference(x, w, {}, options);
  agrees("conv2d", y);
  agrees("conv2d/x", conv2dInputGradientReference(weightsFor(y), w, x.shape, options));
  agrees("conv2d/w", conv2dWeightGradientReference(weightsFor(y), x, w.shape, options));

  ConvTranspose2dOptions transposed;
  transposed.stride = {2, 3}, transposed.padding = {1, 0}, transposed.outputPadding = {1, 2}, transposed.groups = 2;
  x = wave(Shape{1, 4, 3, 2}, 2), w = wave(Shape{4, 1, 3, 2}, 3), y = convTranspose2dReference(x, w, {}, transposed);
  agrees("conv_transpose2d", y);
  agrees("conv_transpose2d/x", conv2dReference(weightsFor(y), w, {}, transposed));
  agrees("conv_transpose2d/w", conv2dWeightGradientReference(x, weightsFor(y), w.shape, transposed));
}

TEST_CASE("pooling and its gradients are PyTorch's") {
  const Doubles x = wave(Shape{1, 2, 7, 6}, 4);
  const std::pair<std::string, PoolOptions> largest[] = {{"max_pool2d", {{3, 2}, {2, 3}, {1, 1}, {1, 1}, true}},
                                                         {"max_pool2d_dilated", {{2, 3}, {2, 1}, {1, 1}, {3, 2}}}};
  for (const auto& [name, options] : largest) {
    const MaxPooledReference y = maxPool2dReference(x, options);
    agrees(name, y.values);
    agrees(name + "/x", maxPool2dGradientReference(weightsFor(y.values), y.indices, x.shape));
  }
  for (const bool inside : {false, true}) {
    const PoolOptions options{{3, 4}, {2, 3}, {1, 1}, {1, 1}, true, !inside};
    const std::string name = inside ? "avg_pool2d_inside" : "avg_pool2d";
    const Doubles y = averagePool2dReference(x, options);
    agrees(name, y);
    agrees(name + "/x", averagePool2dGradientReference(weightsFor(y), x.shape, options));
  }
  const Doubles y = adaptiveAveragePool2dReference(x, {3, 4});
  agrees("adaptive_avg_pool2d", y);
  agrees("adaptive_avg_pool2d/x", adaptiveAveragePool2dGradientReference(weightsFor(y), x.shape));
}

TEST_CASE("interpolation and its gradients are PyTorch's") {
  const Doubles x = wave(Shape{1, 1, 5, 4}, 5);
  for (const std::array<std::int64_t, 2> size : {std::array<std::int64_t, 2>{8, 7}, {3, 2}}) {
    for (const auto& [mode, word] : {std::pair<Interpolation, const char*>{Interpolation::nearest, "nearest"},
                                     {Interpolation::bilinear, "bilinear"},
                                     {Interpolation::bicubic, "bicubic"}}) {
      for (const bool align : {false, true}) {
        if (mode == Interpolation::nearest && align) continue;
        const std::string name =
            std::string(word) + "_" + std::to_string(size[0]) + "x" + std::to_string(size[1]) + (align ? "_aligned" : "");
        const Doubles y = interpolateReference(x, size, mode, align);
        agrees(name, y);
        agrees(name + "/x", interpolateGradientReference(weightsFor(y), x.shape, mode, align));
      }
    }
  }
}

TEST_CASE("grid sampling and its gradients are PyTorch's") {
  const Doubles x = wave(Shape{1, 2, 4, 5}, 6), grid = wave(Shape{1, 3, 4, 2}, 7, 1.3);
  for (const GridPadding padding : {GridPadding::zeros, GridPadding::border}) {
    for (const bool align : {false, true}) {
      const GridSampleOptions options{padding, align};
      const std::string name =
          std::string(padding == GridPadding::zeros ? "grid_sample_zeros" : "grid_sample_border") + (align ? "_aligned" : "");
      const Doubles y = gridSampleReference(x, grid, options);
      agrees(name, y);
      agrees(name + "/x", gridSampleInputGradientReference(weightsFor(y), grid, x.shape, options));
      agrees(name + "/grid", gridSampleGridGradientReference(weightsFor(y), x, grid, options));
    }
  }
}

TEST_CASE("norms and their gradients are PyTorch's") {
  const auto check = [](const std::string& name, const Doubles& x, const Doubles& gain, const Doubles& shift, const NormRows& rows) {
    const Doubles y = normReference(x, gain, shift, rows);
    agrees(name, y);
    const NormGradientsReference gradients = normGradientReference(weightsFor(y), x, gain, rows);
    agrees(name + "/x", gradients.input);
    agrees(name + "/gain", gradients.gain);
    if (!shift.empty()) agrees(name + "/shift", gradients.shift);
  };
  const Shape images{2, 4, 3, 2}, vectors{3, 7};
  check("group_norm", wave(images, 8), wave(Shape{4}, 9), wave(Shape{4}, 10), groupNormRows(images, 2));
  check("layer_norm", wave(vectors, 11), wave(Shape{7}, 12), wave(Shape{7}, 13), layerNormRows(vectors));
  check("rms_norm", wave(vectors, 11), wave(Shape{7}, 12), {}, layerNormRows(vectors, 1e-5, true));
}

TEST_CASE("pixel shuffle is PyTorch's, and unshuffling is its gradient") {
  gpu::Stream stream = openStream();
  const auto tensor = [](const Doubles& d) { return Tensor::from(d.shape, std::vector<float>(d.values.begin(), d.values.end())); };
  const Tensor y = pixelShuffle(stream, tensor(wave(Shape{1, 8, 2, 3}, 14)), 2);
  // Copies of values rounded to f32.
  CHECK(compare(y, expected().at("pixel_shuffle")).worst < 1e-7);
  CHECK(compare(pixelUnshuffle(stream, tensor(weightsFor(Doubles(y))), 2), expected().at("pixel_shuffle/x")).worst < 1e-7);
}
