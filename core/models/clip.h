#pragma once
// CLIP: a tower for pictures and a tower for texts that meet in one space. Source: Radford et al. 2021, section 2.3 and 2.4, figure 3.
// Weights have the layout and names of Hugging Face's CLIPModel ("text_model.encoder.layers.0.self_attn.q_proj.weight"). The picture's
// feature is that of the class token, the text's that of [eos] under a causal mask. (Hugging Face reads a configuration with eos_token_id 2
// as an early one of OpenAI's and takes the largest id instead; here it is the first [eos], wherever its id stands.)

#include "core/nn/layers.h"

namespace orrery::models {

struct ClipConfig {
  std::int64_t imageSize = 64, patchSize = 8, channels = 3;
  std::int64_t visionWidth = 96, visionLayers = 3, visionHeads = 4;
  std::int64_t vocabulary = 64, textLength = 16, textWidth = 96, textLayers = 2, textHeads = 4;
  std::int64_t endOfText = 2;  // id of [eos]
  std::int64_t mlpRatio = 4, embedding = 64;
  double epsilon = 1e-5;

  std::int64_t patches() const { return (imageSize / patchSize) * (imageSize / patchSize); }
  std::int64_t tokens() const { return patches() + 1; }
  // Tokens in memory: whole texels; those behind the last are hidden from attention.
  std::int64_t paddedTokens() const { return (tokens() + 3) / 4 * 4; }
};

// As OpenAI's: normal with deviations 1 / sqrt(d) for queries, keys and values, that over sqrt(2 layers) for projections into the residual
// stream, 1 / sqrt(2 d) for the MLP's first matrix, 0.02 and 0.01 for tokens and places; logit_scale ln(1 / 0.07).
nn::Weights initialClip(nn::Initializer& draw, const ClipConfig& config);

// images [B, channels, S, S], normalised -> [B, paddedTokens, channels P P], the class token's row and those behind the last empty.
Tensor clipPatches(gpu::Stream& stream, const Tensor& images, const ClipConfig& config);

// Unit vectors [B, embedding]. Weights in the order of initialClip(); tokens: B rows of textLength ids, the first [eos] ends a text.
nn::Variable clipImages(std::span<const nn::Variable> weights, const nn::Variable& patches, const ClipConfig& config);
nn::Variable clipTexts(std::span<const nn::Variable> weights, std::span<const std::uint32_t> tokens, const ClipConfig& config);

// min(e^logit_scale, 100) u v^T, [images, texts].
nn::Variable clipLogits(std::span<const nn::Variable> weights, const nn::Variable& images, const nn::Variable& texts);

// The mean of the cross entropies of rows and columns of logits [B, B], pair i with i. `same`, when given, is [B, B] with -1e30 where a
// text off the diagonal equals the row's own: neither a match nor a mismatch, it takes no part.
nn::Variable clipLoss(const nn::Variable& logits, const Tensor& same = {});
// That mask of B texts of `length` ids; empty when all differ.
Tensor clipEqualTexts(std::span<const std::uint32_t> tokens, std::int64_t length);

}  // namespace orrery::models
