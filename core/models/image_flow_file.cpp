#include "core/models/image_flow_file.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "core/base/text.h"

namespace orrery::models::flows {
namespace {

std::string partOf(std::int64_t level, bool squeezed, std::int64_t step) {
  return fmt::format("levels.{}.{}.{}.", level, squeezed ? "steps" : "checkers", step);
}

// What the metadata say of RealNVP's flows.
Expected<void> takeSaid(const Said& said, const std::string& path, ImageFlowOptions& o) {
  const auto flag = [&](const char* key, bool& value) -> Expected<void> {
    const auto found = choiceSaid(said, path, key, value ? "true" : "false", {"true", "false"});
    if (!found) return found.error();
    value = *found == "true";
    return {};
  };
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, bool*>>{
           {"bounded", &o.bounded}, {"logit", &o.logit}, {"two_sided", &o.twoSided}, {"pixels_together", &o.pixelsTogether}}) {
    if (auto taken = flag(key, *value); !taken) return taken;
  }
  const auto bound = numberSaid(said, path, "scale_bound", o.bound, 0, 5), alpha = numberSaid(said, path, "alpha", o.alpha, 0, 0.2),
             least = numberSaid(said, path, "least_scale", o.leastScale, 0, 0.9),
             momentum = numberSaid(said, path, "norm_momentum", o.momentum, 0, 0.99);
  if (const auto mask = said.find("painted_mask"); mask != said.end()) {
    o.painted = maskOfText(mask->second);
    if (!o.painted) {
      return makeError(ErrorCode::badInput, trf("The metadata of {} should say 16 hexadecimal digits, two per row of a mask, for '{}', found '{}'",
                                                path, mask->first, mask->second));
    }
  } else {
    o.painted.reset();
  }
  if (!bound) return bound.error();
  if (!alpha) return alpha.error();
  if (!least) return least.error();
  if (!momentum) return momentum.error();
  o.momentum = *momentum;
  o.bound = *bound, o.alpha = *alpha, o.leastScale = *least;
  return {};
}

}  // namespace

Expected<ImageFlowFile> readImageFlow(const std::string& path, std::int64_t height, std::int64_t width, const ImageFlowOptions& otherwise) {
  const auto file = modelfile::TensorFile::open(path);
  if (!file) return file.error();
  ImageFlowFile flow;
  ImageFlowOptions& o = flow.options;
  o = otherwise;
  o.height = height, o.width = width;
  // How many levels, couplings and steps there are, and how wide the networks.
  const std::string weight = "coupling.0.weight";
  o.levels = o.steps = o.checkers = 0;
  const auto there = [&](std::int64_t level, bool squeezed, std::int64_t step) {
    return summaryOf(*file, partOf(level, squeezed, step) + weight) != nullptr;
  };
  while (there(o.levels, true, 0) || there(o.levels, false, 0)) ++o.levels;
  while (there(0, true, o.steps)) ++o.steps;
  while (there(0, false, o.checkers)) ++o.checkers;
  const std::string start = partOf(0, o.checkers == 0, 0);
  const TensorSummary *first = summaryOf(*file, start + weight), *last = summaryOf(*file, start + "coupling.4.weight");
  if (first == nullptr || last == nullptr || first->shape.size() != 4 || last->shape.size() != 4) {
    return makeError(ErrorCode::badInput,
                     trf("{} has no flow of pictures in it: expected tensors such as levels.0.steps.0.actnorm.bias, .invconv.weight and "
                         ".coupling.0.weight [h, C/2, 3, 3]",
                         path));
  }
  const std::int64_t taken = first->shape[1], squeezed = (o.checkers == 0 ? 2 : 4) * taken;
  if (squeezed != 12) {
    return makeError(ErrorCode::badInput,
                     trf("The flow in {} starts with {} channels; colour pictures have 12 behind the first squeeze", path, squeezed));
  }
  o.channels = 3;
  o.hidden = first->shape[0];
  o.affine = last->shape[0] == 2 * taken;
  o.actnorm = summaryOf(*file, start + "actnorm.bias") != nullptr;
  const std::string_view running = "norm.running_mean";
  o.batchNorm = std::any_of(file->tensors().begin(), file->tensors().end(), [&](const TensorSummary& t) { return t.name.ends_with(running); });
  o.mixing = summaryOf(*file, partOf(0, true, 0) + "invconv.weight") != nullptr ? Mixing::dense : Mixing::none;
  if (auto said = takeSaid(file->metadata(), path, o); !said) return said.error();
  const auto made = ImageFlow::make(o, 0);
  if (!made) return made.error();
  // Every weight of such a flow, in its order and shape.
  for (const auto& stage : made->stages()) {
    const std::string part = partOf(stage.level, stage.squeezed, stage.step);
    const std::int64_t channels = stage.channels, h = o.hidden;
    const std::int64_t in = stage.kind == ImageFlow::Kind::checker ? channels : channels / 2, out = o.affine ? 2 * in : in;
    std::vector<std::pair<std::string, Shape>> tensors;
    if (stage.kind == ImageFlow::Kind::actnorm) tensors = {{"actnorm.bias", Shape{channels}}, {"actnorm.logs", Shape{channels}}};
    if (stage.kind == ImageFlow::Kind::norm) tensors = {{"norm.running_mean", Shape{channels}}, {"norm.running_var", Shape{channels}}};
    if (stage.kind == ImageFlow::Kind::mixing) tensors = {{"invconv.weight", Shape{channels, channels}}};
    if (stage.kind == ImageFlow::Kind::coupling || stage.kind == ImageFlow::Kind::checker) {
      tensors = {{"coupling.0.weight", Shape{h, in, 3, 3}},  {"coupling.0.bias", Shape{h}},
                 {"coupling.2.weight", Shape{h, h, 1, 1}},   {"coupling.2.bias", Shape{h}},
                 {"coupling.4.weight", Shape{out, h, 3, 3}}, {"coupling.4.bias", Shape{out}}};
    }
    for (const auto& [name, shape] : tensors) {
      auto tensor = readNamed(*file, path, part + name, shape);
      if (!tensor) return tensor.error();
      if (auto fine = checkStatistics(path, part + name, *tensor); !fine) return fine.error();
      flow.weights.push_back({part + name, *std::move(tensor)});
    }
  }
  if (auto fine = made->check(toHost(flow.weights)); !fine) return fine.error();
  return flow;
}

std::vector<std::pair<std::string, Tensor>> namedParts(const ImageFlow& flow, const nn::Weights& weights) {
  std::vector<std::pair<std::string, Tensor>> parts;
  const HostWeights host = toHost(weights);
  for (std::size_t i = 0; i < flow.stages().size(); ++i) {
    const auto& stage = flow.stages()[i];
    if (stage.kind == ImageFlow::Kind::mixing) {
      const std::vector<double> w = flow.mixingMatrix(host, i);
      parts.emplace_back(partOf(stage.level, true, stage.step) + "invconv.weight",
                         Tensor::from(Shape{stage.channels, stage.channels}, std::vector<float>(w.begin(), w.end())));
      continue;
    }
    for (std::size_t k = 0; k < stage.weights; ++k)
      parts.emplace_back(weights[stage.firstWeight + k].name, weights[stage.firstWeight + k].value);
  }
  return parts;
}

Said saidOf(const ImageFlowOptions& o) {
  const auto flag = [](bool value) { return std::string(value ? "true" : "false"); };
  Said said{{"bounded", flag(o.bounded)},
          {"logit", flag(o.logit)},
          {"two_sided", flag(o.twoSided)},
          {"pixels_together", flag(o.pixelsTogether)},
          {"scale_bound", saidNumber(o.bound)},
          {"alpha", saidNumber(o.alpha)},
          {"least_scale", saidNumber(o.leastScale)},
          {"norm_momentum", saidNumber(o.momentum)}};
  if (o.painted) said["painted_mask"] = textOfMask(*o.painted);
  return said;
}

}  // namespace orrery::models::flows
