#pragma once
// A flow of pictures on several scales. Sources: Kingma and Dhariwal 2018 (Glow: actnorm, invertible 1 x 1 convolution, the step of flow);
// Dinh, Sohl-Dickstein and Bengio 2017, sections 3.6 and 3.7 (squeeze, factoring out halves). From a picture x [N, C, H, W] to latents z:
//   level l:  squeeze [C, H, W] -> [4 C, H / 2, W / 2];  K steps;  all but the last level: half of the channels leave for the latents
//   step:     actnorm   y = e^logs (x + b) per channel                       ln |det| = H W sum logs
//             mixing    y_ij = W x_ij at every pixel                         ln |det| = H W ln |det W|
//             coupling  y_b = x_b,  y_a = s x_a + t,  (l, t) = network(x_b)  ln |det| = sum ln s,   s = m + (1 - m) sigmoid(l + 2)
// (the authors have m = 0; a least scale m > 0 bounds what the inverse multiplies by, 1 / s: Behrmann et al. 2021, section 4.2)
// and ln p(x) = ln N(z; 0, I) + the sum of ln |det|. The latents of every level are standard normal (the authors learn their means and
// deviations from what stays). Log-determinants are per picture, in nats.
//
// Between two stages the state is what still moves, [channels, height, width], and what has left. It is shown as a picture by putting back
// what has left and undoing the squeezes: a permutation of the values, so that a state at any stage has the shape of x. Latents are given
// and taken like that.
//
// Everything is written twice: on the tape, where it trains, and in double precision on the host for single pictures.

#include <cstdint>
#include <string>
#include <vector>

#include "core/models/flows.h"

namespace orrery::models::flows {

enum class Mixing { reverse, shuffle, dense, lu };

struct ImageFlowOptions {
  std::int64_t channels = 3, height = 16, width = 16;
  std::int64_t levels = 2, steps = 4;  // L; K per level
  std::int64_t hidden = 64;            // channels of the couplings' networks
  Mixing mixing = Mixing::lu;          // reverse and shuffle are fixed; dense and lu start as a random rotation and learn
  bool affine = true;                  // off: s = 1, ln |det| = 0
  double leastScale = 0;               // m of affine couplings, 0 ... 1
  bool squeeze = true;                 // off: no level changes the size
};

class ImageFlow {
 public:
  enum class Kind : std::uint8_t { squeeze, actnorm, mixing, coupling, split };
  struct Stage {
    Kind kind = Kind::squeeze;
    std::int64_t level = 0, step = 0;                  // from 0
    std::int64_t channels = 0, height = 0, width = 0;  // of what still moves, behind the stage
    std::size_t firstWeight = 0, weights = 0;
  };

  ImageFlow() = default;
  // Rotations and shuffles are drawn from the seed. Error: usage, when a squeeze meets an odd size or a coupling an odd number of channels.
  static Expected<ImageFlow> make(const ImageFlowOptions& options, std::uint64_t seed);

  const ImageFlowOptions& options() const { return options_; }
  const std::vector<Stage>& stages() const { return stages_; }
  std::int64_t dimensions() const { return options_.channels * options_.height * options_.width; }
  // Names: "levels.0.steps.1.actnorm.{bias,logs}", ".invconv.weight" or ".invconv.{lower,upper,log_s}", ".coupling.{0,2,4}.{weight,bias}".
  nn::Weights initial(nn::Initializer& draw) const;
  // Gives every actnorm the bias and scale that make its output of this batch [N, C, H, W] have mean 0 and variance 1 per channel.
  // Error: badInput, when a channel is constant.
  Expected<void> initializeActnorm(gpu::Stream& stream, nn::Weights& weights, const Tensor& batch) const;
  // Error: badInput, when a mixing matrix has lost its inverse: |pivot| < 1e-6; or a weight is not finite.
  Expected<void> check(const HostWeights& weights) const;

  // What happened on the way, one entry per stage, states as pictures [N, C, H, W]; a log-determinant is empty (0), [] (the same for all)
  // or [N].
  struct Trace {
    std::vector<nn::Variable> states, logDets;
    std::vector<nn::Variable> inputs;  // what a stage was given of what still moves, [N, channels, height, width]
  };
  // y: the latents as a picture; logDet [N], empty when it is 0.
  Mapped forward(std::span<const nn::Variable> weights, const nn::Variable& x, Trace* trace = nullptr) const;
  // `states`, when given: as a picture after the last stage is undone, the one before it, ...
  nn::Variable inverse(std::span<const nn::Variable> weights, const nn::Variable& z, std::vector<nn::Variable>* states = nullptr) const;
  nn::Variable logLikelihood(std::span<const nn::Variable> weights, const nn::Variable& x) const;  // [N]

  // The same on the host for one picture and stages [first, last). Between stages a state is a flat vector: what still moves, then what
  // left last, ..., what left first; before stage 0 it is the picture.
  double forward(const HostWeights& weights, std::vector<double>& state, std::size_t first, std::size_t last) const;
  void inverse(const HostWeights& weights, std::vector<double>& state, std::size_t first, std::size_t last) const;
  // A state behind `stages` stages as a picture, and back.
  void toPicture(std::vector<double>& state, std::size_t stages) const;
  void fromPicture(std::vector<double>& state, std::size_t stages) const;
  // W of a mixing stage, row-major, and ln |det W|.
  std::vector<double> mixingMatrix(const HostWeights& weights, std::size_t stage) const;
  double mixingLogDet(const HostWeights& weights, std::size_t stage) const;

 private:
  struct Moving {
    nn::Variable h;                   // what still moves
    std::vector<nn::Variable> exits;  // what has left, first level first
  };
  // What a mixing stage keeps fixed. Row order[i] of W is row i of L (U + diag s).
  struct Fixed {
    std::vector<std::uint32_t> order;
    std::vector<double> start;  // W where training starts, row-major
    std::vector<double> lower, upper, logS, sign;
    Tensor permutation, ones, belowMask, aboveMask, signs;
  };
  const Fixed& fixedOf(const Stage& stage) const;
  nn::Variable matrix(const Stage& stage, std::span<const nn::Variable> weights, nn::Tape& tape, nn::Variable* logDet) const;
  nn::Variable forwardStage(const Stage& stage, std::span<const nn::Variable> weights, Moving& moving) const;  // ln |det| as in Trace
  void inverseStage(const Stage& stage, std::span<const nn::Variable> weights, Moving& moving) const;
  struct Told {
    nn::Variable shift, logit;
  };
  Told tell(const Stage& stage, std::span<const nn::Variable> weights, const nn::Variable& passing) const;
  nn::Variable laidOut(const Moving& moving, std::int64_t level) const;
  std::int64_t levelsSqueezed(std::size_t stages) const;  // of the first `stages` stages
  void drawMixings(std::uint64_t seed);

  ImageFlowOptions options_;
  std::vector<Stage> stages_;
  std::vector<Fixed> fixed_;  // per level and step
};

// ln p of values with n bits each, dequantised to [0, 1), as bits per dimension: -ln p / (D ln 2) + n.
inline double bitsPerDimensionOfBits(double logLikelihood, std::int64_t dimensions, int bits) {
  return bitsPerDimension(logLikelihood, dimensions, 256.0 / static_cast<double>(std::int64_t{1} << bits));
}

}  // namespace orrery::models::flows
