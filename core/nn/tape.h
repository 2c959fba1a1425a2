#pragma once
// Reverse-mode differentiation over kernels. Operations (operations.h) compute with kernels and record on a tape how the gradient of their
// result becomes gradients of their inputs; backward() walks the tape from the end. Sources: Linnainmaa 1970; Baydin et al. 2018,
// section 3.2.
//
// A tape belongs to one stream and one thread and lives for one step. Values and gradients are tensors on the device; nothing is read back.

#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "core/gpu/stream.h"
#include "core/tensor/tensor.h"

namespace orrery::nn {

class Tape;

// A value on a tape: light, copied freely, valid as long as its tape.
class Variable {
 public:
  Variable() = default;
  const Tensor& value() const;
  const Shape& shape() const { return value().shape(); }
  bool needsGradient() const;
  Tape& tape() const { return *tape_; }
  bool empty() const { return tape_ == nullptr; }

 private:
  friend class Tape;
  Variable(Tape* tape, std::size_t index) : tape_(tape), index_(index) {}
  Tape* tape_ = nullptr;
  std::size_t index_ = 0;
};

class Tape {
 public:
  explicit Tape(gpu::Stream& stream) : stream_(stream) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  gpu::Stream& stream() const { return stream_; }

  Variable constant(Tensor value);
  // What gradients are wanted by: weights, or an input.
  Variable leaf(Tensor value);

  // The gradients of the inputs, in order, from the gradient of the result; an entry whose input needs none may be left empty.
  using Backward = std::function<std::vector<Tensor>(gpu::Stream&, const Tensor& gradient)>;
  // The tangent of the result from those of the inputs, in order; an empty one stands for zeros. At least one is not empty.
  using Forward = std::function<Tensor(gpu::Stream&, std::span<const Tensor> tangents)>;
  Variable record(Tensor value, const std::vector<Variable>& inputs, Backward backward, Forward forward = {});

  // The gradients of `of` by every leaf. Without a seed `of` must have one element; with one, of the shape of `of`, this is the
  // vector-Jacobian product. Throws std::invalid_argument when the seed does not fit. The gradients of an earlier call are forgotten.
  void backward(const Variable& of, const Tensor& seed = {});
  // Zeros when backward() did not reach it.
  Tensor gradient(const Variable& of) const;

  // The Jacobian-vector product: how fast `of` changes while leaves[i] move with tangents[i], each of its leaf's shape; other leaves stand
  // still (Baydin et al. 2018, section 3.1). What was recorded is walked from the start, so the graph serves any number of directions.
  // Throws std::invalid_argument when a tangent does not fit, and std::logic_error when an operation on the way was recorded without
  // `forward`.
  Tensor jvp(const Variable& of, std::span<const Variable> leaves, std::span<const Tensor> tangents) const;

 private:
  friend class Variable;
  struct Node {
    Tensor value, gradient;
    bool needsGradient = false;
    std::vector<std::size_t> inputs;
    Backward backward;
    Forward forward;
  };
  Variable push(Node node);
  gpu::Stream& stream_;
  std::deque<Node> nodes_;  // a deque: values stay where they are while it grows
};

}  // namespace orrery::nn
