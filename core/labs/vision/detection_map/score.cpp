// The lab vision/detection-map: rules, scores and operating points.

#include <algorithm>
#include <cmath>

#include "core/labs/vision/detection_map/lab.h"

namespace orrery::vision {

Tensor floats(const std::vector<double>& values) {
  std::vector<float> result(values.begin(), values.end());
  return Tensor::from(Shape{static_cast<std::int64_t>(result.size())}, result);
}

DetectionProtocol DetectionMapLab::cocoRules(const LabContext& context) const {
  DetectionProtocol protocol = cocoProtocol();
  if (!truth_.sizeKnown) {
    protocol.areas[1] = protocol.areas[2] = protocol.areas[3] = {1, 0};
  } else if (context.text("areas") == "custom") {
    const double small = context.number("area-small");
    setAreaSides(protocol, small, std::max(small, context.number("area-large")));
  } else if (onScenes()) {
    setAreaSides(protocol, 24, 40);
  }
  protocol.maxDetections[2] = static_cast<int>(context.integer("max-detections"));
  protocol.useClasses = !context.flag("class-agnostic");
  return protocol;
}

// The chosen rules, or nothing when they are COCO's.
std::optional<DetectionProtocol> DetectionMapLab::customRules(const LabContext& context) const {
  const DetectionProtocol coco = cocoRules(context);
  const std::string& name = context.text("protocol");
  const double iou = context.number("iou");
  DetectionProtocol protocol = coco;
  if (name == "voc07") protocol = voc07Protocol(iou);
  if (name == "voc10") protocol = voc10Protocol(iou);
  if (name == "custom") protocol.thresholds = {iou};
  protocol.areas = coco.areas;
  protocol.useClasses = coco.useClasses;
  if (name == "custom") protocol.maxDetections = coco.maxDetections;
  if (context.text("test") == "above") protocol.test = ThresholdTest::above;
  if (context.text("coordinates") == "inclusive") protocol.coordinates = Coordinates::inclusive;
  const std::string& interpolation = context.text("interpolation");
  if (interpolation == "eleven") protocol.interpolation = Interpolation::elevenPoints;
  if (interpolation == "all") protocol.interpolation = Interpolation::allPoints;
  if (interpolation == "hundred-one") protocol.interpolation = Interpolation::hundredOnePoints;
  if (interpolation == "none") protocol.interpolation = Interpolation::none;
  const std::string& arithmetic = context.text("recall-arithmetic");
  if (arithmetic == "exact") protocol.recall = RecallArithmetic::exact;
  if (arithmetic == "doubles") protocol.recall = RecallArithmetic::doubles;
  const bool same = name == "coco" && protocol.test == coco.test && protocol.coordinates == coco.coordinates && protocol.interpolation == coco.interpolation &&
                    protocol.recall == coco.recall;
  if (same) return std::nullopt;
  return protocol;
}

// `boxes`: the detector's boxes are new. Otherwise only what the changed rules touch is redone.
void DetectionMapLab::evaluate(LabContext& context, DetectorState& detector, bool boxes) const {
  const bool labels = boxes || context.changed("class-agnostic");
  const bool cocoChanged = labels || context.anyChanged({"max-detections", "areas", "area-small", "area-large"});
  const bool rules = cocoChanged || context.anyChanged({"protocol", "iou", "test", "coordinates", "interpolation", "recall-arithmetic"});
  const DetectionProtocol coco = cocoRules(context);
  if (cocoChanged) {
    detector.coco = std::make_unique<DetectionEvaluation>(truth_, detector.boxes, coco);
    detector.cocoScores = detector.coco->scores();
  }
  if (labels) {
    DetectionProtocol voc = voc10Protocol();
    voc.useClasses = coco.useClasses;
    const DetectionEvaluation evaluation(truth_, detector.boxes, voc);
    detector.voc10 = evaluation.scores().meanAp();
    detector.voc07 = evaluation.scores(-1e300, Interpolation::elevenPoints, RecallArithmetic::exact).meanAp();
  }
  if (boxes) detector.tide = tideErrors(truth_, detector.boxes);
  if (!rules) return;
  const auto custom = customRules(context);
  detector.custom = custom ? std::make_unique<DetectionEvaluation>(truth_, detector.boxes, *custom) : nullptr;
  detector.scores = custom ? detector.custom->scores() : detector.cocoScores;
  // Labels and curves at the shown IoU.
  detector.detail = detector.chosen().detailAt(context.number("iou"));
  detector.curves.clear();
  const std::size_t classes = coco.useClasses ? truth_.classes.size() : 1;
  for (std::size_t k = 0; k < classes; ++k) detector.curves.push_back(detector.chosen().curve(detector.detail, k));
}

// Everything that depends on the score threshold and on what is looked at.
void DetectionMapLab::look(LabContext& context) {
  threshold_ = context.number("score-threshold");
  iou_ = context.number("iou");
  class_ = context.integer("class");
  selected_ = context.integer("selected");
  classAgnostic_ = context.flag("class-agnostic");
  for (DetectorState& detector : detectors_) {
    detector.kept = detector.chosen().scores(threshold_);
    detector.confusion = confusion(truth_, detector.boxes, threshold_, iou_);
  }
  interpolation_ = detectors_.front().chosen().protocol().interpolation;
}

std::size_t DetectionMapLab::shownClass() const {
  if (classAgnostic_) return 0;
  if (class_ <= 0 || truth_.classes.empty()) return allClasses;
  return std::min(static_cast<std::size_t>(class_ - 1), truth_.classes.size() - 1);
}

std::string DetectionMapLab::className(std::size_t k) const {
  if (k == allClasses) return tr("all classes");
  if (classAgnostic_) return tr("all labels alike");
  return k < truth_.classes.size() ? truth_.classes[k].name : std::string();
}

Paint DetectionMapLab::paintOf(std::size_t detector) const { return detector == 0 ? Paint::of(Role::estimate) : Paint::series(detector == 1 ? 0 : 2); }

MeanCurve meanCurve(const std::vector<PrecisionRecall>& curves) {
  MeanCurve mean;
  std::size_t counted = 0;
  mean.precision.assign(101, 0.0);
  for (int j = 0; j <= 100; ++j) mean.recall.push_back(j / 100.0);
  for (const PrecisionRecall& curve : curves) {
    if (curve.truths == 0) continue;
    ++counted;
    for (std::size_t j = 0; j <= 100; ++j) {
      const auto at = std::lower_bound(curve.recall.begin(), curve.recall.end(), mean.recall[j] - 1e-12) - curve.recall.begin();
      if (static_cast<std::size_t>(at) < curve.envelope.size()) mean.precision[j] += curve.envelope[static_cast<std::size_t>(at)];
    }
  }
  for (double& value : mean.precision) value = counted == 0 ? 0 : value / static_cast<double>(counted);
  return mean;
}

namespace {

double harmonic(double p, double r) { return p + r > 0 ? 2 * p * r / (p + r) : 0; }

// One class at one confidence. Nothing kept: precision 1 by convention (no false positive), recall 0.
OperatingPoint pointOf(const PrecisionRecall& curve, double confidence) {
  const auto kept = std::partition_point(curve.score.begin(), curve.score.end(), [&](double s) { return s >= confidence; }) - curve.score.begin();
  if (kept == 0) return {1, 0, 0};
  const auto last = static_cast<std::size_t>(kept - 1);
  return {curve.precision[last], curve.recall[last], harmonic(curve.precision[last], curve.recall[last])};
}

}  // namespace

OperatingPoint operatingPoint(const std::vector<PrecisionRecall>& curves, std::size_t category, double confidence) {
  if (category != allClasses) {
    if (category >= curves.size() || curves[category].truths == 0) return {};
    return pointOf(curves[category], confidence);
  }
  OperatingPoint sum{0, 0, 0};
  double counted = 0;
  for (const PrecisionRecall& curve : curves) {
    if (curve.truths == 0) continue;
    const OperatingPoint one = pointOf(curve, confidence);
    sum.precision += one.precision, sum.recall += one.recall, sum.f1 += one.f1;
    ++counted;
  }
  if (counted == 0) return {};
  return {sum.precision / counted, sum.recall / counted, sum.f1 / counted};
}

ConfidenceCurves confidenceCurves(const std::vector<PrecisionRecall>& curves, std::size_t category) {
  ConfidenceCurves result;
  constexpr int steps = 400;
  for (int i = 0; i <= steps; ++i) {
    const double c = static_cast<double>(i) / steps;
    const OperatingPoint point = operatingPoint(curves, category, c);
    if (point.recall < 0) continue;
    result.confidence.push_back(c);
    result.precision.push_back(point.precision);
    result.recall.push_back(point.recall);
    result.f1.push_back(point.f1);
    if (point.f1 > result.bestF1) result.bestF1 = point.f1, result.bestConfidence = c;
  }
  return result;
}

}  // namespace orrery::vision
