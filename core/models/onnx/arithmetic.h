#pragma once
// The operations that ONNX's operators are made of, each in double precision on the host and by a kernel on the device. An operation runs
// on the device when one of its operands is only there: the network's way from x to its output is, what is computed of shapes and of the
// time is not. What has no kernel is computed on the host and goes back up. Shapes as in NumPy. What does not fit is thrown as
// std::invalid_argument, what is too large as std::length_error; the graph turns both into its sentence (graph.h).

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "core/kernels/conv2d.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/pooling.h"
#include "core/kernels/reduce.h"
#include "core/kernels/resample.h"
#include "core/models/onnx/value.h"

namespace orrery::models::onnx {

enum class Pair { add, sub, mul, div, pow, min, max, mod, equal, less, lessOrEqual, both, either, differ };

class Arithmetic {
 public:
  // null: everything on the host.
  explicit Arithmetic(gpu::Stream* stream) : stream_(stream) {}

  // y = f(x). `kernel` does the same on the device; the second form does it on the host wherever x is.
  Value unary(kernels::Unary f, const Value& x) const;
  Value unary(const std::function<double(double)>& f, const Value& x, Kind kind) const;
  Value unary(const std::function<double(double)>& f, const Value& x) const { return unary(f, x, x.kind); }
  Value affine(const Value& x, double scale, double shift) const;
  // Comparisons give truth values; the others are as real or whole as a.
  Value binary(Pair f, const Value& a, const Value& b) const;
  Value where(const Value& condition, const Value& a, const Value& b) const;
  Value cast(const Value& x, Kind kind) const;

  // a [..., M, K], b [..., K, N], or stored the other way round; `bias`, when there, is added to every row.
  struct Product {
    bool transposeA = false, transposeB = false;
    const Value* bias = nullptr;  // [N]
  };
  Value matmul(const Value& a, const Value& b, const Product& how) const;

  // Over these axes (ascending, from 0); they stay as 1.
  Value reduce(const Value& x, const std::vector<int>& axes, kernels::Reduction how) const;
  Value softmax(const Value& x, int axis) const;
  // (x - mean) / sqrt(variance + epsilon) over the last axis; x [rows, n], gain and shift null or [n].
  Value normalizeRows(const Value& x, double epsilon, bool rootMeanSquare, const Value* gain, const Value* shift) const;
  // x [N, C, ...], gain and shift null or [C].
  Value normalizeGroups(const Value& x, std::int64_t groups, double epsilon, const Value* gain, const Value* shift) const;

  Value reshape(const Value& x, Shape shape) const;
  Value permute(const Value& x, const std::vector<int>& axes) const;
  // The elements with these places along an axis, in this order.
  Value take(const Value& x, int axis, std::span<const std::int64_t> places) const;
  Value slice(const Value& x, int axis, std::int64_t begin, std::int64_t end) const;
  Value concat(const std::vector<Value>& parts, int axis) const;
  Value expand(const Value& x, const Shape& shape) const;
  Value filled(const Shape& shape, double value, Kind kind) const;

  // Images [N, C, H, W]; `bias` may be null.
  Value conv2d(const Value& x, const Value& weight, const Value* bias, const kernels::Conv2dOptions& options) const;
  Value convTranspose2d(const Value& x, const Value& weight, const Value* bias, const kernels::ConvTranspose2dOptions& options) const;
  Value maxPool2d(const Value& x, const kernels::PoolOptions& options) const;
  Value averagePool2d(const Value& x, const kernels::PoolOptions& options) const;
  Value resample(const Value& x, const kernels::AxisMap& alongY, const kernels::AxisMap& alongX) const;

  // Its numbers on the host; those of the device are fetched.
  std::shared_ptr<const std::vector<double>> hostOf(const Value& x) const;
  std::vector<std::int64_t> wholeNumbers(const Value& x) const;

 private:
  bool onDevice(std::initializer_list<const Value*> operands, double work = 0) const;
  Tensor deviceOf(const Value& x) const;
  kernels::Doubles doublesOf(const Value* x) const;
  static Value from(kernels::Doubles doubles) { return Value(std::move(doubles.shape), std::move(doubles.values)); }

  gpu::Stream* stream_;
};

// The place that an axis counted from the end when negative has. Throws where there is none.
int axisOf(std::int64_t axis, int rank);
// Throws std::length_error for more elements than are computed with.
const Shape& bounded(const Shape& shape);

}  // namespace orrery::models::onnx
