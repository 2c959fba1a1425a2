// CLIP: both towers are the published ones, the loss has its known values, equal captions are left out, and tiny-clip learns.

#include "core/models/clip.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/data/shapeworld.h"
#include "core/models/bundled.h"
#include "core/models/vit.h"
#include "tests/models/plain.h"

using namespace orrery;
using namespace orrery::models;
using namespace orrery::testing;

namespace {

ClipConfig smallConfig() {
  ClipConfig c;
  c.imageSize = 16, c.patchSize = 4, c.visionWidth = 24, c.visionLayers = 2, c.visionHeads = 3;
  c.vocabulary = 20, c.textLength = 8, c.textWidth = 16, c.textLayers = 2, c.textHeads = 2, c.embedding = 12;
  return c;
}

Values plainEncoder(const PlainWeights& w, Values x, const std::string& tower, std::int64_t layers, std::size_t d, std::size_t heads,
                    bool causal, double epsilon) {
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const std::string at = tower + ".encoder.layers." + std::to_string(layer) + ".";
    const Values y = w.norm(x, at + "layer_norm1", epsilon);
    addTo(x, w.dense(plainAttention(w.dense(y, at + "self_attn.q_proj"), w.dense(y, at + "self_attn.k_proj"),
                                    w.dense(y, at + "self_attn.v_proj"), d, heads, causal),
                     at + "self_attn.out_proj"));
    Values inner = w.dense(w.norm(x, at + "layer_norm2", epsilon), at + "mlp.fc1");
    for (double& v : inner) v = kernels::unaryReference(kernels::Unary::gelu, v);
    addTo(x, w.dense(inner, at + "mlp.fc2"));
  }
  return x;
}

// feature [d] through a matrix [embedding, d] to a unit vector.
Values projected(const Values& feature, const Values& matrix) {
  Values y;
  double squares = 0;
  for (std::size_t row = 0; row < matrix.size() / feature.size(); ++row) {
    double sum = 0;
    for (std::size_t i = 0; i < feature.size(); ++i) sum += matrix[row * feature.size() + i] * feature[i];
    y.push_back(sum);
    squares += sum * sum;
  }
  for (double& v : y) v /= std::sqrt(squares);
  return y;
}

Values plainImage(const nn::Weights& weights, const ClipConfig& c, const std::vector<float>& picture) {
  const PlainWeights w(weights);
  const auto d = static_cast<std::size_t>(c.visionWidth), p = static_cast<std::size_t>(c.patchSize),
             size = static_cast<std::size_t>(c.imageSize);
  const Values cls = w("vision_model.embeddings.class_embedding"), kernel = w("vision_model.embeddings.patch_embedding.weight"),
               places = w("vision_model.embeddings.position_embedding.weight");
  Values x = cls;
  const Values patches = plainPatches(picture, kernel, 3, size, p);
  x.insert(x.end(), patches.begin(), patches.end());
  addTo(x, places);
  x = plainEncoder(w, w.norm(x, "vision_model.pre_layrnorm", c.epsilon), "vision_model", c.visionLayers, d,
                   static_cast<std::size_t>(c.visionHeads), false, c.epsilon);
  return projected(w.norm(Values(x.begin(), x.begin() + c.visionWidth), "vision_model.post_layernorm", c.epsilon),
                   w("visual_projection.weight"));
}

Values plainText(const nn::Weights& weights, const ClipConfig& c, const std::vector<std::uint32_t>& tokens) {
  const PlainWeights w(weights);
  const auto d = static_cast<std::size_t>(c.textWidth);
  const Values table = w("text_model.embeddings.token_embedding.weight"), places = w("text_model.embeddings.position_embedding.weight");
  Values x;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    for (std::size_t i = 0; i < d; ++i) x.push_back(table[tokens[t] * d + i] + places[t * d + i]);
  }
  x = w.norm(plainEncoder(w, x, "text_model", c.textLayers, d, static_cast<std::size_t>(c.textHeads), true, c.epsilon),
             "text_model.final_layer_norm", c.epsilon);
  const auto end = std::find(tokens.begin(), tokens.end(), 2u) - tokens.begin();
  return projected(Values(x.begin() + end * c.textWidth, x.begin() + (end + 1) * c.textWidth), w("text_projection.weight"));
}

double lossOf(gpu::Stream& stream, const std::vector<float>& cosines, std::int64_t batch, double scale, const Tensor& same = {}) {
  nn::Tape tape(stream);
  const nn::Variable logits = nn::affine(tape.constant(Tensor::from(Shape{batch, batch}, cosines)), scale, 0);
  return static_cast<double>(clipLoss(logits, same).value().toFloats()[0]);
}

}  // namespace

TEST_CASE("CLIP's towers are the published ones: features equal plain double-precision forward passes") {
  gpu::Stream stream = orrery::testing::openStream();
  const ClipConfig c = smallConfig();
  nn::Initializer draw(stream, 3);
  nn::Weights weights = initialClip(draw, c);
  shake(weights, 0.2);
  const auto pixels = kernels::testFloats(2 * 3 * 16 * 16, 91, -1, 1);
  // [bos] words [eos] [pad] ...: behind [eos] nothing counts, whatever stands there.
  const std::vector<std::uint32_t> tokens{1, 7, 9, 2, 0, 0, 0, 0, 1, 19, 3, 5, 8, 7, 12, 2};
  nn::Tape tape(stream);
  auto constants = nn::constants(tape, weights);
  const Tensor patches = clipPatches(stream, Tensor::from(Shape{2, 3, 16, 16}, pixels), c);
  const nn::Variable images = clipImages(constants, tape.constant(patches), c), texts = clipTexts(constants, tokens, c);
  Values expectedImages, expectedTexts;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto at = [&](std::size_t k, std::size_t n) { return static_cast<std::ptrdiff_t>(k * n); };
    const Values u = plainImage(weights, c, {pixels.begin() + at(i, 768), pixels.begin() + at(i + 1, 768)}),
                 v = plainText(weights, c, {tokens.begin() + at(i, 8), tokens.begin() + at(i + 1, 8)});
    expectedImages.insert(expectedImages.end(), u.begin(), u.end());
    expectedTexts.insert(expectedTexts.end(), v.begin(), v.end());
  }
  // f32 through two layers: some tens of roundings of values of size one.
  CHECK(compare(images.value(), expectedImages).worst < 2e-5);
  CHECK(compare(texts.value(), expectedTexts).worst < 2e-5);

  // Logits: e^s u v, and e^s never exceeds 100.
  const double s = static_cast<double>(weights[0].value.toFloats()[0]);
  CHECK(weights[0].name == "logit_scale");
  double product = 0;
  for (std::size_t k = 0; k < 12; ++k) product += expectedImages[k] * expectedTexts[12 + k];
  CHECK(static_cast<double>(clipLogits(constants, images, texts).value().toFloats()[1]) == Approx(std::exp(s) * product).epsilon(1e-4));
  constants[0] = tape.constant(Tensor::from(Shape{}, {7.0f}));
  CHECK(static_cast<double>(clipLogits(constants, images, texts).value().toFloats()[1]) == Approx(100 * product).epsilon(1e-4));

  // What stands behind [eos] is not seen.
  auto other = tokens;
  other[5] = 11;
  CHECK(clipTexts(constants, other, c).value().toFloats() == texts.value().toFloats());
}

TEST_CASE("CLIP's loss has its known values") {
  gpu::Stream stream = orrery::testing::openStream();
  // All features equal: ln B.
  CHECK(lossOf(stream, std::vector<float>(256 * 256, 1.0f), 256, 14.2857) == Approx(std::log(256)).epsilon(1e-6));
  // Orthonormal pairs that fit: ln(1 + (B - 1) e^(-1 / tau)).
  std::vector<float> identity(32 * 32, 0.0f);
  for (std::size_t i = 0; i < 32; ++i) identity[i * 33] = 1;
  CHECK(lossOf(stream, identity, 32, 1 / 0.5) == Approx(std::log(1 + 31 * std::exp(-2.0))).epsilon(1e-5));
  // Three pairs, computed independently: the mean of the losses of rows and columns.
  const std::vector<float> cosines{0.9f, 0.1f, 0, 0.2f, 0.8f, 0.1f, 0, 0.3f, 0.7f};
  CHECK(lossOf(stream, cosines, 3, 1) == Approx(0.70163098).epsilon(1e-6));
  CHECK(lossOf(stream, cosines, 3, 10) == Approx(0.00582151).epsilon(1e-4));
}

TEST_CASE("equal captions in a batch neither match nor mismatch") {
  gpu::Stream stream = orrery::testing::openStream();
  CHECK(clipEqualTexts(std::vector<std::uint32_t>{1, 5, 2, 1, 6, 2, 1, 7, 2}, 3).empty());
  const Tensor same = clipEqualTexts(std::vector<std::uint32_t>{1, 5, 2, 1, 6, 2, 1, 5, 2}, 3);
  const float hidden = -1e30f;
  CHECK(same.toFloats() == std::vector<float>{0, 0, hidden, 0, 0, 0, hidden, 0, 0});
  // Rows and columns 0 and 2 then have two entries, the others three.
  const std::vector<float> cosines{0.9f, 0.1f, 0.8f, 0.2f, 0.8f, 0.1f, 0.5f, 0.3f, 0.7f};
  double expected = 0;
  for (const bool columns : {false, true}) {
    for (std::size_t i = 0; i < 3; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < 3; ++j) {
        if (i != j && i != 1 && j != 1) continue;
        sum += std::exp(3 * static_cast<double>(cosines[columns ? j * 3 + i : i * 3 + j]));
      }
      expected += (std::log(sum) - 3 * static_cast<double>(cosines[i * 4])) / 6;
    }
  }
  CHECK(lossOf(stream, cosines, 3, 3, same) == Approx(expected).epsilon(1e-5));
}

TEST_CASE("CLIP's weights have Hugging Face's names, and the plan's towers their number of parameters") {
  gpu::Stream stream = orrery::testing::openStream();
  nn::Initializer draw(stream, 1);
  const nn::Weights weights = initialClip(draw, ClipConfig());
  CHECK(shapeOf(weights, "logit_scale") == Shape{});
  CHECK(shapeOf(weights, "text_model.embeddings.token_embedding.weight") == Shape{64, 96});
  CHECK(shapeOf(weights, "text_model.embeddings.position_embedding.weight") == Shape{16, 96});
  CHECK(shapeOf(weights, "text_model.encoder.layers.1.self_attn.out_proj.weight") == Shape{96, 96});
  CHECK(shapeOf(weights, "text_model.encoder.layers.1.mlp.fc2.weight") == Shape{96, 384});
  CHECK(shapeOf(weights, "text_model.final_layer_norm.bias") == Shape{96});
  CHECK(shapeOf(weights, "vision_model.embeddings.class_embedding") == Shape{96});
  CHECK(shapeOf(weights, "vision_model.embeddings.patch_embedding.weight") == Shape{96, 3, 8, 8});
  CHECK(shapeOf(weights, "vision_model.embeddings.position_embedding.weight") == Shape{65, 96});
  CHECK(shapeOf(weights, "vision_model.pre_layrnorm.weight") == Shape{96});
  CHECK(shapeOf(weights, "vision_model.encoder.layers.2.layer_norm2.weight") == Shape{96});
  CHECK(shapeOf(weights, "vision_model.post_layernorm.weight") == Shape{96});
  CHECK(shapeOf(weights, "visual_projection.weight") == Shape{64, 96});
  CHECK(shapeOf(weights, "text_projection.weight") == Shape{64, 96});
  // The text tower: tables, two layers of 12 d^2 + 13 d, the last norm. The specification's TinyText, which counts a table of outputs less.
  std::int64_t text = 0;
  for (const auto& w : weights) text += w.name.starts_with("text_model.") ? w.value.count() : 0;
  CHECK(text == (64 + 16) * 96 + 2 * (12 * 96 * 96 + 13 * 96) + 2 * 96);
}

TEST_CASE("tiny-clip trains: the loss falls from ln of the batch, the same way every time") {
  gpu::Stream stream = orrery::testing::openStream();
  const auto* recipe = findRegistered<Recipe>("tiny-clip");
  REQUIRE(recipe != nullptr);
  const Settings settings = settingsOf(*recipe, {"width=32", "vision-layers=1", "text-layers=1", "heads=2", "batch=16", "warmup=2",
                                                 "steps=40", "embedding=16", "learning-rate=0.003", "held-out=64"});
  const auto run = trainShortly(stream, *recipe, settings, 40, true);
  CHECK(run.losses.front() < 2 * std::log(16));
  CHECK(run.losses.back() < 0.5 * run.losses.front());
  CHECK(trainShortly(stream, *recipe, settings, 40, true).losses == run.losses);
  const auto judged = run.training->judge(stream, run.trainer.weights());
  REQUIRE(judged);
  REQUIRE(judged->size() == 4);
  CHECK(judged->at(0).name == "zero_shot_32");
  CHECK(judged->at(1).name == "zero_shot_4");
  for (std::size_t k = 0; k < 3; ++k) {
    CHECK(judged->at(k).value >= 0);
    CHECK(judged->at(k).value <= 1);
  }
  const auto config = run.training->config();
  CHECK(config["model_type"] == "clip");
  CHECK(config["text_config"]["vocabulary"].size() == 64);
  CHECK(config["vision_config"]["hidden_size"] == 32);
}

TEST_CASE("a picture's tower can begin as tiny-vit's") {
  gpu::Stream stream = orrery::testing::openStream();
  const auto* recipe = findRegistered<Recipe>("tiny-clip");
  REQUIRE(recipe != nullptr);
  const auto vit = TrainedVit::open(stream, bundledFolder("tiny-vit"));
  REQUIRE(vit);
  const auto training = recipe->make(settingsOf(*recipe, {"from-vit=1"}));
  REQUIRE(training->prepare());
  nn::Initializer draw(stream, 1), again(stream, 1);
  const nn::Weights weights = training->initial(draw), drawn = initialClip(again, ClipConfig());
  REQUIRE(weights.size() == drawn.size());
  const auto named = [](const nn::Weights& list, const std::string& name) {
    const auto found = std::find_if(list.begin(), list.end(), [&](const nn::NamedTensor& w) { return w.name == name; });
    REQUIRE(found != list.end());
    return found->value;
  };
  for (const auto& [ours, theirs] :
       {std::pair{"encoder.layers.0.self_attn.k_proj.weight", "encoder.layer.0.attention.attention.key.weight"},
        {"encoder.layers.1.self_attn.v_proj.bias", "encoder.layer.1.attention.attention.value.bias"},
        {"encoder.layers.2.self_attn.q_proj.weight", "encoder.layer.2.attention.attention.query.weight"},
        {"encoder.layers.2.self_attn.out_proj.weight", "encoder.layer.2.attention.output.dense.weight"},
        {"encoder.layers.0.layer_norm1.bias", "encoder.layer.0.layernorm_before.bias"},
        {"encoder.layers.1.layer_norm2.weight", "encoder.layer.1.layernorm_after.weight"},
        {"encoder.layers.2.mlp.fc1.weight", "encoder.layer.2.intermediate.dense.weight"},
        {"encoder.layers.0.mlp.fc2.bias", "encoder.layer.0.output.dense.bias"},
        {"embeddings.class_embedding", "embeddings.cls_token"},
        {"embeddings.patch_embedding.weight", "embeddings.patch_embeddings.projection.weight"},
        {"post_layernorm.weight", "layernorm.weight"}}) {
    INFO(ours);
    CHECK(named(weights, std::string("vision_model.") + ours).toFloats() == named(vit->weights, std::string("vit.") + theirs).toFloats());
  }
  // Every tensor of the picture's tower but the projection is tiny-vit's, of the shape it has in a CLIP; all others are drawn as ever.
  for (std::size_t i = 0; i < weights.size(); ++i) {
    INFO(weights[i].name);
    CHECK(weights[i].value.shape() == drawn[i].value.shape());
    const bool tower = weights[i].name.starts_with("vision_model.") && weights[i].name != "vision_model.pre_layrnorm.bias";
    CHECK((weights[i].value.toFloats() == drawn[i].value.toFloats()) != tower);
  }
  // The patches' bias went into the places behind the class token's.
  const auto places = named(weights, "vision_model.embeddings.position_embedding.weight").toFloats();
  const auto before = named(vit->weights, "vit.embeddings.position_embeddings").toFloats();
  const auto bias = named(vit->weights, "vit.embeddings.patch_embeddings.projection.bias").toFloats();
  CHECK(places[5] == before[5]);
  CHECK(places[96 * 7 + 5] == before[96 * 7 + 5] + bias[5]);

  const auto other = recipe->make(settingsOf(*recipe, {"from-vit=1", "width=64"}))->prepare();
  REQUIRE_FALSE(other);
  CHECK(other.error().message.find("the picture's tower 64 and 4") != std::string::npos);
  CHECK_FALSE(recipe->make(settingsOf(*recipe, {"from-vit=1", "vision-layers=4"}))->prepare());
}
