#pragma once
// TensorProto of ONNX: its header without its data, and its values. For core/modelfile only.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/modelfile/onnx.h"

namespace orrery::modelfile {

using OpenSide = std::function<Expected<std::shared_ptr<const BoundedReader>>(const std::string& location)>;

float floatAt(const char* bytes);  // little-endian

// Shape, type and where the data lie, checked against each other. What is wrong with this tensor alone is its `problem` (E-OX-06 ... 10,
// 12, 17); a damaged message throws BrokenWire.
OnnxTensor readTensorHeader(ProtoFile& file, ByteRange message, const OpenSide& side);
// What is ignored of it: keys of its external data that are unknown or there twice (E-OX-11).
std::vector<std::string> tensorNotes(ProtoFile& file, ByteRange message);

Expected<std::vector<double>> readTensorValues(const BoundedReader& file, const OnnxTensor& tensor);

}  // namespace orrery::modelfile
