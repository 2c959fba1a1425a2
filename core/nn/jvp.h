#pragma once
// Jacobian-vector products: forward-mode differentiation along what a tape has recorded. Sources: Wengert 1964; Baydin et al. 2018,
// section 3.1. Every operation of operations.h and dropout.h has one; Tape::jvp says what happens with others.

#include <functional>
#include <span>

#include "core/nn/tape.h"

namespace orrery::nn {

struct Jvp {
  Tensor value, tangent;  // f(x) and J v, of one shape
};
// f at `inputs` (as leaves, in order), and its derivative along `tangents`, each of its input's shape.
Jvp jvp(gpu::Stream& stream, const std::function<Variable(Tape&, std::span<const Variable>)>& f, std::span<const Tensor> inputs,
        std::span<const Tensor> tangents);

// a + b, broadcasting, where an empty tensor stands for zeros: how tangents of several inputs meet.
Tensor added(gpu::Stream& stream, const Tensor& a, const Tensor& b);

}  // namespace orrery::nn
