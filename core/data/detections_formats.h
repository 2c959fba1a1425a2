#pragma once
// Which kind of detection file a path is, by its content: the ids registered as FileFormat.

#include <string>
#include <string_view>

#include "core/base/expected.h"
#include "core/data/detections.h"

namespace orrery {

// "coco-ground-truth", "coco-results", "voc-annotation", "voc-results", "yolo-labels", "detection-csv", "voc-folder", "yolo-folder", or empty.
// Reads at most 4 KiB of a file; for folders, looks at a few of the files in them.
std::string_view detectionKindOf(const std::string& path);

// Reads ground truth or detections of whichever of these kinds the path is. Errors: not found, not of these kinds (says what it is), and each
// reader's own.
Expected<GroundTruth> readGroundTruth(const std::string& path, const DetectionReadOptions& options = {});
Expected<RawDetections> readDetections(const std::string& path, const DetectionReadOptions& options = {});

}  // namespace orrery
