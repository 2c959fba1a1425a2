#pragma once
// The ONNX format (https://onnx.ai/onnx/repo-docs/IR.html; field numbers of onnx.proto): a graph of named operations with its weights,
// inside the file or in files beside it. Opening reads the graph and where the weights lie; values are read when asked for. Nothing is run
// here: core/models/onnx does that. Wire: proto_walk.h; side files: side_file.h.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/modelfile/bounded_reader.h"
#include "core/modelfile/element_type.h"
#include "core/modelfile/proto_walk.h"

namespace orrery::modelfile {

// A weight, or the value of an attribute.
struct OnnxTensor {
  std::string name;
  std::int64_t type = 0;  // TensorProto.DataType: 1 float, 7 int64, 9 bool, 10 float16, 11 double, 16 bfloat16 ...
  std::vector<std::int64_t> shape;
  std::uint64_t count = 0;       // of elements
  std::uint64_t bytes = 0;       // as stored, 0 where only the values say
  std::optional<Error> problem;  // why its values cannot be read
  ByteRange message;             // of its TensorProto
  std::optional<ByteRange> raw;  // raw_data, in the file or in `side`
  std::shared_ptr<const BoundedReader> side;
  // Of a sparse tensor: its entries and where they are, [n] or [n, rank].
  std::shared_ptr<const OnnxTensor> entries, indices;
};

struct OnnxAttribute {
  std::string name;
  std::int64_t type = 0;  // AttributeProto.AttributeType
  double real = 0;
  std::int64_t integer = 0;
  std::string text;
  std::vector<double> reals;
  std::vector<std::int64_t> integers;
  std::vector<std::string> texts;
  std::shared_ptr<const OnnxTensor> tensor;
  bool graphs = false;  // it holds graphs: a branch or a loop's body
};

struct OnnxNode {
  std::string name, op, domain;              // domain "": ONNX's own operators
  std::vector<std::string> inputs, outputs;  // "": an optional one that is left out
  std::vector<OnnxAttribute> attributes;

  const OnnxAttribute* attribute(std::string_view id) const;
  std::string shownName() const;  // "Gemm 'net.0'", or "Gemm that makes 'y'" where it has no name
};

// What goes into the graph or comes out of it. An extent that is not stated is -1, with its name in `extents`.
struct OnnxPort {
  std::string name;
  std::int64_t type = 0;
  bool tensor = true, ranked = true;  // whether it is a tensor, and its rank stated
  std::vector<std::int64_t> shape;
  std::vector<std::string> extents;
};

struct OnnxModel {
  std::string path, producer, graph;
  std::int64_t irVersion = 0;
  std::map<std::string, std::int64_t> opsets;  // by domain
  std::vector<OnnxNode> nodes;                 // in an order in which all inputs are made before they are used
  std::vector<OnnxTensor> weights;
  std::vector<OnnxPort> inputs, outputs;  // inputs that are no weights
  std::vector<std::string> functions;     // "domain.name" of operators that the model brings itself
  std::vector<std::string> notes;
  std::map<std::string, std::string> metadata;  // metadata_props, as the exporter wrote them

  // Error: not ONNX, damaged, truncated, a name made twice or never, a cycle; says where and what. A weight that cannot be read is no error
  // here, see OnnxTensor::problem.
  static Expected<OnnxModel> open(const std::string& path);

  // The values of a tensor of this model, row-major; integers beyond 2^53 are rounded. Error: its problem, or the file changed.
  Expected<std::vector<double>> values(const OnnxTensor& tensor) const;

 private:
  friend class OnnxReader;
  std::shared_ptr<const BoundedReader> file_;
};

// "f32", "i64", ... or "type 999".
std::string onnxTypeName(std::int64_t type);
// The element type in which raw data of this type are stored; none for strings, complex numbers and what is unknown.
std::optional<ElementType> onnxElementType(std::int64_t type);

}  // namespace orrery::modelfile
