#pragma once
// Rows of a table by index.

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// result[i..., :] = table[index[i...], :]: table [rows, ...] of 4-byte elements, index u32 [i...]; result [i..., ...].
// An index outside the table gives a row of NaN (f32) or zeros (i32, u32).
Tensor gather(gpu::Stream& stream, const Tensor& table, const Tensor& index);

}  // namespace orrery::kernels
