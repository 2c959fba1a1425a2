// Recipes: a session as JSON and back.
//   {"orrery": 1, "lab": id, "parameters": {id: value, only those that differ from their defaults; files as {"path", "sha256"}},
//    "frame": n, "speed": s, "loop": b}
// Recipes come out of strangers' figures: everything in them is checked, and nothing changes unless all of it can be restored.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/text.h"
#include "core/session/session_state.h"

namespace orrery {

namespace {

constexpr int formatVersion = 1;
// Far deeper than anything we write, far shallower than any stack.
constexpr int deepestJson = 64;

Error badRecipe(std::string message) { return makeError(ErrorCode::badInput, std::move(message)); }

// Where the file of a recipe is now: where it was, or beside the document that names it.
std::string locate(const std::string& path, const std::string& folder) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return path;
  if (folder.empty()) return {};
  const auto beside = std::filesystem::path(folder) / std::filesystem::path(path).filename();
  return std::filesystem::exists(beside, ignored) ? beside.string() : std::string();
}

std::string absolutePath(const std::string& path) {
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(path, failed);
  return failed ? path : absolute.lexically_normal().string();
}

}  // namespace

Expected<nlohmann::json> parseRecipe(std::string_view text) {
  bool tooDeep = false;
  const auto watchDepth = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    tooDeep = tooDeep || depth > deepestJson;
    return !tooDeep;
  };
  auto json = nlohmann::json::parse(text, watchDepth, false);
  if (tooDeep) return badRecipe(trf("This is nested deeper than {}; it is no recipe of Orrery", deepestJson));
  if (json.is_discarded()) return badRecipe(tr("This is not valid JSON; the recipe is damaged"));
  return json;
}

Expected<std::string> labOfRecipe(const nlohmann::json& recipe) {
  if (!recipe.is_object()) return badRecipe(tr("Expected an Orrery recipe (a JSON object)"));
  const auto version = recipe.find("orrery"), lab = recipe.find("lab");
  if (version == recipe.end() || !version->is_number_integer())
    return badRecipe(tr("This is no Orrery recipe: the key 'orrery' with the format version is missing"));
  if (version->get<std::int64_t>() > formatVersion) {
    return badRecipe(
        trf("This was made by a newer Orrery (format {}, this one reads {}); please update", version->get<std::int64_t>(), formatVersion));
  }
  if (version->get<std::int64_t>() < 1) return badRecipe(trf("Unknown format version {}", version->get<std::int64_t>()));
  if (lab == recipe.end() || !lab->is_string()) return badRecipe(tr("The recipe does not say which lab it belongs to"));
  return lab->get<std::string>();
}

nlohmann::json Session::toJson() const {
  const std::scoped_lock lock(state_->mutex);
  auto parameters = nlohmann::json::object();
  for (const auto& [id, value] : state_->values) {
    if (value == state_->defaults.at(id)) continue;
    Value written = value;
    if (auto* asset = std::get_if<Asset>(&written); asset && !asset->path.empty()) {
      if (const auto sum = state_->sums.get(asset->path)) asset->sha256 = *sum;
      asset->path = absolutePath(asset->path);
    }
    parameters[id] = orrery::toJson(written);
  }
  const auto frame = state_->seek.value_or(state_->picture ? state_->picture->frame : 0);
  return {{"orrery", formatVersion}, {"lab", state_->entry.id}, {"parameters", std::move(parameters)},
          {"frame", frame},          {"speed", state_->speed},  {"loop", state_->loop}};
}

Expected<void> Session::restore(const nlohmann::json& json, const std::string& folder) {
  const auto lab = labOfRecipe(json);
  if (!lab) return lab.error();
  const auto& entry = state_->entry;
  if (*lab != entry.id) return badRecipe(trf("This recipe belongs to the lab '{}', not to '{}'", *lab, entry.id));

  // Read everything before anything changes.
  Values values = state_->defaults;
  std::map<std::string, std::string> promised;
  std::vector<std::string> notes;
  if (const auto parameters = json.find("parameters"); parameters != json.end()) {
    if (!parameters->is_object()) return badRecipe(tr("The recipe's 'parameters' are not an object"));
    for (const auto& [id, value] : parameters->items()) {
      const auto* parameter = entry.find(id);
      if (!parameter) {
        notes.push_back(trf("The parameter '{}' is unknown to this version and was ignored", id));
        continue;
      }
      auto read = valueFromJson(*parameter, value);
      if (!read) return badRecipe(read.error().message);
      if (auto* asset = std::get_if<Asset>(&*read); asset && !asset->path.empty()) {
        const auto found = locate(asset->path, folder);
        if (found.empty())
          return makeError(ErrorCode::notFound,
                           trf("The file '{}' of this recipe is not there; put it back or choose another for '{}'", asset->path, id));
        if (!asset->sha256.empty()) promised[found] = asset->sha256;
        *asset = Asset{found, {}};
      }
      values[id] = *std::move(read);
    }
  }
  std::int64_t frame = 0;
  if (const auto given = json.find("frame"); given != json.end() && given->is_number_integer())
    frame = std::max<std::int64_t>(given->get<std::int64_t>(), 0);
  double speed = 1;
  if (const auto given = json.find("speed"); given != json.end() && given->is_number() && std::isfinite(given->get<double>()))
    speed = given->get<double>();
  const auto loopGiven = json.find("loop");
  const bool loop = loopGiven != json.end() && loopGiven->is_boolean() && loopGiven->get<bool>();

  setSpeed(speed);
  const std::scoped_lock lock(state_->mutex);
  state_->values = std::move(values);
  for (const auto& [path, sum] : promised) state_->sums.forget(path);
  state_->promised = std::move(promised);
  state_->notes = std::move(notes);
  state_->history.clear();
  state_->loop = loop;
  state_->seek = frame;
  state_->valuesChanged();
  return {};
}

}  // namespace orrery
