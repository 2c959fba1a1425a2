#pragma once
// Why a detector loses AP (TIDE, Bolya et al. 2020), and which classes it takes for which (confusion matrix).
//
// TIDE, foreground threshold tf = 0.5, background tb = 0.1, in this order for each false positive: Loc tb <= IoU with its class <= tf; Cls IoU with
// another class >= tf; Dupe IoU >= tf with a taken ground truth of its class; Bkg best IoU <= tb; else Both. Missed: an unmatched ground truth
// no Loc or Cls fix can reach. Delta AP = AP after fixing only that kind, minus AP; recall grid j / 100.

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/data/detections.h"

namespace orrery {

enum class TideKind : std::uint8_t { classification, localisation, both, duplicate, background, missed, none };
inline constexpr std::array<std::string_view, 6> tideNames{"cls", "loc", "both", "dupe", "bkg", "miss"};

struct TideResult {
  double ap = 0;                                // mean over classes with ground truth, IoU >= tf
  std::array<std::int64_t, 6> counts{};
  std::array<double, 6> deltaAp{};
  std::vector<TideKind> kinds;                  // per detection; none = true positive, ignored or left out
};

TideResult tideErrors(const GroundTruth& truth, const std::vector<ScoredBox>& detections, double foreground = 0.5, double background = 0.1,
                      int maxDetectionsPerImage = 100);

// counts[predicted][true], both 0..classes, the last index is the background. All pairs with IoU > overlap, whatever their classes, by falling
// IoU (then lower detection, lower ground truth), one to one. Ignored ground truths and detections on them are left out.
struct ConfusionMatrix {
  std::size_t classes = 0;
  std::vector<std::int64_t> counts;
  std::int64_t at(std::size_t predicted, std::size_t actual) const { return counts[predicted * (classes + 1) + actual]; }
};
ConfusionMatrix confusion(const GroundTruth& truth, const std::vector<ScoredBox>& detections, double scoreThreshold, double overlap);

}  // namespace orrery
