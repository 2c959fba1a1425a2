// Boxes: overlaps, suppression and the losses that detectors learn by.

#include <cmath>
#include <stdexcept>

#include "core/kernels/detection_losses.h"
#include "core/kernels/iou.h"
#include "core/kernels/nms.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;
using namespace orrery::kernels;

TEST_CASE("overlaps, suppression and detection losses agree with their references") {
  for (const char* id : {"iou", "nms", "detection_losses"}) checkAgainstReference(id);
}

TEST_CASE("IoU and GIoU of boxes worked out by hand") {
  gpu::Stream stream = openStream();
  const Tensor a = Tensor::from(Shape{1, 4}, {0, 0, 4, 4});
  // The half of it; itself; a neighbour that touches; one far away; nothing.
  const Tensor b = Tensor::from(Shape{5, 4}, {0, 0, 2, 4, 0, 0, 4, 4, 4, 0, 8, 4, 12, 0, 16, 4, 1, 1, 1, 1});
  CHECK(pairwiseOverlap(stream, a, b).toFloats() == std::vector<float>{0.5f, 1, 0, 0, 0});
  // The hull of the far one is 64, of which 32 lie outside of both.
  CHECK(pairwiseOverlap(stream, a, b, Overlap::generalized).toFloats() == std::vector<float>{0.5f, 1, 0, -0.5f, 0});
}

TEST_CASE("suppression: the better box stays, of equals the first, only within a class, and at the threshold both stay") {
  gpu::Stream stream = openStream();
  const std::vector<float> boxes{0, 0, 4, 4, 0, 0, 4, 3, 0, 0, 4, 4, 0, 0, 2, 4};
  const Tensor at = Tensor::from(Shape{4, 4}, boxes), scores = Tensor::from(Shape{4}, {0.5f, 0.9f, 0.9f, 0.1f});
  const auto kept = [&](double threshold, std::vector<std::uint32_t> classes) {
    const Tensor keep =
        nms(stream, at, scores, threshold, classes.empty() ? Tensor() : Tensor::from(Shape{4}, std::span<const std::uint32_t>(classes)));
    const auto values = keep.as<std::uint32_t>();
    return std::vector<std::uint32_t>(values.begin(), values.end());
  };
  // Box 3 has IoU 6 / 14 with box 1, which stays.
  CHECK(kept(0.5, {}) == std::vector<std::uint32_t>{0, 1, 0, 1});
  CHECK(kept(0.4, {}) == std::vector<std::uint32_t>{0, 1, 0, 0});
  CHECK(kept(0.5, {0, 1, 0, 0}) == std::vector<std::uint32_t>{0, 1, 1, 1});  // 8 / 16 is not more than 0.5
  CHECK(kept(0.75, {}) == std::vector<std::uint32_t>{0, 1, 1, 1});           // 12 / 16 is not more than 0.75
}

TEST_CASE("focal loss without focus and balance is binary cross entropy, and easy examples weigh little") {
  gpu::Stream stream = openStream();
  const Tensor x = Tensor::from(Shape{2}, {std::log(99.0f), -std::log(99.0f)}), t = Tensor::from(Shape{2}, {1, 1});
  const auto plain = sigmoidFocalLoss(stream, x, t, -1, 0).toFloats();
  CHECK(plain[0] == Approx(-std::log(0.99)));
  CHECK(plain[1] == Approx(-std::log(0.01)));
  const auto focal = sigmoidFocalLoss(stream, x, t).toFloats();
  CHECK(focal[0] == Approx(0.25 * 1e-4 * -std::log(0.99)));
  CHECK(focal[1] == Approx(0.25 * 0.99 * 0.99 * -std::log(0.01)));
  // Logits where sigmoid is 0 or 1 in f32 give numbers.
  const Tensor far = Tensor::from(Shape{4}, {200, -200, 200, -200}), of = Tensor::from(Shape{4}, {1, 0, 0, 1});
  CHECK(sigmoidFocalLoss(stream, far, of).toFloats() == std::vector<float>{0, 0, 150, 50});
  CHECK(sigmoidFocalLossGradient(stream, Tensor::from(Shape{4}, {1, 1, 1, 1}), far, of).toFloats() ==
        std::vector<float>{0, 0, 0.75f, -0.25f});
}

TEST_CASE("GIoU loss pulls a box that misses its target towards it") {
  gpu::Stream stream = openStream();
  const Tensor box = Tensor::from(Shape{1, 4}, {0, 0, 2, 2}), target = Tensor::from(Shape{1, 4}, {6, 0, 8, 2});
  CHECK(generalizedBoxIouLoss(stream, box, target).toFloats()[0] == Approx(1.5));
  const auto g = generalizedBoxIouLossGradient(stream, Tensor::from(Shape{1}, {1}), box, target).toFloats();
  CHECK(g[2] < 0);                            // the near side grows towards the target
  CHECK(g[1] == Approx(-g[3]).margin(1e-6));  // up and down are alike
}

TEST_CASE("what is no box is refused") {
  gpu::Stream stream = openStream();
  const Tensor boxes(Shape{3, 4}), scores(Shape{3}), corners(Shape{3, 2});
  CHECK_THROWS_AS(pairwiseOverlap(stream, boxes, corners), std::invalid_argument);
  CHECK_THROWS_AS(nms(stream, corners, scores, 0.5), std::invalid_argument);
  CHECK_THROWS_AS(nms(stream, boxes, scores, 0.5, scores), std::invalid_argument);
  CHECK_THROWS_AS(nms(stream, Tensor(Shape{40000, 4}), Tensor(Shape{40000}), 0.5), std::length_error);
  CHECK_THROWS_AS(sigmoidFocalLoss(stream, boxes, scores), std::invalid_argument);
  CHECK_THROWS_AS(sigmoidFocalLoss(stream, boxes, boxes, 0.25, -1), std::invalid_argument);
  CHECK_THROWS_AS(generalizedBoxIouLoss(stream, corners, corners), std::invalid_argument);
  CHECK_THROWS_AS(generalizedBoxIouLossGradient(stream, boxes, boxes, boxes), std::invalid_argument);
}
