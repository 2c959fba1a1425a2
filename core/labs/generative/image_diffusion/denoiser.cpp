#include "core/labs/generative/image_diffusion/denoiser.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "core/base/text.h"
#include "core/data/shapeworld.h"
#include "core/modelfile/tensor_file.h"
#include "core/models/bundled.h"
#include "core/models/onnx_denoiser.h"
#include "core/models/pictures.h"

namespace orrery::generative {

using diffusion::State;

namespace {

class NetworkDenoiser : public PictureDenoiser {
 public:
  explicit NetworkDenoiser(models::TrainedDit network) : network_(std::move(network)) {
    side = network_.config.imageSize, channels = network_.config.channels;
    deviation = network_.config.sigmaData;
    classNames = network_.classNames;
  }

  State denoise(gpu::Stream& stream, const State& x, double level, const std::vector<std::uint32_t>& labels,
                double guidance) const override {
    const auto batch = static_cast<std::int64_t>(labels.size());
    const std::vector<float> floats(x.begin(), x.end());
    const Tensor patches = models::ditPatches(stream, Tensor::from(Shape{batch, channels, side, side}, floats), network_.config);
    const Tensor clean = network_.denoise(stream, patches, level, Tensor::from(Shape{batch}, labels), guidance);
    const auto found = models::ditImages(stream, clean, network_.config).toFloats();
    return State(std::vector<double>(found.begin(), found.end()));
  }

 private:
  models::TrainedDit network_;
};

class GraphDenoiser : public PictureDenoiser {
 public:
  explicit GraphDenoiser(models::OnnxDenoiser network) : network_(std::move(network)) {
    channels = network_.pointShape()[0], side = network_.pointShape()[1];
    deviation = network_.meaning().dataDeviation;
    const auto& classes = network_.classes();
    if (!classes) {
      noGuidance = tr("no guidance: the graph takes no class");
      return;
    }
    const std::int64_t count = std::min(classes->count.value_or(mostClasses), mostClasses);
    for (std::int64_t c = 0; c < count; ++c) classNames.push_back(trf("class {}", c));
    alwaysClass = !classes->none;
    if (alwaysClass) noGuidance = tr("no guidance: which class means none is not known, state it as the null class");
  }

  State denoise(gpu::Stream& stream, const State& x, double level, const std::vector<std::uint32_t>& labels,
                double guidance) const override {
    State clean = asked(stream, x, level, numbersOf(labels));
    const bool any = std::any_of(labels.begin(), labels.end(), [&](std::uint32_t label) { return label < classNames.size(); });
    if (guidance == 1 || !noGuidance.empty() || !any) return clean;
    const std::vector<std::uint32_t> nothing(labels.size(), static_cast<std::uint32_t>(classNames.size()));
    return guidance * clean + (1 - guidance) * asked(stream, x, level, numbersOf(nothing));
  }

  // Where the table of classes is not known the graph itself is asked.
  Expected<void> knows(gpu::Stream& stream, std::uint32_t label) const override {
    if (!network_.classes() || network_.classes()->count) return {};
    const Tensor one = Tensor::from(Shape{1, static_cast<std::int64_t>(values())}, std::vector<float>(values(), 0.0f));
    const auto said = network_.denoise(stream, one, 1, numbersOf({label}));
    return said ? Expected<void>() : said.error();
  }

 private:
  static constexpr std::int64_t mostClasses = 10'000;  // that can be chosen

  std::vector<std::int64_t> numbersOf(const std::vector<std::uint32_t>& labels) const {
    std::vector<std::int64_t> numbers;
    if (!network_.classes()) return numbers;
    for (const std::uint32_t label : labels) {
      numbers.push_back(label < classNames.size() ? static_cast<std::int64_t>(label) : network_.classes()->none.value_or(0));
    }
    return numbers;
  }

  // Where it no longer answers, or the work is given up, the pictures are lost.
  State asked(gpu::Stream& stream, const State& x, double level, const std::vector<std::int64_t>& numbers) const {
    const std::vector<float> floats(x.begin(), x.end());
    const auto batch = static_cast<std::int64_t>(x.size() / values());
    const auto clean = network_.denoise(stream, Tensor::from(Shape{batch, static_cast<std::int64_t>(values())}, floats), level, numbers);
    if (!clean) return State(std::vector<double>(x.size(), std::numeric_limits<double>::quiet_NaN()));
    const auto found = clean->toFloats();
    return State(std::vector<double>(found.begin(), found.end()));
  }

  models::OnnxDenoiser network_;
};

Expected<std::unique_ptr<PictureDenoiser>> graphDenoiser(gpu::Stream& stream, const std::string& path, const models::NetworkStated& stated,
                                                         std::optional<std::int64_t> nullClass) {
  auto network = models::OnnxDenoiser::openForPictures(stream, path, stated, nullClass);
  if (!network) return network.error();
  const auto& shape = network->pointShape();
  if ((shape[0] != 1 && shape[0] != 3) || shape[1] != shape[2] || shape[1] < 4 || shape[1] > 256) {
    return makeError(
        ErrorCode::unsupported,
        trf("{}: its pictures are {}; square ones of 4 to 256 pixels with 1 or 3 channels can be shown", path, Shape(shape).toString()));
  }
  return std::unique_ptr<PictureDenoiser>(std::make_unique<GraphDenoiser>(*std::move(network)));
}

}  // namespace

Expected<std::unique_ptr<PictureDenoiser>> networkDenoiser(gpu::Stream& stream, const std::string& path, const models::DitStated& stated,
                                                           std::optional<std::int64_t> nullClass) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored)) {
    const auto file = modelfile::TensorFile::open(path);
    if (!file) return file.error();
    if (file->format() == "onnx") return graphDenoiser(stream, path, stated, nullClass);
  }
  auto network = models::TrainedDit::open(stream, path, stated);
  if (!network) return network.error();
  const bool assumed = network->assumed;
  std::unique_ptr<PictureDenoiser> denoiser = std::make_unique<NetworkDenoiser>(*std::move(network));
  if (assumed)
    denoiser->assumption =
        tr("no config.json beside it: what is not stated is taken to be as in DiT's own code, ε on DDPM's chain of 1,000 steps");
  // What our own recipe was shown; of other files nothing is known.
  if (const auto saved = models::SavedModel::open(path); saved && saved->config.contains("orrery")) {
    const auto recipe = saved->recipe();
    const auto settings = saved->settings();
    if (recipe && settings && (*recipe)->id == "tiny-dit") {
      denoiser->shapes = {static_cast<int>(settings->number("smallest-radius")), settings->integer("upright") != 0};
    }
  }
  return denoiser;
}

State PictureDenoiser::knownPicture(std::size_t index) const { return shown(false, index); }

State PictureDenoiser::heldOutPicture(std::size_t index) const { return shown(true, index); }

State PictureDenoiser::shown(bool heldOut, std::size_t index) const {
  const auto plane = static_cast<std::size_t>(side * side);
  State picture;
  if (taken.empty()) {
    picture = shapeWorldPictures(heldOut, static_cast<std::uint32_t>(index), 1, static_cast<int>(side), shapes).values;
  } else {
    const auto from = taken.begin() + static_cast<std::ptrdiff_t>(index % (taken.size() / (3 * plane)) * 3 * plane);
    picture = State(std::vector<double>(from, from + static_cast<std::ptrdiff_t>(3 * plane)));
  }
  if (channels == 3) return picture;
  std::vector<double> grey(plane);
  for (std::size_t p = 0; p < plane; ++p) grey[p] = (picture[p] + picture[plane + p] + picture[2 * plane + p]) / 3;
  return State(std::move(grey));
}

Pictures shapeWorldPictures(bool heldOut, std::uint32_t first, std::uint32_t count, int side, const ShapesShown& shapes) {
  shapeworld::Options options;
  options.seed = 1;  // that of the recipe tiny-dit
  options.split = heldOut ? shapeworld::Split::val : shapeworld::Split::train;
  options.upright = shapes.upright;
  Pictures pictures;
  std::vector<double> values;
  const auto plane = static_cast<std::size_t>(side * side);
  for (const shapeworld::Scene& scene : models::largeScenes(options, first, count, shapes.leastRadius)) {
    const auto picture = shapeworld::render(scene, side, options);
    pictures.classes.push_back(static_cast<std::uint32_t>(scene.objects.at(0).shape));
    for (std::size_t channel = 0; channel < 3; ++channel) {
      for (std::size_t p = 0; p < plane; ++p) values.push_back((2.0 * picture.rgb[3 * p + channel] - 255) / 255);
    }
  }
  pictures.values = State(std::move(values));
  return pictures;
}

}  // namespace orrery::generative
