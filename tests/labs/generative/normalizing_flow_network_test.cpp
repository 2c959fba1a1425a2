// The claims of the lab generative/normalizing-flow with a velocity network of the user's: a linear field carries points, grid and density
// as its exponential does, the trace exact or estimated; and files that hold no such network are refused.

#include <array>
#include <cmath>
#include <map>

#include "core/modelfile/safetensors_write.h"
#include "tests/support/lab_session.h"
#include "tests/support/scratch.h"
#include "tests/support/zero_perceptron.h"

using namespace orrery;
using orrery::testing::arrayNamed;
using orrery::testing::device;
using orrery::testing::metricsAt;
using orrery::testing::openLab;
using orrery::testing::text;
using orrery::testing::whole;

namespace {

using Square = std::array<double, 4>;  // row-major

// v = A x of [x, y, t], through relu(x) - relu(-x).
std::string linearField(const orrery::testing::Scratch& folder, const Square& a) {
  const std::string path = folder.path("linear.safetensors");
  const auto floats = [](std::initializer_list<double> values) { return std::vector<float>(values.begin(), values.end()); };
  REQUIRE(modelfile::writeSafetensors(
      path, std::vector<std::pair<std::string, Tensor>>{
                {"net.0.weight", Tensor::from(Shape{4, 3}, floats({1, 0, 0, -1, 0, 0, 0, 1, 0, 0, -1, 0}))},
                {"net.2.weight", Tensor::from(Shape{2, 4}, floats({a[0], -a[0], a[1], -a[1], a[2], -a[2], a[3], -a[3]}))}}));
  return path;
}

// e^A by its series.
Square exponential(const Square& a) {
  Square sum{1, 0, 0, 1}, term = sum;
  for (int k = 1; k < 30; ++k) {
    term = {(term[0] * a[0] + term[1] * a[2]) / k, (term[0] * a[1] + term[1] * a[3]) / k, (term[2] * a[0] + term[3] * a[2]) / k,
            (term[2] * a[1] + term[3] * a[3]) / k};
    for (std::size_t i = 0; i < 4; ++i) sum[i] += term[i];
  }
  return sum;
}

}  // namespace

TEST_CASE("normalizing-flow: a linear velocity of the user's carries points, grid and density as its exponential, exact or estimated") {
  const orrery::testing::Scratch folder;
  const Square a{0.6, 0.3, 0.3, 0.8}, e = exponential(a);
  auto session = openLab("generative/normalizing-flow", {{"family", text("dropped")},
                                                         {"network", Asset{linearField(folder, a), ""}},
                                                         {"activation", text("relu")},
                                                         {"solver", text("rk4")},
                                                         {"layers", whole(8)},
                                                         {"scene", text("tri")},
                                                         {"particles", whole(512)},
                                                         {"raster", whole(96)}});
  const auto now = metricsAt(*session, 0);
  CHECK(session->picture()->frames == 1);
  CHECK(now.at("evaluations") == 32);
  const auto data = arrayNamed(*session, "samples.data.xy"), latents = arrayNamed(*session, "layers.points.xy"),
             grid = arrayNamed(*session, "layers.grid.xy");
  double nll = 0;
  for (std::size_t i = 0; i < data.size(); i += 2) {
    const double x = static_cast<double>(data[i]), y = static_cast<double>(data[i + 1]);
    const double u = e[0] * x + e[1] * y, v = e[2] * x + e[3] * y;
    // Eight steps of the fourth order: (1/8)^4 / 120 of a few units, and f32.
    CHECK(latents[i] == Approx(u).margin(2e-5));
    CHECK(latents[i + 1] == Approx(v).margin(2e-5));
    nll += (0.5 * (u * u + v * v) + std::log(2 * 3.14159265358979) - (a[0] + a[3])) / static_cast<double>(data.size() / 2);
  }
  CHECK(now.at("nll") == Approx(nll).margin(5e-5));
  CHECK(now.at("inverse-error") < 1e-4);
  CHECK(now.at("mass.raster") + now.at("mass.elsewhere") == Approx(1).margin(0.02));
  REQUIRE(session->set("way", 0.0));
  REQUIRE(session->wait());
  const auto square = arrayNamed(*session, "layers.grid.xy");
  REQUIRE(square.size() == grid.size());
  for (std::size_t i = 0; i < grid.size(); i += 2) {
    const double x = static_cast<double>(square[i]), y = static_cast<double>(square[i + 1]);
    CHECK(grid[i] == Approx(e[0] * x + e[1] * y).margin(1e-4));
  }

  // One probe per row for the whole way: tr A + s s' (A_xy + A_yx), one of two values, and the trace in the mean.
  REQUIRE(session->set({{"trace", text("hutchinson")}, {"way", 1.0}}));
  const auto estimated = metricsAt(*session, 0);
  int above = 0;
  const auto volumes = arrayNamed(*session, "layers.points.scalar");
  for (const float v : volumes) {
    above += v > 1.4f ? 1 : 0;
    CHECK(std::abs(static_cast<double>(v) - 1.4) == Approx(0.6).margin(1e-4));
  }
  CHECK(std::abs(above - 256) < 46);  // four standard errors of 512 coins
  CHECK(estimated.at("nll") == Approx(nll).margin(4 * 0.6 / std::sqrt(512.0)));
  CHECK(estimated.at("inverse-error") == now.at("inverse-error"));
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("normalizing-flow: a file that holds no velocity of the plane is refused with a sentence") {
  const orrery::testing::Scratch folder;
  auto session = openLab("generative/normalizing-flow", {{"particles", whole(256)}, {"raster", whole(32)}, {"layers", whole(4)}}, {}, true);
  const auto refused = [&](const Changes& changes, const std::string& why) { orrery::testing::refused(*session, changes, why); };
  refused({{"family", text("dropped")}}, "no network yet");
  refused({{"network", Asset{orrery::testing::zeroPerceptron(folder, 3), ""}}}, "3 coordinates");
  const auto ones = [](Shape shape, float value) {
    return Tensor::from(shape, std::vector<float>(static_cast<std::size_t>(shape.count()), value));
  };
  const auto written = [&](const char* name, std::vector<std::pair<std::string, Tensor>> tensors) {
    const std::string path = folder.path(name);
    REQUIRE(modelfile::writeSafetensors(path, tensors));
    return Asset{path, ""};
  };
  refused({{"network", written("broken.safetensors", {{"0.weight", ones(Shape{8, 3}, 1)}, {"2.weight", ones(Shape{2, 7}, 1)}})}},
          "is no chain of layers");
  refused({{"network", written("timeless.safetensors", {{"0.weight", ones(Shape{8, 2}, 1)}, {"2.weight", ones(Shape{2, 8}, 1)}})}},
          "no room for the time");
  refused({{"network", written("infinite.safetensors", {{"0.weight", ones(Shape{8, 3}, INFINITY)}, {"2.weight", ones(Shape{2, 8}, 1)}})}},
          "NaN or infinite");
  // A network that moves nothing is a flow: the identity.
  REQUIRE(session->set("network", Asset{orrery::testing::zeroPerceptron(folder), ""}));
  const auto now = metricsAt(*session, 0);
  CHECK(now.at("inverse-error") == 0);
  CHECK(now.at("path-energy") == 0);
}

TEST_CASE("normalizing-flow: a trained flow is looked at to a tolerance, without training again, and the calls are counted") {
  auto session = openLab("generative/normalizing-flow", {{"family", text("continuous")},
                                                         {"layers", whole(2)},
                                                         {"width", whole(16)},
                                                         {"scene", text("tri")},
                                                         {"solver", text("midpoint")},
                                                         {"learning-rate", 0.03},
                                                         {"steps", whole(40)},
                                                         {"steps-per-frame", whole(20)},
                                                         {"batch", whole(128)},
                                                         {"particles", whole(256)},
                                                         {"raster", whole(48)}});
  const auto own = metricsAt(*session, 2);
  CHECK(own.at("evaluations") == 4);
  std::map<double, std::map<std::string, double>> at;
  for (const double tolerance : {1e-2, 1e-4, 1e-6}) {
    REQUIRE(session->set({{"evaluation", text("rk45")}, {"tolerance", tolerance}}));
    at[tolerance] = metricsAt(*session, 2);
    CHECK(session->picture()->frame == 2);  // nothing is trained again
  }
  // Against the finest: a step errs by 1e-4 of a few units, and there are a few; a mean of 256 points.
  CHECK(std::abs(at[1e-4].at("nll") - at[1e-6].at("nll")) < 2e-3);
  CHECK(at[1e-2].at("evaluations") == 14);  // one step in each of two layers: nothing needs more
  CHECK(at[1e-2].at("evaluations") <= at[1e-4].at("evaluations"));
  CHECK(at[1e-4].at("evaluations") < at[1e-6].at("evaluations"));
  // The way back is the same equation, no longer the same steps: its error is the tolerance's.
  CHECK(at[1e-6].at("inverse-error") < 1e-4);
  CHECK(at[1e-6].at("inverse-error") < 0.1 * own.at("inverse-error"));
  CHECK(at[1e-6].at("path-energy") == Approx(own.at("path-energy")).epsilon(0.2));
  bool said = false;
  for (const Panel& panel : session->picture()->figure.panels) {
    said = said || panel.note.find(std::to_string(static_cast<int>(at[1e-6].at("evaluations"))) + " calls") != std::string::npos;
  }
  CHECK(said);
  REQUIRE(session->set("evaluation", text("steps")));
  CHECK(metricsAt(*session, 2).at("nll") == own.at("nll"));
  CHECK(metricsAt(*session, 2).at("evaluations") == 4);
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}
