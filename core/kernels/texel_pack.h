#pragma once
// Rearranges matrices into the texel order in which the `scalar` kernels read them (shaders/kernels/texel_pack.comp).

#include <array>
#include <cstdint>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// Output texel ((batch * extent[0] + e0) * extent[1] + e1) * extent[2] + e2 holds the source elements (outer, inner .. inner + 3) with
// outer = sum e_i outerStep[i], inner = sum e_i innerStep[i]; zeros outside of the limits.
struct TexelOrder {
  std::array<std::uint32_t, 3> extent{}, outerStep{}, innerStep{};
  std::uint32_t outerLimit = 0, innerLimit = 0;
  std::uint32_t batchStride = 0, outerStride = 0, innerStride = 1;  // of the source, in elements
};

// `source` f32; result [batches, extents..., 4].
Tensor packTexels(gpu::Stream& stream, const Tensor& source, std::int64_t batches, const TexelOrder& order);

// [..., n, d] with d not a multiple of 4: rows padded with zeros to whole texels, [..., n, 4 ceil(d / 4)]. Otherwise the tensor itself.
Tensor padRowsToTexels(gpu::Stream& stream, const Tensor& x);

// The way back: [..., n, 4 ceil(d / 4)] -> [..., n, d].
Tensor unpadRows(gpu::Stream& stream, const Tensor& padded, std::int64_t d);

}  // namespace orrery::kernels
