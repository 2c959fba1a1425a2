#pragma once
// ShapeWorld scenes to pixels: the integer raster of ShapeWorld v1, bit-equal to the C++ generator in core/data on every device.
// Shapes: scenes u32 [batch, 8 + 4 capacity] -> [batch, ...]. A row of the table:
//   words 0..3   texture (0 plain, 1 gradient, 2 checkered, 3 striped, 4 noisy, 5 dotted), tint 0..3, orientation 0..3, scale 0..1
//   words 4..7   scene index, Philox domain, seed low, seed high (the noisy texture draws from them)
//   then per object, back to front: class (0 circle, 1 square, 2 triangle, 3 star) | colour << 8 | angle << 16, radius, cx, cy
// Lattice units (2048 a side), angles in steps of 3 degrees; radius 0 ends the list. core/data/shapeworld_table.h writes such rows.
// `size` is a power of two from 8 to 256; batch at most 65,535.

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// f32 [batch, 3, size, size]: (2 v - 255) / 255 of the 8-bit value v, so -1 to 1. What a network takes.
Tensor shapeWorldImages(gpu::Stream& stream, const Tensor& scenes, int size);
// u32 [batch, size, size]: R | G << 8 | B << 16 | 255 << 24, the bytes of an RGBA picture.
Tensor shapeWorldPixels(gpu::Stream& stream, const Tensor& scenes, int size);
// u32 [batch, size, size]: 1 + place in the table of the object in front at this pixel, 0 = background. The masks of all objects at once.
Tensor shapeWorldOwners(gpu::Stream& stream, const Tensor& scenes, int size);

}  // namespace orrery::kernels
