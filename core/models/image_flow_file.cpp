#include "core/models/image_flow_file.h"

#include <cmath>

#include "core/base/text.h"
#include "core/modelfile/tensor_file.h"

namespace orrery::models::flows {
namespace {

std::string stepOf(std::int64_t level, std::int64_t step) { return fmt::format("levels.{}.steps.{}.", level, step); }

const TensorSummary* summaryOf(const modelfile::TensorFile& file, const std::string& name) {
  for (const TensorSummary& tensor : file.tensors()) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

}  // namespace

Expected<ImageFlowFile> readImageFlow(const std::string& path, std::int64_t height, std::int64_t width) {
  const auto file = modelfile::TensorFile::open(path);
  if (!file) return file.error();
  ImageFlowFile flow;
  ImageFlowOptions& o = flow.options;
  o.height = height, o.width = width;
  o.mixing = Mixing::dense;
  // How many levels and steps there are, and how wide the networks.
  o.levels = o.steps = 0;
  while (summaryOf(*file, stepOf(o.levels, 0) + "actnorm.bias") != nullptr) ++o.levels;
  while (summaryOf(*file, stepOf(0, o.steps) + "actnorm.bias") != nullptr) ++o.steps;
  const TensorSummary *bias = summaryOf(*file, stepOf(0, 0) + "actnorm.bias"),
                      *first = summaryOf(*file, stepOf(0, 0) + "coupling.0.weight"),
                      *last = summaryOf(*file, stepOf(0, 0) + "coupling.4.weight");
  if (bias == nullptr || first == nullptr || last == nullptr || bias->shape.size() != 1 || first->shape.size() != 4 ||
      last->shape.size() != 4) {
    return makeError(ErrorCode::badInput,
                     trf("{} has no flow of pictures in it: expected tensors such as levels.0.steps.0.actnorm.bias, .invconv.weight and "
                         ".coupling.0.weight [h, C/2, 3, 3]",
                         path));
  }
  const std::int64_t squeezed = bias->shape[0];
  if (squeezed != 12) {
    return makeError(ErrorCode::badInput,
                     trf("The flow in {} starts with {} channels; colour pictures have 12 behind the first squeeze", path, squeezed));
  }
  o.channels = 3;
  o.hidden = first->shape[0];
  o.affine = last->shape[0] == squeezed;
  const auto made = ImageFlow::make(o, 0);
  if (!made) return made.error();
  // Every weight of such a flow, in its order and shape.
  std::int64_t channels = 0;
  for (const auto& stage : made->stages()) {
    const std::string step = stepOf(stage.level, stage.step);
    channels = stage.channels;
    const std::int64_t out = o.affine ? channels : channels / 2, h = o.hidden;
    std::vector<std::pair<std::string, Shape>> parts;
    if (stage.kind == ImageFlow::Kind::actnorm) parts = {{"actnorm.bias", Shape{channels}}, {"actnorm.logs", Shape{channels}}};
    if (stage.kind == ImageFlow::Kind::mixing) parts = {{"invconv.weight", Shape{channels, channels}}};
    if (stage.kind == ImageFlow::Kind::coupling) {
      parts = {{"coupling.0.weight", Shape{h, channels / 2, 3, 3}},
               {"coupling.0.bias", Shape{h}},
               {"coupling.2.weight", Shape{h, h, 1, 1}},
               {"coupling.2.bias", Shape{h}},
               {"coupling.4.weight", Shape{out, h, 3, 3}},
               {"coupling.4.bias", Shape{out}}};
    }
    for (const auto& [name, shape] : parts) {
      std::int64_t notFinite = 0;
      const auto tensor = file->read(step + name, &notFinite);
      if (!tensor) return tensor.error();
      if (tensor->shape() != shape) {
        return makeError(ErrorCode::badInput, trf("The tensor '{}' should have the shape {}, found {}", step + name, shape.toString(),
                                                  tensor->shape().toString()));
      }
      if (notFinite > 0) {
        return makeError(ErrorCode::badInput, trf("The tensor '{}' has {} values that are not numbers", step + name, notFinite));
      }
      flow.weights.push_back({step + name, *tensor});
    }
  }
  if (auto fine = made->check(toHost(flow.weights)); !fine) return fine.error();
  return flow;
}

Expected<std::vector<std::pair<std::string, Tensor>>> namedParts(const ImageFlow& flow, const nn::Weights& weights) {
  const ImageFlowOptions& o = flow.options();
  if (o.checkers > 0 || o.logit || !o.actnorm || o.mixing == Mixing::none) {
    return makeError(ErrorCode::usage, tr("Only flows of actnorm, mixing and coupling are kept under Glow's names"));
  }
  std::vector<std::pair<std::string, Tensor>> parts;
  const HostWeights host = toHost(weights);
  for (std::size_t i = 0; i < flow.stages().size(); ++i) {
    const auto& stage = flow.stages()[i];
    if (stage.kind == ImageFlow::Kind::mixing) {
      const std::vector<double> w = flow.mixingMatrix(host, i);
      parts.emplace_back(stepOf(stage.level, stage.step) + "invconv.weight",
                         Tensor::from(Shape{stage.channels, stage.channels}, std::vector<float>(w.begin(), w.end())));
      continue;
    }
    for (std::size_t k = 0; k < stage.weights; ++k)
      parts.emplace_back(weights[stage.firstWeight + k].name, weights[stage.firstWeight + k].value);
  }
  return parts;
}

}  // namespace orrery::models::flows
