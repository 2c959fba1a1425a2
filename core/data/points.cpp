#include "core/data/points.h"

#include <charconv>
#include <cmath>

#include "core/base/file_format.h"
#include "core/base/files.h"
#include "core/base/registry.h"
#include "core/base/text.h"

namespace orrery {

namespace {

Error bad(const char* id, std::string message) { return makeError(ErrorCode::badInput, std::move(message), id); }

// The fields of a line. A separator run of spaces counts once; two commas enclose an empty field.
std::vector<std::string_view> fieldsOf(std::string_view line) {
  const char separator = line.find(',') != std::string_view::npos   ? ','
                         : line.find(';') != std::string_view::npos ? ';'
                         : line.find('\t') != std::string_view::npos ? '\t'
                                                                     : ' ';
  std::vector<std::string_view> fields;
  std::size_t at = 0;
  while (at <= line.size()) {
    std::size_t end = line.find(separator, at);
    if (end == std::string_view::npos) end = line.size();
    std::string_view field = line.substr(at, end - at);
    while (!field.empty() && (field.front() == ' ' || field.front() == '\t')) field.remove_prefix(1);
    while (!field.empty() && (field.back() == ' ' || field.back() == '\t')) field.remove_suffix(1);
    if (separator != ' ' || !field.empty()) fields.push_back(field);
    at = end + 1;
  }
  return fields;
}

bool toNumber(std::string_view field, double& value) {
  if (!field.empty() && field.front() == '+') field.remove_prefix(1);
  if (field.empty()) return false;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return (error == std::errc() || error == std::errc::result_out_of_range) && end == field.data() + field.size();
}

std::string clipped(std::string_view text) { return std::string(text.substr(0, 24)) + (text.size() > 24 ? "..." : ""); }

int probe(const FileHead& file) {
  if (file.isFolder || file.head.empty()) return 0;
  std::string_view text(reinterpret_cast<const char*>(file.head.data()), file.head.size());
  if (text.find('\0') != std::string_view::npos) return 0;
  // Drop the last, perhaps cut, line when the file is longer than the head.
  if (file.bytes > text.size()) text = text.substr(0, text.rfind('\n') == std::string_view::npos ? 0 : text.rfind('\n'));
  auto parsed = parsePoints(text);
  return parsed && parsed->points.shape()[1] >= 1 && parsed->points.shape()[0] >= 1 ? 40 : 0;
}

Expected<FileReport> inspect(const std::string& path, const InspectOptions&) {
  FileReport report;
  report.kind = "points";
  report.title = tr("point set");
  auto set = readPoints(path);
  if (!set) {
    report.error = set.error();
    return report;
  }
  const Shape& shape = set->points.shape();
  report.counts["points"] = shape[0];
  report.counts["dimensions"] = shape[1];
  report.title = trf("point set, {} points in {} dimensions", shape[0], shape[1]);
  if (set->skipped > 0) report.notes.push_back(trf("{} lines with NaN or infinite values skipped", set->skipped));
  return report;
}

const Registration<FileFormat> format{{"points", "point set", probe, inspect}};

}  // namespace

Expected<PointSet> parsePoints(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  PointSet set;
  std::vector<float> values;
  std::size_t columns = 0;
  std::int64_t line = 0, rows = 0;
  while (!text.empty()) {
    ++line;
    std::size_t end = text.find('\n');
    std::string_view row = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!row.empty() && row.back() == '\r') row.remove_suffix(1);
    const std::size_t first = row.find_first_not_of(" \t");
    if (first == std::string_view::npos || row[first] == '#') continue;
    if (row.find('\0') != std::string_view::npos) return bad("E-PS-05", trf("not a text file: a zero byte in line {}", line));

    const auto fields = fieldsOf(row);
    std::vector<double> numbers(fields.size());
    std::size_t badField = fields.size();
    for (std::size_t i = 0; i < fields.size() && badField == fields.size(); ++i) {
      if (!toNumber(fields[i], numbers[i])) badField = i;
    }
    if (badField < fields.size()) {
      // The first line may name the columns.
      if (rows == 0 && set.names.empty()) {
        for (const auto field : fields) set.names.emplace_back(field);
        columns = fields.size();
        continue;
      }
      return bad("E-PS-03", trf("line {}: '{}' is not a number (use a decimal point)", line, clipped(fields[badField])));
    }
    if (columns == 0) columns = fields.size();
    if (fields.size() != columns) {
      return bad("E-PS-02", trf("line {} has {} columns; this file uses {}", line, fields.size(), columns));
    }
    if (static_cast<std::int64_t>(columns) > mostDimensions) return bad("E-PS-04", trf("{} columns; at most {} are read", columns, mostDimensions));
    bool finite = true;
    for (const double number : numbers) finite = finite && std::isfinite(number) && std::abs(number) < 1e30;
    if (!finite) {
      ++set.skipped;
      continue;
    }
    if (++rows > mostPoints) return bad("E-PS-04", trf("more than {} points", mostPoints));
    for (const double number : numbers) values.push_back(static_cast<float>(number));
  }
  if (rows == 0) return bad("E-PS-01", tr("no points: expected one point per line, numbers separated by commas"));
  set.points = Tensor::from(Shape{rows, static_cast<std::int64_t>(columns)}, values);
  return set;
}

Expected<PointSet> readPoints(const std::string& path) {
  auto text = readWholeFile(path);
  if (!text) return text.error();
  return parsePoints(*text);
}

}  // namespace orrery
