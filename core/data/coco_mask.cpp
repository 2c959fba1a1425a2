// Checking COCO segmentations (see coco_mask.h).

#include "core/data/coco_mask.h"

#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/data/coco.h"

namespace orrery {

namespace {

// Sum of the runs of COCO's compressed string: 5 bits per character + 48, bit 5 continues, runs from the third on are differences to the one two
// before. Returns -1 when a run is negative or the bytes are not valid.
std::int64_t sumOfCompressed(std::string_view text) {
  std::vector<std::int64_t> runs;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < text.size();) {
    std::int64_t value = 0;
    int shift = 0;
    bool more = true;
    while (more) {
      if (i >= text.size() || shift > 55) return -1;
      const int c = static_cast<unsigned char>(text[i++]) - 48;
      if (c < 0 || c > 63) return -1;
      value |= static_cast<std::int64_t>(c & 31) << shift;
      more = (c & 32) != 0;
      shift += 5;
      if (!more && (c & 16) != 0) value |= -(std::int64_t{1} << shift);
    }
    if (runs.size() > 2) value += runs[runs.size() - 2];
    if (value < 0 || value > (std::int64_t{1} << 40)) return -1;
    runs.push_back(value);
    sum += value;
  }
  return sum;
}

}  // namespace

bool checkSegmentation(JsonCursor& json, SegmentationCheck& check) {
  using Kind = JsonCursor::Kind;
  const auto finiteNumber = [&](double& value) { return json.peek() == Kind::number ? json.number(value) : json.skip() && false; };
  if (json.peek() == Kind::object) {
    std::int64_t sum = 0;
    std::vector<double> size;
    json.object([&](std::string_view key) {
      if (key == "size" && json.peek() == Kind::array) {
        json.array([&] {
          double value = -1;
          finiteNumber(value);
          if (size.size() < 3) size.push_back(value);
        });
      } else if (key == "counts" && json.peek() == Kind::string) {
        std::string_view text;
        if (json.string(text)) sum = sumOfCompressed(text);
      } else if (key == "counts" && json.peek() == Kind::array) {
        json.array([&] {
          double run = -1;
          finiteNumber(run);
          if (!(run >= 0) || run > 0x1p40) sum = -1;
          if (sum >= 0) sum += static_cast<std::int64_t>(run);
        });
      } else {
        json.skip();
      }
    });
    if (!json.ok()) return false;
    const bool sized = size.size() == 2 && size[0] >= 1 && size[1] >= 1 && size[0] <= 65536 && size[1] <= 65536;
    if (size.size() == 2 && size[0] >= 0 && size[1] >= 0 && size[0] < 0x1p40 && size[1] < 0x1p40) {
      check.height = static_cast<std::int64_t>(size[0]);
      check.width = static_cast<std::int64_t>(size[1]);
    }
    check.badMask = !sized || sum != check.width * check.height;
    return true;
  }
  if (json.peek() != Kind::array) return json.skip();
  return json.array([&] {
    if (json.peek() != Kind::array) {
      check.badPolygon = true;
      json.skip();
      return;
    }
    std::size_t values = 0;
    json.array([&] {
      double value = 0;
      if (!finiteNumber(value)) check.badPolygon = true;
      ++values;
    });
    if (values % 2 != 0 || values < 6) check.badPolygon = true;
    check.points += values / 2;
  });
}

std::string cocoRle(const std::vector<std::uint8_t>& mask, int width, int height) {
  std::string counts;
  std::int64_t run = 0;
  std::uint8_t current = 0;
  for (int x = 0; x < width; ++x) {
    for (int y = 0; y < height; ++y) {
      const std::uint8_t value = mask[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)] != 0;
      if (value != current) {
        counts += fmt::format("{},", run);
        run = 0;
        current = value;
      }
      ++run;
    }
  }
  return fmt::format("{{\"counts\":[{}{}],\"size\":[{},{}]}}", counts, run, height, width);
}

}  // namespace orrery
