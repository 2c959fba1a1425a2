#pragma once
// Dropout (Srivastava et al. 2014, section 4, in the inverted form): elements vanish at random, the others grow so that the mean stays.

#include "core/kernels/philox.h"
#include "core/kernels/reference.h"

namespace orrery::kernels {

// y_i = x_i / (1 - p) where h_i >= 2^16 p, 0 elsewhere: f32, the shape of x. p in [0, 1) is rounded to a multiple of 2^-16. h_i is the half
// word i mod 8 of Philox block (first + i) / 8, low halves first: the key's `first` counts elements and is a multiple of 8. The same key
// hides the same elements, so this is also how a gradient passes. Throws std::invalid_argument for another p.
Tensor dropout(gpu::Stream& stream, const Tensor& x, double p, const RandomKey& key);

Doubles dropoutReference(const Doubles& x, double p, const RandomKey& key);

}  // namespace orrery::kernels
