// Recipes: settings are checked, a step lowers the loss, the forward pass is the published ViT's, a checkpoint continues.

#include "core/models/recipe.h"

#include <algorithm>
#include <cmath>

#include "core/models/vit.h"
#include "tests/models/plain.h"

using namespace orrery;
using namespace orrery::models;
using namespace orrery::testing;

namespace {

// The ViT in double precision with plain loops, on one image: Dosovitskiy et al. 2021, equations 1 to 4.
Values plainVit(const nn::Weights& weights, const VitConfig& c, const std::vector<float>& image) {
  const PlainWeights w(weights);
  const auto d = static_cast<std::size_t>(c.width);
  const Values bias = w("vit.embeddings.patch_embeddings.projection.bias");
  Values x = w("vit.embeddings.cls_token");
  const Values patches = plainPatches(image, w("vit.embeddings.patch_embeddings.projection.weight"), 3,
                                      static_cast<std::size_t>(c.imageSize), static_cast<std::size_t>(c.patchSize));
  for (std::size_t i = 0; i < patches.size(); ++i) x.push_back(patches[i] + bias[i % d]);
  addTo(x, w("vit.embeddings.position_embeddings"));
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string at = "vit.encoder.layer." + std::to_string(layer) + ".";
    const Values y = w.norm(x, at + "layernorm_before", c.epsilon);
    addTo(x, w.dense(plainAttention(w.dense(y, at + "attention.attention.query"), w.dense(y, at + "attention.attention.key"),
                                    w.dense(y, at + "attention.attention.value"), d, static_cast<std::size_t>(c.heads), false),
                     at + "attention.output.dense"));
    Values inner = w.dense(w.norm(x, at + "layernorm_after", c.epsilon), at + "intermediate.dense");
    for (double& value : inner) value = kernels::unaryReference(kernels::Unary::gelu, value);
    addTo(x, w.dense(inner, at + "output.dense"));
  }
  const Values y = w.norm(x, "vit.layernorm", c.epsilon);
  return w.dense(Values(y.begin(), y.begin() + c.width), "classifier");
}

}  // namespace

TEST_CASE("the ViT is the published one: logits equal a plain double-precision forward pass") {
  gpu::Stream stream = orrery::testing::openStream();
  VitConfig config;
  config.imageSize = 16, config.patchSize = 4, config.width = 24, config.layers = 2, config.heads = 3;
  nn::Initializer draw(stream, 3);
  nn::Weights weights = initialVit(draw, config);
  shake(weights, 0.3);
  const auto pixels = kernels::testFloats(2 * 3 * 16 * 16, 91, -1, 1);
  nn::Tape tape(stream);
  const auto constants = nn::constants(tape, weights);
  const Tensor patches = vitPatches(stream, Tensor::from(Shape{2, 3, 16, 16}, pixels), config);
  CHECK(patches.shape() == Shape{2, 20, 48});  // 17 tokens, padded to whole texels
  const Tensor logits = vitForward(constants, tape.constant(patches), config).value();
  Values expected;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::vector<float> image(pixels.begin() + static_cast<std::ptrdiff_t>(i * 768),
                                   pixels.begin() + static_cast<std::ptrdiff_t>((i + 1) * 768));
    const Values row = plainVit(weights, config, image);
    expected.insert(expected.end(), row.begin(), row.end());
  }
  // f32 through two layers: some tens of roundings of values of size one.
  CHECK(compare(logits, expected).worst < 2e-5);
}

TEST_CASE("the plan's TinyViT has the parameters the specification counts, with a classifier") {
  gpu::Stream stream = orrery::testing::openStream();
  nn::Initializer draw(stream, 1);
  std::int64_t parameters = 0;
  for (const auto& w : initialVit(draw, VitConfig())) parameters += w.value.count();
  CHECK(parameters == 360576 + 4 * 96 + 4);
}

TEST_CASE("settings take what is declared and name what is not") {
  Settings settings({{"batch", 64, 1, 4096, true, ""}, {"learning-rate", 1e-3, 1e-7, 1, false, ""}});
  CHECK(settings.set("batch=32"));
  CHECK(settings.set("learning-rate=2e-4"));
  CHECK(settings.integer("batch") == 32);
  CHECK(settings.number("learning-rate") == 2e-4);
  for (const auto& [text, says] : {std::pair{"batch", "setting=value"},
                                   {"batch=0", "from 1 to 4096"},
                                   {"batch=2.5", "whole number"},
                                   {"batch=", "whole number"},
                                   {"width=3", "it has batch, learning-rate"},
                                   {"learning-rate=nan", "number from"}}) {
    const auto refused = settings.set(text);
    INFO(text);
    REQUIRE_FALSE(refused);
    INFO(refused.error().message);
    CHECK(refused.error().code == ErrorCode::usage);
    CHECK(refused.error().message.find(says) != std::string::npos);
  }
  CHECK(settings.integer("batch") == 32);
}

TEST_CASE("tiny-vit trains: the loss of a small one falls, the same way every time") {
  gpu::Stream stream = orrery::testing::openStream();
  const auto* recipe = findRegistered<Recipe>("tiny-vit");
  REQUIRE(recipe != nullptr);
  const Settings settings =
      settingsOf(*recipe, {"width=32", "layers=1", "heads=2", "batch=16", "warmup=2", "steps=30", "learning-rate=0.003", "held-out=32"});
  const auto run = trainShortly(stream, *recipe, settings, 30, true);
  // A classifier of zeros: the logarithm of 4 for the picture, and half of it for its patches.
  CHECK(run.losses.front() == Approx(1.5 * std::log(4)).margin(1e-3));
  CHECK(run.losses.back() < 0.8 * run.losses.front());
  CHECK(trainShortly(stream, *recipe, settings, 30, true).losses == run.losses);
  const auto judged = run.training->judge(stream, run.trainer.weights());
  REQUIRE(judged);
  CHECK(judged->at(0).name == "accuracy");
  CHECK(judged->at(0).value >= 0);
  CHECK(judged->at(0).value <= 1);
}
