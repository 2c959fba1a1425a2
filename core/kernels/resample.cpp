// Two passes, the one that leaves less for the other first. Checked through interpolate and the pooling kernels.

#include "core/kernels/resample.h"

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {
namespace {

// x seen as [outer, map.in, inner].
Tensor mapAxis(gpu::Stream& stream, const Tensor& x, const AxisMap& map, std::int64_t outer, std::int64_t inner) {
  Tensor result(Shape{outer, map.out, inner});
  if (result.empty()) return result;
  assert(map.in < 1 << 24);  // an index is kept as f32
  // Rows of equally many texels of two entries: one fetch brings both.
  std::size_t longest = 1;
  for (std::size_t i = 0; i + 1 < map.starts.size(); ++i) longest = std::max<std::size_t>(longest, map.starts[i + 1] - map.starts[i]);
  const std::size_t width = (longest + 1) / 2;
  std::vector<float> entries(static_cast<std::size_t>(map.out) * width * 4, 0.0f);
  for (std::size_t row = 0; row + 1 < map.starts.size(); ++row) {
    for (std::uint32_t e = map.starts[row]; e < map.starts[row + 1]; ++e) {
      const std::size_t at = row * width * 4 + (e - map.starts[row]) * 2;
      entries[at] = static_cast<float>(map.index[e]), entries[at + 1] = map.weight[e];
    }
  }
  const Tensor table = Tensor::from(Shape{map.out, static_cast<std::int64_t>(width), 4}, entries);
  const bool quads = inner % 4 == 0;
  const std::int64_t columns = quads ? inner / 4 : inner, count = outer * map.out * columns;
  const gpu::Groups groups = stridedGroups(count, 64);
  requireIterations(stream.device(), "resample", (count / (std::int64_t{groups.x} * 64) + 1) * (static_cast<std::int64_t>(width) + 1));
  const struct {
    std::uint32_t count, n, m, inner, width;
  } push{static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(map.in), static_cast<std::uint32_t>(map.out),
         static_cast<std::uint32_t>(columns), static_cast<std::uint32_t>(width)};
  stream.dispatch("kernels/resample",
                  {{x.device(stream), gpu::Access::read},
                   {table.device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  push, groups, {quads ? 1u : 0u});
  return result;
}

}  // namespace

void AxisMap::add(std::int64_t column, double value) {
  index.push_back(static_cast<std::uint32_t>(column));
  weight.push_back(static_cast<float>(value));
}

AxisMap AxisMap::transposed() const {
  AxisMap result;
  result.in = out;
  std::vector<std::vector<std::pair<std::uint32_t, float>>> columns(static_cast<std::size_t>(in));
  for (std::size_t row = 0; row + 1 < starts.size(); ++row) {
    for (std::uint32_t e = starts[row]; e < starts[row + 1]; ++e)
      columns[index[e]].emplace_back(static_cast<std::uint32_t>(row), weight[e]);
  }
  for (const auto& column : columns) {
    for (const auto& [row, value] : column) result.add(row, static_cast<double>(value));
    result.endRow();
  }
  return result;
}

Tensor resample(gpu::Stream& stream, const Tensor& x, const AxisMap& alongY, const AxisMap& alongX) {
  const std::int64_t planes = x.count() / std::max<std::int64_t>(alongY.in * alongX.in, 1);
  auto extents = x.shape().extents();
  extents[extents.size() - 2] = alongY.out, extents.back() = alongX.out;
  const Shape shape(std::move(extents));
  if (shape.count() == 0) return Tensor(shape);
  const bool yFirst = alongY.out * alongX.in <= alongY.in * alongX.out;
  const Tensor between = yFirst ? mapAxis(stream, x, alongY, planes, alongX.in) : mapAxis(stream, x, alongX, planes * alongY.in, 1);
  return (yFirst ? mapAxis(stream, between, alongX, planes * alongY.out, 1) : mapAxis(stream, between, alongY, planes, alongX.out))
      .reshaped(shape);
}

}  // namespace orrery::kernels
