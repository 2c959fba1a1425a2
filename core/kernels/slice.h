#pragma once
// Parts of tensors along an axis: cut out, laid into zeros, put side by side.

#include <span>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// Elements begin .. end - 1 along an axis (counted from the end when negative), copied. 4-byte elements. Throws std::invalid_argument for
// an axis or a range that is not there.
Tensor slice(gpu::Stream& stream, const Tensor& x, int axis, std::int64_t begin, std::int64_t end);

// The gradient of slice: x at begin .. along an axis of `extent` elements, zeros elsewhere.
Tensor padAxis(gpu::Stream& stream, const Tensor& x, int axis, std::int64_t begin, std::int64_t extent);

// Side by side along an axis. Throws std::invalid_argument when there is no part or the types, ranks or other extents differ.
Tensor concat(gpu::Stream& stream, std::span<const Tensor> parts, int axis);

}  // namespace orrery::kernels
