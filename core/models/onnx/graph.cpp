#include "core/models/onnx/graph.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <unordered_map>

#include "core/base/stop.h"
#include "core/base/text.h"
#include "core/models/onnx/operators.h"

namespace orrery::models::onnx {

using modelfile::OnnxModel;
using modelfile::OnnxNode;
using modelfile::OnnxTensor;
using modelfile::shown;

namespace {

constexpr std::uint64_t mostWeights = 1 << 27;  // numbers: half a GiB on the device
constexpr std::int64_t mostFolded = 1 << 22;    // numbers of a value that is kept from the opening on
constexpr std::uint64_t mostAlive = 1 << 26;    // numbers of all values of one run at once

constexpr double mostRecorded = 1e9;            // multiply-adds in one submission: 30 ms of a slow device

Error unsupported(std::string message) { return makeError(ErrorCode::unsupported, std::move(message), "E-OX-20"); }

Kind kindOf(std::int64_t type) {
  switch (type) {
    case 1:
    case 10:
    case 11:
    case 16:
      return Kind::real;
    case 9:
      return Kind::boolean;
    default:
      return Kind::integer;
  }
}

Expected<Value> valueOf(const OnnxModel& model, const OnnxTensor& tensor) {
  auto numbers = model.values(tensor);
  if (!numbers) return numbers.error();
  return Value(Shape(tensor.shape), *std::move(numbers), kindOf(tensor.type));
}

// Multiply-adds of a node, as far as it matters where to cut: per number that comes out, those a weight's column has.
double workOf(const OnnxNode& node, const std::vector<const Value*>& operands, const std::vector<Value>& values,
              const std::vector<std::size_t>& to) {
  double made = 0;
  for (const std::size_t slot : to) made += slot < values.size() ? static_cast<double>(values[slot].count()) : 0;
  const bool product = node.op == "MatMul" || node.op == "Gemm" || node.op == "Conv" || node.op == "ConvTranspose";
  if (!product || operands.size() < 2 || operands[1] == nullptr || operands[1]->shape.rank() < 2) return made;
  const Shape& weight = operands[1]->shape;
  const std::int64_t columns = node.op == "MatMul" ? weight[-1] : node.op == "ConvTranspose" ? weight[1] : weight[0];
  return made * static_cast<double>(weight.count()) / static_cast<double>(std::max<std::int64_t>(columns, 1));
}

}  // namespace

const Value& Call::input(std::size_t i) const {
  const Value* value = optional(i);
  if (value == nullptr) throw std::invalid_argument(trf("its input {} is left out", i + 1));
  return *value;
}

double Call::real(std::string_view attribute, double otherwise) const {
  const auto* a = node_.attribute(attribute);
  return a == nullptr ? otherwise : a->real;
}

std::int64_t Call::integer(std::string_view attribute, std::int64_t otherwise) const {
  const auto* a = node_.attribute(attribute);
  return a == nullptr ? otherwise : a->integer;
}

std::string Call::text(std::string_view attribute, std::string_view otherwise) const {
  const auto* a = node_.attribute(attribute);
  return a == nullptr ? std::string(otherwise) : a->text;
}

std::vector<std::int64_t> Call::integers(std::string_view attribute) const {
  const auto* a = node_.attribute(attribute);
  return a == nullptr ? std::vector<std::int64_t>() : a->integers;
}

std::vector<double> Call::reals(std::string_view attribute) const {
  const auto* a = node_.attribute(attribute);
  return a == nullptr ? std::vector<double>() : a->reals;
}

const Value* Call::tensor(std::string_view attribute) const {
  const auto found = tensors_.find(std::string(attribute));
  return found == tensors_.end() ? nullptr : &found->second;
}

std::vector<std::int64_t> Call::listed(std::string_view attribute, std::size_t i) const {
  const Value* given = optional(i);
  return given != nullptr ? math.wholeNumbers(*given) : integers(attribute);
}

const Operator* operatorOf(const OnnxNode& node) {
  return findRegistered<Operator>(node.domain.empty() ? node.op : node.domain + "." + node.op);
}

std::int64_t Graph::versionFor(const std::string& domain) const {
  const auto found = opsets_.find(domain);
  return found == opsets_.end() ? 0 : found->second;
}

Expected<Graph> Graph::open(const std::string& path) {
  const auto model = OnnxModel::open(path);
  if (!model) return model.error();
  Graph graph;
  graph.path_ = path;
  graph.opsets_ = model->opsets;
  graph.inputs_ = model->inputs;
  graph.outputs_ = model->outputs;
  graph.notes_ = model->notes;
  graph.metadata_ = model->metadata;
  if (const std::int64_t version = graph.versionFor(""); version < 7 || version > 1000) {
    return unsupported(trf("{} is written for version {} of ONNX's operators; 7 and later are run", shown(path), version));
  }
  for (const OnnxNode& node : model->nodes) {
    if (operatorOf(node) != nullptr) continue;
    const std::string id = node.domain + "." + node.op;
    const bool own = std::find(model->functions.begin(), model->functions.end(), id) != model->functions.end();
    return unsupported(
        own ? trf("{}: the operator '{}' ({}) is a function of the model's own, which is not run here: inline functions when exporting",
                  shown(path), shown(node.op), node.shownName())
            : trf("{}: the operator '{}' ({}, version {}) is not run here", shown(path), shown(node.domain.empty() ? node.op : id),
                  node.shownName(), graph.versionFor(node.domain)));
  }
  if (auto loaded = graph.load(*model); !loaded) return loaded.error();
  if (auto folded = graph.fold(); !folded) return folded.error();
  graph.planFrees();
  return graph;
}

// Names become slots, weights values.
Expected<void> Graph::load(const OnnxModel& model) {
  std::unordered_map<std::string, std::size_t> slots;
  const auto slotOf = [&](const std::string& name) {
    if (name.empty()) return nowhere;
    const auto [found, made] = slots.emplace(name, constants_.size());
    if (made) constants_.emplace_back(), known_.push_back(false);
    return found->second;
  };
  for (const auto& port : inputs_) inputSlots_.push_back(slotOf(port.name));
  // Shapes, axes and single factors are no parameters.
  const auto count = [this](const Value& v) {
    if (v.kind == Kind::real && v.count() > 1) parameters_ += static_cast<std::size_t>(v.count());
  };
  std::uint64_t numbers = 0;
  for (const OnnxTensor& weight : model.weights) {
    numbers += weight.count;
    if (numbers > mostWeights)
      return unsupported(trf("{} has more than {} weights, which is more than is run here", shown(path_), mostWeights));
    auto value = valueOf(model, weight);
    if (!value) return value.error();
    count(*value);
    const std::size_t slot = slotOf(weight.name);
    constants_[slot] = *std::move(value);
    known_[slot] = true;
  }
  for (const OnnxNode& node : model.nodes) {
    Step step{node, {}, {}, {}, {}};
    for (auto& attribute : step.node.attributes) {
      if (!attribute.tensor) continue;
      auto value = valueOf(model, *attribute.tensor);
      if (!value) return value.error();
      if (node.op == "Constant") count(*value);
      step.tensors.emplace(attribute.name, *std::move(value));
      attribute.tensor.reset();  // its place in the file is no longer needed
    }
    for (const std::string& name : node.inputs) step.from.push_back(slotOf(name));
    for (const std::string& name : node.outputs) step.to.push_back(slotOf(name));
    steps_.push_back(std::move(step));
  }
  for (const auto& port : outputs_) outputSlots_.push_back(slotOf(port.name));
  return {};
}

// Runs what needs no input, as long as little comes out of it.
Expected<void> Graph::fold() {
  std::vector<Step> left;
  for (Step& step : steps_) {
    std::vector<const Value*> operands;
    bool ready = true;
    for (const std::size_t slot : step.from) {
      ready = ready && (slot == nowhere || known_[slot]);
      operands.push_back(slot == nowhere ? nullptr : &constants_[slot]);
    }
    if (!ready) {
      left.push_back(std::move(step));
      continue;
    }
    if (stopRequested()) return makeError(ErrorCode::cancelled, tr("Cancelled"));
    auto made = runStep(nullptr, step, operands);
    if (!made) return made.error();
    const bool small = std::all_of(made->begin(), made->end(), [](const Value& v) { return v.count() <= mostFolded; });
    if (!small) {
      left.push_back(std::move(step));
      continue;
    }
    for (std::size_t i = 0; i < step.to.size(); ++i) {
      if (step.to[i] == nowhere) continue;
      constants_[step.to[i]] = (*made)[i];
      known_[step.to[i]] = true;
    }
  }
  steps_ = std::move(left);
  // What the remaining nodes take goes to the device once; the rest goes.
  std::vector<bool> needed(constants_.size(), false);
  for (const Step& step : steps_) {
    for (const std::size_t slot : step.from) {
      if (slot != nowhere) needed[slot] = true;
    }
  }
  for (const std::size_t slot : outputSlots_) needed[slot] = true;
  for (std::size_t slot = 0; slot < constants_.size(); ++slot) {
    if (!known_[slot]) continue;
    Value& value = constants_[slot];
    if (!needed[slot]) {
      value = Value();
    } else if (value.kind == Kind::real && value.count() > 0) {
      const std::vector<float> floats(value.host->begin(), value.host->end());
      value.device = Tensor::from(value.shape, floats);
    }
  }
  return {};
}

std::optional<std::int64_t> Graph::rowsTakenBy(std::size_t input) const {
  // The input under other names: what passes its numbers on as they are.
  std::vector<std::size_t> same{inputSlots_[input]};
  const auto isSame = [&](std::size_t slot) { return std::find(same.begin(), same.end(), slot) != same.end(); };
  static constexpr std::string_view passing[] = {"Cast", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Flatten"};
  for (const Step& step : steps_) {
    if (step.from.empty()) continue;
    if (step.node.op == "Gather" && step.from.size() > 1 && isSame(step.from[1]) && step.from[0] != nowhere && known_[step.from[0]]) {
      const auto* axis = step.node.attribute("axis");
      const Shape& table = constants_[step.from[0]].shape;
      if (table.rank() > 0 && (axis == nullptr || axis->integer == 0)) return table[0];
    }
    const bool passes = std::find(std::begin(passing), std::end(passing), step.node.op) != std::end(passing);
    if (passes && isSame(step.from[0]) && !step.to.empty()) same.push_back(step.to[0]);
  }
  return std::nullopt;
}

// A value goes after the last node that takes it.
void Graph::planFrees() {
  std::vector<std::optional<std::size_t>> last(constants_.size());
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    for (const std::size_t slot : steps_[i].to) {
      if (slot != nowhere) last[slot] = i;
    }
    for (const std::size_t slot : steps_[i].from) {
      if (slot != nowhere && !known_[slot]) last[slot] = i;
    }
  }
  for (const std::size_t slot : outputSlots_) last[slot].reset();
  for (std::size_t slot = 0; slot < last.size(); ++slot) {
    if (last[slot]) steps_[*last[slot]].done.push_back(slot);
  }
}

Expected<std::vector<Value>> Graph::runStep(gpu::Stream* stream, const Step& step, const std::vector<const Value*>& operands) const {
  const auto failed = [&](const std::exception& why) {
    return makeError(ErrorCode::badInput, trf("{}: {} cannot be computed: {}", shown(path_), step.node.shownName(), why.what()), "E-OX-21");
  };
  try {
    const Arithmetic math(stream);
    auto made = operatorOf(step.node)->run(Call(math, step.node, step.tensors, versionFor(step.node.domain), operands));
    if (made.size() < step.to.size()) {
      return unsupported(
          trf("{}: {} gives {} results, {} are asked of it", shown(path_), step.node.shownName(), made.size(), step.to.size()));
    }
    return made;
  } catch (const std::invalid_argument& why) {
    return failed(why);
  } catch (const std::length_error& why) {
    return failed(why);
  }
}

Expected<std::vector<Value>> Graph::run(gpu::Stream* stream, const std::vector<Value>& inputs) const {
  std::vector<Value> values(constants_.size());
  for (std::size_t i = 0; i < inputs.size() && i < inputSlots_.size(); ++i) values[inputSlots_[i]] = inputs[i];
  std::uint64_t alive = 0;
  double recorded = 0;
  for (const Step& step : steps_) {
    if (stopRequested()) return makeError(ErrorCode::cancelled, tr("Cancelled"));
    std::vector<const Value*> operands;
    for (const std::size_t slot : step.from)
      operands.push_back(slot == nowhere ? nullptr : known_[slot] ? &constants_[slot] : &values[slot]);
    auto made = runStep(stream, step, operands);
    if (!made) return made.error();
    for (std::size_t i = 0; i < step.to.size(); ++i) {
      if (step.to[i] == nowhere) continue;
      alive += static_cast<std::uint64_t>((*made)[i].count());
      values[step.to[i]] = std::move((*made)[i]);
    }
    if (alive > mostAlive) {
      return unsupported(trf("{}: at {} more than {} numbers would be kept at once, which is more than is run here", shown(path_),
                             step.node.shownName(), mostAlive));
    }
    // Long work goes to the device in pieces, one recorded while another runs: between them it can be given up.
    if (stream != nullptr) recorded += workOf(step.node, operands, values, step.to);
    if (recorded > mostRecorded) {
      stream->wait();
      stream->submit();
      recorded = 0;
    }
    for (const std::size_t slot : step.done) {
      const bool made_here = std::find(inputSlots_.begin(), inputSlots_.end(), slot) == inputSlots_.end();
      if (made_here) alive -= static_cast<std::uint64_t>(values[slot].count());
      values[slot] = Value();
    }
  }
  std::vector<Value> result;
  for (const std::size_t slot : outputSlots_) result.push_back(known_[slot] ? constants_[slot] : values[slot]);
  return result;
}

}  // namespace orrery::models::onnx
