// generative/edm-unified: its Must-hold lines through the lab's own metrics and panels.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/diffusion/grid.h"
#include "core/diffusion/names.h"
#include "core/diffusion/sampler.h"
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
  auto session = openLab({{"sigma-min", Value(0.02)}, {"sigma-max", Value(20.0)}});
  const auto m = metricsAt(*session, 0);
  // The specification's figure for 800 steps of RK4 is 2e-10 in one go from level 20 down; here every law's time of a level is found by
  // halving, and 6.3e-10 was measured.
  CHECK(m.at("agreement") < 1e-9);
  CHECK(m.at("agreement") > 0);
  // In the plane the same, of both coordinates.
  REQUIRE(session->set({{"data", text("plane")}, {"scene", text("tri")}}));
  CHECK(metricsAt(*session, 0).at("agreement") < 1e-8);
}

TEST_CASE("every law runs over those of the grid's levels that it reaches, and EDM's are all of them") {
  auto session = openLab({{"steps", whole(17)}});
  metricsAt(*session, 0);
  // C6: Karras, 18 levels from 80 to 0.002.
  const auto levels = arrayNamed(*session, "scaled.solver.x");
  const double printed[] = {80, 57.586, 40.786, 28.375, 19.353, 12.910, 8.401};
  for (std::size_t i = 0; i < std::size(printed); ++i) CHECK(static_cast<double>(levels[i]) == Approx(printed[i]).epsilon(1e-4));
  CHECK(levels[17] == Approx(0.002f));
  for (const auto& [law, low, high] : {std::tuple{"ve", 0.01, 50.0}, {"vp", 0.002, 80.0}, {"flow", 0.002, 80.0}}) {
    REQUIRE(session->set("law", text(law)));
    metricsAt(*session, 0);
    INFO(law);
    const auto walked = arrayNamed(*session, "scaled.solver.x");
    CHECK(static_cast<double>(walked.front()) == Approx(high));
    float least = walked.front();
    for (std::size_t i = 1; i < walked.size() && std::isfinite(walked[i]); ++i) least = walked[i];
    CHECK(static_cast<double>(least) == Approx(low));
  }
  // With the last step to 0 they are 18 steps, and less is left to go.
  REQUIRE(session->set({{"law", text("edm")}, {"steps", whole(256)}, {"grid", text("karras")}}));
  const double before = metricsAt(*session, 0).at("distance");
  REQUIRE(session->set("final-zero", true));
  const auto zero = metricsAt(*session, 0);
  CHECK(zero.at("distance") < before + 1e-4);
  for (const char* law : {"vp", "flow", "edm", "trigonometric"}) CHECK(zero.at(std::string("error.") + law) < 1e-2);
  REQUIRE(session->set({{"data", text("plane")}, {"scene", text("tri")}}));
  CHECK(metricsAt(*session, 0).at("error.edm") < 1e-2);
  session->resetAll();
  for (const auto& grid : diffusion::gridNames()) {
    REQUIRE(session->set({{"law", text("edm")}, {"grid", Value(grid.id)}}));
    INFO(grid.id);
    CHECK(std::isfinite(metricsAt(*session, 0).at("error.edm")));
  }
}

TEST_CASE("churn under EDM's law is EDM's sampler, and keeps the data's law") {
  const diffusion::LineMixture data = diffusion::threeModes();
  const auto denoise = [&](const diffusion::State& x, double level) { return data.denoise(x, level); };
  const diffusion::State start{-60, -20, 3, 44};
  diffusion::GridRequest request;
  // The last step to 0 is Euler's; without it the same.
  const bool finalZero = GENERATE(true, false);
  const auto levels = diffusion::stepLevels(*findRegistered<diffusion::Grid>("karras"), 40, finalZero, request);
  REQUIRE(levels);
  generative::DesignSolver solver;
  solver.churn = 40, solver.churnFrom = 0.05, solver.churnTo = 50, solver.churnNoise = 1.003, solver.seed = 5;
  diffusion::SamplerOptions options;
  options.churn = 40, options.churnFrom = 0.05, options.churnTo = 50, options.churnNoise = 1.003;
  diffusion::Run run(denoise, *levels, 5, start.size(), options);
  const auto sampled = diffusion::sample(*findRegistered<diffusion::Sampler>("edm"), run, start);
  REQUIRE(sampled);
  const auto walk = generative::walkLaw(generative::lawOf("edm"), *levels, start, solver, denoise);
  // Times of raised levels are found by halving.
  for (std::size_t i = 0; i < start.size(); ++i) CHECK(walk.raw.back()[i] == Approx((*sampled)[i]).margin(1e-9));
  if (finalZero) return;
  // 1024 particles, each on a way of its own: between independent samples of deviation 1.2 and the law W1 is about 0.03 (1.2 x 0.8 / 32).
  auto session = openLab({}, "stochastic");
  auto m = metricsAt(*session, 0);
  CHECK(m.at("distance.particles") >= 512);
  CHECK(m.at("distance") < 0.1);
  CHECK(m.at("distance") > 0.005);
  // Without churn the quantiles stay quantiles.
  REQUIRE(session->set("churn", 0.0));
  CHECK(metricsAt(*session, 0).at("distance") < 2e-3);
}

TEST_CASE("the second-order steps are of second order wherever their second slope is taken") {
  for (const double alpha : {0.5, 2.0 / 3, 1.0}) {
    auto session = openLab({{"alpha", Value(alpha)}, {"sigma-min", Value(0.02)}, {"sigma-max", Value(20.0)}, {"steps", whole(64)}});
    const double coarse = metricsAt(*session, 0).at("error.edm");
    REQUIRE(session->set("steps", whole(128)));
    const double fine = metricsAt(*session, 0).at("error.edm");
    INFO(alpha);
    CHECK(std::log2(coarse / fine) > 1.7);
    CHECK(std::log2(coarse / fine) < 2.4);
  }
}

TEST_CASE("a drawn law is the law it is drawn as, and what is none is refused") {
  // s = 1 - 0.95 t and s sigma = 0.95 t: the straight path as far as level 19, on another clock.
  auto session = openLab({{"law", text("drawn")},
                          {"scale-curve", text("1, 0.05")},
                          {"level-curve", text("0, 19")},
                          {"sigma-min", Value(0.02)},
                          {"sigma-max", Value(18.0)},
                          {"steps", whole(9)}});
  const auto m = metricsAt(*session, 0);
  CHECK(m.at("error.drawn") == Approx(m.at("error.flow")).epsilon(1e-8));
  // Path over chord counts the clock: t runs 0.95 times as far.
  CHECK(m.at("curvature.drawn") == Approx(m.at("curvature.flow")).epsilon(0.05));
  // With corners the scaled path is still that of every law.
  const auto scaled = [&] { return arrayNamed(*session, "scaled.paths.y"); };
  REQUIRE(session->set({{"law", text("flow")}, {"sigma-max", Value(18.0)}}));
  REQUIRE(session->wait());
  const auto flow = scaled();
  REQUIRE(session->set({{"law", text("drawn")}, {"scale-curve", text("1, 1, 0.2, 1")}, {"level-curve", text("0, 2, 2.1, 19")}}));
  REQUIRE(session->wait());
  const auto drawn = scaled();
  REQUIRE(drawn.size() == flow.size());
  for (std::size_t i = 0; i < flow.size(); ++i) {
    if (std::isfinite(flow[i])) CHECK(drawn[i] == Approx(flow[i]).margin(1e-6));
  }
  orrery::testing::refused(*session, {{"level-curve", text("0, 3, 3, 19")}, {"scale-curve", text("1, 1, 1, 1")}}, "must be reached once");
  orrery::testing::refused(*session, {{"level-curve", text("0, 3, 19")}, {"scale-curve", text("1, 0, 1")}}, "should be above 0");
  orrery::testing::refused(*session, {{"level-curve", text("0, 3, 19")}, {"scale-curve", text("1, 1")}}, "as many values");
  orrery::testing::refused(*session, {{"level-curve", text("0, 0.0001")}, {"scale-curve", text("1, 1")}}, "choose levels between");
  // Dragging a point of any law's curve makes it one's own.
  session->resetAll();
  REQUIRE(session->set("law", text("flow")));
  REQUIRE(session->wait());
  session->pointer({PointerEvent::Kind::drag, "law", "n-2", 0.5, 1.5});
  REQUIRE(session->wait());
  const auto values = session->values();
  CHECK(std::get<std::string>(values.find("law")->second) == "drawn");
  CHECK(std::get<std::string>(values.find("scale-curve")->second) == "1, 0.75, 0.5, 0.25, 0.01");
  CHECK(std::get<std::string>(values.find("level-curve")->second) == "0, 0.3333, 1.5, 3, 200");
}

TEST_CASE("in the plane the lab is the same: EDM's F is 0 on a Gaussian, and the data say their own deviation") {
  const orrery::testing::Scratch folder;
  auto session = openLab({{"data", text("plane")}, {"scene", text("gauss")}});
  auto m = metricsAt(*session, 0);
  CHECK(m.at("data.deviation") == Approx(0.5));
  for (const float v : arrayNamed(*session, "F.mean.y")) CHECK(std::abs(v) < 1e-6f);
  // As EDM's F a network of zeros is this Gaussian's denoiser.
  REQUIRE(session->set({{"network", Asset{orrery::testing::zeroPerceptron(folder, 2), ""}},
                        {"prediction", text("F")},
                        {"network-schedule", text("edm")},
                        {"denoiser", text("network")}}));
  CHECK(metricsAt(*session, 0).at("network-error") < 1e-12);
  // Eight blobs of 0.12 on a circle: a half and 0.12 squared per axis.
  REQUIRE(session->set({{"scene", text("ring8")}}));
  m = metricsAt(*session, 0);
  CHECK(m.at("data.deviation") == Approx(std::sqrt(0.5 + 0.12 * 0.12)));
  CHECK(m.at("network-error") > 0.01);
  // The best network's loss stays below that of one that says 0.
  const auto first = arrayNamed(*session, "loss.first.y"), least = arrayNamed(*session, "loss.least.y");
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(least[i] <= first[i] * 1.0001f);
  // Points of a file are shown with deviation 0.7, every one a blob of 0.03; the network then has units of its own.
  const std::string points = folder.write("points.csv", "40,10\n60,10\n40,30\n60,30\n");
  REQUIRE(session->set({{"scene", text("dropped")}, {"file", Asset{points, ""}}, {"denoiser", text("exact")}}));
  CHECK(metricsAt(*session, 0).at("data.deviation") == Approx(std::sqrt(0.49 + 0.03 * 0.03)).epsilon(1e-6));
  // One point has no deviation.
  orrery::testing::refused(*session, {{"scene", text("point")}}, "one point");
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

TEST_CASE("logit-normal times of the straight path are normal levels, and both ends of P are dragged") {
  const auto& views = generative::networkViews();
  const auto flow = std::find_if(views.begin(), views.end(), [](const auto& v) { return v.id == "flow"; });
  // Density of t at the level t / (1 - t), by the law of a function of a random number: p(ln sigma) = p(t) t (1 - t).
  for (const double t : {0.1, 0.5, 0.8}) {
    const double logit = std::log(t / (1 - t)), z = (logit - 0.3) / 0.8;
    const double density = std::exp(-z * z / 2) / (0.8 * std::sqrt(2 * std::numbers::pi) * t * (1 - t));
    CHECK(generative::trainingDensity(*flow, true, logit, 0.3, 0.8) == Approx(density * t * (1 - t)));
    CHECK(generative::trainingDensity(*flow, false, logit, 0.3, 0.8) == Approx(t * (1 - t)));
  }
  auto session = openLab({{"preconditioning", text("flow")}, {"flow-times", text("logit-normal")}});
  REQUIRE(session->wait());
  session->pointer({PointerEvent::Kind::drag, "loss", "p-mean", 1.0, 0});
  REQUIRE(session->wait());
  session->pointer({PointerEvent::Kind::drag, "loss", "p-std", std::exp(0.7), 0});
  REQUIRE(session->wait());
  const auto values = session->values();
  CHECK(std::get<double>(values.find("p-mean")->second) == Approx(0).margin(1e-12));
  CHECK(std::get<double>(values.find("p-std")->second) == Approx(0.7));
  // Twice the standard deviation to the right the density is e^-2 of its height.
  const auto x = arrayNamed(*session, "loss.density.x"), y = arrayNamed(*session, "loss.density.high");
  const auto near = [&](double lnSigma) {
    std::size_t best = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (std::abs(std::log(x[i]) - lnSigma) < std::abs(std::log(x[best]) - lnSigma)) best = i;
    return best;
  };
  const double at = std::log(static_cast<double>(x[near(1.4)]));
  CHECK(static_cast<double>(y[near(1.4)] / y[near(0)]) == Approx(std::exp(-at * at / (2 * 0.49))).epsilon(0.05));
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
