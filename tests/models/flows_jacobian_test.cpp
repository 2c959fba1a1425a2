// What a layer says of volumes against the Jacobian that the tape has of the same layer on the device, and where a layer nearly folds.

#include <cmath>

#include "core/models/flows.h"
#include "tests/support/flow_oracle.h"

using namespace orrery;
using namespace orrery::models::flows;
using orrery::testing::deviceJacobians;
using orrery::testing::logDeterminant;
using orrery::testing::openStream;
using orrery::testing::randomRows;
using orrery::testing::randomWeights;

namespace {

std::vector<float> logDets(gpu::Stream& stream, const Flow& flow, const nn::Weights& weights, const std::vector<float>& rows) {
  nn::Tape tape(stream);
  const std::int64_t d = flow.dimensions();
  const nn::Variable x = tape.constant(Tensor::from(Shape{static_cast<std::int64_t>(rows.size()) / d, d}, rows));
  return flow.forward(nn::constants(tape, weights), x).logDet.value().toFloats();
}

// The layer's ln |det| of 48 rows, f32, against the tape's Jacobian of the same rows; both have `margin` of rounding.
void compareWithTape(const Flow& flow, double weightSize, double margin) {
  gpu::Stream stream = openStream();
  const nn::Weights weights = randomWeights(stream, flow, weightSize);
  const auto rows = randomRows(48, flow.dimensions());
  const auto said = logDets(stream, flow, weights, rows);
  const auto jacobians = deviceJacobians(stream, flow, weights, rows);
  double spread = 0;
  for (std::size_t row = 0; row < jacobians.size(); ++row) {
    const auto [logDet, sign] = logDeterminant(jacobians[row], static_cast<std::size_t>(flow.dimensions()));
    CHECK(sign == 1);
    CHECK(static_cast<double>(said[row]) == Approx(logDet).margin(margin));
    spread = std::max(spread, std::abs(logDet));
  }
  CHECK(spread > 0.1);  // volumes do change
}

nn::Weights ridge(double w, double u) {
  const auto pair = [](double v) { return Tensor::from(Shape{2}, {static_cast<float>(v), static_cast<float>(v)}); };
  return {{"layers.0.w", pair(w)}, {"layers.0.u", pair(u)}, {"layers.0.b", Tensor::from(Shape{1}, std::vector<float>{0})}};
}

}  // namespace

TEST_CASE("flow volumes: planar, radial and continuous layers stretch by the determinant of the tape's Jacobian") {
  // A few ulp of elements of some units, through an elimination of 2 x 2 or 5 x 5.
  for (const std::int64_t d : {2, 5}) {
    INFO(d << " dimensions");
    compareWithTape(Flow(d, {planar(d)}), 1, 1e-5);
    compareWithTape(Flow(d, {radial(d)}), 1, 1e-5);
    compareWithTape(Flow(d, {planar(d), radial(d), planar(d)}), 1, 5e-5);
  }
  // The trace is integrated beside the map, whose own determinant agrees to the solver's error: 12 steps of fourth order.
  std::vector<LayerPtr> stretches;
  for (int i = 0; i < 3; ++i) {
    ContinuousOptions options;
    options.from = i / 3.0, options.to = (i + 1) / 3.0, options.steps = 4, options.width = 9;
    options.sharesWeights = i > 0;
    stretches.push_back(continuous(options));
  }
  compareWithTape(Flow(2, stretches), 0.8, 4e-5);
}

TEST_CASE("flow volumes: a planar layer that nearly folds keeps its volume on the device") {
  gpu::Stream stream = openStream();
  const Flow flow(2, {planar(2)});
  std::vector<float> rows = randomRows(64, 2);
  rows[0] = 0.3f, rows[1] = -0.3f;  // on the ridge: w x = 0 to the bit
  for (const double u : {-0.5, -1.0, -1.6, -2.4, -5.0}) {
    const double along = 10 * u;  // w u: -5 to -50
    INFO("w u = " << along);
    const nn::Weights weights = ridge(5, u);
    const HostWeights host = toHost(weights);
    const auto said = logDets(stream, flow, weights, rows);
    // On the ridge the determinant is softplus(w u), nearly exp(w u); f32 takes exp to some ulp.
    CHECK(static_cast<double>(said[0]) == Approx(std::log(std::log1p(std::exp(along)))).margin(2e-5));
    for (std::size_t row = 1; row < said.size(); ++row) {
      std::vector<double> x{static_cast<double>(rows[2 * row]), static_cast<double>(rows[2 * row + 1])};
      // tanh is known to about 1e-6, as w x is: the logarithm of its square to twice that share of it.
      const double t = std::tanh(5 * (x[0] + x[1])), wanted = flow.forward(host, x);
      CHECK(std::abs(static_cast<double>(said[row]) - wanted) < 1e-5 + 4e-6 / std::abs(t));
    }
  }
}

TEST_CASE("flow volumes: a radial layer that nearly folds keeps its volume on the device") {
  gpu::Stream stream = openStream();
  for (const std::int64_t d : {2, 3}) {
    const Flow flow(d, {radial(d)});
    const std::vector<float> rows = randomRows(64, d);
    for (const float b : {-3.0f, -12.0f, -20.0f, -40.0f}) {
      INFO(d << " dimensions, b = " << b);
      const nn::Weights weights{{"layers.0.centre", Tensor::from(Shape{d}, std::vector<float>(static_cast<std::size_t>(d), 0.25f))},
                                {"layers.0.a", Tensor::from(Shape{1}, std::vector<float>{2})},
                                {"layers.0.b", Tensor::from(Shape{1}, std::vector<float>{b})}};
      const HostWeights host = toHost(weights);
      const auto said = logDets(stream, flow, weights, rows);
      for (std::size_t row = 0; row < said.size(); ++row) {
        const auto first = rows.begin() + static_cast<std::ptrdiff_t>(row) * d;
        std::vector<double> x(first, first + d);
        CHECK(static_cast<double>(said[row]) == Approx(flow.forward(host, x)).margin(2e-5));
      }
    }
  }
}
