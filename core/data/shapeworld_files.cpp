// ShapeWorld as a data set on disk (see shapeworld_files.h).

#include "core/data/shapeworld_files.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/data/coco.h"
#include "core/data/detections_shapeworld.h"
#include "core/data/image.h"
#include "core/data/voc.h"
#include "core/data/yolo.h"

namespace orrery {

namespace {

// What the pictures were made from, so that they can be made again.
nlohmann::json describe(const shapeworld::Options& options, std::uint32_t first, std::uint32_t count, int size) {
  constexpr std::array splits{"train", "val", "test", "demo"};
  constexpr std::array profiles{"single", "scene", "dense"};
  nlohmann::json info{{"description", "ShapeWorld v1"},
                      {"version", "1"},
                      {"seed", options.seed},
                      {"split", splits[static_cast<std::size_t>(options.split)]},
                      {"profile", profiles[static_cast<std::size_t>(options.profile)]},
                      {"first", first},
                      {"count", count},
                      {"size", size},
                      {"upright", options.upright},
                      {"crowd", options.crowd},
                      {"holdout", options.holdout},
                      {"templates", options.templates}};
  if (options.fixedTexture >= 0) info["texture"] = shapeworld::textureNames[static_cast<std::size_t>(options.fixedTexture)];
  if (options.fixedColour >= 0) info["colour"] = shapeworld::colourNames[static_cast<std::size_t>(options.fixedColour)];
  if (options.fixedClass >= 0) info["class"] = shapeworld::classNames[static_cast<std::size_t>(options.fixedClass)];
  return info;
}

}  // namespace

Expected<void> writeShapeWorld(FolderWriter& folder, const shapeworld::Options& options, std::uint32_t first, std::uint32_t count, int size,
                               const std::function<bool(double)>& progress) {
  const nlohmann::json info = describe(options, first, count, size);
  ShapeWorldTruth all = shapeWorldClasses();
  std::string captions = "{\"info\":" + info.dump() + ",\n\"images\":[", captionNotes;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!progress(static_cast<double>(i) / static_cast<double>(count)))
      return makeError(ErrorCode::cancelled, tr("cancelled: nothing was written"));
    const std::uint32_t index = first + i;
    const auto scene = shapeworld::makeScene(index, options);
    const auto picture = shapeworld::render(scene, size, options);
    const std::string stem = fmt::format("shapeworld_{:06}", index);
    if (auto done = folder.write("images/" + stem + ".png", encodeRgbPng(picture.rgb, size, size)); !done) return done;

    // One picture's annotations by themselves, for the formats with a file per picture.
    ShapeWorldTruth one = shapeWorldClasses();
    addShapeWorldImage(one, index, size, picture.annotations, false);
    if (auto done = folder.write("Annotations/" + stem + ".xml", vocAnnotationXml(one.truth, 0)); !done) return done;
    std::erase_if(one.truth.boxes, [](const TruthBox& box) { return box.crowd; });
    if (auto done = folder.write("labels/" + stem + ".txt", yoloLabelLines(one.truth, 0)); !done) return done;

    addShapeWorldImage(all, index, size, picture.annotations, true);
    captions += fmt::format("{}{{\"id\":{},\"file_name\":\"{}.png\",\"width\":{},\"height\":{}}}", i == 0 ? "" : ",\n",
                            std::int64_t{index} + 1, stem, size, size);
    captionNotes += fmt::format("{}{{\"id\":{},\"image_id\":{},\"caption\":\"{}\"}}", i == 0 ? "" : ",\n", i + 1, std::int64_t{index} + 1,
                                scene.caption);
  }
  captions += "],\n\"annotations\":[" + captionNotes + "]}\n";
  std::string instances = cocoGroundTruthJson(all.truth, all.segmentations);
  instances.insert(1, "\"info\":" + info.dump() + ",\n");
  std::string classes, names;
  for (const auto& name : shapeworld::classNames) {
    classes += std::string(name) + "\n";
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  }
  const std::string yaml = fmt::format("path: .\ntrain: images\nval: images\nnc: {}\nnames: [{}]\n", shapeworld::classNames.size(), names);
  for (const auto& [name, content] : {std::pair<const char*, const std::string&>{"instances.json", instances},
                                      {"captions.json", captions},
                                      {"classes.txt", classes},
                                      {"data.yaml", yaml}}) {
    if (auto done = folder.write(name, content); !done) return done;
  }
  return {};
}

}  // namespace orrery
