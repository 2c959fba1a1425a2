// ONNX graphs against onnxruntime (tests/oracles/onnx_oracle.py): every operator by itself, and networks as PyTorch's two exporters write
// them, on the host in double precision and on the device.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "core/base/philox.h"
#include "core/models/onnx/arithmetic.h"
#include "core/models/onnx/graph.h"
#include "tests/support/kernel_oracle.h"
#include "tests/support/onnx_writer.h"
#include "tests/support/scratch.h"

using namespace orrery;
using namespace orrery::models::onnx;
using orrery::testing::openStream;
using orrery::testing::Scratch;

namespace {

struct Case {
  std::string name, model;
  std::vector<Value> inputs, outputs;
};

Value valueFrom(std::istringstream& words) {
  std::string kind;
  std::size_t rank = 0;
  words >> kind >> rank;
  std::vector<std::int64_t> extents(rank);
  for (auto& e : extents) words >> e;
  const Shape shape(extents);
  std::vector<double> values;
  for (std::string word; words >> word;) values.push_back(word == "inf" ? INFINITY : word == "-inf" ? -INFINITY : std::stod(word));
  REQUIRE(static_cast<std::int64_t>(values.size()) == shape.count());
  return {shape, std::move(values), kind == "f" ? Kind::real : Kind::integer};
}

std::vector<Case> cases() {
  std::ifstream file(std::string(ORRERY_SOURCE_FOLDER) + "/tests/oracles/onnx_expected.txt");
  REQUIRE(file.good());
  std::vector<Case> result;
  for (std::string line; std::getline(file, line);) {
    const std::string word = line.substr(0, line.find(' ')), rest = line.substr(line.find(' ') + 1);
    std::istringstream words(rest);
    if (word == "case") result.push_back({rest, {}, {}, {}});
    if (word == "in") result.back().inputs.push_back(valueFrom(words));
    if (word == "out") result.back().outputs.push_back(valueFrom(words));
    if (word != "model") continue;
    for (std::size_t i = 0; i + 1 < rest.size(); i += 2)
      result.back().model += static_cast<char>(std::stoi(rest.substr(i, 2), nullptr, 16));
  }
  return result;
}

// Largest difference against the size of the whole.
double apart(const Value& found, const Value& expected) {
  const auto a = Arithmetic(nullptr).hostOf(found);
  double worst = 0, size = 1e-3;
  for (std::size_t i = 0; i < a->size(); ++i) {
    const double e = (*expected.host)[i];
    if (std::isinf(e)) {
      // A device without infinities may say something huge.
      if (!((*a)[i] == e || (std::abs((*a)[i]) > 1e38 && std::signbit((*a)[i]) == std::signbit(e)))) return INFINITY;
      continue;
    }
    worst = std::isnan((*a)[i]) ? INFINITY : std::max(worst, std::abs((*a)[i] - e));
    size = std::max(size, std::abs(e));
  }
  return worst / size;
}

}  // namespace

TEST_CASE("operators and networks say what onnxruntime says, on the host and on the device") {
  const Scratch folder;
  const auto all = cases();
  REQUIRE(all.size() > 120);
  for (const Case& one : all) {
    INFO(one.name);
    const auto graph = Graph::open(folder.write("model.onnx", one.model));
    INFO((graph ? "" : graph.error().message));
    REQUIRE(graph);
    REQUIRE(graph->inputs().size() == one.inputs.size());
    for (const bool device : {false, true}) {
      INFO((device ? "device" : "host"));
      gpu::Stream stream = openStream();
      std::vector<Value> inputs;
      for (const Value& v : one.inputs) {
        const bool up = device && v.kind == Kind::real;
        inputs.push_back(up ? Value(Tensor::from(v.shape, std::vector<float>(v.host->begin(), v.host->end()))) : v);
      }
      const auto found = graph->run(device ? &stream : nullptr, inputs);
      INFO((found ? "" : found.error().message));
      REQUIRE(found);
      REQUIRE(found->size() == one.outputs.size());
      for (std::size_t i = 0; i < found->size(); ++i) {
        REQUIRE((*found)[i].shape == one.outputs[i].shape);
        // onnxruntime itself computes in f32: a few roundings of 6e-8, and in the networks sines of angles up to 1000, rounded to 6e-5 / 2.
        // On the device sines are good to 2e-5 and the rest to 4e-6 (core/kernels/elementwise.cpp); the networks chain some of each.
        const bool network = one.name.find(" by the ") != std::string::npos;
        CHECK(apart((*found)[i], one.outputs[i]) < (device ? 4e-5 : network ? 2e-5 : 2e-6));
      }
    }
  }
}

TEST_CASE("what a graph cannot run is refused with its name, node and version") {
  using namespace orrery::testing;
  const Scratch folder;
  const auto errorOf = [&](const std::string& model) {
    const auto graph = Graph::open(folder.write("bad.onnx", model));
    REQUIRE_FALSE(graph);
    return graph.error().message;
  };
  const auto has = [](const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; };
  const auto one = [](const std::string& node, std::int64_t opset = 17, const std::vector<std::string>& functions = {}) {
    return onnxModel({{node}, {}, {onnxPort("x", {-1, 2})}, {onnxPort("y", {-1, 2})}}, opset, functions);
  };
  CHECK(has(errorOf(one(onnxNode("FancyOp", {"x"}, {"y"}, "fancy_3"))),
            "the operator 'FancyOp' (FancyOp 'fancy_3', version 17) is not run here"));
  CHECK(has(errorOf(one(onnxNode("Neg", {"x"}, {"y"}, "n", {}, "com.example"))), "'com.example.Neg'"));
  const std::string own = message([](Proto& p) { p.add_string(1, "Mine"), p.add_string(10, "local"); });
  CHECK(has(errorOf(one(onnxNode("Mine", {"x"}, {"y"}, "m", {}, "local"), 17, {own})), "a function of the model's own"));
  CHECK(has(errorOf(one(onnxNode("Neg", {"x"}, {"y"}), 3)), "version 3 of ONNX's operators; 7 and later are run"));
  CHECK(has(errorOf(one(onnxNode("Neg", {"x"}, {"y"}), 0)), "version 0"));
  // A weight that cannot be read is only then an error.
  const std::string missing = onnxModel({{onnxNode("Add", {"x", "w"}, {"y"})},
                                         {onnxSideTensor("w", {2}, {{"location", "gone.bin"}})},
                                         {onnxPort("x", {-1, 2})},
                                         {onnxPort("y", {-1, 2})}});
  CHECK(has(errorOf(missing), "'gone.bin' is not there"));
  // What is constant is computed when the file is opened: shapes that do not fit, and sizes beyond all measure.
  const auto constant = [&](const std::vector<std::string>& nodes, const std::vector<std::string>& weights) {
    return onnxModel({nodes, weights, {onnxPort("x", {-1, 2})}, {onnxPort("y", {})}});
  };
  CHECK(has(errorOf(constant({onnxNode("MatMul", {"a", "b"}, {"y"}, "product")},
                             {onnxTensor("a", {1, 2}, rawFloats({1, 2})), onnxTensor("b", {3, 1}, rawFloats({1, 2, 3}))})),
            "MatMul 'product' cannot be computed: [1, 2] and [3, 1] cannot be multiplied"));
  const auto whole = [](const std::string& name, const std::vector<std::int64_t>& values) {
    std::string raw(values.size() * 8, '\0');
    std::memcpy(raw.data(), values.data(), raw.size());
    return onnxTensor(name, {static_cast<std::int64_t>(values.size())}, raw, 7);
  };
  CHECK(has(errorOf(constant({onnxNode("ConstantOfShape", {"s"}, {"y"}, "bomb")}, {whole("s", {1 << 20, 1 << 20})})),
            "is too large: at most 2^24 numbers"));
  CHECK(has(errorOf(constant({onnxNode("ConstantOfShape", {"s"}, {"y"}, "less")}, {whole("s", {-5})})), "an extent of -5 is asked for"));
  CHECK(has(errorOf(constant({onnxNode("Div", {"s", "z"}, {"y"}, "d")}, {whole("s", {1}), whole("z", {0})})),
            "a whole number is divided by 0"));
  CHECK(has(errorOf(constant({onnxNode("Neg", {""}, {"y"}, "n")}, {})), "its input 1 is left out"));
  // A chain that doubles what it holds ends in a sentence, too, when it is run.
  std::vector<std::string> nodes;
  for (int i = 0; i < 40; ++i)
    nodes.push_back(onnxNode("Concat", {"v" + std::to_string(i), "v" + std::to_string(i)}, {"v" + std::to_string(i + 1)}, "",
                             {onnxInteger("axis", 0)}));
  nodes.insert(nodes.begin(), onnxNode("Identity", {"x"}, {"v0"}));
  const auto graph = Graph::open(folder.write("double.onnx", onnxModel({nodes, {}, {onnxPort("x", {-1, 2})}, {onnxPort("v40", {-1, 2})}})));
  REQUIRE(graph);
  const auto run = graph->run(nullptr, {Value(Shape{1, 2}, {1, 2})});
  REQUIRE_FALSE(run);
  CHECK(has(run.error().message, "is too large"));
  CHECK(has(run.error().message, "Concat that makes 'v24'"));
}

TEST_CASE("damaged graphs are refused or run, never worse") {
  const Scratch folder;
  for (const Case& one : cases()) {
    if (one.name != "points by the new exporter" && one.name != "shape arithmetic" && one.name != "Conv grouped, uneven" &&
        one.name != "Slice")
      continue;
    for (std::uint32_t round = 0; round < 400; ++round) {
      std::string bad = one.model;
      for (std::uint32_t i = 0; i < 1 + round % 3; ++i) {
        const PhiloxBlock words = philox({round, i, 0, 0}, philoxKey(5));
        bad[words[0] % bad.size()] = static_cast<char>(words[1]);
      }
      const auto graph = Graph::open(folder.write("bad.onnx", bad));
      if (!graph) {
        CHECK_FALSE(graph.error().message.empty());
        continue;
      }
      const auto found = graph->run(nullptr, one.inputs);
      if (!found) CHECK_FALSE(found.error().message.empty());
    }
  }
}
