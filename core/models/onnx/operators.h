#pragma once
// The registry of ONNX operators (https://onnx.ai/onnx/operators): each adds itself with one static Registration<Operator> in
// operators_*.cpp, and no list is edited. An operator is written once, of Arithmetic's operations, and so runs on the host and on the
// device.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/registry.h"
#include "core/modelfile/onnx.h"
#include "core/models/onnx/arithmetic.h"

namespace orrery::models::onnx {

// One node with its operands. What does not fit is thrown as std::invalid_argument and gets the node's name from the graph.
class Call {
 public:
  Call(const Arithmetic& with, const modelfile::OnnxNode& node, const std::map<std::string, Value>& tensors, std::int64_t version,
       std::vector<const Value*> inputs)
      : math(with), opset(version), outputs(node.outputs.size()), node_(node), tensors_(tensors), inputs_(std::move(inputs)) {}

  const Arithmetic& math;
  const std::int64_t opset;   // version of the operators of the node's domain
  const std::size_t outputs;  // how many the node asks for

  std::size_t inputs() const { return inputs_.size(); }
  const Value& input(std::size_t i) const;  // throws when it is left out
  const Value* optional(std::size_t i) const { return i < inputs_.size() ? inputs_[i] : nullptr; }

  bool has(std::string_view attribute) const { return node_.attribute(attribute) != nullptr; }
  double real(std::string_view attribute, double otherwise) const;
  std::int64_t integer(std::string_view attribute, std::int64_t otherwise) const;
  std::string text(std::string_view attribute, std::string_view otherwise) const;
  std::vector<std::int64_t> integers(std::string_view attribute) const;  // empty when it is not there
  std::vector<double> reals(std::string_view attribute) const;
  const Value* tensor(std::string_view attribute) const;
  // Axes, sizes and the like, which older versions keep in an attribute and newer ones in an input. Empty when in neither.
  std::vector<std::int64_t> listed(std::string_view attribute, std::size_t input) const;

 private:
  const modelfile::OnnxNode& node_;
  const std::map<std::string, Value>& tensors_;
  std::vector<const Value*> inputs_;
};

struct Operator {
  std::string_view id;  // "Gemm"; of another domain "com.microsoft.Gelu"
  std::vector<Value> (*run)(const Call& call);
};

// The operator of a node, or null.
const Operator* operatorOf(const modelfile::OnnxNode& node);

}  // namespace orrery::models::onnx
