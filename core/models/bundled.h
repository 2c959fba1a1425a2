#pragma once
// Trained models as `orrery train` leaves them: a folder with model.safetensors and config.json. Those that come with the program are
// resources/models/<id>.

#include <nlohmann/json.hpp>
#include <string>

#include "core/base/expected.h"
#include "core/models/recipe.h"
#include "core/nn/optimizer.h"

namespace orrery::models {

// resources/models/<id>, whether it is there or not.
std::string bundledFolder(const std::string& id);

struct SavedModel {
  std::string folder, weightsPath;
  nlohmann::json config;

  // `path`: the folder, or the .safetensors file in it. Error: config.json is missing or damaged.
  static Expected<SavedModel> open(const std::string& path);
  // The recipe that made it, with its settings then. Error: the configuration names none, or one that this program does not have.
  Expected<const Recipe*> recipe() const;
  Expected<Settings> settings() const;
  // A whole number of the configuration. Error: none of that name from 1 to `most`.
  Expected<std::int64_t> number(const std::string& name, std::int64_t most = 65536) const;
  // The tensors that `like` names, in its order. Error: one is missing or has another shape.
  Expected<nn::Weights> weights(const nn::Weights& like) const;
};

}  // namespace orrery::models
