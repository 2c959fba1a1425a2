#pragma once
// The vision transformer. Source: Dosovitskiy et al. 2021, section 3.1 (pre-norm encoder, learnt positions, a class token, GELU).
// Weights have the layout and names of Hugging Face's ViTForImageClassification ("vit.encoder.layer.0.attention.attention.query.weight").

#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/nn/layers.h"

namespace orrery::models {

struct VitConfig {
  std::int64_t imageSize = 64, patchSize = 8, channels = 3;
  std::int64_t width = 96, layers = 3, heads = 4, mlpRatio = 4;
  std::int64_t classes = 4;
  double epsilon = 1e-12;  // of the layer norms, as ViT's published configuration

  std::int64_t patches() const { return (imageSize / patchSize) * (imageSize / patchSize); }
  std::int64_t tokens() const { return patches() + 1; }
  // Tokens in memory: whole texels; those behind the last are hidden from attention.
  std::int64_t paddedTokens() const { return (tokens() + 3) / 4 * 4; }
};

// As the authors' code draws them: Glorot's uniform for dense layers, LeCun's normal for the patches, deviation 0.02 for the class token,
// zeros for biases and the classifier, ones for gains; positions are sines and cosines (Beyer, Zhai and Kolesnikov 2022).
nn::Weights initialVit(nn::Initializer& draw, const VitConfig& config);

// images f32 [B, channels, S, S] in -1 ... 1 -> patches with an empty first row for the class token and empty ones at the end, [B,
// paddedTokens, channels P P].
Tensor vitPatches(gpu::Stream& stream, const Tensor& images, const VitConfig& config);

// From vitPatches(), with weights in the order of initialVit(): the last layer's normalised tokens [B, paddedTokens, width]; what the
// classifier makes of tokens [..., width]; and both for the class token: logits [B, classes].
nn::Variable vitTokens(std::span<const nn::Variable> weights, const nn::Variable& patches, const VitConfig& config);
nn::Variable vitClassify(std::span<const nn::Variable> weights, const nn::Variable& tokens);
nn::Variable vitForward(std::span<const nn::Variable> weights, const nn::Variable& patches, const VitConfig& config);

// A trained network.
struct TrainedVit {
  VitConfig config;
  nn::Weights weights;  // in the order of initialVit()

  // `path`: a folder that `orrery train tiny-vit` left, or the file in it. Error: missing, damaged, another network.
  static Expected<TrainedVit> open(gpu::Stream& stream, const std::string& path);
  // Logits [B, classes] of images f32 [B, channels, S, S] in -1 ... 1; those of another size than the network's are resized bilinearly.
  Tensor logits(gpu::Stream& stream, const Tensor& images) const;
  // The likeliest class of each. Reads back.
  std::vector<std::uint32_t> classesOf(gpu::Stream& stream, const Tensor& images) const;
};

}  // namespace orrery::models
