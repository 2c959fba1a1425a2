#include "core/data/image.h"

#include <fstream>

#include "core/base/registry.h"
#include "core/base/text.h"

namespace orrery {

namespace {

const ImageDecoder* bestDecoder(const FileHead& head) {
  const ImageDecoder* best = nullptr;
  int bestScore = 0;
  for (const ImageDecoder& decoder : registered<ImageDecoder>()) {
    if (const int score = decoder.probe(head); score > bestScore) {
      bestScore = score;
      best = &decoder;
    }
  }
  return best;
}

int probe(const FileHead& head) {
  const ImageDecoder* decoder = bestDecoder(head);
  return decoder == nullptr ? 0 : decoder->probe(head);
}

Expected<FileReport> inspect(const std::string& path, const InspectOptions&) {
  FileReport report;
  report.kind = "image";
  report.title = tr("image");
  std::error_code ignored;
  std::ifstream size(path, std::ios::binary | std::ios::ate);
  report.bytes = size ? static_cast<std::uint64_t>(size.tellg()) : 0;
  auto image = readImage(path, false);
  if (!image) {
    report.error = image.error();
    return report;
  }
  report.counts["width"] = image->width;
  report.counts["height"] = image->height;
  report.title = trf("image, {} x {} pixels", image->width, image->height);
  return report;
}

const Registration<FileFormat> format{{"image", "image", probe, inspect}};

}  // namespace

Expected<void> checkImageSize(std::int64_t width, std::int64_t height) {
  if (width < 1 || height < 1 || width > longestSide || height > longestSide || width * height > mostPixels) {
    return makeError(ErrorCode::badInput,
                     trf("the image claims {} x {} pixels; at most {} per side and {} million in all are read: make it smaller", width, height,
                         longestSide, mostPixels >> 20),
                     "E-IM-03");
  }
  return {};
}

Expected<Image> readImage(const std::string& path, bool headerOnly) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return makeError(ErrorCode::notFound, trf("cannot open image '{}': check the name and that it can be read", path), "E-IN-01");
  std::vector<char> bytes(4096);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  const FileHead head{path, std::as_bytes(std::span<const char>(bytes)), bytes.size(), false};
  const ImageDecoder* decoder = bestDecoder(head);
  if (decoder == nullptr) {
    return makeError(ErrorCode::badInput, trf("'{}' is not an image that is read here: expected PNG or JPEG, convert it first", path), "E-IM-01");
  }
  return decoder->decode(path, headerOnly);
}

Tensor luminance(const Image& image) {
  Tensor result(Shape{image.height, image.width});
  auto to = result.asMutable<float>();
  const auto from = image.rgba.as<std::uint8_t>();
  for (std::size_t i = 0; i < to.size(); ++i) {
    const float value = (0.2126f * from[4 * i] + 0.7152f * from[4 * i + 1] + 0.0722f * from[4 * i + 2]) / 255.0f;
    const float alpha = from[4 * i + 3] / 255.0f;
    to[i] = value * alpha + (1.0f - alpha);
  }
  return result;
}

}  // namespace orrery
