#pragma once
// A sparse linear map along one axis of a tensor. Interpolation and average pooling are two of these, one per axis of the image; their
// gradients are the transposed maps, gathered like the maps themselves: no scatter, no atomics.

#include <vector>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// Row i of a matrix [out, in] has the entries starts[i] .. starts[i + 1] - 1, with column `index` and `weight`.
struct AxisMap {
  std::int64_t in = 0, out = 0;
  std::vector<std::uint32_t> starts{0}, index;
  std::vector<float> weight;

  void add(std::int64_t column, double value);  // to the row being made
  void endRow() { starts.push_back(static_cast<std::uint32_t>(index.size())), ++out; }
  AxisMap transposed() const;
};

// x f32 [..., H, W], `alongY` maps H and `alongX` maps W: [..., alongY.out, alongX.out].
Tensor resample(gpu::Stream& stream, const Tensor& x, const AxisMap& alongY, const AxisMap& alongX);

}  // namespace orrery::kernels
