#include "core/nn/layers.h"

#include <cmath>
#include <string>

#include "core/kernels/fill.h"
#include "core/kernels/philox.h"

namespace orrery::nn {

Tensor Initializer::uniform(const Shape& shape, double bound) {
  return kernels::uniform(stream_, shape, {seed_, next_++, 0}, static_cast<float>(-bound), static_cast<float>(bound));
}

Tensor Initializer::normal(const Shape& shape, double deviation) {
  return kernels::normal(stream_, shape, {seed_, next_++, 0}, 0, static_cast<float>(deviation));
}

Tensor Initializer::constant(const Shape& shape, double value) { return kernels::fill(stream_, shape, static_cast<float>(value)); }

Tensor Initializer::kaimingUniform(const Shape& shape, std::int64_t fanIn) {
  return uniform(shape, fanIn > 0 ? 1 / std::sqrt(static_cast<double>(fanIn)) : 0);
}

Tensor Initializer::xavierUniform(const Shape& shape, std::int64_t fanIn, std::int64_t fanOut) {
  return uniform(shape, std::sqrt(6.0 / static_cast<double>(std::max<std::int64_t>(fanIn + fanOut, 1))));
}

std::vector<Variable> constants(Tape& tape, const Weights& weights) {
  std::vector<Variable> result;
  for (const NamedTensor& w : weights) result.push_back(tape.constant(w.value));
  return result;
}

Weights Mlp::initial(Initializer& draw) const {
  Weights weights;
  for (std::size_t i = 0; i < layers(); ++i) {
    const std::string name = std::to_string(activation ? 2 * i : i);
    weights.push_back({name + ".weight", draw.kaimingUniform(Shape{widths[i + 1], widths[i]}, widths[i])});
    weights.push_back({name + ".bias", draw.kaimingUniform(Shape{widths[i + 1]}, widths[i])});
  }
  return weights;
}

Variable Mlp::forward(std::span<const Variable> weights, const Variable& x, std::vector<Variable>* hidden) const {
  Variable y = x;
  for (std::size_t i = 0; i < layers(); ++i) {
    const bool last = i + 1 == layers();
    y = linear(y, weights[2 * i], weights[2 * i + 1], last ? std::nullopt : activation);
    if (last) break;
    if (hidden != nullptr) hidden->push_back(y);
  }
  return y;
}

}  // namespace orrery::nn
