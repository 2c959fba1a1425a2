// Batched matrix product C[i, j] = sum_k A[i, k] B[k, j]. On CPU devices packed panels, one lane per block of columns and no shared memory
// (matmul.comp); on GPUs shared-memory tiles (matmul_tiled.comp), on request multiplied on cooperative matrices (matmul_matrix.comp).

#include "core/kernels/matmul.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/fill.h"
#include "core/kernels/kernel.h"
#include "core/kernels/permute.h"
#include "core/kernels/texel_pack.h"

namespace orrery::kernels {
namespace {

// What the product does, with the batch axes joined to at most three. Strides count matrices.
struct Plan {
  std::uint32_t M = 0, N = 0, K = 0;
  Shape result;
  std::int64_t batches = 1, matricesA = 1, matricesB = 1;
  std::array<std::uint32_t, 3> extent{1, 1, 1}, strideA{}, strideB{};  // axis 0 is the slowest
};

Shape leading(const Shape& shape) { return Shape(std::vector<std::int64_t>(shape.extents().begin(), shape.extents().end() - 2)); }

Plan planFor(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  const Shape &sa = a.shape(), &sb = b.shape();
  if (sa.rank() < 2 || sb.rank() < 2 || a.dtype() != DType::f32 || b.dtype() != DType::f32) {
    throw std::invalid_argument("matmul: two f32 tensors of rank 2 or more are needed, found " + sa.toString() + " and " + sb.toString());
  }
  Plan plan;
  const std::int64_t M = sa[options.transposeA ? -1 : -2], K = sa[options.transposeA ? -2 : -1], N = sb[options.transposeB ? -2 : -1];
  const std::int64_t otherK = sb[options.transposeB ? -1 : -2];
  const Shape batchA = leading(sa), batchB = leading(sb);
  const auto batch = broadcastShape(batchA, batchB);
  if (K != otherK || !batch) {
    throw std::invalid_argument("matmul: " + sa.toString() + (options.transposeA ? " transposed" : "") + " and " + sb.toString() +
                                (options.transposeB ? " transposed" : "") + " do not fit");
  }
  if (!options.bias.empty() && (options.bias.shape() != Shape{N} || options.bias.dtype() != DType::f32)) {
    throw std::invalid_argument("matmul: a bias of " + options.bias.shape().toString() + " does not fit " + std::to_string(N) + " columns");
  }
  plan.M = static_cast<std::uint32_t>(M), plan.N = static_cast<std::uint32_t>(N), plan.K = static_cast<std::uint32_t>(K);
  plan.batches = batch->count(), plan.matricesA = batchA.count(), plan.matricesB = batchB.count();
  auto extents = batch->extents();
  extents.push_back(M);
  extents.push_back(N);
  plan.result = Shape(std::move(extents));
  if (!options.residual.empty() && (options.residual.shape() != plan.result || options.residual.dtype() != DType::f32)) {
    throw std::invalid_argument("matmul: " + options.residual.shape().toString() + " cannot be added to a product of " +
                                plan.result.toString());
  }

  // Walk the batch axes from the last to the first and join those that both operands walk evenly.
  std::vector<std::array<std::uint32_t, 3>> axes;  // extent, stride in A, stride in B; fastest first
  std::int64_t nextA = 1, nextB = 1;
  for (int back = 1; back <= batch->rank(); ++back) {
    const auto extent = static_cast<std::uint32_t>((*batch)[-back]);
    const std::int64_t ea = back <= batchA.rank() ? batchA[-back] : 1, eb = back <= batchB.rank() ? batchB[-back] : 1;
    const auto stepA = static_cast<std::uint32_t>(ea == 1 ? 0 : nextA), stepB = static_cast<std::uint32_t>(eb == 1 ? 0 : nextB);
    nextA *= ea, nextB *= eb;
    if (extent == 1) continue;
    if (!axes.empty() && stepA == axes.back()[1] * axes.back()[0] && stepB == axes.back()[2] * axes.back()[0]) {
      axes.back()[0] *= extent;
    } else {
      axes.push_back({extent, stepA, stepB});
    }
  }
  if (axes.size() > 3) throw std::length_error("matmul: a broadcast of more than 3 uneven batch axes");
  for (std::size_t i = 0; i < axes.size(); ++i)
    plan.extent[2 - i] = axes[i][0], plan.strideA[2 - i] = axes[i][1], plan.strideB[2 - i] = axes[i][2];
  return plan;
}

// What the epilogue does, as specialisation constants: bias, residual, activation.
std::array<std::uint32_t, 3> epilogue(const MatmulOptions& options) {
  return {options.bias.empty() ? 0u : 1u, options.residual.empty() ? 0u : 1u,
          options.activation ? 1 + static_cast<std::uint32_t>(*options.activation) : 0u};
}

constexpr std::uint32_t tilesFor(std::uint32_t value, std::uint32_t step) { return (value + step - 1) / step; }

void recordScalar(gpu::Stream& stream, const Tensor& a, const Tensor& b, const MatmulOptions& options, const Plan& plan, Tensor& result) {
  const std::uint32_t M = plan.M, N = plan.N, K = plan.K;
  requireIterations(stream.device(), "matmul", tilesFor(K, 4));
  // Tiles of 32 columns where those of 64 would leave half of the last one empty.
  const bool narrow = (N - 1) % 64 < 32;
  const bool low = M <= 80 && (M - 1) % 32 < 16;  // tiles of 16 rows in place of 32, which feed on fewer reads of B
  const std::uint32_t width = narrow ? 32 : 64, rows = low ? 16 : 32;
  const std::uint32_t panelsA = tilesFor(M, rows), panelsB = tilesFor(N, width), steps = tilesFor(K, 4);
  struct {
    std::uint32_t M, N, steps, laneA, stepA, panelA, rowB, panelB, extent1, extent2;
    std::array<std::uint32_t, 3> batchA, batchB;
    float scale;
  } push{M, N, steps, 0, 0, 0, 0, 0, plan.extent[1], plan.extent[2], {}, {}, 1.0f};
  Tensor readA = a, readB = b;
  std::uint32_t matrixA = 0, matrixB = 0;  // texels per matrix

  // Read A in place when its rows are whole texels, unless the rows of a panel fall into the same cache set and many panels of B share it.
  const bool turned = options.transposeA && M % 4 == 0 && K % 4 == 0;
  if (turned) {
    push.laneA = M / 4, push.stepA = M, push.panelA = rows / 4, matrixA = M * steps;
  } else if (!options.transposeA && K % 4 == 0 && (K % 1024 != 0 || N <= 256)) {
    push.laneA = steps, push.stepA = 1, push.panelA = rows * steps, matrixA = M * steps;
  } else {
    TexelOrder order;
    order.extent = {panelsA, steps, rows};
    order.outerStep = {rows, 0, 1};
    order.innerStep = {0, 4, 0};
    order.outerLimit = M, order.innerLimit = K, order.batchStride = M * K;
    order.outerStride = options.transposeA ? 1 : K, order.innerStride = options.transposeA ? M : 1;
    readA = packTexels(stream, a, plan.matricesA, order);
    push.laneA = 1, push.stepA = rows, push.panelA = rows * steps, matrixA = panelsA * steps * rows;
  }

  // Read B in place when its rows are whole texels, unless they are so long that they fall into few cache sets and many rows of A share
  // them.
  if (!options.transposeB && N % 4 == 0 && K % 4 == 0 && (M <= 128 || N % 1024 != 0)) {
    push.rowB = N / 4, push.panelB = width / 4, matrixB = K * (N / 4);
  } else {
    TexelOrder order;
    order.extent = {panelsB, 4 * steps, width / 4};
    order.outerStep = {0, 1, 0};
    order.innerStep = {width, 0, 4};
    order.outerLimit = K, order.innerLimit = N, order.batchStride = K * N;
    order.outerStride = options.transposeB ? 1 : N, order.innerStride = options.transposeB ? K : 1;
    readB = packTexels(stream, b, plan.matricesB, order);
    push.rowB = width / 4, push.panelB = width * steps, matrixB = panelsB * steps * width;
  }
  for (std::size_t i = 0; i < 3; ++i) push.batchA[i] = plan.strideA[i] * matrixA, push.batchB[i] = plan.strideB[i] * matrixB;
  const gpu::Binding bindings[] = {{readA.device(stream), gpu::Access::read},
                                   {readB.device(stream), gpu::Access::read},
                                   {result.deviceForWriting(stream), gpu::Access::write},
                                   {(options.bias.empty() ? readA : options.bias).device(stream), gpu::Access::read},
                                   {(options.residual.empty() ? readA : options.residual).device(stream), gpu::Access::read}};
  const auto [biased, added, activation] = epilogue(options);
  const std::uint32_t constants[] = {biased, added, activation, narrow ? 1u : 0u, turned ? 1u : 0u, low ? 1u : 0u};
  // The plain product goes without constants: the pipeline that a lab warmed is the one that runs.
  const bool plain = std::all_of(std::begin(constants), std::end(constants), [](std::uint32_t c) { return c == 0; });
  stream.dispatch(N % 4 == 0 ? "kernels/matmul" : "kernels/matmul@ragged", bindings, std::as_bytes(std::span(&push, 1)),
                  {panelsA, panelsB, static_cast<std::uint32_t>(plan.batches)},
                  plain ? std::span<const std::uint32_t>() : std::span<const std::uint32_t>(constants));
}

// Tiles in shared memory; with `matrix` multiplied on cooperative matrices of that shape.
void recordTiled(gpu::Stream& stream, const Tensor& a, const Tensor& b, const MatmulOptions& options, const Plan& plan, Tensor& result,
                 const std::optional<gpu::MatrixShape>& matrix) {
  const std::uint32_t M = plan.M, N = plan.N, K = plan.K;
  // Sixteen steps take some 28 rounds of all loops, with four subgroups of 8 lanes that fill the tiles of matrices some 66.
  requireIterations(stream.device(), "matmul", std::int64_t{tilesFor(K, 16)} * (matrix ? 66 : 28));
  struct {
    std::uint32_t M, N, K, rowA, columnA, rowB, columnB, extent1, extent2;
    std::array<std::uint32_t, 3> batchA, batchB;
  } push{M,
         N,
         K,
         options.transposeA ? 1 : K,
         options.transposeA ? M : 1,
         options.transposeB ? 1 : N,
         options.transposeB ? K : 1,
         plan.extent[1],
         plan.extent[2],
         {},
         {}};
  for (std::size_t i = 0; i < 3; ++i) push.batchA[i] = plan.strideA[i] * M * K, push.batchB[i] = plan.strideB[i] * K * N;
  const gpu::Binding bindings[] = {{a.device(stream), gpu::Access::read},
                                   {b.device(stream), gpu::Access::read},
                                   {result.deviceForWriting(stream), gpu::Access::write},
                                   {(options.bias.empty() ? a : options.bias).device(stream), gpu::Access::read},
                                   {(options.residual.empty() ? a : options.residual).device(stream), gpu::Access::read}};
  const auto batches = static_cast<std::uint32_t>(plan.batches);
  const auto [biased, added, activation] = epilogue(options);
  if (matrix) {
    const std::uint32_t constants[] = {biased, added, activation, 4 * matrix->lanes, matrix->m, matrix->n, matrix->k};
    stream.dispatch("kernels/matmul_matrix", bindings, std::as_bytes(std::span(&push, 1)),
                    {tilesFor(M, 4 * matrix->m), tilesFor(N, 4 * matrix->n), batches}, constants);
    return;
  }
  const std::uint32_t constants[] = {biased, added, activation};
  const bool plain = epilogue(options) == std::array<std::uint32_t, 3>{};
  stream.dispatch("kernels/matmul_tiled", bindings, std::as_bytes(std::span(&push, 1)), {tilesFor(M, 64), tilesFor(N, 64), batches},
                  plain ? std::span<const std::uint32_t>() : std::span<const std::uint32_t>(constants));
}

}  // namespace

Tensor matmul(gpu::Stream& stream, const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  const Plan plan = planFor(a, b, options);
  Tensor result(plan.result);
  if (result.empty()) return result;
  if (plan.K == 0) {
    Tensor value = fill(stream, plan.result, 0.0f);
    if (!options.bias.empty()) value = binary(stream, Binary::add, value, options.bias);
    if (options.activation) value = unary(stream, *options.activation, value);
    return options.residual.empty() ? value : binary(stream, Binary::add, value, options.residual);
  }
  // A column or a few, summed over many rows: the transposed product wastes fewer of a tile's columns.
  if (plan.batches == 1 && plan.N <= 16 && plan.M >= 4 * plan.N && plan.K >= 512 && epilogue(options) == std::array<std::uint32_t, 3>{} &&
      a.shape().rank() == 2 && b.shape().rank() == 2) {
    MatmulOptions swapped = options;
    swapped.transposeA = !options.transposeB, swapped.transposeB = !options.transposeA;
    return permute(stream, matmul(stream, b, a, swapped), {1, 0});
  }
  if (plan.batches > 65535 || result.bytes() > stream.device().maxBufferRange()) {
    throw std::length_error("matmul: a result of " + plan.result.toString() + " is more than this device can bind at once");
  }
  const auto matrix = runsMatrix(stream.device(), "matmul", options.variant);
  if (!matrix && runsScalar(stream.device(), "matmul", options.variant)) {
    recordScalar(stream, a, b, options, plan, result);
  } else {
    recordTiled(stream, a, b, options, plan, result, matrix);
  }
  return result;
}

std::vector<double> matmulReference(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  const Plan plan = planFor(a, b, options);
  const std::size_t M = plan.M, N = plan.N, K = plan.K;
  const auto va = a.as<float>(), vb = b.as<float>();
  std::vector<double> result(static_cast<std::size_t>(plan.result.count()), 0.0);
  if (!options.bias.empty()) {
    const auto bias = options.bias.as<float>();
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = static_cast<double>(bias[i % N]);
  }
  for (std::size_t batch = 0; batch < static_cast<std::size_t>(plan.batches); ++batch) {
    const std::size_t i2 = batch % plan.extent[2], i1 = batch / plan.extent[2] % plan.extent[1],
                      i0 = batch / plan.extent[2] / plan.extent[1];
    const std::size_t atA = (i0 * plan.strideA[0] + i1 * plan.strideA[1] + i2 * plan.strideA[2]) * M * K;
    const std::size_t atB = (i0 * plan.strideB[0] + i1 * plan.strideB[1] + i2 * plan.strideB[2]) * K * N;
    for (std::size_t m = 0; m < M; ++m) {
      for (std::size_t k = 0; k < K; ++k) {
        const double left = va[atA + (options.transposeA ? k * M + m : m * K + k)];
        for (std::size_t n = 0; n < N; ++n) {
          result[(batch * M + m) * N + n] += left * static_cast<double>(vb[atB + (options.transposeB ? n * K + k : k * N + n)]);
        }
      }
    }
  }
  if (options.activation) {
    for (double& value : result) value = unaryReference(*options.activation, value);
  }
  if (!options.residual.empty()) {
    const auto residual = options.residual.as<float>();
    for (std::size_t i = 0; i < result.size(); ++i) result[i] += static_cast<double>(residual[i]);
  }
  return result;
}

namespace {

std::vector<CheckCase> checks(gpu::Device& device) {
  struct Case {
    Shape a, b;
    bool transposeA = false, transposeB = false, biased = false;
  };
  // Around the tiles (16, 32 and 64 rows, 32 and 64 columns, 4 and 16 steps), whole texels or not, in place and packed, with batches that
  // broadcast.
  const std::vector<Case> list{
      {Shape{65, 33}, Shape{33, 67}},
      {Shape{1, 1}, Shape{1, 1}},
      {Shape{7, 16}, Shape{16, 64}},
      {Shape{9, 15}, Shape{15, 63}},
      {Shape{64, 64}, Shape{64, 64}},
      {Shape{63, 20}, Shape{20, 68}},
      {Shape{33, 65}, Shape{33, 67}, true, false},
      {Shape{65, 33}, Shape{67, 33}, false, true},
      {Shape{32, 12}, Shape{20, 32}, true, true},
      {Shape{2, 3, 17, 8}, Shape{2, 3, 8, 12}},
      {Shape{2, 1, 17, 9}, Shape{3, 9, 13}},
      {Shape{5, 9}, Shape{4, 9, 5}},
      {Shape{3, 1, 2, 10, 8}, Shape{1, 4, 1, 6, 8}, false, true},
      {Shape{0, 8}, Shape{8, 5}},
      {Shape{6, 0}, Shape{0, 5}},
      {Shape{136, 256}, Shape{256, 512}},
      {Shape{17, 1024}, Shape{1024, 260}},
      {Shape{15, 8}, Shape{8, 66}},
      {Shape{3, 2000}, Shape{2000, 5}},
      {Shape{70, 600}, Shape{600, 3}},
      {Shape{600, 70}, Shape{3, 600}, true, true},
      {Shape{33, 12}, Shape{20, 12}, false, true, true},
      {Shape{20, 36}, Shape{20, 28}, true, false, true},
      {Shape{3, 64, 68}, Shape{3, 64, 96}, true, false},
      {Shape{4, 12}, Shape{68, 4}, true, true},
      {Shape{2, 8, 33}, Shape{2, 8, 4}, true, false},
      {Shape{40, 16}, Shape{40, 100}, true, false, true},
      {Shape{2, 33, 12}, Shape{12, 67}, false, false, true},
      {Shape{3, 0}, Shape{0, 5}, false, false, true},
      {Shape{16, 20}, Shape{20, 129}},
      {Shape{17, 20}, Shape{20, 127}},
      {Shape{31, 24}, Shape{24, 128}},
      {Shape{32, 32}, Shape{32, 132}},
      {Shape{33, 8}, Shape{8, 64}},
      {Shape{48, 8}, Shape{8, 36}},
      {Shape{97, 12}, Shape{12, 68}},
      {Shape{36, 12}, Shape{36, 132}, true, false},
      {Shape{8, 40}, Shape{8, 64}, true, false},
      {Shape{8, 100}, Shape{8, 64}, true, false},
      {Shape{130, 1024}, Shape{1024, 260}},
      {Shape{130, 8}, Shape{8, 2048}},
  };
  std::vector<CheckCase> cases;
  for (const std::string_view variant : variantsWithMatrix(device)) {
    for (const Case& c : list) {
      MatmulOptions options{c.transposeA, c.transposeB, {}, variant};
      const std::string name = std::string(variant) + " " + c.a.toString() + (c.transposeA ? "ᵀ " : " ") + c.b.toString() +
                               (c.transposeB ? "ᵀ" : "") + (c.biased ? " + bias" : "");
      // A sum of K products in [-1, 1] reaches about sqrt(K)/3; each of its K roundings is 6e-8 of the running sum and they add like a
      // random walk: about 6e-8 sqrt(K) of the scale, 3e-6 at K = 2000.
      cases.push_back({name, 5e-6, [c, options](gpu::Stream& stream) mutable {
                         const std::int64_t columns = c.b[c.transposeB ? -2 : -1];
                         if (c.biased) options.bias = Tensor::from(Shape{columns}, testFloats(columns, 35, -1, 1));
                         const Tensor a = Tensor::from(c.a, testFloats(c.a.count(), 31, -1, 1, options.variant)),
                                      b = Tensor::from(c.b, testFloats(c.b.count(), 32, -1, 1, options.variant));
                         return compare(matmul(stream, a, b, options), matmulReference(a, b, options));
                       }});
    }
  }
  // Numbers that f16 rounds, by 2^-12 of them on average: a sum of K products is off by about sqrt(K) times a third of that.
  if (gpu::matrixShape(device)) {
    cases.push_back({"matrix [65, 130] [130, 67], rounded to f16", 3e-3, [](gpu::Stream& stream) {
                       const Tensor a = Tensor::from(Shape{65, 130}, testFloats(65 * 130, 31, -1, 1)),
                                    b = Tensor::from(Shape{130, 67}, testFloats(130 * 67, 32, -1, 1));
                       return compare(matmul(stream, a, b, {.variant = "matrix"}), matmulReference(a, b, {}));
                     }});
  }
  // Epilogues, on whole texels and ragged rows, wide and narrow tiles, and where there is nothing to sum.
  for (const std::string_view variant : variantsWithMatrix(device)) {
    for (const auto& [K, N] : {std::pair<std::int64_t, std::int64_t>{12, 64}, {7, 33}, {20, 68}, {5, 2}, {0, 5}}) {
      for (const auto activation : {std::optional<Unary>(), std::optional(Unary::relu), std::optional(Unary::gelu)}) {
        const std::string name = fmt::format("{} [33, {}] [{}, {}] + bias, {}, + residual", variant, K, K, N,
                                             activation ? *activation == Unary::relu ? "relu" : "gelu" : "nothing");
        // Sums of a few products of numbers up to 1 and erf to 1.5e-7.
        cases.push_back({name, 5e-6, [=, k = K, n = N, of = activation](gpu::Stream& stream) {
                           const Tensor a = Tensor::from(Shape{33, k}, testFloats(33 * k, 36, -1, 1, variant)),
                                        b = Tensor::from(Shape{k, n}, testFloats(k * n, 37, -1, 1, variant));
                           MatmulOptions options;
                           options.variant = variant;
                           options.bias = Tensor::from(Shape{n}, testFloats(n, 38, -1, 1));
                           options.activation = of;
                           options.residual = Tensor::from(Shape{33, n}, testFloats(33 * n, 39, -1, 1));
                           return compare(matmul(stream, a, b, options), matmulReference(a, b, options));
                         }});
      }
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  const std::string variant(variantWithMatrix(device, "matmul"));
  for (const std::int64_t n : {256, 512, 1024}) {
    BenchCase bench;
    bench.shape = std::to_string(n) + "x" + std::to_string(n) + "x" + std::to_string(n);
    bench.variant = variant;
    bench.flops = 2.0 * static_cast<double>(n * n * n);
    bench.bytes = 12.0 * static_cast<double>(n * n);
    bench.computeBound = true;
    bench.prepare = [n](gpu::Stream&) {
      const Tensor a = Tensor::from(Shape{n, n}, testFloats(n * n, 33, -1, 1)), b = Tensor::from(Shape{n, n}, testFloats(n * n, 34, -1, 1));
      return [a, b](gpu::Stream& stream) { const Tensor c = matmul(stream, a, b); };
    };
    cases.push_back(std::move(bench));
  }
  return cases;
}

const Registration<Kernel> registration{{"matmul", "Batched matrix product, either operand transposed", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
