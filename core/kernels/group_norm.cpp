// Group normalisation, and the gradients of group, layer and root-mean-square normalisation: with xHat = (x - mean) r, r = 1 /
// sqrt(variance + epsilon) and h = gradient gain, dx = r (h - mean(h) - xHat mean(h xHat)), dgain = sum gradient xHat, dshift = sum
// gradient.

#include "core/kernels/group_norm.h"

#include <cmath>
#include <stdexcept>
#include <tuple>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "core/kernels/reduce.h"
#include "core/kernels/rows.h"

namespace orrery::kernels {
namespace {

void requireParameters(const char* name, const Tensor& gain, const Tensor& shift, std::int64_t count) {
  for (const Tensor* row : {&gain, &shift}) {
    if (!row->empty() && (row->shape() != Shape{count} || row->dtype() != DType::f32)) {
      throw std::invalid_argument(std::string(name) + ": gain and shift must be f32 [" + std::to_string(count) + "], found " +
                                  row->shape().toString());
    }
  }
}

void requireSame(const char* name, const Tensor& gradient, const Tensor& x) {
  if (!(gradient.shape() == x.shape()) || gradient.dtype() != DType::f32 || x.dtype() != DType::f32) {
    throw std::invalid_argument(std::string(name) + ": gradient " + gradient.shape().toString() + " and input " + x.shape().toString() +
                                " must be f32 of one shape");
  }
}

struct Push {
  std::uint32_t rows, n, groups, perGroup, width;
  float epsilon;
};
Push pushOf(const NormRows& r) {
  const auto word = [](std::int64_t value) { return static_cast<std::uint32_t>(value); };
  return {word(r.rows), word(r.n), word(r.groups), word(r.perGroup), word(r.width), static_cast<float>(r.epsilon)};
}

// How PARAMETERS in norm_rows.glsl finds the gain.
std::uint32_t channelMode(const NormRows& r) { return r.width == 1 && r.groups == 1 ? 0u : r.width % 4 == 0 ? 1u : 2u; }

// dx, and gradient * xHat when there is a gain.
std::pair<Tensor, Tensor> runGradient(gpu::Stream& stream, const char* name, const Tensor& gradient, const Tensor& x, const Tensor& gain,
                                      const NormRows& r, std::string_view kernel, std::string_view variant) {
  Tensor dx(x.shape()), product(gain.empty() ? Shape{1} : x.shape());
  if (variant.empty()) variant = variantFor(stream.device(), kernel);
  const RowPlan plan = planRows(stream.device(), "norm_gradient", variant, r.rows, r.n, false);
  requireIterations(stream.device(), name, plan.iterations / 7 * 8);  // one walk more than the plan counts
  stream.dispatch(
      plan.shader,
      {{x.device(stream), gpu::Access::read},
       {gradient.device(stream), gpu::Access::read},
       {(gain.empty() ? x : gain).device(stream), gpu::Access::read},
       {dx.deviceForWriting(stream), gpu::Access::write},
       {product.deviceForWriting(stream), gpu::Access::write}},
      pushOf(r), plan.groups,
      {static_cast<std::uint32_t>(plan.mode), r.n % 4 == 0 ? 1u : 0u, channelMode(r), gain.empty() ? 0u : 1u, r.rootMeanSquare ? 1u : 0u});
  return {dx, product};
}

}  // namespace

NormRows groupNormRows(const Shape& x, std::int64_t groups, double epsilon) {
  if (x.rank() < 2 || groups < 1 || x[1] % groups != 0) {
    throw std::invalid_argument("groupNorm: [N, C, ...] with channels that divide into " + std::to_string(groups) +
                                " groups are needed, found " + x.toString());
  }
  NormRows r;
  r.groups = groups, r.perGroup = x[1] / groups, r.rows = x[0] * groups, r.epsilon = epsilon;
  for (int axis = 2; axis < x.rank(); ++axis) r.width *= x[axis];
  r.n = r.perGroup * r.width;
  return r;
}

NormRows layerNormRows(const Shape& x, double epsilon, bool rootMeanSquare) {
  if (x.rank() == 0) throw std::invalid_argument("layerNorm: a tensor with at least one axis is needed");
  NormRows r;
  r.n = r.perGroup = x[-1];
  r.rows = r.n > 0 ? x.count() / r.n : 0;
  r.epsilon = epsilon, r.rootMeanSquare = rootMeanSquare;
  return r;
}

Tensor groupNorm(gpu::Stream& stream, const Tensor& x, std::int64_t groups, const GroupNormOptions& options) {
  const NormRows r = groupNormRows(x.shape(), groups, options.epsilon);
  requireParameters("groupNorm", options.gain, options.shift, x.shape()[1]);
  Tensor result(x.shape());
  if (x.empty()) return result;
  const RowPlan plan = planRows(stream.device(), "group_norm", options.variant, r.rows, r.n, false);
  requireIterations(stream.device(), "groupNorm", plan.iterations);
  stream.dispatch(plan.shader,
                  {{x.device(stream), gpu::Access::read},
                   {(options.gain.empty() ? x : options.gain).device(stream), gpu::Access::read},
                   {(options.shift.empty() ? x : options.shift).device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  pushOf(r), plan.groups,
                  {static_cast<std::uint32_t>(plan.mode), r.n % 4 == 0 ? 1u : 0u, channelMode(r), options.gain.empty() ? 0u : 1u,
                   options.shift.empty() ? 0u : 1u});
  return result;
}

NormGradients groupNormGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& x, std::int64_t groups,
                                const GroupNormOptions& options) {
  const NormRows r = groupNormRows(x.shape(), groups, options.epsilon);
  requireSame("groupNormGradient", gradient, x);
  requireParameters("groupNormGradient", options.gain, options.shift, x.shape()[1]);
  NormGradients result;
  const Shape planes{x.shape()[0], x.shape()[1], r.width};
  const auto overChannels = [&](const Tensor& t) {
    return reduce(stream, reduce(stream, t.reshaped(planes), 2, Reduction::sum, options.variant), 0, Reduction::sum, options.variant);
  };
  Tensor product(x.shape());
  result.input = product;
  if (!x.empty())
    std::tie(result.input, product) =
        runGradient(stream, "groupNormGradient", gradient, x, options.gain, r, "group_norm_gradient", options.variant);
  if (!options.gain.empty()) result.gain = overChannels(product);
  if (!options.shift.empty()) result.shift = overChannels(gradient);
  return result;
}

NormGradients layerNormGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& x, const LayerNormOptions& options) {
  const NormRows r = layerNormRows(x.shape(), options.epsilon, options.rootMeanSquare);
  requireSame("layerNormGradient", gradient, x);
  requireParameters("layerNormGradient", options.gain, options.shift, r.n);
  NormGradients result;
  const Shape rows{r.rows, r.n};
  Tensor product(x.shape());
  result.input = product;
  if (!x.empty())
    std::tie(result.input, product) =
        runGradient(stream, "layerNormGradient", gradient, x, options.gain, r, "layer_norm_gradient", options.variant);
  if (!options.gain.empty()) result.gain = reduce(stream, product.reshaped(rows), 0, Reduction::sum, options.variant);
  if (!options.shift.empty()) result.shift = reduce(stream, gradient.reshaped(rows), 0, Reduction::sum, options.variant);
  return result;
}

namespace {

struct RowMoments {
  double mean = 0, factor = 0;
};
RowMoments momentsOf(const Doubles& x, const NormRows& r, std::int64_t row) {
  RowMoments m;
  double variance = 0;
  for (std::int64_t j = 0; j < r.n && !r.rootMeanSquare; ++j) m.mean += x[row * r.n + j] / static_cast<double>(r.n);
  for (std::int64_t j = 0; j < r.n; ++j) variance += std::pow(x[row * r.n + j] - m.mean, 2) / static_cast<double>(r.n);
  m.factor = 1 / std::sqrt(variance + r.epsilon);
  return m;
}
std::int64_t parameterOf(const NormRows& r, std::int64_t row, std::int64_t j) { return row % r.groups * r.perGroup + j / r.width; }

}  // namespace

Doubles normReference(const Doubles& x, const Doubles& gain, const Doubles& shift, const NormRows& r) {
  Doubles y(x.shape);
  for (std::int64_t row = 0; row < r.rows; ++row) {
    const RowMoments m = momentsOf(x, r, row);
    for (std::int64_t j = 0; j < r.n; ++j) {
      const std::int64_t i = row * r.n + j, p = parameterOf(r, row, j);
      y[i] = (x[i] - m.mean) * m.factor * (gain.empty() ? 1.0 : gain[p]) + (shift.empty() ? 0.0 : shift[p]);
    }
  }
  return y;
}

NormGradientsReference normGradientReference(const Doubles& gradient, const Doubles& x, const Doubles& gain, const NormRows& r) {
  const Shape parameters{r.groups * r.perGroup};
  NormGradientsReference result{Doubles(x.shape), Doubles(parameters), Doubles(parameters)};
  for (std::int64_t row = 0; row < r.rows; ++row) {
    const RowMoments m = momentsOf(x, r, row);
    const auto hat = [&](std::int64_t j) { return (x[row * r.n + j] - m.mean) * m.factor; };
    const auto h = [&](std::int64_t j) { return gradient[row * r.n + j] * (gain.empty() ? 1.0 : gain[parameterOf(r, row, j)]); };
    double average = 0, averageHat = 0;
    for (std::int64_t j = 0; j < r.n; ++j) {
      average += r.rootMeanSquare ? 0.0 : h(j) / static_cast<double>(r.n);
      averageHat += h(j) * hat(j) / static_cast<double>(r.n);
    }
    for (std::int64_t j = 0; j < r.n; ++j) {
      const std::int64_t p = parameterOf(r, row, j);
      result.input[row * r.n + j] = m.factor * (h(j) - average - hat(j) * averageHat);
      result.gain[p] += gradient[row * r.n + j] * hat(j);
      result.shift[p] += gradient[row * r.n + j];
    }
  }
  return result;
}

namespace {

Tensor random(const Shape& shape, std::uint32_t seed, double low, double high) {
  return Tensor::from(shape, testFloats(shape.count(), seed, low, high));
}

const std::vector<std::pair<Shape, std::int64_t>>& groupCases() {
  static const std::vector<std::pair<Shape, std::int64_t>> list{{Shape{2, 6, 5, 7}, 3}, {Shape{3, 8, 4, 4}, 2},   {Shape{1, 4}, 2},
                                                                {Shape{2, 3, 33}, 3},   {Shape{2, 32, 17, 9}, 4}, {Shape{1, 1, 1, 1}, 1},
                                                                {Shape{0, 4, 3, 3}, 2}, {Shape{70, 2, 2, 2}, 1},  {Shape{2, 4, 31, 32}, 1}};
  return list;
}

// The mean of values offset by 3 loses 3 x 6e-8; divided by a spread near 0.6 and times a gain up to 2 that is 6e-7; the square root and
// division add 5 ulp. Gradients multiply by 1 / spread and gain once more; sums over rows add like a random walk.
constexpr double tolerance = 4e-6, gradientTolerance = 1e-5;

std::vector<CheckCase> forwardChecks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const char* variant : {"scalar", "subgroup"}) {
    for (const auto& entry : groupCases()) {
      const Shape shape = entry.first;
      const std::int64_t groups = entry.second;
      cases.push_back({std::string(variant) + " " + shape.toString() + " groups " + std::to_string(groups), tolerance, [=](gpu::Stream& s) {
                         GroupNormOptions options;
                         options.variant = variant;
                         const Tensor x = random(shape, 231, 2, 4);
                         const NormRows rows = groupNormRows(shape, groups);
                         const Difference plain = compare(groupNorm(s, x, groups, options), normReference(Doubles(x), {}, {}, rows).values);
                         options.gain = random(Shape{shape[1]}, 232, 0.5, 2), options.shift = random(Shape{shape[1]}, 233, -1, 1);
                         return worse(plain,
                                      compare(groupNorm(s, x, groups, options),
                                              normReference(Doubles(x), Doubles(options.gain), Doubles(options.shift), rows).values));
                       }});
    }
  }
  return cases;
}

template <class Options>
Difference compareGradients(const NormGradients& found, const Tensor& g, const Tensor& x, const Options& options, const NormRows& rows) {
  const NormGradientsReference expected =
      normGradientReference(Doubles(g), Doubles(x), options.gain.empty() ? Doubles() : Doubles(options.gain), rows);
  Difference result = compare(found.input, expected.input.values);
  if (!options.gain.empty()) result = worse(result, compare(found.gain, expected.gain.values));
  if (!options.shift.empty()) result = worse(result, compare(found.shift, expected.shift.values));
  return result;
}

std::vector<CheckCase> groupGradientChecks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const char* variant : {"scalar", "subgroup"}) {
    for (const auto& entry : groupCases()) {
      const Shape shape = entry.first;
      const std::int64_t groups = entry.second;
      cases.push_back(
          {std::string(variant) + " " + shape.toString() + " groups " + std::to_string(groups), gradientTolerance, [=](gpu::Stream& s) {
             GroupNormOptions options;
             options.variant = variant;
             const Tensor x = random(shape, 234, 2, 4), g = random(shape, 235, -1, 1);
             const NormRows rows = groupNormRows(shape, groups);
             const Difference plain = compareGradients(groupNormGradient(s, g, x, groups, options), g, x, options, rows);
             options.gain = random(Shape{shape[1]}, 236, 0.5, 2), options.shift = random(Shape{shape[1]}, 237, -1, 1);
             return worse(plain, compareGradients(groupNormGradient(s, g, x, groups, options), g, x, options, rows));
           }});
    }
  }
  return cases;
}

std::vector<CheckCase> layerGradientChecks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const char* variant : {"scalar", "subgroup"}) {
    for (const Shape& shape : {Shape{5, 33}, Shape{1, 1}, Shape{2, 3, 64}, Shape{9, 1023}, Shape{4, 2048}, Shape{0, 4}, Shape{70, 8},
                               Shape{130, 96}, Shape{129, 99}}) {
      for (const bool rms : {false, true}) {
        cases.push_back(
            {std::string(variant) + (rms ? " root mean square " : " ") + shape.toString(), gradientTolerance, [=](gpu::Stream& s) {
               LayerNormOptions options;
               options.rootMeanSquare = rms, options.variant = variant;
               const Tensor x = random(shape, 238, 2, 4), g = random(shape, 239, -1, 1);
               const NormRows rows = layerNormRows(shape, options.epsilon, rms);
               const Difference plain = compareGradients(layerNormGradient(s, g, x, options), g, x, options, rows);
               options.gain = random(Shape{shape[-1]}, 240, 0.5, 2);
               if (!rms) options.shift = random(Shape{shape[-1]}, 241, -1, 1);
               return worse(plain, compareGradients(layerNormGradient(s, g, x, options), g, x, options, rows));
             }});
      }
    }
  }
  return cases;
}

std::vector<BenchCase> groupBenches(gpu::Device& device, bool gradient) {
  std::vector<BenchCase> cases;
  for (const Shape& shape : {Shape{8, 32, 16, 16}, Shape{8, 64, 32, 32}, Shape{8, 64, 64, 64}}) {
    const double count = static_cast<double>(shape.count());
    cases.push_back({shape.toString() + " groups 8", std::string(variantFor(device, gradient ? "group_norm_gradient" : "group_norm")),
                     8 * count, (gradient ? 16 : 8) * count, false, [shape, gradient](gpu::Stream&) {
                       const Tensor x = random(shape, 242, -1, 1), g = random(shape, 243, -1, 1);
                       GroupNormOptions options;
                       options.gain = random(Shape{shape[1]}, 244, 0.5, 2), options.shift = random(Shape{shape[1]}, 245, -1, 1);
                       return [=](gpu::Stream& s) {
                         if (gradient)
                           groupNormGradient(s, g, x, 8, options);
                         else
                           groupNorm(s, x, 8, options);
                       };
                     }});
  }
  return cases;
}
std::vector<BenchCase> forwardBenches(gpu::Device& device) { return groupBenches(device, false); }
std::vector<BenchCase> groupGradientBenches(gpu::Device& device) { return groupBenches(device, true); }

std::vector<BenchCase> layerGradientBenches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  for (const Shape& shape : {Shape{64, 256}, Shape{1024, 768}, Shape{4096, 1024}}) {
    const double count = static_cast<double>(shape.count());
    cases.push_back(
        {shape.toString(), std::string(variantFor(device, "layer_norm_gradient")), 12 * count, 16 * count, false, [shape](gpu::Stream&) {
           const Tensor x = random(shape, 246, -1, 1), g = random(shape, 247, -1, 1);
           LayerNormOptions options;
           options.gain = random(Shape{shape[-1]}, 248, 0.5, 2), options.shift = random(Shape{shape[-1]}, 249, -1, 1);
           return [=](gpu::Stream& s) { layerNormGradient(s, g, x, options); };
         }});
  }
  return cases;
}

const Registration<Kernel> forward{{"group_norm", "Group normalisation", forwardChecks, forwardBenches}};
const Registration<Kernel> groupGradient{
    {"group_norm_gradient", "Gradients of group normalisation", groupGradientChecks, groupGradientBenches}};
const Registration<Kernel> layerGradient{
    {"layer_norm_gradient", "Gradients of layer and root-mean-square normalisation", layerGradientChecks, layerGradientBenches}};

}  // namespace
}  // namespace orrery::kernels
