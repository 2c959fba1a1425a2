#pragma once
// Boxes of objects in images: what a data set says (GroundTruth) and what detectors say (ScoredBox), whatever file they came from.
// Boxes are half-open pixel-edge rectangles given as x, y, width, height (pixels, 0-based): a VOC box xmin..xmax (1-based, inclusive)
// becomes x = xmin - 1, width = xmax - xmin + 1.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"

namespace orrery {

struct DetectionImage {
  std::int64_t id = 0;
  std::string name;              // file name as the data set writes it; only ever shown, never opened by itself
  int width = 0, height = 0;     // 0 = unknown
};

struct DetectionClass {
  std::int64_t id = 0;
  std::string name;
};

struct TruthBox {
  double x = 0, y = 0, width = 0, height = 0;
  double area = 0;               // the annotation's own area (of the mask), which decides small/medium/large
  std::uint32_t image = 0;       // index into GroundTruth::images
  std::uint32_t category = 0;    // index into GroundTruth::classes
  std::int64_t id = 0;
  bool crowd = false;            // COCO iscrowd: absorbs any number of detections, overlap counted over the detection's area
  bool difficult = false;        // VOC difficult: ignored, but not a crowd
  bool truncated = false;        // VOC truncated: reaches beyond the image; only kept, no rule reads it
};

struct ScoredBox {
  double x = 0, y = 0, width = 0, height = 0;
  double score = 0;
  std::uint32_t image = 0, category = 0;
  double area() const { return width * height; }
};

// images and classes are sorted by id (the reference evaluator's order); boxes are in file order.
struct GroundTruth {
  std::vector<DetectionImage> images;
  std::vector<DetectionClass> classes;
  std::vector<TruthBox> boxes;
  bool sizeKnown = true;               // false: coordinates are relative to an unknown image size, no split by area
  std::vector<std::string> notes;      // explicit partial success: "2 annotations skipped: ..."
};

// Detections as a file gives them: images and classes by number (COCO) or by name (VOC, YOLO, CSV).
struct RawDetections {
  struct Box {
    double x = 0, y = 0, width = 0, height = 0, score = 0;
    std::int64_t image = 0, category = 0;   // ids, or indices into the name tables below
  };
  std::vector<Box> boxes;
  bool imagesByName = false, classesByName = false;
  std::vector<std::string> imageNames, classNames;
  bool relative = false;               // YOLO: coordinates in 0..1 of an image whose size is not known here
  std::vector<std::string> notes;
};

struct DetectionReadOptions {
  bool lenient = false;                // skip damaged entries and say so, instead of refusing the file
  int imageWidth = 0, imageHeight = 0; // size of every image where the files do not say (YOLO); 0 = unknown
  // Called now and then with the share done; false = stop with Error{cancelled}.
  std::function<bool(double)> progress;
};

// Detections that refer to a data set's images and classes.
struct Detections {
  std::vector<ScoredBox> boxes;        // file order; boxes of unknown images and classes are left out
  std::int64_t unknownImages = 0;      // how many were left out because of their image ...
  std::int64_t unknownClasses = 0;     // ... or their class
  std::string firstUnknownImage;
  std::vector<std::string> notes;
};

// Looks every box's image and class up. Names match with or without folder and extension.
Detections resolve(const RawDetections& raw, const GroundTruth& truth);

// What is odd about the pair: coordinate systems that do not overlap, scores that look like percent. Empty when nothing is.
std::vector<std::string> suspicions(const GroundTruth& truth, const std::vector<ScoredBox>& detections);

// "a/b/000123.jpg" -> "000123".
std::string stemOf(std::string_view fileName);

// Collects remarks of one kind, so that 31 of them become one sentence: "31 boxes ... (first: annotation 4) [E-CO-05]".
class RemarkCounter {
 public:
  void add(std::string first) {
    if (count_++ == 0) first_ = std::move(first);
  }
  std::int64_t count() const { return count_; }
  const std::string& first() const { return first_; }

 private:
  std::int64_t count_ = 0;
  std::string first_;
};

// The whole text of a file for a line or XML reader: UTF-8 BOM removed. Errors: UTF-16 (named), a NUL byte (where), too large; `id` is their code.
Expected<std::string> readTextFile(const std::string& path, std::string_view utf16Id, std::string_view binaryId, std::uint64_t limit);

// A name for people: control characters escaped, elided in the middle above `longest` bytes.
std::string printable(std::string_view text, std::size_t longest = 80);

}  // namespace orrery
