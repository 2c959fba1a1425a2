#include "core/models/clip.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/slice.h"
#include "core/models/tokens.h"

namespace orrery::models {

namespace {

constexpr std::size_t weightsPerLayer = 16;

std::size_t textWeights(const ClipConfig& c) { return 4 + weightsPerLayer * static_cast<std::size_t>(c.textLayers); }

}  // namespace

nn::Weights initialClip(nn::Initializer& draw, const ClipConfig& c) {
  nn::Weights w;
  const auto normal = [&](const std::string& name, Shape shape, double deviation) { w.push_back({name, draw.normal(shape, deviation)}); };
  const auto constant = [&](const std::string& name, std::int64_t n, double value) { w.push_back({name, draw.constant(Shape{n}, value)}); };
  const auto dense = [&](const std::string& name, std::int64_t in, std::int64_t out, double deviation) {
    normal(name + ".weight", Shape{out, in}, deviation);
    constant(name + ".bias", out, 0);
  };
  const auto norm = [&](const std::string& name, std::int64_t d) {
    constant(name + ".weight", d, 1);
    constant(name + ".bias", d, 0);
  };
  const auto encoder = [&](const std::string& tower, std::int64_t d, std::int64_t layers) {
    const double in = 1 / std::sqrt(static_cast<double>(d)), residual = in / std::sqrt(2 * static_cast<double>(layers));
    for (std::int64_t i = 0; i < layers; ++i) {
      const std::string layer = tower + ".encoder.layers." + std::to_string(i) + ".";
      dense(layer + "self_attn.k_proj", d, d, in);
      dense(layer + "self_attn.v_proj", d, d, in);
      dense(layer + "self_attn.q_proj", d, d, in);
      dense(layer + "self_attn.out_proj", d, d, residual);
      norm(layer + "layer_norm1", d);
      dense(layer + "mlp.fc1", d, c.mlpRatio * d, in / std::sqrt(2.0));
      dense(layer + "mlp.fc2", c.mlpRatio * d, d, residual);
      norm(layer + "layer_norm2", d);
    }
  };
  const auto inverseRoot = [](std::int64_t n) { return 1 / std::sqrt(static_cast<double>(n)); };
  w.push_back({"logit_scale", draw.constant(Shape{}, std::log(1 / 0.07))});
  normal("text_model.embeddings.token_embedding.weight", Shape{c.vocabulary, c.textWidth}, 0.02);
  normal("text_model.embeddings.position_embedding.weight", Shape{c.textLength, c.textWidth}, 0.01);
  encoder("text_model", c.textWidth, c.textLayers);
  norm("text_model.final_layer_norm", c.textWidth);
  normal("vision_model.embeddings.class_embedding", Shape{c.visionWidth}, inverseRoot(c.visionWidth));
  normal("vision_model.embeddings.patch_embedding.weight", Shape{c.visionWidth, c.channels, c.patchSize, c.patchSize},
         inverseRoot(c.channels * c.patchSize * c.patchSize));
  normal("vision_model.embeddings.position_embedding.weight", Shape{c.tokens(), c.visionWidth}, inverseRoot(c.visionWidth));
  norm("vision_model.pre_layrnorm", c.visionWidth);  // so spelt in published files
  encoder("vision_model", c.visionWidth, c.visionLayers);
  norm("vision_model.post_layernorm", c.visionWidth);
  normal("visual_projection.weight", Shape{c.embedding, c.visionWidth}, inverseRoot(c.visionWidth));
  normal("text_projection.weight", Shape{c.embedding, c.textWidth}, inverseRoot(c.textWidth));
  return w;
}

namespace {

using nn::Variable;

// Weights one after the other.
class Reader {
 public:
  Reader(std::span<const Variable> weights, double epsilon) : weights_(weights), epsilon_(epsilon) {}
  const Variable& next() { return weights_[at_++]; }
  Variable dense(const Variable& x) {
    const Variable &weight = next(), &bias = next();
    return nn::linear(x, weight, bias);
  }
  Variable norm(const Variable& x) {
    const Variable &gain = next(), &shift = next();
    return nn::layerNorm(x, gain, shift, epsilon_);
  }

 private:
  std::span<const Variable> weights_;
  double epsilon_;
  std::size_t at_ = 0;
};

// The pre-norm encoder of both towers; x [B, n, d].
Variable encoded(Reader& read, Variable x, std::int64_t layers, std::int64_t heads, const kernels::AttentionOptions& seen) {
  const std::int64_t batch = x.shape()[0], n = x.shape()[1], d = x.shape()[2];
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    // The norm stands behind the attention's matrices in the files.
    const Variable &kWeight = read.next(), &kBias = read.next(), &vWeight = read.next(), &vBias = read.next();
    const Variable &qWeight = read.next(), &qBias = read.next(), &oWeight = read.next(), &oBias = read.next();
    const Variable y = read.norm(x);
    const auto split = [&](const Variable& weight, const Variable& bias) {
      return nn::permute(nn::reshape(nn::linear(y, weight, bias), Shape{batch, n, heads, d / heads}), {0, 2, 1, 3});
    };
    const Variable mixed = nn::attention(split(qWeight, qBias), split(kWeight, kBias), split(vWeight, vBias), seen);
    x = nn::linear(nn::reshape(nn::permute(mixed, {0, 2, 1, 3}), Shape{batch, n, d}), oWeight, oBias, {}, x);
    const Variable &in = read.next(), &inBias = read.next(), &out = read.next(), &outBias = read.next();
    const Variable z = read.norm(x);
    x = nn::linear(nn::linear(z, in, inBias, kernels::Unary::gelu), out, outBias, {}, x);
  }
  return x;
}

// Rows of length 1.
Variable normalised(const Variable& x) {
  const Variable inverse = nn::apply(kernels::Unary::rsqrt, nn::sum(nn::square(x), -1));
  return nn::mul(x, nn::reshape(inverse, Shape{x.shape()[0], 1}));
}

// One row of each sequence: x [B, n, d] -> [B, d].
Variable rowsOf(const Variable& x, std::span<const std::int64_t> places) {
  const std::int64_t batch = x.shape()[0], n = x.shape()[1];
  std::vector<float> pick(static_cast<std::size_t>(batch * n), 0.0f);
  for (std::int64_t b = 0; b < batch; ++b) pick[static_cast<std::size_t>(b * n + places[static_cast<std::size_t>(b)])] = 1;
  return nn::reshape(nn::matmul(x.tape().constant(Tensor::from(Shape{batch, 1, n}, pick)), x), Shape{batch, x.shape()[2]});
}

}  // namespace

Tensor clipPatches(gpu::Stream& stream, const Tensor& images, const ClipConfig& c) {
  return kernels::padAxis(stream, imagePatches(stream, images, c.patchSize), 1, 1, c.paddedTokens());
}

Variable clipImages(std::span<const Variable> weights, const Variable& patches, const ClipConfig& c) {
  nn::Tape& tape = patches.tape();
  const std::int64_t n = c.paddedTokens(), real = c.tokens(), d = c.visionWidth;
  // Behind the scale and the text tower with its last norm.
  Reader read(weights.subspan(1 + textWeights(c)), c.epsilon);
  const Variable &classToken = read.next(), &projection = read.next(), &places = read.next();
  std::vector<float> first(static_cast<std::size_t>(real), 0.0f);
  first[0] = 1;
  const Variable projected = nn::linear(patches, nn::reshape(projection, Shape{d, c.channels * c.patchSize * c.patchSize}), {});
  const Variable offsets = nn::add(places, nn::mul(tape.constant(Tensor::from(Shape{real, 1}, first)), classToken));
  Variable x = nn::add(projected, paddedRows(offsets, n));
  kernels::AttentionOptions noPadding;
  noPadding.validKeys = real;
  x = encoded(read, read.norm(x), c.visionLayers, c.visionHeads, noPadding);
  const Variable feature = read.norm(tokenOf(x, 0));
  return normalised(nn::linear(feature, read.next(), {}));
}

Variable clipTexts(std::span<const Variable> weights, std::span<const std::uint32_t> tokens, const ClipConfig& c) {
  const std::int64_t n = c.textLength, batch = static_cast<std::int64_t>(tokens.size()) / n;
  Reader read(weights.subspan(1), c.epsilon);
  const Variable &table = read.next(), &places = read.next();
  std::vector<std::int64_t> ends;
  for (std::int64_t b = 0; b < batch; ++b) {
    const auto text = tokens.subspan(static_cast<std::size_t>(b * n), static_cast<std::size_t>(n));
    const auto end = std::find(text.begin(), text.end(), static_cast<std::uint32_t>(c.endOfText));
    ends.push_back(std::min<std::int64_t>(end - text.begin(), n - 1));
  }
  const std::vector<std::uint32_t> index(tokens.begin(), tokens.end());
  Variable x = nn::add(nn::embedding(table, Tensor::from(Shape{batch, n}, index)), places);
  kernels::AttentionOptions causal;
  causal.mask = kernels::AttentionMask::causal;
  x = encoded(read, x, c.textLayers, c.textHeads, causal);
  const Variable feature = read.norm(rowsOf(x, ends));
  return normalised(nn::linear(feature, weights.back(), {}));
}

Variable clipLogits(std::span<const Variable> weights, const Variable& images, const Variable& texts) {
  // min(s, ln 100) = ln 100 - relu(ln 100 - s)
  const double most = std::log(100.0);
  const Variable s = nn::affine(nn::relu(nn::affine(weights[0], -1, most)), -1, most);
  return nn::mul(nn::matmulTransposed(images, texts), nn::apply(kernels::Unary::exp, s));
}

Variable clipLoss(const Variable& logits, const Tensor& same) {
  const std::int64_t batch = logits.shape()[0];
  std::vector<std::uint32_t> own(static_cast<std::size_t>(batch));
  for (std::size_t i = 0; i < own.size(); ++i) own[i] = static_cast<std::uint32_t>(i);
  const Tensor targets = Tensor::from(Shape{batch}, own);
  const Variable counted = same.empty() ? logits : nn::add(logits, logits.tape().constant(same));
  return nn::affine(nn::add(nn::crossEntropy(counted, targets), nn::crossEntropy(nn::permute(counted, {1, 0}), targets)), 0.5, 0);
}

Tensor clipEqualTexts(std::span<const std::uint32_t> tokens, std::int64_t length) {
  const std::size_t n = static_cast<std::size_t>(length), batch = tokens.size() / n;
  std::vector<float> mask(batch * batch, 0.0f);
  bool any = false;
  for (std::size_t i = 0; i < batch; ++i) {
    for (std::size_t j = 0; j < batch; ++j) {
      if (i == j || !std::ranges::equal(tokens.subspan(i * n, n), tokens.subspan(j * n, n))) continue;
      mask[i * batch + j] = -1e30f;
      any = true;
    }
  }
  return any ? Tensor::from(Shape{static_cast<std::int64_t>(batch), static_cast<std::int64_t>(batch)}, mask) : Tensor();
}

}  // namespace orrery::models
