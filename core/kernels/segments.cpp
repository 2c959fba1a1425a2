// Checked through embedding and grid_sample.

#include "core/kernels/segments.h"

#include <algorithm>

#include "core/kernels/check_support.h"
#include "core/kernels/fill.h"
#include "core/kernels/kernel.h"
#include "core/kernels/sort.h"

namespace orrery::kernels {

Segments segmentsOf(gpu::Stream& stream, const Tensor& keys, std::int64_t count) {
  assert(keys.dtype() == DType::u32);
  Segments result;
  result.count = count, result.entries = keys.count();
  if (keys.empty()) {
    result.order = Tensor(Shape{0}, DType::u32);
    result.starts = fill(stream, Shape{count + 1}, 0u);
    return result;
  }
  const Sorted sorted = sort(stream, keys.reshaped(Shape{keys.count()}));
  result.order = sorted.payload;
  result.starts = Tensor(Shape{count + 1}, DType::u32);
  const struct { std::uint32_t count, entries; } push{static_cast<std::uint32_t>(count + 1), static_cast<std::uint32_t>(keys.count())};
  stream.dispatch("kernels/segment_starts",
                  {{sorted.keys.device(stream), gpu::Access::read}, {result.starts.deviceForWriting(stream), gpu::Access::write}}, push,
                  stridedGroups(count + 1, 64));
  return result;
}

Tensor segmentSum(gpu::Stream& stream, const Segments& segments, const Tensor& source, const Tensor& weight, const Shape& shape,
                  const SegmentSum& s) {
  if (segments.entries == 0 || source.empty() || shape.count() == 0) return fill(stream, shape, 0.0f);
  assert(s.fan == 1 || s.fan == 4);
  Tensor result(shape);
  // All entries may share a key: a window holds no more than one invocation may walk.
  const std::int64_t window = std::min<std::int64_t>(mostIterations(stream.device()) / 2, 1 << 30);
  const auto word = [](std::int64_t value) { return static_cast<std::uint32_t>(value); };
  const std::int64_t count = s.batches * s.keys * s.channels, groups = (count + 63) / 64, widest = 32768;
  for (std::int64_t begin = 0; begin < segments.entries; begin += window) {
    const struct {
      std::uint32_t count, windowBegin, windowEnd, keys, channels;
      std::uint32_t sourceBatch, sourceEntry, sourceChannel, resultBatch, resultKey, resultChannel;
    } push{word(count),         word(begin),           word(std::min(begin + window, segments.entries)),
           word(s.keys),        word(s.channels),      word(s.sourceBatch),
           word(s.sourceEntry), word(s.sourceChannel), word(s.resultBatch),
           word(s.resultKey),   word(s.resultChannel)};
    stream.dispatch("kernels/segment_sum",
                    {{segments.order.device(stream), gpu::Access::read},
                     {segments.starts.device(stream), gpu::Access::read},
                     {source.device(stream), gpu::Access::read},
                     {(weight.empty() ? source : weight).device(stream), gpu::Access::read},
                     {result.deviceForWriting(stream), begin == 0 ? gpu::Access::write : gpu::Access::readWrite}},
                    push, {word(std::min(groups, widest)), word((groups + widest - 1) / widest), 1},
                    {weight.empty() ? 0u : 1u, word(s.fan)});
  }
  return result;
}

}  // namespace orrery::kernels
