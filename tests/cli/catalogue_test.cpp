// labs, show, devices, --version, --help: what there is, without a device.

#include <algorithm>
#include <set>

#include "tests/cli/process.h"
#include "tests/support/catch.h"

using namespace orrery::test;

TEST_CASE("labs lists every lab with id, title, wing and summary, in under a second") {
  const auto ran = runProgram({"labs", "--json"});
  CHECK(ran.code == 0);
  CHECK(ran.err.empty());
  const auto labs = ran.json();
  REQUIRE(labs.is_array());
  std::set<std::string> ids;
  for (const auto& lab : labs) {
    const std::string id = lab["id"];
    ids.insert(id);
    CHECK(lab.size() == 4);
    CHECK(lab["wing"] == id.substr(0, id.find('/')));
    CHECK_FALSE(lab["title"].get<std::string>().empty());
    CHECK_FALSE(lab["summary"].get<std::string>().empty());
  }
  for (const auto* id : {"attention/softmax-attention", "generative/sde-vs-ode", "vision/detection-map"}) {
    INFO(id);
    CHECK(ids.contains(id));
  }
  // The best of three: the machine may be busy, the promise is about the program.
  double best = ran.seconds;
  for (int i = 0; i < 2; ++i) best = std::min(best, runProgram({"labs"}).seconds);
  CHECK(best < 1.0);
}

TEST_CASE("labs for people has one line per lab") {
  const auto ran = runProgram({"labs"});
  CHECK(ran.code == 0);
  CHECK(static_cast<std::size_t>(std::count(ran.out.begin(), ran.out.end(), '\n')) == labIds().size());
}

TEST_CASE("show describes every parameter of every lab, and its short name is enough") {
  const std::set<std::string> kinds{"switch", "int", "float", "log", "choice", "text", "file", "seed"};
  for (const auto& id : labIds()) {
    INFO(id);
    const auto ran = runProgram({"show", id, "--json"});
    REQUIRE(ran.code == 0);
    const auto lab = ran.json();
    CHECK(lab["id"] == id);
    CHECK_FALSE(lab["parameters"].empty());
    for (const auto& parameter : lab["parameters"]) {
      INFO(parameter.dump());
      for (const auto* key : {"id", "label", "kind", "domain", "default", "unit", "help", "group"}) CHECK(parameter.contains(key));
      CHECK(kinds.contains(parameter["kind"]));
      CHECK_FALSE(parameter["label"].get<std::string>().empty());
      CHECK_FALSE(parameter["help"].get<std::string>().empty());
      if (parameter["domain"].contains("low")) {
        CHECK(parameter["default"].get<double>() >= parameter["domain"]["low"].get<double>());
        CHECK(parameter["default"].get<double>() <= parameter["domain"]["high"].get<double>());
      }
    }
    for (const auto* key : {"presets", "views", "accepts"}) CHECK(lab[key].is_array());
    CHECK(runProgram({"show", id.substr(id.find('/') + 1), "--json"}).json() == lab);
    const auto text = runProgram({"show", id});
    CHECK(text.code == 0);
    for (const auto& parameter : lab["parameters"]) CHECK(text.out.find(parameter["id"].get<std::string>()) != std::string::npos);
  }
}

TEST_CASE("show refuses an unknown lab with the nearest names") {
  checkRefused(runProgram({"show", "generative/sde-vs-oed"}), 2, {"generative/sde-vs-oed", "'generative/sde-vs-ode'"});
  checkRefused(runProgram({"show", "zzzzzzzzzz"}), 2, {"orrery labs"});
}

TEST_CASE("Chinese is complete enough to list the labs in it") {
  const auto english = runProgram({"labs", "--json"}).json();
  const auto chinese = runProgram({"labs", "--json", "--lang", "zh"}).json();
  REQUIRE(english.size() == chinese.size());
  for (std::size_t i = 0; i < english.size(); ++i) {
    CHECK(english[i]["id"] == chinese[i]["id"]);
    CHECK(english[i]["title"] != chinese[i]["title"]);
  }
}

TEST_CASE("devices lists what can be chosen, and an empty list without a driver") {
  const auto ran = runProgram({"devices", "--json"});
  CHECK(ran.code == 0);
  const auto devices = ran.json();
  REQUIRE(devices.is_array());
  REQUIRE_FALSE(devices.empty());
  for (std::size_t i = 0; i < devices.size(); ++i) {
    CHECK(devices[i]["index"] == i);
    CHECK_FALSE(devices[i]["name"].get<std::string>().empty());
  }
  const std::map<std::string, std::string> noDriver{{"VK_ICD_FILENAMES", "/nonexistent.json"}, {"VK_DRIVER_FILES", "/nonexistent.json"}};
  const auto none = runProgram({"devices", "--json"}, noDriver);
  CHECK(none.code == 0);
  CHECK(none.json() == nlohmann::json::array());
}

TEST_CASE("version and help") {
  const auto version = runProgram({"--version"});
  CHECK(version.code == 0);
  CHECK(version.out.starts_with("orrery "));
  const auto help = runProgram({"--help"});
  CHECK(help.code == 0);
  for (const auto* command : {"labs", "show", "render", "data", "film", "sweep", "map", "inspect", "check", "bench", "devices"}) {
    INFO(command);
    CHECK(help.out.find(command) != std::string::npos);
    CHECK(runProgram({command, "--help"}).code == 0);
  }
  CHECK(runProgram({"render", "--help"}).out.find("--preset") != std::string::npos);
}
