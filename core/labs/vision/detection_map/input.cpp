// The lab vision/detection-map: where ground truth and detections come from.

#include <filesystem>

#include "core/data/detections_formats.h"
#include "core/labs/vision/detection_map/lab.h"
#include "core/models/bundled.h"
#include "core/models/det.h"

namespace orrery::vision {

namespace {

constexpr int sceneSize = 128;

// Ten objects in a row, the first seven found exactly (example E4): AP is 70/101 in doubles.
GroundTruth tenObjects() {
  GroundTruth truth;
  truth.images.push_back({1, "ten objects", 200, 40});
  truth.classes.push_back({1, "square"});
  for (int i = 0; i < 10; ++i) truth.boxes.push_back({20.0 * i + 5, 15, 10, 10, 100, 0, 0, i + 1, false, false});
  return truth;
}

std::vector<ScoredBox> sevenFound(const GroundTruth& truth) {
  std::vector<ScoredBox> boxes;
  for (int i = 0; i < 7; ++i) {
    const TruthBox& box = truth.boxes[static_cast<std::size_t>(i)];
    boxes.push_back({box.x, box.y, box.width, box.height, 0.99 - 0.05 * i, 0, 0});
  }
  return boxes;
}

}  // namespace

Expected<void> DetectionMapLab::readTruth(LabContext& context) {
  source_ = context.text("source");
  notes_.clear();
  detectors_.clear();
  truth_ = {};
  if (source_ == "ten") {
    truth_ = tenObjects();
    return {};
  }
  if (onScenes()) {
    context.progress(-1, tr("drawing scenes"));
    world_ = {};
    world_.seed = static_cast<std::uint64_t>(context.integer("seed"));
    world_.split = shapeworld::Split::val;
    const bool sparse = source_ == "trained" && context.text("profile") == "scene";
    world_.profile = sparse ? shapeworld::Profile::scene : shapeworld::Profile::dense;
    world_.crowd = !sparse && context.flag("crowds");
    truth_ = shapeWorldTruth(world_, 0, static_cast<std::uint32_t>(context.integer("images")), sceneSize).truth;
    return {};
  }
  const Asset& asset = context.file("ground-truth");
  if (asset.path.empty()) {
    return makeError(ErrorCode::usage, tr("no ground truth yet: drop a COCO JSON, a VOC or YOLO folder or a table of boxes, or choose ShapeWorld as the source"), "E-MAP-NOGT");
  }
  context.progress(0, tr("reading ground truth"));
  DetectionReadOptions options;
  options.progress = [&](double share) {
    context.progress(share, tr("reading ground truth"));
    return !context.cancelled();
  };
  auto truth = readGroundTruth(asset.path, options);
  if (!truth) return truth.error();
  truth_ = std::move(*truth);
  notes_ = truth_.notes;
  return {};
}

Expected<void> DetectionMapLab::readBoxes(LabContext& context, std::size_t index) {
  DetectorState& detector = detectors_[index];
  detector.name = std::string(1, static_cast<char>('A' + index));
  detector.candidates.clear();
  if (source_ == "ten") {
    detector.candidates = sevenFound(truth_);
    return {};
  }
  if (source_ == "shapeworld") {
    const std::string prefix = index == 0 ? "" : index == 1 ? "b-" : "c-";
    SimulatedDetector settings;
    settings.jitter = context.number(prefix + "jitter");
    settings.recall = context.number(prefix + "recall");
    settings.falseAlarms = context.number(prefix + "false-alarms");
    settings.duplicates = static_cast<int>(context.integer(prefix + "duplicates"));
    settings.confusion = context.number(prefix + "confusion");
    settings.ranking = context.number(prefix + "ranking");
    detector.candidates = simulate(truth_, settings, static_cast<std::uint64_t>(context.integer("seed")), static_cast<std::uint32_t>(index));
    return {};
  }
  if (source_ == "trained") return runDetector(context, detector);
  const Asset& asset = context.file(index == 0 ? "results" : "results-b");
  if (asset.path.empty()) return {};
  detector.name = printable(std::filesystem::path(asset.path).filename().string(), 24);
  DetectionReadOptions options;
  options.progress = [&](double share) {
    context.progress(share, tr("reading detections"));
    return !context.cancelled();
  };
  auto raw = readDetections(asset.path, options);
  if (!raw) return raw.error();
  Detections detections = resolve(*raw, truth_);
  if (detections.unknownImages > 0) {
    return makeError(ErrorCode::badInput,
                     trf("{} boxes refer to unknown images: results refer to unknown image {}, which the ground truth does not list", detections.unknownImages,
                         printable(detections.firstUnknownImage)), "E-CO-05");
  }
  detector.candidates = std::move(detections.boxes);
  notes_.insert(notes_.end(), detections.notes.begin(), detections.notes.end());
  for (const auto& note : suspicions(truth_, detector.candidates)) notes_.push_back(note);
  return {};
}

// A trained TinyDet looks at the scenes: the one that comes with the program, or the user's.
Expected<void> DetectionMapLab::runDetector(LabContext& context, DetectorState& detector) const {
  const Asset& asset = context.file("model");
  auto trained = models::TrainedDet::open(context.stream(), asset.path.empty() ? models::bundledFolder("tiny-det") : asset.path);
  if (!trained) return trained.error();
  if (trained->config.imageSize != sceneSize) {
    return makeError(ErrorCode::badInput,
                     trf("this detector looks at pictures of {} pixels a side, the scenes have {}", trained->config.imageSize, sceneSize),
                     "E-MAP-SIZE");
  }
  constexpr double lowest = 0.02;  // what is surer than that is a candidate: suppression and thresholds choose from there
  detector.candidates = trained->lookAt(context.stream(), world_, 0, static_cast<std::uint32_t>(truth_.images.size()), lowest, [&](double share) {
    context.progress(share, tr("detecting"));
    return !context.cancelled();
  });
  detector.name = "tiny-det";
  return {};
}

void DetectionMapLab::suppressBoxes(LabContext& context, DetectorState& detector) const {
  NmsOptions options;
  const std::string& kind = context.text("nms");
  options.kind = kind == "off" ? NmsKind::off : kind == "hard" ? NmsKind::hard : kind == "linear" ? NmsKind::linear : NmsKind::gaussian;
  // Results in files are scored as they are unless asked otherwise.
  if (!onScenes() && !(source_ == "files" && context.flag("nms-files"))) options.kind = NmsKind::off;
  options.threshold = context.number("nms-iou");
  options.sigma = context.number("nms-sigma");
  options.smallestScore = context.number("nms-smallest");
  options.useClasses = !context.flag("class-agnostic");
  detector.boxes = options.kind == NmsKind::off ? detector.candidates : suppress(detector.candidates, options);
}

}  // namespace orrery::vision
