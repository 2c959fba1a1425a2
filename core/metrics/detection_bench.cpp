// Timed jobs on a generated set of COCO val2017's size: 5,000 images, 80 classes, 36,781 boxes, 500,000 detections.
// map-coco-val-size-cold: both JSON files read, matched and summarised, once, in ms.
// map-coco-val-size-threshold: every number and sampled curve after the confidence threshold moved; median of 40 thresholds, in ms.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "core/base/bench_job.h"
#include "core/base/files.h"
#include "core/base/philox.h"
#include "core/data/coco.h"
#include "core/metrics/detection_bench.h"
#include "core/metrics/detection_files.h"

namespace orrery {

CocoValSize makeCocoValSize() {
  constexpr std::uint32_t images = 5000, classes = 80, truths = 36781, detections = 500000;
  CocoValSize set;
  const auto key = philoxKey(2017);
  for (std::uint32_t i = 0; i < images; ++i) set.truth.images.push_back({139 + 7 * static_cast<std::int64_t>(i), fmt::format("{:012}.jpg", 139 + 7 * i), 640, 480});
  for (std::uint32_t k = 0; k < classes; ++k) set.truth.classes.push_back({1 + k + k / 9, fmt::format("class {}", k + 1)});
  const auto hundredths = [](double value) { return std::round(value * 100) / 100; };
  // Ground truth: images at random, classes skewed as in COCO, sides from 8 to 400 px, one box in a hundred a crowd.
  for (std::uint32_t i = 0; i < truths; ++i) {
    const auto a = philox({i, 0, 0, 0x434f434f}, key), b = philox({i, 1, 0, 0x434f434f}, key);
    const double u = philoxUniform(a[1]);
    TruthBox box;
    box.image = philoxBounded(a[0], images);
    box.category = static_cast<std::uint32_t>(classes * u * u);
    box.width = hundredths(8 * std::exp(3.9 * philoxUniform(a[2])));
    box.height = hundredths(std::min(470.0, 8 * std::exp(3.9 * philoxUniform(a[3]))));
    box.x = hundredths((640 - box.width) * philoxUniform(b[0]));
    box.y = hundredths((480 - box.height) * philoxUniform(b[1]));
    box.area = hundredths(box.width * box.height * (0.5 + 0.4 * philoxUniform(b[2])));
    box.crowd = philoxBounded(b[3], 100) == 0;
    box.id = i + 1;
    set.truth.boxes.push_back(box);
  }
  // Detections: two in five near a ground truth, the others anywhere with low scores.
  for (std::uint32_t i = 0; i < detections; ++i) {
    const auto a = philox({i, 2, 0, 0x434f434f}, key), b = philox({i, 3, 0, 0x434f434f}, key);
    ScoredBox box;
    if (philoxBounded(a[0], 5) < 2) {
      const TruthBox& g = set.truth.boxes[philoxBounded(a[1], truths)];
      const double jitter = 0.3 * philoxUniform(a[2]);
      const auto shift = [&](std::uint32_t word) { return jitter * (2.0 * philoxUniform(word) - 1); };
      box.image = g.image, box.category = g.category;
      box.x = hundredths(g.x + g.width * shift(b[0])), box.y = hundredths(g.y + g.height * shift(b[1]));
      box.width = hundredths(g.width * (1 + shift(b[2]))), box.height = hundredths(g.height * (1 + shift(b[3])));
      box.score = std::round(1e5 * (1 - jitter * 2) * philoxUniform(a[3])) / 1e5;
    } else {
      const double u = philoxUniform(a[2]);
      box.image = philoxBounded(a[1], images), box.category = static_cast<std::uint32_t>(classes * u * u);
      box.width = hundredths(8 + 200 * philoxUniform(b[0])), box.height = hundredths(8 + 200 * philoxUniform(b[1]));
      box.x = hundredths((640 - box.width) * philoxUniform(b[2])), box.y = hundredths((480 - box.height) * philoxUniform(b[3]));
      box.score = std::round(1e5 * std::pow(philoxUniform(a[3]), 3.0)) / 1e5;
    }
    set.detections.push_back(box);
  }
  // Detectors write image by image.
  std::stable_sort(set.detections.begin(), set.detections.end(), [](const ScoredBox& a, const ScoredBox& b) { return a.image < b.image; });
  return set;
}

namespace {

using Clock = std::chrono::steady_clock;
double millisecondsSince(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

Expected<double> cold() {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(cacheFolder()) / "bench";
  std::error_code failure;
  fs::create_directories(folder, failure);
  MapRequest request;
  request.gt = (folder / "coco_val_size_gt.json").string();
  request.dt = (folder / "coco_val_size_dt.json").string();
  {
    const CocoValSize set = makeCocoValSize();
    if (auto written = writeFileAtomically(request.gt, cocoGroundTruthJson(set.truth)); !written) return written.error();
    if (auto written = writeFileAtomically(request.dt, cocoResultsJson(set.truth, set.detections)); !written) return written.error();
  }
  const auto start = Clock::now();
  const auto result = evaluateFiles(request);
  const double milliseconds = millisecondsSince(start);
  fs::remove(request.gt, failure);
  fs::remove(request.dt, failure);
  if (!result) return result.error();
  return milliseconds;
}

Expected<double> threshold() {
  const CocoValSize set = makeCocoValSize();
  const DetectionEvaluation evaluation(set.truth, set.detections, cocoProtocol());
  std::vector<double> times;
  double sum = 0;
  for (int i = 0; i < 40; ++i) {
    const auto start = Clock::now();
    const DetectionScores scores = evaluation.scores(i / 40.0);
    times.push_back(millisecondsSince(start));
    sum += scores.stats[0];
  }
  if (!(sum > 0)) return makeError(ErrorCode::internal, "the generated set scored nothing");
  std::nth_element(times.begin(), times.begin() + 20, times.end());
  return times[20];
}

const Registration<BenchJob> coldJob(BenchJob{"map-coco-val-size-cold", "COCO val2017-sized evaluation including reading both JSON files", "ms", cold});
const Registration<BenchJob> thresholdJob(BenchJob{"map-coco-val-size-threshold", "every COCO number and curve after the confidence threshold moved", "ms", threshold});

}  // namespace

}  // namespace orrery
