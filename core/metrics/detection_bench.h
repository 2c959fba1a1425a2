#pragma once
// A deterministic data set of COCO val2017's size, for timing and for tests.

#include <vector>

#include "core/data/detections.h"

namespace orrery {

struct CocoValSize {
  GroundTruth truth;                       // 5,000 images, 80 classes, 36,781 boxes
  std::vector<ScoredBox> detections;       // 500,000
};
CocoValSize makeCocoValSize();

}  // namespace orrery
