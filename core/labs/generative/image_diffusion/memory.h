#pragma once
// Denoisers made of a set of known pictures, without any training.
//
// Perfect memory: the ideal denoiser of the set, D = sum_k w_k y_k, w_k ~ exp(-|x - y_k|^2 / 2 sigma^2). It ends in a known picture.
//
// Local memory: every pixel judges by a window of k x k pixels around it only,
//   D(p) = sum_k w_k(p) y_k(p),  w_k(p) ~ exp(-|x_W(p) - y_k,W(p)|^2 / 2 sigma^2),
// cut off at the border. That is the ideal denoiser among those whose answer at a pixel depends on its neighbourhood and its place alone (the
// local score machine of Kamb and Ganguli 2024, "An analytic theory of creativity in convolutional diffusion models"): different places agree
// with different pictures, so what comes out is none of them. As in trained networks the window narrows with the noise: from `far` at sigma >= 3
// to `near` at sigma <= 0.1, evenly in ln sigma. A window of 2 S - 1 pixels sees the whole picture: perfect memory.
//
// Pictures are [3, S, S], values -1 ... 1.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/labs/generative/image_diffusion/denoiser.h"
#include "core/labs/generative/shared/picture_set.h"

namespace orrery::generative {

struct KnownPictures {
  std::int64_t side = 32;
  std::vector<float> known, others;       // [n, 3, side, side]; the others are held out
  std::vector<std::uint32_t> classes;     // of the known ones, where they have any
  std::vector<std::string> classNames;
};

// ShapeWorld singles at 32 x 32: the first `count` of the split train; others from val, from number `first` on.
KnownPictures shapeWorldKnown(std::uint32_t count, std::uint32_t others, std::uint32_t first);
// From patches of a picture, a folder or some of its files (shared/picture_set.h), or an array (shared/picture_array.h). Error: theirs.
// Without others one picture is enough.
Expected<KnownPictures> patchesKnown(const std::string& path, std::int64_t side, std::int64_t count, std::int64_t others, std::uint64_t seed);
Expected<KnownPictures> folderKnown(const std::string& path, const std::string& names, std::int64_t side, std::int64_t count,
                                    std::int64_t others, const Watch& watch = {});
Expected<KnownPictures> arrayKnown(const std::string& path, std::int64_t side, std::int64_t count, std::int64_t others, const Watch& watch = {});

struct LocalWindow {
  std::int64_t far = 0, near = 0;         // side of the window in pixels, odd; 0: the whole picture
  std::int64_t at(double level) const;
};

std::unique_ptr<PictureDenoiser> memoryDenoiser(KnownPictures pictures, LocalWindow window = {});

}  // namespace orrery::generative
