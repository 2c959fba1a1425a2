#include "core/models/gpt.h"

#include <cmath>

#include "core/kernels/matmul.h"
#include "core/kernels/reduce.h"
#include "core/models/tokens.h"
#include "core/nn/dropout.h"

namespace orrery::models {

nn::Weights initialGpt(nn::Initializer& draw, const GptConfig& c) {
  constexpr double deviation = 0.02;  // initializer_range of the published configuration
  const double residual = deviation / std::sqrt(2 * static_cast<double>(c.layers));
  nn::Weights w;
  const auto dense = [&](const std::string& name, std::int64_t in, std::int64_t out, double spread) {
    w.push_back({name + ".weight", draw.normal(Shape{in, out}, spread)});
    w.push_back({name + ".bias", draw.constant(Shape{out}, 0)});
  };
  const auto norm = [&](const std::string& name) {
    w.push_back({name + ".weight", draw.constant(Shape{c.width}, 1)});
    w.push_back({name + ".bias", draw.constant(Shape{c.width}, 0)});
  };
  w.push_back({"transformer.wte.weight", draw.normal(Shape{c.vocabulary, c.width}, deviation)});
  w.push_back({"transformer.wpe.weight", draw.normal(Shape{c.context, c.width}, deviation)});
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const std::string layer = "transformer.h." + std::to_string(i) + ".";
    norm(layer + "ln_1");
    dense(layer + "attn.c_attn", c.width, 3 * c.width, deviation);
    dense(layer + "attn.c_proj", c.width, c.width, residual);
    norm(layer + "ln_2");
    dense(layer + "mlp.c_fc", c.width, c.mlpRatio * c.width, deviation);
    dense(layer + "mlp.c_proj", c.mlpRatio * c.width, c.width, residual);
  }
  norm("transformer.ln_f");
  return w;
}

namespace {

using nn::Variable;

// x [rows, in] weight [in, out] + bias [out], in one product.
Variable conv1d(const Variable& x, const Variable& weight, const Variable& bias) {
  return x.tape().record(kernels::matmul(x.tape().stream(), x.value(), weight.value(), {.bias = bias.value()}), {x, weight, bias},
                         [x, weight, bias](gpu::Stream& s, const Tensor& g) {
                           return std::vector<Tensor>{kernels::matmul(s, g, weight.value(), {.transposeB = true}),
                                                      kernels::matmul(s, x.value(), g, {.transposeA = true}),
                                                      kernels::reduce(s, g, 0, kernels::Reduction::sum)};
                         });
}

}  // namespace

Variable gptForward(std::span<const Variable> weights, const Tensor& tokens, const GptConfig& c, const GptDropout& dropout) {
  const std::int64_t batch = tokens.shape()[0], n = tokens.shape()[1], d = c.width, head = d / c.heads, rows = batch * n;
  std::size_t at = 0;
  const auto next = [&]() -> const Variable& { return weights[at++]; };
  const auto dense = [&](const Variable& x) {
    const Variable &weight = next(), &bias = next();
    return conv1d(x, weight, bias);
  };
  const auto norm = [&](const Variable& x) {
    const Variable &gain = next(), &shift = next();
    return nn::layerNorm(x, gain, shift, c.epsilon);
  };
  // One stream of random numbers per place, and its next stretch per step.
  std::uint32_t place = 0x600;
  const auto dropped = [&](const Variable& x) {
    const auto stretch = static_cast<std::uint64_t>((x.value().count() + 7) / 8 * 8);
    return nn::dropout(x, dropout.probability, {dropout.seed, place++, static_cast<std::uint64_t>(dropout.step) * stretch});
  };

  kernels::AttentionOptions causal;
  causal.mask = kernels::AttentionMask::causal;
  const Variable &table = next(), &allPositions = next();
  const Variable positions = n < c.context ? nn::slice(allPositions, 0, 0, n) : allPositions;
  Variable x = nn::reshape(dropped(nn::add(nn::embedding(table, tokens), positions)), Shape{rows, d});

  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    // x + attention(norm(x)); the three matrices in c_attn are applied one by one, so that each result is whole in memory.
    const Variable y = norm(x);
    const Variable &packed = next(), &packedBias = next();
    const Variable matrices = nn::reshape(nn::permute(nn::reshape(packed, Shape{d, 3, d}), {1, 0, 2}), Shape{3, d * d});
    const Variable biases = nn::reshape(packedBias, Shape{3, d});
    const auto heads = [&](std::int64_t i) {
      const Variable v =
          conv1d(y, nn::reshape(nn::slice(matrices, 0, i, i + 1), Shape{d, d}), nn::reshape(nn::slice(biases, 0, i, i + 1), Shape{d}));
      return nn::permute(nn::reshape(v, Shape{batch, n, c.heads, head}), {0, 2, 1, 3});
    };
    const Variable q = heads(0), k = heads(1), v = heads(2);
    const Variable mixed = nn::reshape(nn::permute(nn::attention(q, k, v, causal), {0, 2, 1, 3}), Shape{rows, d});
    x = nn::add(x, dropped(dense(mixed)));
    // x + mlp(norm(x))
    const Variable z = norm(x);
    x = nn::add(x, dropped(dense(nn::apply(kernels::Unary::geluTanh, dense(z)))));
  }
  return nn::linear(norm(x), table, {});
}

}  // namespace orrery::models
