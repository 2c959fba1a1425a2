#pragma once
// Small pictures side by side in a panel: x counts pictures, rows from above.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/diffusion/state.h"
#include "core/figure/figure.h"
#include "core/figure/marks/marks.h"

namespace orrery::generative {

// One picture out of a State that holds [.., channels, side, side]; its values times `factor` are shown from -1, black, to 1.
struct MosaicPicture {
  const diffusion::State* state = nullptr;
  std::size_t index = 0;
  double factor = 1;
};

struct Mosaic {
  std::size_t side = 0, channels = 3, columns = 1;
  std::size_t gap = 2;    // transparent pixels right of and below every picture
  std::size_t below = 0;  // more of them below, for words
  double pitch() const { return static_cast<double>(side + gap + below) / static_cast<double>(side + gap); }  // of a row, in pictures
  double pixel() const { return 0.5 * static_cast<double>(gap) / static_cast<double>(side + gap); }           // half a gap, in pictures
  // RGBA; a picture without a State stays empty.
  Tensor pixels(const std::vector<MosaicPicture>& pictures) const;
};

Panel picturesPanel(std::string id);
// One unit per picture and `pitch` per row.
std::shared_ptr<ImageMark> mosaicMark(Tensor pixels, std::size_t columns, std::size_t rows, double pitch = 1);
std::shared_ptr<BoxesMark> mosaicFrame(const std::string& id, double x, double y, double width, double height, double pixel,
                                       const std::string& hover);

}  // namespace orrery::generative
