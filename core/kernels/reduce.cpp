// Reductions along an axis. Axes of more than 4096 elements are cut into chunks when there are few of them, reduced in two dispatches.

#include "core/kernels/reduce.h"

#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/fill.h"
#include "core/kernels/kernel.h"
#include "core/kernels/rows.h"

namespace orrery::kernels {
namespace {

constexpr std::int64_t chunkElements = 4096;  // 128 texels a lane in the smallest group: long enough to hide the exchange at its end
constexpr std::int64_t enoughItems = 64;      // rows or columns that keep every core busy without chunks

struct Stage {
  Tensor values, places;
};

// Reduces chunks of the axis: results [outer, chunks, inner].
Stage runStage(gpu::Stream& stream, const Tensor& x, const Tensor* earlierPlaces, const AxisSplit& split, std::int64_t chunks,
               std::int64_t chunk, Reduction operation, double factor, std::string_view variant) {
  const std::int64_t items = split.outer * chunks * split.inner;
  const bool columns = split.inner > 1, argmax = operation == Reduction::argmax;
  const RowPlan plan = planRows(stream.device(), "reduce", variant, items, std::min(split.n, chunk), columns);
  Stage stage{Tensor(Shape{split.outer, chunks, split.inner}), Tensor(Shape{argmax ? items : 1}, DType::u32)};
  const struct {
    std::uint32_t rows, n, inner, chunks, chunk;
    float factor;
  } push{static_cast<std::uint32_t>(columns ? split.outer * split.inner : split.outer),
         static_cast<std::uint32_t>(split.n),
         static_cast<std::uint32_t>(split.inner),
         static_cast<std::uint32_t>(chunks),
         static_cast<std::uint32_t>(chunk),
         static_cast<float>(factor)};
  const std::uint32_t code = argmax ? 2 : operation == Reduction::max ? 1 : 0;
  stream.dispatch(plan.shader,
                  {{x.device(stream), gpu::Access::read},
                   {(earlierPlaces != nullptr ? *earlierPlaces : x).device(stream), gpu::Access::read},
                   {stage.values.deviceForWriting(stream), gpu::Access::write},
                   {stage.places.deviceForWriting(stream), gpu::Access::write}},
                  push, plan.groups, {static_cast<std::uint32_t>(plan.mode), code, earlierPlaces != nullptr ? 1u : 0u});
  return stage;
}

}  // namespace

Tensor reduce(gpu::Stream& stream, const Tensor& x, int axis, Reduction operation, std::string_view variant) {
  const int wrapped = wrappedAxis(x.shape(), axis);
  if (wrapped < 0) throw std::invalid_argument("reduce: " + x.shape().toString() + " has no axis " + std::to_string(axis));
  const AxisSplit split = splitAt(x.shape(), wrapped);
  auto extents = x.shape().extents();
  extents.erase(extents.begin() + wrapped);
  const Shape shape(std::move(extents));
  if (shape.count() == 0) return Tensor(shape, operation == Reduction::argmax ? DType::i32 : DType::f32);
  if (split.n == 0) {
    if (operation != Reduction::sum)
      throw std::invalid_argument("reduce: axis " + std::to_string(axis) + " of " + x.shape().toString() + " is empty");
    return fill(stream, shape, 0.0f);
  }
  const double factor = operation == Reduction::mean ? 1.0 / static_cast<double>(split.n) : 1.0;
  const bool cut = split.n > chunkElements && split.outer * split.inner < enoughItems;
  Stage stage;
  if (!cut) {
    stage = runStage(stream, x, nullptr, split, 1, (split.n + 3) / 4 * 4, operation, factor, variant);
  } else {
    const std::int64_t chunks = (split.n + chunkElements - 1) / chunkElements;
    const Stage first = runStage(stream, x, nullptr, split, chunks, chunkElements, operation, 1, variant);
    const AxisSplit rest{split.outer, chunks, split.inner};
    stage = runStage(stream, first.values, operation == Reduction::argmax ? &first.places : nullptr, rest, 1, (chunks + 3) / 4 * 4,
                     operation, factor, variant);
  }
  if (operation != Reduction::argmax) return stage.values.reshaped(shape);
  // Places are below 2^31, so the words are the same.
  Tensor places(shape, DType::i32);
  stream.copy(stage.places.device(stream), places.deviceForWriting(stream));
  return places;
}

Tensor reduceAll(gpu::Stream& stream, const Tensor& x, Reduction operation, std::string_view variant) {
  return reduce(stream, x.reshaped(Shape{x.count()}), 0, operation, variant);
}

std::vector<double> reduceReference(const Tensor& x, int axis, Reduction operation) {
  const AxisSplit split = splitAt(x.shape(), wrappedAxis(x.shape(), axis));
  const auto values = x.as<float>();
  std::vector<double> result(static_cast<std::size_t>(split.outer * split.inner));
  for (std::int64_t o = 0; o < split.outer; ++o) {
    for (std::int64_t c = 0; c < split.inner; ++c) {
      double sum = 0, best = -1e300, place = 0;
      for (std::int64_t j = 0; j < split.n; ++j) {
        const double value = values[static_cast<std::size_t>((o * split.n + j) * split.inner + c)];
        sum += value;
        if (value > best) best = value, place = static_cast<double>(j);
      }
      result[static_cast<std::size_t>(o * split.inner + c)] = operation == Reduction::sum    ? sum
                                                              : operation == Reduction::mean ? sum / static_cast<double>(split.n)
                                                              : operation == Reduction::max  ? best
                                                                                             : place;
    }
  }
  return result;
}

namespace {

std::vector<CheckCase> checks(gpu::Device&) {
  struct Case {
    Shape shape;
    int axis;
  };
  const std::vector<Case> list{{Shape{3, 65, 7}, 1}, {Shape{3, 65, 7}, 0}, {Shape{3, 65, 7}, -1}, {Shape{1}, 0},
                               {Shape{31}, 0},       {Shape{33}, 0},       {Shape{4096}, 0},      {Shape{4097}, 0},
                               {Shape{3, 70001}, 1}, {Shape{9000, 3}, 0},  {Shape{100, 129}, 1},  {Shape{2, 5000, 2}, 1},
                               {Shape{0, 5}, 1},     {Shape{70, 5000}, 1}};
  std::vector<CheckCase> cases;
  for (const char* variant : {"scalar", "subgroup"}) {
    for (const Case& c : list) {
      for (const Reduction operation : {Reduction::sum, Reduction::mean, Reduction::max, Reduction::argmax}) {
        const char* name = operation == Reduction::sum    ? " sum "
                           : operation == Reduction::mean ? " mean "
                           : operation == Reduction::max  ? " max "
                                                          : " argmax ";
        // Values in [0, 1) do not cancel, so errors can be stated relative to the sum: each addition loses half an ulp (6e-8) of a partial
        // sum and blocks of 64 terms keep the chains short. Largest values and places are exact.
        const double tolerance = operation == Reduction::sum || operation == Reduction::mean ? 1e-6 : 0;
        cases.push_back({std::string(variant) + name + "axis " + std::to_string(c.axis) + " of " + c.shape.toString(), tolerance,
                         [c, operation, variant](gpu::Stream& stream) {
                           // Rounded to 1/512, so that equal values occur and the first must win.
                           auto values = testFloats(c.shape.count(), 71, operation == Reduction::max ? -1 : 0, 1);
                           if (operation == Reduction::argmax)
                             for (float& value : values) value = std::round(value * 512) / 512;
                           const Tensor x = Tensor::from(c.shape, values);
                           const Tensor found = reduce(stream, x, c.axis, operation, variant);
                           const auto expected = reduceReference(x, c.axis, operation);
                           if (operation != Reduction::argmax) return compare(found, expected);
                           return compareExactly(found, std::vector<std::int32_t>(expected.begin(), expected.end()));
                         }});
      }
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  const std::string variant(variantFor(device, "reduce"));
  for (const std::int64_t n : {std::int64_t{1} << 16, std::int64_t{1} << 20, std::int64_t{1} << 22}) {
    BenchCase bench;
    bench.shape = std::to_string(n) + " sum";
    bench.variant = variant;
    bench.flops = static_cast<double>(n);
    bench.bytes = 4.0 * static_cast<double>(n);
    bench.prepare = [n](gpu::Stream&) {
      const Tensor x = Tensor::from(Shape{n}, testFloats(n, 72, -1, 1));
      return [x](gpu::Stream& s) { reduceAll(s, x, Reduction::sum); };
    };
    cases.push_back(std::move(bench));
  }
  return cases;
}

const Registration<Kernel> registration{{"reduce", "Sum, mean, largest value and its place along an axis", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
