// generative/sd3: its Must-hold lines, through the lab's metrics and panels and the functions behind them, and what it rejects. The block's
// own lines (bound of logits, permutation, identity, plain attention) are in tests/models/mmdit_test.cpp on the block itself.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/data/image.h"
#include "core/diffusion/time_law.h"
#include "core/labs/generative/sd3/codec.h"
#include "core/labs/generative/sd3/positions.h"
#include "core/labs/generative/sd3/times.h"
#include "core/labs/generative/shared/symmetric_eigen.h"
#include "core/modelfile/safetensors_write.h"
#include "core/models/tokens.h"
#include "core/session/session.h"
#include "tests/support/catch.h"
#include "tests/support/lab_session.h"
#include "tests/support/scratch.h"

using namespace orrery;
using diffusion::shiftedTime;
using diffusion::timeLaw;
using orrery::testing::arrayNamed;
using orrery::testing::metricsAt;
using orrery::testing::text;
using orrery::testing::whole;

namespace {

constexpr double pi = std::numbers::pi;

std::map<std::string, double> metricsOf(const char* show, Changes changes = {}) {
  changes.insert(changes.begin(), {"show", text(show)});
  return metricsAt(*orrery::testing::openLab("generative/sd3", changes), 0);
}

// Several settings of one part on one session: what does not change is not computed again.
class OpenPart {
 public:
  explicit OpenPart(const char* show) : session_(orrery::testing::openLab("generative/sd3", {{"show", text(show)}})) {}
  std::map<std::string, double> with(const Changes& changes) {
    const auto set = session_->set(changes);
    if (!set) FAIL(set.error().message);
    return metricsAt(*session_, 0);
  }

 private:
  std::unique_ptr<Session> session_;
};

std::string errorOf(const char* show, Changes changes) {
  SessionOptions options;
  options.sharedDevice = orrery::testing::device();
  auto session = Session::open("generative/sd3", options);
  REQUIRE(session);
  changes.insert(changes.begin(), {"show", text(show)});
  if (const auto set = (*session)->set(changes); !set) return set.error().message;
  const auto done = (*session)->wait();
  return done ? std::string("no error") : done.error().message;
}

}  // namespace

// 1
TEST_CASE("logit-normal times: mass 1, median sigmoid(m), two peaks exactly beyond s = sqrt 2, 1.595769 in the middle") {
  for (const double m : {-1.0, 0.0, 0.7}) {
    for (const double s : {0.3, 1.0, 2.5}) {
      const auto found = metricsOf("times", {{"mean", Value(m)}, {"deviation", Value(s)}, {"draws", whole(1024)}});
      INFO(m << " " << s);
      CHECK(found.at("times.mass") == Approx(1).epsilon(1e-5));
      CHECK(found.at("times.median") == Approx(1 / (1 + std::exp(-m))).epsilon(1e-5));
      CHECK(found.at("times.below-median") == Approx(0.5).epsilon(1e-5));
    }
  }
  OpenPart times("times");
  for (const double s : {0.5, 1.0, 1.40}) CHECK(times.with({{"deviation", Value(s)}}).at("times.peaks") == 1);
  for (const double s : {1.43, 2.0, 3.0}) CHECK(times.with({{"deviation", Value(s)}}).at("times.peaks") == 2);
  CHECK(timeLaw("logit-normal")->density(0.5, 0, 1) == Approx(1.5957691216).epsilon(1e-9));
}

// 2
TEST_CASE("the mode map goes from 1 to 0, is monotone exactly for s from -1 to 2 / (pi - 2), with the middle's density in closed form") {
  const auto& mode = *timeLaw("mode");
  const auto rises = [&](double s) {
    double most = 0;
    for (int i = 0; i < 20000; ++i) most = std::max(most, mode.time((i + 1) / 20000.0, 0, s) - mode.time(i / 20000.0, 0, s));
    return most;
  };
  for (const double s : {-1.0, -0.5, 0.0, 1.29, 1.7519}) {
    CHECK(mode.time(0, 0, s) == Approx(1).margin(1e-15));
    CHECK(mode.time(1, 0, s) == Approx(0).margin(1e-15));
    CHECK(rises(s) <= 1e-15);
  }
  CHECK(diffusion::largestModeScale == Approx(1.7519).margin(5e-5));
  CHECK(rises(1.77) > 1e-8);
  CHECK(rises(-1.02) > 1e-8);
  for (const double s : {-0.9, 0.5, 1.29, 1.7}) CHECK(mode.density(0.5, 0, s) == Approx(1 / (1 + s - pi * s / 2)).epsilon(1e-9));
  CHECK(mode.density(0.5, 0, 1.29) == Approx(3.7926).epsilon(1e-4));
  CHECK(metricsOf("times", {{"law", text("mode")}, {"mode-scale", Value(1.0)}}).at("times.mass") == Approx(1).epsilon(1e-5));
}

// 3
TEST_CASE("a million CosMap times agree with their density to 1 %, which is twice as high in the middle as at the ends") {
  for (const char* law : {"cosmap", "uniform", "logit-normal", "mode"}) {
    const auto found = metricsOf("times", {{"law", text(law)}, {"mode-scale", Value(1.29)}, {"draws", whole(1 << 20)}});
    INFO(law);
    // The summed difference of 64 bins of 16 384 draws each is about 0.6 % by chance alone.
    CHECK(found.at("times.histogram-error") < 0.01);
    CHECK(found.at("times.drawn-inside") == Approx(1).margin(1e-5));
  }
  const auto& cosmap = *timeLaw("cosmap");
  CHECK(cosmap.density(0.5, 0, 0) / cosmap.density(0, 0, 0) == Approx(2).epsilon(1e-15));
  CHECK(cosmap.density(0, 0, 0) == Approx(cosmap.density(1, 0, 0)).epsilon(1e-15));
  for (const double u : {0.1, 0.5, 0.9}) CHECK(cosmap.time(u, 0, 0) == Approx(1 - 1 / (std::tan(pi * u / 2) + 1)).epsilon(1e-14));
}

// 4
TEST_CASE("shifts compose, move log-odds by ln kappa and a logit-normal's mean with them") {
  for (const double t : {0.01, 0.3, 0.5, 0.97}) {
    CHECK(shiftedTime(shiftedTime(t, 2), 1.5) == Approx(shiftedTime(t, 3)).epsilon(1e-14));
    CHECK(diffusion::logitOf(shiftedTime(t, 3)) - diffusion::logitOf(t) == Approx(1.098612289).epsilon(1e-9));
  }
  CHECK(shiftedTime(0.5, 3) == Approx(0.75).epsilon(1e-15));
  auto session = orrery::testing::openLab(
      "generative/sd3", {{"show", text("shift")}, {"shift", Value(3.0)}, {"mean", Value(-0.4)}, {"deviation", Value(0.8)}});
  const auto found = metricsAt(*session, 0);
  CHECK(found.at("shift.half") == Approx(0.75));
  CHECK(found.at("shift.log-odds") == Approx(std::log(3)).epsilon(1e-12));
  CHECK(found.at("shift.exact") == Approx(4));  // 1024^2 against 256^2
  const auto after = arrayNamed(*session, "training.after.y"), predicted = arrayNamed(*session, "training.predicted.y");
  for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i] == Approx(predicted[i]).epsilon(1e-5).margin(1e-6));
}

TEST_CASE("a shift of 3 moves half of the steps above t = 0.75, and the sampler's grid is the one shown") {
  const auto found = metricsOf("shift", {{"shift", Value(3.0)}, {"steps", whole(28)}});
  CHECK(found.at("shift.steps-above") == 0.5);
  CHECK(found.at("shift.steps-above.plain") == 0.25);
}

// 5
TEST_CASE("the lab's block keeps logits below 8 with norms at every weight scale, and they run away without") {
  OpenPart block("block");
  block.with({{"alike", Value(1.0)}});
  for (const double scale : {0.1, 1.0, 30.0}) {
    for (const char* norm : {"rms", "layer"}) {
      // Products of 64 numbers of size one in f32: 1e-5.
      const auto found = block.with({{"weight-scale", Value(scale)}, {"qk-norm", text(norm)}});
      CHECK(found.at("block.largest-logit") <= 8 * (1 + 1e-5));
      CHECK(found.at("block.largest-logit") > 7.9);
    }
  }
  const auto first = block.with({{"qk-norm", text("off")}, {"weight-scale", Value(1.0)}});
  const auto tenth = block.with({{"weight-scale", Value(10.0)}});
  CHECK(tenth.at("block.largest-logit") == Approx(100 * first.at("block.largest-logit")).epsilon(1e-4));
  auto runaway = orrery::testing::openLab("generative/sd3", {}, "logits-run-away");
  const auto found = metricsAt(*runaway, 0);
  CHECK(found.at("block.largest-logit") > 100);
  CHECK(found.at("block.entropy") < 0.5);  // of ln 80 = 4.4
  // The curves over the scale are of the same block: at its own scale they meet the meter.
  const auto scales = arrayNamed(*runaway, "scale-logits.norm-0.x"), logits = arrayNamed(*runaway, "scale-logits.norm-0.y");
  const auto at = static_cast<std::size_t>(std::find(scales.begin(), scales.end(), 10.0f) - scales.begin());
  REQUIRE(at < scales.size());
  CHECK(logits[at] == Approx(found.at("block.largest-logit")).epsilon(1e-5));
}

// 6
TEST_CASE("the product of two position codes depends on their difference alone, and a code's length on nothing") {
  for (const char* kind : {"raster", "crop", "rescale"}) {
    const auto found = metricsOf("positions", {{"positions", text(kind)}, {"columns", whole(52)}, {"rows", whole(76)}});
    INFO(kind);
    CHECK(found.at("positions.depends-on-place") < 1e-12);  // double precision, angles up to 200
    CHECK(found.at("positions.length-error") < 1e-12);
  }
  using namespace generative::sd3;
  // Whole places: the table every other model here uses.
  const auto table = models::sineCosineCode(12, 64);
  for (const std::int64_t place : {0, 17, 143}) {
    const auto code = positionCode(PositionKind::crop, {static_cast<double>(place / 12), static_cast<double>(place % 12)}, 64);
    for (std::size_t i = 0; i < 64; ++i) CHECK(code[i] == Approx(table[static_cast<std::size_t>(place) * 64 + i]).margin(1e-6));
  }
  // The map that is shown is the product of the codes.
  auto session = orrery::testing::openLab("generative/sd3", {{"show", text("positions")}, {"columns", whole(16)}, {"rows", whole(8)}});
  metricsAt(*session, 0);
  const auto shown = arrayNamed(*session, "similarity.code-product.value"), picked = arrayNamed(*session, "similarity.picked.xy");
  PositionGrid grid;
  grid.rows = 8, grid.columns = 16;
  const auto own = positionCode(grid.kind, grid.placeOf(static_cast<double>(picked[1]), static_cast<double>(picked[0])), 256);
  for (std::int64_t n = 0; n < 128; ++n) {
    const auto other = positionCode(grid.kind, grid.placeOf(static_cast<double>(n / 16), static_cast<double>(n % 16)), 256);
    double sum = 0;
    for (std::size_t i = 0; i < 256; ++i) sum += own[i] * other[i] / 128;
    CHECK(shown[static_cast<std::size_t>(n)] == Approx(sum).margin(1e-6));
  }
}

TEST_CASE("in another shape of picture rescaled places stay, row numbers do not") {
  const Changes wide{{"columns", whole(96)}, {"rows", whole(40)}};
  const auto share = [&](const char* kind) {
    Changes changes = wide;
    changes.emplace_back("positions", text(kind));
    return metricsOf("positions", changes).at("positions.where-training-had-them");
  };
  CHECK(share("rescale") == 1);
  CHECK(share("raster") < 0.1);
  const auto same = metricsOf("positions", {{"positions", text("raster")}});
  CHECK(same.at("positions.where-training-had-them") == 1);
}

TEST_CASE("gates of zero pass the image on; the last block has no text output; no text is a lab, too") {
  OpenPart block("block");
  CHECK(block.with({{"gates", Value(0.0)}}).at("block.image-change") == 0);
  const auto plain = block.with({{"gates", Value(1.0)}});
  CHECK(plain.at("block.image-change") > 0.01);
  CHECK(plain.at("block.text-output") == 1);
  CHECK(block.with({{"last-block", Value(true)}}).at("block.text-output") == 0);
  const auto alone = block.with({{"text-tokens", whole(0)}});
  CHECK(alone.at("block.image-to-text") == Approx(0).margin(1e-6));
}

TEST_CASE("the four quadrants hold what the meters say: shares of attention are sums over the map") {
  auto session = orrery::testing::openLab("generative/sd3", {{"show", text("block")}});
  const auto found = metricsAt(*session, 0);
  const auto map = arrayNamed(*session, "joint.weights.value");
  REQUIRE(map.size() == 80 * 80);
  double textToImage = 0, imageToText = 0;
  for (std::size_t i = 0; i < 80; ++i) {
    double row = 0;
    for (std::size_t j = 0; j < 80; ++j) {
      row += static_cast<double>(map[i * 80 + j]);
      if (i < 16 && j >= 16) textToImage += static_cast<double>(map[i * 80 + j]) / 16;
      if (i >= 16 && j < 16) imageToText += static_cast<double>(map[i * 80 + j]) / 64;
    }
    CHECK(row == Approx(1).epsilon(1e-5));
  }
  CHECK(found.at("block.text-to-image") == Approx(textToImage).epsilon(1e-5));
  CHECK(found.at("block.image-to-text") == Approx(imageToText).epsilon(1e-5));
}

TEST_CASE("weights of the user: sizes from shapes, one block of it on made-up tokens") {
  const orrery::testing::Scratch folder;
  std::vector<std::pair<std::string, Tensor>> tensors;
  const auto add = [&](const std::string& name, Shape shape) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < shape.count(); ++i)
      values.push_back(static_cast<float>(0.1 * std::sin(1.7 * static_cast<double>(i * i % 4093) + static_cast<double>(name.size()))));
    tensors.emplace_back(name, Tensor::from(shape, values));
  };
  for (const char* side : {"context_block", "x_block"}) {
    const std::string at = std::string("joint_blocks.0.") + side + ".";
    add(at + "adaLN_modulation.1.weight", Shape{6 * 128, 128});
    add(at + "attn.qkv.weight", Shape{3 * 128, 128}), add(at + "attn.qkv.bias", Shape{3 * 128}),
        add(at + "attn.proj.weight", Shape{128, 128});
    add(at + "mlp.fc1.weight", Shape{512, 128}), add(at + "mlp.fc2.weight", Shape{128, 512});
  }
  const std::string path = folder.path("mmdit.safetensors");
  REQUIRE(modelfile::writeSafetensors(path, tensors));
  const auto found = metricsOf("block", {{"weights", Value(Asset{path, ""})}, {"qk-norm", text("file")}, {"text-tokens", whole(5)}});
  CHECK(found.at("block.width") == 128);
  CHECK(found.at("block.heads") == 2);
  CHECK(errorOf("block", {{"weights", Value(Asset{path, ""})}, {"block", whole(3)}}).find("block 3 was asked for") != std::string::npos);
}

// 7
TEST_CASE("guidance between two Gaussians: mean w m, the same variance; w = 1 and w = 0 are the two laws themselves") {
  OpenPart part("guidance");
  part.with(
      {{"classes", text("pair")}, {"sampler", text("heun")}, {"steps", whole(128)}, {"shift", Value(1.0)}, {"particles", whole(16384)}});
  for (const double w : {0.0, 1.0, 3.0}) {
    const auto found = part.with({{"guidance", Value(w)}});
    INFO(w);
    // Four standard errors of a mean and a variance of 16 384 samples, and 0.003 for the steps of the solver.
    CHECK(std::abs(found.at("guidance.guided.mean.x") - w * 0.5) < 4 * std::sqrt(0.3 / 16384) + 0.003);
    CHECK(std::abs(found.at("guidance.guided.mean.y")) < 4 * std::sqrt(0.3 / 16384));
    CHECK(std::abs(found.at("guidance.guided.variance.x") - 0.3) < 4 * 0.3 * std::sqrt(2.0 / 16384) + 0.003);
    if (w <= 1) {
      const std::string law = w == 0 ? "unguided" : "conditional";
      CHECK(found.at("guidance.guided.mean.x") == found.at("guidance." + law + ".mean.x"));
      CHECK(found.at("guidance.guided.variance.x") == found.at("guidance." + law + ".variance.x"));
    }
  }
}

TEST_CASE("w = 1 and w = 0 give the conditional and the unconditional samples, bit for bit") {
  auto session =
      orrery::testing::openLab("generative/sd3", {{"show", text("guidance")}, {"guidance", Value(1.0)}, {"particles", whole(64)}});
  metricsAt(*session, 0);
  CHECK(arrayNamed(*session, "guided.samples.xy") == arrayNamed(*session, "conditional.samples.xy"));
  REQUIRE(session->set({{"guidance", Value(0.0)}}));
  metricsAt(*session, 0);
  CHECK(arrayNamed(*session, "guided.samples.xy") == arrayNamed(*session, "unguided.samples.xy"));
}

TEST_CASE("too much guidance leaves the data") {
  auto session = orrery::testing::openLab("generative/sd3", {}, "over-guided");
  const auto found = metricsAt(*session, 0);
  CHECK(found.at("guidance.guided.outside") > 0.5);
  CHECK(found.at("guidance.conditional.outside") < 0.05);
  CHECK(found.at("guidance.guided.certainty") > 0.99);
}

// 8
TEST_CASE("the linear codec's error is the sum of the eigenvalues it drops") {
  OpenPart codec("codec");
  for (const std::int64_t c : {1, 4, 16, 64}) {
    const auto found = codec.with({{"channels", whole(c)}});
    INFO(c);
    CHECK(found.at("codec.error") == Approx(found.at("codec.dropped-eigenvalues")).epsilon(1e-4));
    CHECK(found.at("codec.error") > 1e-5);
  }
}

TEST_CASE("eigenvectors of a symmetric matrix: orthonormal, and they make the matrix again") {
  constexpr std::size_t n = 24;
  std::vector<double> a(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) a[i * n + j] = a[j * n + i] = std::sin(static_cast<double>(i * i + 3 * j + i * j));
  }
  const auto e = generative::symmetricEigen(a, n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double dot = 0, back = 0;
      for (std::size_t k = 0; k < n; ++k)
        dot += e.vectors[i * n + k] * e.vectors[j * n + k], back += e.values[k] * e.vectors[k * n + i] * e.vectors[k * n + j];
      CHECK(dot == Approx(i == j ? 1 : 0).margin(1e-12));
      CHECK(back == Approx(a[i * n + j]).margin(1e-12));
    }
    if (i > 0) CHECK(e.values[i] <= e.values[i - 1]);
  }
}

TEST_CASE("only the middle is left to learn: the losses meet at both ends, and logit-normal times meet more of it than uniform ones") {
  using generative::sd3::Times;
  const auto data = diffusion::threeModes();
  const diffusion::LineMixture gaussian{{{1, 0.3, 0.8}}};
  // For one Gaussian a straight line of x_t says all: central differences of D leave 1e-7.
  for (const double t : {0.05, 0.5, 0.95}) CHECK(Times::leastLoss(gaussian, t) == Approx(Times::lineLoss(0.64, t)).epsilon(1e-6));
  double mean = 0, squares = 0;
  for (const auto& c : data.components) mean += c.weight * c.mean, squares += c.weight * (c.mean * c.mean + c.deviation * c.deviation);
  const double v = squares - mean * mean;
  CHECK(Times::lineLoss(v, 0.01) - Times::leastLoss(data, 0.01) < 0.01);
  CHECK(Times::lineLoss(v, 0.99) - Times::leastLoss(data, 0.99) < 0.01);
  CHECK(Times::lineLoss(v, 0.3) - Times::leastLoss(data, 0.3) > 0.3);
  CHECK(metricsOf("times").at("times.gain-over-uniform") > 1.1);
  CHECK(metricsOf("times", {{"law", text("uniform")}}).at("times.gain-over-uniform") == Approx(1).epsilon(1e-3));
}

TEST_CASE("what does not fit is refused in one sentence") {
  CHECK(errorOf("times", {{"law", text("mode")}, {"mode-scale", Value(1.8)}}).find("not invertible") != std::string::npos);
  CHECK(errorOf("times", {{"law", text("mode")}, {"mode-scale", Value(-1.1)}}).find("not invertible") != std::string::npos);
  CHECK(errorOf("positions", {{"columns", whole(256)}}).find("position table") != std::string::npos);
  CHECK(errorOf("block", {{"image-tokens", whole(4096)}, {"table", whole(32)}}).find("position table") != std::string::npos);
  CHECK(errorOf("guidance", {{"guidance", Value(-1.0)}}).find("guidance") != std::string::npos);
  CHECK(errorOf("guidance", {{"class", whole(9)}}).find("classes 0 to 7") != std::string::npos);
}

TEST_CASE("a picture of the user: refused as it is, cut on request, coded, and its shape is that of the positions") {
  const orrery::testing::Scratch folder;
  std::vector<std::uint8_t> rgb;
  for (int y = 0; y < 70; ++y) {
    for (int x = 0; x < 100; ++x) {
      for (int c = 0; c < 3; ++c) rgb.push_back(static_cast<std::uint8_t>(127 + 100 * std::sin(0.2 * x + 0.13 * y * (c + 1))));
    }
  }
  const std::string path = folder.write("wave.png", encodeRgbPng(rgb, 100, 70));
  const Value picture = Value(Asset{path, ""});
  for (const char* part : {"codec", "positions", "block"}) {
    const std::string error = errorOf(part, {{"picture", picture}});
    CHECK(error.find("multiples of 16") != std::string::npos);
    CHECK(error.find("take 96 × 64") != std::string::npos);
  }
  const auto coded = metricsOf("codec", {{"picture", picture}, {"fit", text("cut")}, {"channels", whole(3)}});
  CHECK(coded.at("codec.error") == Approx(coded.at("codec.dropped-eigenvalues")).epsilon(1e-4));
  CHECK(metricsOf("positions", {{"picture", picture}, {"fit", text("cut")}}).at("positions.tokens") == 24);
}

TEST_CASE("embeddings of the user go through the block; those of another width are refused") {
  const orrery::testing::Scratch folder;
  const auto write = [&](std::int64_t width) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < 12 * width; ++i) values.push_back(static_cast<float>(std::sin(0.7 * static_cast<double>(i * i % 1013))));
    const std::vector<std::pair<std::string, Tensor>> tensors{{"image", Tensor::from(Shape{12, width}, values)}};
    const std::string path = folder.path("tokens-" + std::to_string(width) + ".safetensors");
    REQUIRE(modelfile::writeSafetensors(path, tensors));
    return Value(Asset{path, ""});
  };
  OpenPart block("block");
  const double made = block.with({}).at("block.image-change");
  CHECK(block.with({{"embeddings", write(256)}}).at("block.image-change") != made);
  CHECK(errorOf("block", {{"embeddings", write(100)}}).find("the block is 256 wide") != std::string::npos);
}

TEST_CASE("a part that was not shown when its parameters changed is computed anew when it is") {
  auto session = orrery::testing::openLab("generative/sd3", {{"show", text("codec")}, {"channels", whole(16)}});
  const double before = metricsAt(*session, 0).at("codec.error");
  REQUIRE(session->set({{"show", text("times")}}));
  metricsAt(*session, 0);
  REQUIRE(session->set({{"channels", whole(4)}}));
  metricsAt(*session, 0);
  REQUIRE(session->set({{"show", text("codec")}}));
  CHECK(metricsAt(*session, 0).at("codec.error") > 2 * before);
}

TEST_CASE("what can be grabbed changes its parameter") {
  auto session = orrery::testing::openLab("generative/sd3");
  metricsAt(*session, 0);
  const auto drag = [&](const char* panel, const char* handle, double x, double y) {
    PointerEvent event;
    event.kind = PointerEvent::Kind::drag;
    event.panel = panel, event.handle = handle;
    event.x = x, event.y = y;
    session->pointer(event);
    REQUIRE(session->wait());
  };
  drag("density", "mean", 1 / (1 + std::exp(-0.8)), 0);
  CHECK(std::get<double>(session->value("mean")) == Approx(0.8));
  // The middle of the shifted ruler stands at ln kappa - ln side.
  drag("ruler", "shift", std::log(2.0) - std::log(1024.0), 0);
  CHECK(std::get<double>(session->value("shift")) == Approx(2));
  drag("similarity", "token", 40, 10);
  CHECK(std::get<double>(session->value("token-column")) == Approx(40.5 / 64));
  CHECK(arrayNamed(*session, "similarity.picked.xy") == std::vector<float>{40, 10});
  drag("joint", "query", 0, 70);
  CHECK(std::get<std::int64_t>(session->value("query")) == 70);
  REQUIRE(session->set({{"show", text("guidance")}}));
  metricsAt(*session, 0);
  drag("sweep", "w", 7.52, 0);
  CHECK(std::get<double>(session->value("guidance")) == Approx(7.5));
  REQUIRE(session->set({{"show", text("codec")}}));
  metricsAt(*session, 0);
  drag("error", "channels", 23.4, 0);
  CHECK(std::get<std::int64_t>(session->value("channels")) == 23);
}

TEST_CASE("every preset opens, and so does the overview, with a metric of every part") {
  for (const char* preset : {"middle-matters", "shift-three", "logits-run-away", "over-guided", "joint-block", "another-shape",
                             "four-channels", "two-gaussians"}) {
    INFO(preset);
    auto session = orrery::testing::openLab("generative/sd3", {}, preset);
    CHECK(metricsAt(*session, 0).size() >= 4);
    CHECK(session->picture()->figure.panels.size() >= 4);
  }
  auto session = orrery::testing::openLab("generative/sd3");
  const auto found = metricsAt(*session, 0);
  for (const char* metric : {"times.mass", "shift.exact", "block.entropy", "positions.tokens", "codec.error", "guidance.guided.mean.x"})
    CHECK(found.count(metric) == 1);
  CHECK(session->picture()->figure.panels.size() == 6);
}
