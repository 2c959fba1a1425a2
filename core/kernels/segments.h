#pragma once
// Sums of rows that share a key, without atomics: the places are sorted by key (stably, so that a sum's order is that of the places), each
// key's segment is found by bisection, and every sum is formed by one invocation. Same input, same bytes. The gradients of embedding and of
// grid sampling are such sums.

#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct Segments {
  Tensor order;   // u32 [n]: places in the order of their keys
  Tensor starts;  // u32 [count + 1]: key k has order[starts[k]] .. order[starts[k + 1] - 1]
  std::int64_t count = 0, entries = 0;
};

// `keys` u32 [n]; keys from `count` on belong to no segment.
Segments segmentsOf(gpu::Stream& stream, const Tensor& keys, std::int64_t count);

// result[batch, k, c] = sum over the entries e of segment batch * keys + k of weight[e] source[e / fan, c], elements found by these
// strides.
struct SegmentSum {
  std::int64_t batches = 1, keys = 0, channels = 0, fan = 1;         // fan: 1 or 4
  std::int64_t sourceBatch = 0, sourceEntry = 0, sourceChannel = 0;  // added for batch, e / fan, c
  std::int64_t resultBatch = 0, resultKey = 0, resultChannel = 0;
};
// `weight` f32 [entries] may be empty: 1.
Tensor segmentSum(gpu::Stream& stream, const Segments& segments, const Tensor& source, const Tensor& weight, const Shape& result,
                  const SegmentSum& sum);

}  // namespace orrery::kernels
