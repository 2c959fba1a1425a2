#pragma once
// What transformers over pictures and texts share: pictures as rows of patches, rows that pad to whole texels, and who may see whom.

#include "core/nn/operations.h"

namespace orrery::models {

// images f32 [B, C, S, S] -> [B, (S / p)^2, C p p]: patches row by row, a patch's values channel by channel.
Tensor imagePatches(gpu::Stream& stream, const Tensor& images, std::int64_t patchSize);

// The two-dimensional sine-cosine code of side x side places, [side side, width]: the first half of a row encodes the column, the second
// the row; of each half the sines, then the cosines, with frequencies 10000^(-4 i / width); zeros for the rest of a width that 4 does not
// divide. Source: the authors' code of MAE and DiT (get_2d_sincos_pos_embed).
std::vector<float> sineCosineCode(std::int64_t side, std::int64_t width);
// The one-dimensional code of a number, [width]: cosines, then sines, frequencies 10000^(-2 i / width) (the timestep embedding of GLIDE and
// DiT).
std::vector<float> timeCode(double t, std::int64_t width);

// x [n, d] with rows of zeros behind it, [rows, d].
nn::Variable paddedRows(const nn::Variable& x, std::int64_t rows);

// Token `index` of each sequence: [B, n, d] -> [B, d].
nn::Variable tokenOf(const nn::Variable& x, std::int64_t index);

}  // namespace orrery::models
