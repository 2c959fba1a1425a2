// Optimisers, schedules and the training step: they reach known minima, checkpoints continue to the same bits, what does not fit is named.

#include "core/nn/trainer.h"

#include <cmath>
#include <cstring>

#include "core/kernels/check_support.h"
#include "core/nn/layers.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::nn;

namespace {

// y = 2 x0 - 3 x1 + 0.5 on 64 points.
struct Line {
  Tensor x, y;
};
Line line() {
  const auto x = kernels::testFloats(128, 5, -1, 1);
  std::vector<float> y;
  for (std::size_t i = 0; i < 64; ++i) y.push_back(2 * x[2 * i] - 3 * x[2 * i + 1] + 0.5f);
  return {Tensor::from(Shape{64, 2}, x), Tensor::from(Shape{64, 1}, y)};
}

Trainer trainerFor(gpu::Stream& stream, const TrainerOptions& options, const Mlp& mlp) {
  Initializer draw(stream, 7);
  return {mlp.initial(draw), options};
}

Trainer::Loss lossOn(const Line& data, const Mlp& mlp) {
  return [data, mlp](Tape& tape, std::span<const Variable> weights) {
    return mseLoss(mlp.forward(weights, tape.constant(data.x)), tape.constant(data.y));
  };
}

bool sameBits(const Weights& a, const Weights& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = a[i].value.host(), y = b[i].value.host();
    if (x.size() != y.size() || std::memcmp(x.data(), y.data(), x.size()) != 0) return false;
  }
  return a.size() == b.size();
}

}  // namespace

TEST_CASE("every optimizer finds the line behind the points") {
  gpu::Stream stream = orrery::testing::openStream();
  const Line data = line();
  const Mlp mlp{{2, 1}, kernels::Unary::relu};
  TrainerOptions sgd, nesterov, adam, adamw;
  sgd.optimizer = {.kind = OptimizerKind::sgd, .learningRate = 0.3};
  nesterov.optimizer = {.kind = OptimizerKind::sgd, .learningRate = 0.05, .momentum = 0.9, .nesterov = true};
  adam.optimizer = {.kind = OptimizerKind::adam, .learningRate = 0.05};
  adamw.optimizer = {.kind = OptimizerKind::adamw, .learningRate = 0.05};
  adamw.clipNorm = 1;
  for (const TrainerOptions& options : {sgd, nesterov, adam, adamw}) {
    Trainer trainer = trainerFor(stream, options, mlp);
    Trainer::Step last;
    for (int i = 0; i < 400; ++i) last = trainer.step(stream, lossOn(data, mlp));
    CHECK(last.loss.toFloats()[0] < 1e-6f);
    const auto w = trainer.weights()[0].value.toFloats(), b = trainer.weights()[1].value.toFloats();
    CHECK(w[0] == Approx(2).margin(1e-2));
    CHECK(w[1] == Approx(-3).margin(1e-2));
    CHECK(b[0] == Approx(0.5).margin(1e-2));
    CHECK(trainer.steps() == 400);
  }
}

TEST_CASE("weights are named and drawn as torch.nn.Sequential's") {
  gpu::Stream stream = orrery::testing::openStream();
  Initializer draw(stream, 1);
  const Weights weights = Mlp{{2, 100, 3}, kernels::Unary::tanh}.initial(draw);
  REQUIRE(weights.size() == 4);
  CHECK(weights[0].name == "0.weight");
  CHECK(weights[1].name == "0.bias");
  CHECK(weights[2].name == "2.weight");
  CHECK(weights[2].value.shape() == Shape{3, 100});
  float largest = 0;
  for (const float v : weights[2].value.toFloats()) largest = std::max(largest, std::abs(v));
  CHECK(largest <= 0.1f);  // 1 / sqrt(100)
  CHECK(largest > 0.09f);  // 300 uniform draws reach 90 % of the bound but for 1e-14
}

TEST_CASE("a checkpoint continues to the same bits, as a copy, as captured tensors and with names") {
  gpu::Stream stream = orrery::testing::openStream();
  const Line data = line();
  const Mlp mlp{{2, 9, 1}, kernels::Unary::tanh};
  TrainerOptions options;
  options.optimizer = {.kind = OptimizerKind::adamw, .learningRate = 0.02, .weightDecay = 0.01};
  options.clipNorm = 0.5, options.averageDecay = 0.9;
  options.schedule = {.kind = Schedule::Kind::cosine, .warmup = 5, .total = 30};
  Trainer trainer = trainerFor(stream, options, mlp);
  const auto start = trainer.capture();
  for (int i = 0; i < 10; ++i) trainer.step(stream, lossOn(data, mlp));
  Trainer copy = trainer, restored = trainerFor(stream, options, mlp), named = trainerFor(stream, options, mlp), again = copy;
  const auto state = trainer.capture();
  CHECK(state.size() == start.size());
  restored.restore(10, state);
  REQUIRE(named.resume(10, trainer.checkpoint()));
  again.restore(0, start);
  for (int i = 0; i < 10; ++i) {
    for (Trainer* t : {&trainer, &copy, &restored, &named}) t->step(stream, lossOn(data, mlp));
  }
  for (int i = 0; i < 20; ++i) again.step(stream, lossOn(data, mlp));
  for (const Trainer* t : {&copy, &restored, &named, &again}) {
    CHECK(sameBits(t->weights(), trainer.weights()));
    CHECK(sameBits(t->average(), trainer.average()));
  }
  CHECK_FALSE(sameBits(trainer.average(), trainer.weights()));
}

TEST_CASE("a model to resume that does not fit is refused by the tensor's name, and nothing changes") {
  gpu::Stream stream = orrery::testing::openStream();
  const Mlp mlp{{2, 3, 1}, kernels::Unary::relu};
  Trainer trainer = trainerFor(stream, {}, mlp);
  const Weights good = trainer.checkpoint();
  const auto refused = [&](Weights state, const std::string& says) {
    const auto result = trainer.resume(0, state);
    REQUIRE_FALSE(result);
    INFO(result.error().message);
    CHECK(result.error().message.find(says) != std::string::npos);
    CHECK(sameBits(trainer.weights(), good));
  };
  Weights missing = good;
  missing.erase(missing.begin() + 2);
  refused(missing, "'2.weight'");
  Weights wrong = good;
  wrong[1].value = Tensor::from(Shape{4}, {1, 2, 3, 4});
  refused(wrong, "should be f32 [3], found f32 [4]");
  Weights nan = good;
  nan[3].value = Tensor::from(Shape{1}, {std::nanf("")});
  refused(nan, "'2.bias' holds NaN at element 0");
  const auto result = trainer.resume(3, good);  // past step 0 the moments are needed
  REQUIRE_FALSE(result);
  CHECK(result.error().message.find("exp_avg.0.weight") != std::string::npos);
}

TEST_CASE("schedules: warm-up, then down to the last value") {
  const Schedule cosine{.kind = Schedule::Kind::cosine, .warmup = 10, .total = 110, .last = 0.1};
  CHECK(cosine.at(0) == Approx(0.1));
  CHECK(cosine.at(9) == Approx(1));
  CHECK(cosine.at(10) == Approx(1));
  CHECK(cosine.at(60) == Approx(0.55));
  CHECK(cosine.at(110) == Approx(0.1));
  CHECK(cosine.at(5000) == Approx(0.1));
  const Schedule linear{.kind = Schedule::Kind::linear, .total = 100};
  CHECK(linear.at(25) == Approx(0.75));
  const Schedule steps{.kind = Schedule::Kind::step, .period = 30, .gamma = 0.5};
  CHECK(steps.at(29) == 1);
  CHECK(steps.at(30) == 0.5);
  CHECK(steps.at(61) == 0.25);
}

TEST_CASE("clipping scales by the global norm, and only downwards") {
  gpu::Stream stream = orrery::testing::openStream();
  const std::vector<Tensor> gradients{Tensor::from(Shape{2}, {3, 0}), Tensor::from(Shape{1, 1}, {4})};
  const auto clipped = clipScale(stream, gradients, 2.5);
  CHECK(clipped.norm.toFloats()[0] == Approx(5));
  CHECK(clipped.scale.toFloats()[0] == Approx(0.5).epsilon(1e-5));
  CHECK(clipScale(stream, gradients, 10).scale.toFloats()[0] == 1);
}
