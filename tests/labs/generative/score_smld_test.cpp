// generative/score-smld: its Must-hold lines through the lab's own metrics.

#include <algorithm>
#include <cmath>
#include <set>

#include "core/labs/generative/score_smld/lab.h"
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
  return orrery::testing::openLab("generative/score-smld", changes, preset);
}

std::string refusal(const Changes& changes) {
  auto session = openLab({{"particles", whole(64)}});
  REQUIRE(session->wait().hasValue());
  const auto set = session->set(changes);
  if (!set) return set.error().message;
  const auto done = session->wait();
  REQUIRE_FALSE(done);
  return done.error().message;
}

// v / sigma_i^2 after M Langevin steps at a level whose entry variance is ratio^2 sigma_i^2, on data in one point (Song and Ermon 2020,
// proposition 2): k^2M (ratio^2 - A) + A with k = 1 - step, A = 2 step / (1 - k^2).
double levelVariance(double ratio, double step, int stepsPerLevel) {
  const double k = 1 - step, stationary = 2 * step / (1 - k * k);
  return std::pow(k, 2 * stepsPerLevel) * (ratio * ratio - stationary) + stationary;
}

// The variance of one Gaussian of the lab's scene along x.
double gaussVariance() {
  const auto scene = generative::planeScene("gauss");
  REQUIRE(scene);
  return scene->mixture.components[0].along;
}

}  // namespace

TEST_CASE("a plain chain on one Gaussian has its variance times 1 / (1 - a / 2 sigma^2), with the Metropolis test its own") {
  const double variance = gaussVariance();
  for (const double share : {0.1, 0.5, 1.0}) {
    auto session = openLab({{"scene", text("gauss")},
                            {"mode", text("plain")},
                            {"step", Value(share * variance)},
                            {"particles", whole(16384)},
                            {"levels", whole(1)},
                            {"steps-per-level", whole(120)},
                            {"start", text("data")}});
    const auto m = metricsAt(*session, 1000);
    INFO("a = " << share << " sigma^2");
    // 16 384 particles: a standard error of 1.1 % of a variance; four of them.
    CHECK(m.at("variance.x") / variance == Approx(1 / (1 - share / 2)).epsilon(0.045));
    CHECK(m.at("acceptance") == 1);
  }
  auto tested = openLab({{"scene", text("gauss")},
                         {"mode", text("mala")},
                         {"step", Value(0.5 * variance)},
                         {"particles", whole(16384)},
                         {"levels", whole(1)},
                         {"steps-per-level", whole(60)},
                         {"start", text("data")}});
  const auto m = metricsAt(*tested, 1000);
  CHECK(m.at("variance.x") / variance == Approx(1).epsilon(0.045));
  CHECK(m.at("acceptance") < 0.98);
  auto careful = openLab({{"scene", text("gauss")},
                          {"mode", text("mala")},
                          {"step", Value(0.01 * variance)},
                          {"particles", whole(4096)},
                          {"levels", whole(1)},
                          {"steps-per-level", whole(20)},
                          {"start", text("data")}});
  CHECK(metricsAt(*careful, 1000).at("acceptance") > 0.99);
}

TEST_CASE("plain Langevin splits two far blobs evenly, annealing finds their weights, the better the longer the ladder") {
  // The specification's figures; its band of the plain chain is 0.02, of the annealed ones 0.016 at 16 384 particles, here 4096.
  auto plain = openLab({}, "empty-space");
  CHECK(std::abs(metricsAt(*plain, 1000).at("mass.2") - 0.51) < 0.03);
  for (const auto& [levels, mass] : {std::pair{10, 0.766}, {20, 0.783}, {40, 0.794}}) {
    auto annealed = openLab({{"levels", whole(levels)}});
    INFO(levels);
    CHECK(std::abs(metricsAt(*annealed, 1000).at("mass.2") - mass) < 0.025);
  }
}

TEST_CASE("four objectives differ by their constants only") {
  auto session = openLab({{"scene", text("two-deltas")}, {"samples", whole(100000)}, {"loss-level", Value(0.5)}, {"particles", whole(64)}});
  const auto m = metricsAt(*session, 0);
  const auto curve = arrayNamed(*session, "losses.explicit.y");
  // Means over 100 000 points of terms of size four to eight: standard errors near 0.02; four of them, at the smallest theta.
  CHECK(m.at("loss.implicit-gap") < 0.08);
  CHECK(m.at("loss.sliced-gap") < 0.15);
  CHECK(m.at("loss.denoising-gap") < 0.08);
  CHECK(curve.front() > curve[30] + 0.3f);
  CHECK(curve.back() > curve[30]);
  // Fewer samples, larger gaps.
  auto few = openLab({{"scene", text("two-deltas")}, {"samples", whole(100)}, {"loss-level", Value(0.5)}, {"particles", whole(64)}});
  CHECK(metricsAt(*few, 0).at("loss.sliced-gap") > m.at("loss.sliced-gap"));
}

TEST_CASE("the advised ratio of levels is the paper's, and there is none below five dimensions") {
  CHECK(*generative::advisedRatio(784) == Approx(1.08197).epsilon(1e-5));
  CHECK(*generative::advisedRatio(3072) == Approx(1.03980).epsilon(1e-5));
  CHECK(*generative::advisedRatio(12288) == Approx(1.01951).epsilon(1e-5));
  CHECK_FALSE(generative::advisedRatio(4).has_value());
  CHECK(generative::advisedRatio(5).has_value());
}

TEST_CASE("the variance after a level is the recursion's") {
  // The lab's chain on points: after the whole ladder, the last level's variance around the points.
  auto session = openLab({{"scene", text("gauss")},
                          {"spread", Value(0.1)},
                          {"levels", whole(6)},
                          {"steps-per-level", whole(30)},
                          {"sigma-max", Value(10.0)},
                          {"sigma-min", Value(1.0)},
                          {"final-denoise", Value(false)},
                          {"start", text("normal")},
                          {"particles", whole(16384)}});
  const auto m = metricsAt(*session, 1000);
  const double ratio = std::pow(10.0, 0.2);
  // Level by level from the start's variance of one level, on data of almost no width.
  double share = 1;
  for (int i = 0; i < 6; ++i) share = levelVariance(std::sqrt(share) * (i > 0 ? ratio : 1), 0.05, 30);
  // The data's own width is a tenth of the scene's; four standard errors of a variance.
  CHECK(m.at("variance.x") == Approx(share).epsilon(0.06));
}

TEST_CASE("the variance a level is entered with is still there after three steps") {
  // With M = 3 and a step of 0.05 k^2M is 0.735: the entry term gamma^2 - A is most of the result, and without it 1.026 would be left.
  auto session = openLab({{"scene", text("gauss")},
                          {"spread", Value(0.1)},
                          {"levels", whole(4)},
                          {"steps-per-level", whole(3)},
                          {"sigma-max", Value(8.0)},
                          {"sigma-min", Value(1.0)},
                          {"final-denoise", Value(false)},
                          {"start", text("normal")},
                          {"particles", whole(16384)}});
  double share = 1;
  for (int level = 0; level < 4; ++level) {
    share = levelVariance(std::sqrt(share) * (level > 0 ? 2 : 1), 0.05, 3);
    const double sigma = 8 / std::pow(2.0, level);
    const auto m = metricsAt(*session, 3 * (level + 1));
    INFO("after level " << level + 1);
    REQUIRE(m.at("steps") == 3 * (level + 1));
    // Both axes together: four standard errors of a variance of 32 768 numbers are 3.1 %; the data's own variance is 0.0025.
    CHECK((m.at("variance.x") + m.at("variance.y")) / 2 / (sigma * sigma) == Approx(share).epsilon(0.032));
  }
  REQUIRE(share > 15);
}

TEST_CASE("with the Metropolis test the chain has the density itself on any scene: its histogram and its distance") {
  for (const char* id : {"tri", "ring8"}) {
    auto session = openLab({{"scene", text(id)},
                            {"mode", text("mala")},
                            {"step", Value(0.01)},
                            {"particles", whole(8192)},
                            {"levels", whole(1)},
                            {"steps-per-level", whole(150)},
                            {"start", text("data")}});
    const auto m = metricsAt(*session, 1000);
    INFO(id);
    CHECK(m.at("acceptance") < 0.97);  // or the test would have nothing to say
    CHECK(m.at("sw2") < 2 * m.at("sw2.floor"));
    // The distance to the centre of mass of every particle, in bins of equal probability of exact samples: chi squared of 15 degrees.
    const auto scene = generative::planeScene(id);
    REQUIRE(scene);
    const auto particles = arrayNamed(*session, "cloud.particles.xy");
    constexpr std::size_t bins = 16, many = 400000;
    const auto exact = scene->draw(99, many, 7);
    std::vector<double> sorted;
    for (std::size_t i = 0; i < many; ++i) sorted.push_back(scene->mixture.logDensity(exact[2 * i], exact[2 * i + 1], 0));
    std::sort(sorted.begin(), sorted.end());
    std::vector<double> counts(bins, 0.0);
    const auto n = static_cast<double>(particles.size() / 2);
    for (std::size_t i = 0; i + 1 < particles.size(); i += 2) {
      const double value = scene->mixture.logDensity(static_cast<double>(particles[i]), static_cast<double>(particles[i + 1]), 0);
      const auto rank = static_cast<std::size_t>(std::upper_bound(sorted.begin(), sorted.end(), value) - sorted.begin());
      counts[std::min(bins - 1, rank * bins / many)] += 1;
    }
    double chi = 0;
    for (const double count : counts) chi += std::pow(count - n / bins, 2) / (n / bins);
    CHECK(chi < 45);  // 15 degrees of freedom: exceeded once in ten thousand
    // Without the test the same step is too long for it to be so.
    REQUIRE(session->set("mode", text("plain")));
    const auto biased = metricsAt(*session, 1000);
    CHECK(biased.at("sw2") > m.at("sw2"));
  }
}

TEST_CASE("one level is no ladder: the chain is a plain one and says so") {
  auto session = openLab({{"scene", text("gauss")}, {"levels", whole(1)}, {"particles", whole(256)}, {"steps-per-level", whole(40)}});
  const auto noteOf = [&](const char* id) {
    for (const Panel& panel : session->picture()->figure.panels)
      if (panel.id == id) return panel.note;
    return std::string();
  };
  const auto annealed = metricsAt(*session, 1000);
  CHECK(annealed.at("level") == 0);
  CHECK(noteOf("cloud").find("no ladder") != std::string::npos);
  const auto particles = arrayNamed(*session, "cloud.particles.xy");
  REQUIRE(session->set("mode", text("plain")));
  metricsAt(*session, 1000);
  CHECK(arrayNamed(*session, "cloud.particles.xy") == particles);
  CHECK(noteOf("cloud").find("no ladder") == std::string::npos);
  // So its step is that of a plain chain, with its limit.
  CHECK(refusal({{"scene", text("gauss")}, {"levels", whole(1)}, {"step", Value(0.6)}}).find("stability limit 2 / ") != std::string::npos);
}

TEST_CASE("the timeline comes back to the same bits, and another seed is another run") {
  const Changes quick{{"particles", whole(256)}, {"levels", whole(4)}, {"steps-per-level", whole(10)}};
  auto session = openLab(quick);
  metricsAt(*session, 12);
  const auto middle = arrayNamed(*session, "cloud.particles.xy");
  metricsAt(*session, 40);
  metricsAt(*session, 12);
  CHECK(arrayNamed(*session, "cloud.particles.xy") == middle);
  auto again = openLab(quick);
  metricsAt(*again, 12);
  CHECK(arrayNamed(*again, "cloud.particles.xy") == middle);
  Changes other = quick;
  other.emplace_back("seed", whole(5));
  auto different = openLab(other);
  metricsAt(*different, 12);
  CHECK(arrayNamed(*different, "cloud.particles.xy") != middle);
}

TEST_CASE("chains that would diverge are refused in a sentence") {
  CHECK(refusal({{"mode", text("plain")}, {"step", Value(2.0)}}).find("stability limit") != std::string::npos);
  CHECK(refusal({{"step", Value(2.0)}}).find("stability limit 2") != std::string::npos);
  CHECK(refusal({{"sigma-max", Value(0.1)}, {"sigma-min", Value(1.0)}}).find("above the smallest") != std::string::npos);
}

TEST_CASE("a user's score network leads the chain down the ladder, and its error is shown level by level") {
  const orrery::testing::Scratch folder;
  const std::string path = orrery::testing::zeroPerceptron(folder);
  folder.write("config.json", R"({"prediction_type": "F", "noise_schedule": "edm", "time": "log-level"})");
  auto session = openLab({{"scene", text("gauss")},
                          {"network", Asset{path, ""}},
                          {"levels", whole(6)},
                          {"steps-per-level", whole(30)},
                          {"sigma-max", Value(10.0)},
                          {"sigma-min", Value(0.1)},
                          {"particles", whole(256)}});
  const auto noteOf = [&](const char* id) {
    for (const Panel& panel : session->picture()->figure.panels)
      if (panel.id == id) return panel.note;
    FAIL("no panel " << id);
    return std::string();
  };
  const auto exact = metricsAt(*session, 1000);
  const auto particles = arrayNamed(*session, "cloud.particles.xy");
  REQUIRE(exact.count("network-error") == 0);
  REQUIRE(session->picture()->figure.panels.size() == 6);
  // As EDM's F of deviation 1/2 the network is the exact denoiser of this Gaussian. D in f32 is off by 1e-6 at most, of which a step takes a
  // twentieth whatever the level.
  REQUIRE(session->set("denoiser", text("network")));
  const auto same = metricsAt(*session, 1000);
  const auto found = arrayNamed(*session, "cloud.particles.xy");
  REQUIRE(found.size() == particles.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(particles[i]).margin(1e-5));
  CHECK(same.at("network-error") < 1e-5);
  CHECK(noteOf("network-levels").empty());
  // Saying x_0 = 0 everywhere, its score is that of a point with noise: the last step moves every particle there, and without it the variance
  // is the recursion's, level by level. Its score's error times sigma is that of D, c^2 / (c^2 + s^2) x, over sigma.
  REQUIRE(session->set("prediction", text("x0")));
  metricsAt(*session, 1000);
  for (const float v : arrayNamed(*session, "cloud.particles.xy")) CHECK(std::abs(v) < 1e-6f);
  const auto levels = arrayNamed(*session, "network-levels.error.x"), errors = arrayNamed(*session, "network-levels.error.y");
  REQUIRE(levels.size() == errors.size());
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const auto s = static_cast<double>(levels[i]);
    // Of 1024 points four standard errors of a root mean square.
    CHECK(static_cast<double>(errors[i]) == Approx(std::sqrt(2.0) * 0.25 / std::sqrt(0.25 + s * s) / s).epsilon(4 / std::sqrt(4096.0)));
  }
  REQUIRE(session->set({{"final-denoise", Value(false)}, {"sigma-min", Value(1.0)}, {"start", text("normal")}, {"particles", whole(8192)}}));
  double share = 1;
  for (int i = 0; i < 6; ++i) share = levelVariance(std::sqrt(share) * (i > 0 ? std::pow(10.0, 0.2) : 1), 0.05, 30);
  // Four standard errors of a variance: 4 sqrt(2 / 8192).
  CHECK(metricsAt(*session, 1000).at("variance.x") == Approx(share).epsilon(0.0625));
  // A plain chain asks it at the smallest level: as F, the data with that noise, inflated by the step.
  REQUIRE(session->set({{"prediction", text("file")}, {"mode", text("plain")}, {"start", text("data")}, {"sigma-min", Value(0.5)}, {"step", Value(0.25)},
                        {"levels", whole(1)}}));
  CHECK(metricsAt(*session, 1000).at("variance.x") == Approx(0.5 / (1 - 0.25)).epsilon(0.0625));
  // Declared against its config.json to say eps, it denies all noise: that is held against it where noise is most of what there is.
  REQUIRE(session->set({{"prediction", text("epsilon")}, {"particles", whole(64)}}));
  REQUIRE(session->wait());
  CHECK(noteOf("cloud").find("deviation") != std::string::npos);
}

TEST_CASE("the four losses of a user's network agree but for sampling noise, and the explicit one is 0 where the network is exact") {
  const orrery::testing::Scratch folder;
  auto session = openLab({{"scene", text("gauss")},
                          {"denoiser", text("network")},
                          {"network", Asset{orrery::testing::zeroPerceptron(folder), ""}},
                          {"prediction", text("F")},
                          {"network-schedule", text("edm")},
                          {"particles", whole(64)},
                          {"samples", whole(4000)},
                          {"loss-level", Value(0.4)}});
  // As EDM's F the perceptron of zeros is the exact denoiser of this Gaussian of deviation 1/2: its score is -x / v, v = 1/4 + 0.16.
  auto m = metricsAt(*session, 0);
  const double v = 0.25 + 0.16;
  CHECK(m.at("network-loss.samples") == 4000);
  CHECK(std::abs(m.at("network-loss.explicit")) < 1e-9);
  CHECK(m.at("network-loss.best-c") == Approx(1));
  // E |S|^2 = 2 / v, by four standard errors of the mean of n squares: 4 sqrt(2 / 2n) of it. At c = 1 implicit is E|s|^2 / 2 - 2 / v + E|S|^2 / 2.
  CHECK(std::abs(m.at("network-loss.implicit")) < 4 * std::sqrt(1.0 / 4000) * 2 / v);
  CHECK(m.at("network-loss.implicit") == Approx(m.at("network-loss.implicit-gap")).margin(1e-9));
  // Read as x_0 = 0 its score is -x / sigma^2, too long by v / sigma^2: the least is at sigma^2 / v, by the exact score's and its own lengths.
  REQUIRE(session->set("prediction", text("x0")));
  m = metricsAt(*session, 0);
  CHECK(m.at("network-loss.best-c") == Approx(0.16 / v).epsilon(1e-9));
  // A perceptron of random weights on three ellipses, whatever its activation: exact no more, and the four differ by sampling noise alone.
  REQUIRE(session->set({{"scene", text("tri")}, {"network", Asset{orrery::testing::drawnPerceptron(folder), ""}}, {"prediction", text("x0")}}));
  for (const char* activation : {"silu", "tanh", "relu", "gelu"}) {
    INFO(activation);
    REQUIRE(session->set("activation", text(activation)));
    m = metricsAt(*session, 0);
    CHECK(m.at("network-loss.explicit") > 0.01);
    for (const char* other : {"implicit", "sliced", "denoising"}) {
      INFO(other);
      const std::string id = std::string("network-loss.") + other;
      CHECK(m.at(id + "-gap.error") > 0);
      CHECK(std::abs(m.at(id + "-gap")) < 4 * m.at(id + "-gap.error"));
      CHECK(m.at(id) - m.at("network-loss.explicit") == Approx(m.at(id + "-gap")).margin(1e-9));
    }
  }
  const auto curve = arrayNamed(*session, "losses.explicit.y");
  CHECK(static_cast<double>(curve[40]) == Approx(m.at("network-loss.explicit")).epsilon(1e-5));
  // Without it the family of one parameter is shown again.
  REQUIRE(session->set("denoiser", text("exact")));
  CHECK(metricsAt(*session, 0).count("network-loss.explicit") == 0);
  CHECK(arrayNamed(*session, "losses.explicit.x").size() == 61);
}

TEST_CASE("score networks that do not fit, and a Metropolis test of one, are refused in a sentence") {
  const orrery::testing::Scratch folder;
  const Changes network{{"denoiser", text("network")}, {"network", Asset{orrery::testing::zeroPerceptron(folder), ""}}};
  CHECK(refusal({{"denoiser", text("network")}}).find("no network yet") != std::string::npos);
  CHECK(refusal({{"denoiser", text("network")}, {"network", Asset{orrery::testing::zeroPerceptron(folder, 3), ""}}}).find("3 coordinates") !=
        std::string::npos);
  Changes tested = network;
  tested.emplace_back("mode", text("mala"));
  CHECK(refusal(tested).find("Metropolis") != std::string::npos);
  // What runs away is said where it happens, and the lab stays usable.
  auto session = openLab({{"particles", whole(64)},
                          {"denoiser", text("network")},
                          {"network", Asset{orrery::testing::explosivePerceptron(folder), ""}},
                          {"activation", text("relu")},
                          {"prediction", text("score")}});
  session->seek(100);
  const auto done = session->wait();
  REQUIRE_FALSE(done);
  CHECK(done.error().message.find("ran away") != std::string::npos);
  REQUIRE(session->set("denoiser", text("exact")));
  CHECK(std::isfinite(metricsAt(*session, 100).at("variance.x")));
}

namespace {

// A small network that learns the two modes fast.
const Changes learnQuickly{{"denoiser", text("learned")}, {"train-steps", whole(300)}, {"steps-per-frame", whole(50)},
                           {"batch", whole(256)},         {"width", whole(64)},        {"depth", whole(2)},
                           {"step", Value(0.15)},         {"particles", whole(512)}};

Changes with(Changes changes, const Changes& more) {
  changes.insert(changes.end(), more.begin(), more.end());
  return changes;
}

}  // namespace

TEST_CASE("a live network's score is the same on the host and on the device") {
  gpu::Stream stream(orrery::testing::device());
  generative::ToyNetworkOptions options;
  options.width = 32, options.depth = 2, options.seed = 4;
  const generative::LearnedScore score(generative::ToyNetwork(stream, options), {20, 0.1, 3});
  const std::vector<float> points{0.5f, -1, 3, 2, -7, 0.1f};
  for (const double level : {20.0, 1.0, 0.1}) {
    const auto host = score.denoise(diffusion::State(std::vector<double>(points.begin(), points.end())), level);
    const auto device = score.denoise(stream, Tensor::from(Shape{3, 2}, points), level).toFloats();
    for (std::size_t i = 0; i < points.size(); ++i) CHECK(host[i] == Approx(static_cast<double>(device[i])).epsilon(1e-4).margin(1e-4));
  }
}

TEST_CASE("each of the four objectives teaches a network the score") {
  for (const char* objective : {"denoising", "explicit", "implicit", "sliced"}) {
    auto session = openLab(with(learnQuickly, {{"objective", text(objective)}}));
    const auto before = metricsAt(*session, 0), after = metricsAt(*session, 6);
    INFO(objective);
    CHECK(after.at("trained") == 300);
    // E |F + sigma S|^2 / 2 of a network that says nothing is near 1, and the loss less its constant is the same but for sampling noise.
    CHECK(before.at("score-error") > 0.5);
    CHECK(after.at("score-error") < 0.25 * before.at("score-error"));
    CHECK(std::abs(after.at("loss") - after.at("score-error")) < 0.15);
  }
}

TEST_CASE("training goes back and forth to the same bits") {
  auto session = openLab(learnQuickly);
  metricsAt(*session, 2);
  const auto there = arrayNamed(*session, "cloud.particles.xy");
  const auto end = metricsAt(*session, 5);
  const auto last = arrayNamed(*session, "cloud.particles.xy");
  metricsAt(*session, 2);
  CHECK(arrayNamed(*session, "cloud.particles.xy") == there);
  CHECK(arrayNamed(*session, "training.error.y").size() == 3);
  CHECK(metricsAt(*session, 5).at("score-error") == end.at("score-error"));
  CHECK(arrayNamed(*session, "cloud.particles.xy") == last);
  // The noise level shown and the probe leave the training where it is.
  REQUIRE(session->set("shown-level", Value(2.0)));
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 5);
  // The exact score again: the chain's own timeline.
  REQUIRE(session->set("denoiser", text("exact")));
  const auto exact = metricsAt(*session, 0);
  CHECK(exact.count("score-error") == 0);
  CHECK(session->picture()->figure.panels.size() == 6);
}

TEST_CASE("where there are no data the learnt score is off, the more the further the modes are apart and the fewer points there are") {
  const auto regionOf = [](const Changes& more) {
    auto session = openLab(with(learnQuickly, more));
    return metricsAt(*session, 6);
  };
  // The picture is of nearly the same size: 8.5 and 8.75 to a side.
  const auto together = regionOf({{"components", text("ncsn-toy 0:-2,-2;1:2,2")}}),
             apart = regionOf({{"components", text("ncsn-toy 0:-7,-7;1:7,7")}});
  CHECK(apart.at("error-region") > together.at("error-region") + 0.05);
  const auto few = regionOf({{"training-set", whole(16)}}), many = regionOf({{"training-set", whole(100000)}});
  CHECK(few.at("score-error") > 1.2 * many.at("score-error"));
}

TEST_CASE("every preset of score-smld shows what it says") {
  std::set<std::string> seen;
  const auto run = [&](const char* preset, std::int64_t frame, const Changes& changes = {}) {
    seen.insert(preset);
    auto session = openLab(changes, preset);
    auto m = metricsAt(*session, frame);
    for (const Panel& panel : session->picture()->figure.panels) {
      INFO(preset << ": " << panel.id);
      CHECK(panel.message.empty() == (std::string(preset) != "empty-space" || panel.id != "ladder"));
    }
    return m;
  };
  {
    const auto m = run("annealed", 1000);
    CHECK(std::abs(m.at("mass.2") - 0.766) < 0.025);
    // Nearly the true shares: still further than two exact samples are from one another, and much nearer than the plain chain.
    CHECK(m.at("sw2") < 0.3 * run("empty-space", 1000).at("sw2"));
  }
  CHECK(run("too-big", 1000).at("variance.x") == Approx(2 * gaussVariance()).epsilon(0.1));
  CHECK(run("four-losses", 0).at("loss.implicit-gap") < 0.5);
  {
    const auto m = run("learned", 6, {{"train-steps", whole(300)}, {"steps-per-frame", whole(50)}});
    CHECK(m.at("score-error") < 0.1);
    CHECK(m.at("error-region") > 0.1);
  }
  const auto session = openLab({});
  for (const Preset& preset : session->lab().presets) CHECK(seen.count(preset.id) == 1);
}
