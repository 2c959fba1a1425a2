// Every differentiable operation's gradients, from the tape, against central differences of its double-precision reference.

#include <algorithm>
#include <cmath>

#include "core/kernels/check_support.h"
#include "core/nn/gradient_case.h"
#include "core/nn/operations.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::nn;

namespace {

// L = sum_i weight_i f(x)_i with fixed weights: one number whose derivatives see every element of f.
double lossOf(const GradientCase& c, const std::vector<std::vector<double>>& inputs, const std::vector<float>& weights) {
  const auto f = c.reference(inputs);
  double sum = 0;
  for (std::size_t i = 0; i < f.size(); ++i) sum += static_cast<double>(weights[i]) * f[i];
  return sum;
}

}  // namespace

TEST_CASE("every operation's gradient agrees with central differences of its reference") {
  gpu::Stream stream = orrery::testing::openStream();
  std::size_t checked = 0;
  for (const Differentiable& family : registered<Differentiable>()) {
    for (const GradientCase& c : family.cases()) {
      INFO(family.id << ": " << c.name);
      Tape tape(stream);
      std::vector<Variable> leaves;
      std::vector<std::vector<double>> values;
      for (std::size_t k = 0; k < c.inputs.size(); ++k) {
        const auto& in = c.inputs[k];
        const auto floats = kernels::testFloats(in.shape.count(), static_cast<std::uint32_t>(70 + k), in.low, in.high);
        leaves.push_back(tape.leaf(Tensor::from(in.shape, floats)));
        values.emplace_back(floats.begin(), floats.end());
      }
      const Variable y = c.apply(leaves);
      const auto weights = kernels::testFloats(y.value().count(), 79, -1, 1);

      // The values first.
      const auto expected = c.reference(values);
      REQUIRE(static_cast<std::int64_t>(expected.size()) == y.value().count());
      CHECK(compare(y.value(), expected).worst < 1e-5);
      // Where nothing is learnt an operation may take another way to them.
      {
        Tape still(stream);
        std::vector<Variable> constants;
        for (const Variable& leaf : leaves) constants.push_back(still.constant(leaf.value()));
        CHECK(compare(c.apply(constants).value(), expected).worst < 1e-5);
      }

      tape.backward(y, Tensor::from(y.shape(), weights));
      for (std::size_t k = 0; k < leaves.size(); ++k) {
        const auto found = tape.gradient(leaves[k]).toFloats();
        std::vector<double> difference;
        double largest = 0;
        for (double& x : values[k]) {
          // The third derivative times h^2 / 6 is about 1e-9, round-off 1e-16 / h about 1e-11: both far below the tolerance.
          const double h = 1e-5 * std::max(1.0, std::abs(x)), before = x;
          x = before + h;
          const double above = lossOf(c, values, weights);
          x = before - h;
          const double below = lossOf(c, values, weights);
          x = before;
          difference.push_back((above - below) / (2 * h));
          largest = std::max(largest, std::abs(difference.back()));
        }
        double worst = 0;
        for (std::size_t i = 0; i < found.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(found[i]) - difference[i]));
        INFO("input " << k << ", largest gradient " << largest << ", worst difference " << worst);
        CHECK(worst <= c.tolerance * std::max(largest, 1e-3));
        ++checked;
      }
    }
  }
  CHECK(checked > 80);
}

TEST_CASE("the tape: constants get no gradient, unreached leaves get zeros, seeds must fit") {
  gpu::Stream stream = orrery::testing::openStream();
  Tape tape(stream);
  const Variable a = tape.leaf(Tensor::from(Shape{2}, {1, 2})), unused = tape.leaf(Tensor::from(Shape{3}, {1, 2, 3}));
  const Variable c = tape.constant(Tensor::from(Shape{2}, {3, 4}));
  const Variable y = mul(a, c);
  CHECK(y.needsGradient());
  CHECK_FALSE(mul(c, c).needsGradient());
  CHECK_THROWS_AS(tape.backward(y), std::invalid_argument);
  CHECK_THROWS_AS(tape.backward(y, Tensor::from(Shape{3}, {1, 1, 1})), std::invalid_argument);
  tape.backward(sum(y));
  CHECK(tape.gradient(a).toFloats() == std::vector<float>{3, 4});
  CHECK(tape.gradient(unused).toFloats() == std::vector<float>{0, 0, 0});
  CHECK(tape.gradient(c).toFloats() == std::vector<float>{0, 0});
  // A second call starts anew.
  tape.backward(sum(y));
  CHECK(tape.gradient(a).toFloats() == std::vector<float>{3, 4});
}
