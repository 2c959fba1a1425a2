#include "core/models/vit.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/kernels/interpolate.h"
#include "core/kernels/slice.h"
#include "core/models/bundled.h"
#include "core/models/tokens.h"

namespace orrery::models {

namespace {

// The sine-cosine code of each patch's place, at half its size beside patches of about one; zeros for the class token. Learnt from there:
// from small random positions attention takes long to find out which patches are neighbours.
Tensor firstPositions(const VitConfig& c) {
  std::vector<float> values(static_cast<std::size_t>(c.width), 0.0f);
  for (const float v : sineCosineCode(c.imageSize / c.patchSize, c.width)) values.push_back(0.5f * v);
  return Tensor::from(Shape{1, c.tokens(), c.width}, values);
}

}  // namespace

nn::Weights initialVit(nn::Initializer& draw, const VitConfig& c) {
  constexpr double deviation = 0.02;  // of the positions and the class token
  nn::Weights w;
  const auto normal = [&](const std::string& name, Shape shape) { w.push_back({name, draw.normal(shape, deviation)}); };
  const auto constant = [&](const std::string& name, std::int64_t n, double value) { w.push_back({name, draw.constant(Shape{n}, value)}); };
  const auto dense = [&](const std::string& name, std::int64_t in, std::int64_t out) {
    w.push_back({name + ".weight", draw.xavierUniform(Shape{out, in}, in, out)});
    constant(name + ".bias", out, 0);
  };
  const auto norm = [&](const std::string& name) {
    constant(name + ".weight", c.width, 1);
    constant(name + ".bias", c.width, 0);
  };
  normal("vit.embeddings.cls_token", Shape{1, 1, c.width});
  w.push_back({"vit.embeddings.position_embeddings", firstPositions(c)});
  const std::int64_t inputs = c.channels * c.patchSize * c.patchSize;
  w.push_back({"vit.embeddings.patch_embeddings.projection.weight",
               draw.normal(Shape{c.width, c.channels, c.patchSize, c.patchSize}, 1 / std::sqrt(static_cast<double>(inputs)))});
  constant("vit.embeddings.patch_embeddings.projection.bias", c.width, 0);
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const std::string layer = "vit.encoder.layer." + std::to_string(i) + ".";
    norm(layer + "layernorm_before");
    dense(layer + "attention.attention.query", c.width, c.width);
    dense(layer + "attention.attention.key", c.width, c.width);
    dense(layer + "attention.attention.value", c.width, c.width);
    dense(layer + "attention.output.dense", c.width, c.width);
    norm(layer + "layernorm_after");
    dense(layer + "intermediate.dense", c.width, c.mlpRatio * c.width);
    dense(layer + "output.dense", c.mlpRatio * c.width, c.width);
  }
  norm("vit.layernorm");
  w.push_back({"classifier.weight", draw.constant(Shape{c.classes, c.width}, 0)});
  constant("classifier.bias", c.classes, 0);
  return w;
}

Tensor vitPatches(gpu::Stream& stream, const Tensor& images, const VitConfig& c) {
  // Row 0 stays empty.
  return kernels::padAxis(stream, imagePatches(stream, images, c.patchSize), 1, 1, c.paddedTokens());
}

nn::Variable vitTokens(std::span<const nn::Variable> weights, const nn::Variable& patches, const VitConfig& c) {
  using nn::Variable;
  nn::Tape& tape = patches.tape();
  const std::int64_t batch = patches.shape()[0], n = c.paddedTokens(), real = c.tokens(), d = c.width, head = d / c.heads;
  std::size_t at = 0;
  const auto next = [&]() -> const Variable& { return weights[at++]; };
  const auto dense = [&](const Variable& x, std::optional<kernels::Unary> f = {}, const Variable& residual = {}) {
    const Variable &weight = next(), &bias = next();
    return nn::linear(x, weight, bias, f, residual);
  };
  const auto norm = [&](const Variable& x) {
    const Variable &gain = next(), &shift = next();
    return nn::layerNorm(x, gain, shift, c.epsilon);
  };

  // Token 0 is the class token, the others are projected patches; all get their position.
  std::vector<float> first(static_cast<std::size_t>(real), 0.0f), others(static_cast<std::size_t>(real), 1.0f);
  first[0] = 1, others[0] = 0;
  kernels::AttentionOptions noPadding;
  noPadding.validKeys = real;
  const Variable isClass = tape.constant(Tensor::from(Shape{real, 1}, first)),
                 isPatch = tape.constant(Tensor::from(Shape{real, 1}, others));
  const Variable &classToken = next(), &positions = next(), &projection = next(), &projectionBias = next();
  const Variable projected = nn::linear(patches, nn::reshape(projection, Shape{d, c.channels * c.patchSize * c.patchSize}), {});
  const Variable offsets = nn::add(nn::reshape(positions, Shape{real, d}),
                                   nn::add(nn::mul(isClass, nn::reshape(classToken, Shape{d})), nn::mul(isPatch, projectionBias)));
  Variable x = nn::add(projected, paddedRows(offsets, n));

  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    // x + attention(norm(x))
    const Variable y = norm(x);
    const auto heads = [&](const Variable& v) { return nn::permute(nn::reshape(v, Shape{batch, n, c.heads, head}), {0, 2, 1, 3}); };
    const Variable q = heads(dense(y)), k = heads(dense(y)), v = heads(dense(y));
    const Variable mixed = nn::reshape(nn::permute(nn::attention(q, k, v, noPadding), {0, 2, 1, 3}), Shape{batch, n, d});
    x = dense(mixed, {}, x);
    // x + mlp(norm(x))
    const Variable z = norm(x);
    x = dense(dense(z, kernels::Unary::gelu), {}, x);
  }
  return norm(x);
}

nn::Variable vitClassify(std::span<const nn::Variable> weights, const nn::Variable& tokens) {
  return nn::linear(tokens, weights[weights.size() - 2], weights.back());
}

nn::Variable vitForward(std::span<const nn::Variable> weights, const nn::Variable& patches, const VitConfig& c) {
  return vitClassify(weights, tokenOf(vitTokens(weights, patches, c), 0));
}

Expected<TrainedVit> TrainedVit::open(gpu::Stream& stream, const std::string& path) {
  const auto saved = SavedModel::open(path);
  if (!saved) return saved.error();
  TrainedVit vit;
  for (const auto& [name, into] : {std::pair{"image_size", &vit.config.imageSize},
                                   {"patch_size", &vit.config.patchSize},
                                   {"hidden_size", &vit.config.width},
                                   {"num_hidden_layers", &vit.config.layers},
                                   {"num_attention_heads", &vit.config.heads}}) {
    const auto number = saved->number(name, 4096);
    if (!number) return number.error();
    *into = *number;
  }
  nn::Initializer draw(stream, 1);
  auto weights = saved->weights(initialVit(draw, vit.config));
  if (!weights) return weights.error();
  vit.weights = *std::move(weights);
  return vit;
}

Tensor TrainedVit::logits(gpu::Stream& stream, const Tensor& images) const {
  const std::int64_t size = config.imageSize;
  const bool fits = images.shape()[2] == size && images.shape()[3] == size;
  const Tensor seen = fits ? images : kernels::interpolate(stream, images, {size, size}, kernels::Interpolation::bilinear);
  nn::Tape tape(stream);
  const auto constants = nn::constants(tape, weights);
  return vitForward(constants, tape.constant(vitPatches(stream, seen, config)), config).value();
}

std::vector<std::uint32_t> TrainedVit::classesOf(gpu::Stream& stream, const Tensor& images) const {
  constexpr std::int64_t chunk = 64;
  const std::int64_t count = images.shape()[0];
  std::vector<std::uint32_t> result;
  for (std::int64_t first = 0; first < count; first += chunk) {
    const std::int64_t n = std::min(chunk, count - first);
    const auto values = logits(stream, images.rows(first, first + n)).toFloats();
    for (std::int64_t i = 0; i < n; ++i) {
      const auto row = std::span(values).subspan(static_cast<std::size_t>(i * config.classes), static_cast<std::size_t>(config.classes));
      result.push_back(static_cast<std::uint32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
    }
  }
  return result;
}

}  // namespace orrery::models
