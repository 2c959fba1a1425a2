#include "core/nn/jvp.h"

#include <stdexcept>

#include "core/kernels/elementwise.h"
#include "core/kernels/fill.h"

namespace orrery::nn {

Tensor added(gpu::Stream& stream, const Tensor& a, const Tensor& b) {
  if (a.empty()) return b;
  return b.empty() ? a : kernels::binary(stream, kernels::Binary::add, a, b);
}

Tensor Tape::jvp(const Variable& of, std::span<const Variable> leaves, std::span<const Tensor> tangents) const {
  if (leaves.size() != tangents.size()) throw std::invalid_argument("jvp: as many tangents as leaves are needed");
  std::vector<Tensor> tangentOf(of.index_ + 1);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const Node& leaf = nodes_[leaves[i].index_];
    if (!leaf.needsGradient || !leaf.inputs.empty()) throw std::invalid_argument("jvp: only leaves move by themselves");
    if (tangents[i].shape() != leaf.value.shape()) {
      throw std::invalid_argument("jvp: a leaf of " + leaf.value.shape().toString() + " needs a tangent of its shape, found " +
                                  tangents[i].shape().toString());
    }
    // Behind the result: it does not depend on that one.
    if (leaves[i].index_ > of.index_) continue;
    Tensor& tangent = tangentOf[leaves[i].index_];
    tangent = added(stream_, tangent, tangents[i]);
  }
  // What the result is made of.
  std::vector<bool> reached(of.index_ + 1, false);
  reached[of.index_] = true;
  for (std::size_t i = of.index_ + 1; i-- > 0;) {
    if (!reached[i]) continue;
    for (const std::size_t input : nodes_[i].inputs) reached[input] = true;
  }
  // From the start to the end: every input has its tangent when its turn comes.
  std::vector<Tensor> moved;
  for (std::size_t i = 0; i <= of.index_; ++i) {
    const Node& node = nodes_[i];
    if (!reached[i] || node.inputs.empty()) continue;
    moved.clear();
    bool still = true;
    for (const std::size_t input : node.inputs) {
      moved.push_back(tangentOf[input]);
      still = still && moved.back().empty();
    }
    if (still || node.value.empty()) continue;
    if (!node.forward)
      throw std::logic_error("jvp: the operation that made a " + node.value.shape().toString() + " has no forward derivative");
    Tensor tangent = node.forward(stream_, moved);
    // Only one of two operands moved, and was repeated.
    if (tangent.shape() != node.value.shape()) {
      tangent = kernels::binary(stream_, kernels::Binary::mul, tangent, kernels::fill(stream_, node.value.shape(), 1.0f));
    }
    tangentOf[i] = std::move(tangent);
  }
  const Shape& shape = nodes_[of.index_].value.shape();
  return tangentOf[of.index_].shape() == shape ? tangentOf[of.index_] : kernels::fill(stream_, shape, 0.0f);
}

Jvp jvp(gpu::Stream& stream, const std::function<Variable(Tape&, std::span<const Variable>)>& f, std::span<const Tensor> inputs,
        std::span<const Tensor> tangents) {
  Tape tape(stream);
  std::vector<Variable> leaves;
  for (const Tensor& input : inputs) leaves.push_back(tape.leaf(input));
  const Variable y = f(tape, leaves);
  return {y.value(), tape.jvp(y, leaves, tangents)};
}

}  // namespace orrery::nn
