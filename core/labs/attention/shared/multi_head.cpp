// Multi-head attention on the kernels: O = concat_h(softmax(Q_h K_h^T / sqrt(dh)) V_h) W_O, and what is read off it.

#include "core/labs/attention/shared/multi_head.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/layer_norm.h"
#include "core/kernels/matmul.h"
#include "core/kernels/reduce.h"

namespace orrery::attention {
namespace {

// [d, H dh] -> [H, d, dh]
Tensor cutColumns(const Tensor& matrix, std::int64_t heads) {
  const std::int64_t d = matrix.shape()[0], width = matrix.shape()[1] / heads;
  Tensor result(Shape{heads, d, width});
  const auto from = matrix.as<float>();
  auto to = result.asMutable<float>();
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t r = 0; r < d; ++r) {
      std::copy_n(from.begin() + (r * heads + h) * width, width, to.begin() + (h * d + r) * width);
    }
  }
  return result;
}

}  // namespace

HeadWeights cutByHeads(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& output, std::int64_t heads) {
  const std::int64_t d = output.shape()[0];
  return {cutColumns(query, heads), cutColumns(key, heads), cutColumns(value, heads),
          output.reshaped(Shape{heads, d / heads, output.shape()[1]})};
}

LayerResult multiHead(gpu::Stream& stream, const Tensor& x, const HeadWeights& weights, const LayerOptions& options) {
  const Tensor rows = x.reshaped(Shape{1, x.shape()[0], x.shape()[1]});
  LayerResult layer;
  // Project: one product per head, [1, n, d] x [H, d, dh].
  layer.q = kernels::matmul(stream, rows, weights.query);
  layer.k = kernels::matmul(stream, rows, weights.key);
  layer.v = kernels::matmul(stream, rows, weights.value);
  if (options.normalize) {
    kernels::LayerNormOptions norm;
    norm.rootMeanSquare = true;
    norm.epsilon = 1e-12;  // only keeps a query of zeros at zero
    norm.gain = Tensor::from(Shape{layer.q.shape()[2]},
                             std::vector<float>(static_cast<std::size_t>(layer.q.shape()[2]), static_cast<float>(options.gain)));
    layer.q = kernels::layerNorm(stream, layer.q, norm);
    layer.k = kernels::layerNorm(stream, layer.k, norm);
  }
  // Attend.
  layer.attention = kernels::attention(stream, layer.q, layer.k, layer.v, options.attention);
  // Concatenate and project: the sum over heads of [n, dh] x [dh, d].
  layer.output = kernels::reduce(stream, kernels::matmul(stream, layer.attention.output, weights.output), 0, kernels::Reduction::sum);
  return layer;
}

Tensor fusedWeights(gpu::Stream& stream, const LayerResult& layer, const kernels::AttentionOptions& options, Fusion fusion) {
  const std::int64_t heads = layer.q.shape()[0], n = layer.q.shape()[1];
  Tensor fused;
  for (std::int64_t h = 0; h < heads; ++h) {
    const Tensor one =
        kernels::attentionWeights(stream, layer.q, layer.k, layer.attention.statistics, {h, 1, 0, -1, 1}, options).reshaped(Shape{n, n});
    const auto operation = fusion == Fusion::mean  ? kernels::Binary::add
                           : fusion == Fusion::max ? kernels::Binary::max
                                                   : kernels::Binary::min;
    fused = h == 0 ? one : kernels::binary(stream, operation, fused, one);
  }
  return fusion == Fusion::mean ? kernels::affine(stream, fused, 1.0f / static_cast<float>(heads), 0) : fused;
}

Tensor rollout(gpu::Stream& stream, std::span<const Tensor> fused, double alpha, double discard) {
  assert(!fused.empty());
  Tensor result;
  for (const Tensor& layer : fused) {
    const std::size_t n = static_cast<std::size_t>(layer.shape()[0]);
    std::vector<float> values = layer.toFloats();
    // Drop the smallest share of the entries.
    const auto dropped = static_cast<std::size_t>(discard * static_cast<double>(values.size()));
    if (dropped > 0) {
      std::vector<float> sorted = values;
      std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(dropped - 1), sorted.end());
      const float limit = sorted[dropped - 1];
      std::size_t below = 0;
      for (const float value : values) below += value < limit ? 1 : 0;
      std::size_t ties = dropped - below;  // of the entries equal to the limit, the first ones go
      for (float& value : values) {
        if (value < limit || (value == limit && ties > 0 && ties-- > 0)) value = 0;
      }
    }
    // Add the residual path and make each row sum to 1.
    for (std::size_t i = 0; i < n; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < n; ++j) sum += (1 - alpha) * static_cast<double>(values[i * n + j]) + (i == j ? alpha : 0.0);
      for (std::size_t j = 0; j < n; ++j) {
        const double mixed = (1 - alpha) * static_cast<double>(values[i * n + j]) + (i == j ? alpha : 0.0);
        values[i * n + j] = static_cast<float>(sum > 0 ? mixed / sum : i == j ? 1.0 : 0.0);
      }
    }
    const Tensor mixing = Tensor::from(layer.shape(), values);
    result = result.empty() ? mixing : kernels::matmul(stream, mixing, result);
  }
  return result;
}

SoftmaxRow softmaxRow(std::span<const double> scores, double beta) {
  SoftmaxRow row;
  row.weights.assign(scores.size(), 0.0);
  double largest = -1e300, sum = 0, mean = 0;
  for (const double s : scores) {
    if (s > -1e29) largest = std::max(largest, beta * s);
  }
  for (std::size_t j = 0; j < scores.size(); ++j) {
    if (scores[j] > -1e29) sum += row.weights[j] = std::exp(beta * scores[j] - largest);
  }
  if (sum == 0) return row;
  for (std::size_t j = 0; j < scores.size(); ++j) {
    row.weights[j] /= sum;
    if (row.weights[j] > 0) row.entropy -= row.weights[j] * std::log(row.weights[j]), mean += row.weights[j] * scores[j];
  }
  for (std::size_t j = 0; j < scores.size(); ++j) {
    if (row.weights[j] > 0) row.variance += row.weights[j] * (scores[j] - mean) * (scores[j] - mean);
  }
  return row;
}

double jacobianNorm(std::span<const double> weights) {
  // diag(P) - P^T P is diagonal minus rank one: its largest eigenvalue mu is the root of 1 = sum p_j^2 / (p_j - mu) in the gap between the
  // two largest weights (interlacing), where sum p_j^2 / (p_j - mu) - 1 grows from minus to plus infinity.
  std::vector<double> sorted;
  for (const double p : weights) {
    if (p > 0) sorted.push_back(p);
  }
  std::sort(sorted.rbegin(), sorted.rend());
  if (sorted.size() < 2) return 0;
  if (sorted[0] == sorted[1]) return sorted[0];
  double low = sorted[1], high = sorted[0];
  for (int round = 0; round < 200 && low < high; ++round) {
    const double middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) break;
    double value = -1;
    for (const double p : sorted) value += p * p / (p - middle);
    (value > 0 ? high : low) = middle;
  }
  return 0.5 * (low + high);
}

Expected<Tensor> treeMask(std::span<const std::int64_t> parents, std::int64_t n) {
  Tensor mask(Shape{n, n});
  auto values = mask.asMutable<float>();
  std::fill(values.begin(), values.end(), -1e30f);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto row = values.begin() + i * n;
    const std::int64_t given = static_cast<std::size_t>(i) < parents.size() ? parents[static_cast<std::size_t>(i)] : i - 1;
    if (given > i) {
      return makeError(ErrorCode::usage, trf("tree mask needs parents before children: token {} has parent {}", i, given), "E-ATT-TREE");
    }
    // A child sees what its parent sees, and itself.
    if (given >= 0 && given < i) std::copy_n(values.begin() + given * n, n, row);
    row[i] = 0;
  }
  return mask;
}

}  // namespace orrery::attention
