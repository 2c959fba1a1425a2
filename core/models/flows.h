#pragma once
// Normalizing flows: chains of invertible maps with a known change of volume. The forward direction goes from data x to latents z = f(x):
//   ln p(x) = ln p_Z(f(x)) + ln |det df/dx|,    samples x = f^-1(z), z ~ p_Z
// Sources: Dinh, Krueger and Bengio 2014 (NICE, additive coupling, diagonal scale); Dinh, Sohl-Dickstein and Bengio 2017 (RealNVP, affine
// coupling in mask form, eq. 9). Points are rows [n, D]; log-determinants are per row, in nats.
//
// Every layer is written twice: on the tape, where it trains, and in double precision on the host for single points.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/expected.h"
#include "core/kernels/philox.h"
#include "core/models/flows_adaptive.h"
#include "core/nn/layers.h"
#include "core/nn/trainer.h"

namespace orrery::models::flows {

struct Mapped {
  nn::Variable y;       // [n, D]
  nn::Variable logDet;  // [n]; empty when it is 0 whatever the weights
  nn::Variable energy{};  // [n]: the integral of |velocity|^2 along the way; empty where nothing flows
};

// The values of a layer's weights in double precision, in their order.
using HostWeights = std::vector<std::vector<double>>;
HostWeights toHost(const nn::Weights& weights);

// One invertible map of rows. Immutable; the weights come from outside.
class Layer {
 public:
  virtual ~Layer() = default;
  virtual std::size_t weightCount() const = 0;
  // The weights are those of the layer before it, and weightCount() is 0.
  virtual bool sharesWeights() const { return false; }
  // Where training starts.
  virtual nn::Weights initial(nn::Initializer& draw) const = 0;
  virtual Mapped forward(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& x) const = 0;
  // As forward, with the log-determinant estimated where the exact one is dear: `probe` [n, D] has rows of mean 0 and covariance I.
  virtual Mapped estimate(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& x, const nn::Variable&) const {
    return forward(tape, weights, x);
  }
  // Whether its weights are statistics of the batches that pass: set after a step by what learn() says, never learnt.
  virtual bool watches() const { return false; }
  // As forward, on a batch that is learnt from. `after`: of a layer that watches, its weights' values after the step.
  virtual Mapped learn(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& x, std::vector<Tensor>& after) const {
    after.clear();
    return forward(tape, weights, x);
  }
  virtual nn::Variable inverse(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& y) const = 0;
  // The inverse with its own ln |det dx/dy|, for training on samples: gradients pass where those of the inverse do.
  virtual Mapped generate(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& y) const;
  // One point in place; forward gives ln |det|.
  virtual double forward(std::span<const std::vector<double>> weights, std::span<double> x) const = 0;
  virtual void inverse(std::span<const std::vector<double>> weights, std::span<double> y) const = 0;
};
using LayerPtr = std::shared_ptr<const Layer>;

// Which dimensions pass a coupling unchanged (1) and which it moves (0).
using Mask = std::vector<std::uint8_t>;
Mask alternatingMask(std::int64_t dimensions, bool firstPasses);  // 1 0 1 0 ... or 0 1 0 1 ...
Mask halvesMask(std::int64_t dimensions, bool firstPasses);       // 1 1 .. 0 0 .. or 0 0 .. 1 1 ..

// b the mask, t and s from one network of b x:
//   additive: y = x + (1 - b) t(b x)                      ln |det| = 0
//   affine:   y = x exp((1 - b) s) + (1 - b) t,           ln |det| = sum (1 - b) s,   s = c tanh(network): |s| <= c, the bound
// Weights: the hidden layers "0.weight", "0.bias", "2.weight", ... as torch.nn.Sequential names them, and the heads "shift.*" and, when
// affine, "scale.*". The heads start at 0; with `identityStart` off, the shift's is drawn like any layer, which breaks symmetries of the
// data that hold an identity fast.
struct CouplingOptions {
  Mask pass;
  bool affine = true;
  double bound = 2;
  std::int64_t width = 64;
  int depth = 2;  // hidden layers
  kernels::Unary activation = kernels::Unary::silu;
  bool identityStart = true;
};
// Error: usage, when there is nothing to couple: one dimension, or a mask of all 0 or all 1.
Expected<LayerPtr> coupling(CouplingOptions options);

// y = exp(s) x with one s per dimension, "log_scale" [D]; starts at 0.
LayerPtr diagonalScale(std::int64_t dimensions);

// y = (x - m) / sqrt(v + 1e-5) with running statistics "running_mean", "running_var" [D] that start at 0 and 1 (Dinh et al. 2017,
// section 3.7 and appendix E); ln |det| = -1/2 sum ln(v + 1e-5). While it learns, a batch's own statistics are mixed in with the weight
// 1 - momentum; a batch needs more than one row.
LayerPtr batchNorm(std::int64_t dimensions, double momentum);

// y[i] = x[order[i]]; ln |det| = 0, no weights. `order` is a permutation.
LayerPtr permutation(std::vector<std::uint32_t> order);

// One ridge (Rezende and Mohamed 2015, eq. 10 and appendix A.1): y = x + u' tanh(w x + b), u' = u + (softplus(w u) - 1 - w u) w / |w|^2,
// so that w u' > -1 and the map is invertible; ln |det| = ln(tanh^2 + softplus(w u) (1 - tanh^2)). Weights "w" [D], "u" [D], "b" [1]. The
// inverse is solved row by row on the host: a monotone equation for w x.
LayerPtr planar(std::int64_t dimensions);

// One centre (their eq. 14): y = x + beta h (x - c), h = 1 / (alpha + r), r = |x - c|, alpha = softplus(a), beta = softplus(b) - alpha;
// ln |det| = (D - 1) ln(1 + beta h) + ln(1 + alpha beta h^2). Weights "centre" [D], "a" [1], "b" [1]. The inverse is a quadratic equation
// for r.
LayerPtr radial(std::int64_t dimensions);

// The same layer the other way round: what it calls forward is from latents to data. A layer whose inverse is solved on the host then
// trains on samples.
LayerPtr reversed(LayerPtr layer);

// A continuous flow for a stretch of its time (Chen et al. 2018, "Neural ordinary differential equations", eq. 8; Grathwohl et al. 2019,
// FFJORD, eq. 5 to 8):  dz/dt = v(z, t),  d ln|det|/dt = tr dv/dz,  and with it the path's energy d/dt = |v|^2 (Finlay et al. 2020).
// v is a multilayer perceptron of [z, t] with tanh between its layers: weights "0.weight" [w, D + 1], "0.bias", "2.weight", ...; the last
// layer starts at 0, so that the flow starts as the identity. The trace is exact; estimate() takes Hutchinson's
// probe . (dv/dz probe), the same probe for the whole way. All three are solved by the same rule with steps of one length;
// the inverse solves z back through the same times, and is off by the solver's error.
enum class Solver { euler, midpoint, rk4 };
int evaluationsPerStep(Solver solver);  // 1, 2, 4
struct ContinuousOptions {
  std::int64_t dimensions = 2, width = 64;
  int depth = 2;            // hidden layers, 0 to 2; 0: a linear field
  double from = 0, to = 1;  // time
  std::int64_t steps = 1;   // of the solver
  Solver solver = Solver::rk4;
  bool sharesWeights = false;  // a later stretch of the same flow
  AdaptivePtr adaptive{};      // with a tolerance, what does not learn is solved to it instead
};
LayerPtr continuous(const ContinuousOptions& options);

// A chain of layers. Weight names are "layers.<i>.<name>".
class Flow {
 public:
  Flow() = default;
  Flow(std::int64_t dimensions, std::vector<LayerPtr> layers);

  std::int64_t dimensions() const { return dimensions_; }
  std::size_t layers() const { return layers_.size(); }
  nn::Weights initial(nn::Initializer& draw) const;

  // What happened on the way: the state and the log-determinant after each layer; the latter may be empty.
  struct Trace {
    std::vector<nn::Variable> states, logDets;
  };
  // With a probe the log-determinant may be an estimate: see Layer::estimate.
  Mapped forward(std::span<const nn::Variable> weights, const nn::Variable& x, Trace* trace = nullptr, const nn::Variable& probe = {}) const;
  // As forward, on a batch that is learnt from. `watched`: the weights that are running statistics, by index, and their values after the
  // step.
  using Watched = std::vector<std::pair<std::size_t, Tensor>>;
  Mapped learn(std::span<const nn::Variable> weights, const nn::Variable& x, Watched& watched) const;
  bool watches() const;  // whether there are any
  bool watches(std::size_t weight) const;
  // `states`, when given: after the last layer is undone, the one before it, ...
  nn::Variable inverse(std::span<const nn::Variable> weights, const nn::Variable& z, std::vector<nn::Variable>* states = nullptr) const;
  // x = f^-1(z) with ln |det dx/dz|: see Layer::generate.
  Mapped generate(std::span<const nn::Variable> weights, const nn::Variable& z) const;

  // The same on the host for one point and layers [first, last).
  double forward(const HostWeights& weights, std::span<double> x, std::size_t first, std::size_t last) const;
  void inverse(const HostWeights& weights, std::span<double> y, std::size_t first, std::size_t last) const;
  double forward(const HostWeights& weights, std::span<double> x) const { return forward(weights, x, 0, layers()); }
  void inverse(const HostWeights& weights, std::span<double> y) const { inverse(weights, y, 0, layers()); }
  // d (state after `last` layers)_i / d x_j, row-major, by central differences: exactly 0 where nothing depends.
  std::vector<double> jacobian(const HostWeights& weights, std::span<const double> x, std::size_t last) const;

 private:
  struct Part {
    std::size_t begin = 0, count = 0;
  };
  template <class T>
  std::span<const T> weightsOf(std::size_t layer, std::span<const T> all) const {
    return all.subspan(parts_[layer].begin, parts_[layer].count);
  }

  std::int64_t dimensions_ = 0;
  std::vector<LayerPtr> layers_;
  std::vector<Part> parts_;  // of the weights, by layer
};

// After a step: gives the weights that are running statistics the values that the step made them.
void setWatched(nn::Trainer& trainer, const Flow::Watched& watched);

// `named` in the order and with the shapes of `fresh`. Error: a tensor is missing, of another shape or not finite; says which.
Expected<nn::Weights> adopt(nn::Weights fresh, const nn::Weights& named);

// Laws of the latents, independent per dimension: N(0, 1), or logistic ln p = -ln(1 + e^h) - ln(1 + e^-h) (NICE, section 3.4).
enum class Prior { normal, logistic };
nn::Variable logPrior(Prior prior, const nn::Variable& z);  // [n, D] -> [n]
double logPrior(Prior prior, std::span<const double> z);
// Multiplied by the temperature.
Tensor samplePrior(gpu::Stream& stream, Prior prior, const Shape& shape, const kernels::RandomKey& key, double temperature = 1);

// ln p(x) of rows: [n].
nn::Variable logLikelihood(const Flow& flow, Prior prior, std::span<const nn::Variable> weights, const nn::Variable& x);

// ln p in nats of D values of a density on an interval of this width, as bits per dimension of the 8-bit data behind it:
// -ln p / (D ln 2) + log2(256 / width).
double bitsPerDimension(double logLikelihood, std::int64_t dimensions, double width);

}  // namespace orrery::models::flows
