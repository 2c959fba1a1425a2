#pragma once
// What a flow of pictures is to those who train and look at it: an invertible map from a picture x [N, C, H, W] to latents z of the same
// shape, as a chain of stages with known log-determinants,
//   ln p(x) = ln p_Z(z) + the sum of ln |det| over the stages,    samples x = f^-1(z), z ~ p_Z
// Between two stages a state is shown as a picture: a permutation of its values, so that a state at any stage has the shape of x. Latents
// are given and taken like that. Log-determinants are per picture, in nats.

#include <cstdint>
#include <string>
#include <vector>

#include "core/models/flows.h"

namespace orrery::models::flows {

class PictureFlow {
 public:
  // logit: of the values; checker: a coupling whose mask is a checkerboard of pixels; coupling: of halves of the channels, or of a mask
  // over all values; scale: one factor per value; norm: of batches, per channel.
  enum class Kind : std::uint8_t { squeeze, actnorm, mixing, coupling, split, logit, checker, scale, norm };
  struct Stage {
    Kind kind = Kind::squeeze;
    std::int64_t level = 0, step = 0;                  // from 0
    std::int64_t channels = 0, height = 0, width = 0;  // of what still moves, behind the stage
    std::size_t firstWeight = 0, weights = 0;
    bool squeezed = false;  // behind the stage, this level's squeeze is done
    bool swapped = false;   // a coupling that moves what the others let pass
  };

  virtual ~PictureFlow() = default;
  const std::vector<Stage>& stages() const { return stages_; }
  virtual Shape shape() const = 0;  // [C, H, W]
  std::int64_t dimensions() const { return shape().count(); }
  virtual Prior prior() const { return Prior::normal; }
  virtual nn::Weights initial(nn::Initializer& draw) const = 0;
  // Sets what starts from a first batch [N, C, H, W]. Error: badInput, when it cannot.
  virtual Expected<void> prepare(gpu::Stream& stream, nn::Weights& weights, const Tensor& batch) const = 0;
  // Error: badInput, when the flow has lost its inverse, or a weight is not finite.
  virtual Expected<void> check(const HostWeights& weights) const = 0;

  // What happened on the way, one entry per stage, states as pictures [N, C, H, W]; a log-determinant is empty (0), [] (the same for all)
  // or [N].
  struct Trace {
    std::vector<nn::Variable> states, logDets;
    std::vector<nn::Variable> inputs;  // what a stage was given of what still moves, [N, channels, height, width]
  };
  // y: the latents as a picture; logDet [N], empty when it is 0.
  virtual Mapped forward(std::span<const nn::Variable> weights, const nn::Variable& x, Trace* trace = nullptr) const = 0;
  // `states`, when given: as a picture after the last stage is undone, the one before it, ...
  virtual nn::Variable inverse(std::span<const nn::Variable> weights, const nn::Variable& z,
                               std::vector<nn::Variable>* states = nullptr) const = 0;
  virtual nn::Variable logLikelihood(std::span<const nn::Variable> weights, const nn::Variable& x) const = 0;  // [N]
  // The same of a batch that is learnt from: a normalization takes the batch's statistics. `watched` as in Flow::learn.
  virtual nn::Variable learn(std::span<const nn::Variable> weights, const nn::Variable& x, Flow::Watched&) const {
    return logLikelihood(weights, x);
  }
  // Whether a weight is a running statistic of the batches that pass: set after a step by what learn() says, never learnt.
  virtual bool watches(std::size_t) const { return false; }

  // A state behind `stages` stages as a flat vector (what still moves, then what left last, ..., what left first) to a picture, and back.
  virtual void toPicture(std::vector<double>& state, std::size_t stages) const = 0;
  virtual void fromPicture(std::vector<double>& state, std::size_t stages) const = 0;
  // Which values of the flat state behind a coupling it let pass (1) and which it moved (0); values that have left pass.
  virtual std::vector<double> maskOf(std::size_t stage) const = 0;

 protected:
  PictureFlow() = default;
  PictureFlow(const PictureFlow&) = default;
  PictureFlow(PictureFlow&&) = default;
  PictureFlow& operator=(const PictureFlow&) = default;
  PictureFlow& operator=(PictureFlow&&) = default;

  std::vector<Stage> stages_;
};

// ln p of values with n bits each, dequantised to [0, 1), as bits per dimension: -ln p / (D ln 2) + n.
inline double bitsPerDimensionOfBits(double logLikelihood, std::int64_t dimensions, int bits) {
  return bitsPerDimension(logLikelihood, dimensions, 256.0 / static_cast<double>(std::int64_t{1} << bits));
}

}  // namespace orrery::models::flows
