#include "core/labs/generative/shared/picture_array.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/base/text.h"
#include "core/modelfile/bounded_reader.h"
#include "core/modelfile/tensor_file.h"

namespace orrery::generative {

namespace {

constexpr std::int64_t smallestSide = 8;
constexpr float beyond = 1e-3f;  // what resizing in f16 adds to 1

// Where a value of an array lies.
struct Layout {
  std::int64_t count = 0, channels = 1, height = 0, width = 0;
  bool channelsLast = true;
  std::size_t at(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) const {
    return static_cast<std::size_t>(channelsLast ? ((n * height + y) * width + x) * channels + c
                                                 : ((n * channels + c) * height + y) * width + x);
  }
};

bool areChannels(std::int64_t extent) { return extent == 1 || extent == 3 || extent == 4; }

std::string shapeText(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t extent : shape) text += (text.empty() ? "" : " × ") + std::to_string(extent);
  return text.empty() ? tr("a single number") : text;
}

std::optional<Layout> layoutOf(const std::vector<std::int64_t>& shape) {
  if (shape.size() == 3) return Layout{shape[0], 1, shape[1], shape[2], true};
  if (shape.size() != 4) return std::nullopt;
  if (areChannels(shape[3]) && shape[2] >= smallestSide) return Layout{shape[0], shape[3], shape[1], shape[2], true};
  if (areChannels(shape[1])) return Layout{shape[0], shape[1], shape[2], shape[3], false};
  if (areChannels(shape[3])) return Layout{shape[0], shape[3], shape[1], shape[2], true};
  return std::nullopt;
}

bool isFloat(const TensorSummary& array) { return array.dtype == "f16" || array.dtype == "f32" || array.dtype == "f64"; }

Error bad(std::string message) { return makeError(ErrorCode::badInput, std::move(message)); }

// Why an array is not a set of pictures, or nothing.
std::optional<Error> objection(const TensorSummary& array) {
  const std::string name = modelfile::shown(array.name);
  if (!array.readable) return bad(trf("The array '{}' cannot be read as pictures: {}", name, array.note));
  const auto layout = layoutOf(array.shape);
  if (!layout) {
    return bad(trf("Expected pictures as N × H × W, N × H × W × C or N × C × H × W with 1, 3 or 4 channels, the array '{}' is {}: reshape it", name,
                   shapeText(array.shape)));
  }
  if (array.dtype != "u8" && !isFloat(array)) {
    return bad(trf("Expected pictures as unsigned bytes or floats, the array '{}' holds {}: convert it to uint8", name, array.dtype));
  }
  if (layout->count == 0) return bad(trf("The array '{}' is {}: it holds no picture", name, shapeText(array.shape)));
  if (layout->height < smallestSide || layout->width < smallestSide) {
    return bad(trf("The pictures of the array '{}' are {} × {} pixels: expected at least {} × {}, save larger ones", name, layout->width, layout->height, smallestSide,
                   smallestSide));
  }
  const auto values = modelfile::elementCount(array.shape);
  if (!values || *values > static_cast<std::uint64_t>(mostArrayValues)) {
    return bad(trf("The array '{}' is {}: at most {} million values are read, save fewer or smaller pictures", name, shapeText(array.shape),
                   mostArrayValues >> 20));
  }
  return std::nullopt;
}

// The array to take: the one with the most pictures. An Error says what is wrong with the only one, or with the first.
Expected<const TensorSummary*> chosen(const modelfile::TensorFile& file) {
  const TensorSummary* best = nullptr;
  for (const TensorSummary& array : file.tensors()) {
    if (isPictureArray(array) && (best == nullptr || array.shape[0] > best->shape[0])) best = &array;
  }
  if (best != nullptr) return best;
  if (file.tensors().empty()) return bad(tr("The file holds no array: expected pictures as N × H × W, N × H × W × C or N × C × H × W"));
  // The one that comes nearest to being pictures is the one to talk about.
  const auto& arrays = file.tensors();
  const auto nearest = std::find_if(arrays.begin(), arrays.end(), [](const TensorSummary& array) { return layoutOf(array.shape).has_value(); });
  return *objection(nearest == arrays.end() ? arrays.front() : *nearest);
}

}  // namespace

bool isPictureArray(const TensorSummary& array) { return !objection(array); }

Expected<PictureSet> arrayOf(const std::string& path, std::int64_t side, std::int64_t count, std::int64_t heldOut, std::int64_t least,
                             const Watch& watch) {
  if (path.empty()) return makeError(ErrorCode::usage, tr("Choose an array of pictures first: npy or npz"));
  const auto file = modelfile::TensorFile::open(path);
  if (!file) return file.error();
  if (file->format() != "npy" && file->format() != "npz") {
    return bad(trf("Expected pictures in an npy or npz file, '{}' is {}", modelfile::shown(path), file->format()));
  }
  const auto array = chosen(*file);
  if (!array) return array.error();
  const std::string name = modelfile::shown((*array)->name);
  const Layout layout = *layoutOf((*array)->shape);
  if (layout.count < least) {
    return bad(trf("Expected at least {} pictures, the array '{}' holds {}: add more", least, name, layout.count));
  }
  if (watch && !watch(-1)) return makeError(ErrorCode::cancelled, tr("Cancelled"));
  std::int64_t notFinite = 0;
  const auto read = file->read((*array)->name, &notFinite);
  if (!read) return read.error();
  if (notFinite > 0) return bad(trf("The array '{}' has {} values that are NaN or infinite: pictures have none, replace them or leave those pictures out", name, notFinite));

  // From what values mean to 0 ... 255.
  const auto values = read->as<float>();
  float factor = 1, offset = 0;
  if (isFloat(**array)) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const float least01 = *low < 0 ? -1.0f : 0.0f;
    if (*low < least01 - beyond || *high > 1 + beyond) {
      return bad(trf("The floats of the array '{}' reach from {:.4g} to {:.4g}: expected 0 to 1, −1 to 1, or unsigned bytes; scale them", name,
                     static_cast<double>(*low), static_cast<double>(*high)));
    }
    factor = *low < 0 ? 127.5f : 255.0f, offset = *low < 0 ? 127.5f : 0;
  }
  const auto byteAt = [&](std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) {
    return std::clamp(factor * values[layout.at(n, c, y, x)] + offset, 0.0f, 255.0f);
  };

  PictureSet set;
  set.side = side;
  const std::int64_t taken = std::min(layout.count, count + heldOut);
  PlanarPicture picture{layout.width, layout.height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * layout.width * layout.height))};
  for (std::int64_t i = 0; i < taken; ++i) {
    if (watch && i % 64 == 0 && !watch(static_cast<double>(i) / static_cast<double>(taken))) {
      return makeError(ErrorCode::cancelled, tr("Cancelled"));
    }
    const std::int64_t n = i * layout.count / taken;
    std::size_t to = 0;
    for (std::int64_t c = 0; c < 3; ++c) {
      for (std::int64_t y = 0; y < layout.height; ++y) {
        for (std::int64_t x = 0; x < layout.width; ++x) {
          float value = byteAt(n, layout.channels == 1 ? 0 : c, y, x);
          if (layout.channels == 4) {
            const float alpha = byteAt(n, 3, y, x) / 255;
            value = alpha * value + (1 - alpha) * 255;
          }
          picture.values[to++] = static_cast<std::uint8_t>(std::lround(value));
        }
      }
    }
    appendSquare(picture, side, i % 4 == 3 && set.heldOutCount() < heldOut ? set.heldOut : set.train);
  }
  return set;
}

}  // namespace orrery::generative
