// Mean average precision: from boxes to one number, and which number.
// Two tools give my detector different mAP. Which boxes, thresholds and rules made the difference?
// Sources: Everingham et al. 2010 (PASCAL VOC), Lin et al. 2014 (COCO; pycocotools COCOeval), Bolya et al. 2020 (TIDE), Bodla et al. 2017 (soft-NMS).
//
//   IoU = |d n g| / |d u g|,  P = TP / (TP + FP),  R = TP / N,  F1 = 2 P R / (P + R),  p(r) = max of P at recalls >= r
//   VOC2007: mean of p at 11 recalls.  VOC2010: integral of p.  COCO: mean of p at 101 recalls, over ten IoU thresholds and the classes.
//
// Input: built-in ShapeWorld scenes with simulated detectors or a trained network, or files (COCO, VOC, YOLO, tables). Boxes are half-open pixel rectangles x, y, w, h.
// Convention: the numbers ap, ap50, ... always follow COCO over all boxes; the score threshold decides the operating point, the boxes drawn and
// the numbers kept.*; everything is evaluated in double precision on the CPU and equals the reference evaluators.

#include "core/figure/place.h"
#include "core/labs/vision/detection_map/lab.h"

#include <algorithm>
#include <cmath>

namespace orrery::vision {

namespace {

bool is(const Values& values, const char* id, std::initializer_list<std::string_view> options) {
  const auto found = values.find(id);
  if (found == values.end()) return false;
  const auto* text = std::get_if<std::string>(&found->second);
  return text != nullptr && std::find(options.begin(), options.end(), *text) != options.end();
}

std::int64_t detectorsIn(const Values& values) {
  const auto found = values.find("detectors");
  const auto* count = found == values.end() ? nullptr : std::get_if<std::int64_t>(&found->second);
  return count == nullptr ? 1 : *count;
}

bool simulated(const Values& v) { return is(v, "source", {"shapeworld"}); }
bool simulatedB(const Values& v) { return simulated(v) && detectorsIn(v) >= 2; }
bool simulatedC(const Values& v) { return simulated(v) && detectorsIn(v) >= 3; }
bool trained(const Values& v) { return is(v, "source", {"trained"}); }
bool builtIn(const Values& v) { return simulated(v) || trained(v); }
bool fromFiles(const Values& v) { return is(v, "source", {"files"}); }

// The six faults of one simulated detector.
void addDetector(std::vector<Parameter>& to, const std::string& prefix, const std::string& group, const SimulatedDetector& start, bool (*visible)(const Values&)) {
  to.push_back({prefix + "jitter", "Jitter σ_loc", "Standard deviation of a candidate's centre, in widths and heights of the object", group, start.jitter, Real{0, 0.5}, "", visible});
  to.push_back({prefix + "recall", "Recall p_rec", "Probability that an object is found; objects under 24 px are found less often", group, start.recall, Real{0, 1}, "", visible});
  to.push_back({prefix + "false-alarms", "False alarms λ_fp", "Mean number of background boxes per image", group, start.falseAlarms, Real{0, 20}, "", visible});
  to.push_back({prefix + "duplicates", "Duplicates", "Each found object gives 1 to 2 n + 1 candidates", group, std::int64_t{start.duplicates}, Integer{0, 8}, "", visible});
  to.push_back({prefix + "confusion", "Confusion p_cls", "Probability that a candidate carries another label", group, start.confusion, Real{0, 0.5}, "", visible});
  to.push_back({prefix + "ranking", "Ranking quality q", "1: the score follows the overlap; 0: the score is noise", group, start.ranking, Real{0, 1}, "", visible});
}

int truthScore(const FileReport& report) {
  const auto role = report.metadata.find("role");
  const bool truth = role != report.metadata.end() && role->second == "ground truth";
  if (report.kind == "coco-ground-truth" || report.kind == "voc-folder") return 90;
  if (report.kind == "voc-annotation") return 60;
  if (report.kind == "yolo-folder" || report.kind == "yolo-labels" || report.kind == "detection-csv") return truth ? 80 : 0;
  return 0;
}

int resultScore(const FileReport& report) {
  const auto role = report.metadata.find("role");
  const bool detections = role != report.metadata.end() && role->second == "detections";
  if (report.kind == "coco-results" || report.kind == "voc-results") return 90;
  if (report.kind == "yolo-folder" || report.kind == "yolo-labels" || report.kind == "detection-csv") return detections ? 80 : 0;
  return 0;
}

// The three detectors of the first preset: AP50 agrees within 0.01, AP75 and the kinds of error do not.
// (Tuned on the default 500 scenes, seed 1, hard NMS at 0.5: AP50 0.718, 0.719, 0.720; AP75 0.72, 0.21, 0.62.)
constexpr SimulatedDetector blind{0.03, 0.845, 0.5, 1, 0.02, 1.0};
constexpr SimulatedDetector sloppy{0.182, 1.0, 2.5, 2, 0.03, 0.8};
constexpr SimulatedDetector badlyRanked{0.05, 0.957, 12.0, 2, 0.06, 0.0};

void setDetector(Values& values, const std::string& prefix, const SimulatedDetector& d) {
  values[prefix + "jitter"] = d.jitter;
  values[prefix + "recall"] = d.recall;
  values[prefix + "false-alarms"] = d.falseAlarms;
  values[prefix + "duplicates"] = std::int64_t{d.duplicates};
  values[prefix + "confusion"] = d.confusion;
  values[prefix + "ranking"] = d.ranking;
}

}  // namespace

LabEntry DetectionMapLab::describe() {
  LabEntry lab;
  lab.id = "vision/detection-map";
  lab.title = "Mean average precision";
  lab.summary = "From boxes to one number, and which number";
  const std::vector<std::string> truthKinds{"coco-ground-truth", "voc-folder", "voc-annotation", "yolo-folder", "yolo-labels", "detection-csv"};
  const std::vector<std::string> resultKinds{"coco-results", "voc-results", "yolo-folder", "yolo-labels", "detection-csv"};
  lab.parameters = {
      {"source", "Source", "Where objects and detections come from", "Input", std::string("shapeworld"),
       Choice{{{"shapeworld", "Simulated"}, {"trained", "Trained network"}, {"files", "Files"}, {"ten", "Ten objects, seven found"}}}},
      {"ground-truth", "Ground truth", "COCO JSON, a VOC or YOLO folder, or a table without scores", "Input", Asset{}, FileWell{truthKinds, false}, "", fromFiles},
      {"results", "Results", "COCO results, VOC result files, a YOLO folder with confidences, or a table with scores", "Input", Asset{}, FileWell{resultKinds, false}, "", fromFiles},
      {"results-b", "Second results", "Another detector on the same ground truth", "Input", Asset{}, FileWell{resultKinds, false}, "", fromFiles},
      {"image-folder", "Image folder", "Pictures by file name; without it the canvas is grey", "Input", Asset{}, FileWell{{}, true}, "", fromFiles},
      {"images", "Images", "Number of validation scenes", "Input", std::int64_t{500}, Integer{1, 2000, true}, "", builtIn},
      {"model", "Detector", "A TinyDet (safetensors, config.json beside it); none is the one that comes with Orrery", "Input", Asset{},
       FileWell{{"safetensors"}, false}, "", trained},
      {"profile", "Scenes", "It was trained on sparse ones; dense ones show how it fares with what it has not seen", "Input", std::string("scene"),
       Choice{{{"scene", "Sparse"}, {"dense", "Dense"}}}, "", trained},
      {"crowds", "Crowds", "One scene in eight gets a cluster that is annotated as one crowd box", "Input", false, Switch{}, "",
       [](const Values& v) { return simulated(v) || (trained(v) && is(v, "profile", {"dense"})); }},
      {"seed", "Seed", "Of the scenes and of the simulated detectors", "Input", std::int64_t{1}, Seed{}, "", builtIn},
      {"detectors", "Detectors", "Simulated detectors side by side", "Input", std::int64_t{1}, Integer{1, 3}, "", simulated},
  };
  addDetector(lab.parameters, "", "Detector A", SimulatedDetector{}, simulated);
  addDetector(lab.parameters, "b-", "Detector B", sloppy, simulatedB);
  addDetector(lab.parameters, "c-", "Detector C", badlyRanked, simulatedC);
  const std::vector<Parameter> rest = {
      {"protocol", "Protocol", "Sets matching, recall grid and thresholds together", "Rules", std::string("coco"),
       Choice{{{"coco", "COCO"}, {"voc07", "VOC2007"}, {"voc10", "VOC2010+"}, {"custom", "Custom"}}}},
      {"iou", "IoU threshold t", "Of the curve shown; COCO still averages its ten", "Rules", 0.5, Real{0.05, 0.95, 0.05}},
      {"test", "Threshold test", "The devkit asks for IoU at least t, its Python port for more than t", "Rules", std::string("at-least"),
       Choice{{{"at-least", "At least t (≥)"}, {"above", "Above t (>)"}}}},
      {"coordinates", "Coordinates", "Inclusive adds one pixel to every side; it changes small boxes most", "Rules", std::string("protocol"),
       Choice{{{"protocol", "By protocol"}, {"half-open", "Half-open"}, {"inclusive", "Inclusive (+1)"}}}},
      {"interpolation", "Interpolation", "Where the envelope is read", "Rules", std::string("protocol"),
       Choice{{{"protocol", "By protocol"}, {"eleven", "11 points"}, {"all", "All points"}, {"hundred-one", "101 points"}, {"none", "None"}}}},
      {"recall-arithmetic", "Recall arithmetic", "In doubles, 0.7 may be just missed", "Rules", std::string("protocol"),
       Choice{{{"protocol", "By protocol"}, {"exact", "Exact integers"}, {"doubles", "Double-compatible"}}}},
      {"score-threshold", "Score threshold c", "Operating point, boxes drawn, confusion matrix, and the numbers above it", "Rules", 0.25, Real{0, 1}},
      {"max-detections", "Most detections M", "Per image and class", "Rules", std::int64_t{100}, Integer{1, 1000, true}},
      {"areas", "Size split", "Sides that divide small, medium and large: 32 and 96 px for files, 24 and 40 px for ShapeWorld", "Rules", std::string("auto"),
       Choice{{{"auto", "By source"}, {"custom", "Custom"}}}},
      {"area-small", "Small up to a₁", "Side of a square", "Rules", 32.0, Real{1, 512}, "px", [](const Values& v) { return is(v, "areas", {"custom"}); }},
      {"area-large", "Large from a₂", "Side of a square", "Rules", 96.0, Real{1, 512}, "px", [](const Values& v) { return is(v, "areas", {"custom"}); }},
      {"class-agnostic", "Class-agnostic", "Suppression and scoring ignore the labels", "Rules", false, Switch{}},
      {"nms", "Suppression", "Runs live on the raw candidates", "Suppression", std::string("hard"),
       Choice{{{"off", "Off"}, {"hard", "Hard NMS"}, {"linear", "Soft, linear"}, {"gaussian", "Soft, Gaussian"}}}},
      {"nms-iou", "Overlap N_t", "Boxes that overlap a better one by more are suppressed", "Suppression", 0.5, Real{0.05, 0.95}, "",
       [](const Values& v) { return is(v, "nms", {"hard", "linear"}); }},
      {"nms-sigma", "Decay σ", "Scores fall by exp(−IoU²/σ)", "Suppression", 0.5, Real{0.05, 2}, "", [](const Values& v) { return is(v, "nms", {"gaussian"}); }},
      {"nms-smallest", "Smallest score", "Boxes below it are dropped", "Suppression", 0.001, Real{0, 0.2}, "", [](const Values& v) { return is(v, "nms", {"linear", "gaussian"}); }},
      {"nms-files", "Suppress in files too", "Results usually come suppressed already", "Suppression", false, Switch{}, "", fromFiles},
      {"class", "Class shown", "Number in the list of classes, 0 = the mean over all", "View", std::int64_t{1}, Integer{0, 10000}},
      {"show", "Images shown", "Only images that hold such a box", "View", std::string("all"),
       Choice{{{"all", "All"}, {"fp", "False positives"}, {"missed", "Missed objects"}, {"cls", "Wrong class"}, {"loc", "Badly placed"}, {"both", "Both wrong"},
               {"dupe", "Duplicates"}, {"bkg", "Background"}}}},
      {"first-image", "First image", "Of the grid, counted among the images shown", "View", std::int64_t{0}, Integer{0, 100000}},
      {"grid", "Grid columns", "Pictures side by side", "View", std::int64_t{2}, Integer{1, 6}},
      {"selected", "Selected box", "Number of the detection whose image is shown first; click a point of the curve or a box; −1 = none", "View", std::int64_t{-1}, Integer{-1, 20000000}},
  };
  lab.parameters.insert(lab.parameters.end(), rest.begin(), rest.end());

  Values three{{"detectors", std::int64_t{3}}};
  setDetector(three, "", blind);
  setDetector(three, "b-", sloppy);
  setDetector(three, "c-", badlyRanked);
  lab.presets = {
      {"three-detectors", "Three detectors, one mAP", "Accurate but blind, exhaustive but sloppy, well placed but badly ranked: AP50 agrees, AP75 and the errors do not", three},
      {"2007-vs-2010", "2007 vs 2010", "One curve read at 11 points and at all of them; move the score threshold and the class",
       {{"protocol", std::string("voc07")}, {"images", std::int64_t{12}}, {"false-alarms", 4.0}, {"ranking", 0.3}}},
      {"duplicates", "Duplicates", "Suppression off, hard, Gaussian on crowded scenes: precision rises, then recall in overlaps returns",
       {{"duplicates", std::int64_t{6}}, {"crowds", true}, {"nms", std::string("off")}, {"show", std::string("dupe")}}},
      {"trained-detector", "A trained network", "A small detector trained on ShapeWorld looks at scenes it has not seen; raise the overlap, or give it dense scenes",
       {{"source", std::string("trained")}, {"images", std::int64_t{100}}}},
      {"rounding-trap", "Rounding trap", "Ten objects, seven found: AP is 70/101, because recall 0.7 is not reached in doubles",
       {{"source", std::string("ten")}, {"grid", std::int64_t{1}}, {"protocol", std::string("coco")}}},
  };
  lab.views = {{"images", "Boxes on images"}, {"pr-curve", "Precision and recall"}, {"confidence", "Confidence"}, {"per-class", "Per class"},
               {"ap-by-iou", "AP by IoU"}, {"confusion", "Confusion matrix"}, {"tide", "Kinds of error"}, {"sizes", "By size"}};
  Acceptance truth, results;
  truth.kinds = "COCO, VOC or YOLO ground truth, or a table without scores";
  truth.parameter = "ground-truth";
  truth.score = truthScore;
  truth.also = {{"source", std::string("files")}};
  results.kinds = "COCO, VOC or YOLO results, or a table with scores";
  results.parameter = "results";
  results.score = resultScore;
  results.also = {{"source", std::string("files")}};
  Acceptance network;
  network.kinds = "TinyDet as safetensors";
  network.parameter = "model";
  network.also = {{"source", std::string("trained")}};
  network.score = [](const FileReport& report) {
    const auto has = [&](std::string_view name) {
      return std::any_of(report.tensors.begin(), report.tensors.end(), [&](const TensorSummary& t) { return t.name == name; });
    };
    return report.kind == "safetensors" && has("backbone.0.weight") && has("blocks.0.weight") && has("head.weight") ? 95 : 0;
  };
  lab.accepts = {truth, results, network};
  lab.make = [] { return std::make_unique<DetectionMapLab>(); };
  return lab;
}

Expected<void> DetectionMapLab::update(LabContext& context) {
  const bool restart = stale_;
  stale_ = true;
  // Each stage is redone only when something it reads has changed.
  const bool truthChanged = restart || context.anyChanged({"source", "ground-truth", "images", "profile", "crowds", "seed"});
  if (truthChanged) {
    if (auto read = readTruth(context); !read) return read;
  }
  std::size_t count = 1;
  if (source_ == "shapeworld") count = static_cast<std::size_t>(context.integer("detectors"));
  if (source_ == "files" && !context.file("results-b").path.empty()) count = 2;
  const std::size_t before = detectors_.size();
  detectors_.resize(count);
  const bool suppression = context.anyChanged({"nms", "nms-iou", "nms-sigma", "nms-smallest", "nms-files", "class-agnostic"});
  for (std::size_t d = 0; d < count; ++d) {
    const std::string prefix = d == 0 ? "" : d == 1 ? "b-" : "c-";
    bool raw = truthChanged || d >= before;
    if (source_ == "shapeworld") {
      for (const char* id : {"jitter", "recall", "false-alarms", "duplicates", "confusion", "ranking"}) raw = raw || context.changed(prefix + id);
    } else if (source_ == "trained") {
      raw = raw || context.changed("model");
    } else if (source_ == "files") {
      raw = raw || context.changed(d == 0 ? "results" : "results-b");
    }
    if (raw) {
      if (auto read = readBoxes(context, d); !read) return read;
    }
    if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
    if (raw || suppression) suppressBoxes(context, detectors_[d]);
    evaluate(context, detectors_[d], raw || suppression);
  }
  look(context);
  layTiles(context);
  stale_ = false;
  return {};
}

Figure DetectionMapLab::figure() const {
  Figure figure;
  figure.title = tr("Mean average precision");
  place(figure, imagePanel(), 0, 0, 1, 2);
  place(figure, curvePanel(), 0, 1);
  place(figure, confidencePanel(), 0, 2);
  place(figure, classPanel(), 1, 1);
  place(figure, thresholdPanel(), 1, 2);
  place(figure, confusionPanel(), 2, 0);
  place(figure, tidePanel(), 2, 1);
  place(figure, sizePanel(), 2, 2);
  figure.columnWeights = {1.15f, 1, 1};
  figure.rowWeights = {1.1f, 0.9f, 0.9f};
  return figure;
}

std::vector<Metric> DetectionMapLab::metrics() const {
  std::vector<Metric> metrics;
  const char* const names[] = {"ap", "ap50", "ap75", "aps", "apm", "apl", "ar1", "ar10", "ar100", "ars", "arm", "arl"};
  for (std::size_t d = 0; d < detectors_.size(); ++d) {
    const DetectorState& state = detectors_[d];
    const std::string prefix = d == 0 ? "" : d == 1 ? "b." : "c.";
    const auto add = [&](const std::string& name, double value) { metrics.push_back({prefix + name, value, ""}); };
    for (std::size_t i = 0; i < 12; ++i) add(names[i], state.cocoScores.stats[i]);
    add("voc.map", state.voc10);
    add("voc07.map", state.voc07);
    add("map", state.scores.meanAp());
    add("kept.map", state.kept.meanAp());
    const OperatingPoint point = operatingPoint(state.curves, shownClass(), threshold_);
    add("precision", point.precision);
    add("recall", point.recall);
    add("f1", point.f1);
    const ConfidenceCurves curves = confidenceCurves(state.curves, shownClass());
    add("best-f1", curves.bestF1);
    add("best-f1.confidence", curves.bestConfidence);
    add("tide.ap", state.tide.ap);
    for (std::size_t kind = 0; kind < tideNames.size(); ++kind) {
      add("tide." + std::string(tideNames[kind]), state.tide.deltaAp[kind]);
      add("tide." + std::string(tideNames[kind]) + ".count", static_cast<double>(state.tide.counts[kind]));
    }
    add("detections", static_cast<double>(state.boxes.size()));
    if (!classAgnostic_ && truth_.classes.size() <= 100) {
      for (std::size_t k = 0; k < truth_.classes.size(); ++k) add("class." + truth_.classes[k].name + ".ap", state.scores.classes[k].ap);
    }
  }
  metrics.push_back({"images", static_cast<double>(truth_.images.size()), ""});
  metrics.push_back({"truths", static_cast<double>(truth_.boxes.size()), ""});
  return metrics;
}

ORRERY_LAB(DetectionMapLab);

}  // namespace orrery::vision
