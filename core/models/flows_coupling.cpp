// Coupling layers in mask form: half of the dimensions pass and tell a network how to move the other half, so the inverse needs no inverse
// of the network. Sources: Dinh et al. 2014, section 3.2 (additive); Dinh et al. 2017, eq. 4 to 9 (affine, masks; s through a scaled tanh).
// Shapes: x [n, D] -> y [n, D], log-determinant [n]. Convention: b = 1 passes.

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/models/flows.h"

namespace orrery::models::flows {
namespace {

// y = W x + b for W [out, in].
std::vector<double> dense(const std::vector<double>& x, const std::vector<double>& weight, const std::vector<double>& bias) {
  std::vector<double> y(bias);
  for (std::size_t o = 0; o < y.size(); ++o) {
    for (std::size_t i = 0; i < x.size(); ++i) y[o] += weight[o * x.size() + i] * x[i];
  }
  return y;
}

class Coupling final : public Layer {
 public:
  explicit Coupling(CouplingOptions options) : options_(std::move(options)) {
    const auto d = static_cast<std::int64_t>(options_.pass.size());
    std::vector<float> pass, moved, bound;
    for (const std::uint8_t b : options_.pass) {
      pass.push_back(b != 0 ? 1.0f : 0.0f);
      moved.push_back(b != 0 ? 0.0f : 1.0f);
      bound.push_back(b != 0 ? 0.0f : static_cast<float>(options_.bound));
    }
    pass_ = Tensor::from(Shape{d}, pass), moved_ = Tensor::from(Shape{d}, moved), bound_ = Tensor::from(Shape{d}, bound);
    trunk_.widths = {d};
    for (int i = 0; i < options_.depth; ++i) trunk_.widths.push_back(options_.width);
  }

  std::size_t weightCount() const override { return 2 * trunk_.layers() + (options_.affine ? 4 : 2); }

  nn::Weights initial(nn::Initializer& draw) const override {
    nn::Weights weights;
    for (std::size_t i = 0; i < trunk_.layers(); ++i) {
      const std::string name = std::to_string(2 * i);
      weights.push_back({name + ".weight", draw.kaimingUniform(Shape{trunk_.widths[i + 1], trunk_.widths[i]}, trunk_.widths[i])});
      weights.push_back({name + ".bias", draw.kaimingUniform(Shape{trunk_.widths[i + 1]}, trunk_.widths[i])});
    }
    const std::int64_t d = trunk_.widths.front(), in = trunk_.widths.back();
    if (options_.identityStart) {
      weights.push_back({"shift.weight", draw.constant(Shape{d, in}, 0)});
      weights.push_back({"shift.bias", draw.constant(Shape{d}, 0)});
    } else {
      weights.push_back({"shift.weight", draw.kaimingUniform(Shape{d, in}, in)});
      weights.push_back({"shift.bias", draw.kaimingUniform(Shape{d}, in)});
    }
    // The scale draws nothing: an affine and an additive coupling of one seed have the same other weights.
    if (options_.affine) {
      weights.push_back({"scale.weight", draw.constant(Shape{d, in}, 0)});
      weights.push_back({"scale.bias", draw.constant(Shape{d}, 0)});
    }
    return weights;
  }

  Mapped forward(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& x) const override {
    const Told told = tell(tape, weights, x);
    if (!options_.affine) return {nn::add(x, told.shift), {}};
    return {nn::add(nn::mul(x, nn::apply(kernels::Unary::exp, told.logScale)), told.shift), nn::sum(told.logScale, 1)};
  }

  nn::Variable inverse(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& y) const override {
    const Told told = tell(tape, weights, y);  // b y = b x: the network sees the same
    const nn::Variable back = nn::sub(y, told.shift);
    if (!options_.affine) return back;
    return nn::mul(back, nn::apply(kernels::Unary::exp, nn::affine(told.logScale, -1, 0)));
  }

  double forward(std::span<const std::vector<double>> weights, std::span<double> x) const override {
    const HostTold told = tell(weights, x);
    double logDet = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (options_.pass[i] != 0) continue;
      x[i] = x[i] * std::exp(told.logScale[i]) + told.shift[i];
      logDet += told.logScale[i];
    }
    return logDet;
  }

  void inverse(std::span<const std::vector<double>> weights, std::span<double> y) const override {
    const HostTold told = tell(weights, y);
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (options_.pass[i] == 0) y[i] = (y[i] - told.shift[i]) * std::exp(-told.logScale[i]);
    }
  }

 private:
  struct Told {
    nn::Variable shift, logScale;  // [n, D], 0 where the mask passes
  };
  Told tell(nn::Tape& tape, std::span<const nn::Variable> weights, const nn::Variable& x) const {
    nn::Variable h = nn::mul(x, tape.constant(pass_));
    std::size_t at = 0;
    for (std::size_t i = 0; i < trunk_.layers(); ++i, at += 2) h = nn::linear(h, weights[at], weights[at + 1], options_.activation);
    Told told;
    told.shift = nn::mul(nn::linear(h, weights[at], weights[at + 1]), tape.constant(moved_));
    if (options_.affine) told.logScale = nn::mul(nn::tanh(nn::linear(h, weights[at + 2], weights[at + 3])), tape.constant(bound_));
    return told;
  }

  struct HostTold {
    std::vector<double> shift, logScale;
  };
  HostTold tell(std::span<const std::vector<double>> weights, std::span<const double> x) const {
    std::vector<double> h(x.begin(), x.end());
    for (std::size_t i = 0; i < h.size(); ++i) h[i] = options_.pass[i] != 0 ? h[i] : 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < trunk_.layers(); ++i, at += 2) {
      h = dense(h, weights[at], weights[at + 1]);
      for (double& v : h) v = kernels::unaryReference(options_.activation, v);
    }
    HostTold told{dense(h, weights[at], weights[at + 1]), std::vector<double>(x.size(), 0)};
    if (options_.affine) {
      told.logScale = dense(h, weights[at + 2], weights[at + 3]);
      for (double& s : told.logScale) s = options_.bound * std::tanh(s);
    }
    return told;
  }

  CouplingOptions options_;
  nn::Mlp trunk_;  // its widths; the activation follows every layer
  Tensor pass_, moved_, bound_;
};

}  // namespace

Mask alternatingMask(std::int64_t dimensions, bool firstPasses) {
  Mask mask;
  for (std::int64_t i = 0; i < dimensions; ++i) mask.push_back((i % 2 == 0) == firstPasses ? 1 : 0);
  return mask;
}

Mask halvesMask(std::int64_t dimensions, bool firstPasses) {
  Mask mask;
  for (std::int64_t i = 0; i < dimensions; ++i) mask.push_back((2 * i < dimensions) == firstPasses ? 1 : 0);
  return mask;
}

Expected<LayerPtr> coupling(CouplingOptions options) {
  const auto passing = std::count_if(options.pass.begin(), options.pass.end(), [](std::uint8_t b) { return b != 0; });
  if (options.pass.size() < 2) {
    return makeError(ErrorCode::usage, trf("A coupling needs at least 2 dimensions, found {}: there is nothing to couple; use the scale "
                                           "layer alone",
                                           options.pass.size()));
  }
  if (passing == 0 || passing == static_cast<std::ptrdiff_t>(options.pass.size())) {
    return makeError(ErrorCode::usage,
                     trf("The mask of a coupling must pass some dimensions and move others; all {} are {}", options.pass.size(),
                         passing == 0 ? tr("moved, and the network would see nothing") : tr("passed, and nothing would move")));
  }
  return LayerPtr(std::make_shared<Coupling>(std::move(options)));
}

}  // namespace orrery::models::flows
