// Substitution: x_i = (b_i - sum_j T_ij x_j) / T_ii over the j solved before, i upwards for a lower and downwards for an upper op(T).

#include "core/kernels/triangular.h"

#include <array>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {
namespace {

std::uint32_t word(std::int64_t value) { return static_cast<std::uint32_t>(value); }

Tensor solve(gpu::Stream& stream, const Tensor& t, const Tensor* b, const TriangularOptions& options) {
  const std::int64_t own = squareMatrices("solveTriangular", t), n = t.shape()[-1];
  const Shape shape = b == nullptr ? t.shape() : b->shape();
  auto rows = shape.extents();
  const std::int64_t columns = rows.empty() ? 0 : rows.back();
  if (rows.size() > 1) rows.pop_back();
  auto expected = t.shape().extents();
  expected.pop_back();
  if ((b != nullptr && b->dtype() != DType::f32) || (rows != expected && (t.shape().rank() != 2 || shape.rank() < 2 || rows.back() != n))) {
    throw std::invalid_argument("solveTriangular: right-hand sides f32 [..., " + std::to_string(n) + ", m] are needed for matrices " +
                                t.shape().toString() + ", found " + shape.toString());
  }
  if (!options.order.empty() && (options.order.dtype() != DType::u32 || options.order.shape() != Shape(expected))) {
    throw std::invalid_argument("solveTriangular: an order u32 " + Shape(expected).toString() + " is needed, found " +
                                options.order.shape().toString());
  }
  Tensor result(shape);
  if (result.empty()) return result;
  const std::int64_t matrices = result.count() / (n * columns), steps = (n + 3) / 4;
  const bool wide = !stream.device().isCpu();
  const std::int64_t lanes = wide ? 64 : 8, blocks = (columns + lanes - 1) / lanes;
  requireIterations(stream.device(), "solveTriangular", steps * (steps - 1) / 2 + steps + n);
  const struct {
    std::uint32_t matrices, n, columns, blocks, stride;
  } push{word(matrices), word(n), word(columns), word(blocks), own == matrices ? word(n * n) : 0u};
  const gpu::BufferView values = t.device(stream);
  stream.dispatch(
      wide ? "kernels/triangular_solve@wide" : "kernels/triangular_solve",
      {{values, gpu::Access::read},
       {b == nullptr ? values : b->device(stream), gpu::Access::read},
       {options.order.empty() ? values : options.order.device(stream), gpu::Access::read},
       {result.deviceForWriting(stream), gpu::Access::readWrite}},
      push, groupPerMatrix(matrices * blocks),
      {options.upper == options.transposed ? 1u : 0u, options.transposed ? 1u : 0u, options.unitDiagonal ? 1u : 0u, n % 4 == 0 ? 1u : 0u,
       options.order.empty() ? 0u
       : options.orderResult ? 2u
                             : 1u,
       b == nullptr ? 1u : 0u});
  return result;
}

}  // namespace

std::int64_t squareMatrices(const char* name, const Tensor& x) {
  if (x.dtype() != DType::f32 || x.shape().rank() < 2 || x.shape()[-1] != x.shape()[-2]) {
    throw std::invalid_argument(std::string(name) + ": matrices [..., n, n] of f32 are needed, found " + std::string(nameOf(x.dtype())) +
                                " " + x.shape().toString());
  }
  std::int64_t matrices = 1;
  for (int axis = 0; axis + 2 < x.shape().rank(); ++axis) matrices *= x.shape()[axis];
  return matrices;
}

void requireFactorisable(const char* name, std::int64_t n) {
  if (n <= largestFactorised) return;
  throw std::length_error(std::string(name) + ": " + std::to_string(n) + " rows are more than the " + std::to_string(largestFactorised) +
                          " of its largest matrix");
}

gpu::Groups groupPerMatrix(std::int64_t matrices) {
  constexpr std::int64_t widest = 32768;
  return {word(std::min(matrices, widest)), word((matrices + widest - 1) / widest), 1};
}

Tensor solveTriangular(gpu::Stream& stream, const Tensor& t, const Tensor& b, const TriangularOptions& options) {
  return solve(stream, t, &b, options);
}

Tensor invertTriangular(gpu::Stream& stream, const Tensor& t, const TriangularOptions& options) {
  return solve(stream, t, nullptr, options);
}

Doubles solveTriangularReference(const Doubles& t, const Doubles& b, const TriangularOptions& options) {
  const std::int64_t n = t.shape[-1], columns = b.shape[-1];
  Doubles x(b.shape);
  if (x.empty()) return x;
  const std::int64_t matrices = b.shape.count() / (n * columns), stride = t.shape.count() == n * n ? 0 : n * n;
  const bool forward = options.upper == options.transposed;
  for (std::int64_t matrix = 0; matrix < matrices; ++matrix) {
    const auto at = [&](std::int64_t i, std::int64_t j) { return t[matrix * stride + (options.transposed ? j * n + i : i * n + j)]; };
    bool regular = true;
    for (std::int64_t i = 0; i < n; ++i) regular = regular && (options.unitDiagonal || at(i, i) != 0);
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t first = matrix * n * columns + c;
      for (std::int64_t step = 0; step < n; ++step) {
        const std::int64_t i = forward ? step : n - 1 - step;
        double sum = b[first + i * columns];
        for (std::int64_t j = forward ? 0 : i + 1; j < (forward ? i : n); ++j) sum -= at(i, j) * x[first + j * columns];
        x[first + i * columns] = options.unitDiagonal ? sum : sum / at(i, i);
      }
      for (std::int64_t i = 0; i < n && !regular; ++i) x[first + i * columns] = std::numeric_limits<double>::quiet_NaN();
    }
  }
  return x;
}

Tensor triangle(gpu::Stream& stream, const Tensor& x, bool upper, double diagonal) {
  squareMatrices("triangle", x);
  Tensor result(x.shape());
  if (x.empty()) return result;
  const struct {
    std::uint32_t count, n;
    float diagonal;
  } push{word(x.count()), word(x.shape()[-1]), static_cast<float>(diagonal)};
  const gpu::Groups groups = stridedGroups(x.count(), 512);
  requireIterations(stream.device(), "triangle", x.count() / (std::int64_t{groups.x} * 64) + 1);
  stream.dispatch("kernels/triangle", {{x.device(stream), gpu::Access::read}, {result.deviceForWriting(stream), gpu::Access::write}}, push,
                  groups, {upper ? 1u : 0u});
  return result;
}

namespace {

// Random, with a diagonal that keeps substitution tame: entries of order 1 / n beside a diagonal of 1 to 2.
Tensor tameTriangle(const Shape& shape, std::uint32_t seed) {
  auto values = testFloats(shape.count(), seed, -1, 1);
  const std::int64_t n = shape[-1];
  for (std::int64_t i = 0; i < shape.count(); ++i) {
    float& v = values[static_cast<std::size_t>(i)];
    v = i / n % n == i % n ? 1.5f + 0.5f * v : v / static_cast<float>(std::max<std::int64_t>(n, 2));
  }
  return Tensor::from(shape, values);
}

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  const std::tuple<Shape, Shape> shapes[] = {
      {Shape{9, 9}, Shape{9, 5}}, {Shape{3, 33, 33}, Shape{3, 33, 9}}, {Shape{65, 65}, Shape{65, 1}},
      {Shape{1, 1}, Shape{1, 1}}, {Shape{2, 2, 2}, Shape{2, 2, 3}},    {Shape{3, 3}, Shape{4, 3, 17}},
      {Shape{7, 7}, Shape{7, 8}}, {Shape{2, 8, 8}, Shape{2, 8, 8}},    {Shape{128, 128}, Shape{128, 20}},
      {Shape{0, 0}, Shape{0, 3}}, {Shape{0, 4, 4}, Shape{0, 4, 2}}};
  for (const auto& [ts, bs] : shapes) {
    for (const bool upper : {false, true}) {
      for (const bool transposed : {false, true}) {
        for (const bool unit : {false, true}) {
          std::string name = upper ? "upper" : "lower";
          if (transposed) name += " transposed";
          if (unit) name += " unit";
          // Backward stable: n times the condition number (below 4 here) times 6e-8, with signs mixed the square root of n.
          cases.push_back({name + " " + ts.toString() + " on " + bs.toString(), 4e-6, [=, ts = ts, bs = bs](gpu::Stream& stream) {
                             TriangularOptions options;
                             options.upper = upper, options.transposed = transposed, options.unitDiagonal = unit;
                             const Tensor t = tameTriangle(ts, 31), b = Tensor::from(bs, testFloats(bs.count(), 32, -1, 1));
                             return compare(solveTriangular(stream, t, b, options),
                                            solveTriangularReference(Doubles(t), Doubles(b), options).values);
                           }});
        }
      }
    }
  }
  for (const bool onResult : {false, true}) {
    // As above.
    cases.push_back(
        {onResult ? "rows of the result in an order" : "rows of the right-hand side in an order", 4e-6, [=](gpu::Stream& stream) {
           const Shape shape{2, 3, 3};
           const std::vector<std::uint32_t> order{2, 0, 1, 1, 0, 2};
           TriangularOptions options;
           options.order = Tensor::from(Shape{2, 3}, order), options.orderResult = onResult;
           const Tensor t = tameTriangle(shape, 33), b = Tensor::from(shape, testFloats(shape.count(), 34, -1, 1));
           const auto rowsAt = [&](const Doubles& x, bool gather) {
             Doubles y(x.shape);
             for (std::int64_t i = 0; i < 6; ++i) {
               const std::int64_t other = i / 3 * 3 + order[static_cast<std::size_t>(i)];
               for (std::int64_t c = 0; c < 3; ++c) (gather ? y[i * 3 + c] : y[other * 3 + c]) = x[(gather ? other : i) * 3 + c];
             }
             return y;
           };
           const Doubles found = onResult ? rowsAt(solveTriangularReference(Doubles(t), Doubles(b)), false)
                                          : solveTriangularReference(Doubles(t), rowsAt(Doubles(b), true));
           return compare(solveTriangular(stream, t, b, options), found.values);
         }});
  }
  // As above.
  cases.push_back({"inverse of [2, 9, 9]", 4e-6, [](gpu::Stream& stream) {
                     const Shape shape{2, 9, 9};
                     Doubles identity(shape);
                     for (std::int64_t i = 0; i < 18; ++i) identity[i * 9 + i % 9] = 1;
                     const Tensor t = tameTriangle(shape, 35);
                     return compare(invertTriangular(stream, t), solveTriangularReference(Doubles(t), identity).values);
                   }});
  for (const std::int64_t zeroAt : {0, 3, 4}) {
    cases.push_back(
        {"a zero at " + std::to_string(zeroAt) + " of one diagonal of three makes NaN there only", 4e-6, [=](gpu::Stream& stream) {
           const Shape shape{3, 5, 5}, rhs{3, 5, 9};
           Tensor t = tameTriangle(shape, 36);
           t.asMutable<float>()[static_cast<std::size_t>(25 + zeroAt * 6)] = 0;
           const Tensor b = Tensor::from(rhs, testFloats(rhs.count(), 37, -1, 1));
           return compare(solveTriangular(stream, t, b), solveTriangularReference(Doubles(t), Doubles(b)).values);
         }});
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  for (const auto& [matrices, n, columns] : {std::array<std::int64_t, 3>{512, 8, 64}, {32, 32, 256}, {4, 128, 512}}) {
    const Shape shape{matrices, n, n}, rhs{matrices, n, columns};
    cases.push_back({shape.toString() + " on " + rhs.toString(), device.isCpu() ? "" : "wide",
                     static_cast<double>(matrices * n * n * columns), 4.0 * static_cast<double>(shape.count() + 2 * rhs.count()), true,
                     [shape, rhs](gpu::Stream& stream) {
                       const Tensor t = tameTriangle(shape, 31), b = Tensor::from(rhs, testFloats(rhs.count(), 32, -1, 1));
                       t.device(stream), b.device(stream);
                       return [t, b](gpu::Stream& s) { solveTriangular(s, t, b); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"triangular_solve", "Solution of triangular systems with many right-hand sides", checks, benches}};

std::vector<CheckCase> triangleChecks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const Shape& shape : {Shape{5, 5}, Shape{1, 1}, Shape{3, 33, 33}, Shape{2, 3, 2, 2}, Shape{0, 0}, Shape{4, 65, 65}}) {
    for (const bool upper : {false, true}) {
      for (const double diagonal : {1.0, 0.5, 0.0}) {
        // Copies, and a product by a power of two.
        cases.push_back(
            {std::string(upper ? "upper " : "lower ") + shape.toString() + ", diagonal times " + std::to_string(diagonal).substr(0, 3), 0,
             [=](gpu::Stream& stream) {
               const Tensor x = Tensor::from(shape, testFloats(shape.count(), 38, -1, 1));
               Doubles expected(x);
               const std::int64_t n = shape[-1];
               for (std::int64_t at = 0; at < shape.count(); ++at) {
                 const std::int64_t i = at / n % n, j = at % n;
                 expected[at] *= i == j ? diagonal : (upper ? j > i : j < i) ? 1 : 0;
               }
               return compare(triangle(stream, x, upper, diagonal), expected.values);
             }});
      }
    }
  }
  return cases;
}

std::vector<BenchCase> triangleBenches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const Shape& shape : {Shape{512, 8, 8}, Shape{256, 32, 32}, Shape{256, 128, 128}}) {
    cases.push_back({shape.toString(), "", 0, 8.0 * static_cast<double>(shape.count()), false, [shape](gpu::Stream& stream) {
                       const Tensor x = Tensor::from(shape, testFloats(shape.count(), 38, -1, 1));
                       x.device(stream);
                       return [x](gpu::Stream& s) { triangle(s, x); };
                     }});
  }
  return cases;
}

const Registration<Kernel> triangleRegistration{{"triangle", "The lower or upper triangle of matrices", triangleChecks, triangleBenches}};

}  // namespace
}  // namespace orrery::kernels
