// TIDE error kinds and the confusion matrix (see detection_errors.h).

#include "core/metrics/detection_errors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/metrics/detection_ap.h"

namespace orrery {

namespace {

// Indices per image, in input order.
template <class Box>
std::vector<std::vector<std::uint32_t>> byImage(const std::vector<Box>& boxes, std::size_t images) {
  std::vector<std::vector<std::uint32_t>> result(images);
  for (std::size_t i = 0; i < boxes.size(); ++i) result[boxes[i].image].push_back(static_cast<std::uint32_t>(i));
  return result;
}

bool isIgnored(const TruthBox& truth) { return truth.crowd || truth.difficult; }

constexpr std::uint32_t nobody = std::numeric_limits<std::uint32_t>::max();

// One point of a class's score list.
struct Entry {
  double score;
  std::uint32_t order;      // ties: image, then rank
  std::uint32_t category;
  bool hit;
};

// AP on the grid j / 100 for each class, averaged over the classes that had ground truth before any repair. `counts` is N per class now; a class
// without any left counts as 0 while it has detections and is left out when it has none, as the reference does.
double meanAp(std::vector<Entry> entries, const std::vector<std::int64_t>& counts, const std::vector<std::int64_t>& before) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    if (a.category != b.category) return a.category < b.category;
    return a.score != b.score ? a.score > b.score : a.order < b.order;
  });
  double sum = 0;
  std::int64_t classes = 0;
  std::size_t begin = 0;
  for (std::uint32_t k = 0; k < counts.size(); ++k) {
    while (begin < entries.size() && entries[begin].category < k) ++begin;
    std::size_t end = begin;
    while (end < entries.size() && entries[end].category == k) ++end;
    classes += before[k] > 0 && (counts[k] > 0 || end > begin);
    if (counts[k] > 0) {
      // Precision at each true positive, its envelope, and the grid values.
      std::vector<double> envelope;
      for (std::size_t i = begin; i < end; ++i) {
        if (entries[i].hit) envelope.push_back(static_cast<double>(envelope.size() + 1) / static_cast<double>(i - begin + 1));
      }
      for (std::size_t i = envelope.size(); i-- > 1;) envelope[i - 1] = std::max(envelope[i - 1], envelope[i]);
      double total = 0;
      std::size_t at = 0;
      for (int j = 0; j <= 100; ++j) {
        while (at < envelope.size() && static_cast<double>(at + 1) / static_cast<double>(counts[k]) < j / 100.0) ++at;
        if (at < envelope.size()) total += envelope[at];
      }
      sum += total / 101;
    }
    begin = end;
  }
  return classes == 0 ? -1 : sum / static_cast<double>(classes);
}

}  // namespace

TideResult tideErrors(const GroundTruth& truth, const std::vector<ScoredBox>& detections, double foreground, double background,
                      int maxDetectionsPerImage) {
  TideResult result;
  result.kinds.assign(detections.size(), TideKind::none);
  const auto truthsOf = byImage(truth.boxes, truth.images.size());
  auto detectionsOf = byImage(detections, truth.images.size());
  std::vector<std::uint32_t> takenBy(truth.boxes.size(), nobody), bestFix(truth.boxes.size(), nobody), fixTarget(detections.size(), nobody);
  std::vector<std::uint8_t> reachable(truth.boxes.size(), 0);
  std::vector<Entry> entries;                       // all counted detections
  std::vector<std::uint32_t> entryOf(detections.size(), nobody);
  std::vector<std::int64_t> counts(truth.classes.size(), 0);
  for (const TruthBox& g : truth.boxes) counts[g.category] += !isIgnored(g);

  for (std::size_t image = 0; image < truth.images.size(); ++image) {
    auto& order = detectionsOf[image];
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return detections[a].score > detections[b].score; });
    if (order.size() > static_cast<std::size_t>(maxDetectionsPerImage)) order.resize(static_cast<std::size_t>(maxDetectionsPerImage));
    std::vector<std::uint32_t> truths, ignored;
    for (const std::uint32_t g : truthsOf[image]) (isIgnored(truth.boxes[g]) ? ignored : truths).push_back(g);

    // Match: each detection in turn takes the best free ground truth of its class.
    for (const std::uint32_t d : order) {
      std::uint32_t best = nobody;
      double bestOverlap = 0;
      for (const std::uint32_t g : truths) {
        if (truth.boxes[g].category != detections[d].category || takenBy[g] != nobody) continue;
        const double overlap = overlapOf(detections[d], truth.boxes[g], false);
        if (overlap > bestOverlap) bestOverlap = overlap, best = g;
      }
      const bool hit = best != nobody && bestOverlap >= foreground;
      if (hit) takenBy[best] = d;
      const bool onIgnored = !hit && std::any_of(ignored.begin(), ignored.end(), [&](std::uint32_t g) {
        return truth.boxes[g].category == detections[d].category && overlapOf(detections[d], truth.boxes[g], true) > foreground;
      });
      if (onIgnored) continue;
      entryOf[d] = static_cast<std::uint32_t>(entries.size());
      entries.push_back({detections[d].score, static_cast<std::uint32_t>(entries.size()), detections[d].category, hit});
    }

    // Name the reason of every false positive.
    for (const std::uint32_t d : order) {
      if (entryOf[d] == nobody || entries[entryOf[d]].hit) continue;
      std::uint32_t same = nobody, other = nobody;
      double sameOverlap = 0, otherOverlap = 0, takenOverlap = 0;
      for (const std::uint32_t g : truths) {
        const double overlap = overlapOf(detections[d], truth.boxes[g], false);
        if (truth.boxes[g].category == detections[d].category) {
          if (overlap > sameOverlap) sameOverlap = overlap, same = g;
          if (takenBy[g] != nobody) takenOverlap = std::max(takenOverlap, overlap);
        } else if (overlap > otherOverlap) {
          otherOverlap = overlap, other = g;
        }
      }
      TideKind kind = TideKind::both;
      std::uint32_t target = nobody;
      if (same != nobody && background <= sameOverlap && sameOverlap <= foreground) {
        kind = TideKind::localisation, target = same;
      } else if (other != nobody && otherOverlap >= foreground) {
        kind = TideKind::classification, target = other;
      } else if (takenOverlap >= foreground) {
        kind = TideKind::duplicate;
      } else if (std::max(sameOverlap, otherOverlap) <= background) {
        kind = TideKind::background;
      }
      result.kinds[d] = kind;
      ++result.counts[static_cast<std::size_t>(kind)];
      // A fix turns it into a true positive only if its ground truth is free and no better-scored one wants it.
      if (target == nobody || takenBy[target] != nobody) continue;
      reachable[target] = 1;
      fixTarget[d] = target;
      if (bestFix[target] == nobody || detections[bestFix[target]].score < detections[d].score) bestFix[target] = d;
    }
  }

  std::vector<std::int64_t> fewer = counts;
  for (std::size_t g = 0; g < truth.boxes.size(); ++g) {
    if (isIgnored(truth.boxes[g]) || takenBy[g] != nobody || reachable[g] != 0) continue;
    ++result.counts[static_cast<std::size_t>(TideKind::missed)];
    --fewer[truth.boxes[g].category];
  }
  result.ap = meanAp(entries, counts, counts);
  // Fix one kind at a time.
  for (std::size_t kind = 0; kind < 6; ++kind) {
    if (kind == static_cast<std::size_t>(TideKind::missed)) {
      result.deltaAp[kind] = std::max(0.0, meanAp(entries, fewer, counts) - result.ap);
      continue;
    }
    std::vector<Entry> fixed;
    for (std::uint32_t d = 0; d < detections.size(); ++d) {
      if (entryOf[d] == nobody) continue;
      Entry entry = entries[entryOf[d]];
      if (static_cast<std::size_t>(result.kinds[d]) == kind) {
        const std::uint32_t target = fixTarget[d];
        if (target == nobody || bestFix[target] != d) continue;
        entry.category = truth.boxes[target].category;
        entry.hit = true;
      }
      fixed.push_back(entry);
    }
    // A repair that loses (by the grid alone) counts as no gain.
    result.deltaAp[kind] = std::max(0.0, meanAp(std::move(fixed), counts, counts) - result.ap);
  }
  return result;
}

ConfusionMatrix confusion(const GroundTruth& truth, const std::vector<ScoredBox>& detections, double scoreThreshold, double overlap) {
  ConfusionMatrix matrix;
  matrix.classes = truth.classes.size();
  const std::size_t side = matrix.classes + 1;
  matrix.counts.assign(side * side, 0);
  const auto truthsOf = byImage(truth.boxes, truth.images.size());
  const auto detectionsOf = byImage(detections, truth.images.size());
  struct Pair {
    double overlap;
    std::uint32_t detection, truth;
  };
  std::vector<Pair> pairs;
  std::vector<std::uint8_t> detectionUsed(detections.size(), 0), truthUsed(truth.boxes.size(), 0);
  for (std::size_t image = 0; image < truth.images.size(); ++image) {
    pairs.clear();
    for (const std::uint32_t d : detectionsOf[image]) {
      if (detections[d].score < scoreThreshold) continue;
      for (const std::uint32_t g : truthsOf[image]) {
        const double value = overlapOf(detections[d], truth.boxes[g], true);
        if (value > overlap) pairs.push_back({value, d, g});
      }
    }
    // Pair them off by falling overlap; ignored ground truths come last and absorb what is left.
    std::sort(pairs.begin(), pairs.end(), [&](const Pair& a, const Pair& b) {
      const bool ia = isIgnored(truth.boxes[a.truth]), ib = isIgnored(truth.boxes[b.truth]);
      if (ia != ib) return ib;
      if (a.overlap != b.overlap) return a.overlap > b.overlap;
      return a.detection != b.detection ? a.detection < b.detection : a.truth < b.truth;
    });
    for (const Pair& pair : pairs) {
      const bool ignored = isIgnored(truth.boxes[pair.truth]);
      if (detectionUsed[pair.detection] != 0 || (truthUsed[pair.truth] != 0 && !ignored)) continue;
      detectionUsed[pair.detection] = truthUsed[pair.truth] = 1;
      if (!ignored) ++matrix.counts[detections[pair.detection].category * side + truth.boxes[pair.truth].category];
    }
    for (const std::uint32_t d : detectionsOf[image]) {
      if (detections[d].score >= scoreThreshold && detectionUsed[d] == 0) ++matrix.counts[detections[d].category * side + matrix.classes];
    }
    for (const std::uint32_t g : truthsOf[image]) {
      if (!isIgnored(truth.boxes[g]) && truthUsed[g] == 0) ++matrix.counts[matrix.classes * side + truth.boxes[g].category];
    }
  }
  return matrix;
}

}  // namespace orrery
