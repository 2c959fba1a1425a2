// The recipe tiny-clip: which caption belongs to which picture. ShapeWorld singles at 64 x 64 with their captions (templates 0 to 2), a
// small CLIP, symmetric cross entropy over the batch, a learnt temperature; equal captions in a batch are left out of each other's rows.
// The picture's tower may begin as the bundled tiny-vit's, which knows shapes already, so that mostly words are left to learn (Zhai et al.
// 2022, "LiT", whose tower stays as it was; here it goes on learning).
// Held out: the first scenes of the split val. Judged without further training: which of "a red circle", "a red square" ... fits a picture
// best.

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/data/shapeworld.h"
#include "core/modelfile/tensor_file.h"
#include "core/models/bundled.h"
#include "core/models/clip.h"
#include "core/models/pictures.h"
#include "core/models/recipe.h"

namespace orrery::models {
namespace {

std::vector<Setting> settings() {
  return {{"steps", 1500, 1, 1e7, true, "training steps", Setting::free},
          {"batch", 128, 2, 4096, true, "pictures with captions per step"},
          {"learning-rate", 1e-3, 1e-7, 1, false, "peak learning rate", Setting::free},
          {"warmup", 100, 0, 1e6, true, "steps of rising learning rate", Setting::free},
          {"weight-decay", 0.1, 0, 1, false, "AdamW's weight decay"},
          {"width", 96, 8, 1024, true, "width of a token"},
          {"vision-layers", 3, 1, 24, true, "encoder layers of the picture's tower"},
          {"text-layers", 2, 1, 24, true, "encoder layers of the text's tower"},
          {"heads", 4, 1, 16, true, "attention heads"},
          {"embedding", 64, 2, 1024, true, "dimensions of the common space"},
          {"from-vit", 0, 0, 1, true, "1: the picture's tower begins as that of the bundled tiny-vit"},
          {"held-out", 1000, 1, 2000, true, "held-out pictures to judge by", Setting::free},
          {"seed", 1, 0, 4294967295.0, true, "first weights and data"}};
}

constexpr unsigned templates = 7;  // "a red square", "a small red square", "a small red square on a striped background"

class TinyClip : public Training {
 public:
  explicit TinyClip(const Settings& settings) : settings_(settings) {
    config_.visionHeads = config_.textHeads = settings.integer("heads");
    // Heads share the width evenly.
    config_.visionWidth = config_.textWidth =
        std::max<std::int64_t>(settings.integer("width") / config_.visionHeads, 1) * config_.visionHeads;
    config_.visionLayers = settings.integer("vision-layers"), config_.textLayers = settings.integer("text-layers");
    config_.embedding = settings.integer("embedding");
  }

  // Reads tiny-vit's weights under the names they have in a picture's tower.
  Expected<void> prepare() override {
    if (settings_.integer("from-vit") == 0) return {};
    const auto saved = SavedModel::open(bundledFolder("tiny-vit"));
    if (!saved) return saved.error();
    auto file = modelfile::TensorFile::open(saved->weightsPath);
    if (!file) return file.error();
    const auto take = [&](const std::string& theirs, const std::string& ours) -> Expected<void> {
      auto tensor = file->read(theirs);
      if (!tensor) return tensor.error();
      tower_["vision_model." + ours] = *std::move(tensor);
      return {};
    };
    std::vector<std::pair<std::string, std::string>> names{
        {"vit.embeddings.cls_token", "embeddings.class_embedding"},
        {"vit.embeddings.position_embeddings", "embeddings.position_embedding.weight"},
        {"vit.embeddings.patch_embeddings.projection.weight", "embeddings.patch_embedding.weight"},
        {"vit.embeddings.patch_embeddings.projection.bias", "patch-bias"},
        {"vit.layernorm", "post_layernorm"}};
    for (std::int64_t i = 0; i < config_.visionLayers; ++i) {
      const std::string theirs = "vit.encoder.layer." + std::to_string(i) + ".", ours = "encoder.layers." + std::to_string(i) + ".";
      for (const auto& [from, to] : {std::pair{"layernorm_before", "layer_norm1"}, {"attention.attention.query", "self_attn.q_proj"},
                                     {"attention.attention.key", "self_attn.k_proj"}, {"attention.attention.value", "self_attn.v_proj"},
                                     {"attention.output.dense", "self_attn.out_proj"}, {"layernorm_after", "layer_norm2"},
                                     {"intermediate.dense", "mlp.fc1"}, {"output.dense", "mlp.fc2"}}) {
        names.emplace_back(theirs + from, ours + to);
      }
    }
    for (const auto& [theirs, ours] : names) {
      const bool both = !theirs.starts_with("vit.embeddings");  // a matrix or a gain, and what is added
      if (auto taken = both ? take(theirs + ".weight", ours + ".weight") : take(theirs, ours); !taken) return taken;
      if (!both) continue;
      if (auto taken = take(theirs + ".bias", ours + ".bias"); !taken) return taken;
    }
    const auto heads = saved->number("num_attention_heads");
    if (!heads) return heads.error();
    const std::int64_t width = tower_["vision_model.embeddings.class_embedding"].count();
    if (width != config_.visionWidth || *heads != config_.visionHeads) {
      return makeError(ErrorCode::usage, trf("from-vit: tiny-vit has a width of {} and {} heads, the picture's tower {} and {}", width,
                                             *heads, config_.visionWidth, config_.visionHeads));
    }
    adaptEmbeddings();
    return {};
  }

  nn::Weights initial(nn::Initializer& draw) const override {
    nn::Weights weights = initialClip(draw, config_);
    if (tower_.empty()) return weights;
    for (nn::NamedTensor& w : weights) {
      const auto found = tower_.find(w.name);
      if (found != tower_.end()) w.value = found->second.reshaped(w.value.shape());
    }
    return weights;
  }

  nn::TrainerOptions options() const override {
    nn::TrainerOptions o = adamWithCosine(settings_);
    o.optimizer.weightDecay = settings_.number("weight-decay");
    o.optimizer.beta2 = 0.98;  // as OpenAI's for vision transformers
    return o;
  }

  nn::Trainer::Loss loss(std::int64_t step) override {
    const std::int64_t batch = settings_.integer("batch");
    return [this, step, batch](nn::Tape& tape, std::span<const nn::Variable> weights) {
      const Batch b = pictures(tape.stream(), shapeworld::Split::train, step * batch, batch);
      const nn::Variable images = clipImages(weights, tape.constant(b.patches), config_), texts = clipTexts(weights, b.captions, config_);
      return clipLoss(clipLogits(weights, images, texts), clipEqualTexts(b.captions, config_.textLength));
    };
  }

  Expected<std::vector<Judgement>> judge(gpu::Stream& stream, const nn::Weights& weights) override {
    const std::int64_t count = settings_.integer("held-out"), chunk = 100, d = config_.embedding;
    // One vector per prompt, shape by shape; a shape's is the direction of the mean over its colours (section 3.1.4).
    std::vector<std::uint32_t> prompts;
    for (const auto shape : shapeworld::classNames) {
      for (const auto colour : shapeworld::colourNames) {
        const auto tokens = shapeworld::tokenize((colour == "orange" ? "an " : "a ") + std::string(colour) + " " + std::string(shape));
        prompts.insert(prompts.end(), tokens.begin(), tokens.end());
      }
    }
    constexpr std::size_t shapes = shapeworld::classNames.size(), colours = shapeworld::colourNames.size();
    std::vector<double> perPrompt, perShape(shapes * static_cast<std::size_t>(d), 0.0);
    {
      nn::Tape tape(stream);
      const auto values = clipTexts(nn::constants(tape, weights), prompts, config_).value().toFloats();
      perPrompt.assign(values.begin(), values.end());
    }
    for (std::size_t s = 0; s < shapes; ++s) {
      const std::span<double> mean(perShape.data() + s * static_cast<std::size_t>(d), static_cast<std::size_t>(d));
      double squares = 0;
      for (std::size_t k = 0; k < mean.size(); ++k) {
        for (std::size_t c = 0; c < colours; ++c) mean[k] += perPrompt[(s * colours + c) * mean.size() + k];
        squares += mean[k] * mean[k];
      }
      for (double& v : mean) v /= std::sqrt(squares);
    }
    std::int64_t both = 0, shape = 0, retrieved = 0;
    double nats = 0;
    std::int64_t batches = 0;
    for (std::int64_t first = 0; first < count; first += chunk) {
      const std::int64_t n = std::min(chunk, count - first);
      const Batch b = pictures(stream, shapeworld::Split::val, first, n);
      nn::Tape tape(stream);
      const auto w = nn::constants(tape, weights);
      const nn::Variable images = clipImages(w, tape.constant(b.patches), config_), texts = clipTexts(w, b.captions, config_);
      const nn::Variable logits = clipLogits(w, images, texts);
      const Tensor same = clipEqualTexts(b.captions, config_.textLength);
      nats += static_cast<double>(clipLoss(logits, same).value().toFloats()[0]);
      ++batches;
      const auto u = images.value().toFloats(), l = logits.value().toFloats();
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        const std::span<const float> picture(u.data() + i * static_cast<std::size_t>(d), static_cast<std::size_t>(d));
        both += nearestOf(perPrompt, picture) == b.kinds[i] ? 1 : 0;
        shape += nearestOf(perShape, picture) == b.kinds[i] / colours ? 1 : 0;
        // The first text with the highest logit, which may be another with the same words.
        const std::size_t row = i * static_cast<std::size_t>(n);
        const auto best = static_cast<std::size_t>(std::max_element(l.begin() + static_cast<std::ptrdiff_t>(row),
                                                                    l.begin() + static_cast<std::ptrdiff_t>(row) + n) -
                                                   l.begin()) -
                          row;
        const auto text = [&](std::size_t k) { return std::span(b.captions).subspan(k * 16, 16); };
        retrieved += std::ranges::equal(text(best), text(i)) ? 1 : 0;
      }
    }
    const auto share = [&](std::int64_t n) { return static_cast<double>(n) / static_cast<double>(count); };
    const std::string of = std::to_string(count) + " held-out ShapeWorld singles";
    return std::vector<Judgement>{{"zero_shot_32", share(both), of + ", 32 prompts 'a {colour} {shape}'"},
                                  {"zero_shot_4", share(shape), of + ", 4 shapes, each the mean of its 8 prompts"},
                                  {"retrieval", share(retrieved), of + ", own caption among 100"},
                                  {"loss", nats / static_cast<double>(batches), of + ", batches of 100"}};
  }

  nlohmann::json config() const override {
    const auto tower = [&](std::int64_t width, std::int64_t layers, std::int64_t heads) {
      return nlohmann::json{
          {"hidden_size", width},         {"intermediate_size", config_.mlpRatio * width}, {"num_hidden_layers", layers},
          {"num_attention_heads", heads}, {"projection_dim", config_.embedding},           {"layer_norm_eps", config_.epsilon},
          {"hidden_act", "gelu"}};
    };
    auto text = tower(config_.textWidth, config_.textLayers, config_.textHeads);
    text["model_type"] = "clip_text_model";
    text["vocab_size"] = config_.vocabulary;
    text["max_position_embeddings"] = config_.textLength;
    text["pad_token_id"] = 0, text["bos_token_id"] = 1, text["eos_token_id"] = config_.endOfText;
    text["vocabulary"] = shapeworld::vocabulary();
    auto vision = tower(config_.visionWidth, config_.visionLayers, config_.visionHeads);
    vision["model_type"] = "clip_vision_model";
    vision["image_size"] = config_.imageSize, vision["patch_size"] = config_.patchSize, vision["num_channels"] = config_.channels;
    return {{"architectures", {"CLIPModel"}},
            {"model_type", "clip"},
            {"projection_dim", config_.embedding},
            {"logit_scale_init_value", std::log(1 / 0.07)},
            {"image_mean", {0.5, 0.5, 0.5}},
            {"image_std", {0.5, 0.5, 0.5}},
            {"text_config", text},
            {"vision_config", vision}};
  }

 private:
  struct Batch {
    Tensor patches;
    std::vector<std::uint32_t> captions;  // 16 ids each
    std::vector<std::size_t> kinds;       // shape times 8 plus colour
  };

  // A ViT's patches have a bias and go into its layers as they are. CLIP's have none: it is added to their places. And they are normalised
  // first: the gain of that norm becomes their usual deviation. The class token, which is smaller, has to learn anew what that costs it.
  void adaptEmbeddings() {
    const auto bias = tower_["vision_model.patch-bias"].as<float>();
    auto places = tower_["vision_model.embeddings.position_embedding.weight"].toFloats();
    const std::size_t width = bias.size();
    for (std::size_t i = width; i < places.size(); ++i) places[i] += bias[i % width];
    const auto kernel = tower_["vision_model.embeddings.patch_embedding.weight"].as<float>();
    const auto options = shapesOf(shapeworld::Split::train);
    const auto size = static_cast<std::size_t>(config_.imageSize), p = static_cast<std::size_t>(config_.patchSize), side = size / p;
    double variances = 0, count = 0;
    for (std::uint32_t picture = 0; picture < 8; ++picture) {
      const auto rgb = shapeworld::render(shapeworld::makeScene(picture, options), static_cast<int>(size), options).rgb;
      for (std::size_t patch = 0; patch < side * side; ++patch) {
        double sum = 0, squares = 0;
        for (std::size_t w = 0; w < width; ++w) {
          auto value = static_cast<double>(places[(1 + patch) * width + w]);
          for (std::size_t k = 0; k < 3 * p * p; ++k) {
            const std::size_t channel = k / (p * p), y = patch / side * p + k / p % p, x = patch % side * p + k % p;
            value += static_cast<double>(kernel[w * 3 * p * p + k]) * (2.0 * rgb[3 * (y * size + x) + channel] - 255) / 255;
          }
          sum += value, squares += value * value;
        }
        const double mean = sum / static_cast<double>(width);
        variances += squares / static_cast<double>(width) - mean * mean, count += 1;
      }
    }
    tower_["vision_model.embeddings.position_embedding.weight"] = Tensor::from(Shape{static_cast<std::int64_t>(places.size())}, places);
    tower_["vision_model.pre_layrnorm.weight"] =
        Tensor::from(Shape{static_cast<std::int64_t>(width)}, std::vector<float>(width, static_cast<float>(std::sqrt(variances / count))));
  }

  // The row of `directions` with the largest inner product.
  static std::size_t nearestOf(const std::vector<double>& directions, std::span<const float> u) {
    std::size_t best = 0;
    double most = -2;
    for (std::size_t row = 0; row * u.size() < directions.size(); ++row) {
      double product = 0;
      for (std::size_t k = 0; k < u.size(); ++k) product += directions[row * u.size() + k] * static_cast<double>(u[k]);
      if (product > most) most = product, best = row;
    }
    return best;
  }

  shapeworld::Options shapesOf(shapeworld::Split split) const {
    shapeworld::Options options;
    options.seed = static_cast<std::uint64_t>(settings_.integer("seed"));
    options.split = split;
    options.templates = templates;
    return options;
  }

  Batch pictures(gpu::Stream& stream, shapeworld::Split split, std::int64_t first, std::int64_t count) const {
    const auto options = shapesOf(split);
    const auto scenes = scenesFrom(options, first, count);
    Batch batch;
    for (const shapeworld::Scene& scene : scenes) {
      const auto tokens = shapeworld::tokenize(scene.caption);
      batch.captions.insert(batch.captions.end(), tokens.begin(), tokens.end());
      const shapeworld::Object& object = scene.objects.at(0);
      batch.kinds.push_back(static_cast<std::size_t>(object.shape) * shapeworld::colourNames.size() +
                            static_cast<std::size_t>(object.colour));
    }
    batch.patches = clipPatches(stream, drawn(stream, scenes, options, config_.imageSize), config_);
    return batch;
  }

  Settings settings_;
  ClipConfig config_;
  std::map<std::string, Tensor> tower_;  // tiny-vit's weights by their names here; empty: all weights are drawn
};

std::unique_ptr<Training> make(const Settings& settings) { return std::make_unique<TinyClip>(settings); }

const Registration<Recipe> registration{
    {"tiny-clip", "Which caption belongs to which ShapeWorld picture: a CLIP of two small transformers", settings, make}};

}  // namespace
}  // namespace orrery::models
