#pragma once
// What flows along the edges of an ONNX graph: real numbers, whole numbers or truth values, on the host in double precision, on the device
// in f32, or both. Whole numbers and truth values are always on the host: they are shapes, indices and switches.

#include <cstdint>
#include <memory>
#include <vector>

#include "core/tensor/tensor.h"

namespace orrery::models::onnx {

enum class Kind { real, integer, boolean };

struct Value {
  Shape shape;
  Kind kind = Kind::real;
  std::shared_ptr<const std::vector<double>> host;  // row-major; null: only the device has it
  Tensor device;                                    // f32 of this shape; without elements where only the host has it

  Value() = default;
  Value(Shape s, std::vector<double> values, Kind k = Kind::real)
      : shape(std::move(s)), kind(k), host(std::make_shared<const std::vector<double>>(std::move(values))) {}
  explicit Value(Tensor tensor) : shape(tensor.shape()), device(std::move(tensor)) {}

  std::int64_t count() const { return shape.count(); }
  bool onlyOnDevice() const { return host == nullptr; }
};

}  // namespace orrery::models::onnx
