// A user's perceptron: what it says on the device is what it says in double precision on the host.

#include "core/models/mlp_denoiser.h"

#include <cmath>

#include "core/base/philox.h"
#include "core/modelfile/safetensors_write.h"
#include "tests/models/plain.h"
#include "tests/support/scratch.h"
#include "tests/support/zero_perceptron.h"

using namespace orrery;
using namespace orrery::models;
using namespace orrery::testing;

TEST_CASE("a perceptron's D on the device is that of the host, for every prediction, told time and size of cloud") {
  const Scratch folder;
  const std::string plain = folder.path("plain.safetensors");
  REQUIRE(modelfile::writeSafetensors(plain, std::vector<std::pair<std::string, Tensor>>{{"net.0.weight", drawn(Shape{40, 3}, 1, 0.6)},
                                                                                         {"net.0.bias", drawn(Shape{40}, 2, 0.5)},
                                                                                         {"net.2.weight", drawn(Shape{24, 40}, 3, 0.2)},
                                                                                         {"net.4.weight", drawn(Shape{2, 24}, 4, 0.2)},
                                                                                         {"net.4.bias", drawn(Shape{2}, 5, 0.5)}}));
  folder.write("features/config.json", R"({"frequencies": [0.5, 2], "feature_scale": 0.7, "activation": "tanh"})");
  const std::string features = folder.path("features/model.safetensors");
  REQUIRE(modelfile::writeSafetensors(features, std::vector<std::pair<std::string, Tensor>>{{"a.weight", drawn(Shape{16, 7}, 6, 0.5)},
                                                                                            {"b.weight", drawn(Shape{3, 16}, 7, 0.3)}}));

  const auto compare = [&](const std::string& path, const NetworkStated& stated, std::int64_t rows) {
    const auto network = MlpDenoiser::open(path, stated);
    REQUIRE(network);
    for (const double level : {40.0, 1.0, 0.03}) {
      const Tensor x = drawn(Shape{rows, static_cast<std::int64_t>(network->dimension())}, 9, std::sqrt(1 + level * level));
      const auto values = x.as<float>();
      const diffusion::State exact = network->denoise(diffusion::State(std::vector<double>(values.begin(), values.end())), level);
      gpu::Stream stream = openStream();
      const auto found = network->denoise(stream, x, level).toFloats();
      REQUIRE(found.size() == exact.size());
      // f32: D = l_x x + l_y y; each part is rounded at its own size, and y's layers of up to 40 terms a few times by 6e-8.
      const double kept = network->meaning().denoised(level).x;
      double worst = 0, size = 0;
      for (std::size_t i = 0; i < found.size(); ++i) {
        const double part = kept * static_cast<double>(values[i]);
        worst = std::max(worst, std::abs(static_cast<double>(found[i]) - exact[i]));
        size = std::max({size, std::abs(part), std::abs(exact[i] - part)});
      }
      INFO(path << " level " << level << ": " << worst << " of " << size);
      CHECK(worst < 2e-6 * size);
      CHECK(worst > 0);  // both were computed
    }
  };
  for (const diffusion::Prediction p : diffusion::allPredictions) compare(plain, {p, ToldTime::unit, "vp"}, 50);
  for (const ToldTime t : {ToldTime::steps, ToldTime::logLevel}) compare(plain, {diffusion::Prediction::epsilon, t, "flow"}, 5);
  compare(plain, {diffusion::Prediction::edm, ToldTime::logLevel, "edm", 1.7}, 30);
  compare(features, {diffusion::Prediction::velocity, ToldTime::unit, "flow"}, 70);
  // More rows than are evaluated at once.
  compare(features, {diffusion::Prediction::data, ToldTime::unit, "vp"}, 40000);
}

TEST_CASE("what is stated of a perceptron decides what its zeros mean") {
  const Scratch folder;
  const std::string path = folder.path("zero.safetensors");
  const auto zeros = [](Shape shape) { return Tensor::from(shape, std::vector<float>(static_cast<std::size_t>(shape.count()), 0.0f)); };
  REQUIRE(modelfile::writeSafetensors(
      path, std::vector<std::pair<std::string, Tensor>>{{"0.weight", zeros(Shape{4, 3})}, {"2.weight", zeros(Shape{2, 4})}}));
  const auto denoised = [&](const NetworkStated& stated, double level) {
    const auto network = MlpDenoiser::open(path, stated);
    REQUIRE(network);
    return network->denoise(diffusion::State{2.0, -1.0}, level)[0] / 2;
  };
  using diffusion::Prediction;
  // F = 0: D = c_skip x, c_skip = d^2 / (d^2 + s^2). eps = 0: D = x. x_0 = 0: D = 0. v = 0 where variance is preserved: D = alpha^2 x.
  CHECK(denoised({Prediction::edm, ToldTime::logLevel, "edm", {}}, 2) == Approx(0.25 / 4.25));
  CHECK(denoised({Prediction::edm, ToldTime::logLevel, "edm", 1.5}, 2) == Approx(2.25 / 6.25));
  CHECK(denoised({Prediction::epsilon, ToldTime::unit, "vp", {}}, 2) == Approx(1));
  CHECK(denoised({Prediction::data, ToldTime::unit, "vp", {}}, 2) == 0);
  CHECK(denoised({Prediction::v, ToldTime::unit, "vp", {}}, 2) == Approx(0.2));
  // A velocity of 0 on the straight path: x_0 = x_t = x / (1 + s).
  CHECK(denoised({Prediction::velocity, ToldTime::unit, "flow", {}}, 2) == Approx(1.0 / 3));
}
