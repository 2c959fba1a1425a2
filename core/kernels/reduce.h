#pragma once
// Sum, mean, largest value and its place along an axis. Source: the definitions.

#include <string_view>
#include <vector>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

enum class Reduction { sum, mean, max, argmax };

// x f32 -> x's shape without the axis (rank 1 gives rank 0, one element); argmax gives i32, the first of equals. A sum over nothing is 0;
// the others need at least one element. Sums are made of blocks in an order that depends on the shape only: same input, same bytes. Throws
// std::invalid_argument for an axis that is not there and for mean, max and argmax over nothing.
Tensor reduce(gpu::Stream& stream, const Tensor& x, int axis, Reduction operation, std::string_view variant = {});

// Over all elements: shape [].
Tensor reduceAll(gpu::Stream& stream, const Tensor& x, Reduction operation, std::string_view variant = {});

std::vector<double> reduceReference(const Tensor& x, int axis, Reduction operation);

}  // namespace orrery::kernels
