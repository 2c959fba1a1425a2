#pragma once
// Tokens scaled and shifted by what belongs to their sequence: the modulation and the gates of adaptive layer norms (Peebles and Xie 2023,
// section 3.2) in one pass.

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

// y[b, i, j] = base + x[b, i, j] (offset + m[b, j]), f32: x [B, n, d], m [B, d], base empty (nothing), [B, d] (base[b, j]) or [B, n, d]
// (base[b, i, j]). Throws std::invalid_argument for shapes that do not fit.
Tensor modulate(gpu::Stream& stream, const Tensor& x, const Tensor& m, float offset = 0, const Tensor& base = {});

Doubles modulateReference(const Doubles& x, const Doubles& m, double offset, const Doubles& base);

}  // namespace orrery::kernels
