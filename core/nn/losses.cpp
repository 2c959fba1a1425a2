// What detectors learn by, on the tape.

#include "core/kernels/detection_losses.h"
#include "core/kernels/fill.h"
#include "core/nn/gradient_case.h"
#include "core/nn/jvp.h"
#include "core/nn/operations.h"

namespace orrery::nn {
namespace {

using Gradients = std::vector<Tensor>;
using Tangents = std::span<const Tensor>;

}  // namespace

Variable sigmoidFocalLoss(const Variable& logits, const Tensor& targets, double alpha, double gamma) {
  Tape& tape = logits.tape();
  return tape.record(
      kernels::sigmoidFocalLoss(tape.stream(), logits.value(), targets, alpha, gamma), {logits},
      [logits, targets, alpha, gamma](gpu::Stream& s, const Tensor& g) {
        return Gradients{kernels::sigmoidFocalLossGradient(s, g, logits.value(), targets, alpha, gamma)};
      },
      [logits, targets, alpha, gamma](gpu::Stream& s, Tangents t) {
        return kernels::sigmoidFocalLossGradient(s, t[0], logits.value(), targets, alpha, gamma);
      });
}

Variable generalizedBoxIouLoss(const Variable& boxes, const Variable& targets, double epsilon) {
  Tape& tape = boxes.tape();
  return tape.record(
      kernels::generalizedBoxIouLoss(tape.stream(), boxes.value(), targets.value(), epsilon), {boxes, targets},
      [boxes, targets, epsilon](gpu::Stream& s, const Tensor& g) {
        Gradients result(2);
        // Symmetric in its two boxes.
        if (boxes.needsGradient()) result[0] = kernels::generalizedBoxIouLossGradient(s, g, boxes.value(), targets.value(), epsilon);
        if (targets.needsGradient()) result[1] = kernels::generalizedBoxIouLossGradient(s, g, targets.value(), boxes.value(), epsilon);
        return result;
      },
      [boxes, targets, epsilon](gpu::Stream& s, Tangents t) {
        const Tensor ones = kernels::fill(s, Shape{boxes.shape()[0]}, 1.0f);
        const auto moved = [&](const Tensor& a, const Tensor& b, const Tensor& tangent) {
          if (tangent.empty()) return Tensor();
          const Tensor slope = kernels::generalizedBoxIouLossGradient(s, ones, a, b, epsilon);
          return kernels::reduce(s, kernels::binary(s, kernels::Binary::mul, slope, tangent), -1, kernels::Reduction::sum);
        };
        return added(s, moved(boxes.value(), targets.value(), t[0]), moved(targets.value(), boxes.value(), t[1]));
      });
}

namespace {

using kernels::Doubles;
using Values = std::vector<double>;

std::vector<GradientCase> cases() {
  std::vector<GradientCase> list;
  const std::vector<float> targets{0, 1, 0, 0, 1, 0.3f, 1, 0, 1, 0, 0, 0, 0, 1, 0.8f};
  const Shape shape{3, 5};
  const Tensor wanted = Tensor::from(shape, targets);
  for (const double gamma : {0.0, 1.5, 2.0}) {
    list.push_back({"sigmoidFocalLoss [3, 5], gamma " + std::to_string(gamma).substr(0, 3),
                    {{shape, -4, 4}},
                    [=](std::span<const Variable> in) { return sigmoidFocalLoss(in[0], wanted, 0.25, gamma); },
                    [=](std::span<const Values> in) {
                      return kernels::sigmoidFocalLossReference(Doubles(shape, in[0]), Doubles(wanted), 0.25, gamma).values;
                    }});
  }
  // Corners in separate ranges keep the boxes in order; the first pair of inputs always meets, the second pair only sometimes.
  const auto boxes = [](const Variable& lower, const Variable& upper) { return concat({lower, upper}, 1); };
  const auto joined = [](const Values& lower, const Values& upper) {
    Doubles result(Shape{static_cast<std::int64_t>(lower.size() / 2), 4});
    for (std::size_t i = 0; i < lower.size() / 2; ++i) {
      for (std::size_t k = 0; k < 2; ++k) result.values[4 * i + k] = lower[2 * i + k], result.values[4 * i + 2 + k] = upper[2 * i + k];
    }
    return result;
  };
  for (const double high : {3.0, 1.0}) {
    list.push_back({high > 2 ? "generalizedBoxIouLoss of boxes that meet" : "generalizedBoxIouLoss of boxes that may miss each other",
                    {{Shape{9, 2}, -1, 1},
                     {Shape{9, 2}, high > 2 ? 2.0 : 1.1, high + 0.5},
                     {Shape{9, 2}, high > 2 ? -1.0 : 0.8, 1.5},
                     {Shape{9, 2}, 2, 3}},
                    [boxes](std::span<const Variable> in) { return generalizedBoxIouLoss(boxes(in[0], in[1]), boxes(in[2], in[3])); },
                    [joined](std::span<const Values> in) {
                      return kernels::generalizedBoxIouLossReference(joined(in[0], in[1]), joined(in[2], in[3])).values;
                    }});
  }
  return list;
}

const Registration<Differentiable> registration{{"detection losses", cases}};

}  // namespace
}  // namespace orrery::nn
