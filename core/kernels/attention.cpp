// Scaled dot-product attention with a running maximum and sum. With scores s_j (scaled, masked) of one row:
// m = max_j s_j, l = sum_j exp(s_j - m), O = sum_j exp(s_j - m) V_j / l, log-sum-exp = m + ln l, entropy = log-sum-exp - sum_j P_j s_j.

#include "core/kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/fill.h"
#include "core/kernels/kernel.h"
#include "core/kernels/matmul.h"
#include "core/kernels/reduce.h"
#include "core/kernels/softmax_gradient.h"
#include "core/kernels/texel_pack.h"

namespace orrery::kernels {
namespace {

// The numbers that every kernel here needs, checked.
struct Problem {
  std::uint32_t heads = 0, keyHeads = 1, queries = 0, keys = 0, width = 0, valueWidth = 0;
  std::uint32_t maskKind = 0, maskParameter = 0, validQueries = 0, validKeys = 0, maskHead = 0, maskRow = 0;
  double scale = 1;
  bool additive = false;
};

Problem problemFor(const Shape& q, const Shape& k, const Shape* v, const AttentionOptions& options) {
  const auto fail = [&](const std::string& why) {
    throw std::invalid_argument("attention: " + why + ": q " + q.toString() + ", k " + k.toString() +
                                (v != nullptr ? ", v " + v->toString() : ""));
  };
  if (q.rank() != 3 || k.rank() != 3 || (v != nullptr && v->rank() != 3)) fail("[heads, tokens, width] is needed");
  if (q[2] != k[2]) fail("queries and keys differ in width");
  if (k[0] == 0 ? q[0] != 0 : q[0] % k[0] != 0) fail("the number of key heads must divide the number of query heads");
  if (v != nullptr && ((*v)[0] != k[0] || (*v)[1] != k[1])) fail("values and keys differ in heads or tokens");
  Problem problem;
  problem.heads = static_cast<std::uint32_t>(q[0]), problem.keyHeads = static_cast<std::uint32_t>(k[0]);
  problem.queries = static_cast<std::uint32_t>(q[1]), problem.keys = static_cast<std::uint32_t>(k[1]);
  problem.width = static_cast<std::uint32_t>(q[2]), problem.valueWidth = v != nullptr ? static_cast<std::uint32_t>((*v)[2]) : 0;
  const auto clipped = [](std::int64_t valid, std::int64_t all) {
    return static_cast<std::uint32_t>(valid < 0 ? all : std::min(valid, all));
  };
  problem.validQueries = clipped(options.validQueries, q[1]), problem.validKeys = clipped(options.validKeys, k[1]);
  problem.maskKind = static_cast<std::uint32_t>(options.mask),
  problem.maskParameter = static_cast<std::uint32_t>(std::max<std::int64_t>(options.maskParameter, 0));
  if (options.mask == AttentionMask::blocks && options.maskParameter < 1) fail("blocks need a length of 1 or more");
  problem.scale = options.scale ? static_cast<double>(*options.scale) : 1 / std::sqrt(std::max(1.0, static_cast<double>(q[2])));
  problem.additive = !options.additive.empty();
  if (problem.additive) {
    const Shape& mask = options.additive.shape();
    const bool perHead = mask.rank() == 3 && mask[0] == q[0];
    if (!((mask.rank() == 2 || perHead) && mask[-2] == q[1] && mask[-1] == k[1])) fail("the mask " + mask.toString() + " does not fit");
    problem.maskRow = problem.keys, problem.maskHead = perHead ? problem.queries * problem.keys : 0;
  }
  return problem;
}

constexpr std::uint32_t tilesFor(std::uint32_t value, std::uint32_t step) { return (value + step - 1) / step; }

// The keys that row i sees: the double of shaders/include/attention_rows.glsl.
std::pair<std::int64_t, std::int64_t> keysOfRow(const Problem& problem, std::int64_t i) {
  std::int64_t first = 0, limit = problem.validKeys;
  const std::int64_t next = std::max<std::int64_t>(i + problem.keys - problem.queries + 1, 0);
  switch (static_cast<AttentionMask>(problem.maskKind)) {
    case AttentionMask::none:
      break;
    case AttentionMask::causal:
      limit = std::min(limit, next);
      break;
    case AttentionMask::prefix:
      limit = std::min(limit, std::max<std::int64_t>(problem.maskParameter, next));
      break;
    case AttentionMask::blocks:
      first = i / problem.maskParameter * problem.maskParameter;
      limit = std::min<std::int64_t>(limit, first + problem.maskParameter);
      break;
  }
  if (i >= problem.validQueries) limit = 0;
  return {first, limit};
}

}  // namespace

Attention attention(gpu::Stream& stream, const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  const Shape valueShape = v.shape();
  const Problem problem = problemFor(q.shape(), k.shape(), &valueShape, options);
  Attention result{Tensor(Shape{problem.heads, problem.queries, problem.valueWidth}), Tensor(Shape{problem.heads, problem.queries, 2})};
  if (problem.heads == 0 || problem.queries == 0) return result;
  if (problem.keys == 0) {
    const float nothing[] = {-1e30f, 0};
    result.output = fill(stream, result.output.shape(), 0.0f);
    for (std::size_t i = 0; auto& value : result.statistics.asMutable<float>()) value = nothing[i++ % 2];
    return result;
  }
  const Tensor q4 = padRowsToTexels(stream, q), k4 = padRowsToTexels(stream, k), v4 = padRowsToTexels(stream, v);
  const std::uint32_t width4 = tilesFor(problem.width, 4), valueWidth4 = tilesFor(problem.valueWidth, 4);
  Tensor padded(Shape{problem.heads, problem.queries, 4 * valueWidth4});
  const struct {
    std::uint32_t queries, keys, width4, valueWidth4, headsPerKey;
    float scale;
    std::uint32_t maskKind, maskParameter, validQueries, validKeys, maskHead, maskRow, firstRow;
  } push{problem.queries,
         problem.keys,
         width4,
         valueWidth4,
         problem.heads / problem.keyHeads,
         static_cast<float>(problem.scale * std::numbers::log2e),
         problem.maskKind,
         problem.maskParameter,
         problem.validQueries,
         problem.validKeys,
         problem.maskHead,
         problem.maskRow,
         0};
  // On matrices rows of up to 64 columns; wider ones go the way of a GPU without them.
  const auto matrix = width4 <= 16 && valueWidth4 <= 16 ? runsMatrix(stream.device(), "attention", options.variant) : std::nullopt;
  const bool scalar = !matrix && runsScalar(stream.device(), "attention", options.variant);
  if (!scalar && width4 > 64)
    throw std::length_error("attention: heads wider than 256 are not supported on a GPU, found " + q.shape().toString());
  // 32 keys take some 340 rounds of all loops with four subgroups of 8 lanes.
  if (matrix) requireIterations(stream.device(), "attention", std::int64_t{tilesFor(problem.keys, 32)} * 340);
  if (scalar) requireIterations(stream.device(), "attention", std::int64_t{problem.keys} / 8 * (width4 > 16 ? 1 + width4 : 1));
  const std::uint32_t columns = std::max(std::min(valueWidth4, 16u), 1u), chunks = std::max(tilesFor(valueWidth4, 16), 1u);
  const Tensor& mask = problem.additive ? options.additive : q4;  // bound but not read without a mask
  std::vector<std::uint32_t> constants{scalar && width4 > 16 ? 0 : std::max(width4, 1u), columns, problem.additive ? 1u : 0u};
  if (matrix) constants.insert(constants.end(), {4 * matrix->lanes, matrix->m, matrix->n, matrix->k});
  const gpu::Binding bindings[] = {{q4.device(stream), gpu::Access::read},
                                   {k4.device(stream), gpu::Access::read},
                                   {v4.device(stream), gpu::Access::read},
                                   {mask.device(stream), gpu::Access::read},
                                   {padded.deviceForWriting(stream), gpu::Access::write},
                                   {result.statistics.deviceForWriting(stream), gpu::Access::write}};
  stream.dispatch(matrix   ? "kernels/attention_matrix"
                  : scalar ? "kernels/attention"
                           : "kernels/attention_tiled",
                  bindings, std::as_bytes(std::span(&push, 1)),
                  {tilesFor(problem.queries, matrix   ? 32
                                             : scalar ? 16
                                                      : 64),
                   problem.heads, chunks},
                  constants);
  if (problem.valueWidth > 0) result.output = unpadRows(stream, padded, problem.valueWidth);
  return result;
}

namespace {

// dP = dO V^T, dS = P (dP - D), and the three products, with the weights in memory.
AttentionGradients gradientsByProducts(gpu::Stream& stream, const Tensor& gradient, const Tensor& q, const Tensor& k, const Tensor& v,
                                       const Tensor& statistics, const Problem& problem, const AttentionOptions& options) {
  // A key head and the query heads that share it: [G, H / G, ...] against [G, 1, ...].
  const std::int64_t H = problem.heads, G = problem.keyHeads, n = problem.queries, m = problem.keys, d = problem.width,
                     e = problem.valueWidth;
  const auto grouped = [&](const Tensor& x, std::int64_t rows, std::int64_t columns) { return x.reshaped(Shape{G, H / G, rows, columns}); };
  const Tensor weights = grouped(attentionWeights(stream, q, k, statistics, {0, H, 0, -1, 1}, options), n, m);
  const Tensor g = grouped(gradient, n, e), queries = grouped(q, n, d), keys = k.reshaped(Shape{G, 1, m, d}),
               values = v.reshaped(Shape{G, 1, m, e});
  const Tensor toScores = softmaxGradient(stream, matmul(stream, g, values, {.transposeB = true}), weights, -1, problem.scale);
  const auto shared = [&](const Tensor& x, std::int64_t columns) {
    return (H == G ? x : reduce(stream, x, 1, Reduction::sum)).reshaped(Shape{G, m, columns});
  };
  return {matmul(stream, toScores, keys).reshaped(q.shape()), shared(matmul(stream, toScores, queries, {.transposeA = true}), d),
          shared(matmul(stream, weights, g, {.transposeA = true}), e)};
}

}  // namespace

AttentionGradients attentionGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& q, const Tensor& k, const Tensor& v,
                                     const Attention& result, const AttentionOptions& options) {
  const Shape valueShape = v.shape();
  const Problem problem = problemFor(q.shape(), k.shape(), &valueShape, options);
  if (gradient.shape() != result.output.shape() || result.statistics.shape() != Shape{problem.heads, problem.queries, 2}) {
    throw std::invalid_argument("attentionGradient: a gradient of " + gradient.shape().toString() + " does not fit an output of " +
                                result.output.shape().toString());
  }
  if (problem.heads == 0 || problem.queries == 0 || problem.keys == 0 || problem.width == 0 || problem.valueWidth == 0) {
    return {fill(stream, q.shape(), 0.0f), fill(stream, k.shape(), 0.0f), fill(stream, v.shape(), 0.0f)};
  }
  const std::uint32_t width4 = tilesFor(problem.width, 4), valueWidth4 = tilesFor(problem.valueWidth, 4);
  if (!runsScalar(stream.device(), "attention_gradient", options.variant) || width4 > 16 || valueWidth4 > 16) {
    return gradientsByProducts(stream, gradient, q, k, v, result.statistics, problem, options);
  }
  const std::int64_t longest = std::max<std::int64_t>(problem.keys, std::int64_t{problem.queries} * (problem.heads / problem.keyHeads));
  requireIterations(stream.device(), "attentionGradient", longest / 8 + problem.heads / problem.keyHeads);
  const Tensor products = reduce(stream, binary(stream, Binary::mul, gradient, result.output), 2, Reduction::sum);
  const Tensor q4 = padRowsToTexels(stream, q), k4 = padRowsToTexels(stream, k), v4 = padRowsToTexels(stream, v),
               g4 = padRowsToTexels(stream, gradient);
  const Tensor& mask = problem.additive ? options.additive : q4;  // bound but not read without a mask
  const struct {
    std::uint32_t queries, keys, headsPerKey;
    float scale;
    std::uint32_t maskParameter, validQueries, validKeys, maskHead, maskRow;
  } push{problem.queries,
         problem.keys,
         problem.heads / problem.keyHeads,
         static_cast<float>(problem.scale),
         problem.maskParameter,
         problem.validQueries,
         problem.validKeys,
         problem.maskHead,
         problem.maskRow};
  const std::uint32_t sets = std::max(width4, valueWidth4) <= 8 ? 2 : 1;  // two sets of wide rows take seconds to compile
  Tensor dq(Shape{problem.heads, problem.queries, 4 * width4}), dk(Shape{problem.keyHeads, problem.keys, 4 * width4}),
      dv(Shape{problem.keyHeads, problem.keys, 4 * valueWidth4});
  const auto pass = [&](bool keys, const Tensor& ownX, const Tensor& ownY, const Tensor& walkedX, const Tensor& walkedY, Tensor& first,
                        Tensor& second) {
    stream.dispatch("kernels/attention_gradient",
                    {{ownX.device(stream), gpu::Access::read},
                     {ownY.device(stream), gpu::Access::read},
                     {walkedX.device(stream), gpu::Access::read},
                     {walkedY.device(stream), gpu::Access::read},
                     {result.statistics.device(stream), gpu::Access::read},
                     {products.device(stream), gpu::Access::read},
                     {mask.device(stream), gpu::Access::read},
                     {first.deviceForWriting(stream), gpu::Access::write},
                     {second.deviceForWriting(stream), gpu::Access::write}},
                    push, {tilesFor(keys ? problem.keys : problem.queries, 8 * sets), keys ? problem.keyHeads : problem.heads, 1},
                    {width4, valueWidth4, problem.additive ? 1u : 0u, keys ? 1u : 0u, sets, problem.maskKind});
  };
  Tensor none(Shape{4});
  pass(false, q4, g4, k4, v4, dq, none);
  pass(true, k4, v4, q4, g4, dk, dv);
  return {unpadRows(stream, dq, problem.width), unpadRows(stream, dk, problem.width), unpadRows(stream, dv, problem.valueWidth)};
}

Tensor attentionWeights(gpu::Stream& stream, const Tensor& q, const Tensor& k, const Tensor& statistics, const WeightsView& view,
                        const AttentionOptions& options) {
  const Problem problem = problemFor(q.shape(), k.shape(), nullptr, options);
  const auto rows = static_cast<std::uint32_t>(view.rows < 0 ? problem.queries - view.firstRow : view.rows);
  if (view.firstHead < 0 || view.firstHead + view.heads > problem.heads || view.firstRow < 0 || view.firstRow + rows > problem.queries ||
      view.cell < 1 || (view.cell & (view.cell - 1)) != 0 || statistics.shape() != Shape{problem.heads, problem.queries, 2}) {
    throw std::invalid_argument("attentionWeights: the view does not lie inside " + q.shape().toString() + " queries");
  }
  const auto cell = static_cast<std::uint32_t>(view.cell), heads = static_cast<std::uint32_t>(view.heads);
  const std::uint32_t cellRows = tilesFor(rows, cell), cellColumns = tilesFor(problem.keys, cell);
  Tensor result(Shape{heads, cellRows, cellColumns});
  if (result.empty()) return result;
  const Tensor q4 = padRowsToTexels(stream, q), k4 = padRowsToTexels(stream, k);
  // Cut the keys so that one row of many keys still keeps every core busy.
  const std::uint32_t stretch = std::max(cell, 512u);
  const struct {
    std::uint32_t queries, keys, width4, headsPerKey;
    float scale;
    std::uint32_t maskKind, maskParameter, validQueries, validKeys, maskHead, maskRow, firstHead, firstRow, rows, cell, cellRows,
        cellColumns, stretch;
  } push{problem.queries,
         problem.keys,
         tilesFor(problem.width, 4),
         problem.heads / problem.keyHeads,
         static_cast<float>(problem.scale * std::numbers::log2e),
         problem.maskKind,
         problem.maskParameter,
         problem.validQueries,
         problem.validKeys,
         problem.maskHead,
         problem.maskRow,
         static_cast<std::uint32_t>(view.firstHead),
         static_cast<std::uint32_t>(view.firstRow),
         rows,
         cell,
         cellRows,
         cellColumns,
         stretch};
  const Tensor& mask = problem.additive ? options.additive : q4;
  stream.dispatch(eightLanesExchange(stream.device()) ? "kernels/attention_map" : "kernels/attention_map@apart",
                  {{q4.device(stream), gpu::Access::read},
                   {k4.device(stream), gpu::Access::read},
                   {statistics.device(stream), gpu::Access::read},
                   {mask.device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  push, {tilesFor(cellRows, 8), heads, tilesFor(problem.keys, stretch)}, {problem.additive ? 1u : 0u});
  return result;
}

std::int64_t cellFor(std::int64_t n, std::int64_t most) {
  std::int64_t cell = 1;
  while ((n + cell - 1) / cell > most) cell *= 2;
  return cell;
}

AttentionReference attentionReference(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  const Shape valueShape = v.shape();
  const Problem problem = problemFor(q.shape(), k.shape(), &valueShape, options);
  const std::size_t H = problem.heads, n = problem.queries, m = problem.keys, d = problem.width, dv = problem.valueWidth;
  const auto vq = q.as<float>(), vk = k.as<float>(), vv = v.as<float>();
  const std::span<const float> mask = problem.additive ? options.additive.as<float>() : std::span<const float>();
  AttentionReference result{std::vector<double>(H * n * dv), std::vector<double>(H * n * m), std::vector<double>(H * n, -1e30),
                            std::vector<double>(H * n)};
  for (std::size_t h = 0; h < H; ++h) {
    const std::size_t g = h / (H / problem.keyHeads);
    for (std::size_t i = 0; i < n; ++i) {
      const auto [first, limit] = keysOfRow(problem, static_cast<std::int64_t>(i));
      const auto row = std::span(result.weights).subspan((h * n + i) * m, m);
      std::vector<double> scores(m);
      std::vector<bool> sees(m);
      double largest = -1e300;
      for (std::size_t j = 0; j < m; ++j) {
        sees[j] = static_cast<std::int64_t>(j) >= first && static_cast<std::int64_t>(j) < limit;
        const double added = problem.additive ? static_cast<double>(mask[h * problem.maskHead + i * m + j]) : 0.0;
        if (added < -1e29) sees[j] = false;
        if (!sees[j]) continue;
        double dot = 0;
        for (std::size_t c = 0; c < d; ++c)
          dot += static_cast<double>(vq[(h * n + i) * d + c]) * static_cast<double>(vk[(g * m + j) * d + c]);
        scores[j] = dot * problem.scale + added;
        largest = std::max(largest, scores[j]);
      }
      double sum = 0;
      for (std::size_t j = 0; j < m; ++j) {
        if (sees[j]) sum += row[j] = std::exp(scores[j] - largest);
      }
      if (sum == 0) continue;
      result.logSumExp[h * n + i] = largest + std::log(sum);
      for (std::size_t j = 0; j < m; ++j) {
        row[j] /= sum;
        if (row[j] > 0) result.entropy[h * n + i] -= row[j] * std::log(row[j]);
        for (std::size_t c = 0; c < dv; ++c) result.output[(h * n + i) * dv + c] += row[j] * static_cast<double>(vv[(g * m + j) * dv + c]);
      }
    }
  }
  return result;
}

std::array<std::vector<double>, 3> attentionGradientReference(const Tensor& gradient, const Tensor& q, const Tensor& k, const Tensor& v,
                                                              const AttentionOptions& options) {
  const Shape valueShape = v.shape();
  const Problem problem = problemFor(q.shape(), k.shape(), &valueShape, options);
  const std::size_t H = problem.heads, G = problem.keyHeads, n = problem.queries, m = problem.keys, d = problem.width,
                    e = problem.valueWidth;
  const AttentionReference forward = attentionReference(q, k, v, options);
  const auto vg = gradient.as<float>(), vq = q.as<float>(), vk = k.as<float>(), vv = v.as<float>();
  std::array<std::vector<double>, 3> result{std::vector<double>(H * n * d), std::vector<double>(G * m * d), std::vector<double>(G * m * e)};
  for (std::size_t h = 0; h < H; ++h) {
    const std::size_t g = h / (H / G);
    for (std::size_t i = 0; i < n; ++i) {
      const double* weights = forward.weights.data() + (h * n + i) * m;
      std::vector<double> toWeights(m);
      double mean = 0;
      for (std::size_t j = 0; j < m; ++j) {
        for (std::size_t c = 0; c < e; ++c) {
          const auto incoming = static_cast<double>(vg[(h * n + i) * e + c]);
          toWeights[j] += incoming * static_cast<double>(vv[(g * m + j) * e + c]);
          result[2][(g * m + j) * e + c] += weights[j] * incoming;
        }
        mean += weights[j] * toWeights[j];
      }
      for (std::size_t j = 0; j < m; ++j) {
        const double toScore = problem.scale * weights[j] * (toWeights[j] - mean);
        for (std::size_t c = 0; c < d; ++c) {
          result[0][(h * n + i) * d + c] += toScore * static_cast<double>(vk[(g * m + j) * d + c]);
          result[1][(g * m + j) * d + c] += toScore * static_cast<double>(vq[(h * n + i) * d + c]);
        }
      }
    }
  }
  return result;
}

namespace {

struct Case {
  std::string name;
  Shape q, k, v;
  AttentionOptions options;
  bool additive = false;
};

std::vector<Case> caseList() {
  const auto with = [](AttentionMask mask, std::int64_t parameter = 0, std::int64_t keys = -1, std::int64_t queries = -1) {
    AttentionOptions options;
    options.mask = mask, options.maskParameter = parameter, options.validKeys = keys, options.validQueries = queries;
    return options;
  };
  const auto square = [](std::int64_t heads, std::int64_t n, std::int64_t d) { return Shape{heads, n, d}; };
  // Around the tiles: 16 rows, 8 and 16 keys, whole texels or not, one value chunk or more.
  return {
      {"plain", square(3, 65, 64), square(3, 65, 64), square(3, 65, 64), {}},
      {"one token", square(1, 1, 4), square(1, 1, 4), square(1, 1, 4), {}},
      {"causal", square(2, 33, 32), square(2, 33, 32), square(2, 33, 32), with(AttentionMask::causal)},
      {"odd widths", square(2, 15, 13), square(2, 17, 13), square(2, 17, 7), {}},
      {"wide", square(1, 20, 128), square(1, 24, 128), square(1, 24, 100), {}},
      {"grouped, causal, unequal", square(6, 7, 8), square(2, 19, 8), square(2, 19, 8), with(AttentionMask::causal)},
      {"prefix", square(1, 31, 16), square(1, 31, 16), square(1, 31, 16), with(AttentionMask::prefix, 9)},
      {"blocks", square(2, 50, 8), square(2, 50, 8), square(2, 50, 8), with(AttentionMask::blocks, 11)},
      {"padding", square(2, 40, 8), square(2, 40, 8), square(2, 40, 8), with(AttentionMask::causal, 0, 21, 21)},
      {"nothing valid", square(1, 9, 8), square(1, 9, 8), square(1, 9, 8), with(AttentionMask::none, 0, 0)},
      {"mask tensor", square(2, 21, 8), square(2, 30, 8), square(2, 30, 8), {}, true},
      {"no rows", square(2, 0, 8), square(2, 5, 8), square(2, 5, 8), {}},
  };
}

struct Inputs {
  Tensor q, k, v;
};

Inputs inputsFor(const Case& c, AttentionOptions& options) {
  if (c.additive) {
    auto values = testFloats(c.q[1] * c.k[1], 43, -1, 1);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i % 5 == 2 || i / static_cast<std::size_t>(c.k[1]) == 3) values[i] = -1e30f;  // some pairs, and all of row 3
    }
    options.additive = Tensor::from(Shape{c.q[1], c.k[1]}, values);
  }
  return {Tensor::from(c.q, testFloats(c.q.count(), 40, -1.7, 1.7, options.variant)),
          Tensor::from(c.k, testFloats(c.k.count(), 41, -1.7, 1.7, options.variant)),
          Tensor::from(c.v, testFloats(c.v.count(), 42, -1, 1, options.variant))};
}

std::vector<double> interleaved(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> result;
  for (std::size_t i = 0; i < a.size(); ++i) result.insert(result.end(), {a[i], b[i]});
  return result;
}

std::vector<CheckCase> checks(gpu::Device& device) {
  std::vector<CheckCase> cases;
  for (const std::string_view variant : variantsWithMatrix(device)) {
    for (const Case& c : caseList()) {
      // Weights rounded to f16, by 2^-12 of each on average, are what separates matrices here: their inputs are eighths, exact in f16.
      const double tolerance = variant == "matrix" ? 5e-4 : 1e-5;
      // exp2 may be off by (3 + 2 |x|) ulp (specification, precision of SPIR-V instructions) and scores reach 10 here: 3e-6 of a weight;
      // weighted means cancel most of it. The statistics carry the same error and are of order 1 to 10.
      cases.push_back({std::string(variant) + " " + c.name, tolerance, [c, variant](gpu::Stream& stream) {
                         AttentionOptions options = c.options;
                         options.variant = variant;
                         const Inputs in = inputsFor(c, options);
                         const Attention found = attention(stream, in.q, in.k, in.v, options);
                         const AttentionReference expected = attentionReference(in.q, in.k, in.v, options);
                         return worse(compare(found.output, expected.output),
                                      compare(found.statistics, interleaved(expected.logSumExp, expected.entropy)));
                       }});
    }
  }
  for (const Case& c : caseList()) {
    for (const std::int64_t cell : {1, 2, 4, 8, 16}) {
      cases.push_back(
          {c.name + ", weights in cells of " + std::to_string(cell), 1e-5, [c, cell](gpu::Stream& stream) {
             AttentionOptions options = c.options;
             const Inputs in = inputsFor(c, options);
             const Attention found = attention(stream, in.q, in.k, in.v, options);
             const AttentionReference expected = attentionReference(in.q, in.k, in.v, options);
             const std::int64_t skip = c.q[1] > 4 ? 3 : 0, rows = c.q[1] - skip, H = c.q[0], n = c.q[1], m = c.k[1];
             const std::int64_t cellRows = (rows + cell - 1) / cell, cellColumns = (m + cell - 1) / cell, firstHead = H > 1 ? 1 : 0;
             const Tensor map =
                 attentionWeights(stream, in.q, in.k, found.statistics, {firstHead, H - firstHead, skip, rows, cell}, options);
             std::vector<double> largest(static_cast<std::size_t>((H - firstHead) * cellRows * cellColumns));
             for (std::int64_t h = firstHead; h < H; ++h) {
               for (std::int64_t i = skip; i < n; ++i) {
                 for (std::int64_t j = 0; j < m; ++j) {
                   double& best =
                       largest[static_cast<std::size_t>(((h - firstHead) * cellRows + (i - skip) / cell) * cellColumns + j / cell)];
                   best = std::max(best, expected.weights[static_cast<std::size_t>((h * n + i) * m + j)]);
                 }
               }
             }
             return compare(map, largest);
           }});
    }
  }
  return cases;
}

std::vector<CheckCase> gradientChecks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const char* variant : {"scalar", "subgroup"}) {
    for (const Case& c : caseList()) {
      // As forward; dS = P (dP - D) loses what dP and D, both of order 1, round: 1e-7 of each of the terms.
      cases.push_back({std::string(variant) + " " + c.name + ", gradients", 2e-5, [c, variant](gpu::Stream& stream) {
                         AttentionOptions options = c.options;
                         options.variant = variant;
                         const Inputs in = inputsFor(c, options);
                         const Attention found = attention(stream, in.q, in.k, in.v, options);
                         const Shape shape = found.output.shape();
                         const Tensor gradient = Tensor::from(shape, testFloats(shape.count(), 47, -1, 1));
                         const AttentionGradients gradients = attentionGradient(stream, gradient, in.q, in.k, in.v, found, options);
                         const auto expected = attentionGradientReference(gradient, in.q, in.k, in.v, options);
                         return worse(compare(gradients.q, expected[0]),
                                      worse(compare(gradients.k, expected[1]), compare(gradients.v, expected[2])));
                       }});
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  const std::string variant(variantWithMatrix(device, "attention"));
  for (const std::int64_t n : {197, 512, 1024}) {
    constexpr std::int64_t H = 12, d = 64;
    BenchCase bench;
    bench.shape = "12 heads, n " + std::to_string(n) + ", d 64";
    bench.variant = variant;
    bench.flops = 4.0 * static_cast<double>(H * n * n * d);
    bench.bytes = 16.0 * static_cast<double>(H * n * d);
    bench.computeBound = true;
    bench.prepare = [n](gpu::Stream&) {
      const Shape shape{H, n, d};
      const Tensor q = Tensor::from(shape, testFloats(shape.count(), 44, -1.7, 1.7)),
                   k = Tensor::from(shape, testFloats(shape.count(), 45, -1.7, 1.7));
      const Tensor v = Tensor::from(shape, testFloats(shape.count(), 46, -1, 1));
      return [q, k, v](gpu::Stream& s) { const Attention result = attention(s, q, k, v); };
    };
    cases.push_back(std::move(bench));
  }
  return cases;
}

std::vector<BenchCase> gradientBenches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  struct Size {
    std::int64_t heads, n, d;
  };
  for (const auto& [heads, n, d] : {Size{256, 64, 32}, Size{12, 197, 64}, Size{12, 512, 64}}) {
    BenchCase bench;
    bench.shape = std::to_string(heads) + " heads, n " + std::to_string(n) + ", d " + std::to_string(d);
    bench.variant = std::string(variantFor(device, "attention_gradient"));
    bench.flops = 14.0 * static_cast<double>(heads * n * n * d);  // seven products: the scores and their gradients twice
    bench.bytes = 28.0 * static_cast<double>(heads * n * d);
    bench.computeBound = true;
    bench.prepare = [shape = Shape{heads, n, d}](gpu::Stream& stream) {
      const Tensor q = Tensor::from(shape, testFloats(shape.count(), 44, -1.7, 1.7)),
                   k = Tensor::from(shape, testFloats(shape.count(), 45, -1.7, 1.7)),
                   v = Tensor::from(shape, testFloats(shape.count(), 46, -1, 1)),
                   gradient = Tensor::from(shape, testFloats(shape.count(), 47, -1, 1));
      const Attention forward = attention(stream, q, k, v);
      return [=](gpu::Stream& s) { const AttentionGradients result = attentionGradient(s, gradient, q, k, v, forward); };
    };
    cases.push_back(std::move(bench));
  }
  return cases;
}

const Registration<Kernel> registration{{"attention", "Scaled dot-product attention without the score matrix", checks, benches}};
const Registration<Kernel> gradientRegistration{
    {"attention_gradient", "Gradients of attention, weights made again", gradientChecks, gradientBenches}};

}  // namespace
}  // namespace orrery::kernels
