// "What is this file?" for what we write ourselves: figures (SVG, PDF) and films that carry their recipe, and saved scenes. A PNG of ours is an image first
// and is known by core/data.

#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/export/export.h"
#include "app/export/film.h"
#include "core/base/file_format.h"
#include "core/base/registry.h"
#include "core/base/text.h"
#include "core/session/session.h"

namespace orrery::exporting {

namespace {

std::string_view textOf(const FileHead& file) { return {reinterpret_cast<const char*>(file.head.data()), file.head.size()}; }

int probeFigure(const FileHead& file) {
  const std::string_view head = textOf(file);
  if (head.starts_with("%PDF-")) return 80;
  return head.starts_with("<") && head.find("<svg") != std::string_view::npos ? 80 : 0;
}

int probeFilm(const FileHead& file) { return looksLikeFilm(textOf(file)) ? 80 : 0; }

int probeScene(const FileHead& file) {
  const std::string_view head = textOf(file);
  return head.starts_with("{") && head.find("\"orrery\"") != std::string_view::npos ? 80 : 0;
}

// Names the lab a recipe opens, or says why it opens none.
FileReport reportOf(std::string kind, std::string title, const std::string& path, const Expected<std::string>& recipe) {
  FileReport report;
  report.kind = std::move(kind);
  std::error_code ignored;
  report.bytes = std::filesystem::file_size(path, ignored);
  report.title = std::move(title);
  if (!recipe) {
    report.error = recipe.error();
    return report;
  }
  const auto json = parseRecipe(*recipe);
  if (!json) {
    report.error = json.error();
    return report;
  }
  const auto lab = labOfRecipe(*json);
  if (!lab) {
    report.error = lab.error();
    return report;
  }
  report.metadata["orrery.lab"] = *lab;
  report.title = trf("{} of the lab {}", report.title, *lab);
  return report;
}

Expected<FileReport> inspectFigure(const std::string& path, const InspectOptions&) { return reportOf("figure", tr("figure"), path, readRecipe(path)); }

Expected<FileReport> inspectFilm(const std::string& path, const InspectOptions&) { return reportOf("film", tr("film"), path, readRecipe(path)); }

Expected<FileReport> inspectScene(const std::string& path, const InspectOptions&) {
  const auto file = readSessionFile(path);
  return reportOf("scene", tr("saved scene"), path, file ? Expected<std::string>(file->json) : Expected<std::string>(file.error()));
}

const Registration<FileFormat> figureFormat{{"figure", "figure", probeFigure, inspectFigure}};
const Registration<FileFormat> filmFormat{{"film", "film", probeFilm, inspectFilm}};
const Registration<FileFormat> sceneFormat{{"scene", "saved scene", probeScene, inspectScene}};

}  // namespace

}  // namespace orrery::exporting
