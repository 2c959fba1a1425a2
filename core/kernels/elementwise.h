#pragma once
// Elementwise operations on f32 tensors, with NumPy broadcasting for two operands.

#include <optional>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

enum class Unary : std::uint32_t {
  neg,
  exp,
  log,
  sqrt,
  rsqrt,
  sin,
  cos,
  tanh,
  sigmoid,
  relu,
  gelu,      // x Phi(x), by erf (Hendrycks and Gimpel 2016, eq. 1)
  geluTanh,  // 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), their approximation, used by GPT-2
  silu,
  abs,
  square,
  reciprocal,
  softplus,  // ln(1 + exp(x))
};
enum class Binary : std::uint32_t { add, sub, mul, div, pow, min, max };  // min and max give NaN when either is NaN

// y = f(x), same shape.
Tensor unary(gpu::Stream& stream, Unary operation, const Tensor& x);
// gradient * f'(x), same shape: how a gradient passes through y = f(x). relu and abs have f'(0) = 0, as in PyTorch.
Tensor unaryGradient(gpu::Stream& stream, Unary operation, const Tensor& x, const Tensor& gradient);
// f(x) and f'(x) in double precision: the references.
double unaryReference(Unary operation, double x);
double unaryDerivativeReference(Unary operation, double x);
// y = scale * x + shift, same shape.
Tensor affine(gpu::Stream& stream, const Tensor& x, float scale, float shift);
// y = f(a, b), broadcast: shapes are aligned at the last axis, an extent of 1 (or a missing one) repeats. Needs a broadcast shape (see
// below).
Tensor binary(gpu::Stream& stream, Binary operation, const Tensor& a, const Tensor& b);

// The common shape, or nothing when the extents neither agree nor are 1: "[3, 1] with [2, 4]" -> none.
std::optional<Shape> broadcastShape(const Shape& a, const Shape& b);

}  // namespace orrery::kernels
