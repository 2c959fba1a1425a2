#pragma once
// What transformers over pictures and texts share: pictures as rows of patches, rows that pad to whole texels, and who may see whom.

#include "core/nn/operations.h"

namespace orrery::models {

// images f32 [B, C, S, S] -> [B, (S / p)^2, C p p]: patches row by row, a patch's values channel by channel.
Tensor imagePatches(gpu::Stream& stream, const Tensor& images, std::int64_t patchSize);

// Additive masks [n, n] for nn::attention: no token sees a later one; none sees those from `real` on (empty when there are none).
Tensor causalMask(std::int64_t n);
Tensor paddingMask(std::int64_t n, std::int64_t real);

// x [n, d] with rows of zeros behind it, [rows, d].
nn::Variable paddedRows(const nn::Variable& x, std::int64_t rows);

// Token `index` of each sequence: [B, n, d] -> [B, d].
nn::Variable tokenOf(const nn::Variable& x, std::int64_t index);

}  // namespace orrery::models
