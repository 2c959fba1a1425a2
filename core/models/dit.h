#pragma once
// The diffusion transformer: a denoiser of pictures, told the noise level and a class. Source: Peebles and Xie 2023, section 3.2
// ("adaLN-Zero"). Weights have the layout and names of the authors' code ("blocks.0.adaLN_modulation.1.weight"). What its output means
// and how it is told the time is not said here: trained_dit.h, and the recipe tiny-dit for its training.

#include "core/nn/layers.h"

namespace orrery::models {

struct DitConfig {
  std::int64_t imageSize = 32, patchSize = 4, channels = 3;
  std::int64_t width = 128, layers = 5, heads = 4, mlpRatio = 4;
  std::int64_t classes = 4;        // the class `classes` means none
  std::int64_t frequencies = 256;  // of the time embedding: cosines, then sines
  bool learnSigma = false;         // twice as many outputs, of which the second half (a variance) is not used
  double timeScale = 16;   // of EDM's time: timeScale cNoise = timeScale ln(sigma) / 4, whose fastest wave turns once per 1.6 e-folds
  double sigmaData = 0.5;  // deviation of the data
  double epsilon = 1e-6;   // of the layer norms

  std::int64_t side() const { return imageSize / patchSize; }
  std::int64_t tokens() const { return side() * side(); }
  std::int64_t patchValues() const { return channels * patchSize * patchSize; }
  std::int64_t outputValues() const { return (learnSigma ? 2 : 1) * patchValues(); }
};

// As the authors': Glorot's uniform for matrices, deviation 0.02 for the embeddings of time and class, zeros for biases, for every
// modulation and for the last layer, so that a fresh network is F = 0. pos_embed holds sines and cosines of row and column; no gradient
// reaches it. The width is a multiple of 4.
nn::Weights initialDit(nn::Initializer& draw, const DitConfig& config);

// images [B, channels, S, S] -> [B, tokens, channels P P], values ordered (channel, row, column); and back.
Tensor ditPatches(gpu::Stream& stream, const Tensor& images, const DitConfig& config);
Tensor ditImages(gpu::Stream& stream, const Tensor& patches, const DitConfig& config);
// The network's result has its values ordered (row, column, channel); to the order of ditPatches(), without learnt variances, and back.
Tensor ditFromOutput(gpu::Stream& stream, const Tensor& output, const DitConfig& config);
Tensor ditToOutput(gpu::Stream& stream, const Tensor& patches, const DitConfig& config);

// Cosines and sines of the times told to each picture, [B, frequencies]; and EDM's time for a noise level, timeScale ln(sigma) / 4.
Tensor ditTimes(std::span<const double> told, const DitConfig& config);
double ditTimeOf(double sigma, const DitConfig& config);

// Patches [B, tokens, channels P P], ditTimes(), classes u32 [B] -> [B, tokens, outputValues()]. Weights in the order of initialDit().
nn::Variable ditForward(std::span<const nn::Variable> weights, const nn::Variable& patches, const Tensor& times, const Tensor& classes,
                        const DitConfig& config);

}  // namespace orrery::models
