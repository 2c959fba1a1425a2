// orrery data LAB -o FOLDER/: a lab's data set, whole or not at all, and scored by `map` in every format.

#include <unistd.h>

#include <filesystem>
#include <map>

#include "tests/cli/process.h"
#include "tests/support/catch.h"

using namespace orrery::test;
namespace fs = std::filesystem;

namespace {
const std::string lab = "data/shapeworld";
const std::vector<std::string> few{"--set", "profile=dense", "--set", "split=val", "--set", "export=12", "--set", "count=10"};

std::vector<std::string> command(const std::string& folder, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{"data", lab, "-o", folder};
  arguments.insert(arguments.end(), few.begin(), few.end());
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

TEST_CASE("data writes a data set into a folder, and map scores it in COCO, VOC and YOLO form") {
  const TemporaryFolder folder;
  const auto ran = runProgram(command(folder.path("set/"), {"--json"}));
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  CHECK(ran.json()["files"] == 40);
  CHECK(ran.json()["lab"] == lab);
  for (const auto* name : {"instances.json", "captions.json", "classes.txt", "data.yaml", "images/shapeworld_000011.png",
                           "Annotations/shapeworld_000000.xml", "labels/shapeworld_000007.txt"}) {
    CHECK(fs::is_regular_file(folder.path("set/") + name));
  }
  // The same values give the same bytes, into a folder that exists.
  fs::create_directory(folder.path("again"));
  REQUIRE(runProgram(command(folder.path("again"))).code == 0);
  for (const auto* name : {"instances.json", "images/shapeworld_000003.png"}) {
    CHECK(TemporaryFolder::read(folder.path("set/") + name) == TemporaryFolder::read(folder.path("again/") + name));
  }

  // Every box found, with full score: AP 1 in every form.
  const auto truth = nlohmann::json::parse(TemporaryFolder::read(folder.path("set/instances.json")));
  auto found = nlohmann::json::array();
  for (const auto& note : truth["annotations"]) {
    found.push_back({{"image_id", note["image_id"]}, {"category_id", note["category_id"]}, {"bbox", note["bbox"]}, {"score", 1.0}});
  }
  std::map<std::int64_t, std::string> names, classes;
  for (const auto& image : truth["images"]) names[image["id"]] = image["file_name"];
  for (const auto& category : truth["categories"]) classes[category["id"]] = category["name"];
  std::string table = "image,class,score,x,y,w,h\n";
  for (const auto& note : truth["annotations"]) {
    table += names.at(note["image_id"]) + "," + classes.at(note["category_id"]) + ",1";
    for (const auto& value : note["bbox"]) table += "," + value.dump();
    table += "\n";
  }
  const auto results = folder.write("results.json", found.dump()), csv = folder.write("results.csv", table);
  const auto coco = runProgram({"map", "--gt", folder.path("set/instances.json"), "--dt", results, "--json"});
  INFO(coco.err);
  REQUIRE(coco.code == 0);
  CHECK(coco.json()["map"].get<double>() == Approx(1));
  for (const std::string form : {"set/Annotations", "set/labels"}) {
    const auto other = runProgram({"map", "--gt", folder.path(form), "--dt", csv, "--json"});
    INFO(form << ": " << other.err);
    REQUIRE(other.code == 0);
    CHECK(other.json()["map"].get<double>() == Approx(1));
  }
}

TEST_CASE("A data set that cannot be written, or that a lab does not have, is one sentence and leaves nothing") {
  const TemporaryFolder folder;
  checkRefused(runProgram({"data", "attention/softmax-attention", "-o", folder.path("set/")}), 2,
               {"attention/softmax-attention", "data set", ".npz"});
  CHECK_FALSE(fs::exists(folder.path("set")));
  const auto file = folder.write("file", "x");
  checkRefused(runProgram(command(file + "/")), 1, {"cannot write", "file"});
  checkRefused(runProgram(command("/proc/set/")), 1, {"cannot write", "/proc/set"});
  if (::geteuid() != 0) {
    fs::create_directory(folder.path("closed"));
    fs::permissions(folder.path("closed"), fs::perms::owner_read | fs::perms::owner_exec);
    checkRefused(runProgram(command(folder.path("closed"))), 1, {"cannot write", "closed"});
  }
  checkRefused(runProgram({"data", lab, "--set", "export=0", "-o", folder.path("set/")}), 2, {"export"});
  CHECK_FALSE(fs::exists(folder.path("set")));
}
