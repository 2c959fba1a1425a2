// Memory that runs out in the middle of a training step: wherever it happens, the step has not happened, and can be repeated.

#include <cstring>

#include "core/kernels/check_support.h"
#include "core/nn/layers.h"
#include "core/nn/trainer.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::nn;

TEST_CASE("a step that runs out of memory at any of its allocations leaves the state as it was and goes on to the same bits") {
  gpu::Stream stream = orrery::testing::openStream();
  const Mlp mlp{{2, 8, 1}, kernels::Unary::gelu};
  const Tensor inputs = Tensor::from(Shape{16, 2}, kernels::testFloats(32, 5, -1, 1)),
               targets = Tensor::from(Shape{16, 1}, kernels::testFloats(16, 6, -1, 1));
  const Trainer::Loss loss = [&](Tape& tape, std::span<const Variable> weights) {
    return mseLoss(mlp.forward(weights, tape.constant(inputs)), tape.constant(targets));
  };
  const auto sameBits = [](const Weights& a, const Weights& b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      const auto x = a[i].value.host(), y = b[i].value.host();
      if (a[i].name != b[i].name || x.size() != y.size() || std::memcmp(x.data(), y.data(), x.size()) != 0) return false;
    }
    return a.size() == b.size();
  };
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adamw}) {
    TrainerOptions options;
    options.optimizer.kind = kind, options.optimizer.momentum = 0.9;
    options.clipNorm = 1;
    options.averageDecay = 0.9;
    Initializer draw(stream, 7);
    Trainer trainer(mlp.initial(draw), options);
    trainer.step(stream, loss);
    stream.finish();
    Trainer undisturbed = trainer;
    undisturbed.step(stream, loss);
    const Weights before = trainer.checkpoint(), after = undisturbed.checkpoint();
    int failures = 0;
    for (int allocation = 1;; ++allocation) {
      Trainer disturbed = trainer;
      stream.device().injectOutOfMemory(allocation);
      bool thrown = false;
      try {
        disturbed.step(stream, loss);
      } catch (const gpu::OutOfMemory&) {
        thrown = true;
      }
      stream.device().injectOutOfMemory(0);
      INFO("allocation " << allocation);
      if (thrown) {
        ++failures;
        REQUIRE(disturbed.steps() == 1);
        REQUIRE(sameBits(disturbed.checkpoint(), before));
        disturbed.step(stream, loss);
      }
      REQUIRE(disturbed.steps() == 2);
      REQUIRE(sameBits(disturbed.checkpoint(), after));
      // Past its last allocation nothing fails.
      if (!thrown) break;
    }
    // Forward, backward, the norm, four weights with their moments and averages: some dozens.
    CHECK(failures > 30);
  }
}
