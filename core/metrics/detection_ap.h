#pragma once
// Average precision: how a pile of boxes becomes one number, and which number.
// Sources: Everingham et al. 2010 (PASCAL VOC, devkit VOCevaldet), Lin et al. 2014 and pycocotools COCOeval (COCO).
//
// Class by class, detections sorted by score are true positives when matched to a ground truth (each at most once), false positives otherwise;
// with N ground truths, P = TP / (TP + FP), R = TP / N, and p(r) = max of P at recalls >= r:
//   11 points (VOC2007)   AP = 1/11 sum_{i=0..10} p(i/10)
//   all points (VOC2010)  AP = integral of p
//   101 points (COCO)     AP = 1/101 sum_{j=0..100} p(j/100), averaged over ten IoU thresholds
//
// A score threshold only cuts each sorted list: greedy matching of higher scores never depends on lower ones. So the constructor matches once
// per (image, class, area range, IoU threshold) and scores(c) re-reads prefixes: milliseconds for half a million detections.

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/data/detections.h"

namespace orrery {

enum class Matching : std::uint8_t { coco, voc };
enum class Coordinates : std::uint8_t { halfOpen, inclusive };           // inclusive: every side + 1
enum class ThresholdTest : std::uint8_t { atLeast, above };              // IoU >= t (devkit, COCO) or > t (the Python port of the devkit)
enum class Interpolation : std::uint8_t { elevenPoints, allPoints, hundredOnePoints, none };
enum class RecallArithmetic : std::uint8_t { exact, doubles };           // 10 TP >= i N in integers, or TP/N >= i*0.1 in doubles

struct AreaRange {
  double low = 0, high = 1e10;                                           // both ends inclusive
};

struct DetectionProtocol {
  Matching matching = Matching::coco;
  Coordinates coordinates = Coordinates::halfOpen;
  ThresholdTest test = ThresholdTest::atLeast;
  Interpolation interpolation = Interpolation::hundredOnePoints;
  RecallArithmetic recall = RecallArithmetic::doubles;
  std::vector<double> thresholds;                                        // IoU, at most 32
  std::array<AreaRange, 4> areas{};                                      // all, small, medium, large
  std::array<int, 3> maxDetections{1, 10, 100};                          // per image and class; the last one cuts the lists
  bool useClasses = true;                                                // false: labels are ignored, one class "all"
  bool zeroIdNeverMatches = false;                                       // reproduce cocoapi issue 332: a ground truth with id 0
};

DetectionProtocol cocoProtocol();                                        // as COCOeval with its default Params, to the last bit
DetectionProtocol voc07Protocol(double threshold = 0.5);                 // devkit matching, 11 points
DetectionProtocol voc10Protocol(double threshold = 0.5);                 // devkit matching, all points
void setAreaSides(DetectionProtocol& protocol, double small, double large);   // small < a1^2, large > a2^2 (both inclusive)

// The threshold among `protocol.thresholds` that equals this value (to 1e-9), or -1.
int indexOfThreshold(const DetectionProtocol& protocol, double threshold);

// All numbers; -1 where there is no ground truth (and so left out of every mean).
struct ClassScores {
  double ap = -1, ap50 = -1, ap75 = -1, aps = -1, apm = -1, apl = -1;
  double ar1 = -1, ar10 = -1, ar100 = -1, ars = -1, arm = -1, arl = -1;
  std::vector<double> apPerThreshold;                                    // area "all"
  std::int64_t truths = 0;                                               // N: not ignored
  std::int64_t detections = 0;                                           // above the score threshold, within maxDetections
};

struct DetectionScores {
  // AP, AP50, AP75, AP small, medium, large, AR at 1, 10, 100 detections, AR small, medium, large: the order of COCOeval.stats.
  std::array<double, 12> stats{};
  std::vector<double> apPerThreshold;                                    // mean over classes, area "all"
  std::vector<ClassScores> classes;                                      // one per class ("all" when labels are ignored)
  std::vector<double> precision;                                         // [threshold, class, area, 101] p(r_j), -1 without ground truth; 101 points only
  double meanAp() const { return stats[0]; }
};

enum class BoxLabel : std::uint8_t { truePositive, falsePositive, ignored, leftOut };

// Every detection's fate at one IoU threshold (area "all").
struct MatchDetail {
  double threshold = 0.5;
  std::vector<BoxLabel> labels;                                          // per detection, in input order; leftOut = beyond maxDetections
  std::vector<std::int32_t> truthOf;                                     // per detection: the matched ground truth, or -1
  std::vector<double> overlap;                                           // per detection: IoU with it, or the best IoU with any of its class
  std::vector<std::int32_t> detectionOf;                                 // per ground truth: the detection that took it, or -1
};

// The raw saw-tooth and its envelope; ignored detections leave no point.
struct PrecisionRecall {
  std::vector<std::uint32_t> detection;                                  // input index of each point
  std::vector<double> score, precision, recall, envelope;
  std::vector<std::int64_t> truePositives, falsePositives;
  std::int64_t truths = 0;                                               // N
  double ap = -1;
};

// AP of a curve by any rule, -1 without ground truth.
double interpolatedAp(const PrecisionRecall& curve, Interpolation interpolation, RecallArithmetic recall);

class DetectionEvaluation {
 public:
  // Matches everything; `threads` 0 = one per core, or one when there are few boxes. The evaluation keeps its own copies: the inputs may go.
  DetectionEvaluation(const GroundTruth& truth, const std::vector<ScoredBox>& detections, DetectionProtocol protocol, int threads = 0);
  ~DetectionEvaluation();
  DetectionEvaluation(DetectionEvaluation&&) noexcept;
  DetectionEvaluation& operator=(DetectionEvaluation&&) noexcept;

  const DetectionProtocol& protocol() const;
  // Every number, from the detections with score >= scoreThreshold.
  DetectionScores scores(double scoreThreshold = -std::numeric_limits<double>::infinity()) const;
  // The same matches read by another rule.
  DetectionScores scores(double scoreThreshold, Interpolation interpolation, RecallArithmetic recall) const;
  // Labels and partners at any threshold (it need not be one of the protocol's).
  MatchDetail detailAt(double threshold) const;
  // The curve of one class from such a detail. `interpolation` decides `ap`.
  PrecisionRecall curve(const MatchDetail& detail, std::size_t category,
                        double scoreThreshold = -std::numeric_limits<double>::infinity()) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Intersection over union (over the detection's area for a crowd), as maskApi's bbIou evaluates it; `grow` is added to every side.
double overlapOf(const ScoredBox& detection, const TruthBox& truth, bool crowdRule, double grow = 0);
double overlapOf(const ScoredBox& a, const ScoredBox& b);
double overlapOf(const TruthBox& a, const TruthBox& b);

}  // namespace orrery
