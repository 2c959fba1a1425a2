// orrery train: a recipe from nothing to a safetensors file. Nothing is read back per step; the loss of every step is looked at a few at a
// time. Interrupted, it leaves a checkpoint beside the output that --resume continues to the same bits on the same device. --from begins
// a training of its own, with a model's weights in place of random ones.

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "app/cli/commands.h"
#include "app/cli/largest_batch.h"
#include "app/cli/output.h"
#include "core/base/files.h"
#include "core/base/text.h"
#include "core/gpu/stream.h"
#include "core/modelfile/safetensors_write.h"
#include "core/modelfile/tensor_file.h"
#include "core/models/bundled.h"
#include "core/models/recipe.h"
#include "core/session/nearest.h"

namespace orrery::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int stepsPerLook = 10;  // losses are read together
constexpr double secondsPerCheckpoint = 60;

std::atomic<bool> interrupted{false};
extern "C" void onInterrupt(int) { interrupted = true; }

std::string timeLeft(double seconds) {
  const auto whole = static_cast<long>(std::llround(seconds));
  return whole >= 3600 ? fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60) : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

nlohmann::json judgedJson(const std::vector<models::Judgement>& judged) {
  auto result = nlohmann::json::object();
  for (const auto& j : judged) result[j.name] = {{"value", j.value}, {"of", j.of}};
  return result;
}

std::string judgedText(const nlohmann::json& judged) {
  std::string text;
  for (const auto& [name, j] : judged.items())
    text += fmt::format("  {}  {:.4f}  ({})\n", name, j["value"].get<double>(), j["of"].get<std::string>());
  return text;
}

// The command that makes this model again.
std::string commandFor(const models::Recipe& recipe, const models::Settings& settings, bool fromModel) {
  std::string text = fmt::format("orrery train {}{}", recipe.id, fromModel ? " --from earlier.safetensors" : "");
  const auto declared = recipe.settings();
  for (std::size_t i = 0; i < declared.size(); ++i) {
    if (const auto& s = settings.all()[i]; s.initial != declared[i].initial) text += fmt::format(" --set {}={}", s.id, s.initial);
  }
  return text + " -o model.safetensors";
}

// Where a checkpoint's settings stand in the way of going on from it, "batch (64 there, 32 here), ...". A training that failed is taken up with a
// lower rate, one that is done with more steps: those are free.
std::string conflicts(const models::Settings& here, const std::string& there) {
  std::istringstream words(there);
  std::map<std::string, std::string> theirs;
  for (std::string word; words >> word;) theirs[word.substr(0, word.find('='))] = word.substr(word.find('=') + 1);
  std::string text;
  for (const models::Setting& setting : here.all()) {
    if (setting.kept == models::Setting::free) continue;
    const auto found = theirs.find(setting.id);
    const std::string ours = fmt::format("{}", setting.initial), value = found == theirs.end() ? tr("not there") : found->second;
    if (value != ours) text += (text.empty() ? "" : ", ") + trf("{}: {} in the file, {} here", setting.id, value, ours);
  }
  return text;
}

std::vector<std::pair<std::string, Tensor>> pairs(const nn::Weights& weights) {
  std::vector<std::pair<std::string, Tensor>> result;
  for (const auto& w : weights) result.emplace_back(w.name, w.value);
  return result;
}

// What a checkpoint's metadata says, and its tensors.
struct Checkpoint {
  std::string recipe, settings;
  std::int64_t steps = 0;
  nlohmann::json from;  // Run::from_
  nn::Weights tensors;
};

Expected<Checkpoint> readCheckpoint(const std::string& path) {
  auto file = modelfile::TensorFile::open(path);
  if (!file) return file.error();
  Checkpoint result;
  const auto& metadata = file->metadata();
  const auto text = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  result.recipe = text("orrery.recipe"), result.settings = text("orrery.settings");
  const std::string steps = text("orrery.steps");
  if (result.recipe.empty() || steps.empty() || steps.find_first_not_of("0123456789") != std::string::npos || steps.size() > 12) {
    return makeError(ErrorCode::badInput, trf("{} is not a checkpoint of orrery train: its metadata names no recipe and step", path));
  }
  result.steps = std::stoll(steps);
  if (const auto from = nlohmann::json::parse(text("orrery.from"), nullptr, false); from.is_object()) result.from = from;
  for (const auto& tensor : file->tensors()) {
    auto read = file->read(tensor.name);
    if (!read) return read.error();
    result.tensors.push_back({tensor.name, *std::move(read)});
  }
  return result;
}

// The steps between two looks at the clock, the terminal and the losses.
class Run {
 public:
  Run(const TrainOptions& options, const models::Recipe& recipe, models::Settings settings)
      : options_(options), recipe_(recipe), settings_(std::move(settings)), training_(recipe.make(settings_)) {}

  Expected<nlohmann::json> operator()(const std::shared_ptr<gpu::Device>& device) {
    gpu::Stream stream(device);
    if (auto prepared = training_->prepare(); !prepared) return prepared.error();
    nn::Initializer draw(stream, static_cast<std::uint64_t>(settings_.integer("seed")));
    nn::Weights first = training_->initial(draw);
    if (!options_.from.empty()) {
      auto taken = firstWeights(first);
      if (!taken) return taken.error();
      first = *std::move(taken);
    }
    trainer_ = nn::Trainer(std::move(first), training_->options());
    if (!options_.resume.empty()) {
      if (auto resumed = resume(); !resumed) return resumed.error();
    }
    const std::int64_t total = settings_.integer("steps");
    ProgressLine line;
    const auto began = Clock::now();
    auto saved = began;
    const std::int64_t from = trainer_.steps();
    double lossNow = 0;
    while (trainer_.steps() < total) {
      const nn::Trainer good = trainer_;
      std::vector<Tensor> losses;
      for (int i = 0; i < stepsPerLook && trainer_.steps() < total; ++i) {
        losses.push_back(step(stream, !losses.empty()));
        // One step is recorded while the one before it runs, no more: each holds all of its tensors until it is done.
        stream.wait();
        stream.submit();
      }
      for (std::size_t i = 0; i < losses.size(); ++i) {
        const double loss = static_cast<double>(losses[i].toFloats()[0]);
        if (!std::isfinite(loss)) {
          trainer_ = good;
          if (auto kept = save(); !kept) return kept.error();
          return makeError(ErrorCode::badInput,
                           trf("the loss is no longer a number at step {}; the weights of step {} are kept in {}. Lower the learning rate",
                               good.steps() + static_cast<std::int64_t>(i) + 1, good.steps(), checkpointPath()));
        }
        lossNow = lossNow == 0 ? loss : 0.9 * lossNow + 0.1 * loss;
      }
      const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
      const double rate = static_cast<double>(trainer_.steps() - from) / std::max(seconds, 1e-9);
      line.show(trf("step {} of {}, loss {:.4f}, {:.1f} steps/s, {} left", trainer_.steps(), total, lossNow, rate,
                    timeLeft(static_cast<double>(total - trainer_.steps()) / std::max(rate, 1e-9))),
                static_cast<double>(trainer_.steps()) / static_cast<double>(total));
      if (interrupted) {
        if (auto kept = save(); !kept) return kept.error();
        return makeError(ErrorCode::cancelled,
                         trf("stopped at step {} of {}; go on with --resume {}", trainer_.steps(), total, checkpointPath()));
      }
      if (std::chrono::duration<double>(Clock::now() - saved).count() > secondsPerCheckpoint) {
        if (auto kept = save(); !kept) return kept.error();
        saved = Clock::now();
      }
    }
    line.show(tr("judging on what it has not seen"));
    const auto judged = training_->judge(stream, trainer_.average());
    if (!judged) return judged.error();
    return finish(*judged, lossNow, std::chrono::duration<double>(Clock::now() - began).count());
  }

  // After a failure: the weights so far, if there was a step. Where they are; empty when there are none or they could not be written.
  std::string keep() const {
    try {
      return trainer_.steps() > 0 && save() ? checkpointPath() : "";
    } catch (const std::exception&) {
      return "";
    }
  }

 private:
  // `others`: earlier steps are still on their way.
  Tensor step(gpu::Stream& stream, bool others) {
    try {
      return trainer_.step(stream, training_->loss(trainer_.steps())).loss;
    } catch (const gpu::OutOfMemory&) {
      if (!others) throw;
      // They hold memory, too: wait for them, then once more.
      stream.finish();
      return trainer_.step(stream, training_->loss(trainer_.steps())).loss;
    }
  }

  std::string checkpointPath() const { return options_.output + ".checkpoint"; }

  std::map<std::string, std::string> metadata() const {
    std::map<std::string, std::string> result{{"orrery.recipe", std::string(recipe_.id)},
                                              {"orrery.settings", settings_.text()},
                                              {"orrery.steps", std::to_string(trainer_.steps())},
                                              {"format", "pt"}};
    if (!from_.is_null()) result["orrery.from"] = from_.dump();
    return result;
  }

  Expected<void> save() const { return modelfile::writeSafetensors(checkpointPath(), pairs(trainer_.checkpoint()), metadata()); }

  Expected<void> resume() {
    auto checkpoint = readCheckpoint(options_.resume);
    // Readers say what is wrong; which file it was is known here.
    const auto about = [&](Error error) {
      if (error.message.find(options_.resume) == std::string::npos) error.message = options_.resume + ": " + error.message;
      return error;
    };
    if (!checkpoint) return about(checkpoint.error());
    if (checkpoint->recipe != recipe_.id) {
      return makeError(ErrorCode::usage, trf("{} belongs to the recipe {}, not to {}", options_.resume, checkpoint->recipe, recipe_.id));
    }
    if (const std::string other = conflicts(settings_, checkpoint->settings); !other.empty()) {
      return makeError(ErrorCode::usage, trf("{} was trained with other settings ({}); give the same ones to go on", options_.resume, other));
    }
    if (auto resumed = trainer_.resume(checkpoint->steps, checkpoint->tensors); !resumed) return about(resumed.error());
    from_ = checkpoint->from;
    return {};
  }

  // The weights of options_.from, and in from_ how that model was made.
  Expected<nn::Weights> firstWeights(const nn::Weights& like) {
    const auto saved = models::SavedModel::open(options_.from);
    if (!saved) return saved.error();
    const auto made = saved->recipe();
    if (!made) return made.error();
    if (*made != &recipe_) {
      return makeError(ErrorCode::usage, trf("{} belongs to the recipe {}, not to {}", options_.from, (*made)->id, recipe_.id));
    }
    from_ = saved->config["orrery"];
    return saved->weights(like);
  }

  Expected<nlohmann::json> finish(const std::vector<models::Judgement>& judged, double loss, double seconds) const {
    auto about = metadata();
    nlohmann::json result{
        {"recipe", recipe_.id}, {"steps", trainer_.steps()}, {"loss", loss}, {"seconds", seconds}, {"output", options_.output}};
    std::int64_t parameters = 0;
    for (const auto& w : trainer_.weights()) parameters += w.value.count();
    result["parameters"] = parameters;
    result["judged"] = judgedJson(judged);
    for (const auto& j : judged) about["orrery." + j.name] = fmt::format("{:.6g} of {}", j.value, j.of);
    if (auto written = modelfile::writeSafetensors(options_.output, pairs(trainer_.average()), about); !written) return written.error();
    auto config = training_->config();
    config["orrery"] = {
        {"recipe", recipe_.id}, {"settings", settings_.text()}, {"command", commandFor(recipe_, settings_, !from_.is_null())}, {"judged", result["judged"]}};
    if (!from_.is_null()) config["orrery"]["from"] = from_;
    const auto beside = std::filesystem::path(options_.output).replace_filename("config.json").string();
    if (auto written = writeFileAtomically(beside, config.dump(2) + "\n"); !written) return written.error();
    for (const auto& [name, content] : training_->files()) {
      const auto path = std::filesystem::path(options_.output).replace_filename(name).string();
      if (auto written = writeFileAtomically(path, content); !written) return written.error();
      result["files"].push_back(path);
    }
    std::error_code ignored;
    std::filesystem::remove(checkpointPath(), ignored);
    return result;
  }

  const TrainOptions& options_;
  const models::Recipe& recipe_;
  models::Settings settings_;
  std::unique_ptr<models::Training> training_;
  nn::Trainer trainer_;
  nlohmann::json from_;  // null, or what the configuration of the model it began from says of its making
};

int list(bool json) {
  auto array = nlohmann::json::array();
  Table table;
  for (const auto& recipe : registered<models::Recipe>()) {
    auto settings = nlohmann::json::array();
    table.row({std::string(recipe.id), tr(recipe.summary)});
    for (const auto& s : recipe.settings()) {
      settings.push_back({{"id", s.id}, {"default", s.initial}, {"low", s.low}, {"high", s.high}, {"help", s.help}});
      table.row({"  " + s.id, fmt::format("{} ({} – {})  {}", s.initial, s.low, s.high, tr(s.help))});
    }
    array.push_back({{"id", recipe.id}, {"summary", recipe.summary}, {"settings", settings}});
  }
  return json ? printJson(array) : print(table.text());
}

}  // namespace

int train(const TrainOptions& options) {
  if (options.recipe.empty()) return list(options.json);
  const auto* recipe = findRegistered<models::Recipe>(options.recipe);
  if (recipe == nullptr) {
    std::vector<std::string> known;
    for (const auto& r : registered<models::Recipe>()) known.emplace_back(r.id);
    const auto close = nearest(options.recipe, known);
    return usage(close.empty() ? trf("there is no recipe '{}'; `orrery train` lists them", options.recipe)
                               : trf("there is no recipe '{}'; did you mean {}?", options.recipe, close.front()));
  }
  if (options.output.empty()) return usage(tr("-o is needed: the model to write, e.g. model.safetensors"));
  if (std::filesystem::path(options.output).extension() != ".safetensors") {
    return usage(trf("-o {}: a model is written as .safetensors", options.output));
  }
  if (!options.resume.empty() && !options.from.empty()) return usage(tr("--resume goes on with a training, --from begins one: give one of them"));
  if (auto writable = checkWritable(options.output); !writable) return fail(writable.error());
  models::Settings settings(recipe->settings());
  for (const auto& assignment : options.sets) {
    if (auto set = settings.set(assignment); !set) return fail(set.error());
  }
  if (options.steps > 0) {
    if (auto set = settings.set("steps=" + std::to_string(options.steps)); !set) return fail(set.error());
  }
  const auto device = gpu::Device::open(options.device);
  if (!device) return fail(device.error());
  noteMissingMatrices(**device);
  interrupted = false;
  const auto before = std::signal(SIGINT, onInterrupt);
  Expected<nlohmann::json> result = [&]() -> Expected<nlohmann::json> {
    Run run(options, *recipe, settings);
    // Too little memory at all, or a tensor larger than the device can bind.
    const auto tooLarge = [&](const std::exception& e) {
      const std::string kept = run.keep();
      const std::int64_t batch = largestBatch(*recipe, settings, *device);
      std::string says = trf("{}; no batch fits, so the network itself must be smaller", e.what());
      if (batch > 0) says = trf("{}; the largest batch that fits is {}: --set batch={}", e.what(), batch, batch);
      // This one would fit, so it was something else that took the memory.
      if (batch == settings.integer("batch")) says = kept.empty() ? e.what() : trf("{}; go on from {} with --resume", e.what(), kept);
      return makeError(ErrorCode::outOfMemory, says);
    };
    try {
      return run(*device);
    } catch (const gpu::OutOfMemory& e) {
      return tooLarge(e);
    } catch (const std::length_error& e) {
      return tooLarge(e);
    } catch (const gpu::DeviceLost&) {
      return makeError(ErrorCode::gpu,
                       trf("the GPU was lost; go on from the last checkpoint with --resume {}", options.output + ".checkpoint"));
    }
  }();
  std::signal(SIGINT, before);
  if (!result) return fail(result.error());
  if (options.json) return printJson(*result);
  return print(trf("{}: {} parameters, {} steps in {}", options.output, (*result)["parameters"].get<std::int64_t>(),
                   (*result)["steps"].get<std::int64_t>(), timeLeft((*result)["seconds"].get<double>())) +
               "\n" + judgedText((*result)["judged"]));
}

int judge(const JudgeOptions& options) {
  // A file or folder, or the id of a model that comes with the program.
  const bool named = options.model.find_first_of("/\\") == std::string::npos && !std::filesystem::exists(options.model);
  const auto saved = models::SavedModel::open(named ? models::bundledFolder(options.model) : options.model);
  if (!saved) return fail(saved.error());
  const auto recipe = saved->recipe();
  if (!recipe) return fail(recipe.error());
  auto settings = saved->settings();
  if (!settings) return fail(settings.error());
  for (const auto& assignment : options.sets) {
    if (auto set = settings->set(assignment); !set) return fail(set.error());
  }
  const auto device = gpu::Device::open(options.device);
  if (!device) return fail(device.error());
  const auto result = [&]() -> Expected<nlohmann::json> {
    gpu::Stream stream(*device);
    const auto training = (*recipe)->make(*settings);
    if (auto prepared = training->prepare(); !prepared) return prepared.error();
    nn::Initializer draw(stream, 1);
    const auto weights = saved->weights(training->initial(draw));
    if (!weights) return weights.error();
    const auto judged = training->judge(stream, *weights);
    if (!judged) return judged.error();
    return nlohmann::json{{"model", saved->folder}, {"recipe", (*recipe)->id}, {"judged", judgedJson(*judged)}};
  }();
  if (!result) return fail(result.error());
  return options.json ? printJson(*result) : print(judgedText((*result)["judged"]));
}

}  // namespace orrery::cli
