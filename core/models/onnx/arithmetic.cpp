#include "core/models/onnx/arithmetic.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/base/text.h"
#include "core/kernels/fill.h"
#include "core/kernels/gather.h"
#include "core/kernels/matmul.h"
#include "core/kernels/permute.h"
#include "core/kernels/slice.h"
#include "core/modelfile/bounded_reader.h"

namespace orrery::models::onnx {

using kernels::Doubles;
using Numbers = std::vector<double>;

namespace {

constexpr std::uint64_t mostElements = 1 << 24;  // of one value: 64 MiB on the device, 128 MiB on the host
constexpr double hostWork = 1 << 21;             // multiply-adds that the host does in about the time a dispatch and a fetch take

[[noreturn]] void refuse(std::string message) { throw std::invalid_argument(std::move(message)); }

// Row-major strides of `shape` seen with the broadcast shape `to`; repeated axes have stride 0.
std::vector<std::int64_t> stridesIn(const Shape& shape, const Shape& to) {
  std::vector<std::int64_t> strides(static_cast<std::size_t>(to.rank()), 0);
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] != 1) strides[static_cast<std::size_t>(axis + to.rank() - shape.rank())] = stride;
    stride *= shape[axis];
  }
  return strides;
}

// Calls row(first element of the result, of a, of b, stride of a, stride of b, length) for every row of the last axis.
template <class Row>
void walkRows(const Shape& to, const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b, const Row& row) {
  if (to.count() == 0) return;
  if (to.rank() == 0) return row(0, 0, 0, 0, 0, 1);
  const auto last = static_cast<std::size_t>(to.rank() - 1);
  std::vector<std::int64_t> index(last, 0);
  std::int64_t at = 0, ia = 0, ib = 0;
  const std::int64_t length = to[-1];
  while (true) {
    row(at, ia, ib, a[last], b[last], length);
    at += length;
    std::size_t axis = last;
    while (axis > 0) {
      --axis;
      ia += a[axis], ib += b[axis];
      if (++index[axis] < to[static_cast<int>(axis)]) break;
      ia -= a[axis] * index[axis], ib -= b[axis] * index[axis];
      index[axis] = 0;
      if (axis == 0) return;
    }
    if (last == 0) return;
  }
}

Shape commonShape(const Shape& a, const Shape& b) {
  const auto shape = kernels::broadcastShape(a, b);
  if (!shape) refuse(trf("the shapes {} and {} do not broadcast", a.toString(), b.toString()));
  return bounded(*shape);
}

template <class F>
Numbers pairwise(const Shape& to, const Value& a, const Numbers& x, const Value& b, const Numbers& y, const F& f) {
  Numbers result(static_cast<std::size_t>(to.count()));
  walkRows(to, stridesIn(a.shape, to), stridesIn(b.shape, to),
           [&](std::int64_t at, std::int64_t ia, std::int64_t ib, std::int64_t sa, std::int64_t sb, std::int64_t n) {
             double* out = result.data() + at;
             const double *p = x.data() + ia, *q = y.data() + ib;
             if (sa == 1 && sb == 1) {
               for (std::int64_t i = 0; i < n; ++i) out[i] = f(p[i], q[i]);
             } else {
               for (std::int64_t i = 0; i < n; ++i) out[i] = f(p[i * sa], q[i * sb]);
             }
           });
  return result;
}

double minimum(double a, double b) { return std::isnan(a) ? a : std::isnan(b) ? b : std::min(a, b); }
double maximum(double a, double b) { return std::isnan(a) ? a : std::isnan(b) ? b : std::max(a, b); }

// Outer, extent, inner: an axis seen between what lies before and behind it.
struct Around {
  std::int64_t outer = 1, extent = 1, inner = 1;
};
Around around(const Shape& shape, int axis) {
  Around a;
  for (int i = 0; i < axis; ++i) a.outer *= shape[i];
  a.extent = shape[axis];
  for (int i = axis + 1; i < shape.rank(); ++i) a.inner *= shape[i];
  return a;
}

Shape withExtent(const Shape& shape, int axis, std::int64_t extent) {
  auto extents = shape.extents();
  extents[static_cast<std::size_t>(axis)] = extent;
  return bounded(Shape(std::move(extents)));
}

}  // namespace

int axisOf(std::int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) refuse(trf("there is no axis {} among {}", axis, rank));
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

const Shape& bounded(const Shape& shape) {
  const auto count = modelfile::elementCount(shape.extents());
  if (!count || *count > mostElements) {
    throw std::length_error(trf("a value of the shape {} is too large: at most 2^24 numbers are computed with", shape.toString()));
  }
  return shape;
}

bool Arithmetic::onDevice(std::initializer_list<const Value*> operands, double work) const {
  bool only = false, real = true;
  for (const Value* v : operands) {
    if (v == nullptr) continue;
    only = only || v->onlyOnDevice();
    real = real && v->kind == Kind::real && v->count() > 0;
  }
  return stream_ != nullptr && real && (only || work > hostWork);
}

std::shared_ptr<const Numbers> Arithmetic::hostOf(const Value& x) const {
  if (x.host) return x.host;
  const auto floats = x.device.as<float>();
  return std::make_shared<const Numbers>(floats.begin(), floats.end());
}

Tensor Arithmetic::deviceOf(const Value& x) const {
  if (!x.device.empty() || x.onlyOnDevice()) return x.device;
  Tensor tensor(x.shape);
  const auto to = tensor.asMutable<float>();
  std::transform(x.host->begin(), x.host->end(), to.begin(), [](double v) { return static_cast<float>(v); });
  return tensor;
}

Doubles Arithmetic::doublesOf(const Value* x) const { return x == nullptr ? Doubles() : Doubles(x->shape, *hostOf(*x)); }

std::vector<std::int64_t> Arithmetic::wholeNumbers(const Value& x) const {
  std::vector<std::int64_t> result;
  constexpr double most = 9e18;  // exporters write the largest number for "to the end"
  for (const double v : *hostOf(x)) {
    if (std::isnan(v)) refuse(tr("a whole number is needed, found NaN"));
    result.push_back(static_cast<std::int64_t>(std::clamp(v, -most, most)));
  }
  return result;
}

Value Arithmetic::unary(kernels::Unary f, const Value& x) const {
  if (onDevice({&x})) return Value(kernels::unary(*stream_, f, deviceOf(x)));
  return unary([f](double v) { return kernels::unaryReference(f, v); }, x);
}

Value Arithmetic::unary(const std::function<double(double)>& f, const Value& x, Kind kind) const {
  const auto from = hostOf(x);
  Numbers result(from->size());
  std::transform(from->begin(), from->end(), result.begin(), f);
  return {x.shape, std::move(result), kind};
}

Value Arithmetic::affine(const Value& x, double scale, double shift) const {
  if (onDevice({&x})) return Value(kernels::affine(*stream_, deviceOf(x), static_cast<float>(scale), static_cast<float>(shift)));
  return unary([=](double v) { return scale * v + shift; }, x);
}

Value Arithmetic::binary(Pair f, const Value& a, const Value& b) const {
  const Shape to = commonShape(a.shape, b.shape);
  if (f <= Pair::max && onDevice({&a, &b})) {
    constexpr kernels::Binary kernel[] = {kernels::Binary::add, kernels::Binary::sub, kernels::Binary::mul, kernels::Binary::div,
                                          kernels::Binary::pow, kernels::Binary::min, kernels::Binary::max};
    return Value(kernels::binary(*stream_, kernel[static_cast<std::size_t>(f)], deviceOf(a), deviceOf(b)));
  }
  const auto x = hostOf(a), y = hostOf(b);
  const auto with = [&](Kind kind, const auto& function) { return Value(to, pairwise(to, a, *x, b, *y, function), kind); };
  switch (f) {
    case Pair::add:
      return with(a.kind, [](double p, double q) { return p + q; });
    case Pair::sub:
      return with(a.kind, [](double p, double q) { return p - q; });
    case Pair::mul:
      return with(a.kind, [](double p, double q) { return p * q; });
    case Pair::div:
      if (a.kind == Kind::integer) {
        if (std::find(y->begin(), y->end(), 0.0) != y->end()) refuse(tr("a whole number is divided by 0"));
        return with(a.kind, [](double p, double q) { return std::trunc(p / q); });
      }
      return with(a.kind, [](double p, double q) { return p / q; });
    case Pair::pow:
      return with(a.kind, [](double p, double q) { return std::pow(p, q); });
    case Pair::min:
      return with(a.kind, minimum);
    case Pair::max:
      return with(a.kind, maximum);
    case Pair::mod:
      return with(a.kind, [](double p, double q) { return p - q * std::floor(p / q); });  // Python's: the sign of q
    case Pair::equal:
      return with(Kind::boolean, [](double p, double q) { return p == q ? 1.0 : 0.0; });
    case Pair::less:
      return with(Kind::boolean, [](double p, double q) { return p < q ? 1.0 : 0.0; });
    case Pair::lessOrEqual:
      return with(Kind::boolean, [](double p, double q) { return p <= q ? 1.0 : 0.0; });
    case Pair::both:
      return with(Kind::boolean, [](double p, double q) { return p != 0 && q != 0 ? 1.0 : 0.0; });
    case Pair::either:
      return with(Kind::boolean, [](double p, double q) { return p != 0 || q != 0 ? 1.0 : 0.0; });
    case Pair::differ:
      return with(Kind::boolean, [](double p, double q) { return (p != 0) != (q != 0) ? 1.0 : 0.0; });
  }
  return {};
}

Value Arithmetic::where(const Value& condition, const Value& a, const Value& b) const {
  const Shape to = commonShape(commonShape(condition.shape, a.shape), b.shape);
  const auto c = hostOf(condition);
  const Value left = expand({a.shape, *hostOf(a), a.kind}, to), right = expand({b.shape, *hostOf(b), b.kind}, to);
  const Value chosen = expand({condition.shape, *c, Kind::boolean}, to);
  Numbers result(chosen.host->size());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = (*chosen.host)[i] != 0 ? (*left.host)[i] : (*right.host)[i];
  return {to, std::move(result), a.kind};
}

Value Arithmetic::cast(const Value& x, Kind kind) const {
  if (kind == x.kind) return x;
  if (kind == Kind::real && x.host) return {x.shape, *x.host};
  if (kind == Kind::boolean) return unary([](double v) { return v != 0 ? 1.0 : 0.0; }, x, kind);
  return unary([](double v) { return std::trunc(v); }, x, kind);
}

Value Arithmetic::matmul(const Value& a, const Value& b, const Product& how) const {
  // A vector is a row on the left and a column on the right, and its axis goes again.
  if (a.shape.rank() == 1 || b.shape.rank() == 1) {
    const bool row = a.shape.rank() == 1, column = b.shape.rank() == 1;
    const Value product = matmul(row ? reshape(a, Shape{1, a.shape[0]}) : a, column ? reshape(b, Shape{b.shape[0], 1}) : b, how);
    auto extents = product.shape.extents();
    if (column) extents.pop_back();
    if (row) extents.erase(extents.end() - (column ? 1 : 2));
    return reshape(product, Shape(extents));
  }
  if (a.shape.rank() < 2 || b.shape.rank() < 2)
    refuse(trf("a product of {} and {} needs matrices", a.shape.toString(), b.shape.toString()));
  const std::int64_t M = a.shape[how.transposeA ? -1 : -2], K = a.shape[how.transposeA ? -2 : -1];
  const std::int64_t N = b.shape[how.transposeB ? -2 : -1];
  if (b.shape[how.transposeB ? -1 : -2] != K) refuse(trf("{} and {} cannot be multiplied", a.shape.toString(), b.shape.toString()));
  const auto batchOf = [](const Shape& s) { return Shape(std::vector<std::int64_t>(s.extents().begin(), s.extents().end() - 2)); };
  const Shape batch = commonShape(batchOf(a.shape), batchOf(b.shape));
  auto extents = batch.extents();
  extents.insert(extents.end(), {M, N});
  const Shape to = bounded(Shape(extents));
  if (onDevice({&a, &b, how.bias}, static_cast<double>(to.count()) * static_cast<double>(K))) {
    kernels::MatmulOptions options;
    options.transposeA = how.transposeA, options.transposeB = how.transposeB;
    if (how.bias != nullptr) options.bias = deviceOf(*how.bias);
    return Value(kernels::matmul(*stream_, deviceOf(a), deviceOf(b), options));
  }
  // On the host b is needed with its columns in memory's order, a with its rows.
  const auto swapped = [this](const Value& v) {
    std::vector<int> axes(static_cast<std::size_t>(v.shape.rank()));
    for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int>(i);
    std::swap(axes[axes.size() - 1], axes[axes.size() - 2]);
    return permute({v.shape, *hostOf(v), v.kind}, axes);
  };
  const auto x = how.transposeA ? swapped(a).host : hostOf(a), y = how.transposeB ? swapped(b).host : hostOf(b);
  const auto strideA = stridesIn(batchOf(a.shape), batch), strideB = stridesIn(batchOf(b.shape), batch);
  const auto bias = how.bias != nullptr ? hostOf(*how.bias) : nullptr;
  Numbers result(static_cast<std::size_t>(to.count()), 0.0);
  std::int64_t done = 0;
  walkRows(batch, strideA, strideB, [&](std::int64_t, std::int64_t ia, std::int64_t ib, std::int64_t sa, std::int64_t sb, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i, ++done) {
      const double *p = x->data() + (ia + i * sa) * M * K, *q = y->data() + (ib + i * sb) * K * N;
      double* out = result.data() + done * M * N;
      for (std::int64_t r = 0; r < M; ++r) {
        double* row = out + r * N;
        if (bias) std::copy_n(bias->data(), N, row);
        for (std::int64_t k = 0; k < K; ++k) {
          const double factor = p[r * K + k];
          for (std::int64_t c = 0; c < N; ++c) row[c] += factor * q[k * N + c];
        }
      }
    }
  });
  return {to, std::move(result), a.kind};
}

Value Arithmetic::reshape(const Value& x, Shape shape) const {
  if (bounded(shape).count() != x.count()) refuse(trf("{} cannot be seen as {}", x.shape.toString(), shape.toString()));
  Value result = x;
  if (!x.device.empty()) result.device = x.device.reshaped(shape);
  result.shape = std::move(shape);
  return result;
}

Value Arithmetic::permute(const Value& x, const std::vector<int>& axes) const {
  if (onDevice({&x})) return Value(kernels::permute(*stream_, deviceOf(x), axes));
  const int rank = x.shape.rank();
  std::vector<bool> seen(static_cast<std::size_t>(rank), false);
  std::vector<std::int64_t> extents, own(static_cast<std::size_t>(rank)), strides;
  std::int64_t stride = 1;
  for (int axis = rank - 1; axis >= 0; --axis) own[static_cast<std::size_t>(axis)] = stride, stride *= x.shape[axis];
  for (const int axis : axes) {
    if (axis < 0 || axis >= rank || seen[static_cast<std::size_t>(axis)])
      refuse(trf("the axes are no permutation of those of {}", x.shape.toString()));
    seen[static_cast<std::size_t>(axis)] = true;
    extents.push_back(x.shape[axis]);
    strides.push_back(own[static_cast<std::size_t>(axis)]);
  }
  if (static_cast<int>(axes.size()) != rank) refuse(trf("the axes are no permutation of those of {}", x.shape.toString()));
  const Shape to{extents};
  const auto from = hostOf(x);
  Numbers result(from->size());
  walkRows(to, strides, strides, [&](std::int64_t at, std::int64_t i, std::int64_t, std::int64_t s, std::int64_t, std::int64_t n) {
    for (std::int64_t k = 0; k < n; ++k) result[static_cast<std::size_t>(at + k)] = (*from)[static_cast<std::size_t>(i + k * s)];
  });
  return {to, std::move(result), x.kind};
}

Value Arithmetic::take(const Value& x, int axis, std::span<const std::int64_t> places) const {
  const Around a = around(x.shape, axis);
  for (const std::int64_t place : places) {
    if (place < 0 || place >= a.extent) refuse(trf("there is no place {} along axis {} of {}", place, axis, x.shape.toString()));
  }
  const Shape to = withExtent(x.shape, axis, static_cast<std::int64_t>(places.size()));
  if (onDevice({&x}) && !places.empty()) {
    if (places.size() == 1) return Value(kernels::slice(*stream_, deviceOf(x), axis, places[0], places[0] + 1));
    // The kernel takes rows: the axis goes to the front and back.
    std::vector<int> front{axis};
    for (int i = 0; i < x.shape.rank(); ++i) {
      if (i != axis) front.push_back(i);
    }
    const std::vector<std::uint32_t> index(places.begin(), places.end());
    const Tensor rows = kernels::gather(*stream_, axis == 0 ? deviceOf(x) : kernels::permute(*stream_, deviceOf(x), front),
                                        Tensor::from(Shape{static_cast<std::int64_t>(index.size())}, index));
    return Value(axis == 0 ? rows : kernels::permute(*stream_, rows, kernels::inversePermutation(front)));
  }
  const auto from = hostOf(x);
  Numbers result;
  result.reserve(static_cast<std::size_t>(to.count()));
  for (std::int64_t o = 0; o < a.outer; ++o) {
    for (const std::int64_t place : places) {
      const auto at = from->begin() + (o * a.extent + place) * a.inner;
      result.insert(result.end(), at, at + a.inner);
    }
  }
  return {to, std::move(result), x.kind};
}

Value Arithmetic::slice(const Value& x, int axis, std::int64_t begin, std::int64_t end) const {
  if (begin == 0 && end == x.shape[axis]) return x;
  if (onDevice({&x}) && end > begin) return Value(kernels::slice(*stream_, deviceOf(x), axis, begin, end));
  std::vector<std::int64_t> places;
  for (std::int64_t i = begin; i < end; ++i) places.push_back(i);
  return take(x, axis, places);
}

Value Arithmetic::concat(const std::vector<Value>& parts, int axis) const {
  if (parts.empty()) refuse(tr("there is nothing to put side by side"));
  bool device = false;
  std::int64_t extent = 0;
  for (const Value& part : parts) {
    bool fits = part.shape.rank() == parts[0].shape.rank();
    for (int i = 0; fits && i < part.shape.rank(); ++i) fits = i == axis || part.shape[i] == parts[0].shape[i];
    if (!fits) refuse(trf("{} and {} do not fit side by side", parts[0].shape.toString(), part.shape.toString()));
    device = device || onDevice({&part});
    extent += part.shape[axis];
  }
  const Shape to = withExtent(parts[0].shape, axis, extent);
  if (device) {
    std::vector<Tensor> tensors;
    for (const Value& part : parts) {
      if (part.count() > 0) tensors.push_back(deviceOf(part));
    }
    return Value(kernels::concat(*stream_, tensors, axis));
  }
  Numbers result;
  result.reserve(static_cast<std::size_t>(to.count()));
  std::vector<std::shared_ptr<const Numbers>> from;
  for (const Value& part : parts) from.push_back(hostOf(part));
  const std::int64_t outer = around(to, axis).outer;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const Around a = around(parts[p].shape, axis);
      const auto at = from[p]->begin() + o * a.extent * a.inner;
      result.insert(result.end(), at, at + a.extent * a.inner);
    }
  }
  return {to, std::move(result), parts[0].kind};
}

Value Arithmetic::expand(const Value& x, const Shape& shape) const {
  const Shape to = commonShape(x.shape, shape);
  if (to == x.shape) return x;
  if (onDevice({&x})) return Value(kernels::binary(*stream_, kernels::Binary::mul, deviceOf(x), kernels::fill(*stream_, to, 1.0f)));
  const auto from = hostOf(x);
  const auto strides = stridesIn(x.shape, to);
  Numbers result(static_cast<std::size_t>(to.count()));
  walkRows(to, strides, strides, [&](std::int64_t at, std::int64_t i, std::int64_t, std::int64_t s, std::int64_t, std::int64_t n) {
    for (std::int64_t k = 0; k < n; ++k) result[static_cast<std::size_t>(at + k)] = (*from)[static_cast<std::size_t>(i + k * s)];
  });
  return {to, std::move(result), x.kind};
}

Value Arithmetic::filled(const Shape& shape, double value, Kind kind) const {
  return {bounded(shape), Numbers(static_cast<std::size_t>(shape.count()), value), kind};
}

}  // namespace orrery::models::onnx
