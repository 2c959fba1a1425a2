#pragma once
// Copies a tensor, with conversion between element types.

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// A copy in fresh storage.
Tensor copy(gpu::Stream& stream, const Tensor& tensor);

// The same values as another type: any of f32, i32, u32, f16, bf16. Storage only: f16 and bf16 are packed two to a word and computed in
// f32. To 16 bits: nearest, ties to even; too large gives infinity; NaN stays NaN. To integers: towards zero, values outside the range are
// undefined.
Tensor convert(gpu::Stream& stream, const Tensor& tensor, DType type);

}  // namespace orrery::kernels
