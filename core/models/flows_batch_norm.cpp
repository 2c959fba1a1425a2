// Batch normalization as an invertible layer. Source: Dinh, Sohl-Dickstein and Bengio 2017, section 3.7 and appendix E:
//   y = (x - m) / sqrt(v + e),   ln |det| = -1/2 sum ln(v + e)
// While a batch is learnt from, m = r m_run + (1 - r) m_batch and v likewise, with gradients through the batch's part alone; those m and v
// are the running ones of the next step. Everywhere else m and v are the running ones, and the layer is a fixed diagonal map.
// Shapes: x [n, D], m and v [D], log-determinant [n]. Convention: v is the mean square about the batch's mean, divided by n.

#include <cmath>

#include "core/kernels/elementwise.h"
#include "core/kernels/fill.h"
#include "core/models/batch_statistics.h"
#include "core/models/flows.h"

namespace orrery::models::flows {
namespace {

using nn::Variable;

class BatchNorm final : public Layer {
 public:
  BatchNorm(std::int64_t dimensions, double momentum) : dimensions_(dimensions), momentum_(momentum) {}
  std::size_t weightCount() const override { return 2; }
  bool watches() const override { return true; }

  nn::Weights initial(nn::Initializer& draw) const override {
    return {{"running_mean", draw.constant(Shape{dimensions_}, 0)}, {"running_var", draw.constant(Shape{dimensions_}, 1)}};
  }

  Mapped forward(nn::Tape&, std::span<const Variable> weights, const Variable& x) const override {
    return normalized(x, weights[0], weights[1]);
  }

  Mapped learn(nn::Tape&, std::span<const Variable> weights, const Variable& x, std::vector<Tensor>& after) const override {
    const Variable mean = nn::mean(x, 0), variance = nn::mean(nn::square(nn::sub(x, mean)), 0);
    const Variable m = mixedStatistic(weights[0], mean, momentum_), v = mixedStatistic(weights[1], variance, momentum_);
    after = {m.value(), v.value()};
    return normalized(x, m, v);
  }

  Variable inverse(nn::Tape&, std::span<const Variable> weights, const Variable& y) const override {
    return nn::add(nn::mul(y, nn::apply(kernels::Unary::exp, nn::affine(logWidth(weights[1]), 0.5, 0))), weights[0]);
  }

  double forward(std::span<const std::vector<double>> weights, std::span<double> x) const override {
    double logDet = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = (x[i] - weights[0][i]) / std::sqrt(weights[1][i] + normEpsilon);
      logDet -= 0.5 * std::log(weights[1][i] + normEpsilon);
    }
    return logDet;
  }

  void inverse(std::span<const std::vector<double>> weights, std::span<double> y) const override {
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = y[i] * std::sqrt(weights[1][i] + normEpsilon) + weights[0][i];
  }

 private:
  static Mapped normalized(const Variable& x, const Variable& mean, const Variable& variance) {
    const Variable width = logWidth(variance);
    const Variable scale = nn::apply(kernels::Unary::exp, nn::affine(width, -0.5, 0));
    // The same volume everywhere: one number, repeated for every row.
    const Variable none = x.tape().constant(kernels::fill(x.tape().stream(), Shape{x.shape()[0]}, 0.0f));
    return {nn::mul(nn::sub(x, mean), scale), nn::add(nn::affine(nn::sum(width), -0.5, 0), none), {}};
  }

  std::int64_t dimensions_;
  double momentum_;
};

}  // namespace

LayerPtr batchNorm(std::int64_t dimensions, double momentum) { return std::make_shared<BatchNorm>(dimensions, momentum); }

}  // namespace orrery::models::flows
