// Matching detections to ground truths by the COCO and the VOC rule (see detection_match.h).
// COCO (COCOeval.evaluateImg): a detection takes the best free ground truth with IoU >= t, the later one on equal IoU; ignored ground truths
// only when no regular one is left; crowds absorb any number. VOC (VOCevaldet): a detection looks only at its best ground truth (first of equals).

#include "core/metrics/detection_match.h"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

// A threshold of exactly 1 would miss identical boxes through rounding; the reference starts at 1 - 1e-10.
double startOf(double threshold) { return std::min(threshold, 1 - 1e-10); }

double intersectionOf(double ax, double ay, double aw, double ah, double bx, double by, double bw, double bh) {
  const double w = std::fmin(aw + ax, bw + bx) - std::fmax(ax, bx);
  if (w <= 0) return 0;
  const double h = std::fmin(ah + ay, bh + by) - std::fmax(ay, by);
  return h <= 0 ? 0 : w * h;
}

template <class A, class B>
double unionRatio(const A& a, const B& b) {
  const double i = intersectionOf(a.x, a.y, a.width, a.height, b.x, b.y, b.width, b.height);
  return i <= 0 ? 0 : i / (a.width * a.height + b.width * b.height - i);
}

}  // namespace

double overlapOf(const ScoredBox& detection, const TruthBox& truth, bool crowdRule, double grow) {
  const double dw = detection.width + grow, dh = detection.height + grow, gw = truth.width + grow, gh = truth.height + grow;
  const double i = intersectionOf(detection.x, detection.y, dw, dh, truth.x, truth.y, gw, gh);
  if (i <= 0) return 0;
  const double da = dw * dh;
  return i / (crowdRule && truth.crowd ? da : da + gw * gh - i);
}

double overlapOf(const ScoredBox& a, const ScoredBox& b) { return unionRatio(a, b); }
double overlapOf(const TruthBox& a, const TruthBox& b) { return unionRatio(a, b); }

bool outside(double area, const AreaRange& range) { return area < range.low || area > range.high; }
bool ignoredTruth(const TruthBox& truth, const AreaRange& range) { return truth.crowd || truth.difficult || outside(truth.area, range); }

GroupMatcher::GroupMatcher(const DetectionProtocol& protocol) : protocol_(protocol) {}

void GroupMatcher::findPairs(const MatchGroup& group, double lowest) {
  pairs_.clear();
  firstPair_.assign(1, 0);
  const double grow = protocol_.coordinates == Coordinates::inclusive ? 1 : 0;
  const bool crowdRule = protocol_.matching == Matching::coco;
  for (std::size_t d = 0; d < group.detections.size(); ++d) {
    for (std::size_t g = 0; g < group.truths.size(); ++g) {
      const double overlap = overlapOf(*group.detections[d], *group.truths[g], crowdRule, grow);
      if (overlap >= lowest && overlap > 0) pairs_.push_back({static_cast<std::uint32_t>(d), static_cast<std::uint32_t>(g), overlap});
    }
    firstPair_.push_back(static_cast<std::uint32_t>(pairs_.size()));
  }
}

// The ground truth this detection goes to at this threshold, or -1. `duplicate`: VOC only, the best one was taken already.
std::int32_t GroupMatcher::pick(std::size_t detection, double threshold, const std::vector<std::uint8_t>& truthIgnored,
                                const std::vector<std::uint8_t>& taken, const MatchGroup& group, double& overlap, bool& duplicate) const {
  const std::uint32_t begin = firstPair_[detection], end = firstPair_[detection + 1];
  const bool above = protocol_.test == ThresholdTest::above;
  const double start = startOf(threshold);
  std::int32_t best = -1;
  overlap = 0;
  duplicate = false;
  if (protocol_.matching == Matching::voc) {
    for (std::uint32_t i = begin; i < end; ++i) {
      if (pairs_[i].overlap > overlap) overlap = pairs_[i].overlap, best = static_cast<std::int32_t>(pairs_[i].truth);
    }
    if (best < 0 || !(above ? overlap > threshold : overlap >= threshold)) return -1;
    const auto g = static_cast<std::size_t>(best);
    duplicate = truthIgnored[g] == 0 && taken[g] != 0;
    return duplicate ? -1 : best;
  }
  // Regular ground truths first; ignored ones only when no regular one was free.
  for (const std::uint8_t pass : {std::uint8_t{0}, std::uint8_t{1}}) {
    double bestOverlap = start;
    for (std::uint32_t i = begin; i < end; ++i) {
      const auto& pair = pairs_[i];
      if (truthIgnored[pair.truth] != pass || (taken[pair.truth] != 0 && !group.truths[pair.truth]->crowd)) continue;
      if (pair.overlap < bestOverlap || (above && best < 0 && !(pair.overlap > threshold))) continue;
      bestOverlap = overlap = pair.overlap;
      best = static_cast<std::int32_t>(pair.truth);
    }
    if (best >= 0) break;
  }
  return best;
}

void GroupMatcher::match(const MatchGroup& group, std::span<MatchBits> result) {
  const auto& thresholds = protocol_.thresholds;
  const std::uint32_t full = thresholds.size() >= 32 ? ~0u : (1u << thresholds.size()) - 1;
  for (std::size_t d = 0; d < group.detections.size(); ++d) {
    for (std::size_t a = 0; a < 4; ++a) result[d].ignored[a] = outside(group.detections[d]->area(), protocol_.areas[a]) ? full : 0;
  }
  if (group.truths.empty()) return;
  double lowest = 1;
  for (const double t : thresholds) lowest = std::min(lowest, startOf(t));
  findPairs(group, lowest);
  if (pairs_.empty()) return;
  // Most detections overlap nothing: only the others are walked for every area range and threshold.
  active_.clear();
  for (std::uint32_t d = 0; d < group.detections.size(); ++d) {
    if (firstPair_[d] != firstPair_[d + 1]) active_.push_back(d);
  }
  for (std::size_t a = 0; a < 4; ++a) {
    truthIgnored_.clear();
    for (const TruthBox* truth : group.truths) truthIgnored_.push_back(ignoredTruth(*truth, protocol_.areas[a]));
    for (std::size_t t = 0; t < thresholds.size(); ++t) {
      taken_.assign(group.truths.size(), 0);
      const std::uint32_t bit = 1u << t;
      for (const std::uint32_t d : active_) {
        double overlap = 0;
        bool duplicate = false;
        const std::int32_t g = pick(d, thresholds[t], truthIgnored_, taken_, group, overlap, duplicate);
        if (duplicate) result[d].ignored[a] &= ~bit;   // the devkit counts it as a false positive whatever its size
        if (g < 0) continue;
        taken_[static_cast<std::size_t>(g)] = 1;
        const bool ignored = truthIgnored_[static_cast<std::size_t>(g)] != 0;
        if (protocol_.zeroIdNeverMatches && group.truths[static_cast<std::size_t>(g)]->id == 0 && !ignored) continue;
        result[d].ignored[a] = ignored ? result[d].ignored[a] | bit : result[d].ignored[a] & ~bit;
        if (!ignored) result[d].truePositive[a] |= bit;
      }
    }
  }
}

void GroupMatcher::matchOne(const MatchGroup& group, double threshold, std::span<BoxLabel> labels, std::span<std::int32_t> truthOf,
                            std::span<double> overlap) {
  findPairs(group, 0);
  truthIgnored_.clear();
  for (const TruthBox* truth : group.truths) truthIgnored_.push_back(ignoredTruth(*truth, protocol_.areas[0]));
  taken_.assign(group.truths.size(), 0);
  for (std::size_t d = 0; d < group.detections.size(); ++d) {
    bool duplicate = false;
    const std::int32_t g = pick(d, threshold, truthIgnored_, taken_, group, overlap[d], duplicate);
    truthOf[d] = g;
    if (g < 0) {
      for (std::uint32_t i = firstPair_[d]; i < firstPair_[d + 1]; ++i) overlap[d] = std::max(overlap[d], pairs_[i].overlap);
      labels[d] = !duplicate && outside(group.detections[d]->area(), protocol_.areas[0]) ? BoxLabel::ignored : BoxLabel::falsePositive;
      continue;
    }
    taken_[static_cast<std::size_t>(g)] = 1;
    const bool ignored = truthIgnored_[static_cast<std::size_t>(g)] != 0;
    const bool lost = protocol_.zeroIdNeverMatches && group.truths[static_cast<std::size_t>(g)]->id == 0;
    labels[d] = ignored ? BoxLabel::ignored : lost ? BoxLabel::falsePositive : BoxLabel::truePositive;
  }
}

}  // namespace orrery
