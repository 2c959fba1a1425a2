#pragma once
// A flow of pictures that knows nothing of pixels: the values of a picture as one row of D numbers through additive couplings with
// perceptrons inside and one factor per value. Source: Dinh, Krueger and Bengio 2014 (NICE), sections 3.2 to 3.4 and 5.1.
//   y = b x + (1 - b) (x + m(b x)),  det = 1;     h = e^s y last,  ln |det| = sum s
// Before training the first batch moves to the middle and is stretched to the prior's width, value by value, as actnorm does (the authors
// start from s = 0 on data prepared beforehand).

#include "core/models/picture_flow.h"

namespace orrery::models::flows {

enum class FlatSplit { alternating, halves, random };

struct FlatFlowOptions {
  std::int64_t channels = 3, height = 16, width = 16;
  std::int64_t couplings = 4;
  std::int64_t hidden = 256;
  int depth = 2;
  FlatSplit split = FlatSplit::alternating;
  bool scale = true;  // the last layer
  Prior prior = Prior::logistic;
};

class FlatFlow final : public PictureFlow {
 public:
  // A random mask is drawn from the seed: philox (j, 0, 0x612, 0). Error: usage, when there is no layer.
  static Expected<FlatFlow> make(const FlatFlowOptions& options, std::uint64_t seed);

  const FlatFlowOptions& options() const { return options_; }
  const Flow& flow() const { return flow_; }
  std::uint64_t seed() const { return seed_; }  // of a random mask
  Shape shape() const override { return Shape{options_.channels, options_.height, options_.width}; }
  Prior prior() const override { return options_.prior; }
  nn::Weights initial(nn::Initializer& draw) const override { return flow_.initial(draw); }
  Expected<void> prepare(gpu::Stream& stream, nn::Weights& weights, const Tensor& batch) const override;
  Expected<void> check(const HostWeights& weights) const override;
  Mapped forward(std::span<const nn::Variable> weights, const nn::Variable& x, Trace* trace = nullptr) const override;
  nn::Variable inverse(std::span<const nn::Variable> weights, const nn::Variable& z,
                       std::vector<nn::Variable>* states = nullptr) const override;
  nn::Variable logLikelihood(std::span<const nn::Variable> weights, const nn::Variable& x) const override;
  void toPicture(std::vector<double>&, std::size_t) const override {}  // rows are pictures
  void fromPicture(std::vector<double>&, std::size_t) const override {}
  std::vector<double> maskOf(std::size_t stage) const override;

 private:
  nn::Variable rows(const nn::Variable& x) const { return nn::reshape(x, Shape{x.shape()[0], dimensions()}); }
  nn::Variable picture(const nn::Variable& x) const;

  FlatFlowOptions options_;
  std::uint64_t seed_ = 0;
  Flow flow_;
  std::vector<Mask> masks_;  // per coupling
};

}  // namespace orrery::models::flows
