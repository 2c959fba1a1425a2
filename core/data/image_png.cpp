// PNG through libpng. Reading: 16 bits are reduced to 8, palettes and grey expanded. Writing: 8-bit RGB.

#include <png.h>

#include <cassert>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "core/base/registry.h"
#include "core/base/text.h"
#include "core/data/image.h"

namespace orrery {

namespace {

int probe(const FileHead& head) {
  return head.head.size() >= 8 && png_sig_cmp(reinterpret_cast<png_const_bytep>(head.head.data()), 0, 8) == 0 ? 95 : 0;
}

struct Failure {
  std::string message;
};

[[noreturn]] void onError(png_structp png, png_const_charp message) {
  static_cast<Failure*>(png_get_error_ptr(png))->message = message;
  png_longjmp(png, 1);
}
void onWarning(png_structp, png_const_charp) {}

// All objects with destructors live outside the function that may longjmp.
bool decodeInto(png_structp png, png_infop info, std::FILE* file, bool headerOnly, Image& image, std::vector<png_bytep>& rows,
                std::optional<Error>& refused) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_init_io(png, file);
  png_set_user_limits(png, longestSide, longestSide);
  png_set_chunk_malloc_max(png, 8u << 20);
  png_read_info(png, info);
  image.width = static_cast<int>(png_get_image_width(png, info));
  image.height = static_cast<int>(png_get_image_height(png, info));
  if (auto size = checkImageSize(image.width, image.height); !size) {
    refused = size.error();
    return true;
  }
  if (headerOnly) return true;
  png_set_expand(png);
  png_set_scale_16(png);
  png_set_gray_to_rgb(png);
  png_set_add_alpha(png, 0xFF, PNG_FILLER_AFTER);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  image.rgba = Tensor(Shape{image.height, image.width, 4}, DType::u8);
  auto bytes = image.rgba.hostForWriting();
  std::memset(bytes.data(), 0, bytes.size());
  rows.resize(static_cast<std::size_t>(image.height));
  for (std::size_t y = 0; y < rows.size(); ++y) {
    rows[y] = reinterpret_cast<png_bytep>(bytes.data()) + y * static_cast<std::size_t>(image.width) * 4;
  }
  png_read_image(png, rows.data());
  png_read_end(png, nullptr);
  return true;
}

Expected<Image> decode(const std::string& path, bool headerOnly) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) return makeError(ErrorCode::notFound, trf("cannot open image '{}': check the name and that it can be read", path), "E-IN-01");
  Failure failure;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure, onError, onWarning);
  png_infop info = png_create_info_struct(png);
  Image image;
  std::vector<png_bytep> rows;
  std::optional<Error> refused;
  const bool read = decodeInto(png, info, file.get(), headerOnly, image, rows, refused);
  png_destroy_read_struct(&png, &info, nullptr);
  if (refused) return *refused;
  if (!read) {
    return makeError(ErrorCode::badInput, trf("the PNG image '{}' is damaged: {}; download or save it again", path, failure.message), "E-IM-02");
  }
  return image;
}

const Registration<ImageDecoder> decoder{{"png", "PNG image", probe, decode}};

void append(png_structp png, png_bytep data, png_size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(data), size);
}

// As above: what has a destructor is made by the caller.
bool encodeFrom(png_structp png, png_infop info, int width, int height, std::vector<png_bytep>& rows, std::string& out) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_write_fn(png, &out, append, nullptr);
  png_set_compression_level(png, 6);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  png_write_image(png, rows.data());
  png_write_end(png, nullptr);
  return true;
}

}  // namespace

std::string encodeRgbPng(std::span<const std::uint8_t> rgb, int width, int height) {
  assert(rgb.size() == static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  std::string out;
  Failure failure;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure, onError, onWarning);
  png_infop info = png_create_info_struct(png);
  std::vector<png_bytep> rows;
  for (int y = 0; y < height; ++y) rows.push_back(const_cast<png_bytep>(rgb.data()) + static_cast<std::size_t>(y) * static_cast<std::size_t>(width) * 3);
  if (!encodeFrom(png, info, width, height, rows, out)) out.clear();
  png_destroy_write_struct(&png, &info);
  return out;
}

}  // namespace orrery
