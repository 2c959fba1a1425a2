#pragma once
// Small learning tasks in the plane: labelled points in [-1, 1]^2, the same for a seed on every machine.

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/expected.h"

namespace orrery {

struct PlanarTask {
  std::vector<float> xy;      // [n, 2]
  std::vector<float> target;  // [n]: 0 or 1 for classes, any number about [-1, 1] for regression
  bool classes = true;
  std::size_t size() const { return target.size(); }
};

// "moons", "circles", "xor", "spiral", "blobs" (classes); "saddle", "waves", "bumps" (regression). `noise` is the deviation added to the
// coordinates of classes and to the targets of regression. In random order: any leading part is a fair sample.
PlanarTask builtInTask(const std::string& name, std::int64_t count, double noise, std::uint64_t seed);

// A CSV of x, y and a label in the third column. Coordinates are scaled to [-1, 1] together; labels that are all 0 or 1 make a
// classification, anything else a regression whose targets are scaled to [-1, 1]. Rows are shuffled by the seed. Error: fewer than three
// columns, fewer than two points, or what readPoints() refuses.
Expected<PlanarTask> taskFromFile(const std::string& path, std::uint64_t seed);

}  // namespace orrery
