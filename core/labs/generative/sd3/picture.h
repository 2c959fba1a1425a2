#pragma once
// Pictures in panels: several of them side by side on one raster, normalised as each needs it.

#include <memory>
#include <vector>

#include "core/figure/marks/marks.h"

namespace orrery::generative::sd3 {

// Square cells of `side` pixels with gaps in between (transparent).
class Mosaic {
 public:
  Mosaic(int rows, int columns, int side, int gap);
  // values [height, width, 3], -1 ... 1 after division by `unit`; enlarged by whole cells or thinned to the side of a cell.
  void put(int row, int column, const std::vector<double>& values, int width, int height, double unit = 1);
  int width() const { return width_; }
  int height() const { return height_; }
  Tensor pixels() const;

 private:
  int side_, gap_, width_, height_;
  std::vector<std::uint8_t> rgba_;
};

// What brings values to a deviation of 0.45, at least 1.
double spreadOf(const std::vector<double>& values);

// [height, width, 3] in -1 ... 1 as RGBA.
Tensor rgbaOf(const std::vector<double>& values, int width, int height);

// A panel in pixels without axes, row 0 on top, with room above, beside and below.
Panel picturePanel(const char* id, double width, double height, double above, double beside, double below);
std::shared_ptr<ImageMark> pictureMark(const char* id, const Tensor& pixels, double x = 0, double y = 0, double width = 0,
                                       double height = 0);

}  // namespace orrery::generative::sd3
