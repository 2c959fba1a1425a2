// The recipe tiny-det: where the shapes are and which. ShapeWorld scenes at 128 x 128, TinyDet (det.h), focal and GIoU loss, AdamW, warm-up
// and cosine. Held out: the first scenes of the split val, whose random numbers training never draws; judged as COCO does.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/data/detections_shapeworld.h"
#include "core/data/shapeworld.h"
#include "core/metrics/detection_ap.h"
#include "core/metrics/detection_nms.h"
#include "core/models/det.h"
#include "core/models/pictures.h"
#include "core/models/recipe.h"

namespace orrery::models {
namespace {

std::vector<Setting> settings() {
  return {{"steps", 1200, 1, 1e7, true, "training steps", Setting::free},
          {"batch", 16, 1, 4096, true, "pictures per step"},
          {"learning-rate", 2e-3, 1e-7, 1, false, "peak learning rate", Setting::free},
          {"warmup", 100, 0, 1e6, true, "steps of rising learning rate", Setting::free},
          {"weight-decay", 0.01, 0, 1, false, "AdamW's weight decay"},
          {"blocks", 3, 0, 16, true, "convolutions at an eighth of the size"},
          {"dilation", 2, 1, 4, true, "their dilation"},
          {"held-out", 500, 1, 2000, true, "held-out pictures to judge by", Setting::free},
          {"seed", 1, 0, 4294967295.0, true, "first weights and data"}};
}

class TinyDet : public Training {
 public:
  explicit TinyDet(const Settings& settings) : settings_(settings) {
    config_.blocks = settings.integer("blocks"), config_.dilation = settings.integer("dilation");
  }

  nn::Weights initial(nn::Initializer& draw) const override { return initialDet(draw, config_); }

  nn::TrainerOptions options() const override {
    nn::TrainerOptions o = adamWithCosine(settings_);
    o.optimizer.weightDecay = settings_.number("weight-decay");
    o.clipNorm = 2;  // early gradients of the focal loss jump by an order of magnitude
    return o;
  }

  nn::Trainer::Loss loss(std::int64_t step) override {
    const std::int64_t batch = settings_.integer("batch");
    return [this, step, batch](nn::Tape& tape, std::span<const nn::Variable> weights) {
      const shapeworld::Options options = data(shapeworld::Split::train);
      const auto scenes = scenesFrom(options, step * batch, batch);
      std::vector<std::vector<shapeworld::Annotation>> notes;
      for (const shapeworld::Scene& scene : scenes) notes.push_back(shapeworld::annotate(scene, static_cast<int>(config_.imageSize)));
      const Tensor images = drawn(tape.stream(), scenes, options, config_.imageSize);
      return detLoss(detForward(weights, tape.constant(images), config_), detTargets(notes, config_));
    };
  }

  Expected<std::vector<Judgement>> judge(gpu::Stream& stream, const nn::Weights& weights) override {
    const std::int64_t count = settings_.integer("held-out");
    const shapeworld::Options options = data(shapeworld::Split::val);
    const auto found = suppress(TrainedDet{config_, weights}.lookAt(stream, options, 0, static_cast<std::uint32_t>(count)), NmsOptions());
    const ShapeWorldTruth held = shapeWorldTruth(options, 0, static_cast<std::uint32_t>(count), static_cast<int>(config_.imageSize));
    const DetectionScores scores = DetectionEvaluation(held.truth, found, cocoProtocol()).scores();
    const std::string of = std::to_string(count) + " held-out ShapeWorld scenes";
    return std::vector<Judgement>{{"ap50", scores.stats[1], of}, {"ap", scores.stats[0], of}};
  }

  nlohmann::json config() const override {
    nlohmann::json labels;
    for (std::size_t i = 0; i < shapeworld::classNames.size(); ++i) labels[std::to_string(i)] = shapeworld::classNames[i];
    return {{"architectures", {"TinyDet"}},    {"model_type", "tiny-det"},
            {"image_size", config_.imageSize}, {"num_channels", 3},
            {"stride", DetConfig::stride},     {"blocks", config_.blocks},
            {"dilation", config_.dilation},    {"receptive_field", config_.receptiveField()},
            {"box_activation", "softplus"},    {"id2label", labels}};
  }

 private:
  shapeworld::Options data(shapeworld::Split split) const {
    shapeworld::Options options;
    options.seed = static_cast<std::uint64_t>(settings_.integer("seed"));
    options.split = split;
    options.profile = shapeworld::Profile::scene;
    return options;
  }

  Settings settings_;
  DetConfig config_;
};

std::unique_ptr<Training> make(const Settings& settings) { return std::make_unique<TinyDet>(settings); }

const Registration<Recipe> registration{
    {"tiny-det", "Where the shapes are and which: a one-stage detector on ShapeWorld scenes", settings, make}};

}  // namespace
}  // namespace orrery::models
