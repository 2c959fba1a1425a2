// Steps of a probability-flow ODE as layers. Shapes: points [n, 2]; the state of a step is (x, y, integral of the divergence, 0), [n, 4].

#include "core/labs/generative/shared/diffusion_flow.h"

#include <array>
#include <cmath>

#include "core/kernels/fill.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

class Stretch final : public flows::Layer {
 public:
  Stretch(ExactFlow flow, FlowSolver solver, double from, double to) : flow_(std::move(flow)), solver_(solver), from_(from), to_(to) {}
  std::size_t weightCount() const override { return 0; }
  nn::Weights initial(nn::Initializer&) const override { return {}; }

  flows::Mapped forward(nn::Tape& tape, std::span<const nn::Variable>, const nn::Variable& x) const override {
    return solved(tape, x, from_, to_);
  }
  nn::Variable inverse(nn::Tape& tape, std::span<const nn::Variable>, const nn::Variable& y) const override {
    return solved(tape, y, to_, from_).y;
  }
  double forward(std::span<const std::vector<double>>, std::span<double> x) const override { return solved(x, from_, to_); }
  void inverse(std::span<const std::vector<double>>, std::span<double> y) const override { solved(y, to_, from_); }

 private:
  flows::Mapped solved(nn::Tape& tape, const nn::Variable& x, double from, double to) const {
    const std::int64_t n = x.shape()[0];
    const nn::Variable none = tape.constant(kernels::fill(tape.stream(), Shape{n, 2}, 0.0f));
    const Velocity velocity = [this](gpu::Stream& stream, const Tensor& cloud, double t) {
      return flowWithDivergence(stream, flow_.at(t), cloud);
    };
    const Tensor state = flowStep(tape.stream(), velocity, solver_, nn::concat({x, none}, 1).value(), from, to);
    const nn::Variable after = tape.constant(state);
    return {nn::slice(after, 1, 0, 2), nn::reshape(nn::slice(after, 1, 2, 3), Shape{n}), {}};
  }

  // The same rules in double precision.
  double solved(std::span<double> x, double from, double to) const {
    using Slope = std::array<double, 3>;
    const double h = to - from;
    const auto slope = [&](double t, const Slope& ahead, double reach) {
      const FlowValue v = evaluateFlow(flow_.at(t), x[0] + reach * ahead[0], x[1] + reach * ahead[1]);
      return Slope{v.u, v.v, v.divergence};
    };
    const Slope a = slope(from, {}, 0);
    Slope mean = a;
    if (solver_ == FlowSolver::midpoint) mean = slope(from + 0.5 * h, a, 0.5 * h);
    if (solver_ == FlowSolver::heun) {
      const Slope b = slope(to, a, h);
      for (std::size_t i = 0; i < 3; ++i) mean[i] = 0.5 * (a[i] + b[i]);
    }
    if (solver_ == FlowSolver::rk4) {
      const Slope b = slope(from + 0.5 * h, a, 0.5 * h), c = slope(from + 0.5 * h, b, 0.5 * h), d = slope(to, c, h);
      for (std::size_t i = 0; i < 3; ++i) mean[i] = (a[i] + 2 * b[i] + 2 * c[i] + d[i]) / 6;
    }
    x[0] += h * mean[0], x[1] += h * mean[1];
    return h * mean[2];
  }

  ExactFlow flow_;
  FlowSolver solver_;
  double from_, to_;
};

}  // namespace

std::vector<flows::LayerPtr> diffusionFlow(const std::vector<kernels::Component>& components, std::int64_t steps, FlowSolver solver) {
  ExactFlow flow;
  flow.data.components = components;
  flow.path.kind = FlowPathKind::vp;
  std::vector<flows::LayerPtr> layers;
  const auto timeOf = [&](std::int64_t i) { return std::pow(static_cast<double>(i) / static_cast<double>(steps), 3); };
  for (std::int64_t i = 0; i < steps; ++i) layers.push_back(std::make_shared<Stretch>(flow, solver, timeOf(i), timeOf(i + 1)));
  return layers;
}

}  // namespace orrery::generative
