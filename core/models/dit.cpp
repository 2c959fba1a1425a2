#include "core/models/dit.h"

#include <cmath>

#include "core/kernels/elementwise.h"
#include "core/kernels/group_norm.h"
#include "core/kernels/layer_norm.h"
#include "core/kernels/modulate.h"
#include "core/kernels/permute.h"
#include "core/kernels/slice.h"
#include "core/models/tokens.h"

namespace orrery::models {

nn::Weights initialDit(nn::Initializer& draw, const DitConfig& c) {
  nn::Weights w;
  const auto constant = [&](const std::string& name, Shape shape, double value) { w.push_back({name, draw.constant(shape, value)}); };
  const auto dense = [&](const std::string& name, std::int64_t in, std::int64_t out) {
    w.push_back({name + ".weight", draw.xavierUniform(Shape{out, in}, in, out)});
    constant(name + ".bias", Shape{out}, 0);
  };
  const auto narrow = [&](const std::string& name, std::int64_t in, std::int64_t out) {
    w.push_back({name + ".weight", draw.normal(Shape{out, in}, 0.02)});
    constant(name + ".bias", Shape{out}, 0);
  };
  const auto zero = [&](const std::string& name, std::int64_t in, std::int64_t out) {
    constant(name + ".weight", Shape{out, in}, 0);
    constant(name + ".bias", Shape{out}, 0);
  };
  w.push_back({"pos_embed", Tensor::from(Shape{1, c.tokens(), c.width}, sineCosineCode(c.side(), c.width))});
  w.push_back(
      {"x_embedder.proj.weight", draw.xavierUniform(Shape{c.width, c.channels, c.patchSize, c.patchSize}, c.patchValues(), c.width)});
  constant("x_embedder.proj.bias", Shape{c.width}, 0);
  narrow("t_embedder.mlp.0", c.frequencies, c.width);
  narrow("t_embedder.mlp.2", c.width, c.width);
  w.push_back({"y_embedder.embedding_table.weight", draw.normal(Shape{c.classes + 1, c.width}, 0.02)});
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    dense(block + "attn.qkv", c.width, 3 * c.width);
    dense(block + "attn.proj", c.width, c.width);
    dense(block + "mlp.fc1", c.width, c.mlpRatio * c.width);
    dense(block + "mlp.fc2", c.mlpRatio * c.width, c.width);
    zero(block + "adaLN_modulation.1", c.width, 6 * c.width);
  }
  zero("final_layer.linear", c.width, c.outputValues());
  zero("final_layer.adaLN_modulation.1", c.width, 2 * c.width);
  return w;
}

Tensor ditPatches(gpu::Stream& stream, const Tensor& images, const DitConfig& c) { return imagePatches(stream, images, c.patchSize); }

Tensor ditImages(gpu::Stream& stream, const Tensor& patches, const DitConfig& c) {
  const std::int64_t batch = patches.shape()[0], side = c.side(), p = c.patchSize;
  return kernels::permute(stream, patches.reshaped(Shape{batch, side, side, c.channels, p, p}), {0, 3, 1, 4, 2, 5})
      .reshaped(Shape{batch, c.channels, c.imageSize, c.imageSize});
}

Tensor ditFromOutput(gpu::Stream& stream, const Tensor& output, const DitConfig& c) {
  const std::int64_t rows = output.count() / c.outputValues(), pixels = c.patchSize * c.patchSize;
  Tensor turned = kernels::permute(stream, output.reshaped(Shape{rows, pixels, c.outputValues() / pixels}), {0, 2, 1});
  if (c.learnSigma) turned = kernels::slice(stream, turned, 1, 0, c.channels);
  return turned.reshaped(Shape{output.shape()[0], rows / output.shape()[0], c.patchValues()});
}

Tensor ditToOutput(gpu::Stream& stream, const Tensor& patches, const DitConfig& c) {
  const std::int64_t rows = patches.count() / c.patchValues();
  return kernels::permute(stream, patches.reshaped(Shape{rows, c.channels, c.patchSize * c.patchSize}), {0, 2, 1})
      .reshaped(patches.shape());
}

double ditTimeOf(double sigma, const DitConfig& c) { return c.timeScale * std::log(sigma) / 4; }

Tensor ditTimes(std::span<const double> told, const DitConfig& c) {
  std::vector<float> values;
  for (const double t : told) {
    const auto code = timeCode(t, c.frequencies);
    values.insert(values.end(), code.begin(), code.end());
  }
  return Tensor::from(Shape{static_cast<std::int64_t>(told.size()), c.frequencies}, values);
}

namespace {

using nn::Variable;
using Gradients = std::vector<Tensor>;

// Layer norm without gain and shift.
Variable plainNorm(const Variable& x, double epsilon) {
  kernels::LayerNormOptions options;
  options.epsilon = epsilon;
  return x.tape().record(kernels::layerNorm(x.tape().stream(), x.value(), options), {x}, [x, options](gpu::Stream& s, const Tensor& g) {
    return Gradients{kernels::layerNormGradient(s, g, x.value(), options).input};
  });
}

// sum over tokens of a b: how much a factor of the whole sequence matters.
Tensor summedProduct(gpu::Stream& stream, const Tensor& a, const Tensor& b) {
  return kernels::reduce(stream, kernels::binary(stream, kernels::Binary::mul, a, b), 1, kernels::Reduction::sum);
}

// x (1 + scale) + shift; x [B, n, d], scale and shift [B, d].
Variable modulated(const Variable& x, const Variable& shift, const Variable& scale) {
  return x.tape().record(kernels::modulate(x.tape().stream(), x.value(), scale.value(), 1, shift.value()), {x, shift, scale},
                         [x, scale](gpu::Stream& s, const Tensor& g) {
                           return Gradients{kernels::modulate(s, g, scale.value(), 1), kernels::reduce(s, g, 1, kernels::Reduction::sum),
                                            summedProduct(s, g, x.value())};
                         });
}

// residual + gate x; gate [B, d].
Variable gated(const Variable& residual, const Variable& gate, const Variable& x) {
  return x.tape().record(kernels::modulate(x.tape().stream(), x.value(), gate.value(), 0, residual.value()), {residual, gate, x},
                         [gate, x](gpu::Stream& s, const Tensor& g) {
                           return Gradients{g, summedProduct(s, g, x.value()), kernels::modulate(s, g, gate.value(), 0)};
                         });
}

}  // namespace

Variable ditForward(std::span<const Variable> weights, const Variable& patches, const Tensor& times, const Tensor& classes,
                    const DitConfig& c) {
  nn::Tape& tape = patches.tape();
  const std::int64_t batch = patches.shape()[0], n = c.tokens(), d = c.width, head = d / c.heads;
  std::size_t at = 0;
  const auto next = [&]() -> const Variable& { return weights[at++]; };
  const auto dense = [&](const Variable& x) {
    const Variable &weight = next(), &bias = next();
    return nn::linear(x, weight, bias);
  };

  // Patches, with their places; what they are told.
  const Variable places = tape.constant(next().value().reshaped(Shape{n, d}));
  const Variable &projection = next(), &projectionBias = next();
  Variable x = nn::add(nn::linear(patches, nn::reshape(projection, Shape{d, c.patchValues()}), projectionBias), places);
  const Variable time = dense(nn::silu(dense(tape.constant(times))));
  const Variable told = nn::silu(nn::add(time, nn::embedding(next(), classes)));
  // What a layer makes of it: `count` vectors per picture.
  const auto modulations = [&](const Variable& all, std::int64_t count) {
    const Variable packed = nn::reshape(nn::permute(nn::reshape(all, Shape{batch, count, d}), {1, 0, 2}), Shape{count, batch * d});
    std::vector<Variable> list;
    for (std::int64_t i = 0; i < count; ++i) list.push_back(nn::reshape(nn::slice(packed, 0, i, i + 1), Shape{batch, d}));
    return list;
  };

  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    const Variable &packed = next(), &packedBias = next();
    const Variable &proj = next(), &projBias = next(), &fc1 = next(), &fc1Bias = next(), &fc2 = next(), &fc2Bias = next();
    // shift, scale and gate of the attention, then of the MLP
    const std::vector<Variable> m = modulations(dense(told), 6);
    // The three matrices in qkv are applied one by one, so that each result is whole in memory.
    const Variable y = modulated(plainNorm(x, c.epsilon), m[0], m[1]);
    const Variable matrices = nn::reshape(packed, Shape{3, d * d}), biases = nn::reshape(packedBias, Shape{3, d});
    const auto heads = [&](std::int64_t i) {
      const Variable v =
          nn::linear(y, nn::reshape(nn::slice(matrices, 0, i, i + 1), Shape{d, d}), nn::reshape(nn::slice(biases, 0, i, i + 1), Shape{d}));
      return nn::permute(nn::reshape(v, Shape{batch, n, c.heads, head}), {0, 2, 1, 3});
    };
    const Variable q = heads(0), k = heads(1), v = heads(2);
    const Variable mixed = nn::reshape(nn::permute(nn::attention(q, k, v), {0, 2, 1, 3}), Shape{batch, n, d});
    x = gated(x, m[2], nn::linear(mixed, proj, projBias));
    const Variable z = modulated(plainNorm(x, c.epsilon), m[3], m[4]);
    x = gated(x, m[5], nn::linear(nn::linear(z, fc1, fc1Bias, kernels::Unary::geluTanh), fc2, fc2Bias));
  }
  const Variable &last = next(), &lastBias = next();
  const std::vector<Variable> m = modulations(dense(told), 2);
  return nn::linear(modulated(plainNorm(x, c.epsilon), m[0], m[1]), last, lastBias);
}

}  // namespace orrery::models
