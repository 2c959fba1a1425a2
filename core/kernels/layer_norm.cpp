// y = (x - mean) / sqrt(variance + epsilon) * gain + shift along the last axis; with rootMeanSquare the mean is taken as 0.

#include "core/kernels/layer_norm.h"

#include <cmath>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "core/kernels/rows.h"

namespace orrery::kernels {
namespace {

void checkArguments(const Tensor& x, const LayerNormOptions& options) {
  if (x.shape().rank() == 0) throw std::invalid_argument("layerNorm: a tensor with at least one axis is needed");
  for (const Tensor* row : {&options.gain, &options.shift}) {
    if (!row->empty() && row->shape() != Shape{x.shape()[-1]}) {
      throw std::invalid_argument("layerNorm: gain and shift must be as long as the rows of " + x.shape().toString() + ", found " +
                                  row->shape().toString());
    }
  }
}

}  // namespace

Tensor layerNorm(gpu::Stream& stream, const Tensor& x, const LayerNormOptions& options) {
  checkArguments(x, options);
  Tensor result(x.shape());
  if (x.empty()) return result;
  const std::int64_t n = x.shape()[-1], rows = x.count() / n;
  const RowPlan plan = planRows(stream.device(), "layer_norm", options.variant, rows, n, false);
  requireIterations(stream.device(), "layerNorm", plan.iterations);
  const struct {
    std::uint32_t rows, n;
    float epsilon;
  } push{static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(n), static_cast<float>(options.epsilon)};
  stream.dispatch(plan.shader,
                  {{x.device(stream), gpu::Access::read},
                   {(options.gain.empty() ? x : options.gain).device(stream), gpu::Access::read},
                   {(options.shift.empty() ? x : options.shift).device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  push, plan.groups,
                  {static_cast<std::uint32_t>(plan.mode), n % 4 == 0 ? 1u : 0u, options.rootMeanSquare ? 1u : 0u,
                   options.gain.empty() ? 0u : 1u, options.shift.empty() ? 0u : 1u});
  return result;
}

std::vector<double> layerNormReference(const Tensor& x, const LayerNormOptions& options) {
  checkArguments(x, options);
  const auto values = x.as<float>();
  const std::size_t n = static_cast<std::size_t>(x.shape()[-1]);
  std::vector<double> result(values.size());
  const std::span<const float> gain = options.gain.empty() ? std::span<const float>() : options.gain.as<float>();
  const std::span<const float> shift = options.shift.empty() ? std::span<const float>() : options.shift.as<float>();
  for (std::size_t base = 0; base < values.size(); base += n) {
    double mean = 0, variance = 0;
    for (std::size_t j = 0; j < n && !options.rootMeanSquare; ++j) mean += static_cast<double>(values[base + j]) / static_cast<double>(n);
    for (std::size_t j = 0; j < n; ++j) variance += std::pow(static_cast<double>(values[base + j]) - mean, 2) / static_cast<double>(n);
    for (std::size_t j = 0; j < n; ++j) {
      result[base + j] = (static_cast<double>(values[base + j]) - mean) / std::sqrt(variance + options.epsilon) *
                             (gain.empty() ? 1.0 : static_cast<double>(gain[j])) +
                         (shift.empty() ? 0.0 : static_cast<double>(shift[j]));
    }
  }
  return result;
}

namespace {

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const char* variant : {"scalar", "subgroup"}) {
    for (const Shape& shape : {Shape{5, 33}, Shape{1, 1}, Shape{2, 3, 64}, Shape{9, 1023}, Shape{4, 2048}, Shape{0, 4},
                               Shape{70, 8}, Shape{130, 96}, Shape{129, 99}}) {
      for (const bool rms : {false, true}) {
        // The mean of values offset by 3 loses 3 x 6e-8; divided by a spread near 0.6 and times a gain up to 2 that is 6e-7; the square
        // root and division add 5 ulp.
        cases.push_back({std::string(variant) + (rms ? " root mean square " : " ") + shape.toString(), 4e-6,
                         [shape, rms, variant](gpu::Stream& stream) {
                           LayerNormOptions options;
                           options.rootMeanSquare = rms;
                           options.variant = variant;
                           const Shape row{shape[-1]};
                           options.gain = Tensor::from(row, testFloats(row.count(), 62, 0.5, 2));
                           if (!rms) options.shift = Tensor::from(row, testFloats(row.count(), 63, -1, 1));
                           const Tensor x = Tensor::from(shape, testFloats(shape.count(), 61, 2, 4));
                           return compare(layerNorm(stream, x, options), layerNormReference(x, options));
                         }});
      }
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  const std::string variant(variantFor(device, "layer_norm"));
  for (const auto& [rows, n] : {std::pair<std::int64_t, std::int64_t>{64, 256}, {1024, 768}, {4096, 1024}}) {
    BenchCase bench;
    bench.shape = std::to_string(rows) + "x" + std::to_string(n);
    bench.variant = variant;
    bench.flops = 8.0 * static_cast<double>(rows * n);
    bench.bytes = 8.0 * static_cast<double>(rows * n);
    bench.prepare = [shape = Shape{rows, n}](gpu::Stream&) {
      const Tensor x = Tensor::from(shape, testFloats(shape.count(), 64, -1, 1));
      return [x](gpu::Stream& s) { layerNorm(s, x); };
    };
    cases.push_back(std::move(bench));
  }
  return cases;
}

const Registration<Kernel> registration{{"layer_norm", "Layer and root-mean-square normalisation of rows", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
