// Reading and writing YOLO label folders (see yolo.h).

#include "core/data/yolo.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <unordered_map>

#include "core/base/text.h"
#include "core/data/detections_text.h"
#include "core/data/image.h"

namespace orrery {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t largestFile = std::uint64_t{1} << 30;
constexpr std::size_t longestLine = 64 * 1024;

Error bad(std::string message, const char* id) { return makeError(ErrorCode::badInput, std::move(message), id); }

Error inFile(Error error, const std::string& path) {
  error.message = printable(fs::path(path).filename().string(), 200) + ": " + error.message;
  return error;
}

}  // namespace

Expected<YoloLabels> parseYoloLabels(std::string_view text, std::size_t names) {
  YoloLabels result;
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) return bad(tr("the file is UTF-16, expected UTF-8; save it as UTF-8"), "E-YO-08");
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) return bad(trf("not a text file (byte 0x00 at {})", zero), "E-YO-13");
  RemarkCounter outside, sizes, copies;
  std::set<std::string_view> seen;
  std::size_t number = 0, inRange = 0, pixels = 0;
  std::string firstPixel;
  for (const std::string_view raw : linesOf(text)) {
    ++number;
    if (raw.size() > longestLine) return bad(trf("line {} is longer than 64 KiB", number), "E-YO-09");
    const std::string_view line = trimmed(raw);
    const auto words = wordsOf(line);
    if (words.empty()) continue;
    const int columns = static_cast<int>(words.size());
    // The first line decides between boxes (5), predictions (6) and segments (7 and more).
    if (result.columns == 0) {
      if (columns < 5) return bad(trf("line {} has {} columns; expected class cx cy w h", number, columns), "E-YO-02");
      result.columns = columns;
    }
    const bool segments = result.columns >= 7;
    if (segments ? columns < 7 : columns != result.columns) {
      return bad(trf("line {} has {} columns; this file uses {}", number, columns, result.columns), "E-YO-02");
    }
    if (segments && columns % 2 == 0) return bad(trf("line {}: polygon needs x,y pairs, found {} values", number, columns - 1), "E-YO-10");

    // Read the class and the values.
    double category = 0;
    std::vector<double> values;
    if (readNumber(words[0], category) != NumberFault::none || category != std::floor(category) || category < 0 || category > 1e6) {
      return bad(trf("line {}: class '{}' is not a whole number", number, printable(words[0])), "E-YO-03");
    }
    if (names > 0 && category >= static_cast<double>(names)) {
      return bad(trf("line {}: class {}, only {} names (0-{})", number, category, names, names - 1), "E-YO-03");
    }
    for (std::size_t i = 1; i < words.size(); ++i) {
      double value = 0;
      if (const NumberFault fault = readNumber(words[i], value); fault != NumberFault::none) {
        return bad(trf("line {}: {}", number, describe(fault, words[i])), "E-YO-05");
      }
      values.push_back(value);
    }
    if (!seen.insert(line).second) {
      copies.add(trf("line {}", number));
      continue;
    }

    // Skip the one line whose coordinates are impossible, and remember whether all are.
    const std::size_t coordinates = segments ? values.size() : 4;
    const auto wrong = std::find_if(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(coordinates), [](double v) { return v < 0 || v > 1; });
    YoloBox box;
    box.category = static_cast<int>(category);
    if (segments) {
      double x0 = values[0], x1 = x0, y0 = values[1], y1 = y0;
      for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
        x0 = std::min(x0, values[i]), x1 = std::max(x1, values[i]);
        y0 = std::min(y0, values[i + 1]), y1 = std::max(y1, values[i + 1]);
      }
      box.cx = (x0 + x1) / 2, box.cy = (y0 + y1) / 2, box.width = x1 - x0, box.height = y1 - y0;
    } else {
      box.cx = values[0], box.cy = values[1], box.width = values[2], box.height = values[3];
      if (result.columns == 6) box.confidence = values[4];
    }
    const bool all = std::all_of(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(coordinates), [](double v) { return v > 1; });
    if (all) ++pixels;
    if (wrong != values.begin() + static_cast<std::ptrdiff_t>(coordinates)) {
      outside.add(trf("line {}: {} is not in 0..1", number, *wrong));
      continue;
    }
    ++inRange;
    if (!(box.width > 0) || !(box.height > 0)) {
      sizes.add(box.width > 0 ? trf("line {}: height must be > 0, found {}", number, box.height) : trf("line {}: width must be > 0, found {}", number, box.width));
      continue;
    }
    result.boxes.push_back(box);
  }
  if (inRange == 0 && pixels > 0) return bad(tr("all values are greater than 1: looks like pixels; convert with the image size?"), "E-YO-15");
  if (result.columns == 0) result.notes.push_back(tr("no objects") + " [E-YO-01]");
  if (outside.count() > 0) result.notes.push_back(trf("{} lines skipped, the others are kept ({})", outside.count(), outside.first()) + " [E-YO-04]");
  if (sizes.count() > 0) result.notes.push_back(trf("{} lines skipped, the others are kept ({})", sizes.count(), sizes.first()) + " [E-YO-06]");
  if (copies.count() > 0) result.notes.push_back(trf("{} repeated lines kept once (first: {})", copies.count(), copies.first()) + " [E-YO-07]");
  if (result.columns == 6) {
    const auto high = std::find_if(result.boxes.begin(), result.boxes.end(), [](const YoloBox& b) { return b.confidence > 1 || b.confidence < 0; });
    if (high != result.boxes.end()) {
      result.notes.push_back(trf("the sixth column was read as the confidence, but holds {}; is the confidence first?", high->confidence) + " [E-YO-14]");
    }
  }
  return result;
}

std::vector<std::string> parseYoloNames(std::string_view text, bool yaml) {
  std::vector<std::string> names;
  const auto unquoted = [](std::string_view value) {
    value = trimmed(value.substr(0, value.find(" #")));
    if (value.size() >= 2 && (value.front() == '\'' || value.front() == '"') && value.back() == value.front()) value = value.substr(1, value.size() - 2);
    return printable(value);
  };
  if (!yaml) {
    for (const auto line : linesOf(text)) {
      if (!trimmed(line).empty()) names.push_back(printable(trimmed(line)));
    }
    return names;
  }
  // Only the `names:` key is read: a flow list, a block list or a block map.
  bool inside = false;
  std::string flow;
  for (const auto line : linesOf(text)) {
    std::string_view content = trimmed(line);
    if (!inside) {
      if (!line.starts_with("names:")) continue;
      inside = true;
      content = trimmed(line.substr(6));
      if (content.starts_with("&")) content = trimmed(content.substr(std::min(content.find(' '), content.size())));   // an anchor names nothing here
      if (content.empty() || content.starts_with("#")) continue;
      if (!content.starts_with("[")) break;
      flow = content;
      if (content.find(']') != std::string_view::npos) break;
      continue;
    }
    if (!flow.empty()) {
      flow += std::string(content);
      if (content.find(']') != std::string_view::npos || flow.size() > (1u << 20)) break;
      continue;
    }
    if (content.empty() || content.starts_with("#")) continue;
    if (content.starts_with("- ")) {
      names.push_back(unquoted(content.substr(2)));
    } else if (line.starts_with(" ") && content.find(':') != std::string_view::npos) {
      double index = -1;
      const std::size_t colon = content.find(':');
      if (readNumber(trimmed(content.substr(0, colon)), index) != NumberFault::none || index < 0 || index > 1e5) break;
      if (names.size() <= static_cast<std::size_t>(index)) names.resize(static_cast<std::size_t>(index) + 1);
      names[static_cast<std::size_t>(index)] = unquoted(content.substr(colon + 1));
    } else {
      break;
    }
    if (names.size() > 100000) break;
  }
  if (flow.starts_with("[")) {
    std::string_view rest = std::string_view(flow).substr(1, flow.find(']') == std::string::npos ? std::string::npos : flow.find(']') - 1);
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      if (!trimmed(rest.substr(0, comma)).empty()) names.push_back(unquoted(trimmed(rest.substr(0, comma))));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return names;
}

namespace {

bool isNamesFile(const fs::path& path) {
  const std::string name = path.filename().string();
  return name == "classes.txt" || name == "names.txt" || name == "obj.names";
}

fs::path labelFolderOf(const std::string& path) {
  const fs::path below = fs::path(path) / "labels";
  return isFolder(below.string()) ? below : fs::path(path);
}

// Names from the label folder or the one or two above it.
std::vector<std::string> findNames(const fs::path& labels, std::vector<std::string>& notes) {
  fs::path folder = labels;
  for (int up = 0; up < 3; ++up) {
    for (const char* file : {"classes.txt", "names.txt", "obj.names", "data.yaml", "dataset.yaml", "data.yml"}) {
      const fs::path path = folder / file;
      if (!isFile(path.string())) continue;
      auto text = readTextFile(path.string(), "E-YO-08", "E-YO-13", 1u << 24);
      if (!text) continue;
      auto names = parseYoloNames(*text, path.extension() != ".txt" && path.extension() != ".names");
      if (!names.empty()) return names;
    }
    // Only a labels/ folder looks above itself, and so does one split inside it.
    if (up == 0 && folder.filename() != "labels" && folder.parent_path().filename() != "labels") break;
    folder = folder.parent_path();
  }
  notes.push_back(tr("no file with class names: classes are shown by number") + " [E-YO-12]");
  return {};
}

// Image files beside a labels folder: stem -> path.
std::map<std::string, std::string> findImages(const fs::path& labels) {
  std::map<std::string, std::string> images;
  std::vector<fs::path> folders{labels / "images", labels};
  if (labels.filename() == "labels") folders.insert(folders.begin(), labels.parent_path() / "images");
  if (labels.parent_path().filename() == "labels") folders.insert(folders.begin(), labels.parent_path().parent_path() / "images" / labels.filename());
  for (const auto& folder : folders) {
    for (const char* extension : {".png", ".jpg", ".jpeg"}) {
      for (const auto& file : filesWithExtension(folder.string(), extension)) images.emplace(stemOf(file), file);
    }
    if (!images.empty()) break;
  }
  return images;
}

}  // namespace

std::vector<std::string> yoloLabelFiles(const std::string& folder) {
  auto files = filesWithExtension(labelFolderOf(folder).string(), ".txt");
  std::erase_if(files, [](const std::string& file) { return isNamesFile(file) || fs::path(file).filename() == "train.txt" || fs::path(file).filename() == "val.txt"; });
  return files;
}

Expected<GroundTruth> readYoloGroundTruth(const std::string& path, const DetectionReadOptions& options) {
  GroundTruth truth;
  const fs::path folder = isFolder(path) ? labelFolderOf(path) : fs::path(path).parent_path();
  const std::vector<std::string> files = isFolder(path) ? yoloLabelFiles(path) : std::vector{path};
  if (files.empty()) return bad(trf("{}: no label files here; expected one .txt per image", printable(path, 400)), "E-YO-01");
  const auto names = findNames(folder, truth.notes);
  const auto images = findImages(folder);

  // One image per label file; images without labels have no objects.
  RemarkCounter withoutImage, withoutLabel;
  std::map<std::string, std::string> labelOf;
  for (const auto& file : files) labelOf.emplace(stemOf(file), file);
  std::set<std::string> stems;
  for (const auto& [stem, file] : labelOf) {
    stems.insert(stem);
    if (!images.empty() && !images.contains(stem)) withoutImage.add(stem);
  }
  for (const auto& [stem, file] : images) {
    if (stems.insert(stem).second) withoutLabel.add(stem);
  }
  int highest = -1;
  bool sized = true;
  std::size_t done = 0, skipped = 0;
  struct Pending {
    YoloBox box;
    std::uint32_t image;
  };
  std::vector<Pending> pending;
  for (const auto& stem : stems) {
    if (options.progress && (done & 255) == 0 && !options.progress(static_cast<double>(done) / static_cast<double>(stems.size()))) {
      return makeError(ErrorCode::cancelled, tr("reading was cancelled"));
    }
    ++done;
    DetectionImage image{static_cast<std::int64_t>(done), stem, options.imageWidth, options.imageHeight};
    if (const auto file = images.find(stem); file != images.end()) {
      if (auto header = readImage(file->second, true)) image.width = header->width, image.height = header->height;
    }
    sized = sized && image.width > 0 && image.height > 0;
    const auto index = static_cast<std::uint32_t>(truth.images.size());
    truth.images.push_back(image);
    const auto label = labelOf.find(stem);
    if (label == labelOf.end()) continue;
    auto text = readTextFile(label->second, "E-YO-08", "E-YO-13", largestFile);
    auto labels = text ? parseYoloLabels(*text, names.size()) : Expected<YoloLabels>(text.error());
    if (!labels) {
      if (!options.lenient) return text ? inFile(labels.error(), label->second) : text.error();
      ++skipped;
      truth.notes.push_back(inFile(labels.error(), label->second).message + " [" + labels.error().id + "]");
      continue;
    }
    for (const auto& note : labels->notes) {
      if (truth.notes.size() < 64 && labels->columns > 0) truth.notes.push_back(stem + ": " + note);
    }
    for (const auto& box : labels->boxes) {
      highest = std::max(highest, box.category);
      pending.push_back({box, index});
    }
  }
  truth.sizeKnown = sized;
  for (const auto& [box, image] : pending) {
    const double w = sized ? truth.images[image].width : 1, h = sized ? truth.images[image].height : 1;
    truth.boxes.push_back({(box.cx - box.width / 2) * w, (box.cy - box.height / 2) * h, box.width * w, box.height * h, box.width * w * box.height * h, image,
                           static_cast<std::uint32_t>(box.category), static_cast<std::int64_t>(truth.boxes.size()) + 1, false, false});
  }
  const std::size_t classes = std::max(names.size(), static_cast<std::size_t>(highest + 1));
  for (std::size_t k = 0; k < classes; ++k) {
    truth.classes.push_back({static_cast<std::int64_t>(k), k < names.size() && !names[k].empty() ? names[k] : std::to_string(k)});
  }
  if (skipped > 0) truth.notes.insert(truth.notes.begin(), trf("{} of {} files usable; {} skipped", files.size() - skipped, files.size(), skipped));
  if (!sized) truth.notes.push_back(tr("image sizes unknown: drop the images or give width x height; the split by size is off"));
  if (withoutImage.count() > 0) truth.notes.push_back(trf("{} label files have no image (first: {})", withoutImage.count(), withoutImage.first()) + " [E-YO-11]");
  if (withoutLabel.count() > 0) truth.notes.push_back(trf("{} images have no label file (first: {})", withoutLabel.count(), withoutLabel.first()) + " [E-YO-11]");
  return truth;
}

Expected<RawDetections> readYoloPredictions(const std::string& path, const DetectionReadOptions& options) {
  RawDetections result;
  result.imagesByName = true;
  result.relative = true;
  const std::vector<std::string> files = isFolder(path) ? yoloLabelFiles(path) : std::vector{path};
  if (files.empty()) return bad(trf("{}: no label files here; expected one .txt per image", printable(path, 400)), "E-YO-01");
  std::size_t skipped = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (options.progress && (i & 255) == 0 && !options.progress(static_cast<double>(i) / static_cast<double>(files.size()))) {
      return makeError(ErrorCode::cancelled, tr("reading was cancelled"));
    }
    auto text = readTextFile(files[i], "E-YO-08", "E-YO-13", largestFile);
    auto labels = text ? parseYoloLabels(*text) : Expected<YoloLabels>(text.error());
    if (labels && labels->columns != 0 && labels->columns != 6) {
      labels = bad(trf("{} columns: predictions need a sixth value, the confidence", labels->columns), "E-YO-02");
    }
    if (!labels) {
      if (!options.lenient) return text ? inFile(labels.error(), files[i]) : text.error();
      ++skipped;
      continue;
    }
    const auto image = static_cast<std::int64_t>(result.imageNames.size());
    result.imageNames.push_back(stemOf(files[i]));
    for (const auto& note : labels->notes) {
      if (result.notes.size() < 64 && labels->columns > 0) result.notes.push_back(result.imageNames.back() + ": " + note);
    }
    for (const auto& box : labels->boxes) {
      result.boxes.push_back({box.cx - box.width / 2, box.cy - box.height / 2, box.width, box.height, box.confidence, image, box.category});
    }
  }
  if (skipped > 0) result.notes.insert(result.notes.begin(), trf("{} of {} files usable; {} skipped", files.size() - skipped, files.size(), skipped));
  return result;
}

namespace {

template <class Box>
std::string relativeBox(const GroundTruth& truth, const Box& box) {
  const double w = truth.images[box.image].width, h = truth.images[box.image].height;
  return fmt::format("{} {} {} {} {}", box.category, (box.x + box.width / 2) / w, (box.y + box.height / 2) / h, box.width / w, box.height / h);
}

}  // namespace

std::string yoloLabelLines(const GroundTruth& truth, std::size_t image) {
  std::string out;
  for (const auto& box : truth.boxes) {
    if (box.image == image) out += relativeBox(truth, box) + "\n";
  }
  return out;
}

std::string yoloPredictionLines(const GroundTruth& truth, const std::vector<ScoredBox>& detections, std::size_t image) {
  std::string out;
  for (const auto& box : detections) {
    if (box.image == image) out += relativeBox(truth, box) + fmt::format(" {}\n", box.score);
  }
  return out;
}

}  // namespace orrery
