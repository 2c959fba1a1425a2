#include "core/labs/generative/shared/picture_mosaic.h"

#include <algorithm>
#include <cmath>

namespace orrery::generative {

Tensor Mosaic::pixels(const std::vector<MosaicPicture>& pictures) const {
  const std::size_t cell = side + gap, height = cell + below, rows = (pictures.size() + columns - 1) / columns, width = columns * cell;
  std::vector<std::uint8_t> rgba(rows * height * width * 4, 0);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const MosaicPicture& picture = pictures[i];
    if (picture.state == nullptr) continue;
    for (std::size_t y = 0; y < side; ++y) {
      for (std::size_t x = 0; x < side; ++x) {
        std::uint8_t* pixel = &rgba[((i / columns * height + y) * width + i % columns * cell + x) * 4];
        for (std::size_t c = 0; c < 3; ++c) {
          const double value = (*picture.state)[((picture.index * channels + std::min(c, channels - 1)) * side + y) * side + x];
          pixel[c] = static_cast<std::uint8_t>(std::lround(std::clamp((picture.factor * value + 1) * 127.5, 0.0, 255.0)));
        }
        pixel[3] = 255;
      }
    }
  }
  return Tensor::from(Shape{static_cast<std::int64_t>(rows * height), static_cast<std::int64_t>(width), 4}, rgba);
}

Panel picturesPanel(std::string id) {
  Panel panel;
  panel.id = std::move(id);
  panel.frameless = true;
  panel.equalAspect = true;
  panel.legend = false;
  panel.y.reversed = true;
  return panel;
}

std::shared_ptr<ImageMark> mosaicMark(Tensor pixels, std::size_t columns, std::size_t rows, double pitch) {
  auto mark = std::make_shared<ImageMark>("pictures");
  mark->pixels = std::move(pixels);
  mark->x = {0, static_cast<double>(columns)};
  mark->y = {0, pitch * static_cast<double>(rows)};
  return mark;
}

std::shared_ptr<BoxesMark> mosaicFrame(const std::string& id, double x, double y, double width, double height, double pixel,
                                       const std::string& hover) {
  auto mark = std::make_shared<BoxesMark>(id);
  mark->lineWidth = 2;
  BoxesMark::Box box;
  box.x = x, box.y = y, box.width = width - 2 * pixel, box.height = height - 2 * pixel;
  box.paint = Paint::of(Role::accent);
  box.hover = hover;
  mark->boxes.push_back(std::move(box));
  return mark;
}

}  // namespace orrery::generative
