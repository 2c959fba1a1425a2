// generative/ddim: its Must-hold lines as the lab's own functions, metrics and arrays give them, its presets, and what it refuses.

#include <algorithm>
#include <cmath>

#include "core/diffusion/noise.h"
#include "core/diffusion/sampler.h"
#include "core/labs/generative/ddim/steps.h"
#include "core/labs/generative/shared/plane_scene.h"
#include "core/session/session.h"
#include "tests/support/catch.h"
#include "tests/support/lab_session.h"
#include "tests/support/zero_perceptron.h"

using namespace orrery;
using namespace orrery::generative;
using orrery::diffusion::State;
using orrery::testing::arrayNamed;
using orrery::testing::metricsAt;
using orrery::testing::text;
using orrery::testing::whole;

namespace {

std::unique_ptr<Session> openLab(const Changes& changes = {}, const std::string& preset = {}) {
  return orrery::testing::openLab("generative/ddim", changes, preset);
}

Chain linearChain(int T = 1000) {
  ScheduleRequest request;
  request.steps = T;
  auto chain = makeChain(request);
  REQUIRE(chain);
  return *chain;
}

double worst(const State& a, const State& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

}  // namespace

TEST_CASE("ddim: without noise a step is Euler's, DPM-Solver-1's and an Euler step of the straight path's velocity") {
  const auto scene = planeScene("tri");
  REQUIRE(scene);
  const auto denoiser = [&](const State& x, double level) { return scene->mixture.denoise(x, level); };
  const auto levels = levelsOf(linearChain(), timestepsOf("linspace", 1000, 20), false);
  const auto steps = ddimSteps(levels, 0);
  REQUIRE(steps);
  const State start = diffusion::Noise(3, 128).fresh(0, 0);
  // One step each from the same state: nothing accumulates.
  for (std::size_t i = 0; i < steps->size(); ++i) {
    const double a = levels[i], b = levels[i + 1];
    const State x = std::sqrt(0.5 + a * a) * start, D = denoiser(x, a);
    const State ours = (*steps)[i].keep * x + (*steps)[i].toward * D;
    const State euler = x + (b - a) / a * (x - D);
    const double h = std::log(a / b);
    const State dpm = std::exp(-h) * x - std::expm1(-h) * D;
    // x_t = (1 - t) xbar with t = level / (1 + level); velocity eps - x_0.
    const double t = a / (1 + a), s = b / (1 + b);
    const State epsilon = (x - D) / a, straight = (((1 - t) * x) + (s - t) * (epsilon - D)) / (1 - s);
    // 1e-14 of the state, whose size is the level.
    CHECK(worst(ours, euler) < 1e-14 * (1 + 4 * a));
    CHECK(worst(ours, dpm) < 1e-14 * (1 + 4 * a));
    CHECK(worst(ours, straight) < 4e-14 * (1 + 4 * a) * (1 + a));
  }
}

TEST_CASE("ddim: the cloud on the device is the sampler in double precision, by the particle rule") {
  auto session = openLab({{"scene", text("tri")}, {"particles", whole(4096)}, {"steps", whole(20)}});
  metricsAt(*session, 20);
  const auto cloud = arrayNamed(*session, "planes.samples.xy");
  const double far = 4 * 2.6;  // the data plane's centre
  const auto scene = planeScene("tri");
  const auto levels = levelsOf(linearChain(), timestepsOf("linspace", 1000, 20), true);
  diffusion::Run run([&](const State& x, double level) { return scene->mixture.denoise(x, level); }, levels, 0, 8192);
  const auto end =
      diffusion::sample(*findRegistered<diffusion::Sampler>("euler"), run, levels.front() * diffusion::Noise(20261120, 8192).fresh(0, 0));
  REQUIRE(end);
  REQUIRE(cloud.size() == end->size());
  std::vector<double> off;
  for (std::size_t i = 0; i < cloud.size(); i += 2)
    off.push_back(std::hypot(static_cast<double>(cloud[i]) - far - (*end)[i], static_cast<double>(cloud[i + 1]) - (*end)[i + 1]));
  std::sort(off.begin(), off.end());
  // generative.md C12.5.
  CHECK(off[off.size() * 999 / 1000] < 2e-5);
  CHECK(off.back() < 1e-3);
  // Frame by frame the flight ends where the single dispatch does: the trails pass through it.
  const auto trails = arrayNamed(*session, "planes.trails.xy");
  REQUIRE(trails.size() == 21u * 48 * 2);
  for (std::size_t i = 0; i < 96; ++i) CHECK(std::abs(trails[20 * 96 + i] - cloud[i]) < 1e-6f);
  for (const auto& message : orrery::testing::device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("ddim: at eta 1 consecutive steps have the variance of the posterior") {
  const Chain chain = linearChain();
  for (const int t : {2, 3, 50, 259, 999, 1000}) {
    const double varsigma = stochasticity(chain, t, t - 1, 1);
    CHECK(varsigma * varsigma == Approx(chain.posteriorVariance(t)).epsilon(1e-9));  // 1 - abar / abar' cancels to 1e-4 of itself
    const auto step = ddimSteps({chain.level(t), chain.level(t - 1)}, 1);
    REQUIRE(step);
    CHECK((*step)[0].noise * chain.alpha(t - 1) == Approx(std::sqrt(chain.posteriorVariance(t))).epsilon(1e-5));
  }
}

TEST_CASE("ddim: Gaussian data: the sub-sequence widens too little by the specification's ratios") {
  const std::pair<int, double> ratios[] = {{5, 0.4502}, {10, 0.7234}, {20, 0.8611}, {50, 0.9440}};
  auto session = openLab({{"scene", text("gauss")}, {"final", text("least")}, {"particles", whole(256)}});
  const Chain chain = linearChain();
  for (const auto& [N, ratio] : ratios) {
    REQUIRE(session->set("steps", whole(N)));
    const auto m = metricsAt(*session, 0);
    INFO("N = " << N);
    // Four digits are printed.
    CHECK(std::abs(m.at("width-over-exact") - ratio) < 6e-5);
    // The product formula of the specification.
    const auto levels = levelsOf(chain, timestepsOf("linspace", 1000, N), false);
    double product = 1;
    for (std::size_t i = 0; i + 1 < levels.size(); ++i) product *= (0.25 + levels[i] * levels[i + 1]) / (0.25 + levels[i] * levels[i]);
    const double exact = std::sqrt((0.25 + levels.back() * levels.back()) / (0.25 + levels.front() * levels.front()));
    CHECK(m.at("width-over-exact") == Approx(product / exact).epsilon(1e-6));  // the exact path is by Runge-Kutta
  }
}

TEST_CASE("ddim: order 1: the error halves when the steps double") {
  auto session = openLab({{"scene", text("tri")}});
  const auto m = metricsAt(*session, 0);
  CHECK(m.at("order") > 0.9);
  CHECK(m.at("order") < 1.1);
  for (const auto& [coarse, fine, factor] :
       {std::tuple{"error.100", "error.200", 2.0}, {"error.200", "error.500", 2.5}, {"error.500", "error.1000", 2.0}}) {
    const double order = std::log(m.at(coarse) / m.at(fine)) / std::log(factor);
    INFO(coarse);
    CHECK(order > 0.9);
    CHECK(order < 1.1);
  }
}

TEST_CASE("ddim: the explicit inversion returns to first order, the fixed point to rounding where it converges") {
  auto session = openLab({{"lower-right", text("histogram")}}, "invert-and-return");
  auto m = metricsAt(*session, 0);
  const std::pair<const char*, double> printed[] = {{"10", 0.229}, {"20", 0.129}, {"40", 0.071}, {"80", 0.035}, {"160", 0.019}};
  double before = 0;
  for (const auto& [N, error] : printed) {
    const double now = m.at(std::string("round-trip.explicit.") + N);
    INFO("N = " << N << ": " << now);
    // A trend: 256 points of another generator scatter by several percent.
    CHECK(now == Approx(error).epsilon(0.2));
    if (before > 0) {
      CHECK(now < 0.65 * before);
      CHECK(now > 0.45 * before);
    }
    before = now;
  }
  CHECK(m.at("round-trip.fixed-point.160") < 1e-6);
  CHECK(m.at("round-trip.fixed-point.20") > 1e-3);
  // The same run as the cloud's own: data to latents in the first half, back in the second.
  CHECK(m.at("return.mean") == Approx(m.at("round-trip.explicit.40")).epsilon(0.1));
  REQUIRE(session->set({{"inversion", text("fixed-point")}, {"steps", whole(160)}, {"iterations", whole(20)}}));
  m = metricsAt(*session, 0);
  CHECK(m.at("return.mean") < 1e-5);
  CHECK(m.at("residual") < 1e-3);
  REQUIRE(session->set({{"steps", whole(10)}}));
  CHECK(metricsAt(*session, 0).at("residual") > 1e-2);
  const auto found = arrayNamed(*session, "planes.latents.xy");
  CHECK(found.size() >= 64);
}

TEST_CASE("ddim: the same latents in 50 and in 500 steps agree to the order's bound, with noise they do not") {
  auto session = openLab({{"steps", whole(50)}, {"compare-steps", whole(500)}});
  auto m = metricsAt(*session, 0);
  const double without = m.at("compared"), bound = m.at("error.50") + m.at("error.500");
  INFO(without << " against " << bound);
  // The bound is that of the 64 tracked latents; of 4096 a few more lie near the edge of two basins.
  CHECK(without < 2 * bound);
  REQUIRE(session->set("eta", 1.0));
  m = metricsAt(*session, 0);
  CHECK(m.at("compared") > 10 * without);
  CHECK(m.at("draws.spread") > 0.5);
  REQUIRE(session->set("eta", 0.0));
  CHECK(metricsAt(*session, 0).at("draws.spread") == 0);
}

TEST_CASE("ddim: timesteps are distinct, as many as asked for, and at the ends their spacing names") {
  for (const char* spacing : {"linspace", "leading", "trailing", "quadratic"}) {
    for (const auto& [T, N] : {std::pair{1000, 1}, {1000, 20}, {1000, 999}, {1000, 1000}, {37, 36}, {10, 7}}) {
      const auto steps = timestepsOf(spacing, T, N);
      INFO(spacing << " " << T << " " << N);
      REQUIRE(static_cast<int>(steps.size()) == N);
      for (std::size_t i = 1; i < steps.size(); ++i) CHECK(steps[i] < steps[i - 1]);
      CHECK(steps.front() <= T);
      CHECK(steps.back() >= 1);
    }
  }
  CHECK(timestepsOf("linspace", 1000, 5) == std::vector<int>{1000, 750, 501, 251, 1});
  CHECK(timestepsOf("leading", 1000, 5) == std::vector<int>{801, 601, 401, 201, 1});
  CHECK(timestepsOf("trailing", 1000, 5) == std::vector<int>{1000, 800, 600, 400, 200});
}

TEST_CASE("ddim: presets show what they say") {
  auto twenty = openLab({}, "twenty-or-thousand");
  auto m = metricsAt(*twenty, 0);
  CHECK(m.at("compared") < 0.25);  // blobs of the ring lie 0.77 apart
  auto eta = openLab({}, "eta-sweep");
  m = metricsAt(*eta, 0);
  CHECK(m.at("eta.20.0.0") < m.at("eta.20.1.0"));
  CHECK(std::abs(m.at("eta.1000.0.0") - m.at("eta.1000.1.0")) < 2 * m.at("eta.floor"));
  auto walk = openLab({}, "slerp-walk");
  m = metricsAt(*walk, 0);
  CHECK(m.at("walk.lerp.least-norm") < 0.1);
  CHECK(m.at("walk.slerp.least-norm") > 1.35);
  // Somewhere on the straight line the sample is far less likely than anywhere on the circle's.
  const auto straight = arrayNamed(*walk, "walk.lerp.y"), circle = arrayNamed(*walk, "walk.slerp.y");
  CHECK(straight.size() == circle.size());
}

TEST_CASE("ddim: interpolation along the circle keeps the radius and ends where it should") {
  const std::array<double, 2> a{1.5, 0.3}, b{-0.4, 1.4};
  for (const bool spherical : {false, true}) {
    CHECK(std::hypot(interpolate(a, b, 0, spherical)[0] - a[0], interpolate(a, b, 0, spherical)[1] - a[1]) < 1e-12);
    CHECK(std::hypot(interpolate(a, b, 1, spherical)[0] - b[0], interpolate(a, b, 1, spherical)[1] - b[1]) < 1e-12);
  }
  const auto half = interpolate({1, 0}, {0, 1}, 0.5, true), opposite = interpolate({1, 0}, {-1, 0}, 0.5, true);
  CHECK(std::hypot(half[0], half[1]) == Approx(1).epsilon(1e-12));
  CHECK(std::hypot(opposite[0], opposite[1]) == Approx(1).epsilon(1e-6));
}

TEST_CASE("ddim: dragging a latent moves its sample, dragging a blob moves the data") {
  auto session = openLab();
  metricsAt(*session, 0);
  const auto before = arrayNamed(*session, "planes.draws.xy");
  PointerEvent event;
  event.kind = PointerEvent::Kind::drag;
  event.panel = "planes";
  event.handle = "latent-a";
  event.x = 0.2;
  event.y = -1.9;
  session->pointer(event);
  REQUIRE(session->wait());
  CHECK(std::get<double>(session->value("a-y")) == Approx(-1.9).epsilon(1e-3));
  CHECK(arrayNamed(*session, "planes.draws.xy") != before);
  event.handle = "component-0";
  event.x = 4 * 2.6 + 1.5;
  event.y = 0.5;
  session->pointer(event);
  REQUIRE(session->wait());
  CHECK(std::get<std::string>(session->value("components")) == "ring8 0:1.500,0.500");
}

TEST_CASE("ddim: what cannot run is refused with its reason, and the lab stays usable") {
  auto session = openLab();
  const auto refused = [&](const Changes& changes, const std::string& why) {
    orrery::testing::refused(*session, changes, why);
    session->resetAll();
    REQUIRE(session->wait());
  };
  refused({{"eta", 1.5}}, "lower η");
  refused({{"eta", 0.5}, {"inversion", text("explicit")}}, "deterministic path");
  refused({{"steps", whole(200)}, {"chain", whole(100)}}, "more than the chain's");
  refused({{"compare-steps", whole(200)}, {"chain", whole(100)}}, "more than the chain's");
  refused({{"steps", whole(1)}, {"inversion", text("explicit")}}, "at least 2");
  const orrery::testing::Scratch folder;
  refused({{"denoiser", text("network")}}, "no network yet");
  refused({{"denoiser", text("network")}, {"network", Asset{orrery::testing::zeroPerceptron(folder, 3), ""}}}, "3 coordinates");
  const orrery::testing::Scratch other;
  refused({{"denoiser", text("network")},
           {"network", Asset{orrery::testing::explosivePerceptron(other), ""}},
           {"activation", text("relu")},
           {"prediction", text("score")},
           {"steps", whole(300)}},
          "ran away");
  REQUIRE(session->set("steps", whole(1)));
  REQUIRE(session->wait());
}

TEST_CASE("ddim: a user's network takes every step, forwards and backwards, and its errors are those of its closed form") {
  const orrery::testing::Scratch folder;
  const std::string path = orrery::testing::zeroPerceptron(folder);
  folder.write("config.json", R"({"prediction_type": "F", "noise_schedule": "edm", "time": "log-level"})");
  auto session = openLab({{"scene", text("gauss")},
                          {"network", Asset{path, ""}},
                          {"final", text("least")},
                          {"particles", whole(512)},
                          {"compare-steps", whole(50)},
                          {"lower-left", text("network")},
                          {"lower-right", text("network-levels")}});
  const auto noteOf = [&](const char* id) {
    for (const Panel& panel : session->picture()->figure.panels)
      if (panel.id == id) return panel.note;
    FAIL("no panel " << id);
    return std::string();
  };
  // As EDM's F of deviation 1/2 the network is the exact denoiser of this Gaussian, asked step by step in f32 by the cloud, in double
  // precision by what is measured; the reference of its own path has 256 steps of order 4.
  for (const double eta : {0.0, 1.0}) {
    REQUIRE(session->set({{"eta", Value(eta)}, {"denoiser", text("exact")}}));
    const auto middle = metricsAt(*session, 10);
    const auto flying = arrayNamed(*session, "planes.flying.xy"), samples = arrayNamed(*session, "planes.samples.xy"),
               trails = arrayNamed(*session, "planes.trails.xy");
    REQUIRE(middle.count("network-error") == 0);
    REQUIRE(session->set("denoiser", text("network")));
    const auto same = metricsAt(*session, 10);
    INFO("eta " << eta);
    CHECK(same.at("network-error") < 1e-6);
    for (const auto& [name, before] : {std::pair{"planes.flying.xy", flying}, {"planes.samples.xy", samples}, {"planes.trails.xy", trails}}) {
      const auto found = arrayNamed(*session, name);
      REQUIRE(found.size() == before.size());
      for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(before[i]).margin(1e-4));
    }
    for (const char* metric : {"error", "error.20", "error.1000", "width-over-exact", "compared"})
      CHECK(same.at(metric) == Approx(middle.at(metric)).epsilon(1e-3).margin(1e-5));
    CHECK(same.at("order") == Approx(middle.at("order")).margin(1e-3));
    CHECK(same.at("apart.100") == Approx(same.at("error.100")).epsilon(1e-3));
    CHECK(noteOf("network-levels").empty());
  }
  // Frame by frame to the same bits, there and back.
  const auto end = metricsAt(*session, 19);
  metricsAt(*session, 4);
  CHECK(metricsAt(*session, 19) == end);
  // Saying x_0 = 0 everywhere, a step is x' = x b / a: no step count errs against its own path, any inversion returns, and the cloud is
  // narrower than it should be by (sigma_N / sigma_0) sqrt((c^2 + sigma_0^2) / (c^2 + sigma_N^2)).
  REQUIRE(session->set({{"prediction", text("x0")}, {"eta", Value(0.0)}}));
  const auto zero = metricsAt(*session, 0);
  const Chain chain = linearChain();
  const double top = chain.level(1000), low = chain.level(1), ratio = low / top * std::sqrt((0.25 + top * top) / (0.25 + low * low));
  CHECK(zero.at("width-over-exact") == Approx(ratio).epsilon(1e-6));
  for (const char* N : {"5", "20", "1000"}) {
    // The reference errs by h^5 / 120 per step of h = 0.038.
    CHECK(zero.at(std::string("error.") + N) < 1e-6);
    CHECK(zero.at(std::string("apart.") + N) == Approx(zero.at("error")).epsilon(1e-6));
  }
  CHECK(zero.at("compared") < 1e-6);
  const auto levels = arrayNamed(*session, "network-levels.error.x"), errors = arrayNamed(*session, "network-levels.error.y");
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const auto s = static_cast<double>(levels[i]);
    // Off by D = c^2 / (c^2 + s^2) x; of 1024 points four standard errors of a root mean square.
    CHECK(static_cast<double>(errors[i]) == Approx(std::sqrt(2.0) * 0.25 / std::sqrt(0.25 + s * s)).epsilon(4 / std::sqrt(4096.0)));
  }
  REQUIRE(session->set({{"inversion", text("explicit")}, {"lower-left", text("round-trip")}}));
  const auto back = metricsAt(*session, 0);
  CHECK(back.at("return.mean") < 1e-12);
  CHECK(back.at("round-trip.explicit.20") < 1e-12);
  // Declared against its config.json to say eps, it denies all noise: that is held against it.
  REQUIRE(session->set({{"prediction", text("epsilon")}, {"inversion", text("off")}}));
  REQUIRE(session->wait());
  CHECK(noteOf("network-levels").find("deviation") != std::string::npos);
}
