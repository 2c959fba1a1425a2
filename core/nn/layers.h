#pragma once
// Layers: how weights are named and first drawn, and how they are applied. Names and initial distributions are PyTorch's.

#include <span>
#include <vector>

#include "core/nn/operations.h"
#include "core/nn/optimizer.h"

namespace orrery::nn {

// A source of initial weights: every tensor gets its own stream of the counter-based generator, in the order of the calls.
class Initializer {
 public:
  Initializer(gpu::Stream& stream, std::uint64_t seed, std::uint32_t firstStream = 0x400)
      : stream_(stream), seed_(seed), next_(firstStream) {}

  Tensor uniform(const Shape& shape, double bound);
  Tensor normal(const Shape& shape, double deviation);
  Tensor constant(const Shape& shape, double value);
  // He et al. 2015 with a = sqrt(5), as torch.nn.Linear and Conv2d start: bound 1 / sqrt(fan in) for weights and bias.
  Tensor kaimingUniform(const Shape& shape, std::int64_t fanIn);
  // Glorot and Bengio 2010, eq. 16: bound sqrt(6 / (fan in + fan out)).
  Tensor xavierUniform(const Shape& shape, std::int64_t fanIn, std::int64_t fanOut);

 private:
  gpu::Stream& stream_;
  std::uint64_t seed_;
  std::uint32_t next_;
};

// Weights that are used but not trained: in a judgement, a lab, an import.
std::vector<Variable> constants(Tape& tape, const Weights& weights);

// A multilayer perceptron, the torch.nn.Sequential of Linear, activation, Linear, ...: weights "0.weight" [w1, in], "0.bias" [w1],
// "2.weight", ...
struct Mlp {
  std::vector<std::int64_t> widths;                                 // input, hidden ..., output
  std::optional<kernels::Unary> activation = kernels::Unary::relu;  // none: a linear network

  std::size_t layers() const { return widths.size() - 1; }
  Weights initial(Initializer& draw) const;
  // weights: 2 per layer, in order. `hidden`, when given, receives the value after each hidden activation.
  Variable forward(std::span<const Variable> weights, const Variable& x, std::vector<Variable>* hidden = nullptr) const;
};

}  // namespace orrery::nn
