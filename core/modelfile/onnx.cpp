#include "core/modelfile/onnx.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "core/base/text.h"
#include "core/modelfile/onnx_tensor.h"
#include "core/modelfile/side_file.h"

namespace orrery::modelfile {

namespace {

constexpr int deepest = 32;
constexpr std::size_t mostNodes = 5'000'000, mostTensors = 1 << 20, mostListed = 1 << 26, mostProperties = 1024;

Error bad(const char* id, std::string message) { return makeError(ErrorCode::badInput, std::move(message), id); }

// Names as messages of this length remain readable.
std::string quoted(const std::string& name) { return "'" + shown(name) + "'"; }

}  // namespace

const OnnxAttribute* OnnxNode::attribute(std::string_view id) const {
  for (const OnnxAttribute& a : attributes) {
    if (a.name == id) return &a;
  }
  return nullptr;
}

std::string OnnxNode::shownName() const {
  if (!name.empty()) return shown(op) + " " + quoted(name);
  return outputs.empty() ? shown(op) : trf("{} that makes '{}'", shown(op), shown(outputs.front()));
}

class OnnxReader {
 public:
  OnnxReader(const std::string& path, BoundedReader reader) : file_(std::move(reader)) {
    model_.path = path;
    model_.file_ = std::make_shared<const BoundedReader>(file_.reader());
  }

  OnnxModel read() {
    ProtoMessage message(file_, {0, file_.size()});
    bool graph = false;
    while (message.next()) {
      switch (message.field()) {
        case 1:
          model_.irVersion = message.integer();
          break;
        case 2:
          model_.producer = message.text();
          break;
        case 7:
          readGraph(message.message(), 1, true);
          graph = true;
          break;
        case 8:
          readOpset(message.message());
          break;
        case 14:
          readProperty(message.message());
          break;
        case 25:
          readFunction(message.message());
          break;
        default:
          break;
      }
    }
    if (!graph) throw BrokenWire{bad("E-OX-01", trf("'{}' holds no graph: not an ONNX model, or cut off before it", shown(model_.path)))};
    if (model_.irVersion < 1 || model_.irVersion > 1000)
      model_.notes.push_back(trf("ir_version is {}, which no exporter writes", model_.irVersion));
    if (const auto own = model_.opsets.find(""); own == model_.opsets.end() || own->second < 1 || own->second > 1000)
      model_.notes.push_back(own == model_.opsets.end() ? tr("no version of ONNX's operators is stated")
                                                        : trf("version {} of ONNX's operators does not exist", own->second));
    refuseRecursion();
    separateInputs();
    sortNodes();
    return std::move(model_);
  }

 private:
  void readOpset(ProtoMessage message) {
    std::string domain;
    std::int64_t version = 0;
    while (message.next()) {
      if (message.field() == 1) domain = message.text();
      if (message.field() == 2) version = message.integer();
    }
    if (domain == "ai.onnx") domain.clear();  // its long name
    model_.opsets[domain] = version;
  }

  void readProperty(ProtoMessage message) {
    std::string key, value;
    while (message.next()) {
      if (message.field() == 1) key = message.text();
      if (message.field() == 2) value = message.text();
    }
    if (model_.metadata.size() < mostProperties) model_.metadata.emplace(std::move(key), std::move(value));
  }

  // `outermost`: what is inside of branches and loops is walked, so that damage there is seen, and not kept.
  void readGraph(ProtoMessage message, int depth, bool outermost) {
    if (depth > deepest) message.fail(trf("graphs are nested deeper than {} at offset {}", deepest, message.offset()), "E-OX-03");
    while (message.next()) {
      switch (message.field()) {
        case 1: {
          OnnxNode node = readNode(message.message(), depth);
          if (++nodes_ > mostNodes) message.fail(trf("more than {} nodes", mostNodes), "E-OX-15");
          if (outermost) model_.nodes.push_back(std::move(node));
          break;
        }
        case 2:
          if (outermost) model_.graph = message.text();
          break;
        case 5:
        case 15: {
          OnnxTensor tensor = message.field() == 5 ? readTensor(message.range()) : readSparse(message.range());
          if (++tensors_ > mostTensors) message.fail(trf("more than {} tensors", mostTensors), "E-OX-15");
          if (outermost) model_.weights.push_back(std::move(tensor));
          break;
        }
        case 11:
        case 12: {
          OnnxPort port = readPort(message.message());
          if (outermost) (message.field() == 11 ? model_.inputs : model_.outputs).push_back(std::move(port));
          break;
        }
        default:
          break;
      }
    }
  }

  OnnxNode readNode(ProtoMessage message, int depth) {
    OnnxNode node;
    while (message.next()) {
      switch (message.field()) {
        case 1:
          node.inputs.push_back(message.text());
          break;
        case 2:
          node.outputs.push_back(message.text());
          break;
        case 3:
          node.name = message.text();
          break;
        case 4:
          node.op = message.text();
          break;
        case 5:
          node.attributes.push_back(readAttribute(message.message(), depth));
          break;
        case 7:
          node.domain = message.text();
          break;
        default:
          break;
      }
    }
    if (node.domain == "ai.onnx") node.domain.clear();
    return node;
  }

  OnnxAttribute readAttribute(ProtoMessage message, int depth) {
    OnnxAttribute a;
    const auto reals = [&] {
      if (message.wire() == ProtoMessage::Wire::fixed32) {
        a.reals.push_back(static_cast<double>(message.real()));
        return;
      }
      const ByteRange range = message.range();
      if (range.bytes() % 4 != 0) message.fail(trf("the numbers at offset {} end in the middle of one", message.offset()));
      for (std::uint64_t at = range.begin; at < range.end; at += 4) a.reals.push_back(static_cast<double>(floatAt(file_.look(at, 4))));
    };
    while (message.next()) {
      switch (message.field()) {
        case 1:
          a.name = message.text();
          break;
        case 2:
          a.real = static_cast<double>(message.real());
          break;
        case 3:
          a.integer = message.integer();
          break;
        case 4:
          a.text = message.text();
          break;
        case 5:
          a.tensor = std::make_shared<OnnxTensor>(readTensor(message.range()));
          break;
        case 6:
        case 11:
          a.graphs = true;
          readGraph(message.message(), depth + 1, false);
          break;
        case 7:
          reals();
          break;
        case 8:
          message.append(a.integers, mostListed);
          break;
        case 9:
          a.texts.push_back(message.text());
          break;
        case 20:
          a.type = message.integer();
          break;
        case 22:
          a.tensor = std::make_shared<OnnxTensor>(readSparse(message.range()));
          break;
        default:
          break;
      }
    }
    return a;
  }

  OnnxPort readPort(ProtoMessage message) {
    OnnxPort port;
    port.ranked = false;
    port.tensor = false;
    while (message.next()) {
      if (message.field() == 1) port.name = message.text();
      if (message.field() != 2) continue;
      ProtoMessage type = message.message();
      while (type.next()) {
        if (type.field() != 1) continue;
        port.tensor = true;
        ProtoMessage tensor = type.message();
        while (tensor.next()) {
          if (tensor.field() == 1) port.type = tensor.integer();
          if (tensor.field() == 2) readExtents(tensor.message(), port);
        }
      }
    }
    return port;
  }

  void readExtents(ProtoMessage message, OnnxPort& port) {
    port.ranked = true;
    while (message.next()) {
      if (message.field() != 1) continue;
      if (port.shape.size() == 32) message.fail(trf("'{}' has more than 32 axes", shown(port.name)), "E-OX-06");
      std::int64_t extent = -1;
      std::string name;
      ProtoMessage one = message.message();
      while (one.next()) {
        if (one.field() == 1) {
          extent = one.integer();
          if (extent < 0) one.fail(trf("'{}' has an extent of {}", shown(port.name), extent), "E-OX-06");
        }
        if (one.field() == 2) name = one.text();
      }
      port.shape.push_back(extent);
      port.extents.push_back(std::move(name));
    }
  }

  OnnxTensor readTensor(ByteRange range) {
    OnnxTensor tensor = readTensorHeader(file_, range, [this](const std::string& location) { return sideFile(location); });
    for (const std::string& ignored : tensorNotes(file_, range)) {
      if (model_.notes.size() < 64) model_.notes.push_back(ignored);
    }
    return tensor;
  }

  // values = 1, indices = 2, dims = 3. Its parts go through the same reader of tensors, and so through the same guard of side files.
  OnnxTensor readSparse(ByteRange range) {
    OnnxTensor sparse;
    sparse.message = range;
    ProtoMessage message(file_, range);
    while (message.next()) {
      if (message.field() == 1) sparse.entries = std::make_shared<OnnxTensor>(readTensor(message.range()));
      if (message.field() == 2) sparse.indices = std::make_shared<OnnxTensor>(readTensor(message.range()));
      if (message.field() == 3) message.append(sparse.shape, 32);
    }
    if (!sparse.entries || !sparse.indices)
      message.fail(trf("the sparse tensor at offset {} lacks values or indices", range.begin), "E-OX-07");
    sparse.name = sparse.entries->name;
    sparse.type = sparse.entries->type;
    const auto count = elementCount(sparse.shape);
    if (!count) message.fail(trf("dimension product overflows: '{}'", shown(sparse.name)), "E-OX-06");
    sparse.count = *count;
    sparse.problem = sparse.entries->problem ? sparse.entries->problem : sparse.indices->problem;
    return sparse;
  }

  Expected<std::shared_ptr<const BoundedReader>> sideFile(const std::string& location) {
    if (const auto known = sides_.find(location); known != sides_.end()) return known->second;
    auto opened = openSideFile(model_.path, location);
    Expected<std::shared_ptr<const BoundedReader>> result =
        opened ? Expected<std::shared_ptr<const BoundedReader>>(std::make_shared<const BoundedReader>(*std::move(opened)))
               : Expected<std::shared_ptr<const BoundedReader>>(opened.error());
    if (sides_.size() < 4096) sides_.emplace(location, result);
    return result;
  }

  // name = 1, node = 7, domain = 10 and the operators that its nodes use.
  void readFunction(ProtoMessage message) {
    std::string name, domain;
    std::set<std::string> uses;
    while (message.next()) {
      if (message.field() == 1) name = message.text();
      if (message.field() == 10) domain = message.text();
      if (message.field() != 7) continue;
      const OnnxNode node = readNode(message.message(), 1);
      if (++nodes_ > mostNodes) message.fail(trf("more than {} nodes", mostNodes), "E-OX-15");
      uses.insert(node.domain + "." + node.op);
    }
    const std::string id = domain + "." + name;
    model_.functions.push_back(id);
    uses_[id] = std::move(uses);
  }

  // Model-local functions that come back to themselves. Iterative: a chain of functions may be long.
  void refuseRecursion() {
    std::map<std::string, int> state;  // 1: on the way, 2: done
    for (const auto& [start, ignored] : uses_) {
      std::vector<std::pair<std::string, bool>> way{{start, false}};
      while (!way.empty()) {
        auto [id, left] = way.back();
        way.pop_back();
        if (left) {
          state[id] = 2;
          continue;
        }
        if (state[id] != 0) continue;
        state[id] = 1;
        way.emplace_back(id, true);
        for (const std::string& used : uses_[id]) {
          if (!uses_.contains(used)) continue;
          if (state[used] == 1) throw BrokenWire{bad("E-OX-03", trf("the function '{}' calls itself", shown(used)))};
          if (state[used] == 0) way.emplace_back(used, false);
        }
      }
    }
  }

  // Older models list weights among the inputs, as default values.
  void separateInputs() {
    std::set<std::string> weights;
    for (const OnnxTensor& w : model_.weights) {
      if (!weights.insert(w.name).second) throw BrokenWire{bad("E-OX-05", trf("two weights are called '{}'", shown(w.name)))};
      if (w.name.empty()) throw BrokenWire{bad("E-OX-05", trf("a weight at offset {} has no name", w.message.begin))};
    }
    std::erase_if(model_.inputs, [&](const OnnxPort& port) { return weights.contains(port.name); });
    for (const OnnxPort& port : model_.inputs) {
      if (port.name.empty()) throw BrokenWire{bad("E-OX-05", tr("an input of the graph has no name"))};
    }
  }

  // Every name is made once, before it is used; nodes that are not in such an order are put into one.
  void sortNodes() {
    constexpr std::size_t outside = static_cast<std::size_t>(-1);
    std::unordered_map<std::string, std::size_t> maker;
    for (const OnnxPort& port : model_.inputs) {
      if (!maker.emplace(port.name, outside).second)
        throw BrokenWire{bad("E-OX-05", trf("two inputs of the graph are called '{}'", shown(port.name)))};
    }
    for (const OnnxTensor& weight : model_.weights) maker.emplace(weight.name, outside);
    for (std::size_t i = 0; i < model_.nodes.size(); ++i) {
      for (const std::string& name : model_.nodes[i].outputs) {
        if (name.empty()) continue;
        if (!maker.emplace(name, i).second)
          throw BrokenWire{bad("E-OX-05", trf("'{}' is made twice, the second time by {}", shown(name), model_.nodes[i].shownName()))};
      }
    }
    std::vector<std::vector<std::size_t>> users(model_.nodes.size());
    std::vector<std::size_t> waits(model_.nodes.size(), 0);
    bool sorted = true;
    for (std::size_t i = 0; i < model_.nodes.size(); ++i) {
      for (const std::string& name : model_.nodes[i].inputs) {
        if (name.empty()) continue;
        const auto found = maker.find(name);
        if (found == maker.end())
          throw BrokenWire{bad("E-OX-05", trf("{} takes '{}', which nothing makes", model_.nodes[i].shownName(), shown(name)))};
        if (found->second == outside) continue;
        users[found->second].push_back(i);
        ++waits[i];
        sorted = sorted && found->second < i;
      }
    }
    for (const OnnxPort& port : model_.outputs) {
      if (!maker.contains(port.name))
        throw BrokenWire{bad("E-OX-05", trf("the graph gives out '{}', which nothing makes", shown(port.name)))};
    }
    if (sorted) return;
    // The earliest node that waits for nothing comes next: what is in order already stays so.
    std::set<std::size_t> ready;
    for (std::size_t i = 0; i < waits.size(); ++i) {
      if (waits[i] == 0) ready.insert(i);
    }
    std::vector<OnnxNode> inOrder;
    while (!ready.empty()) {
      const std::size_t i = *ready.begin();
      ready.erase(ready.begin());
      inOrder.push_back(model_.nodes[i]);
      for (const std::size_t user : users[i]) {
        if (--waits[user] == 0) ready.insert(user);
      }
    }
    if (inOrder.size() < model_.nodes.size()) {
      throw BrokenWire{bad("E-OX-04", trf("the nodes are not sorted: a cycle goes through {}", onCycle(waits, maker).shownName()))};
    }
    model_.nodes = std::move(inOrder);
    model_.notes.push_back(tr("the nodes are not sorted; they are run in an order that works"));
  }

  // Going back from a node that still waits to one it waits for, again and again, ends on a cycle.
  const OnnxNode& onCycle(const std::vector<std::size_t>& waits, const std::unordered_map<std::string, std::size_t>& maker) const {
    std::size_t at = 0;
    while (waits[at] == 0) ++at;
    std::set<std::size_t> seen;
    while (seen.insert(at).second) {
      for (const std::string& name : model_.nodes[at].inputs) {
        const auto found = maker.find(name);
        if (found == maker.end() || found->second >= waits.size() || waits[found->second] == 0) continue;
        at = found->second;
        break;
      }
    }
    return model_.nodes[at];
  }

  ProtoFile file_;
  OnnxModel model_;
  std::size_t nodes_ = 0, tensors_ = 0;
  std::map<std::string, Expected<std::shared_ptr<const BoundedReader>>> sides_;
  std::map<std::string, std::set<std::string>> uses_;
};

Expected<OnnxModel> OnnxModel::open(const std::string& path) {
  auto reader = BoundedReader::open(path);
  if (!reader) return reader.error();
  if (reader->size() == 0) return bad("E-OX-01", trf("'{}' is empty (0 bytes): not an ONNX model", shown(path)));
  try {
    return OnnxReader(path, *std::move(reader)).read();
  } catch (BrokenWire& broken) {
    return std::move(broken.error);
  }
}

Expected<std::vector<double>> OnnxModel::values(const OnnxTensor& tensor) const { return readTensorValues(*file_, tensor); }

}  // namespace orrery::modelfile
