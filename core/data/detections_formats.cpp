// File formats of detection data: probes, inspection, and choosing the reader (see detections_formats.h).

#include "core/data/detections_formats.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/base/file_format.h"
#include "core/base/registry.h"
#include "core/base/text.h"
#include "core/data/coco.h"
#include "core/data/detection_csv.h"
#include "core/data/detections_text.h"
#include "core/data/voc.h"
#include "core/data/yolo.h"

namespace orrery {

namespace {

namespace fs = std::filesystem;

std::string_view textOf(const FileHead& head) {
  std::string_view text(reinterpret_cast<const char*>(head.head.data()), head.head.size());
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

char firstLetter(std::string_view text) {
  const std::size_t at = text.find_first_not_of(" \t\r\n");
  return at == std::string_view::npos ? '\0' : text[at];
}

bool has(std::string_view text, std::string_view what) { return text.find(what) != std::string_view::npos; }

// UTF-16 with the zero bytes taken out, so that a probe recognises what the reader then refuses by name.
std::string narrowed(const FileHead& head) {
  std::string_view text = textOf(head);
  if (!text.starts_with("\xFF\xFE") && !text.starts_with("\xFE\xFF")) return std::string(text);
  std::string result;
  for (const char c : text.substr(2)) {
    if (c != '\0') result += c;
  }
  return result;
}

int probeCocoTruth(const FileHead& head) {
  if (head.isFolder) return 0;
  const std::string text = narrowed(head);
  const char first = firstLetter(text);
  const bool keys = has(text, "\"images\"") || has(text, "\"annotations\"") || has(text, "\"categories\"");
  if (first == '{') return keys ? 90 : has(text, "\"bbox\"") || has(text, "\"licenses\"") ? 60 : 0;
  return first == '[' && has(text, "\"bbox\"") && !has(text, "\"score\"") ? 70 : 0;
}

int probeCocoResults(const FileHead& head) {
  if (head.isFolder) return 0;
  const std::string text = narrowed(head);
  if (firstLetter(text) != '[') return 0;
  if (has(text, "\"score\"")) return has(text, "\"image_id\"") || has(text, "\"bbox\"") ? 90 : 30;
  return has(text, "\"image_id\"") ? 60 : 0;
}

int probeVocAnnotation(const FileHead& head) {
  if (head.isFolder) return 0;
  const std::string text = narrowed(head);
  if (firstLetter(text) != '<') return 0;
  return has(text, "<annotation") ? 90 : has(text, "<bndbox") ? 60 : 0;
}

// The complete lines of the head.
std::vector<std::string_view> headLines(const FileHead& head) {
  const std::string_view text = textOf(head);
  auto lines = linesOf(text);
  if (head.bytes > head.head.size() && lines.size() > 1) lines.pop_back();
  return lines;
}

int probeVocResults(const FileHead& head) {
  if (head.isFolder) {
    for (const char* below : {"", "Main"}) {
      const auto files = filesWithExtension((fs::path(head.path) / below).string(), ".txt", 64);
      if (std::any_of(files.begin(), files.end(), [](const std::string& file) { return !vocResultClass(file).empty(); })) return 80;
    }
    return 0;
  }
  if (vocResultClass(head.path).empty()) return 0;
  for (const auto line : headLines(head)) {
    const auto words = wordsOf(line);
    if (words.empty()) continue;
    return words.size() == 6 ? 85 : 40;
  }
  return 40;
}

int probeYoloLabels(const FileHead& head) {
  if (head.isFolder || head.bytes == 0) return 0;
  int good = 0, lines = 0;
  for (const auto line : headLines(head)) {
    const auto words = wordsOf(line);
    if (words.empty()) continue;
    if (++lines > 20) break;
    const bool shape = words.size() == 5 || words.size() == 6 || (words.size() >= 7 && words.size() % 2 == 1);
    if (!shape || words[0].find_first_not_of("0123456789") != std::string_view::npos) continue;
    good += std::all_of(words.begin() + 1, words.end(), [](std::string_view word) {
      double value = 0;
      return readNumber(word, value) == NumberFault::none && value >= -0.5 && value <= 1.5;
    });
  }
  if (lines == 0 || 2 * good <= lines) return 0;
  return good == lines ? 60 : 50;
}

int probeCsv(const FileHead& head) {
  if (head.isFolder) return 0;
  const auto lines = linesOf(textOf(head));
  return !lines.empty() && lines[0].size() < 4000 && isDetectionCsvHeader(lines[0]) ? 95 : 0;
}

FileHead headOf(const std::string& path, std::string& bytes) {
  FileHead head;
  head.path = path;
  head.isFolder = isFolder(path);
  if (!head.isFolder && isFile(path)) {
    std::ifstream file(path, std::ios::binary);
    bytes.resize(4096);
    file.read(bytes.data(), 4096);
    bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    std::error_code failure;
    head.bytes = fs::file_size(path, failure);
  }
  head.head = std::as_bytes(std::span(bytes));
  return head;
}

int probeVocFolder(const FileHead& head) {
  if (!head.isFolder) return 0;
  const std::string below = (fs::path(head.path) / "Annotations").string();
  const auto files = filesWithExtension(isFolder(below) ? below : head.path, ".xml", 8);
  for (const auto& file : files) {
    std::string bytes;
    if (probeVocAnnotation(headOf(file, bytes)) > 0) return 90;
  }
  return files.empty() ? 0 : 30;
}

int probeYoloFolder(const FileHead& head) {
  if (!head.isFolder) return 0;
  const std::string below = (fs::path(head.path) / "labels").string();
  const auto files = filesWithExtension(isFolder(below) ? below : head.path, ".txt", 32);
  int empty = 0;
  for (const auto& file : files) {
    if (!vocResultClass(file).empty()) return 0;
    std::string bytes;
    const FileHead inner = headOf(file, bytes);
    if (probeYoloLabels(inner) > 0) return 75;
    empty += inner.bytes == 0;
  }
  return isFolder(below) && !files.empty() ? 40 : empty > 0 ? 20 : 0;
}

// Reports.
FileReport begun(const char* kind, const std::string& path) {
  FileReport report;
  report.kind = kind;
  std::error_code failure;
  if (isFile(path)) report.bytes = fs::file_size(path, failure);
  return report;
}

FileReport withTruth(FileReport report, Expected<GroundTruth> truth, const char* what) {
  if (!truth) {
    report.title = tr(what);
    report.error = truth.error();
    return report;
  }
  report.counts["images"] = static_cast<std::int64_t>(truth->images.size());
  report.counts["boxes"] = static_cast<std::int64_t>(truth->boxes.size());
  report.counts["classes"] = static_cast<std::int64_t>(truth->classes.size());
  report.notes = truth->notes;
  std::string names;
  for (std::size_t i = 0; i < truth->classes.size() && i < 100; ++i) names += (i == 0 ? "" : ", ") + truth->classes[i].name;
  report.metadata["classes"] = names;
  report.metadata["role"] = "ground truth";
  report.title = trf("{}: {} images, {} boxes, {} classes", tr(what), truth->images.size(), truth->boxes.size(), truth->classes.size());
  return report;
}

FileReport withDetections(FileReport report, Expected<RawDetections> detections, const char* what) {
  if (!detections) {
    report.title = tr(what);
    report.error = detections.error();
    return report;
  }
  std::vector<std::int64_t> images, classes;
  for (const auto& box : detections->boxes) {
    if (images.empty() || images.back() != box.image) images.push_back(box.image);
    if (classes.size() < 4096 && std::find(classes.begin(), classes.end(), box.category) == classes.end()) classes.push_back(box.category);
  }
  std::sort(images.begin(), images.end());
  images.erase(std::unique(images.begin(), images.end()), images.end());
  report.counts["images"] = static_cast<std::int64_t>(images.size());
  report.counts["boxes"] = static_cast<std::int64_t>(detections->boxes.size());
  report.counts["classes"] = static_cast<std::int64_t>(classes.size());
  report.notes = detections->notes;
  report.metadata["role"] = "detections";
  report.title = trf("{}: {} boxes in {} images, {} classes", tr(what), detections->boxes.size(), images.size(), classes.size());
  return report;
}

DetectionReadOptions lenientIf(const InspectOptions& options) {
  DetectionReadOptions result;
  result.lenient = options.lenient;
  return result;
}

Expected<FileReport> inspectCocoTruth(const std::string& path, const InspectOptions& options) {
  return withTruth(begun("coco-ground-truth", path), readCocoGroundTruth(path, lenientIf(options)), "COCO ground truth");
}

Expected<FileReport> inspectCocoResults(const std::string& path, const InspectOptions& options) {
  return withDetections(begun("coco-results", path), readCocoResults(path, lenientIf(options)), "COCO results");
}

Expected<FileReport> inspectVocAnnotation(const std::string& path, const InspectOptions& options) {
  auto truth = readVocGroundTruth(path, lenientIf(options));
  FileReport report = withTruth(begun("voc-annotation", path), truth, "VOC annotation");
  if (auto annotation = readVocAnnotation(path)) {
    report.metadata["filename"] = annotation->fileName;
    report.counts["width"] = annotation->image.width;
    report.counts["height"] = annotation->image.height;
  }
  return report;
}

Expected<FileReport> inspectVocResults(const std::string& path, const InspectOptions& options) {
  return withDetections(begun("voc-results", path), readVocResults(path, lenientIf(options)), "VOC results");
}

Expected<FileReport> inspectVocFolder(const std::string& path, const InspectOptions& options) {
  return withTruth(begun("voc-folder", path), readVocGroundTruth(path, lenientIf(options)), "VOC folder");
}

// YOLO files hold predictions when their lines have six columns.
bool holdsPredictions(const std::vector<std::string>& files) {
  for (const auto& file : files) {
    std::string bytes;
    for (const auto line : headLines(headOf(file, bytes))) {
      if (const auto words = wordsOf(line); !words.empty()) return words.size() == 6;
    }
  }
  return false;
}

Expected<FileReport> inspectYoloLabels(const std::string& path, const InspectOptions& options) {
  if (holdsPredictions({path})) return withDetections(begun("yolo-labels", path), readYoloPredictions(path, lenientIf(options)), "YOLO predictions");
  return withTruth(begun("yolo-labels", path), readYoloGroundTruth(path, lenientIf(options)), "YOLO labels");
}

Expected<FileReport> inspectYoloFolder(const std::string& path, const InspectOptions& options) {
  if (holdsPredictions(yoloLabelFiles(path))) {
    return withDetections(begun("yolo-folder", path), readYoloPredictions(path, lenientIf(options)), "YOLO predictions");
  }
  return withTruth(begun("yolo-folder", path), readYoloGroundTruth(path, lenientIf(options)), "YOLO labels");
}

Expected<FileReport> inspectCsv(const std::string& path, const InspectOptions& options) {
  std::string bytes;
  bool scored = false;
  const auto lines = linesOf(textOf(headOf(path, bytes)));
  if (!lines.empty()) isDetectionCsvHeader(lines[0], &scored);
  if (scored) return withDetections(begun("detection-csv", path), readCsvDetections(path, lenientIf(options)), "detection table");
  return withTruth(begun("detection-csv", path), readCsvGroundTruth(path, lenientIf(options)), "detection table");
}

const FileFormat formats[] = {
    {"coco-ground-truth", "COCO ground truth", probeCocoTruth, inspectCocoTruth},
    {"coco-results", "COCO results", probeCocoResults, inspectCocoResults},
    {"voc-annotation", "VOC annotation", probeVocAnnotation, inspectVocAnnotation},
    {"voc-results", "VOC results", probeVocResults, inspectVocResults},
    {"voc-folder", "VOC folder", probeVocFolder, inspectVocFolder},
    {"yolo-labels", "YOLO labels", probeYoloLabels, inspectYoloLabels},
    {"yolo-folder", "YOLO folder", probeYoloFolder, inspectYoloFolder},
    {"detection-csv", "detection table", probeCsv, inspectCsv},
};

const Registration<FileFormat> registrations[] = {
    Registration<FileFormat>(formats[0]), Registration<FileFormat>(formats[1]), Registration<FileFormat>(formats[2]), Registration<FileFormat>(formats[3]),
    Registration<FileFormat>(formats[4]), Registration<FileFormat>(formats[5]), Registration<FileFormat>(formats[6]), Registration<FileFormat>(formats[7]),
};

// Why a path that no probe knows is not detection data. JSON-like, XML-like and text files still go to the reader that can say what is wrong.
Error strange(const std::string& path, const char* expected) {
  if (!isFolder(path) && !isFile(path)) {
    std::error_code failure;
    if (fs::exists(path, failure)) return makeError(ErrorCode::badInput, trf("{} is neither a regular file nor a folder", printable(path, 400)), "E-IO-02");
    return makeError(ErrorCode::notFound, trf("{}: no such file or folder", printable(path, 400)), "E-IO-01");
  }
  std::string bytes;
  const std::string_view text = textOf(headOf(path, bytes));
  std::string found = isFolder(path) ? tr("a folder without such files") : tr("something else");
  if (text.starts_with("version https://git-lfs")) found = tr("a Git LFS pointer: run git lfs pull");
  else if (has(text.substr(0, 300), "<html") || has(text.substr(0, 300), "<!DOCTYPE html") || has(text.substr(0, 300), "<!doctype html")) found = tr("a web page");
  else if (text.starts_with("\x1f\x8b") || text.starts_with("PK\x03\x04")) found = tr("an archive: unpack it first");
  return makeError(ErrorCode::badInput, trf("{}: expected {}, found {}", printable(path, 400), tr(expected), found), "E-DT-01");
}

// The reader of last resort for a file no probe knows: by its first letter.
std::string_view guessedKind(const std::string& path) {
  if (!isFile(path)) return {};
  std::string bytes;
  const FileHead head = headOf(path, bytes);
  const std::string text = narrowed(head);
  if (text.starts_with("version https://git-lfs") || text.starts_with("\x1f\x8b") || text.starts_with("PK\x03\x04")) return {};
  const char first = firstLetter(text);
  if (first == '{' || first == '[' || first == '"' || first == '\0') return "coco-ground-truth";
  if (first == '<' && !has(std::string_view(text).substr(0, 300), "html")) return "voc-annotation";
  if (has(std::string_view(text).substr(0, text.find('\n')), ",")) return "detection-csv";
  return first == '<' ? std::string_view{} : "yolo-labels";
}

}  // namespace

std::string_view detectionKindOf(const std::string& path) {
  std::string bytes;
  const FileHead head = headOf(path, bytes);
  std::string_view best;
  int score = 0;
  for (const FileFormat& format : formats) {
    if (const int found = format.probe(head); found > score) score = found, best = format.id;
  }
  return best;
}

Expected<GroundTruth> readGroundTruth(const std::string& path, const DetectionReadOptions& options) {
  std::string_view kind = detectionKindOf(path);
  if (kind.empty()) kind = guessedKind(path);
  if (kind == "coco-ground-truth" || kind == "coco-results") return readCocoGroundTruth(path, options);
  if (kind == "voc-folder" || kind == "voc-annotation") return readVocGroundTruth(path, options);
  if (kind == "yolo-folder" || kind == "yolo-labels") return readYoloGroundTruth(path, options);
  if (kind == "detection-csv") return readCsvGroundTruth(path, options);
  return strange(path, "ground truth: COCO JSON, a VOC or YOLO folder, or a table");
}

Expected<RawDetections> readDetections(const std::string& path, const DetectionReadOptions& options) {
  std::string_view kind = detectionKindOf(path);
  if (kind.empty()) kind = guessedKind(path);
  if (kind == "coco-ground-truth" || kind == "coco-results") return readCocoResults(path, options);
  if (kind == "voc-results") return readVocResults(path, options);
  if (kind == "yolo-folder" || kind == "yolo-labels") return readYoloPredictions(path, options);
  if (kind == "detection-csv") return readCsvDetections(path, options);
  return strange(path, "detections: COCO results JSON, VOC result files, a YOLO folder with confidences, or a table with scores");
}

}  // namespace orrery
