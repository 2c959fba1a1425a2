#pragma once
// A differentiable operation declares here how its gradient is checked: the tape's gradients by every input against central differences of
// a double-precision reference (tests/nn/gradient_test.cpp walks them all).

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/registry.h"
#include "core/nn/tape.h"

namespace orrery::nn {

struct GradientCase {
  struct Input {
    Shape shape;
    double low = -1, high = 1;  // where test values lie; away from kinks and poles
  };
  std::string name;  // "add [3, 1, 5] with [7, 1]"
  std::vector<Input> inputs;
  std::function<Variable(std::span<const Variable>)> apply;
  // The same function of the inputs' values, flattened, in double precision.
  std::function<std::vector<double>(std::span<const std::vector<double>>)> reference;
  double tolerance = 1e-4;  // of the largest gradient: central differences lose h^2 and round-off / h, the device a few ulp
};

// A family of operations: one registration per .cpp.
struct Differentiable {
  std::string_view id;  // "arithmetic"
  std::vector<GradientCase> (*cases)();
};

}  // namespace orrery::nn
