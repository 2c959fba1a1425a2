#pragma once
// Running sums along the last axis.

#include <string_view>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

enum class ScanKind { inclusive, exclusive };

// y[..., i] = sum of x[..., j] for j <= i (inclusive) or j < i (exclusive). f32 or u32 (modulo 2^32) [..., n], any n >= 0.
// f32 sums are formed block by block, always in the same order on one device. `variant` is for tests: "scalar" or "subgroup", empty
// chooses.
Tensor scan(gpu::Stream& stream, const Tensor& x, ScanKind kind, std::string_view variant = {});

}  // namespace orrery::kernels
