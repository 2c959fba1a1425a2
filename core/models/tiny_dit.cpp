// The recipe tiny-dit: ShapeWorld singles at 32 x 32 out of noise, for a wanted shape, of a size that can be told apart there and, unless
// wanted otherwise, upright: turned at random, their corners are what a CPU's hours teach last. A DiT with EDM's preconditioning and loss
// (Karras et al. 2022, table 1), the class hidden in one picture of ten so that guidance is possible (Ho and Salimans 2022), AdamW, a
// moving average of the weights. Training looks at higher noise levels than EDM's: where a shape of a tenth of the picture lies is settled
// between sigma = 1.5 and 5, of which EDM's normal of ln sigma takes one draw in ten. Held out: the split val, whose random numbers
// training never draws.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/philox.h"
#include "core/data/image.h"
#include "core/data/shapeworld.h"
#include "core/diffusion/grid.h"
#include "core/diffusion/prediction.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/philox.h"
#include "core/kernels/sort.h"
#include "core/models/bundled.h"
#include "core/models/edm.h"
#include "core/models/pictures.h"
#include "core/models/recipe.h"
#include "core/models/trained_dit.h"
#include "core/models/vit.h"

namespace orrery::models {
namespace {

std::vector<Setting> settings() {
  return {{"steps", 3000, 1, 1e7, true, "training steps", Setting::free},
          {"batch", 64, 1, 4096, true, "pictures per step"},
          {"learning-rate", 1e-3, 1e-7, 1, false, "peak learning rate", Setting::free},
          {"warmup", 100, 0, 1e6, true, "steps of rising learning rate", Setting::free},
          {"average", 0.998, 0, 0.99999, false, "decay of the moving average of the weights"},
          {"noise-mean", -0.2, -5, 5, false, "mean of ln sigma in training; its deviation is 1.2, as EDM's"},
          {"smallest-radius", 384, 0, 500, false, "least radius of a shape in lattice units, 64 to a pixel; ShapeWorld's begin at 112"},
          {"upright", 1, 0, 1, true, "1: shapes stand upright; 0: they are turned at random"},
          {"drop-class", 0.1, 0, 1, false, "share of pictures whose class is hidden"},
          {"width", 128, 8, 1024, true, "width of a token"},
          {"layers", 4, 1, 24, true, "transformer blocks"},
          {"heads", 4, 1, 16, true, "attention heads"},
          {"samples", 256, 4, 2000, true, "pictures to draw and compare with held-out ones", Setting::free},
          {"sampling-steps", 18, 2, 1000, true, "noise levels of Heun's method", Setting::free},
          {"guidance", 2, 0, 20, false, "classifier-free guidance when judged; 1 is none", Setting::free},
          {"seed", 1, 0, 4294967295.0, true, "first weights and data"}};
}

constexpr std::int64_t measured = 512;  // pictures that the deviation of the data is measured on

class TinyDit : public Training {
 public:
  explicit TinyDit(const Settings& settings) : settings_(settings) {
    config_.layers = settings.integer("layers"), config_.heads = settings.integer("heads");
    // Heads share the width evenly, and so do the sines and cosines of rows and columns.
    const std::int64_t unit = config_.heads % 4 == 0 ? config_.heads : config_.heads % 2 == 0 ? 2 * config_.heads : 4 * config_.heads;
    config_.width = std::max<std::int64_t>(settings.integer("width") / unit, 1) * unit;
  }

  Expected<void> prepare() override {
    // The deviation of all pixels and channels of the first training pictures, -1 ... 1.
    double sum = 0, squares = 0, count = 0;
    const auto options = optionsOf(shapeworld::Split::train);
    for (const shapeworld::Scene& scene : scenes(shapeworld::Split::train, 0, measured)) {
      for (const std::uint8_t v : shapeworld::render(scene, static_cast<int>(config_.imageSize), options).rgb) {
        const double value = (2.0 * v - 255) / 255;
        sum += value, squares += value * value, count += 1;
      }
    }
    config_.sigmaData = std::sqrt(squares / count - sum / count * (sum / count));
    return {};
  }

  nn::Weights initial(nn::Initializer& draw) const override { return initialDit(draw, config_); }

  nn::TrainerOptions options() const override {
    nn::TrainerOptions o = adamWithCosine(settings_);
    o.optimizer.weightDecay = 0;  // as the authors of DiT; it also leaves pos_embed alone
    o.optimizer.beta2 = 0.99;
    o.schedule.last = 0.05;
    o.averageDecay = settings_.number("average");
    return o;
  }

  // With y the picture and n the noise: F should give (y - cSkip (y + sigma n)) / cOut from cIn (y + sigma n), with the weight lambda
  // cOut^2 = 1 at every noise level.
  nn::Trainer::Loss loss(std::int64_t step) override {
    return [this, step](nn::Tape& tape, std::span<const nn::Variable> weights) {
      using kernels::Binary;
      gpu::Stream& stream = tape.stream();
      const std::int64_t batch = settings_.integer("batch");
      const auto seed = static_cast<std::uint64_t>(settings_.integer("seed"));
      const Batch b = pictures(stream, shapeworld::Split::train, step * batch, batch);
      // Per picture one Philox block (picture, step, 0x710, 0): a word for ln sigma, one that may hide the class. The noise levels of a batch
      // are spread evenly over their normal, so that the loss of a step depends less on luck (low-discrepancy sampler, Kingma et al. 2021).
      std::vector<double> told;
      std::vector<std::uint32_t> classes;
      std::vector<float> pictureIn, noiseIn, pictureTarget, noiseTarget;
      for (std::int64_t i = 0; i < batch; ++i) {
        const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(step), 0x710, 0}, philoxKey(seed));
        const double share = (static_cast<double>(i) + static_cast<double>(philoxUniform(words[0])) + 0x1p-25) / static_cast<double>(batch);
        const double sigma = std::exp(settings_.number("noise-mean") + edm::deviationLogSigma * diffusion::normalQuantile(share));
        const diffusion::Preconditioning p = diffusion::preconditioning(sigma, config_.sigmaData);
        const bool hidden = static_cast<double>(philoxUniform(words[1])) < settings_.number("drop-class");
        told.push_back(ditTimeOf(sigma, config_));
        classes.push_back(hidden ? static_cast<std::uint32_t>(config_.classes) : b.classes[static_cast<std::size_t>(i)]);
        pictureIn.push_back(static_cast<float>(p.in));
        noiseIn.push_back(static_cast<float>(p.in * sigma));
        pictureTarget.push_back(static_cast<float>((1 - p.skip) / p.out));
        noiseTarget.push_back(static_cast<float>(-p.skip * sigma / p.out));
      }
      const Tensor patches = ditPatches(stream, b.images, config_);
      const Tensor noise = kernels::normal(stream, patches.shape(), {seed, 0x711, static_cast<std::uint64_t>(step * patches.count())});
      const auto mixed = [&](const std::vector<float>& ofPicture, const std::vector<float>& ofNoise) {
        const Shape rows{batch, patches.count() / batch}, each{batch, 1};
        return kernels::binary(stream, Binary::add,
                               kernels::binary(stream, Binary::mul, patches.reshaped(rows), Tensor::from(each, ofPicture)),
                               kernels::binary(stream, Binary::mul, noise.reshaped(rows), Tensor::from(each, ofNoise)))
            .reshaped(patches.shape());
      };
      const nn::Variable target = tape.constant(ditToOutput(stream, mixed(pictureTarget, noiseTarget), config_));
      return nn::mseLoss(ditForward(weights, tape.constant(mixed(pictureIn, noiseIn)), ditTimes(told, config_),
                                    Tensor::from(Shape{batch}, classes), config_),
                         target);
    };
  }

  Expected<std::vector<Judgement>> judge(gpu::Stream& stream, const nn::Weights& weights) override {
    const std::int64_t count = settings_.integer("samples"), chunk = 64;
    const Batch real = pictures(stream, shapeworld::Split::val, 0, count), other = pictures(stream, shapeworld::Split::test, 0, count);
    // As many of each class as in the held-out pictures.
    std::vector<float> drawn;
    for (std::int64_t first = 0; first < count; first += chunk) {
      const std::vector<std::uint32_t> classes(real.classes.begin() + first, real.classes.begin() + std::min(first + chunk, count));
      const auto values = ditSample(stream, {config_, weights}, classes, sampling(static_cast<std::uint64_t>(1000 + first))).toFloats();
      drawn.insert(drawn.end(), values.begin(), values.end());
    }
    const Tensor samples = Tensor::from(real.images.shape(), drawn);
    drawGrid(stream, weights);
    const std::string with = std::to_string(count) + " samples against " + std::to_string(count) + " held-out ShapeWorld singles";
    const std::string without = std::to_string(count) + " held-out ShapeWorld singles against as many others";
    std::vector<Judgement> result{{"sliced_wasserstein", slicedWasserstein(stream, samples, real.images), with},
                                  {"sliced_wasserstein_floor", slicedWasserstein(stream, other.images, real.images), without},
                                  {"denoising_loss", heldOutLoss(stream, weights), "1024 held-out pictures at EDM's noise levels"}};
    // Does the classifier that comes with the program see what was asked for? Only where there is one.
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(bundledFolder("tiny-vit") + "/model.safetensors", ignored)) return result;
    for (const bool ofSamples : {true, false}) {
      const auto seen = classAgreement(stream, ofSamples ? samples : real.images, real.classes);
      if (!seen) return seen.error();
      result.push_back({ofSamples ? "class_agreement" : "class_agreement_real", *seen,
                        std::to_string(count) + (ofSamples ? " samples" : " held-out singles") + ", doubled in size, seen by tiny-vit"});
    }
    return result;
  }

  std::vector<std::pair<std::string, std::string>> files() const override {
    if (grid_.empty()) return {};
    return {{"samples.png", grid_}};
  }

  nlohmann::json config() const override {
    return {{"architectures", {"DiT"}},
            {"model_type", "dit"},
            {"input_size", config_.imageSize},
            {"patch_size", config_.patchSize},
            {"in_channels", config_.channels},
            {"hidden_size", config_.width},
            {"depth", config_.layers},
            {"num_heads", config_.heads},
            {"mlp_ratio", config_.mlpRatio},
            {"class_dropout_prob", settings_.number("drop-class")},
            {"num_classes", config_.classes},
            {"learn_sigma", false},
            {"frequency_embedding_size", config_.frequencies},
            {"time_scale", config_.timeScale},
            {"sigma_data", config_.sigmaData},
            {"prediction_type", "F"},
            {"noise_schedule", "edm"},
            {"layer_norm_eps", config_.epsilon},
            {"id2label", {{"0", "circle"}, {"1", "square"}, {"2", "triangle"}, {"3", "star"}}}};
  }

 private:
  struct Batch {
    Tensor images;  // [B, 3, S, S], -1 ... 1
    std::vector<std::uint32_t> classes;
  };

  shapeworld::Options optionsOf(shapeworld::Split split) const {
    shapeworld::Options options;
    options.seed = static_cast<std::uint64_t>(settings_.integer("seed"));
    options.split = split;
    options.upright = settings_.integer("upright") != 0;
    return options;
  }

  std::vector<shapeworld::Scene> scenes(shapeworld::Split split, std::int64_t first, std::int64_t count) const {
    return largeScenes(optionsOf(split), first, count, settings_.number("smallest-radius"));
  }

  Batch pictures(gpu::Stream& stream, shapeworld::Split split, std::int64_t first, std::int64_t count) const {
    const auto shown = scenes(split, first, count);
    Batch batch;
    for (const shapeworld::Scene& scene : shown) batch.classes.push_back(static_cast<std::uint32_t>(scene.objects.at(0).shape));
    batch.images = drawn(stream, shown, optionsOf(split), config_.imageSize);
    return batch;
  }

  DitSampling sampling(std::uint64_t seed) const {
    return {static_cast<int>(settings_.integer("sampling-steps")), settings_.number("guidance"), seed};
  }

  // Sliced Wasserstein-2 (Bonneel et al. 2015) over pixels in units of -1 ... 1: the root of the mean squared difference of sorted
  // projections on 256 fixed directions.
  double slicedWasserstein(gpu::Stream& stream, const Tensor& a, const Tensor& b) const {
    constexpr std::int64_t directions = 256;
    const std::int64_t n = a.shape()[0], pixels = a.count() / n;
    const Tensor normals = kernels::normal(stream, Shape{directions, pixels}, {20220601, 0x730, 0});
    // Directions of length 1: their squared lengths are `pixels` on average, and each is set right.
    std::vector<float> axes = normals.toFloats();
    for (std::int64_t d = 0; d < directions; ++d) {
      const std::span<float> axis(axes.data() + d * pixels, static_cast<std::size_t>(pixels));
      double length = 0;
      for (const float v : axis) length += static_cast<double>(v) * static_cast<double>(v);
      for (float& v : axis) v = static_cast<float>(static_cast<double>(v) / std::sqrt(length));
    }
    const Tensor along = Tensor::from(Shape{directions, pixels}, axes);
    const auto sorted = [&](const Tensor& images) {
      return kernels::sort(stream, kernels::matmul(stream, along, images.reshaped(Shape{n, pixels}), {.transposeB = true})).keys.toFloats();
    };
    const auto x = sorted(a), y = sorted(b);
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
    return std::sqrt(sum / static_cast<double>(x.size()));
  }

  // The share of pictures in which the bundled tiny-vit sees the wanted class. It knows pictures of 64 x 64: these are made larger,
  // which real pictures pay for as well.
  static Expected<double> classAgreement(gpu::Stream& stream, const Tensor& images, const std::vector<std::uint32_t>& classes) {
    const auto vit = TrainedVit::open(stream, bundledFolder("tiny-vit"));
    if (!vit) return vit.error();
    const auto seen = vit->classesOf(stream, images);
    std::size_t right = 0;
    for (std::size_t i = 0; i < seen.size(); ++i) right += seen[i] == classes[i] ? 1 : 0;
    return static_cast<double>(right) / static_cast<double>(seen.size());
  }

  // The training loss on held-out pictures: the mean over sixteen batches of 64 at noise levels of their own.
  double heldOutLoss(gpu::Stream& stream, const nn::Weights& weights) const {
    constexpr std::int64_t batch = 64, batches = 16;
    double total = 0;
    for (std::int64_t i = 0; i < batches; ++i) {
      const Batch b = pictures(stream, shapeworld::Split::val, i * batch, batch);
      // One noise level per batch, at the middle of an equal share of EDM's normal.
      const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(batches);
      const double sigma = std::exp(edm::meanLogSigma + edm::deviationLogSigma * diffusion::normalQuantile(share));
      const Tensor patches = ditPatches(stream, b.images, config_);
      const Tensor noise = kernels::normal(stream, patches.shape(), {20220602, 0x731, static_cast<std::uint64_t>(i * patches.count())});
      const Tensor noisy =
          kernels::binary(stream, kernels::Binary::add, patches, kernels::affine(stream, noise, static_cast<float>(sigma), 0));
      const Tensor clean = TrainedDit{config_, weights}.denoise(stream, noisy, sigma, Tensor::from(Shape{batch}, b.classes), 1);
      const Tensor error = kernels::unary(stream, kernels::Unary::square, kernels::binary(stream, kernels::Binary::sub, clean, patches));
      total += edm::weight(sigma, config_.sigmaData) *
               static_cast<double>(kernels::reduceAll(stream, error, kernels::Reduction::mean).toFloats()[0]);
    }
    return total / static_cast<double>(batches);
  }

  // A picture of samples, a row per class and one without a class, every pixel as a square.
  void drawGrid(gpu::Stream& stream, const nn::Weights& weights) {
    constexpr int across = 8, zoom = 3, gap = 2;
    const int size = static_cast<int>(config_.imageSize), rows = static_cast<int>(config_.classes) + 1;
    std::vector<std::uint32_t> classes;
    for (int r = 0; r < rows; ++r) classes.insert(classes.end(), across, static_cast<std::uint32_t>(r));
    const auto values = ditSample(stream, {config_, weights}, classes, sampling(7)).toFloats();
    const int cell = size * zoom + gap, width = across * cell + gap, height = rows * cell + gap;
    std::vector<std::uint8_t> rgb(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3, 255);
    for (int y = 0; y < rows * cell; ++y) {
      for (int x = 0; x < across * cell; ++x) {
        if (x % cell < gap || y % cell < gap) continue;
        const int picture = y / cell * across + x / cell, px = (x % cell - gap) / zoom, py = (y % cell - gap) / zoom;
        for (int ch = 0; ch < 3; ++ch) {
          const float v = values[static_cast<std::size_t>(((picture * 3 + ch) * size + py) * size + px)];
          rgb[static_cast<std::size_t>((y * width + x) * 3 + ch)] =
              static_cast<std::uint8_t>(std::lround(std::clamp((v + 1) * 127.5f, 0.0f, 255.0f)));
        }
      }
    }
    grid_ = encodeRgbPng(rgb, width, height);
  }

  Settings settings_;
  DitConfig config_;
  std::string grid_;
};

std::unique_ptr<Training> make(const Settings& settings) { return std::make_unique<TinyDit>(settings); }

const Registration<Recipe> registration{
    {"tiny-dit", "ShapeWorld pictures out of noise, for a wanted shape: a diffusion transformer", settings, make}};

}  // namespace
}  // namespace orrery::models
