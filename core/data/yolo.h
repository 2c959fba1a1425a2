#pragma once
// YOLO text labels: one file per image, one line per box "class cx cy w h" with centre and size divided by the image's; predictions carry a sixth
// value, the confidence; segment lines "class x1 y1 x2 y2 ..." become their bounding box. Error codes E-YO-nn.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"
#include "core/data/detections.h"

namespace orrery {

struct YoloBox {
  int category = 0;
  double cx = 0, cy = 0, width = 0, height = 0;
  double confidence = 0;
};

struct YoloLabels {
  std::vector<YoloBox> boxes;
  int columns = 0;                       // 5 labels, 6 predictions, 7 and more segments; 0 = empty file
  std::vector<std::string> notes;
};

// `names` = number of class names, 0 = unknown. `expectedColumns` 0 = the first line decides.
Expected<YoloLabels> parseYoloLabels(std::string_view text, std::size_t names = 0);

// `path`: a folder of label files (or one that has labels/), or one file. Names come from classes.txt, *.names or data.yaml in it or above it;
// image sizes from an images/ folder beside it, or the options; without both, boxes stay relative and there is no split by size.
Expected<GroundTruth> readYoloGroundTruth(const std::string& path, const DetectionReadOptions& options = {});
Expected<RawDetections> readYoloPredictions(const std::string& path, const DetectionReadOptions& options = {});

// The label files of a YOLO folder, sorted; empty when it is none.
std::vector<std::string> yoloLabelFiles(const std::string& folder);
// Class names by number: one per line (classes.txt, *.names), or the `names:` key of a YAML file as a list or a map. Anchors and aliases are not followed.
std::vector<std::string> parseYoloNames(std::string_view text, bool yaml);

// Writing: one image's labels, or predictions.
std::string yoloLabelLines(const GroundTruth& truth, std::size_t image);
std::string yoloPredictionLines(const GroundTruth& truth, const std::vector<ScoredBox>& detections, std::size_t image);

}  // namespace orrery
