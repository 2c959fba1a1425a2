#pragma once
// Boxes as a table: `image,class,score,x1,y1,x2,y2` or `image,class,score,x,y,w,h`; the header decides, without a score column the rows are ground
// truth. Columns may come in any order; `area`, `crowd`, `difficult`, `width`, `height` (of the image) are optional. x1..y2 are pixel edges.

#include <string>
#include <string_view>

#include "core/base/expected.h"
#include "core/data/detections.h"

namespace orrery {

Expected<GroundTruth> readCsvGroundTruth(const std::string& path, const DetectionReadOptions& options = {});
Expected<RawDetections> readCsvDetections(const std::string& path, const DetectionReadOptions& options = {});
Expected<GroundTruth> parseCsvGroundTruth(std::string_view text);
Expected<RawDetections> parseCsvDetections(std::string_view text);

// Whether the first line is such a header, and whether it has a score.
bool isDetectionCsvHeader(std::string_view line, bool* scored = nullptr);

std::string csvGroundTruth(const GroundTruth& truth);
std::string csvDetections(const GroundTruth& truth, const std::vector<ScoredBox>& detections);

}  // namespace orrery
