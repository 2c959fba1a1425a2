// The worked examples E1 to E9 of the lab's specification, each to 1e-12: all values there are small fractions, so double evaluation differs
// from them only by the rounding of a few hundred additions (< 1e-14); 1e-12 leaves room for the order of summation.

#include "core/metrics/detection_ap.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "core/metrics/detection_errors.h"
#include "core/metrics/detection_nms.h"
#include "tests/support/catch.h"

using namespace orrery;

namespace {

constexpr double tolerance = 1e-12;

struct Builder {
  GroundTruth truth;
  std::vector<ScoredBox> detections;

  Builder(int images, int classes) {
    for (int i = 0; i < images; ++i) truth.images.push_back({i + 1, std::to_string(i + 1), 1000, 1000});
    for (int k = 0; k < classes; ++k) truth.classes.push_back({k + 1, "class " + std::to_string(k + 1)});
  }
  // image and category count from 1
  Builder& gt(unsigned image, unsigned category, double x, double y, double w, double h, bool crowd = false, bool difficult = false) {
    truth.boxes.push_back({x, y, w, h, w * h, image - 1, category - 1, static_cast<std::int64_t>(truth.boxes.size()) + 1, crowd, difficult});
    return *this;
  }
  Builder& dt(unsigned image, unsigned category, double x, double y, double w, double h, double score) {
    detections.push_back({x, y, w, h, score, image - 1, category - 1});
    return *this;
  }
  DetectionScores scores(const DetectionProtocol& protocol) const { return DetectionEvaluation(truth, detections, protocol, 1).scores(); }
  double voc10(double t = 0.5) const { return scores(voc10Protocol(t)).meanAp(); }
  double voc07(double t = 0.5) const { return scores(voc07Protocol(t)).meanAp(); }
};

void checkStats(const DetectionScores& scores, const std::array<double, 12>& expected) {
  static const char* names[] = {"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};
  for (std::size_t i = 0; i < 12; ++i) {
    INFO(names[i]);
    CHECK(std::abs(scores.stats[i] - expected[i]) < tolerance);
  }
}

bool near(double a, double b, double by = tolerance) { return std::abs(a - b) < by; }

Builder e1() {
  Builder b(2, 1);
  b.gt(1, 1, 0, 0, 10, 10).gt(1, 1, 20, 0, 10, 10).gt(1, 1, 40, 0, 10, 10, false, true).gt(2, 1, 0, 0, 10, 10);
  b.dt(1, 1, 0, 0, 10, 10, .9).dt(1, 1, 0, 0, 10, 9, .8).dt(1, 1, 40, 0, 10, 10, .8).dt(2, 1, 0, 0, 10, 5, .7);
  b.dt(1, 1, 20, 0, 10, 10, .6).dt(2, 1, 49, 49, 11, 11, .5);
  return b;
}

Builder e2() {
  Builder b(3, 4);
  b.gt(1, 1, 10, 10, 20, 20).gt(1, 1, 100, 100, 50, 50).gt(2, 1, 50, 50, 100, 100);
  b.gt(1, 2, 200, 200, 40, 40).gt(1, 2, 300, 100, 200, 200, true).gt(3, 4, 10, 10, 32, 32);
  b.dt(1, 1, 10, 10, 20, 20, .90).dt(1, 1, 10, 10, 20, 18, .85).dt(1, 1, 100, 100, 50, 40, .80).dt(2, 1, 50, 50, 100, 75, .80);
  b.dt(2, 1, 300, 300, 30, 30, .60);
  b.dt(1, 2, 200, 200, 40, 30, .70).dt(1, 2, 310, 110, 50, 50, .95).dt(1, 2, 320, 120, 60, 60, .65).dt(2, 2, 10, 10, 10, 10, .99);
  b.dt(2, 3, 0, 0, 50, 50, .99);
  return b;
}

Builder e6() {
  Builder b(7, 1);
  const double gts[][5] = {{1, 25, 16, 38, 56}, {1, 129, 123, 41, 62}, {2, 123, 11, 43, 55}, {2, 38, 132, 59, 45}, {3, 16, 14, 35, 48},
                           {3, 123, 30, 49, 44}, {3, 99, 139, 47, 47}, {4, 53, 42, 40, 52}, {4, 154, 43, 31, 34}, {5, 59, 31, 44, 51},
                           {5, 48, 128, 34, 52}, {6, 36, 89, 52, 76}, {6, 62, 58, 44, 67}, {7, 28, 31, 55, 63}, {7, 58, 67, 50, 58}};
  for (const auto& g : gts) b.gt(static_cast<unsigned>(g[0]), 1, g[1], g[2], g[3], g[4]);
  const double dts[][6] = {{1, 5, 67, 31, 48, .88}, {1, 119, 111, 40, 67, .70}, {1, 124, 9, 49, 67, .80}, {2, 64, 111, 64, 58, .71},
                           {2, 26, 140, 60, 47, .54}, {2, 19, 18, 43, 35, .74}, {3, 109, 15, 77, 39, .18}, {3, 86, 63, 46, 45, .67},
                           {3, 160, 62, 36, 53, .38}, {3, 105, 131, 47, 47, .91}, {3, 18, 148, 40, 44, .44}, {4, 83, 28, 28, 26, .35},
                           {4, 28, 68, 42, 67, .78}, {4, 87, 89, 25, 39, .45}, {4, 10, 155, 60, 26, .14}, {5, 50, 38, 28, 46, .62},
                           {5, 95, 11, 53, 28, .44}, {5, 29, 131, 72, 29, .95}, {5, 29, 163, 72, 29, .23}, {6, 43, 48, 74, 38, .45},
                           {6, 17, 155, 29, 35, .84}, {6, 95, 110, 25, 42, .43}, {7, 16, 20, 101, 88, .48}, {7, 33, 116, 37, 49, .95}};
  for (const auto& d : dts) b.dt(static_cast<unsigned>(d[0]), 1, d[1], d[2], d[3], d[4], d[5]);
  return b;
}

}  // namespace

TEST_CASE("The COCO thresholds are the doubles of numpy.linspace") {
  const auto t = cocoProtocol().thresholds;
  REQUIRE(t.size() == 10);
  CHECK(t[0] == 0.5);
  CHECK(t[8] == 0.8999999999999999);
  CHECK(t[9] == 0.95);
}

TEST_CASE("E1: duplicates, a difficult object and an IoU of exactly one half") {
  const Builder b = e1();
  CHECK(near(b.voc10(), 5.0 / 6));
  CHECK(near(b.voc07(), 37.0 / 44));
  DetectionProtocol port = voc10Protocol();
  port.test = ThresholdTest::above;
  CHECK(near(b.scores(port).meanAp(), 0.5));
  port.interpolation = Interpolation::elevenPoints;
  CHECK(near(b.scores(port).meanAp(), 0.5));
  checkStats(b.scores(cocoProtocol()), {431.0 / 808, 337.0 / 404, 0.5, 431.0 / 808, -1, -1, 11.0 / 30, 0.7, 0.7, 0.7, -1, -1});
  const MatchDetail detail = DetectionEvaluation(b.truth, b.detections, voc10Protocol()).detailAt(0.5);
  using enum BoxLabel;
  CHECK(detail.labels == std::vector{truePositive, falsePositive, ignored, truePositive, truePositive, falsePositive});
}

TEST_CASE("E2: four classes with a crowd, a tie across images, a class without objects and one without detections") {
  const Builder b = e2();
  const DetectionScores s = b.scores(cocoProtocol());
  checkStats(s, {1933.0 / 6060, 539.0 / 1212, 539.0 / 1212, 0.5, 13.0 / 30, 0.6, 8.0 / 45, 41.0 / 90, 41.0 / 90, 0.5, 13.0 / 30, 0.6});
  REQUIRE(s.classes.size() == 4);
  const ClassScores& one = s.classes[0];
  CHECK(near(one.ap50, 337.0 / 404));
  CHECK(near(one.ap75, 337.0 / 404));
  CHECK(near(one.ap, (6 * 337.0 / 404 + 56.0 / 101 + 3 * 34.0 / 101) / 10));
  CHECK(near(one.ap, 0.656931, 1e-6));
  for (std::size_t t = 0; t < 10; ++t) CHECK(near(one.apPerThreshold[t], t < 6 ? 337.0 / 404 : t == 6 ? 56.0 / 101 : 34.0 / 101));
  CHECK(near(one.aps, 1));
  CHECK(near(one.apm, 0.7));
  CHECK(near(one.apl, 0.6));
  CHECK(near(one.ar100, 23.0 / 30));
  const ClassScores& two = s.classes[1];
  CHECK(near(two.ap, 0.3));
  CHECK(near(two.ap50, 0.5));
  CHECK(near(two.ar100, 0.6));
  CHECK(two.aps == -1);
  CHECK(near(two.apm, 0.6));
  CHECK(two.apl == -1);
  CHECK(s.classes[2].ap == -1);
  CHECK(s.classes[2].ar100 == -1);
  const ClassScores& four = s.classes[3];
  CHECK(four.ap == 0);
  CHECK(four.aps == 0);   // area 1024 is small and medium
  CHECK(four.apm == 0);
  CHECK(four.apl == -1);
  CHECK(four.ar100 == 0);
  const DetectionScores all = b.scores(voc10Protocol()), eleven = b.scores(voc07Protocol());
  CHECK(near(all.classes[0].ap, 5.0 / 6));
  CHECK(near(eleven.classes[0].ap, 37.0 / 44));
  CHECK(near(all.classes[1].ap, 1.0 / 3));
  CHECK(near(eleven.classes[1].ap, 1.0 / 3));
  CHECK(all.classes[2].ap == -1);
  CHECK(all.classes[3].ap == 0);
}

TEST_CASE("E3: on equal overlap COCO takes the later ground truth and VOC the first; equal scores resolve by image, then file order") {
  Builder b(1, 1);
  b.gt(1, 1, 0, 0, 10, 10).gt(1, 1, 2, 0, 10, 10).dt(1, 1, 1, 0, 10, 10, .9).dt(1, 1, 0, 0, 10, 10, .8);
  checkStats(b.scores(cocoProtocol()), {1567.0 / 2020, 1, 1, 1567.0 / 2020, -1, -1, 0.35, 0.85, 0.85, 0.85, -1, -1});
  CHECK(near(b.voc10(), 0.5));
  CHECK(near(b.voc07(), 6.0 / 11));
  for (const unsigned first : {1u, 2u}) {
    Builder tie(2, 1);
    tie.gt(first, 1, 0, 0, 10, 10);
    tie.dt(2, 1, first == 2 ? 0 : 500, 0, 10, 10, .5).dt(1, 1, first == 1 ? 0 : 500, 0, 10, 10, .5);   // file order is the other way round
    CHECK(near(tie.scores(cocoProtocol()).stats[1], first == 1 ? 1.0 : 0.5));
  }
  for (const bool hitFirst : {true, false}) {
    Builder tie(1, 1);
    tie.gt(1, 1, 0, 0, 10, 10).dt(1, 1, hitFirst ? 0 : 500, 0, 10, 10, .5).dt(1, 1, hitFirst ? 500 : 0, 0, 10, 10, .5);
    CHECK(near(tie.scores(cocoProtocol()).stats[1], hitFirst ? 1.0 : 0.5));
  }
}

TEST_CASE("E4: recall 0.7 is missed by the double 0.7000000000000001") {
  for (const int found : {7, 3}) {
    Builder b(1, 1);
    for (int i = 0; i < 10; ++i) b.gt(1, 1, 20 * i, 0, 10, 10);
    for (int i = 0; i < found; ++i) b.dt(1, 1, 20 * i, 0, 10, 10, 1 - 0.01 * i);
    const double ap = found == 7 ? 70.0 / 101 : 31.0 / 101;
    checkStats(b.scores(cocoProtocol()), {ap, ap, ap, ap, -1, -1, 0.1, found / 10.0, found / 10.0, found / 10.0, -1, -1});
    CHECK(near(b.voc10(), found / 10.0));
    CHECK(near(b.voc07(), found == 7 ? 8.0 / 11 : 4.0 / 11));
    DetectionProtocol port = voc07Protocol();
    port.recall = RecallArithmetic::doubles;
    CHECK(near(b.scores(port).meanAp(), found == 7 ? 7.0 / 11 : 3.0 / 11));
    DetectionProtocol exact = cocoProtocol();
    exact.recall = RecallArithmetic::exact;
    CHECK(near(b.scores(exact).meanAp(), found == 7 ? 71.0 / 101 : 31.0 / 101));
  }
}

TEST_CASE("E5: maxDets cuts each image's list") {
  Builder b(1, 1);
  for (int i = 0; i < 12; ++i) b.gt(1, 1, 20 * i, 0, 10, 10).dt(1, 1, 20 * i, 0, 10, 10, 1 - 0.01 * i);
  checkStats(b.scores(cocoProtocol()), {1, 1, 1, 1, -1, -1, 1.0 / 12, 10.0 / 12, 1, 1, -1, -1});
  CHECK(near(b.voc10(), 1));
  CHECK(near(b.voc07(), 1));
  Builder late(1, 1);
  late.gt(1, 1, 0, 0, 10, 10);
  for (int i = 0; i < 100; ++i) late.dt(1, 1, 500, 500, 10, 10, .9);
  late.dt(1, 1, 0, 0, 10, 10, .1);
  const auto s = late.scores(cocoProtocol());
  CHECK(s.stats[1] == 0);
  CHECK(s.stats[8] == 0);
  CHECK(near(late.voc10(), 1.0 / 101));
}

TEST_CASE("E6: the published seven-image set of Padilla et al. 2020") {
  const Builder b = e6();
  DetectionProtocol all = voc10Protocol(0.3), eleven = voc07Protocol(0.3);
  CHECK(near(b.scores(all).meanAp(), 71.0 / 315));
  CHECK(near(b.scores(eleven).meanAp(), 62.0 / 231));
  all.coordinates = eleven.coordinates = Coordinates::inclusive;
  CHECK(near(b.scores(all).meanAp(), 356.0 / 1449));
  CHECK(near(b.scores(eleven).meanAp(), 62.0 / 231));
  const auto detail = DetectionEvaluation(b.truth, b.detections, all).detailAt(0.3);
  CHECK(std::count(detail.labels.begin(), detail.labels.end(), BoxLabel::truePositive) == 7);
  const auto s = b.scores(cocoProtocol());
  const double ap50 = 7.0 / 303;   // 0.023102...
  CHECK(near(s.stats[1], ap50));
  CHECK(near(s.stats[0], ap50 / 5));
  CHECK(near(s.stats[0], 0.004620, 1e-6));
  CHECK(s.stats[2] == 0);
  CHECK(s.stats[3] == -1);
  CHECK(near(s.stats[4], s.stats[0]));
  CHECK(s.stats[5] == -1);
  for (const std::size_t i : {6u, 7u, 8u}) CHECK(near(s.stats[i], 1.0 / 75));
}

TEST_CASE("E7: empty classes, empty results and a ground truth with id 0") {
  Builder nothing(1, 2);
  nothing.dt(1, 1, 0, 0, 10, 10, .5);
  for (const double value : nothing.scores(cocoProtocol()).stats) CHECK(value == -1);
  Builder missed(1, 1);
  missed.gt(1, 1, 0, 0, 10, 10);
  const auto s = missed.scores(cocoProtocol());
  CHECK(s.stats[0] == 0);
  CHECK(s.stats[8] == 0);
  CHECK(s.stats[4] == -1);
  Builder zero(1, 1);
  zero.gt(1, 1, 0, 0, 10, 10).dt(1, 1, 0, 0, 10, 10, .5);
  zero.truth.boxes[0].id = 0;
  CHECK(near(zero.scores(cocoProtocol()).stats[0], 1));
  DetectionProtocol asReference = cocoProtocol();
  asReference.zeroIdNeverMatches = true;
  CHECK(zero.scores(asReference).stats[0] == 0);
}

TEST_CASE("E8: TIDE names each false positive and the confusion matrix pairs boxes by overlap") {
  Builder b(1, 2);
  b.gt(1, 1, 0, 0, 100, 100).gt(1, 1, 200, 0, 100, 100).gt(1, 1, 400, 400, 50, 50).gt(1, 1, 400, 0, 100, 100);
  b.gt(1, 2, 0, 200, 100, 100).gt(1, 2, 200, 200, 100, 100);
  b.dt(1, 1, 0, 0, 100, 100, .9).dt(1, 1, 0, 0, 100, 90, .8).dt(1, 1, 200, 0, 100, 40, .7).dt(1, 1, 0, 200, 100, 100, .6);
  b.dt(1, 1, 200, 200, 100, 30, .5).dt(1, 1, 600, 600, 10, 10, .4).dt(1, 1, 400, 0, 100, 100, .3);
  const TideResult tide = tideErrors(b.truth, b.detections);
  using enum TideKind;
  CHECK(tide.kinds == std::vector{none, duplicate, localisation, classification, both, background, none});
  CHECK(tide.counts == std::array<std::int64_t, 6>{1, 1, 1, 1, 1, 2});
  // The specification gives these to six decimals.
  CHECK(near(tide.ap, 0.164074, 1e-6));
  const double expected[] = {0.258369, 0.100189, 0.005893, 0.005893, 0.005893, 0.050919};
  for (std::size_t i = 0; i < 6; ++i) {
    INFO(std::string(tideNames[i]));
    CHECK(near(tide.deltaAp[i], expected[i], 1e-6));
  }
  const ConfusionMatrix m = confusion(b.truth, b.detections, .25, .45);
  CHECK(m.at(0, 0) == 2);
  CHECK(m.at(0, 1) == 1);
  CHECK(m.at(0, 2) == 4);
  CHECK(m.at(2, 0) == 2);
  CHECK(m.at(2, 1) == 1);
  CHECK(m.at(1, 1) == 0);
  // At confidence 0.25: P 2/7, R 1/2, F1 4/11.
  const DetectionEvaluation evaluation(b.truth, b.detections, cocoProtocol());
  const auto curve = evaluation.curve(evaluation.detailAt(0.5), 0, 0.25);
  CHECK(near(curve.precision.back(), 2.0 / 7));
  CHECK(near(curve.recall.back(), 0.5));
}

TEST_CASE("E9: hard, linear and Gaussian suppression") {
  Builder b(1, 1);
  b.dt(1, 1, 0, 0, 10, 10, .9).dt(1, 1, 1, 0, 10, 10, .8).dt(1, 1, 5, 0, 10, 10, .7);
  auto kept = [&](NmsOptions options) {
    std::vector<std::uint32_t> from;
    const auto boxes = suppress(b.detections, options, &from);
    return std::pair(from, boxes);
  };
  CHECK(kept({NmsKind::hard, .5}).first == std::vector<std::uint32_t>{0, 2});
  CHECK(kept({NmsKind::hard, .3}).first == std::vector<std::uint32_t>{0});
  CHECK(kept({NmsKind::off}).first.size() == 3);
  const auto linear = kept({NmsKind::linear, .3}).second;
  REQUIRE(linear.size() == 3);
  CHECK(near(linear[2].score, 0.7 * (1 - 1.0 / 3)));
  CHECK(near(linear[2].score, .466667, 1e-6));
  CHECK(near(linear[1].score, 0.8 * (1 - 9.0 / 11) * (1 - 3.0 / 7)));
  CHECK(near(linear[1].score, .083117, 1e-6));
  const auto gaussian = kept({NmsKind::gaussian, .5, .5}).second;
  CHECK(near(gaussian[2].score, .560516, 1e-6));
  CHECK(near(gaussian[1].score, .145245, 1e-6));
}

namespace {

Builder randomSet(std::uint32_t seed, bool distinctScores) {
  std::mt19937 engine(seed);
  auto uniform = [&](double low, double high) { return low + (high - low) * (static_cast<double>(engine()) / 4294967296.0); };
  Builder b(12, 3);
  for (unsigned image = 1; image <= 12; ++image) {
    const int count = static_cast<int>(uniform(0, 6));
    for (int i = 0; i < count; ++i) {
      const double x = uniform(0, 200), y = uniform(0, 200), w = uniform(5, 150), h = uniform(5, 150);
      const auto category = static_cast<unsigned>(uniform(1, 4));
      b.gt(image, category, x, y, w, h, uniform(0, 1) < 0.1);
      for (int d = 0; d < 3; ++d) {
        b.dt(image, category, x + uniform(-.1, .1) * w, y + uniform(-.1, .1) * h, w * uniform(.8, 1.2), h * uniform(.8, 1.2),
             distinctScores ? uniform(0, 1) : std::floor(uniform(0, 10)) / 10);
      }
    }
  }
  return b;
}

}  // namespace

TEST_CASE("Detections below the lowest score never lower AP") {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    Builder b = randomSet(seed, true);
    const double coco = b.scores(cocoProtocol()).meanAp(), voc = b.voc10();
    for (unsigned image = 1; image <= 12; ++image) b.dt(image, 1 + image % 3, 10, 10, 50, 50, -1.0 - image);
    CHECK(b.scores(cocoProtocol()).meanAp() >= coco - tolerance);
    CHECK(b.voc10() >= voc - tolerance);
  }
}

TEST_CASE("AP depends on the order of scores only, and not on the order of images when scores are distinct") {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    Builder b = randomSet(seed, seed % 2 == 0);
    const auto stats = b.scores(cocoProtocol()).stats;
    Builder mapped = b;
    for (auto& d : mapped.detections) d.score = std::exp(3 * d.score) - 7;
    CHECK(mapped.scores(cocoProtocol()).stats == stats);
    if (seed % 2 != 0) continue;
    Builder permuted = b;
    for (auto& g : permuted.truth.boxes) g.image = (g.image * 5 + 3) % 12;
    for (auto& d : permuted.detections) d.image = (d.image * 5 + 3) % 12;
    CHECK(permuted.scores(cocoProtocol()).stats == stats);
  }
}

TEST_CASE("VOC AP over all points is at most the final recall") {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    const Builder b = randomSet(seed, true);
    const auto s = b.scores(voc10Protocol());
    for (const auto& c : s.classes) CHECK(c.ap <= c.ar100 + tolerance);
  }
}

TEST_CASE("A score threshold gives the same numbers as evaluating only the boxes above it, whatever the number of threads") {
  for (std::uint32_t seed = 0; seed < 10; ++seed) {
    const Builder b = randomSet(seed, false);
    const DetectionEvaluation whole(b.truth, b.detections, cocoProtocol(), 2);
    for (const double c : {0.0, 0.3, 0.55, 0.9, 2.0}) {
      Builder part = b;
      std::erase_if(part.detections, [&](const ScoredBox& d) { return d.score < c; });
      const auto expected = part.scores(cocoProtocol());
      const auto found = whole.scores(c);
      CHECK(found.stats == expected.stats);
      CHECK(found.precision == expected.precision);
    }
  }
}

TEST_CASE("The curve of one class leads to the same AP as the summary") {
  for (std::uint32_t seed = 0; seed < 10; ++seed) {
    const Builder b = randomSet(seed, false);
    for (const auto& protocol : {cocoProtocol(), voc07Protocol(), voc10Protocol()}) {
      const DetectionEvaluation evaluation(b.truth, b.detections, protocol);
      const auto scores = evaluation.scores();
      const auto detail = evaluation.detailAt(0.5);
      for (std::size_t k = 0; k < 3; ++k) CHECK(near(evaluation.curve(detail, k).ap, scores.classes[k].ap50));
    }
  }
}
