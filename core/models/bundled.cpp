#include "core/models/bundled.h"

#include <filesystem>

#include "core/base/files.h"
#include "core/base/text.h"
#include "core/modelfile/tensor_file.h"

namespace orrery::models {

std::string bundledFolder(const std::string& id) { return resourceFolder() + "/models/" + id; }

Expected<SavedModel> SavedModel::open(const std::string& path) {
  const std::filesystem::path given(path);
  const bool isFile = given.extension() == ".safetensors";
  const std::string folder = isFile ? (given.has_parent_path() ? given.parent_path().string() : ".") : path;
  // A file that is not there is named before the config.json of others that lie in its folder.
  if (std::error_code ignored; isFile && !std::filesystem::exists(given, ignored)) return readWholeFile(path).error();
  const std::string configPath = folder + "/config.json";
  auto text = readWholeFile(configPath, 1 << 20);
  if (!text) return text.error();
  SavedModel result{folder, isFile ? path : folder + "/model.safetensors", nlohmann::json::parse(*text, nullptr, false)};
  if (!result.config.is_object()) return makeError(ErrorCode::badInput, trf("{} is not a JSON object", configPath));
  return result;
}

Expected<const Recipe*> SavedModel::recipe() const {
  const auto made = config.value("orrery", nlohmann::json::object());
  const auto id = made.is_object() && made.contains("recipe") && made["recipe"].is_string() ? made["recipe"].get<std::string>() : "";
  if (const auto* found = findRegistered<Recipe>(id)) return found;
  return makeError(ErrorCode::badInput,
                   id.empty() ? trf("{} names no recipe of Orrery", folder + "/config.json")
                              : trf("{} names the recipe '{}', which this program does not have", folder + "/config.json", id));
}

Expected<Settings> SavedModel::settings() const {
  const auto made = recipe();
  if (!made) return made.error();
  Settings result((*made)->settings());
  const auto& text = config["orrery"].value("settings", nlohmann::json());
  if (!text.is_string())
    return makeError(ErrorCode::badInput, trf("{} does not say with which settings it was made", folder + "/config.json"));
  if (auto taken = result.setAll(text.get<std::string>()); !taken) {
    return makeError(ErrorCode::badInput, trf("{}: {}", folder + "/config.json", taken.error().message));
  }
  return result;
}

Expected<std::int64_t> SavedModel::number(const std::string& name, std::int64_t most) const {
  const auto found = config.find(name);
  if (found != config.end() && found->is_number_integer()) {
    const auto value = found->get<std::int64_t>();
    if (value >= 1 && value <= most) return value;
  }
  return makeError(ErrorCode::badInput, trf("{} has no whole number '{}' from 1 to {}", folder + "/config.json", name, most));
}

Expected<nn::Weights> SavedModel::weights(const nn::Weights& like) const {
  const std::string& path = weightsPath;
  // Readers say what is wrong; which file it was is known here.
  const auto about = [&](Error error) {
    if (error.message.find(path) == std::string::npos) error.message = path + ": " + error.message;
    return error;
  };
  auto file = modelfile::TensorFile::open(path);
  if (!file) return about(file.error());
  nn::Weights result;
  for (const nn::NamedTensor& wanted : like) {
    std::int64_t notFinite = 0;
    auto tensor = file->read(wanted.name, &notFinite);
    if (!tensor) return about(tensor.error());
    if (tensor->shape() != wanted.value.shape() || notFinite > 0) {
      return makeError(ErrorCode::badInput, trf("{}: the tensor '{}' should be {} of finite numbers, found {} with {} that are not", path,
                                                wanted.name, wanted.value.shape().toString(), tensor->shape().toString(), notFinite));
    }
    result.push_back({wanted.name, *std::move(tensor)});
  }
  return result;
}

}  // namespace orrery::models
