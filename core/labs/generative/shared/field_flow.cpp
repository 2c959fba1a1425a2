// Steps along a velocity field of the plane as layers. Shapes: points [n, 2]; the state of a step is (x, y, integral of the divergence,
// integral of |v|^2), [n, 4].

#include "core/labs/generative/shared/field_flow.h"

#include <cmath>

#include "core/kernels/fill.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

class Stretch final : public flows::Layer {
 public:
  Stretch(std::shared_ptr<const PlaneField> field, FlowSolver solver, double from, double to, flows::AdaptivePtr adaptive)
      : field_(std::move(field)), solver_(solver), from_(from), to_(to), adaptive_(std::move(adaptive)) {}
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
    const Tensor start = nn::concat({x, none}, 1).value();
    Tensor state;
    if (adaptive()) {
      gpu::Stream& stream = tape.stream();
      // The energy grows whichever way time runs: nobody reads it on the way back.
      const auto slope = [&](const Tensor& at, double t) { return field_->onDevice(stream, at, t); };
      state = flows::solveAdaptive(stream, slope, start, from, to, adaptive_->tolerance, adaptive_->evaluations);
    } else {
      state = flowStep(tape.stream(), field_->onDevice, solver_, start, from, to);
    }
    const nn::Variable after = tape.constant(state);
    const auto column = [&](std::int64_t i) { return nn::reshape(nn::slice(after, 1, i, i + 1), Shape{n}); };
    return {nn::slice(after, 1, 0, 2), column(2), field_->energy ? column(3) : nn::Variable()};
  }

  bool adaptive() const { return adaptive_ != nullptr && adaptive_->tolerance > 0; }

  // The same rules in double precision.
  double solved(std::span<double> x, double from, double to) const {
    if (adaptive()) {
      const auto slope = [&](const std::vector<double>& at, double t) {
        const auto v = field_->onHost(t, at[0], at[1]);
        return std::vector<double>(v.begin(), v.end());
      };
      std::int64_t uncounted = 0;
      const auto end = flows::solveAdaptive(slope, std::vector<double>{x[0], x[1], 0.0}, from, to, adaptive_->tolerance, uncounted);
      x[0] = end[0], x[1] = end[1];
      return end[2];
    }
    using Slope = std::array<double, 3>;
    const double h = to - from;
    const auto slope = [&](double t, const Slope& ahead, double reach) {
      return field_->onHost(t, x[0] + reach * ahead[0], x[1] + reach * ahead[1]);
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

  std::shared_ptr<const PlaneField> field_;
  FlowSolver solver_;
  double from_, to_;
  flows::AdaptivePtr adaptive_;
};

}  // namespace

flows::LayerPtr fieldStretch(std::shared_ptr<const PlaneField> field, FlowSolver solver, double from, double to,
                             flows::AdaptivePtr adaptive) {
  return std::make_shared<Stretch>(std::move(field), solver, from, to, std::move(adaptive));
}

std::vector<flows::LayerPtr> diffusionFlow(const std::vector<kernels::Component>& components, std::int64_t steps, FlowSolver solver,
                                           flows::AdaptivePtr adaptive) {
  ExactFlow flow;
  flow.data.components = components;
  flow.path.kind = FlowPathKind::vp;
  auto field = std::make_shared<PlaneField>();
  field->onDevice = [flow](gpu::Stream& stream, const Tensor& state, double t) { return flowWithDivergence(stream, flow.at(t), state); };
  field->onHost = [flow](double t, double x, double y) {
    const FlowValue v = evaluateFlow(flow.at(t), x, y);
    return std::array{v.u, v.v, v.divergence};
  };
  std::vector<flows::LayerPtr> layers;
  const auto timeOf = [&](std::int64_t i) { return std::pow(static_cast<double>(i) / static_cast<double>(steps), 3); };
  for (std::int64_t i = 0; i < steps; ++i) layers.push_back(fieldStretch(field, solver, timeOf(i), timeOf(i + 1), adaptive));
  return layers;
}

}  // namespace orrery::generative
