// orrery render, data: a scene as a figure, the numbers behind it, and the data set of a lab that has one.

#include <QGuiApplication>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "app/export/export.h"
#include "core/base/text.h"
#include "core/figure/fonts.h"
#include "core/render/renderer.h"

namespace orrery::cli {

namespace {

// Smaller figures hold no axis; larger ones exceed the image limits of common devices.
constexpr int smallestSide = 64, largestSide = 16384;

std::string endingOf(const std::string& path) {
  const auto slash = path.find_last_of('/');
  const auto dot = path.find_last_of('.');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) return {};
  auto text = path.substr(dot + 1);
  for (char& letter : text) letter = static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
  return text;
}

Expected<std::string> knownEnding(const std::string& path, std::initializer_list<std::string_view> known) {
  const auto ending = endingOf(path);
  std::string list;
  for (const auto& one : known) {
    if (ending == one) return ending;
    list += (list.empty() ? "." : ", .") + std::string(one);
  }
  return makeError(ErrorCode::usage, trf("'{}' must end in one of {}", path, list));
}

Expected<Vec2> readSize(const std::string& text) {
  int width = 0, height = 0;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, width);
  bool good = first.ec == std::errc() && first.ptr != end && (*first.ptr == 'x' || *first.ptr == 'X');
  if (good) {
    const auto second = std::from_chars(first.ptr + 1, end, height);
    good = second.ec == std::errc() && second.ptr == end;
  }
  if (!good) return makeError(ErrorCode::usage, trf("--size needs WIDTHxHEIGHT such as 1280x720, found '{}'", text));
  if (std::min(width, height) < smallestSide || std::max(width, height) > largestSide) {
    return makeError(ErrorCode::usage, trf("--size {}: each side must be {} to {} px", text, smallestSide, largestSide));
  }
  return Vec2{static_cast<float>(width), static_cast<float>(height)};
}

// What the recipe of a figure says about the figure itself.
std::string fromRecipe(const Scene& scene, const char* key) {
  if (!scene.recipe) return {};
  const auto figure = scene.recipe->find("figure");
  if (figure == scene.recipe->end() || !figure->is_object()) return {};
  const auto value = figure->find(key);
  return value != figure->end() && value->is_string() ? value->get<std::string>() : std::string();
}

std::string firstOf(const std::string& a, const std::string& b, const std::string& c) { return !a.empty() ? a : !b.empty() ? b : c; }

// PDF is written through QPainter, which needs an application object; it must not ask for a display.
std::unique_ptr<QGuiApplication> applicationFor(const std::string& ending) {
  if (ending != "pdf") return nullptr;
  qputenv("QT_QPA_PLATFORM", "offscreen");
  static int count = 1;
  static char name[] = "orrery";
  static char* arguments[] = {name, nullptr};
  return std::make_unique<QGuiApplication>(count, arguments);
}

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
  const auto sizeText = firstOf(options.size, fromRecipe(*scene, "size"), "1280x720");
  const auto size = readSize(sizeText);
  if (!size) return fail(size.error());
  const auto theme = firstOf(options.theme, fromRecipe(*scene, "theme"), "light");
  if (theme != "light" && theme != "dark") return usage(trf("--theme must be light or dark, found '{}'", theme));
  if (!(options.scale >= 0.25 && options.scale <= 8)) return usage(trf("--scale {} is outside {} to {}", options.scale, 0.25, 8));
  if (static_cast<double>(std::max(size->x, size->y)) * options.scale > largestSide) {
    return usage(trf("--size {} at --scale {} is larger than {} px", sizeText, options.scale, largestSide));
  }
  const auto panel = firstOf(options.panel, fromRecipe(*scene, "panel"), "");
  if (auto writable = checkWritable(options.output); !writable) return fail(writable.error());

  const auto application = applicationFor(*ending);
  const auto computed = compute(*scene, options.scene.device);
  if (!computed) return fail(computed.error());
  const auto& picture = *computed->picture;

  LayoutOptions layout;
  layout.theme = theme == "dark" ? ThemeKind::dark : ThemeKind::light;
  layout.transparent = options.transparent;
  layout.panelLetters = options.letters;
  layout.onlyPanel = panel;
  if (!panel.empty()) {
    std::string ids;
    bool known = false;
    for (const auto& one : picture.figure.panels) {
      ids += (ids.empty() ? "" : ", ") + one.id;
      known = known || one.id == panel;
    }
    if (!known) return usage(trf("there is no panel '{}'; there are {}", panel, ids));
  }

  exporting::ExportOptions exported;
  auto recipe = computed->session->toJson();
  recipe["figure"] = {{"size", sizeText}, {"theme", theme}};
  if (!panel.empty()) recipe["figure"]["panel"] = panel;
  exported.recipe = recipe.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  exported.title = picture.figure.title.empty() ? tr(scene->lab->title) : picture.figure.title;
  exported.pixelsPerLogical = static_cast<float>(options.scale);
  exported.textAsOutlines = options.outlines;

  try {
    const auto list = layOut(picture.figure, *size, Fonts::shared(), layout).list;
    render::Renderer renderer(picture.device);
    const auto written = exporting::writeFigure(list, renderer, options.output, exported);
    if (!written) return fail(written.error());
    return report(*written, picture, *scene->lab, options.json);
  } catch (const std::exception& failed) {
    return fail(makeError(ErrorCode::gpu, trf("the picture could not be drawn: {}", std::string(failed.what()))));
  }
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
