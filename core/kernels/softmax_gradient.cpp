// dx_j = factor y_j (g_j - sum_k g_k y_k) along an axis.

#include "core/kernels/softmax_gradient.h"

#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "core/kernels/rows.h"
#include "core/kernels/softmax.h"

namespace orrery::kernels {

Tensor softmaxGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& y, int axis, double factor, std::string_view variant) {
  const int wrapped = wrappedAxis(y.shape(), axis);
  if (wrapped < 0) throw std::invalid_argument("softmaxGradient: " + y.shape().toString() + " has no axis " + std::to_string(axis));
  if (!(gradient.shape() == y.shape()) || y.dtype() != DType::f32 || gradient.dtype() != DType::f32) {
    throw std::invalid_argument("softmaxGradient: gradient " + gradient.shape().toString() + " and result " + y.shape().toString() +
                                " must be f32 of one shape");
  }
  Tensor result(y.shape());
  if (y.empty()) return result;
  const AxisSplit split = splitAt(y.shape(), wrapped);
  const std::int64_t rows = split.outer * split.inner;
  const RowPlan plan = planRows(stream.device(), "softmax_gradient", variant, rows, split.n, split.inner > 1);
  requireIterations(stream.device(), "softmaxGradient", plan.iterations);
  const struct {
    std::uint32_t rows, n, inner;
    float scale;
  } push{static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(split.n), static_cast<std::uint32_t>(split.inner),
         static_cast<float>(factor)};
  stream.dispatch(plan.shader,
                  {{y.device(stream), gpu::Access::read},
                   {gradient.device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  push, plan.groups, {static_cast<std::uint32_t>(plan.mode), split.n % 4 == 0 ? 1u : 0u});
  return result;
}

Doubles softmaxGradientReference(const Doubles& gradient, const Doubles& y, int axis, double factor) {
  const AxisSplit split = splitAt(y.shape, wrappedAxis(y.shape, axis));
  Doubles result(y.shape);
  for (std::int64_t o = 0; o < split.outer; ++o) {
    for (std::int64_t c = 0; c < split.inner; ++c) {
      const auto at = [&](std::int64_t j) { return (o * split.n + j) * split.inner + c; };
      double sum = 0;
      for (std::int64_t j = 0; j < split.n; ++j) sum += gradient[at(j)] * y[at(j)];
      for (std::int64_t j = 0; j < split.n; ++j) result[at(j)] = factor * y[at(j)] * (gradient[at(j)] - sum);
    }
  }
  return result;
}

namespace {

std::vector<CheckCase> checks(gpu::Device&) {
  const std::pair<Shape, int> list[] = {{Shape{3, 65, 7}, -1}, {Shape{3, 65, 7}, 1}, {Shape{3, 65, 7}, 0}, {Shape{1}, 0},
                                        {Shape{5, 32}, -1},    {Shape{5, 33}, -1},   {Shape{9, 1000}, -1}, {Shape{2, 2049}, -1},
                                        {Shape{0, 8}, -1},     {Shape{3000, 3}, 0},
                                        {Shape{130, 68}, -1},  {Shape{129, 99}, -1}};
  std::vector<CheckCase> cases;
  for (const char* variant : {"scalar", "subgroup"}) {
    for (const auto& entry : list) {
      const Shape shape = entry.first;
      const int axis = entry.second;
      // Weights sum to 1, so the sum loses a few ulp (6e-8) of values up to 1, and the product one more.
      cases.push_back({std::string(variant) + " axis " + std::to_string(axis) + " of " + shape.toString(), 1e-6, [=](gpu::Stream& stream) {
                         const Tensor x = Tensor::from(shape, testFloats(shape.count(), 221, -4, 4));
                         const Tensor y = softmax(stream, x, axis), g = Tensor::from(shape, testFloats(shape.count(), 222, -1, 1));
                         return compare(softmaxGradient(stream, g, y, axis, 1.5, variant),
                                        softmaxGradientReference(Doubles(g), Doubles(y), axis, 1.5).values);
                       }});
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  for (const std::int64_t n : {256, 1024, 2048}) {
    const double count = static_cast<double>(n * n);
    cases.push_back(
        {std::to_string(n) + "x" + std::to_string(n), std::string(variantFor(device, "softmax_gradient")), 5 * count, 12 * count, false, [n](gpu::Stream&) {
           const Tensor y = Tensor::from(Shape{n, n}, testFloats(n * n, 223, 0, 1)),
                        g = Tensor::from(Shape{n, n}, testFloats(n * n, 224, -1, 1));
           return [y, g](gpu::Stream& s) { softmaxGradient(s, g, y); };
         }});
  }
  return cases;
}

const Registration<Kernel> registration{{"softmax_gradient", "Gradient of softmax along an axis", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
