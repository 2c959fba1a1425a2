#include "core/labs/generative/sd3/picture.h"

#include <algorithm>
#include <cmath>

namespace orrery::generative::sd3 {

namespace {

std::uint8_t byteOf(double value) { return static_cast<std::uint8_t>(std::lround(std::clamp((value + 1) * 127.5, 0.0, 255.0))); }

}  // namespace

Mosaic::Mosaic(int rows, int columns, int side, int gap)
    : side_(side), gap_(gap), width_(columns * (side + gap) - gap), height_(rows * (side + gap) - gap) {
  rgba_.assign(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_) * 4, 0);
}

void Mosaic::put(int row, int column, const std::vector<double>& values, int width, int height, double unit) {
  for (int y = 0; y < side_; ++y) {
    for (int x = 0; x < side_; ++x) {
      const auto from =
          (static_cast<std::size_t>(y * height / side_) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x * width / side_)) *
          3;
      std::uint8_t* pixel = &rgba_[(static_cast<std::size_t>(row * (side_ + gap_) + y) * static_cast<std::size_t>(width_) +
                                    static_cast<std::size_t>(column * (side_ + gap_) + x)) *
                                   4];
      for (std::size_t c = 0; c < 3; ++c) pixel[c] = byteOf(values[from + c] / unit);
      pixel[3] = 255;
    }
  }
}

Tensor Mosaic::pixels() const { return Tensor::from(Shape{height_, width_, 4}, rgba_); }

double spreadOf(const std::vector<double>& values) {
  double mean = 0, squares = 0;
  for (const double v : values) mean += v, squares += v * v;
  mean /= static_cast<double>(values.size()), squares /= static_cast<double>(values.size());
  return std::max(1.0, std::sqrt(std::max(squares - mean * mean, 0.0)) / 0.45);
}

Tensor rgbaOf(const std::vector<double>& values, int width, int height) {
  std::vector<std::uint8_t> rgba;
  rgba.reserve(values.size() / 3 * 4);
  for (std::size_t i = 0; i + 2 < values.size(); i += 3) {
    for (std::size_t c = 0; c < 3; ++c) rgba.push_back(byteOf(values[i + c]));
    rgba.push_back(255);
  }
  return Tensor::from(Shape{height, width, 4}, rgba);
}

Panel picturePanel(const char* id, double width, double height, double above, double beside, double below) {
  Panel panel;
  panel.id = id;
  panel.frameless = true;
  panel.equalAspect = true;
  panel.legend = false;
  panel.y.reversed = true;
  panel.x.range = Range{-beside, width + beside};
  panel.y.range = Range{-above, height + below};
  return panel;
}

std::shared_ptr<ImageMark> pictureMark(const char* id, const Tensor& pixels, double x, double y, double width, double height) {
  auto mark = std::make_shared<ImageMark>(id);
  mark->pixels = pixels;
  mark->x = {x, x + (width > 0 ? width : static_cast<double>(pixels.shape()[1]))};
  mark->y = {y, y + (height > 0 ? height : static_cast<double>(pixels.shape()[0]))};
  return mark;
}

}  // namespace orrery::generative::sd3
