// Bilinear samples of images at the places of a grid, and the gradients to both.

#include "core/kernels/grid_sample.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/fill.h"
#include "core/kernels/kernel.h"
#include "core/kernels/segments.h"

namespace orrery::kernels {
namespace {

Shape outputShape(const Shape& x, const Shape& grid) {
  if (x.rank() != 4 || grid.rank() != 4 || grid[3] != 2 || grid[0] != x[0] || x[2] < 1 || x[3] < 1) {
    throw std::invalid_argument("gridSample: images [N, C, H, W] and a grid [N, OH, OW, 2] are needed, found " + x.toString() + " and " +
                                grid.toString());
  }
  return Shape{x[0], x[1], grid[1], grid[2]};
}

void requireFloats(const Tensor& tensor, const Shape& shape) {
  if (tensor.dtype() != DType::f32 || !(tensor.shape() == shape))
    throw std::invalid_argument("gridSample: expected f32 " + shape.toString() + ", found " + tensor.shape().toString());
}

void run(gpu::Stream& stream, std::uint32_t mode, const Tensor& x, const Tensor& grid, const Tensor& gradient, Tensor& result, Tensor& keys,
         const Shape& input, std::uint32_t none, const GridSampleOptions& options) {
  const auto word = [](std::int64_t value) { return static_cast<std::uint32_t>(value); };
  const std::int64_t count = grid.count() / 2;
  const gpu::Groups groups = stridedGroups(count, 64);
  requireIterations(stream.device(), "gridSample", (count / (std::int64_t{std::max(groups.x, 1u)} * 64) + 1) * (1 + input[1]));
  const struct {
    std::uint32_t count, channels, pixels;
    std::int32_t height, width;
    std::uint32_t none;
  } push{word(count),
         word(input[1]),
         word(grid.shape()[1] * grid.shape()[2]),
         static_cast<std::int32_t>(input[2]),
         static_cast<std::int32_t>(input[3]),
         none};
  stream.dispatch("kernels/grid_sample",
                  {{x.device(stream), gpu::Access::read},
                   {grid.device(stream), gpu::Access::read},
                   {gradient.device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write},
                   {keys.deviceForWriting(stream), gpu::Access::write}},
                  push, groups, {mode, options.padding == GridPadding::border ? 1u : 0u, options.alignCorners ? 1u : 0u});
}

}  // namespace

Tensor gridSample(gpu::Stream& stream, const Tensor& x, const Tensor& grid, const GridSampleOptions& options) {
  Tensor result(outputShape(x.shape(), grid.shape())), keys(Shape{1}, DType::u32);
  requireFloats(x, x.shape());
  requireFloats(grid, grid.shape());
  if (!result.empty()) run(stream, 0, x, grid, x, result, keys, x.shape(), 0, options);
  return result;
}

Tensor gridSampleInputGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& grid, const Shape& input,
                               const GridSampleOptions& options) {
  const Shape output = outputShape(input, grid.shape());
  requireFloats(gradient, output);
  requireFloats(grid, grid.shape());
  if (output.count() == 0) return fill(stream, input, 0.0f);
  const std::int64_t cells = input[0] * input[2] * input[3], shares = 4 * grid.count() / 2, pixels = output[2] * output[3];
  Tensor weights(Shape{shares}), keys(Shape{shares}, DType::u32);
  run(stream, 2, grid, grid, grid, weights, keys, input, static_cast<std::uint32_t>(cells), options);
  SegmentSum sum;
  sum.batches = input[0], sum.keys = input[2] * input[3], sum.channels = input[1], sum.fan = 4;
  // Share e belongs to output pixel e / 4 = n pixels + p; its gradient lies at (n channels + c) pixels + p.
  sum.sourceBatch = (input[1] - 1) * pixels, sum.sourceEntry = 1, sum.sourceChannel = pixels;
  sum.resultBatch = input[1] * sum.keys, sum.resultKey = 1, sum.resultChannel = sum.keys;
  return segmentSum(stream, segmentsOf(stream, keys, cells), gradient, weights, input, sum);
}

Tensor gridSampleGridGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& x, const Tensor& grid,
                              const GridSampleOptions& options) {
  requireFloats(gradient, outputShape(x.shape(), grid.shape()));
  requireFloats(x, x.shape());
  requireFloats(grid, grid.shape());
  if (gradient.empty()) return fill(stream, grid.shape(), 0.0f);
  Tensor result(grid.shape()), keys(Shape{1}, DType::u32);
  run(stream, 1, x, grid, gradient, result, keys, x.shape(), 0, options);
  return result;
}

namespace {

// Calls visit(output pixel of the image, image, place of a corner in its plane, weight, derivative of the weight by the grid's x and by its
// y) for every corner inside of the image.
template <class Visit>
void forEachCorner(const Shape& x, const Doubles& grid, const GridSampleOptions& options, const Visit& visit) {
  const std::int64_t pixels = grid.shape[1] * grid.shape[2];
  for (std::int64_t i = 0; i < grid.shape.count() / 2; ++i) {
    double place[2], slope[2];
    for (int axis = 0; axis < 2; ++axis) {
      const double extent = static_cast<double>(x[3 - axis]), coordinate = grid[2 * i + axis];
      place[axis] = options.alignCorners ? (coordinate + 1) / 2 * (extent - 1) : ((coordinate + 1) * extent - 1) / 2;
      slope[axis] = options.alignCorners ? (extent - 1) / 2 : extent / 2;
      if (options.padding == GridPadding::border) {
        if (place[axis] <= 0 || place[axis] >= extent - 1) slope[axis] = 0;
        place[axis] = std::clamp(place[axis], 0.0, extent - 1);
      }
    }
    const double x0 = std::floor(place[0]), y0 = std::floor(place[1]);
    for (int corner = 0; corner < 4; ++corner) {
      const double cx = x0 + corner % 2, cy = y0 + corner / 2;
      if (!(cx >= 0 && cy >= 0 && cx < static_cast<double>(x[3]) && cy < static_cast<double>(x[2]))) continue;
      const double wx = 1 - std::abs(place[0] - cx), wy = 1 - std::abs(place[1] - cy);
      visit(i % pixels, i / pixels, static_cast<std::int64_t>(cy) * x[3] + static_cast<std::int64_t>(cx), wx * wy,
            (corner % 2 == 1 ? 1 : -1) * wy * slope[0], (corner / 2 == 1 ? 1 : -1) * wx * slope[1]);
    }
  }
}

}  // namespace

Doubles gridSampleReference(const Doubles& x, const Doubles& grid, const GridSampleOptions& options) {
  Doubles y(outputShape(x.shape, grid.shape));
  const std::int64_t C = x.shape[1], in = x.shape[2] * x.shape[3], out = y.shape[2] * y.shape[3];
  forEachCorner(x.shape, grid, options, [&](std::int64_t pixel, std::int64_t n, std::int64_t place, double weight, double, double) {
    for (std::int64_t c = 0; c < C; ++c) y[(n * C + c) * out + pixel] += weight * x[(n * C + c) * in + place];
  });
  return y;
}

Doubles gridSampleInputGradientReference(const Doubles& gradient, const Doubles& grid, const Shape& input,
                                         const GridSampleOptions& options) {
  Doubles result(input);
  const std::int64_t C = input[1], in = input[2] * input[3], out = gradient.shape[2] * gradient.shape[3];
  forEachCorner(input, grid, options, [&](std::int64_t pixel, std::int64_t n, std::int64_t place, double weight, double, double) {
    for (std::int64_t c = 0; c < C; ++c) result[(n * C + c) * in + place] += weight * gradient[(n * C + c) * out + pixel];
  });
  return result;
}

Doubles gridSampleGridGradientReference(const Doubles& gradient, const Doubles& x, const Doubles& grid, const GridSampleOptions& options) {
  Doubles result(grid.shape);
  const std::int64_t C = x.shape[1], in = x.shape[2] * x.shape[3], out = gradient.shape[2] * gradient.shape[3];
  forEachCorner(x.shape, grid, options, [&](std::int64_t pixel, std::int64_t n, std::int64_t place, double, double byX, double byY) {
    for (std::int64_t c = 0; c < C; ++c) {
      const double both = gradient[(n * C + c) * out + pixel] * x[(n * C + c) * in + place];
      result[2 * (n * out + pixel)] += both * byX;
      result[2 * (n * out + pixel) + 1] += both * byY;
    }
  });
  return result;
}

namespace {

struct Case {
  Shape input, grid;
};
Tensor random(const Shape& shape, std::uint32_t seed, double reach = 1) {
  return Tensor::from(shape, testFloats(shape.count(), seed, -reach, reach));
}

enum class What { samples, inputGradient, gridGradient };

std::vector<CheckCase> checksOf(What what) {
  const Case list[] = {{Shape{2, 3, 5, 7}, Shape{2, 4, 6, 2}},
                       {Shape{1, 1, 1, 1}, Shape{1, 3, 3, 2}},
                       {Shape{1, 65, 9, 8}, Shape{1, 13, 5, 2}},
                       {Shape{0, 2, 3, 3}, Shape{0, 2, 2, 2}},
                       {Shape{2, 2, 33, 17}, Shape{2, 20, 33, 2}}};
  std::vector<CheckCase> cases;
  for (const GridPadding padding : {GridPadding::zeros, GridPadding::border}) {
    for (const bool align : {false, true}) {
      for (const Case& c : list) {
        const GridSampleOptions options{padding, align};
        // A place near 33 is known to 33 x 6e-8 = 2e-6 pixels, by which a sample, and its slope times up to 17, may be off. Gradients to
        // the grid sum 65 such products. Places avoid whole pixels, where the slope jumps.
        cases.push_back({c.input.toString() + " at " + c.grid.toString() + (align ? " corners aligned" : "") +
                             (padding == GridPadding::border ? " border" : " zeros"),
                         2e-5, [=](gpu::Stream& stream) {
                           const Tensor x = random(c.input, 301), grid = random(c.grid, 302, 1.3);
                           const Tensor g = random(Shape{c.input[0], c.input[1], c.grid[1], c.grid[2]}, 303);
                           switch (what) {
                             case What::samples:
                               return compare(gridSample(stream, x, grid, options),
                                              gridSampleReference(Doubles(x), Doubles(grid), options).values);
                             case What::inputGradient:
                               return compare(gridSampleInputGradient(stream, g, grid, c.input, options),
                                              gridSampleInputGradientReference(Doubles(g), Doubles(grid), c.input, options).values);
                             case What::gridGradient:
                               break;
                           }
                           return compare(gridSampleGridGradient(stream, g, x, grid, options),
                                          gridSampleGridGradientReference(Doubles(g), Doubles(x), Doubles(grid), options).values);
                         }});
      }
    }
  }
  return cases;
}
std::vector<CheckCase> sampleChecks(gpu::Device&) { return checksOf(What::samples); }
std::vector<CheckCase> inputChecks(gpu::Device&) { return checksOf(What::inputGradient); }
std::vector<CheckCase> gridChecks(gpu::Device&) { return checksOf(What::gridGradient); }

std::vector<BenchCase> benchesOf(What what) {
  std::vector<BenchCase> cases;
  for (const std::int64_t n : {16, 32, 64}) {
    const Shape input{8, 16, n, n};
    cases.push_back(
        {input.toString(), "", 0, 8.0 * static_cast<double>(input.count()), false, [input, what](gpu::Stream&) {
           const Tensor x = random(input, 304), grid = random(Shape{input[0], input[2], input[3], 2}, 305), g = random(input, 306);
           return [=](gpu::Stream& s) {
             if (what == What::samples) gridSample(s, x, grid);
             if (what == What::inputGradient) gridSampleInputGradient(s, g, grid, input);
             if (what == What::gridGradient) gridSampleGridGradient(s, g, x, grid);
           };
         }});
  }
  return cases;
}
std::vector<BenchCase> sampleBenches(gpu::Device&) { return benchesOf(What::samples); }
std::vector<BenchCase> inputBenches(gpu::Device&) { return benchesOf(What::inputGradient); }
std::vector<BenchCase> gridBenches(gpu::Device&) { return benchesOf(What::gridGradient); }

const Registration<Kernel> samples{{"grid_sample", "Bilinear samples of images at the places of a grid", sampleChecks, sampleBenches}};
const Registration<Kernel> toInput{{"grid_sample_input_gradient", "Gradient of grid sampling to the images", inputChecks, inputBenches}};
const Registration<Kernel> toGrid{{"grid_sample_grid_gradient", "Gradient of grid sampling to the grid", gridChecks, gridBenches}};

}  // namespace
}  // namespace orrery::kernels
