// Products, sums, normalisation.

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/base/text.h"
#include "core/models/onnx/operators.h"

namespace orrery::models::onnx {

namespace {

using kernels::Reduction;
using kernels::Unary;
using Values = std::vector<Value>;

const Registration<Operator> matmul{{"MatMul", [](const Call& c) -> Values { return {c.math.matmul(c.input(0), c.input(1), {})}; }}};

// alpha op(A) op(B) + beta C.
const Registration<Operator> gemm{
    {"Gemm", [](const Call& c) -> Values {
       const double alpha = c.real("alpha", 1), beta = c.real("beta", 1);
       const Value* added = c.optional(2);
       Arithmetic::Product how{c.integer("transA", 0) != 0, c.integer("transB", 0) != 0, nullptr};
       const Value &a = c.input(0), &b = c.input(1);
       if (a.shape.rank() != 2 || b.shape.rank() != 2)
         throw std::invalid_argument(trf("two matrices are needed, found {} and {}", a.shape.toString(), b.shape.toString()));
       const bool row = added != nullptr && alpha == 1 && beta == 1 && added->shape == Shape{b.shape[how.transposeB ? 0 : 1]};
       if (row) how.bias = added;
       Value y = c.math.matmul(a, b, how);
       if (alpha != 1) y = c.math.affine(y, alpha, 0);
       if (added == nullptr || row) return {y};
       return {c.math.binary(Pair::add, y, beta == 1 ? *added : c.math.affine(*added, beta, 0))};
     }}};

// Before version 13 everything from the axis on is one axis, which by default is the second.
Values softmaxOf(const Call& c, bool logarithm) {
  const Value& x = c.input(0);
  const bool joined = c.opset < 13;
  const int rank = x.shape.rank(), axis = axisOf(c.integer("axis", joined ? 1 : -1), rank);
  Value rows = x;
  int along = axis;
  if (joined && axis != rank - 1) {
    std::int64_t outer = 1;
    for (int i = 0; i < axis; ++i) outer *= x.shape[i];
    rows = c.math.reshape(x, Shape{outer, outer == 0 ? 0 : x.count() / outer});
    along = 1;
  }
  if (!logarithm) return {c.math.reshape(c.math.softmax(rows, along), x.shape)};
  const Value shifted = c.math.binary(Pair::sub, rows, c.math.reduce(rows, {along}, Reduction::max));
  const Value sum = c.math.reduce(c.math.unary(Unary::exp, shifted), {along}, Reduction::sum);
  return {c.math.reshape(c.math.binary(Pair::sub, shifted, c.math.unary(Unary::log, sum)), x.shape)};
}
const Registration<Operator> softmax{{"Softmax", [](const Call& c) { return softmaxOf(c, false); }}};
const Registration<Operator> logSoftmax{{"LogSoftmax", [](const Call& c) { return softmaxOf(c, true); }}};

// Axes in an attribute or an input; none means all, or nothing at all with noop_with_empty_axes.
template <class Reduce>
Values reduceWith(const Call& c, const Reduce& reduce) {
  const Value& x = c.input(0);
  std::vector<int> axes;
  for (const std::int64_t axis : c.listed("axes", 1)) axes.push_back(axisOf(axis, x.shape.rank()));
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  if (axes.empty()) {
    if (c.integer("noop_with_empty_axes", 0) != 0) return {x};
    for (int i = 0; i < x.shape.rank(); ++i) axes.push_back(i);
  }
  const Value y = reduce(x, axes);
  if (c.integer("keepdims", 1) != 0) return {y};
  std::vector<std::int64_t> extents;
  for (int i = 0; i < x.shape.rank(); ++i) {
    if (!std::binary_search(axes.begin(), axes.end(), i)) extents.push_back(x.shape[i]);
  }
  return {c.math.reshape(y, Shape(extents))};
}
template <Reduction how>
Values reduction(const Call& c) {
  return reduceWith(c, [&](const Value& x, const std::vector<int>& axes) { return c.math.reduce(x, axes, how); });
}
const Registration<Operator> reduceSum{{"ReduceSum", reduction<Reduction::sum>}}, reduceMean{{"ReduceMean", reduction<Reduction::mean>}},
    reduceMax{{"ReduceMax", reduction<Reduction::max>}};
const Registration<Operator> reduceMin{{"ReduceMin", [](const Call& c) {
                                          return reduceWith(c, [&](const Value& x, const std::vector<int>& axes) {
                                            return c.math.affine(c.math.reduce(c.math.affine(x, -1, 0), axes, Reduction::max), -1, 0);
                                          });
                                        }}};
Value sumOfSquares(const Call& c, const Value& x, const std::vector<int>& axes) {
  return c.math.reduce(c.math.binary(Pair::mul, x, x), axes, Reduction::sum);
}
const Registration<Operator> reduceSquares{
    {"ReduceSumSquare",
     [](const Call& c) { return reduceWith(c, [&](const Value& x, const std::vector<int>& axes) { return sumOfSquares(c, x, axes); }); }}};
const Registration<Operator> reduceLength{{"ReduceL2", [](const Call& c) {
                                             return reduceWith(c, [&](const Value& x, const std::vector<int>& axes) {
                                               return c.math.unary(Unary::sqrt, sumOfSquares(c, x, axes));
                                             });
                                           }}};

Value times(const Call& c, const Value& x, const Value* gain, const Value* shift) {
  Value y = x;
  if (gain != nullptr) y = c.math.binary(Pair::mul, y, *gain);
  return shift == nullptr ? y : c.math.binary(Pair::add, y, *shift);
}

// Everything from the axis on is normalised together; gain and shift broadcast to it.
Values normalizeLast(const Call& c, bool rootMeanSquare) {
  if (c.outputs > 1) throw std::invalid_argument(tr("its mean and deviation, which only training needs, are not given out"));
  const Value& x = c.input(0);
  const int axis = axisOf(c.integer("axis", -1), x.shape.rank());
  std::int64_t n = 1;
  for (int i = axis; i < x.shape.rank(); ++i) n *= x.shape[i];
  if (n == 0) return {x};
  const Value *gain = &c.input(1), *shift = rootMeanSquare ? nullptr : c.optional(2);
  const bool plain = gain->count() == n && (shift == nullptr || shift->count() == n);
  const Value rows = c.math.reshape(x, Shape{x.count() / n, n});
  const Value gainRow = plain ? c.math.reshape(*gain, Shape{n}) : Value(),
              shiftRow = plain && shift != nullptr ? c.math.reshape(*shift, Shape{n}) : Value();
  const Value y = c.math.reshape(c.math.normalizeRows(rows, c.real("epsilon", 1e-5), rootMeanSquare, plain ? &gainRow : nullptr,
                                                      plain && shift != nullptr ? &shiftRow : nullptr),
                                 x.shape);
  return {plain ? y : times(c, y, gain, shift)};
}
const Registration<Operator> layerNorm{{"LayerNormalization", [](const Call& c) { return normalizeLast(c, false); }}};
const Registration<Operator> rmsNorm{{"RMSNormalization", [](const Call& c) { return normalizeLast(c, true); }}};

const Registration<Operator> instanceNorm{{"InstanceNormalization", [](const Call& c) -> Values {
                                             const Value& x = c.input(0);
                                             const std::int64_t channels = x.shape.rank() > 1 ? x.shape[1] : 0;
                                             return {
                                                 c.math.normalizeGroups(x, channels, c.real("epsilon", 1e-5), &c.input(1), &c.input(2))};
                                           }}};
// Version 18 has a gain and a shift per group, 21 per channel.
const Registration<Operator> groupNorm{
    {"GroupNormalization", [](const Call& c) -> Values {
       const Value& x = c.input(0);
       const std::int64_t groups = c.integer("num_groups", 1);
       Value gain = c.input(1), shift = c.input(2);
       if (x.shape.rank() > 1 && groups > 0 && gain.count() == groups && groups != x.shape[1] && x.shape[1] % groups == 0) {
         const auto spread = [&](const Value& v) {
           const Value each = c.math.expand(c.math.reshape(v, Shape{groups, 1}), Shape{groups, x.shape[1] / groups});
           return c.math.reshape(each, Shape{x.shape[1]});
         };
         gain = spread(gain), shift = spread(shift);
       }
       return {c.math.normalizeGroups(x, groups, c.real("epsilon", 1e-5), &gain, &shift)};
     }}};
// By the means and variances it was trained with.
const Registration<Operator> batchNorm{
    {"BatchNormalization", [](const Call& c) -> Values {
       if (c.integer("training_mode", 0) != 0)
         throw std::invalid_argument(tr("it is exported for training; export the network for inference"));
       const Value& x = c.input(0);
       if (x.shape.rank() < 2) throw std::invalid_argument(trf("{} has no channels", x.shape.toString()));
       const double epsilon = c.real("epsilon", 1e-5);
       const Value scale = c.math.binary(Pair::div, c.input(1), c.math.unary(Unary::sqrt, c.math.affine(c.input(4), 1, epsilon)));
       const Value shift = c.math.binary(Pair::sub, c.input(2), c.math.binary(Pair::mul, c.input(3), scale));
       std::vector<std::int64_t> extents(static_cast<std::size_t>(x.shape.rank()), 1);
       extents[1] = scale.count();
       const Value gain = c.math.reshape(scale, Shape(extents)), offset = c.math.reshape(shift, Shape(extents));
       return {times(c, x, &gain, &offset)};
     }}};

}  // namespace

}  // namespace orrery::models::onnx
