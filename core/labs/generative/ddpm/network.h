#pragma once
// The network of DDPM, trained live on the chain's own noise: t uniform in 1 .. T, x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps,
//   loss = E w_t |output(x_t, t / T) - target|^2
// for any target that is linear in (x_0, eps), and D out of its output.
// Random numbers, key = seed: pair j of step s: x_0: (s batch + j, 0, 48, .) and eps, t: words of (j, s, 49, 0).

#include <functional>
#include <string>
#include <vector>

#include "core/diffusion/prediction.h"
#include "core/labs/generative/ddpm/denoising_error.h"
#include "core/labs/generative/shared/noise_chain.h"
#include "core/labs/generative/shared/toy_network.h"

namespace orrery::generative {

// "epsilon", "x0", "v", "mean" (that of the posterior q(x_{t-1} | x_t, x_0)) or "score" (-eps / sigma).
struct ChainTarget {
  std::string id = "epsilon";
  // The target as a multiple of x_0 and one of eps.
  diffusion::Linear ofPair(const Chain& chain, int t) const;  // x: of x_0, y: of eps
  // D as a multiple of x_t and one of the output.
  diffusion::Linear toData(const Chain& chain, int t) const;
  // |eps error|^2 = factor |error of the target|^2, where x_t is what it is.
  double factor(const Chain& chain, int t) const;
};

// E |D - D_denoise|^2 / 2 at every step of a chain, by even samples at some of them and straight lines in ln t between; entry 0 is 0.
std::vector<double> denoisingExcess(const PlaneScene& scene, const Chain& chain,
                                    const std::function<Tensor(const Tensor& state, int t)>& denoise);

class ChainNetwork {
 public:
  ChainNetwork() = default;
  // `weight`[t] of |target error|^2, any scale: brought to mean 1.
  ChainNetwork(gpu::Stream& stream, const ToyNetworkOptions& options, Chain chain, ChainTarget target, std::vector<double> weight);

  // One step on `batch` pairs; the loss before it.
  Tensor train(gpu::Stream& stream, const PlaneScene& scene, std::int64_t batch);
  // D of a scaled state [n, 2] at step t.
  Tensor denoise(gpu::Stream& stream, const Tensor& state, int t) const;
  // denoisingExcess() of it.
  std::vector<double> excess(gpu::Stream& stream, const PlaneScene& scene) const;
  // The loss of the exact denoiser: no network does better in the mean.
  double leastLoss(const DenoisingError& error) const;

  bool empty() const { return network_.empty(); }
  const ToyNetwork& network() const { return network_; }
  std::vector<Tensor> capture() const { return network_.capture(); }
  void restore(std::int64_t steps, std::span<const Tensor> state) { network_.restore(steps, state); }

 private:
  ToyNetwork network_;
  Chain chain_;
  ChainTarget target_;
  std::vector<double> weight_;
};

}  // namespace orrery::generative
