#include "app/cli/scene_figure.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/cli/picture_size.h"
#include "core/base/text.h"
#include "core/figure/fonts.h"

namespace orrery::cli {

namespace {

// What the recipe of a figure says about the figure itself.
std::string fromRecipe(const Scene& scene, const char* key) {
  if (!scene.recipe) return {};
  const auto figure = scene.recipe->find("figure");
  if (figure == scene.recipe->end() || !figure->is_object()) return {};
  const auto value = figure->find(key);
  return value != figure->end() && value->is_string() ? value->get<std::string>() : std::string();
}

std::string firstOf(const std::string& a, const std::string& b, const std::string& c) { return !a.empty() ? a : !b.empty() ? b : c; }

}  // namespace

Expected<Look> readLook(const LookOptions& options, const Scene& scene) {
  Look look;
  look.sizeText = firstOf(options.size, fromRecipe(scene, "size"), "1280x720");
  const auto size = readSize(look.sizeText);
  if (!size) return size.error();
  look.size = *size;
  look.theme = firstOf(options.theme, fromRecipe(scene, "theme"), "light");
  if (look.theme != "light" && look.theme != "dark") return makeError(ErrorCode::usage, trf("--theme must be light or dark, found '{}'", look.theme));
  if (!(options.scale >= 0.25 && options.scale <= 8)) return makeError(ErrorCode::usage, trf("--scale {} is outside {} to {}", options.scale, 0.25, 8));
  if (static_cast<double>(std::max(size->x, size->y)) * options.scale > largestSide) {
    return makeError(ErrorCode::usage, trf("--size {} at --scale {} is larger than {} px", look.sizeText, options.scale, largestSide));
  }
  look.scale = options.scale;
  look.panel = firstOf(options.panel, fromRecipe(scene, "panel"), "");
  look.letters = options.letters;
  look.transparent = options.transparent;
  look.outlines = options.outlines;
  return look;
}

std::unique_ptr<QGuiApplication> applicationFor(const std::string& ending) {
  if (ending != "pdf") return nullptr;
  // It must not ask for a display.
  qputenv("QT_QPA_PLATFORM", "offscreen");
  static int count = 1;
  static char name[] = "orrery";
  static char* arguments[] = {name, nullptr};
  return std::make_unique<QGuiApplication>(count, arguments);
}

Expected<exporting::Written> writeFigureOf(const Session& session, const Picture& picture, const Look& look, std::unique_ptr<render::Renderer>& renderer,
                                           const std::string& path) {
  LayoutOptions layout;
  layout.theme = look.theme == "dark" ? ThemeKind::dark : ThemeKind::light;
  layout.transparent = look.transparent;
  layout.panelLetters = look.letters;
  layout.onlyPanel = look.panel;
  if (!look.panel.empty()) {
    std::string ids;
    bool known = false;
    for (const auto& one : picture.figure.panels) {
      ids += (ids.empty() ? "" : ", ") + one.id;
      known = known || one.id == look.panel;
    }
    if (!known) return makeError(ErrorCode::usage, trf("there is no panel '{}'; there are {}", look.panel, ids));
  }

  exporting::ExportOptions exported;
  auto recipe = session.toJson();
  recipe["figure"] = {{"size", look.sizeText}, {"theme", look.theme}};
  if (!look.panel.empty()) recipe["figure"]["panel"] = look.panel;
  exported.recipe = recipe.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  exported.title = picture.figure.title.empty() ? tr(session.lab().title) : picture.figure.title;
  exported.pixelsPerLogical = static_cast<float>(look.scale);
  exported.textAsOutlines = look.outlines;

  try {
    const auto list = layOut(picture.figure, look.size, Fonts::shared(), layout).list;
    if (!renderer) renderer = std::make_unique<render::Renderer>(picture.device);
    return exporting::writeFigure(list, *renderer, path, exported);
  } catch (const std::exception& failed) {
    renderer.reset();
    return makeError(ErrorCode::gpu, trf("the picture could not be drawn: {}", std::string(failed.what())));
  }
}

}  // namespace orrery::cli
