#pragma once
// COCO JSON: ground truth ({"images", "annotations", "categories"}) and results ([{"image_id", "category_id", "bbox", "score"}, ...]).
// One pass over the text without building a tree. Error codes E-CO-nn; partial success goes to `notes`, each ending in its code.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"
#include "core/data/detections.h"

namespace orrery {

// Reads a dataset object, or a bare list of annotations (images and classes are then those it mentions).
Expected<GroundTruth> readCocoGroundTruth(const std::string& path, const DetectionReadOptions& options = {});
Expected<RawDetections> readCocoResults(const std::string& path, const DetectionReadOptions& options = {});

// The same from memory.
Expected<GroundTruth> parseCocoGroundTruth(std::string_view json, const DetectionReadOptions& options = {});
Expected<RawDetections> parseCocoResults(std::string_view json, const DetectionReadOptions& options = {});

// Writing. `segmentations` (optional) holds one JSON value per box. Numbers are written so that reading gives the same doubles.
std::string cocoGroundTruthJson(const GroundTruth& truth, const std::vector<std::string>& segmentations = {});
std::string cocoResultsJson(const GroundTruth& truth, const std::vector<ScoredBox>& detections);

// Column-major run lengths of a mask (row-major bytes, 0 or 1) as COCO's uncompressed RLE: {"counts":[...],"size":[h,w]}.
std::string cocoRle(const std::vector<std::uint8_t>& mask, int width, int height);

}  // namespace orrery
