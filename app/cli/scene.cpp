#include "app/cli/scene.h"

#include <filesystem>

#include "app/cli/output.h"
#include "app/export/export.h"
#include "core/base/text.h"
#include "core/session/find_lab.h"
#include "core/session/nearest.h"

namespace orrery::cli {

namespace {

Error usageError(std::string message) { return makeError(ErrorCode::usage, std::move(message)); }

std::string ending(const std::string& path) {
  auto text = std::filesystem::path(path).extension().string();
  for (char& letter : text) letter = static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
  return text;
}

// The recipe inside a figure or a session file.
Expected<nlohmann::json> recipeOf(const std::string& path) {
  std::string text;
  if (ending(path) == ".orrery") {
    const auto file = readSessionFile(path);
    if (!file) return file.error();
    text = file->json;
  } else {
    const auto found = exporting::readRecipe(path);
    if (!found) return found.error();
    text = *found;
  }
  return parseRecipe(text);
}

Error unknownParameter(const LabEntry& lab, const std::string& id) {
  std::vector<std::string> ids;
  std::string all;
  for (const auto& parameter : lab.parameters) {
    ids.push_back(parameter.id);
    all += (all.empty() ? "" : ", ") + parameter.id;
  }
  const auto close = nearest(id, ids);
  if (close.empty()) return usageError(trf("the lab '{}' has no parameter '{}'; it has {}", lab.id, id, all));
  return usageError(trf("the lab '{}' has no parameter '{}' (did you mean {}?); it has {}", lab.id, id, joined(close), all));
}

// Listens to a session for as long as it lives; afterwards no call is under way any more.
class Watch {
 public:
  Watch(Session& session, std::function<void()> observer) : session_(session) { session_.observe(std::move(observer)); }
  ~Watch() {
    session_.observe({});
    session_.onWorker([] {});
    (void)session_.wait();
  }

 private:
  Session& session_;
};

}  // namespace

Expected<std::pair<std::string, Value>> readSetting(const LabEntry& lab, const std::string& setting) {
  const auto equals = setting.find('=');
  if (equals == std::string::npos || equals == 0) return usageError(trf("--set needs id=value, found '{}'", setting));
  const auto id = setting.substr(0, equals);
  const auto* parameter = lab.find(id);
  if (!parameter) return unknownParameter(lab, id);
  auto value = parseValue(*parameter, std::string_view(setting).substr(equals + 1));
  if (!value) return value.error();
  if (const auto* asset = std::get_if<Asset>(&*value); asset && !asset->path.empty()) {
    std::error_code ignored;
    if (!std::filesystem::exists(asset->path, ignored)) {
      return makeError(ErrorCode::notFound, trf("{}: there is no file '{}'", id, asset->path));
    }
  }
  return std::pair{id, *std::move(value)};
}

Expected<Scene> readScene(const SceneOptions& options) {
  Scene scene;
  std::error_code ignored;
  auto lab = findLab(options.scene);
  if (!lab && std::filesystem::exists(options.scene, ignored)) {
    auto recipe = recipeOf(options.scene);
    if (!recipe) return recipe.error();
    const auto id = labOfRecipe(*recipe);
    if (!id) return id.error();
    lab = findLab(*id);
    // A recipe's unknown lab is the file's fault, not that of the command line.
    if (!lab)
      return makeError(ErrorCode::unsupported,
                       trf("'{}' was made with the lab '{}', which this version does not have", options.scene, *id));
    const auto parent = std::filesystem::path(options.scene).parent_path();
    scene.folder = parent.empty() ? std::string(".") : parent.string();
    scene.recipe = *std::move(recipe);
  }
  if (!lab) {
    const bool looksLikeFile = !ending(options.scene).empty();
    if (looksLikeFile) return makeError(ErrorCode::notFound, trf("there is no file '{}'", options.scene));
    return lab.error();
  }
  scene.lab = *lab;

  // A preset of a lab without this one is told before a device is opened.
  if (!options.preset.empty()) {
    std::vector<std::string> ids;
    bool known = false;
    for (const auto& preset : scene.lab->presets) {
      ids.push_back(preset.id);
      known = known || preset.id == options.preset;
    }
    if (!known && ids.empty()) return usageError(trf("the lab '{}' has no presets", scene.lab->id));
    if (!known) return usageError(trf("the lab '{}' has no preset '{}'; it has {}", scene.lab->id, options.preset, joined(ids)));
    scene.preset = options.preset;
  }
  for (const auto& setting : options.sets) {
    auto change = readSetting(*scene.lab, setting);
    if (!change) return change.error();
    scene.changes.push_back(*std::move(change));
  }
  if (options.frame && *options.frame < 0) return usageError(trf("--frame {} is negative", *options.frame));
  scene.frame = options.frame;
  return scene;
}

Expected<std::unique_ptr<Session>> openScene(const Scene& scene, const gpu::DeviceOptions& device) {
  SessionOptions options;
  options.device = device;
  options.deferred = true;
  auto opened = Session::open(scene.lab->id, options);
  if (!opened) return opened.error();
  auto& session = **opened;

  // Recipe first, then the preset, then single values: the later the stronger.
  if (scene.recipe) {
    if (auto done = session.restore(*scene.recipe, scene.folder); !done) return done.error();
  }
  if (!scene.preset.empty()) {
    if (auto done = session.applyPreset(scene.preset); !done) return done.error();
  }
  if (!scene.changes.empty()) {
    if (auto done = session.set(scene.changes); !done) return done.error();
  }
  return opened;
}

Expected<Computed> compute(const Scene& scene, const gpu::DeviceOptions& device) {
  auto opened = openScene(scene, device);
  if (!opened) return opened.error();
  Computed computed;
  computed.session = *std::move(opened);
  auto& session = *computed.session;

  ProgressLine line;
  const Watch watch(session, [&] {
    const auto progress = session.progress();
    if (progress.busy && !progress.what.empty()) line.show(progress.what, progress.fraction);
  });
  if (auto done = session.wait(); !done) return done.error();
  const auto frames = std::max<std::int64_t>(session.picture()->frames, 1);
  if (scene.frame && *scene.frame >= frames) {
    if (frames == 1) {
      return usageError(trf("--frame {}: the lab '{}' has only frame 0 with these values", *scene.frame, scene.lab->id));
    }
    return usageError(trf("--frame {} is outside 0 to {}", *scene.frame, frames - 1));
  }
  // Without a frame: the recipe's, which restore() went to, or the end, where a run has its result.
  if (scene.frame || !scene.recipe) {
    session.seek(scene.frame.value_or(frames - 1));
    if (auto done = session.wait(); !done) return done.error();
  }
  for (const auto& remark : session.notes()) note(remark);
  computed.picture = session.picture();
  return computed;
}

Expected<FilesWritten> writeFiles(Session& session, const std::string& folder) {
  ProgressLine line;
  const Watch watch(session, [&] {
    const auto progress = session.progress();
    if (progress.busy && !progress.what.empty()) line.show(progress.what, progress.fraction);
  });
  std::optional<Expected<FilesWritten>> result;
  session.writeFiles(folder, [&](Expected<FilesWritten> written) { result = std::move(written); });
  if (auto done = session.wait(); !done) return done.error();
  return *std::move(result);
}

}  // namespace orrery::cli
