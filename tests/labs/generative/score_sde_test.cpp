// generative/score-sde: its Must-hold lines.

#include <cmath>

#include "core/diffusion/process.h"
#include "core/labs/generative/score_sde/lab.h"
#include "core/session/session.h"
#include "tests/support/catch.h"
#include "tests/support/lab_session.h"
#include "tests/support/zero_perceptron.h"

using namespace orrery;
using namespace orrery::generative;
using orrery::testing::arrayNamed;
using orrery::testing::metricsAt;
using orrery::testing::text;
using orrery::testing::whole;

namespace {

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
      const auto sde = diffusion::ratesAt(at);
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
    return worst(flowLikelihood(scene->mixture, diffusion::sdeOf(vp), timesBetween(vp, at.relative(), vp.at(1).relative(), steps), points, {exactEnd, 0, 0}),
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
  const auto exact = flowLikelihood(scene->mixture, diffusion::sdeOf(vp), times, points);
  const auto spread = [&](int probes, double& mean) {
    double squares = 0;
    mean = 0;
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const auto guess = flowLikelihood(scene->mixture, diffusion::sdeOf(vp), times, points, {true, probes, seed});
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

TEST_CASE("a drawn diffusion obeys its own equations: moments of f and g, f and g of moments") {
  const auto own = diffusion::sdeFromRates({-1, 2, -3}, {0.5, 2, 1});
  REQUIRE(own);
  for (const double t : {0.02, 0.25, 0.3, 0.49, 0.51, 0.77, 0.98}) {
    const auto at = own->at(t);
    const auto rates = diffusion::ratesAt(at);
    const double f = t < 0.5 ? -1 + 6 * t : 2 - 10 * (t - 0.5), g = t < 0.5 ? 0.5 + 3 * t : 2 - 2 * (t - 0.5);
    INFO(t);
    CHECK(rates.drift == Approx(f));
    CHECK(std::sqrt(rates.diffusion2) == Approx(g).epsilon(1e-9));
    // The rates are those of the moments: central differences within one piece.
    const double h = 1e-4;
    CHECK((own->at(t + h).alpha - own->at(t - h).alpha) / (2 * h) == Approx(at.alphaRate).epsilon(1e-6));
    CHECK((own->at(t + h).sigma - own->at(t - h).sigma) / (2 * h) == Approx(at.sigmaRate).epsilon(1e-5));
  }
  // VP's own rates, drawn: f is a straight line, g = sqrt(beta) nearly one between 33 points.
  std::vector<double> f, g;
  for (int i = 0; i <= 32; ++i) {
    const double beta = 0.1 + 19.9 * i / 32;
    f.push_back(-beta / 2), g.push_back(std::sqrt(beta));
  }
  const auto drawn = diffusion::sdeFromRates(f, g);
  REQUIRE(drawn);
  for (const double t : {0.1, 0.4, 1.0}) {
    const auto a = drawn->at(t), b = diffusion::variancePreserving(t, 0.1, 20);
    CHECK(a.alpha == Approx(b.alpha).epsilon(1e-9));
    CHECK(a.sigma == Approx(b.sigma).epsilon(0.015));  // the first chord of sqrt(beta) lies below it
  }
  // Constant g from the first moment on: sigma^2 = t without drift, whatever the table's first piece is.
  const auto plain = diffusion::sdeFromRates({0, 0}, {1, 1});
  REQUIRE(plain);
  CHECK(plain->exploding);
  for (const double t : {1e-7, 1e-5, 1e-4, 0.3, 1.0}) CHECK(plain->at(t).sigma == Approx(std::sqrt(t)).epsilon(1e-9));
  // Straight lines of alpha and sigma: the flow's own diffusion.
  const auto moments = diffusion::sdeFromMoments({1, 0.5, 0.25}, {0, 0.5, 0.75});
  REQUIRE(moments);
  CHECK(diffusion::ratesAt(moments->at(0.25)).drift == Approx(-1 / 0.75));
  CHECK(diffusion::ratesAt(moments->at(0.25)).diffusion2 == Approx(2 * 0.25 + 2 * 0.25 * 0.25 / 0.75));
}

TEST_CASE("what is no diffusion is refused: variance that would have to shrink, noise below 0, none at the beginning") {
  const auto refusal = [](const Expected<diffusion::Sde>& sde) {
    REQUIRE_FALSE(sde);
    return sde.error().message;
  };
  CHECK(refusal(diffusion::sdeFromMoments({1, 0.5, 0.9}, {0, 0.9, 0.9})).find("would have to shrink") != std::string::npos);
  CHECK(refusal(diffusion::sdeFromMoments({1, 0}, {0, 1})).find("above 0") != std::string::npos);
  CHECK(refusal(diffusion::sdeFromMoments({0.9, 0.1}, {0, 1})).find("begin with 1") != std::string::npos);
  CHECK(refusal(diffusion::sdeFromMoments({1, 0.5}, {0, 1, 2})).find("as many") != std::string::npos);
  CHECK(refusal(diffusion::sdeFromRates({0, 0}, {1, -1})).find("below 0") != std::string::npos);
  CHECK(refusal(diffusion::sdeFromRates({0, 0, 0}, {0, 0, 1})).find("without noise at once") != std::string::npos);
  CHECK(refusal(diffusion::sdeFromRates({-90, -90}, {1, 1})).find("of their size") != std::string::npos);
  auto session = openLab({{"particles", whole(64)}, {"steps", whole(20)}});
  REQUIRE(session->wait());
  for (const Changes& changes : {Changes{{"sde", text("moments")}, {"alphas", text("1, 0.5, 0.9")}, {"sigmas", text("0, 0.9, 0.9")}},
                                 Changes{{"sde", text("rates")}, {"drift", text("1, two")}},
                                 Changes{{"sde", text("ve")}, {"sigma-min", Value(5.0)}, {"sigma-max", Value(2.0)}}}) {
    REQUIRE(session->set(changes));
    CHECK_FALSE(session->wait());
  }
  CHECK(session->picture()->figure.panels.size() == 6);
}

TEST_CASE("every SDE comes home by every predictor, drawn ones too") {
  for (const char* sde : {"vp", "sub-vp", "ve", "flow", "rates", "moments"}) {
    for (const char* predictor : {"em", "reverse-diffusion", "ancestral"}) {
      if (sde == std::string("flow") && predictor == std::string("em")) continue;  // its drift has no bound at the start
      auto session = openLab({{"scene", text("gauss")}, {"sde", text(sde)}, {"predictor", text(predictor)}, {"particles", whole(4096)}, {"steps", whole(400)}});
      const auto m = metricsAt(*session, 1000);
      INFO(sde << ", " << predictor);
      // Standard error 3.2 % of the ratio; Euler-Maruyama's own error with 400 steps is a few percent.
      CHECK(m.at("variance.reverse") / m.at("variance.forward") == Approx(1).epsilon(0.12));
    }
  }
}

TEST_CASE("dragging a point of f draws the curves, which begin as the present ones") {
  auto session = openLab({{"particles", whole(64)}, {"steps", whole(20)}});
  REQUIRE(session->wait());
  PointerEvent drag;
  drag.panel = "rates", drag.handle = "f-2", drag.kind = PointerEvent::Kind::drag;
  drag.x = 0.5, drag.y = -1;
  session->pointer(drag);
  REQUIRE(session->wait());
  const auto& values = session->values();
  CHECK(std::get<std::string>(values.at("sde")) == "rates");
  // VP: f = -beta / 2 = -(0.1 + 19.9 t) / 2.
  CHECK(std::get<std::string>(values.at("drift")) == "-0.051, -2.537, -1, -7.512, -10");
  // A second drag leaves the other points alone.
  const std::string before = std::get<std::string>(values.at("diffusion"));
  drag.handle = "f-4", drag.x = 1, drag.y = -3;
  session->pointer(drag);
  REQUIRE(session->wait());
  CHECK(std::get<std::string>(session->values().at("drift")) == "-0.051, -2.537, -1, -7.512, -3");
  CHECK(std::get<std::string>(session->values().at("diffusion")) == before);
}

TEST_CASE("a corrector's step beyond twice the narrowest variance is said to be unstable: on a Gaussian beyond a ratio of 1") {
  // delta = 2 ratio^2 (E|z| / E|S|)^2, and E|S| = E|z| / deviation: delta = 2 ratio^2 variance, but for the particles' noise.
  for (const auto& [ratio, unstable] : {std::pair{0.9, false}, {1.1, true}}) {
    auto session = openLab({{"scene", text("gauss")}, {"particles", whole(1024)}, {"steps", whole(40)}, {"corrector-steps", whole(1)}, {"corrector-ratio", Value(ratio)}});
    INFO(ratio);
    CHECK((metricsAt(*session, 1000).at("corrector.unstable") > 0) == unstable);
  }
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

namespace {

std::string noteOf(const Session& session, const std::string& id) {
  for (const Panel& panel : session.picture()->figure.panels)
    if (panel.id == id) return panel.note;
  FAIL("no panel " << id);
  return {};
}

}  // namespace

TEST_CASE("a user's network leads back in place of the exact score, and its own ODE gives the likelihood") {
  const orrery::testing::Scratch folder;
  const std::string path = orrery::testing::zeroPerceptron(folder);
  folder.write("config.json", R"({"prediction_type": "F", "noise_schedule": "edm", "time": "log-level", "sigma_data": 0.5})");
  auto session = openLab({{"scene", text("gauss")}, {"network", Asset{path, ""}}, {"particles", whole(256)}, {"steps", whole(60)}});
  for (const auto& [predictor, share, corrections] :
       {std::tuple{"em", 1.0, 1}, {"reverse-diffusion", 0.5, 0}, {"ancestral", 1.0, 0}, {"rk4", 0.0, 0}}) {
    REQUIRE(session->set({{"denoiser", text("exact")}, {"predictor", text(predictor)}, {"noise-share", Value(share)}, {"corrector-steps", whole(corrections)}}));
    const auto exact = metricsAt(*session, 60);
    const auto particles = arrayNamed(*session, "reverse.particles.xy");
    REQUIRE(exact.count("network-error") == 0);
    REQUIRE(session->picture()->figure.panels.size() == 6);
    REQUIRE(session->set("denoiser", text("network")));
    const auto same = metricsAt(*session, 60);
    INFO(predictor);
    // As EDM's F of deviation 1/2 the network is the exact denoiser of this Gaussian; the cloud asks it in f32: D is off by 1e-7, the score
    // by 1e-3 at the last level of 0.01, of which a step takes a hundredth.
    CHECK(same.at("network-error") < 1e-6);
    const auto found = arrayNamed(*session, "reverse.particles.xy");
    REQUIRE(found.size() == particles.size());
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(particles[i]).margin(1e-4));
    // In double precision, with half as many steps of order 4.
    CHECK(same.at("likelihood.error") < 1e-3);
    CHECK(same.at("likelihood.mean") == Approx(exact.at("likelihood.mean")).margin(1e-3));
    CHECK(noteOf(*session, "network-levels").empty());
  }
  // Saying x_0 = 0 everywhere, its ODE keeps x in proportion to sigma: x_T = x_0 sigma_T / sigma_0, and ln p_0 = ln p_T(x_T) + 2 ln(sigma_T /
  // sigma_0). It is off by D = c^2 / (c^2 + s^2) x; of 1024 points four standard errors of a root mean square.
  REQUIRE(session->set({{"prediction", text("x0")}, {"steps", whole(200)}}));
  const auto start = metricsAt(*session, 0);
  const auto before = arrayNamed(*session, "reverse.particles.xy");
  const auto end = metricsAt(*session, 200);
  const auto after = arrayNamed(*session, "reverse.particles.xy");
  const auto top = diffusion::variancePreserving(start.at("time"), 0.1, 20), low = diffusion::variancePreserving(end.at("time"), 0.1, 20);
  for (std::size_t i = 0; i < after.size(); ++i) {
    // Runge-Kutta with steps of 5 % in sigma: 1e-7 each.
    CHECK(static_cast<double>(after[i]) == Approx(static_cast<double>(before[i]) * low.sigma / top.sigma).epsilon(1e-4).margin(1e-7));
  }
  const auto levels = arrayNamed(*session, "network-levels.error.x"), errors = arrayNamed(*session, "network-levels.error.y");
  REQUIRE(levels.size() == errors.size());
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const auto s = static_cast<double>(levels[i]);
    CHECK(static_cast<double>(errors[i]) == Approx(std::sqrt(2.0) * 0.25 / std::sqrt(0.25 + s * s)).epsilon(4 / std::sqrt(4096.0)));
  }
  const auto points = arrayNamed(*session, "likelihood.points.xy");
  REQUIRE(points.size() == 128);
  const double v0 = low.alpha * low.alpha * 0.25 + low.sigma * low.sigma, vT = top.alpha * top.alpha * 0.25 + top.sigma * top.sigma;
  const double stretch = top.sigma / low.sigma, tau = 2 * std::acos(-1.0);
  for (std::size_t i = 0; i < points.size(); i += 2) {
    const double square = -2 * v0 * (static_cast<double>(points[i]) + std::log(tau * v0));
    const double expected = 2 * std::log(stretch) - std::log(tau * vT) - square * stretch * stretch / (2 * vT);
    // f32 of ln p, where the square times the stretch's square of 10 000 is read off: 1e-3 of a nat for one near the middle.
    CHECK(static_cast<double>(points[i + 1]) == Approx(expected).epsilon(1e-3).margin(1e-2));
  }
  // Declared against its config.json to say eps, it denies all noise: that is held against it.
  REQUIRE(session->set({{"prediction", text("epsilon")}, {"steps", whole(20)}}));
  REQUIRE(session->wait());
  CHECK(noteOf(*session, "reverse").find("deviation") != std::string::npos);
}

TEST_CASE("networks that do not fit are refused, and the way back stays") {
  const orrery::testing::Scratch folder;
  auto session = openLab({{"particles", whole(64)}, {"steps", whole(20)}});
  metricsAt(*session, 20);
  const auto before = arrayNamed(*session, "reverse.particles.xy");
  const auto refused = [&](const Changes& changes, const std::string& why) {
    orrery::testing::refused(*session, changes, why);
    session->undo();
    metricsAt(*session, 20);
    CHECK(arrayNamed(*session, "reverse.particles.xy") == before);
  };
  refused({{"denoiser", text("network")}}, "no network yet");
  refused({{"denoiser", text("network")}, {"network", Asset{orrery::testing::zeroPerceptron(folder, 3), ""}}}, "3 coordinates");
  // Its config.json speaks of 16 frequencies; its first layer takes the time itself.
  const std::string path = orrery::testing::zeroPerceptron(folder);
  folder.write("config.json", R"({"frequencies": [1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8]})");
  refused({{"denoiser", text("network")}, {"network", Asset{path, ""}}}, "16 frequencies");
  const orrery::testing::Scratch other;
  refused({{"denoiser", text("network")},
           {"network", Asset{orrery::testing::explosivePerceptron(other), ""}},
           {"activation", text("relu")},
           {"prediction", text("score")},
           {"steps", whole(200)}},
          "ran away");
}
