#include "core/models/det.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/models/bundled.h"
#include "core/models/pictures.h"

namespace orrery::models {
namespace {

struct Layer {
  std::int64_t in, out, stride, dilation;
};

std::vector<Layer> layersOf(const DetConfig& config) {
  std::vector<Layer> layers{{3, 16, 2, 1}, {16, 32, 1, 1}, {32, 32, 2, 1}, {32, 64, 1, 1}, {64, 64, 2, 1}};
  for (std::int64_t i = 0; i < config.blocks; ++i) layers.push_back({64, 64, 1, config.dilation});
  return layers;
}

constexpr std::size_t backbone = 5;

}  // namespace

nn::Weights initialDet(nn::Initializer& draw, const DetConfig& config) {
  nn::Weights weights;
  const auto layers = layersOf(config);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = layers[i];
    const std::string name = i < backbone ? "backbone." + std::to_string(i) : "blocks." + std::to_string(i - backbone);
    const double fanIn = static_cast<double>(9 * layer.in);
    weights.push_back({name + ".weight", draw.normal(Shape{layer.out, layer.in, 3, 3}, std::sqrt(2 / fanIn))});
    weights.push_back({name + ".bias", draw.constant(Shape{layer.out}, 0)});
  }
  // Small first logits and distances: what they say at the start is the bias.
  weights.push_back({"head.weight", draw.normal(Shape{config.classes + 4, 64, 1, 1}, 0.05)});
  std::vector<float> bias(static_cast<std::size_t>(config.classes + 4), 1.0f);  // softplus(1) = 1.3 strides: an object of middle size
  std::fill_n(bias.begin(), config.classes, static_cast<float>(-std::log((1 - config.prior) / config.prior)));
  weights.push_back({"head.bias", Tensor::from(Shape{config.classes + 4}, bias)});
  return weights;
}

DetOutput detForward(std::span<const nn::Variable> weights, const nn::Variable& images, const DetConfig& config) {
  nn::Variable x = images;
  std::size_t at = 0;
  for (const Layer& layer : layersOf(config)) {
    kernels::Conv2dOptions options;
    options.stride = {layer.stride, layer.stride};
    options.dilation = options.padding = {layer.dilation, layer.dilation};
    x = nn::relu(nn::conv2d(x, weights[at], weights[at + 1], options));
    at += 2;
  }
  const nn::Variable head = nn::conv2d(x, weights[at], weights[at + 1]);
  const std::int64_t outputs = config.classes + 4, cells = images.shape()[0] * config.cells();
  const nn::Variable rows = nn::reshape(nn::permute(head, {0, 2, 3, 1}), Shape{cells, outputs});
  return {nn::slice(rows, 1, 0, config.classes), nn::softplus(nn::slice(rows, 1, config.classes, outputs))};
}

DetTargets detTargets(std::span<const std::vector<shapeworld::Annotation>> images, const DetConfig& config) {
  const auto side = static_cast<int>(config.side());
  const std::int64_t rows = static_cast<std::int64_t>(images.size()) * config.cells();
  const auto count = static_cast<std::size_t>(rows), classCount = static_cast<std::size_t>(config.classes);
  std::vector<float> classes(count * classCount, 0.0f), boxes(count * 4, 0.0f), positive(count, 0.0f);
  std::vector<double> areas(count, 0.0);
  DetTargets targets;
  for (std::size_t image = 0; image < images.size(); ++image) {
    for (const shapeworld::Annotation& note : images[image]) {
      if (note.crowd || static_cast<std::size_t>(note.classId) >= classCount) continue;
      // In strides.
      constexpr double stride = static_cast<double>(DetConfig::stride), radius = 1.5;
      const double x0 = note.x0 / stride, y0 = note.y0 / stride, x1 = note.x1 / stride, y1 = note.y1 / stride;
      const double middleX = (x0 + x1) / 2, middleY = (y0 + y1) / 2, area = (x1 - x0) * (y1 - y0);
      const auto firstCell = [](double low) { return std::max(0, static_cast<int>(std::floor(low - 0.5))); };
      for (int y = firstCell(y0); y < side && y + 0.5 < y1; ++y) {
        for (int x = firstCell(x0); x < side && x + 0.5 < x1; ++x) {
          const double cx = x + 0.5, cy = y + 0.5;
          if (cx <= x0 || cy <= y0 || std::abs(cx - middleX) >= radius || std::abs(cy - middleY) >= radius) continue;
          const std::size_t row = (image * static_cast<std::size_t>(side) + static_cast<std::size_t>(y)) * static_cast<std::size_t>(side) +
                                  static_cast<std::size_t>(x);
          if (positive[row] != 0 && areas[row] <= area) continue;
          targets.positives += positive[row] == 0 ? 1 : 0;
          positive[row] = 1, areas[row] = area;
          std::fill_n(classes.begin() + static_cast<std::ptrdiff_t>(row * classCount), classCount, 0.0f);
          classes[row * classCount + static_cast<std::size_t>(note.classId)] = 1;
          const std::array corners{x0 - cx, y0 - cy, x1 - cx, y1 - cy};
          std::transform(corners.begin(), corners.end(), boxes.begin() + static_cast<std::ptrdiff_t>(4 * row),
                         [](double v) { return static_cast<float>(v); });
        }
      }
    }
  }
  targets.classes = Tensor::from(Shape{rows, config.classes}, classes);
  targets.boxes = Tensor::from(Shape{rows, 4}, boxes);
  targets.positive = Tensor::from(Shape{rows}, positive);
  return targets;
}

nn::Variable detLoss(const DetOutput& output, const DetTargets& targets) {
  nn::Tape& tape = output.logits.tape();
  const nn::Variable focal = nn::sum(nn::sigmoidFocalLoss(output.logits, targets.classes));
  // Both boxes are relative to the cell's centre: GIoU does not see a common shift.
  const nn::Variable boxes = nn::mul(output.distances, tape.constant(Tensor::from(Shape{4}, {-1, -1, 1, 1})));
  const nn::Variable apart = nn::generalizedBoxIouLoss(boxes, tape.constant(targets.boxes));
  const nn::Variable overlap = nn::sum(nn::mul(apart, tape.constant(targets.positive)));
  return nn::affine(nn::add(focal, overlap), 1 / static_cast<double>(std::max<std::int64_t>(targets.positives, 1)), 0);
}

std::vector<ScoredBox> candidates(const DetOutput& output, const DetConfig& config, double lowest, std::uint32_t firstImage) {
  const std::vector<float> logits = output.logits.value().toFloats(), distances = output.distances.value().toFloats();
  const auto side = static_cast<std::size_t>(config.side()), classes = static_cast<std::size_t>(config.classes);
  const double size = static_cast<double>(config.imageSize);
  std::vector<ScoredBox> boxes;
  for (std::size_t row = 0; row < distances.size() / 4; ++row) {
    const std::size_t image = row / (side * side), y = row / side % side, x = row % side;
    for (std::size_t c = 0; c < classes; ++c) {
      const double score = 1 / (1 + std::exp(-static_cast<double>(logits[row * classes + c])));
      if (!(score >= lowest)) continue;
      const auto edge = [&](std::size_t cell, std::size_t k, double sign) {
        return std::clamp(
            static_cast<double>(DetConfig::stride) * (static_cast<double>(cell) + 0.5 + sign * static_cast<double>(distances[4 * row + k])),
            0.0, size);
      };
      ScoredBox box;
      box.x = edge(x, 0, -1), box.y = edge(y, 1, -1);
      box.width = edge(x, 2, 1) - box.x, box.height = edge(y, 3, 1) - box.y;
      box.score = score, box.image = firstImage + static_cast<std::uint32_t>(image), box.category = static_cast<std::uint32_t>(c);
      boxes.push_back(box);
    }
  }
  return boxes;
}

Expected<TrainedDet> TrainedDet::open(gpu::Stream& stream, const std::string& path) {
  const auto saved = SavedModel::open(path);
  if (!saved) return saved.error();
  TrainedDet det;
  const auto blocks = saved->number("blocks", 8), dilation = saved->number("dilation", 4), size = saved->number("image_size", 1024);
  for (const auto* number : {&blocks, &dilation, &size}) {
    if (!*number) return number->error();
  }
  det.config.blocks = *blocks, det.config.dilation = *dilation, det.config.imageSize = *size;
  nn::Initializer draw(stream, 1);
  auto weights = saved->weights(initialDet(draw, det.config));
  if (!weights) return weights.error();
  det.weights = *std::move(weights);
  return det;
}

std::vector<ScoredBox> TrainedDet::lookAt(gpu::Stream& stream, const shapeworld::Options& options, std::uint32_t first, std::uint32_t count,
                                          double lowest, const std::function<bool(double)>& goOn) const {
  constexpr std::uint32_t chunk = 16;
  std::vector<ScoredBox> found;
  for (std::uint32_t done = 0; done < count; done += chunk) {
    if (goOn && !goOn(static_cast<double>(done) / static_cast<double>(count))) break;
    const auto scenes = scenesFrom(options, first + done, std::min(chunk, count - done));
    nn::Tape tape(stream);
    const auto constants = nn::constants(tape, weights);
    const Tensor images = drawn(stream, scenes, options, config.imageSize);
    const auto boxes = candidates(detForward(constants, tape.constant(images), config), config, lowest, done);
    found.insert(found.end(), boxes.begin(), boxes.end());
  }
  return found;
}

}  // namespace orrery::models
