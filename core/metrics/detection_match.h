#pragma once
// Matching of one image's detections of one class to its ground truths (see detection_ap.h for the rules' sources).

#include <cstdint>
#include <span>
#include <vector>

#include "core/metrics/detection_ap.h"

namespace orrery {

// A detection and a ground truth that overlap, as positions within the group.
struct OverlapPair {
  std::uint32_t detection = 0, truth = 0;
  double overlap = 0;
};

// One (image, class) group. Detections are sorted by score and cut at maxDetections; ground truths in file order.
struct MatchGroup {
  std::span<const ScoredBox* const> detections;
  std::span<const TruthBox* const> truths;
};

// What matching says of one detection: bit t of each mask is IoU threshold t.
struct MatchBits {
  std::array<std::uint32_t, 4> truePositive{}, ignored{};    // per area range
};

class GroupMatcher {
 public:
  explicit GroupMatcher(const DetectionProtocol& protocol);

  // Labels every detection of the group for all area ranges and thresholds.
  void match(const MatchGroup& group, std::span<MatchBits> result);
  // One threshold, area "all": also says who took whom (positions in the group, -1 = nobody).
  void matchOne(const MatchGroup& group, double threshold, std::span<BoxLabel> labels, std::span<std::int32_t> truthOf, std::span<double> overlap);

 private:
  void findPairs(const MatchGroup& group, double lowest);
  std::int32_t pick(std::size_t detection, double threshold, const std::vector<std::uint8_t>& truthIgnored,
                    const std::vector<std::uint8_t>& taken, const MatchGroup& group, double& overlap, bool& duplicate) const;

  const DetectionProtocol& protocol_;
  std::vector<OverlapPair> pairs_;                 // by detection, then ground truth
  std::vector<std::uint32_t> firstPair_;           // per detection, one more at the end
  std::vector<std::uint32_t> active_;              // detections that have a pair
  std::vector<std::uint8_t> taken_, truthIgnored_;
};

// Whether the area range leaves this ground truth out of N.
bool ignoredTruth(const TruthBox& truth, const AreaRange& range);
bool outside(double area, const AreaRange& range);

}  // namespace orrery
