#pragma once
// ONNX models for tests, written field by field (onnx.proto), good and bad ones alike.

#include <cstring>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <vector>

#include "core/tensor/tensor.h"

namespace orrery::testing {

using Proto = protozero::pbf_writer;

// A message made by `fill(writer)`.
template <class Fill>
std::string message(const Fill& fill) {
  std::string bytes;
  Proto writer(bytes);
  fill(writer);
  return bytes;
}

inline std::string rawFloats(const std::vector<float>& values) {
  std::string bytes(values.size() * 4, '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// TensorProto: dims = 1, data_type = 2, name = 8, raw_data = 9.
inline std::string onnxTensor(const std::string& name, const std::vector<std::int64_t>& shape, const std::string& raw,
                              std::int32_t type = 1) {
  return message([&](Proto& p) {
    for (const std::int64_t e : shape) p.add_int64(1, e);
    p.add_int32(2, type);
    p.add_string(8, name);
    p.add_bytes(9, raw);
  });
}

// The same with its data in a side file: external_data = 13 (entries of key and value), data_location = 14.
inline std::string onnxSideTensor(const std::string& name, const std::vector<std::int64_t>& shape,
                                  const std::vector<std::pair<std::string, std::string>>& entries) {
  return message([&](Proto& p) {
    for (const std::int64_t e : shape) p.add_int64(1, e);
    p.add_int32(2, 1);
    p.add_string(8, name);
    for (const auto& [key, value] : entries) {
      p.add_message(13, message([&](Proto& entry) {
                      entry.add_string(1, key);
                      entry.add_string(2, value);
                    }));
    }
    p.add_int32(14, 1);
  });
}

// NodeProto: input = 1, output = 2, name = 3, op_type = 4, attribute = 5, domain = 7; `attributes` are whole AttributeProtos.
inline std::string onnxNode(const std::string& op, const std::vector<std::string>& in, const std::vector<std::string>& out,
                            const std::string& name = {}, const std::vector<std::string>& attributes = {}, const std::string& domain = {}) {
  return message([&](Proto& p) {
    for (const auto& i : in) p.add_string(1, i);
    for (const auto& o : out) p.add_string(2, o);
    if (!name.empty()) p.add_string(3, name);
    p.add_string(4, op);
    for (const auto& a : attributes) p.add_message(5, a);
    if (!domain.empty()) p.add_string(7, domain);
  });
}
inline std::string onnxInteger(const std::string& name, std::int64_t value) {
  return message([&](Proto& p) {
    p.add_string(1, name);
    p.add_int64(3, value);
    p.add_int32(20, 2);
  });
}
// Attribute "pads" of a 2-D operator: so many on every side. AttributeProto: name = 1, ints = 8, type = 20 (7: INTS).
inline std::string onnxPads(std::int64_t pad) {
  return message([&](Proto& p) {
    p.add_string(1, "pads");
    for (int i = 0; i < 4; ++i) p.add_int64(8, pad);
    p.add_int32(20, 7);
  });
}

// ValueInfoProto of a tensor: an extent below 0 is the batch, by name.
inline std::string onnxPort(const std::string& name, const std::vector<std::int64_t>& shape, std::int32_t type = 1) {
  return message([&](Proto& p) {
    p.add_string(1, name);
    p.add_message(2, message([&](Proto& kind) {
                    kind.add_message(1, message([&](Proto& tensor) {
                                       tensor.add_int32(1, type);
                                       tensor.add_message(2, message([&](Proto& extents) {
                                                            for (const std::int64_t e : shape) {
                                                              extents.add_message(1, message([&](Proto& one) {
                                                                                    if (e < 0)
                                                                                      one.add_string(2, "batch");
                                                                                    else
                                                                                      one.add_int64(1, e);
                                                                                  }));
                                                            }
                                                          }));
                                     }));
                  }));
  });
}

struct OnnxParts {
  std::vector<std::string> nodes, weights, inputs, outputs;
};
// GraphProto: node = 1, name = 2, initializer = 5, input = 11, output = 12.
inline std::string onnxGraph(const OnnxParts& parts) {
  return message([&](Proto& p) {
    for (const auto& n : parts.nodes) p.add_message(1, n);
    p.add_string(2, "g");
    for (const auto& w : parts.weights) p.add_message(5, w);
    for (const auto& i : parts.inputs) p.add_message(11, i);
    for (const auto& o : parts.outputs) p.add_message(12, o);
  });
}
// ModelProto: ir_version = 1, producer_name = 2, graph = 7, opset_import = 8, metadata_props = 14, functions = 25.
inline std::string onnxModel(const OnnxParts& parts, std::int64_t opset = 17, const std::vector<std::string>& functions = {},
                             const std::vector<std::pair<std::string, std::string>>& properties = {}) {
  return message([&](Proto& p) {
    p.add_int64(1, 8);
    p.add_string(2, "test");
    p.add_message(7, onnxGraph(parts));
    if (opset != 0) p.add_message(8, message([&](Proto& set) { set.add_int64(2, opset); }));
    for (const auto& [key, value] : properties) {
      p.add_message(14, message([&](Proto& entry) {
                      entry.add_string(1, key);
                      entry.add_string(2, value);
                    }));
    }
    for (const auto& f : functions) p.add_message(25, f);
  });
}

inline std::string onnxWholes(const std::string& name, const std::vector<std::int64_t>& values) {
  return onnxTensor(name, {static_cast<std::int64_t>(values.size())},
                    std::string(reinterpret_cast<const char*>(values.data()), 8 * values.size()), 7);
}

// A denoiser of grey pictures of side 8 that knows one picture per class, whatever x and the time: y = table[class], [classes, 64]. `label`:
// its third input, class numbers or one-hot rows [.., K].
inline std::string onnxClassPictures(const std::vector<float>& table, const std::string& x, const std::string& time, const std::string& label,
                                     const std::vector<std::pair<std::string, std::string>>& properties = {}, const char* timeName = "t",
                                     const char* labelName = "label", bool oneHot = false) {
  std::vector<std::string> nodes;
  if (oneHot) {
    nodes.push_back(onnxNode("MatMul", {labelName, "table"}, {"rows"}));
  } else {
    nodes.push_back(onnxNode("Reshape", {labelName, "flat"}, {"numbers"}));
    nodes.push_back(onnxNode("Gather", {"table", "numbers"}, {"rows"}, "lookup"));
  }
  nodes.push_back(onnxNode("Reshape", {"rows", "picture"}, {"known"}));
  nodes.push_back(onnxNode("Mul", {"x", "zero"}, {"none"}));
  nodes.push_back(onnxNode("Cast", {timeName}, {"real"}, "", {onnxInteger("to", 1)}));
  nodes.push_back(onnxNode("Reshape", {"real", "tall"}, {"times"}));
  nodes.push_back(onnxNode("Mul", {"times", "zero"}, {"never"}));
  nodes.push_back(onnxNode("Add", {"known", "none"}, {"sum"}));
  nodes.push_back(onnxNode("Add", {"sum", "never"}, {"out"}));
  return onnxModel({nodes,
                    {onnxTensor("table", {static_cast<std::int64_t>(table.size()) / 64, 64}, rawFloats(table)),
                     onnxTensor("zero", {}, rawFloats({0})), onnxWholes("flat", {-1}), onnxWholes("picture", {-1, 1, 8, 8}),
                     onnxWholes("tall", {-1, 1, 1, 1})},
                    {x, time, label},
                    {onnxPort("out", {-1, 1, 8, 8})}},
                   17, {}, properties);
}

// y = W [x, t] + b by Gemm over a Concat: the smallest denoiser of points. W [d, d + 1] row by row.
inline std::string onnxLinearDenoiser(std::int64_t d, const std::vector<float>& weights, const std::vector<float>& bias) {
  return onnxModel({{onnxNode("Concat", {"x", "t"}, {"h"}, "join", {onnxInteger("axis", 1)}),
                     onnxNode("Gemm", {"h", "w", "b"}, {"y"}, "line", {onnxInteger("transB", 1)})},
                    {onnxTensor("w", {d, d + 1}, rawFloats(weights)), onnxTensor("b", {d}, rawFloats(bias))},
                    {onnxPort("x", {-1, d}), onnxPort("t", {-1, 1})},
                    {onnxPort("y", {-1, d})}});
}

// A perceptron W2 silu(W1 [x, t]) as a graph whose time has this shape and type; `batch` -1: any.
inline std::string onnxPerceptron(const Tensor& w1, const Tensor& w2, std::vector<std::int64_t> timeShape = {-1}, std::int32_t timeType = 1,
                                  std::int64_t batch = -1, bool timeFirst = false) {
  const std::int64_t d = w2.shape()[0];
  const auto bytes = [](const Tensor& t) {
    const auto host = t.host();
    return std::string(reinterpret_cast<const char*>(host.data()), host.size());
  };
  std::vector<std::string> nodes;
  std::string time = "t";
  if (timeType != 1) nodes.push_back(onnxNode("Cast", {"t"}, {"real"}, "", {onnxInteger("to", 1)})), time = "real";
  // [B, 1] whatever came in: a column of zeros of x, and the time added to it.
  nodes.push_back(onnxNode("ReduceSum", {"x", "last"}, {"sum"}));
  nodes.push_back(onnxNode("Mul", {"sum", "zero"}, {"column"}));
  std::string column = time;
  if (timeShape.size() == 1) nodes.push_back(onnxNode("Unsqueeze", {time, "last"}, {"tall"})), column = "tall";
  nodes.push_back(onnxNode("Add", {"column", column}, {"told"}));
  nodes.push_back(onnxNode("Concat", {"x", "told"}, {"h0"}, "", {onnxInteger("axis", 1)}));
  nodes.push_back(onnxNode("Gemm", {"h0", "w1"}, {"h1"}, "", {onnxInteger("transB", 1)}));
  nodes.push_back(onnxNode("Sigmoid", {"h1"}, {"s"}));
  nodes.push_back(onnxNode("Mul", {"h1", "s"}, {"h2"}));
  nodes.push_back(onnxNode("Gemm", {"h2", "w2"}, {"y"}, "", {onnxInteger("transB", 1)}));
  const std::int64_t one = 1;
  std::vector<std::string> inputs{onnxPort("x", {batch, d}), onnxPort("t", std::move(timeShape), timeType)};
  if (timeFirst) std::swap(inputs[0], inputs[1]);
  return onnxModel(
      {nodes,
       {onnxTensor("w1", w1.shape().extents(), bytes(w1)), onnxTensor("w2", w2.shape().extents(), bytes(w2)),
        onnxTensor("zero", {}, rawFloats({0})), onnxTensor("last", {1}, std::string(reinterpret_cast<const char*>(&one), 8), 7)},
       inputs,
       {onnxPort("y", {batch, d})}});
}

}  // namespace orrery::testing
