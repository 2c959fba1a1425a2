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
// RealNVP's chain is of the same kind: on each level first couplings whose mask is a checkerboard of pixels, then the squeeze, then
// couplings of channel halves that swap from one to the next, so that the last moves what leaves; no mixing, s = e^(c tanh l) with a bound
// c, and before everything
//   logit     y = logit(alpha + (1 - alpha) x)                             ln |det| = sum ln((1 - alpha) / (p (1 - p))), p inside the logit
// (some codes have alpha + (1 - 2 alpha) x, which keeps away from 1 as well; x in [0, 1)). Between couplings it may normalize by batches (their
// section 3.7), per channel over the batch and the pixels:
//   norm      y = (x - m) / sqrt(v + 1e-5)                                 ln |det| = -1/2 H W sum ln(v + 1e-5)
// with the batch's statistics mixed into the running ones while it learns, and the running ones everywhere else.
//
// A state is shown as a picture by putting back what has left and undoing the squeezes.
//
// Everything is written twice: on the tape, where it trains, and in double precision on the host for single pictures.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/models/picture_flow.h"

namespace orrery::models::flows {

enum class Mixing { reverse, shuffle, dense, lu, none };

// A mask painted on a grid of 8 x 8 cells, row by row, each 1 where its pixels pass. A picture of any side takes the cell its pixel lies in.
constexpr std::int64_t paintedSide = 8;
using PaintedMask = std::array<std::uint8_t, paintedSide * paintedSide>;
// As 16 hexadecimal digits, two per row, the first cell in the highest bit; and back, if it is such a text.
std::string textOfMask(const PaintedMask& mask);
std::optional<PaintedMask> maskOfText(std::string_view text);

struct ImageFlowOptions {
  std::int64_t channels = 3, height = 16, width = 16;
  std::int64_t levels = 2, steps = 4;  // L; K per level
  std::int64_t hidden = 64;            // channels of the couplings' networks
  Mixing mixing = Mixing::lu;          // reverse and shuffle are fixed; dense and lu start as a random rotation and learn
  bool affine = true;                  // off: s = 1, ln |det| = 0
  double leastScale = 0;               // m of affine couplings, 0 ... 1
  bool squeeze = true;                 // off: no level changes the size
  bool pixelsTogether = false;  // a squeeze orders its channels by pixel of the block, then by channel: halves are pixels, not colours
  std::int64_t checkers = 0;    // couplings with checkerboard masks before each squeeze
  std::optional<PaintedMask> painted{};  // instead of the checkerboard: what passes the first of them, and the next moves
  bool actnorm = true;          // before every coupling
  bool batchNorm = false;       // before every coupling but the first
  double momentum = 0.1;        // of its running statistics: the share of what they were that a step keeps
  bool bounded = false;         // affine couplings have s = e^(c tanh l); checkerboards always do
  double bound = 2;             // c
  bool logit = false;           // the values go through the logit first
  double alpha = 0.05;          // of it, 0 ... 0.2
  bool twoSided = false;        // alpha + (1 - 2 alpha) x
};

class ImageFlow final : public PictureFlow {
 public:
  ImageFlow() = default;
  // Rotations and shuffles are drawn from the seed. Error: usage, when a squeeze meets an odd size, a coupling an odd number of channels,
  // a painted mask lets all of a level's pixels pass or none, or alpha lies outside 0 ... 0.2.
  static Expected<ImageFlow> make(const ImageFlowOptions& options, std::uint64_t seed);

  const ImageFlowOptions& options() const { return options_; }
  Shape shape() const override { return Shape{options_.channels, options_.height, options_.width}; }
  // Names: "levels.0.steps.1.actnorm.{bias,logs}", ".invconv.weight" or ".invconv.{lower,upper,log_s}", ".coupling.{0,2,4}.{weight,bias}",
  // and "levels.0.checkers.1.actnorm.{bias,logs}", ".coupling.{0,2,4}.{weight,bias}"; of either, ".norm.{running_mean,running_var}".
  nn::Weights initial(nn::Initializer& draw) const override;
  // Gives every actnorm the bias and scale that make its output of this batch [N, C, H, W] have mean 0 and variance 1 per channel.
  // Error: badInput, when a channel is constant.
  Expected<void> initializeActnorm(gpu::Stream& stream, nn::Weights& weights, const Tensor& batch) const;
  Expected<void> prepare(gpu::Stream& stream, nn::Weights& weights, const Tensor& batch) const override {
    return initializeActnorm(stream, weights, batch);
  }
  // Error: badInput, when a mixing matrix has lost its inverse: |pivot| < 1e-6; or a weight is not finite.
  Expected<void> check(const HostWeights& weights) const override;

  Mapped forward(std::span<const nn::Variable> weights, const nn::Variable& x, Trace* trace = nullptr) const override;
  nn::Variable inverse(std::span<const nn::Variable> weights, const nn::Variable& z,
                       std::vector<nn::Variable>* states = nullptr) const override;
  nn::Variable logLikelihood(std::span<const nn::Variable> weights, const nn::Variable& x) const override;
  nn::Variable learn(std::span<const nn::Variable> weights, const nn::Variable& x, Flow::Watched& watched) const override;
  bool watches(std::size_t weight) const override;

  // The same on the host for one picture and stages [first, last). Between stages a state is a flat vector: what still moves, then what
  // left last, ..., what left first; before stage 0 it is the picture.
  double forward(const HostWeights& weights, std::vector<double>& state, std::size_t first, std::size_t last) const;
  void inverse(const HostWeights& weights, std::vector<double>& state, std::size_t first, std::size_t last) const;
  void toPicture(std::vector<double>& state, std::size_t stages) const override;
  void fromPicture(std::vector<double>& state, std::size_t stages) const override;
  std::vector<double> maskOf(std::size_t stage) const override;
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
  // ln |det| as in Trace. `watched`, when given: the batch is learnt from.
  nn::Variable forwardStage(const Stage& stage, std::span<const nn::Variable> weights, Moving& moving,
                            Flow::Watched* watched = nullptr) const;
  nn::Variable logLikelihood(std::span<const nn::Variable> weights, const nn::Variable& x, Flow::Watched* watched) const;
  void inverseStage(const Stage& stage, std::span<const nn::Variable> weights, Moving& moving) const;
  struct Told {
    nn::Variable shift, logit;
  };
  // What a coupling's network makes of what passes; `out`: values per pixel it moves.
  Told tell(const Stage& stage, std::span<const nn::Variable> network, const nn::Variable& passing, std::int64_t out) const;
  // x with the values a checkerboard lets pass, or moves, and 0 elsewhere.
  nn::Variable checked(const Stage& stage, const nn::Variable& x, bool passing) const;
  nn::Variable laidOut(const Moving& moving, std::int64_t level, bool squeezed) const;
  std::int64_t levelsSqueezed(std::size_t stages) const;  // of the first `stages` stages
  void drawMixings(std::uint64_t seed);

  ImageFlowOptions options_;
  std::vector<Fixed> fixed_;                   // per level and step
  std::vector<std::array<Tensor, 2>> checks_;  // per level, [height, width] before its squeeze: 1 where row + column is even; odd
};

// What one training step asks for: operations (forward and two products back for every convolution of the couplings) and the bytes its tape
// holds (values and gradients of the hidden layers, and about eight states per step).
struct StepCost {
  double operations = 0, bytes = 0;
};
StepCost trainingCost(const ImageFlowOptions& options, std::int64_t batch);

}  // namespace orrery::models::flows
