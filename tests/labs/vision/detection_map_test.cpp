// The claims of the lab vision/detection-map, through a session: the presets show what they promise, files give the reference's numbers, the
// threshold recomputes everything, pointer actions become parameters.

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/base/registry.h"
#include "core/data/coco.h"
#include "core/data/detections_shapeworld.h"
#include "core/figure/marks/marks.h"
#include "core/labs/vision/detection_map/lab.h"
#include "core/models/bundled.h"
#include "core/metrics/detection_files.h"
#include "core/session/session.h"
#include "tests/support/catch.h"
#include "tests/support/lab_session.h"

using namespace orrery;
namespace fs = std::filesystem;

namespace {

std::unique_ptr<Session> openLab(const std::string& preset = {}, const Changes& changes = {}) {
  return orrery::testing::openLab("vision/detection-map", changes, preset);
}

std::map<std::string, double> metricsOf(Session& session) {
  const auto done = session.wait();
  if (!done) FAIL(done.error().message);
  std::map<std::string, double> metrics;
  for (const Metric& metric : session.picture()->metrics) metrics[metric.name] = metric.value;
  return metrics;
}

const Panel* panelOf(const Figure& figure, const std::string& id) {
  for (const Panel& panel : figure.panels) {
    if (panel.id == id) return &panel;
  }
  return nullptr;
}

bool near(double a, double b, double by) { return std::abs(a - b) < by; }

struct Files {
  fs::path folder = fs::temp_directory_path() / "orrery-detection-map-test";
  std::string gt, dt;
  Files() {
    fs::create_directories(folder);
    shapeworld::Options options;
    options.profile = shapeworld::Profile::dense;
    options.split = shapeworld::Split::val;
    options.crowd = true;
    const auto world = shapeWorldTruth(options, 0, 60, 128, true);
    gt = (folder / "gt.json").string(), dt = (folder / "dt.json").string();
    std::ofstream(gt) << cocoGroundTruthJson(world.truth, world.segmentations);
    std::ofstream(dt) << cocoResultsJson(world.truth, simulate(world.truth, SimulatedDetector{}, 3, 0));
  }
  ~Files() {
    std::error_code failure;
    fs::remove_all(folder, failure);
  }
};

}  // namespace

TEST_CASE("Three detectors share one AP50 and differ at AP75 and in their errors") {
  auto session = openLab("three-detectors");
  auto m = metricsOf(*session);
  // The specification asks for agreement within 0.01.
  CHECK(near(m["ap50"], m["b.ap50"], 0.01));
  CHECK(near(m["ap50"], m["c.ap50"], 0.01));
  CHECK(near(m["b.ap50"], m["c.ap50"], 0.01));
  CHECK(std::abs(m["ap75"] - m["b.ap75"]) > 0.05);
  CHECK(std::abs(m["ap75"] - m["c.ap75"]) > 0.05);
  CHECK(std::abs(m["b.ap75"] - m["c.ap75"]) > 0.05);
  // Accurate but blind loses by missing, sloppy by placement, badly ranked by its labels.
  CHECK(m["tide.miss"] > m["b.tide.miss"]);
  CHECK(m["tide.miss"] > m["c.tide.miss"]);
  CHECK(m["b.tide.loc"] > m["tide.loc"]);
  CHECK(m["b.tide.loc"] > m["c.tide.loc"]);
  CHECK(m["c.tide.cls"] > m["tide.cls"]);
}

TEST_CASE("The rounding trap shows 70/101 by COCO, 7/10 by all points, 8/11 by 11 points") {
  auto session = openLab("rounding-trap");
  auto m = metricsOf(*session);
  CHECK(near(m["ap"], 70.0 / 101, 1e-12));
  CHECK(near(m["voc.map"], 0.7, 1e-12));
  CHECK(near(m["voc07.map"], 8.0 / 11, 1e-12));
  REQUIRE(session->set("recall-arithmetic", std::string("exact")).hasValue());
  m = metricsOf(*session);
  CHECK(near(m["map"], 71.0 / 101, 1e-12));
  CHECK(near(m["ap"], 70.0 / 101, 1e-12));   // the COCO numbers stay the reference's
  REQUIRE(session->set({{"protocol", std::string("voc07")}, {"recall-arithmetic", std::string("doubles")}}).hasValue());
  CHECK(near(metricsOf(*session)["map"], 7.0 / 11, 1e-12));
}

TEST_CASE("A trained network finds what it was trained on, less in dense scenes, and its raw candidates are suppressed live") {
  auto session = openLab("trained-detector");
  REQUIRE(session->set("images", std::int64_t{24}).hasValue());
  const auto sparse = metricsOf(*session);
  CHECK(sparse.at("ap50") > 0.9);
  CHECK(sparse.at("images") == 24);
  REQUIRE(session->set("nms", std::string("off")).hasValue());
  const auto raw = metricsOf(*session);
  CHECK(raw.at("detections") > 1.5 * sparse.at("detections"));
  CHECK(raw.at("precision") < sparse.at("precision"));
  REQUIRE(session->set({{"nms", std::string("hard")}, {"profile", std::string("dense")}}).hasValue());
  const auto dense = metricsOf(*session);
  CHECK(dense.at("truths") > 2 * sparse.at("truths"));
  CHECK(dense.at("ap50") < sparse.at("ap50") - 0.1);
}

TEST_CASE("A dropped network goes to its well; what is no TinyDet is refused with a sentence") {
  const Files files;
  const auto copy = [&](const std::string& config) {
    fs::copy_file(models::bundledFolder("tiny-det") + "/model.safetensors", files.folder / "model.safetensors", fs::copy_options::overwrite_existing);
    std::ofstream((files.folder / "config.json").string()) << config;
    return (files.folder / "model.safetensors").string();
  };
  auto session = openLab("trained-detector");
  REQUIRE(session->set("images", std::int64_t{4}).hasValue());
  const std::string path = copy(R"({"blocks": 3, "dilation": 2, "image_size": 128})");
  const auto report = inspectFile(path);
  REQUIRE(report.hasValue());
  REQUIRE(session->drop(*report, path).hasValue());
  CHECK(metricsOf(*session)["images"] == 4);
  const auto refusedWith = [&](const std::string& config) {
    copy(config);
    REQUIRE(session->set("model", Asset{path, "x" + config}).hasValue());   // another content, another Asset
    const auto done = session->wait();
    return done.hasValue() ? std::string() : done.error().message;
  };
  CHECK(refusedWith(R"({"blocks": 3, "dilation": 2, "image_size": 64})").find("pictures of 64 pixels") != std::string::npos);
  CHECK(refusedWith(R"({"blocks": 2, "dilation": 2, "image_size": 128})").empty());   // fewer blocks than the file has: a smaller network
  CHECK(refusedWith(R"({"blocks": 4, "dilation": 2, "image_size": 128})").find("blocks.3.weight") != std::string::npos);
  CHECK(refusedWith(R"({"dilation": 2})").find("'blocks'") != std::string::npos);
}

TEST_CASE("Suppression of crowded candidates raises precision") {
  auto session = openLab("duplicates");
  const auto off = metricsOf(*session);
  REQUIRE(session->set("nms", std::string("hard")).hasValue());
  const auto hard = metricsOf(*session);
  REQUIRE(session->set("nms", std::string("gaussian")).hasValue());
  const auto gaussian = metricsOf(*session);
  CHECK(hard.at("precision") > off.at("precision") + 0.1);
  CHECK(hard.at("ap50") > off.at("ap50") + 0.05);
  CHECK(hard.at("tide.dupe") < off.at("tide.dupe"));
  CHECK(gaussian.at("ar100") > hard.at("ar100"));   // overlapping neighbours return
  CHECK(hard.at("detections") < off.at("detections"));
}

TEST_CASE("Files give the numbers of the command line and of the reference protocol") {
  const Files files;
  auto session = openLab({}, {{"source", std::string("files")}, {"ground-truth", Asset{files.gt, ""}}, {"results", Asset{files.dt, ""}}});
  auto m = metricsOf(*session);
  MapRequest request;
  request.gt = files.gt;
  request.dt = files.dt;
  const auto coco = evaluateFiles(request);
  REQUIRE(coco.hasValue());
  const char* const names[] = {"ap", "ap50", "ap75", "aps", "apm", "apl", "ar1", "ar10", "ar100", "ars", "arm", "arl"};
  for (std::size_t i = 0; i < 12; ++i) {
    INFO(names[i]);
    CHECK(m[names[i]] == coco->stats[i]);
  }
  CHECK(m["ap"] > 0.1);
  request.protocol = MapProtocol::voc10;
  const auto voc = evaluateFiles(request);
  REQUIRE(voc.hasValue());
  CHECK(m["voc.map"] == voc->map);
  // Without pictures the canvas is grey, one pixel wide.
  const Panel* images = panelOf(session->picture()->figure, "images");
  REQUIRE(images != nullptr);
  const auto* picture = dynamic_cast<const ImageMark*>(images->marks.front().get());
  REQUIRE(picture != nullptr);
  CHECK(picture->pixels.shape() == Shape{1, 1, 4});
}

TEST_CASE("Dropped files go to the right wells, and results that do not fit are refused without losing the picture") {
  const Files files;
  auto session = openLab();
  REQUIRE(session->wait().hasValue());
  const auto truth = inspectFile(files.gt), results = inspectFile(files.dt);
  REQUIRE(truth.hasValue());
  REQUIRE(results.hasValue());
  CHECK(truth->kind == "coco-ground-truth");
  CHECK(results->kind == "coco-results");
  REQUIRE(session->drop(*truth, files.gt).hasValue());
  REQUIRE(session->drop(*results, files.dt).hasValue());
  CHECK(metricsOf(*session)["images"] == 60);
  const auto serial = session->picture()->serial;
  std::ofstream((files.folder / "stray.json").string()) << R"([{"image_id":999999,"category_id":1,"bbox":[0,0,10,10],"score":0.5}])";
  REQUIRE(session->set("results", Asset{(files.folder / "stray.json").string(), ""}).hasValue());
  const auto refused = session->wait();
  REQUIRE_FALSE(refused.hasValue());
  CHECK(refused.error().id == "E-CO-05");
  CHECK(session->picture()->serial == serial);
  REQUIRE(session->set("results", Asset{files.dt, ""}).hasValue());
  CHECK(metricsOf(*session)["detections"] > 100);
}

TEST_CASE("The score threshold moves the operating point and the numbers above it, and leaves the reference numbers") {
  auto session = openLab();
  const auto at25 = metricsOf(*session);
  CHECK(at25.at("ap") > 0.3);
  REQUIRE(session->set("score-threshold", 0.85).hasValue());
  const auto at85 = metricsOf(*session);
  CHECK(at85.at("ap") == at25.at("ap"));
  CHECK(at85.at("kept.map") < at25.at("kept.map"));
  CHECK(at85.at("precision") > at25.at("precision"));
  CHECK(at85.at("recall") < at25.at("recall"));
  // F1 at the best confidence is the best.
  REQUIRE(session->set("score-threshold", at25.at("best-f1.confidence")).hasValue());
  CHECK(near(metricsOf(*session)["f1"], at25.at("best-f1"), 1e-12));
}

TEST_CASE("Pointer actions become parameters: the threshold line, a point of the curve, a bar") {
  auto session = openLab();
  REQUIRE(session->wait().hasValue());
  const Panel* confidence = panelOf(session->picture()->figure, "confidence");
  REQUIRE(confidence != nullptr);
  REQUIRE(confidence->handles.size() == 1);
  CHECK(confidence->handles[0].id == "threshold");
  PointerEvent drag;
  drag.kind = PointerEvent::Kind::drag;
  drag.panel = "confidence", drag.handle = "threshold", drag.x = 0.6;
  session->pointer(drag);
  drag.kind = PointerEvent::Kind::release;
  session->pointer(drag);
  REQUIRE(session->wait().hasValue());
  CHECK(std::get<double>(session->value("score-threshold")) == Approx(0.6));

  const Panel* curve = panelOf(session->picture()->figure, "pr-curve");
  REQUIRE(curve != nullptr);
  std::vector<float> recall, precision;
  for (const auto& mark : curve->marks) {
    if (const auto* line = dynamic_cast<const LineMark*>(mark.get()); line != nullptr && line->id() == "curve") recall = line->x.toFloats(), precision = line->y.toFloats();
  }
  REQUIRE(recall.size() > 100);
  PointerEvent click;
  click.panel = "pr-curve", click.x = recall[50], click.y = precision[50];
  session->pointer(click);
  REQUIRE(session->wait().hasValue());
  CHECK(std::get<std::int64_t>(session->value("selected")) >= 0);
  const Panel* images = panelOf(session->picture()->figure, "images");
  std::size_t selected = 0;
  for (const auto& mark : images->marks) {
    if (const auto* boxes = dynamic_cast<const BoxesMark*>(mark.get()); boxes != nullptr && boxes->id() == "selected") selected = boxes->boxes.size();
  }
  CHECK(selected >= 1);

  PointerEvent bar;
  bar.panel = "per-class", bar.x = 2.1, bar.y = 0.3;
  session->pointer(bar);
  REQUIRE(session->wait().hasValue());
  CHECK(std::get<std::int64_t>(session->value("class")) == 3);
  PointerEvent kind;
  kind.panel = "tide", kind.x = 3, kind.y = 0.01;
  session->pointer(kind);
  REQUIRE(session->wait().hasValue());
  CHECK(std::get<std::string>(session->value("show")) == "dupe");
}

TEST_CASE("Every panel lays out, and the arrays behind it have names") {
  for (const char* preset : {"", "three-detectors", "2007-vs-2010", "duplicates", "rounding-trap"}) {
    INFO(preset);
    auto session = openLab(preset);
    REQUIRE(session->wait().hasValue());
    const Figure figure = session->picture()->figure;
    const LabEntry* lab = findRegistered<LabEntry>("vision/detection-map");
    REQUIRE(lab != nullptr);
    for (const View& view : lab->views) CHECK(panelOf(figure, view.id) != nullptr);
    const auto layout = layOut(figure, {1280, 800}, Fonts::shared());
    CHECK(layout.list.items.size() > 100);
    CHECK(arraysOf(figure).size() > 20);
  }
}

TEST_CASE("A class-agnostic score, an empty class and no results are shown without a fault") {
  auto session = openLab({}, {{"class-agnostic", true}, {"images", std::int64_t{20}}});
  CHECK(metricsOf(*session)["map"] > 0);
  REQUIRE(session->set({{"class-agnostic", false}, {"class", std::int64_t{0}}}).hasValue());
  CHECK(metricsOf(*session)["f1"] > 0);
  REQUIRE(session->set({{"recall", 0.0}, {"false-alarms", 0.0}}).hasValue());
  auto m = metricsOf(*session);
  CHECK(m["ap"] == 0);
  CHECK(m["detections"] == 0);
}
