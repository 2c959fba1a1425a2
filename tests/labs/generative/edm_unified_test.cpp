// generative/edm-unified: its Must-hold lines through the lab's own metrics and panels.

#include <cmath>

#include "core/labs/generative/edm_unified/lab.h"
#include "core/session/session.h"
#include "tests/support/catch.h"
#include "tests/support/lab_session.h"
#include "tests/support/zero_perceptron.h"

using namespace orrery;
using orrery::testing::arrayNamed;
using orrery::testing::metricsAt;
using orrery::testing::text;
using orrery::testing::whole;

namespace {

std::unique_ptr<Session> openLab(const Changes& changes = {}, const std::string& preset = {}) {
  return orrery::testing::openLab("generative/edm-unified", changes, preset);
}

}  // namespace

TEST_CASE("EDM's preconditioning: variance 1 in, variance 1 asked, uncorrelated, weight 1, at every level") {
  for (const double level : {0.002, 0.1, 0.5, 5.0, 80.0}) {
    auto session = openLab({{"data", text("1d-gauss")}, {"width", Value(0.5)}, {"measure", Value(false)}, {"level", Value(level)}});
    const auto m = metricsAt(*session, 0);
    INFO(level);
    CHECK(m.at("input.variance") == Approx(1).epsilon(1e-12));
    CHECK(m.at("target.variance") == Approx(1).epsilon(1e-12));
    // A difference of numbers of size sigma_d^2 over c_out: at level 80 and 0.002 some digits cancel.
    CHECK(std::abs(m.at("correlation")) < 1e-9);
    CHECK(m.at("weight") == Approx(1).epsilon(1e-12));
  }
  // Another deviation than the data's own: not so any more.
  auto wrong = openLab({{"data", text("1d-gauss")}, {"width", Value(2.0)}, {"measure", Value(false)}, {"level", Value(0.5)}});
  CHECK(metricsAt(*wrong, 0).at("input.variance") > 2);
}

TEST_CASE("on Gaussian data of the deviation it is told, F is 0") {
  auto session = openLab({}, "gaussian");
  metricsAt(*session, 0);
  // Values of x_0 of size one in double precision, drawn in single; divided by c_out = 0.35.
  for (const float v : arrayNamed(*session, "F.mean.y")) CHECK(std::abs(v) < 1e-6f);
  bool other = false;
  for (const float v : arrayNamed(*session, "velocity.mean.y")) other = other || std::abs(v) > 0.1f;
  CHECK(other);
}

TEST_CASE("VE, VP and flow walk the same scaled path") {
  auto session = openLab();
  const auto m = metricsAt(*session, 0);
  // The specification's figure for 800 steps of RK4 is 2e-10 from level 20 down in one go; here each law's time of a level is found by
  // halving.
  CHECK(m.at("agreement") < 1e-8);
  CHECK(m.at("agreement") > 0);
}

TEST_CASE("one Euler step on the straight path is one DDIM step; Heun's steps differ between laws") {
  auto euler = openLab({{"law", text("flow")}, {"solver", text("euler")}, {"steps", whole(6)}});
  const auto e = metricsAt(*euler, 0);
  // VE in sigma: x + (b - a)(x - D) / a, DDIM's step. EDM's time is its level.
  CHECK(e.at("error.flow") == Approx(e.at("error.edm")).epsilon(1e-9));
  CHECK(std::abs(e.at("error.vp") - e.at("error.edm")) > 1e-3);
  auto heun = openLab({{"law", text("flow")}, {"solver", text("heun")}, {"steps", whole(6)}});
  const auto h = metricsAt(*heun, 0);
  CHECK(std::abs(h.at("error.flow") - h.at("error.edm")) > 1e-3);
}

TEST_CASE("the board's six answers are one: each turns into the data's") {
  auto session = openLab({{"law", text("vp")}, {"level", Value(0.7)}});
  metricsAt(*session, 0);
  const auto x = arrayNamed(*session, "x0.mean.x"), data = arrayNamed(*session, "x0.mean.y"),
             noise = arrayNamed(*session, "epsilon.mean.y"), score = arrayNamed(*session, "score.mean.y"),
             v = arrayNamed(*session, "v.mean.y"), F = arrayNamed(*session, "F.mean.y");
  const double alpha = 1 / std::sqrt(1 + 0.49), sigma = 0.7 * alpha;
  const double deviation = metricsAt(*session, 0).at("data.deviation");
  const auto p = generative::networkViews()[0].at(0.7, deviation);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto d = [](float f) { return static_cast<double>(f); };
    // Single-precision arrays of values of size one to four.
    CHECK((d(x[i]) - sigma * d(noise[i])) / alpha == Approx(d(data[i])).margin(3e-6));
    CHECK((d(x[i]) + sigma * sigma * d(score[i])) / alpha == Approx(d(data[i])).margin(3e-6));
    CHECK(alpha * d(x[i]) - sigma * d(v[i]) == Approx(d(data[i])).margin(3e-6));
    CHECK(p.skip * d(x[i]) / alpha + p.out * d(F[i]) == Approx(d(data[i])).margin(3e-6));
  }
}

TEST_CASE("flow's row of the table is the straight path's velocity, and densities of training levels integrate to 1") {
  for (const auto& view : generative::networkViews()) {
    double sum = 0;
    constexpr int n = 200000;
    for (int i = 0; i < n; ++i) sum += view.density(-16 + 32 * (i + 0.5) / n, -1.2, 1.2) * 32 / n;
    INFO(view.id);
    // Jumps at the ends of VE's and VP's ranges cost up to a cell's height; iDDPM's level 0 has a tail below e^-16.
    CHECK(sum == Approx(1).epsilon(2e-3));
    if (view.id != "flow") continue;
    for (const double t : {0.1, 0.5, 0.9}) {
      const auto p = view.at(t / (1 - t), 0.5);
      const double x0 = 0.3, noise = -1.1, x = (1 - t) * x0 + t * noise;
      CHECK(p.in * (x / (1 - t)) == Approx(x));
      CHECK(p.skip * (x / (1 - t)) + p.out * (noise - x0) == Approx(x0));
    }
  }
}

TEST_CASE("the best network's loss meets that of one that says 0 at large noise, and lies below it elsewhere") {
  auto session = openLab();
  metricsAt(*session, 0);
  const auto first = arrayNamed(*session, "loss.first.y"), least = arrayNamed(*session, "loss.least.y");
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(least[i] <= first[i] * 1.0001f);
  CHECK(least.back() == Approx(first.back()).epsilon(0.01));
  float most = 1;
  for (std::size_t i = 0; i < first.size(); ++i) most = std::min(most, least[i] / first[i]);
  CHECK(most < 0.8f);
}

TEST_CASE("how much a path bends is a matter of the law, and none is shorter than its chord") {
  auto session = openLab({}, "gaussian");
  const auto m = metricsAt(*session, 0);
  for (const char* law : {"ve", "vp", "flow", "edm", "trigonometric"}) CHECK(m.at(std::string("curvature.") + law) >= 1);
  CHECK(m.at("curvature.vp") != Approx(m.at("curvature.flow")).epsilon(1e-3));
}

TEST_CASE("a user's network of the line is one D under every law and every name, and what it has not learnt is in its loss") {
  const orrery::testing::Scratch folder;
  auto session = openLab({{"data", text("1d-gauss")},
                          {"network", Asset{orrery::testing::zeroPerceptron(folder, 1), ""}},
                          {"prediction", text("F")},
                          {"network-schedule", text("edm")},
                          {"told-time", text("log-level")}});
  const auto exact = metricsAt(*session, 0);
  REQUIRE(exact.count("network-error") == 0);
  // As EDM's F of deviation 1/2 the network is the exact denoiser of this Gaussian, in double precision.
  REQUIRE(session->set("denoiser", text("network")));
  const auto same = metricsAt(*session, 0);
  CHECK(same.at("network-error") < 1e-12);
  for (const char* law : {"ve", "vp", "flow", "edm", "trigonometric"}) {
    const std::string name = std::string("error.") + law;
    CHECK(same.at(name) == Approx(exact.at(name)).margin(1e-9));
  }
  for (const char* panel : {"epsilon", "x0", "v", "velocity", "score", "F"}) {
    const auto mean = arrayNamed(*session, std::string(panel) + ".mean.y"),
               network = arrayNamed(*session, std::string(panel) + ".network.y");
    REQUIRE(mean.size() == network.size());
    for (std::size_t i = 0; i < mean.size(); ++i) CHECK(network[i] == Approx(mean[i]).margin(1e-5));
  }
  // Told another deviation it is another network.
  REQUIRE(session->set("network-deviation", 1.0));
  CHECK(metricsAt(*session, 0).at("network-error") > 0.05);
  // Saying x_0 = 0 everywhere it is off by D = c^2 / (c^2 + s^2) x, root mean square c^2 / sqrt(c^2 + s^2), at s = 1/2 a quarter over root
  // one half; 64 quantiles miss the tails, a percent of the variance. Its loss is that of one that knows nothing but the mean.
  REQUIRE(session->set("prediction", text("x0")));
  const auto zero = metricsAt(*session, 0);
  CHECK(zero.at("network-error") == Approx(0.25 / std::sqrt(0.5)).epsilon(0.02));
  const auto least = arrayNamed(*session, "loss.least.y"), loss = arrayNamed(*session, "loss.network.y");
  REQUIRE(loss.size() == least.size());
  for (std::size_t i = 0; i < loss.size(); ++i) CHECK(loss[i] >= least[i]);
  CHECK(loss.front() > 100 * least.front());
  // A point of the plane has no place here, and a network must be there.
  REQUIRE(session->set("network", Value(Asset{orrery::testing::zeroPerceptron(folder, 2), ""})));
  const auto done = session->wait();
  REQUIRE_FALSE(done);
  CHECK(done.error().message.find("lies on the line") != std::string::npos);
  REQUIRE(session->set("network", Value(Asset{})));
  REQUIRE_FALSE(session->wait());
}
