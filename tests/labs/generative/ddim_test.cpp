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

using namespace orrery;
using namespace orrery::generative;
using orrery::diffusion::State;
using orrery::testing::arrayNamed;
using orrery::testing::metricsAt;

namespace {

const Value whole(std::int64_t v) { return Value(v); }
const Value text(const char* v) { return Value(std::string(v)); }

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
  const auto refused = [&](const Changes& changes, const char* word) {
    REQUIRE(session->set(changes));
    const auto done = session->wait();
    REQUIRE_FALSE(done);
    INFO(done.error().message);
    CHECK(done.error().message.find(word) != std::string::npos);
    session->resetAll();
    REQUIRE(session->wait());
  };
  refused({{"eta", 1.5}}, "lower η");
  refused({{"eta", 0.5}, {"inversion", text("explicit")}}, "deterministic path");
  refused({{"steps", whole(200)}, {"chain", whole(100)}}, "more than the chain's");
  refused({{"compare-steps", whole(200)}, {"chain", whole(100)}}, "more than the chain's");
  refused({{"steps", whole(1)}, {"inversion", text("explicit")}}, "at least 2");
  REQUIRE(session->set("steps", whole(1)));
  REQUIRE(session->wait());
}
