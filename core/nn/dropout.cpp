// Dropout with its gradient: what was hidden going forward passes nothing back.

#include "core/nn/dropout.h"

#include "core/kernels/dropout.h"
#include "core/nn/gradient_case.h"

namespace orrery::nn {

Variable dropout(const Variable& x, double probability, const kernels::RandomKey& key) {
  if (probability == 0) return x;
  Tape& tape = x.tape();
  return tape.record(
      kernels::dropout(tape.stream(), x.value(), probability, key), {x},
      [probability, key](gpu::Stream& s, const Tensor& g) { return std::vector<Tensor>{kernels::dropout(s, g, probability, key)}; },
      [probability, key](gpu::Stream& s, std::span<const Tensor> t) { return kernels::dropout(s, t[0], probability, key); });
}

namespace {

std::vector<GradientCase> cases() {
  const kernels::RandomKey key{5, 2, 16};
  return {{"dropout of [13, 5]",
           {{Shape{13, 5}}},
           [key](std::span<const Variable> in) { return dropout(in[0], 0.3, key); },
           [key](std::span<const std::vector<double>> in) {
             return kernels::dropoutReference(kernels::Doubles(Shape{13, 5}, in[0]), 0.3, key).values;
           }}};
}

const Registration<Differentiable> registration{{"dropout", cases}};

}  // namespace
}  // namespace orrery::nn
