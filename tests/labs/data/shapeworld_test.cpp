// The claims of the lab data/shapeworld, through a session: the counts of the specification, the device's pictures, presets that show what
// they promise, the click that chooses, and the data set on disk.

#include "core/labs/data/shapeworld/lab.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <thread>

#include "core/base/registry.h"
#include "core/data/coco.h"
#include "core/data/yolo.h"
#include "core/figure/marks/marks.h"
#include "core/metrics/detection_files.h"
#include "core/session/session.h"
#include "tests/support/catch.h"
#include "tests/support/lab_session.h"
#include "tests/support/scratch.h"

using namespace orrery;
namespace fs = std::filesystem;

namespace {

std::unique_ptr<Session> openLab(const std::string& preset = {}, const Changes& changes = {}, const char* lab = "data/shapeworld") {
  return orrery::testing::openLab(lab, changes, preset, true);
}

std::map<std::string, double> metricsOf(Session& session) {
  const auto done = session.wait();
  if (!done) FAIL(done.error().message);
  std::map<std::string, double> metrics;
  for (const Metric& metric : session.picture()->metrics) metrics[metric.name] = metric.value;
  return metrics;
}

template <class T>
const T* markOf(const Session& session, const std::string& panel, const std::string& id) {
  for (const Panel& one : session.picture()->figure.panels) {
    if (one.id != panel) continue;
    for (const auto& mark : one.marks) {
      if (mark->id() == id) return dynamic_cast<const T*>(mark.get());
    }
  }
  return nullptr;
}

const Panel& panelOf(const Session& session, const std::string& id) {
  for (const Panel& one : session.picture()->figure.panels) {
    if (one.id == id) return one;
  }
  FAIL("no panel " << id);
  return session.picture()->figure.panels.front();
}

}  // namespace

TEST_CASE("the first 10,000 single scenes have the specified counts, and the device draws what the reference draws") {
  const auto session = openLab({}, {{"profile", std::string("single")}});
  const auto metrics = metricsOf(*session);
  const std::map<std::string, double> wanted{
      {"class.circle", 2477},     {"class.square", 2495},      {"class.triangle", 2478},  {"class.star", 2550},
      {"colour.red", 1256},       {"colour.orange", 1220},     {"colour.yellow", 1242},   {"colour.green", 1273},
      {"colour.cyan", 1262},      {"colour.blue", 1235},       {"colour.purple", 1251},   {"colour.white", 1261},
      {"size.small", 3363},       {"size.medium", 3263},       {"size.large", 3374},      {"texture.plain", 1776},
      {"texture.gradient", 1613}, {"texture.checkered", 1645}, {"texture.striped", 1645}, {"texture.noisy", 1687},
      {"texture.dotted", 1634},   {"scenes", 10000},           {"objects", 10000},        {"dropped", 0}};
  for (const auto& [name, value] : wanted) {
    INFO(name);
    CHECK(metrics.at(name) == value);
  }
  CHECK(metrics.at("device.differing") == 0);
}

TEST_CASE("validation scenes have the specified objects, dropped slots and crowds") {
  const Changes scene{{"split", std::string("val")}, {"count", std::int64_t{1000}}};
  auto metrics = metricsOf(*openLab({}, scene));
  CHECK(metrics.at("objects") == 2382);
  CHECK(metrics.at("dropped") == 114);
  Changes dense = scene;
  dense.emplace_back("profile", std::string("dense"));
  dense.emplace_back("crowd", true);
  metrics = metricsOf(*openLab({}, dense));
  CHECK(metrics.at("objects") == 8104);
  CHECK(metrics.at("dropped") == 43);
  CHECK(metrics.at("crowds") == 122);
}

TEST_CASE("every preset's pictures are equal on the device, at every size") {
  const auto* entry = findRegistered<LabEntry>("data/shapeworld");
  REQUIRE(entry != nullptr);
  for (const Preset& preset : entry->presets) {
    for (const char* size : {"32", "64", "128"}) {
      INFO(preset.id << " " << size);
      CHECK(metricsOf(*openLab(preset.id, {{"size", std::string(size)}, {"count", std::int64_t{10}}})).at("device.differing") == 0);
    }
  }
}

TEST_CASE("presets show what they promise") {
  const auto held = openLab("held-out");
  REQUIRE(held->wait());
  const auto* pairs = markOf<HeatMapMark>(*held, "pairs", "pairs");
  REQUIRE(pairs != nullptr);
  const auto counts = pairs->value.as<float>();
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t c = 0; c < 8; ++c) {
      INFO("class " << k << " colour " << c);
      CHECK((counts[c * 4 + k] == 0) == (c == (3 * k + 1) % 8));
    }
  }

  // The chosen scene of each has a box of the kind the preset is about.
  const auto tags = [](const Session& session) {
    std::string all;
    for (const auto& box : markOf<BoxesMark>(session, "scene", "boxes")->boxes) all += box.tag + " ";
    return all;
  };
  const auto hidden = openLab("occlusion", {{"count", std::int64_t{10}}});
  REQUIRE(hidden->wait());
  CHECK(tags(*hidden).find("difficult") != std::string::npos);
  CHECK(panelOf(*hidden, "masks").note == "chequered: hidden");
  const auto crowd = openLab("crowd", {{"count", std::int64_t{10}}});
  REQUIRE(crowd->wait());
  CHECK(tags(*crowd).find("crowd") != std::string::npos);

  const auto words = openLab("captions", {{"count", std::int64_t{10}}});
  REQUIRE(words->wait());
  const auto* captions = markOf<TextMark>(*words, "words", "words");
  REQUIRE(captions != nullptr);
  for (const auto& word : captions->words) CHECK(word.text != "not defined for this scene");

  // The draws stay: the same places with and without the options.
  const auto before = openLab({}, {{"count", std::int64_t{10}}}), after = openLab("same-draws", {{"count", std::int64_t{10}}});
  REQUIRE(before->wait());
  REQUIRE(after->wait());
  for (int i = 0; i < 12; ++i) {
    const auto *a = markOf<BoxesMark>(*before, "grid", "boxes-" + std::to_string(i)),
               *b = markOf<BoxesMark>(*after, "grid", "boxes-" + std::to_string(i));
    REQUIRE(a->boxes.size() == b->boxes.size());
    for (std::size_t k = 0; k < a->boxes.size(); ++k) {
      // A star lies inside the circle the other shape lay in: the centres agree to half a circle.
      CHECK(std::abs((a->boxes[k].x + a->boxes[k].width / 2) - (b->boxes[k].x + b->boxes[k].width / 2)) < 0.5 * a->boxes[k].width);
    }
  }
}

TEST_CASE("what the draws promise sums to one, and every count lies within five deviations of it") {
  shapeworld::Options options;
  options.holdout = true;
  for (const auto profile : {shapeworld::Profile::single, shapeworld::Profile::dense}) {
    options.profile = profile;
    const auto chances = data_labs::chancesOf(options);
    double classes = 0, colours = 0, sizes = 0, textures = 0;
    for (const double p : chances.classes) classes += p;
    for (const double p : chances.colours) colours += p;
    for (const double p : chances.sizes) sizes += p;
    for (const double p : chances.textures) textures += p;
    for (const double sum : {classes, colours, sizes, textures}) CHECK(sum == Approx(1));
  }
  const auto metrics = metricsOf(*openLab("held-out"));
  options.profile = shapeworld::Profile::single;
  const auto chances = data_labs::chancesOf(options);
  for (std::size_t c = 0; c < 8; ++c) {
    const double mean = 10000 * chances.colours[c];
    CHECK(std::abs(metrics.at("colour." + std::string(shapeworld::colourNames[c])) - mean) < 5 * std::sqrt(mean));
  }
}

TEST_CASE("a click on a picture chooses it, between pictures nothing is chosen") {
  const auto session = openLab({}, {{"count", std::int64_t{10}}});
  REQUIRE(session->wait());
  const auto click = [&](double x, double y) {
    PointerEvent event;
    event.panel = "grid";
    event.x = x, event.y = y;
    session->pointer(event);
    REQUIRE(session->wait());
    return std::get<std::int64_t>(session->value("selected"));
  };
  CHECK(click(1.5, 2.5) == 9);
  CHECK(panelOf(*session, "scene").title == "Scene 9");
  CHECK(click(1.03, 0.5) == 9);
  CHECK(click(0.1, 1.03) == 9);
  CHECK(click(9, 9) == 9);
  CHECK(click(3.5, 0.2) == 3);
  // With captions below, rows lie further apart.
  REQUIRE(session->set("captions", true));
  REQUIRE(session->wait());
  CHECK(click(0.5, 2 * 1.32 + 0.5) == 8);
  // In the mark the box knows what it is.
  const auto* boxes = markOf<BoxesMark>(*session, "scene", "boxes");
  REQUIRE_FALSE(boxes->boxes.empty());
  CHECK(boxes->boxes[0].hover.find("px, visible") != std::string::npos);
}

TEST_CASE("the data set is written through the session, scored against itself, and stopped without a trace") {
  const testing::Scratch scratch;
  const auto session = openLab("crowd", {{"count", std::int64_t{10}}, {"export", std::int64_t{12}}});
  std::optional<Expected<FilesWritten>> result;
  session->writeFiles(scratch.path("set"), [&](Expected<FilesWritten> written) { result = std::move(written); });
  REQUIRE(session->wait());
  REQUIRE(result);
  REQUIRE(*result);
  CHECK((*result)->files == 3 * 12 + 4);
  const auto truth = readCocoGroundTruth(scratch.path("set/instances.json"));
  REQUIRE(truth);
  CHECK(truth->images.size() == 12);
  CHECK(truth->images.front().id == 12);  // scene 11

  // cancel() and newer values: the first stops it, the second does not.
  std::atomic<bool> began = false;
  session->observe([&] { began = began || session->progress().what == "writing pictures"; });
  REQUIRE(session->set("export", std::int64_t{20000}));
  result.reset();
  session->writeFiles(scratch.path("stopped"), [&](Expected<FilesWritten> written) { result = std::move(written); });
  for (int i = 0; i < 12000 && !began; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  REQUIRE(began);
  REQUIRE(session->set("columns", std::int64_t{3}));
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  CHECK_FALSE(result);
  session->cancel();
  REQUIRE(session->wait());
  session->observe({});
  REQUIRE(result);
  REQUIRE_FALSE(*result);
  CHECK(result->error().code == ErrorCode::cancelled);
  CHECK_FALSE(fs::exists(scratch.path("stopped")));
}

TEST_CASE("a lab without a data set says so") {
  const testing::Scratch scratch;
  const auto session = openLab({}, {}, "attention/softmax-attention");
  CHECK(session->lab().files.empty());
  std::optional<Expected<FilesWritten>> result;
  session->writeFiles(scratch.path("set"), [&](Expected<FilesWritten> written) { result = std::move(written); });
  REQUIRE(session->wait());
  REQUIRE(result);
  REQUIRE_FALSE(*result);
  CHECK(result->error().code == ErrorCode::unsupported);
  CHECK_FALSE(fs::exists(scratch.path("set")));
}
