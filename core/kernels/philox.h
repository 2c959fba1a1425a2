#pragma once
// Random tensors from the counter-based generator Philox4x32-10 (core/base/philox.h).

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// What a random number depends on: (seed, stream, flat index of the element), and nothing else: not the number of elements, the dispatch or
// the device. Key = seed; counter = (block low, block high, stream, 0) with block = (first + index) / 4.
struct RandomKey {
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;
  std::uint64_t first = 0;  // index of the first element, a multiple of 4: the rest of a longer sequence
};

// f32 [shape], uniform in [low, high).
Tensor uniform(gpu::Stream& stream, Shape shape, RandomKey key, float low = 0, float high = 1);
// f32 [shape], normal. Box-Muller: elements 2j and 2j + 1 share one pair of words.
Tensor normal(gpu::Stream& stream, Shape shape, RandomKey key, float mean = 0, float deviation = 1);
// u32 [shape], the raw words.
Tensor randomWords(gpu::Stream& stream, Shape shape, RandomKey key);

}  // namespace orrery::kernels
