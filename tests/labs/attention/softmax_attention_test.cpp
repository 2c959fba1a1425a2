// The claims of the softmax attention lab: every Must-hold line of its specification, on the device, through the lab where the lab shows
// it.

#include "core/labs/attention/softmax_attention/lab.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>

#include "core/base/philox.h"
#include "core/base/registry.h"
#include "core/figure/marks/marks.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/softmax.h"
#include "core/labs/attention/shared/fixture.h"
#include "core/labs/attention/shared/multi_head.h"
#include "core/session/session.h"
#include "tests/support/catch.h"
#include "tests/support/lab_session.h"

using namespace orrery;
using orrery::testing::device;
using namespace orrery::attention;

namespace {

std::unique_ptr<Session> openLab(const Changes& changes = {}) { return orrery::testing::openLab("attention/softmax-attention", changes); }

// Every array behind the marks of the present picture, by "<panel>.<mark>.<channel>".
std::map<std::string, Tensor> arraysIn(Session& session) {
  const auto done = session.wait();
  if (!done) FAIL(done.error().message);
  std::map<std::string, Tensor> arrays;
  for (auto& [name, tensor] : arraysOf(session.picture()->figure)) arrays[name] = tensor;
  return arrays;
}

double metric(Session& session, const std::string& name) {
  const auto done = session.wait();
  if (!done) FAIL(done.error().message);
  for (const auto& m : session.picture()->metrics) {
    if (m.name == name) return m.value;
  }
  FAIL("no metric " << name);
  return 0;
}

std::vector<double> normals(std::size_t count, std::uint64_t seed) {
  std::vector<double> values;
  for (std::uint32_t i = 0; values.size() < count; ++i) {
    const auto block = philox({i, 0, 0, 0}, philoxKey(seed));
    for (const double z : philoxNormals(block[0], block[1])) values.push_back(z);
    for (const double z : philoxNormals(block[2], block[3])) values.push_back(z);
  }
  values.resize(count);
  return values;
}

// The golden model of the specification: n = 16, d = 32, H = 4, X = F(16, 32, 1), weights F(32, 32, 2..5) sqrt(3 / 32).
struct Golden {
  Tensor x = fixture(16, 32, 1);
  HeadWeights weights;
  Golden() {
    const double factor = std::sqrt(3.0 / 32);
    weights = cutByHeads(fixture(32, 32, 2, factor), fixture(32, 32, 3, factor), fixture(32, 32, 4, factor), fixture(32, 32, 5, factor), 4);
  }
  LayerResult run(gpu::Stream& stream, kernels::AttentionMask mask) const {
    LayerOptions options;
    options.attention.mask = mask;
    return multiHead(stream, x, weights, options);
  }
};

// Row sums, signs and hidden entries of an [H, n, n] stack of weights.
double worstRowSum(const std::vector<float>& weights, std::size_t n) {
  double worst = 0;
  for (std::size_t row = 0; row * n < weights.size(); ++row) {
    const double sum = std::accumulate(weights.begin() + static_cast<std::ptrdiff_t>(row * n),
                                       weights.begin() + static_cast<std::ptrdiff_t>((row + 1) * n), 0.0);
    worst = std::max(worst, std::abs(sum - 1));
  }
  return worst;
}

}  // namespace

TEST_CASE("the fixture is the specification's") {
  CHECK(pcg(0) == 0x07BB2FE2u);
  CHECK(pcg(1) == 0xA8BEEA3Cu);
  CHECK(pcg(2) == 0x7A7ECC88u);
  CHECK(fixtureValue(1, 0, 0) == Approx(-0.72314191).epsilon(1e-7));
  CHECK(fixtureValue(1, 0, 1) == Approx(0.77810562).epsilon(1e-7));
  CHECK(fixtureValue(1, 0, 2) == Approx(-0.18434775).epsilon(1e-7));
  CHECK(fixtureValue(1, 0, 3) == Approx(0.65022516).epsilon(1e-7));
}

TEST_CASE("weights are rows of a distribution: they sum to 1, none is negative, hidden ones are exactly 0") {
  gpu::Stream stream(device());
  const LayerResult layer = Golden().run(stream, kernels::AttentionMask::causal);
  kernels::AttentionOptions options;
  options.mask = kernels::AttentionMask::causal;
  const auto weights =
      kernels::attentionWeights(stream, layer.q, layer.k, layer.attention.statistics, {0, 4, 0, -1, 1}, options).toFloats();
  // Class A: 5e-6 relative and 5e-7 absolute.
  CHECK(worstRowSum(weights, 16) < 5.5e-6);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    CHECK(weights[i] >= 0);
    if (i % 16 > i / 16 % 16) CHECK(weights[i] == 0.0f);
  }
}

TEST_CASE("a fully masked row gives an all-zero output row and no NaN, in the lab's padding mask, too") {
  gpu::Stream stream(device());
  Golden golden;
  LayerOptions options;
  options.attention.validKeys = options.attention.validQueries = 5;
  const auto output = multiHead(stream, golden.x, golden.weights, options).output.toFloats();
  for (std::size_t i = 0; i < output.size(); ++i) {
    CHECK(std::isfinite(output[i]));
    if (i / 32 >= 5) CHECK(output[i] == 0.0f);
  }
  auto session = openLab(
      {{"source", std::string("random")}, {"mask", std::string("padding")}, {"valid", std::int64_t{20}}, {"layer", std::int64_t{1}}});
  const auto map = arraysIn(*session).at("map.weights.value").toFloats();
  for (std::size_t i = 0; i < 48 * 48; ++i) {
    if (i % 48 >= 20 || i / 48 >= 20) REQUIRE(map[i] == 0.0f);
  }
}

TEST_CASE("adding a constant to a row of scores changes nothing") {
  gpu::Stream stream(device());
  Golden golden;
  const LayerResult layer = golden.run(stream, kernels::AttentionMask::none);
  kernels::AttentionOptions plain, shifted;
  std::vector<float> rows(16 * 16);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i / 16) * 0.5f - 3;
  shifted.additive = Tensor::from(Shape{16, 16}, rows);
  const auto a = kernels::attention(stream, layer.q, layer.k, layer.v, plain).output.toFloats();
  const auto b = kernels::attention(stream, layer.q, layer.k, layer.v, shifted).output.toFloats();
  // Class A plus the rounding of scores of size 5: 5 x 6e-8 in the exponent.
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).epsilon(5e-6).margin(1e-6));
}

TEST_CASE("the entropy falls with the inverse temperature at the rate beta times the variance of the scores") {
  const auto scores = normals(40, 3);
  for (const double beta : {0.1, 1.0, 3.0}) {
    constexpr double step = 1e-5;
    const double slope = (softmaxRow(scores, beta + step).entropy - softmaxRow(scores, beta - step).entropy) / (2 * step);
    CHECK(std::abs(slope + beta * softmaxRow(scores, beta).variance) < 1e-8);
  }
}

TEST_CASE("hot attention is even over the visible keys, cold attention shares ties equally") {
  std::vector<double> scores{1, 3, -2, 3, 0.5, -1e30};
  const auto hot = softmaxRow(scores, 1e-9);
  CHECK(hot.entropy == Approx(std::log(5.0)).epsilon(1e-12));
  CHECK(hot.weights[5] == 0);
  const auto cold = softmaxRow(scores, 1e6);
  CHECK(cold.weights == std::vector<double>{0, 0.5, 0, 0.5, 0, 0});
  // On the device, through the lab: tau = 100 over 12 causal tokens.
  auto session = openLab({{"source", std::string("text")}, {"text", std::string("hello worlds")}, {"temperature", 100.0}});
  // The scores are of size 3 here, so tau = 100 leaves a variance of order 1e-3, and ln n - H = beta^2 Var / 2.
  CHECK(metric(*session, "row.entropy") == Approx(std::log(12.0)).margin(2e-3));
}

TEST_CASE("the softmax Jacobian has spectral norm at most 1/2, reached at two equal weights, and entries at most 1/4") {
  CHECK(jacobianNorm(std::vector<double>{0.5, 0.5}) == Approx(0.5).epsilon(1e-12));
  CHECK(jacobianNorm(std::vector<double>{1, 0, 0}) == 0);
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto row = softmaxRow(normals(2 + seed % 9, seed), 0.2 + 0.05 * static_cast<double>(seed));
    const std::size_t n = row.weights.size();
    CHECK(jacobianNorm(row.weights) <= 0.5 + 1e-12);
    // Compare with power iteration on the matrix itself.
    std::vector<double> v(n), next(n);
    for (std::size_t j = 0; j < n; ++j) v[j] = std::cos(1.0 + static_cast<double>(j * j));
    double norm = 0;
    for (int round = 0; round < 20000; ++round) {
      const double mean = std::inner_product(v.begin(), v.end(), row.weights.begin(), 0.0);
      norm = 0;
      for (std::size_t j = 0; j < n; ++j) next[j] = row.weights[j] * (v[j] - mean), norm += next[j] * next[j];
      norm = std::sqrt(norm);
      if (norm == 0) break;
      for (std::size_t j = 0; j < n; ++j) v[j] = next[j] / norm;
    }
    // Power iteration converges slowly when the two largest eigenvalues are close, and then from below.
    CHECK(jacobianNorm(row.weights) == Approx(norm).epsilon(1e-4).margin(1e-14));
    for (const double p : row.weights) CHECK(p * (1 - p) <= 0.25);
  }
}

TEST_CASE("scores of random queries and keys have variance d") {
  // Var(q . k) = d with a standard error of sqrt(2 / N) (1 + 3 / d), relative; N = 200 000 products: 0.4 %, checked at 5 standard errors.
  for (const std::size_t d : {8u, 64u}) {
    const std::size_t N = 200000;
    const auto q = normals(N * d, 11), k = normals(N * d, 12);
    double sum = 0;
    for (std::size_t i = 0; i < N; ++i) {
      const double dot =
          std::inner_product(q.begin() + static_cast<std::ptrdiff_t>(i * d), q.begin() + static_cast<std::ptrdiff_t>((i + 1) * d),
                             k.begin() + static_cast<std::ptrdiff_t>(i * d), 0.0);
      sum += dot * dot;
    }
    CHECK(sum / static_cast<double>(N) == Approx(static_cast<double>(d)).epsilon(0.02));
  }
}

TEST_CASE("normal scores of spread sigma over 4096 keys have entropy ln n - sigma^2 / 2, while sigma is small") {
  gpu::Stream stream(device());
  constexpr std::size_t n = 4096, rows = 50;
  const auto z = normals(n * rows, 21);
  const auto meanEntropy = [&](double sigma) {
    std::vector<float> scores(z.size());
    for (std::size_t i = 0; i < z.size(); ++i) scores[i] = static_cast<float>(sigma * z[i]);
    const auto p = kernels::softmax(stream, Tensor::from(Shape{rows, n}, scores)).toFloats();
    double entropy = 0;
    for (const float value : p) entropy -= value > 0 ? static_cast<double>(value) * std::log(static_cast<double>(value)) : 0.0;
    return entropy / static_cast<double>(rows);
  };
  CHECK(meanEntropy(0.5) == Approx(8.1928).margin(0.01));
  CHECK(meanEntropy(1) == Approx(7.8178).margin(0.01));
  // At sigma = 2 the formula gives 6.318; at this n the value is higher (6.363), with a scatter of about 0.02 over 50 rows.
  CHECK(meanEntropy(2) == Approx(6.363).margin(0.05));
  CHECK(meanEntropy(2) > 6.318);
}

TEST_CASE("causal: changing token j leaves all earlier output rows bit-identical") {
  gpu::Stream stream(device());
  Golden golden;
  const auto before = golden.run(stream, kernels::AttentionMask::causal).output.toFloats();
  auto values = golden.x.toFloats();
  for (std::size_t c = 0; c < 32; ++c) values[9 * 32 + c] += 1.5f;
  golden.x = Tensor::from(Shape{16, 32}, values);
  const auto after = golden.run(stream, kernels::AttentionMask::causal).output.toFloats();
  CHECK(std::memcmp(before.data(), after.data(), 9 * 32 * sizeof(float)) == 0);
  CHECK(std::memcmp(before.data() + 9 * 32, after.data() + 9 * 32, 7 * 32 * sizeof(float)) != 0);
}

TEST_CASE("without mask and positions, permuting tokens permutes the output rows") {
  gpu::Stream stream(device());
  Golden golden;
  const auto plain = golden.run(stream, kernels::AttentionMask::none).output.toFloats();
  const auto values = golden.x.toFloats();
  std::vector<float> permuted(values.size());
  for (std::size_t i = 0; i < 16; ++i)
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>((i * 7 + 3) % 16 * 32), 32,
                permuted.begin() + static_cast<std::ptrdiff_t>(i * 32));
  golden.x = Tensor::from(Shape{16, 32}, permuted);
  const auto found = golden.run(stream, kernels::AttentionMask::none).output.toFloats();
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t c = 0; c < 32; ++c) CHECK(std::abs(found[i * 32 + c] - plain[(i * 7 + 3) % 16 * 32 + c]) <= 1e-5f);  // class B
  }
}

TEST_CASE("the rollout of uniform attention is 2^-L I + (1 - 2^-L) J / n, that of the identity is the identity, and rows always sum to 1") {
  gpu::Stream stream(device());
  constexpr std::size_t n = 24;
  const Tensor uniform = Tensor::from(Shape{n, n}, std::vector<float>(n * n, 1.0f / n));
  std::vector<float> eye(n * n, 0.0f);
  for (std::size_t i = 0; i < n; ++i) eye[i * n + i] = 1;
  const Tensor identity = Tensor::from(Shape{n, n}, eye);
  for (int layers = 1; layers <= 12; ++layers) {
    const auto R = rollout(stream, std::vector<Tensor>(static_cast<std::size_t>(layers), uniform), 0.5, 0).toFloats();
    const double kept = std::pow(2.0, -layers);
    for (std::size_t i = 0; i < n * n; ++i) {
      const double expected = (i / n == i % n ? kept : 0.0) + (1 - kept) / n;
      CHECK(std::abs(static_cast<double>(R[i]) - expected) <= 5e-6 * expected + 5e-7);  // class A
    }
    CHECK(rollout(stream, std::vector<Tensor>(static_cast<std::size_t>(layers), identity), 0.5, 0).toFloats() == eye);
  }
  auto session = openLab({{"source", std::string("random")},
                          {"layers", std::int64_t{12}},
                          {"fusion", std::string("max")},
                          {"discard", 0.5},
                          {"residual", 0.2}});
  CHECK(metric(*session, "rollout.row.sum.error") < 5.5e-6);
}

TEST_CASE("the induction circuit looks one back, then jumps to what came after the last time") {
  auto session = openLab();
  auto arrays = arraysIn(*session);
  const auto p1 = arrays.at("heads.head-1.value").toFloats(), p2 = arrays.at("heads.head-2.value").toFloats();
  constexpr std::size_t n = 17;
  REQUIRE(p2.size() == n * n);
  // beta = 20: a row of at most 17 keys keeps at least 1 - 16 exp(-20) = 1 - 3.3e-8 on its key.
  for (std::size_t i = 1; i < n; ++i) CHECK(p1[i * n + i - 1] >= 1 - 1e-6f);
  for (std::size_t i = 9; i <= 16; ++i) CHECK(p2[i * n + i - 7] >= 1 - 1e-6f);
  // The read-out predicts b c d e f g h a: seven of them come true inside the text, the last one lies behind its end.
  CHECK(metric(*session, "induction.hits") >= 7);
  const auto picture = session->picture();
  const auto tokens =
      std::find_if(picture->figure.panels.begin(), picture->figure.panels.end(), [](const Panel& p) { return p.id == "tokens"; });
  REQUIRE(tokens != picture->figure.panels.end());
  std::string predicted;
  for (const auto& mark : tokens->marks) {
    if (mark->id() != "predictions") continue;
    const auto& words = dynamic_cast<const TextMark&>(*mark).words;
    for (std::size_t i = 9; i <= 16; ++i) predicted += words[i].text.back();
  }
  CHECK(predicted == "bcdefgha");

  REQUIRE(session->set("strength", 10.0));
  const auto softer = arraysIn(*session).at("heads.head-2.value").toFloats();
  for (std::size_t i = 9; i <= 16; ++i) {
    CHECK(softer[i * n + i - 7] >= 0.99927f - 1e-5f);
    CHECK(softer[i * n + i - 7] <= 0.99959f + 1e-5f);
  }
}

TEST_CASE("with two earlier matches the induction weight splits half and half") {
  auto session = openLab({{"text", std::string("abxabya")}});
  const auto p2 = arraysIn(*session).at("heads.head-2.value").toFloats();
  constexpr std::size_t n = 8;  // <s> a b x a b y a: the last a matches the places behind the first two
  CHECK(p2[7 * n + 2] == Approx(0.5).margin(1e-6));
  CHECK(p2[7 * n + 5] == Approx(0.5).margin(1e-6));
}

TEST_CASE("golden multi-head attention, unmasked and causal") {
  gpu::Stream stream(device());
  const Golden golden;
  struct Expected {
    kernels::AttentionMask mask;
    double first[3], sum, entropy;
  };
  for (const Expected& e : {Expected{kernels::AttentionMask::none, {-0.0610507, 0.1026499, 0.0267240}, 7.186975, 2.723079},
                            Expected{kernels::AttentionMask::causal, {-0.6466164, 0.8385667, -0.4975533}, -6.577526, 1.875433}}) {
    const LayerResult layer = golden.run(stream, e.mask);
    const auto output = layer.output.toFloats(), statistics = layer.attention.statistics.toFloats();
    for (std::size_t c = 0; c < 3; ++c) CHECK(std::abs(static_cast<double>(output[c]) - e.first[c]) <= 1e-5);  // class B
    // 512 entries, each within class B; their errors are independent, so the sum is within sqrt(512) of one.
    CHECK(std::accumulate(output.begin(), output.end(), 0.0) == Approx(e.sum).margin(2.3e-4));
    double entropy = 0;
    for (std::size_t i = 1; i < statistics.size(); i += 2) entropy += static_cast<double>(statistics[i]);
    CHECK(entropy / 64 == Approx(e.entropy).margin(1e-5));
  }
}

TEST_CASE("normalised queries and keys keep the scores within g^2 sqrt(d)") {
  gpu::Stream stream(device());
  Golden golden;
  LayerOptions options;
  options.normalize = true;
  options.gain = 1.5;
  const LayerResult layer = multiHead(stream, golden.x, golden.weights, options);
  const auto q = layer.q.toFloats();
  for (std::size_t row = 0; row < q.size() / 8; ++row) {
    double square = 0;
    for (std::size_t c = 0; c < 8; ++c) square += static_cast<double>(q[row * 8 + c]) * static_cast<double>(q[row * 8 + c]);
    CHECK(std::sqrt(square / 8) == Approx(1.5).epsilon(2e-6));  // a root, a division and eight squares in f32
  }
}

TEST_CASE("a tree mask shows each token itself and its ancestors, and refuses a parent behind its child") {
  const auto mask = treeMask(std::vector<std::int64_t>{-1, 0, 0, 1}, 5);
  REQUIRE(mask);
  const auto values = mask->toFloats();
  const std::vector<std::vector<std::size_t>> sees{{0}, {0, 1}, {0, 2}, {0, 1, 3}, {0, 1, 3, 4}};
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t j = 0; j < 5; ++j) {
      const bool visible = std::find(sees[i].begin(), sees[i].end(), j) != sees[i].end();
      CHECK(values[i * 5 + j] == (visible ? 0.0f : -1e30f));
    }
  }
  const auto wrong = treeMask(std::vector<std::int64_t>{-1, 2, 0}, 3);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message.find("tree mask needs parents before children") != std::string::npos);
}

TEST_CASE("the lab refuses what it cannot show, in a sentence, and stays usable") {
  auto session = openLab({{"source", std::string("random")}, {"mask", std::string("padding")}, {"valid", std::int64_t{0}}});
  auto done = session->wait();
  REQUIRE_FALSE(done);
  CHECK(done.error().message == "no valid key: nothing to attend to");
  REQUIRE(session->set({{"mask", std::string("tree")}, {"parents", std::string("-1 5 0")}}));
  done = session->wait();
  REQUIRE_FALSE(done);
  CHECK(done.error().message.find("tree mask needs parents before children") != std::string::npos);
  REQUIRE(session->set({{"source", std::string("file")}, {"mask", std::string("causal")}}));
  done = session->wait();
  REQUIRE_FALSE(done);
  CHECK(done.error().message.find("no file yet") != std::string::npos);
  CHECK_FALSE(session->set("temperature", 0.0));  // outside of its domain
  REQUIRE(session->set("source", std::string("random")));
  CHECK(metric(*session, "tokens") == 48);
}

TEST_CASE("2048 tokens at 12 heads: maps come in cells and nothing of the size n x n x H is held") {
  const std::uint64_t before = device()->bytesInUse();
  auto session = openLab({{"source", std::string("random")},
                          {"length", std::int64_t{2048}},
                          {"heads", std::int64_t{12}},
                          {"head-width", std::int64_t{16}},
                          {"layers", std::int64_t{1}}});
  auto arrays = arraysIn(*session);
  CHECK(arrays.at("heads.head-12.value").shape() == Shape{128, 128});
  CHECK(arrays.at("map.weights.value").shape() == Shape{512, 512});
  CHECK(arrays.find("rollout.share.value") == arrays.end());
  CHECK(metric(*session, "row.sum.error") < 5.5e-6);
  // All weights would be 201 MB.
  CHECK(device()->bytesInUse() - before < (std::uint64_t{64} << 20));
  // A cell shows the largest weight inside: the last row's largest is in the last row of cells.
  const auto map = arrays.at("map.weights.value").toFloats();
  const auto row = arrays.at("row.weights.y").toFloats();
  const float top = *std::max_element(row.begin(), row.end());
  const auto at = static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
  CHECK(map[511 * 512 + at / 4] >= top * (1 - 1e-5f));
}

TEST_CASE("the picture follows the pointer: a small map, a query row, a nudged score, a token dragged to another place") {
  auto session = openLab({{"source", std::string("text")}, {"text", std::string("abcdef")}});
  REQUIRE(session->wait());
  PointerEvent event;
  event.panel = "heads";
  event.x = 1.5, event.y = 1.5;  // second column, second row of a 2 x 2 grid
  session->pointer(event);
  REQUIRE(session->wait());
  CHECK(std::get<std::int64_t>(session->value("head")) == 4);
  event.panel = "map";
  event.x = 1, event.y = 3.2;
  session->pointer(event);
  REQUIRE(session->wait());
  CHECK(std::get<std::int64_t>(session->value("query")) == 3);
  // Nudging a key by ln 2 doubles its odds.
  const auto before = arraysIn(*session).at("row.weights.value").toFloats();
  REQUIRE(session->set({{"nudge-key", std::int64_t{1}}, {"nudge", std::log(2.0)}}));
  const auto after = arraysIn(*session).at("row.weights.value").toFloats();
  CHECK(after[1] / (1 - after[1]) == Approx(2 * before[1] / (1 - before[1])).epsilon(1e-4));
  CHECK(std::accumulate(after.begin(), after.end(), 0.0) == Approx(1.0).epsilon(1e-5));
  event.panel = "tokens";
  event.kind = PointerEvent::Kind::release;
  event.fromX = 0, event.x = 3;
  session->pointer(event);
  REQUIRE(session->wait());
  CHECK(std::get<std::string>(session->value("text")) == "bcdaef");
}

TEST_CASE("text is cut into bytes or characters, and equal tokens share a vector") {
  const auto bytes = byteTokens("a é");
  REQUIRE(bytes.size() == 4);
  CHECK(bytes[1].label == "␣");
  CHECK(bytes[2].label == "C3");
  const auto characters = characterTokens("a é注\xff");
  REQUIRE(characters.size() == 5);
  CHECK(characters[2].id == 0xe9u);
  CHECK(characters[3].id == 0x6ce8u);
  CHECK(characters[4].label == "FF");
}

namespace {

// Writes one f32 safetensors file: eight bytes of header length, JSON, data.
std::string writeSafetensors(const std::string& name, const std::map<std::string, std::pair<Shape, std::vector<float>>>& tensors) {
  std::string json = "{", data;
  for (const auto& [key, tensor] : tensors) {
    std::string extents;
    for (const auto e : tensor.first.extents()) extents += (extents.empty() ? "" : ",") + std::to_string(e);
    json += (json.size() > 1 ? ",\"" : "\"") + key + "\":{\"dtype\":\"F32\",\"shape\":[" + extents + "],\"data_offsets\":[" +
            std::to_string(data.size()) + "," + std::to_string(data.size() + tensor.second.size() * 4) + "]}";
    data.append(reinterpret_cast<const char*>(tensor.second.data()), tensor.second.size() * 4);
  }
  json += "}";
  while (json.size() % 8 != 0) json += " ";
  const std::string path = (std::filesystem::temp_directory_path() / name).string();
  std::ofstream file(path, std::ios::binary);
  const std::uint64_t length = json.size();
  file.write(reinterpret_cast<const char*>(&length), 8);
  file << json << data;
  return path;
}

std::vector<float> floats(std::int64_t count, std::uint32_t seed) {
  const Tensor tensor = fixture(1, count, seed, 2);
  return tensor.toFloats();
}

}  // namespace

TEST_CASE("a dropped file with q, k, v is shown as it is") {
  const Shape shape{3, 20, 8};
  const auto q = floats(480, 1), k = floats(480, 2), v = floats(480, 3);
  const std::string path =
      writeSafetensors("orrery-softmax-attention-qkv.safetensors", {{"q", {shape, q}}, {"k", {shape, k}}, {"v", {shape, v}}});
  auto report = inspectFile(path);
  REQUIRE(report);
  auto session = openLab();
  REQUIRE(session->drop(*report, path));
  REQUIRE(session->set({{"mask", std::string("none")}, {"head", std::int64_t{2}}}));
  const auto map = arraysIn(*session).at("map.weights.value");
  REQUIRE(map.shape() == Shape{20, 20});
  const auto expected = kernels::attentionReference(Tensor::from(shape, q), Tensor::from(shape, k), Tensor::from(shape, v));
  CHECK(compare(map, std::span(expected.weights).subspan(400, 400)).worst < 1e-5);
  CHECK(metric(*session, "heads") == 3);
  double mean = 0;
  for (const double e : expected.entropy) mean += e / 60;
  CHECK(metric(*session, "entropy.mean") == Approx(mean).epsilon(1e-5));
  std::filesystem::remove(path);
}

TEST_CASE("files whose parts do not fit are refused with what was found") {
  const auto refusal = [](const std::map<std::string, std::pair<Shape, std::vector<float>>>& tensors) {
    const std::string path = writeSafetensors("orrery-softmax-attention-bad.safetensors", tensors);
    auto session = openLab({{"source", std::string("file")}, {"file", Asset{path, ""}}});
    const auto done = session->wait();
    std::filesystem::remove(path);
    return done ? std::string() : done.error().message;
  };
  const Shape a{2, 6, 4}, rows{2, 5, 4};
  CHECK(refusal({{"q", {a, floats(48, 1)}}, {"k", {a, floats(48, 2)}}, {"v", {rows, floats(40, 3)}}}).find("heads and tokens must agree") !=
        std::string::npos);
  CHECK(refusal({{"q", {Shape{3, 6, 4}, floats(72, 1)}}, {"k", {a, floats(48, 2)}}, {"v", {a, floats(48, 3)}}}) ==
        "2 key heads do not divide 3 query heads");
  CHECK(refusal({{"q", {a, floats(48, 1)}}, {"k", {Shape{2, 6, 3}, floats(36, 2)}}, {"v", {a, floats(48, 3)}}}).find("they must agree") !=
        std::string::npos);
  auto broken = floats(48, 1);
  broken[7] = std::nanf("");
  CHECK(refusal({{"q", {a, broken}}, {"k", {a, floats(48, 2)}}, {"v", {a, floats(48, 3)}}}).find("not finite") != std::string::npos);
}

TEST_CASE("every preset of the softmax attention lab runs and shows what it says") {
  for (const auto& preset : SoftmaxAttentionLab::describe().presets) {
    INFO(preset.id);
    auto session = openLab();
    REQUIRE(session->applyPreset(preset.id));
    const auto done = session->wait();
    if (!done) FAIL(done.error().message);
    if (preset.id == "why-divide") {
      const double collapsed = metric(*session, "entropy.mean");
      REQUIRE(session->set("scale", true));
      CHECK(collapsed < 0.5);  // of ln 48 = 3.87
      CHECK(metric(*session, "entropy.mean") > 3);
    }
    if (preset.id == "twelve-uniform-layers") {
      const auto R = arraysIn(*session).at("rollout.share.value").toFloats();
      for (const float share : R) CHECK(share == Approx(1.0 / 48).margin(2e-3));  // 2^-12 on the diagonal and scores of size 3 / 100
    }
  }
}
