// Joining detections with the data set they belong to (see detections.h).

#include "core/data/detections.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "core/base/files.h"
#include "core/base/text.h"

namespace orrery {

std::string stemOf(std::string_view fileName) {
  const std::size_t slash = fileName.find_last_of("/\\");
  if (slash != std::string_view::npos) fileName.remove_prefix(slash + 1);
  const std::size_t dot = fileName.rfind('.');
  if (dot != std::string_view::npos && dot > 0) fileName = fileName.substr(0, dot);
  return std::string(fileName);
}

std::string printable(std::string_view text, std::size_t longest) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = byte < 0x80 ? 1 : byte >> 5 == 6 ? 2 : byte >> 4 == 14 ? 3 : byte >> 3 == 30 ? 4 : 0;
    bool valid = length > 0 && i + length <= text.size();
    for (std::size_t j = 1; valid && j < length; ++j) valid = (static_cast<unsigned char>(text[i + j]) & 0xC0) == 0x80;
    if (!valid || byte < 0x20 || byte == 0x7F) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned>(byte));
      ++i;
    } else {
      result.append(text.substr(i, length));
      i += length;
    }
    if (result.size() > longest) return result + "...";
  }
  return result;
}

Expected<std::string> readTextFile(const std::string& path, std::string_view utf16Id, std::string_view binaryId, std::uint64_t limit) {
  auto content = readWholeFile(path, limit);
  if (!content) return content.error();
  std::string& text = *content;
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") || (text.size() >= 4 && text[0] == '\0' && text[1] != '\0' && text[2] == '\0') ||
      (text.size() >= 4 && text[0] != '\0' && text[1] == '\0' && text[2] != '\0' && text[3] == '\0')) {
    return makeError(ErrorCode::badInput, trf("{}: the file is UTF-16, expected UTF-8; save it as UTF-8", printable(path, 400)), std::string(utf16Id));
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  if (const std::size_t zero = text.find('\0'); zero != std::string::npos) {
    return makeError(ErrorCode::badInput, trf("{}: not a text file (byte 0x00 at {})", printable(path, 400), zero), std::string(binaryId));
  }
  return content;
}

Detections resolve(const RawDetections& raw, const GroundTruth& truth) {
  Detections result;
  result.notes = raw.notes;
  constexpr std::uint32_t unknown = 0xffffffffu;

  // Look ids up in a table when they are dense enough, names by full name first and stem second.
  std::unordered_map<std::int64_t, std::uint32_t> imageOfId, classOfId;
  std::unordered_map<std::string, std::uint32_t> imageOfName, classOfName;
  std::vector<std::uint32_t> imageOf, classOf;
  if (raw.imagesByName) {
    for (std::uint32_t i = 0; i < truth.images.size(); ++i) imageOfName.emplace(stemOf(truth.images[i].name), i);
    for (std::uint32_t i = 0; i < truth.images.size(); ++i) imageOfName.insert_or_assign(truth.images[i].name, i);
    for (const auto& name : raw.imageNames) {
      auto found = imageOfName.find(name);
      if (found == imageOfName.end()) found = imageOfName.find(stemOf(name));
      imageOf.push_back(found == imageOfName.end() ? unknown : found->second);
    }
  } else {
    for (std::uint32_t i = 0; i < truth.images.size(); ++i) imageOfId.emplace(truth.images[i].id, i);
  }
  if (raw.classesByName) {
    for (std::uint32_t i = 0; i < truth.classes.size(); ++i) classOfName.emplace(truth.classes[i].name, i);
    for (const auto& name : raw.classNames) {
      const auto found = classOfName.find(name);
      classOf.push_back(found == classOfName.end() ? unknown : found->second);
    }
  } else {
    for (std::uint32_t i = 0; i < truth.classes.size(); ++i) classOfId.emplace(truth.classes[i].id, i);
  }

  std::int64_t lastId = -1;
  std::uint32_t lastImage = unknown;
  result.boxes.reserve(raw.boxes.size());
  for (const auto& box : raw.boxes) {
    std::uint32_t image = unknown, category = unknown;
    if (raw.imagesByName) {
      image = imageOf[static_cast<std::size_t>(box.image)];
    } else if (box.image == lastId) {
      image = lastImage;
    } else {
      const auto found = imageOfId.find(box.image);
      image = found == imageOfId.end() ? unknown : found->second;
      lastId = box.image, lastImage = image;
    }
    if (image == unknown) {
      if (result.unknownImages++ == 0) {
        result.firstUnknownImage = raw.imagesByName ? raw.imageNames[static_cast<std::size_t>(box.image)] : std::to_string(box.image);
      }
      continue;
    }
    if (raw.classesByName) {
      category = classOf[static_cast<std::size_t>(box.category)];
    } else {
      const auto found = classOfId.find(box.category);
      category = found == classOfId.end() ? unknown : found->second;
    }
    if (category == unknown) {
      ++result.unknownClasses;
      continue;
    }
    ScoredBox scored{box.x, box.y, box.width, box.height, box.score, image, category};
    if (raw.relative && truth.sizeKnown) {
      const double w = truth.images[image].width, h = truth.images[image].height;
      scored.x *= w, scored.width *= w, scored.y *= h, scored.height *= h;
    }
    result.boxes.push_back(scored);
  }
  if (result.unknownClasses > 0) {
    result.notes.push_back(trf("{} boxes refer to unknown classes and are left out [E-CO-05]", result.unknownClasses));
  }
  return result;
}

std::vector<std::string> suspicions(const GroundTruth& truth, const std::vector<ScoredBox>& detections) {
  std::vector<std::string> notes;
  double highest = 0;
  for (const ScoredBox& box : detections) highest = std::max(highest, box.score);
  if (highest > 1) notes.push_back(trf("score {} > 1: looks like percent; divide by 100? [E-CO-09]", highest));

  // The best overlap of each ground truth, in at most 200 images that have both.
  std::vector<std::vector<const TruthBox*>> truths(truth.images.size());
  std::size_t images = 0;
  for (const TruthBox& box : truth.boxes) {
    if (truths[box.image].empty() && images++ >= 200) continue;
    truths[box.image].push_back(&box);
  }
  std::unordered_map<const TruthBox*, double> best;
  for (const ScoredBox& box : detections) {
    for (const TruthBox* g : truths[box.image]) {
      const double w = std::min(box.x + box.width, g->x + g->width) - std::max(box.x, g->x);
      const double h = std::min(box.y + box.height, g->y + g->height) - std::max(box.y, g->y);
      const double overlap = w > 0 && h > 0 ? w * h / (box.area() + g->width * g->height - w * h) : 0;
      auto& value = best[g];
      value = std::max(value, overlap);
    }
  }
  if (best.size() >= 3) {
    std::vector<double> values;
    for (const auto& [g, value] : best) values.push_back(value);
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    if (values[values.size() / 2] < 0.01) notes.push_back(tr("the boxes do not overlap anywhere: wrong order or scale?"));
  }
  return notes;
}

}  // namespace orrery
