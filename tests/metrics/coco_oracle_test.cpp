// All 12 COCO numbers against pycocotools on random data sets with crowds, ties, mask areas and empty classes. The expected values were written by
// tests/oracles/coco_oracle.py, whose generator is repeated here.

#include <array>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

#include "core/metrics/detection_ap.h"
#include "tests/support/catch.h"

using namespace orrery;

namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {
    for (int i = 0; i < 4; ++i) bounded(2);
  }
  int bounded(int n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int>((state_ >> 33) % static_cast<std::uint64_t>(n));
  }

 private:
  std::uint64_t state_;
};

struct Set {
  GroundTruth truth;
  std::vector<ScoredBox> detections;
};

Set dataSet(std::uint64_t seed) {
  Random r(seed);
  Set set;
  const int images = 3 + r.bounded(10);
  for (int i = 0; i < images; ++i) set.truth.images.push_back({10 * i + r.bounded(10), "", 640, 480});
  const int classes = 1 + r.bounded(5);
  for (int k = 0; k < classes; ++k) set.truth.classes.push_back({1 + 2 * k, "c" + std::to_string(k)});
  constexpr std::array sides{40, 200, 700};
  for (unsigned image = 0; image < static_cast<unsigned>(images); ++image) {
    for (unsigned category = 0; category < static_cast<unsigned>(classes); ++category) {
      for (int n = r.bounded(5); n > 0; --n) {
        const int span = sides[static_cast<std::size_t>(r.bounded(3))];
        const int x = r.bounded(1200), y = r.bounded(1200);
        const int w = 8 + r.bounded(span), h = 8 + r.bounded(span);
        const bool crowd = r.bounded(8) == 0;
        const int kind = r.bounded(4);
        const double area = kind == 0 ? 1024.0 : w * h / 16.0 * (kind == 1 ? 0.75 : 1.0);
        set.truth.boxes.push_back({x / 4.0, y / 4.0, w / 4.0, h / 4.0, area, image, category,
                                   static_cast<std::int64_t>(set.truth.boxes.size()) + 1, crowd, false});
        for (int m = r.bounded(4); m > 0; --m) {
          const int jitter = 1 + r.bounded(30);
          const int dx = r.bounded(2 * jitter) - jitter, dy = r.bounded(2 * jitter) - jitter;
          const int dw = r.bounded(2 * jitter) - jitter, dh = r.bounded(2 * jitter) - jitter;
          const double score = r.bounded(20) / 20.0;
          set.detections.push_back({(x + dx) / 4.0, (y + dy) / 4.0, std::max(4, w + dw) / 4.0, std::max(4, h + dh) / 4.0, score, image, category});
        }
      }
      for (int m = r.bounded(3); m > 0; --m) {
        const double score = r.bounded(20) / 20.0;
        const double x = r.bounded(1200) / 4.0, y = r.bounded(1200) / 4.0;
        const double w = (4 + r.bounded(400)) / 4.0, h = (4 + r.bounded(400)) / 4.0;
        set.detections.push_back({x, y, w, h, score, image, category});
      }
    }
  }
  return set;
}

}  // namespace

TEST_CASE("The 12 COCO numbers equal the reference evaluator's on random data sets") {
  std::ifstream file(std::string(ORRERY_SOURCE_FOLDER) + "/tests/oracles/coco_expected.txt");
  REQUIRE(file.good());
  std::string line;
  int sets = 0, interesting = 0;
  while (std::getline(file, line)) {
    if (line.starts_with("#")) continue;
    std::istringstream words(line);
    std::uint64_t seed = 0;
    std::string variant, word;
    words >> seed >> variant;
    std::array<double, 12> expected{};
    for (double& value : expected) {
      words >> word;
      value = std::stod(word);
    }
    DetectionProtocol protocol = cocoProtocol();
    protocol.useClasses = variant != "useCats0";
    if (variant == "maxDets137") protocol.maxDetections = {1, 3, 7};
    const Set set = dataSet(seed);
    const auto stats = DetectionEvaluation(set.truth, set.detections, protocol).scores().stats;
    for (std::size_t i = 0; i < 12; ++i) {
      INFO("seed " << seed << " " << variant << " number " << i);
      // Promised to 1e-9; sums of at most 5 classes x 10 x 101 values of size 1 keep rounding below 1e-13.
      CHECK(std::abs(stats[i] - expected[i]) < 1e-12);
      interesting += expected[i] > 0 && expected[i] < 1;
    }
    ++sets;
  }
  CHECK(sets == 72);
  CHECK(interesting > 600);   // the sets are not trivial
}
