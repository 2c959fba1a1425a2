#pragma once
// Greedy non-maximum suppression: the best box stays and strikes out those of its class that overlap it too much; then the best of the
// rest.

#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// u32 [N], in the order of the input: 1 where a box stays. boxes f32 [N, 4] as (x1, y1, x2, y2), half-open; scores f32 [N], of equal ones
// the lower index goes first, NaN last; a box is struck out by IoU > threshold. `classes` u32 [N], when given: only boxes of one class
// strike each other out. At most 32,768 boxes. Throws std::invalid_argument for shapes that do not fit, std::length_error for more boxes.
Tensor nms(gpu::Stream& stream, const Tensor& boxes, const Tensor& scores, double threshold, const Tensor& classes = {});

// `classes` may be empty.
std::vector<std::uint32_t> nmsReference(std::span<const double> boxes, std::span<const double> scores,
                                        std::span<const std::uint32_t> classes, double threshold);

}  // namespace orrery::kernels
