// Convolution and pooling with gradients. Each kernel brings its own; here they meet the tape.

#include "core/kernels/conv2d.h"
#include "core/kernels/pooling.h"
#include "core/nn/gradient_case.h"
#include "core/nn/jvp.h"
#include "core/nn/operations.h"

namespace orrery::nn {
namespace {

using Gradients = std::vector<Tensor>;
using Tangents = std::span<const Tensor>;

// The tangent of a product of x and weight, plus a bias: convolve(x, dweight) + convolve(dx, weight) + dbias.
template <class Convolve>
Tensor movedBy(gpu::Stream& s, Tangents t, const Variable& x, const Variable& weight, const Convolve& convolve) {
  Tensor result;
  if (!t[0].empty()) result = convolve(t[0], weight.value());
  if (!t[1].empty()) result = added(s, result, convolve(x.value(), t[1]));
  return t.size() < 3 || t[2].empty() ? result : added(s, result, t[2].reshaped(Shape{t[2].count(), 1, 1}));
}

std::vector<Variable> inputsOf(const Variable& x, const Variable& weight, const Variable& bias) {
  std::vector<Variable> inputs{x, weight};
  if (!bias.empty()) inputs.push_back(bias);
  return inputs;
}

}  // namespace

Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias, const kernels::Conv2dOptions& options) {
  Tape& tape = x.tape();
  return tape.record(
      kernels::conv2d(tape.stream(), x.value(), weight.value(), bias.empty() ? Tensor() : bias.value(), options), inputsOf(x, weight, bias),
      [x, weight, bias, options](gpu::Stream& s, const Tensor& g) {
        Gradients result(bias.empty() ? 2 : 3);
        if (x.needsGradient()) result[0] = kernels::conv2dInputGradient(s, g, weight.value(), x.shape(), options);
        if (weight.needsGradient()) result[1] = kernels::conv2dWeightGradient(s, g, x.value(), weight.shape(), options);
        if (bias.needsGradient()) result[2] = kernels::conv2dBiasGradient(s, g);
        return result;
      },
      [x, weight, options](gpu::Stream& s, Tangents t) {
        return movedBy(s, t, x, weight, [&](const Tensor& a, const Tensor& b) { return kernels::conv2d(s, a, b, {}, options); });
      });
}

Variable convTranspose2d(const Variable& x, const Variable& weight, const Variable& bias, const kernels::ConvTranspose2dOptions& options) {
  Tape& tape = x.tape();
  return tape.record(
      kernels::convTranspose2d(tape.stream(), x.value(), weight.value(), bias.empty() ? Tensor() : bias.value(), options),
      inputsOf(x, weight, bias),
      [x, weight, bias, options](gpu::Stream& s, const Tensor& g) {
        Gradients result(bias.empty() ? 2 : 3);
        if (x.needsGradient()) result[0] = kernels::convTranspose2dInputGradient(s, g, weight.value(), options);
        if (weight.needsGradient()) result[1] = kernels::convTranspose2dWeightGradient(s, g, x.value(), weight.shape(), options);
        if (bias.needsGradient()) result[2] = kernels::conv2dBiasGradient(s, g);
        return result;
      },
      [x, weight, options](gpu::Stream& s, Tangents t) {
        return movedBy(s, t, x, weight, [&](const Tensor& a, const Tensor& b) { return kernels::convTranspose2d(s, a, b, {}, options); });
      });
}

Variable maxPool2d(const Variable& x, const kernels::PoolOptions& options) {
  Tape& tape = x.tape();
  const kernels::MaxPooled pooled = kernels::maxPool2d(tape.stream(), x.value(), options);
  return tape.record(
      pooled.values, {x},
      [shape = x.shape(), indices = pooled.indices, options](gpu::Stream& s, const Tensor& g) {
        return Gradients{kernels::maxPool2dGradient(s, g, indices, shape, options)};
      },
      [indices = pooled.indices](gpu::Stream& s, Tangents t) { return kernels::maxUnpool2dGradient(s, t[0], indices); });
}

Variable averagePool2d(const Variable& x, const kernels::PoolOptions& options) {
  Tape& tape = x.tape();
  return tape.record(
      kernels::averagePool2d(tape.stream(), x.value(), options), {x},
      [shape = x.shape(), options](gpu::Stream& s, const Tensor& g) {
        return Gradients{kernels::averagePool2dGradient(s, g, shape, options)};
      },
      [options](gpu::Stream& s, Tangents t) { return kernels::averagePool2d(s, t[0], options); });
}

Variable adaptiveAveragePool2d(const Variable& x, std::array<std::int64_t, 2> size) {
  Tape& tape = x.tape();
  return tape.record(
      kernels::adaptiveAveragePool2d(tape.stream(), x.value(), size), {x},
      [shape = x.shape()](gpu::Stream& s, const Tensor& g) { return Gradients{kernels::adaptiveAveragePool2dGradient(s, g, shape)}; },
      [size](gpu::Stream& s, Tangents t) { return kernels::adaptiveAveragePool2d(s, t[0], size); });
}

namespace {

using kernels::Doubles;
using Values = std::vector<double>;

kernels::Conv2dOptions options(std::array<std::int64_t, 2> stride, std::array<std::int64_t, 2> padding,
                               std::array<std::int64_t, 2> dilation, std::int64_t groups) {
  kernels::Conv2dOptions o;
  o.stride = stride, o.padding = padding, o.dilation = dilation, o.groups = groups;
  return o;
}

GradientCase convCase(const std::string& name, const Shape& x, const Shape& w, bool withBias, const kernels::Conv2dOptions& o) {
  GradientCase c{
      "conv2d " + x.toString() + " by " + w.toString() + ", " + name,
      {{x}, {w}},
      [=](std::span<const Variable> in) { return conv2d(in[0], in[1], withBias ? in[2] : Variable(), o); },
      [=](std::span<const Values> in) {
        return kernels::conv2dReference(Doubles(x, in[0]), Doubles(w, in[1]), withBias ? Doubles(Shape{w[0]}, in[2]) : Doubles(), o).values;
      }};
  if (withBias) c.inputs.push_back({Shape{w[0]}});
  return c;
}

GradientCase transposedCase(const std::string& name, const Shape& x, const Shape& w, const kernels::ConvTranspose2dOptions& o) {
  const Shape bias{w[1] * o.groups};
  return {"convTranspose2d " + x.toString() + " by " + w.toString() + ", " + name,
          {{x}, {w}, {bias}},
          [=](std::span<const Variable> in) { return convTranspose2d(in[0], in[1], in[2], o); },
          [=](std::span<const Values> in) {
            return kernels::convTranspose2dReference(Doubles(x, in[0]), Doubles(w, in[1]), Doubles(bias, in[2]), o).values;
          }};
}

std::vector<GradientCase> cases() {
  std::vector<GradientCase> list;
  list.push_back(convCase("padding 1", Shape{2, 3, 5, 6}, Shape{4, 3, 3, 3}, true, options({1, 1}, {1, 1}, {1, 1}, 1)));
  list.push_back(convCase("stride 2, no bias", Shape{1, 2, 7, 6}, Shape{3, 2, 3, 3}, false, options({2, 2}, {1, 1}, {1, 1}, 1)));
  list.push_back(convCase("dilation 2", Shape{1, 2, 7, 5}, Shape{2, 2, 3, 3}, true, options({1, 1}, {2, 2}, {2, 2}, 1)));
  list.push_back(
      convCase("stride (2, 1), dilation (1, 2), 2 groups", Shape{1, 4, 6, 5}, Shape{6, 2, 3, 2}, true, options({2, 1}, {1, 0}, {1, 2}, 2)));
  list.push_back(convCase("depthwise", Shape{2, 3, 4, 5}, Shape{3, 1, 3, 3}, true, options({1, 1}, {1, 1}, {1, 1}, 3)));
  list.push_back(convCase("1 x 1", Shape{2, 5, 3, 3}, Shape{3, 5, 1, 1}, true, options({1, 1}, {0, 0}, {1, 1}, 1)));
  list.push_back(convCase("patches", Shape{1, 2, 4, 6}, Shape{5, 2, 2, 2}, true, options({2, 2}, {0, 0}, {1, 1}, 1)));

  kernels::ConvTranspose2dOptions up;
  up.stride = {2, 2}, up.padding = {1, 1}, up.outputPadding = {1, 0};
  list.push_back(transposedCase("stride 2", Shape{1, 3, 3, 4}, Shape{3, 2, 3, 3}, up));
  kernels::ConvTranspose2dOptions grouped;
  grouped.dilation = {2, 1}, grouped.groups = 2;
  list.push_back(transposedCase("dilation (2, 1), 2 groups", Shape{1, 4, 3, 2}, Shape{4, 1, 2, 3}, grouped));
  kernels::ConvTranspose2dOptions tiles;
  tiles.stride = {2, 2};
  list.push_back(transposedCase("tiles", Shape{2, 3, 2, 3}, Shape{3, 2, 2, 2}, tiles));

  kernels::PoolOptions plain, overlapping;
  overlapping.kernel = {3, 3}, overlapping.stride = {2, 2}, overlapping.padding = {1, 1};
  for (const auto& [name, o] : {std::pair{"2 x 2", plain}, {"3 x 3, stride 2, padding 1", overlapping}}) {
    const Shape shape{2, 2, 5, 6};
    list.push_back(
        {std::string("maxPool2d ") + name,
         {{shape}},
         [o](std::span<const Variable> in) { return maxPool2d(in[0], o); },
         [o, shape](std::span<const Values> in) { return kernels::maxPool2dReference(Doubles(shape, in[0]), o).values.values; }});
    list.push_back({std::string("averagePool2d ") + name,
                    {{shape}},
                    [o](std::span<const Variable> in) { return averagePool2d(in[0], o); },
                    [o, shape](std::span<const Values> in) { return kernels::averagePool2dReference(Doubles(shape, in[0]), o).values; }});
  }
  const Shape shape{1, 3, 7, 5};
  list.push_back({"adaptiveAveragePool2d [7, 5] to [3, 2]",
                  {{shape}},
                  [](std::span<const Variable> in) {
                    return adaptiveAveragePool2d(in[0], {3, 2});
                  },
                  [shape](std::span<const Values> in) {
                    return kernels::adaptiveAveragePool2dReference(Doubles(shape, in[0]), {3, 2}).values;
                  }});
  return list;
}

const Registration<Differentiable> registration{{"convolution", cases}};

}  // namespace
}  // namespace orrery::nn
