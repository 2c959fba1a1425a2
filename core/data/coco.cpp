// Reading COCO JSON (see coco.h).

#include "core/data/coco.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "core/base/files.h"
#include "core/base/text.h"
#include "core/data/coco_json.h"
#include "core/data/coco_mask.h"

namespace orrery {

namespace {

constexpr std::size_t mostBoxes = 20'000'000;
constexpr std::uint64_t largestFile = std::uint64_t{8} << 30;

// One annotation or detection as the file has it.
struct Entry {
  std::int64_t image = 0, category = 0, id = 0;
  double bbox[4] = {0, 0, 0, 0};
  double score = 0, area = 0;
  bool hasImage = false, hasCategory = false, hasId = false, hasBox = false, hasScore = false, hasArea = false, crowd = false;
};

// Shared state of one read: where we are, the first error, and the counted remarks.
class Reader {
 public:
  Reader(std::string_view text, const DetectionReadOptions& options) : json_(text), options_(options) {}

  Expected<void> begin(std::string_view text);
  Error refusal(const char* what) const;
  bool stopped() const { return error_.has_value() || !json_.ok(); }
  Error error() const { return error_ ? *error_ : faultError(); }
  void refuse(std::string message, const char* id) {
    if (!error_) error_ = makeError(ErrorCode::badInput, std::move(message), id);
    json_.fail(JsonFault::wrongType);
  }
  bool enter(const char* what, std::size_t number) {
    what_ = what, number_ = number;
    if (options_.progress && (number & 8191) == 0 && !options_.progress(static_cast<double>(json_.position()) / static_cast<double>(json_.size()))) {
      error_ = makeError(ErrorCode::cancelled, tr("reading was cancelled"));
      return json_.fail(JsonFault::wrongType);
    }
    return true;
  }
  void leave() {
    if (json_.ok()) what_ = nullptr;   // an error keeps its place
  }

  bool readId(std::int64_t& id);
  bool readEntry(Entry& entry);
  bool readBox(Entry& entry);
  void readSegmentation();
  bool usable(const Entry& entry, bool detection);
  std::string here() const { return trf("{} {}", tr(what_ == nullptr ? "file" : what_), number_); }
  void noteRemarks(std::vector<std::string>& notes) const;

  JsonCursor& json() { return json_; }

  RemarkCounter quotedIds, badSizes, badNumbers, badMasks, badPolygons, oddPaths, strayImages, strayClasses, outside, noArea;

 private:
  Error faultError() const;

  JsonCursor json_;
  const DetectionReadOptions& options_;
  std::optional<Error> error_;
  const char* what_ = nullptr;      // "annotation", "image", "category", "detection"
  std::size_t number_ = 0;          // counted from 1
  std::size_t polygonPoints_ = 0;
};

const char* const notADataset = "expected a list of detections or a dataset object, found {}";

std::string shortKind(JsonCursor::Kind kind) {
  switch (kind) {
    case JsonCursor::Kind::end: return tr("an empty file");
    case JsonCursor::Kind::number: return tr("a number");
    case JsonCursor::Kind::string: return tr("a text");
    case JsonCursor::Kind::object: return tr("an object without images, annotations or categories");
    default: return tr("something else");
  }
}

// Refuse what is not JSON text at all.
Expected<void> Reader::begin(std::string_view text) {
  auto isUtf16 = [&] {
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) return true;
    return text.size() >= 4 && ((text[0] == '\0' && text[1] != '\0') || (text[0] != '\0' && text[1] == '\0'));
  };
  if (isUtf16()) return makeError(ErrorCode::badInput, tr("the file is UTF-16, expected UTF-8; save it as UTF-8"), "E-CO-16");
  const auto kind = json_.peek();
  if (kind != JsonCursor::Kind::object && kind != JsonCursor::Kind::array) {
    return makeError(ErrorCode::badInput, trf(notADataset, shortKind(kind)), "E-CO-01");
  }
  return {};
}

Error Reader::faultError() const {
  const std::size_t at = json_.faultAt();
  switch (json_.fault()) {
    case JsonFault::truncated:
      if (what_ != nullptr) return makeError(ErrorCode::badInput, trf("JSON ends at byte {} inside {}", at, here()), "E-CO-02");
      return makeError(ErrorCode::badInput, trf("JSON ends at byte {} before its last bracket", at), "E-CO-02");
    case JsonFault::tooDeep:
      return makeError(ErrorCode::badInput, trf("nested deeper than 64 at byte {}: not a COCO file", at), "E-CO-03");
    case JsonFault::wrongType:
      if (what_ != nullptr) return makeError(ErrorCode::badInput, trf("{}: a value at byte {} has the wrong type", here(), at), "E-CO-06");
      return makeError(ErrorCode::badInput, trf("a value at byte {} has the wrong type: expected lists named images, annotations and categories", at), "E-CO-01");
    default:
      if (what_ != nullptr) return makeError(ErrorCode::badInput, trf("not valid JSON at byte {} inside {}", at, here()), "E-CO-02");
      return makeError(ErrorCode::badInput, trf("not valid JSON at byte {}", at), "E-CO-02");
  }
}

// An integer >= 0; "123" and 123.0 are taken with a remark.
bool Reader::readId(std::int64_t& id) {
  std::string_view text;
  bool quoted = false;
  const auto kind = json_.peek();
  if (kind != JsonCursor::Kind::string && kind != JsonCursor::Kind::number && kind != JsonCursor::Kind::end) {
    refuse(trf("{}: id must be an integer", here()), "E-CO-10");
    return false;
  }
  if (!json_.token(text, quoted)) return false;
  const std::string_view original = text;
  if (!quoted && text.size() > 2 && text.ends_with(".0")) text.remove_suffix(2);
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), id);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || id < 0) {
    refuse(trf("{}: id must be an integer, found {}", here(), printable(original)), "E-CO-10");
    return false;
  }
  if (quoted || original.size() != text.size()) quotedIds.add(here());
  return true;
}

// Exactly four numbers; not finite ones are judged later.
bool Reader::readBox(Entry& entry) {
  const auto wrong = [&](std::string found) {
    refuse(trf("{}: bbox needs 4 numbers, found {}", here(), found), "E-CO-06");
    return false;
  };
  if (json_.peek() != JsonCursor::Kind::array) return json_.peek() == JsonCursor::Kind::end ? json_.fail(JsonFault::truncated) : wrong(tr("something else"));
  std::size_t count = 0;
  const bool fine = json_.array([&] {
    double value = 0;
    const auto kind = json_.peek();
    if (kind != JsonCursor::Kind::number) {
      if (kind == JsonCursor::Kind::end) json_.fail(JsonFault::truncated);
      else wrong(tr("something else"));
      return;
    }
    if (json_.number(value) && count < 4) entry.bbox[count] = value;
    ++count;
  });
  if (!fine) return false;
  if (count != 4) return wrong(std::to_string(count));
  entry.hasBox = true;
  return true;
}

// Check a mask without keeping it: run lengths must fill the picture, polygons need pairs.
void Reader::readSegmentation() {
  SegmentationCheck check;
  if (!checkSegmentation(json_, check)) return;
  if (check.badMask) badMasks.add(trf("mask of {} does not fill {} x {}", here(), check.width, check.height));
  if (check.badPolygon) badPolygons.add(trf("{}: polygon needs x,y pairs, at least 3", here()));
  polygonPoints_ += check.points;
  if (polygonPoints_ > 100'000'000) refuse(trf("{}: more than 100 million polygon points", here()), "E-CO-12");
}

bool Reader::readEntry(Entry& entry) {
  enum Key : unsigned { image = 1, category = 2, bbox = 4, score = 8, area = 16, id = 32, crowd = 64, segmentation = 128 };
  unsigned seen = 0;
  const auto once = [&](unsigned key, std::string_view name) {
    if ((seen & key) != 0) refuse(trf("key '{}' twice in {}", name, here()), "E-CO-18");
    seen |= key;
    return json_.ok();
  };
  const auto number = [&](double& value) {
    if (json_.peek() == JsonCursor::Kind::null) return json_.skip() && false;
    return json_.number(value);
  };
  if (json_.peek() != JsonCursor::Kind::object) {
    if (json_.peek() == JsonCursor::Kind::end) return json_.fail(JsonFault::truncated);
    refuse(trf("{} is not an object; expected a list of detections or a dataset object", here()), "E-CO-01");
    return false;
  }
  return json_.object([&](std::string_view key) {
    if (key == "image_id") {
      if (once(image, key)) entry.hasImage = readId(entry.image);
    } else if (key == "category_id") {
      if (once(category, key)) entry.hasCategory = readId(entry.category);
    } else if (key == "bbox") {
      if (once(bbox, key)) readBox(entry);
    } else if (key == "score") {
      if (once(score, key)) entry.hasScore = number(entry.score);
    } else if (key == "area") {
      if (once(area, key)) entry.hasArea = number(entry.area);
    } else if (key == "id") {
      if (once(id, key)) entry.hasId = readId(entry.id);
    } else if (key == "iscrowd") {
      double value = 0;
      if (!once(crowd, key)) return;
      if (json_.peek() == JsonCursor::Kind::boolean) json_.boolean(entry.crowd);
      else if (number(value)) entry.crowd = value != 0;
    } else if (key == "segmentation") {
      if (once(segmentation, key)) readSegmentation();
    } else {
      json_.skip();
    }
  });
}

// Whether the box can be used. Ground truth needs a positive size; a detection without one is kept, because it can only miss.
bool Reader::usable(const Entry& entry, bool detection) {
  for (const double value : entry.bbox) {
    if (!std::isfinite(value)) {
      badNumbers.add(trf("{}: bbox holds {}", here(), value));
      return false;
    }
  }
  if (!(entry.bbox[2] > 0) || !(entry.bbox[3] > 0)) {
    badSizes.add(entry.bbox[2] > 0 ? trf("{}: height must be > 0, found {}", here(), entry.bbox[3]) : trf("{}: width must be > 0, found {}", here(), entry.bbox[2]));
    return detection;
  }
  return true;
}

void Reader::noteRemarks(std::vector<std::string>& notes) const {
  const auto note = [&](const RemarkCounter& remarks, const char* pattern, const char* id) {
    if (remarks.count() > 0) notes.push_back(trf(pattern, remarks.count(), remarks.first()) + " [" + id + "]");
  };
  note(quotedIds, "{} ids are not plain integers but were understood (first: {})", "E-CO-10");
  note(badNumbers, "{} boxes with NaN or infinite coordinates skipped (first: {})", "E-CO-07");
  note(badMasks, "{} masks are damaged, their boxes are kept (first: {})", "E-CO-11");
  note(badPolygons, "{} polygons are damaged, their boxes are kept (first: {})", "E-CO-12");
  note(oddPaths, "{} file names are paths or addresses and are only shown as text (first: {})", "E-CO-13");
  note(strayImages, "{} boxes refer to unknown images (first: {})", "E-CO-05");
  note(strayClasses, "{} boxes refer to unknown categories (first: {})", "E-CO-05");
  note(outside, "{} boxes reach outside their image; they are not clipped (first: {})", "E-CO-08");
  note(noArea, "{} annotations have no area; width x height is used (first: {})", "E-CO-06");
}

struct RawImage {
  DetectionImage image;
  bool hasId = false;
};

bool isOddPath(std::string_view name) {
  return name.starts_with("/") || name.starts_with("\\") || name.find("..") != std::string_view::npos || name.find("://") != std::string_view::npos ||
         name.find('\0') != std::string_view::npos;
}

}  // namespace

Expected<RawDetections> parseCocoResults(std::string_view json, const DetectionReadOptions& options) {
  RawDetections result;
  if (json.starts_with("\xEF\xBB\xBF")) {
    json.remove_prefix(3);
    result.notes.push_back(tr("the file begins with a byte order mark, which was skipped") + " [E-CO-16]");
  }
  Reader reader(json, options);
  if (auto begun = reader.begin(json); !begun) return begun.error();
  JsonCursor& cursor = reader.json();
  if (cursor.peek() == JsonCursor::Kind::object) {
    return makeError(ErrorCode::badInput, tr("expected a list of detections, found an object; is this the ground truth?"), "E-CO-01");
  }
  result.boxes.reserve(json.size() / 100);
  std::size_t number = 0;
  RemarkCounter overOne;
  cursor.array([&] {
    Entry entry;
    if (!reader.enter("detection", ++number) || !reader.readEntry(entry)) return;
    if (!entry.hasImage) return reader.refuse(trf("{} has no image_id", reader.here()), "E-CO-10");
    if (!entry.hasCategory) return reader.refuse(trf("{} has no category_id", reader.here()), "E-CO-10");
    if (!entry.hasBox) return reader.refuse(trf("{}: bbox needs 4 numbers, found none", reader.here()), "E-CO-06");
    if (!entry.hasScore) return reader.refuse(trf("{} has no score: without scores this is ground truth, not results", reader.here()), "E-CO-09");
    if (!std::isfinite(entry.score)) return reader.refuse(trf("{}: score must be a finite number, found {}", reader.here(), entry.score), "E-CO-07");
    if (entry.score > 1 || entry.score < 0) {
      overOne.add(overOne.count() > 0 ? std::string() : entry.score > 1 ? trf("score {} > 1", entry.score) : trf("score {} < 0", entry.score));
    }
    if (!reader.usable(entry, true)) {
      if (!options.lenient) reader.refuse(trf("{}: bbox must hold finite numbers", reader.here()), "E-CO-07");
      return;
    }
    if (result.boxes.size() >= mostBoxes) return reader.refuse(trf("more than {} detections", mostBoxes), "E-CO-15");
    result.boxes.push_back({entry.bbox[0], entry.bbox[1], entry.bbox[2], entry.bbox[3], entry.score, entry.image, entry.category});
  });
  reader.leave();
  if (!reader.stopped() && !cursor.atEnd()) return makeError(ErrorCode::badInput, trf("not valid JSON at byte {}", cursor.position()), "E-CO-02");
  if (reader.stopped()) return reader.error();
  if (overOne.count() > 0) {
    result.notes.push_back(trf("{} scores are outside 0 to 1 (first: {}); looks like percent or logits", overOne.count(), overOne.first()) + " [E-CO-09]");
  }
  if (reader.badSizes.count() > 0) {
    result.notes.push_back(trf("{} detections without a size can match nothing (first: {})", reader.badSizes.count(), reader.badSizes.first()) + " [E-CO-07]");
  }
  reader.noteRemarks(result.notes);
  return result;
}

Expected<GroundTruth> parseCocoGroundTruth(std::string_view json, const DetectionReadOptions& options) {
  GroundTruth result;
  if (json.starts_with("\xEF\xBB\xBF")) {
    json.remove_prefix(3);
    result.notes.push_back(tr("the file begins with a byte order mark, which was skipped") + " [E-CO-16]");
  }
  Reader reader(json, options);
  if (auto begun = reader.begin(json); !begun) return begun.error();
  JsonCursor& cursor = reader.json();
  std::vector<Entry> entries;
  std::vector<std::size_t> numbers;          // the entry's place in the file, from 1
  bool hasLists = false, anyScore = false, anyWithoutScore = false;

  const auto readAnnotations = [&] {
    std::size_t number = 0;
    cursor.array([&] {
      Entry entry;
      if (!reader.enter("annotation", ++number) || !reader.readEntry(entry)) return;
      if (!entry.hasImage) return reader.refuse(trf("{} has no image_id", reader.here()), "E-CO-10");
      if (!entry.hasCategory) return reader.refuse(trf("{} has no category_id", reader.here()), "E-CO-10");
      if (!entry.hasBox) return reader.refuse(trf("{}: bbox needs 4 numbers, found none", reader.here()), "E-CO-06");
      (entry.hasScore ? anyScore : anyWithoutScore) = true;
      if (entries.size() >= mostBoxes) return reader.refuse(trf("more than {} annotations", mostBoxes), "E-CO-15");
      if (!reader.usable(entry, false)) return;
      if (!entry.hasArea || !std::isfinite(entry.area)) {
        entry.area = entry.bbox[2] * entry.bbox[3];
        reader.noArea.add(reader.here());
      }
      entries.push_back(entry);
      numbers.push_back(number);
    });
    reader.leave();
  };
  const auto readImages = [&] {
    std::size_t number = 0;
    cursor.array([&] {
      RawImage raw;
      unsigned seen = 0;
      if (!reader.enter("image", ++number)) return;
      cursor.object([&](std::string_view key) {
        const unsigned bit = key == "id" ? 1u : key == "file_name" ? 2u : key == "width" ? 4u : key == "height" ? 8u : 0u;
        if ((seen & bit) != 0) return reader.refuse(trf("key '{}' twice in {}", key, reader.here()), "E-CO-18");
        seen |= bit;
        double value = 0;
        std::string_view text;
        if (bit == 1) raw.hasId = reader.readId(raw.image.id);
        else if (bit == 2 && cursor.peek() == JsonCursor::Kind::string) cursor.string(text), raw.image.name = text;
        else if (bit >= 4 && cursor.peek() == JsonCursor::Kind::number && cursor.number(value))
          (bit == 4 ? raw.image.width : raw.image.height) = value > 0 && value < 1e9 ? static_cast<int>(value) : 0;
        else if (bit < 4 || cursor.peek() != JsonCursor::Kind::number) cursor.skip();
      });
      if (!cursor.ok()) return;
      if (!raw.hasId) return reader.refuse(trf("{} has no id", reader.here()), "E-CO-10");
      if (isOddPath(raw.image.name)) reader.oddPaths.add(printable(raw.image.name));
      result.images.push_back(std::move(raw.image));
    });
    reader.leave();
  };
  const auto readCategories = [&] {
    std::size_t number = 0;
    cursor.array([&] {
      DetectionClass category;
      bool hasId = false, hasName = false;
      if (!reader.enter("category", ++number)) return;
      cursor.object([&](std::string_view key) {
        std::string_view text;
        if ((key == "id" && hasId) || (key == "name" && hasName)) return reader.refuse(trf("key '{}' twice in {}", key, reader.here()), "E-CO-18");
        if (key == "id") hasId = reader.readId(category.id);
        else if (key == "name" && cursor.peek() == JsonCursor::Kind::string) hasName = cursor.string(text), category.name = printable(text);
        else cursor.skip();
      });
      if (!cursor.ok()) return;
      if (!hasId) return reader.refuse(trf("{} has no id", reader.here()), "E-CO-10");
      if (category.name.empty()) category.name = std::to_string(category.id);
      result.classes.push_back(std::move(category));
    });
    reader.leave();
  };

  // Read the lists in whatever order they come.
  const bool bareList = cursor.peek() == JsonCursor::Kind::array;
  if (bareList) {
    readAnnotations();
  } else {
    unsigned seen = 0;
    cursor.object([&](std::string_view key) {
      const unsigned bit = key == "images" ? 1u : key == "annotations" ? 2u : key == "categories" ? 4u : 0u;
      if ((seen & bit) != 0) return reader.refuse(trf("key '{}' twice in the dataset object", key), "E-CO-18");
      seen |= bit;
      if (bit == 0) {
        cursor.skip();
        return;
      }
      hasLists = true;
      if (bit == 1) readImages();
      else if (bit == 2) readAnnotations();
      else readCategories();
    });
    if (!reader.stopped() && !hasLists) return makeError(ErrorCode::badInput, trf(notADataset, shortKind(JsonCursor::Kind::object)), "E-CO-01");
  }
  if (!reader.stopped() && !cursor.atEnd()) return makeError(ErrorCode::badInput, trf("not valid JSON at byte {}", cursor.position()), "E-CO-02");
  if (reader.stopped()) return reader.error();

  // A bare list, or lists that are missing: take the images and classes that are mentioned.
  if (bareList) {
    if (anyScore && !anyWithoutScore) {
      return makeError(ErrorCode::badInput, tr("every entry has a score: these are results, expected ground truth"), "E-CO-09");
    }
    result.notes.push_back(tr("no scores: treated as ground truth; images and classes are those the list mentions") + " [E-CO-09]");
    std::unordered_set<std::int64_t> images, classes;
    for (const Entry& entry : entries) {
      if (images.insert(entry.image).second) result.images.push_back({entry.image, std::to_string(entry.image), 0, 0});
      if (classes.insert(entry.category).second) result.classes.push_back({entry.category, std::to_string(entry.category)});
    }
  }

  // Sort by id, as the reference does, and refuse ids that come twice.
  const auto byId = [](const auto& a, const auto& b) { return a.id < b.id; };
  std::stable_sort(result.images.begin(), result.images.end(), byId);
  std::stable_sort(result.classes.begin(), result.classes.end(), byId);
  const auto sameId = [](const auto& a, const auto& b) { return a.id == b.id; };
  if (const auto twice = std::adjacent_find(result.images.begin(), result.images.end(), sameId); twice != result.images.end()) {
    return makeError(ErrorCode::badInput, trf("image id {} appears twice", twice->id), "E-CO-04");
  }
  if (const auto twice = std::adjacent_find(result.classes.begin(), result.classes.end(), sameId); twice != result.classes.end()) {
    return makeError(ErrorCode::badInput, trf("category id {} appears twice", twice->id), "E-CO-04");
  }
  std::unordered_map<std::int64_t, std::uint32_t> imageOf, classOf;
  for (std::uint32_t i = 0; i < result.images.size(); ++i) imageOf.emplace(result.images[i].id, i);
  for (std::uint32_t i = 0; i < result.classes.size(); ++i) classOf.emplace(result.classes[i].id, i);
  std::unordered_map<std::string, int> names;
  RemarkCounter sameNames;
  for (auto& category : result.classes) {
    const int copy = ++names[category.name];
    if (copy == 1) continue;
    sameNames.add(category.name);
    category.name += " (" + std::to_string(copy) + ")";
  }
  if (sameNames.count() > 0) {
    result.notes.push_back(trf("{} category names appear twice and were numbered (first: {})", sameNames.count(), sameNames.first()) + " [E-CO-14]");
  }

  std::unordered_set<std::int64_t> ids;
  ids.reserve(entries.size());
  std::int64_t looksLikeCorners = 0, judged = 0, zeroIds = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    const auto name = [&] { return trf("{} {}", tr("annotation"), numbers[i]); };
    if (entry.hasId && !ids.insert(entry.id).second) {
      return makeError(ErrorCode::badInput, trf("annotation id {} appears twice", entry.id), "E-CO-04");
    }
    const auto image = imageOf.find(entry.image);
    const auto category = classOf.find(entry.category);
    if (image == imageOf.end()) {
      reader.strayImages.add(name());
      continue;
    }
    if (category == classOf.end()) {
      reader.strayClasses.add(name());
      continue;
    }
    zeroIds += entry.hasId && entry.id == 0;
    const auto& info = result.images[image->second];
    const double x = entry.bbox[0], y = entry.bbox[1], w = entry.bbox[2], h = entry.bbox[3];
    if (info.width > 0 && info.height > 0) {
      ++judged;
      // Rounding to two decimals may push a box a hundredth of a pixel over the border.
      const bool over = x < -0.01 || y < -0.01 || x + w > info.width + 0.01 || y + h > info.height + 0.01;
      if (over) reader.outside.add(name());
      looksLikeCorners += over && w > x && h > y && w <= info.width + 0.01 && h <= info.height + 0.01;
    }
    result.boxes.push_back({x, y, w, h, entry.area, image->second, category->second, entry.hasId ? entry.id : static_cast<std::int64_t>(i) + 1, entry.crowd, false});
  }
  if (reader.badSizes.count() > 0) {
    result.notes.push_back(trf("{} annotations without a size skipped (first: {})", reader.badSizes.count(), reader.badSizes.first()) + " [E-CO-07]");
  }
  if (judged >= 4 && 2 * looksLikeCorners > judged) {
    result.notes.push_back(tr("these boxes look like x1, y1, x2, y2, but COCO's are x, y, width, height; they were read as specified") + " [E-CO-17]");
  }
  if (zeroIds > 0) {
    result.notes.push_back(tr("an annotation has id 0, which the reference evaluator can never match; here it can (cocoapi issue 332)"));
  }
  reader.noteRemarks(result.notes);
  return result;
}

namespace {

Error inFile(Error error, const std::string& path) {
  error.message = printable(path, 400) + ": " + error.message;
  return error;
}

}  // namespace

Expected<GroundTruth> readCocoGroundTruth(const std::string& path, const DetectionReadOptions& options) {
  auto text = readWholeFile(path, largestFile);
  if (!text) return text.error();
  auto result = parseCocoGroundTruth(*text, options);
  if (!result) return inFile(result.error(), path);
  return result;
}

Expected<RawDetections> readCocoResults(const std::string& path, const DetectionReadOptions& options) {
  auto text = readWholeFile(path, largestFile);
  if (!text) return text.error();
  auto result = parseCocoResults(*text, options);
  if (!result) return inFile(result.error(), path);
  return result;
}

}  // namespace orrery
