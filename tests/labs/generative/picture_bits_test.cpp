// The likelihood of a picture by the probability-flow ODE, in bits per dimension, against densities that are known.

#include "core/labs/generative/score_sde/picture_bits.h"

#include <cmath>
#include <numbers>

#include "core/data/image.h"
#include "core/modelfile/safetensors_write.h"
#include "core/models/dit.h"
#include "tests/support/lab_session.h"
#include "tests/support/scratch.h"

using namespace orrery;
using namespace orrery::generative;
using diffusion::State;

namespace {

double bitsOf(double logDensity, std::size_t d) { return -logDensity / (static_cast<double>(d) * std::numbers::ln2) + 7; }

State picture(std::size_t d) {
  std::vector<std::uint8_t> values(d);
  for (std::size_t i = 0; i < d; ++i) values[i] = static_cast<std::uint8_t>(i * 37 % 256);
  return dequantizedPicture(values, 3);
}

}  // namespace

TEST_CASE("bits of a picture: of one Gaussian they are exact with any probe, and more steps of the fourth order come nearer") {
  constexpr std::size_t d = 48;
  const diffusion::Gaussian law{0, 0.5};
  const auto denoise = [&](const State& x, double level) { return law.denoise(x, level); };
  const State x = picture(d);
  PictureBitsOptions options;
  options.low = 0.01, options.high = 50, options.probes = 2;
  // The end is the law's own: N(0, V) with V = 1/4 + high^2.
  options.endVariance = 0.25 + options.high * options.high;
  const double variance = 0.25 + options.low * options.low;
  double exact = 0;
  for (const double v : x) exact -= v * v / (2 * variance) + 0.5 * std::log(2 * std::numbers::pi * variance);
  double before = 1e9;
  for (const int steps : {8, 16, 32}) {
    options.steps = steps;
    const auto bits = pictureBits(denoise, x, options);
    REQUIRE(bits);
    REQUIRE(bits->probes.size() == 2);
    CHECK(bits->evaluations == 4 * steps * 5);
    // Every value has its own row of the Jacobian, which is diagonal: signs see its trace exactly.
    CHECK(bits->probes[0] == Approx(bits->probes[1]).epsilon(1e-9));
    const double off = std::abs(bits->mean() - bitsOf(exact, d));
    INFO(steps << " steps: " << off);
    CHECK(off < before / 8);  // 16 by the order
    before = off;
  }
  CHECK(before < 1e-3);
}

TEST_CASE("bits of a picture: where values depend on each other probes spread, and their mean is the density's within the spread") {
  // Pairs of values with the law of three ellipses, side by side: D of a State of pairs.
  const diffusion::PlaneMixture pairs{{{0.3, -1, 0.2, 0.06, 0.02, 0.55}, {0.5, 0.8, 0.5, 0.04, 0.1, 0.3}, {0.2, 0.1, -1.1, 0.2, 0.02, 0.8}}};
  const auto denoise = [&](const State& x, double level) { return pairs.denoise(x, level); };
  constexpr std::size_t d = 64;
  const State x = picture(d);
  PictureBitsOptions options;
  options.low = 0.05, options.high = 60, options.steps = 160, options.probes = 12;
  options.endVariance = options.high * options.high + 0.6;  // the law's own second moment per axis, about
  double exact = 0;
  for (std::size_t i = 0; i < d; i += 2) exact += pairs.logDensity(x[i], x[i + 1], options.low);
  const auto bits = pictureBits(denoise, x, options);
  REQUIRE(bits);
  CHECK(bits->error() > 0);
  // Four standard errors, and what is left of the Runge-Kutta steps and of the end's law.
  CHECK(std::abs(bits->mean() - bitsOf(exact, d)) < 4 * bits->error() + 2e-3);
  // The spread of the mean falls as the root of the number of probes: of the first three about twice that of twelve.
  PictureBits few = *bits;
  few.probes.resize(3);
  CHECK(bits->error() < few.error() * 1.5);
  // The same seed, the same bits; another seed, other signs.
  const auto again = pictureBits(denoise, x, options);
  REQUIRE(again);
  CHECK(again->probes == bits->probes);
  options.seed = 1;
  const auto other = pictureBits(denoise, x, options);
  REQUIRE(other);
  CHECK(other->probes != bits->probes);
}

TEST_CASE("bits of a picture: noise of one step, cancelling, and answers that are no numbers") {
  const std::vector<std::uint8_t> values{0, 1, 128, 255};
  const State x = dequantizedPicture(values, 3);
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(x[i] >= values[i] / 128.0 - 1);
    CHECK(x[i] < (values[i] + 1) / 128.0 - 1);
  }
  const diffusion::Gaussian law;
  const auto denoise = [&](const State& at, double level) { return law.denoise(at, level); };
  int told = 0;
  const auto stopped = pictureBits(denoise, x, {}, [&](double share) {
    CHECK(share == Approx(told / 32.0));
    return ++told < 3;
  });
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == ErrorCode::cancelled);
  CHECK(told == 3);
  const auto none = pictureBits([](const State& at, double) { return State(at.size(), NAN); }, x, {});
  REQUIRE_FALSE(none);
  CHECK(none.error().message.find("no number") != std::string::npos);
}

TEST_CASE("score-sde: a picture under a diffusion transformer has the bits of the density that the network stands for") {
  const orrery::testing::Scratch scratch;
  std::string network;
  {
    gpu::Stream stream(orrery::testing::device());
    models::DitConfig config;
    config.imageSize = 8, config.patchSize = 2, config.width = 16, config.layers = 1, config.heads = 2, config.frequencies = 16;
    nn::Initializer draw(stream, 3);
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (const auto& w : models::initialDit(draw, config)) tensors.emplace_back(w.name, w.value);
    network = scratch.path("net.safetensors");
    REQUIRE(modelfile::writeSafetensors(network, tensors));
  }
  std::vector<std::uint8_t> rgb, planar(3 * 64);
  for (std::size_t i = 0; i < planar.size(); ++i) rgb.push_back(static_cast<std::uint8_t>(i * 61 % 256));
  for (std::size_t i = 0; i < planar.size(); ++i) planar[i % 3 * 64 + i / 3] = rgb[i];
  const std::string picture = scratch.write("picture.png", encodeRgbPng(rgb, 8, 8));
  const auto whole = orrery::testing::whole;
  const auto text = orrery::testing::text;
  auto session = orrery::testing::openLab("generative/score-sde", {{"particles", whole(64)},
                                                                   {"steps", whole(4)},
                                                                   {"sde", text("ve")},
                                                                   {"sigma-max", 50.0},
                                                                   {"picture-network", Asset{network, ""}},
                                                                   {"picture", Asset{picture, ""}},
                                                                   {"prediction", text("F")},
                                                                   {"network-schedule", text("edm")},
                                                                   {"told-time", text("log-level")},
                                                                   {"picture-heads", whole(2)},
                                                                   {"picture-probes", whole(2)},
                                                                   {"picture-steps", whole(32)},
                                                                   {"seed", whole(5)}});
  auto m = orrery::testing::metricsAt(*session, 0);
  // A fresh network is F = 0: the exact denoiser of normal data of deviation 0.5. Levels of this SDE: 0.01 to 50, less 1e-3 of the way.
  const State x = dequantizedPicture(planar, 5);
  const double low = 0.01 * std::pow(5000, 1e-3), variance = 0.25 + low * low;
  double exact = 0;
  for (const double v : x) exact -= v * v / (2 * variance) + 0.5 * std::log(2 * std::numbers::pi * variance);
  // Thirty-two steps of the fourth order leave 3e-4, and f32 answers in differences of 1/50 of the level about as much.
  CHECK(m.at("picture.bits-per-dim") == Approx(bitsOf(exact, x.size())).margin(3e-3));
  CHECK(m.at("picture.bits-error") < 2e-3);
  CHECK(m.at("picture.evaluations") == 4 * 32 * 5);
  CHECK(m.count("picture.probe.1") == 1);
  // What it is asked on the plane changes nothing about the picture, and is not asked of the network again.
  REQUIRE(session->set("noise-share", 0.5));
  CHECK(orrery::testing::metricsAt(*session, 0).at("picture.bits-per-dim") == m.at("picture.bits-per-dim"));
  // Without a picture one of ShapeWorld's is taken; without a network there is nothing to say.
  REQUIRE(session->set({{"picture", Asset{}}, {"picture-steps", whole(8)}}));
  CHECK(std::isfinite(orrery::testing::metricsAt(*session, 0).at("picture.bits-per-dim")));
  orrery::testing::refused(*session, {{"picture-network", Asset{picture, ""}}}, "picture.png");
  REQUIRE(session->set("picture-network", Asset{}));
  CHECK(orrery::testing::metricsAt(*session, 0).count("picture.bits-per-dim") == 0);
}
