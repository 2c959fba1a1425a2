#pragma once
// The largest (or smallest) k values of every row and their places. Names and defaults follow PyTorch's topk along the last axis.

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct TopK {
  Tensor values;   // f32 [..., k], best first; the first of equals comes first
  Tensor indices;  // u32 [..., k]
};

// x f32 [..., n], 0 <= k <= n. NaN comes last in both directions. Throws std::invalid_argument for another type, rank 0 or a k that does
// not fit.
TopK topK(gpu::Stream& stream, const Tensor& x, std::int64_t k, bool largest = true);
// dL/dx [..., n] from dL/dvalues: each goes back to its place, zeros elsewhere. No two share a place.
Tensor topKGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& indices, std::int64_t n);

struct TopKReference {
  Doubles values;
  std::vector<std::uint32_t> indices;
};
TopKReference topKReference(const Doubles& x, std::int64_t k, bool largest = true);
Doubles topKGradientReference(const Doubles& gradient, const std::vector<std::uint32_t>& indices, std::int64_t n);

}  // namespace orrery::kernels
