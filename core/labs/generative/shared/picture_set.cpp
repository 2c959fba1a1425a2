#include "core/labs/generative/shared/picture_set.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "core/base/philox.h"
#include "core/base/text.h"
#include "core/data/image.h"
#include "core/kernels/elementwise.h"
#include "core/models/pictures.h"

namespace orrery::generative {
namespace {

constexpr std::uint32_t placeStream = 0x621;

Expected<PlanarPicture> readPlanar(const std::string& path) {
  const auto image = readImage(path);
  if (!image) return image.error();
  PlanarPicture planar{image->width, image->height, {}};
  const auto rgba = image->rgba.as<std::uint8_t>();
  const auto pixels = static_cast<std::size_t>(planar.width * planar.height);
  planar.values.resize(3 * pixels);
  for (std::size_t p = 0; p < pixels; ++p) {
    const float alpha = static_cast<float>(rgba[4 * p + 3]) / 255.0f;
    for (std::size_t c = 0; c < 3; ++c) {
      const float over = alpha * static_cast<float>(rgba[4 * p + c]) + (1 - alpha) * 255.0f;
      planar.values[c * pixels + p] = static_cast<std::uint8_t>(std::lround(over));
    }
  }
  return planar;
}

// A square of `extent` pixels from (left, top) as side x side means of what each new pixel covers.
void resized(const PlanarPicture& from, std::int64_t left, std::int64_t top, std::int64_t extent, std::int64_t side,
             std::vector<std::uint8_t>& to) {
  const double scale = static_cast<double>(extent) / static_cast<double>(side);
  const auto at = [&](std::int64_t channel, std::int64_t row, std::int64_t column) {
    return static_cast<double>(from.values[static_cast<std::size_t>((channel * from.height + row) * from.width + column)]);
  };
  // Shares of the pixels under [i scale, (i + 1) scale).
  const auto covered = [&](std::int64_t i, auto&& add) {
    const double low = static_cast<double>(i) * scale, high = low + scale;
    for (auto k = static_cast<std::int64_t>(std::floor(low)); static_cast<double>(k) < high - 1e-9 && k < extent; ++k) {
      add(k, std::min(high, static_cast<double>(k + 1)) - std::max(low, static_cast<double>(k)));
    }
  };
  for (std::int64_t c = 0; c < 3; ++c) {
    for (std::int64_t y = 0; y < side; ++y) {
      for (std::int64_t x = 0; x < side; ++x) {
        double sum = 0;
        covered(y, [&](std::int64_t row, double down) {
          covered(x, [&](std::int64_t column, double across) { sum += down * across * at(c, top + row, left + column); });
        });
        to.push_back(static_cast<std::uint8_t>(std::lround(std::clamp(sum / (scale * scale), 0.0, 255.0))));
      }
    }
  }
}

// Drawn at a size the raster knows, then resized where the lab wants another.
std::vector<std::uint8_t> drawnBytes(gpu::Stream& stream, const std::vector<shapeworld::Scene>& scenes, const shapeworld::Options& options,
                                     std::int64_t side) {
  const bool direct = std::has_single_bit(static_cast<std::uint64_t>(side));
  const std::int64_t size = direct ? side : 64;
  std::vector<std::uint8_t> bytes;
  constexpr std::size_t chunk = 256;
  for (std::size_t first = 0; first < scenes.size(); first += chunk) {
    const auto part = std::span(scenes).subspan(first, std::min(chunk, scenes.size() - first));
    std::vector<std::uint8_t> values;
    for (const float v : models::drawn(stream, part, options, size).toFloats()) {
      values.push_back(static_cast<std::uint8_t>(std::lround((255 * v + 255) / 2)));
    }
    if (direct) {
      bytes.insert(bytes.end(), values.begin(), values.end());
      continue;
    }
    const auto each = static_cast<std::size_t>(3 * size * size);
    for (std::size_t i = 0; i < part.size(); ++i) {
      const auto from = values.begin() + static_cast<std::ptrdiff_t>(i * each);
      resized(PlanarPicture{size, size, {from, from + static_cast<std::ptrdiff_t>(each)}}, 0, 0, size, side, bytes);
    }
  }
  return bytes;
}

namespace fs = std::filesystem;

Expected<std::vector<fs::path>> filesIn(const std::string& folder) {
  std::vector<fs::path> files;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    std::error_code ignored;
    if (entry.is_regular_file(ignored)) files.push_back(entry.path());
  }
  if (failure) return makeError(ErrorCode::io, trf("The folder {} cannot be read: {}", folder, failure.message()));
  std::sort(files.begin(), files.end());
  return files;
}

// In the order of the list, so that the same list is the same set whatever else the folder holds.
Expected<std::vector<fs::path>> filesNamed(const std::string& folder, const std::string& names) {
  std::vector<fs::path> files;
  std::istringstream lines(names);
  for (std::string name; std::getline(lines, name);) {
    if (name.empty()) continue;
    // A list of names reaches nothing outside its folder.
    if (name == "." || name == ".." || name.find('/') != std::string::npos) {
      return makeError(ErrorCode::badInput, trf("'{}' is not the name of a file in the folder: give names without a path, one per line", name));
    }
    std::error_code ignored;
    const fs::path file = fs::path(folder) / name;
    if (!fs::is_regular_file(file, ignored)) {
      return makeError(ErrorCode::notFound, trf("The folder {} has no file '{}': put it back, or clear the list of files to take all of them", folder, name));
    }
    files.push_back(file);
  }
  return files;
}

}  // namespace

PictureSet shapeWorldSet(gpu::Stream& stream, shapeworld::Profile profile, std::int64_t side, std::int64_t count, std::int64_t heldOut) {
  shapeworld::Options options;
  options.profile = profile;
  PictureSet set;
  set.side = side;
  set.scenes = models::scenesFrom(options, 0, count);
  set.train = drawnBytes(stream, set.scenes, options, side);
  options.split = shapeworld::Split::val;
  set.heldOut = drawnBytes(stream, models::scenesFrom(options, 0, heldOut), options, side);
  return set;
}

Expected<PictureSet> patchesOf(const std::string& path, std::int64_t side, std::int64_t count, std::int64_t heldOut, std::uint64_t seed) {
  if (path.empty()) return makeError(ErrorCode::usage, tr("Choose a picture first: PNG or JPEG"));
  const auto picture = readPlanar(path);
  if (!picture) return picture.error();
  if (picture->width < side || picture->height < side) {
    return makeError(ErrorCode::badInput,
                     trf("A picture of {} by {} pixels has no patch of {} by {}: take a larger picture or smaller patches", picture->width,
                         picture->height, side, side));
  }
  PictureSet set;
  set.side = side;
  // The lowest quarter is kept for the held-out patches where it and the rest have room for one.
  const std::int64_t quarter = picture->height / 4, rest = picture->height - quarter;
  const bool apart = quarter >= side && rest >= side;
  const auto take = [&](std::int64_t n, std::uint32_t purpose, std::int64_t top, std::int64_t height, std::vector<std::uint8_t>& to) {
    for (std::int64_t i = 0; i < n; ++i) {
      const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), purpose, placeStream, 0}, philoxKey(seed));
      const auto x = static_cast<std::int64_t>(philoxBounded(words[0], static_cast<std::uint32_t>(picture->width - side + 1)));
      const auto y = static_cast<std::int64_t>(philoxBounded(words[1], static_cast<std::uint32_t>(height - side + 1)));
      resized(*picture, x, top + y, side, side, to);
    }
  };
  take(count, 0, 0, apart ? rest : picture->height, set.train);
  take(heldOut, 1, apart ? rest : 0, apart ? quarter : picture->height, set.heldOut);
  return set;
}

void appendSquare(const PlanarPicture& from, std::int64_t side, std::vector<std::uint8_t>& to) {
  const std::int64_t extent = std::min(from.width, from.height);
  resized(from, (from.width - extent) / 2, (from.height - extent) / 2, extent, side, to);
}

Expected<std::vector<std::uint8_t>> squareOf(const std::string& path, std::int64_t side) {
  const auto picture = readPlanar(path);
  if (!picture) return picture.error();
  std::vector<std::uint8_t> square;
  appendSquare(*picture, side, square);
  return square;
}

Expected<PictureSet> folderOf(const std::string& path, std::int64_t side, std::int64_t count, std::int64_t heldOut, std::int64_t least,
                              const std::string& names, const Watch& watch) {
  if (path.empty()) return makeError(ErrorCode::usage, tr("Choose a folder of pictures first"));
  auto files = names.empty() ? filesIn(path) : filesNamed(path, names);
  if (!files) return files.error();
  PictureSet set;
  set.side = side;
  std::int64_t found = 0;
  std::string refused;
  for (std::size_t i = 0; i < files->size() && found < count + heldOut; ++i) {
    if (watch && !watch(static_cast<double>(i) / static_cast<double>(files->size()))) return makeError(ErrorCode::cancelled, tr("Cancelled"));
    const auto picture = readPlanar((*files)[i].string());
    if (!picture) {
      if (!names.empty()) return picture.error();
      // Other files may lie there too: only when too few are left is the last reason told.
      refused = picture.error().message;
      continue;
    }
    const bool apart = found % 4 == 3 && set.heldOutCount() < heldOut;
    appendSquare(*picture, side, apart ? set.heldOut : set.train);
    ++found;
  }
  if (found < least) {
    const std::string why = refused.empty() ? std::string() : " (" + refused + ")";
    return makeError(ErrorCode::badInput, trf("Expected at least {} PNG or JPEG pictures in {}, found {}{}", least, path, found, why));
  }
  return set;
}

Tensor quantized(const std::vector<std::uint8_t>& pictures, std::int64_t side, int bits) {
  std::vector<float> values;
  values.reserve(pictures.size());
  const float step = 1.0f / static_cast<float>(1 << bits);
  for (const std::uint8_t v : pictures) values.push_back(static_cast<float>(v >> (8 - bits)) * step);
  return Tensor::from(Shape{static_cast<std::int64_t>(pictures.size()) / (3 * side * side), 3, side, side}, values);
}

Tensor dequantized(gpu::Stream& stream, const Tensor& pictures, int bits, const kernels::RandomKey& key) {
  return kernels::binary(stream, kernels::Binary::add, pictures,
                         kernels::uniform(stream, pictures.shape(), key, 0, std::ldexp(1.0f, -bits)));
}

// labels.
Expected<std::vector<int>> attributeLabels(const PictureSet& set, const std::string& attribute, std::int64_t count) {
  std::vector<int> labels;
  const std::int64_t n = std::min(count, set.trainCount());
  if (attribute == "brightness") {
    std::vector<double> mean;
    const auto each = static_cast<std::size_t>(3 * set.side * set.side);
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      double sum = 0;
      for (std::size_t k = 0; k < each; ++k) sum += set.train[i * each + k];
      mean.push_back(sum);
    }
    std::vector<double> sorted = mean;
    std::sort(sorted.begin(), sorted.end());
    const double low = sorted[sorted.size() / 3], high = sorted[sorted.size() - 1 - sorted.size() / 3];
    for (const double m : mean) labels.push_back(m > high ? 1 : m < low ? -1 : 0);
    return labels;
  }
  if (set.scenes.empty()) {
    return makeError(ErrorCode::usage,
                     tr("Only ShapeWorld's pictures say what they show: choose brightness, or ShapeWorld as the pictures"));
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const auto& objects = set.scenes[static_cast<std::size_t>(i)].objects;
    if (objects.empty()) {
      labels.push_back(0);
      continue;
    }
    const shapeworld::Object& object = objects.back();
    if (attribute == "size") labels.push_back(object.size - 1);
    // Red, orange and yellow against green, cyan and blue.
    if (attribute == "warmth") labels.push_back(object.colour < 3 ? 1 : object.colour < 6 ? -1 : 0);
  }
  return labels;
}

}  // namespace orrery::generative
