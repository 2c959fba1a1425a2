// The claims of the lab generative/flow-matching: its Must-hold lines, its controls, its timeline and what it refuses.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numbers>

#include "core/base/philox.h"
#include "core/diffusion/density.h"
#include "core/kernels/philox.h"
#include "core/labs/generative/flow_matching/lab.h"
#include "core/nn/operations.h"
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
  auto session = orrery::testing::openLab("generative/flow-matching", changes, preset);
  REQUIRE(session->wait());
  return session;
}

PlanarDensity scene(const char* id) {
  auto density = builtInDensity(id, 1);
  REQUIRE(density);
  return *std::move(density);
}

ExactFlow flowOf(const char* id, FlowPathKind kind = FlowPathKind::linear) {
  ExactFlow flow{scene(id), {}, {}};
  flow.path.kind = kind;
  return flow;
}

std::string errorOf(const Changes& changes) {
  auto session = orrery::testing::openLab("generative/flow-matching");
  REQUIRE(session->wait());
  const auto set = session->set(changes);
  if (!set) return set.error().message;
  const auto done = session->wait();
  return done ? "" : done.error().message;
}

}  // namespace

TEST_CASE("flow matching 1: the continuity equation closes to second order") {
  const ExactFlow tri = flowOf("tri");
  // generative.md: 2.9e-2, 7.1e-3, 1.8e-3 over [-3, 3]^2, two digits, with points on the edge; cells are finer by (G - 1) / G.
  const std::map<std::int64_t, double> stated{{64, 2.9e-2}, {128, 7.1e-3}, {256, 1.8e-3}};
  double before = 0;
  for (const auto& [g, expected] : stated) {
    const double found = continuityResidual(tri, 0.4, g, 3).relative;
    INFO(g << ": " << found);
    CHECK(found == Approx(expected).epsilon(0.05));
    if (before > 0) CHECK(std::log2(before / found) == Approx(2).margin(0.1));
    before = found;
  }
}

TEST_CASE("flow matching 2: with exploding variance the density obeys the heat equation") {
  const double found = heatResidual(scene("tri"), 0.25, 256, 3).relative;
  INFO(found);
  CHECK(found <= 1e-3);
  CHECK(found == Approx(4.7e-4).epsilon(0.05));
  // And the velocity in the clock tau = sigma^2 is -1/2 grad ln p: u dt = -1/2 score d(sigma^2).
  ExactFlow flow = flowOf("tri", FlowPathKind::ve);
  const double t = 0.7;
  const FlowMoment m = flow.path.at(t);
  const auto components = flow.at(t);
  for (const auto& [x, y] : {std::pair{0.3, -0.2}, {-2.0, 1.0}, {0.1, -1.1}}) {
    const FlowValue value = evaluateFlow(components, x, y);
    CHECK(value.u == Approx(-m.halfVarianceRate * value.scoreX).epsilon(1e-9).margin(1e-9));
    CHECK(value.v == Approx(-m.halfVarianceRate * value.scoreY).epsilon(1e-9).margin(1e-9));
  }
}

TEST_CASE("flow matching 3: the losses differ by the conditional covariance, and their gradients agree") {
  auto data = planeScene("tri");
  REQUIRE(data);
  const PairSource source{*std::move(data), {}, Coupling::independent, 1, 0.05, 11};
  const ExactFlow flow = flowOf("tri");
  constexpr std::size_t n = 1 << 15;
  const auto pairs = source.draw(n, 50);
  double conditional = 0, marginal = 0, covariance = 0, square = 0, direct = 0;
  for (std::size_t i = 0; i < n; ++i) {
    // One time in each of 64 classes, so that the components are made 64 times.
    static std::vector<FlowComponent> components;
    const std::size_t perClass = n / 64;
    const double t = (static_cast<double>(i / perClass) + 0.5) / 64;
    if (i % perClass == 0) components = flow.at(t);
    double x[2], rate[2];
    for (std::size_t c = 0; c < 2; ++c) {
      x[c] = (1 - t) * pairs.x0[2 * i + c] + t * pairs.x1[2 * i + c];
      rate[c] = pairs.x1[2 * i + c] - pairs.x0[2 * i + c];
    }
    const FlowValue value = evaluateFlow(components, x[0], x[1]);
    // A fixed wrong velocity.
    const double v[2] = {0.5 * x[0] + std::sin(2 * x[1]), t - x[1]};
    const double a = std::pow(v[0] - rate[0], 2) + std::pow(v[1] - rate[1], 2),
                 b = std::pow(v[0] - value.u, 2) + std::pow(v[1] - value.v, 2);
    conditional += a / n, marginal += b / n, covariance += value.variance / n;
    square += std::pow(a - b - value.variance, 2) / n;
    // tr Cov[x_0 | x] / t^2, from the score: Cov = sigma^2 / alpha dD/dx. Here by its definition through the exact posterior: E|x_0|^2 -
    // |D|^2 is what variance is on a straight path, since eps - x_0 = (x - x_0) / t.
    const double D[2] = {x[0] - t * value.u, x[1] - t * value.v};
    direct += (std::pow(pairs.x0[2 * i] - D[0], 2) + std::pow(pairs.x0[2 * i + 1] - D[1], 2)) / (t * t) / n;
  }
  const double error = std::sqrt(square / n);
  INFO(conditional << " - " << marginal << " against " << covariance << " +- " << error << ", " << direct);
  // Four standard errors.
  CHECK(std::abs(conditional - marginal - covariance) < 4 * error);
  CHECK(std::abs(direct - covariance) < 4 * error);
  // What the budget of rectified flow leaves for it on this scene: 3.103 - 0.518 - straightness 0.69.
  CHECK(covariance == Approx(1.893).epsilon(0.02));

  // Gradients by the weights of a small network, on the same points: they differ by noise alone.
  gpu::Stream stream(device());
  ToyNetworkOptions options;
  options.width = 16, options.depth = 1, options.seed = 2;
  const ToyNetwork network(stream, options);
  constexpr std::int64_t rows = 1 << 13;
  std::vector<float> points, times, rates, means;
  for (std::int64_t i = 0; i < rows; ++i) {
    const double t = (static_cast<double>(i / 128) + 0.5) / (static_cast<double>(rows) / 128);
    const auto j = static_cast<std::size_t>(i);
    const double x = (1 - t) * pairs.x0[2 * j] + t * pairs.x1[2 * j], y = (1 - t) * pairs.x0[2 * j + 1] + t * pairs.x1[2 * j + 1];
    const FlowValue value = evaluateFlow(flow.at(t), x, y);
    points.insert(points.end(), {static_cast<float>(x), static_cast<float>(y)});
    times.push_back(static_cast<float>(t));
    for (std::size_t c = 0; c < 2; ++c) rates.push_back(static_cast<float>(pairs.x1[2 * j + c] - pairs.x0[2 * j + c]));
    means.insert(means.end(), {static_cast<float>(value.u), static_cast<float>(value.v)});
  }
  const auto gradientOf = [&](const std::vector<float>& target) {
    nn::Tape tape(stream);
    std::vector<nn::Variable> leaves;
    for (const auto& weight : network.weights()) leaves.push_back(tape.leaf(weight.value));
    const auto output = network.forward(leaves, tape.constant(Tensor::from(Shape{rows, 2}, points)), Tensor::from(Shape{rows}, times));
    tape.backward(nn::mseLoss(output, tape.constant(Tensor::from(Shape{rows, 2}, target))));
    std::vector<float> gradient;
    for (const auto& leaf : leaves) {
      const auto part = tape.gradient(leaf).toFloats();
      gradient.insert(gradient.end(), part.begin(), part.end());
    }
    return gradient;
  };
  const auto a = gradientOf(rates), b = gradientOf(means);
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference += std::pow(a[i] - b[i], 2), size += b[i] * static_cast<double>(b[i]);
  INFO("gradient " << std::sqrt(size) << ", difference " << std::sqrt(difference));
  // The difference is a mean over 8192 independent terms of mean 0: about 1 / sqrt(8192) of a single term, whose size is that of the
  // gradient within a factor of a few.
  CHECK(std::sqrt(difference) < 0.06 * std::sqrt(size));
}

TEST_CASE("flow matching 4: the score follows from the velocity, and an Euler step is DDIM's") {
  const ExactFlow flow = flowOf("tri");
  diffusion::PlaneMixture mixture = planeScene("tri", flow.data).mixture;
  for (const double t : {0.05, 0.4, 0.9}) {
    const auto components = flow.at(t);
    for (const auto& [x, y] : {std::pair{0.4, 0.3}, {-1.1, 0.9}, {0.2, -1.4}}) {
      const FlowValue value = evaluateFlow(components, x, y);
      CHECK(value.scoreX == Approx(-(x + (1 - t) * value.u) / t).epsilon(1e-9).margin(1e-9));
      CHECK(value.scoreY == Approx(-(y + (1 - t) * value.v) / t).epsilon(1e-9).margin(1e-9));
      // DDIM in scaled coordinates from level a = t / (1 - t) to b: x_bar b / a + (1 - b / a) D.
      const double to = 0.8 * t, a = t / (1 - t), b = to / (1 - to);
      const diffusion::State D = mixture.denoise(diffusion::State{x / (1 - t), y / (1 - t)}, a);
      const double scaled[2] = {b / a * x / (1 - t) + (1 - b / a) * D[0], b / a * y / (1 - t) + (1 - b / a) * D[1]};
      CHECK(x + (to - t) * value.u == Approx((1 - to) * scaled[0]).epsilon(1e-9).margin(1e-9));
      CHECK(y + (to - t) * value.v == Approx((1 - to) * scaled[1]).epsilon(1e-9).margin(1e-9));
    }
  }
}

TEST_CASE("flow matching 5: at t = 1 the velocity is x - E[x0], so one Euler step goes to the mean") {
  for (const char* id : {"tri", "moons", "two-deltas"}) {
    const ExactFlow flow = flowOf(id);
    double mean[2] = {0, 0};
    for (const auto& c : flow.data.components) mean[0] += c.weight * c.x, mean[1] += c.weight * c.y;
    const FlowValue value = evaluateFlow(flow.at(1), 1.3, -0.4);
    CHECK(value.u == Approx(1.3 - mean[0]).margin(1e-9));
    CHECK(value.v == Approx(-0.4 - mean[1]).margin(1e-9));
  }
  auto session = openLab({{"scene", text("tri")}, {"solver", text("euler")}, {"steps", whole(1)}, {"particles", whole(256)}});
  metricsAt(*session, 1);
  double mean[2] = {0, 0};
  for (const auto& c : scene("tri").components) mean[0] += c.weight * c.x, mean[1] += c.weight * c.y;
  const auto end = arrayNamed(*session, "flow.particles.xy");
  REQUIRE(end.size() == 512);
  for (std::size_t i = 0; i < end.size(); ++i) CHECK(end[i] == Approx(mean[i % 2]).margin(1e-5));
}

TEST_CASE("flow matching 6: a Gaussian's flow is a line, and the divergence of a linear field is its trace") {
  // Mean 0, deviation c: x_t = x_1 sqrt((1 - t)^2 c^2 + t^2).
  ExactFlow flow{{}, {}, {}};
  const double c = 0.5;
  flow.data.components = {{1, 0, 0, c * c, c * c, 0}};
  gpu::Stream stream(device());
  const Tensor start = kernels::normal(stream, Shape{1001, 2}, {4, 1, 0});
  Tensor cloud = start;
  const Velocity velocity = [&](gpu::Stream& s, const Tensor& x, double t) { return flowVelocity(s, flow.at(t), x); };
  for (int i = 0; i < 64; ++i) cloud = flowStep(stream, velocity, FlowSolver::rk4, cloud, 1 - i / 64.0, 1 - (i + 1) / 64.0);
  const auto a = start.as<float>(), b = cloud.as<float>();
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(static_cast<double>(b[i]) == Approx(c * static_cast<double>(a[i])).margin(1e-5 * 4));

  // One component of covariance C is a linear field u = A x with A = (t I - (1 - t) C) S^-1; its divergence is the trace everywhere, and
  // the integral over a way is the logarithm of the determinant: here of the linear map diag(c_x, c_y).
  flow.data.components = {{1, 0, 0, 0.09, 0.64, 0.3}};
  Tensor state = Tensor::from(Shape{1, 4}, {0.7f, -0.4f, 0, 0});
  const Velocity both = [&](gpu::Stream& s, const Tensor& x, double t) { return flowWithDivergence(s, flow.at(t), x); };
  for (int i = 0; i < 64; ++i) state = flowStep(stream, both, FlowSolver::rk4, state, 1 - i / 64.0, 1 - (i + 1) / 64.0);
  // From 1 to 0 the integral of div u is ln det of dx_0 / dx_1 = ln(0.3 * 0.8). RK4's own error at 64 steps is 1e-6 here.
  CHECK(static_cast<double>(state.as<float>()[2]) == Approx(std::log(0.3 * 0.8)).margin(1e-5));
}

TEST_CASE("flow matching 7: the log-density carried by the flow is the mixture's, to fourth order") {
  const ExactFlow tri = flowOf("tri");
  const auto pairs = PairSource{*planeScene("tri"), {}, Coupling::independent, 1, 0.05, 3}.draw(40, 50);
  // Double precision on the host: classic Runge-Kutta for (x, y, integral of div u), t from 0.02 to 1.
  const auto errorAt = [&](int steps) {
    double worst = 0;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const double from = 0.02;
      std::array<double, 3> s{0.98 * pairs.x0[2 * i] + 0.02 * pairs.x1[2 * i], 0.98 * pairs.x0[2 * i + 1] + 0.02 * pairs.x1[2 * i + 1], 0};
      const double known = evaluateFlow(tri.at(from), s[0], s[1]).logDensity;
      const auto rate = [&](const std::array<double, 3>& at, double t) {
        const FlowValue v = evaluateFlow(tri.at(t), at[0], at[1]);
        return std::array<double, 3>{v.u, v.v, v.divergence};
      };
      const auto moved = [](std::array<double, 3> at, const std::array<double, 3>& by, double h) {
        for (std::size_t k = 0; k < 3; ++k) at[k] += h * by[k];
        return at;
      };
      const double h = (1 - from) / steps;
      for (int k = 0; k < steps; ++k) {
        const double t = from + k * h;
        const auto k1 = rate(s, t), k2 = rate(moved(s, k1, h / 2), t + h / 2), k3 = rate(moved(s, k2, h / 2), t + h / 2),
                   k4 = rate(moved(s, k3, h), t + h);
        for (std::size_t j = 0; j < 3; ++j) s[j] += h / 6 * (k1[j] + 2 * k2[j] + 2 * k3[j] + k4[j]);
      }
      const double found = -0.5 * (s[0] * s[0] + s[1] * s[1]) - std::log(2 * std::numbers::pi) + s[2];
      worst = std::max(worst, std::abs(found - known));
    }
    return worst;
  };
  const double coarse = errorAt(64), fine = errorAt(128);
  INFO(coarse << " -> " << fine);
  CHECK(fine < 1e-4);
  // Fourth order: 16 times smaller; the asymptotic regime is not quite reached.
  CHECK(std::log2(coarse / fine) > 3.3);

  // The device, in the lab: within the 5e-3 nats the specification allows it where p is a thousandth of its peak or more.
  auto session = openLab({{"scene", text("tri")}, {"particles", whole(256)}, {"lower-left", text("density")}, {"heatmap-grid", whole(32)}});
  CHECK(metricsAt(*session, 40).at("log-density.error") < 5e-3);
  // Hutchinson's estimate is exact on average only: it is worse, but the same quantity.
  REQUIRE(session->set("divergence", text("hutchinson")));
  const double estimated = metricsAt(*session, 40).at("log-density.error");
  CHECK(estimated > 5e-3);
}

TEST_CASE("flow matching 8: pairing in batches costs less the larger the batch") {
  const PairSource independent{*planeScene("tri"), {}, Coupling::independent, 1, 0.05, 17};
  // Independent: E|x0|^2 + 2, exactly.
  double exact = 2;
  for (const auto& c : independent.data.density.components) exact += c.weight * (c.x * c.x + c.y * c.y + c.along + c.across);
  CHECK(exact == Approx(3.103).epsilon(2e-4));
  CHECK(meanSquaredDistance(independent.draw(1 << 14, 50)) == Approx(exact).epsilon(0.05));
  double before = exact;
  // generative.md: .914, .663, .541, each from one set of draws; scipy's linear_sum_assignment over 2000, 500 and 100 batches gives
  // .968 +- .008, .663 +- .006, .566 +- .006, which is what is asked for here, within the specification's 5 %.
  const std::map<std::size_t, double> stated{{16, 0.968}, {64, 0.663}, {256, 0.566}};
  for (const auto& [batch, expected] : stated) {
    PairSource paired = independent;
    paired.coupling = Coupling::optimal, paired.batch = batch;
    const double cost = meanSquaredDistance(paired.draw(1 << 14, 50));
    INFO(batch << ": " << cost);
    CHECK(cost == Approx(expected).epsilon(0.05));
    CHECK(cost < before);
    before = cost;
  }
  // The pairing is the best of all permutations where they can be tried.
  for (std::uint32_t set = 0; set < 5; ++set) {
    const auto few = independent.draw(7, 50, 100 * set);
    const auto found = optimalPairing(few.x1, few.x0);
    REQUIRE(found);
    const auto total = [&](const std::vector<std::uint32_t>& partner) {
      double sum = 0;
      for (std::size_t i = 0; i < 7; ++i)
        sum += std::pow(few.x1[2 * i] - few.x0[2 * partner[i]], 2) + std::pow(few.x1[2 * i + 1] - few.x0[2 * partner[i] + 1], 2);
      return sum;
    };
    std::vector<std::uint32_t> order{0, 1, 2, 3, 4, 5, 6};
    double best = 1e300;
    do best = std::min(best, total(order));
    while (std::next_permutation(order.begin(), order.end()));
    CHECK(total(*found) == Approx(best).epsilon(1e-12));
  }
  // It is a permutation, and no exchange of two partners shortens it.
  const auto pairs = independent.draw(200, 50);
  const auto partner = optimalPairing(pairs.x1, pairs.x0);
  REQUIRE(partner);
  std::vector<std::uint32_t> sorted = *partner;
  std::sort(sorted.begin(), sorted.end());
  for (std::uint32_t i = 0; i < 200; ++i) REQUIRE(sorted[i] == i);
  const auto cost = [&](std::size_t i, std::size_t j) {
    return std::pow(pairs.x1[2 * i] - pairs.x0[2 * j], 2) + std::pow(pairs.x1[2 * i + 1] - pairs.x0[2 * j + 1], 2);
  };
  for (std::size_t i = 0; i < 200; ++i)
    for (std::size_t j = 0; j < i; ++j)
      REQUIRE(cost(i, (*partner)[i]) + cost(j, (*partner)[j]) <= cost(i, (*partner)[j]) + cost(j, (*partner)[i]) + 1e-12);
  // The entropic plan has uniform marginals, and tends to the optimal pairing as epsilon falls.
  double least = 0;
  for (std::size_t i = 0; i < 200; ++i) least += cost(i, (*partner)[i]) / 200;
  double last = 1e300;
  for (const double epsilon : {1.0, 0.1, 0.02}) {
    const EntropicPlan plan = entropicPlan(pairs.x1, pairs.x0, epsilon, 2000);
    CHECK(plan.marginalError < 1e-2);  // 2000 iterations at the smallest epsilon
    double total = 0;
    for (std::size_t i = 0; i < 200; ++i)
      for (std::size_t j = 0; j < 200; ++j) total += plan.mass[i * 200 + j] * cost(i, j);
    INFO("epsilon " << epsilon << ": " << total << " least " << least);
    CHECK(total < last);
    CHECK(total > least * (1 - 1e-2));
    last = total;
  }
  CHECK(last < 1.1 * least);
}

TEST_CASE("the device's velocity, divergence and density are the reference's, for every path and between two mixtures") {
  gpu::Stream stream(device());
  std::vector<ExactFlow> flows;
  for (const auto kind : {FlowPathKind::linear, FlowPathKind::floor, FlowPathKind::vp, FlowPathKind::trigonometric}) {
    flows.push_back(flowOf("tri", kind));
    flows.back().path.floor = 0.1;
  }
  flows.push_back(flowOf("ring8"));
  flows.back().base = scene("grid25").components;
  const Tensor points = kernels::normal(stream, Shape{101, 2}, {4, 1, 0});
  const auto xy = points.toFloats();
  std::vector<float> wide;
  for (std::size_t i = 0; i < 101; ++i) wide.insert(wide.end(), {xy[2 * i], xy[2 * i + 1], 0, 0});
  for (const ExactFlow& flow : flows) {
    for (const double t : {0.1, 0.5, 1.0}) {
      const auto components = flow.at(t);
      const auto u = flowVelocity(stream, components, points).toFloats();
      const auto both = flowWithDivergence(stream, components, Tensor::from(Shape{101, 4}, wide)).toFloats();
      const auto logDensity = flowLogDensity(stream, components, points).toFloats();
      for (std::size_t i = 0; i < 101; ++i) {
        const FlowValue value = evaluateFlow(components, static_cast<double>(xy[2 * i]), static_cast<double>(xy[2 * i + 1]));
        // f32: logits of up to a few hundred are rounded to 1e-5, and the divergence multiplies by scores of up to 30.
        CHECK(static_cast<double>(u[2 * i]) == Approx(value.u).epsilon(2e-4).margin(2e-4));
        CHECK(both[4 * i + 1] == Approx(u[2 * i + 1]).epsilon(1e-5).margin(1e-5));
        CHECK(static_cast<double>(both[4 * i + 2]) == Approx(value.divergence).epsilon(2e-3).margin(5e-3));
        CHECK(static_cast<double>(logDensity[i]) == Approx(value.logDensity).epsilon(1e-4).margin(1e-4));
      }
    }
  }
  // Kernel regression is the mean over pairs weighted by a Gaussian.
  const auto pairs = PairSource{*planeScene("tri"), {}, Coupling::independent, 1, 0.05, 3}.draw(300, 50);
  std::vector<float> rows;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    rows.insert(rows.end(), {static_cast<float>(pairs.x0[2 * i]), static_cast<float>(pairs.x0[2 * i + 1]),
                             static_cast<float>(pairs.x1[2 * i]), static_cast<float>(pairs.x1[2 * i + 1])});
  const double h = 0.2, t = 0.3;
  const auto found = regressedVelocity(stream, Tensor::from(Shape{300, 4}, rows), h, t, points).toFloats();
  for (std::size_t i = 0; i < 101; ++i) {
    double sum = 0, u = 0;
    for (std::size_t j = 0; j < 300; ++j) {
      const double dx = static_cast<double>(xy[2 * i]) - (1 - t) * pairs.x0[2 * j] - t * pairs.x1[2 * j],
                   dy = static_cast<double>(xy[2 * i + 1]) - (1 - t) * pairs.x0[2 * j + 1] - t * pairs.x1[2 * j + 1];
      const double w = std::exp(-0.5 * (dx * dx + dy * dy) / (h * h));
      sum += w, u += w * (pairs.x1[2 * j] - pairs.x0[2 * j]);
    }
    if (sum > 1e-6) CHECK(static_cast<double>(found[2 * i]) == Approx(u / sum).epsilon(1e-3).margin(1e-3));
  }
}

TEST_CASE("the flow carries the cloud through the law of x_t, from a normal and from another scene") {
  for (const Changes& changes : {Changes{}, Changes{{"base", text("tri")}}, Changes{{"path", text("vp")}}}) {
    auto session = openLab(changes);
    REQUIRE(session->set({{"particles", whole(4096)}, {"steps", whole(32)}, {"solver", text("heun")}}));
    for (const std::int64_t frame : {16, 32}) {
      const auto metrics = metricsAt(*session, frame);
      INFO(frame << ": " << metrics.at("sw2") << " floor " << metrics.at("sw2.floor"));
      // Two independent samples differ by the floor, with a chance spread of about 1.4; twice leaves room for Heun at 32 steps.
      CHECK(metrics.at("sw2") < 2.2 * metrics.at("sw2.floor"));
    }
    for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
  }
}

TEST_CASE("one step of a flow comes nearer to the data the larger the batch of the pairing") {
  double before = 1e300;
  for (const std::int64_t batch : {2, 16, 256}) {
    auto session = openLab({{"coupling", text("batch-ot")},
                            {"ot-batch", whole(batch)},
                            {"velocity", text("regression")},
                            {"solver", text("euler")},
                            {"steps", whole(1)},
                            {"particles", whole(2048)}});
    const double distance = metricsAt(*session, 1).at("sw2");
    INFO(batch << ": " << distance);
    CHECK(distance < 0.9 * before);
    before = distance;
  }
  CHECK(before < 0.25);  // with 256 the one step lands on a ring of radius 1 instead of its centre
}

TEST_CASE("a network learns the ring while it plays, and its timeline returns to the same bits") {
  const Changes changes{{"velocity", text("network")}, {"width", whole(64)},           {"batch", whole(512)},
                        {"train-steps", whole(200)},   {"steps-per-frame", whole(20)}, {"shown-particles", whole(512)},
                        {"shown-steps", whole(6)}};
  auto session = openLab(changes);
  const auto first = metricsAt(*session, 0);
  const auto last = metricsAt(*session, 10);
  CHECK(last.at("step") == 200);
  INFO(first.at("sw2") << " -> " << last.at("sw2") << ", floor " << last.at("sw2.floor") << "; error " << last.at("loss.error"));
  CHECK(last.at("sw2") < 0.35 * first.at("sw2"));
  // What is left of the loss is mostly what no velocity explains.
  CHECK(last.at("loss.error") < 0.25 * last.at("loss.irreducible"));
  CHECK(last.at("loss") > 0.8 * last.at("loss.irreducible"));
  const auto end = arrayNamed(*session, "flow.particles.xy");
  metricsAt(*session, 4);
  CHECK(arrayNamed(*session, "flow.particles.xy") != end);
  metricsAt(*session, 10);
  CHECK(arrayNamed(*session, "flow.particles.xy") == end);
  // What changes the picture only does not train again.
  REQUIRE(session->set("shown-time", 0.5));
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 10);
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("the timeline of the exact flow goes back and forth to the same bits, and a seed is a run") {
  auto session = openLab({{"steps", whole(10)}, {"particles", whole(500)}});
  metricsAt(*session, 10);
  const auto end = arrayNamed(*session, "flow.particles.xy");
  metricsAt(*session, 3);
  metricsAt(*session, 10);
  CHECK(arrayNamed(*session, "flow.particles.xy") == end);
  REQUIRE(session->set("seed", whole(7)));
  metricsAt(*session, 10);
  CHECK(arrayNamed(*session, "flow.particles.xy") != end);
}

TEST_CASE("dragging the held-out pair moves the pair and not the field") {
  auto session = openLab({{"steps", whole(8)}, {"particles", whole(256)}});
  metricsAt(*session, 4);
  const auto field = arrayNamed(*session, "flow.field.uv"), pair = arrayNamed(*session, "pairs.held-out-pair.xy");
  PointerEvent drag;
  drag.kind = PointerEvent::Kind::drag;
  drag.panel = "pairs", drag.handle = "pair-data";
  drag.x = -1, drag.y = 1;
  session->pointer(drag);
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 4);
  CHECK(arrayNamed(*session, "flow.field.uv") == field);
  CHECK(arrayNamed(*session, "pairs.held-out-pair.xy") != pair);
}

TEST_CASE("a user's network, whatever it predicts, is the flow's velocity on every path, and its error is shown") {
  const orrery::testing::Scratch folder;
  const std::string file = orrery::testing::zeroPerceptron(folder);
  // As EDM's F the network is the exact denoiser of this Gaussian.
  const Changes exactly{
      {"scene", text("gauss")},         {"network", Asset{file, ""}}, {"prediction", text("F")}, {"schedule", text("edm")},
      {"told-time", text("log-level")}, {"particles", whole(256)},    {"trails", whole(8)},      {"steps", whole(32)},
      {"lower-right", text("error")}};
  auto session = openLab(exactly);
  for (const char* path : {"linear", "floor", "vp", "ve", "trig"}) {
    INFO(path);
    REQUIRE(session->set({{"path", text(path)}, {"velocity", text("exact")}}));
    metricsAt(*session, 32);
    const auto exact = arrayNamed(*session, "flow.particles.xy");
    REQUIRE(session->set("velocity", text("dropped")));
    const auto m = metricsAt(*session, 32);
    const auto found = arrayNamed(*session, "flow.particles.xy");
    // At t = 0 and 1 the velocity is that of a thousandth away: in a step of 1/32 with a weight of 1/6, at speeds of a few units and of
    // more where the variance is preserved, whose sigma begins as a root of t.
    for (std::size_t i = 0; i < exact.size(); ++i) CHECK(found[i] == Approx(exact[i]).margin(5e-4));
    // f32, at speeds of up to some hundreds where the variance explodes.
    CHECK(m.at("loss.error") < (std::string(path) == "ve" ? 1e-3 : 1e-7));
  }
  // As a velocity of the straight path it moves nothing, and misses all of the exact velocity.
  REQUIRE(
      session->set({{"path", text("linear")}, {"prediction", text("velocity")}, {"schedule", text("flow")}, {"told-time", text("unit")}}));
  metricsAt(*session, 0);
  const auto start = arrayNamed(*session, "flow.particles.xy");
  const auto m = metricsAt(*session, 32);
  const auto end = arrayNamed(*session, "flow.particles.xy");
  for (std::size_t i = 0; i < end.size(); ++i) CHECK(end[i] == Approx(start[i]).margin(1e-4));
  // u = x m_t with m_t = (t - c^2 (1 - t)) / V, V = (1 - t)^2 c^2 + t^2: E |u|^2 = 2 m_t^2 V, the mean of 16 times; 256 points each.
  double expected = 0;
  for (int i = 0; i < 16; ++i) {
    const double t = (i + 0.5) / 16, V = (1 - t) * (1 - t) * 0.25 + t * t, rate = (t - 0.25 * (1 - t)) / V;
    expected += 2 * rate * rate * V / 16;
  }
  CHECK(m.at("loss.error") == Approx(expected).epsilon(4 / std::sqrt(16 * 256.0)));
  const auto map = arrayNamed(*session, "error.error.value");
  CHECK(*std::max_element(map.begin(), map.end()) > 1);
  // Going against what was stated is said.
  REQUIRE(session->set({{"prediction", text("epsilon")}, {"schedule", text("vp")}}));
  REQUIRE(session->wait());
  bool said = false;
  for (const Panel& panel : session->picture()->figure.panels) said = said || panel.note.find("deviation") != std::string::npos;
  CHECK(said);
  CHECK(errorOf({{"velocity", text("dropped")}}).find("no network yet") != std::string::npos);
  CHECK(
      errorOf({{"velocity", text("dropped")}, {"network", Asset{orrery::testing::zeroPerceptron(folder, 3), ""}}}).find("3 coordinates") !=
      std::string::npos);
}

TEST_CASE("the divergence of a user's network carries the density as the closed form does") {
  const orrery::testing::Scratch folder;
  auto session = openLab({{"scene", text("gauss")},
                          {"velocity", text("dropped")},
                          {"network", Asset{orrery::testing::zeroPerceptron(folder), ""}},
                          {"prediction", text("F")},
                          {"schedule", text("edm")},
                          {"told-time", text("log-level")},
                          {"particles", whole(256)},
                          {"steps", whole(1)},
                          {"heatmap-grid", whole(16)},
                          {"lower-left", text("density")}});
  // 64 steps of fourth order and central differences of 5e-3 in f32: each divergence is good to 1e-7 / 5e-3 = 2e-5 of the velocity's size.
  CHECK(metricsAt(*session, 1).at("log-density.error") < 5e-3);
}

TEST_CASE("flow matching refuses what cannot be, in one sentence") {
  CHECK(errorOf({{"path", text("ve")}, {"base", text("moons")}}).find("standard normal") != std::string::npos);
  CHECK(errorOf({{"floor", 1.0}}).find("floor") != std::string::npos);
  CHECK(errorOf({{"coupling", text("batch-ot")}}).find("no closed-form velocity") != std::string::npos);
  CHECK(errorOf({{"base", text("uniform")}}).find("no closed-form velocity") != std::string::npos);
  CHECK(errorOf({{"scene", text("moons")}, {"base", text("spiral")}}).find("more than 4096") != std::string::npos);
  const auto unequal = optimalPairing(std::vector<double>{0, 0, 1, 1}, std::vector<double>{0, 0});
  REQUIRE_FALSE(unequal);
  CHECK(unequal.error().message.find("equal size, found 2 and 1") != std::string::npos);
  // A likelihood needs a base density: the panel says so in place of a picture.
  auto session =
      openLab({{"base", text("uniform")}, {"velocity", text("regression")}, {"particles", whole(256)}, {"lower-left", text("density")}});
  bool said = false;
  for (const Panel& panel : session->picture()->figure.panels)
    said = said || (panel.id == "density" && panel.message.find("likelihood needs a base") != std::string::npos);
  CHECK(said);
}

TEST_CASE("every preset of flow matching opens and shows its panels") {
  for (const LabEntry& lab : registered<LabEntry>()) {
    if (lab.id != "generative/flow-matching") continue;
    for (const Preset& preset : lab.presets) {
      INFO(preset.id);
      auto session = openLab({}, preset.id);
      metricsAt(*session, 1);
      const auto picture = session->picture();
      REQUIRE(picture->figure.panels.size() == (std::string(preset.id).starts_with("pictures") ? 5 : 4));
      CHECK_FALSE(session->error());
    }
  }
}
