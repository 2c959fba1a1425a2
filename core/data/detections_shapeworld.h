#pragma once
// ShapeWorld scenes as a detection data set, and a simulated detector with known faults.

#include <cstdint>
#include <string>
#include <vector>

#include "core/data/detections.h"
#include "core/data/shapeworld.h"

namespace orrery {

struct ShapeWorldTruth {
  GroundTruth truth;                          // image id = index + 1, category id = class + 1, annotation ids from 1
  std::vector<std::string> segmentations;     // COCO RLE of each box, when wanted
};
// No images yet, the four classes.
ShapeWorldTruth shapeWorldClasses();
// Adds the picture of scene `index` with these annotations; `masks`: their RLE too.
void addShapeWorldImage(ShapeWorldTruth& to, std::uint32_t index, int size, const std::vector<shapeworld::Annotation>& notes, bool masks);
// Pictures first .. first + count - 1 at this size. Uses a few threads.
ShapeWorldTruth shapeWorldTruth(const shapeworld::Options& options, std::uint32_t first, std::uint32_t count, int size, bool masks = false);

// Every object is found with probability recall * min(1, sqrt(w h) / 24 px) and gives 1 + bounded(2 duplicates + 1) candidates: centre shifted by
// jitter (w, h) n, log-size by 0.7 jitter n, score sigmoid(4 ranking (IoU - 1/2) + 1 + 0.7 (1 - ranking) n), another label with probability
// confusion. Poisson(falseAlarms) boxes per image lie anywhere, score sigmoid(-1 + n). n are standard normals.
struct SimulatedDetector {
  double jitter = 0.08;
  double recall = 0.9;
  double falseAlarms = 3;      // per image
  int duplicates = 2;
  double confusion = 0.05;
  double ranking = 0.8;
};
// Random numbers depend on (seed, detector, image, object, candidate) only: moving one slider keeps the others' noise.
std::vector<ScoredBox> simulate(const GroundTruth& truth, const SimulatedDetector& detector, std::uint64_t seed, std::uint32_t number);

}  // namespace orrery
