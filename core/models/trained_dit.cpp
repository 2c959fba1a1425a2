#include "core/models/trained_dit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "core/base/text.h"
#include "core/diffusion/grid.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/philox.h"
#include "core/kernels/slice.h"
#include "core/modelfile/tensor_file.h"
#include "core/models/bundled.h"

namespace orrery::models {

namespace {

using kernels::Binary;

// a x + b y
Tensor combined(gpu::Stream& stream, double a, const Tensor& x, double b, const Tensor& y) {
  return kernels::binary(stream, Binary::add, kernels::affine(stream, x, static_cast<float>(a), 0),
                         kernels::affine(stream, y, static_cast<float>(b), 0));
}

// The pictures of a DiT's layout that a file holds, from the shapes of its tensors; heads are not among them.
Expected<DitConfig> configOf(const modelfile::TensorFile& file, const std::string& path) {
  const auto shapeOf = [&](const char* name) -> Expected<Shape> {
    for (const auto& entry : file.tensors()) {
      if (entry.name == name) return Shape(entry.shape);
    }
    return makeError(ErrorCode::badInput,
                     trf("{} has no tensor '{}': expected the layout of the authors' DiT (facebookresearch/DiT)", path, name));
  };
  DitConfig c;
  const auto patches = shapeOf("x_embedder.proj.weight"), places = shapeOf("pos_embed"),
             table = shapeOf("y_embedder.embedding_table.weight"), times = shapeOf("t_embedder.mlp.0.weight"),
             wide = shapeOf("blocks.0.mlp.fc1.weight"), last = shapeOf("final_layer.linear.weight");
  for (const auto* shape : {&patches, &places, &table, &times, &wide, &last}) {
    if (!*shape) return shape->error();
  }
  const bool fits = patches->rank() == 4 && places->rank() == 3 && table->rank() == 2 && times->rank() == 2 && wide->rank() == 2 &&
                    last->rank() == 2 && (*patches)[2] == (*patches)[3] && (*patches)[0] >= 4 && (*table)[0] >= 2;
  const auto side = fits ? static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>((*places)[1])))) : 0;
  if (!fits || side < 1 || side * side != (*places)[1]) {
    return makeError(ErrorCode::badInput, trf("{}: the shapes of 'x_embedder.proj.weight' ({}) and 'pos_embed' ({}) are not those of a DiT "
                                              "over a square of patches",
                                              path, patches->toString(), places->toString()));
  }
  c.width = (*patches)[0], c.channels = (*patches)[1], c.patchSize = (*patches)[2], c.imageSize = side * c.patchSize;
  c.classes = (*table)[0] - 1, c.frequencies = (*times)[1], c.mlpRatio = std::max<std::int64_t>((*wide)[0] / c.width, 1);
  c.learnSigma = (*last)[0] == 2 * c.patchValues();
  c.layers = 0;
  while (std::any_of(file.tensors().begin(), file.tensors().end(),
                     [&](const auto& entry) { return entry.name == "blocks." + std::to_string(c.layers) + ".attn.qkv.weight"; })) {
    ++c.layers;
  }
  c.heads = std::max<std::int64_t>(c.width / 64, 1);
  return c;
}

// What config.json says of the network and of how it is meant.
Expected<void> readConfig(const SavedModel& saved, TrainedDit& dit) {
  DitConfig& c = dit.config;
  const auto heads = saved.number("num_heads", 1024);
  if (!heads) return heads.error();
  c.heads = *heads;
  const auto real = [&](const char* name, double& into) {
    if (const auto found = saved.config.find(name); found != saved.config.end() && found->is_number()) into = found->get<double>();
  };
  real("layer_norm_eps", c.epsilon);
  if (const auto names = saved.config.find("id2label"); names != saved.config.end() && names->is_object()) {
    for (std::int64_t i = 0; i < c.classes; ++i) {
      const auto found = names->find(std::to_string(i));
      if (found == names->end() || !found->is_string()) break;
      dit.classNames.push_back(found->get<std::string>());
    }
  }
  return {};
}

}  // namespace

Expected<TrainedDit> TrainedDit::open(gpu::Stream& stream, const std::string& path, const DitStated& stated) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path given(path);
  const bool isFile = given.extension() == ".safetensors";
  const std::string weightsPath = isFile ? path : path + "/model.safetensors";
  auto file = modelfile::TensorFile::open(weightsPath);
  if (!file) return file.error();
  auto shapes = configOf(*file, weightsPath);
  if (!shapes) return shapes.error();
  TrainedDit dit;
  dit.config = *shapes;

  // Ours says of itself what it is; another file means what the authors' code means, until somebody says otherwise.
  SavedModel saved{isFile ? (given.has_parent_path() ? given.parent_path().string() : ".") : path, weightsPath, {}};
  if (fs::is_regular_file(saved.folder + "/config.json", ignored)) {
    auto opened = SavedModel::open(path);
    if (!opened) return opened.error();
    saved = *std::move(opened);
  }
  const bool ours = saved.config.is_object() && saved.config.contains("sigma_data");
  NetworkMeaning meaning;
  meaning.dataDeviation = dit.config.sigmaData, meaning.timeScale = dit.config.timeScale;
  if (!ours) {
    meaning.prediction = diffusion::Prediction::epsilon, meaning.time = ToldTime::steps;
    meaning.process = findRegistered<diffusion::Process>("ddpm-linear");
  }
  if (saved.config.is_object() && saved.config.contains("num_heads")) {
    if (auto read = readConfig(saved, dit); !read) return read.error();
    if (auto read = meaning.read(saved.config, saved.folder + "/config.json"); !read) return read.error();
  }
  if (auto taken = meaning.take(stated, weightsPath); !taken) return taken.error();
  dit.assumed = !ours && !(saved.config.is_object() && saved.config.contains("num_heads")) && (!stated.prediction || stated.process.empty());
  dit.prediction = meaning.prediction, dit.time = meaning.time, dit.process = meaning.process;
  dit.config.sigmaData = meaning.dataDeviation, dit.config.timeScale = meaning.timeScale;
  if (stated.heads > 0) dit.config.heads = stated.heads;

  DitConfig& c = dit.config;
  if (c.channels != 1 && c.channels != 3) {
    return makeError(ErrorCode::unsupported, trf("{} denoises {} channels, which are no picture (1 or 3 are); latent models need their "
                                                 "decoder, which Orrery does not run",
                                                 weightsPath, c.channels));
  }
  if (c.width % c.heads != 0) {
    return makeError(ErrorCode::badInput,
                     trf("{}: a width of {} cannot be shared by {} heads: state a number that divides it", weightsPath, c.width, c.heads));
  }
  nn::Initializer draw(stream, 1);
  auto weights = saved.weights(initialDit(draw, c));
  if (!weights) return weights.error();
  dit.weights = *std::move(weights);
  for (auto i = static_cast<std::int64_t>(dit.classNames.size()); i < c.classes; ++i) dit.classNames.push_back(std::to_string(i));
  return dit;
}

NetworkMeaning TrainedDit::meaning() const { return {prediction, time, process, config.sigmaData, config.timeScale}; }

Tensor TrainedDit::predict(gpu::Stream& stream, const Tensor& patches, double level, const Tensor& classes) const {
  const NetworkMeaning means = meaning();
  const auto batch = static_cast<std::size_t>(patches.shape()[0]);
  nn::Tape tape(stream);
  const auto constants = nn::constants(tape, weights);
  const nn::Variable input = tape.constant(kernels::affine(stream, patches, static_cast<float>(means.inputScale(level)), 0));
  const Tensor times = ditTimes(std::vector<double>(batch, means.told(level)), config);
  return ditFromOutput(stream, ditForward(constants, input, times, classes, config).value(), config);
}

Tensor TrainedDit::denoise(gpu::Stream& stream, const Tensor& patches, double level, const Tensor& classes, double guidance) const {
  Tensor output;
  if (guidance == 1) {
    output = predict(stream, patches, level, classes);
  } else {
    // Both answers at once: small batches are bound by what every question costs, whatever its size.
    const std::int64_t batch = patches.shape()[0];
    const auto wanted = classes.as<std::uint32_t>();
    std::vector<std::uint32_t> both(wanted.begin(), wanted.end());
    both.resize(2 * wanted.size(), static_cast<std::uint32_t>(config.classes));
    const std::array<Tensor, 2> twice{patches, patches};
    const Tensor answers = predict(stream, kernels::concat(stream, twice, 0), level, Tensor::from(Shape{2 * batch}, both));
    output = combined(stream, guidance, answers.rows(0, batch), 1 - guidance, answers.rows(batch, 2 * batch));
  }
  const diffusion::Linear linear = meaning().denoised(level);
  return combined(stream, linear.x, patches, linear.y, output);
}

Tensor ditSample(gpu::Stream& stream, const TrainedDit& network, const std::vector<std::uint32_t>& classes, const DitSampling& sampling) {
  const DitConfig& c = network.config;
  const auto batch = static_cast<std::int64_t>(classes.size());
  const Tensor told = Tensor::from(Shape{batch}, classes);
  const auto levels = diffusion::stepLevels(*findRegistered<diffusion::Grid>("karras"), std::max(sampling.steps, 2), true, {});
  const std::vector<double>& t = *levels;  // the grid's own range has no error
  Tensor x = kernels::normal(stream, Shape{batch, c.tokens(), c.patchValues()}, {sampling.seed, 0x720, 0}, 0, static_cast<float>(t[0]));
  for (std::size_t i = 0; i + 1 < t.size(); ++i) {
    // dx/dsigma = (x - D(x; sigma)) / sigma: a step of Euler's method, then the mean of the slopes at both ends.
    const double step = t[i + 1] - t[i];
    const Tensor slope = combined(stream, 1 / t[i], x, -1 / t[i], network.denoise(stream, x, t[i], told, sampling.guidance));
    const Tensor ahead = combined(stream, 1, x, step, slope);
    if (t[i + 1] == 0) {
      x = ahead;
      break;
    }
    const Tensor next =
        combined(stream, 1 / t[i + 1], ahead, -1 / t[i + 1], network.denoise(stream, ahead, t[i + 1], told, sampling.guidance));
    x = combined(stream, 1, x, step / 2, kernels::binary(stream, Binary::add, slope, next));
    stream.submit();
  }
  return ditImages(stream, x, c);
}

}  // namespace orrery::models
