// Jacobian-vector products of every differentiable operation against differences of its reference along the direction.

#include "core/nn/jvp.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/fill.h"
#include "core/nn/gradient_case.h"
#include "core/nn/layers.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::nn;

TEST_CASE("every operation's Jacobian-vector product agrees with a difference of its reference along the direction") {
  gpu::Stream stream = orrery::testing::openStream();
  std::size_t checked = 0;
  for (const Differentiable& family : registered<Differentiable>()) {
    for (const GradientCase& c : family.cases()) {
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
      // Every input alone, then all together.
      for (std::size_t which = 0; which <= leaves.size(); ++which) {
        if (which == leaves.size() && leaves.size() == 1) break;
        INFO(family.id << ": " << c.name << (which < leaves.size() ? ", input " + std::to_string(which) : ", all inputs"));
        std::vector<Variable> moving;
        std::vector<Tensor> tangents;
        auto above = values, below = values;
        // The third derivative times h^2 / 6 is about 1e-9, round-off 1e-16 / h about 1e-11: both far below the tolerance.
        constexpr double h = 1e-5;
        for (std::size_t k = 0; k < leaves.size(); ++k) {
          if (which < leaves.size() && which != k) continue;
          const auto direction = kernels::testFloats(leaves[k].value().count(), static_cast<std::uint32_t>(80 + k), -1, 1);
          moving.push_back(leaves[k]);
          tangents.push_back(Tensor::from(leaves[k].shape(), direction));
          for (std::size_t i = 0; i < direction.size(); ++i) {
            above[k][i] += h * static_cast<double>(direction[i]);
            below[k][i] -= h * static_cast<double>(direction[i]);
          }
        }
        const Tensor tangent = tape.jvp(y, moving, tangents);
        REQUIRE(tangent.shape() == y.shape());
        const auto found = tangent.toFloats();
        const auto up = c.reference(above), down = c.reference(below);
        double worst = 0, largest = 0;
        for (std::size_t i = 0; i < found.size(); ++i) {
          const double expected = (up[i] - down[i]) / (2 * h);
          largest = std::max(largest, std::abs(expected));
          const double difference = std::abs(static_cast<double>(found[i]) - expected);
          worst = difference <= worst ? worst : difference;
        }
        INFO("largest " << largest << ", worst difference " << worst);
        CHECK(worst <= c.tolerance * std::max(largest, 1e-3));
        ++checked;
      }
    }
  }
  CHECK(checked > 200);
}

TEST_CASE("a network's forward and backward derivatives are each other's transpose") {
  gpu::Stream stream = orrery::testing::openStream();
  const Mlp mlp{{3, 17, 9, 5}, kernels::Unary::gelu};
  Initializer draw(stream, 3);
  std::vector<Tensor> inputs, directions;
  for (const NamedTensor& weight : mlp.initial(draw)) inputs.push_back(weight.value);
  inputs.push_back(Tensor::from(Shape{7, 3}, kernels::testFloats(21, 1, -1, 1)));
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    directions.push_back(
        Tensor::from(inputs[k].shape(), kernels::testFloats(inputs[k].count(), static_cast<std::uint32_t>(20 + k), -1, 1)));
  }
  Tape tape(stream);
  std::vector<Variable> leaves;
  for (const Tensor& input : inputs) leaves.push_back(tape.leaf(input));
  const Variable y = mlp.forward(std::span(leaves).first(leaves.size() - 1), leaves.back());
  const auto weights = kernels::testFloats(y.value().count(), 40, -1, 1);
  const auto dot = [](const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
  };
  // w . (J v) = (J^T w) . v.
  const double forward = dot(tape.jvp(y, leaves, directions).toFloats(), weights);
  tape.backward(y, Tensor::from(y.shape(), weights));
  double backward = 0;
  for (std::size_t k = 0; k < leaves.size(); ++k) backward += dot(tape.gradient(leaves[k]).toFloats(), directions[k].toFloats());
  CHECK(std::abs(forward) > 0.1);
  // Some thousand products of f32, with signs mixed.
  CHECK(forward == Approx(backward).epsilon(1e-4));

  const Jvp whole = jvp(
      stream, [&](Tape&, std::span<const Variable> in) { return mlp.forward(in.first(in.size() - 1), in.back()); }, inputs, directions);
  CHECK(whole.value.toFloats() == y.value().toFloats());
  CHECK(dot(whole.tangent.toFloats(), weights) == Approx(forward));
}

TEST_CASE("jvp: a leaf twice adds, what is not reached gives zeros, what cannot be is said") {
  gpu::Stream stream = orrery::testing::openStream();
  Tape tape(stream);
  const Variable a = tape.leaf(Tensor::from(Shape{2}, {1, 2})), b = tape.leaf(Tensor::from(Shape{2}, {3, 4}));
  const Tensor one = Tensor::from(Shape{2}, {1, 1}), two = Tensor::from(Shape{2}, {2, -2});
  const Variable y = mul(a, a);
  const auto along = [&](const Variable& of, std::vector<Variable> leaves, std::vector<Tensor> tangents) {
    return tape.jvp(of, leaves, tangents).toFloats();
  };
  CHECK(along(y, {a}, {one}) == std::vector<float>{2, 4});
  CHECK(along(y, {a, a}, {one, two}) == std::vector<float>{6, -4});
  CHECK(along(y, {b}, {one}) == std::vector<float>{0, 0});
  CHECK(along(a, {a}, {two}) == std::vector<float>{2, -2});
  CHECK(along(mul(a, b), {b}, {two}) == std::vector<float>{2, -4});
  CHECK_THROWS_AS(along(y, {a}, {}), std::invalid_argument);
  CHECK_THROWS_AS(along(y, {a}, {Tensor::from(Shape{1}, {1})}), std::invalid_argument);
  CHECK_THROWS_AS(along(mul(y, b), {y}, {one}), std::invalid_argument);
  CHECK_THROWS_AS(along(mul(tape.constant(one), b), {tape.constant(one)}, {one}), std::invalid_argument);

  // An operation that was recorded with a gradient only: in the way it is an error, beside it is not.
  const Variable odd = tape.record(y.value(), {y}, [](gpu::Stream&, const Tensor& g) { return std::vector<Tensor>{g}; });
  CHECK_THROWS_WITH(along(add(odd, b), {a}, {one}), "jvp: the operation that made a [2] has no forward derivative");
  CHECK(along(add(odd, b), {b}, {two}) == std::vector<float>{2, -2});
  CHECK(along(add(y, b), {a}, {one}) == std::vector<float>{2, 4});
}
