#pragma once
// Reverse-mode differentiation over kernels. Operations (operations.h) compute with kernels and record on a tape how the gradient of their
// result becomes gradients of their inputs; backward() walks the tape from the end. Sources: Linnainmaa 1970; Baydin et al. 2018,
// section 3.2.
//
// A tape belongs to one stream and one thread and lives for one step. Values and gradients are tensors on the device; nothing is read back.

#include <deque>
#include <functional>
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
  Variable record(Tensor value, const std::vector<Variable>& inputs, Backward backward);

  // The gradients of `of` by every leaf. Without a seed `of` must have one element; with one, of the shape of `of`, this is the
  // vector-Jacobian product. Throws std::invalid_argument when the seed does not fit. The gradients of an earlier call are forgotten.
  void backward(const Variable& of, const Tensor& seed = {});
  // Zeros when backward() did not reach it.
  Tensor gradient(const Variable& of) const;

 private:
  friend class Variable;
  struct Node {
    Tensor value, gradient;
    bool needsGradient = false;
    std::vector<std::size_t> inputs;
    Backward backward;
  };
  Variable push(Node node);
  gpu::Stream& stream_;
  std::deque<Node> nodes_;  // a deque: values stay where they are while it grows
};

}  // namespace orrery::nn
