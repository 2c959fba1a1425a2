#pragma once
// COCO segmentations: polygons [[x1, y1, ...], ...] and run lengths {"counts": [...] or "compressed", "size": [h, w]}, checked while streaming.

#include <cstdint>

#include "core/data/coco_json.h"

namespace orrery {

struct SegmentationCheck {
  bool badMask = false;          // runs are negative or do not fill height x width
  bool badPolygon = false;       // odd number of values, or fewer than three points
  std::int64_t width = 0, height = 0;
  std::size_t points = 0;
};

// Consumes the value at the cursor. False only on a JSON fault.
bool checkSegmentation(JsonCursor& json, SegmentationCheck& check);

}  // namespace orrery
