#pragma once
// PASCAL VOC: a folder of annotation XML files (Annotations/*.xml), and result text files comp*_det_<set>_<class>.txt with one line
// "image score xmin ymin xmax ymax" per box. VOC coordinates are 1-based and inclusive. Error codes E-VX-nn.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"
#include "core/data/detections.h"

namespace orrery {

// One annotation file as text.
struct VocAnnotation {
  DetectionImage image;                       // name: the file's stem is set by the caller; the XML's <filename> is only shown
  std::string fileName;                       // <filename>, as text
  struct Object {
    std::string name;
    double x = 0, y = 0, width = 0, height = 0;
    bool difficult = false, truncated = false;
    int parts = 0;
  };
  std::vector<Object> objects;
  std::vector<std::string> notes;
};
Expected<VocAnnotation> parseVocAnnotation(std::string_view xml);
Expected<VocAnnotation> readVocAnnotation(const std::string& path);

// `path`: the VOC folder, its Annotations folder, or one XML file. Images are named by the XML files' stems; classes are sorted by name.
Expected<GroundTruth> readVocGroundTruth(const std::string& path, const DetectionReadOptions& options = {});

// `path`: a folder with comp*_det_*_*.txt files (also below results/<set>/Main), or one such file. Images and classes by name.
Expected<RawDetections> readVocResults(const std::string& path, const DetectionReadOptions& options = {});
Expected<void> parseVocResults(std::string_view text, std::string_view className, RawDetections& into);

// The class in "comp4_det_test_aeroplane.txt", or empty when the name is not of this form.
std::string vocResultClass(std::string_view fileName);

// Writing: one image's XML; one class's result lines.
std::string vocAnnotationXml(const GroundTruth& truth, std::size_t image);
std::string vocResultLines(const GroundTruth& truth, const std::vector<ScoredBox>& detections, std::size_t category);

// The XML files of a VOC folder, sorted; empty when it is none.
std::vector<std::string> vocAnnotationFiles(const std::string& folder);

}  // namespace orrery
