#pragma once
// Counts of values in equal bins.

#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct Bins {
  float low = 0, high = 1;
  std::int64_t count = 1;
};

// u32 [bins.count]: how many of the f32 values lie in [low + i w, low + (i + 1) w). Values outside and NaN are not counted.
Tensor histogram(gpu::Stream& stream, const Tensor& values, Bins bins);
// u32 [y.count, x.count] of points f32 [n, 2]; row 0 at the lowest y.
Tensor histogram2d(gpu::Stream& stream, const Tensor& points, Bins x, Bins y);

}  // namespace orrery::kernels
