#pragma once
// Pictures from strangers: PNG and JPEG by their content, with a limit on their size. Other formats register an ImageDecoder.

#include <cstdint>
#include <span>
#include <string>

#include "core/base/expected.h"
#include "core/base/file_format.h"
#include "core/tensor/tensor.h"

namespace orrery {

struct Image {
  int width = 0, height = 0;
  Tensor rgba;                          // [height, width, 4] u8, sRGB, straight alpha
};

// At most this many pixels (64 MPixel) and this long a side.
constexpr std::int64_t mostPixels = std::int64_t{1} << 26;
constexpr int longestSide = 32768;

struct ImageDecoder {
  std::string_view id;                  // "png"
  std::string_view title;               // "PNG image"
  int (*probe)(const FileHead&);
  // With `headerOnly` the pixels stay empty.
  Expected<Image> (*decode)(const std::string& path, bool headerOnly);
};

// Error: not an image we read (E-IM-01), damaged (E-IM-02), too large (E-IM-03), operating system.
Expected<Image> readImage(const std::string& path, bool headerOnly = false);

// Mean luminance (0.2126, 0.7152, 0.0722 of the sRGB values) in 0..1 as [height, width] f32, composed over white.
Tensor luminance(const Image& image);

// An 8-bit RGB picture (row-major, 3 bytes a pixel) as the bytes of a PNG file. Equal pixels give equal bytes.
std::string encodeRgbPng(std::span<const std::uint8_t> rgb, int width, int height);

// Error with id E-IM-03 when the size is out of bounds.
Expected<void> checkImageSize(std::int64_t width, std::int64_t height);

}  // namespace orrery
