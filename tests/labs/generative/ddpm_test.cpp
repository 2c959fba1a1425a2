// generative/ddpm: its Must-hold lines as the lab's own metrics and arrays give them, its presets, and what it refuses.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/data/image.h"
#include "core/diffusion/sampler.h"
#include "core/labs/generative/ddpm/denoising_error.h"
#include "core/labs/generative/ddpm/network.h"
#include "core/labs/generative/shared/noise_chain.h"
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
  return orrery::testing::openLab("generative/ddpm", changes, preset);
}

// One Gaussian of deviation c: the scene's own is 0.5.
Changes gaussian(double c, const char* variance) { return {{"scene", text("gauss")}, {"spread", 2 * c}, {"variance", text(variance)}}; }

}  // namespace

TEST_CASE("ddpm: the schedules end where their papers say") {
  auto session = openLab();
  auto m = metricsAt(*session, 0);
  // Five digits are printed.
  CHECK(m.at("alpha-bar.T") == Approx(4.0358e-5).epsilon(1e-5));
  CHECK(m.at("snr-one") == 259);
  CHECK(m.at("beta-tilde.1") == 0);
  CHECK(m.at("beta-tilde.2-over-beta.2") == Approx(0.45474).epsilon(1e-5));
  REQUIRE(session->set("schedule", text("scaled-linear")));
  CHECK(metricsAt(*session, 0).at("alpha-bar.T") == Approx(4.6601e-3).epsilon(1e-5));
  REQUIRE(session->set("schedule", text("cosine")));
  m = metricsAt(*session, 0);
  CHECK(m.at("beta.1") == Approx(4.1284e-5).epsilon(1e-5));
  CHECK(m.at("alpha-bar.half") == Approx(0.49384).epsilon(1e-5));
  REQUIRE(session->set({{"schedule", text("zero-snr")}, {"predict", text("v")}}));
  m = metricsAt(*session, 0);
  CHECK(m.at("alpha-bar.T") == 0);
  CHECK(m.at("beta.1") == Approx(1e-4).epsilon(1e-5));
  for (const auto& message : orrery::testing::device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("ddpm: stepping the forward chain and jumping with abar give the same mean and covariance") {
  auto session = openLab({{"scene", text("tri")}});
  // Mean and covariance of the scene, from its components.
  const struct {
    double w, x, y, xx, xy, yy;
  } parts[] = {{0.3, -1, 0.2, 0.05, 0.02, 0.03}, {0.5, 0.8, 0.5, 0.04, 0, 0.1}, {0.2, 0.1, -1.1, 0.02, 0, 0.02}};
  double mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
  for (const auto& p : parts) mx += p.w * p.x, my += p.w * p.y;
  for (const auto& p : parts) {
    xx += p.w * (p.xx + (p.x - mx) * (p.x - mx));
    xy += p.w * (p.xy + (p.x - mx) * (p.y - my));
    yy += p.w * (p.yy + (p.y - my) * (p.y - my));
  }
  for (const std::int64_t frame : {0, 500, 741, 950, 1000}) {
    const auto m = metricsAt(*session, frame);
    const double bar = m.at("alpha-bar"), a = std::sqrt(bar), noise = 1 - bar;
    INFO("t = " << m.at("t"));
    // Each trail was stepped by q(x_t | x_{t-1}) and lies on the cloud's jump: rounding over 1000 steps.
    CHECK(m.at("forward.step-against-jump") < 1e-11);
    // Four standard errors of 4096 particles; the variance of a squared deviation is at most twice its square for a Gaussian, and smaller
    // for these separated blobs.
    const double vx = bar * xx + noise, vy = bar * yy + noise, n = 4096;
    CHECK(std::abs(m.at("forward.mean.x") - a * mx) < 4 * std::sqrt(vx / n));
    CHECK(std::abs(m.at("forward.mean.y") - a * my) < 4 * std::sqrt(vy / n));
    CHECK(std::abs(m.at("forward.covariance.xx") - vx) < 4 * vx * std::sqrt(2 / n));
    CHECK(std::abs(m.at("forward.covariance.yy") - vy) < 4 * vy * std::sqrt(2 / n));
    CHECK(std::abs(m.at("forward.covariance.xy") - bar * xy) < 4 * std::sqrt(2 * vx * vy / n));
  }
}

TEST_CASE("ddpm: unit Gaussian data, variance beta: the chain preserves N(0, I) and the bound is its entropy") {
  auto session = openLab(gaussian(1, "beta"));
  for (const std::int64_t frame : {0, 300, 700, 900, 1000}) {
    const auto m = metricsAt(*session, frame);
    INFO("frame " << frame);
    // q(x_T) is N(0, I) exactly. The specification allows 1e-4 in fp32; the terms are summed in double precision.
    CHECK(m.at("bound") == Approx(0.5 * std::log(2 * std::numbers::pi * std::numbers::e)).epsilon(1e-11));
    CHECK(std::abs(m.at("reverse.mean.x")) < 4 / std::sqrt(4096.0));
    // At the last step no noise is added: the variance lacks beta_1 = 1e-4, far below 4 standard errors.
    CHECK(std::abs(m.at("reverse.covariance.xx") - 1) < 4 * std::sqrt(2 / 4096.0));
    CHECK(std::abs(m.at("reverse.covariance.yy") - 1) < 4 * std::sqrt(2 / 4096.0));
    CHECK(std::abs(m.at("reverse.covariance.xy")) < 4 / std::sqrt(4096.0));
  }
}

TEST_CASE("ddpm: Gaussian data: with the analytic variance only the end of the chain is missing from the bound") {
  auto session = openLab(gaussian(0.5, "analytic"));
  auto m = metricsAt(*session, 0);
  CHECK(m.at("bound.gap") == Approx(2.29e-10).epsilon(0.01));
  // KL(N(0, v_T) | N(0, 1)) with v_T = abar c^2 + 1 - abar = 1 - delta, whose series begins delta^2 / 4.
  const double bar = m.at("alpha-bar.T"), delta = bar * 0.75;
  CHECK(m.at("bound.gap") == Approx(delta * delta / 4).epsilon(0.01));
  REQUIRE(session->set("variance", text("beta")));
  CHECK(metricsAt(*session, 0).at("bound.gap") == Approx(1.0923e-3).epsilon(0.01));
  REQUIRE(session->set(gaussian(2, "analytic")));
  CHECK(metricsAt(*session, 0).at("bound.gap") == Approx(3.66e-9).epsilon(0.01));
  REQUIRE(session->set("variance", text("beta")));
  CHECK(metricsAt(*session, 0).at("bound.gap") == Approx(8.531e-4).epsilon(0.01));
}

TEST_CASE("ddpm: one point, posterior variance: the reverse chain has the marginals of q and lands on the point") {
  auto session = openLab({{"scene", text("point")}});
  const double x0 = 0.6, y0 = 0.3, n = 4096;
  for (const std::int64_t frame : {0, 400, 800, 990, 999}) {
    const auto m = metricsAt(*session, frame);
    const double bar = m.at("alpha-bar"), a = std::sqrt(bar), v = 1 - bar;
    // What is left at t of the mean sqrt(abar_T) x_0 the start lacks.
    const double lacking = std::sqrt(m.at("alpha-bar.T"));
    INFO("t = " << m.at("t"));
    CHECK(std::abs(m.at("reverse.mean.x") - a * x0) < 4 * std::sqrt(v / n) + lacking * x0);
    CHECK(std::abs(m.at("reverse.mean.y") - a * y0) < 4 * std::sqrt(v / n) + lacking * y0);
    CHECK(std::abs(m.at("reverse.covariance.xx") - v) < 4 * v * std::sqrt(2 / n));
    CHECK(std::abs(m.at("reverse.covariance.yy") - v) < 4 * v * std::sqrt(2 / n));
  }
  metricsAt(*session, 1000);
  const auto points = arrayNamed(*session, "reverse.particles.xy");
  REQUIRE(points.size() == 2 * 4096);
  float worst = 0;
  for (std::size_t i = 0; i < points.size(); i += 2) worst = std::max({worst, std::abs(points[i] - 0.6f), std::abs(points[i + 1] - 0.3f)});
  CHECK(worst < 1e-5f);
}

TEST_CASE("ddpm: the prior term for data of unit second moment is the specification's") {
  auto session = openLab(gaussian(1, "beta-tilde"));
  CHECK(metricsAt(*session, 0).at("bound.prior") / std::numbers::ln2 == Approx(2.911e-5).epsilon(0.01));
}

TEST_CASE("ddpm: ancestral steps with the posterior variance are DDIM at eta 1 and Euler ancestral, under the same noise") {
  using namespace orrery::generative;
  ScheduleRequest request;
  request.steps = 50;
  const auto chain = makeChain(request);
  REQUIRE(chain);
  const auto scene = planeScene("tri");
  REQUIRE(scene);
  const std::vector<double> none(chain->beta.size(), 0);
  const auto steps = reverseSteps(*chain, reverseVariances(*chain, ReverseVariance::small, 0, none), false);
  std::vector<double> levels;
  for (const LinearStep& step : steps) levels.push_back(step.level);
  levels.push_back(0);
  const std::size_t coordinates = 64;
  const auto denoiser = [&](const diffusion::State& x, double level) { return scene->mixture.denoise(x, level); };
  const diffusion::State start = levels.front() * diffusion::Noise(7, coordinates).fresh(0, 0);
  diffusion::Noise noise(7, coordinates);
  diffusion::State x = start;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const LinearStep& s = steps[i];
    x = s.keep * x + s.toward * scene->mixture.denoise(x, s.level) +
        (s.noise > 0 ? s.noise * noise.increment(levels[i], levels[i + 1]) : diffusion::State(coordinates));
  }
  for (const char* id : {"ddim", "euler-a", "ddpm"}) {
    diffusion::SamplerOptions options;
    options.eta = 1;
    diffusion::Run run(denoiser, levels, 7, coordinates, options);
    const auto end = diffusion::sample(*findRegistered<diffusion::Sampler>(id), run, start);
    REQUIRE(end);
    double worst = 0;
    for (std::size_t i = 0; i < coordinates; ++i) worst = std::max(worst, std::abs(x[i] - (*end)[i]));
    INFO(id);
    // 3e-15 for one step; 50 steps that part slowly.
    CHECK(worst < 1e-12);
  }
}

TEST_CASE("ddpm: the device steps as the formula does, whole, one by one and taken apart") {
  // The same cloud by one dispatch per frame, by the trails' single dispatch, and by separate kernels (a clip that never bites).
  auto session = openLab({{"particles", whole(256)}, {"steps", whole(200)}});
  metricsAt(*session, 200);
  const auto cloud = arrayNamed(*session, "reverse.particles.xy"), trails = arrayNamed(*session, "reverse.trails.xy");
  const std::size_t rows = 12 * 2, last = 200 * rows;
  REQUIRE(trails.size() == last + rows);
  for (std::size_t i = 0; i < rows; ++i) CHECK(trails[last + i] == cloud[i]);
  auto apart = openLab({{"particles", whole(256)}, {"steps", whole(200)}, {"clip", 10.0}});
  metricsAt(*apart, 200);
  const auto separate = arrayNamed(*apart, "reverse.particles.xy");
  // Rounding differs; particles near the boundary of two basins part (generative.md C12.5).
  std::vector<float> off;
  for (std::size_t i = 0; i < cloud.size(); ++i) off.push_back(std::abs(cloud[i] - separate[i]));
  std::sort(off.begin(), off.end());
  CHECK(off[off.size() * 99 / 100] < 2e-5f);
  // Going back and forth in time changes nothing.
  metricsAt(*session, 37);
  metricsAt(*session, 200);
  CHECK(arrayNamed(*session, "reverse.particles.xy") == cloud);
}

TEST_CASE("ddpm: the ring: the reverse cloud has the exact density, and the bound lies just above the exact value") {
  auto session = openLab();
  const auto start = metricsAt(*session, 0), end = metricsAt(*session, 1000);
  CHECK(start.at("sw2") < 2 * start.at("sw2.floor"));
  CHECK(end.at("sw2") < 2 * end.at("sw2.floor"));
  // Entropy of the ring in generative.md C8: 0.6730 +- 0.0022 for both axes.
  CHECK(std::abs(2 * end.at("nll") - 0.6730) < 0.0022 * 4);
  CHECK(end.at("bound.gap") > 0);
  // Of all variances the analytic one gives the least bound.
  double least = 1e9;
  for (const char* variance : {"beta", "beta-tilde", "interpolated"}) {
    REQUIRE(session->set("variance", text(variance)));
    least = std::min(least, metricsAt(*session, 0).at("bound"));
  }
  REQUIRE(session->set("variance", text("analytic")));
  const auto best = metricsAt(*session, 0);
  CHECK(best.at("bound") < least);
  CHECK(best.at("bound.gap") > 0);
  CHECK(best.at("bound.gap") < 0.02);
}

TEST_CASE("ddpm: the denoising error by quadrature is that of independent draws") {
  using namespace orrery::generative;
  const auto scene = planeScene("ring8");
  REQUIRE(scene);
  const DenoisingError error(*scene);
  const std::size_t n = 20000;
  const diffusion::State x0 = scene->draw(5, n, 1), noise = diffusion::Noise(6, 2 * n).fresh(0, 0);
  for (const double level : {0.03, 0.2, 0.5, 1.0, 4.0}) {
    const diffusion::State D = scene->mixture.denoise(x0 + level * noise, level);
    double sum = 0, square = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double dx = x0[2 * i] - D[2 * i], dy = x0[2 * i + 1] - D[2 * i + 1], e = 0.5 * (dx * dx + dy * dy);
      sum += e / n;
      square += e * e / n;
    }
    INFO("level " << level);
    CHECK(std::abs(error.at(level) - sum) < 4 * std::sqrt((square - sum * sum) / n));
    // Halfway between knots the interpolation agrees with its own quadrature.
    CHECK(error.at(level * 1.05) > error.at(level));
  }
}

TEST_CASE("ddpm: every target gives the data back, and its error is that of the noise times its factor") {
  using namespace orrery::generative;
  ScheduleRequest request;
  const auto chain = makeChain(request);
  REQUIRE(chain);
  const double x0 = 0.7, eps = -1.3;
  for (const char* id : {"epsilon", "x0", "v", "mean", "score"}) {
    const ChainTarget target{id};
    for (const int t : {1, 2, 259, 999, 1000}) {
      INFO(id << " at t = " << t);
      const double xt = chain->alpha(t) * x0 + chain->sigma(t) * eps;
      const auto pair = target.ofPair(*chain, t), map = target.toData(*chain, t);
      const double output = pair.x * x0 + pair.y * eps;
      // x_0 out of eps divides by alpha, 0.006 at the end.
      CHECK(map.x * xt + map.y * output == Approx(x0).epsilon(1e-9));
      // An output off by 0.01: how far the noise it stands for is off at the same x_t.
      const double D = map.x * xt + map.y * (output + 0.01), noise = (xt - chain->alpha(t) * D) / chain->sigma(t);
      CHECK((noise - eps) * (noise - eps) == Approx(target.factor(*chain, t) * 1e-4).epsilon(1e-6));
    }
  }
}

TEST_CASE("ddpm: the network learns live, and going back in time repeats it bit for bit") {
  auto session = openLab({{"source", text("network")},
                          {"train-steps", whole(240)},
                          {"steps-per-frame", whole(20)},
                          {"batch", whole(512)},
                          {"width", whole(64)},
                          {"depth", whole(2)},
                          {"predict", text("v")},
                          {"shown-steps", whole(12)}});
  const auto untrained = metricsAt(*session, 0);
  const auto first = metricsAt(*session, 1), last = metricsAt(*session, 12);
  const auto cloud = arrayNamed(*session, "reverse.particles.xy");
  CHECK(cloud.size() == 2 * 1024);
  const double least = last.at("loss.least");
  CHECK(last.at("loss") - least < 0.7 * (first.at("loss") - least));  // the first frame is the mean of the first 20 steps
  CHECK(last.at("loss") > 0.9 * last.at("loss.least"));  // a mean over 10 240 pairs; no network does better than the exact denoiser
  CHECK(last.at("network.bound") < untrained.at("network.bound"));
  CHECK(last.at("network.bound") > last.at("bound"));
  CHECK(last.at("sw2") < 0.6 * untrained.at("sw2"));
  metricsAt(*session, 5);
  CHECK(arrayNamed(*session, "reverse.particles.xy") != cloud);
  metricsAt(*session, 12);
  CHECK(arrayNamed(*session, "reverse.particles.xy") == cloud);
  // What is only shown keeps the training.
  REQUIRE(session->set("shown-time", 1.0));
  const auto noise = metricsAt(*session, 12);
  CHECK(noise.at("t") == 1000);
  CHECK(noise.at("loss") == last.at("loss"));
  CHECK(std::abs(noise.at("reverse.covariance.xx") - 1) < 4 * std::sqrt(2 / 1024.0));
}

TEST_CASE("ddpm: a user's network runs the reverse chain, and its bound stands beside that of the exact denoiser") {
  const orrery::testing::Scratch folder;
  auto session = openLab({{"scene", text("gauss")},
                          {"network", Asset{orrery::testing::zeroPerceptron(folder), ""}},
                          {"prediction", text("F")},
                          {"network-schedule", text("edm")},
                          {"told-time", text("log-level")},
                          {"steps", whole(60)},
                          {"particles", whole(256)}});
  const auto exact = metricsAt(*session, 60);
  const auto particles = arrayNamed(*session, "reverse.particles.xy");
  REQUIRE(exact.count("network.bound") == 0);
  // As EDM's F the network is the exact denoiser of this Gaussian; steps apart round more often than steps in one go.
  REQUIRE(session->set("source", text("dropped")));
  const auto same = metricsAt(*session, 60);
  const auto found = arrayNamed(*session, "reverse.particles.xy");
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(particles[i]).margin(1e-4));
  CHECK(same.at("network.bound") == Approx(same.at("bound")).margin(1e-5));
  const auto trail = arrayNamed(*session, "reverse.trails.xy");
  for (std::size_t i = 0; i < 24; ++i) CHECK(trail[trail.size() - 24 + i] == Approx(found[i]).margin(1e-5));
  // Saying x_0 = 0 everywhere, it ends there, and its bound is worse.
  REQUIRE(session->set("prediction", text("x0")));
  const auto wrong = metricsAt(*session, 60);
  for (const float v : arrayNamed(*session, "reverse.particles.xy")) CHECK(std::abs(v) < 1e-6f);
  CHECK(wrong.at("network.bound") > wrong.at("bound") + 0.1);
  // There and back to the same bits.
  const auto there = metricsAt(*session, 20);
  metricsAt(*session, 50);
  CHECK(metricsAt(*session, 20) == there);
  // What it cannot be is said: as noise it would deny all noise, and without signal at T its noise says nothing.
  REQUIRE(session->set("prediction", text("epsilon")));
  REQUIRE(session->wait());
  bool said = false;
  for (const Panel& panel : session->picture()->figure.panels) said = said || panel.note.find("deviation") != std::string::npos;
  CHECK(said);
  REQUIRE(session->set("schedule", text("zero-snr")));
  const auto done = session->wait();
  REQUIRE_FALSE(done);
  CHECK(done.error().message.find("predict v") != std::string::npos);
}

TEST_CASE("ddpm: presets show what they say") {
  auto tooShort = openLab({}, "too-short");
  auto m = metricsAt(*tooShort, 0);
  CHECK(m.at("alpha-bar.T") == Approx(0.8).epsilon(0.03));
  CHECK(m.at("sw2") > 3 * m.at("sw2.floor"));
  auto cosine = openLab({}, "linear-vs-cosine");
  m = metricsAt(*cosine, 0);
  CHECK(m.at("snr-one") > m.at("compare.snr-one") + 100);
  // The halo of the wrong variance: one step before data the cloud is too wide, and the noise of the last step stays.
  auto wrong = openLab({}, "wrong-variance");
  m = metricsAt(*wrong, 49);
  const double right = 1 - m.at("alpha-bar"), beta = m.at("beta.1"), n = 4096;
  CHECK(m.at("reverse.covariance.xx") > 1.3 * right);
  CHECK(metricsAt(*wrong, 50).at("reverse.covariance.xx") == Approx(beta).epsilon(4 * std::sqrt(2 / n)));
  REQUIRE(wrong->set({{"variance", text("beta-tilde")}, {"last-step-noise", false}}));
  m = metricsAt(*wrong, 49);
  CHECK(std::abs(m.at("reverse.covariance.xx") - right) < 4 * right * std::sqrt(2 / n));
  CHECK(metricsAt(*wrong, 50).at("reverse.covariance.xx") < 1e-10);
}

TEST_CASE("ddpm: a picture turns to noise along the chain") {
  const orrery::testing::Scratch scratch;
  // Half black, half white.
  std::vector<std::uint8_t> rgb(3 * 64 * 64, 0);
  std::fill(rgb.begin() + 3 * 64 * 32, rgb.end(), 255);
  const std::string path = scratch.write("halves.png", encodeRgbPng(rgb, 64, 64));
  auto session = openLab({{"film", text("picture")}, {"picture", Asset{path, ""}}});
  metricsAt(*session, 0);
  // Tile 10 is the picture itself; tile 0 noise without a trace of it: means of the halves agree to 4 standard errors of clipped noise.
  const auto data = arrayNamed(*session, "film.picture-10.pixels"), noise = arrayNamed(*session, "film.picture-0.pixels");
  REQUIRE(data.size() == 4 * 64 * 64);
  CHECK(data[0] == 0);
  CHECK(data[data.size() - 2] == 255);
  double means[2] = {0, 0};
  for (std::size_t i = 0; i < noise.size(); i += 4) means[i < noise.size() / 2 ? 0 : 1] += static_cast<double>(noise[i]) / (64 * 32);
  CHECK(std::abs(means[0] - means[1]) < 4 * 100 * std::sqrt(2.0 / (64 * 32)));
}

TEST_CASE("ddpm: clipping cuts, pinning shows the posterior, and a dragged point draws the schedule") {
  auto session = openLab({{"clip", 0.5}, {"steps", whole(100)}});
  metricsAt(*session, 100);
  for (const float v : arrayNamed(*session, "reverse.particles.xy")) CHECK(std::abs(v) <= 0.5f + 1e-6f);
  REQUIRE(session->set({{"clip", 0.0}, {"pinned", whole(3)}}));
  metricsAt(*session, 60);
  CHECK(arrayNamed(*session, "reverse.posterior.x").size() >= 50);
  REQUIRE(session->set("lower-left", text("beta")));
  REQUIRE(session->wait());
  PointerEvent event;
  event.kind = PointerEvent::Kind::drag;
  event.panel = "beta";
  event.handle = "beta-4";
  event.x = 100;
  event.y = 0.4;
  session->pointer(event);
  REQUIRE(session->wait());
  CHECK(std::get<std::string>(session->value("schedule")) == "drawn");
  CHECK(metricsAt(*session, 0).at("beta.T") == Approx(0.4).epsilon(1e-3));
}

TEST_CASE("ddpm: what cannot run is refused with its reason, and the lab stays usable") {
  auto session = openLab();
  const auto refused = [&](const Changes& changes, const std::string& why) {
    orrery::testing::refused(*session, changes, why);
    session->resetAll();
    REQUIRE(session->wait());
  };
  refused({{"steps", whole(10)}}, "some signal");
  refused({{"schedule", text("zero-snr")}}, "predict v");
  refused({{"schedule", text("drawn")}, {"curve", text("0.1")}}, "two values");
  refused({{"schedule", text("drawn")}, {"curve", text("0.1, -2")}}, "outside (0, 1)");
  refused({{"source", text("dropped")}}, "no network yet");
  const orrery::testing::Scratch folder;
  const Asset explosive{orrery::testing::explosivePerceptron(folder), ""};
  refused({{"source", text("dropped")}, {"network", explosive}, {"prediction", text("score")}, {"activation", text("relu")}},
          "ran away");
  refused({{"scene", text("drawn")}}, "paint");
  refused({{"film", text("picture")}}, "Choose a picture");
  refused({{"film", text("picture")}, {"picture", Asset{"/nowhere/at/all.png", ""}}}, "/nowhere/at/all.png");
  // Warnings are titles: a start that is not Gaussian, a clip of data without bounds.
  REQUIRE(session->set({{"steps", whole(20)}, {"keep-snr", false}}));
  REQUIRE(session->wait());
  const auto titleOf = [&](const char* id) {
    for (const Panel& panel : session->picture()->figure.panels)
      if (panel.id == id) return panel.title;
    return std::string();
  };
  CHECK(titleOf("reverse").find("not Gaussian") != std::string::npos);
  session->resetAll();
  REQUIRE(session->set("clip", 1.0));
  REQUIRE(session->wait());
  CHECK(titleOf("reverse").find("cuts the tails") != std::string::npos);
  // Both are said at once, under a network that learns and under one's own.
  const auto noteOf = [&](const char* id) {
    for (const Panel& panel : session->picture()->figure.panels)
      if (panel.id == id) return panel.note;
    return std::string();
  };
  for (const char* source : {"network", "dropped"}) {
    session->resetAll();
    REQUIRE(session->set({{"steps", whole(20)},
                          {"keep-snr", false},
                          {"clip", 1.0},
                          {"particles", whole(256)},
                          {"network", Asset{orrery::testing::zeroPerceptron(folder), ""}},
                          {"prediction", text("F")},
                          {"network-schedule", text("edm")},
                          {"source", text(source)}}));
    REQUIRE(session->wait());
    INFO(source);
    CHECK(titleOf("reverse").find("not Gaussian") != std::string::npos);
    CHECK(noteOf("reverse").find("cuts the tails") != std::string::npos);
    CHECK(noteOf("reverse").find("network") != std::string::npos);
  }
}
