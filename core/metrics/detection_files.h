#pragma once
// From files to numbers: the entry point of `orrery map` and of the lab's file wells.
//
//   MapRequest request;
//   request.gt = "instances_val.json";           // COCO JSON, VOC folder (or its Annotations, or one XML), YOLO folder, CSV table: told by content
//   request.dt = "results.json";                 // COCO results, folder or file comp*_det_*_CLASS.txt, YOLO folder with confidences, CSV table
//   request.protocol = MapProtocol::coco;        // mapProtocolOf("coco" | "voc07" | "voc10") gives it, or a usage error
//   request.ious = {};                           // empty: 0.50:0.05:0.95 (coco), 0.5 (voc)
//   auto result = evaluateFiles(request);        // Error: exit code by exitCodeOf(), message and id for the person
//   print(toJson(*result).dump(2));              // --json; or toText(*result) for people; result->notes go to stderr

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/base/expected.h"
#include "core/metrics/detection_ap.h"

namespace orrery {

enum class MapProtocol : std::uint8_t { coco, voc07, voc10 };
Expected<MapProtocol> mapProtocolOf(std::string_view name);
std::string_view nameOf(MapProtocol protocol);

struct MapRequest {
  std::string gt, dt;
  MapProtocol protocol = MapProtocol::coco;
  std::vector<double> ious;                  // each in (0, 1]
  double scoreThreshold = -1e300;            // boxes below it do not count
  int imageWidth = 0, imageHeight = 0;       // YOLO without images
  bool lenient = false;                      // skip damaged entries and unknown images, and say so
  int threads = 0;                           // 0 = one per core
  std::function<bool(double)> progress;      // false = cancel
};

struct MapResult {
  MapProtocol protocol = MapProtocol::coco;
  std::vector<double> ious;
  std::array<double, 12> stats{};            // COCOeval's order; -1 = no ground truth
  struct PerClass {
    std::int64_t id = 0;
    std::string name;
    ClassScores scores;                      // scores.ap is the class's AP (VOC: at the given IoU)
  };
  std::vector<PerClass> perClass;
  double map = -1;                           // mean over classes with ground truth
  std::int64_t images = 0, truths = 0, detections = 0;
  std::vector<std::string> notes;            // partial success and suspicions
  double readMilliseconds = 0, evaluateMilliseconds = 0;
};

// The two files, read and joined.
struct DetectionFiles {
  GroundTruth truth;
  Detections detections;
  std::vector<std::string> notes;
};
Expected<DetectionFiles> readDetectionFiles(const MapRequest& request);

// Reads both files (at the same time), evaluates.
Expected<MapResult> evaluateFiles(const MapRequest& request);

// coco: {"protocol", "iou": [..], "stats": [12], "per_class": [{"id", "name", "ap", "ap50", "ap75", ...}], "images", "truths", "detections", "notes"}
// voc:  {"protocol", "iou", "map", "ap": {class: value}, "per_class": [...], ...}; -1 where a class has no ground truth.
nlohmann::json toJson(const MapResult& result);
// A table for people; coco: the twelve lines of COCOeval.summarize().
std::string toText(const MapResult& result);

}  // namespace orrery
