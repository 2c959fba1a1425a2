// Overlaps of all pairs of boxes of two sets: one texel is one box.

#include "core/kernels/iou.h"

#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

Tensor pairwiseOverlap(gpu::Stream& stream, const Tensor& a, const Tensor& b, Overlap kind) {
  for (const Tensor* boxes : {&a, &b}) {
    if (boxes->dtype() != DType::f32 || boxes->shape().rank() != 2 || boxes->shape()[1] != 4)
      throw std::invalid_argument("pairwiseOverlap: boxes f32 [n, 4] are needed, found " + boxes->shape().toString());
  }
  Tensor result(Shape{a.shape()[0], b.shape()[0]});
  if (result.empty()) return result;
  const struct { std::uint32_t count, columns; } push{static_cast<std::uint32_t>(result.count()), static_cast<std::uint32_t>(b.shape()[0])};
  const gpu::Groups groups = stridedGroups(result.count(), 256);
  requireIterations(stream.device(), "pairwiseOverlap", result.count() / (std::int64_t{groups.x} * 64) + 1);
  stream.dispatch(
      "kernels/iou",
      {{a.device(stream), gpu::Access::read}, {b.device(stream), gpu::Access::read}, {result.deviceForWriting(stream), gpu::Access::write}},
      push, groups, {static_cast<std::uint32_t>(kind)});
  return result;
}

Doubles pairwiseOverlapReference(const Doubles& a, const Doubles& b, Overlap kind) {
  const std::int64_t n = a.shape[0], m = b.shape[0];
  Doubles result(Shape{n, m});
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < m; ++j) {
      const double* p = &a.values[static_cast<std::size_t>(4 * i)];
      const double* q = &b.values[static_cast<std::size_t>(4 * j)];
      const double width = std::max(0.0, std::min(p[2], q[2]) - std::max(p[0], q[0])),
                   height = std::max(0.0, std::min(p[3], q[3]) - std::max(p[1], q[1]));
      const double both = width * height, either = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - both;
      const double hull = (std::max(p[2], q[2]) - std::min(p[0], q[0])) * (std::max(p[3], q[3]) - std::min(p[1], q[1]));
      double& value = result[i * m + j];
      value = either > 0 ? both / either : 0;
      if (kind == Overlap::generalized && hull > 0) value -= (hull - either) / hull;
    }
  }
  return result;
}

namespace {

// Boxes that often overlap; every ninth is empty.
Tensor testBoxes(std::int64_t n, std::uint32_t seed) {
  const auto places = testFloats(4 * n, seed, 0, 30);
  std::vector<float> boxes;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const float x = places[4 * i], y = places[4 * i + 1], width = i % 9 == 8 ? 0 : places[4 * i + 2], height = places[4 * i + 3];
    boxes.insert(boxes.end(), {x, y, x + width, y + height});
  }
  return Tensor::from(Shape{n, 4}, boxes);
}

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const auto& [rows, columns] : {std::pair<std::int64_t, std::int64_t>{63, 65}, {1, 1}, {65, 1}, {0, 7}, {7, 0}, {129, 33}}) {
    for (const Overlap kind : {Overlap::iou, Overlap::generalized}) {
      const std::int64_t n = rows, m = columns;
      // Every side is rounded once, areas once more, their sum and the ratio: some 8 roundings of 6e-8.
      cases.push_back({std::to_string(n) + " by " + std::to_string(m) + (kind == Overlap::iou ? "" : ", generalized"), 5e-7,
                       [n, m, kind](gpu::Stream& stream) {
                         const Tensor a = testBoxes(n, 361), b = testBoxes(m, 362);
                         return compare(pairwiseOverlap(stream, a, b, kind), pairwiseOverlapReference(Doubles(a), Doubles(b), kind).values);
                       }});
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t n : {128, 512, 2048}) {
    cases.push_back(
        {std::to_string(n) + " by " + std::to_string(n), "", 0, 4.0 * static_cast<double>(n * n), false, [n](gpu::Stream& stream) {
           const Tensor a = testBoxes(n, 363), b = testBoxes(n, 364);
           a.device(stream), b.device(stream);
           return [a, b](gpu::Stream& s) { pairwiseOverlap(s, a, b); };
         }});
  }
  return cases;
}

const Registration<Kernel> registration{{"iou", "Overlap of all pairs of boxes: IoU and GIoU", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
