// Squared distances between all points of two sets, from the differences themselves: |a|^2 + |b|^2 - 2 a.b would cancel for close points.

#include "core/kernels/pairwise.h"

#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/fill.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {
namespace {

struct Sets {
  std::int64_t batches = 1, n = 0, m = 0, d = 0;
  Shape distances;
};

Sets setsOf(const Shape& a, const Shape& b) {
  const auto refuse = [&] {
    throw std::invalid_argument("pairwiseSquaredDistances: points [..., n, d] and [..., m, d] are needed, found " + a.toString() + " and " +
                                b.toString());
  };
  if (a.rank() < 2 || a.rank() != b.rank() || a[-1] != b[-1]) refuse();
  Sets sets;
  sets.n = a[-2], sets.m = b[-2], sets.d = a[-1];
  auto extents = a.extents();
  for (int axis = 0; axis < a.rank() - 2; ++axis) {
    if (a[axis] != b[axis]) refuse();
    sets.batches *= a[axis];
  }
  extents.back() = sets.m;
  sets.distances = Shape(std::move(extents));
  return sets;
}

Tensor run(gpu::Stream& stream, std::uint32_t mode, const Tensor& a, const Tensor& b, const Tensor& g, const Shape& shape, std::int64_t n,
           std::int64_t m, std::int64_t d, std::int64_t strideI, std::int64_t strideJ) {
  if (shape.count() == 0 || (mode == 0 ? d : m) == 0) return fill(stream, shape, 0.0f);
  Tensor result(shape);
  const auto word = [](std::int64_t value) { return static_cast<std::uint32_t>(value); };
  const gpu::Groups groups = stridedGroups(shape.count(), 64);
  requireIterations(stream.device(), "pairwiseSquaredDistances",
                    (shape.count() / (std::int64_t{groups.x} * 64) + 1) * ((mode == 0 ? d : m) * 65 / 64 + 2));
  const struct {
    std::uint32_t count, n, m, d, strideI, strideJ;
  } push{word(shape.count()), word(n), word(m), word(d), word(strideI), word(strideJ)};
  stream.dispatch("kernels/pairwise",
                  {{a.device(stream), gpu::Access::read},
                   {b.device(stream), gpu::Access::read},
                   {g.device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  push, groups, {mode});
  return result;
}

void requireFloats(const Tensor& tensor) {
  if (tensor.dtype() != DType::f32)
    throw std::invalid_argument("pairwiseSquaredDistances: f32 is needed, found " + std::string(nameOf(tensor.dtype())));
}

}  // namespace

Tensor pairwiseSquaredDistances(gpu::Stream& stream, const Tensor& a, const Tensor& b) {
  const Sets s = setsOf(a.shape(), b.shape());
  requireFloats(a), requireFloats(b);
  return run(stream, 0, a, b, a, s.distances, s.n, s.m, s.d, 0, 0);
}

PairwiseGradients pairwiseSquaredDistancesGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& a, const Tensor& b) {
  const Sets s = setsOf(a.shape(), b.shape());
  requireFloats(a), requireFloats(b), requireFloats(gradient);
  if (!(gradient.shape() == s.distances)) {
    throw std::invalid_argument("pairwiseSquaredDistancesGradient: expected a gradient " + s.distances.toString() + ", found " +
                                gradient.shape().toString());
  }
  return {run(stream, 1, a, b, gradient, a.shape(), s.n, s.m, s.d, s.m, 1),
          run(stream, 1, b, a, gradient, b.shape(), s.m, s.n, s.d, 1, s.m)};
}

namespace {

// Calls visit(place in D, first element of a's point, first element of b's point).
template <class Visit>
void forEachPair(const Sets& s, const Visit& visit) {
  for (std::int64_t batch = 0; batch < s.batches; ++batch)
    for (std::int64_t i = 0; i < s.n; ++i)
      for (std::int64_t j = 0; j < s.m; ++j) visit((batch * s.n + i) * s.m + j, (batch * s.n + i) * s.d, (batch * s.m + j) * s.d);
}

}  // namespace

Doubles pairwiseSquaredDistancesReference(const Doubles& a, const Doubles& b) {
  const Sets s = setsOf(a.shape, b.shape);
  Doubles result(s.distances);
  forEachPair(s, [&](std::int64_t at, std::int64_t pa, std::int64_t pb) {
    for (std::int64_t k = 0; k < s.d; ++k) result[at] += (a[pa + k] - b[pb + k]) * (a[pa + k] - b[pb + k]);
  });
  return result;
}

Doubles pairwiseGradientReference(const Doubles& gradient, const Doubles& a, const Doubles& b, bool toB) {
  const Sets s = setsOf(a.shape, b.shape);
  Doubles result(toB ? b.shape : a.shape);
  forEachPair(s, [&](std::int64_t at, std::int64_t pa, std::int64_t pb) {
    for (std::int64_t k = 0; k < s.d; ++k) {
      const double pull = 2 * gradient[at] * (a[pa + k] - b[pb + k]);
      (toB ? result[pb + k] : result[pa + k]) += toB ? -pull : pull;
    }
  });
  return result;
}

namespace {

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const auto& [sa, sb] : {std::pair<Shape, Shape>{Shape{9, 2}, Shape{7, 2}},
                               {Shape{2, 65, 3}, Shape{2, 33, 3}},
                               {Shape{1, 1}, Shape{1, 1}},
                               {Shape{3, 129}, Shape{5, 129}},
                               {Shape{0, 4}, Shape{3, 4}},
                               {Shape{4, 0}, Shape{3, 0}}}) {
    const Shape a = sa, b = sb;
    // Sums of at most 129 terms, each rounded a few times (6e-8), which add like a random walk.
    cases.push_back(
        {a.toString() + " and " + b.toString(), 2e-6, [=](gpu::Stream& stream) {
           const Tensor ta = Tensor::from(a, testFloats(a.count(), 321, -1, 1)), tb = Tensor::from(b, testFloats(b.count(), 322, -1, 1));
           return compare(pairwiseSquaredDistances(stream, ta, tb), pairwiseSquaredDistancesReference(Doubles(ta), Doubles(tb)).values);
         }});
    cases.push_back({a.toString() + " and " + b.toString() + " gradient", 2e-6, [=](gpu::Stream& stream) {
                       const Tensor ta = Tensor::from(a, testFloats(a.count(), 323, -1, 1)),
                                    tb = Tensor::from(b, testFloats(b.count(), 324, -1, 1));
                       const Shape shape = pairwiseSquaredDistancesReference(Doubles(ta), Doubles(tb)).shape;
                       const Tensor g = Tensor::from(shape, testFloats(shape.count(), 325, -1, 1));
                       const PairwiseGradients found = pairwiseSquaredDistancesGradient(stream, g, ta, tb);
                       return worse(compare(found.a, pairwiseGradientReference(Doubles(g), Doubles(ta), Doubles(tb), false).values),
                                    compare(found.b, pairwiseGradientReference(Doubles(g), Doubles(ta), Doubles(tb), true).values));
                     }});
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t n : {128, 512, 1024}) {
    const double count = static_cast<double>(n * n);
    cases.push_back({std::to_string(n) + " points of 16", "", 48 * count, 4 * count, true, [n](gpu::Stream&) {
                       const Tensor a = Tensor::from(Shape{n, 16}, testFloats(n * 16, 326, -1, 1));
                       return [a](gpu::Stream& s) { pairwiseSquaredDistances(s, a, a); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"pairwise", "Squared distances between all points of two sets, with gradients", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
