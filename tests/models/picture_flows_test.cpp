// The other flows of pictures. RealNVP's chain (logit, checkerboards, squeeze, channel halves in turn): its volume is its Jacobian's,
// device and host agree, it returns, a bound of 0 is an additive flow, masks part every value, exits add up. NICE on rows: no volume but
// the scale's, which starts where the first batch wants it.

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>

#include "core/base/philox.h"
#include "core/kernels/lu.h"
#include "core/kernels/philox.h"
#include "core/models/flat_flow.h"
#include "core/models/image_flow.h"
#include "core/nn/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::models::flows;
using orrery::testing::openStream;

namespace {

ImageFlow made(const ImageFlowOptions& options) {
  auto flow = ImageFlow::make(options, 5);
  if (!flow) FAIL(flow.error().message);
  return *std::move(flow);
}

ImageFlowOptions realNvp(std::int64_t side = 4) {
  ImageFlowOptions options;
  options.channels = 3, options.height = options.width = side;
  options.levels = 2, options.steps = 2, options.checkers = 2, options.hidden = 8;
  options.mixing = Mixing::none, options.actnorm = false;
  options.bounded = true, options.bound = 1;
  options.logit = true;
  return options;
}

// Every weight moved from where training starts by a normal of this deviation.
nn::Weights moved(nn::Weights weights, double deviation) {
  std::uint32_t number = 0;
  for (nn::NamedTensor& w : weights) {
    std::vector<float> values = w.value.toFloats();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), number, 5, 0}, philoxKey(7));
      values[i] += static_cast<float>(deviation * philoxNormals(words[0], words[1])[0]);
    }
    w.value = Tensor::from(w.value.shape(), values);
    ++number;
  }
  return weights;
}

Tensor pictures(gpu::Stream& stream, const PictureFlow& flow, std::int64_t n) {
  const Shape s = flow.shape();
  return kernels::uniform(stream, Shape{n, s[0], s[1], s[2]}, {3, 1, 0}, 0, 1);
}

double worstOf(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(a[i] - b[i])));
  return worst;
}

}  // namespace

TEST_CASE("RealNVP of pictures: the log-determinant is that of autograd's Jacobian, device and host agree, and the inverse returns") {
  gpu::Stream stream = openStream();
  for (const char* between : {"nothing", "actnorm", "batches", "painted, batches and actnorm"}) {
    const bool actnorm = std::string_view(between).ends_with("actnorm");
    ImageFlowOptions options = realNvp();
    options.actnorm = actnorm;
    options.batchNorm = std::string_view(between).find("batches") != std::string_view::npos;
    if (std::string_view(between).starts_with("painted")) options.painted = maskOfText("f1f0f0f00e0f0f0f");
    options.twoSided = actnorm;
    options.pixelsTogether = !actnorm;
    const ImageFlow flow = made(options);
    INFO(between);
    const auto d = static_cast<std::size_t>(flow.dimensions());
    nn::Initializer draw(stream, 11);
    const nn::Weights weights = moved(flow.initial(draw), 0.1);
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
    const double autograd = kernels::luReference(kernels::Doubles(Shape{n, n}, {columns.begin(), columns.end()})).logAbsDet.at(0);
    std::vector<double> state(one.begin(), one.end());
    const double said = flow.forward(host, state, 0, flow.stages().size());
    // The logit alone makes some 80 nats: single precision keeps 1e-5 of them, as do the sums of 48 terms.
    CHECK(std::abs(static_cast<double>(mapped.logDet.value().toFloats()[0]) - autograd) < 1e-3);
    CHECK(std::abs(said - autograd) < 1e-3);
    CHECK(std::abs(said) > 0.5);
    flow.toPicture(state, flow.stages().size());
    const auto z = mapped.y.value().toFloats();
    for (std::size_t i = 0; i < d; ++i)
      CHECK(std::abs(state[i] - static_cast<double>(z[i])) < 1e-3);  // f32 through 8 couplings, latents of some tens
    flow.fromPicture(state, flow.stages().size());
    flow.inverse(host, state, 0, flow.stages().size());
    for (std::size_t i = 0; i < d; ++i) CHECK(std::abs(state[i] - static_cast<double>(one[i])) < 1e-12);
    std::vector<nn::Variable> states;
    CHECK(worstOf(flow.inverse(constants, mapped.y, &states).value().toFloats(), copies) < 1e-3);
    // The states on the way up are those on the way down.
    PictureFlow::Trace trace;
    flow.forward(constants, x[0], &trace);
    REQUIRE(states.size() == trace.states.size());
    for (std::size_t k = 1; k < states.size(); ++k) {
      CHECK(worstOf(states[states.size() - 1 - k].value().toFloats(), trace.states[k - 1].value().toFloats()) < 1e-4);
    }
    CHECK(worstOf(flow.logLikelihood(constants, x[0]).value().toFloats(), [&] {
            std::vector<float> sum(d, 0.0f);
            for (std::size_t i = 0; i < d; ++i) {
              double logP = 0;
              for (std::size_t k = 0; k < d; ++k)
                logP -= 0.5 * std::pow(static_cast<double>(z[i * d + k]), 2) + 0.5 * std::log(2 * std::numbers::pi);
              sum[i] = static_cast<float>(logP + said);
            }
            return sum;
          }()) < 2e-3);
  }
}

TEST_CASE("RealNVP of pictures: without the logit the log-determinant is that of autograd's Jacobian to 1e-4") {
  // With it the sum is some 80 nats, of which f32 keeps 1e-5, nearly 1e-3: the test above. Couplings alone make a few nats of 48 values
  // each, and eight layers of sums keep 1e-4.
  gpu::Stream stream = openStream();
  ImageFlowOptions options = realNvp();
  options.logit = false;
  for (const bool actnorm : {false, true}) {
    INFO((actnorm ? "with" : "without") << " actnorm");
    options.actnorm = actnorm;
    const ImageFlow flow = made(options);
    nn::Initializer draw(stream, 11);
    const nn::Weights weights = moved(flow.initial(draw), 0.1);
    const auto d = static_cast<std::size_t>(flow.dimensions());
    const auto n = static_cast<std::int64_t>(d);
    const std::vector<float> one = pictures(stream, flow, 1).toFloats();
    std::vector<float> copies, axes(d * d, 0.0f);
    for (std::size_t i = 0; i < d; ++i) copies.insert(copies.end(), one.begin(), one.end()), axes[i * d + i] = 1;
    nn::Tape tape(stream);
    const std::array<nn::Variable, 1> x{tape.leaf(Tensor::from(Shape{n, 3, 4, 4}, copies))};
    const Mapped mapped = flow.forward(nn::constants(tape, weights), x[0]);
    const std::array<Tensor, 1> tangents{Tensor::from(Shape{n, 3, 4, 4}, axes)};
    const auto columns = tape.jvp(mapped.y, x, tangents).toFloats();
    const double autograd = kernels::luReference(kernels::Doubles(Shape{n, n}, {columns.begin(), columns.end()})).logAbsDet.at(0);
    std::vector<double> state(one.begin(), one.end());
    const double said = flow.forward(toHost(weights), state, 0, flow.stages().size());
    CHECK(std::abs(said) > 0.05);
    CHECK(std::abs(static_cast<double>(mapped.logDet.value().toFloats()[0]) - autograd) < 1e-4);
    CHECK(std::abs(said - autograd) < 1e-4);
  }
}

TEST_CASE("RealNVP of pictures: learning from a batch normalizes each channel by the batch, and says what its statistics become") {
  gpu::Stream stream = openStream();
  constexpr std::int64_t n = 5, c = 4, side = 3, pixels = side * side;
  for (const double momentum : {0.0, 0.75}) {
    INFO(momentum);
    // Two couplings, which start as the identity, and the normalization between them.
    ImageFlowOptions options;
    options.channels = c, options.height = options.width = side;
    options.levels = 1, options.steps = 2, options.hidden = 8;
    options.mixing = Mixing::none, options.actnorm = false, options.squeeze = false, options.bounded = true;
    options.batchNorm = true, options.momentum = momentum;
    const ImageFlow flow = made(options);
    REQUIRE(flow.stages().size() == 3);
    REQUIRE(flow.stages()[1].kind == PictureFlow::Kind::norm);
    const std::size_t mean = flow.stages()[1].firstWeight;
    nn::Initializer draw(stream, 11);
    nn::Weights weights = flow.initial(draw);
    for (std::size_t i = 0; i < weights.size(); ++i) CHECK(flow.watches(i) == (i == mean || i == mean + 1));
    const std::vector<double> running{-1, 2, 0, 0.5}, width{0.5, 4, 1, 0.01};
    weights[mean].value = Tensor::from(Shape{c}, std::vector<float>(running.begin(), running.end()));
    weights[mean + 1].value = Tensor::from(Shape{c}, std::vector<float>(width.begin(), width.end()));
    const Tensor batch = kernels::normal(stream, Shape{n, c, side, side}, {3, 1, 0}, 0.4f, 1.7f);
    const auto x = batch.toFloats();
    std::array<double, c> m{}, v{};
    const auto channelOf = [](std::size_t i) { return i / pixels % c; };
    for (std::size_t i = 0; i < x.size(); ++i) m[channelOf(i)] += static_cast<double>(x[i]) / (n * pixels);
    for (std::size_t i = 0; i < x.size(); ++i) v[channelOf(i)] += std::pow(static_cast<double>(x[i]) - m[channelOf(i)], 2) / (n * pixels);
    for (std::size_t k = 0; k < c; ++k) {
      m[k] = momentum * running[k] + (1 - momentum) * m[k];
      v[k] = momentum * width[k] + (1 - momentum) * v[k];
    }
    nn::Tape tape(stream);
    std::vector<nn::Variable> leaves;
    for (const auto& w : weights) leaves.push_back(tape.leaf(w.value));
    Flow::Watched watched;
    const nn::Variable logP = flow.learn(leaves, tape.constant(batch), watched);
    REQUIRE(watched.size() == 2);
    CHECK(watched[0].first == mean);
    CHECK(watched[1].first == mean + 1);
    for (std::size_t k = 0; k < c; ++k) {
      CHECK(static_cast<double>(watched[0].second.toFloats()[k]) == Approx(m[k]).margin(1e-5));
      CHECK(static_cast<double>(watched[1].second.toFloats()[k]) == Approx(v[k]).epsilon(1e-5));
    }
    const auto said = logP.value().toFloats();
    for (std::size_t picture = 0; picture < n; ++picture) {
      double expected = -0.5 * c * pixels * std::log(2 * std::numbers::pi);
      for (const double variance : v) expected -= 0.5 * pixels * std::log(variance + 1e-5);
      for (std::size_t i = picture * c * pixels; i < (picture + 1) * c * pixels; ++i)
        expected -= 0.5 * std::pow(static_cast<double>(x[i]) - m[channelOf(i)], 2) / (v[channelOf(i)] + 1e-5);
      CHECK(static_cast<double>(said[picture]) == Approx(expected).epsilon(1e-5));
    }
    // What is watched is not learnt. A shift of a whole channel is taken back by the batch's own mean, so with that alone it has no gradient.
    tape.backward(nn::mean(logP));
    for (const std::size_t i : {mean, mean + 1})
      for (const float g : tape.gradient(leaves[i]).toFloats()) CHECK(g == 0);
    double shifts = 0;
    const auto head = tape.gradient(leaves[mean - 1]).toFloats();  // the first coupling's last bias: shifts, then scales
    for (std::size_t k = 0; k < c / 2; ++k) shifts = std::max(shifts, std::abs(static_cast<double>(head[k])));
    if (momentum == 0) {
      CHECK(shifts < 1e-4);
    } else {
      CHECK(shifts > 1e-2);
    }
    // Once the step has set them, the density is that of the running statistics.
    nn::Trainer trainer(weights, {});
    setWatched(trainer, watched);
    nn::Tape later(stream);
    const auto after = flow.logLikelihood(nn::constants(later, trainer.weights()), later.constant(batch)).value().toFloats();
    for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i] == Approx(said[i]).epsilon(1e-5));
  }
}

TEST_CASE("RealNVP of pictures: a painted mask says which pixels pass, and the next coupling lets the others pass") {
  // Rows of eight cells: the upper half lets the left pass, the lower the right.
  const auto mask = maskOfText("f0f0f0f00f0f0f0f");
  REQUIRE(mask);
  CHECK(textOfMask(*mask) == "f0f0f0f00f0f0f0f");
  for (std::size_t i = 0; i < mask->size(); ++i) CHECK((*mask)[i] == ((i / 8 < 4) == (i % 8 < 4) ? 1 : 0));
  for (const char* none : {"", "f0f0", "f0f0f0f00f0f0f0g", "f0f0f0f00f0f0f0f0"}) CHECK_FALSE(maskOfText(none));
  ImageFlowOptions options = realNvp(12);  // 12 pixels on 8 cells, then 6
  options.painted = mask;
  const ImageFlow flow = made(options);
  std::size_t boards = 0;
  for (std::size_t i = 0; i < flow.stages().size(); ++i) {
    const auto& stage = flow.stages()[i];
    if (stage.kind != ImageFlow::Kind::checker) continue;
    ++boards;
    const auto passing = flow.maskOf(i);
    for (std::size_t k = 0; k < static_cast<std::size_t>(stage.channels * stage.height * stage.width); ++k) {
      const auto row = static_cast<std::int64_t>(k) / stage.width % stage.height, column = static_cast<std::int64_t>(k) % stage.width;
      const bool painted = (2 * row < stage.height) == (2 * column < stage.width);
      CHECK(passing[k] == (painted != stage.swapped ? 1 : 0));
    }
  }
  CHECK(boards == 4);
  // All or none of a level's pixels: at 4 x 4 pixels every other cell counts, at 2 x 2 the four first of each quarter.
  const auto refusal = [&](const char* text, std::int64_t side) {
    ImageFlowOptions wrong = realNvp(side);
    wrong.painted = maskOfText(text);
    const auto none = ImageFlow::make(wrong, 5);
    REQUIRE_FALSE(none);
    return none.error().message;
  };
  CHECK(refusal("ffffffffffffffff", 8).find("64 of the 64 pixels of level 1") != std::string::npos);
  CHECK(refusal("0000000000000000", 8).find("0 of the 64 pixels of level 1") != std::string::npos);
  CHECK(refusal("2000000000000000", 4).find("0 of the 4 pixels of level 2") != std::string::npos);
}

TEST_CASE("RealNVP of pictures: a scale bound of 0 is the additive flow, to the bit") {
  gpu::Stream stream = openStream();
  ImageFlowOptions options = realNvp();
  options.bound = 0;
  const ImageFlow affine = made(options);
  options.affine = false;
  const ImageFlow additive = made(options);
  nn::Initializer one(stream, 3), two(stream, 3);
  nn::Weights wide = moved(affine.initial(one), 0.1), narrow = additive.initial(two);
  REQUIRE(wide.size() == narrow.size());
  // The heads of the shift are the first half of the affine network's last layer.
  for (std::size_t i = 0; i < wide.size(); ++i) {
    const auto values = wide[i].value.toFloats();
    REQUIRE(wide[i].name == narrow[i].name);
    const auto count = static_cast<std::size_t>(narrow[i].value.count());
    narrow[i].value =
        Tensor::from(narrow[i].value.shape(), std::vector<float>(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count)));
  }
  nn::Tape tape(stream);
  const nn::Variable x = tape.constant(pictures(stream, affine, 3));
  const Mapped a = affine.forward(nn::constants(tape, wide), x), b = additive.forward(nn::constants(tape, narrow), x);
  CHECK(a.y.value().toFloats() == b.y.value().toFloats());
  CHECK(a.logDet.value().toFloats() == b.logDet.value().toFloats());
  CHECK(worstOf(a.y.value().toFloats(), x.value().toFloats()) > 0.1);
}

TEST_CASE("RealNVP of pictures: couplings take turns, and two of them in a row move every value once") {
  ImageFlowOptions options = realNvp(8);
  const ImageFlow flow = made(options);
  std::size_t pairs = 0;
  for (std::size_t i = 0; i + 1 < flow.stages().size(); ++i) {
    const auto &first = flow.stages()[i], &second = flow.stages()[i + 1];
    if (first.kind != second.kind || (first.kind != PictureFlow::Kind::checker && first.kind != PictureFlow::Kind::coupling)) continue;
    ++pairs;
    const auto a = flow.maskOf(i), b = flow.maskOf(i + 1);
    const auto moving = static_cast<std::size_t>(first.channels * first.height * first.width);
    std::size_t passing = 0;
    for (std::size_t k = 0; k < a.size(); ++k) {
      CHECK(a[k] + b[k] == (k < moving ? 1 : 2));  // what has left stays as it is
      passing += k < moving && a[k] == 1 ? 1 : 0;
    }
    CHECK(2 * passing == moving);
  }
  CHECK(pairs == 4);
  // What leaves was moved last, told by what stays.
  for (std::size_t i = 0; i + 1 < flow.stages().size(); ++i) {
    if (flow.stages()[i + 1].kind == PictureFlow::Kind::split) CHECK_FALSE(flow.stages()[i].swapped);
  }
  // A checkerboard as a picture: no two neighbours are alike.
  auto mask = flow.maskOf(1);
  REQUIRE(flow.stages()[1].kind == PictureFlow::Kind::checker);
  flow.toPicture(mask, 2);
  for (std::size_t y = 0; y < 8; ++y) {
    for (std::size_t x = 0; x + 1 < 8; ++x) CHECK(mask[y * 8 + x] != mask[y * 8 + x + 1]);
  }
}

TEST_CASE("RealNVP of pictures: the exits of 32 x 32 x 3 on three levels hold every value once, and squeezes are bit-exact") {
  ImageFlowOptions options = realNvp(32);
  options.levels = 3;
  const ImageFlow flow = made(options);
  std::vector<std::array<std::int64_t, 3>> exits;
  for (const auto& stage : flow.stages()) {
    if (stage.kind == PictureFlow::Kind::split) exits.push_back({stage.channels, stage.height, stage.width});
  }
  const auto& last = flow.stages().back();
  exits.push_back({last.channels, last.height, last.width});
  const std::vector<std::array<std::int64_t, 3>> wanted{{6, 16, 16}, {12, 8, 8}, {48, 4, 4}};
  CHECK(exits == wanted);
  std::int64_t sum = 0;
  for (const auto& e : exits) sum += e[0] * e[1] * e[2];
  CHECK(sum == 3072);
  options.pixelsTogether = true;
  for (const ImageFlow& one : {flow, made(options)}) {
    std::vector<double> order(3072);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<double>(i);
    const auto start = order;
    one.fromPicture(order, one.stages().size());
    // What moved through all levels is the flat state's first quarter of a quarter: of colours together, one pixel in sixteen and three
    // others, in every colour; otherwise the first channel's.
    std::vector<std::size_t> ofColour(3, 0);
    for (std::size_t i = 0; i < 768; ++i) ++ofColour[static_cast<std::size_t>(order[i]) / 1024];
    CHECK(ofColour[2] == (one.options().pixelsTogether ? 256u : 0u));
    one.toPicture(order, one.stages().size());
    CHECK(order == start);
  }
  std::vector<double> values(3072);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  const auto before = values;
  flow.fromPicture(values, flow.stages().size());
  CHECK(values != before);
  flow.toPicture(values, flow.stages().size());
  CHECK(values == before);
}

TEST_CASE("RealNVP of pictures: the logit's log-determinant is its numerical derivative, and values just below 1 stay finite") {
  gpu::Stream stream = openStream();
  for (const bool twoSided : {false, true}) {
    ImageFlowOptions options = realNvp();
    options.twoSided = twoSided;
    const ImageFlow flow = made(options);
    for (const double v : {0.0, 0.01, 0.5, 0.97}) {
      std::vector<double> x(48, v), up(48, v + 1e-6), down(48, v - 1e-6);
      const double said = flow.forward({}, x, 0, 1);
      flow.forward({}, up, 0, 1), flow.forward({}, down, 0, 1);
      CHECK(said == Approx(48 * std::log((up[0] - down[0]) / 2e-6)).epsilon(1e-4));
      const double p = 0.05 + (twoSided ? 0.9 : 0.95) * v;
      CHECK(x[0] == Approx(std::log(p / (1 - p))));
    }
    nn::Initializer draw(stream, 1);
    const nn::Weights weights = flow.initial(draw);
    nn::Tape tape(stream);
    const auto values =
        flow.logLikelihood(nn::constants(tape, weights), tape.constant(Tensor::from(Shape{1, 3, 4, 4}, std::vector<float>(48, 1.0f))))
            .value();
    CHECK(std::isfinite(values.toFloats()[0]));
  }
  ImageFlowOptions far = realNvp();
  for (const double alpha : {-0.01, 0.21}) {
    far.alpha = alpha;
    const auto refused = ImageFlow::make(far, 1);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("between 0 and 0.2") != std::string::npos);
  }
  ImageFlowOptions odd = realNvp(6);
  const auto refused = ImageFlow::make(odd, 1);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("multiple of 4") != std::string::npos);
}

TEST_CASE("NICE of pictures: no volume without the scale, the first batch fills the prior, and the inverse returns") {
  gpu::Stream stream = openStream();
  for (const FlatSplit split : {FlatSplit::alternating, FlatSplit::halves, FlatSplit::random}) {
    FlatFlowOptions options;
    options.height = options.width = 4, options.hidden = 16, options.split = split;
    options.prior = split == FlatSplit::halves ? Prior::normal : Prior::logistic;
    const auto flow = FlatFlow::make(options, 9);
    REQUIRE(flow);
    nn::Initializer draw(stream, 2);
    nn::Weights weights = flow->initial(draw);
    const Tensor batch = pictures(stream, *flow, 64);
    REQUIRE(flow->prepare(stream, weights, batch));
    nn::Tape tape(stream);
    const auto z = flow->forward(nn::constants(tape, weights), tape.constant(batch)).y.value().toFloats();
    const double width = options.prior == Prior::logistic ? std::numbers::pi / std::sqrt(3.0) : 1;
    for (std::size_t i = 0; i < 48; ++i) {
      double mean = 0, square = 0;
      for (std::size_t n = 0; n < 64; ++n) mean += static_cast<double>(z[n * 48 + i]) / 64;
      for (std::size_t n = 0; n < 64; ++n) square += std::pow(static_cast<double>(z[n * 48 + i]) - mean, 2) / 64;
      CHECK(mean == Approx(0).margin(1e-4));
      CHECK(std::sqrt(square) == Approx(width).epsilon(1e-3));
    }
    // Each half of the dimensions passes in its turn.
    const auto even = flow->maskOf(0), odd = flow->maskOf(1);
    CHECK(std::count(even.begin(), even.end(), 1.0) == 24);
    for (std::size_t i = 0; i < 48; ++i) CHECK(even[i] + odd[i] == 1);

    const nn::Weights far = moved(weights, 0.1);
    const auto constants = nn::constants(tape, far);
    PictureFlow::Trace trace;
    const Mapped mapped = flow->forward(constants, tape.constant(batch), &trace);
    REQUIRE(trace.logDets.size() == 5);
    for (std::size_t k = 0; k < 4; ++k) CHECK(trace.logDets[k].empty());  // exactly 0
    const auto y = mapped.y.value().toFloats(), x = batch.toFloats();
    float most = 1;
    for (const float v : y) most = std::max(most, std::abs(v));
    CHECK(worstOf(flow->inverse(constants, mapped.y).value().toFloats(), x) <= 1e-5 * static_cast<double>(most));
  }
  FlatFlowOptions none;
  none.couplings = 0, none.scale = false;
  CHECK_FALSE(FlatFlow::make(none, 1));
}
