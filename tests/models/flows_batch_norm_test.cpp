// Batch normalization between couplings: with its statistics as they stand it is invertible with the log-determinant of its Jacobian; on a
// batch that is learnt from it mixes the batch's statistics in, says what they become, and passes gradients through the batch's part.

#include <array>
#include <cmath>

#include "core/base/philox.h"
#include "core/models/flows.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::models::flows;
using orrery::testing::openStream;

namespace {

std::vector<float> values(std::int64_t n, std::uint32_t purpose, double scale = 1, double shift = 0) {
  std::vector<float> result;
  for (std::int64_t i = 0; i < n; ++i) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), 0, purpose, 0}, philoxKey(7));
    result.push_back(static_cast<float>(shift + scale * philoxNormals(words[0], words[1])[0]));
  }
  return result;
}

// Three couplings with a normalization after each of the first two.
Flow normalizedChain(std::int64_t dimensions) {
  std::vector<LayerPtr> layers;
  for (int i = 0; i < 3; ++i) {
    CouplingOptions options;
    options.pass = alternatingMask(dimensions, i % 2 == 0);
    options.bound = 1, options.width = 16, options.identityStart = false;
    auto layer = coupling(options);
    REQUIRE(layer);
    layers.push_back(*layer);
    if (i < 2) layers.push_back(batchNorm(dimensions, 0.5));
  }
  return Flow(dimensions, std::move(layers));
}

double determinant(std::vector<double> a, std::size_t d) {
  double result = 1;
  for (std::size_t c = 0; c < d; ++c) {
    std::size_t pivot = c;
    for (std::size_t r = c + 1; r < d; ++r) pivot = std::abs(a[r * d + c]) > std::abs(a[pivot * d + c]) ? r : pivot;
    for (std::size_t k = 0; k < d && pivot != c; ++k) std::swap(a[c * d + k], a[pivot * d + k]);
    result *= pivot == c ? a[c * d + c] : -a[c * d + c];
    for (std::size_t r = c + 1; r < d; ++r) {
      const double factor = a[r * d + c] / a[c * d + c];
      for (std::size_t k = c; k < d; ++k) a[r * d + k] -= factor * a[c * d + k];
    }
  }
  return result;
}

}  // namespace

TEST_CASE("flows: with its statistics as they stand batch normalization is invertible, and its log-determinant is the Jacobian's") {
  gpu::Stream stream = openStream();
  constexpr std::int64_t d = 4, n = 128;
  const Flow flow = normalizedChain(d);
  nn::Initializer draw(stream, 5);
  nn::Weights weights = flow.initial(draw);
  CHECK(flow.watches());
  std::size_t watched = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const bool mean = weights[i].name.find("running_mean") != std::string::npos,
               var = weights[i].name.find("running_var") != std::string::npos;
    CHECK(flow.watches(i) == (mean || var));
    watched += mean || var ? 1 : 0;
    if (mean) weights[i].value = Tensor::from(Shape{d}, values(d, 20 + static_cast<std::uint32_t>(i)));
    if (var) weights[i].value = Tensor::from(Shape{d}, {0.2f, 3.0f, 0.01f, 40.0f});
  }
  CHECK(watched == 4);
  const HostWeights host = toHost(weights);
  nn::Tape tape(stream);
  const auto constants = nn::constants(tape, weights);
  const auto rows = values(n * d, 1, 1.5);
  const nn::Variable x = tape.constant(Tensor::from(Shape{n, d}, rows));
  const Mapped mapped = flow.forward(constants, x);
  const auto y = mapped.y.value().toFloats(), logDet = mapped.logDet.value().toFloats();
  const auto back = flow.inverse(constants, mapped.y).value().toFloats();
  for (std::size_t i = 0; i < rows.size(); ++i) CHECK(back[i] == Approx(rows[i]).margin(1e-4));
  for (std::size_t i = 0; i < 16; ++i) {
    std::vector<double> at(rows.begin() + static_cast<std::ptrdiff_t>(i * d), rows.begin() + static_cast<std::ptrdiff_t>((i + 1) * d));
    const double exact = std::log(std::abs(determinant(flow.jacobian(host, at, flow.layers()), d)));
    std::vector<double> moved = at;
    const double said = flow.forward(host, moved);
    CHECK(said == Approx(exact).margin(1e-7));  // central differences in double precision
    // f32: ten layers' sums of numbers of up to 5.
    CHECK(static_cast<double>(logDet[i]) == Approx(said).margin(2e-5));
    for (std::size_t k = 0; k < d; ++k) CHECK(static_cast<double>(y[i * d + k]) == Approx(moved[k]).margin(1e-4));
    flow.inverse(host, moved);
    for (std::size_t k = 0; k < d; ++k) CHECK(moved[k] == Approx(at[k]).margin(1e-12));
  }
}

TEST_CASE("flows: learning from a batch mixes its statistics in and says what they become") {
  gpu::Stream stream = openStream();
  constexpr std::int64_t n = 64;
  const auto rows = values(n * 2, 2, 3, 1);
  std::array<double, 2> mean{}, variance{};
  for (std::size_t i = 0; i < rows.size(); ++i) mean[i % 2] += static_cast<double>(rows[i]) / n;
  for (std::size_t i = 0; i < rows.size(); ++i) variance[i % 2] += std::pow(static_cast<double>(rows[i]) - mean[i % 2], 2) / n;
  for (const double momentum : {0.0, 0.75}) {
    INFO(momentum);
    const Flow flow(2, {batchNorm(2, momentum)});
    const nn::Weights weights{{"layers.0.running_mean", Tensor::from(Shape{2}, {-1.0f, 2.0f})},
                              {"layers.0.running_var", Tensor::from(Shape{2}, {0.5f, 4.0f})}};
    nn::Tape tape(stream);
    std::vector<nn::Variable> leaves;
    for (const auto& w : weights) leaves.push_back(tape.leaf(w.value));
    const nn::Variable x = tape.leaf(Tensor::from(Shape{n, 2}, rows));
    Flow::Watched watched;
    const Mapped mapped = flow.learn(leaves, x, watched);
    REQUIRE(watched.size() == 2);
    const std::array<double, 2> running{-1, 2}, width{0.5, 4};
    double logDet = 0;
    for (std::size_t k = 0; k < 2; ++k) {
      const double m = momentum * running[k] + (1 - momentum) * mean[k], v = momentum * width[k] + (1 - momentum) * variance[k];
      CHECK(static_cast<double>(watched[0].second.toFloats()[k]) == Approx(m).margin(1e-5));
      CHECK(static_cast<double>(watched[1].second.toFloats()[k]) == Approx(v).epsilon(1e-5));
      logDet -= 0.5 * std::log(v + 1e-5);
    }
    for (const float v : mapped.logDet.value().toFloats()) CHECK(static_cast<double>(v) == Approx(logDet).margin(1e-5));
    if (momentum == 0) {
      // The batch's own statistics: its mean becomes 0 and its variance 1.
      const auto y = mapped.y.value().toFloats();
      double sum = 0, square = 0;
      for (std::size_t i = 0; i < y.size(); i += 2)
        sum += static_cast<double>(y[i]) / n, square += std::pow(static_cast<double>(y[i]), 2) / n;
      CHECK(std::abs(sum) < 1e-5);
      CHECK(square == Approx(1).margin(1e-4));
    }
    // The gradient of the likelihood's two terms by x, against central differences of the formula in double precision.
    tape.backward(nn::add(nn::affine(nn::sum(nn::square(nn::affine(mapped.y, 1, -0.3))), 0.5, 0), nn::sum(mapped.logDet)));
    const auto gradient = tape.gradient(x).toFloats();
    const auto loss = [&](std::size_t at, double by) {
      std::vector<double> z(rows.begin(), rows.end());
      z[at] += by;
      double result = 0;
      for (std::size_t k = 0; k < 2; ++k) {
        double m = 0, v = 0;
        for (std::size_t i = k; i < z.size(); i += 2) m += z[i] / n;
        for (std::size_t i = k; i < z.size(); i += 2) v += (z[i] - m) * (z[i] - m) / n;
        m = momentum * running[k] + (1 - momentum) * m, v = momentum * width[k] + (1 - momentum) * v;
        for (std::size_t i = k; i < z.size(); i += 2) result += 0.5 * std::pow((z[i] - m) / std::sqrt(v + 1e-5) - 0.3, 2);
        result -= 0.5 * n * std::log(v + 1e-5);
      }
      return result;
    };
    for (std::size_t i = 0; i < 20; ++i) {
      CHECK(static_cast<double>(gradient[i]) == Approx((loss(i, 1e-4) - loss(i, -1e-4)) / 2e-4).margin(2e-4));
    }
    // What is watched is not learnt.
    for (const nn::Variable& w : leaves) {
      for (const float g : tape.gradient(w).toFloats()) CHECK(g == 0);
    }
  }
}
