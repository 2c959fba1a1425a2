// Focal loss and GIoU loss, element by element and box by box (shaders/kernels/detection_losses.comp).

#include "core/kernels/detection_losses.h"

#include <cmath>
#include <functional>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {
namespace {

enum class Mode : std::uint32_t { focal, focalGradient, overlap, overlapGradient };

void requireFloats(const char* name, const Tensor& found, const Shape& expected) {
  if (found.dtype() != DType::f32 || !(found.shape() == expected)) {
    throw std::invalid_argument(std::string(name) + ": expected f32 " + expected.toString() + ", found " +
                                std::string(nameOf(found.dtype())) + " " + found.shape().toString());
  }
}

Tensor run(gpu::Stream& stream, Mode mode, const Tensor& x, const Tensor& targets, const Tensor& gradient, const Shape& shape,
           std::int64_t items, double alpha, double gamma, double epsilon) {
  Tensor result(shape);
  if (result.empty()) return result;
  const struct {
    std::uint32_t items, count;
    float alpha, gamma, epsilon;
  } push{static_cast<std::uint32_t>(items), static_cast<std::uint32_t>(result.count()), static_cast<float>(alpha),
         static_cast<float>(gamma), static_cast<float>(epsilon)};
  const gpu::Groups groups = stridedGroups(items, 128);
  requireIterations(stream.device(), "detection losses", 5 * (items / (std::int64_t{groups.x} * 64) + 1));
  stream.dispatch("kernels/detection_losses",
                  {{x.device(stream), gpu::Access::read},
                   {targets.device(stream), gpu::Access::read},
                   {gradient.device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  push, groups, {static_cast<std::uint32_t>(mode)});
  return result;
}

void requireLogits(const char* name, const Tensor& logits, const Tensor& targets, double gamma) {
  requireFloats(name, logits, logits.shape());
  requireFloats(name, targets, logits.shape());
  if (!(gamma >= 0)) throw std::invalid_argument(std::string(name) + ": gamma must not be negative");
}

void requireBoxes(const char* name, const Tensor& boxes, const Tensor& targets) {
  requireFloats(name, boxes, Shape{boxes.count() / 4, 4});
  requireFloats(name, targets, boxes.shape());
}

}  // namespace

Tensor sigmoidFocalLoss(gpu::Stream& stream, const Tensor& logits, const Tensor& targets, double alpha, double gamma) {
  requireLogits("sigmoidFocalLoss", logits, targets, gamma);
  return run(stream, Mode::focal, logits, targets, logits, logits.shape(), (logits.count() + 3) / 4, alpha, gamma, 0);
}

Tensor sigmoidFocalLossGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& logits, const Tensor& targets, double alpha,
                                double gamma) {
  requireLogits("sigmoidFocalLossGradient", logits, targets, gamma);
  requireFloats("sigmoidFocalLossGradient", gradient, logits.shape());
  return run(stream, Mode::focalGradient, logits, targets, gradient, logits.shape(), (logits.count() + 3) / 4, alpha, gamma, 0);
}

Tensor generalizedBoxIouLoss(gpu::Stream& stream, const Tensor& boxes, const Tensor& targets, double epsilon) {
  requireBoxes("generalizedBoxIouLoss", boxes, targets);
  const std::int64_t n = boxes.count() / 4;
  return run(stream, Mode::overlap, boxes, targets, boxes, Shape{n}, n, 0, 0, epsilon);
}

Tensor generalizedBoxIouLossGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& boxes, const Tensor& targets,
                                     double epsilon) {
  requireBoxes("generalizedBoxIouLossGradient", boxes, targets);
  const std::int64_t n = boxes.count() / 4;
  requireFloats("generalizedBoxIouLossGradient", gradient, Shape{n});
  return run(stream, Mode::overlapGradient, boxes, targets, gradient, boxes.shape(), n, 0, 0, epsilon);
}

Doubles sigmoidFocalLossReference(const Doubles& logits, const Doubles& targets, double alpha, double gamma) {
  Doubles result(logits.shape);
  for (std::int64_t i = 0; i < logits.shape.count(); ++i) {
    const double x = logits[i], t = targets[i], p = 1 / (1 + std::exp(-x)), q = 1 / (1 + std::exp(x));
    const double entropy = std::max(x, 0.0) - x * t + std::log1p(std::exp(-std::abs(x)));
    const double weight = alpha < 0 ? 1 : alpha * t + (1 - alpha) * (1 - t);
    result[i] = weight * std::pow(p * (1 - t) + q * t, gamma) * entropy;
  }
  return result;
}

Doubles generalizedBoxIouLossReference(const Doubles& boxes, const Doubles& targets, double epsilon) {
  const std::int64_t n = boxes.shape[0];
  Doubles result(Shape{n});
  for (std::int64_t i = 0; i < n; ++i) {
    const double *a = &boxes.values[static_cast<std::size_t>(4 * i)], *b = &targets.values[static_cast<std::size_t>(4 * i)];
    const double width = std::min(a[2], b[2]) - std::max(a[0], b[0]), height = std::min(a[3], b[3]) - std::max(a[1], b[1]);
    const double both = width > 0 && height > 0 ? width * height : 0;
    const double either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both;
    const double hull = (std::max(a[2], b[2]) - std::min(a[0], b[0])) * (std::max(a[3], b[3]) - std::min(a[1], b[1]));
    result[i] = 1 - both / (either + epsilon) + (hull - either) / (hull + epsilon);
  }
  return result;
}

namespace {

// sum_i g_i f(x)_i by every x: central differences. In double precision they are good to 1e-8 of the largest, far below any tolerance here.
std::vector<double> differences(const std::function<Doubles(const Doubles&)>& f, Doubles x, const Doubles& g) {
  std::vector<double> result;
  for (double& value : x.values) {
    const double before = value, h = 1e-5 * std::max(1.0, std::abs(before));
    double change = 0;
    for (const double sign : {1.0, -1.0}) {
      value = before + sign * h;
      const Doubles y = f(x);
      for (std::int64_t i = 0; i < y.shape.count(); ++i) change += sign * g[i] * y[i];
    }
    value = before;
    result.push_back(change / (2 * h));
  }
  return result;
}

Tensor testBoxes(std::int64_t n, std::uint32_t seed) {
  const auto places = testFloats(4 * n, seed, 0, 6);
  std::vector<float> boxes;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const float x = places[4 * i], y = places[4 * i + 1];
    boxes.insert(boxes.end(), {x, y, x + places[4 * i + 2] + 0.5f, y + places[4 * i + 3] + 0.5f});
  }
  return Tensor::from(Shape{n, 4}, boxes);
}

void addFocal(std::vector<CheckCase>& cases, std::int64_t n, double alpha, double gamma) {
  const std::string name = "focal [" + std::to_string(n) + "], gamma " + std::to_string(static_cast<int>(gamma));
  const auto inputs = [n] {
    auto targets = testFloats(n, 382, -1, 1);
    // Mostly 0 and 1, some between.
    for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = i % 5 == 4 ? std::abs(targets[i]) : targets[i] > 0 ? 1.0f : 0.0f;
    return std::pair{Tensor::from(Shape{n}, testFloats(n, 381, -12, 12)), Tensor::from(Shape{n}, targets)};
  };
  // exp and log of CPU drivers lose a few ulp of values up to 12, a power some more.
  cases.push_back({name, 3e-6, [=](gpu::Stream& stream) {
                     const auto [x, t] = inputs();
                     return compare(sigmoidFocalLoss(stream, x, t, alpha, gamma),
                                    sigmoidFocalLossReference(Doubles(x), Doubles(t), alpha, gamma).values);
                   }});
  cases.push_back({name + ", gradient", 3e-6, [=](gpu::Stream& stream) {
                     const auto [x, t] = inputs();
                     const Tensor g = Tensor::from(Shape{n}, testFloats(n, 383, -1, 1));
                     const Doubles targets(t);
                     return compare(sigmoidFocalLossGradient(stream, g, x, t, alpha, gamma),
                                    differences([&](const Doubles& at) { return sigmoidFocalLossReference(at, targets, alpha, gamma); },
                                                Doubles(x), Doubles(g)));
                   }});
}

void addOverlap(std::vector<CheckCase>& cases, std::int64_t n) {
  const std::string name = "GIoU [" + std::to_string(n) + ", 4]";
  // Areas are rounded some five times (6e-8), ratios and their differences a few times more.
  cases.push_back({name, 1e-6, [=](gpu::Stream& stream) {
                     const Tensor a = testBoxes(n, 384), b = testBoxes(n, 385);
                     return compare(generalizedBoxIouLoss(stream, a, b), generalizedBoxIouLossReference(Doubles(a), Doubles(b)).values);
                   }});
  cases.push_back({name + ", gradient", 2e-6, [=](gpu::Stream& stream) {
                     const Tensor a = testBoxes(n, 384), b = testBoxes(n, 385), g = Tensor::from(Shape{n}, testFloats(n, 386, -1, 1));
                     const Doubles targets(b);
                     return compare(generalizedBoxIouLossGradient(stream, g, a, b),
                                    differences([&](const Doubles& at) { return generalizedBoxIouLossReference(at, targets); }, Doubles(a),
                                                Doubles(g)));
                   }});
}

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const std::int64_t n : {0, 1, 63, 65, 257}) {
    addFocal(cases, n, 0.25, 2);
    addOverlap(cases, n);
  }
  addFocal(cases, 129, -1, 0);
  addFocal(cases, 129, 0.7, 5);
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t n : {1 << 12, 1 << 16, 1 << 20}) {
    cases.push_back({"focal loss of " + std::to_string(n), "", 0, 12.0 * static_cast<double>(n), false, [n](gpu::Stream& stream) {
                       const Tensor x = Tensor::from(Shape{n}, testFloats(n, 387, -6, 2)),
                                    t = Tensor::from(Shape{n}, testFloats(n, 388, 0, 1));
                       x.device(stream), t.device(stream);
                       return [x, t](gpu::Stream& s) { sigmoidFocalLoss(s, x, t); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{
    {"detection_losses", "Focal loss of logits and GIoU loss of boxes, with gradients", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
