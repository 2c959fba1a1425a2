// Writing COCO JSON (see coco.h).

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/data/coco.h"

namespace orrery {

namespace {

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); }

// The shortest text that reads back as the same double.
std::string numberText(double value) { return fmt::format("{}", value); }

std::string boxText(double x, double y, double w, double h) {
  return fmt::format("[{},{},{},{}]", x, y, w, h);
}

}  // namespace

std::string cocoGroundTruthJson(const GroundTruth& truth, const std::vector<std::string>& segmentations) {
  std::string out = "{\"images\":[";
  for (std::size_t i = 0; i < truth.images.size(); ++i) {
    const auto& image = truth.images[i];
    out += fmt::format("{}{{\"id\":{},\"file_name\":{},\"width\":{},\"height\":{}}}", i == 0 ? "" : ",\n", image.id, quoted(image.name), image.width, image.height);
  }
  out += "],\n\"categories\":[";
  for (std::size_t i = 0; i < truth.classes.size(); ++i) {
    out += fmt::format("{}{{\"id\":{},\"name\":{}}}", i == 0 ? "" : ",", truth.classes[i].id, quoted(truth.classes[i].name));
  }
  out += "],\n\"annotations\":[";
  for (std::size_t i = 0; i < truth.boxes.size(); ++i) {
    const auto& box = truth.boxes[i];
    out += fmt::format("{}{{\"id\":{},\"image_id\":{},\"category_id\":{},\"bbox\":{},\"area\":{},\"iscrowd\":{}", i == 0 ? "" : ",\n", box.id,
                       truth.images[box.image].id, truth.classes[box.category].id, boxText(box.x, box.y, box.width, box.height), numberText(box.area),
                       box.crowd ? 1 : 0);
    if (i < segmentations.size()) out.append(",\"segmentation\":").append(segmentations[i]);
    out += "}";
  }
  return out + "]}\n";
}

std::string cocoResultsJson(const GroundTruth& truth, const std::vector<ScoredBox>& detections) {
  std::string out = "[";
  for (std::size_t i = 0; i < detections.size(); ++i) {
    const auto& box = detections[i];
    out += fmt::format("{}{{\"image_id\":{},\"category_id\":{},\"bbox\":{},\"score\":{}}}", i == 0 ? "" : ",\n", truth.images[box.image].id,
                       truth.classes[box.category].id, boxText(box.x, box.y, box.width, box.height), numberText(box.score));
  }
  return out + "]\n";
}

}  // namespace orrery
