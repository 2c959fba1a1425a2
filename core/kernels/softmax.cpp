// Softmax along an axis: y_j = exp(s_j - m) / sum_j exp(s_j - m), m = max_j s_j, s = scale x / temperature + mask.

#include "core/kernels/softmax.h"

#include <cmath>
#include <numbers>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/kernel.h"
#include "core/kernels/reduce.h"
#include "core/kernels/rows.h"

namespace orrery::kernels {
namespace {

// Checks the arguments and returns the axis from 0.
int checkedAxis(const Tensor& x, int axis, const SoftmaxOptions& options) {
  const int wrapped = wrappedAxis(x.shape(), axis);
  if (wrapped < 0) throw std::invalid_argument("softmax: " + x.shape().toString() + " has no axis " + std::to_string(axis));
  if (!(options.temperature > 0)) throw std::invalid_argument("softmax: the temperature must be positive");
  if (options.mask.empty()) return wrapped;
  const Shape &mask = options.mask.shape(), &shape = x.shape();
  bool fits = wrapped == shape.rank() - 1 && mask.rank() <= shape.rank();
  for (int back = 1; fits && back <= mask.rank(); ++back) fits = mask[-back] == shape[-back];
  if (!fits)
    throw std::invalid_argument("softmax: the mask " + mask.toString() + " does not fit " + shape.toString() + " along its last axis");
  return wrapped;
}

// Rows too long for one loop: the same by reductions and elementwise kernels, which split their work.
Tensor softmaxInParts(gpu::Stream& stream, const Tensor& x, int axis, const SoftmaxOptions& options, Tensor* logSumExp) {
  Tensor scores = affine(stream, x, static_cast<float>(options.scale / options.temperature), 0);
  if (!options.mask.empty()) scores = binary(stream, Binary::add, scores, options.mask);
  const Tensor largest = reduce(stream, scores, axis, Reduction::max);
  auto kept = x.shape().extents();
  kept[static_cast<std::size_t>(axis)] = 1;
  // A row in which all are hidden has the largest score -1e30; a floor above it makes all of its weights 0.
  const Tensor floor = binary(stream, Binary::max, largest, Tensor::from(Shape{1}, {-1e29f})).reshaped(Shape(kept));
  const Tensor weights = unary(stream, Unary::exp, binary(stream, Binary::sub, scores, floor));
  const Tensor sums = reduce(stream, weights, axis, Reduction::sum);
  const Tensor positive = binary(stream, Binary::max, sums, Tensor::from(Shape{1}, {1e-30f}));
  if (logSumExp != nullptr) *logSumExp = binary(stream, Binary::add, largest, unary(stream, Unary::log, positive));
  return binary(stream, Binary::div, weights, positive.reshaped(Shape(kept)));
}

}  // namespace

Tensor softmax(gpu::Stream& stream, const Tensor& x, int axis, const SoftmaxOptions& options, Tensor* logSumExp) {
  const int wrapped = checkedAxis(x, axis, options);
  const AxisSplit split = splitAt(x.shape(), wrapped);
  auto extents = x.shape().extents();
  extents.erase(extents.begin() + wrapped);
  Tensor result(x.shape()), sums{Shape(std::move(extents))};
  if (logSumExp != nullptr) *logSumExp = sums;
  if (x.empty()) return result;
  const std::int64_t rows = split.outer * split.inner;
  const bool masked = !options.mask.empty();
  const RowPlan plan = planRows(stream.device(), "softmax", options.variant, rows, split.n, split.inner > 1);
  if (plan.iterations > mostIterations(stream.device())) return softmaxInParts(stream, x, wrapped, options, logSumExp);
  const struct {
    std::uint32_t rows, n, inner, maskRows;
    float scale;
  } push{static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(split.n), static_cast<std::uint32_t>(split.inner),
         masked ? static_cast<std::uint32_t>(options.mask.count() / split.n) : 1,
         static_cast<float>(options.scale / options.temperature * std::numbers::log2e)};
  stream.dispatch(plan.shader,
                  {{x.device(stream), gpu::Access::read},
                   {(masked ? options.mask : x).device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write},
                   {sums.deviceForWriting(stream), gpu::Access::write}},
                  push, plan.groups, {static_cast<std::uint32_t>(plan.mode), split.n % 4 == 0 ? 1u : 0u, masked ? 1u : 0u});
  return result;
}

std::vector<double> softmaxReference(const Tensor& x, int axis, const SoftmaxOptions& options) {
  const AxisSplit split = splitAt(x.shape(), checkedAxis(x, axis, options));
  const auto values = x.as<float>();
  const bool masked = !options.mask.empty();
  const std::span<const float> mask = masked ? options.mask.as<float>() : std::span<const float>();
  std::vector<double> result(values.size(), 0.0);
  for (std::int64_t o = 0; o < split.outer; ++o) {
    for (std::int64_t c = 0; c < split.inner; ++c) {
      const auto at = [&](std::int64_t j) { return static_cast<std::size_t>((o * split.n + j) * split.inner + c); };
      const auto added = [&](std::int64_t j) { return masked ? static_cast<double>(mask[at(j) % mask.size()]) : 0.0; };
      const auto score = [&](std::int64_t j) {
        return static_cast<double>(values[at(j)]) * options.scale / options.temperature + added(j);
      };
      double largest = -1e300, sum = 0;
      for (std::int64_t j = 0; j < split.n; ++j) {
        if (added(j) > -1e29) largest = std::max(largest, score(j));
      }
      for (std::int64_t j = 0; j < split.n; ++j) {
        if (added(j) > -1e29) sum += result[at(j)] = std::exp(score(j) - largest);
      }
      for (std::int64_t j = 0; j < split.n && sum > 0; ++j) result[at(j)] /= sum;
    }
  }
  return result;
}

namespace {

std::vector<CheckCase> checks(gpu::Device&) {
  struct Case {
    Shape shape;
    int axis = -1;
    double temperature = 1;
    bool masked = false;
  };
  const std::vector<Case> list{
      {Shape{3, 65, 7}, -1},
      {Shape{3, 65, 7}, 1},
      {Shape{3, 65, 7}, 0},
      {Shape{1}, 0},
      {Shape{5, 32}, -1, 0.1},
      {Shape{5, 33}, -1, 10},
      {Shape{9, 1000}, -1},
      {Shape{2, 2049}, -1},
      {Shape{0, 8}, -1},
      {Shape{2, 3, 31, 40}, -1, 1, true},
      {Shape{4, 9, 37}, -1, 1, true},
      {Shape{3, 20000}, -1},
      {Shape{4, 1024}, -1, 1, true},
      {Shape{300, 4}, 0},
      {Shape{7, 5, 3}, 1, 0.5},
      {Shape{30000, 3}, 0},
      {Shape{2, 130, 68}, -1, 1, true},
      {Shape{127, 512}, -1},
      {Shape{128, 512}, -1},
      {Shape{129, 513}, -1},
      {Shape{2, 400003}, -1},
  };
  std::vector<CheckCase> cases;
  for (const char* variant : {"scalar", "subgroup"}) {
    for (const Case& c : list) {
      // exp2 may be off by (3 + 2 |x|) ulp; |x| reaches 100 at temperature 0.1, where such weights are below 1e-30. What stays is below
      // 4e-7 absolute (specification, precision of SPIR-V instructions) plus 2.5 ulp of the division.
      cases.push_back({std::string(variant) + " axis " + std::to_string(c.axis) + " of " + c.shape.toString() + (c.masked ? " masked" : ""),
                       1e-6, [c, variant](gpu::Stream& stream) {
                         SoftmaxOptions options;
                         options.temperature = c.temperature;
                         options.scale = 1.5;
                         options.variant = variant;
                         if (c.masked) {
                           const Shape shape{c.shape[-2], c.shape[-1]};
                           auto mask = testFloats(shape.count(), 52, -1, 1);
                           for (std::size_t i = 0; i < mask.size(); ++i) {
                             if (i % 3 == 1 || i / static_cast<std::size_t>(c.shape[-1]) == 2) mask[i] = -1e30f;  // some, and all of row 2
                           }
                           options.mask = Tensor::from(shape, mask);
                         }
                         const Tensor x = Tensor::from(c.shape, testFloats(c.shape.count(), 51, -4, 4));
                         return compare(softmax(stream, x, c.axis, options), softmaxReference(x, c.axis, options));
                       }});
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  const std::string variant(variantFor(device, "softmax"));
  for (const std::int64_t n : {256, 1024, 2048}) {
    BenchCase bench;
    bench.shape = std::to_string(n) + "x" + std::to_string(n);
    bench.variant = variant;
    bench.flops = 8.0 * static_cast<double>(n * n);
    bench.bytes = 8.0 * static_cast<double>(n * n);
    bench.prepare = [n](gpu::Stream&) {
      const Tensor x = Tensor::from(Shape{n, n}, testFloats(n * n, 53, -4, 4));
      return [x](gpu::Stream& s) { softmax(s, x); };
    };
    cases.push_back(std::move(bench));
  }
  return cases;
}

const Registration<Kernel> registration{{"softmax", "Softmax along an axis, with mask and temperature", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
