// A copy into another order; it is checked through matmul and attention, which read what it writes.

#include "core/kernels/texel_pack.h"

#include <algorithm>

namespace orrery::kernels {

Tensor packTexels(gpu::Stream& stream, const Tensor& source, std::int64_t batches, const TexelOrder& order) {
  struct {
    std::uint32_t count;
    std::array<std::uint32_t, 3> extent, outerStep, innerStep;
    std::uint32_t outerLimit, innerLimit, batchStride, outerStride, innerStride;
    std::array<std::uint32_t, 3> to;
    std::uint32_t apart;
  } push{0,
         order.extent,
         order.outerStep,
         order.innerStep,
         order.outerLimit,
         order.innerLimit,
         order.batchStride,
         order.outerStride,
         order.innerStride,
         {order.extent[1] * order.extent[2], order.extent[2], 1},
         0};
  // Rows of whole texels are copied, columns of whole texels turned around in blocks along the extent where outer grows by one.
  std::uint32_t mode = 0;
  if (order.innerStride == 1) {
    mode = (order.batchStride | order.outerStride) % 4 == 0 ? 1 : 0;
    // Four texels of a row at a time, where they follow each other.
    for (std::size_t i = 0; i < 3 && mode == 1; ++i) {
      if (order.innerStep[i] != 4 || order.outerStep[i] != 0 || order.extent[i] % 4 != 0) continue;
      mode = 3;
      push.apart = push.to[i];
      push.extent[i] /= 4, push.innerStep[i] = 16, push.to[i] *= 4;
    }
  } else if (order.outerStride == 1 && (order.batchStride | order.innerStride | order.outerLimit) % 4 == 0) {
    for (std::size_t i = 0; i < 3 && mode == 0; ++i) {
      if (order.outerStep[i] != 1 || order.innerStep[i] != 0 || order.extent[i] % 4 != 0) continue;
      mode = 2;
      push.apart = push.to[i];
      push.extent[i] /= 4, push.outerStep[i] = 4, push.to[i] *= 4;
    }
  }
  push.count = static_cast<std::uint32_t>(batches) * push.extent[0] * push.extent[1] * push.extent[2];
  Tensor result(Shape{batches, order.extent[0], order.extent[1], order.extent[2], 4});
  constexpr std::uint32_t perGroup = 64, widest = 32768;
  const std::uint32_t groups = (push.count + perGroup - 1) / perGroup;
  stream.dispatch("kernels/texel_pack", {{source.device(stream), gpu::Access::read}, {result.deviceForWriting(stream), gpu::Access::write}},
                  push, {std::min(groups, widest), (groups + widest - 1) / widest, 1}, {mode});
  return result;
}

Tensor padRowsToTexels(gpu::Stream& stream, const Tensor& x) {
  const std::int64_t d = x.shape()[-1];
  if (d % 4 == 0 || x.empty()) return x;
  const auto rows = static_cast<std::uint32_t>(x.count() / d), texels = static_cast<std::uint32_t>((d + 3) / 4);
  TexelOrder order;
  order.extent = {rows, 1, texels};
  order.outerStep = {1, 0, 0};
  order.innerStep = {0, 0, 4};
  order.outerLimit = rows;
  order.innerLimit = static_cast<std::uint32_t>(d);
  order.outerStride = static_cast<std::uint32_t>(d);
  auto extents = x.shape().extents();
  extents.back() = 4 * texels;
  return packTexels(stream, x, 1, order).reshaped(Shape(std::move(extents)));
}

Tensor unpadRows(gpu::Stream& stream, const Tensor& padded, std::int64_t d) {
  if (padded.shape()[-1] == d) return padded;
  auto extents = padded.shape().extents();
  extents.back() = d;
  Tensor result{Shape(std::move(extents))};
  const struct {
    std::uint32_t count, width, paddedWidth;
  } push{static_cast<std::uint32_t>(result.count()), static_cast<std::uint32_t>(d), static_cast<std::uint32_t>(padded.shape()[-1])};
  stream.dispatch("kernels/texel_unpack",
                  {{padded.device(stream), gpu::Access::read}, {result.deviceForWriting(stream), gpu::Access::write}}, push,
                  {std::clamp<std::uint32_t>((push.count + 63) / 64, push.count > 0 ? 1 : 0, 4096), 1, 1});
  return result;
}

}  // namespace orrery::kernels
