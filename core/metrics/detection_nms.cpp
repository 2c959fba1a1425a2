// Hard and soft non-maximum suppression (see detection_nms.h).

#include "core/metrics/detection_nms.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/metrics/detection_ap.h"

namespace orrery {

namespace {

// Decay one group in place; dropped boxes get alive = 0.
void suppressGroup(std::vector<ScoredBox>& boxes, std::vector<std::uint8_t>& alive, const std::vector<std::uint32_t>& group, const NmsOptions& options) {
  std::vector<std::uint32_t> rest = group;
  while (!rest.empty()) {
    // Take the best remaining box; on equal scores the one that came first.
    const auto best = std::max_element(rest.begin(), rest.end(), [&](auto a, auto b) {
      return boxes[a].score != boxes[b].score ? boxes[a].score < boxes[b].score : a > b;
    });
    const std::uint32_t chosen = *best;
    rest.erase(best);
    // Suppress or decay the others.
    std::erase_if(rest, [&](std::uint32_t i) {
      const double overlap = overlapOf(boxes[chosen], boxes[i]);
      bool drop = false;
      switch (options.kind) {
        case NmsKind::off: break;
        case NmsKind::hard: drop = overlap > options.threshold; break;
        case NmsKind::linear:
          if (overlap > options.threshold) boxes[i].score *= 1 - overlap;
          drop = boxes[i].score < options.smallestScore;
          break;
        case NmsKind::gaussian:
          boxes[i].score *= std::exp(-overlap * overlap / options.sigma);
          drop = boxes[i].score < options.smallestScore;
          break;
      }
      if (drop) alive[i] = 0;
      return drop;
    });
  }
}

}  // namespace

std::vector<ScoredBox> suppress(const std::vector<ScoredBox>& candidates, const NmsOptions& options, std::vector<std::uint32_t>* keptFrom) {
  std::vector<ScoredBox> boxes = candidates;
  std::vector<std::uint8_t> alive(boxes.size(), 1);
  if (options.kind != NmsKind::off) {
    // Group by image, and by class unless labels are ignored.
    std::vector<std::uint32_t> order(boxes.size());
    std::iota(order.begin(), order.end(), 0u);
    auto keyOf = [&](std::uint32_t i) { return std::uint64_t{boxes[i].image} << 32 | (options.useClasses ? boxes[i].category : 0u); };
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return keyOf(a) < keyOf(b); });
    std::vector<std::uint32_t> group;
    for (std::size_t begin = 0; begin < order.size();) {
      std::size_t end = begin;
      while (end < order.size() && keyOf(order[end]) == keyOf(order[begin])) ++end;
      group.assign(order.begin() + static_cast<std::ptrdiff_t>(begin), order.begin() + static_cast<std::ptrdiff_t>(end));
      suppressGroup(boxes, alive, group, options);
      begin = end;
    }
  }
  std::vector<ScoredBox> kept;
  if (keptFrom != nullptr) keptFrom->clear();
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    if (alive[i] == 0) continue;
    kept.push_back(boxes[i]);
    if (keptFrom != nullptr) keptFrom->push_back(static_cast<std::uint32_t>(i));
  }
  return kept;
}

}  // namespace orrery
