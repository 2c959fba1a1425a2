#pragma once
// Pictures in an array: npy, or npz with one or several arrays.
//
// Shape: [N, H, W] grey, [N, H, W, C] or [N, C, H, W] with C = 1, 3 or 4 (grey, RGB, RGB and alpha over white); sides are 8 pixels or more,
// so that C is never mistaken for a side. Values: unsigned bytes, 0 ... 255; or f16, f32, f64 in -1 ... 1 where one is negative, otherwise
// in 0 ... 1 (a thousandth beyond is rounding and cut off). Floats become 8 bits per value. Of several such arrays in an npz the one with
// the most pictures is taken, the first of equals.
// From more pictures than are asked for, those evenly spread over the array are taken: arrays are often sorted by class.

#include "core/base/file_format.h"
#include "core/labs/generative/shared/picture_set.h"

namespace orrery::generative {

// Values in one array that are read at most: as f32 they are 1 GiB.
constexpr std::int64_t mostArrayValues = std::int64_t{1} << 28;

bool isPictureArray(const TensorSummary& array);

// The middle square of each picture, resized; at most count + heldOut, every fourth of the first held out. Error: one sentence for what is
// no such file, no such shape or type, no pictures or fewer than `least`, too small, too large, NaN, values outside; cancelled.
Expected<PictureSet> arrayOf(const std::string& path, std::int64_t side, std::int64_t count, std::int64_t heldOut,
                             std::int64_t least = leastPictures, const Watch& watch = {});

}  // namespace orrery::generative
