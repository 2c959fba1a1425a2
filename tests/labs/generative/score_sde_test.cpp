// generative/score-sde: its Must-hold lines.

#include <cmath>

#include "core/labs/generative/score_sde/lab.h"
#include "core/session/session.h"
#include "tests/support/catch.h"
#include "tests/support/lab_session.h"

using namespace orrery;
using namespace orrery::generative;
using orrery::testing::arrayNamed;
using orrery::testing::metricsAt;

namespace {

const Value whole(std::int64_t v) { return Value(v); }
const Value text(const char* v) { return Value(std::string(v)); }

std::unique_ptr<Session> openLab(const Changes& changes = {}, const std::string& preset = {}) {
  return orrery::testing::openLab("generative/score-sde", changes, preset);
}

// Levels from `low` to `high`, equal in ln sigma, as times.
std::vector<double> timesBetween(const diffusion::Process& process, double low, double high, int steps) {
  std::vector<double> times;
  for (int i = 0; i <= steps; ++i) times.push_back(diffusion::timeOf(process, low * std::pow(high / low, static_cast<double>(i) / steps)));
  return times;
}

double worst(const std::vector<double>& a, const std::vector<double>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

}  // namespace

TEST_CASE("variance obeys d sigma^2 / dt = 2 f sigma^2 + g^2, for VE, VP and sub-VP") {
  for (const char* id : {"ve", "vp", "sub-vp"}) {
    const auto& process = *findRegistered<diffusion::Process>(id);
    for (const double t : {0.05, 0.3, 0.7, 0.95}) {
      const auto at = process.at(t);
      const LinearSde sde = sdeAt(at);
      const double h = 1e-5;
      const auto square = [&](double s) { return process.at(s).sigma * process.at(s).sigma; };
      const double rate = (square(t + h) - square(t - h)) / (2 * h);
      INFO(id << " at " << t);
      CHECK(rate == Approx(2 * sde.drift * at.sigma * at.sigma + sde.diffusion2).epsilon(1e-6));
      CHECK(sde.diffusion2 > 0);
      const double beta = 0.1 + 19.9 * t;
      if (id == std::string("vp")) {
        CHECK(sde.diffusion2 == Approx(beta).epsilon(1e-9));
        CHECK(sde.drift == Approx(-beta / 2).epsilon(1e-9));
      }
      if (id == std::string("sub-vp")) CHECK(sde.diffusion2 == Approx(beta * (1 - std::pow(at.alpha, 4))).epsilon(1e-6));
    }
  }
}

TEST_CASE("the likelihood by the ODE is that of the density: 2.4e-4 nats with 100 steps, order 4, and what the normal prior costs") {
  const auto scene = planeScene("tri");
  REQUIRE(scene);
  const auto& vp = *findRegistered<diffusion::Process>("vp");
  const double first = 1e-5;
  const auto at = vp.at(first);
  const diffusion::State points = at.alpha * scene->draw(3, 200, 17);
  std::vector<double> exact;
  for (std::size_t p = 0; p < 200; ++p)
    exact.push_back(scene->mixture.logDensity(points[2 * p] / at.alpha, points[2 * p + 1] / at.alpha, at.relative()) -
                    2 * std::log(at.alpha));
  const auto error = [&](int steps, bool exactEnd) {
    return worst(flowLikelihood(scene->mixture, vp, timesBetween(vp, at.relative(), vp.at(1).relative(), steps), points, {exactEnd, 0, 0}),
                 exact);
  };
  const double coarse = error(100, true), fine = error(200, true);
  // The specification's figures are of other points of the same law: within a factor of two.
  CHECK(coarse < 5e-4);
  CHECK(fine < 3e-5);
  CHECK(std::log2(coarse / fine) > 3.5);
  CHECK(error(200, false) == Approx(3.6e-3).epsilon(0.5));
}

TEST_CASE("Hutchinson's estimate is right on average, and its spread falls with the probes") {
  const auto scene = planeScene("tri");
  REQUIRE(scene);
  const auto& vp = *findRegistered<diffusion::Process>("vp");
  const auto times = timesBetween(vp, 0.02, 100, 60);
  const diffusion::State points = vp.at(times.front()).alpha * scene->draw(3, 100, 17);
  const auto exact = flowLikelihood(scene->mixture, vp, times, points);
  const auto spread = [&](int probes, double& mean) {
    double squares = 0;
    mean = 0;
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const auto guess = flowLikelihood(scene->mixture, vp, times, points, {true, probes, seed});
      for (std::size_t p = 0; p < guess.size(); ++p) mean += (guess[p] - exact[p]) / 400, squares += std::pow(guess[p] - exact[p], 2) / 400;
    }
    return std::sqrt(squares);
  };
  double one = 0, eight = 0;
  const double wide = spread(1, one), narrow = spread(8, eight);
  // 400 values: the mean's standard error is a twentieth of the spread.
  CHECK(std::abs(one) < 0.2 * wide);
  CHECK(std::abs(eight) < 0.2 * narrow);
  CHECK(wide / narrow == Approx(std::sqrt(8.0)).epsilon(0.25));
}

TEST_CASE("every noise share has the same variance at every time") {
  for (const double share : {0.0, 0.5, 1.0, 1.5}) {
    auto session = openLab({{"scene", text("gauss")}, {"noise-share", Value(share)}, {"particles", whole(4096)}, {"steps", whole(300)}});
    INFO(share);
    for (const int frame : {75, 150, 225, 300}) {
      const auto m = metricsAt(*session, frame);
      // 4096 particles: 2.2 % of standard error in each of the two; Euler-Maruyama's own error with 300 steps is about a percent.
      CHECK(m.at("variance.reverse") / m.at("variance.forward") == Approx(1).epsilon(0.1));
    }
  }
}

TEST_CASE("two times of a path: the ODE remembers all, the reverse SDE what the forward one does") {
  const auto scene = planeScene("gauss");
  REQUIRE(scene);
  const double c2 = scene->mixture.components[0].along;
  const auto& vp = *findRegistered<diffusion::Process>("vp");
  for (const auto& [share, bar] : {std::pair{0.0, 0.01}, {1.0, 0.05}, {0.5, 0.05}}) {
    auto session = openLab({{"scene", text("gauss")},
                            {"noise-share", Value(share)},
                            {"particles", whole(8192)},
                            {"steps", whole(400)},
                            {"grid", text("time")},
                            {"early", Value(0.6)}});
    // Frame 320 of 400, uniform in t from 1 to 0.001: t = 0.2008.
    const auto m = metricsAt(*session, 320);
    const auto s = vp.at(m.at("time")), t = vp.at(0.6);
    const double vs = s.alpha * s.alpha * c2 + s.sigma * s.sigma, vt = t.alpha * t.alpha * c2 + t.sigma * t.sigma;
    const double forward = t.alpha / s.alpha * std::sqrt(vs / vt);
    INFO("zeta " << share);
    // Standard error 0.011; the grid's nearest time lies within 0.0013 of 0.6.
    CHECK(std::abs(m.at("correlation") - std::pow(forward, share * share)) < bar);
  }
}

TEST_CASE("the chain of each predictor comes home, the timeline comes back, and what cannot be is refused") {
  for (const char* predictor : {"em", "ancestral"}) {
    auto session =
        openLab({{"predictor", text(predictor)}, {"particles", whole(8192)}, {"steps", whole(300)}, {"corrector-steps", whole(1)}});
    const auto m = metricsAt(*session, 1000);
    INFO(predictor);
    CHECK(m.at("variance.reverse") / m.at("variance.forward") == Approx(1).epsilon(0.1));
  }
  auto session = openLab({{"particles", whole(64)}, {"steps", whole(20)}});
  metricsAt(*session, 7);
  const auto middle = arrayNamed(*session, "reverse.particles.xy");
  metricsAt(*session, 20);
  CHECK(arrayNamed(*session, "reverse.particles.xy") != middle);
  metricsAt(*session, 7);
  CHECK(arrayNamed(*session, "reverse.particles.xy") == middle);
  REQUIRE(session->set({{"predictor", text("rk4")}}));
  const auto refused = session->wait();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("noise share") != std::string::npos);
}
