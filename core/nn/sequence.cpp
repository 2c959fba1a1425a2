// What transformers are made of, with gradients: permutation, layer norm, attention, embedding.

#include <cmath>
#include <stdexcept>

#include "core/kernels/embedding.h"
#include "core/kernels/group_norm.h"
#include "core/kernels/layer_norm.h"
#include "core/kernels/matmul.h"
#include "core/kernels/permute.h"
#include "core/kernels/softmax_gradient.h"
#include "core/nn/gradient_case.h"
#include "core/nn/jvp.h"
#include "core/nn/operations.h"

namespace orrery::nn {
namespace {

using Gradients = std::vector<Tensor>;
using Tangents = std::span<const Tensor>;
using kernels::Binary;

}  // namespace

Variable permute(const Variable& x, const std::vector<int>& axes) {
  Tape& tape = x.tape();
  return tape.record(
      kernels::permute(tape.stream(), x.value(), axes), {x},
      [axes](gpu::Stream& s, const Tensor& g) { return Gradients{kernels::permute(s, g, kernels::inversePermutation(axes))}; },
      [axes](gpu::Stream& s, Tangents t) { return kernels::permute(s, t[0], axes); });
}

Variable layerNorm(const Variable& x, const Variable& gain, const Variable& shift, double epsilon) {
  Tape& tape = x.tape();
  kernels::LayerNormOptions options;
  options.epsilon = epsilon, options.gain = gain.value(), options.shift = shift.value();
  return tape.record(
      kernels::layerNorm(tape.stream(), x.value(), options), {x, gain, shift},
      [x, options](gpu::Stream& s, const Tensor& g) {
        kernels::NormGradients gradients = kernels::layerNormGradient(s, g, x.value(), options);
        return Gradients{gradients.input, gradients.gain, gradients.shift};
      },
      [x, options](gpu::Stream& s, Tangents t) {
        // The normalisation without gain and shift has a symmetric Jacobian.
        const kernels::LayerNormOptions plain{.epsilon = options.epsilon};
        Tensor result;
        if (!t[0].empty())
          result = kernels::binary(s, Binary::mul, kernels::layerNormGradient(s, t[0], x.value(), plain).input, options.gain);
        if (!t[1].empty()) result = added(s, result, kernels::binary(s, Binary::mul, kernels::layerNorm(s, x.value(), plain), t[1]));
        return added(s, result, t[2]);
      });
}

namespace {

// [..., n, d] as [heads, n, d].
Tensor heads(const Tensor& x) {
  const std::int64_t rows = x.shape()[-2], columns = x.shape()[-1], each = rows * columns;
  std::int64_t count = 1;
  for (int axis = 0; axis + 2 < x.shape().rank(); ++axis) count *= x.shape()[axis];
  return each == 0 ? Tensor(Shape{count, rows, columns}) : x.reshaped(Shape{count, rows, columns});
}

}  // namespace

Variable attention(const Variable& q, const Variable& k, const Variable& v, const kernels::AttentionOptions& options) {
  Tape& tape = q.tape();
  const Tensor hq = heads(q.value()), hk = heads(k.value()), hv = heads(v.value());
  if (hq.shape()[0] != hk.shape()[0] || hq.shape()[0] != hv.shape()[0]) {
    throw std::invalid_argument("attention: q " + q.shape().toString() + ", k " + k.shape().toString() + " and v " + v.shape().toString() +
                                " differ in heads");
  }
  const kernels::Attention result = kernels::attention(tape.stream(), hq, hk, hv, options);
  auto extents = q.shape().extents();
  extents.back() = v.shape()[-1];
  return tape.record(
      result.output.reshaped(Shape(std::move(extents))), {q, k, v},
      [=](gpu::Stream& s, const Tensor& g) {
        const kernels::AttentionGradients gradients =
            kernels::attentionGradient(s, g.reshaped(result.output.shape()), hq, hk, hv, result, options);
        return Gradients{gradients.q.reshaped(q.shape()), gradients.k.reshaped(k.shape()), gradients.v.reshaped(v.shape())};
      },
      [=](gpu::Stream& s, Tangents t) {
        const Tensor weights = kernels::attentionWeights(s, hq, hk, result.statistics, {0, hq.shape()[0], 0, -1, 1}, options);
        Tensor toScores, tangent;
        if (!t[0].empty()) toScores = kernels::matmul(s, heads(t[0]), hk, {.transposeB = true});
        if (!t[1].empty()) toScores = added(s, toScores, kernels::matmul(s, hq, heads(t[1]), {.transposeB = true}));
        if (!toScores.empty()) {
          // The Jacobian of softmax is symmetric.
          const double scale = options.scale ? static_cast<double>(*options.scale) : 1 / std::sqrt(static_cast<double>(q.shape()[-1]));
          tangent = kernels::matmul(s, kernels::softmaxGradient(s, toScores, weights, -1, scale), hv);
        }
        if (!t[2].empty()) tangent = added(s, tangent, kernels::matmul(s, weights, heads(t[2])));
        auto shape = q.shape().extents();
        shape.back() = v.shape()[-1];
        return tangent.reshaped(Shape(std::move(shape)));
      });
}

Variable embedding(const Variable& table, const Tensor& index) {
  Tape& tape = table.tape();
  return tape.record(
      kernels::embedding(tape.stream(), table.value(), index), {table},
      [table, index](gpu::Stream& s, const Tensor& g) { return Gradients{kernels::embeddingGradient(s, g, index, table.shape()[0])}; },
      [index](gpu::Stream& s, Tangents t) { return kernels::embedding(s, t[0], index); });
}

namespace {

using Values = std::vector<double>;

std::vector<GradientCase> cases() {
  std::vector<GradientCase> list;
  list.push_back({"permute [2, 3, 5] to [5, 2, 3]",
                  {{Shape{2, 3, 5}}},
                  [](std::span<const Variable> in) {
                    return permute(in[0], {2, 0, 1});
                  },
                  [](std::span<const Values> in) {
                    Values result;
                    for (std::size_t k = 0; k < 5; ++k) {
                      for (std::size_t ij = 0; ij < 6; ++ij) result.push_back(in[0][ij * 5 + k]);
                    }
                    return result;
                  }});
  list.push_back({"layer norm [3, 2, 9]",
                  {{Shape{3, 2, 9}, -2, 2}, {Shape{9}, 0.5, 2}, {Shape{9}}},
                  [](std::span<const Variable> in) { return layerNorm(in[0], in[1], in[2]); },
                  [](std::span<const Values> in) {
                    Values result;
                    for (std::size_t row = 0; row < 6; ++row) {
                      const auto x = std::span(in[0]).subspan(row * 9, 9);
                      double mean = 0, variance = 0;
                      for (const double v : x) mean += v / 9;
                      for (const double v : x) variance += (v - mean) * (v - mean) / 9;
                      for (std::size_t i = 0; i < 9; ++i)
                        result.push_back((x[i] - mean) / std::sqrt(variance + 1e-5) * in[1][i] + in[2][i]);
                    }
                    return result;
                  }});
  for (const bool masked : {false, true}) {
    // Causal with more keys than queries: query i sees keys 0 ... i + 2.
    list.push_back({masked ? "attention of 2 heads, 5 queries, 7 keys, causal" : "attention of 2 heads, 5 queries, 7 keys",
                    {{Shape{2, 5, 3}, -2, 2}, {Shape{2, 7, 3}, -2, 2}, {Shape{2, 7, 4}}},
                    [masked](std::span<const Variable> in) {
                      kernels::AttentionOptions options;
                      if (masked) options.mask = kernels::AttentionMask::causal;
                      return attention(in[0], in[1], in[2], options);
                    },
                    [masked](std::span<const Values> in) {
                      Values result;
                      for (std::size_t h = 0; h < 2; ++h) {
                        for (std::size_t i = 0; i < 5; ++i) {
                          Values weight(7, 0);
                          double sum = 0;
                          for (std::size_t j = 0; j < (masked ? i + 3 : 7) && j < 7; ++j) {
                            double score = 0;
                            for (std::size_t d = 0; d < 3; ++d) score += in[0][(h * 5 + i) * 3 + d] * in[1][(h * 7 + j) * 3 + d];
                            sum += weight[j] = std::exp(score / std::sqrt(3.0));
                          }
                          for (std::size_t e = 0; e < 4; ++e) {
                            double y = 0;
                            for (std::size_t j = 0; j < 7; ++j) y += weight[j] / sum * in[2][(h * 7 + j) * 4 + e];
                            result.push_back(y);
                          }
                        }
                      }
                      return result;
                    }});
  }
  const std::vector<std::uint32_t> index{3, 0, 3, 1, 5, 3};
  list.push_back({"embedding of [6, 4], a row picked three times",
                  {{Shape{6, 4}}},
                  [index](std::span<const Variable> in) {
                    return embedding(in[0], Tensor::from(Shape{2, 3}, index));
                  },
                  [index](std::span<const Values> in) {
                    Values result;
                    for (const std::uint32_t i : index) result.insert(result.end(), in[0].begin() + 4 * i, in[0].begin() + 4 * i + 4);
                    return result;
                  }});
  return list;
}

const Registration<Differentiable> registration{{"sequence", cases}};

}  // namespace
}  // namespace orrery::nn
