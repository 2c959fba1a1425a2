// orrery inspect: what a file is, or what is wrong with it.

#include <nlohmann/json.hpp>

#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "app/export/export.h"
#include "core/base/file_format.h"
#include "core/base/text.h"

namespace orrery::cli {

namespace {

nlohmann::json jsonOf(const Error& error) { return {{"message", error.message}, {"id", error.id}}; }

nlohmann::json jsonOf(const FileReport& report, const std::string& path) {
  auto tensors = nlohmann::json::array();
  for (const auto& tensor : report.tensors) {
    nlohmann::json one{
        {"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"bytes", tensor.bytes}, {"readable", tensor.readable}};
    if (!tensor.note.empty()) one["note"] = tensor.note;
    tensors.push_back(std::move(one));
  }
  nlohmann::json json{{"path", path},
                      {"kind", report.kind},
                      {"title", report.title},
                      {"bytes", report.bytes},
                      {"tensors", tensors},
                      {"counts", report.counts},
                      {"metadata", report.metadata},
                      {"notes", report.notes},
                      {"error", report.error ? jsonOf(*report.error) : nlohmann::json(nullptr)}};
  return json;
}

std::string shapeText(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const auto extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + text + "]";
}

std::string textOf(const FileReport& report) {
  std::string text = report.title + "\n";
  Table table;
  for (const auto& tensor : report.tensors) table.row({tensor.name, tensor.dtype, shapeText(tensor.shape), tensor.note});
  text += table.text(2);
  table = {};
  for (const auto& [name, count] : report.counts) table.row({name, std::to_string(count)});
  for (const auto& [name, value] : report.metadata) table.row({name, value});
  text += table.text(2);
  for (const auto& remark : report.notes) text += trf("note: {}", remark) + "\n";
  return text;
}

// A figure of ours is an image (or a drawing) that carries its recipe.
void addRecipe(FileReport& report, const std::string& path) {
  const auto recipe = exporting::readRecipe(path);
  if (!recipe) return;
  const auto json = parseRecipe(*recipe);
  if (!json) return;
  if (const auto lab = labOfRecipe(*json)) report.metadata["orrery.lab"] = *lab;
}

}  // namespace

int inspect(const std::string& path, bool lenient, bool json) {
  InspectOptions options;
  options.lenient = lenient;
  auto report = inspectFile(path, options);
  if (!report) {
    if (json) {
      const int printed = printJson({{"path", path}, {"kind", "unknown"}, {"error", jsonOf(report.error())}});
      if (printed != 0) return printed;
    }
    (void)fail(report.error());
    // That a file is not what it should be is a result, not a wrong use of the command.
    return 1;
  }
  addRecipe(*report, path);
  const int printed = json ? printJson(jsonOf(*report, path)) : print(textOf(*report));
  if (printed != 0) return printed;
  if (!report->error) return 0;
  (void)fail(*report->error);
  return 1;
}

}  // namespace orrery::cli
