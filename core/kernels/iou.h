#pragma once
// How much boxes overlap. Sources: Jaccard 1912 (intersection over union); Rezatofighi et al. 2019, algorithm 1 (generalised).

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

enum class Overlap { iou, generalized };

// result[i, j] f32 [N, M] of boxes a f32 [N, 4] and b f32 [M, 4] as (x1, y1, x2, y2), half-open, x1 <= x2, y1 <= y2:
//   iou          |a and b| / |a or b|, 0 where both are empty (torchvision's box_iou gives NaN there)
//   generalized  iou - (C - |a or b|) / C with C the area of the smallest box around both; in (-1, 1]
// Throws std::invalid_argument for other shapes and types.
Tensor pairwiseOverlap(gpu::Stream& stream, const Tensor& a, const Tensor& b, Overlap kind = Overlap::iou);

Doubles pairwiseOverlapReference(const Doubles& a, const Doubles& b, Overlap kind = Overlap::iou);

}  // namespace orrery::kernels
