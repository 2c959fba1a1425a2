// Energies of the plane: on the tape what they are on the host, with the gradients of their differences; each is a law of the canvas, and
// what is drawn from it lies where it is low. The diffusion's flow has the likelihood of the mixture it is of.

#include "core/labs/generative/shared/plane_energy.h"

#include <array>
#include <cmath>

#include "core/kernels/philox.h"
#include "core/labs/generative/shared/field_flow.h"
#include "core/labs/generative/shared/plane_scene.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::generative;
using orrery::testing::openStream;

TEST_CASE("plane energies: tape and host agree, gradients are differences, and the mass on the canvas is Z") {
  gpu::Stream stream = openStream();
  const Tensor points = kernels::normal(stream, Shape{64, 2}, {3, 1, 0}, 0, 2);
  const auto xy = points.toFloats();
  for (const char* id : {"u1", "u2", "u3", "u4"}) {
    INFO(id);
    const PlaneEnergy energy(id);
    nn::Tape tape(stream);
    const std::array<nn::Variable, 1> x{tape.leaf(points)};
    const nn::Variable u = energy.onTape(x[0]);
    const auto values = u.value().toFloats();
    tape.backward(nn::sum(u));
    const auto gradient = tape.gradient(x[0]).toFloats();
    for (std::size_t i = 0; i < 64; ++i) {
      const double px = static_cast<double>(xy[2 * i]), py = static_cast<double>(xy[2 * i + 1]), h = 1e-5;
      const double exact = energy(px, py);
      CHECK(static_cast<double>(values[i]) == Approx(exact).epsilon(1e-4).margin(1e-4));  // f32
      CHECK(static_cast<double>(gradient[2 * i]) == Approx((energy(px + h, py) - energy(px - h, py)) / (2 * h)).epsilon(1e-3).margin(2e-3));
      CHECK(static_cast<double>(gradient[2 * i + 1]) ==
            Approx((energy(px, py + h) - energy(px, py - h)) / (2 * h)).epsilon(1e-3).margin(2e-3));
    }
    // Another rule: midpoints of cells of 0.04 instead of 0.01, as far as 6.
    double mass = 0;
    for (int r = 0; r < 300; ++r) {
      for (int c = 0; c < 300; ++c) mass += std::exp(-energy(-6 + 0.04 * (c + 0.5), -6 + 0.04 * (r + 0.5)) - energy.logMass()) * 0.0016;
    }
    CHECK(mass == Approx(1).margin(1e-3));
    // The mean energy of 4096 draws against the same sum; four standard errors of an energy of deviation about 1.
    double mean = 0, drawn = 0;
    for (int r = 0; r < 300; ++r) {
      for (int c = 0; c < 300; ++c) {
        const double e = energy(-6 + 0.04 * (c + 0.5), -6 + 0.04 * (r + 0.5));
        mean += e * std::exp(-e - energy.logMass()) * 0.0016;
      }
    }
    const auto pairs = energy.draw(5, 4096, 41);
    for (std::size_t i = 0; i < pairs.size(); i += 2) drawn += energy(pairs[i], pairs[i + 1]) / 4096;
    CHECK(drawn == Approx(mean).margin(4 / 64.0));
  }
}

TEST_CASE("plane energies: a mixture's energy is -ln of its density, and points without width have none") {
  gpu::Stream stream = openStream();
  const auto scene = planeScene("tri");
  REQUIRE(scene);
  const Tensor points = kernels::normal(stream, Shape{64, 2}, {3, 1, 0}, 0, 1);
  nn::Tape tape(stream);
  const auto energy = mixtureEnergy(scene->density.components, tape.constant(points));
  REQUIRE(energy);
  const auto values = energy->value().toFloats(), xy = points.toFloats();
  for (std::size_t i = 0; i < 64; ++i) {
    const double exact =
        -kernels::evaluateMixture(scene->density.components, static_cast<double>(xy[2 * i]), static_cast<double>(xy[2 * i + 1]), 1, 0)
             .logDensity;
    CHECK(static_cast<double>(values[i]) == Approx(exact).epsilon(1e-4).margin(1e-3));
  }
  const auto deltas = planeScene("two-deltas");
  REQUIRE(deltas);
  const auto refused = mixtureEnergy(deltas->density.components, tape.constant(points));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("no finite integral") != std::string::npos);
}

TEST_CASE("diffusion as a flow: its likelihood is the mixture's, device and host agree, and it returns") {
  // normalizing-flow, must hold 6: the exact score's ODE has the exact likelihood, as in score-sde.
  gpu::Stream stream = openStream();
  const auto scene = planeScene("ring8");
  REQUIRE(scene);
  const models::flows::Flow flow(2, diffusionFlow(scene->density.components, 48, FlowSolver::rk4));
  const auto drawn = scene->draw(3, 64, 41);
  const Tensor points = Tensor::from(Shape{64, 2}, std::vector<float>(drawn.begin(), drawn.end()));
  nn::Tape tape(stream);
  const nn::Variable x = tape.constant(points);
  const auto likelihood = models::flows::logLikelihood(flow, models::flows::Prior::normal, {}, x).value().toFloats();
  const models::flows::Mapped mapped = flow.forward({}, x);
  const auto latents = mapped.y.value().toFloats(), volumes = mapped.logDet.value().toFloats();
  const auto back = flow.inverse({}, mapped.y).value().toFloats();
  for (std::size_t i = 0; i < 64; ++i) {
    const double exact = kernels::evaluateMixture(scene->density.components, drawn[2 * i], drawn[2 * i + 1], 1, 0).logDensity;
    CHECK(static_cast<double>(likelihood[i]) == Approx(exact).margin(5e-3));
    std::array<double, 2> p{drawn[2 * i], drawn[2 * i + 1]};
    const double volume = flow.forward(models::flows::HostWeights{}, p);
    CHECK(static_cast<double>(volumes[i]) == Approx(volume).margin(1e-3));
    for (std::size_t k = 0; k < 2; ++k) {
      CHECK(static_cast<double>(latents[2 * i + k]) == Approx(p[k]).margin(1e-3));
      CHECK(static_cast<double>(back[2 * i + k]) == Approx(drawn[2 * i + k]).margin(1e-3));
    }
  }
}
