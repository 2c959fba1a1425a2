#pragma once
// The picture the user gave, cut to what an autoencoder of factor 8 and patches of 2 need.

#include "core/session/lab.h"

namespace orrery::generative::sd3 {

struct PictureSize {
  int width = 0, height = 0;
};
// Of the parameter "picture", or "columns" times "rows" tokens without one; "fit" says whether sides that are not multiples of 16 are cut
// or refused. Error: no picture, unreadable, a side that does not fit.
Expected<PictureSize> pictureSize(const LabContext& context);

// [height, width, 3] over white, u8; the middle of the file's. The parameter "picture" is not empty.
struct PicturePixels {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;
  std::string cut;  // what was cut, for people; empty: nothing
};
Expected<PicturePixels> readPicturePixels(const LabContext& context);

}  // namespace orrery::generative::sd3
