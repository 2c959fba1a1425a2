// Sums, softmax, normalisation and what acts on images: the second half of arithmetic.h.

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/base/text.h"
#include "core/kernels/group_norm.h"
#include "core/kernels/layer_norm.h"
#include "core/kernels/softmax.h"
#include "core/models/onnx/arithmetic.h"

namespace orrery::models::onnx {

using kernels::Doubles;
using Numbers = std::vector<double>;

Value Arithmetic::reduce(const Value& x, const std::vector<int>& axes, kernels::Reduction how) const {
  // The axes go to the end, where they are one.
  std::vector<int> order;
  std::vector<std::int64_t> kept = x.shape.extents();
  std::int64_t n = 1;
  for (int i = 0; i < x.shape.rank(); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) order.push_back(i);
  }
  const bool last = static_cast<int>(order.size()) == 0 || order.back() == static_cast<int>(order.size()) - 1;
  for (const int axis : axes) {
    order.push_back(axis);
    n *= x.shape[axis];
    kept[static_cast<std::size_t>(axis)] = 1;
  }
  const Shape to(kept);
  if (n == 0 && how != kernels::Reduction::sum) throw std::invalid_argument(trf("nothing is left to reduce in {}", x.shape.toString()));
  const Value rows = reshape(last ? x : permute(x, order), Shape{to.count(), n});
  if (onDevice({&rows})) return reshape(Value(kernels::reduce(*stream_, deviceOf(rows), 1, how)), to);
  const auto from = hostOf(rows);
  Numbers result;
  for (std::int64_t r = 0; r < to.count(); ++r) {
    const double* row = from->data() + r * n;
    double sum = how == kernels::Reduction::max ? row[0] : 0;
    for (std::int64_t i = 0; i < n; ++i)
      sum = how != kernels::Reduction::max ? sum + row[i] : std::isnan(row[i]) ? row[i] : std::max(sum, row[i]);
    result.push_back(how == kernels::Reduction::mean ? sum / static_cast<double>(n) : sum);
  }
  return {to, std::move(result), x.kind};
}

Value Arithmetic::softmax(const Value& x, int axis) const {
  if (onDevice({&x})) return Value(kernels::softmax(*stream_, deviceOf(x), axis));
  const Value most = reduce(x, {axis}, kernels::Reduction::max);
  const Value weights = unary(kernels::Unary::exp, binary(Pair::sub, x, most));
  return binary(Pair::div, weights, reduce(weights, {axis}, kernels::Reduction::sum));
}

Value Arithmetic::normalizeRows(const Value& x, double epsilon, bool rootMeanSquare, const Value* gain, const Value* shift) const {
  if (onDevice({&x, gain, shift})) {
    kernels::LayerNormOptions options;
    options.epsilon = epsilon;
    options.rootMeanSquare = rootMeanSquare;
    if (gain != nullptr) options.gain = deviceOf(*gain);
    if (shift != nullptr) options.shift = deviceOf(*shift);
    return Value(kernels::layerNorm(*stream_, deviceOf(x), options));
  }
  return from(Doubles(x.shape, kernels::normReference(doublesOf(&x), doublesOf(gain), doublesOf(shift),
                                                      kernels::layerNormRows(x.shape, epsilon, rootMeanSquare))
                                   .values));
}

Value Arithmetic::normalizeGroups(const Value& x, std::int64_t groups, double epsilon, const Value* gain, const Value* shift) const {
  if (x.shape.rank() < 2 || groups < 1 || x.shape[1] % groups != 0)
    throw std::invalid_argument(trf("{} cannot be normalised in {} groups of channels", x.shape.toString(), groups));
  for (const Value* v : {gain, shift}) {
    if (v != nullptr && v->shape != Shape{x.shape[1]})
      throw std::invalid_argument(trf("a scale or shift of {} does not fit the channels of {}", v->shape.toString(), x.shape.toString()));
  }
  if (onDevice({&x, gain, shift})) {
    kernels::GroupNormOptions options;
    options.epsilon = epsilon;
    if (gain != nullptr) options.gain = deviceOf(*gain);
    if (shift != nullptr) options.shift = deviceOf(*shift);
    return Value(kernels::groupNorm(*stream_, deviceOf(x), groups, options));
  }
  return from(Doubles(
      x.shape,
      kernels::normReference(doublesOf(&x), doublesOf(gain), doublesOf(shift), kernels::groupNormRows(x.shape, groups, epsilon)).values));
}

Value Arithmetic::conv2d(const Value& x, const Value& weight, const Value* bias, const kernels::Conv2dOptions& options) const {
  bounded(kernels::convGeometry(x.shape, weight.shape, options).outputShape());
  if (bias != nullptr && bias->shape != Shape{weight.shape[0]})
    throw std::invalid_argument(trf("a bias of {} does not fit the weights {}", bias->shape.toString(), weight.shape.toString()));
  if (onDevice({&x, &weight, bias}))
    return Value(kernels::conv2d(*stream_, deviceOf(x), deviceOf(weight), bias != nullptr ? deviceOf(*bias) : Tensor(), options));
  return from(kernels::conv2dReference(doublesOf(&x), doublesOf(&weight), doublesOf(bias), options));
}

Value Arithmetic::convTranspose2d(const Value& x, const Value& weight, const Value* bias,
                                  const kernels::ConvTranspose2dOptions& options) const {
  bounded(kernels::convTranspose2dShape(x.shape, weight.shape, options));
  if (bias != nullptr && bias->shape != Shape{weight.shape[1] * options.groups})
    throw std::invalid_argument(trf("a bias of {} does not fit the weights {}", bias->shape.toString(), weight.shape.toString()));
  if (onDevice({&x, &weight, bias}))
    return Value(kernels::convTranspose2d(*stream_, deviceOf(x), deviceOf(weight), bias != nullptr ? deviceOf(*bias) : Tensor(), options));
  return from(kernels::convTranspose2dReference(doublesOf(&x), doublesOf(&weight), doublesOf(bias), options));
}

Value Arithmetic::maxPool2d(const Value& x, const kernels::PoolOptions& options) const {
  bounded(kernels::poolShape(x.shape, options));
  if (onDevice({&x})) return Value(kernels::maxPool2d(*stream_, deviceOf(x), options).values);
  return from(kernels::maxPool2dReference(doublesOf(&x), options).values);
}

Value Arithmetic::averagePool2d(const Value& x, const kernels::PoolOptions& options) const {
  bounded(kernels::poolShape(x.shape, options));
  if (onDevice({&x})) return Value(kernels::averagePool2d(*stream_, deviceOf(x), options));
  return from(kernels::averagePool2dReference(doublesOf(&x), options));
}

Value Arithmetic::resample(const Value& x, const kernels::AxisMap& alongY, const kernels::AxisMap& alongX) const {
  auto extents = x.shape.extents();
  extents[extents.size() - 2] = alongY.out, extents.back() = alongX.out;
  const Shape to = bounded(Shape(extents));
  if (onDevice({&x})) return Value(kernels::resample(*stream_, deviceOf(x), alongY, alongX));
  const auto from = hostOf(x);
  Numbers result(static_cast<std::size_t>(to.count()), 0.0);
  const std::int64_t planes = to.count() / std::max<std::int64_t>(alongY.out * alongX.out, 1);
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  for (std::int64_t p = 0; p < planes; ++p) {
    for (std::int64_t i = 0; i < alongY.out; ++i) {
      for (std::int64_t j = 0; j < alongX.out; ++j) {
        double sum = 0;
        for (std::uint32_t a = alongY.starts[at(i)]; a < alongY.starts[at(i + 1)]; ++a) {
          for (std::uint32_t b = alongX.starts[at(j)]; b < alongX.starts[at(j + 1)]; ++b) {
            sum += static_cast<double>(alongY.weight[a]) * static_cast<double>(alongX.weight[b]) *
                   (*from)[at((p * alongY.in + alongY.index[a]) * alongX.in + alongX.index[b])];
          }
        }
        result[at((p * alongY.out + i) * alongX.out + j)] = sum;
      }
    }
  }
  return {to, std::move(result)};
}

}  // namespace orrery::models::onnx
