// From files to numbers: the same ShapeWorld scenes written as COCO, VOC, YOLO and a table give the same scores; bad pairs are refused by name.

#include "core/metrics/detection_files.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "core/base/philox.h"
#include "core/data/coco.h"
#include "core/data/detection_csv.h"
#include "core/data/detections_shapeworld.h"
#include "core/data/voc.h"
#include "core/data/yolo.h"
#include "tests/support/catch.h"

using namespace orrery;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / "orrery-map-files";
  Folder() {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() {
    std::error_code failure;
    fs::remove_all(path, failure);
  }
  std::string write(const std::string& name, const std::string& content) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << content;
    return (path / name).string();
  }
};

Expected<MapResult> evaluate(const std::string& gt, const std::string& dt, MapProtocol protocol, std::vector<double> ious = {}) {
  MapRequest request;
  request.gt = gt;
  request.dt = dt;
  request.protocol = protocol;
  request.ious = std::move(ious);
  return evaluateFiles(request);
}

}  // namespace

TEST_CASE("COCO, VOC, YOLO and tables of the same scenes give the same numbers") {
  shapeworld::Options options;
  options.profile = shapeworld::Profile::dense;
  options.split = shapeworld::Split::val;
  ShapeWorldTruth world = shapeWorldTruth(options, 0, 40, 128, true);
  // VOC knows neither crowds nor mask areas, YOLO no difficult objects: keep what all can say.
  for (auto& box : world.truth.boxes) box.difficult = false, box.area = box.width * box.height;
  SimulatedDetector detector;
  detector.jitter = 0.1;
  const auto detections = simulate(world.truth, detector, 7, 0);
  REQUIRE(detections.size() > 300);

  const Folder folder;
  const std::string cocoGt = folder.write("gt.json", cocoGroundTruthJson(world.truth, world.segmentations));
  const std::string cocoDt = folder.write("dt.json", cocoResultsJson(world.truth, detections));
  const std::string csvGt = folder.write("gt.csv", csvGroundTruth(world.truth)), csvDt = folder.write("dt.csv", csvDetections(world.truth, detections));
  std::string names;
  for (const auto& category : world.truth.classes) names += category.name + "\n";
  folder.write("yolo/classes.txt", names);
  for (std::size_t i = 0; i < world.truth.images.size(); ++i) {
    const std::string stem = stemOf(world.truth.images[i].name);
    folder.write("voc/Annotations/" + stem + ".xml", vocAnnotationXml(world.truth, i));
    folder.write("yolo/labels/" + stem + ".txt", yoloLabelLines(world.truth, i));
    folder.write("yolo-dt/" + stem + ".txt", yoloPredictionLines(world.truth, detections, i));
  }
  for (std::size_t k = 0; k < 4; ++k) folder.write("voc-dt/comp4_det_val_" + world.truth.classes[k].name + ".txt", vocResultLines(world.truth, detections, k));
  const std::string vocGt = (folder.path / "voc").string(), vocDt = (folder.path / "voc-dt").string();
  const std::string yoloGt = (folder.path / "yolo").string(), yoloDt = (folder.path / "yolo-dt").string();

  for (const auto protocol : {MapProtocol::coco, MapProtocol::voc07, MapProtocol::voc10}) {
    const auto coco = evaluate(cocoGt, cocoDt, protocol);
    REQUIRE(coco.hasValue());
    CHECK(coco->map > 0.2);
    CHECK(coco->map < 0.95);
    CHECK(coco->perClass.size() == 4);
    CHECK(coco->detections == static_cast<std::int64_t>(detections.size()));
    const auto direct = DetectionEvaluation(world.truth, detections, protocol == MapProtocol::coco    ? cocoProtocol()
                                                                     : protocol == MapProtocol::voc07 ? voc07Protocol()
                                                                                                      : voc10Protocol()).scores();
    CHECK(coco->stats == direct.stats);   // numbers are written so that they read back as the same doubles
    for (const auto& [gt, dt, exact] : {std::tuple(csvGt, csvDt, true), std::tuple(vocGt, vocDt, false), std::tuple(yoloGt, yoloDt, false)}) {
      INFO(gt);
      const auto other = evaluate(gt, dt, protocol);
      REQUIRE(other.hasValue());
      if (exact) CHECK(other->stats[0] == coco->stats[0]);
      // VOC subtracts and adds 1, YOLO divides by the size: rounding may move an IoU across a threshold only within 1e-12 of it.
      CHECK(std::abs(other->map - coco->map) < 1e-9);
    }
  }
  // Sizes unknown: no split by area.
  const auto yolo = evaluate(yoloGt, yoloDt, MapProtocol::coco);
  CHECK(yolo->stats[3] == -1);
  CHECK(yolo->stats[0] > 0);
  const auto json = toJson(*evaluate(cocoGt, cocoDt, MapProtocol::coco));
  CHECK(json["stats"].size() == 12);
  CHECK(json["per_class"].size() == 4);
  CHECK(json["per_class"][0]["name"] == "circle");
  const auto voc = toJson(*evaluate(vocGt, vocDt, MapProtocol::voc07, {0.5}));
  CHECK(voc["ap"].size() == 4);
  CHECK(voc["map"].get<double>() > 0);
}

TEST_CASE("Files that do not fit together are refused or suspected by name") {
  const Folder folder;
  const std::string gt = folder.write("gt.json", R"({"images":[{"id":1},{"id":2}],"categories":[{"id":1,"name":"a"}],"annotations":[
    {"id":1,"image_id":1,"category_id":1,"bbox":[0,0,10,10],"area":100},{"id":2,"image_id":2,"category_id":1,"bbox":[50,50,10,10],"area":100},
    {"id":3,"image_id":2,"category_id":1,"bbox":[90,50,10,10],"area":100}]})");
  const auto unknown = evaluate(gt, folder.write("u.json", R"([{"image_id":99,"category_id":1,"bbox":[0,0,10,10],"score":0.5}])"), MapProtocol::coco);
  REQUIRE_FALSE(unknown.hasValue());
  CHECK(unknown.error().id == "E-CO-05");
  CHECK(unknown.error().message.find("results refer to unknown image 99") != std::string::npos);
  CHECK(exitCodeOf(unknown.error()) == 1);
  const auto empty = evaluate(gt, folder.write("e.json", "[]"), MapProtocol::coco);
  REQUIRE(empty.hasValue());
  CHECK(empty->stats[0] == 0);
  const auto moved = evaluate(gt, folder.write("m.json", R"([{"image_id":1,"category_id":1,"bbox":[500,0,10,10],"score":0.5},
    {"image_id":2,"category_id":1,"bbox":[500,0,10,10],"score":50}])"), MapProtocol::coco);
  REQUIRE(moved.hasValue());
  std::string notes;
  for (const auto& note : moved->notes) notes += note + "\n";
  CHECK(notes.find("do not overlap anywhere") != std::string::npos);
  CHECK(notes.find("looks like percent") != std::string::npos);
  CHECK(evaluate(gt, gt, MapProtocol::coco, {1.5}).error().code == ErrorCode::usage);
  CHECK(mapProtocolOf("pascal").error().code == ErrorCode::usage);
  CHECK_FALSE(evaluate((folder.path / "none.json").string(), gt, MapProtocol::coco).hasValue());
}
