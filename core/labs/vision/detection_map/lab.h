#pragma once
// The lab vision/detection-map: state and the pieces its files share (see detection_map.cpp for what it shows).

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/data/detections_shapeworld.h"
#include "core/metrics/detection_ap.h"
#include "core/metrics/detection_errors.h"
#include "core/metrics/detection_nms.h"
#include "core/session/lab.h"

namespace orrery::vision {

// One detector: its boxes and everything computed from them.
struct DetectorState {
  std::string name;                              // "A", or the results file's name
  std::vector<ScoredBox> candidates;             // before suppression
  std::vector<ScoredBox> boxes;                  // what is scored
  std::unique_ptr<DetectionEvaluation> coco;     // always the COCO rules (with this lab's areas and maximum)
  std::unique_ptr<DetectionEvaluation> custom;   // the chosen rules, or null when they are COCO's
  DetectionScores cocoScores, scores, kept;      // all boxes by COCO; by the chosen rules; by them above the threshold
  double voc07 = -1, voc10 = -1;                 // VOC mAP at IoU 0.5, 11 points and all points
  TideResult tide;
  MatchDetail detail;                            // at the shown IoU
  std::vector<PrecisionRecall> curves;           // per class, all boxes
  ConfusionMatrix confusion;
  const DetectionEvaluation& chosen() const { return custom ? *custom : *coco; }
};

// A picture in the grid.
struct Tile {
  std::uint32_t image = 0;
  Tensor pixels;                                 // [h, w, 4] u8; empty = grey canvas
  double x = 0, y = 0, width = 0, height = 0;    // where it lies in the panel
  double scale = 1;                              // panel units per image pixel
};

class DetectionMapLab : public Lab {
 public:
  static LabEntry describe();
  Expected<void> update(LabContext& context) override;
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  // input.cpp
  Expected<void> readTruth(LabContext& context);
  Expected<void> readBoxes(LabContext& context, std::size_t detector);
  Expected<void> runDetector(LabContext& context, DetectorState& detector) const;
  void suppressBoxes(LabContext& context, DetectorState& detector) const;
  bool onScenes() const { return source_ == "shapeworld" || source_ == "trained"; }  // built-in scenes, not files
  // score.cpp
  DetectionProtocol cocoRules(const LabContext& context) const;
  std::optional<DetectionProtocol> customRules(const LabContext& context) const;
  void evaluate(LabContext& context, DetectorState& detector, bool boxes) const;
  void look(LabContext& context);
  // images.cpp
  void layTiles(LabContext& context);
  Panel imagePanel() const;
  // panels.cpp
  Panel curvePanel() const;
  Panel confidencePanel() const;
  Panel classPanel() const;
  Panel thresholdPanel() const;
  Panel sizePanel() const;
  Panel confusionPanel() const;
  Panel tidePanel() const;

  std::size_t shownClass() const;                // index, or npos for all
  std::string className(std::size_t k) const;
  Paint paintOf(std::size_t detector) const;

  bool stale_ = true;
  GroundTruth truth_;
  shapeworld::Options world_;                    // of the built-in scenes
  std::string source_;
  std::vector<DetectorState> detectors_;
  std::vector<std::string> notes_;
  double iou_ = 0.5, threshold_ = 0.25;
  std::int64_t class_ = 1, selected_ = -1;
  bool classAgnostic_ = false;
  std::vector<Tile> tiles_;
  std::int64_t matching_ = 0;                    // images that pass the filter
  Interpolation interpolation_ = Interpolation::hundredOnePoints;
};

// Mean over classes with ground truth of p(r) on the grid j / 100, for the curve of all classes together.
struct MeanCurve {
  std::vector<double> recall, precision;
};
MeanCurve meanCurve(const std::vector<PrecisionRecall>& curves);

// Precision, recall and F1 of one class (or the mean over classes) from the boxes with score >= c, on a grid of c.
struct ConfidenceCurves {
  std::vector<double> confidence, precision, recall, f1;
  double bestF1 = 0, bestConfidence = 0;
};
ConfidenceCurves confidenceCurves(const std::vector<PrecisionRecall>& curves, std::size_t category);

struct OperatingPoint {
  double precision = -1, recall = -1, f1 = -1;
};
// At one confidence; category npos = mean over classes with ground truth.
OperatingPoint operatingPoint(const std::vector<PrecisionRecall>& curves, std::size_t category, double confidence);

inline constexpr std::size_t allClasses = static_cast<std::size_t>(-1);

Tensor floats(const std::vector<double>& values);

}  // namespace orrery::vision
