// Evaluating files (see detection_files.h).

#include "core/metrics/detection_files.h"

#include <chrono>
#include <cmath>
#include <future>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/data/detections_formats.h"

namespace orrery {

Expected<MapProtocol> mapProtocolOf(std::string_view name) {
  if (name == "coco") return MapProtocol::coco;
  if (name == "voc07") return MapProtocol::voc07;
  if (name == "voc10") return MapProtocol::voc10;
  return makeError(ErrorCode::usage, trf("protocol '{}' is unknown; choose coco, voc07 or voc10", printable(name)));
}

std::string_view nameOf(MapProtocol protocol) {
  return protocol == MapProtocol::coco ? "coco" : protocol == MapProtocol::voc07 ? "voc07" : "voc10";
}

Expected<DetectionFiles> readDetectionFiles(const MapRequest& request) {
  DetectionReadOptions options;
  options.lenient = request.lenient;
  options.imageWidth = request.imageWidth;
  options.imageHeight = request.imageHeight;
  DetectionReadOptions withProgress = options;
  withProgress.progress = request.progress;
  // The ground truth on another thread while the (usually larger) results are read here.
  auto truthLater = std::async(std::launch::async, [&] { return readGroundTruth(request.gt, options); });
  auto raw = readDetections(request.dt, withProgress);
  auto truth = truthLater.get();
  if (!truth) return truth.error();
  if (!raw) return raw.error();

  DetectionFiles files;
  files.truth = std::move(*truth);
  files.detections = resolve(*raw, files.truth);
  const Detections& detections = files.detections;
  if (detections.unknownImages > 0) {
    const std::string message = trf("{} boxes refer to unknown images: results refer to unknown image {}, which the ground truth does not list",
                                    detections.unknownImages, printable(detections.firstUnknownImage));
    if (!request.lenient) return makeError(ErrorCode::badInput, printable(request.dt, 400) + ": " + message, "E-CO-05");
    files.notes.push_back(message + " [E-CO-05]");
  }
  for (const auto& note : files.truth.notes) files.notes.push_back(tr("ground truth") + ": " + note);
  for (const auto& note : detections.notes) files.notes.push_back(tr("detections") + ": " + note);
  for (const auto& note : suspicions(files.truth, detections.boxes)) files.notes.push_back(note);
  if (raw->boxes.empty()) files.notes.push_back(tr("the results hold no boxes: every class with ground truth scores 0"));
  return files;
}

Expected<MapResult> evaluateFiles(const MapRequest& request) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); };
  if (request.ious.size() > 32) return makeError(ErrorCode::usage, trf("at most 32 IoU thresholds, found {}", request.ious.size()));
  for (const double iou : request.ious) {
    if (!(iou > 0) || iou > 1) return makeError(ErrorCode::usage, trf("IoU {} is outside 0 to 1", iou));
  }
  const auto start = Clock::now();
  auto files = readDetectionFiles(request);
  if (!files) return files.error();

  MapResult result;
  result.readMilliseconds = since(start);
  const auto evaluationStart = Clock::now();
  DetectionProtocol protocol = request.protocol == MapProtocol::coco    ? cocoProtocol()
                               : request.protocol == MapProtocol::voc07 ? voc07Protocol()
                                                                        : voc10Protocol();
  if (!request.ious.empty()) protocol.thresholds = request.ious;
  // Without image sizes there is no small, medium and large.
  if (!files->truth.sizeKnown) protocol.areas[1] = protocol.areas[2] = protocol.areas[3] = {1, 0};
  const DetectionEvaluation evaluation(files->truth, files->detections.boxes, protocol, request.threads);
  DetectionScores scores = evaluation.scores(request.scoreThreshold);

  result.protocol = request.protocol;
  result.ious = protocol.thresholds;
  result.stats = scores.stats;
  result.map = scores.meanAp();
  for (std::size_t k = 0; k < files->truth.classes.size(); ++k) {
    result.perClass.push_back({files->truth.classes[k].id, files->truth.classes[k].name, std::move(scores.classes[k])});
  }
  result.images = static_cast<std::int64_t>(files->truth.images.size());
  result.truths = static_cast<std::int64_t>(files->truth.boxes.size());
  result.detections = static_cast<std::int64_t>(files->detections.boxes.size());
  result.notes = std::move(files->notes);
  result.evaluateMilliseconds = since(evaluationStart);
  return result;
}

nlohmann::json toJson(const MapResult& result) {
  nlohmann::json json;
  json["protocol"] = nameOf(result.protocol);
  json["iou"] = result.ious;
  json["images"] = result.images;
  json["truths"] = result.truths;
  json["detections"] = result.detections;
  json["notes"] = result.notes;
  auto& perClass = json["per_class"] = nlohmann::json::array();
  const bool coco = result.protocol == MapProtocol::coco;
  if (coco) json["stats"] = result.stats;
  json["map"] = result.map;
  if (!coco) json["ap"] = nlohmann::json::object();
  for (const auto& [id, name, s] : result.perClass) {
    nlohmann::json one{{"id", id}, {"name", name}, {"ap", s.ap}, {"truths", s.truths}, {"detections", s.detections}};
    if (coco) {
      one.update({{"ap50", s.ap50}, {"ap75", s.ap75}, {"ap_small", s.aps}, {"ap_medium", s.apm}, {"ap_large", s.apl}, {"ar1", s.ar1}, {"ar10", s.ar10},
                  {"ar100", s.ar100}, {"ar_small", s.ars}, {"ar_medium", s.arm}, {"ar_large", s.arl}, {"ap_per_iou", s.apPerThreshold}});
    } else {
      json["ap"][name] = s.ap;
    }
    perClass.push_back(std::move(one));
  }
  return json;
}

std::string toText(const MapResult& result) {
  std::string out;
  const std::string range = result.ious.size() == 1 ? fmt::format("{:.2f}", result.ious[0]) : fmt::format("{:.2f}:{:.2f}", result.ious.front(), result.ious.back());
  if (result.protocol == MapProtocol::coco) {
    const char* const areas[] = {"all", "all", "all", "small", "medium", "large", "all", "all", "all", "small", "medium", "large"};
    const int most[] = {100, 100, 100, 100, 100, 100, 1, 10, 100, 100, 100, 100};
    for (std::size_t i = 0; i < 12; ++i) {
      const std::string iou = i == 1 ? "0.50" : i == 2 ? "0.75" : range;
      out += fmt::format(" {:<18} {} @[ IoU={:<9} | area={:>6} | maxDets={:>3} ] = {:.3f}\n", i < 6 ? "Average Precision" : "Average Recall", i < 6 ? "(AP)" : "(AR)", iou,
                         areas[i], most[i], result.stats[i]);
    }
  } else {
    for (const auto& one : result.perClass) out += fmt::format(" {:<24} AP {:.4f}   ({} objects)\n", printable(one.name, 24), one.scores.ap, one.scores.truths);
    out += fmt::format(" {:<24} mAP {:.4f}  (IoU {})\n", nameOf(result.protocol), result.map, range);
  }
  return out;
}

}  // namespace orrery
