// The diffusion transformer: EDM's identities, the published forward pass and names, sampling, and tiny-dit learns.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/modelfile/safetensors_write.h"
#include "core/models/edm.h"
#include "core/models/pictures.h"
#include "core/models/trained_dit.h"
#include "tests/models/plain.h"

using namespace orrery;
using namespace orrery::models;
using namespace orrery::testing;

namespace {

Values silu(Values x) {
  for (double& v : x) v = v / (1 + std::exp(-v));
  return x;
}

// x (1 + scale) + shift, or residual + gate x, with one vector for all rows.
Values modulate(const Values& x, const Values& shift, const Values& scale) {
  Values y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * (1 + scale[i % scale.size()]) + shift[i % shift.size()];
  return y;
}
void addGated(Values& x, const Values& gate, const Values& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += gate[i % gate.size()] * y[i];
}

// The authors' models.py with plain loops on one picture [channels, S, S]; gives a picture (Peebles and Xie 2023).
Values plainDit(const nn::Weights& weights, const DitConfig& c, const std::vector<float>& picture, double time, std::size_t label) {
  const PlainWeights w(weights);
  const auto d = static_cast<std::size_t>(c.width), p = static_cast<std::size_t>(c.patchSize), side = static_cast<std::size_t>(c.side()),
             size = static_cast<std::size_t>(c.imageSize), channels = static_cast<std::size_t>(c.channels), n = side * side;
  // x_embedder: a convolution of stride p, flattened row by row, plus places.
  const Values kernel = w("x_embedder.proj.weight"), bias = w("x_embedder.proj.bias"), places = w("pos_embed");
  Values x = plainPatches(picture, kernel, channels, size, p);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += bias[i % d];
  addTo(x, places);
  // t_embedder and y_embedder.
  Values waves;
  const auto half = static_cast<std::size_t>(c.frequencies / 2);
  for (std::size_t i = 0; i < half; ++i)
    waves.push_back(std::cos(time * std::exp(-std::log(10000.0) * static_cast<double>(i) / static_cast<double>(half))));
  for (std::size_t i = 0; i < half; ++i)
    waves.push_back(std::sin(time * std::exp(-std::log(10000.0) * static_cast<double>(i) / static_cast<double>(half))));
  Values told = w.dense(silu(w.dense(waves, "t_embedder.mlp.0")), "t_embedder.mlp.2");
  const Values table = w("y_embedder.embedding_table.weight");
  for (std::size_t i = 0; i < d; ++i) told[i] += table[label * d + i];
  told = silu(told);
  for (std::int64_t block = 0; block < c.layers; ++block) {
    const std::string at = "blocks." + std::to_string(block) + ".";
    const Values all = w.dense(told, at + "adaLN_modulation.1");
    const auto chunk = [&](std::size_t i) { return columns(all, 6 * d, i * d, (i + 1) * d); };
    const Values qkv = w.dense(modulate(plainNorm(x, d, c.epsilon), chunk(0), chunk(1)), at + "attn.qkv");
    const Values mixed = plainAttention(columns(qkv, 3 * d, 0, d), columns(qkv, 3 * d, d, 2 * d), columns(qkv, 3 * d, 2 * d, 3 * d), d,
                                        static_cast<std::size_t>(c.heads), false);
    addGated(x, chunk(2), w.dense(mixed, at + "attn.proj"));
    Values inner = w.dense(modulate(plainNorm(x, d, c.epsilon), chunk(3), chunk(4)), at + "mlp.fc1");
    for (double& v : inner) v = kernels::unaryReference(kernels::Unary::geluTanh, v);
    addGated(x, chunk(5), w.dense(inner, at + "mlp.fc2"));
  }
  const Values all = w.dense(told, "final_layer.adaLN_modulation.1");
  const Values output =
      w.dense(modulate(plainNorm(x, d, c.epsilon), columns(all, 2 * d, 0, d), columns(all, 2 * d, d, 2 * d)), "final_layer.linear");
  // unpatchify: nhwpqc -> nchpwq
  Values result(channels * size * size);
  for (std::size_t t = 0; t < n; ++t) {
    for (std::size_t r = 0; r < p; ++r) {
      for (std::size_t s = 0; s < p; ++s) {
        for (std::size_t ch = 0; ch < channels; ++ch) {
          result[(ch * size + t / side * p + r) * size + t % side * p + s] = output[((t * p + r) * p + s) * channels + ch];
        }
      }
    }
  }
  return result;
}

DitConfig smallConfig() {
  DitConfig config;
  config.imageSize = 8, config.patchSize = 2, config.width = 24, config.layers = 2, config.heads = 3, config.frequencies = 16;
  return config;
}

}  // namespace

TEST_CASE("EDM's preconditioning: the network sees variance 1, aims at variance 1, with weight 1, at every noise level") {
  for (const double data : {0.3, 0.5, 1.7}) {
    for (const double sigma : {0.002, 0.1, 0.3, 1.0, 80.0}) {
      const auto p = diffusion::preconditioning(sigma, data);
      // Karras et al. 2022, equations 117, 123, 131: var(cIn (y + n)), var((y - cSkip (y + n)) / cOut), lambda cOut^2.
      CHECK(p.in * p.in * (data * data + sigma * sigma) == Approx(1));
      CHECK((std::pow(1 - p.skip, 2) * data * data + std::pow(p.skip * sigma, 2)) / (p.out * p.out) == Approx(1));
      CHECK(edm::weight(sigma, data) * p.out * p.out == Approx(1));
      CHECK(p.noise == Approx(std::log(sigma) / 4));
      // cSkip is the one for which cOut is least: the errors of F are amplified as little as possible.
      const auto target = [&](double skip) { return std::pow(1 - skip, 2) * data * data + std::pow(skip * sigma, 2); };
      CHECK(target(p.skip) <= target(p.skip + 1e-3));
      CHECK(target(p.skip) <= target(p.skip - 1e-3));
    }
  }
}

TEST_CASE("the DiT is the published one: its picture equals a plain double-precision forward pass") {
  gpu::Stream stream = orrery::testing::openStream();
  const DitConfig config = smallConfig();
  nn::Initializer draw(stream, 3);
  nn::Weights weights = initialDit(draw, config);
  shake(weights, 0.3);
  const auto pixels = kernels::testFloats(3 * 3 * 8 * 8, 91, -1, 1);
  const std::vector<double> told{ditTimeOf(0.05, config), ditTimeOf(0.7, config), 437};
  const std::vector<std::uint32_t> classes{2, 4, 0};  // 4: none
  nn::Tape tape(stream);
  const auto constants = nn::constants(tape, weights);
  const Tensor patches = ditPatches(stream, Tensor::from(Shape{3, 3, 8, 8}, pixels), config);
  const Tensor output =
      ditForward(constants, tape.constant(patches), ditTimes(told, config), Tensor::from(Shape{3}, classes), config).value();
  const Tensor found = ditImages(stream, ditFromOutput(stream, output, config), config);
  Values expected;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::vector<float> picture(pixels.begin() + static_cast<std::ptrdiff_t>(i * 192),
                                     pixels.begin() + static_cast<std::ptrdiff_t>((i + 1) * 192));
    const Values one = plainDit(weights, config, picture, told[i], classes[i]);
    expected.insert(expected.end(), one.begin(), one.end());
  }
  // f32 through two layers: some tens of roundings of values of size one.
  CHECK(compare(found, expected).worst < 3e-5);
}

TEST_CASE("the DiT's gradients are those of its loss: central differences along random directions") {
  gpu::Stream stream = orrery::testing::openStream();
  const DitConfig config = smallConfig();
  nn::Initializer draw(stream, 3);
  nn::Weights weights = initialDit(draw, config);
  shake(weights, 0.2);
  const Tensor patches = Tensor::from(Shape{2, 16, 12}, kernels::testFloats(384, 93, -1, 1));
  const Tensor times = ditTimes(std::vector<double>{-4, 3}, config), classes = Tensor::from(Shape{2}, std::vector<std::uint32_t>{1, 4});
  const auto lossAt = [&](nn::Tape& tape, std::span<const nn::Variable> leaves) {
    return nn::mean(nn::square(ditForward(leaves, tape.constant(patches), times, classes, config)));
  };
  nn::Tape tape(stream);
  std::vector<nn::Variable> leaves;
  for (const auto& w : weights) leaves.push_back(tape.leaf(w.value));
  tape.backward(lossAt(tape, leaves));
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto gradient = tape.gradient(leaves[i]).toFloats();
    if (weights[i].name == "pos_embed") {
      CHECK(std::all_of(gradient.begin(), gradient.end(), [](float g) { return g == 0; }));
      continue;
    }
    // Along the gradient itself, where the slope is its length.
    double length = 0;
    for (const float g : gradient) length += static_cast<double>(g) * static_cast<double>(g);
    length = std::sqrt(length);
    INFO(weights[i].name << ", gradient of length " << length);
    REQUIRE(length > 0);
    const double step = 0.02;
    double ends[2];
    for (int side = 0; side < 2; ++side) {
      auto moved = weights;
      std::vector<float> values = weights[i].value.toFloats();
      for (std::size_t k = 0; k < values.size(); ++k)
        values[k] += static_cast<float>((side == 0 ? -step : step) * static_cast<double>(gradient[k]) / length);
      moved[i].value = Tensor::from(weights[i].value.shape(), values);
      nn::Tape there(stream);
      std::vector<nn::Variable> constants;
      for (const auto& w : moved) constants.push_back(there.constant(w.value));
      ends[side] = static_cast<double>(lossAt(there, constants).value().toFloats()[0]);
    }
    // The curvature of the loss and its f32 rounding (1e-7 of about one, over 2 step) leave a percent of slopes of 1e-3.
    CHECK((ends[1] - ends[0]) / (2 * step) == Approx(length).epsilon(0.02).margin(2e-5));
  }
}

TEST_CASE("a DiT's weights have the authors' names and shapes, and a fresh one does nothing") {
  gpu::Stream stream = orrery::testing::openStream();
  nn::Initializer draw(stream, 1);
  const nn::Weights weights = initialDit(draw, DitConfig());
  const auto find = [&](const std::string& name) {
    const auto found = std::find_if(weights.begin(), weights.end(), [&](const auto& w) { return w.name == name; });
    INFO(name);
    REQUIRE(found != weights.end());
    return found->value;
  };
  CHECK(find("pos_embed").shape() == Shape{1, 64, 128});
  CHECK(find("x_embedder.proj.weight").shape() == Shape{128, 3, 4, 4});
  CHECK(find("t_embedder.mlp.0.weight").shape() == Shape{128, 256});
  CHECK(find("t_embedder.mlp.2.bias").shape() == Shape{128});
  CHECK(find("y_embedder.embedding_table.weight").shape() == Shape{5, 128});
  CHECK(find("blocks.4.attn.qkv.weight").shape() == Shape{384, 128});
  CHECK(find("blocks.4.attn.proj.weight").shape() == Shape{128, 128});
  CHECK(find("blocks.4.mlp.fc1.weight").shape() == Shape{512, 128});
  CHECK(find("blocks.4.mlp.fc2.weight").shape() == Shape{128, 512});
  CHECK(find("blocks.4.adaLN_modulation.1.weight").shape() == Shape{768, 128});
  CHECK(find("final_layer.linear.weight").shape() == Shape{48, 128});
  CHECK(find("final_layer.adaLN_modulation.1.bias").shape() == Shape{256});
  // Token 9 is row 1, column 1; its first sines and cosines turn by one radian per step.
  const auto places = find("pos_embed").toFloats();
  for (const std::size_t at : {std::size_t{0}, std::size_t{64}}) {
    CHECK(static_cast<double>(places[9 * 128 + at]) == Approx(std::sin(1.0)));
    CHECK(static_cast<double>(places[9 * 128 + at + 32]) == Approx(std::cos(1.0)));
  }
  // Token 1: column 1, row 0.
  CHECK(static_cast<double>(places[128]) == Approx(std::sin(1.0)));
  CHECK(places[128 + 64] == 0);

  // F = 0, so D = cSkip x.
  const Tensor x = Tensor::from(Shape{2, 64, 48}, kernels::testFloats(6144, 94, -1, 1));
  const Tensor clean =
      TrainedDit{DitConfig(), weights}.denoise(stream, x, 0.5, Tensor::from(Shape{2}, std::vector<std::uint32_t>{0, 3}), 2);
  Values expected;
  for (const float v : x.toFloats()) expected.push_back(0.5 * static_cast<double>(v));
  CHECK(compare(clean, expected).worst < 1e-6);
}

TEST_CASE("sampling with an untrained network is the exact flow of a normal distribution") {
  // F = 0 is the right denoiser of normal data of deviation sigmaData: the flow takes deviation 80 to sigmaData.
  gpu::Stream stream = orrery::testing::openStream();
  DitConfig config = smallConfig();
  config.sigmaData = 0.4;
  nn::Initializer draw(stream, 1);
  const nn::Weights weights = initialDit(draw, config);
  const Tensor images = ditSample(stream, {config, weights}, std::vector<std::uint32_t>(16, 1), {.steps = 32, .guidance = 1, .seed = 5});
  CHECK(images.shape() == Shape{16, 3, 8, 8});
  double sum = 0, squares = 0;
  for (const float v : images.toFloats()) sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
  const auto n = static_cast<double>(images.count());
  // The deviation of 3072 numbers has a standard error of 1.3 %; Heun's own error with 32 steps is about one percent.
  CHECK(std::sqrt(squares / n - sum / n * sum / n) == Approx(0.4).epsilon(0.06));
  const auto again = ditSample(stream, {config, weights}, std::vector<std::uint32_t>(16, 1), {.steps = 32, .guidance = 1, .seed = 5});
  CHECK(again.toFloats() == images.toFloats());
}

TEST_CASE("guidance moves along the difference between the two answers") {
  gpu::Stream stream = orrery::testing::openStream();
  const DitConfig config = smallConfig();
  nn::Initializer draw(stream, 3);
  nn::Weights weights = initialDit(draw, config);
  shake(weights, 0.2);
  const Tensor x = Tensor::from(Shape{2, 16, 12}, kernels::testFloats(384, 95, -1, 1));
  const auto denoised = [&](std::uint32_t label, double w) {
    return TrainedDit{config, weights}
        .denoise(stream, x, 0.6, Tensor::from(Shape{2}, std::vector<std::uint32_t>{label, label}), w)
        .toFloats();
  };
  const auto with = denoised(1, 1), without = denoised(4, 1);
  Values expected;
  for (std::size_t i = 0; i < with.size(); ++i)
    expected.push_back(static_cast<double>(without[i]) + 3 * (static_cast<double>(with[i]) - static_cast<double>(without[i])));
  CHECK(with != without);
  // Three times a difference of f32 values of size one.
  CHECK(compare(Tensor::from(x.shape(), denoised(1, 3)), expected).worst < 2e-6);
}

TEST_CASE("whatever a network predicts, on whatever schedule, its denoiser is the one that the definition gives") {
  gpu::Stream stream = orrery::testing::openStream();
  DitConfig config = smallConfig();
  config.imageSize = 4, config.layers = 1;
  nn::Initializer draw(stream, 3);
  nn::Weights weights = initialDit(draw, config);
  shake(weights, 0.3);
  const auto picture = kernels::testFloats(48, 97, -1, 1);
  const double level = 1.7;
  for (const char* id : {"", "ddpm-linear", "vp", "flow"}) {
    for (const diffusion::Prediction prediction : diffusion::allPredictions) {
      for (const ToldTime time : {ToldTime::logLevel, ToldTime::steps, ToldTime::unit}) {
        const auto* process = findRegistered<diffusion::Process>(id);
        INFO(id << ", " << diffusion::idOf(prediction) << ", " << static_cast<int>(time));
        const TrainedDit network{config, weights, prediction, time, process};
        const double t = process != nullptr ? diffusion::timeOf(*process, level) : 0;
        const diffusion::Moment at = process != nullptr ? process->at(t) : diffusion::Moment{1, level, 0, 1};
        const double told = time == ToldTime::logLevel ? 4 * std::log(level) : time == ToldTime::steps ? std::max(1000 * t - 1, 0.0) : t;
        // The network sees x_t (EDM's: c_in x), and what it says is turned into D by the conversions that tests/diffusion checks.
        const double in =
            prediction == diffusion::Prediction::edm ? 1 / std::sqrt(level * level + config.sigmaData * config.sigmaData) : at.alpha;
        std::vector<float> seen;
        diffusion::State noisy;
        std::vector<double> noisyValues;
        for (const float v : picture) {
          seen.push_back(static_cast<float>(in * static_cast<double>(v)));
          noisyValues.push_back(at.alpha * static_cast<double>(v));
        }
        const Values said = plainDit(weights, config, seen, told, 2);
        const auto expected = diffusion::convert(prediction, diffusion::Prediction::data, diffusion::State(said),
                                                 diffusion::State(noisyValues), at, config.sigmaData);
        const Tensor patches = ditPatches(stream, Tensor::from(Shape{1, 3, 4, 4}, picture), config);
        const Tensor found =
            ditImages(stream, network.denoise(stream, patches, level, Tensor::from(Shape{1}, std::vector<std::uint32_t>{2}), 1), config);
        // f32 through a layer, times what a conversion multiplies it with (a score: sigma^2 / alpha, 3 at this level).
        CHECK(compare(found, Values(expected.begin(), expected.end())).worst < 3e-5);
      }
    }
  }
}

TEST_CASE("any file of the authors' layout opens; what it is not is said in a sentence") {
  namespace fs = std::filesystem;
  gpu::Stream stream = orrery::testing::openStream();
  const fs::path folder = fs::temp_directory_path() / "orrery-dit-file";
  fs::remove_all(folder);
  fs::create_directories(folder);
  const std::string path = (folder / "foreign.safetensors").string();
  const auto write = [&](const nn::Weights& weights) {
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (const auto& w : weights) tensors.emplace_back(w.name, w.value);
    REQUIRE(modelfile::writeSafetensors(path, tensors));
  };
  DitConfig config = smallConfig();
  config.width = 128, config.heads = 2, config.classes = 10, config.learnSigma = true;
  nn::Initializer draw(stream, 3);
  nn::Weights weights = initialDit(draw, config);
  shake(weights, 0.1);
  write(weights);

  // Without a config.json: shapes say all but the heads, the authors' code says what is meant.
  const auto opened = TrainedDit::open(stream, path);
  REQUIRE(opened);
  CHECK(opened->config.imageSize == 8);
  CHECK(opened->config.patchSize == 2);
  CHECK(opened->config.layers == 2);
  CHECK(opened->config.heads == 2);
  CHECK(opened->config.classes == 10);
  CHECK(opened->config.frequencies == 16);
  CHECK(opened->config.mlpRatio == 4);
  CHECK(opened->config.learnSigma);
  CHECK(opened->prediction == diffusion::Prediction::epsilon);
  CHECK(opened->time == ToldTime::steps);
  REQUIRE(opened->process != nullptr);
  CHECK(opened->process->id == "ddpm-linear");
  CHECK(opened->classNames.size() == 10);
  // Learnt variances are left out: the second half of the outputs changes nothing.
  const Tensor x = Tensor::from(Shape{1, 16, 12}, kernels::testFloats(192, 98, -1, 1)),
               label = Tensor::from(Shape{1}, std::vector<std::uint32_t>{3});
  const auto before = opened->denoise(stream, x, 1, label, 1).toFloats();
  for (auto& w : weights) {
    if (w.name != "final_layer.linear.bias") continue;
    auto values = w.value.toFloats();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += i % 6 >= 3 ? 5.0f : 0.0f;  // rows: pixel, then 3 means and 3 variances
    w.value = Tensor::from(w.value.shape(), values);
  }
  write(weights);
  CHECK(TrainedDit::open(stream, path)->denoise(stream, x, 1, label, 1).toFloats() == before);

  // What a person states wins.
  const auto stated = TrainedDit::open(stream, path, {{diffusion::Prediction::velocity, ToldTime::unit, "flow", {}}, 4});
  REQUIRE(stated);
  CHECK(stated->prediction == diffusion::Prediction::velocity);
  CHECK(stated->process->id == "flow");
  CHECK(stated->config.heads == 4);
  const auto message = [&](const Expected<TrainedDit>& result) {
    REQUIRE_FALSE(result);
    return result.error().message;
  };
  CHECK(message(TrainedDit::open(stream, path, {{{}, {}, ""}, 3})).find("3 heads") != std::string::npos);
  CHECK(message(TrainedDit::open(stream, path, {{{}, {}, "quadratic"}, 0})).find("'quadratic'") != std::string::npos);

  // A config.json beside it.
  const auto configure = [&](const std::string& text) { std::ofstream(folder / "config.json") << text; };
  configure(R"({"num_heads": 8, "prediction_type": "v_prediction", "noise_schedule": "cosine"})");
  const auto read = TrainedDit::open(stream, path);
  REQUIRE(read);
  CHECK(read->config.heads == 8);
  CHECK(read->prediction == diffusion::Prediction::v);
  CHECK(read->process->id == "cosine");
  configure(R"({"num_heads": 8, "prediction_type": "colour"})");
  CHECK(message(TrainedDit::open(stream, path)).find("\"colour\"") != std::string::npos);
  fs::remove(folder / "config.json");

  // Another layout, and a latent model.
  write({{"some.weight", Tensor::from(Shape{2}, {1, 2})}});
  CHECK(message(TrainedDit::open(stream, path)).find("x_embedder.proj.weight") != std::string::npos);
  config.channels = 4;
  write(initialDit(draw, config));
  CHECK(message(TrainedDit::open(stream, path)).find("4 channels") != std::string::npos);
  fs::remove_all(folder);
}

TEST_CASE("tiny-dit trains: the loss falls, the same way every time, and is judged with its pictures") {
  gpu::Stream stream = orrery::testing::openStream();
  const auto* recipe = findRegistered<Recipe>("tiny-dit");
  REQUIRE(recipe != nullptr);
  const Settings settings = settingsOf(*recipe, {"width=32", "layers=1", "heads=2", "batch=16", "warmup=2", "steps=30",
                                                 "learning-rate=0.005", "samples=8", "sampling-steps=4", "average=0.8"});
  const auto run = trainShortly(stream, *recipe, settings, 30, false);
  // F = 0 against a target of variance 1 and a mean: that of the pictures, which are dark, over their deviation.
  CHECK(run.losses.front() > 1);
  CHECK(run.losses.front() < 4);
  CHECK(run.losses.back() < 0.75 * run.losses.front());
  CHECK(trainShortly(stream, *recipe, settings, 30, false).losses == run.losses);

  const auto judged = run.training->judge(stream, run.trainer.average());
  REQUIRE(judged);
  CHECK(judged->at(0).name == "sliced_wasserstein");
  CHECK(judged->at(1).name == "sliced_wasserstein_floor");
  // So little training gives worse pictures than two sets of real ones are apart.
  CHECK(judged->at(0).value > judged->at(1).value);
  CHECK(judged->at(1).value > 0);
  CHECK(judged->at(2).value == Approx(run.losses.back()).epsilon(0.5));
  REQUIRE(run.training->files().size() == 1);
  CHECK(run.training->files()[0].first == "samples.png");
  CHECK(run.training->files()[0].second.substr(1, 3) == "PNG");
  const double deviation = run.training->config()["sigma_data"];
  CHECK(deviation > 0.2);
  CHECK(deviation < 0.6);
  // The places are not trained.
  nn::Initializer draw(stream, 1);
  CHECK(run.trainer.weights().front().value.toFloats() == run.training->initial(draw).front().value.toFloats());
}

TEST_CASE("large scenes: so many, large enough, the same every time, and none twice") {
  shapeworld::Options options;
  options.split = shapeworld::Split::val;
  const auto scenes = largeScenes(options, 32, 40, 384), next = largeScenes(options, 72, 40, 384);
  REQUIRE(scenes.size() == 40);
  REQUIRE(next.size() == 40);
  for (const auto& scene : scenes) {
    CHECK(scene.objects.at(0).radius >= 384);
    CHECK(scene.index >= 32 * 16);
    CHECK(scene.index < 72 * 16);
  }
  CHECK(largeScenes(options, 32, 40, 384).back().index == scenes.back().index);
  CHECK(next.front().index >= 72 * 16);
  // No shape is so large: the last ones of the range are taken, all the same.
  const auto none = largeScenes(options, 3, 5, 5000);
  REQUIRE(none.size() == 5);
  CHECK(none.back().index == 8 * 16 - 1);
  CHECK(largeScenes(options, 0, 0, 384).empty());
  CHECK(largeScenes(options, 5, 2, 0).front().index == 5);
}
