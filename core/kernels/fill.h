#pragma once
// A tensor with one value everywhere.

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// f32 [shape].
Tensor fill(gpu::Stream& stream, Shape shape, float value);
// u32 [shape].
Tensor fill(gpu::Stream& stream, Shape shape, std::uint32_t value);

}  // namespace orrery::kernels
