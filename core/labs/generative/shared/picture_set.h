#pragma once
// What flows of pictures learn: small colour pictures, 8 bits per value, from ShapeWorld, from patches of one picture, from a folder or from
// an array in a file (picture_array.h).

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/data/shapeworld.h"
#include "core/kernels/philox.h"
#include "core/tensor/tensor.h"

namespace orrery::generative {

// Planar RGB, [count, 3, side, side], one after another.
struct PictureSet {
  std::int64_t side = 0;
  std::vector<std::uint8_t> train, heldOut;
  std::vector<shapeworld::Scene> scenes;  // of `train`, where the pictures are ShapeWorld's
  std::int64_t trainCount() const { return static_cast<std::int64_t>(train.size()) / (3 * side * side); }
  std::int64_t heldOutCount() const { return static_cast<std::int64_t>(heldOut.size()) / (3 * side * side); }
};

constexpr std::int64_t leastPictures = 16;

// A picture over white: planar RGB, [3, height, width].
struct PlanarPicture {
  std::int64_t width = 0, height = 0;
  std::vector<std::uint8_t> values;
};
// Its middle square, resized: every new pixel is the mean of what it covers. Appended to `to`, [3, side, side].
void appendSquare(const PlanarPicture& from, std::int64_t side, std::vector<std::uint8_t>& to);

// Told how far a reader is, 0 ... 1; false stops it, and it answers with an Error: cancelled.
using Watch = std::function<bool(double)>;

// The first `count` pictures of the split train, and the first `heldOut` of val.
PictureSet shapeWorldSet(gpu::Stream& stream, shapeworld::Profile profile, std::int64_t side, std::int64_t count, std::int64_t heldOut);
// Squares of side x side pixels at random places. Where the picture is tall enough the held-out ones come from its lowest quarter, which
// the others never touch. Error: not a picture, or smaller than a patch.
Expected<PictureSet> patchesOf(const std::string& path, std::int64_t side, std::int64_t count, std::int64_t heldOut, std::uint64_t seed);
// The middle square of one picture, resized: planar RGB, [3, side, side]. Error: not a picture.
Expected<std::vector<std::uint8_t>> squareOf(const std::string& path, std::int64_t side);
// Every picture of a folder, its middle square resized; at most count + heldOut, every fourth of the first held out. `names`, unless empty:
// only these files of the folder, one name per line, and each must be a picture. Error: too few pictures, a name that is not a file's there.
Expected<PictureSet> folderOf(const std::string& path, std::int64_t side, std::int64_t count, std::int64_t heldOut,
                              std::int64_t least = leastPictures, const std::string& names = {}, const Watch& watch = {});

// The n highest bits of every value: k / 2^n, f32 [count, 3, side, side].
Tensor quantized(const std::vector<std::uint8_t>& pictures, std::int64_t side, int bits);

// The same with uniform noise of one step, values in [0, 1).
Tensor dequantized(gpu::Stream& stream, const Tensor& pictures, int bits, const kernels::RandomKey& key);

// Which of the first `count` training pictures have an attribute (1), which have its opposite (-1), and which neither (0): "brightness",
// "size" or "warmth". Error: usage, when the pictures do not say what they show.
Expected<std::vector<int>> attributeLabels(const PictureSet& set, const std::string& attribute, std::int64_t count);

}  // namespace orrery::generative
