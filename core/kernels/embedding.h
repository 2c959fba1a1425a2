#pragma once
// Rows of a table and their gradient. Names and defaults follow PyTorch.

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

// result[i..., :] = weight[index[i...], :]: weight f32 [rows, D], index u32. The same as gather.
Tensor embedding(gpu::Stream& stream, const Tensor& weight, const Tensor& index);

// dL/dweight [rows, D] from dL/dresult [i..., D]: row r is the sum of the gradients of all places with index r, in the order of the places
// (segments.h: no atomics). Places whose index is not below `rows` or equals `paddingIndex` count nothing.
Tensor embeddingGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& index, std::int64_t rows,
                         std::int64_t paddingIndex = -1);

Doubles embeddingReference(const Doubles& weight, const std::vector<std::uint32_t>& index);
Doubles embeddingGradientReference(const Doubles& gradient, const std::vector<std::uint32_t>& index, std::int64_t rows,
                                   std::int64_t paddingIndex = -1);

}  // namespace orrery::kernels
