// The recipe tiny-vit: which shape is in the picture. ShapeWorld singles at 64 x 64, a ViT of 8 x 8 patches, cross entropy, AdamW, warm-up
// and cosine. Two things make it learn within an hour of a CPU. Easy pictures come first: the smallest radius falls from 400 lattice units
// to 112, that of the smallest shapes, over a share of the steps (Bengio et al. 2009). And the patches that the shape touches must name it,
// too, by the same classifier (token labelling, Jiang et al. 2021). Held out: the first scenes of the split val, of all sizes, whose random
// numbers training never draws.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/data/shapeworld.h"
#include "core/kernels/interpolate.h"
#include "core/kernels/slice.h"
#include "core/models/pictures.h"
#include "core/models/recipe.h"
#include "core/models/vit.h"

namespace orrery::models {
namespace {

std::vector<Setting> settings() {
  return {{"steps", 3000, 1, 1e7, true, "training steps", Setting::free},
          {"batch", 64, 1, 4096, true, "pictures per step"},
          {"learning-rate", 2e-3, 1e-7, 1, false, "peak learning rate", Setting::free},
          {"warmup", 100, 0, 1e6, true, "steps of rising learning rate", Setting::free},
          {"weight-decay", 0.05, 0, 1, false, "AdamW's weight decay"},
          {"width", 96, 8, 1024, true, "width of a token"},
          {"layers", 3, 1, 24, true, "encoder layers"},
          {"heads", 4, 1, 16, true, "attention heads"},
          {"easy-first", 0.7, 0, 1, false, "share of the steps over which smaller shapes come in"},
          {"token-weight", 0.5, 0, 10, false, "weight of the patches' own loss"},
          {"doubled", 0, 0, 1, false, "share of pictures drawn at half the size and enlarged, as smaller pictures are seen"},
          {"held-out", 1000, 1, 2000, true, "held-out pictures to judge by", Setting::free},
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
    nn::TrainerOptions o = adamWithCosine(settings_);
    o.optimizer.weightDecay = settings_.number("weight-decay");
    o.optimizer.beta2 = 0.99;
    return o;
  }

  nn::Trainer::Loss loss(std::int64_t step) override {
    return [this, step](nn::Tape& tape, std::span<const nn::Variable> weights) {
      const std::int64_t batch = settings_.integer("batch"), n = config_.paddedTokens();
      const std::int64_t doubled = std::lround(settings_.number("doubled") * static_cast<double>(batch));
      const Batch b = pictures(tape.stream(), shapeworld::Split::train, easyScenes(step, batch, doubled), doubled);
      const nn::Variable tokens = vitTokens(weights, tape.constant(b.patches), config_);
      const nn::Variable logits = nn::reshape(vitClassify(weights, tokens), Shape{batch * n, config_.classes});
      // Means over all tokens, of which few count: times their number over that of those.
      const nn::Variable picture = nn::affine(nn::crossEntropy(logits, b.pictureTargets), static_cast<double>(n), 0);
      const double scale = settings_.number("token-weight") * static_cast<double>(batch * n) / std::max(b.touched, 1.0);
      return nn::add(picture, nn::affine(nn::crossEntropy(logits, b.patchTargets), scale, 0));
    };
  }

  // On singles of all sizes; and on those that tiny-dit knows, drawn at half the size and enlarged, since this network judges its samples.
  Expected<std::vector<Judgement>> judge(gpu::Stream& stream, const nn::Weights& weights) override {
    const std::int64_t count = settings_.integer("held-out");
    const auto options = shapes(shapeworld::Split::val);
    const auto [right, nats] = judged(stream, weights, scenesFrom(options, 0, count), false);
    const double rightDoubled = judged(stream, weights, largeScenes(options, 0, count, 384), true).first;
    const std::string of = std::to_string(count) + " held-out ShapeWorld singles";
    return std::vector<Judgement>{{"accuracy", right, of},
                                  {"accuracy_doubled", rightDoubled, of + " of radius 384 and more, drawn at half the size and enlarged"},
                                  {"cross_entropy", nats, of}};
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
    Tensor patches;
    Tensor classes;                       // u32 [B]
    Tensor pictureTargets, patchTargets;  // u32 [B paddedTokens]: the class at the class token, at the patches the shape touches; else 4
    double touched = 0;                   // such patches
  };
  using Scenes = std::vector<shapeworld::Scene>;

  // The share seen rightly, and the mean cross entropy in nats.
  std::pair<double, double> judged(gpu::Stream& stream, const nn::Weights& weights, const Scenes& scenes, bool doubled) const {
    const auto count = static_cast<std::int64_t>(scenes.size());
    constexpr std::int64_t chunk = 128;
    std::int64_t right = 0;
    double nats = 0;
    for (std::int64_t first = 0; first < count; first += chunk) {
      const std::int64_t n = std::min(chunk, count - first);
      const Batch b = pictures(stream, shapeworld::Split::val, Scenes(scenes.begin() + first, scenes.begin() + first + n), doubled ? n : 0);
      nn::Tape tape(stream);
      const auto constants = nn::constants(tape, weights);
      const nn::Variable logits = vitForward(constants, tape.constant(b.patches), config_);
      nats += static_cast<double>(nn::crossEntropy(logits, b.classes).value().toFloats()[0]) * static_cast<double>(n);
      const auto values = logits.value().as<float>();
      const auto wanted = b.classes.as<std::uint32_t>();
      for (std::int64_t i = 0; i < n; ++i) {
        const auto row = values.subspan(static_cast<std::size_t>(4 * i), 4);
        const auto seen = static_cast<std::uint32_t>(std::max_element(row.begin(), row.end()) - row.begin());
        right += seen == wanted[static_cast<std::size_t>(i)] ? 1 : 0;
      }
    }
    return {static_cast<double>(right) / static_cast<double>(count), nats / static_cast<double>(count)};
  }

  shapeworld::Options shapes(shapeworld::Split split) const {
    shapeworld::Options options;
    options.seed = static_cast<std::uint64_t>(settings_.integer("seed"));
    options.split = split;
    return options;
  }

  // The scenes of a step: the first of its own range of indices whose shape is large enough by then; among the first `doubled`, large
  // enough for half the size.
  Scenes easyScenes(std::int64_t step, std::int64_t batch, std::int64_t doubled) const {
    constexpr double largest = 400, smallest = 112;
    const double span = settings_.number("easy-first") * static_cast<double>(settings_.integer("steps"));
    const double progress = span > 0 ? std::min(static_cast<double>(step) / span, 1.0) : 1;
    const double least = largest + (smallest - largest) * progress;
    Scenes scenes = largeScenes(shapes(shapeworld::Split::train), step * batch, batch, least);
    const Scenes larger = largeScenes(shapes(shapeworld::Split::train), step * batch, doubled, std::max(least, 2 * smallest));
    std::copy(larger.begin(), larger.end(), scenes.begin());
    return scenes;
  }

  // The first `doubled` of the pictures are drawn at half the size.
  Batch pictures(gpu::Stream& stream, shapeworld::Split split, const Scenes& scenes, std::int64_t doubled = 0) const {
    const auto count = static_cast<std::int64_t>(scenes.size()), n = config_.paddedTokens(), side = config_.imageSize / config_.patchSize;
    const auto none = static_cast<std::uint32_t>(config_.classes);
    Batch batch;
    std::vector<std::uint32_t> classes, picture(static_cast<std::size_t>(count * n), none), patch = picture;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto& object = scenes[static_cast<std::size_t>(i)].objects.at(0);
      const auto shape = static_cast<std::uint32_t>(object.shape);
      classes.push_back(shape);
      picture[static_cast<std::size_t>(i * n)] = shape;
      // Patches whose centre lies within the shape's radius and half a half-side more.
      const double cell = 2048.0 / static_cast<double>(side), reach = object.radius + cell / 4;
      for (std::int64_t row = 0; row < side; ++row) {
        for (std::int64_t column = 0; column < side; ++column) {
          const double dx = (static_cast<double>(column) + 0.5) * cell - object.cx,
                       dy = (static_cast<double>(row) + 0.5) * cell - object.cy;
          if (dx * dx + dy * dy > reach * reach) continue;
          patch[static_cast<std::size_t>(i * n + 1 + row * side + column)] = shape;
          batch.touched += 1;
        }
      }
    }
    const auto small = std::span(scenes).first(static_cast<std::size_t>(doubled)), whole = std::span(scenes).subspan(small.size());
    std::vector<Tensor> images;
    if (!small.empty()) {
      images.push_back(kernels::interpolate(stream, drawn(stream, small, shapes(split), config_.imageSize / 2),
                                            {config_.imageSize, config_.imageSize}, kernels::Interpolation::bilinear));
    }
    if (!whole.empty()) images.push_back(drawn(stream, whole, shapes(split), config_.imageSize));
    batch.patches = vitPatches(stream, kernels::concat(stream, images, 0), config_);
    batch.classes = Tensor::from(Shape{count}, classes);
    batch.pictureTargets = Tensor::from(Shape{count * n}, picture), batch.patchTargets = Tensor::from(Shape{count * n}, patch);
    return batch;
  }

  Settings settings_;
  VitConfig config_;
};

std::unique_ptr<Training> make(const Settings& settings) { return std::make_unique<TinyVit>(settings); }

const Registration<Recipe> registration{
    {"tiny-vit", "Which of four shapes is in the picture: a vision transformer on ShapeWorld", settings, make}};

}  // namespace
}  // namespace orrery::models
