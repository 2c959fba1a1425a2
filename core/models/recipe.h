#pragma once
// A recipe trains one model from nothing: its network, its data, its loss and how it is judged. `orrery train ID` runs it. A recipe
// registers itself; its settings are declared here and nowhere else.

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/expected.h"
#include "core/base/registry.h"
#include "core/nn/layers.h"
#include "core/nn/trainer.h"

namespace orrery::models {

struct Setting {
  std::string id;  // "width"
  double initial = 0, low = 0, high = 0;
  bool whole = true;
  std::string help;  // one line, English
  // Whether a training that goes on must keep it. Free: how far and how fast to go, how the outcome is judged.
  enum Kept : std::uint8_t { fixed, free } kept = fixed;
};

// Values by setting id.
class Settings {
 public:
  explicit Settings(std::vector<Setting> declared) : declared_(std::move(declared)) {}
  // "width=64". Error: usage, naming what is wrong and what is allowed.
  Expected<void> set(std::string_view assignment);
  double number(std::string_view id) const;
  std::int64_t integer(std::string_view id) const { return static_cast<std::int64_t>(number(id)); }
  const std::vector<Setting>& all() const { return declared_; }  // `initial` is the present value
  // "steps=1500 batch=64 ...": every setting, as models and checkpoints keep them. setAll takes it back; Error: usage, as set().
  std::string text() const;
  Expected<void> setAll(std::string_view text);

 private:
  std::vector<Setting> declared_;
};

struct Judgement {
  std::string name;  // "accuracy"
  double value = 0;
  std::string of;  // "2000 held-out scenes"
};

// What recipes have in common: AdamW, a cosine over the setting "steps" after "warmup", the peak "learning-rate", gradients clipped at 1.
nn::TrainerOptions adamWithCosine(const Settings& settings);

// A training in progress; used on one thread.
class Training {
 public:
  virtual ~Training() = default;
  // Reads what it learns from, once, before anything but options(), config() and, for names and shapes alone, initial().
  virtual Expected<void> prepare() { return {}; }
  virtual nn::Weights initial(nn::Initializer& draw) const = 0;
  virtual nn::TrainerOptions options() const = 0;
  // The loss of the batch of this step (from 0): the same batch for the same seed and step.
  virtual nn::Trainer::Loss loss(std::int64_t step) = 0;
  virtual Expected<std::vector<Judgement>> judge(gpu::Stream& stream, const nn::Weights& weights) = 0;
  // What judge() leaves to look at: names and contents of files beside the weights.
  virtual std::vector<std::pair<std::string, std::string>> files() const { return {}; }
  // config.json beside the weights.
  virtual nlohmann::json config() const = 0;
};

struct Recipe {
  std::string_view id;                 // "tiny-vit"
  std::string_view summary;            // one line, English
  std::vector<Setting> (*settings)();  // "steps", "batch", "seed" and "learning-rate" among them
  std::unique_ptr<Training> (*make)(const Settings& settings);
};

}  // namespace orrery::models
