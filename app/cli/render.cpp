// orrery render, data: a scene as a figure, the numbers behind it, and the data set of a lab that has one.

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "app/cli/picture_size.h"
#include "app/cli/scene_figure.h"
#include "app/export/export.h"
#include "core/base/text.h"

namespace orrery::cli {

namespace {

int report(const exporting::Written& written, const Picture& picture, const LabEntry& lab, bool json) {
  for (const auto& remark : written.notes) note(remark);
  if (!json) return print(written.path + "\n");
  return printJson(
      {{"path", written.path}, {"lab", lab.id}, {"frame", picture.frame}, {"frames", picture.frames}, {"notes", written.notes}});
}

bool meansFolder(const std::string& path) {
  std::error_code ignored;
  return path.ends_with('/') || std::filesystem::is_directory(path, ignored);
}

// A folder as the output: the lab's own files instead of the numbers behind the figure.
int dataSet(const DataOptions& options) {
  const auto scene = readScene(options.scene);
  if (!scene) return fail(scene.error());
  if (scene->lab->files.empty()) {
    return usage(trf("the lab '{}' writes no data set into a folder; give a file that ends in .json, .csv or .npz", scene->lab->id));
  }
  // Opened and let go: told before computing, and nothing left behind.
  if (const auto writable = FolderWriter::open(options.output); !writable) return fail(writable.error());
  const auto computed = compute(*scene, options.scene.device);
  if (!computed) return fail(computed.error());
  const auto written = writeFiles(*computed->session, options.output);
  if (!written) return fail(written.error());
  if (!options.json) return print(trf("{}: {} files, {}", written->folder, written->files, scene->lab->files) + "\n");
  return printJson({{"path", written->folder}, {"lab", scene->lab->id}, {"files", written->files}, {"bytes", written->bytes}, {"formats", scene->lab->files}});
}

}  // namespace

int render(const RenderOptions& options) {
  // Refuse everything that can be refused before the device is opened.
  const auto ending = knownEnding(options.output, {"png", "svg", "pdf"});
  if (!ending) return fail(ending.error());
  const auto scene = readScene(options.scene);
  if (!scene) return fail(scene.error());
  const auto look = readLook(options.look, *scene);
  if (!look) return fail(look.error());
  if (auto writable = checkWritable(options.output); !writable) return fail(writable.error());

  const auto application = applicationFor(*ending);
  const auto computed = compute(*scene, options.scene.device);
  if (!computed) return fail(computed.error());
  std::unique_ptr<render::Renderer> renderer;
  const auto written = writeFigureOf(*computed->session, *computed->picture, *look, renderer, options.output);
  if (!written) return fail(written.error());
  return report(*written, *computed->picture, *scene->lab, options.json);
}

int data(const DataOptions& options) {
  if (meansFolder(options.output)) return dataSet(options);
  const auto ending = knownEnding(options.output, {"json", "csv", "npz"});
  if (!ending) return fail(ending.error());
  const auto scene = readScene(options.scene);
  if (!scene) return fail(scene.error());
  if (auto writable = checkWritable(options.output); !writable) return fail(writable.error());
  const auto computed = compute(*scene, options.scene.device);
  if (!computed) return fail(computed.error());
  try {
    const auto written = exporting::writeData(arraysOf(computed->picture->figure), computed->picture->metrics, options.output);
    if (!written) return fail(written.error());
    return report(*written, *computed->picture, *scene->lab, options.json);
  } catch (const std::exception& failed) {
    return fail(makeError(ErrorCode::gpu, trf("the numbers could not be read from the device: {}", std::string(failed.what()))));
  }
}

}  // namespace orrery::cli
