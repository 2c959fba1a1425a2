// Operators that move elements and compute with shapes.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "core/base/text.h"
#include "core/models/onnx/operators.h"

namespace orrery::models::onnx {

namespace {

using Values = std::vector<Value>;
using Places = std::vector<std::int64_t>;

Value whole(const Places& numbers) {
  return {Shape{static_cast<std::int64_t>(numbers.size())}, std::vector<double>(numbers.begin(), numbers.end()), Kind::integer};
}

[[noreturn]] void refuse(std::string message) { throw std::invalid_argument(std::move(message)); }

// Axes counted from the end become places, in order, each once.
std::vector<int> sortedAxes(const Places& axes, int rank) {
  std::vector<int> result;
  for (const std::int64_t axis : axes) result.push_back(axisOf(axis, rank));
  std::sort(result.begin(), result.end());
  if (std::adjacent_find(result.begin(), result.end()) != result.end()) refuse(tr("an axis is named twice"));
  return result;
}

Values shapeOf(const Call& c) {
  const Shape& shape = c.input(0).shape;
  const auto clamped = [&](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? at + shape.rank() : at, 0, shape.rank()); };
  const std::int64_t begin = clamped(c.integer("start", 0)), end = clamped(c.integer("end", shape.rank()));
  Places extents;
  for (std::int64_t i = begin; i < end; ++i) extents.push_back(shape[static_cast<int>(i)]);
  return {whole(extents)};
}
const Registration<Operator> shape{{"Shape", shapeOf}};
const Registration<Operator> size{{"Size", [](const Call& c) -> Values {
                                     return {Value(Shape{}, std::vector<double>{static_cast<double>(c.input(0).count())}, Kind::integer)};
                                   }}};

Values reshape(const Call& c) {
  const Value& x = c.input(0);
  Places wanted = c.listed("shape", 1);
  const bool zeros = c.integer("allowzero", 0) != 0;
  std::int64_t known = 1, open = -1;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == 0 && !zeros) {
      if (i >= static_cast<std::size_t>(x.shape.rank())) refuse(trf("extent {} is kept, but {} has no such axis", i, x.shape.toString()));
      wanted[i] = x.shape[static_cast<int>(i)];
    }
    if (wanted[i] < -1) refuse(trf("an extent of {} is asked for", wanted[i]));
    if (wanted[i] == -1) {
      if (open >= 0) refuse(tr("two extents are left open"));
      open = static_cast<std::int64_t>(i);
    } else if (__builtin_mul_overflow(known, wanted[i], &known)) {
      refuse(tr("the extents overflow"));
    }
  }
  if (open >= 0) {
    if (known == 0 || x.count() % known != 0) refuse(trf("{} cannot be seen as {}", x.shape.toString(), Shape(wanted).toString()));
    wanted[static_cast<std::size_t>(open)] = x.count() / known;
  }
  return {c.math.reshape(x, Shape(wanted))};
}
const Registration<Operator> reshapeOperator{{"Reshape", reshape}};

const Registration<Operator> flatten{{"Flatten", [](const Call& c) -> Values {
                                        const Value& x = c.input(0);
                                        const std::int64_t given = c.integer("axis", 1);
                                        const int axis = given == x.shape.rank() ? x.shape.rank() : axisOf(given, x.shape.rank());
                                        std::int64_t rows = 1;
                                        for (int i = 0; i < axis; ++i) rows *= x.shape[i];
                                        std::int64_t columns = 1;
                                        for (int i = axis; i < x.shape.rank(); ++i) columns *= x.shape[i];
                                        return {c.math.reshape(x, Shape{rows, columns})};
                                      }}};
const Registration<Operator> transpose{{"Transpose", [](const Call& c) -> Values {
                                          const int rank = c.input(0).shape.rank();
                                          std::vector<int> axes;
                                          for (const std::int64_t axis : c.integers("perm")) axes.push_back(axisOf(axis, rank));
                                          if (!c.has("perm")) {
                                            for (int i = rank - 1; i >= 0; --i) axes.push_back(i);
                                          }
                                          return {c.math.permute(c.input(0), axes)};
                                        }}};
const Registration<Operator> squeeze{{"Squeeze", [](const Call& c) -> Values {
                                        const Shape& from = c.input(0).shape;
                                        const Places given = c.listed("axes", 1);
                                        const auto axes = sortedAxes(given, from.rank());
                                        const bool all = !c.has("axes") && c.optional(1) == nullptr;
                                        Places extents;
                                        for (int i = 0; i < from.rank(); ++i) {
                                          const bool named = std::binary_search(axes.begin(), axes.end(), i);
                                          if (named && from[i] != 1) refuse(trf("axis {} of {} is not 1", i, from.toString()));
                                          if (!named && !(all && from[i] == 1)) extents.push_back(from[i]);
                                        }
                                        return {c.math.reshape(c.input(0), Shape(extents))};
                                      }}};
const Registration<Operator> unsqueeze{{"Unsqueeze", [](const Call& c) -> Values {
                                          const Shape& from = c.input(0).shape;
                                          const Places given = c.listed("axes", 1);
                                          const auto axes = sortedAxes(given, from.rank() + static_cast<int>(given.size()));
                                          Places extents;
                                          int next = 0;
                                          for (int i = 0; i < from.rank() + static_cast<int>(given.size()); ++i)
                                            extents.push_back(std::binary_search(axes.begin(), axes.end(), i) ? 1 : from[next++]);
                                          return {c.math.reshape(c.input(0), Shape(extents))};
                                        }}};

// Extents from an untrusted list.
Shape shapeFrom(const Places& extents) {
  for (const std::int64_t e : extents) {
    if (e < 0) refuse(trf("an extent of {} is asked for", e));
  }
  return bounded(Shape(extents));
}
const Registration<Operator> expand{
    {"Expand", [](const Call& c) -> Values { return {c.math.expand(c.input(0), shapeFrom(c.math.wholeNumbers(c.input(1))))}; }}};
const Registration<Operator> constantOfShape{{"ConstantOfShape", [](const Call& c) -> Values {
                                                const Shape to = shapeFrom(c.math.wholeNumbers(c.input(0)));
                                                const Value* value = c.tensor("value");
                                                if (value == nullptr) return {c.math.filled(to, 0, Kind::real)};
                                                if (value->count() != 1) refuse(tr("one value is needed"));
                                                return {c.math.filled(to, value->host->front(), value->kind)};
                                              }}};
Values constant(const Call& c) {
  for (const char* id : {"value", "sparse_value"}) {
    if (const Value* value = c.tensor(id)) return {*value};
  }
  if (c.has("value_float")) return {Value(Shape{}, std::vector<double>{c.real("value_float", 0)})};
  if (c.has("value_int")) return {Value(Shape{}, std::vector<double>{static_cast<double>(c.integer("value_int", 0))}, Kind::integer)};
  if (c.has("value_ints")) return {whole(c.integers("value_ints"))};
  if (c.has("value_floats")) {
    const auto reals = c.reals("value_floats");
    return {Value(Shape{static_cast<std::int64_t>(reals.size())}, reals)};
  }
  refuse(tr("a constant without a number"));
}
const Registration<Operator> constantOperator{{"Constant", constant}};

const Registration<Operator> range{{"Range", [](const Call& c) -> Values {
                                      const auto one = [&](std::size_t i) {
                                        if (c.input(i).count() != 1) refuse(tr("one value is needed"));
                                        return c.math.hostOf(c.input(i))->front();
                                      };
                                      const double start = one(0), limit = one(1), step = one(2);
                                      const double count = std::max(std::ceil((limit - start) / step), 0.0);
                                      if (!(count < 1e9)) refuse(trf("a range from {} to {} by {} does not end", start, limit, step));
                                      const auto n = static_cast<std::int64_t>(count);
                                      const Shape to{n};
                                      static_cast<void>(bounded(to));
                                      std::vector<double> values;
                                      for (std::int64_t i = 0; i < n; ++i) values.push_back(start + static_cast<double>(i) * step);
                                      return {Value(to, std::move(values), c.input(0).kind)};
                                    }}};

const Registration<Operator> concat{{"Concat", [](const Call& c) -> Values {
                                       Values parts;
                                       for (std::size_t i = 0; i < c.inputs(); ++i) parts.push_back(c.input(i));
                                       return {c.math.concat(parts, axisOf(c.integer("axis", 0), c.input(0).shape.rank()))};
                                     }}};
Values split(const Call& c) {
  const Value& x = c.input(0);
  const int axis = axisOf(c.integer("axis", 0), x.shape.rank());
  Places parts = c.listed("split", 1);
  if (parts.empty()) {
    const std::int64_t n = c.integer("num_outputs", static_cast<std::int64_t>(c.outputs)), extent = x.shape[axis];
    if (n < 1 || n > extent) refuse(trf("{} cannot be split in {} along axis {}", x.shape.toString(), n, axis));
    const std::int64_t each = (extent + n - 1) / n;
    for (std::int64_t begin = 0; begin < extent; begin += each) parts.push_back(std::min(each, extent - begin));
  }
  Values result;
  std::int64_t at = 0;
  for (const std::int64_t part : parts) {
    if (part < 0 || part > x.shape[axis] - at) refuse(trf("{} has no {} more elements along axis {}", x.shape.toString(), part, axis));
    result.push_back(c.math.slice(x, axis, at, at + part));
    at += part;
  }
  return result;
}
const Registration<Operator> splitOperator{{"Split", split}};

// starts, ends, axes, steps; before version 10 attributes. Bounds beyond the ends are taken back to them, as in NumPy.
Values slice(const Call& c) {
  Value x = c.input(0);
  const Places starts = c.listed("starts", 1), ends = c.listed("ends", 2), given = c.listed("axes", 3), steps = c.listed("steps", 4);
  if (ends.size() != starts.size() || (!given.empty() && given.size() != starts.size()) ||
      (!steps.empty() && steps.size() != starts.size()))
    refuse(tr("starts, ends, axes and steps differ in length"));
  for (std::size_t k = 0; k < starts.size(); ++k) {
    const int axis = axisOf(given.empty() ? static_cast<std::int64_t>(k) : given[k], x.shape.rank());
    const std::int64_t extent = x.shape[axis], step = steps.empty() ? 1 : steps[k];
    if (step == 0) refuse(tr("a step of 0"));
    const auto from = [&](std::int64_t at, std::int64_t low, std::int64_t high) {
      return std::clamp(at < 0 ? at + extent : at, low, high);
    };
    const std::int64_t begin = step > 0 ? from(starts[k], 0, extent) : from(starts[k], 0, extent - 1);
    const std::int64_t end = step > 0 ? from(ends[k], 0, extent) : from(ends[k], -1, extent - 1);
    if (step == 1) {
      x = c.math.slice(x, axis, begin, std::max(begin, end));
      continue;
    }
    Places places;
    if (step > 0) {
      for (std::int64_t i = begin; i < end; i += std::min(step, extent)) places.push_back(i);
    } else {
      for (std::int64_t i = begin; i > end && i >= 0; i -= std::min(-std::max(step, -extent - 1), extent + 1)) places.push_back(i);
    }
    x = c.math.take(x, axis, places);
  }
  return {x};
}
const Registration<Operator> sliceOperator{{"Slice", slice}};

Values gather(const Call& c) {
  const Value& x = c.input(0);
  const int axis = axisOf(c.integer("axis", 0), x.shape.rank());
  Places places = c.math.wholeNumbers(c.input(1));
  for (std::int64_t& place : places) place += place < 0 ? x.shape[axis] : 0;
  const Value taken = c.math.take(x, axis, places);
  Places extents = x.shape.extents();
  extents.erase(extents.begin() + axis);
  extents.insert(extents.begin() + axis, c.input(1).shape.extents().begin(), c.input(1).shape.extents().end());
  return {c.math.reshape(taken, Shape(extents))};
}
const Registration<Operator> gatherOperator{{"Gather", gather}};

const Registration<Operator> tile{{"Tile", [](const Call& c) -> Values {
                                     Value x = c.input(0);
                                     const Places repeats = c.math.wholeNumbers(c.input(1));
                                     if (static_cast<int>(repeats.size()) != x.shape.rank())
                                       refuse(trf("{} repeats for {}", repeats.size(), x.shape.toString()));
                                     for (int axis = 0; axis < x.shape.rank(); ++axis) {
                                       const std::int64_t times = repeats[static_cast<std::size_t>(axis)];
                                       if (times < 0 || times > (1 << 24)) refuse(trf("{} repeats", times));
                                       if (times == 1) continue;
                                       Places places;
                                       for (std::int64_t t = 0; t < times; ++t) {
                                         for (std::int64_t i = 0; i < x.shape[axis] && places.size() <= (1u << 24); ++i)
                                           places.push_back(i);
                                       }
                                       x = c.math.take(x, axis, places);
                                     }
                                     return {x};
                                   }}};

// Numbers around the edges: a constant, the edge's own, or what lies mirrored in it.
Values pad(const Call& c) {
  Value x = c.input(0);
  const Places pads = c.listed("pads", 1), given = c.listed("axes", 3);
  const std::string mode = c.text("mode", "constant");
  const Value* constantValue = c.optional(2);
  const double value = constantValue != nullptr && constantValue->count() > 0 ? c.math.hostOf(*constantValue)->front() : c.real("value", 0);
  const std::size_t n = given.empty() ? static_cast<std::size_t>(x.shape.rank()) : given.size();
  if (pads.size() != 2 * n) refuse(trf("{} pads for {} axes", pads.size(), n));
  for (std::size_t k = 0; k < n; ++k) {
    const int axis = axisOf(given.empty() ? static_cast<std::int64_t>(k) : given[k], x.shape.rank());
    const std::int64_t before = pads[k], after = pads[n + k], extent = x.shape[axis];
    constexpr std::int64_t most = 1 << 24;
    if (before == 0 && after == 0) continue;
    if (std::abs(before) > most || std::abs(after) > most ||
        extent + std::min<std::int64_t>(before, 0) + std::min<std::int64_t>(after, 0) < 0)
      refuse(trf("pads of {} and {} along axis {} of {}", before, after, axis, x.shape.toString()));
    if (mode == "constant") {
      Values parts{c.math.slice(x, axis, std::max<std::int64_t>(0, -before), extent - std::max<std::int64_t>(0, -after))};
      const auto edge = [&](std::int64_t width) {
        auto extents = x.shape.extents();
        extents[static_cast<std::size_t>(axis)] = width;
        return c.math.filled(Shape(extents), value, x.kind);
      };
      if (before > 0) parts.insert(parts.begin(), edge(before));
      if (after > 0) parts.push_back(edge(after));
      x = c.math.concat(parts, axis);
      continue;
    }
    Places places;
    for (std::int64_t i = -before; i < extent + after; ++i) {
      std::int64_t at = i;
      if (mode == "edge")
        at = std::clamp<std::int64_t>(i, 0, extent - 1);
      else if (mode == "wrap")
        at = ((i % extent) + extent) % extent;
      else if (mode != "reflect")
        refuse(trf("the mode '{}' is not known", modelfile::shown(mode)));
      else if (i < 0)
        at = -i;
      else if (i >= extent)
        at = 2 * (extent - 1) - i;
      places.push_back(at);
    }
    x = c.math.take(x, axis, places);
  }
  return {x};
}
const Registration<Operator> padOperator{{"Pad", pad}};

// x [N, C r r, H, W] -> [N, C, H r, W r] and back; DCR keeps the factor's axes before the channels, CRD behind them (pixel shuffle).
const Registration<Operator> depthToSpace{
    {"DepthToSpace", [](const Call& c) -> Values {
       const Value& x = c.input(0);
       const std::int64_t r = c.integer("blocksize", 1);
       if (x.shape.rank() != 4 || r < 1 || r > 1024 || x.shape[1] % (r * r) != 0)
         refuse(trf("{} has no channels for blocks of {}", x.shape.toString(), r));
       const std::int64_t N = x.shape[0], C = x.shape[1] / (r * r), H = x.shape[2], W = x.shape[3];
       const bool behind = c.text("mode", "DCR") == "CRD";
       const Value parts = c.math.reshape(x, behind ? Shape{N, C, r, r, H, W} : Shape{N, r, r, C, H, W});
       const Value moved = c.math.permute(parts, behind ? std::vector<int>{0, 1, 4, 2, 5, 3} : std::vector<int>{0, 3, 4, 1, 5, 2});
       return {c.math.reshape(moved, Shape{N, C, H * r, W * r})};
     }}};
const Registration<Operator> spaceToDepth{{"SpaceToDepth", [](const Call& c) -> Values {
                                             const Value& x = c.input(0);
                                             const std::int64_t r = c.integer("blocksize", 1);
                                             if (x.shape.rank() != 4 || r < 1 || x.shape[2] % r != 0 || x.shape[3] % r != 0)
                                               refuse(trf("{} does not divide in blocks of {}", x.shape.toString(), r));
                                             const std::int64_t N = x.shape[0], C = x.shape[1], H = x.shape[2] / r, W = x.shape[3] / r;
                                             const Value parts = c.math.reshape(x, Shape{N, C, H, r, W, r});
                                             return {c.math.reshape(c.math.permute(parts, {0, 3, 5, 1, 2, 4}), Shape{N, C * r * r, H, W})};
                                           }}};

}  // namespace

}  // namespace orrery::models::onnx
