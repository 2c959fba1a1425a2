// Continuous flows: a linear field is a matrix exponential, the volume is the Jacobian's, estimates are unbiased, the ways are undone.

#include <algorithm>
#include <cmath>

#include "core/base/philox.h"
#include "core/models/flows.h"
#include "core/nn/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::models::flows;
using orrery::testing::openStream;

namespace {

double noise(std::size_t i, std::uint32_t stream) {
  const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), 0, stream, 0}, philoxKey(11));
  return 2 * static_cast<double>(philoxUniform(words[0])) - 1;
}

std::vector<float> noises(std::int64_t n, std::uint32_t stream, double size) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < n; ++i) values.push_back(static_cast<float>(size * noise(static_cast<std::size_t>(i), stream)));
  return values;
}

// A flow of `stretches` layers that share their weights.
Flow flowOf(ContinuousOptions options, std::int64_t stretches) {
  std::vector<LayerPtr> layers;
  for (std::int64_t i = 0; i < stretches; ++i) {
    options.from = static_cast<double>(i) / static_cast<double>(stretches);
    options.to = static_cast<double>(i + 1) / static_cast<double>(stretches);
    options.sharesWeights = i > 0;
    layers.push_back(continuous(options));
  }
  return Flow(options.dimensions, std::move(layers));
}

nn::Weights randomWeights(gpu::Stream& stream, const Flow& flow, double size) {
  nn::Initializer draw(stream, 3);
  nn::Weights weights = flow.initial(draw);
  std::uint32_t number = 0;
  for (nn::NamedTensor& w : weights) w.value = Tensor::from(w.value.shape(), noises(w.value.count(), 100 + number++, size));
  return weights;
}

}  // namespace

TEST_CASE("continuous flows: a linear field moves points by the matrix exponential, and its volume is the trace") {
  // normalizing-flow, must hold 2. A = [[a, -w], [w, a]] turns by w and stretches by e^a: exp(A) = e^a [[cos w, -sin w], [sin w, cos w]].
  constexpr double a = 0.4, w = 1.1;
  gpu::Stream stream = openStream();
  for (const Solver solver : {Solver::euler, Solver::midpoint, Solver::rk4}) {
    ContinuousOptions options;
    options.depth = 0, options.solver = solver, options.steps = 16;
    const Flow flow = flowOf(options, 4);
    nn::Initializer draw(stream, 3);
    nn::Weights weights = flow.initial(draw);
    REQUIRE(weights.size() == 2);
    weights[0].value = Tensor::from(Shape{2, 3}, std::vector<float>{float(a), float(-w), 0, float(w), float(a), 0});
    std::vector<double> x{0.7, -0.3};
    const double logDet = flow.forward(toHost(weights), x);
    const double grow = std::exp(a);
    const double wanted[2] = {grow * (0.7 * std::cos(w) + 0.3 * std::sin(w)), grow * (0.7 * std::sin(w) - 0.3 * std::cos(w))};
    // 64 steps of order p: |A|^(p + 1) / (p + 1)! / 64^p is 1e-2, 6e-5 and 8e-10, times the growth and the step's count of them.
    const double tolerance = solver == Solver::euler ? 3e-2 : solver == Solver::midpoint ? 2e-4 : 1e-7;
    for (std::size_t i = 0; i < 2; ++i) CHECK(std::abs(x[i] - wanted[i]) < tolerance);
    CHECK(logDet == Approx(2 * a).margin(1e-6));  // the weights are f32
    // And on the device, exact and estimated: a linear field's trace is the same everywhere, but the estimate sees the off-diagonal pair,
    // which cancels here.
    nn::Tape tape(stream);
    const auto constants = nn::constants(tape, weights);
    const nn::Variable rows = tape.constant(Tensor::from(Shape{1, 2}, std::vector<float>{0.7f, -0.3f}));
    for (const bool estimated : {false, true}) {
      const nn::Variable probe = estimated ? tape.constant(Tensor::from(Shape{1, 2}, std::vector<float>{1, -1})) : nn::Variable();
      const Mapped mapped = flow.forward(constants, rows, nullptr, probe);
      const auto y = mapped.y.value().toFloats();
      for (std::size_t i = 0; i < 2; ++i) CHECK(static_cast<double>(y[i]) == Approx(x[i]).margin(1e-5));
      CHECK(static_cast<double>(mapped.logDet.value().toFloats()[0]) == Approx(2 * a).margin(1e-5));
    }
  }
}

TEST_CASE("continuous flows: the volume is the Jacobian's of the map, on host and device, while it learns and while it does not") {
  gpu::Stream stream = openStream();
  for (const int depth : {1, 2}) {
    ContinuousOptions options;
    options.depth = depth, options.width = 9, options.steps = 4;
    const Flow flow = flowOf(options, 3);
    const nn::Weights weights = randomWeights(stream, flow, 0.8);
    REQUIRE(weights.size() == static_cast<std::size_t>(2 * depth + 2));  // one field for all stretches
    const HostWeights host = toHost(weights);
    constexpr std::int64_t n = 33;
    const auto rows = noises(2 * n, 7, 1.5);

    nn::Tape tape(stream);
    std::vector<nn::Variable> leaves;
    for (const auto& w : weights) leaves.push_back(tape.leaf(w.value));
    const auto constants = nn::constants(tape, weights);
    const nn::Variable x = tape.constant(Tensor::from(Shape{n, 2}, rows));
    const Mapped learning = flow.forward(leaves, x), still = flow.forward(constants, x);
    const auto y = learning.y.value().toFloats(), logDet = learning.logDet.value().toFloats();
    CHECK(y == still.y.value().toFloats());
    CHECK(logDet == still.logDet.value().toFloats());
    CHECK(learning.energy.value().toFloats() == still.energy.value().toFloats());
    const auto back = flow.inverse(constants, still.y).value().toFloats();
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<double> z{static_cast<double>(rows[2 * i]), static_cast<double>(rows[2 * i + 1])};
      const std::vector<double> start = z;
      const auto jacobian = flow.jacobian(host, z, flow.layers());
      const double determinant = jacobian[0] * jacobian[3] - jacobian[1] * jacobian[2];
      const double told = flow.forward(host, z);
      // must hold 3, class B: 12 steps of RK4 integrate map and trace to about 1e-6 each.
      CHECK(told == Approx(std::log(determinant)).margin(2e-5));
      for (std::size_t k = 0; k < 2; ++k) CHECK(static_cast<double>(y[2 * i + k]) == Approx(z[k]).margin(1e-5));
      CHECK(static_cast<double>(logDet[i]) == Approx(told).margin(1e-5));
      for (std::size_t k = 0; k < 2; ++k) CHECK(static_cast<double>(back[2 * i + k]) == Approx(start[k]).margin(2e-5));
      flow.inverse(host, z, 0, flow.layers());
      for (std::size_t k = 0; k < 2; ++k) CHECK(z[k] == Approx(start[k]).margin(2e-5));
    }
  }
}

TEST_CASE("continuous flows: the mean of Hutchinson's estimates over all probes is the trace") {
  gpu::Stream stream = openStream();
  ContinuousOptions options;
  options.width = 8;
  const Flow flow = flowOf(options, 2);
  const nn::Weights weights = randomWeights(stream, flow, 0.9);
  nn::Tape tape(stream);
  const auto constants = nn::constants(tape, weights);
  constexpr std::int64_t n = 17;
  const nn::Variable x = tape.constant(Tensor::from(Shape{n, 2}, noises(2 * n, 9, 1.5)));
  const auto exact = flow.forward(constants, x).logDet.value().toFloats();
  std::vector<double> mean(n, 0.0);
  double spread = 0;
  for (const float second : {1.0f, -1.0f}) {
    std::vector<float> signs;
    for (std::int64_t i = 0; i < n; ++i) signs.insert(signs.end(), {1.0f, second});
    const auto one = flow.forward(constants, x, nullptr, tape.constant(Tensor::from(Shape{n, 2}, signs))).logDet.value().toFloats();
    for (std::size_t i = 0; i < n; ++i) {
      mean[i] += 0.5 * static_cast<double>(one[i]);
      spread = std::max(spread, std::abs(static_cast<double>(one[i] - exact[i])));
    }
  }
  // The trace is linear in the probe's products, and the four sign pairs of the plane have two of them: exact but for rounding.
  for (std::size_t i = 0; i < n; ++i) CHECK(mean[i] == Approx(static_cast<double>(exact[i])).margin(1e-5));
  CHECK(spread > 1e-2);  // while one estimate is off
}

TEST_CASE("continuous flows: the energy of a constant velocity is its square, and gradients are those of differences") {
  gpu::Stream stream = openStream();
  ContinuousOptions options;
  options.width = 5;
  const Flow flow = flowOf(options, 2);
  {
    nn::Initializer draw(stream, 3);
    nn::Weights weights = flow.initial(draw);
    weights.back().value = Tensor::from(Shape{2}, std::vector<float>{3, -4});  // the last layer's weights are 0
    nn::Tape tape(stream);
    const Mapped mapped =
        flow.forward(nn::constants(tape, weights), tape.constant(Tensor::from(Shape{2, 2}, std::vector<float>{0, 0, 1, 2})));
    for (const float e : mapped.energy.value().toFloats()) CHECK(static_cast<double>(e) == Approx(25).epsilon(1e-5));
    for (const float d : mapped.logDet.value().toFloats()) CHECK(d == 0);
  }
  // Of ln p plus the energy, by every weight along one random direction.
  const nn::Weights weights = randomWeights(stream, flow, 0.6);
  const auto rows = noises(2 * 6, 13, 1.2);
  const auto loss = [&](const nn::Weights& at, std::vector<Tensor>* gradients) {
    nn::Tape tape(stream);
    std::vector<nn::Variable> leaves;
    for (const auto& w : at) leaves.push_back(tape.leaf(w.value));
    const Mapped mapped = flow.forward(leaves, tape.constant(Tensor::from(Shape{6, 2}, rows)));
    const nn::Variable total = nn::add(nn::mean(nn::add(logPrior(Prior::normal, mapped.y), mapped.logDet)), nn::mean(mapped.energy));
    if (gradients != nullptr) {
      tape.backward(total);
      for (const auto& leaf : leaves) gradients->push_back(tape.gradient(leaf));
    }
    return static_cast<double>(total.value().toFloats()[0]);
  };
  std::vector<Tensor> gradients;
  loss(weights, &gradients);
  double along = 0;
  nn::Weights up = weights, down = weights;
  constexpr double h = 1e-2;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto direction = noises(weights[i].value.count(), static_cast<std::uint32_t>(300 + i), 1), g = gradients[i].toFloats();
    auto higher = weights[i].value.toFloats(), lower = higher;
    for (std::size_t k = 0; k < g.size(); ++k) {
      along += static_cast<double>(g[k]) * static_cast<double>(direction[k]);
      higher[k] += static_cast<float>(h) * direction[k], lower[k] -= static_cast<float>(h) * direction[k];
    }
    up[i].value = Tensor::from(weights[i].value.shape(), higher), down[i].value = Tensor::from(weights[i].value.shape(), lower);
  }
  // Central differences in f32: rounding 1e-6 / h and curvature h^2, both about 1e-4 of values of some units.
  CHECK(along == Approx((loss(up, nullptr) - loss(down, nullptr)) / (2 * h)).epsilon(5e-3));
}

TEST_CASE("continuous flows: solved to a tolerance, the error follows it, and the calls are counted") {
  // A as above: exp(A) = e^a [[cos w, -sin w], [sin w, cos w]], ln |det| = 2 a.
  constexpr double a = 0.4, w = 2.2;
  gpu::Stream stream = openStream();
  ContinuousOptions options;
  options.depth = 0, options.adaptive = std::make_shared<Adaptive>();
  const Flow flow = flowOf(options, 2);
  const nn::Weights weights{{"layers.0.0.weight", Tensor::from(Shape{2, 3}, {float(a), float(-w), 0, float(w), float(a), 0})},
                            {"layers.0.0.bias", Tensor::from(Shape{2}, std::vector<float>{0, 0})}};
  const auto rows = noises(64 * 2, 9, 2);
  std::int64_t fewer = 0;
  for (const double tolerance : {1e-2, 1e-4, 1e-6}) {
    INFO(tolerance);
    options.adaptive->tolerance = tolerance, options.adaptive->evaluations = 0;
    nn::Tape tape(stream);
    const auto constants = nn::constants(tape, weights);
    const Mapped mapped = flow.forward(constants, tape.constant(Tensor::from(Shape{64, 2}, rows)));
    const std::int64_t calls = options.adaptive->evaluations;
    CHECK(calls > fewer);
    CHECK((calls - 2) % 6 == 0);  // per stretch one, and six for every step that was tried
    fewer = calls;
    const auto y = mapped.y.value().toFloats(), logDet = mapped.logDet.value().toFloats();
    const auto back = flow.inverse(constants, mapped.y).value().toFloats();
    // A step may err by the tolerance times 1 + |y|, about 5; a few steps add up. f32 has 1e-6 of its own at that size.
    const double margin = 20 * tolerance + 2e-6;
    const HostWeights host = toHost(weights);
    for (std::size_t i = 0; i < rows.size(); i += 2) {
      const double x0 = static_cast<double>(rows[i]), x1 = static_cast<double>(rows[i + 1]);
      CHECK(static_cast<double>(y[i]) == Approx(std::exp(a) * (std::cos(w) * x0 - std::sin(w) * x1)).margin(margin));
      CHECK(static_cast<double>(y[i + 1]) == Approx(std::exp(a) * (std::sin(w) * x0 + std::cos(w) * x1)).margin(margin));
      CHECK(static_cast<double>(logDet[i / 2]) == Approx(2 * a).margin(2e-6));
      CHECK(static_cast<double>(back[i]) == Approx(x0).margin(2 * margin));
      std::vector<double> point{x0, x1};
      CHECK(flow.forward(host, point) == Approx(2 * a).margin(1e-6));
      CHECK(point[0] == Approx(std::exp(a) * (std::cos(w) * x0 - std::sin(w) * x1)).margin(margin));
    }
  }
  // Where weights learn the layer's own steps are taken: gradients pass through them.
  nn::Tape tape(stream);
  std::vector<nn::Variable> leaves;
  for (const auto& one : weights) leaves.push_back(tape.leaf(one.value));
  options.adaptive->evaluations = 0;
  flow.forward(leaves, tape.constant(Tensor::from(Shape{64, 2}, rows)));
  CHECK(options.adaptive->evaluations == 0);
}
