// Average precision by the VOC and COCO rules: grouping, one matching pass, and prefix re-scans (see detection_ap.h).

#include "core/metrics/detection_ap.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/parallel.h"
#include "core/metrics/detection_match.h"

namespace orrery {

namespace {

// A true positive in one class's sorted list, for one area range and threshold.
struct Hit {
  std::uint32_t position;      // in the sorted list
  std::uint32_t counted;       // true and false positives up to and including it
};

// One class, matched. Lists are in the order of decreasing score.
struct ClassData {
  std::vector<std::uint32_t> detection;               // input index
  std::vector<double> score;
  std::vector<std::uint32_t> rank;                    // within its image
  std::array<std::int64_t, 4> truths{};               // N per area range
  std::array<std::vector<std::vector<Hit>>, 4> hits;  // [area][threshold]
};

// p(r) needs the smallest number of true positives whose recall reaches the j-th grid point.
std::vector<std::int64_t> neededHits(std::int64_t N, Interpolation interpolation, RecallArithmetic recall) {
  const int steps = interpolation == Interpolation::elevenPoints ? 10 : 100;
  std::vector<std::int64_t> needed;
  for (int j = 0; j <= steps; ++j) {
    std::int64_t k = (j * N + steps - 1) / steps;     // exact: steps * k >= j * N
    if (recall == RecallArithmetic::doubles) {
      // As numpy: linspace gives j * 0.01 (and exactly 1 at the end), arange j * 0.1; searchsorted compares k / N in doubles.
      const double r = j == steps && steps == 100 ? 1.0 : j * (1.0 / steps);
      while (k > 0 && static_cast<double>(k - 1) / static_cast<double>(N) >= r) --k;
      while (static_cast<double>(k) / static_cast<double>(N) < r) ++k;
    }
    needed.push_back(k);
  }
  return needed;
}

// AP from the precision at each true positive, in order. `envelope` is overwritten with p(k / N). `samples` receives the grid values.
double averagePrecision(std::vector<double>& envelope, std::int64_t N, const std::vector<std::int64_t>& needed, Interpolation interpolation,
                        double* samples) {
  if (interpolation == Interpolation::none) {
    return std::accumulate(envelope.begin(), envelope.end(), 0.0) / static_cast<double>(N);
  }
  for (std::size_t i = envelope.size(); i-- > 1;) envelope[i - 1] = std::max(envelope[i - 1], envelope[i]);
  if (interpolation == Interpolation::allPoints) {
    return std::accumulate(envelope.begin(), envelope.end(), 0.0) / static_cast<double>(N);
  }
  double sum = 0;
  for (std::size_t j = 0; j < needed.size(); ++j) {
    const auto at = static_cast<std::size_t>(std::max<std::int64_t>(needed[j], 1) - 1);
    const double p = at < envelope.size() ? envelope[at] : 0.0;
    if (samples != nullptr) samples[j] = p;
    sum += p;
  }
  return sum / static_cast<double>(needed.size());
}

// P = TP / (TP + FP), with the reference's guard 2^-52 in its own arithmetic.
double precisionOf(double hits, double counted, RecallArithmetic recall) {
  return hits / (counted + (recall == RecallArithmetic::doubles ? 0x1p-52 : 0.0));
}

// Mean of the values above -1, or -1: the reference's rule for every summary number.
class Mean {
 public:
  void add(double value) {
    if (value > -1) sum_ += value, ++count_;
  }
  double value() const { return count_ == 0 ? -1.0 : sum_ / static_cast<double>(count_); }

 private:
  double sum_ = 0;
  std::int64_t count_ = 0;
};

// A class's boxes grouped by image: group i is order[first[i] .. first[i + 1]), positions in the list given.
struct ImageGroups {
  std::vector<std::uint32_t> order, first;
};

template <class Box>
ImageGroups groupByImage(const std::vector<Box>& boxes, std::size_t images) {
  ImageGroups groups;
  groups.first.assign(images + 1, 0);
  for (const Box& box : boxes) ++groups.first[box.image + 1];
  std::partial_sum(groups.first.begin(), groups.first.end(), groups.first.begin());
  groups.order.resize(boxes.size());
  std::vector<std::uint32_t> next(groups.first.begin(), groups.first.end() - 1);
  for (std::uint32_t i = 0; i < boxes.size(); ++i) groups.order[next[boxes[i].image]++] = i;
  return groups;
}

// One class's boxes, copied together so that matching walks memory in order.
struct ClassBoxes {
  std::vector<ScoredBox> detections;                  // by falling score
  std::vector<std::uint32_t> detectionIndex;          // their input indices
  std::vector<TruthBox> truths;                       // file order
  std::vector<std::uint32_t> truthIndex;
};

}  // namespace

struct DetectionEvaluation::State {
  DetectionProtocol protocol;
  std::size_t images = 0, classCount = 0, detectionCount = 0, truthCount = 0;
  int threads = 0;
  std::vector<ClassBoxes> boxes;
  std::vector<ClassData> classes;

  void gather(const std::vector<TruthBox>& truths, const std::vector<ScoredBox>& detections);
  void sortClass(std::size_t k);
  void matchClass(std::size_t k);
  // Calls visit(group, positions of its detections, positions of its ground truths) for every image of a class that has detections;
  // detections are cut at maxDetections.
  template <class Visit>
  void forEachGroup(std::size_t k, const Visit& visit) const;
};

DetectionProtocol cocoProtocol() {
  DetectionProtocol protocol;
  const double step = (0.95 - 0.5) / 9;
  for (int i = 0; i < 10; ++i) protocol.thresholds.push_back(i == 9 ? 0.95 : 0.5 + i * step);   // numpy.linspace(.5, .95, 10)
  setAreaSides(protocol, 32, 96);
  return protocol;
}

DetectionProtocol voc07Protocol(double threshold) {
  DetectionProtocol protocol;
  protocol.matching = Matching::voc;
  protocol.interpolation = Interpolation::elevenPoints;
  protocol.recall = RecallArithmetic::exact;
  protocol.thresholds = {threshold};
  protocol.maxDetections = {1, 10, std::numeric_limits<int>::max()};
  setAreaSides(protocol, 32, 96);
  return protocol;
}

DetectionProtocol voc10Protocol(double threshold) {
  DetectionProtocol protocol = voc07Protocol(threshold);
  protocol.interpolation = Interpolation::allPoints;
  return protocol;
}

void setAreaSides(DetectionProtocol& protocol, double small, double large) {
  protocol.areas = {AreaRange{0, 1e10}, AreaRange{0, small * small}, AreaRange{small * small, large * large}, AreaRange{large * large, 1e10}};
}

int indexOfThreshold(const DetectionProtocol& protocol, double threshold) {
  for (std::size_t i = 0; i < protocol.thresholds.size(); ++i) {
    if (std::abs(protocol.thresholds[i] - threshold) < 1e-9) return static_cast<int>(i);
  }
  return -1;
}

void DetectionEvaluation::State::gather(const std::vector<TruthBox>& truths, const std::vector<ScoredBox>& detections) {
  boxes.resize(classCount);
  const auto addTruth = [&](std::uint32_t i) {
    ClassBoxes& to = boxes[protocol.useClasses ? truths[i].category : 0];
    to.truths.push_back(truths[i]);
    to.truthIndex.push_back(i);
  };
  const auto addDetection = [&](std::uint32_t i) {
    ClassBoxes& to = boxes[protocol.useClasses ? detections[i].category : 0];
    to.detections.push_back(detections[i]);
    to.detectionIndex.push_back(i);
  };
  std::vector<std::uint32_t> truthOrder(truths.size()), detectionOrder(detections.size());
  std::iota(truthOrder.begin(), truthOrder.end(), 0u);
  std::iota(detectionOrder.begin(), detectionOrder.end(), 0u);
  // Without labels, the order is class by class, as the reference concatenates them.
  if (!protocol.useClasses) {
    std::stable_sort(truthOrder.begin(), truthOrder.end(), [&](auto a, auto b) { return truths[a].category < truths[b].category; });
    std::stable_sort(detectionOrder.begin(), detectionOrder.end(), [&](auto a, auto b) { return detections[a].category < detections[b].category; });
  }
  for (const std::uint32_t i : truthOrder) addTruth(i);
  for (const std::uint32_t i : detectionOrder) addDetection(i);
}

// Sort a class by score. Ties: image, then file order (COCO); file order alone (VOC).
void DetectionEvaluation::State::sortClass(std::size_t k) {
  struct Key {
    double score;
    std::uint32_t image, place;
  };
  ClassBoxes& all = boxes[k];
  std::vector<Key> keys;
  keys.reserve(all.detections.size());
  for (const ScoredBox& box : all.detections) {
    keys.push_back({box.score, protocol.matching == Matching::coco ? box.image : 0u, static_cast<std::uint32_t>(keys.size())});
  }
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.image != b.image ? a.image < b.image : a.place < b.place;
  });
  ClassBoxes sorted;
  sorted.detections.reserve(keys.size());
  sorted.detectionIndex.reserve(keys.size());
  for (const Key& key : keys) {
    sorted.detections.push_back(all.detections[key.place]);
    sorted.detectionIndex.push_back(all.detectionIndex[key.place]);
  }
  all.detections = std::move(sorted.detections);
  all.detectionIndex = std::move(sorted.detectionIndex);
}

template <class Visit>
void DetectionEvaluation::State::forEachGroup(std::size_t k, const Visit& visit) const {
  const ClassBoxes& all = boxes[k];
  const ImageGroups detectionGroups = groupByImage(all.detections, images), truthGroups = groupByImage(all.truths, images);
  std::vector<const ScoredBox*> detectionPointers;
  std::vector<const TruthBox*> truthPointers;
  const auto most = static_cast<std::uint32_t>(protocol.maxDetections[2]);
  for (std::size_t image = 0; image < images; ++image) {
    const std::uint32_t begin = detectionGroups.first[image];
    const std::uint32_t end = begin + std::min(detectionGroups.first[image + 1] - begin, most);
    if (begin == end) continue;
    const std::span detectionPlaces(detectionGroups.order.data() + begin, end - begin);
    const std::span truthPlaces(truthGroups.order.data() + truthGroups.first[image], truthGroups.first[image + 1] - truthGroups.first[image]);
    detectionPointers.clear();
    truthPointers.clear();
    for (const std::uint32_t i : detectionPlaces) detectionPointers.push_back(&all.detections[i]);
    for (const std::uint32_t i : truthPlaces) truthPointers.push_back(&all.truths[i]);
    visit(MatchGroup{detectionPointers, truthPointers}, detectionPlaces, truthPlaces);
  }
}

void DetectionEvaluation::State::matchClass(std::size_t k) {
  ClassData& data = classes[k];
  const ClassBoxes& all = boxes[k];
  for (const TruthBox& truth : all.truths) {
    for (std::size_t a = 0; a < 4; ++a) data.truths[a] += !ignoredTruth(truth, protocol.areas[a]);
  }
  const std::size_t T = protocol.thresholds.size();
  for (auto& area : data.hits) area.assign(T, {});
  if (all.detections.empty()) return;

  // Match image by image; keep each detection's bits and rank at its place in the sorted list.
  constexpr std::uint32_t unranked = std::numeric_limits<std::uint32_t>::max();
  std::vector<MatchBits> bits(all.detections.size()), groupBits;
  std::vector<std::uint32_t> rank(all.detections.size(), unranked);
  GroupMatcher matcher(protocol);
  forEachGroup(k, [&](const MatchGroup& group, std::span<const std::uint32_t> places, std::span<const std::uint32_t>) {
    groupBits.assign(places.size(), {});
    matcher.match(group, groupBits);
    for (std::size_t i = 0; i < places.size(); ++i) {
      bits[places[i]] = groupBits[i];
      rank[places[i]] = static_cast<std::uint32_t>(i);
    }
  });

  // Drop what maxDetections cut, then collect the true positives of every (area, threshold) with the count of non-ignored boxes so far.
  const std::uint32_t full = T >= 32 ? ~0u : (1u << T) - 1;
  std::array<std::uint32_t, 4> ignoredAlways{};
  std::array<std::array<std::uint32_t, 32>, 4> ignoredAt{};
  for (std::size_t i = 0; i < all.detections.size(); ++i) {
    if (rank[i] == unranked) continue;
    const auto position = static_cast<std::uint32_t>(data.detection.size());
    data.detection.push_back(all.detectionIndex[i]);
    data.score.push_back(all.detections[i].score);
    data.rank.push_back(rank[i]);
    for (std::size_t a = 0; a < 4; ++a) {
      if (bits[i].ignored[a] == full) {
        ++ignoredAlways[a];
        continue;
      }
      for (std::uint32_t rest = bits[i].ignored[a]; rest != 0; rest &= rest - 1) ++ignoredAt[a][static_cast<std::size_t>(__builtin_ctz(rest))];
      for (std::uint32_t rest = bits[i].truePositive[a]; rest != 0; rest &= rest - 1) {
        const auto t = static_cast<std::size_t>(__builtin_ctz(rest));
        data.hits[a][t].push_back({position, position + 1 - ignoredAlways[a] - ignoredAt[a][t]});
      }
    }
  }
}

DetectionEvaluation::DetectionEvaluation(const GroundTruth& truth, const std::vector<ScoredBox>& detections, DetectionProtocol protocol, int threads)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.protocol = std::move(protocol);
  s.detectionCount = detections.size();
  s.truthCount = truth.boxes.size();
  s.images = truth.images.size();
  s.classCount = s.protocol.useClasses ? truth.classes.size() : 1;
  // Starting threads costs more than they save on a few boxes.
  s.threads = threads == 0 && detections.size() < 30000 ? 1 : threads;
  s.gather(truth.boxes, detections);
  s.classes.resize(s.classCount);
  parallelFor(s.classCount, s.threads, [&](std::size_t k) {
    s.sortClass(k);
    s.matchClass(k);
  });
}

DetectionEvaluation::~DetectionEvaluation() = default;
DetectionEvaluation::DetectionEvaluation(DetectionEvaluation&&) noexcept = default;
DetectionEvaluation& DetectionEvaluation::operator=(DetectionEvaluation&&) noexcept = default;
const DetectionProtocol& DetectionEvaluation::protocol() const { return state_->protocol; }

DetectionScores DetectionEvaluation::scores(double scoreThreshold) const {
  return scores(scoreThreshold, state_->protocol.interpolation, state_->protocol.recall);
}

DetectionScores DetectionEvaluation::scores(double scoreThreshold, Interpolation interpolation, RecallArithmetic recallArithmetic) const {
  const State& s = *state_;
  const auto& protocol = s.protocol;
  const std::size_t T = protocol.thresholds.size(), K = s.classCount;
  const int at50 = indexOfThreshold(protocol, 0.5), at75 = indexOfThreshold(protocol, 0.75);
  const bool keepSamples = interpolation == Interpolation::hundredOnePoints;
  DetectionScores result;
  result.classes.resize(K);
  if (keepSamples) result.precision.assign(T * K * 4 * 101, -1.0);
  parallelFor(K, s.threads, [&](std::size_t k) {
    const ClassData& data = s.classes[k];
    ClassScores& out = result.classes[k];
    out.truths = data.truths[0];
    out.apPerThreshold.assign(T, -1.0);
    const auto cut = static_cast<std::uint32_t>(
        std::partition_point(data.score.begin(), data.score.end(), [&](double score) { return score >= scoreThreshold; }) - data.score.begin());
    out.detections = cut;
    std::vector<double> envelope;
    std::array<Mean, 4> ap;
    std::array<Mean, 6> ar;     // maxDetections 1, 10, 100; small, medium, large
    for (std::size_t a = 0; a < 4; ++a) {
      const std::int64_t N = data.truths[a];
      if (N == 0) continue;
      const auto needed = neededHits(N, interpolation, recallArithmetic);
      for (std::size_t t = 0; t < T; ++t) {
        // Keep the prefix above the score threshold; precision changes only at true positives.
        const auto& hits = data.hits[a][t];
        envelope.clear();
        std::int64_t first1 = 0, first10 = 0;
        for (const Hit& hit : hits) {
          if (hit.position >= cut) break;
          envelope.push_back(precisionOf(static_cast<double>(envelope.size() + 1), hit.counted, recallArithmetic));
          const std::uint32_t rank = data.rank[hit.position];
          first1 += rank < static_cast<std::uint32_t>(protocol.maxDetections[0]);
          first10 += rank < static_cast<std::uint32_t>(protocol.maxDetections[1]);
        }
        const double recall = static_cast<double>(envelope.size()) / static_cast<double>(N);
        double* samples = keepSamples ? result.precision.data() + ((t * K + k) * 4 + a) * 101 : nullptr;
        const double value = averagePrecision(envelope, N, needed, interpolation, samples);
        ap[a].add(value);
        if (a == 0) {
          out.apPerThreshold[t] = value;
          ar[0].add(static_cast<double>(first1) / static_cast<double>(N));
          ar[1].add(static_cast<double>(first10) / static_cast<double>(N));
          ar[2].add(recall);
        } else {
          ar[2 + a].add(recall);
        }
      }
    }
    out.ap = ap[0].value(), out.aps = ap[1].value(), out.apm = ap[2].value(), out.apl = ap[3].value();
    out.ar1 = ar[0].value(), out.ar10 = ar[1].value(), out.ar100 = ar[2].value();
    out.ars = ar[3].value(), out.arm = ar[4].value(), out.arl = ar[5].value();
    if (at50 >= 0) out.ap50 = out.apPerThreshold[static_cast<std::size_t>(at50)];
    if (at75 >= 0) out.ap75 = out.apPerThreshold[static_cast<std::size_t>(at75)];
  });

  // Average over the classes that have ground truth.
  std::array<Mean, 12> means;
  std::vector<Mean> perThreshold(T);
  for (const ClassScores& c : result.classes) {
    const std::array values{c.ap, c.ap50, c.ap75, c.aps, c.apm, c.apl, c.ar1, c.ar10, c.ar100, c.ars, c.arm, c.arl};
    for (std::size_t i = 0; i < values.size(); ++i) means[i].add(values[i]);
    for (std::size_t t = 0; t < T; ++t) perThreshold[t].add(c.apPerThreshold[t]);
  }
  for (std::size_t i = 0; i < means.size(); ++i) result.stats[i] = means[i].value();
  for (const Mean& mean : perThreshold) result.apPerThreshold.push_back(mean.value());
  return result;
}

MatchDetail DetectionEvaluation::detailAt(double threshold) const {
  const State& s = *state_;
  MatchDetail detail;
  detail.threshold = threshold;
  detail.labels.assign(s.detectionCount, BoxLabel::leftOut);
  detail.truthOf.assign(s.detectionCount, -1);
  detail.overlap.assign(s.detectionCount, 0);
  detail.detectionOf.assign(s.truthCount, -1);
  parallelFor(s.classCount, s.threads, [&](std::size_t k) {
    GroupMatcher matcher(s.protocol);
    std::vector<BoxLabel> labels;
    std::vector<std::int32_t> truthOf;
    std::vector<double> overlap;
    const ClassBoxes& all = s.boxes[k];
    s.forEachGroup(k, [&](const MatchGroup& group, std::span<const std::uint32_t> detections, std::span<const std::uint32_t> truths) {
      labels.assign(detections.size(), BoxLabel::falsePositive);
      truthOf.assign(detections.size(), -1);
      overlap.assign(detections.size(), 0);
      matcher.matchOne(group, threshold, labels, truthOf, overlap);
      for (std::size_t d = 0; d < detections.size(); ++d) {
        const std::uint32_t detection = all.detectionIndex[detections[d]];
        detail.labels[detection] = labels[d];
        detail.overlap[detection] = overlap[d];
        if (truthOf[d] < 0) continue;
        const std::uint32_t truth = all.truthIndex[truths[static_cast<std::size_t>(truthOf[d])]];
        detail.truthOf[detection] = static_cast<std::int32_t>(truth);
        if (detail.detectionOf[truth] < 0) detail.detectionOf[truth] = static_cast<std::int32_t>(detection);
      }
    });
  });
  return detail;
}

PrecisionRecall DetectionEvaluation::curve(const MatchDetail& detail, std::size_t category, double scoreThreshold) const {
  const State& s = *state_;
  PrecisionRecall curve;
  curve.truths = s.classes[category].truths[0];
  std::int64_t hits = 0, misses = 0;
  const ClassData& data = s.classes[category];
  for (std::size_t position = 0; position < data.detection.size() && data.score[position] >= scoreThreshold; ++position) {
    const std::uint32_t i = data.detection[position];
    const BoxLabel label = detail.labels[i];
    if (label == BoxLabel::ignored || label == BoxLabel::leftOut) continue;
    (label == BoxLabel::truePositive ? hits : misses) += 1;
    curve.detection.push_back(i);
    curve.score.push_back(data.score[position]);
    curve.truePositives.push_back(hits);
    curve.falsePositives.push_back(misses);
    curve.precision.push_back(precisionOf(static_cast<double>(hits), static_cast<double>(hits + misses), s.protocol.recall));
    curve.recall.push_back(curve.truths > 0 ? static_cast<double>(hits) / static_cast<double>(curve.truths) : 0.0);
  }
  curve.envelope = curve.precision;
  for (std::size_t i = curve.envelope.size(); i-- > 1;) curve.envelope[i - 1] = std::max(curve.envelope[i - 1], curve.envelope[i]);
  curve.ap = interpolatedAp(curve, s.protocol.interpolation, s.protocol.recall);
  return curve;
}

double interpolatedAp(const PrecisionRecall& curve, Interpolation interpolation, RecallArithmetic recall) {
  if (curve.truths == 0) return -1;
  std::vector<double> atHits;
  for (std::size_t i = 0; i < curve.precision.size(); ++i) {
    if (curve.truePositives[i] > (i == 0 ? 0 : curve.truePositives[i - 1])) atHits.push_back(curve.precision[i]);
  }
  return averagePrecision(atHits, curve.truths, neededHits(curve.truths, interpolation, recall), interpolation, nullptr);
}

}  // namespace orrery
