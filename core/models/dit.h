#pragma once
// The diffusion transformer: a denoiser of pictures, told the noise level and a class. Source: Peebles and Xie 2023, section 3.2
// ("adaLN-Zero"). Weights have the layout and names of the authors' code ("blocks.0.adaLN_modulation.1.weight"); preconditioning, noise
// levels and sampling are EDM's (edm.h), so the network's time is a multiple of ln sigma.

#include "core/nn/layers.h"

namespace orrery::models {

struct DitConfig {
  std::int64_t imageSize = 32, patchSize = 4, channels = 3;
  std::int64_t width = 128, layers = 5, heads = 4, mlpRatio = 4;
  std::int64_t classes = 4;        // the class `classes` means none
  std::int64_t frequencies = 256;  // of the time embedding: cosines, then sines
  double timeScale = 16;   // the embedded time is timeScale cNoise = timeScale ln(sigma) / 4: its fastest wave turns once per 1.6 e-folds
  double sigmaData = 0.5;  // deviation of the data
  double epsilon = 1e-6;   // of the layer norms

  std::int64_t side() const { return imageSize / patchSize; }
  std::int64_t tokens() const { return side() * side(); }
  std::int64_t patchValues() const { return channels * patchSize * patchSize; }
};

// As the authors': Glorot's uniform for matrices, deviation 0.02 for the embeddings of time and class, zeros for biases, for every
// modulation and for the last layer, so that a fresh network is F = 0. pos_embed holds sines and cosines of row and column; no gradient
// reaches it. The width is a multiple of 4.
nn::Weights initialDit(nn::Initializer& draw, const DitConfig& config);

// images [B, channels, S, S] -> [B, tokens, channels P P], values ordered (channel, row, column); and back.
Tensor ditPatches(gpu::Stream& stream, const Tensor& images, const DitConfig& config);
Tensor ditImages(gpu::Stream& stream, const Tensor& patches, const DitConfig& config);
// The network's result has its values ordered (row, column, channel); to the order of ditPatches() and back.
Tensor ditFromOutput(gpu::Stream& stream, const Tensor& output, const DitConfig& config);
Tensor ditToOutput(gpu::Stream& stream, const Tensor& patches, const DitConfig& config);

// Cosines and sines of the noise levels, [B, frequencies].
Tensor ditTimes(std::span<const double> sigmas, const DitConfig& config);

// F: patches of cIn x [B, tokens, channels P P], ditTimes(), classes u32 [B] -> [B, tokens, P P channels]. Weights in the order of
// initialDit().
nn::Variable ditForward(std::span<const nn::Variable> weights, const nn::Variable& patches, const Tensor& times, const Tensor& classes,
                        const DitConfig& config);

// D(x; sigma, class) for one noise level of the whole batch, patches to patches. With guidance w other than 1: D_none + w (D_class -
// D_none) (Ho and Salimans 2022, in their section 3.2 with w = 1 + their w).
Tensor ditDenoise(gpu::Stream& stream, const nn::Weights& weights, const Tensor& patches, double sigma, const Tensor& classes,
                  double guidance, const DitConfig& config);

struct DitSampling {
  int steps = 18;
  double guidance = 2;
  std::uint64_t seed = 1;
};
// Pictures of these classes, [B, channels, S, S] around -1 ... 1: Heun's method on the probability-flow ODE (EDM, algorithm 1).
Tensor ditSample(gpu::Stream& stream, const nn::Weights& weights, const std::vector<std::uint32_t>& classes, const DitConfig& config,
                 const DitSampling& sampling = {});

}  // namespace orrery::models
