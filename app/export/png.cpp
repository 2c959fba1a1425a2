// PNG: pixels, dots per inch (pHYs), and the recipe in an iTXt chunk with the keyword "orrery".

#include "app/export/png.h"

#include <png.h>
#include <zlib.h>

#include <cmath>
#include <csetjmp>
#include <cstring>
#include <span>
#include <vector>

#include "app/export/export.h"
#include "core/base/files.h"
#include "core/base/text.h"

namespace orrery::exporting {

namespace {

constexpr const char* keyword = "orrery";

void append(png_structp png, png_bytep data, png_size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(data), size);
}

// libpng reports errors by longjmp: nothing with a destructor may be made after setjmp in this function.
bool write(png_structp png, png_infop info, const render::Pixels& pixels, const PngTexts& texts, std::vector<png_text>& chunks, std::vector<png_bytep>& rows,
           std::string& out) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_write_fn(png, &out, append, nullptr);
  png_set_compression_level(png, 6);
  png_set_IHDR(png, info, static_cast<png_uint_32>(pixels.width), static_cast<png_uint_32>(pixels.height), 8, PNG_COLOR_TYPE_RGBA, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
  if (texts.dotsPerInch > 0) {
    const auto perMeter = static_cast<png_uint_32>(std::lround(texts.dotsPerInch / 0.0254));
    png_set_pHYs(png, info, perMeter, perMeter, PNG_RESOLUTION_METER);
  }
  if (!chunks.empty()) png_set_text(png, info, chunks.data(), static_cast<int>(chunks.size()));
  png_write_info(png, info);
  png_write_image(png, rows.data());
  png_write_end(png, nullptr);
  return true;
}

std::uint32_t bigEndian(std::string_view bytes, std::size_t at) {
  const auto b = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[at + i])); };
  return b(0) << 24 | b(1) << 16 | b(2) << 8 | b(3);
}

// Inflates at most `limit` bytes; empty when the stream is broken or larger.
std::string inflated(std::string_view bytes, std::size_t limit) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return {};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string result;
  std::vector<char> part(1 << 16);
  int status = Z_OK;
  while (status == Z_OK && result.size() <= limit) {
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = static_cast<uInt>(part.size());
    status = inflate(&stream, Z_NO_FLUSH);
    result.append(part.data(), part.size() - stream.avail_out);
    if (stream.avail_in == 0 && stream.avail_out != 0) break;
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END && result.size() <= limit ? result : std::string{};
}

}  // namespace

std::string encodePng(const render::Pixels& pixels, const PngTexts& texts) {
  std::string out;
  if (pixels.width <= 0 || pixels.height <= 0) return out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  // libpng wants mutable strings; it only reads them.
  std::vector<png_text> chunks;
  const auto add = [&](const char* key, const std::string& text) {
    if (text.empty()) return;
    png_text chunk{};
    chunk.compression = PNG_ITXT_COMPRESSION_zTXt;
    chunk.key = const_cast<char*>(key);
    chunk.text = const_cast<char*>(text.c_str());
    chunk.itxt_length = text.size();
    chunks.push_back(chunk);
  };
  add("Title", texts.title);
  add(keyword, texts.recipe);
  std::vector<png_bytep> rows(static_cast<std::size_t>(pixels.height));
  for (std::size_t y = 0; y < rows.size(); ++y) {
    rows[y] = const_cast<png_bytep>(pixels.rgba.data() + y * static_cast<std::size_t>(pixels.width) * 4);
  }
  const bool done = info && write(png, info, pixels, texts, chunks, rows, out);
  if (png) png_destroy_write_struct(&png, info ? &info : nullptr);
  if (!done) out.clear();
  return out;
}

std::string encodePng(const render::Pixels& pixels, const std::string& recipe) { return encodePng(pixels, PngTexts{recipe, {}, 0}); }

Expected<std::string> recipeInPng(std::string_view bytes, const std::string& path) {
  const Error none = makeError(ErrorCode::notFound, trf("'{}' carries no Orrery recipe: only figures that Orrery exported with their recipe can be reopened", path), "E-RCP-01");
  constexpr std::size_t limit = std::size_t{64} << 20;
  for (std::size_t at = 8; at + 12 <= bytes.size();) {
    const std::size_t length = bigEndian(bytes, at);
    if (length > bytes.size() - at - 12) break;
    const std::string_view type = bytes.substr(at + 4, 4), data = bytes.substr(at + 8, length);
    const std::size_t key = std::strlen(keyword);
    if (type == "iTXt" && data.size() > key + 5 && data.substr(0, key) == keyword && data[key] == '\0') {
      const std::string_view checked = bytes.substr(at + 4, length + 4);
      if (crc32(std::as_bytes(std::span(checked.data(), checked.size()))) != bigEndian(bytes, at + 8 + length)) {
        return makeError(ErrorCode::badInput, trf("the recipe in '{}' is damaged: its checksum does not fit; export the figure again", path), "E-RCP-02");
      }
      // keyword 0, compressed, method, language 0, translated keyword 0, text
      const bool compressed = data[key + 1] != 0;
      std::size_t start = data.find('\0', key + 3);
      start = start == std::string_view::npos ? start : data.find('\0', start + 1);
      if (start == std::string_view::npos) break;
      const std::string_view text = data.substr(start + 1);
      std::string recipe = compressed ? inflated(text, limit) : std::string(text);
      if (recipe.empty()) return makeError(ErrorCode::badInput, trf("the recipe in '{}' is damaged: it cannot be decompressed; export the figure again", path), "E-RCP-02");
      return recipe;
    }
    at += length + 12;
  }
  return none;
}

}  // namespace orrery::exporting
