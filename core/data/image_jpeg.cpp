// JPEG through libjpeg.

#include <cstdio>
// jpeglib.h needs FILE and size_t first.
#include <jpeglib.h>

#include <csetjmp>
#include <memory>
#include <optional>

#include "core/base/registry.h"
#include "core/base/text.h"
#include "core/data/image.h"

namespace orrery {

namespace {

int probe(const FileHead& head) {
  return head.head.size() >= 3 && head.head[0] == std::byte{0xFF} && head.head[1] == std::byte{0xD8} && head.head[2] == std::byte{0xFF} ? 95 : 0;
}

struct ErrorManager {
  jpeg_error_mgr base{};
  std::jmp_buf jump{};
  char message[JMSG_LENGTH_MAX] = {};
};

void onError(j_common_ptr info) {
  auto* manager = reinterpret_cast<ErrorManager*>(info->err);
  info->err->format_message(info, manager->message);
  std::longjmp(manager->jump, 1);
}
void onMessage(j_common_ptr) {}

bool decodeInto(jpeg_decompress_struct& info, ErrorManager& manager, std::FILE* file, bool headerOnly, Image& image, std::vector<JSAMPLE>& row,
                std::optional<Error>& refused) {
  if (setjmp(manager.jump)) return false;
  jpeg_create_decompress(&info);
  jpeg_stdio_src(&info, file);
  jpeg_read_header(&info, TRUE);
  image.width = static_cast<int>(info.image_width);
  image.height = static_cast<int>(info.image_height);
  if (auto size = checkImageSize(image.width, image.height); !size) {
    refused = size.error();
    return true;
  }
  if (headerOnly) return true;
  info.out_color_space = JCS_RGB;
  jpeg_start_decompress(&info);
  image.rgba = Tensor(Shape{image.height, image.width, 4}, DType::u8);
  auto bytes = image.rgba.hostForWriting();
  row.resize(static_cast<std::size_t>(image.width) * 3);
  while (info.output_scanline < info.output_height) {
    std::byte* to = bytes.data() + static_cast<std::size_t>(info.output_scanline) * static_cast<std::size_t>(image.width) * 4;
    JSAMPROW rows[1] = {row.data()};
    jpeg_read_scanlines(&info, rows, 1);
    for (int x = 0; x < image.width; ++x) {
      for (int c = 0; c < 3; ++c) to[4 * x + c] = std::byte{row[static_cast<std::size_t>(3 * x + c)]};
      to[4 * x + 3] = std::byte{255};
    }
  }
  jpeg_finish_decompress(&info);
  return true;
}

Expected<Image> decode(const std::string& path, bool headerOnly) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) return makeError(ErrorCode::notFound, trf("cannot open image '{}': check the name and that it can be read", path), "E-IN-01");
  jpeg_decompress_struct info{};
  ErrorManager manager;
  info.err = jpeg_std_error(&manager.base);
  manager.base.error_exit = onError;
  manager.base.output_message = onMessage;
  Image image;
  std::vector<JSAMPLE> row;
  std::optional<Error> refused;
  const bool read = decodeInto(info, manager, file.get(), headerOnly, image, row, refused);
  // libjpeg fills a truncated image with grey and only counts a warning.
  const bool warned = info.err->num_warnings > 0;
  jpeg_destroy_decompress(&info);
  if (refused) return *refused;
  if (!read || warned) {
    const std::string what = read ? tr("its data end too early or are garbled") : std::string(manager.message);
    return makeError(ErrorCode::badInput, trf("the JPEG image '{}' is damaged: {}; download or save it again", path, what), "E-IM-02");
  }
  return image;
}

const Registration<ImageDecoder> decoder{{"jpeg", "JPEG image", probe, decode}};

}  // namespace

}  // namespace orrery
