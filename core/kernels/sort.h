#pragma once
// Stable sort of rows by key, carrying a payload.

#include <string_view>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct Sorted {
  Tensor keys;     // as the input, ascending along the last axis
  Tensor payload;  // u32, same shape
};

// Sorts every row of keys [..., n] (f32 or u32) ascending and moves payload [..., n] (u32) along; equal keys keep their order.
// f32: -0 comes before +0 and every NaN comes last (returned as the quiet NaN 0x7FFFFFFF).
Sorted sort(gpu::Stream& stream, const Tensor& keys, const Tensor& payload, std::string_view variant = {});
// The payload is each key's position in its row: an argsort.
Sorted sort(gpu::Stream& stream, const Tensor& keys, std::string_view variant = {});

}  // namespace orrery::kernels
