// The claims of the lab generative/rectified-flow: its Must-hold lines, its controls, its timeline and what it refuses.

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "core/diffusion/density.h"
#include "core/kernels/philox.h"
#include "core/labs/generative/rectified_flow/lab.h"
#include "core/session/session.h"
#include "tests/support/catch.h"
#include "tests/support/lab_session.h"
#include "tests/support/zero_perceptron.h"

using namespace orrery;
using orrery::testing::arrayNamed;
using orrery::testing::device;
using orrery::testing::metricsAt;
using namespace orrery::generative;

namespace {

Value whole(std::int64_t v) { return Value(v); }
Value text(const char* s) { return Value(std::string(s)); }

std::unique_ptr<Session> openLab(const Changes& changes = {}, const std::string& preset = {}) {
  auto session = orrery::testing::openLab("generative/rectified-flow", changes, preset);
  const auto done = session->wait();
  if (!done) FAIL(done.error().message);
  return session;
}

std::string errorOf(const Changes& changes) {
  auto session = orrery::testing::openLab("generative/rectified-flow", {{"round", whole(1)}});
  REQUIRE(session->wait());
  const auto set = session->set(changes);
  if (!set) return set.error().message;
  const auto done = session->wait();
  return done ? "" : done.error().message;
}

}  // namespace

TEST_CASE("rectified flow 1: one step of round 1 sends every particle to the mean of the data") {
  auto session = openLab({{"scene", text("tri")}, {"round", whole(1)}, {"steps", whole(1)}, {"particles", whole(256)}});
  double mean[2] = {0, 0};
  const auto tri = planeScene("tri");
  REQUIRE(tri);
  for (const auto& c : tri->density.components) mean[0] += c.weight * c.x, mean[1] += c.weight * c.y;
  const auto end = arrayNamed(*session, "few.landed.xy");
  REQUIRE(end.size() == 512);
  for (std::size_t i = 0; i < end.size(); ++i) CHECK(end[i] == Approx(mean[i % 2]).margin(1e-5));
}

TEST_CASE("rectified flow 2: a Gaussian's budget is known in closed form") {
  // Per axis, data N(0, c^2), base N(0, 1), independent: the integral of Var is pi c / 2, S = c (2 - pi / 2), E|Z1 - Z0|^2 = (1 - c)^2.
  gpu::Stream stream(device());
  for (const double c : {0.1, 0.3, 0.5, 1.0, 2.0}) {
    ExactFlow flow{{}, {}, {}};
    flow.data.components = {{1, 0, 0, c * c, c * c, 0}};
    const Velocity velocity = [&](gpu::Stream& s, const Tensor& x, double t) { return flowVelocity(s, flow.at(t), x); };
    // The flow is linear in its start: the start (1, 1) carries the second moments of a unit normal, axis by axis.
    const FlowRun run = runFlow(stream, velocity, Tensor::from(Shape{1, 2}, {1, 1}), 96, FlowSolver::rk4);
    INFO("c = " << c);
    // The trapezoid rule at 96 steps: 4e-3 where the velocity turns fastest, around t = c^2 for the smallest c.
    CHECK(run.cost / 2 == Approx((1 - c) * (1 - c)).epsilon(1e-4).margin(1e-4));
    CHECK(run.straightness / 2 == Approx(c * (2 - std::numbers::pi / 2)).epsilon(6e-3));
    double variance = 0;
    constexpr int parts = 4096;
    for (int i = 0; i < parts; ++i) variance += evaluateFlow(flow.at((i + 0.5) / parts), 0.3, -0.2).variance / parts;
    CHECK(variance / 2 == Approx(std::numbers::pi * c / 2).epsilon(1e-4));
    CHECK((run.cost + run.straightness + variance) / 2 == Approx(1 + c * c).epsilon(3e-3));
  }
}

TEST_CASE("rectified flow 3: on the line one reflow is straight, and one step is the monotone map") {
  // Pairs by inverse distribution functions: x0 = F0^-1(F1(x1)).
  gpu::Stream stream(device());
  const diffusion::LineMixture line = diffusion::threeModes();
  constexpr std::int64_t n = 1 << 12;
  const auto target = [&](double x) { return line.quantile(0.5 * std::erfc(-x / std::numbers::sqrt2), 0); };
  std::vector<float> pairs;
  for (std::int64_t i = 0; i < n; ++i) {
    // Equidistant base ends: the kernel then has no noise of its own.
    const double x1 = -3.5 + 7.0 * (static_cast<double>(i) + 0.5) / static_cast<double>(n);
    pairs.insert(pairs.end(), {static_cast<float>(target(x1)), 0, static_cast<float>(x1), 0});
  }
  const Tensor stored = Tensor::from(Shape{n, 4}, pairs);
  const double h = 3e-3;
  const Velocity velocity = [&](gpu::Stream& s, const Tensor& x, double t) { return regressedVelocity(s, stored, h, t, x); };
  std::vector<float> starts;
  for (int i = 0; i < 200; ++i) {
    // Standard normal quantiles, so that means over them are means over the base.
    const double q = (i + 0.5) / 200;
    double low = -6, high = 6;
    while (high - low > 1e-12) (0.5 * std::erfc(-(low + high) / 2 / std::numbers::sqrt2) < q ? low : high) = (low + high) / 2;
    starts.insert(starts.end(), {static_cast<float>(low), 0});
  }
  const Tensor start = Tensor::from(Shape{200, 2}, starts);
  const FlowRun run = runFlow(stream, velocity, start, 32, FlowSolver::rk4);
  INFO("straightness " << run.straightness);
  CHECK(run.straightness < 1e-4);
  const FlowRun one = runFlow(stream, velocity, start, 1, FlowSolver::euler);
  const auto end = one.path.as<float>();
  for (std::size_t i = 0; i < 200; ++i) {
    const double x0 = static_cast<double>(end[400 + 2 * i]);
    // The kernel blurs the map over h, by half of h^2 times its second derivative, which reaches a thousand between the modes.
    CHECK(x0 == Approx(target(static_cast<double>(starts[2 * i]))).epsilon(1e-4).margin(8e-3));
  }
  // The exact round-1 flow is that monotone map, too: by the lab's own scene on the line.
  auto session =
      openLab({{"scene", text("1d-tri")}, {"round", whole(2)}, {"kernel-width", 0.02}, {"pairs", whole(4096)}, {"particles", whole(256)}});
  const auto metrics = metricsAt(*session, 0);
  CHECK(metrics.at("straightness.2") < 0.02 * metrics.at("straightness.1"));
  CHECK(metrics.at("sw2.few") < 2 * metrics.at("sw2.floor"));
}

TEST_CASE("rectified flow 4: one step of the next round returns the sample of the round before") {
  gpu::Stream stream(device());
  ExactFlow flow{planeScene("ring8")->density, {}, {}};
  const Velocity exact = [&](gpu::Stream& s, const Tensor& x, double t) { return flowVelocity(s, flow.at(t), x); };
  const Tensor start = kernels::normal(stream, Shape{512, 2}, {4, 1, 0});
  const FlowRun run = runFlow(stream, exact, start, 32, FlowSolver::rk4);
  const auto path = run.path.as<float>(), first = start.as<float>();
  std::vector<float> pairs;
  for (std::size_t i = 0; i < 512; ++i)
    pairs.insert(pairs.end(), {path[2 * (32 * 512 + i)], path[2 * (32 * 512 + i) + 1], first[2 * i], first[2 * i + 1]});
  const Tensor stored = Tensor::from(Shape{512, 4}, pairs);
  // h to 0: far below the distance of neighbours, about 0.1; then each base end sees its own pair only.
  const Velocity regressed = [&](gpu::Stream& s, const Tensor& x, double t) { return regressedVelocity(s, stored, 2e-4, t, x); };
  const auto end = runFlow(stream, regressed, start, 1, FlowSolver::euler).path.toFloats();
  std::size_t same = 0;
  for (std::size_t i = 0; i < 512; ++i) {
    same += std::abs(end[1024 + 2 * i] - pairs[4 * i]) < 1e-4f && std::abs(end[1024 + 2 * i + 1] - pairs[4 * i + 1]) < 1e-4f ? 1 : 0;
  }
  CHECK(same >= 510);  // two starts nearer than a few h may share a mean
}

TEST_CASE("rectified flow 5: cost never rises, and the budget closes") {
  struct Stated {
    const char* scene;
    double independent, flow;
  };
  for (const Stated& stated : {Stated{"ring8", 3.029, 0.363}, Stated{"tri", 3.103, 0.518}}) {
    auto session = openLab({{"scene", text(stated.scene)}, {"round", whole(1)}, {"particles", whole(1 << 14)}, {"pairs", whole(1 << 16)}});
    const auto metrics = metricsAt(*session, 0);
    INFO(stated.scene);
    CHECK(metrics.at("pair-cost.1") == Approx(stated.independent).epsilon(0.03));  // the specification's tolerance
    CHECK(metrics.at("flow-cost.1") == Approx(stated.flow).epsilon(0.03));
    const double total = metrics.at("flow-cost.1") + metrics.at("disagreement.1") + metrics.at("straightness.1");
    INFO("total " << total << " of " << metrics.at("pair-cost.1"));
    // 2 % by the specification; the disagreement is a mean over 2048 pairs with a standard error of 1.5 %.
    CHECK(total == Approx(metrics.at("pair-cost.1")).epsilon(0.04));
    if (std::string(stated.scene) == "ring8") CHECK(metrics.at("straightness.1") == Approx(0.68).epsilon(0.03));
  }
  auto session = openLab({{"round", whole(2)}, {"particles", whole(256)}, {"pairs", whole(8192)}});
  const auto metrics = metricsAt(*session, 0);
  // Round 2's coupling is round 1's flow; its own flow costs no more than that (3 % for the kernel's bias and 256 particles against 16384).
  CHECK(metrics.at("pair-cost.2") == Approx(0.363).epsilon(0.03));
  CHECK(metrics.at("flow-cost.2") < 1.03 * metrics.at("pair-cost.2") + 0.03);
  CHECK(metrics.at("straightness.2") < 0.1 * metrics.at("straightness.1"));
  // One step of round 2 lands on the ring, one step of round 1 in its centre (the ring has radius 1).
  CHECK(metrics.at("sw2.1.n1") > 0.6);
  CHECK(metrics.at("sw2.2.n1") < 0.2);
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("rectified flow 6: the flow keeps the laws of the interpolation at every time") {
  gpu::Stream stream(device());
  const PairSource source{*planeScene("ring8"), {}, Coupling::independent, 1, 0.05, 21};
  ExactFlow flow{source.data.density, {}, {}};
  const Velocity exact = [&](gpu::Stream& s, const Tensor& x, double t) { return flowVelocity(s, flow.at(t), x); };
  constexpr std::int64_t n = 1 << 14;
  const FlowRun run = runFlow(stream, exact, kernels::normal(stream, Shape{n, 2}, {4, 1, 0}), 32, FlowSolver::rk4);
  const auto pairs = source.draw(n, 50);
  const auto path = run.path.as<float>();
  for (const int frame : {8, 16, 24, 32}) {
    const double t = 1 - frame / 32.0;
    std::vector<float> law;
    for (std::size_t i = 0; i < pairs.x0.size(); ++i) law.push_back(static_cast<float>((1 - t) * pairs.x0[i] + t * pairs.x1[i]));
    const double distance = slicedWasserstein2(path.subspan(static_cast<std::size_t>(frame) * 2 * n, 2 * n), law, 64);
    INFO("t = " << t << ": " << distance);
    // generative.md C7: two independent sets of 16384 differ by 0.012, the worst of eight by 0.017; wider laws by up to 1.5 times that.
    CHECK(distance < 0.025);
  }
}

TEST_CASE("rectified flow 7: where paths are straight, one step and sixty-four agree") {
  // X_0 = A X_1 with a symmetric positive A: v(x, t) = (I - A) ((1 - t) A + t I)^-1 x.
  gpu::Stream stream(device());
  const double a = 0.4, b = 0.15, d = 1.6;
  const Velocity velocity = [&](gpu::Stream& s, const Tensor& x, double t) {
    const double mxx = (1 - t) * a + t, mxy = (1 - t) * b, myy = (1 - t) * d + t, det = mxx * myy - mxy * mxy;
    FlowComponent one;
    const double ixx = myy / det, ixy = -mxy / det, iyy = mxx / det;
    one.axx = (1 - a) * ixx - b * ixy, one.axy = (1 - a) * ixy - b * iyy;
    one.ayx = -b * ixx + (1 - d) * ixy, one.ayy = -b * ixy + (1 - d) * iyy;
    return flowVelocity(s, std::vector<FlowComponent>{one}, x);
  };
  const Tensor start = kernels::normal(stream, Shape{64, 2}, {4, 1, 0});
  const FlowRun one = runFlow(stream, velocity, start, 1, FlowSolver::euler),
                many = runFlow(stream, velocity, start, 64, FlowSolver::euler);
  CHECK(many.straightness < 1e-9);
  const auto x = one.path.as<float>(), y = many.path.as<float>(), z = start.as<float>();
  for (std::size_t i = 0; i < 64; ++i) {
    CHECK(x[128 + 2 * i] == Approx(y[64 * 128 + 2 * i]).epsilon(1e-4).margin(1e-5));  // class B
    CHECK(static_cast<double>(x[128 + 2 * i]) ==
          Approx(a * static_cast<double>(z[2 * i]) + b * static_cast<double>(z[2 * i + 1])).epsilon(1e-4).margin(1e-5));
  }
}

TEST_CASE("a network is reflowed live: round 2 lands in one step, and the timeline returns to the same bits") {
  auto session = openLab({{"velocity", text("network")},
                          {"width", whole(64)},
                          {"batch", whole(256)},
                          {"train-steps", whole(120)},
                          {"steps-per-frame", whole(40)},
                          {"particles", whole(256)},
                          {"pairs", whole(1024)},
                          {"pair-solver", text("heun")},
                          {"pair-steps", whole(8)}});
  const auto first = metricsAt(*session, 3), second = metricsAt(*session, 6);
  CHECK(first.at("round") == 1);
  CHECK(second.at("round") == 2);
  INFO(first.at("sw2.few") << " -> " << second.at("sw2.few"));
  CHECK(second.at("sw2.few") < 0.6 * first.at("sw2.few"));
  CHECK(second.at("straightness.2") < 0.5 * first.at("straightness.1"));
  const auto end = arrayNamed(*session, "few.landed.xy");
  CHECK(metricsAt(*session, 2).at("round") == 1);
  metricsAt(*session, 6);
  CHECK(arrayNamed(*session, "few.landed.xy") == end);
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("fewer sampling steps change the picture only, and another round keeps the rounds that are known") {
  auto session = openLab({{"round", whole(1)}, {"particles", whole(256)}, {"pairs", whole(2048)}, {"kernel-width", 0.25}});
  metricsAt(*session, 10);
  REQUIRE(session->set("steps", whole(4)));
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 10);
  const double before = metricsAt(*session, 0).at("straightness.1");
  REQUIRE(session->set("round", whole(2)));
  REQUIRE(session->wait());
  CHECK(metricsAt(*session, 0).at("straightness.1") == before);
  CHECK(metricsAt(*session, 0).at("round") == 2);
}

TEST_CASE("a user's network is round 1, and round 2 learns the pairs it makes") {
  const orrery::testing::Scratch folder;
  const Changes network{{"scene", text("gauss")},
                        {"network", Asset{orrery::testing::zeroPerceptron(folder), ""}},
                        {"prediction", text("F")},
                        {"schedule", text("edm")},
                        {"told-time", text("log-level")},
                        {"particles", whole(256)},
                        {"round", whole(2)},
                        {"pairs", whole(4096)}};
  auto session = openLab(network);
  const auto exact = metricsAt(*session, 0);
  // As EDM's F the network is the exact denoiser of this Gaussian: everything is as in closed form. Means of 4096 pairs move by the f32 of
  // each, 1e-6, and by the ends of time, a thousandth of a last step's sixth.
  REQUIRE(session->set("velocity", text("dropped")));
  const auto found = metricsAt(*session, 0);
  CHECK(found.at("velocity-error") < 1e-7);
  for (const char* name : {"straightness.1", "flow-cost.1", "pair-cost.2", "straightness.2", "flow-cost.2"}) {
    INFO(name);
    CHECK(found.at(name) == Approx(exact.at(name)).epsilon(2e-3).margin(1e-5));
  }
  // Saying x_0 = 0 everywhere, it sends all to the origin, by straight lines: the pairs of round 2 cost E |x_1|^2 = 2, of deviation 2 each;
  // the last step stops at most at 1/32 of the way.
  REQUIRE(session->set("prediction", text("x0")));
  const auto zero = metricsAt(*session, 0);
  CHECK(zero.at("pair-cost.2") == Approx(2).margin(4 * 2 / std::sqrt(4096.0) + 2.0 / 32));
  CHECK(zero.at("velocity-error") > 0.05);
  CHECK(errorOf({{"velocity", text("dropped")}}).find("no network yet") != std::string::npos);
  CHECK(errorOf({{"velocity", text("dropped")}, {"scene", text("1d-tri")}}).find("on the line") != std::string::npos);
}

TEST_CASE("rectified flow refuses what cannot be, in one sentence") {
  CHECK(errorOf({{"noise-share", 0.5}}).find("deterministic flow") != std::string::npos);
  CHECK(errorOf({{"round", whole(2)}, {"pairs", whole(1024)}, {"kernel-width", 0.02}}).find("Fewer than 8 pairs") != std::string::npos);
  CHECK(errorOf({{"round", whole(0)}}).find("round") != std::string::npos);
  CHECK(errorOf({{"base", text("uniform")}}).find("no closed form") != std::string::npos);
  CHECK(errorOf({{"scene", text("1d-tri")}, {"base", text("moons")}}).find("standard normal") != std::string::npos);
}

TEST_CASE("every preset of rectified flow opens and shows its panels") {
  for (const LabEntry& lab : registered<LabEntry>()) {
    if (lab.id != "generative/rectified-flow") continue;
    for (const Preset& preset : lab.presets) {
      INFO(preset.id);
      auto session = orrery::testing::openLab("generative/rectified-flow", {}, preset.id, true);
      // The same scene with fewer particles and pairs: what a preset shows is in its picture.
      REQUIRE(session->set({{"particles", whole(256)}, {"pairs", whole(2048)}, {"kernel-width", 0.25}}));
      const auto done = session->wait();
      if (!done) FAIL(done.error().message);
      CHECK(session->picture()->figure.panels.size() == 5);
    }
  }
}
