// y = f(x) and y = f(a, b) for every element of f32 tensors. Two operands broadcast as in NumPy: shapes aligned at the last axis, an extent
// of 1 repeats. Formulas beside the operations in elementwise.h.

#include "core/kernels/elementwise.h"

#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

namespace {

constexpr std::uint32_t affineOperation = 17;

Tensor runUnary(gpu::Stream& stream, std::uint32_t operation, const Tensor& x, float scale, float shift) {
  assert(x.dtype() == DType::f32);
  Tensor result(x.shape());
  if (x.empty()) return result;
  const struct {
    std::uint32_t count;
    float scale, shift;
  } push{static_cast<std::uint32_t>(x.count()), scale, shift};
  stream.dispatch("kernels/elementwise_unary",
                  {{x.device(stream), gpu::Access::read}, {result.deviceForWriting(stream), gpu::Access::write}}, push,
                  stridedGroups(x.count(), 1024), {operation});
  return result;
}

struct BinaryPush {
  std::uint32_t count = 0, rank = 0;
  std::array<std::uint32_t, 6> extent{}, strideA{}, strideB{};  // axis 0 is the fastest
};

// Strides of `shape` seen with the broadcast shape `to`; repeated axes have stride 0.
std::vector<std::int64_t> broadcastStrides(const Shape& shape, const Shape& to) {
  std::vector<std::int64_t> strides(static_cast<std::size_t>(to.rank()), 0);
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] != 1) strides[static_cast<std::size_t>(axis + to.rank() - shape.rank())] = stride;
    stride *= shape[axis];
  }
  return strides;
}

// Joins neighbouring axes that both operands walk evenly, so that usual shapes have one to three axes left.
BinaryPush planBroadcast(const Shape& a, const Shape& b, const Shape& to) {
  const auto strideA = broadcastStrides(a, to), strideB = broadcastStrides(b, to);
  BinaryPush push;
  push.count = static_cast<std::uint32_t>(to.count());
  for (int axis = to.rank() - 1; axis >= 0; --axis) {
    const auto i = static_cast<std::size_t>(axis);
    const auto extent = static_cast<std::uint32_t>(to[axis]);
    const auto sa = static_cast<std::uint32_t>(strideA[i]), sb = static_cast<std::uint32_t>(strideB[i]);
    if (extent == 1) continue;
    if (push.rank > 0) {
      const std::uint32_t last = push.rank - 1;
      if (sa == push.strideA[last] * push.extent[last] && sb == push.strideB[last] * push.extent[last]) {
        push.extent[last] *= extent;
        continue;
      }
    }
    if (push.rank == push.extent.size()) throw std::length_error("elementwise: a broadcast of more than 6 uneven axes");
    push.extent[push.rank] = extent;
    push.strideA[push.rank] = sa;
    push.strideB[push.rank] = sb;
    ++push.rank;
  }
  if (push.rank == 0) {
    push.rank = 1;
    push.extent[0] = 1;
  }
  return push;
}

}  // namespace

std::optional<Shape> broadcastShape(const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::vector<std::int64_t> extents(static_cast<std::size_t>(rank));
  for (int axis = 1; axis <= rank; ++axis) {
    const std::int64_t ea = axis <= a.rank() ? a[-axis] : 1, eb = axis <= b.rank() ? b[-axis] : 1;
    if (ea != eb && ea != 1 && eb != 1) return std::nullopt;
    extents[static_cast<std::size_t>(rank - axis)] = ea == 1 ? eb : ea;
  }
  return Shape(std::move(extents));
}

Tensor unary(gpu::Stream& stream, Unary operation, const Tensor& x) {
  return runUnary(stream, static_cast<std::uint32_t>(operation), x, 1, 0);
}

Tensor unaryGradient(gpu::Stream& stream, Unary operation, const Tensor& x, const Tensor& gradient) {
  if (x.dtype() != DType::f32 || gradient.dtype() != DType::f32 || x.shape() != gradient.shape()) {
    throw std::invalid_argument("elementwise: the gradient " + gradient.shape().toString() + " does not fit " + x.shape().toString());
  }
  Tensor result(x.shape());
  if (x.empty()) return result;
  const struct {
    std::uint32_t count;
  } push{static_cast<std::uint32_t>(x.count())};
  stream.dispatch("kernels/elementwise_gradient",
                  {{x.device(stream), gpu::Access::read},
                   {gradient.device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  push, stridedGroups(x.count(), 1024), {static_cast<std::uint32_t>(operation)});
  return result;
}

Tensor affine(gpu::Stream& stream, const Tensor& x, float scale, float shift) { return runUnary(stream, affineOperation, x, scale, shift); }

Tensor binary(gpu::Stream& stream, Binary operation, const Tensor& a, const Tensor& b) {
  assert(a.dtype() == DType::f32 && b.dtype() == DType::f32);
  const std::optional<Shape> shape = broadcastShape(a.shape(), b.shape());
  if (!shape)
    throw std::invalid_argument("elementwise: shapes " + a.shape().toString() + " and " + b.shape().toString() + " do not broadcast");
  Tensor result(*shape);
  if (result.empty()) return result;
  const BinaryPush push = planBroadcast(a.shape(), b.shape(), *shape);
  const bool even = push.rank == 1 && push.strideA[0] == 1 && push.strideB[0] == 1;
  const auto wholeRows = [&](const std::array<std::uint32_t, 6>& strides) { return strides[0] == 0 || (strides[0] == 1 && strides[1] % 4 == 0); };
  const bool rows = push.rank <= 2 && push.extent[0] % 4 == 0 && wholeRows(push.strideA) && wholeRows(push.strideB);
  stream.dispatch(
      "kernels/elementwise_binary",
      {{a.device(stream), gpu::Access::read}, {b.device(stream), gpu::Access::read}, {result.deviceForWriting(stream), gpu::Access::write}},
      push, stridedGroups(result.count(), 1024), {static_cast<std::uint32_t>(operation), even ? 0u : rows ? 2u : 1u});
  return result;
}

double unaryReference(Unary operation, double x) {
  switch (operation) {
    case Unary::neg:
      return -x;
    case Unary::exp:
      return std::exp(x);
    case Unary::log:
      return std::log(x);
    case Unary::sqrt:
      return std::sqrt(x);
    case Unary::rsqrt:
      return 1 / std::sqrt(x);
    case Unary::sin:
      return std::sin(x);
    case Unary::cos:
      return std::cos(x);
    case Unary::tanh:
      return std::tanh(x);
    case Unary::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Unary::relu:
      return std::max(x, 0.0);
    case Unary::gelu:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Unary::geluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Unary::silu:
      return x / (1 + std::exp(-x));
    case Unary::abs:
      return std::abs(x);
    case Unary::square:
      return x * x;
    case Unary::reciprocal:
      return 1 / x;
    case Unary::softplus:
      return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
  }
  return 0;
}

double unaryDerivativeReference(Unary operation, double x) {
  const double sigmoid = 1 / (1 + std::exp(-x));
  switch (operation) {
    case Unary::neg:
      return -1;
    case Unary::exp:
      return std::exp(x);
    case Unary::log:
      return 1 / x;
    case Unary::sqrt:
      return 0.5 / std::sqrt(x);
    case Unary::rsqrt:
      return -0.5 / (x * std::sqrt(x));
    case Unary::sin:
      return std::cos(x);
    case Unary::cos:
      return -std::sin(x);
    case Unary::tanh:
      return 1 - std::tanh(x) * std::tanh(x);
    case Unary::sigmoid:
      return sigmoid * (1 - sigmoid);
    case Unary::relu:
      return x > 0 ? 1 : 0;
    case Unary::gelu:
      return 0.5 * std::erfc(-x / std::sqrt(2.0)) + x * std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
    case Unary::geluTanh: {
      const double scale = std::sqrt(2 / std::numbers::pi), t = std::tanh(scale * (x + 0.044715 * x * x * x));
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * scale * (1 + 3 * 0.044715 * x * x);
    }
    case Unary::silu:
      return sigmoid * (1 + x * (1 - sigmoid));
    case Unary::abs:
      return x > 0 ? 1 : x < 0 ? -1 : 0;
    case Unary::square:
      return 2 * x;
    case Unary::reciprocal:
      return -1 / (x * x);
    case Unary::softplus:
      return sigmoid;
  }
  return 0;
}

namespace {

double referenceBinary(Binary operation, double a, double b) {
  switch (operation) {
    case Binary::add:
      return a + b;
    case Binary::sub:
      return a - b;
    case Binary::mul:
      return a * b;
    case Binary::div:
      return a / b;
    case Binary::pow:
      return std::pow(a, b);
    case Binary::min:
      return std::isnan(a) || std::isnan(b) ? std::numeric_limits<double>::quiet_NaN() : std::min(a, b);
    case Binary::max:
      return std::isnan(a) || std::isnan(b) ? std::numeric_limits<double>::quiet_NaN() : std::max(a, b);
  }
  return 0;
}

// The reference walks every index of the result by itself, axis by axis, without the joining of axes above.
std::vector<double> referenceBroadcast(Binary operation, const Tensor& a, const Tensor& b, const Shape& to) {
  const auto va = a.as<float>(), vb = b.as<float>();
  std::vector<std::int64_t> index(static_cast<std::size_t>(to.rank()), 0);
  std::vector<double> result;
  const auto offset = [&](const Shape& shape) {
    std::int64_t at = 0;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      const std::int64_t i = index[static_cast<std::size_t>(axis + to.rank() - shape.rank())];
      at = at * shape[axis] + (shape[axis] == 1 ? 0 : i);
    }
    return static_cast<std::size_t>(at);
  };
  for (std::int64_t n = 0; n < to.count(); ++n) {
    result.push_back(referenceBinary(operation, static_cast<double>(va[offset(a.shape())]), static_cast<double>(vb[offset(b.shape())])));
    for (int axis = to.rank() - 1; axis >= 0; --axis) {
      if (++index[static_cast<std::size_t>(axis)] < to[axis]) break;
      index[static_cast<std::size_t>(axis)] = 0;
    }
  }
  return result;
}

struct UnaryCase {
  Unary operation;
  const char* name;
  double low, high;
  double tolerance;
};

// Vulkan allows exp 3 + 2|x| ulp, log 3 ulp (2^-21 absolute near 1), sin and cos 2^-11 absolute inside [-pi, pi]; CPU and desktop drivers
// are far better. 4e-6 is about 32 ulp at 1; sin and cos get 2e-5; gelu adds the 1.5e-7 of its erf. neg, relu and abs are exact.
constexpr UnaryCase unaryCases[] = {{Unary::neg, "neg", -9, 9, 0},
                                    {Unary::exp, "exp", -9, 4, 4e-6},
                                    {Unary::log, "log", 1e-3, 40, 4e-6},
                                    {Unary::sqrt, "sqrt", 0, 40, 1e-6},
                                    {Unary::rsqrt, "rsqrt", 0.02, 40, 1e-6},
                                    {Unary::sin, "sin", -3.1, 3.1, 2e-5},
                                    {Unary::cos, "cos", -3.1, 3.1, 2e-5},
                                    {Unary::tanh, "tanh", -12, 12, 4e-6},
                                    {Unary::sigmoid, "sigmoid", -30, 30, 4e-6},
                                    {Unary::relu, "relu", -9, 9, 0},
                                    {Unary::gelu, "gelu", -6, 6, 4e-6},
                                    {Unary::geluTanh, "gelu-tanh", -6, 6, 4e-6},
                                    {Unary::silu, "silu", -9, 9, 4e-6},
                                    {Unary::abs, "abs", -9, 9, 0},
                                    {Unary::square, "square", -9, 9, 2e-7},
                                    {Unary::reciprocal, "reciprocal", 0.1, 9, 1e-6},
                                    {Unary::softplus, "softplus", -40, 40, 4e-6}};

CheckCase unaryCheck(const UnaryCase& c, std::int64_t count) {
  return {std::string(c.name) + " [" + std::to_string(count) + "]", c.tolerance, [c, count](gpu::Stream& stream) {
            const auto values = testFloats(count, 3, c.low, c.high);
            std::vector<double> expected;
            for (const float v : values) expected.push_back(unaryReference(c.operation, static_cast<double>(v)));
            return compare(unary(stream, c.operation, Tensor::from(Shape{count}, values)), expected);
          }};
}

// The derivatives are made of the same functions: two or three of their roundings meet.
CheckCase gradientCheck(const UnaryCase& c, std::int64_t count) {
  return {"gradient of " + std::string(c.name) + " [" + std::to_string(count) + "]", std::max(3 * c.tolerance, 1e-6), [c, count](gpu::Stream& stream) {
            auto values = testFloats(count, 5, c.low, c.high);
            if (c.low < 0 && count > 4) values[4] = 0;
            const auto gradients = testFloats(count, 6, -2, 2);
            std::vector<double> expected;
            for (std::size_t i = 0; i < values.size(); ++i) {
              expected.push_back(static_cast<double>(gradients[i]) * unaryDerivativeReference(c.operation, static_cast<double>(values[i])));
            }
            return compare(unaryGradient(stream, c.operation, Tensor::from(Shape{count}, values), Tensor::from(Shape{count}, gradients)), expected);
          }};
}

CheckCase binaryCheck(Binary operation, const char* name, Shape a, Shape b, double tolerance) {
  return {std::string(name) + " " + a.toString() + " with " + b.toString(), tolerance, [=](gpu::Stream& stream) {
            // Positive bases keep pow away from values whose rounding the exponent would multiply.
            const double low = operation == Binary::pow ? 0.1 : -3;
            auto va = testFloats(a.count(), 7, low, 3), vb = testFloats(b.count(), 8, 0.5, 3);
            if (operation == Binary::min && va.size() > 2) va[2] = std::numeric_limits<float>::quiet_NaN();
            const Tensor ta = Tensor::from(a, va), tb = Tensor::from(b, vb);
            return compare(binary(stream, operation, ta, tb), referenceBroadcast(operation, ta, tb, *broadcastShape(a, b)));
          }};
}

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const UnaryCase& c : unaryCases) cases.push_back(unaryCheck(c, 1027));
  for (const UnaryCase& c : unaryCases) cases.push_back(gradientCheck(c, 1027));
  cases.push_back(gradientCheck(unaryCases[1], 1));
  cases.push_back(unaryCheck(unaryCases[1], 1));
  cases.push_back(unaryCheck(unaryCases[1], 3));
  cases.push_back({"affine [515]", 2e-7, [](gpu::Stream& stream) {  // one rounding each for the product and the sum
                     const auto values = testFloats(515, 4, -2, 2);
                     std::vector<double> expected;
                     for (const float v : values) expected.push_back(0.75 * static_cast<double>(v) - 1.5);
                     return compare(affine(stream, Tensor::from(Shape{515}, values), 0.75f, -1.5f), expected);
                   }});
  // One rounding of an f32 operation; pow as exp2(b log2 a) loses about |b log2 a| ulp more.
  const struct {
    Binary operation;
    const char* name;
    double tolerance;
  } operations[] = {{Binary::add, "add", 1.2e-7}, {Binary::sub, "sub", 1.2e-7}, {Binary::mul, "mul", 1.2e-7}, {Binary::div, "div", 4e-7},
                    {Binary::pow, "pow", 1e-5},   {Binary::min, "min", 0},      {Binary::max, "max", 0}};
  for (const auto& o : operations) {
    cases.push_back(binaryCheck(o.operation, o.name, Shape{3, 67, 5}, Shape{3, 67, 5}, o.tolerance));
    cases.push_back(binaryCheck(o.operation, o.name, Shape{3, 1, 5, 1}, Shape{7, 1, 11}, o.tolerance));
  }
  cases.push_back(binaryCheck(Binary::sub, "sub", Shape{65, 33}, Shape{1}, 1.2e-7));
  cases.push_back(binaryCheck(Binary::sub, "sub", Shape{65, 36}, Shape{36}, 1.2e-7));
  cases.push_back(binaryCheck(Binary::sub, "sub", Shape{65, 1}, Shape{65, 36}, 1.2e-7));
  cases.push_back(binaryCheck(Binary::sub, "sub", Shape{36}, Shape{65, 1}, 1.2e-7));
  cases.push_back(binaryCheck(Binary::sub, "sub", Shape{64}, Shape{1}, 1.2e-7));
  cases.push_back(binaryCheck(Binary::sub, "sub", Shape{33}, Shape{65, 33}, 1.2e-7));
  cases.push_back(binaryCheck(Binary::sub, "sub", Shape{65, 1}, Shape{65, 33}, 1.2e-7));
  cases.push_back(binaryCheck(Binary::sub, "sub", Shape{2, 1, 3, 1, 5}, Shape{2, 4, 1, 7, 1}, 1.2e-7));
  cases.push_back({"pow of negative bases", 1e-6, [](gpu::Stream& stream) {
                     const Tensor a = Tensor::from(Shape{6}, {-2, -2, -2, -0.5f, -1, 0});
                     const Tensor b = Tensor::from(Shape{6}, {3, 2, 0.5f, -1, 0, 2});
                     return compare(binary(stream, Binary::pow, a, b), referenceBroadcast(Binary::pow, a, b, Shape{6}));
                   }});
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t count : {std::int64_t{1} << 16, std::int64_t{1} << 20, std::int64_t{1} << 23}) {
    cases.push_back({std::to_string(count) + " add", "", static_cast<double>(count), 12.0 * static_cast<double>(count), false,
                     [count](gpu::Stream& stream) {
                       const Tensor a = Tensor::from(Shape{count}, testFloats(count, 1, -1, 1)),
                                    b = Tensor::from(Shape{count}, testFloats(count, 2, -1, 1));
                       a.device(stream);
                       b.device(stream);
                       return [a, b](gpu::Stream& s) { binary(s, Binary::add, a, b); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{
    {"elementwise", "Elementwise operations of one and two operands with broadcasting", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
