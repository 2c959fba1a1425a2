#include "core/models/bundled.h"

#include "core/base/files.h"
#include "core/base/text.h"
#include "core/modelfile/tensor_file.h"

namespace orrery::models {

std::string bundledFolder(const std::string& id) { return resourceFolder() + "/models/" + id; }

Expected<SavedModel> SavedModel::open(const std::string& folder) {
  const std::string path = folder + "/config.json";
  auto text = readWholeFile(path, 1 << 20);
  if (!text) return text.error();
  SavedModel result{folder, nlohmann::json::parse(*text, nullptr, false)};
  if (!result.config.is_object()) return makeError(ErrorCode::badInput, trf("{} is not a JSON object", path));
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
  const std::string path = folder + "/model.safetensors";
  auto file = modelfile::TensorFile::open(path);
  if (!file) return file.error();
  nn::Weights result;
  for (const nn::NamedTensor& wanted : like) {
    std::int64_t notFinite = 0;
    auto tensor = file->read(wanted.name, &notFinite);
    if (!tensor) return tensor.error();
    if (tensor->shape() != wanted.value.shape() || notFinite > 0) {
      return makeError(ErrorCode::badInput, trf("{}: the tensor '{}' should be {} of finite numbers, found {} with {} that are not", path,
                                                wanted.name, wanted.value.shape().toString(), tensor->shape().toString(), notFinite));
    }
    result.push_back({wanted.name, *std::move(tensor)});
  }
  return result;
}

}  // namespace orrery::models
