// generative/score-sde: its Must-hold lines.

#include <cmath>
#include <set>

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
  // VE to sigma = 50: a normal law of that deviation is further from the noised data, whose means lie about 1 from 0.
  const auto& ve = *findRegistered<diffusion::Process>("ve");
  const auto veAt = ve.at(first);
  const diffusion::State there = scene->draw(3, 200, 17);
  std::vector<double> veExact;
  for (std::size_t p = 0; p < 200; ++p) veExact.push_back(scene->mixture.logDensity(there[2 * p], there[2 * p + 1], veAt.relative()));
  REQUIRE(ve.at(1).sigma == Approx(50));
  const auto veError = [&](bool exactEnd) {
    const auto times = timesBetween(ve, veAt.relative(), ve.at(1).relative(), 200);
    return worst(flowLikelihood(scene->mixture, diffusion::sdeOf(ve), times, there, {exactEnd, 0, 0}), veExact);
  };
  CHECK(veError(true) < 3e-4);
  CHECK(veError(false) == Approx(8.7e-3).epsilon(0.5));
}

TEST_CASE("one probe's variance: 2 (|A|^2 - sum A_ii^2) with random signs, 2 |A|^2 with normal numbers") {
  const auto scene = planeScene("tri");
  REQUIRE(scene);
  const auto at = findRegistered<diffusion::Process>("vp")->at(0.15);
  const diffusion::Denoiser denoise = [&](const diffusion::State& x, double level) { return scene->mixture.denoise(x, level); };
  // The Jacobian of u at one place by central differences, symmetric as a Hessian plus a multiple of one.
  const double px = 0.3, py = -0.2, h = 1e-4;
  const auto u = flowDrift(denoise, at, {px + h, py, px - h, py, px, py + h, px, py - h}).u;
  const double xx = (u[0] - u[2]) / (2 * h), yx = (u[1] - u[3]) / (2 * h), xy = (u[4] - u[6]) / (2 * h), yy = (u[5] - u[7]) / (2 * h);
  REQUIRE(xy == Approx(yx).epsilon(1e-5));
  REQUIRE(std::abs(xy) > 0.2 * std::hypot(xx, yy));  // or signs would have no spread to speak of
  const double square = xx * xx + xy * xy + yx * yx + yy * yy, diagonal = xx * xx + yy * yy;
  constexpr std::size_t n = 40000;
  diffusion::State points(2 * n);
  for (std::size_t i = 0; i < n; ++i) points[2 * i] = px, points[2 * i + 1] = py;
  for (const auto& [law, expected] : {std::pair{ProbeLaw::signs, 2 * (square - diagonal)}, {ProbeLaw::normal, 2 * square}}) {
    const auto guess = flowDrift(denoise, at, points, 1, 5, law).divergence;
    double sum = 0, squares = 0, fourth = 0;
    for (const double g : guess) sum += g / n;
    for (const double g : guess) squares += std::pow(g - sum, 2) / n, fourth += std::pow(g - sum, 4) / n;
    INFO((law == ProbeLaw::signs ? "signs" : "normal"));
    CHECK(std::abs(sum - (xx + yy)) < 4 * std::sqrt(squares / n));
    // Four standard errors of a variance, from its own fourth moment; signs give two values, whose spread is known to 1 / n.
    CHECK(std::abs(squares - expected) < 4 * std::sqrt(std::max(fourth - squares * squares, 0.0) / n) + 1e-3 * expected);
  }
}

TEST_CASE("Euler-Maruyama's stationary variance is 1 / (1 - beta h / 4), not 1") {
  // Data of unit variance under VP are at rest, S = -x: with a constant beta and equal steps of t the way back is x' = (1 - beta h / 2) x +
  // sqrt(beta h) z, the recursion of the specification: 1.025641 for beta h = 0.1, 1.142857 for 0.5.
  for (const auto& [steps, betaH] : {std::pair{500, 0.1}, {100, 0.5}}) {
    const double beta = betaH * steps / 0.999;
    auto session = openLab({{"scene", text("gauss")},
                            {"spread", Value(2.0)},
                            {"beta-first", Value(std::min(beta, 50.0))},
                            {"beta-last", Value(std::min(beta, 50.0))},
                            {"grid", text("time")},
                            {"steps", whole(steps)},
                            {"particles", whole(8192)},
                            {"noise-share", Value(1.0)}});
    REQUIRE(session->wait());
    REQUIRE(planeScene("gauss", 2)->mixture.components[0].along == Approx(1));
    // Every fifth (second) frame from a fifth of the way on, where the start is forgotten to exp(-10).
    double sum = 0;
    int frames = 0;
    for (int frame = steps / 5; frame <= steps; frame += steps / 100) sum += metricsAt(*session, frame).at("variance.reverse"), ++frames;
    INFO("beta h = " << betaH);
    // The frames are worth about twice 40 independent ones of 8192 particles: 0.25 % of standard error, four of them.
    CHECK(sum / frames == Approx(1 / (1 - std::min(beta, 50.0) * 0.999 / steps / 4)).epsilon(0.01));
  }
}

TEST_CASE("the moment equation of the way back gives the variance of the way there for every noise share, to 1e-8") {
  // One Gaussian of variance c^2: S = -x / V_t, and backwards dV/ds = -2 (f + (1 + zeta^2) g^2 / (2 V_t)) V + zeta^2 g^2.
  constexpr double c2 = 0.25;
  for (const char* id : {"ve", "vp", "sub-vp"}) {
    const auto& process = *findRegistered<diffusion::Process>(id);
    const auto truth = [&](double t) {
      const auto at = process.at(t);
      return at.alpha * at.alpha * c2 + at.sigma * at.sigma;
    };
    for (const double share : {0.0, 0.5, 1.0, 2.0}) {
      const auto rate = [&](double t, double v) {
        const auto sde = diffusion::ratesAt(process.at(t));
        return -2 * (sde.drift + (1 + share * share) * sde.diffusion2 / (2 * truth(t))) * v + share * share * sde.diffusion2;
      };
      constexpr int steps = 8000;
      const double h = 0.999 / steps;
      double v = truth(1), worstRatio = 0;
      for (int i = 0; i < steps; ++i) {
        const double t = 1 - i * h;
        const double k1 = rate(t, v), k2 = rate(t - h / 2, v + h / 2 * k1), k3 = rate(t - h / 2, v + h / 2 * k2),
                     k4 = rate(t - h, v + h * k3);
        v += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
        worstRatio = std::max(worstRatio, std::abs(v / truth(t - h) - 1));
      }
      INFO(id << ", zeta " << share);
      CHECK(worstRatio < 1e-8);
    }
  }
}

TEST_CASE("the distance to exact samples is at the floor where the chain is right, and tells three few steps from many") {
  auto session = openLab({{"particles", whole(4096)}, {"steps", whole(300)}, {"predictor", text("ancestral")}});
  for (const int frame : {0, 144, 300}) {
    const auto m = metricsAt(*session, frame);
    INFO(frame);
    CHECK(m.at("sw2.floor") > 0.002);
    CHECK(m.at("sw2") < 2 * m.at("sw2.floor"));
  }
  // Going back in time leaves what was measured.
  const auto course = arrayNamed(*session, "distance.back.y");
  CHECK(course.size() >= 17);
  const auto end = metricsAt(*session, 300).at("sw2");
  metricsAt(*session, 3);
  CHECK(arrayNamed(*session, "distance.back.y").size() < 3);
  CHECK(metricsAt(*session, 300).at("sw2") == end);
  auto few = openLab({{"particles", whole(4096)}, {"steps", whole(6)}, {"predictor", text("ancestral")}});
  const auto m = metricsAt(*few, 6);
  CHECK(m.at("sw2") > 3 * m.at("sw2.floor"));
}

TEST_CASE("every preset of score-sde shows what it says") {
  const auto run = [](const char* preset, const Changes& changes = {}) {
    auto session = openLab(changes, preset);
    auto metrics = metricsAt(*session, 1000);
    for (const Panel& panel : session->picture()->figure.panels) {
      INFO(preset << ": " << panel.id);
      CHECK(panel.message.empty());
    }
    return std::pair{std::move(session), metrics};
  };
  std::set<std::string> seen;
  const auto tried = [&](const char* preset, const Changes& changes = {}) {
    seen.insert(preset);
    return run(preset, changes);
  };
  {
    const auto [session, m] = tried("sde");
    CHECK(m.at("sw2") < 3 * m.at("sw2.floor"));
    // The end against t = 0.4: the past is forgotten but for what the forward SDE leaves.
    CHECK(std::abs(m.at("correlation")) < 0.6);
  }
  CHECK(tried("joint").second.at("correlation") > 0.999);
  {
    const auto with = tried("corrector").second, without = run("corrector", {{"corrector-steps", whole(0)}}).second;
    // The halo, whatever the shares of the modes: 4096 points of ring8, whose -ln p has a deviation of about 1, give means to 0.016.
    CHECK(without.at("nll-excess") > 0.09);
    CHECK(std::abs(with.at("nll-excess")) < 0.07);
    CHECK(with.at("nll-excess") < without.at("nll-excess") - 0.06);
  }
  {
    auto [session, m] = tried("three");
    for (const char* id : {"vp", "sub-vp", "ve"}) {
      INFO(id);
      CHECK(m.at(std::string("sw2.") + id) < 2 * m.at(std::string("sw2.floor.") + id));
    }
    const auto middle = metricsAt(*session, 100);
    CHECK(middle.at("variance.ve") > 2 * middle.at("variance.vp"));
    CHECK(middle.at("variance.vp") > 1.05 * middle.at("variance.sub-vp"));
  }
  {
    auto [session, m] = tried("fan");
    CHECK(m.at("replays.spread") > 0.3);
    REQUIRE(session->set("noise-share", Value(0.0)));
    CHECK(metricsAt(*session, 1000).at("replays.spread") < 1e-9);
  }
  CHECK(metricsAt(*tried("exploding").first, 0).at("variance.reverse") > 1000);
  {
    const auto m = tried("own").second;
    CHECK(m.at("sw2") < 3 * m.at("sw2.floor"));
  }
  {
    auto [session, m] = tried("bits");
    CHECK(m.at("likelihood.error") > 0.05);
    REQUIRE(session->set("probes", whole(0)));
    const auto exact = metricsAt(*session, 0);
    CHECK(exact.at("likelihood.error") < 1e-3);
    // 64 points of one probe each: right on average, to four standard errors of the largest error there is.
    CHECK(std::abs(exact.at("likelihood.mean") - m.at("likelihood.mean")) < 4 * m.at("likelihood.error") / std::sqrt(64.0));
  }
  const auto session = openLab({});
  for (const Preset& preset : session->lab().presets) CHECK(seen.count(preset.id) == 1);
}

TEST_CASE("one start run again: another particle is another fan, and the time stays") {
  auto session = openLab({{"particles", whole(256)}, {"steps", whole(40)}, {"replays", whole(8)}});
  metricsAt(*session, 20);
  const auto first = arrayNamed(*session, "reverse.fan-ends.xy");
  CHECK(first.size() == 16);
  REQUIRE(session->set("replayed", whole(7)));
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 20);
  CHECK(arrayNamed(*session, "reverse.fan-ends.xy") != first);
  // A click takes the particle under the pointer: its start is that of all replays.
  const auto particles = arrayNamed(*session, "reverse.particles.xy");
  PointerEvent click;
  click.panel = "reverse", click.kind = PointerEvent::Kind::click;
  click.x = static_cast<double>(particles[2 * 31]), click.y = static_cast<double>(particles[2 * 31 + 1]);
  session->pointer(click);
  REQUIRE(session->wait());
  CHECK(std::get<std::int64_t>(session->values().at("replayed")) == 31);
  metricsAt(*session, 0);
  const auto starts = arrayNamed(*session, "reverse.fan-ends.xy"), all = arrayNamed(*session, "reverse.particles.xy");
  for (std::size_t i = 0; i < starts.size(); ++i) CHECK(starts[i] == all[2 * 31 + i % 2]);
}

TEST_CASE("the map of the likelihood is that of the density, and other choices of the way back leave it") {
  auto session = openLab({{"particles", whole(64)}, {"steps", whole(20)}});
  REQUIRE(session->wait());
  const auto scene = planeScene("tri");
  const auto& vp = *findRegistered<diffusion::Process>("vp");
  const auto at = vp.at(1e-3);
  const auto bits = arrayNamed(*session, "likelihood-map.bits.value");
  const auto cells = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(bits.size()))));
  REQUIRE(cells * cells == bits.size());
  REQUIRE(cells >= 24);
  double half = 0;
  for (const Panel& panel : session->picture()->figure.panels)
    if (panel.id == "likelihood-map") half = panel.x.range->high;
  for (std::size_t r = 0; r < cells; ++r) {
    for (std::size_t c = 0; c < cells; ++c) {
      const auto centre = [&](std::size_t i) {
        return half * (2 * (static_cast<double>(i) + 0.5) / static_cast<double>(cells) - 1) / at.alpha;
      };
      const double exact = scene->mixture.logDensity(centre(c), centre(r), at.relative()) - 2 * std::log(at.alpha);
      if (exact < -15) continue;  // beyond, the steps are too few
      CHECK(static_cast<double>(bits[r * cells + c]) == Approx(-exact / (2 * std::log(2.0))).margin(0.02));
    }
  }
  CHECK(arrayNamed(*session, "likelihood-map.points.scalar").size() == 64);
  REQUIRE(session->set("steps", whole(30)));
  REQUIRE(session->wait());
  CHECK(arrayNamed(*session, "likelihood-map.bits.value") == bits);
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
  CHECK(session->picture()->figure.panels.size() == 8);
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
  for (const double share : {0.0, 0.5, 1.0, 1.5, 2.0}) {
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
    REQUIRE(session->picture()->figure.panels.size() == 8);
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
