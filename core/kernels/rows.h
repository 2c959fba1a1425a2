#pragma once
// How softmax, layer norm and reduce share rows between invocations (shaders/include/rows.glsl).

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/kernels/kernel.h"

namespace orrery::kernels {

enum class RowMode : std::uint32_t { invocationPerRow = 0, groupPerRow = 1, column = 2 };

// "scalar" runs groups of 8 lanes, anything else groups of 256.
struct RowPlan {
  RowMode mode = RowMode::invocationPerRow;
  gpu::Groups groups;
  std::string shader;
  std::int64_t iterations = 0;   // of the busiest invocation, for at most three walks over a row, one of which stores element by element
};

// `rows` rows of `n` elements (mode column: `rows` counts columns). Short rows are walked by one invocation each, long ones by a group.
inline RowPlan planRows(const gpu::Device& device, std::string_view kernel, std::string_view variant, std::int64_t rows, std::int64_t n,
                        bool columns) {
  const bool scalar = runsScalar(device, kernel, variant);
  const std::int64_t lanes = scalar ? 8 : 256;
  RowPlan plan;
  plan.shader = "kernels/" + std::string(kernel) + (scalar ? "" : "@wide");
  // A lane that walks a row alone saves the exchange between lanes, which lavapipe makes a loop over them: half to a fifth of the time for
  // rows up to some 512. A group that shares a row reads neighbouring memory and serves where rows are few.
  const bool alone = n <= lanes * 4 || (scalar && n <= lanes * 64 && rows >= lanes * 16);
  plan.mode = columns ? RowMode::column : alone ? RowMode::invocationPerRow : RowMode::groupPerRow;
  const std::int64_t groups = plan.mode == RowMode::groupPerRow ? rows : (rows + lanes - 1) / lanes;
  plan.iterations = plan.mode == RowMode::column ? 4 * n : plan.mode == RowMode::groupPerRow ? 7 * (n / (4 * lanes) + 1) : 7 * (n / 4 + 1);
  constexpr std::int64_t widest = 32768;
  plan.groups = {static_cast<std::uint32_t>(std::min(groups, widest)), static_cast<std::uint32_t>((groups + widest - 1) / widest), 1};
  return plan;
}

// Elements before, along and behind an axis.
struct AxisSplit {
  std::int64_t outer = 1, n = 1, inner = 1;
};
inline AxisSplit splitAt(const Shape& shape, int axis) {
  AxisSplit split;
  for (int i = 0; i < shape.rank(); ++i) (i < axis ? split.outer : i == axis ? split.n : split.inner) *= shape[i];
  return split;
}

// 0 .. rank - 1 for an axis counted from either end; -1 when there is no such axis.
inline int wrappedAxis(const Shape& shape, int axis) {
  const int wrapped = axis < 0 ? axis + shape.rank() : axis;
  return wrapped < 0 || wrapped >= shape.rank() ? -1 : wrapped;
}

}  // namespace orrery::kernels
