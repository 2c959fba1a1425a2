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

Expected<void> checkStatistics(const std::string& path, const std::string& name, const Tensor& tensor) {
  if (!name.ends_with("running_var")) return {};
  const auto values = tensor.toFloats();
  if (std::none_of(values.begin(), values.end(), [](float v) { return v < 0; })) return {};
  return makeError(ErrorCode::badInput,
                   trf("The tensor '{}' in {} should hold variances, which are at least 0; one is negative", name, path));
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

namespace {

constexpr std::size_t mostLayers = 1024;  // far beyond any flow of these labs; files may claim anything

using Kind = FlowChain::Kind;
using Part = FlowChain::Part;

// A layer as its file has it.
struct Found {
  Part part;
  std::int64_t dimensions = 0;
  std::vector<std::pair<std::string, Shape>> tensors;  // in their order, as they should be
};

// What stands under this prefix, by the tensors each kind alone has; no dimensions: nothing known.
Found foundAt(const modelfile::TensorFile& file, const std::string& layer) {
  const auto extentOf = [&](const std::string& name, std::size_t rank, int axis) -> std::int64_t {
    const TensorSummary* summary = summaryOf(file, layer + name);
    return summary != nullptr && summary->shape.size() == rank ? summary->shape[static_cast<std::size_t>(axis)] : 0;
  };
  Found found;
  Part& part = found.part;
  std::int64_t& d = found.dimensions;
  const auto matrices = [&] {
    int count = 0;
    while (summaryOf(file, layer + std::to_string(2 * count) + ".weight") != nullptr) ++count;
    return count;
  };
  const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    found.tensors.emplace_back(name + ".weight", Shape{out, in});
    found.tensors.emplace_back(name + ".bias", Shape{out});
  };
  if ((d = extentOf("shift.weight", 2, 0)) > 0 && extentOf("shift.weight", 2, 1) > 0) {
    part.affine = summaryOf(file, layer + "scale.weight") != nullptr;
    part.width = extentOf("shift.weight", 2, 1);
    part.depth = matrices();
    // Without hidden layers the first is missing: reading it says so.
    for (int k = 0; k < std::max(part.depth, 1); ++k) linear(std::to_string(2 * k), part.width, k == 0 ? d : part.width);
    linear("shift", d, part.width);
    if (part.affine) linear("scale", d, part.width);
  } else if ((d = extentOf("running_mean", 1, 0)) > 0) {
    part.kind = Kind::norm;
    found.tensors = {{"running_mean", Shape{d}}, {"running_var", Shape{d}}};
  } else if ((d = extentOf("log_scale", 1, 0)) > 0) {
    part.kind = Kind::scale;
    found.tensors = {{"log_scale", Shape{d}}};
  } else if ((d = extentOf("w", 1, 0)) > 0) {
    part.kind = Kind::planar;
    found.tensors = {{"w", Shape{d}}, {"u", Shape{d}}, {"b", Shape{1}}};
  } else if ((d = extentOf("centre", 1, 0)) > 0) {
    part.kind = Kind::radial;
    found.tensors = {{"centre", Shape{d}}, {"a", Shape{1}}, {"b", Shape{1}}};
  } else if (const int count = matrices(); count > 0 && (d = extentOf(std::to_string(2 * (count - 1)) + ".weight", 2, 0)) > 0) {
    part.kind = Kind::continuous;
    part.depth = count - 1;
    part.width = extentOf("0.weight", 2, 0);
    for (int k = 0; k < count; ++k) linear(std::to_string(2 * k), k + 1 < count ? part.width : d, k == 0 ? d + 1 : part.width);
  }
  return found;
}

// What a tensor must hold besides finite numbers of its shape.
Expected<void> checkValues(const std::string& path, const std::string& name, const std::string& whole, const Tensor& tensor) {
  const auto values = tensor.toFloats();
  if (name == "w" && std::all_of(values.begin(), values.end(), [](float v) { return v == 0; })) {
    return makeError(ErrorCode::badInput, trf("The tensor '{}' in {} is 0, and a plane without a direction is none", whole, path));
  }
  return checkStatistics(path, whole, tensor);
}

}  // namespace

Expected<FlowChain> readFlowChain(const std::string& path, FlowKinds kinds) {
  const auto file = modelfile::TensorFile::open(path);
  if (!file) return file.error();
  FlowChain chain;
  chain.said = file->metadata();
  for (std::size_t i = 0;; ++i) {
    const std::string layer = "layers." + std::to_string(i) + ".";
    const bool any = std::any_of(file->tensors().begin(), file->tensors().end(),
                                 [&](const TensorSummary& tensor) { return tensor.name.rfind(layer, 0) == 0; });
    if (!any && i > 0) break;
    if (i == mostLayers) return makeError(ErrorCode::badInput, trf("The flow in {} has more than {} layers", path, mostLayers));
    const Found found = foundAt(*file, layer);
    const bool coupling = found.part.kind == Kind::coupling || found.part.kind == Kind::norm || found.part.kind == Kind::scale;
    if (found.dimensions == 0 && kinds == FlowKinds::couplings) {
      return makeError(ErrorCode::badInput,
                       trf("{} has no flow of couplings in it: expected layers.{}.shift.weight [D, w] of a coupling, .running_mean of a "
                           "normalization or .log_scale of a scale",
                           path, i));
    }
    if (found.dimensions == 0) {
      return makeError(ErrorCode::badInput, trf("{} has no flow in it: expected layers.{}.w of a plane, .centre of a centre, .0.weight of "
                                                "a velocity or .shift.weight of a coupling",
                                                path, i));
    }
    if (kinds == FlowKinds::couplings && !coupling) {
      return makeError(ErrorCode::badInput,
                       trf("Layer {} of the flow in {} is no coupling but a plane, a centre or a velocity: open it in Normalizing flows", i, path));
    }
    if (i == 0) chain.dimensions = found.dimensions;
    if (found.dimensions != chain.dimensions) {
      return makeError(ErrorCode::badInput, trf("Layer {} of the flow in {} has {} dimensions, the layers before it {}", i, path,
                                                found.dimensions, chain.dimensions));
    }
    for (const auto& [name, shape] : found.tensors) {
      auto tensor = readNamed(*file, path, layer + name, shape);
      if (!tensor) return tensor.error();
      if (auto fine = checkValues(path, name, layer + name, *tensor); !fine) return fine.error();
      chain.weights.push_back({layer + name, *std::move(tensor)});
    }
    chain.parts.push_back(found.part);
  }
  return chain;
}

}  // namespace orrery::models::flows
