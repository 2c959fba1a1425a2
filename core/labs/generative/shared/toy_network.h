#pragma once
// The small network that labs of this wing train live (generative.md C10): a function of a place in R^d and a time, trained by squared
// error. What it predicts (noise, velocity, denoised data ...) is its user's business.
//   input [x, c cos(2 pi f_1 t) ... c cos(2 pi f_16 t), c sin(2 pi f_1 t) ... c sin(2 pi f_16 t)], `depth` layers of `width` with SiLU,
//   output R^o; c = sqrt(d / 16), so that time weighs as much as a place of unit variance.
// 37 762 parameters as it comes. Sources: Tancik et al. 2020 (Fourier features); Kingma and Ba 2015 (Adam).
// Conventions: x is given as the network shall see it (multiplied by c_in), t is 0..1 or c_noise: the frequencies f rise geometrically from
// 1/8 to 4: the lowest tells all of 0..1 apart, higher ones than the highest only slow the learning down. The moving average of the
// weights, which is what is evaluated, decays by min(0.999, (1 + n) / (10 + n)) after step n: the first steps would otherwise be remembered
// for a thousand (TensorFlow's rule). First weights: uniform so that a layer's sums have variance 1 (the first) or 2 (He et al. 2015), the
// last layer's as torch.nn.Linear; with PyTorch's for all layers the network starts out nearly linear and learns several times slower.

#include <vector>

#include "core/nn/layers.h"
#include "core/nn/trainer.h"

namespace orrery::generative {

struct ToyNetworkOptions {
  std::int64_t dimension = 2, outputs = 2;  // d and o
  std::int64_t width = 128, depth = 3;
  double learningRate = 1e-3;
  double averageDecay = 0.999;
  std::int64_t decaySteps = 0;  // the learning rate falls to 0 by a cosine over this many steps; 0: it stays
  double detail = 1;  // widens the first weights of x by this, and its biases to half of it: finer structure in place is learnt sooner
  std::uint64_t seed = 0;
};

// What one step learns from: n places with their times and what the network should say there.
struct ToyBatch {
  Tensor x;       // f32 [n, d]
  Tensor time;    // f32 [n]
  Tensor target;  // f32 [n, o]
  Tensor weight;  // f32 [n], or empty: 1
};

// A value: a copy is a checkpoint and continues to the same bits.
class ToyNetwork {
 public:
  static constexpr std::int64_t frequencies = 16;

  ToyNetwork() = default;
  ToyNetwork(gpu::Stream& stream, const ToyNetworkOptions& options);

  // One step of Adam on mean_i weight_i |output(x_i, t_i) - target_i|^2; the loss before the step, [] on the device. When it throws
  // (gpu::OutOfMemory), everything is as it was before.
  Tensor train(gpu::Stream& stream, const ToyBatch& batch);
  // The same on any loss [] of its weights.
  Tensor descend(gpu::Stream& stream, const nn::Trainer::Loss& loss);

  // The output [n, o] of the averaged weights at x [n, d], for one time or for times [n].
  Tensor at(gpu::Stream& stream, const Tensor& x, double time) const;
  Tensor at(gpu::Stream& stream, const Tensor& x, const Tensor& times) const;
  // On a tape: of any weights of this network, for gradients by them or by x.
  nn::Variable forward(std::span<const nn::Variable> weights, const nn::Variable& x, const Tensor& times) const;

  bool empty() const { return mlp_.widths.empty(); }
  std::int64_t steps() const { return trainer_.steps(); }
  std::int64_t parameters() const;
  const nn::Weights& weights() const { return trainer_.weights(); }
  const nn::Weights& average() const { return average_; }
  const ToyNetworkOptions& options() const { return options_; }

  // Everything the next step depends on (for Lab::capture), and back.
  std::vector<Tensor> capture() const;
  void restore(std::int64_t steps, std::span<const Tensor> state);

  // f_1 .. f_16.
  static std::vector<double> frequencyTable();

 private:
  double featureScale() const;

  ToyNetworkOptions options_;
  nn::Mlp mlp_;
  nn::Trainer trainer_;
  nn::Weights average_;
};

// The features of times [n]: f32 [n, 32], all cosines before all sines, times `scale`.
Tensor timeFeatures(gpu::Stream& stream, const Tensor& times, double scale = 1);

}  // namespace orrery::generative
