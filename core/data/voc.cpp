// Reading and writing PASCAL VOC annotations and results (see voc.h).

#include "core/data/voc.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <unordered_map>

#include <pugixml.hpp>

#include "core/base/text.h"
#include "core/data/detections_text.h"

namespace orrery {

namespace {

constexpr std::uint64_t largestXml = std::uint64_t{256} << 20, largestResults = std::uint64_t{1} << 30;
constexpr std::size_t mostObjects = 1'000'000;
constexpr int deepest = 64;

Error bad(std::string message, const char* id) { return makeError(ErrorCode::badInput, std::move(message), id); }

std::string lineAndColumn(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
  const std::size_t start = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
  return trf("line {}, column {}", line, offset - (start == std::string_view::npos ? 0 : start + 1) + 1);
}

// Offset of the first byte that is not UTF-8, or npos.
std::size_t firstInvalidUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = byte < 0x80 ? 1 : byte >> 5 == 6 ? 2 : byte >> 4 == 14 ? 3 : byte >> 3 == 30 ? 4 : 0;
    if (length == 0 || i + length > text.size()) return i;
    for (std::size_t j = 1; j < length; ++j) {
      if ((static_cast<unsigned char>(text[i + j]) & 0xC0) != 0x80) return i;
    }
    i += length;
  }
  return std::string_view::npos;
}

// Refuse what must never reach the XML parser: binary content, document types, deep nesting.
Expected<void> screen(std::string_view xml) {
  if (trimmed(xml).empty()) return bad(tr("not an XML annotation: the file is empty"), "E-VX-01");
  if (xml.starts_with("\xFF\xFE") || xml.starts_with("\xFE\xFF")) return bad(tr("the file is UTF-16, expected UTF-8; save it as UTF-8"), "E-VX-11");
  if (trimmed(xml).front() != '<') return bad(tr("not an XML annotation: expected <annotation>"), "E-VX-01");
  if (const std::size_t zero = xml.find('\0'); zero != std::string_view::npos) return bad(trf("byte 0x00 at {}: not text", zero), "E-VX-11");
  const std::size_t declared = xml.substr(0, 200).find("encoding=");
  std::string encoding(declared == std::string_view::npos ? "" : xml.substr(declared + 10, 10));
  std::transform(encoding.begin(), encoding.end(), encoding.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  if (!encoding.starts_with("ISO-8859-1") && !encoding.starts_with("LATIN1")) {
    if (const std::size_t at = firstInvalidUtf8(xml); at != std::string_view::npos) return bad(trf("invalid UTF-8 at byte {}", at), "E-VX-11");
  }
  int depth = 0;
  for (std::size_t at = xml.find('<'); at != std::string_view::npos; at = xml.find('<', at + 1)) {
    const std::string_view rest = xml.substr(at);
    if (rest.starts_with("<!--")) {
      const std::size_t end = xml.find("-->", at + 4);
      if (end == std::string_view::npos) break;
      at = end;
    } else if (rest.starts_with("<![CDATA[")) {
      const std::size_t end = xml.find("]]>", at + 9);
      if (end == std::string_view::npos) break;
      at = end;
    } else if (rest.starts_with("<!")) {
      return bad(trf("document types are not allowed ({}); remove the DOCTYPE", lineAndColumn(xml, at)), rest.find("SYSTEM") < 400 ? "E-VX-04" : "E-VX-03");
    } else if (rest.starts_with("</")) {
      --depth;
    } else if (!rest.starts_with("<?")) {
      const std::size_t end = xml.find('>', at);
      if (end != std::string_view::npos && xml[end - 1] == '/') continue;
      if (++depth > deepest) return bad(tr("nested deeper than 64: not a VOC annotation"), "E-VX-05");
    }
  }
  return {};
}

// A coordinate of an object's box.
Expected<double> coordinate(const pugi::xml_node& box, const char* name, std::size_t number) {
  const auto node = box.child(name);
  const std::string_view text = trimmed(node.text().get());
  if (!node || text.empty()) return bad(trf("object {}: bndbox has no {}", number, name), "E-VX-09");
  double value = 0;
  if (const NumberFault fault = readNumber(text, value); fault != NumberFault::none) {
    return bad(trf("object {}: {} {}", number, name, describe(fault, text)), "E-VX-07");
  }
  return value;
}

bool flag(const pugi::xml_node& node) {
  const std::string_view text = trimmed(node.text().get());
  return text == "1" || text == "true" || text == "True";
}

}  // namespace

Expected<VocAnnotation> parseVocAnnotation(std::string_view xml) {
  if (xml.starts_with("\xEF\xBB\xBF")) xml.remove_prefix(3);
  if (auto screened = screen(xml); !screened) return screened.error();
  pugi::xml_document document;
  const auto parsed = document.load_buffer(xml.data(), xml.size(), pugi::parse_default);
  if (!parsed) {
    return bad(trf("not well-formed XML at {}: {}", lineAndColumn(xml, static_cast<std::size_t>(std::max<std::ptrdiff_t>(parsed.offset, 0))), parsed.description()),
               "E-VX-02");
  }
  int roots = 0;
  for (const auto& child : document.children()) roots += child.type() == pugi::node_element;
  const auto root = document.document_element();
  if (std::string_view(root.name()) != "annotation") return bad(trf("root is <{}>, expected <annotation>", printable(root.name())), "E-VX-15");
  if (roots > 1) return bad(trf("{} annotations in one file, expected one <annotation>", roots), "E-VX-15");

  VocAnnotation result;
  result.fileName = printable(trimmed(root.child("filename").text().get()), 400);
  const std::string rawName(trimmed(root.child("filename").text().get()));
  if (rawName.starts_with("/") || rawName.find("..") != std::string::npos || rawName.find("://") != std::string::npos) {
    result.notes.push_back(trf("the file name {} is a path or address and is only shown as text", result.fileName) + " [E-VX-12]");
  }
  double width = 0, height = 0;
  const auto size = root.child("size");
  const bool sized = readNumber(trimmed(size.child("width").text().get()), width) == NumberFault::none &&
                     readNumber(trimmed(size.child("height").text().get()), height) == NumberFault::none && width >= 1 && height >= 1 && width < 1e6 && height < 1e6;
  if (sized) {
    result.image.width = static_cast<int>(width);
    result.image.height = static_cast<int>(height);
  } else {
    result.notes.push_back(tr("image size unknown: boxes are drawn in their own range") + " [E-VX-06]");
  }

  std::size_t number = 0;
  RemarkCounter unsupported, outside, parts, onePixel;
  for (const auto& node : root.children("object")) {
    if (++number > mostObjects) return bad(trf("more than {} objects in one file", mostObjects), "E-VX-13");
    VocAnnotation::Object object;
    object.name = printable(trimmed(node.child("name").text().get()));
    const auto box = node.child("bndbox");
    if (!box && (node.child("robndbox") || node.child("polygon") || node.child("ellipse") || node.child("cuboid"))) {
      unsupported.add(trf("object {}", number));
      continue;
    }
    if (!box) return bad(trf("object {} has no bndbox", number), "E-VX-09");
    if (box.next_sibling("bndbox")) return bad(trf("object {} has two bndbox", number), "E-VX-09");
    if (object.name.empty()) return bad(trf("object {} has no name", number), "E-VX-09");
    double edges[4];
    const char* const names[] = {"xmin", "ymin", "xmax", "ymax"};
    for (std::size_t i = 0; i < 4; ++i) {
      auto value = coordinate(box, names[i], number);
      if (!value) return value.error();
      edges[i] = *value;
    }
    for (const std::size_t axis : {std::size_t{0}, std::size_t{1}}) {
      if (edges[axis] > edges[axis + 2]) {
        return bad(trf("object {}: {} {} > {} {}", number, names[axis], edges[axis], names[axis + 2], edges[axis + 2]), "E-VX-07");
      }
      if (edges[axis] == edges[axis + 2]) onePixel.add(trf("object {}: {} = {} = {}", number, names[axis], names[axis + 2], edges[axis]));
    }
    // 1-based and inclusive becomes half-open.
    object.x = edges[0] - 1, object.y = edges[1] - 1;
    object.width = edges[2] - edges[0] + 1, object.height = edges[3] - edges[1] + 1;
    if (sized && (edges[0] < 0 || edges[1] < 0 || edges[2] > width || edges[3] > height)) outside.add(trf("object {}", number));
    object.difficult = flag(node.child("difficult"));
    object.truncated = flag(node.child("truncated"));
    for (const auto& part : node.children("part")) {
      ++object.parts;
      parts.add(trf("{} of object {}", printable(trimmed(part.child("name").text().get())), number));
    }
    result.objects.push_back(std::move(object));
  }
  if (unsupported.count() > 0) result.notes.push_back(trf("unsupported shape, {} skipped (first: {})", unsupported.count(), unsupported.first()) + " [E-VX-14]");
  if (outside.count() > 0) result.notes.push_back(trf("{} boxes reach outside the image; they are not clipped (first: {})", outside.count(), outside.first()) + " [E-VX-08]");
  if (onePixel.count() > 0) result.notes.push_back(trf("{} boxes are one pixel wide or high (first: {})", onePixel.count(), onePixel.first()) + " [E-VX-07]");
  if (parts.count() > 0) result.notes.push_back(trf("{} parts are shown with their objects and not scored (first: {})", parts.count(), parts.first()) + " [E-VX-10]");
  return result;
}

namespace {

Error inFile(Error error, const std::string& path) {
  error.message = printable(std::filesystem::path(path).filename().string(), 200) + ": " + error.message;
  return error;
}

}  // namespace

Expected<VocAnnotation> readVocAnnotation(const std::string& path) {
  auto text = readTextFile(path, "E-VX-11", "E-VX-01", largestXml);
  if (!text) {
    Error error = text.error();
    if (error.id == "E-VX-01") error.message = trf("{}: not an XML annotation (byte 0x00 inside)", printable(path, 400));
    return error;
  }
  auto result = parseVocAnnotation(*text);
  if (!result) return inFile(result.error(), path);
  result->image.name = stemOf(path);
  return result;
}

std::vector<std::string> vocAnnotationFiles(const std::string& folder) {
  const std::string below = (std::filesystem::path(folder) / "Annotations").string();
  return filesWithExtension(isFolder(below) ? below : folder, ".xml");
}

Expected<GroundTruth> readVocGroundTruth(const std::string& path, const DetectionReadOptions& options) {
  std::vector<std::string> files;
  if (isFolder(path)) {
    files = vocAnnotationFiles(path);
    if (files.empty()) {
      return makeError(ErrorCode::badInput, trf("{}: no XML annotations here; expected Annotations/*.xml", printable(path, 400)), "E-VX-01");
    }
  } else {
    files.push_back(path);
  }
  GroundTruth truth;
  std::map<std::string, std::uint32_t> classes;
  std::vector<std::string> classNames;
  std::size_t skipped = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (options.progress && (i & 255) == 0 && !options.progress(static_cast<double>(i) / static_cast<double>(files.size()))) {
      return makeError(ErrorCode::cancelled, tr("reading was cancelled"));
    }
    auto annotation = readVocAnnotation(files[i]);
    if (!annotation) {
      if (!options.lenient) return annotation.error();
      ++skipped;
      truth.notes.push_back(annotation.error().message + " [" + annotation.error().id + "]");
      continue;
    }
    const auto image = static_cast<std::uint32_t>(truth.images.size());
    annotation->image.id = static_cast<std::int64_t>(image) + 1;
    truth.images.push_back(annotation->image);
    for (const auto& note : annotation->notes) {
      if (truth.notes.size() < 64) truth.notes.push_back(annotation->image.name + ": " + note);
    }
    for (const auto& object : annotation->objects) {
      const auto [entry, added] = classes.emplace(object.name, static_cast<std::uint32_t>(classNames.size()));
      if (added) classNames.push_back(object.name);
      truth.boxes.push_back({object.x, object.y, object.width, object.height, object.width * object.height, image, entry->second,
                             static_cast<std::int64_t>(truth.boxes.size()) + 1, false, object.difficult, object.truncated});
    }
  }
  if (skipped > 0) truth.notes.insert(truth.notes.begin(), trf("{} of {} files usable; {} skipped", files.size() - skipped, files.size(), skipped));
  // Classes by name.
  std::vector<std::uint32_t> rank(classNames.size());
  for (const auto& [name, first] : classes) {
    rank[first] = static_cast<std::uint32_t>(truth.classes.size());
    truth.classes.push_back({static_cast<std::int64_t>(truth.classes.size()) + 1, name});
  }
  for (auto& box : truth.boxes) box.category = rank[box.category];
  return truth;
}

std::string vocResultClass(std::string_view fileName) {
  const std::string stem = stemOf(fileName);
  if (!stem.starts_with("comp")) return {};
  const std::size_t det = stem.find("_det_");
  if (det == std::string::npos) return {};
  const std::size_t next = stem.find('_', det + 5);
  return next == std::string::npos ? std::string() : stem.substr(next + 1);
}

Expected<void> parseVocResults(std::string_view text, std::string_view className, RawDetections& into) {
  into.imagesByName = into.classesByName = true;
  auto known = std::find(into.classNames.begin(), into.classNames.end(), className);
  if (known == into.classNames.end()) known = into.classNames.insert(known, std::string(className));
  const auto category = static_cast<std::int64_t>(known - into.classNames.begin());
  std::unordered_map<std::string, std::int64_t> images;
  for (std::size_t i = 0; i < into.imageNames.size(); ++i) images.emplace(into.imageNames[i], static_cast<std::int64_t>(i));
  std::size_t number = 0;
  for (const std::string_view line : linesOf(text)) {
    ++number;
    const auto words = wordsOf(line);
    if (words.empty()) continue;
    if (words.size() != 6) return bad(trf("line {} has {} columns; expected image score xmin ymin xmax ymax", number, words.size()), "E-VX-09");
    double values[5];
    for (std::size_t i = 0; i < 5; ++i) {
      if (const NumberFault fault = readNumber(words[i + 1], values[i]); fault != NumberFault::none) {
        return bad(trf("line {}: {}", number, describe(fault, words[i + 1])), "E-VX-07");
      }
    }
    if (values[1] > values[3] || values[2] > values[4]) {
      const bool x = values[1] > values[3];
      return bad(trf("line {}: {} {} > {} {}", number, x ? "xmin" : "ymin", x ? values[1] : values[2], x ? "xmax" : "ymax", x ? values[3] : values[4]), "E-VX-07");
    }
    const auto [entry, added] = images.emplace(words[0], static_cast<std::int64_t>(into.imageNames.size()));
    if (added) into.imageNames.emplace_back(words[0]);
    into.boxes.push_back({values[1] - 1, values[2] - 1, values[3] - values[1] + 1, values[4] - values[2] + 1, values[0], entry->second, category});
  }
  return {};
}

Expected<RawDetections> readVocResults(const std::string& path, const DetectionReadOptions& options) {
  std::vector<std::string> files;
  if (isFolder(path)) {
    // comp*_det_*.txt here, below Main, or below results/<set>/Main.
    std::vector<std::filesystem::path> folders{path, std::filesystem::path(path) / "Main"};
    std::error_code failure;
    for (const auto& set : std::filesystem::directory_iterator(std::filesystem::path(path) / "results", failure)) folders.push_back(set.path() / "Main");
    for (const auto& folder : folders) {
      for (auto& file : filesWithExtension(folder.string(), ".txt")) {
        if (!vocResultClass(file).empty()) files.push_back(file);
      }
    }
    if (files.empty()) {
      return makeError(ErrorCode::badInput, trf("{}: no VOC results here; expected files named comp4_det_test_CLASS.txt", printable(path, 400)), "E-VX-01");
    }
  } else {
    if (vocResultClass(path).empty()) {
      return makeError(ErrorCode::badInput, trf("{}: the class is not in the file name; expected comp4_det_test_CLASS.txt", printable(path, 400)), "E-VX-01");
    }
    files.push_back(path);
  }
  RawDetections result;
  result.imagesByName = result.classesByName = true;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (options.progress && !options.progress(static_cast<double>(i) / static_cast<double>(files.size()))) {
      return makeError(ErrorCode::cancelled, tr("reading was cancelled"));
    }
    auto text = readTextFile(files[i], "E-VX-11", "E-VX-01", largestResults);
    if (!text) return text.error();
    if (auto parsed = parseVocResults(*text, vocResultClass(files[i]), result); !parsed) return inFile(parsed.error(), files[i]);
  }
  return result;
}

std::string vocAnnotationXml(const GroundTruth& truth, std::size_t image) {
  pugi::xml_document document;
  auto root = document.append_child("annotation");
  const auto add = [](pugi::xml_node to, const char* name, const std::string& text) { to.append_child(name).text().set(text.c_str()); };
  const auto& info = truth.images[image];
  add(root, "filename", info.name);
  auto size = root.append_child("size");
  add(size, "width", std::to_string(info.width));
  add(size, "height", std::to_string(info.height));
  add(size, "depth", "3");
  for (const auto& box : truth.boxes) {
    if (box.image != image) continue;
    auto object = root.append_child("object");
    add(object, "name", truth.classes[box.category].name);
    add(object, "truncated", box.truncated ? "1" : "0");
    add(object, "difficult", box.difficult || box.crowd ? "1" : "0");
    auto bounds = object.append_child("bndbox");
    add(bounds, "xmin", fmt::format("{}", box.x + 1));
    add(bounds, "ymin", fmt::format("{}", box.y + 1));
    add(bounds, "xmax", fmt::format("{}", box.x + box.width));
    add(bounds, "ymax", fmt::format("{}", box.y + box.height));
  }
  struct Writer : pugi::xml_writer {
    std::string text;
    void write(const void* data, std::size_t count) override { text.append(static_cast<const char*>(data), count); }
  } writer;
  document.save(writer, "  ", pugi::format_indent | pugi::format_no_declaration);
  return writer.text;
}

std::string vocResultLines(const GroundTruth& truth, const std::vector<ScoredBox>& detections, std::size_t category) {
  std::string out;
  for (const auto& box : detections) {
    if (box.category != category) continue;
    out += fmt::format("{} {} {} {} {} {}\n", stemOf(truth.images[box.image].name), box.score, box.x + 1, box.y + 1, box.x + box.width, box.y + box.height);
  }
  return out;
}

}  // namespace orrery
