#include "core/labs/generative/sd3/picture_file.h"

#include "core/base/text.h"
#include "core/data/image.h"

namespace orrery::generative::sd3 {

namespace {

constexpr int multiple = 16;  // 8 of the autoencoder, 2 of the patches

Expected<PictureSize> fitting(int width, int height, bool cut) {
  if (!cut && (width % multiple != 0 || height % multiple != 0)) {
    return makeError(ErrorCode::usage,
                     trf("The picture is {} × {}: both sides must be multiples of 16 (8 of the autoencoder times patches of "
                         "2); take {} × {}, or choose to cut the picture",
                         width, height, width / multiple * multiple, height / multiple * multiple));
  }
  const int w = width / multiple * multiple, h = height / multiple * multiple;
  if (w < multiple || h < multiple) {
    return makeError(ErrorCode::usage, trf("The picture is {} × {}: at least 16 × 16 pixels are needed", width, height));
  }
  return PictureSize{w, h};
}

}  // namespace

Expected<PictureSize> pictureSize(const LabContext& context) {
  const bool cut = context.text("fit") == "cut";
  const Asset& asset = context.file("picture");
  if (asset.path.empty()) {
    return PictureSize{multiple * static_cast<int>(context.integer("columns")), multiple * static_cast<int>(context.integer("rows"))};
  }
  const auto image = readImage(asset.path, true);
  if (!image) return image.error();
  return fitting(image->width, image->height, cut);
}

Expected<PicturePixels> readPicturePixels(const LabContext& context) {
  const auto size = pictureSize(context);
  if (!size) return size.error();
  const auto image = readImage(context.file("picture").path);
  if (!image) return image.error();
  PicturePixels result;
  result.width = size->width, result.height = size->height;
  const int left = (image->width - size->width) / 2, top = (image->height - size->height) / 2;
  const auto rgba = image->rgba.as<std::uint8_t>();
  result.rgb.reserve(static_cast<std::size_t>(size->width) * static_cast<std::size_t>(size->height) * 3);
  for (int y = 0; y < size->height; ++y) {
    for (int x = 0; x < size->width; ++x) {
      const auto at = 4 * (static_cast<std::size_t>(y + top) * static_cast<std::size_t>(image->width) + static_cast<std::size_t>(x + left));
      const unsigned alpha = rgba[at + 3];
      for (std::size_t c = 0; c < 3; ++c) {
        result.rgb.push_back(static_cast<std::uint8_t>((rgba[at + c] * alpha + 255u * (255u - alpha) + 127u) / 255u));
      }
    }
  }
  if (image->width != size->width || image->height != size->height) {
    result.cut = trf("cut from {} × {} to {} × {}", image->width, image->height, size->width, size->height);
  }
  return result;
}

}  // namespace orrery::generative::sd3
