#pragma once
// A scene of the command line: a lab, or a figure or session file to restore, with presets, values and a frame; computed synchronously.

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/session/session.h"

namespace orrery::cli {

struct SceneOptions {
  std::string scene;  // a lab id, a figure or film with a recipe, or an .orrery file
  std::string preset;
  std::vector<std::string> sets;      // "id=value"
  std::optional<std::int64_t> frame;  // none: the recipe's, else the last
  gpu::DeviceOptions device;
};

struct Scene {
  const LabEntry* lab = nullptr;
  std::string folder;                    // of the figure or session file
  std::optional<nlohmann::json> recipe;  // of that file
  Changes changes;                       // from --set, checked
  std::string preset;
  std::optional<std::int64_t> frame;
};

// Everything that can be refused without a device: unknown lab, preset, parameter, value; missing files.
Expected<Scene> readScene(const SceneOptions& options);

// Opens the device and gives the session its values: recipe, preset, single ones. Nothing is computed before its wait().
Expected<std::unique_ptr<Session>> openScene(const Scene& scene, const gpu::DeviceOptions& device);

struct Computed {
  std::unique_ptr<Session> session;
  std::shared_ptr<const Picture> picture;
};
// Opens the device, computes, goes to the frame. Progress on stderr.
Expected<Computed> compute(const Scene& scene, const gpu::DeviceOptions& device);

// The lab's data set for the values computed, into this folder. Progress on stderr.
Expected<FilesWritten> writeFiles(Session& session, const std::string& folder);

// "id=value" of --set for this lab.
Expected<std::pair<std::string, Value>> readSetting(const LabEntry& lab, const std::string& setting);

}  // namespace orrery::cli
