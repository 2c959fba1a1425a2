#include "core/models/flow_file.h"

#include <algorithm>
#include <charconv>

#include "core/base/text.h"

namespace orrery::models::flows {

const TensorSummary* summaryOf(const modelfile::TensorFile& file, const std::string& name) {
  for (const TensorSummary& tensor : file.tensors()) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

Expected<Tensor> readNamed(const modelfile::TensorFile& file, const std::string& path, const std::string& name, const Shape& shape) {
  if (summaryOf(file, name) == nullptr) {
    return makeError(ErrorCode::badInput,
                     trf("The flow in {} needs a tensor '{}' of shape {}; the file has none of that name", path, name, shape.toString()));
  }
  std::int64_t notFinite = 0;
  auto tensor = file.read(name, &notFinite);
  if (!tensor) return tensor.error();
  if (tensor->shape() != shape) {
    return makeError(ErrorCode::badInput,
                     trf("The tensor '{}' in {} should have the shape {}, found {}", name, path, shape.toString(), tensor->shape().toString()));
  }
  if (notFinite > 0) {
    return makeError(ErrorCode::badInput,
                     trf("The tensor '{}' in {} should hold finite values; {} of them are not numbers", name, path, notFinite));
  }
  return tensor;
}

// The shortest decimal that is read back as the same number.
std::string saidNumber(double value) { return fmt::format("{}", value); }

Expected<double> numberSaid(const Said& said, const std::string& path, const std::string& key, double otherwise, double low, double high) {
  const auto found = said.find(key);
  if (found == said.end()) return otherwise;
  double value = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [stop, problem] = std::from_chars(found->second.data(), end, value);
  if (problem == std::errc() && stop == end && value >= low && value <= high) return value;
  return makeError(ErrorCode::badInput, trf("The metadata of {} should say a number from {:g} to {:g} for '{}', found '{}'", path, low,
                                            high, key, found->second));
}

Expected<std::string> choiceSaid(const Said& said, const std::string& path, const std::string& key, const std::string& otherwise,
                                 const std::vector<std::string>& choices) {
  const auto found = said.find(key);
  if (found == said.end()) return otherwise;
  if (std::find(choices.begin(), choices.end(), found->second) != choices.end()) return found->second;
  std::string all;
  for (const std::string& one : choices) all += (all.empty() ? "" : ", ") + one;
  return makeError(ErrorCode::badInput, trf("The metadata of {} should say one of {} for '{}', found '{}'", path, all, key, found->second));
}

std::size_t FlowChain::couplings() const {
  return static_cast<std::size_t>(std::count_if(parts.begin(), parts.end(), [](const Part& part) { return part.kind == Kind::coupling; }));
}

Expected<FlowChain> readFlowChain(const std::string& path) {
  const auto file = modelfile::TensorFile::open(path);
  if (!file) return file.error();
  FlowChain chain;
  chain.said = file->metadata();
  const auto extentOf = [&](const std::string& name, std::size_t rank, int axis) -> std::int64_t {
    const TensorSummary* summary = summaryOf(*file, name);
    return summary != nullptr && summary->shape.size() == rank ? summary->shape[static_cast<std::size_t>(axis)] : 0;
  };
  for (std::size_t i = 0;; ++i) {
    const std::string layer = "layers." + std::to_string(i) + ".";
    const bool any = std::any_of(file->tensors().begin(), file->tensors().end(),
                                 [&](const TensorSummary& tensor) { return tensor.name.rfind(layer, 0) == 0; });
    if (!any && i > 0) break;
    // What the layer is, and how large.
    FlowChain::Part part;
    std::int64_t d = extentOf(layer + "shift.weight", 2, 0);
    if (d > 0 && extentOf(layer + "shift.weight", 2, 1) > 0) {
      part.affine = summaryOf(*file, layer + "scale.weight") != nullptr;
      part.width = extentOf(layer + "shift.weight", 2, 1);
      while (summaryOf(*file, layer + std::to_string(2 * part.depth) + ".weight") != nullptr) ++part.depth;
    } else if ((d = extentOf(layer + "running_mean", 1, 0)) > 0) {
      part.kind = FlowChain::Kind::norm;
    } else if ((d = extentOf(layer + "log_scale", 1, 0)) > 0) {
      part.kind = FlowChain::Kind::scale;
    } else {
      return makeError(ErrorCode::badInput,
                       trf("{} has no flow of couplings in it: expected layers.{}.shift.weight [D, w] of a coupling, .running_mean of a "
                           "normalization or .log_scale of a scale",
                           path, i));
    }
    if (i == 0) chain.dimensions = d;
    if (d != chain.dimensions) {
      return makeError(ErrorCode::badInput,
                       trf("Layer {} of the flow in {} has {} dimensions, the layers before it {}", i, path, d, chain.dimensions));
    }
    // Its tensors, in their order.
    std::vector<std::pair<std::string, Shape>> tensors;
    if (part.kind == FlowChain::Kind::coupling) {
      for (int k = 0; k < part.depth; ++k) {
        const std::string name = std::to_string(2 * k);
        tensors.emplace_back(name + ".weight", Shape{part.width, k == 0 ? d : part.width});
        tensors.emplace_back(name + ".bias", Shape{part.width});
      }
      for (const char* head : {"shift", "scale"}) {
        if (head == std::string_view("scale") && !part.affine) continue;
        tensors.emplace_back(std::string(head) + ".weight", Shape{d, part.width});
        tensors.emplace_back(std::string(head) + ".bias", Shape{d});
      }
      if (part.depth == 0) tensors.insert(tensors.begin(), {"0.weight", Shape{part.width, d}});  // missing: readNamed says so
    } else if (part.kind == FlowChain::Kind::norm) {
      tensors = {{"running_mean", Shape{d}}, {"running_var", Shape{d}}};
    } else {
      tensors = {{"log_scale", Shape{d}}};
    }
    for (const auto& [name, shape] : tensors) {
      auto tensor = readNamed(*file, path, layer + name, shape);
      if (!tensor) return tensor.error();
      if (name == "running_var") {
        const auto variances = tensor->toFloats();
        if (std::any_of(variances.begin(), variances.end(), [](float v) { return v < 0; })) {
          return makeError(ErrorCode::badInput, trf("The tensor '{}' in {} should hold variances, which are at least 0; one is negative", layer + name, path));
        }
      }
      chain.weights.push_back({layer + name, *std::move(tensor)});
    }
    chain.parts.push_back(part);
  }
  return chain;
}

}  // namespace orrery::models::flows
