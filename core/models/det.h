#pragma once
// TinyDet: a one-stage, anchor-free detector. A small stack of convolutions looks at the image at an eighth of its size; each cell says
// which class of object it lies in and how far away the object's four sides are. Source: Tian et al. 2019 (FCOS), eq. 1, without pyramid
// and centre-ness branch; a prior on the class bias after Lin et al. 2017, section 4.1.
//
// Images f32 [N, 3, S, S] in [-1, 1], S a multiple of 8. Boxes are half-open pixel rectangles.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/data/detections.h"
#include "core/data/shapeworld.h"
#include "core/nn/layers.h"

namespace orrery::models {

struct DetConfig {
  std::int64_t imageSize = 128, classes = 4;
  std::int64_t blocks = 3, dilation = 2;  // 3 x 3 convolutions of 64 channels after the last stride
  double prior = 0.01;                    // probability of every class before any training

  static constexpr std::int64_t stride = 8;
  std::int64_t side() const { return imageSize / stride; }  // cells along a side
  std::int64_t cells() const { return side() * side(); }
  std::int64_t receptiveField() const { return 27 + 16 * dilation * blocks; }  // pixels
};

// "backbone.0.weight" [16, 3, 3, 3], "backbone.0.bias", ... to "backbone.4" and the blocks "blocks.0", ...; "head.weight" [classes + 4, 64,
// 1, 1]. Weights are normal with deviation sqrt(2 / fan in) (He et al. 2015), biases zero but for the classes' prior.
nn::Weights initialDet(nn::Initializer& draw, const DetConfig& config);

// Cells in rows of images, row by row: logits [N cells, classes]; distances [N cells, 4] from the cell's centre to the left, top, right and
// bottom side, in strides, by softplus never negative.
struct DetOutput {
  nn::Variable logits, distances;
};
DetOutput detForward(std::span<const nn::Variable> weights, const nn::Variable& images, const DetConfig& config);

// What the cells of one batch should say. A cell is positive when its centre lies inside a box and within 1.5 strides of the box's centre
// along both axes (Tian et al. 2020, centre sampling); of several boxes it takes the smallest.
struct DetTargets {
  Tensor classes;   // f32 [N cells, classes]: 1 at the class of a positive cell
  Tensor boxes;     // f32 [N cells, 4]: corners relative to the cell's centre, in strides
  Tensor positive;  // f32 [N cells]: 1 or 0
  std::int64_t positives = 0;
};
DetTargets detTargets(std::span<const std::vector<shapeworld::Annotation>> images, const DetConfig& config);

// (focal loss of all logits + GIoU loss of the positive cells' boxes) / positive cells.
nn::Variable detLoss(const DetOutput& output, const DetTargets& targets);

// Boxes with a class probability of at least `lowest`, clipped to the image, as the cells give them: neighbours repeat each other until
// they are suppressed (core/metrics/detection_nms.h). Images are numbered from `firstImage`. Reads the output back.
std::vector<ScoredBox> candidates(const DetOutput& output, const DetConfig& config, double lowest = 0.05, std::uint32_t firstImage = 0);

// A trained network.
struct TrainedDet {
  DetConfig config;
  nn::Weights weights;  // in the order of initialDet()

  // `path`: a folder that `orrery train tiny-det` left, or the file in it. Error: missing, damaged, another network.
  static Expected<TrainedDet> open(gpu::Stream& stream, const std::string& path);
  // Candidates in pictures of scenes `first` .. `first + count - 1`, all of them drawn and looked at in small batches; `goOn`, when given,
  // is asked before each with the share done, and ends it when it says no.
  std::vector<ScoredBox> lookAt(gpu::Stream& stream, const shapeworld::Options& options, std::uint32_t first, std::uint32_t count,
                                double lowest = 0.05, const std::function<bool(double)>& goOn = {}) const;
};

}  // namespace orrery::models
