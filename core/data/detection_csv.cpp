// Reading and writing detection tables (see detection_csv.h). Error codes E-DC-nn: 01 header, 02 columns, 03 number, 04 box.

#include "core/data/detection_csv.h"

#include <algorithm>
#include <array>
#include <map>

#include "core/base/text.h"
#include "core/data/detections_text.h"

namespace orrery {

namespace {

constexpr std::uint64_t largestFile = std::uint64_t{4} << 30;

Error bad(std::string message, const char* id) { return makeError(ErrorCode::badInput, std::move(message), id); }

// Cells of one line; double quotes protect commas, "" is a quote.
std::vector<std::string> cellsOf(std::string_view line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') {
      if (quoted && i + 1 < line.size() && line[i + 1] == '"') cells.back() += line[i++];
      else quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += line[i];
    }
  }
  for (auto& cell : cells) cell = std::string(trimmed(cell));
  return cells;
}

struct Header {
  std::map<std::string, std::size_t> column;
  std::size_t count = 0;
  bool corners = false, scored = false;
  bool has(const char* name) const { return column.contains(name); }
};

bool readHeader(std::string_view line, Header& header) {
  auto cells = cellsOf(line);
  header.count = cells.size();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    std::transform(cells[i].begin(), cells[i].end(), cells[i].begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    header.column.emplace(cells[i], i);
  }
  header.scored = header.has("score");
  header.corners = header.has("x1") && header.has("y1") && header.has("x2") && header.has("y2");
  const bool sizes = header.has("x") && header.has("y") && header.has("w") && header.has("h");
  return header.has("image") && header.has("class") && (header.corners || sizes);
}

struct Row {
  std::string image, category;
  double x = 0, y = 0, width = 0, height = 0, score = 0, area = -1, imageWidth = 0, imageHeight = 0, crowd = 0, difficult = 0;
};

Expected<std::vector<Row>> readRows(std::string_view text, Header& header) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const auto lines = linesOf(text);
  if (lines.empty() || !readHeader(lines[0], header)) {
    return bad(tr("expected a header such as image,class,score,x1,y1,x2,y2 or image,class,score,x,y,w,h"), "E-DC-01");
  }
  std::vector<Row> rows;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (trimmed(lines[i]).empty()) continue;
    const auto cells = cellsOf(lines[i]);
    if (cells.size() != header.count) return bad(trf("line {} has {} columns; the header has {}", i + 1, cells.size(), header.count), "E-DC-02");
    Row row;
    row.image = cells[header.column["image"]];
    row.category = cells[header.column["class"]];
    std::string fault;
    const auto number = [&](const char* name, double& value) {
      if (!header.has(name) || !fault.empty()) return;
      const std::string& cell = cells[header.column[name]];
      if (const NumberFault found = readNumber(cell, value); found != NumberFault::none) fault = trf("line {}: {} {}", i + 1, name, describe(found, cell));
    };
    double x2 = 0, y2 = 0;
    if (header.corners) {
      number("x1", row.x), number("y1", row.y), number("x2", x2), number("y2", y2);
      row.width = x2 - row.x, row.height = y2 - row.y;
    } else {
      number("x", row.x), number("y", row.y), number("w", row.width), number("h", row.height);
    }
    number("score", row.score), number("area", row.area), number("width", row.imageWidth), number("height", row.imageHeight);
    number("crowd", row.crowd), number("difficult", row.difficult);
    if (!fault.empty()) return bad(fault, "E-DC-03");
    if (row.image.empty() || row.category.empty()) return bad(trf("line {}: image and class must not be empty", i + 1), "E-DC-02");
    if (row.width < 0 || row.height < 0) {
      return bad(header.corners ? trf("line {}: x1 {} > x2 {} or y1 {} > y2 {}", i + 1, row.x, x2, row.y, y2) : trf("line {}: w and h must be > 0", i + 1), "E-DC-04");
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

Error inFile(Error error, const std::string& path) {
  error.message = printable(path, 400) + ": " + error.message;
  return error;
}

}  // namespace

bool isDetectionCsvHeader(std::string_view line, bool* scored) {
  Header header;
  if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  const bool found = readHeader(line, header);
  if (scored != nullptr) *scored = header.scored;
  return found;
}

Expected<GroundTruth> parseCsvGroundTruth(std::string_view text) {
  Header header;
  auto rows = readRows(text, header);
  if (!rows) return rows.error();
  if (header.scored) return bad(tr("the table has a score column: these are results, expected ground truth"), "E-DC-01");
  GroundTruth truth;
  truth.sizeKnown = true;
  std::map<std::string, std::uint32_t> images, classes;
  for (const auto& row : *rows) images.emplace(row.image, 0), classes.emplace(row.category, 0);
  for (auto& [name, index] : images) {
    index = static_cast<std::uint32_t>(truth.images.size());
    truth.images.push_back({static_cast<std::int64_t>(index) + 1, name, 0, 0});
  }
  for (auto& [name, index] : classes) {
    index = static_cast<std::uint32_t>(truth.classes.size());
    truth.classes.push_back({static_cast<std::int64_t>(index) + 1, printable(name)});
  }
  RemarkCounter sizes;
  for (const auto& row : *rows) {
    auto& image = truth.images[images[row.image]];
    if (row.imageWidth >= 1 && row.imageHeight >= 1 && row.imageWidth < 1e6 && row.imageHeight < 1e6) {
      image.width = static_cast<int>(row.imageWidth), image.height = static_cast<int>(row.imageHeight);
    }
    if (!(row.width > 0) || !(row.height > 0)) {
      sizes.add(row.image);
      continue;
    }
    truth.boxes.push_back({row.x, row.y, row.width, row.height, row.area >= 0 ? row.area : row.width * row.height, images[row.image], classes[row.category],
                           static_cast<std::int64_t>(truth.boxes.size()) + 1, row.crowd != 0, row.difficult != 0});
  }
  if (sizes.count() > 0) truth.notes.push_back(trf("{} boxes without a size skipped (first: image {})", sizes.count(), sizes.first()) + " [E-DC-04]");
  return truth;
}

Expected<RawDetections> parseCsvDetections(std::string_view text) {
  Header header;
  auto rows = readRows(text, header);
  if (!rows) return rows.error();
  if (!header.scored) return bad(tr("the table has no score column: without scores this is ground truth, not results"), "E-DC-01");
  RawDetections result;
  result.imagesByName = result.classesByName = true;
  std::map<std::string, std::int64_t> images, classes;
  for (const auto& row : *rows) {
    const auto [image, newImage] = images.emplace(row.image, static_cast<std::int64_t>(images.size()));
    const auto [category, newClass] = classes.emplace(row.category, static_cast<std::int64_t>(classes.size()));
    if (newImage) result.imageNames.push_back(row.image);
    if (newClass) result.classNames.push_back(printable(row.category));
    result.boxes.push_back({row.x, row.y, row.width, row.height, row.score, image->second, category->second});
  }
  return result;
}

Expected<GroundTruth> readCsvGroundTruth(const std::string& path, const DetectionReadOptions&) {
  auto text = readTextFile(path, "E-DC-01", "E-DC-01", largestFile);
  if (!text) return text.error();
  auto result = parseCsvGroundTruth(*text);
  if (!result) return inFile(result.error(), path);
  return result;
}

Expected<RawDetections> readCsvDetections(const std::string& path, const DetectionReadOptions&) {
  auto text = readTextFile(path, "E-DC-01", "E-DC-01", largestFile);
  if (!text) return text.error();
  auto result = parseCsvDetections(*text);
  if (!result) return inFile(result.error(), path);
  return result;
}

std::string csvGroundTruth(const GroundTruth& truth) {
  std::string out = "image,class,x,y,w,h,area,crowd,difficult,width,height\n";
  for (const auto& box : truth.boxes) {
    const auto& image = truth.images[box.image];
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{}\n", cell(image.name), cell(truth.classes[box.category].name), box.x, box.y, box.width, box.height, box.area,
                       box.crowd ? 1 : 0, box.difficult ? 1 : 0, image.width, image.height);
  }
  return out;
}

std::string csvDetections(const GroundTruth& truth, const std::vector<ScoredBox>& detections) {
  std::string out = "image,class,score,x,y,w,h\n";
  for (const auto& box : detections) {
    out += fmt::format("{},{},{},{},{},{},{}\n", cell(truth.images[box.image].name), cell(truth.classes[box.category].name), box.score, box.x, box.y, box.width, box.height);
  }
  return out;
}

}  // namespace orrery
