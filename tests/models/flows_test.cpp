// Normalizing flows: couplings are invertible with the log-determinant they say, additive ones keep volumes, and a trained density
// integrates to 1.

#include "core/models/flows.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/base/philox.h"
#include "core/kernels/philox.h"
#include "core/nn/trainer.h"
#include "tests/support/flow_oracle.h"

using namespace orrery;
using namespace orrery::models::flows;
using orrery::testing::deviceJacobians;
using orrery::testing::logDeterminant;
using orrery::testing::noise;
using orrery::testing::openStream;
using orrery::testing::randomRows;
using orrery::testing::randomWeights;

namespace {

enum class Kind { additive, affine };

Flow chain(std::int64_t dimensions, int couplings, Kind kind, double bound = 1, std::int64_t width = 16, bool halves = false) {
  std::vector<LayerPtr> layers;
  for (int i = 0; i < couplings; ++i) {
    CouplingOptions options;
    options.pass = halves ? halvesMask(dimensions, i % 2 == 0) : alternatingMask(dimensions, i % 2 == 0);
    options.affine = kind == Kind::affine;
    options.bound = bound, options.width = width;
    auto layer = coupling(options);
    REQUIRE(layer);
    layers.push_back(*layer);
  }
  return Flow(dimensions, std::move(layers));
}

struct OnDevice {
  std::vector<float> y, logDet, back;
};
OnDevice run(gpu::Stream& stream, const Flow& flow, const nn::Weights& weights, const std::vector<float>& rows) {
  nn::Tape tape(stream);
  const auto w = nn::constants(tape, weights);
  const std::int64_t d = flow.dimensions();
  const nn::Variable x = tape.constant(Tensor::from(Shape{static_cast<std::int64_t>(rows.size()) / d, d}, rows));
  const Mapped mapped = flow.forward(w, x);
  OnDevice result;
  result.back = flow.inverse(w, mapped.y).value().toFloats();
  result.y = mapped.y.value().toFloats();
  if (!mapped.logDet.empty()) result.logDet = mapped.logDet.value().toFloats();
  return result;
}

double largest(const std::vector<float>& v) {
  double most = 0;
  for (const float x : v) most = std::max(most, std::abs(static_cast<double>(x)));
  return most;
}

}  // namespace

TEST_CASE("flows: an additive coupling keeps volumes exactly, whatever its weights") {
  gpu::Stream stream = openStream();
  for (const std::int64_t d : {2, 6}) {
    const Flow flow = chain(d, 4, Kind::additive);
    const nn::Weights weights = randomWeights(stream, flow);
    const OnDevice got = run(stream, flow, weights, randomRows(64, d));
    CHECK(got.logDet.empty());  // nothing is accumulated: exactly 0
    const HostWeights host = toHost(weights);
    const std::vector<float> rows = randomRows(64, d);
    for (std::size_t row = 0; row < 64; ++row) {
      std::vector<double> x(rows.begin() + static_cast<std::ptrdiff_t>(row) * d, rows.begin() + static_cast<std::ptrdiff_t>(row + 1) * d);
      const auto [logDet, sign] = logDeterminant(flow.jacobian(host, x, flow.layers()), static_cast<std::size_t>(d));
      CHECK(std::abs(logDet) < 1e-8);  // central differences in double precision: about 1e-10 per element
      CHECK(sign == 1);
      CHECK(flow.forward(host, x) == 0);
    }
    // nice, must hold 2.
    double worst = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(got.back[i] - rows[i])));
    CHECK(worst <= 1e-5 * std::max({1.0, largest(rows), largest(got.y)}));
  }
}

TEST_CASE("flows: the log-determinant of affine couplings is the Jacobian's, on the host and on the device") {
  gpu::Stream stream = openStream();
  constexpr std::int64_t d = 6, n = 32;
  const Flow flow = chain(d, 6, Kind::affine);
  const nn::Weights weights = randomWeights(stream, flow);
  const HostWeights host = toHost(weights);
  const std::vector<float> rows = randomRows(n, d);
  const OnDevice got = run(stream, flow, weights, rows);
  REQUIRE(got.logDet.size() == n);

  const auto jacobians = deviceJacobians(stream, flow, weights, rows);
  double spread = 0;
  for (std::size_t row = 0; row < n; ++row) {
    std::vector<double> x(rows.begin() + static_cast<std::ptrdiff_t>(row * d), rows.begin() + static_cast<std::ptrdiff_t>((row + 1) * d));
    const auto differences = logDeterminant(flow.jacobian(host, x, flow.layers()), d)[0];
    const std::vector<double> start = x;
    const double said = flow.forward(host, x);
    spread = std::max(spread, std::abs(said));
    CHECK(std::abs(said - differences) < 1e-8);  // central differences: 1e-10 per element, six rows of a determinant
    // f32 on the device: a few ulp of sums of 18 terms below 1, and of a 6 x 6 elimination.
    CHECK(std::abs(static_cast<double>(got.logDet[row]) - said) < 1e-5);
    CHECK(std::abs(logDeterminant(jacobians[row], d)[0] - static_cast<double>(got.logDet[row])) < 1e-4);
    for (std::size_t i = 0; i < d; ++i) CHECK(std::abs(static_cast<double>(got.y[row * d + i]) - x[i]) < 1e-4);
    // realnvp, must hold 2: the inverse in double precision.
    flow.inverse(host, x);
    for (std::size_t i = 0; i < d; ++i) CHECK(std::abs(x[i] - start[i]) < 1e-13);
  }
  CHECK(spread > 0.5);  // the volumes do change
  double worst = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(got.back[i] - rows[i])));
  CHECK(worst <= 1e-3);  // realnvp, must hold 2: f32, six layers, |s| <= 1
}

TEST_CASE("flows: planar and radial layers stretch by their Jacobian's determinant, stay invertible for any weights, and return") {
  gpu::Stream stream = openStream();
  for (const std::int64_t d : {2, 5}) {
    const Flow flow(d, {planar(d), radial(d), planar(d), radial(d)});
    nn::Weights weights = randomWeights(stream, flow, 3);  // far beyond where training starts: w u' near -1, beta near -alpha
    const HostWeights host = toHost(weights);
    const std::vector<float> rows = randomRows(48, d);
    const OnDevice got = run(stream, flow, weights, rows);
    for (std::size_t row = 0; row < 48; ++row) {
      std::vector<double> x(rows.begin() + static_cast<std::ptrdiff_t>(row) * d, rows.begin() + static_cast<std::ptrdiff_t>(row + 1) * d);
      const std::vector<double> start = x;
      const auto [differences, sign] = logDeterminant(flow.jacobian(host, x, flow.layers()), static_cast<std::size_t>(d));
      const double said = flow.forward(host, x);
      CHECK(sign == 1);
      CHECK(std::abs(said - differences) < 1e-5);  // central differences of step 1e-5, curvatures of up to 100 per layer
      CHECK(std::abs(static_cast<double>(got.logDet[row]) - said) < 1e-4);
      flow.inverse(host, x);
      // Rounding, times how much the inverse stretches.
      for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::abs(x[i] - start[i]) < 1e-9);
    }
    double worst = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(got.back[i] - rows[i])));
    CHECK(worst < 1e-3);  // f32 between the layers, stretched back by each
  }
}

TEST_CASE("flows: a reversed layer goes the other way, and what it makes of latents carries its own volume and gradient") {
  gpu::Stream stream = openStream();
  const Flow plain(2, {planar(2), radial(2)}), turned(2, {reversed(radial(2)), reversed(planar(2))});
  const nn::Weights weights = randomWeights(stream, plain, 1);
  // The same layers in the other order: radial's three weights come first.
  nn::Weights other(weights.begin() + 3, weights.end());
  other.insert(other.end(), weights.begin(), weights.begin() + 3);
  const Tensor rows = Tensor::from(Shape{48, 2}, randomRows(48, 2));
  nn::Tape tape(stream);
  std::vector<nn::Variable> leaves;
  for (const nn::NamedTensor& w : other) leaves.push_back(tape.leaf(w.value));
  const Mapped forward = plain.forward(nn::constants(tape, weights), tape.constant(rows));
  const Mapped made = turned.generate(leaves, tape.constant(rows));
  CHECK(made.y.value().toFloats() == forward.y.value().toFloats());
  CHECK(made.logDet.value().toFloats() == forward.logDet.value().toFloats());
  // Data to latents is the inverse, with the volume's sign turned.
  const Mapped back = turned.forward(leaves, made.y);
  const auto start = rows.toFloats(), found = back.y.value().toFloats(), volume = back.logDet.value().toFloats(),
             there = forward.logDet.value().toFloats();
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - start[i]) < 1e-3f);
  for (std::size_t i = 0; i < volume.size(); ++i) CHECK(volume[i] == Approx(-there[i]).margin(1e-3));
  const HostWeights host = toHost(other);
  std::vector<double> x{0.4, -0.3};
  const auto [differences, sign] = logDeterminant(turned.jacobian(host, x, 2), 2);
  CHECK(sign == 1);
  CHECK(turned.forward(host, x) == Approx(differences).margin(1e-5));
  tape.backward(nn::add(nn::sum(made.logDet), nn::sum(made.y)));
  for (const nn::Variable& leaf : leaves) {
    double size = 0;
    for (const float g : tape.gradient(leaf).toFloats()) size += std::abs(static_cast<double>(g));
    CHECK(size > 0);
  }
}

TEST_CASE("flows: a planar layer never folds: w u' stays above -1") {
  const LayerPtr layer = planar(3);
  for (std::size_t i = 0; i < 1000; ++i) {
    HostWeights weights{
        {4 * noise(i, 31), 4 * noise(i, 32), 4 * noise(i, 33)}, {4 * noise(i, 34), 4 * noise(i, 35), 4 * noise(i, 36)}, {0}};
    // On the ridge tanh' is 1, and the determinant is 1 + w u'.
    std::vector<double> x{0, 0, 0};
    const double logDet = layer->forward(weights, x);
    CHECK(std::isfinite(logDet));
  }
}

TEST_CASE("flows: a scale bound of 0 is an additive coupling to the bit") {
  gpu::Stream stream = openStream();
  const Flow affine = chain(4, 3, Kind::affine, 0), additive = chain(4, 3, Kind::additive);
  const nn::Weights weights = randomWeights(stream, affine);
  nn::Weights shifts;
  for (const auto& w : weights) {
    if (w.name.find("scale") == std::string::npos) shifts.push_back(w);
  }
  const auto rows = randomRows(100, 4);
  const OnDevice a = run(stream, affine, weights, rows), b = run(stream, additive, shifts, rows);
  CHECK(a.y == b.y);
  CHECK(a.back == b.back);
  CHECK(std::all_of(a.logDet.begin(), a.logDet.end(), [](float v) { return v == 0; }));
}

TEST_CASE("flows: three additive layers let every output depend on every input") {
  gpu::Stream stream = openStream();
  const Flow flow = chain(6, 4, Kind::additive, 1, 16, true);
  const HostWeights host = toHost(randomWeights(stream, flow));
  const std::vector<double> x{0.3, -0.7, 0.2, 0.9, -0.4, 0.5};
  std::vector<std::int64_t> zeros;
  for (std::size_t layer = 1; layer <= 4; ++layer) {
    const auto j = flow.jacobian(host, x, layer);
    zeros.push_back(std::count(j.begin(), j.end(), 0.0));
  }
  CHECK(zeros == std::vector<std::int64_t>{21, 6, 0, 0});
}

TEST_CASE("flows: masks part the dimensions, and permutations return to the bit") {
  for (const std::int64_t d : {2, 3, 7, 64}) {
    for (const auto mask : {alternatingMask, halvesMask}) {
      const Mask b = mask(d, true), other = mask(d, false);
      REQUIRE(b.size() == static_cast<std::size_t>(d));
      for (std::size_t i = 0; i < b.size(); ++i) CHECK(b[i] + other[i] == 1);
    }
  }
  gpu::Stream stream = openStream();
  const Flow flow(5, {permutation({3, 0, 4, 1, 2})});
  const auto rows = randomRows(9, 5);
  const OnDevice got = run(stream, flow, {}, rows);
  CHECK(got.back == rows);
  CHECK(got.y[0] == rows[3]);
  CHECK(got.y[5 + 2] == rows[5 + 4]);
  std::vector<double> x{0, 1, 2, 3, 4};
  flow.forward(HostWeights{}, x);
  CHECK(x == std::vector<double>{3, 0, 4, 1, 2});
  flow.inverse(HostWeights{}, x);
  CHECK(x == std::vector<double>{0, 1, 2, 3, 4});
}

TEST_CASE("flows: gradients of the likelihood are the differences of its double-precision twin") {
  gpu::Stream stream = openStream();
  for (const Prior prior : {Prior::normal, Prior::logistic}) {
    std::vector<LayerPtr> layers;
    for (int i = 0; i < 2; ++i) {
      CouplingOptions options;
      options.pass = alternatingMask(2, i % 2 == 0);
      options.width = 4;
      layers.push_back(*coupling(options));
    }
    layers.insert(layers.end(), {diagonalScale(2), planar(2), radial(2)});
    const Flow flow(2, layers);
    const nn::Weights weights = randomWeights(stream, flow);
    const auto rows = randomRows(16, 2);
    nn::Tape tape(stream);
    std::vector<nn::Variable> leaves;
    for (const auto& w : weights) leaves.push_back(tape.leaf(w.value));
    const nn::Variable loss = nn::mean(logLikelihood(flow, prior, leaves, tape.constant(Tensor::from(Shape{16, 2}, rows))));
    tape.backward(loss);
    const auto reference = [&](const HostWeights& host) {
      double sum = 0;
      for (std::size_t row = 0; row < 16; ++row) {
        std::array<double, 2> x{static_cast<double>(rows[2 * row]), static_cast<double>(rows[2 * row + 1])};
        const double logDet = flow.forward(host, x);
        sum += logDet + logPrior(prior, x);
      }
      return sum / 16;
    };
    HostWeights host = toHost(weights);
    CHECK(static_cast<double>(loss.value().toFloats()[0]) == Approx(reference(host)).epsilon(1e-5));
    for (std::size_t w = 0; w < weights.size(); ++w) {
      INFO(weights[w].name);
      const auto gradient = tape.gradient(leaves[w]).toFloats();
      for (std::size_t i = 0; i < host[w].size(); ++i) {
        const double kept = host[w][i], h = 1e-5;
        host[w][i] = kept + h;
        const double up = reference(host);
        host[w][i] = kept - h;
        const double down = reference(host);
        host[w][i] = kept;
        CHECK(std::abs(static_cast<double>(gradient[i]) - (up - down) / (2 * h)) < 1e-5);  // f32 sums over 16 rows of size 1
      }
    }
  }
}

TEST_CASE("flows: a fresh flow is the identity; on a normal its likelihood is the entropy ln(2 pi e)") {
  gpu::Stream stream = openStream();
  const Flow flow = chain(2, 4, Kind::affine);
  nn::Initializer draw(stream, 3);
  const nn::Weights weights = flow.initial(draw);
  const Tensor x = kernels::normal(stream, Shape{65536, 2}, {5, 1, 0});
  nn::Tape tape(stream);
  const nn::Variable value = nn::mean(logLikelihood(flow, Prior::normal, nn::constants(tape, weights), tape.constant(x)));
  // The mean of 65536 values of deviation 1 (|x|^2 / 2 is exponential): 4 standard errors are 0.0157.
  CHECK(-static_cast<double>(value.value().toFloats()[0]) == Approx(2.837877).margin(0.0157));
  CHECK(run(stream, flow, weights, x.toFloats()).y == x.toFloats());
}

TEST_CASE("flows: the scale layer finds the deviations, and its likelihood is the Gaussian's entropy") {
  gpu::Stream stream = openStream();
  const Flow flow(2, {diagonalScale(2)});
  nn::Initializer draw(stream, 3);
  nn::TrainerOptions options;
  options.optimizer.kind = nn::OptimizerKind::adam;
  options.optimizer.learningRate = 0.05;
  options.schedule.kind = nn::Schedule::Kind::cosine;
  options.schedule.total = 400;
  nn::Trainer trainer(flow.initial(draw), options);
  // Data whose second moments are exactly tau^2, so that the optimum is exactly -ln tau: a sample divided by its own.
  const std::array<double, 2> tau{0.3, 2.5};
  std::vector<float> rows = kernels::normal(stream, Shape{4096, 2}, {5, 2, 0}).toFloats();
  std::array<double, 2> moment{};
  for (std::size_t i = 0; i < rows.size(); ++i) moment[i % 2] += static_cast<double>(rows[i]) * static_cast<double>(rows[i]) / 4096;
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<float>(static_cast<double>(rows[i]) * tau[i % 2] / std::sqrt(moment[i % 2]));
  const Tensor data = Tensor::from(Shape{4096, 2}, rows);
  const nn::Trainer::Loss loss = [&](nn::Tape& tape, std::span<const nn::Variable> weights) {
    return nn::affine(nn::mean(logLikelihood(flow, Prior::normal, weights, tape.constant(data))), -1, 0);
  };
  double last = 0;
  for (int step = 0; step < 400; ++step) last = static_cast<double>(trainer.step(stream, loss).loss.toFloats()[0]);
  const auto s = trainer.weights()[0].value.toFloats();
  // Adam with a rate falling to 0 stops within about its last steps' length of the optimum.
  CHECK(static_cast<double>(s[0]) == Approx(-std::log(tau[0])).margin(1e-3));
  CHECK(static_cast<double>(s[1]) == Approx(-std::log(tau[1])).margin(1e-3));
  const double entropy = 1 + std::log(2 * std::numbers::pi) + std::log(tau[0] * tau[1]);
  CHECK(last == Approx(entropy).epsilon(1e-4));  // class B; the loss is flat at its optimum
}

TEST_CASE("flows: both laws of the latents integrate to 1 and are what is drawn") {
  for (const Prior prior : {Prior::normal, Prior::logistic}) {
    double sum = 0;
    for (int i = -8000; i <= 8000; ++i) {
      const double h = i * 0.005;
      sum += std::exp(logPrior(prior, std::span(&h, 1))) * 0.005;
    }
    CHECK(sum == Approx(1).epsilon(1e-5));
    gpu::Stream stream = openStream();
    const auto drawn = samplePrior(stream, prior, Shape{32768, 2}, {9, 4, 0}, 0.5).toFloats();
    double mean = 0, square = 0;
    for (const float v : drawn) mean += static_cast<double>(v) / 65536, square += static_cast<double>(v) * static_cast<double>(v) / 65536;
    const double variance = 0.25 * (prior == Prior::normal ? 1 : std::numbers::pi * std::numbers::pi / 3);
    CHECK(std::abs(mean) < 4 * std::sqrt(variance / 65536));
    // The standard error of a variance is variance sqrt((kurtosis - 1) / n): kurtosis 3 and 4.2.
    CHECK(square == Approx(variance).epsilon(4 * std::sqrt(3.2 / 65536)));
  }
}

TEST_CASE("flows: published log-likelihoods in bits per dimension") {
  CHECK(std::round(1000 * bitsPerDimension(1980.50, 784, 1)) == 4356);
  CHECK(std::round(1000 * bitsPerDimension(5371.78, 3072, 2)) == 4477);
}

TEST_CASE("flows: a trained density integrates to 1") {
  gpu::Stream stream = openStream();
  const Flow flow = chain(2, 6, Kind::affine, 2, 32);
  nn::Initializer draw(stream, 21);
  nn::TrainerOptions options;
  options.optimizer.learningRate = 5e-3;
  nn::Trainer trainer(flow.initial(draw), options);
  // A bent strip: y is a parabola of x with noise of deviation 0.2.
  const auto batch = [](std::uint32_t step) {
    std::vector<float> rows;
    for (std::uint32_t i = 0; i < 512; ++i) {
      const PhiloxBlock words = philox({i, step, 77, 0}, philoxKey(3));
      const auto z = philoxNormals(words[0], words[1]);
      rows.push_back(static_cast<float>(z[0]));
      rows.push_back(static_cast<float>(0.5 * z[0] * z[0] - 0.5 + 0.2 * z[1]));
    }
    return Tensor::from(Shape{512, 2}, rows);
  };
  double first = 0, last = 0;
  for (std::uint32_t step = 0; step < 120; ++step) {
    const Tensor loss =
        trainer
            .step(stream,
                  [&](nn::Tape& tape, std::span<const nn::Variable> weights) {
                    return nn::affine(nn::mean(logLikelihood(flow, Prior::normal, weights, tape.constant(batch(step)))), -1, 0);
                  })
            .loss;
    (step == 0 ? first : last) = static_cast<double>(loss.toFloats()[0]);
  }
  CHECK(last < first - 0.5);  // it learnt something
  // Midpoints of 512 x 512 cells over -6 .. 6: realnvp, must hold 6.
  constexpr std::int64_t cells = 512;
  constexpr double reach = 6, cell = 2 * reach / cells;
  double mass = 0;
  for (std::int64_t part = 0; part < 4; ++part) {
    std::vector<float> rows;
    for (std::int64_t r = part * cells / 4; r < (part + 1) * cells / 4; ++r) {
      for (std::int64_t c = 0; c < cells; ++c) {
        rows.push_back(static_cast<float>(-reach + (static_cast<double>(c) + 0.5) * cell));
        rows.push_back(static_cast<float>(-reach + (static_cast<double>(r) + 0.5) * cell));
      }
    }
    nn::Tape tape(stream);
    const nn::Variable value = logLikelihood(flow, Prior::normal, nn::constants(tape, trainer.weights()),
                                             tape.constant(Tensor::from(Shape{cells * cells / 4, 2}, rows)));
    for (const float v : value.value().toFloats()) mass += std::exp(static_cast<double>(v)) * cell * cell;
  }
  CHECK(mass == Approx(1).margin(0.01));
}

TEST_CASE("flows: what cannot be coupled or loaded is refused with a sentence") {
  const auto one = coupling({{1}, true, 2, 8, 1, kernels::Unary::relu});
  REQUIRE_FALSE(one);
  CHECK(one.error().message.find("there is nothing to couple; use the scale layer alone") != std::string::npos);
  for (const std::uint8_t all : {0, 1}) {
    const auto mask = coupling({{all, all, all}, true, 2, 8, 1, kernels::Unary::relu});
    REQUIRE_FALSE(mask);
    CHECK(mask.error().message.find("must pass some dimensions and move others") != std::string::npos);
  }
  gpu::Stream stream = openStream();
  const Flow flow = chain(2, 2, Kind::affine);
  nn::Weights weights = randomWeights(stream, flow);
  const auto fresh = [&] {
    nn::Initializer draw(stream, 1);
    return flow.initial(draw);
  };
  nn::Weights turned(weights.rbegin(), weights.rend());
  const auto adopted = adopt(fresh(), turned);
  REQUIRE(adopted);
  CHECK(toHost(*adopted) == toHost(weights));
  weights[0].value = Tensor::from(Shape{16, 2}, std::vector<float>(32, std::nanf("")));
  const auto bad = adopt(fresh(), weights);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message.find("'layers.0.0.weight' holds NaN at element 0") != std::string::npos);
  weights.erase(weights.begin());
  CHECK(adopt(fresh(), weights).error().message.find("needs a tensor 'layers.0.0.weight' of shape [16, 2]") != std::string::npos);
}
