// ShapeWorld written as a data set is what the readers of each format read back, and its questions are true.

#include "core/data/shapeworld_files.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "core/base/files.h"
#include "core/data/coco.h"
#include "core/data/detections_shapeworld.h"
#include "core/data/image.h"
#include "core/data/shapeworld_captions.h"
#include "core/data/shapeworld_questions.h"
#include "core/data/voc.h"
#include "core/data/yolo.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using namespace orrery::shapeworld;
namespace fs = std::filesystem;

namespace {

Options crowdedScenes() {
  Options options;
  options.profile = Profile::dense;
  options.split = Split::val;
  options.crowd = true;
  return options;
}

// Every box with its picture, class and flags, in an order that does not depend on the file's.
using Row = std::tuple<std::string, std::string, double, double, double, double, bool, bool>;
std::vector<Row> rowsOf(const GroundTruth& truth, bool flags) {
  std::vector<Row> rows;
  for (const TruthBox& box : truth.boxes) {
    rows.emplace_back(stemOf(truth.images[box.image].name), truth.classes[box.category].name, box.x, box.y, box.width, box.height,
                      flags && (box.difficult || box.crowd), flags && box.truncated);
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace

TEST_CASE("a written ShapeWorld reads back as COCO, VOC and YOLO with the same boxes, and its PNGs are the pictures") {
  const testing::Scratch scratch;
  const Options options = crowdedScenes();
  constexpr std::uint32_t first = 5, count = 30;
  constexpr int size = 64;
  auto writer = FolderWriter::open(scratch.path("set"));
  REQUIRE(writer);
  REQUIRE(writeShapeWorld(*writer, options, first, count, size, [](double) { return true; }));
  const auto written = writer->commit();
  REQUIRE(written);
  CHECK(written->files == 3 * count + 4);
  const std::string folder = scratch.path("set");
  const ShapeWorldTruth wanted = shapeWorldTruth(options, first, count, size, true);
  REQUIRE(std::any_of(wanted.truth.boxes.begin(), wanted.truth.boxes.end(), [](const TruthBox& box) { return box.crowd; }));
  REQUIRE(std::any_of(wanted.truth.boxes.begin(), wanted.truth.boxes.end(), [](const TruthBox& box) { return box.truncated; }));

  const auto coco = readCocoGroundTruth(folder + "/instances.json");
  REQUIRE(coco);
  REQUIRE(coco->boxes.size() == wanted.truth.boxes.size());
  CHECK(rowsOf(*coco, false) == rowsOf(wanted.truth, false));
  for (std::size_t i = 0; i < coco->boxes.size(); ++i) {
    CHECK(coco->boxes[i].area == wanted.truth.boxes[i].area);
    CHECK(coco->boxes[i].crowd == wanted.truth.boxes[i].crowd);
    CHECK(coco->boxes[i].id == static_cast<std::int64_t>(i) + 1);
  }
  CHECK(coco->images.front().id == first + 1);
  CHECK(coco->classes.front().id == 1);

  const auto voc = readVocGroundTruth(folder);
  REQUIRE(voc);
  CHECK(rowsOf(*voc, true) == rowsOf(wanted.truth, true));

  // YOLO has no crowds and divides by the size: exact for powers of two.
  GroundTruth withoutCrowds = wanted.truth;
  std::erase_if(withoutCrowds.boxes, [](const TruthBox& box) { return box.crowd; });
  const auto yolo = readYoloGroundTruth(folder);
  REQUIRE(yolo);
  CHECK(yolo->sizeKnown);
  CHECK(rowsOf(*yolo, false) == rowsOf(withoutCrowds, false));
  CHECK(yolo->images.size() == count);

  const auto captions = nlohmann::json::parse(*readWholeFile(folder + "/captions.json"));
  for (std::uint32_t i = 0; i < count; ++i) {
    const Scene scene = makeScene(first + i, options);
    const auto picture = render(scene, size, options);
    const auto read = readImage(folder + "/images/shapeworld_" + (first + i < 10 ? "00000" : "0000") + std::to_string(first + i) + ".png");
    REQUIRE(read);
    REQUIRE(read->width == size);
    const auto rgba = read->rgba.as<std::uint8_t>();
    std::size_t differing = 0;
    for (std::size_t k = 0; k < picture.rgb.size(); ++k) differing += rgba[k / 3 * 4 + k % 3] != picture.rgb[k];
    CHECK(differing == 0);
    CHECK(captions["annotations"][i]["caption"] == scene.caption);
    CHECK(captions["annotations"][i]["image_id"] == first + i + 1);
  }
  // The file says how to make it again, and each mask's runs add up to its area.
  const auto json = nlohmann::json::parse(*readWholeFile(folder + "/instances.json"));
  CHECK(json["info"]["seed"] == 1);
  CHECK(json["info"]["profile"] == "dense");
  CHECK(json["info"]["first"] == first);
  for (const auto& note : json["annotations"]) {
    std::int64_t inside = 0;
    for (std::size_t run = 1; run < note["segmentation"]["counts"].size(); run += 2)
      inside += note["segmentation"]["counts"][run].get<std::int64_t>();
    CHECK(inside == note["area"]);
  }
}

TEST_CASE("writing a ShapeWorld can be stopped, and then leaves nothing") {
  const testing::Scratch scratch;
  int calls = 0;
  {
    auto writer = FolderWriter::open(scratch.path("set"));
    REQUIRE(writer);
    const auto stopped = writeShapeWorld(*writer, crowdedScenes(), 0, 10, 32, [&](double) { return ++calls < 4; });
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == ErrorCode::cancelled);
  }
  CHECK(calls == 4);
  CHECK_FALSE(fs::exists(scratch.path("set")));
}

TEST_CASE("every ShapeWorld question is well-defined, true, inside the vocabulary, and all four forms are drawn") {
  std::map<int, int> asked;
  int yes = 0, no = 0;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    Options options;
    options.profile = i % 2 == 0 ? Profile::scene : Profile::dense;
    const Scene scene = makeScene(i, options);
    const Questions questions = questionsOf(scene, options);
    std::map<std::string, std::vector<const Object*>> byClass;
    for (const Object& o : scene.objects) byClass[std::string(classNames[static_cast<std::size_t>(o.shape)])].push_back(&o);
    const auto& [colour, number, relation, shape] = questions.forms;
    ++asked[questions.asked];
    REQUIRE_FALSE(questions.forms[static_cast<std::size_t>(questions.asked)].text.empty());
    for (const Question& question : questions.forms) {
      for (const int token : tokenize(question.text + " " + question.answer)) REQUIRE(token != 4);
    }
    // Q0 asks for the only object of its class.
    const bool anyAlone = std::any_of(byClass.begin(), byClass.end(), [](const auto& entry) { return entry.second.size() == 1; });
    REQUIRE(colour.text.empty() == !anyAlone);
    if (anyAlone) {
      const auto& of = byClass.at(colour.text.substr(std::string("what colour is the ").size()));
      REQUIRE(of.size() == 1);
      REQUIRE(colour.answer == colourNames[static_cast<std::size_t>(of[0]->colour)]);
    }
    REQUIRE(number.answer == vocabulary()[21 + scene.objects.size()]);
    if (!relation.text.empty()) {
      // "is the A left of the B": work the answer out from the words.
      const std::size_t second = relation.text.find(" the ", 7);
      const std::string a = relation.text.substr(7, relation.text.find(' ', 7) - 7), b = relation.text.substr(second + 5);
      const std::string between = relation.text.substr(7 + a.size() + 1, second - (7 + a.size() + 1));
      REQUIRE(byClass.at(a).size() == 1);
      REQUIRE(byClass.at(b).size() == 1);
      REQUIRE((relationOf(*byClass.at(a)[0], *byClass.at(b)[0]) == between) == (relation.answer == "yes"));
      ++(relation.answer == "yes" ? yes : no);
    }
    REQUIRE(shape.text.empty() == !(scene.objects.size() == 2 && byClass.size() == 2));
    if (!shape.text.empty()) {
      REQUIRE(shape.answer == classNames[static_cast<std::size_t>(scene.objects[0].shape)]);
      REQUIRE(shape.text.find(relationOf(scene.objects[0], scene.objects[1])) != std::string::npos);
    }
  }
  CHECK(asked.size() == 4);
  // The truth of Q2 is one bit of a draw: within four deviations of one half.
  CHECK(std::abs(yes - no) < 4 * std::sqrt(static_cast<double>(yes + no)));
}

TEST_CASE("captions of all templates name the first object, and the drawn one is among the allowed") {
  Options options;
  options.profile = Profile::scene;
  options.templates = 0b01010;
  std::set<std::string> shown;
  for (std::uint32_t i = 0; i < 200; ++i) {
    const Scene scene = makeScene(i, options);
    const auto captions = captionsOf(scene);
    CHECK(captions[1].find(classNames[static_cast<std::size_t>(scene.objects[0].shape)]) != std::string::npos);
    CHECK(captions[2].starts_with(captions[1]));
    CHECK((scene.caption == captions[1] || scene.caption == captions[3]));
    if (scene.objects.size() == 1) CHECK(captions[3] == captions[1]);
    shown.insert(scene.caption == captions[1] ? "T1" : "T3");
  }
  CHECK(shown.size() == 2);
}
