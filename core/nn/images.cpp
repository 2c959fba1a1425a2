// Resizing, sampling and normalisation of images with gradients.

#include <cmath>
#include <stdexcept>

#include "core/kernels/fill.h"
#include "core/kernels/grid_sample.h"
#include "core/kernels/group_norm.h"
#include "core/kernels/interpolate.h"
#include "core/kernels/permute.h"
#include "core/nn/gradient_case.h"
#include "core/nn/jvp.h"
#include "core/nn/operations.h"

namespace orrery::nn {
namespace {

using Gradients = std::vector<Tensor>;
using Tangents = std::span<const Tensor>;
using kernels::Binary;

}  // namespace

Variable interpolate(const Variable& x, std::array<std::int64_t, 2> size, kernels::Interpolation mode, bool alignCorners) {
  Tape& tape = x.tape();
  return tape.record(
      kernels::interpolate(tape.stream(), x.value(), size, mode, alignCorners), {x},
      [shape = x.shape(), mode, alignCorners](gpu::Stream& s, const Tensor& g) {
        return Gradients{kernels::interpolateGradient(s, g, shape, mode, alignCorners)};
      },
      [size, mode, alignCorners](gpu::Stream& s, Tangents t) { return kernels::interpolate(s, t[0], size, mode, alignCorners); });
}

Variable pixelShuffle(const Variable& x, std::int64_t factor) {
  Tape& tape = x.tape();
  return tape.record(
      kernels::pixelShuffle(tape.stream(), x.value(), factor), {x},
      [factor](gpu::Stream& s, const Tensor& g) { return Gradients{kernels::pixelUnshuffle(s, g, factor)}; },
      [factor](gpu::Stream& s, Tangents t) { return kernels::pixelShuffle(s, t[0], factor); });
}

Variable gridSample(const Variable& x, const Variable& grid, const kernels::GridSampleOptions& options) {
  Tape& tape = x.tape();
  return tape.record(
      kernels::gridSample(tape.stream(), x.value(), grid.value(), options), {x, grid},
      [x, grid, options](gpu::Stream& s, const Tensor& g) {
        Gradients result(2);
        if (x.needsGradient()) result[0] = kernels::gridSampleInputGradient(s, g, grid.value(), x.shape(), options);
        if (grid.needsGradient()) result[1] = kernels::gridSampleGridGradient(s, g, x.value(), grid.value(), options);
        return result;
      },
      [x, grid, options](gpu::Stream& s, Tangents t) {
        Tensor result;
        if (!t[0].empty()) result = kernels::gridSample(s, t[0], grid.value(), options);
        if (t[1].empty()) return result;
        // The slope of every channel by its own place: each channel is an image of its own with a copy of the grid.
        const std::int64_t N = x.shape()[0], C = x.shape()[1], H = grid.shape()[1], W = grid.shape()[2];
        const Tensor ones = kernels::fill(s, Shape{N, C, H, W, 2}, 1.0f);
        const auto perChannel = [&](const Tensor& of) { return kernels::binary(s, Binary::mul, of.reshaped(Shape{N, 1, H, W, 2}), ones); };
        const Tensor slope = kernels::gridSampleGridGradient(s, kernels::fill(s, Shape{N * C, 1, H, W}, 1.0f),
                                                             x.value().reshaped(Shape{N * C, 1, x.shape()[2], x.shape()[3]}),
                                                             perChannel(grid.value()).reshaped(Shape{N * C, H, W, 2}), options);
        const Tensor moved = kernels::binary(s, Binary::mul, slope.reshaped(Shape{N, C, H, W, 2}), t[1].reshaped(Shape{N, 1, H, W, 2}));
        return added(s, result, kernels::reduce(s, moved, -1, kernels::Reduction::sum));
      });
}

Variable groupNorm(const Variable& x, std::int64_t groups, const Variable& gain, const Variable& shift, double epsilon) {
  if (gain.empty() != shift.empty()) throw std::invalid_argument("groupNorm: gain and shift come together or not at all");
  Tape& tape = x.tape();
  kernels::GroupNormOptions options;
  options.epsilon = epsilon;
  std::vector<Variable> inputs{x};
  if (!gain.empty()) {
    options.gain = gain.value(), options.shift = shift.value();
    inputs.push_back(gain), inputs.push_back(shift);
  }
  return tape.record(
      kernels::groupNorm(tape.stream(), x.value(), groups, options), inputs,
      [x, groups, options, affine = !gain.empty()](gpu::Stream& s, const Tensor& g) {
        kernels::NormGradients gradients = kernels::groupNormGradient(s, g, x.value(), groups, options);
        return affine ? Gradients{gradients.input, gradients.gain, gradients.shift} : Gradients{gradients.input};
      },
      [x, groups, options](gpu::Stream& s, Tangents t) {
        // The normalisation without gain and shift has a symmetric Jacobian. Gain and shift repeat over the pixels.
        const kernels::GroupNormOptions plain{.epsilon = options.epsilon};
        std::vector<std::int64_t> perChannel(static_cast<std::size_t>(x.shape().rank() - 1), 1);
        perChannel[0] = x.shape()[1];
        const auto row = [&](const Tensor& of) { return of.reshaped(Shape(perChannel)); };
        Tensor result;
        if (!t[0].empty()) {
          result = kernels::groupNormGradient(s, t[0], x.value(), groups, plain).input;
          if (!options.gain.empty()) result = kernels::binary(s, Binary::mul, result, row(options.gain));
        }
        if (t.size() > 1 && !t[1].empty())
          result = added(s, result, kernels::binary(s, Binary::mul, kernels::groupNorm(s, x.value(), groups, plain), row(t[1])));
        return t.size() > 1 && !t[2].empty() ? added(s, result, row(t[2])) : result;
      });
}

Variable rmsNorm(const Variable& x, const Variable& gain, double epsilon) {
  Tape& tape = x.tape();
  kernels::LayerNormOptions options;
  options.epsilon = epsilon, options.rootMeanSquare = true;
  std::vector<Variable> inputs{x};
  if (!gain.empty()) {
    options.gain = gain.value();
    inputs.push_back(gain);
  }
  return tape.record(
      kernels::layerNorm(tape.stream(), x.value(), options), inputs,
      [x, options, scaled = !gain.empty()](gpu::Stream& s, const Tensor& g) {
        kernels::NormGradients gradients = kernels::layerNormGradient(s, g, x.value(), options);
        return scaled ? Gradients{gradients.input, gradients.gain} : Gradients{gradients.input};
      },
      [x, options](gpu::Stream& s, Tangents t) {
        // As in layerNorm.
        const kernels::LayerNormOptions plain{.epsilon = options.epsilon, .rootMeanSquare = true};
        Tensor result;
        if (!t[0].empty()) {
          result = kernels::layerNormGradient(s, t[0], x.value(), plain).input;
          if (!options.gain.empty()) result = kernels::binary(s, Binary::mul, result, options.gain);
        }
        if (t.size() > 1 && !t[1].empty())
          result = added(s, result, kernels::binary(s, Binary::mul, kernels::layerNorm(s, x.value(), plain), t[1]));
        return result;
      });
}

namespace {

using kernels::Doubles;
using kernels::Interpolation;
using Values = std::vector<double>;

std::vector<GradientCase> cases() {
  std::vector<GradientCase> list;
  const Shape image{1, 2, 3, 4};
  for (const auto& [name, mode] :
       {std::pair{"nearest", Interpolation::nearest}, {"bilinear", Interpolation::bilinear}, {"bicubic", Interpolation::bicubic}}) {
    for (const bool align : {false, true}) {
      if (align && mode == Interpolation::nearest) continue;
      for (const std::array<std::int64_t, 2> size : {std::array<std::int64_t, 2>{5, 8}, {2, 3}}) {
        list.push_back(
            {std::string("interpolate ") + name + (align ? ", corners aligned" : "") + " [3, 4] to " + Shape{size[0], size[1]}.toString(),
             {{image}},
             [mode, align, size](std::span<const Variable> in) { return interpolate(in[0], size, mode, align); },
             [mode, align, size, image](std::span<const Values> in) {
               return kernels::interpolateReference(Doubles(image, in[0]), size, mode, align).values;
             }});
      }
    }
  }
  list.push_back({"pixelShuffle [2, 8, 3, 2] by 2",
                  {{Shape{2, 8, 3, 2}}},
                  [](std::span<const Variable> in) { return pixelShuffle(in[0], 2); },
                  [](std::span<const Values> in) {
                    Values y(in[0].size());
                    std::size_t from = 0;
                    for (std::size_t nc = 0; nc < 4; ++nc)
                      for (std::size_t i = 0; i < 2; ++i)
                        for (std::size_t j = 0; j < 2; ++j)
                          for (std::size_t h = 0; h < 3; ++h)
                            for (std::size_t w = 0; w < 2; ++w) y[(nc * 6 + h * 2 + i) * 4 + w * 2 + j] = in[0][from++];
                    return y;
                  }});
  for (const auto padding : {kernels::GridPadding::zeros, kernels::GridPadding::border}) {
    for (const bool align : {false, true}) {
      kernels::GridSampleOptions o;
      o.padding = padding, o.alignCorners = align;
      const Shape x{2, 3, 4, 5}, grid{2, 2, 3, 2};
      // Some places lie outside of the image.
      list.push_back(
          {std::string("gridSample, ") + (padding == kernels::GridPadding::zeros ? "zeros" : "border") + (align ? ", corners aligned" : ""),
           {{x}, {grid, -1.3, 1.3}},
           [o](std::span<const Variable> in) { return gridSample(in[0], in[1], o); },
           [o, x, grid](std::span<const Values> in) {
             return kernels::gridSampleReference(Doubles(x, in[0]), Doubles(grid, in[1]), o).values;
           }});
    }
  }
  const Shape channels{2, 6, 3, 2};
  list.push_back({"groupNorm [2, 6, 3, 2] in 3 groups",
                  {{channels, -2, 2}, {Shape{6}, 0.5, 2}, {Shape{6}}},
                  [](std::span<const Variable> in) { return groupNorm(in[0], 3, in[1], in[2]); },
                  [channels](std::span<const Values> in) {
                    return kernels::normReference(Doubles(channels, in[0]), Doubles(Shape{6}, in[1]), Doubles(Shape{6}, in[2]),
                                                  kernels::groupNormRows(channels, 3))
                        .values;
                  }});
  list.push_back({"groupNorm [2, 6, 3, 2] of each channel, without gain",
                  {{channels, -2, 2}},
                  [](std::span<const Variable> in) { return groupNorm(in[0], 6, {}, {}); },
                  [channels](std::span<const Values> in) {
                    return kernels::normReference(Doubles(channels, in[0]), {}, {}, kernels::groupNormRows(channels, 6)).values;
                  }});
  list.push_back({"rmsNorm [3, 2, 9]",
                  {{Shape{3, 2, 9}, -2, 2}, {Shape{9}, 0.5, 2}},
                  [](std::span<const Variable> in) { return rmsNorm(in[0], in[1]); },
                  [](std::span<const Values> in) {
                    Values y;
                    for (std::size_t row = 0; row < 6; ++row) {
                      double square = 0;
                      for (std::size_t i = 0; i < 9; ++i) square += in[0][row * 9 + i] * in[0][row * 9 + i] / 9;
                      for (std::size_t i = 0; i < 9; ++i) y.push_back(in[0][row * 9 + i] / std::sqrt(square + 1e-6) * in[1][i]);
                    }
                    return y;
                  }});
  return list;
}

const Registration<Differentiable> registration{{"images", cases}};

}  // namespace
}  // namespace orrery::nn
