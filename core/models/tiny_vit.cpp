// The recipe tiny-vit: which shape is in the picture. ShapeWorld singles at 64 x 64, a ViT of 8 x 8 patches, cross entropy, AdamW, warm-up
// and cosine. Held out: the first scenes of the split val, whose random numbers training never draws.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/data/shapeworld.h"
#include "core/data/shapeworld_table.h"
#include "core/kernels/shapeworld_raster.h"
#include "core/models/recipe.h"
#include "core/models/vit.h"

namespace orrery::models {
namespace {

std::vector<Setting> settings() {
  return {{"steps", 1500, 1, 1e7, true, "training steps"},
          {"batch", 64, 1, 4096, true, "pictures per step"},
          {"learning-rate", 1e-3, 1e-7, 1, false, "peak learning rate"},
          {"warmup", 100, 0, 1e6, true, "steps of rising learning rate"},
          {"weight-decay", 0.05, 0, 1, false, "AdamW's weight decay"},
          {"width", 96, 8, 1024, true, "width of a token"},
          {"layers", 3, 1, 24, true, "encoder layers"},
          {"heads", 4, 1, 16, true, "attention heads"},
          {"held-out", 1000, 1, 2000, true, "held-out pictures to judge by"},
          {"seed", 1, 0, 4294967295.0, true, "first weights and data"}};
}

class TinyVit : public Training {
 public:
  explicit TinyVit(const Settings& settings) : settings_(settings) {
    config_.width = settings.integer("width"), config_.layers = settings.integer("layers"), config_.heads = settings.integer("heads");
    // Heads share the width evenly.
    config_.width = std::max<std::int64_t>(config_.width / config_.heads, 1) * config_.heads;
  }

  nn::Weights initial(nn::Initializer& draw) const override { return initialVit(draw, config_); }

  nn::TrainerOptions options() const override {
    nn::TrainerOptions o;
    o.optimizer.kind = nn::OptimizerKind::adamw;
    o.optimizer.learningRate = settings_.number("learning-rate");
    o.optimizer.weightDecay = settings_.number("weight-decay");
    o.schedule.kind = nn::Schedule::Kind::cosine;
    o.schedule.warmup = settings_.integer("warmup");
    o.schedule.total = settings_.integer("steps");
    o.clipNorm = 1;
    return o;
  }

  nn::Trainer::Loss loss(std::int64_t step) override {
    const std::int64_t batch = settings_.integer("batch");
    return [this, step, batch](nn::Tape& tape, std::span<const nn::Variable> weights) {
      const Batch b = pictures(tape.stream(), shapeworld::Split::train, step * batch, batch);
      return nn::crossEntropy(vitForward(weights, tape.constant(b.patches), config_), b.classes);
    };
  }

  Expected<std::vector<Judgement>> judge(gpu::Stream& stream, const nn::Weights& weights) override {
    const std::int64_t count = settings_.integer("held-out"), chunk = 128;
    std::int64_t right = 0;
    double nats = 0;
    for (std::int64_t first = 0; first < count; first += chunk) {
      const std::int64_t n = std::min(chunk, count - first);
      const Batch b = pictures(stream, shapeworld::Split::val, first, n);
      nn::Tape tape(stream);
      std::vector<nn::Variable> constants;
      for (const nn::NamedTensor& w : weights) constants.push_back(tape.constant(w.value));
      const nn::Variable logits = vitForward(constants, tape.constant(b.patches), config_);
      nats += static_cast<double>(nn::crossEntropy(logits, b.classes).value().toFloats()[0]) * static_cast<double>(n);
      const auto values = logits.value().as<float>();
      const auto wanted = b.classes.as<std::uint32_t>();
      for (std::int64_t i = 0; i < n; ++i) {
        const auto row = values.subspan(static_cast<std::size_t>(4 * i), 4);
        right += static_cast<std::uint32_t>(std::max_element(row.begin(), row.end()) - row.begin()) == wanted[static_cast<std::size_t>(i)]
                     ? 1
                     : 0;
      }
    }
    const std::string of = std::to_string(count) + " held-out ShapeWorld singles";
    return std::vector<Judgement>{{"accuracy", static_cast<double>(right) / static_cast<double>(count), of},
                                  {"cross_entropy", nats / static_cast<double>(count), of}};
  }

  nlohmann::json config() const override {
    return {{"architectures", {"ViTForImageClassification"}},
            {"model_type", "vit"},
            {"image_size", config_.imageSize},
            {"patch_size", config_.patchSize},
            {"num_channels", config_.channels},
            {"hidden_size", config_.width},
            {"num_hidden_layers", config_.layers},
            {"num_attention_heads", config_.heads},
            {"intermediate_size", config_.mlpRatio * config_.width},
            {"hidden_act", "gelu"},
            {"layer_norm_eps", config_.epsilon},
            {"qkv_bias", true},
            {"image_mean", {0.5, 0.5, 0.5}},
            {"image_std", {0.5, 0.5, 0.5}},
            {"id2label", {{"0", "circle"}, {"1", "square"}, {"2", "triangle"}, {"3", "star"}}}};
  }

 private:
  struct Batch {
    Tensor patches, classes;
  };

  Batch pictures(gpu::Stream& stream, shapeworld::Split split, std::int64_t first, std::int64_t count) const {
    shapeworld::Options options;
    options.seed = static_cast<std::uint64_t>(settings_.integer("seed"));
    options.split = split;
    std::vector<shapeworld::Scene> scenes;
    std::vector<std::uint32_t> classes;
    for (std::int64_t i = 0; i < count; ++i) {
      scenes.push_back(shapeworld::makeScene(static_cast<std::uint32_t>(first + i), options));
      classes.push_back(static_cast<std::uint32_t>(scenes.back().objects.at(0).shape));
    }
    const Tensor images = kernels::shapeWorldImages(stream, shapeworld::drawTable(scenes, options), static_cast<int>(config_.imageSize));
    return {vitPatches(stream, images, config_), Tensor::from(Shape{count}, classes)};
  }

  Settings settings_;
  VitConfig config_;
};

std::unique_ptr<Training> make(const Settings& settings) { return std::make_unique<TinyVit>(settings); }

const Registration<Recipe> registration{
    {"tiny-vit", "Which of four shapes is in the picture: a vision transformer on ShapeWorld", settings, make}};

}  // namespace
}  // namespace orrery::models
