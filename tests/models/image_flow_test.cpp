// A flow of pictures on several scales: what it says of its volume is what its Jacobian says, it returns, actnorm starts where its first
// batch wants it, the mixing matrix is what its factors make, and a temperature sharpens a density that keeps volumes.

#include "core/models/image_flow.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/base/philox.h"
#include "core/kernels/lu.h"
#include "core/kernels/philox.h"
#include "core/nn/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::models::flows;
using orrery::testing::openStream;

namespace {

ImageFlow made(const ImageFlowOptions& options, std::uint64_t seed = 5) {
  auto flow = ImageFlow::make(options, seed);
  if (!flow) FAIL(flow.error().message);
  return *std::move(flow);
}

ImageFlowOptions small(Mixing mixing, bool affine = true) {
  ImageFlowOptions options;
  options.channels = 3, options.height = options.width = 4;
  options.levels = 2, options.steps = 2, options.hidden = 8;
  options.mixing = mixing, options.affine = affine;
  return options;
}

// Every weight moved from where training starts by a normal of this deviation; factors of W stay near the rotation, so it keeps an inverse.
nn::Weights moved(gpu::Stream& stream, const ImageFlow& flow, double deviation = 0.2) {
  nn::Initializer draw(stream, 11);
  nn::Weights weights = flow.initial(draw);
  std::uint32_t number = 0;
  for (nn::NamedTensor& w : weights) {
    std::vector<float> values = w.value.toFloats();
    const double size = w.name.find("invconv") != std::string::npos ? 0.1 * deviation : deviation;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), number, 5, 0}, philoxKey(7));
      values[i] += static_cast<float>(size * philoxNormals(words[0], words[1])[0]);
    }
    w.value = Tensor::from(w.value.shape(), values);
    ++number;
  }
  return weights;
}

Tensor pictures(gpu::Stream& stream, const ImageFlow& flow, std::int64_t n, float deviation = 1) {
  const auto& o = flow.options();
  return kernels::normal(stream, Shape{n, o.channels, o.height, o.width}, {3, 1, 0}, 0, deviation);
}

std::vector<double> picture(const std::vector<float>& values, std::size_t index, std::size_t d) {
  return {values.begin() + static_cast<std::ptrdiff_t>(index * d), values.begin() + static_cast<std::ptrdiff_t>((index + 1) * d)};
}

double logDeterminant(const std::vector<double>& rowMajor, std::int64_t n) {
  return kernels::luReference(kernels::Doubles(Shape{n, n}, rowMajor)).logAbsDet.at(0);
}

double worstOf(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(a[i] - b[i])));
  return worst;
}

const char* nameOf(Mixing mixing) {
  return mixing == Mixing::reverse ? "reverse" : mixing == Mixing::shuffle ? "shuffle" : mixing == Mixing::dense ? "dense" : "lu";
}
constexpr Mixing allMixings[] = {Mixing::reverse, Mixing::shuffle, Mixing::dense, Mixing::lu};

}  // namespace

TEST_CASE("image flow: the log-determinant is that of autograd's Jacobian, device and host agree, and the inverse returns") {
  gpu::Stream stream = openStream();
  for (const Mixing mixing : allMixings) {
    for (const bool affine : {true, false}) {
      INFO(nameOf(mixing) << (affine ? ", affine" : ", additive"));
      ImageFlowOptions options = small(mixing, affine);
      options.leastScale = mixing == Mixing::shuffle ? 0.3 : 0;  // once with a least scale
      const ImageFlow flow = made(options);
      const auto d = static_cast<std::size_t>(flow.dimensions());
      const nn::Weights weights = moved(stream, flow);
      const HostWeights host = toHost(weights);
      // D copies of one picture, each moved along another axis: the rows of one product are the Jacobian's columns.
      const std::vector<float> one = pictures(stream, flow, 1).toFloats();
      std::vector<float> copies, axes(d * d, 0.0f);
      for (std::size_t i = 0; i < d; ++i) copies.insert(copies.end(), one.begin(), one.end()), axes[i * d + i] = 1;
      const auto n = static_cast<std::int64_t>(d);
      const Shape shape{n, 3, 4, 4};
      nn::Tape tape(stream);
      const std::array<nn::Variable, 1> x{tape.leaf(Tensor::from(shape, copies))};
      const auto constants = nn::constants(tape, weights);
      const Mapped mapped = flow.forward(constants, x[0]);
      const std::array<Tensor, 1> tangents{Tensor::from(shape, axes)};
      const auto columns = tape.jvp(mapped.y, x, tangents).toFloats();
      const double autograd = logDeterminant({columns.begin(), columns.end()}, n);
      std::vector<double> state(one.begin(), one.end());
      const double said = flow.forward(host, state, 0, flow.stages().size());
      CHECK(std::abs(static_cast<double>(mapped.logDet.value().toFloats()[0]) - autograd) < 1e-4);
      CHECK(std::abs(said - autograd) < 1e-4);
      CHECK(std::abs(said) > 0.5);  // the volume does change: actnorm's scales are random
      flow.toPicture(state, flow.stages().size());
      const auto z = mapped.y.value().toFloats();
      for (std::size_t i = 0; i < d; ++i) CHECK(std::abs(state[i] - static_cast<double>(z[i])) < 1e-4);  // f32, values of some units
      // Back: in double precision to rounding, in f32 to what the specification allows.
      flow.fromPicture(state, flow.stages().size());
      flow.inverse(host, state, 0, flow.stages().size());
      for (std::size_t i = 0; i < d; ++i) CHECK(std::abs(state[i] - static_cast<double>(one[i])) < 1e-10);
      CHECK(worstOf(flow.inverse(constants, mapped.y).value().toFloats(), copies) < 1e-3);
      // ln p(x) = ln N(z) + ln |det|.
      double squares = 0;
      for (std::size_t i = 0; i < d; ++i) squares += static_cast<double>(z[i]) * static_cast<double>(z[i]);
      const double logP = -0.5 * squares - 0.5 * static_cast<double>(d) * std::log(2 * std::numbers::pi) + said;
      CHECK(static_cast<double>(flow.logLikelihood(constants, x[0]).value().toFloats()[0]) == Approx(logP).epsilon(1e-5));
    }
  }
}

TEST_CASE("image flow: states on the way down and up are the same pictures, and each holds every value once") {
  gpu::Stream stream = openStream();
  ImageFlowOptions options = small(Mixing::lu);
  options.levels = 3, options.height = options.width = 8;
  const ImageFlow flow = made(options);
  const nn::Weights weights = moved(stream, flow, 0.1);
  nn::Tape tape(stream);
  const auto constants = nn::constants(tape, weights);
  const Tensor x = pictures(stream, flow, 2);
  ImageFlow::Trace trace;
  const Mapped mapped = flow.forward(constants, tape.constant(x), &trace);
  std::vector<nn::Variable> back;
  flow.inverse(constants, mapped.y, &back);
  const std::size_t stages = flow.stages().size();
  REQUIRE(trace.states.size() == stages);
  REQUIRE(back.size() == stages);
  CHECK(trace.states.back().value().toFloats() == mapped.y.value().toFloats());
  // back[i] is the state behind stages - 1 - i stages.
  for (std::size_t i = 0; i + 1 < stages; ++i) {
    INFO(i);
    CHECK(worstOf(back[i].value().toFloats(), trace.states[stages - 2 - i].value().toFloats()) < 1e-3);
  }
  CHECK(worstOf(back.back().value().toFloats(), x.toFloats()) < 1e-3);
  // The same in double precision at every stage: what is shown is a permutation of what is computed.
  const HostWeights host = toHost(weights);
  const auto d = static_cast<std::size_t>(flow.dimensions());
  std::vector<double> state = picture(x.toFloats(), 1, d);
  for (std::size_t i = 0; i < stages; ++i) {
    flow.forward(host, state, i, i + 1);
    std::vector<double> shown = state;
    flow.toPicture(shown, i + 1);
    const auto found = picture(trace.states[i].value().toFloats(), 1, d);
    double worst = 0;
    for (std::size_t k = 0; k < d; ++k) worst = std::max(worst, std::abs(found[k] - shown[k]));
    CHECK(worst < 1e-4);
    flow.fromPicture(shown, i + 1);
    CHECK(shown == state);
  }
  // Squeezes and splits move values and change none: to the bit.
  std::vector<float> first = trace.states[0].value().toFloats();
  CHECK(first == x.toFloats());
}

TEST_CASE("image flow: after its start actnorm makes the first batch mean 0 and variance 1 per channel, and the second batch nearly") {
  gpu::Stream stream = openStream();
  ImageFlowOptions options = small(Mixing::lu);
  options.height = options.width = 8;
  const ImageFlow flow = made(options);
  nn::Initializer draw(stream, 1);
  nn::Weights weights = flow.initial(draw);
  // Pictures far from standard: uniform in 3 ... 4, brighter to the right, so that the channels differ.
  const auto batch = [&](std::uint32_t number) {
    std::vector<float> values = kernels::uniform(stream, Shape{16, 3, 8, 8}, {9, number, 0}, 3, 4).toFloats();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] *= 1 + 0.1f * static_cast<float>(i % 8);
    return Tensor::from(Shape{16, 3, 8, 8}, values);
  };
  REQUIRE(flow.initializeActnorm(stream, weights, batch(1)));
  double worstOfSecond = 0;
  for (const std::uint32_t number : {1u, 2u}) {
    nn::Tape tape(stream);
    ImageFlow::Trace trace;
    flow.forward(nn::constants(tape, weights), tape.constant(batch(number)), &trace);
    for (std::size_t i = 0; i + 1 < flow.stages().size(); ++i) {
      const auto& stage = flow.stages()[i];
      if (stage.kind != ImageFlow::Kind::actnorm) continue;
      const auto y = trace.inputs[i + 1].value().toFloats();
      const auto channels = static_cast<std::size_t>(stage.channels), pixels = static_cast<std::size_t>(stage.height * stage.width);
      for (std::size_t c = 0; c < channels; ++c) {
        double mean = 0, square = 0;
        const double count = static_cast<double>(16 * pixels);
        for (std::size_t k = 0; k < y.size(); ++k) {
          if (k / pixels % channels != c) continue;
          mean += static_cast<double>(y[k]) / count, square += static_cast<double>(y[k]) * static_cast<double>(y[k]) / count;
        }
        if (number == 1) {
          CHECK(std::abs(mean) < 1e-4);
          CHECK(std::abs(square - mean * mean - 1) < 1e-3);
        }
        worstOfSecond = std::max(worstOfSecond, std::abs(square - mean * mean - 1));
      }
    }
  }
  CHECK(worstOfSecond > 1e-3);  // it holds for the first batch because it was made so, not by itself
  // A channel that never changes cannot be scaled to variance 1.
  const Tensor constant = Tensor::from(Shape{2, 3, 8, 8}, std::vector<float>(2 * 3 * 64, 0.5f));
  const auto refused = flow.initializeActnorm(stream, weights, constant);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("Channel 1 of level 1, step 1 has the variance 0 over the first batch") != std::string::npos);
}

TEST_CASE("image flow: a 1 x 1 convolution changes the volume by H W ln |det W|, whether W is kept whole or as factors") {
  gpu::Stream stream = openStream();
  ImageFlowOptions options;
  options.channels = 4, options.height = 2, options.width = 3;
  options.levels = options.steps = 1, options.hidden = 4, options.squeeze = false;
  options.mixing = Mixing::dense;
  const ImageFlow dense = made(options);
  options.mixing = Mixing::lu;
  const ImageFlow lu = made(options);
  const auto stageOf = [](const ImageFlow& flow) {
    for (std::size_t i = 0; i < flow.stages().size(); ++i) {
      if (flow.stages()[i].kind == ImageFlow::Kind::mixing) return i;
    }
    return std::size_t{0};
  };
  nn::Initializer draw(stream, 1);
  // Both start as the same rotation; the factors give it back.
  const auto whole = dense.mixingMatrix(toHost(dense.initial(draw)), stageOf(dense));
  const auto product = lu.mixingMatrix(toHost(lu.initial(draw)), stageOf(lu));
  for (std::size_t i = 0; i < 16; ++i) CHECK(std::abs(whole[i] - product[i]) < 1e-6);  // f32 weights
  CHECK(std::abs(dense.mixingLogDet(toHost(dense.initial(draw)), stageOf(dense))) < 1e-5);
  CHECK(std::abs(lu.mixingLogDet(toHost(lu.initial(draw)), stageOf(lu))) < 1e-5);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) {
      double dot = 0;
      for (std::size_t k = 0; k < 4; ++k) dot += whole[4 * i + k] * whole[4 * j + k];
      CHECK(std::abs(dot - (i == j ? 1 : 0)) < 1e-6);
    }
  }
  // Random factors; the same matrix kept whole.
  nn::Weights factors = moved(stream, lu, 3);
  const HostWeights hostFactors = toHost(factors);
  const auto w = lu.mixingMatrix(hostFactors, stageOf(lu));
  nn::Weights matrix = dense.initial(draw);
  HostWeights hostMatrix = toHost(matrix);
  const std::size_t weight = dense.stages()[stageOf(dense)].firstWeight;
  hostMatrix[weight] = w;
  matrix[weight].value = Tensor::from(Shape{4, 4}, std::vector<float>(w.begin(), w.end()));
  const std::array<std::pair<const ImageFlow*, const HostWeights*>, 2> both{{{&dense, &hostMatrix}, {&lu, &hostFactors}}};
  const double expected = 6 * logDeterminant(w, 4);
  CHECK(std::abs(expected) > 0.1);
  for (const auto& [flow, weights] : both) {
    const std::size_t stage = stageOf(*flow);
    CHECK(6 * flow->mixingLogDet(*weights, stage) == Approx(expected).epsilon(1e-9));
    // The map of all 24 values of a picture, column by column: it is linear.
    std::vector<double> jacobian(24 * 24);
    for (std::size_t j = 0; j < 24; ++j) {
      std::vector<double> axis(24, 0.0);
      axis[j] = 1;
      CHECK(flow->forward(*weights, axis, stage, stage + 1) == Approx(expected).epsilon(1e-9));
      for (std::size_t i = 0; i < 24; ++i) jacobian[i * 24 + j] = axis[i];
    }
    CHECK(std::abs(logDeterminant(jacobian, 24) - expected) < 1e-9);
  }
  // On the device: ln |det| of both, and the inverse to 1e-5 times the condition number.
  double row = 0;
  std::vector<double> inverseOfW =
      kernels::luSolveReference(kernels::luReference(kernels::Doubles(Shape{4, 4}, w)),
                                kernels::Doubles(Shape{4, 4}, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}))
          .values;
  double a = 0, b = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    row = 0;
    for (std::size_t j = 0; j < 4; ++j) row += std::abs(w[4 * i + j]);
    a = std::max(a, row);
    row = 0;
    for (std::size_t j = 0; j < 4; ++j) row += std::abs(inverseOfW[4 * i + j]);
    b = std::max(b, row);
  }
  for (const auto& [flow, weights] : {std::pair<const ImageFlow*, const nn::Weights*>{&dense, &matrix}, {&lu, &factors}}) {
    nn::Tape tape(stream);
    const auto constants = nn::constants(tape, *weights);
    const Tensor x = pictures(stream, *flow, 8);
    ImageFlow::Trace trace;
    const Mapped mapped = flow->forward(constants, tape.constant(x), &trace);
    CHECK(static_cast<double>(trace.logDets[stageOf(*flow)].value().toFloats()[0]) == Approx(expected).epsilon(1e-5));
    std::vector<nn::Variable> states;
    flow->inverse(constants, mapped.y, &states);
    // states: coupling undone, mixing undone, actnorm undone; trace.states[0] is behind actnorm.
    double largest = 1;
    for (const float v : trace.states[0].value().toFloats()) largest = std::max(largest, static_cast<double>(std::abs(v)));
    CHECK(worstOf(states[1].value().toFloats(), trace.states[0].value().toFloats()) < 1e-5 * a * b * largest);
  }
}

TEST_CASE("image flow: a coupling that starts at zero scales by sigmoid(2), an additive one not at all") {
  gpu::Stream stream = openStream();
  for (const bool affine : {true, false}) {
    const ImageFlow flow = made(small(Mixing::lu, affine));
    nn::Initializer draw(stream, 1);
    nn::Tape tape(stream);
    ImageFlow::Trace trace;
    flow.forward(nn::constants(tape, flow.initial(draw)), tape.constant(pictures(stream, flow, 3)), &trace);
    for (std::size_t i = 0; i < flow.stages().size(); ++i) {
      const auto& stage = flow.stages()[i];
      if (stage.kind != ImageFlow::Kind::coupling) continue;
      if (!affine) {
        CHECK(trace.logDets[i].empty());
        continue;
      }
      const double expected = 0.5 * static_cast<double>(stage.channels * stage.height * stage.width) * std::log(0.8807970779778823);
      for (const float v : trace.logDets[i].value().toFloats()) CHECK(static_cast<double>(v) == Approx(expected).epsilon(1e-5));
    }
  }
}

TEST_CASE("image flow: a least scale bounds what the inverse multiplies by") {
  gpu::Stream stream = openStream();
  for (const double least : {0.0, 0.5}) {
    ImageFlowOptions options = small(Mixing::reverse);
    options.levels = options.steps = 1, options.leastScale = least;
    const ImageFlow flow = made(options);
    nn::Initializer draw(stream, 1);
    nn::Weights weights = flow.initial(draw);
    // A network that closes every scale: l = -30, s = m or e^-28.
    for (nn::NamedTensor& w : weights) {
      if (w.name.find("coupling.4.bias") == std::string::npos) continue;
      std::vector<float> bias(12, 0.0f);
      std::fill(bias.begin() + 6, bias.end(), -30.0f);
      w.value = Tensor::from(Shape{12}, bias);
    }
    nn::Tape tape(stream);
    const auto constants = nn::constants(tape, weights);
    const Tensor z = pictures(stream, flow, 1);
    double size = 0, made = 0;
    for (const float v : z.toFloats()) size = std::max(size, static_cast<double>(std::abs(v)));
    for (const float v : flow.inverse(constants, tape.constant(z)).value().toFloats())
      made = std::max(made, static_cast<double>(std::abs(v)));
    if (least > 0) CHECK(made <= size / least * (1 + 1e-5));
    if (least == 0) CHECK(made > 1e10 * size);
    // ln |det| of the 24 moved values, finite for both.
    const double logDet = static_cast<double>(flow.forward(constants, tape.constant(z)).logDet.value().toFloats()[0]);
    CHECK(logDet == Approx(24 * (least > 0 ? std::log(least) : -28.0)).epsilon(1e-5));
  }
}

TEST_CASE("image flow: two levels of four steps return to 1e-3 in f32, and temperature 0 gives one picture") {
  gpu::Stream stream = openStream();
  ImageFlowOptions options;
  options.hidden = 16;
  const ImageFlow flow = made(options);
  nn::Weights weights = moved(stream, flow, 0.05);
  const Tensor x = pictures(stream, flow, 4);
  REQUIRE(flow.initializeActnorm(stream, weights, x));
  nn::Tape tape(stream);
  const auto constants = nn::constants(tape, weights);
  const Mapped mapped = flow.forward(constants, tape.constant(x));
  CHECK(worstOf(flow.inverse(constants, mapped.y).value().toFloats(), x.toFloats()) <= 1e-3);
  const Tensor z = kernels::normal(stream, x.shape(), {4, 4, 0}, 0, 0.0f);
  const auto same = flow.inverse(constants, tape.constant(z)).value().toFloats();
  const auto d = static_cast<std::size_t>(flow.dimensions());
  for (std::size_t i = d; i < same.size(); ++i) CHECK(same[i] == same[i % d]);
}

TEST_CASE("image flow: sampling an additive flow at temperature T is sampling p^(1 / T^2)") {
  gpu::Stream stream = openStream();
  // One pixel of two channels: a curved density of the plane, of which every integral can be computed.
  ImageFlowOptions options;
  options.channels = 2, options.height = options.width = 1;
  options.levels = 1, options.steps = 3, options.hidden = 8;
  options.mixing = Mixing::lu, options.affine = false, options.squeeze = false;
  const ImageFlow flow = made(options);
  nn::Weights weights = moved(stream, flow, 0.6);
  for (nn::NamedTensor& w : weights) {
    // Keeps volumes: ln |det| = 0 in every layer.
    if (w.name.find("logs") != std::string::npos) w.value = Tensor::from(w.value.shape(), std::vector<float>(2, 0.0f));
    if (w.name.find("log_s") == std::string::npos) continue;
    const auto s = w.value.toFloats();
    w.value = Tensor::from(w.value.shape(), std::vector<float>{s[0], -s[0]});
  }
  constexpr double T = 0.6;
  constexpr std::int64_t n = 16384;
  nn::Tape tape(stream);
  const auto constants = nn::constants(tape, weights);
  const Tensor z = kernels::normal(stream, Shape{n, 2, 1, 1}, {8, 8, 0}, 0, static_cast<float>(T));
  const auto samples = flow.inverse(constants, tape.constant(z)).value().toFloats();
  // p^(1 / T^2) on a grid of 160 x 160 cells, from the flow's own ln p: normalised by its sum.
  constexpr std::int64_t cells = 160;
  double reach = 0;
  for (const float v : samples) reach = std::max(reach, static_cast<double>(std::abs(v)));
  reach *= 1.3;
  std::vector<float> grid;
  for (std::int64_t i = 0; i < cells * cells; ++i) {
    const auto at = [&](std::int64_t k) { return static_cast<float>(reach * (2 * (static_cast<double>(k) + 0.5) / cells - 1)); };
    grid.insert(grid.end(), {at(i % cells), at(i / cells)});
  }
  const auto logP = flow.logLikelihood(constants, tape.constant(Tensor::from(Shape{cells * cells, 2, 1, 1}, grid))).value().toFloats();
  // Means of functions that see the shape: coordinates, their squares, their product, and where p is large.
  const auto functions = [](double x, double y) { return std::array<double, 6>{x, y, x * x, y * y, x * y, std::cos(2 * x + y)}; };
  std::array<double, 6> exact{}, squares{}, found{};
  double mass = 0, plain = 0;
  std::array<double, 6> untempered{};
  for (std::size_t i = 0; i < logP.size(); ++i) {
    const double weight = std::exp(static_cast<double>(logP[i]) / (T * T)), one = std::exp(static_cast<double>(logP[i]));
    const auto f = functions(static_cast<double>(grid[2 * i]), static_cast<double>(grid[2 * i + 1]));
    mass += weight, plain += one;
    for (std::size_t k = 0; k < f.size(); ++k) exact[k] += weight * f[k], squares[k] += weight * f[k] * f[k], untempered[k] += one * f[k];
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const auto f = functions(static_cast<double>(samples[2 * i]), static_cast<double>(samples[2 * i + 1]));
    for (std::size_t k = 0; k < f.size(); ++k) found[k] += f[k] / n;
  }
  double tempering = 0;
  for (std::size_t k = 0; k < found.size(); ++k) {
    INFO("function " << k);
    const double mean = exact[k] / mass, deviation = std::sqrt(squares[k] / mass - mean * mean);
    // 4 standard errors; the grid's own error is far smaller: midpoints of a smooth function that vanishes at the border.
    CHECK(std::abs(found[k] - mean) < 4 * deviation / std::sqrt(static_cast<double>(n)) + 1e-4);
    tempering = std::max(tempering, std::abs(untempered[k] / plain - mean) / deviation);
  }
  CHECK(tempering > 0.3);  // without the exponent it would be another law
}

TEST_CASE("image flow: gradients of the likelihood are the differences of its double-precision twin") {
  gpu::Stream stream = openStream();
  for (const Mixing mixing : {Mixing::dense, Mixing::lu}) {
    ImageFlowOptions options;
    options.channels = 1, options.height = options.width = 4;
    options.levels = 2, options.steps = 1, options.hidden = 3, options.mixing = mixing;
    const ImageFlow flow = made(options);
    const nn::Weights weights = moved(stream, flow, 0.3);
    const Tensor x = pictures(stream, flow, 3);
    nn::Tape tape(stream);
    std::vector<nn::Variable> leaves;
    for (const auto& w : weights) leaves.push_back(tape.leaf(w.value));
    const nn::Variable loss = nn::mean(flow.logLikelihood(leaves, tape.constant(x)));
    tape.backward(loss);
    const auto rows = x.toFloats();
    const auto reference = [&](const HostWeights& host) {
      double sum = 0;
      for (std::size_t i = 0; i < 3; ++i) {
        std::vector<double> state = picture(rows, i, 16);
        sum += flow.forward(host, state, 0, flow.stages().size());
        for (const double v : state) sum -= 0.5 * v * v + 0.5 * std::log(2 * std::numbers::pi);
      }
      return sum / 3;
    };
    HostWeights host = toHost(weights);
    CHECK(static_cast<double>(loss.value().toFloats()[0]) == Approx(reference(host)).epsilon(1e-5));
    for (std::size_t w = 0; w < weights.size(); ++w) {
      INFO(nameOf(mixing) << " " << weights[w].name);
      const auto gradient = tape.gradient(leaves[w]).toFloats();
      double worst = 0, largest = 0;
      for (std::size_t i = 0; i < host[w].size(); ++i) {
        const double kept = host[w][i], h = 1e-6;
        host[w][i] = kept + h;
        const double up = reference(host);
        host[w][i] = kept - h;
        const double down = reference(host);
        host[w][i] = kept;
        const double expected = (up - down) / (2 * h);
        worst = std::max(worst, std::abs(static_cast<double>(gradient[i]) - expected)), largest = std::max(largest, std::abs(expected));
      }
      // f32 sums of some hundred terms; a relu within 1e-6 of its corner would show as a difference of order 1.
      CHECK(worst < 1e-4 * std::max(1.0, largest));
    }
  }
}

TEST_CASE("image flow: bits per dimension of n-bit values") {
  // A uniform density on [0, 1) says nothing: n bits. Twice as dense everywhere is one bit less per dimension.
  CHECK(bitsPerDimensionOfBits(0, 768, 5) == 5);
  CHECK(bitsPerDimensionOfBits(768 * std::numbers::ln2, 768, 5) == Approx(4).epsilon(1e-12));
  CHECK(bitsPerDimensionOfBits(1980.50, 784, 8) == bitsPerDimension(1980.50, 784, 1));
}

TEST_CASE("image flow: what cannot be squeezed, split or inverted is refused with a sentence") {
  ImageFlowOptions options;
  options.height = options.width = 12, options.levels = 3;
  const auto odd = ImageFlow::make(options, 1);
  REQUIRE_FALSE(odd);
  CHECK(odd.error().message.find("Level 3 would squeeze a picture of 3 x 3 pixels: pad or crop the side to a multiple of 8") !=
        std::string::npos);
  options.squeeze = false;
  const auto channels = ImageFlow::make(options, 1);
  REQUIRE_FALSE(channels);
  CHECK(channels.error().message.find("level 1 has 3, an odd number") != std::string::npos);
  gpu::Stream stream = openStream();
  for (const Mixing mixing : {Mixing::dense, Mixing::lu}) {
    const ImageFlow flow = made(small(mixing));
    nn::Initializer draw(stream, 1);
    HostWeights host = toHost(flow.initial(draw));
    REQUIRE(flow.check(host));
    const auto& stage = flow.stages()[2];
    REQUIRE(stage.kind == ImageFlow::Kind::mixing);
    if (mixing == Mixing::lu) {
      host[stage.firstWeight + 2][3] = -20;
    } else {
      // Two equal rows.
      for (std::size_t j = 0; j < 12; ++j) host[stage.firstWeight][12 + j] = host[stage.firstWeight][j];
    }
    const auto singular = flow.check(host);
    REQUIRE_FALSE(singular);
    CHECK(singular.error().message.find("The mixing matrix of level 1, step 1 is singular") != std::string::npos);
    host = toHost(flow.initial(draw));
    host[0][0] = std::nan("");
    CHECK_FALSE(flow.check(host));
  }
}
