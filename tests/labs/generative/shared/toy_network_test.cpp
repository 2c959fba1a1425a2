// The small network that labs train live: its size, its two ways of being evaluated, what it can learn, and that a run can be taken back.

#include "core/labs/generative/shared/toy_network.h"

#include <cmath>

#include "core/base/philox.h"
#include "tests/support/catch.h"
#include "tests/support/lab_session.h"

using namespace orrery;
using orrery::testing::device;
using namespace orrery::generative;

namespace {

// Places in [-1, 1]^2 with times in [0, 1], and u(x, t) = (sin(2 x) + t, x y cos(3 t)) there.
ToyBatch batchOf(std::int64_t n, std::uint32_t step) {
  std::vector<float> x, time, target;
  for (std::int64_t i = 0; i < n; ++i) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), step, 77, 0}, philoxKey(5));
    const float a = 2 * philoxUniform(words[0]) - 1, b = 2 * philoxUniform(words[1]) - 1, t = philoxUniform(words[2]);
    x.insert(x.end(), {a, b});
    time.push_back(t);
    target.insert(target.end(), {std::sin(2 * a) + t, a * b * std::cos(3 * t)});
  }
  return {Tensor::from(Shape{n, 2}, x), Tensor::from(Shape{n}, time), Tensor::from(Shape{n, 2}, target), {}};
}

double squaredError(const Tensor& found, const Tensor& wanted) {
  const auto a = found.as<float>(), b = wanted.as<float>();
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * static_cast<double>(a[i] - b[i]);
  return sum / static_cast<double>(found.shape()[0]);
}

}  // namespace

TEST_CASE("the toy network has the 37 762 parameters of the specification, and one time gives what equal times give") {
  gpu::Stream stream(device());
  ToyNetworkOptions options;
  options.seed = 3;
  const ToyNetwork network(stream, options);
  CHECK(network.parameters() == 37762);
  const ToyBatch batch = batchOf(100, 0);
  const Tensor one = network.at(stream, batch.x, 0.3),
               many = network.at(stream, batch.x, Tensor::from(Shape{100}, std::vector<float>(100, 0.3f)));
  const auto a = one.as<float>(), b = many.as<float>();
  // The two sum the first layer in another order: a few ulp of values of order 1 through three layers.
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).margin(1e-5));
  // The frequencies go from 1/8 to 4.
  CHECK(ToyNetwork::frequencyTable().front() == 0.125);
  CHECK(ToyNetwork::frequencyTable().back() == Approx(4));
}

TEST_CASE("the toy network learns a function of place and time, and weights decide which part") {
  gpu::Stream stream(device());
  ToyNetworkOptions options;
  options.seed = 3, options.width = 64, options.depth = 2, options.learningRate = 4e-3, options.decaySteps = 200;
  ToyNetwork network(stream, options), half(stream, options);
  const ToyBatch test = batchOf(1000, 1000);
  const double before = squaredError(network.at(stream, test.x, test.time), test.target);
  for (std::uint32_t step = 0; step < 200; ++step) {
    ToyBatch batch = batchOf(128, step);
    network.train(stream, batch);
    // The other network is told about the first half of time only.
    std::vector<float> weight;
    for (const float t : batch.time.as<float>()) weight.push_back(t < 0.5f ? 1.0f : 0.0f);
    batch.weight = Tensor::from(Shape{128}, weight);
    half.train(stream, batch);
  }
  const double after = squaredError(network.at(stream, test.x, test.time), test.target);
  // 200 small steps leave a fortieth of the squared error; a twentieth leaves room for another device's rounding.
  INFO(before << " -> " << after);
  CHECK(after < 0.05 * before);
  CHECK(network.steps() == 200);
  CHECK(squaredError(half.at(stream, test.x, test.time), test.target) > 3 * after);
}

TEST_CASE("the toy network continues a captured run to the same bits") {
  gpu::Stream stream(device());
  ToyNetworkOptions options;
  options.seed = 9, options.width = 32, options.depth = 1, options.decaySteps = 40;
  ToyNetwork network(stream, options);
  std::vector<Tensor> kept = network.capture();  // before the first step, too, everything can be kept
  for (std::uint32_t step = 0; step < 10; ++step) network.train(stream, batchOf(64, step));
  const auto mid = network.capture();
  CHECK(mid.size() == kept.size());
  for (std::uint32_t step = 10; step < 20; ++step) network.train(stream, batchOf(64, step));
  const Tensor x = batchOf(64, 99).x;
  const auto end = network.at(stream, x, 0.5).toFloats();
  network.restore(10, mid);
  CHECK(network.at(stream, x, 0.5).toFloats() != end);
  for (std::uint32_t step = 10; step < 20; ++step) network.train(stream, batchOf(64, step));
  CHECK(network.at(stream, x, 0.5).toFloats() == end);
  // From the first frame as well, and what does not fit is refused.
  network.restore(0, kept);
  for (std::uint32_t step = 0; step < 20; ++step) network.train(stream, batchOf(64, step));
  CHECK(network.at(stream, x, 0.5).toFloats() == end);
  ToyBatch wrong = batchOf(64, 0);
  wrong.time = Tensor::from(Shape{3}, {0, 0, 0});
  CHECK_THROWS_AS(network.train(stream, wrong), std::invalid_argument);
}
