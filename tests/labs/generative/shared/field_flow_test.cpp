// A user's perceptron as a velocity field: its divergence is that of its own velocity, the device says what the host says, and the velocity
// is the one that flow matching reads out of the same file.

#include "core/labs/generative/shared/field_flow.h"

#include <cmath>

#include "core/base/philox.h"
#include "core/labs/generative/score_sde/lab.h"
#include "core/labs/generative/shared/network_velocity.h"
#include "core/labs/generative/shared/plane_scene.h"
#include "core/modelfile/safetensors_write.h"
#include "core/models/mlp_denoiser.h"
#include "tests/support/lab_session.h"
#include "tests/support/onnx_writer.h"
#include "tests/support/scratch.h"
#include "tests/support/zero_perceptron.h"

using namespace orrery;
using namespace orrery::generative;
using orrery::testing::device;
using orrery::testing::drawn;

TEST_CASE("a perceptron's field: divergence of its velocity, the same on the device, and flow matching's velocity") {
  const orrery::testing::Scratch folder;
  const std::string path = folder.path("net.safetensors");
  REQUIRE(modelfile::writeSafetensors(path, std::vector<std::pair<std::string, Tensor>>{{"0.weight", drawn(Shape{24, 3}, 1, 0.6)},
                                                                                        {"0.bias", drawn(Shape{24}, 2, 0.5)},
                                                                                        {"2.weight", drawn(Shape{16, 24}, 3, 0.25)},
                                                                                        {"4.weight", drawn(Shape{2, 16}, 4, 0.3)},
                                                                                        {"4.bias", drawn(Shape{2}, 5, 0.5)}}));
  gpu::Stream stream(device());
  struct Stated {
    diffusion::Prediction prediction;
    const char *process, *activation;
  };
  for (const Stated& stated :
       {Stated{diffusion::Prediction::velocity, "flow", "tanh"}, Stated{diffusion::Prediction::velocity, "flow", "gelu"},
        Stated{diffusion::Prediction::epsilon, "vp", "silu"}, Stated{diffusion::Prediction::data, "flow", "softplus"},
        Stated{diffusion::Prediction::edm, "edm", "silu"}}) {
    INFO(diffusion::idOf(stated.prediction) << " " << stated.process << " " << stated.activation);
    models::NetworkStated meaning;
    meaning.prediction = stated.prediction, meaning.process = stated.process;
    meaning.time = stated.prediction == diffusion::Prediction::edm ? models::ToldTime::logLevel : models::ToldTime::unit;
    auto network = models::MlpDenoiser::open(path, meaning, stated.activation);
    REQUIRE(network);
    const auto shared = std::make_shared<const models::MlpDenoiser>(*std::move(network));
    const auto field = networkField(shared, {}), probed = networkField(shared, 3);
    const Velocity matching = networkVelocity(shared, FlowPath{});
    const Tensor state = drawn(Shape{64, 4}, 9, 1);
    const auto rows = state.toFloats();
    std::vector<float> points;
    for (std::size_t i = 0; i < 64; ++i) points.insert(points.end(), {rows[4 * i], rows[4 * i + 1]});
    for (const double t : {0.05, 0.5, 0.95}) {
      const auto found = field->onDevice(stream, state, t).toFloats(), estimate = probed->onDevice(stream, state, t).toFloats();
      const auto velocity = matching(stream, Tensor::from(Shape{64, 2}, points), t).toFloats();
      for (std::size_t i = 0; i < 64; ++i) {
        const double x = static_cast<double>(points[2 * i]), y = static_cast<double>(points[2 * i + 1]);
        const auto exact = field->onHost(t, x, y);
        // Sums of some tens of terms in f32, at velocities and divergences of up to about 20.
        const double tolerance = 2e-5 * std::max({1.0, std::abs(exact[0]), std::abs(exact[1]), std::abs(exact[2])});
        CHECK(found[4 * i] == Approx(exact[0]).margin(tolerance));
        CHECK(found[4 * i + 1] == Approx(exact[1]).margin(tolerance));
        CHECK(found[4 * i + 2] == Approx(exact[2]).margin(tolerance));
        CHECK(found[4 * i + 3] == Approx(exact[0] * exact[0] + exact[1] * exact[1]).margin(40 * tolerance));
        // Flow matching goes through D and back, a division by t that costs digits at 0.05.
        CHECK(velocity[2 * i] == Approx(exact[0]).margin(20 * tolerance));
        CHECK(velocity[2 * i + 1] == Approx(exact[1]).margin(20 * tolerance));
        // Central differences of the velocity itself in double precision.
        constexpr double h = 1e-5;
        const double across = (field->onHost(t, x + h, y)[0] - field->onHost(t, x - h, y)[0]) / (2 * h),
                     up = (field->onHost(t, x, y + h)[1] - field->onHost(t, x, y - h)[1]) / (2 * h);
        CHECK(exact[2] == Approx(across + up).margin(1e-6));
        // e = (s, s'): e . J e = tr J + s s' (J_xy + J_yx).
        const double mixed = (field->onHost(t, x, y + h)[0] - field->onHost(t, x, y - h)[0] + field->onHost(t, x + h, y)[1] -
                              field->onHost(t, x - h, y)[1]) /
                             (2 * h);
        CHECK(std::abs(static_cast<double>(estimate[4 * i + 2]) - exact[2]) == Approx(std::abs(mixed)).margin(4 * tolerance));
      }
    }
  }
}

TEST_CASE("a graph's field is that of the perceptron of the same weights, its divergence by central differences") {
  const orrery::testing::Scratch folder;
  const Tensor w1 = drawn(Shape{24, 3}, 1, 0.6), w2 = drawn(Shape{2, 24}, 3, 0.25);
  const std::string plain = folder.path("net.safetensors"), graph = folder.write("net.onnx", orrery::testing::onnxPerceptron(w1, w2));
  REQUIRE(modelfile::writeSafetensors(plain, std::vector<std::pair<std::string, Tensor>>{{"0.weight", w1}, {"2.weight", w2}}));
  models::NetworkStated stated;
  stated.prediction = diffusion::Prediction::epsilon, stated.process = "vp", stated.time = models::ToldTime::unit;
  const auto layered = models::openPointDenoiser(plain, stated, "silu"), differenced = models::openPointDenoiser(graph, stated);
  REQUIRE(layered);
  REQUIRE(differenced);
  const auto exact = networkField(*layered, {}), found = networkField(*differenced, {});
  const auto exactProbed = networkField(*layered, 3), probed = networkField(*differenced, 3);
  gpu::Stream stream(device());
  const Tensor state = drawn(Shape{64, 4}, 9, 1);
  for (const double t : {0.1, 0.5, 0.9}) {
    const auto a = exact->onDevice(stream, state, t).toFloats(), b = found->onDevice(stream, state, t).toFloats();
    const auto c = exactProbed->onDevice(stream, state, t).toFloats(), d = probed->onDevice(stream, state, t).toFloats();
    double size = 1;
    for (const float v : a) size = std::max(size, std::abs(static_cast<double>(v)));
    for (std::size_t i = 0; i < a.size(); ++i) {
      INFO(t << " " << i);
      // Velocities to f32's digits; of the divergence a difference over 0.02 leaves about 1e-7 / 0.02 and a tenth of a thousandth for the bend.
      const double tolerance = (i % 4 == 2 ? 1e-3 : 1e-4) * size;
      CHECK(static_cast<double>(b[i]) == Approx(static_cast<double>(a[i])).margin(tolerance));
      CHECK(static_cast<double>(d[i]) == Approx(static_cast<double>(c[i])).margin(tolerance));
    }
    const auto onHost = found->onHost(t, 0.4, -0.7), expected = exact->onHost(t, 0.4, -0.7);
    for (std::size_t k = 0; k < 3; ++k) CHECK(onHost[k] == Approx(expected[k]).epsilon(1e-6).margin(1e-6));
  }
}

TEST_CASE("a diffusion's ODE as a flow tells the likelihood that score-sde's own function tells") {
  // normalizing-flow, must hold 6, class A: two codes, two grids of times, one law of noise (VP) and both ending on N(0, I).
  const auto scene = planeScene("tri");
  REQUIRE(scene);
  const auto& vp = *findRegistered<diffusion::Process>("vp");
  constexpr std::size_t count = 60;
  const diffusion::State points = scene->draw(5, count, 19);
  // score-sde's begins a moment after 0, where the plane has shrunk by alpha and the blobs are wider by the noise until then.
  const auto first = vp.at(diffusion::sdeOf(vp).first);
  std::vector<double> times;
  for (int i = 0; i <= 400; ++i)
    times.push_back(diffusion::timeOf(vp, first.relative() * std::pow(vp.at(1).relative() / first.relative(), i / 400.0)));
  const auto told = flowLikelihood(scene->mixture, diffusion::sdeOf(vp), times, first.alpha * points, {.exactEnd = false});
  std::vector<kernels::Component> widened = scene->density.components;
  for (kernels::Component& c : widened) c.along += first.relative() * first.relative(), c.across += first.relative() * first.relative();
  const models::flows::Flow flow(2, diffusionFlow(widened, 400, FlowSolver::rk4));
  double farthest = 0;
  for (std::size_t p = 0; p < count; ++p) {
    std::vector<double> x{points[2 * p], points[2 * p + 1]};
    const double volume = flow.forward(models::flows::HostWeights{}, x);
    const double here = volume + models::flows::logPrior(models::flows::Prior::normal, x);
    const double there = told[p] + 2 * std::log(first.alpha);
    CHECK(here == Approx(there).epsilon(1e-5).margin(1e-5));
    farthest = std::max(farthest, std::abs(here));
  }
  CHECK(farthest > 1);
  // And in f32 on the device: 1600 evaluations of divergences of up to some hundreds.
  gpu::Stream stream(device());
  nn::Tape tape(stream);
  const Tensor rows = Tensor::from(Shape{count, 2}, std::vector<float>(points.begin(), points.end()));
  const auto onDevice =
      models::flows::logLikelihood(flow, models::flows::Prior::normal, {}, tape.constant(rows)).value().toFloats();
  for (std::size_t p = 0; p < count; ++p) CHECK(static_cast<double>(onDevice[p]) == Approx(told[p]).margin(1e-3));
}
