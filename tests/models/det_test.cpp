// TinyDet: the network is the specified one, its targets are found again by decoding, the recipe learns.

#include "core/models/det.h"

#include <algorithm>
#include <cmath>

#include "core/data/detections_shapeworld.h"
#include "core/kernels/check_support.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/elementwise.h"
#include "core/metrics/detection_ap.h"
#include "core/metrics/detection_nms.h"
#include "tests/models/plain.h"

using namespace orrery;
using namespace orrery::models;
using namespace orrery::testing;

namespace {

shapeworld::Annotation box(int classId, int x0, int y0, int x1, int y1) {
  shapeworld::Annotation note;
  note.classId = classId, note.x0 = x0, note.y0 = y0, note.x1 = x1, note.y1 = y1;
  return note;
}

// A detector that says exactly what it should, as variables on the tape.
DetOutput saying(nn::Tape& tape, const DetTargets& targets) {
  std::vector<float> logits, distances;
  for (const float wanted : targets.classes.toFloats()) logits.push_back(wanted > 0 ? 8.0f : -8.0f);
  const auto corners = targets.boxes.toFloats();
  for (std::size_t i = 0; i < corners.size(); ++i) distances.push_back(i % 4 < 2 ? -corners[i] : corners[i]);
  return {tape.leaf(Tensor::from(targets.classes.shape(), logits)), tape.leaf(Tensor::from(targets.boxes.shape(), distances))};
}

}  // namespace

TEST_CASE("TinyDet has the parameters and the receptive field that the specification counts") {
  gpu::Stream stream = orrery::testing::openStream();
  nn::Initializer draw(stream, 1);
  std::int64_t parameters = 0;
  for (const auto& w : initialDet(draw, DetConfig())) parameters += w.value.count();
  CHECK(parameters == 180544 + 8 * 64 + 8);
  for (const auto& [dilation, pixels] : {std::pair{1, 75}, {2, 123}, {3, 171}}) {
    DetConfig config;
    config.dilation = dilation;
    CHECK(config.receptiveField() == pixels);
  }
}

TEST_CASE("TinyDet's output equals a plain double-precision forward pass") {
  using kernels::Doubles;
  gpu::Stream stream = orrery::testing::openStream();
  DetConfig config;
  config.imageSize = 16, config.blocks = 2;
  nn::Initializer draw(stream, 5);
  nn::Weights weights = initialDet(draw, config);
  // Biases that matter, and a head as loud as the rest.
  for (auto& w : weights) {
    const bool small = w.value.shape().rank() == 1 || w.name == "head.weight";
    if (small) w.value = Tensor::from(w.value.shape(), kernels::testFloats(w.value.count(), 95, -0.3, 0.3));
  }
  const Tensor images = Tensor::from(Shape{2, 3, 16, 16}, kernels::testFloats(2 * 3 * 16 * 16, 96, -1, 1));
  nn::Tape tape(stream);
  const auto constants = nn::constants(tape, weights);
  const DetOutput output = detForward(constants, tape.constant(images), config);
  REQUIRE(output.logits.shape() == Shape{8, 4});
  REQUIRE(output.distances.shape() == Shape{8, 4});

  Doubles x(images);
  for (std::size_t layer = 0; layer + 1 < weights.size() / 2; ++layer) {
    kernels::Conv2dOptions options;
    const bool halves = layer == 0 || layer == 2 || layer == 4;
    const std::int64_t dilation = layer < 5 ? 1 : config.dilation;
    options.stride = {halves ? 2 : 1, halves ? 2 : 1}, options.padding = options.dilation = {dilation, dilation};
    x = kernels::conv2dReference(x, Doubles(weights[2 * layer].value), Doubles(weights[2 * layer + 1].value), options);
    for (double& v : x.values) v = std::max(v, 0.0);
  }
  x = kernels::conv2dReference(x, Doubles(weights[weights.size() - 2].value), Doubles(weights.back().value));
  REQUIRE(x.shape == Shape{2, 8, 2, 2});
  std::vector<double> logits, distances;
  for (std::int64_t cell = 0; cell < 8; ++cell) {
    for (std::int64_t k = 0; k < 8; ++k) {
      const double v = x[(cell / 4 * 8 + k) * 4 + cell % 4];
      if (k < 4)
        logits.push_back(v);
      else
        distances.push_back(kernels::unaryReference(kernels::Unary::softplus, v));
    }
  }
  // f32 sums of up to 576 products through eight layers.
  CHECK(compare(output.logits.value(), logits).worst < 1e-5);
  CHECK(compare(output.distances.value(), distances).worst < 1e-5);
}

TEST_CASE("a cell is positive inside a box and near its middle, and the smallest box wins") {
  DetConfig config;
  config.imageSize = 64;  // 8 x 8 cells, centres at 4, 12, 20, ...
  const auto at = [&](const DetTargets& t, int x, int y) {
    const auto row = static_cast<std::size_t>(y * 8 + x);
    const auto classes = t.classes.toFloats();
    int found = -1;
    for (int c = 0; c < 4; ++c) {
      if (classes[row * 4 + static_cast<std::size_t>(c)] > 0) found = c;
    }
    CHECK((found >= 0) == (t.positive.toFloats()[row] > 0));
    return found;
  };
  // A large box around (32, 32): the 4 x 4 cells whose centres are less than 12 from there along both axes are 20, 28, 36 and 44 (12 is
  // out).
  const DetTargets large = detTargets(std::vector<std::vector<shapeworld::Annotation>>{{box(1, 2, 2, 62, 62)}}, config);
  CHECK(large.positives == 4);
  CHECK(at(large, 3, 3) == 1);
  CHECK(at(large, 4, 4) == 1);
  CHECK(at(large, 2, 3) == -1);
  // The corners, in strides from the centre (28, 28) of cell (3, 3).
  const auto corners = large.boxes.toFloats();
  const std::vector<float> found(corners.begin() + 4 * 27, corners.begin() + 4 * 28);
  CHECK(found == std::vector<float>{-26.0f / 8, -26.0f / 8, 34.0f / 8, 34.0f / 8});
  // A small one in front of it takes its cell, in either order; of the crowd nothing is learnt.
  shapeworld::Annotation crowd = box(3, 0, 0, 60, 60);
  crowd.crowd = true;
  for (const auto& notes : {std::vector{box(1, 2, 2, 62, 62), box(2, 24, 24, 33, 33), crowd},
                            std::vector{box(2, 24, 24, 33, 33), crowd, box(1, 2, 2, 62, 62)}}) {
    const DetTargets both = detTargets(std::vector<std::vector<shapeworld::Annotation>>{notes}, config);
    CHECK(both.positives == 4);
    CHECK(at(both, 3, 3) == 2);
    CHECK(at(both, 4, 3) == 1);
    CHECK(at(both, 0, 0) == -1);
  }
  CHECK(detTargets(std::vector<std::vector<shapeworld::Annotation>>(2), config).positives == 0);
}

TEST_CASE("a detector that says its targets finds nearly everything, and its loss is nearly nothing") {
  gpu::Stream stream = orrery::testing::openStream();
  const DetConfig config;
  shapeworld::Options options;
  options.profile = shapeworld::Profile::scene, options.split = shapeworld::Split::val;
  std::vector<std::vector<shapeworld::Annotation>> notes;
  for (std::uint32_t i = 0; i < 60; ++i) notes.push_back(shapeworld::annotate(shapeworld::makeScene(i, options), 128));
  const DetTargets targets = detTargets(notes, config);
  nn::Tape tape(stream);
  const DetOutput output = saying(tape, targets);
  const nn::Variable loss = detLoss(output, targets);
  CHECK(loss.value().toFloats()[0] < 1e-3f);
  const auto found = suppress(candidates(output, config), NmsOptions());
  const ShapeWorldTruth held = shapeWorldTruth(options, 0, 60, 128);
  const DetectionScores scores = DetectionEvaluation(held.truth, found, cocoProtocol()).scores();
  // Boxes are whole pixels and decode to themselves; an object can lose all its cells to smaller neighbours, and of two that overlap by
  // half one is suppressed: both are rare in scenes.
  CHECK(scores.stats[0] > 0.97);
  CHECK(scores.stats[1] > 0.97);
  // The other classes' scores lie below the threshold.
  CHECK(std::all_of(found.begin(), found.end(), [](const ScoredBox& b) { return b.score > 0.9; }));
}

TEST_CASE("the loss counts positive cells only for boxes, and is divided by their number") {
  gpu::Stream stream = orrery::testing::openStream();
  DetConfig config;
  config.imageSize = 16;  // 4 cells
  const DetTargets targets =
      detTargets(std::vector<std::vector<shapeworld::Annotation>>{{box(0, 1, 1, 7, 7)}, {box(3, 9, 9, 15, 15)}}, config);
  REQUIRE(targets.positives == 2);
  nn::Tape tape(stream);
  DetOutput output = saying(tape, targets);
  // Every box twice as large around the same centre: IoU 1/4, nothing of the hull outside.
  const nn::Variable wide = nn::affine(output.distances, 2, 0);
  const nn::Variable loss = detLoss({output.logits, wide}, targets);
  const double focal = 2 * 0.25 * std::pow(1 / (1 + std::exp(8)), 2) * std::log1p(std::exp(-8)) +
                       30 * 0.75 * std::pow(1 / (1 + std::exp(8)), 2) * std::log1p(std::exp(-8));
  CHECK(static_cast<double>(loss.value().toFloats()[0]) == Approx((focal + 2 * 0.75) / 2).epsilon(1e-5));
  tape.backward(loss);
  const auto gradient = tape.gradient(output.distances).toFloats();
  const auto positive = targets.positive.toFloats();
  for (std::size_t i = 0; i < gradient.size(); ++i) CHECK((gradient[i] != 0) == (positive[i / 4] > 0));
}

TEST_CASE("tiny-det trains: the loss of one batch falls, the same way every time") {
  gpu::Stream stream = orrery::testing::openStream();
  const auto* recipe = findRegistered<Recipe>("tiny-det");
  REQUIRE(recipe != nullptr);
  const Settings settings = settingsOf(*recipe, {"blocks=1", "batch=2", "warmup=5", "steps=60", "held-out=3"});
  const auto run = trainShortly(stream, *recipe, settings, 25, true);
  CHECK(run.losses.back() < 0.7 * run.losses.front());
  CHECK(trainShortly(stream, *recipe, settings, 25, true).losses == run.losses);
  const auto judged = run.training->judge(stream, run.trainer.weights());
  REQUIRE(judged);
  CHECK(judged->at(0).name == "ap50");
  CHECK(judged->at(0).value >= 0);
  CHECK(judged->at(0).value <= 1);
  CHECK(judged->at(1).value <= judged->at(0).value);
}
