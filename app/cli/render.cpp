// orrery render, data: a scene as a figure, the numbers behind it, and the data set of a lab that has one.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "app/cli/picture_size.h"
#include "app/cli/scene_figure.h"
#include "app/export/export.h"
#include "core/base/text.h"

namespace orrery::cli {

namespace {

int report(const std::vector<exporting::Written>& written, const Picture& picture, const LabEntry& lab, bool json) {
  std::string lines;
  auto paths = nlohmann::json::array(), remarks = nlohmann::json::array();
  for (const auto& one : written) {
    for (const auto& remark : one.notes) {
      note(remark);
      remarks.push_back(remark);
    }
    lines += one.path + "\n";
    paths.push_back(one.path);
  }
  if (!json) return print(lines);
  return printJson({{"path", paths.front()}, {"paths", paths}, {"lab", lab.id}, {"frame", picture.frame}, {"frames", picture.frames}, {"notes", remarks}});
}

Expected<void> checkOutputs(const std::vector<std::string>& outputs, std::initializer_list<std::string_view> endings) {
  for (const auto& output : outputs) {
    if (const auto ending = knownEnding(output, endings); !ending) return ending.error();
    if (auto writable = checkWritable(output); !writable) return writable;
  }
  return {};
}

bool meansFolder(const std::string& path) {
  std::error_code ignored;
  return path.ends_with('/') || std::filesystem::is_directory(path, ignored);
}

// A folder as the output: the lab's own files instead of the numbers behind the figure.
int dataSet(const DataOptions& options) {
  if (options.outputs.size() > 1) return usage(tr("a folder for a data set is the only output of its command; write files of numbers with another"));
  const std::string& output = options.outputs.front();
  const auto scene = readScene(options.scene);
  if (!scene) return fail(scene.error());
  if (scene->lab->files.empty()) {
    return usage(trf("the lab '{}' writes no data set into a folder; give a file that ends in .json, .csv or .npz", scene->lab->id));
  }
  // Opened and let go: told before computing, and nothing left behind.
  if (const auto writable = FolderWriter::open(output); !writable) return fail(writable.error());
  const auto computed = compute(*scene, options.scene.device);
  if (!computed) return fail(computed.error());
  const auto written = writeFiles(*computed->session, output);
  if (!written) return fail(written.error());
  if (!options.json) return print(trf("{}: {} files, {}", written->folder, written->files, scene->lab->files) + "\n");
  return printJson({{"path", written->folder}, {"lab", scene->lab->id}, {"files", written->files}, {"bytes", written->bytes}, {"formats", scene->lab->files}});
}

}  // namespace

int render(const RenderOptions& options) {
  // Refuse everything that can be refused before the device is opened.
  std::unique_ptr<QGuiApplication> application;
  if (const auto fits = checkOutputs(options.outputs, {"png", "svg", "pdf"}); !fits) return fail(fits.error());
  const auto scene = readScene(options.scene);
  if (!scene) return fail(scene.error());
  const auto look = readLook(options.look, *scene);
  if (!look) return fail(look.error());

  for (const auto& output : options.outputs)
    if (!application) application = applicationFor(*knownEnding(output, {"png", "svg", "pdf"}));
  const auto computed = compute(*scene, options.scene.device);
  if (!computed) return fail(computed.error());
  std::unique_ptr<render::Renderer> renderer;
  std::vector<exporting::Written> written;
  for (const auto& output : options.outputs) {
    auto one = writeFigureOf(*computed->session, *computed->picture, *look, renderer, output);
    if (!one) return fail(one.error());
    written.push_back(std::move(*one));
  }
  return report(written, *computed->picture, *scene->lab, options.json);
}

int data(const DataOptions& options) {
  if (std::any_of(options.outputs.begin(), options.outputs.end(), meansFolder)) return dataSet(options);
  if (const auto fits = checkOutputs(options.outputs, {"json", "csv", "npz"}); !fits) return fail(fits.error());
  const auto scene = readScene(options.scene);
  if (!scene) return fail(scene.error());
  const auto computed = compute(*scene, options.scene.device);
  if (!computed) return fail(computed.error());
  try {
    std::vector<exporting::Written> written;
    const auto arrays = arraysOf(computed->picture->figure);
    for (const auto& output : options.outputs) {
      auto one = exporting::writeData(arrays, computed->picture->metrics, output);
      if (!one) return fail(one.error());
      written.push_back(std::move(*one));
    }
    return report(written, *computed->picture, *scene->lab, options.json);
  } catch (const std::exception& failed) {
    return fail(makeError(ErrorCode::gpu, trf("the numbers could not be read from the device: {}", std::string(failed.what()))));
  }
}

}  // namespace orrery::cli
