#pragma once
// A score network that learns while one watches: S(x, sigma) = -F(c x, tau) / sigma with a toy network F (shared/toy_network.h), c = 1 /
// sqrt(v + sigma^2), v the data's variance of an axis, tau = ln(sigma / sigma_L) / ln(sigma_1 / sigma_L), trained over a ladder of noise
// levels with the weight sigma^2 of Song and Ermon 2019, so that every level's loss is that of F against its noise:
//   denoising  E |F - z|^2 / 2                                  explicit  E |F + sigma S|^2 / 2
//   implicit   E [|F|^2 / 2 - sigma tr dF/dx]                   sliced    E [(v.F)^2 / 2 - sigma v.dF/dx v], v of random signs
// The derivatives by x are central differences of step `difference` in c x, on the tape as any other value: a product of derivatives by x
// and by the weights needs no more (Pang et al. 2020). Random numbers, key = seed: sample j of step s: which point, level and z are words
// of the Philox block (j, s, 0x540, 0), its signs those of (j, s, 0x541, 0).

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/diffusion/density.h"
#include "core/labs/generative/shared/toy_network.h"
#include "core/models/point_denoiser.h"

namespace orrery::generative {

enum class ScoreObjective { denoising, sliced, implicit, explicitly };

// What F is of: the ends of the ladder and the data's variance of an axis.
struct ScoreScales {
  double top = 20, bottom = 0.1, variance = 1;
  double input(double level) const;
  double time(double level) const;
};

// F of some step, as a denoiser: D = x - sigma F.
class LearnedScore final : public models::PointDenoiser {
 public:
  LearnedScore(ToyNetwork network, ScoreScales scales);
  std::size_t dimension() const override { return 2; }
  std::size_t parameters() const override { return static_cast<std::size_t>(network_.parameters()); }
  const models::NetworkMeaning& meaning() const override { return meaning_; }
  diffusion::State denoise(const diffusion::State& x, double level) const override;
  Tensor denoise(gpu::Stream& stream, const Tensor& x, double level) const override;

 private:
  ToyNetwork network_;
  ScoreScales scales_;
  models::NetworkMeaning meaning_;
};

class ScoreTraining {
 public:
  static constexpr double difference = 0.01;

  ScoreTraining() = default;
  // `data`: the training set, pairs; `ladder`: levels, each as often as any other.
  ScoreTraining(gpu::Stream& stream, const ToyNetworkOptions& options, ScoreObjective objective, diffusion::State data,
                std::vector<double> ladder);

  struct Samples {
    diffusion::State x, z;      // noisy pairs and their noise
    std::vector<double> level;  // per pair
  };
  Samples samplesOf(std::int64_t step, std::int64_t batch) const;
  // One step; the loss before it. `exact` is asked for -sigma S by the explicit loss alone.
  Tensor train(gpu::Stream& stream, const Samples& samples, const std::vector<double>& exact);
  // What the loss of these samples has to be less by for its mean to be E |F + sigma S|^2 / 2, whatever the objective; `exact` is -sigma S.
  double constantOf(const Samples& samples, const std::vector<double>& exact) const;

  bool empty() const { return network_.empty(); }
  std::int64_t steps() const { return network_.steps(); }
  const ToyNetwork& network() const { return network_; }
  const diffusion::State& data() const { return data_; }
  std::shared_ptr<const LearnedScore> now() const { return std::make_shared<LearnedScore>(network_, scales_); }
  bool explicitly() const { return objective_ == ScoreObjective::explicitly; }
  std::vector<Tensor> capture() const { return network_.capture(); }
  void restore(std::int64_t steps, std::span<const Tensor> state) { network_.restore(steps, state); }

 private:
  Tensor trainBySlopes(gpu::Stream& stream, const Samples& samples, const std::vector<float>& x, const std::vector<float>& time);

  ToyNetwork network_;
  ScoreObjective objective_ = ScoreObjective::denoising;
  diffusion::State data_;
  std::vector<double> ladder_;
  ScoreScales scales_;
};

}  // namespace orrery::generative
