#include "core/nn/tape.h"

#include <cassert>
#include <stdexcept>

#include "core/kernels/elementwise.h"
#include "core/kernels/fill.h"

namespace orrery::nn {

const Tensor& Variable::value() const {
  assert(tape_ != nullptr);
  return tape_->nodes_[index_].value;
}

bool Variable::needsGradient() const { return tape_ != nullptr && tape_->nodes_[index_].needsGradient; }

Variable Tape::push(Node node) {
  nodes_.push_back(std::move(node));
  return {this, nodes_.size() - 1};
}

Variable Tape::constant(Tensor value) {
  Node node;
  node.value = std::move(value);
  return push(std::move(node));
}

Variable Tape::leaf(Tensor value) {
  Node node;
  node.value = std::move(value);
  node.needsGradient = true;
  return push(std::move(node));
}

Variable Tape::record(Tensor value, const std::vector<Variable>& inputs, Backward backward, Forward forward) {
  Node node;
  node.value = std::move(value);
  for (const Variable& input : inputs) {
    assert(input.tape_ == this && "variables of two tapes do not mix");
    node.inputs.push_back(input.index_);
    node.needsGradient = node.needsGradient || input.needsGradient();
  }
  // What no leaf stands behind is a constant: nothing to remember.
  if (node.needsGradient) {
    node.backward = std::move(backward);
    node.forward = std::move(forward);
  } else {
    node.inputs.clear();
  }
  return push(std::move(node));
}

void Tape::backward(const Variable& of, const Tensor& seed) {
  for (Node& node : nodes_) node.gradient = {};
  Node& last = nodes_[of.index_];
  if (seed.empty() ? last.value.count() != 1 : seed.shape() != last.value.shape()) {
    throw std::invalid_argument("backward: a result of " + last.value.shape().toString() + " needs a seed of its shape" +
                                (seed.empty() ? "" : ", found " + seed.shape().toString()));
  }
  if (!last.needsGradient) return;
  last.gradient = seed.empty() ? kernels::fill(stream_, last.value.shape(), 1.0f) : seed;
  // Every input lies before what was made of it: from the end to the start, each node has its whole gradient when its turn comes.
  for (std::size_t i = of.index_ + 1; i-- > 0;) {
    Node& node = nodes_[i];
    if (node.gradient.shape() != node.value.shape() || !node.backward) continue;
    const std::vector<Tensor> parts = node.backward(stream_, node.gradient);
    assert(parts.size() == node.inputs.size());
    for (std::size_t k = 0; k < parts.size(); ++k) {
      Node& input = nodes_[node.inputs[k]];
      if (!input.needsGradient || parts[k].empty()) continue;
      assert(parts[k].shape() == input.value.shape());
      // Used twice: the gradients add.
      input.gradient = input.gradient.shape() == input.value.shape()
                           ? kernels::binary(stream_, kernels::Binary::add, input.gradient, parts[k])
                           : parts[k];
    }
  }
}

Tensor Tape::gradient(const Variable& of) const {
  const Node& node = nodes_[of.index_];
  return node.gradient.shape() == node.value.shape() ? node.gradient : kernels::fill(stream_, node.value.shape(), 0.0f);
}

}  // namespace orrery::nn
