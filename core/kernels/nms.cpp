// Greedy suppression without read-back: sort, all overlaps as a triangle of bits, then one walk over it (shaders/kernels/nms.comp).

#include "core/kernels/nms.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/gather.h"
#include "core/kernels/kernel.h"
#include "core/kernels/top_k.h"

namespace orrery::kernels {

Tensor nms(gpu::Stream& stream, const Tensor& boxes, const Tensor& scores, double threshold, const Tensor& classes) {
  const std::int64_t n = scores.count();
  constexpr std::int64_t most = 32768;  // the bits then fill the 128 MiB that every device binds
  if (boxes.dtype() != DType::f32 || scores.dtype() != DType::f32 || !(boxes.shape() == Shape{n, 4}) || !(scores.shape() == Shape{n}) ||
      (!classes.empty() && (classes.dtype() != DType::u32 || !(classes.shape() == scores.shape())))) {
    throw std::invalid_argument("nms: boxes f32 [n, 4], scores f32 [n] and classes u32 [n] are needed, found " + boxes.shape().toString() +
                                ", " + scores.shape().toString() + (classes.empty() ? "" : " and " + classes.shape().toString()));
  }
  if (n > most) throw std::length_error("nms: " + std::to_string(n) + " boxes are more than " + std::to_string(most));
  Tensor keep(Shape{n}, DType::u32);
  if (n == 0) return keep;
  const std::int64_t words = (n + 31) / 32;
  // The walk: 32 boxes at a time, each looked at once for its own block and once per 64 words behind it.
  requireIterations(stream.device(), "nms", words * (34 + 33 * ((words + 63) / 64)));
  const Tensor order = topK(stream, scores, n).indices;
  const Tensor sorted = gather(stream, boxes, order), labels = classes.empty() ? order : gather(stream, classes, order);
  Tensor mask(Shape{n, words}, DType::u32);
  const struct {
    std::uint32_t n, words, hasClasses;
    float threshold;
  } push{static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(words), classes.empty() ? 0u : 1u, static_cast<float>(threshold)};
  const auto pass = [&](std::uint32_t number, gpu::Access maskAccess, gpu::Groups groups) {
    stream.dispatch("kernels/nms",
                    {{sorted.device(stream), gpu::Access::read},
                     {labels.device(stream), gpu::Access::read},
                     {order.device(stream), gpu::Access::read},
                     {mask.deviceForWriting(stream), maskAccess},
                     {mask.deviceForWriting(stream), maskAccess},
                     {keep.deviceForWriting(stream), gpu::Access::write}},
                    push, groups, {number});
  };
  pass(0, gpu::Access::write, stridedGroups(n * words, 64));
  pass(1, gpu::Access::read, {1, 1, 1});
  return keep;
}

std::vector<std::uint32_t> nmsReference(std::span<const double> boxes, std::span<const double> scores,
                                        std::span<const std::uint32_t> classes, double threshold) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return std::isnan(scores[b]) ? !std::isnan(scores[a]) : scores[a] > scores[b]; });
  std::vector<std::uint32_t> keep(scores.size(), 0);
  std::vector<std::size_t> staying;
  for (const std::size_t i : order) {
    const bool struckOut = std::any_of(staying.begin(), staying.end(), [&](std::size_t j) {
      const double *a = &boxes[4 * i], *b = &boxes[4 * j];
      const double width = std::min(a[2], b[2]) - std::max(a[0], b[0]), height = std::min(a[3], b[3]) - std::max(a[1], b[1]);
      if (!(width > 0 && height > 0) || (!classes.empty() && classes[i] != classes[j])) return false;
      const double both = width * height;
      return both > threshold * ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both);
    });
    if (struckOut) continue;
    staying.push_back(i);
    keep[i] = 1;
  }
  return keep;
}

namespace {

struct Candidates {
  std::vector<float> boxes, scores;
  std::vector<std::uint32_t> classes;
};

// Boxes with whole coordinates, so that areas are exact, in clusters; few different scores, so that there are ties.
Candidates candidates(std::int64_t n, std::uint32_t seed) {
  Candidates c;
  const auto words = testWords(6 * n, seed);
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const auto draw = [&](std::size_t k, std::uint32_t below) { return static_cast<float>(words[6 * i + k] % below); };
    const float x = 40 * draw(0, 5) + draw(1, 9), y = 40 * draw(1, 3) + draw(2, 9), width = 10 + draw(3, 12), height = 10 + draw(4, 12);
    c.boxes.insert(c.boxes.end(), {x, y, x + width, y + height});
    c.scores.push_back(draw(5, 37) / 64 - 0.25f);
    c.classes.push_back(words[6 * i] % 3);
  }
  return c;
}

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const std::int64_t n : {0, 1, 31, 63, 65, 300, 2100}) {
    for (const bool classes : {false, true}) {
      // Which box stays is yes or no: bit-equal.
      cases.push_back({std::to_string(n) + (classes ? " boxes of 3 classes" : " boxes"), 0, [n, classes](gpu::Stream& stream) {
                         const Candidates c = candidates(n, 371);
                         const std::vector<double> boxes(c.boxes.begin(), c.boxes.end()), scores(c.scores.begin(), c.scores.end());
                         const auto labels = classes ? c.classes : std::vector<std::uint32_t>();
                         const Tensor found = nms(stream, Tensor::from(Shape{n, 4}, c.boxes), Tensor::from(Shape{n}, c.scores), 0.5,
                                                  classes ? Tensor::from(Shape{n}, c.classes) : Tensor());
                         return compareExactly(found, nmsReference(boxes, scores, labels, 0.5));
                       }});
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t n : {256, 1024, 4096}) {
    // About 12 operations for each pair.
    cases.push_back({std::to_string(n) + " boxes", "", 6.0 * static_cast<double>(n * n), 0, true, [n](gpu::Stream& stream) {
                       const Candidates c = candidates(n, 372);
                       const Tensor boxes = Tensor::from(Shape{n, 4}, c.boxes), scores = Tensor::from(Shape{n}, c.scores);
                       boxes.device(stream), scores.device(stream);
                       return [boxes, scores](gpu::Stream& s) { nms(s, boxes, scores, 0.5); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"nms", "Greedy non-maximum suppression of boxes, per class", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
