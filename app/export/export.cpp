// PNG through the off-screen renderer, and the choice of writer by the ending of the path.

#include "app/export/export.h"

#include <filesystem>

#include "app/export/png.h"
#include "core/base/files.h"
#include "core/base/text.h"

namespace orrery::exporting {

namespace {

std::string endingOf(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return ending;
}

}  // namespace

Expected<Written> writePng(const DisplayList& list, render::Renderer& renderer, const std::string& path, const ExportOptions& options) {
  if (!(options.pixelsPerLogical > 0) || !(list.size.x > 0) || !(list.size.y > 0)) {
    return makeError(ErrorCode::usage, trf("cannot write '{}': the figure has no size; give a width and a height above 0", path));
  }
  const render::Pixels pixels = renderer.draw(list, options.pixelsPerLogical);
  const std::string png = encodePng(pixels, PngTexts{options.recipe, options.title, 96.0 * static_cast<double>(options.pixelsPerLogical)});
  if (png.empty()) {
    return makeError(ErrorCode::internal, trf("cannot write '{}': a picture of {} x {} px could not be encoded as PNG; choose a smaller size", path, pixels.width, pixels.height));
  }
  if (auto written = writeFileAtomically(path, png); !written) return written.error();
  return Written{path, {}};
}

Expected<Written> writeFigure(const DisplayList& list, render::Renderer& renderer, const std::string& path, const ExportOptions& options) {
  const std::string ending = endingOf(path);
  if (ending == ".svg") return writeSvg(list, path, options);
  if (ending == ".pdf") return writePdf(list, path, options);
  if (ending == ".png") return writePng(list, renderer, path, options);
  return makeError(ErrorCode::usage, trf("'{}' does not say which kind of figure to write: let the name end in .svg, .pdf or .png", path), "E-OUT-01");
}

}  // namespace orrery::exporting
