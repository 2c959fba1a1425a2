#pragma once
// Values in double precision: what the C++ references of differentiable kernels take and give, so that a gradient can be compared with
// central differences of the very function it belongs to.

#include <vector>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct Doubles {
  Shape shape;
  std::vector<double> values;

  Doubles() = default;
  explicit Doubles(Shape s) : shape(std::move(s)), values(static_cast<std::size_t>(shape.count()), 0.0) {}
  Doubles(Shape s, std::vector<double> v) : shape(std::move(s)), values(std::move(v)) {}
  explicit Doubles(const Tensor& tensor) : shape(tensor.shape()) {
    for (const float value : tensor.as<float>()) values.push_back(static_cast<double>(value));
  }
  bool empty() const { return values.empty(); }
  double& operator[](std::int64_t i) { return values[static_cast<std::size_t>(i)]; }
  double operator[](std::int64_t i) const { return values[static_cast<std::size_t>(i)]; }
};

}  // namespace orrery::kernels
