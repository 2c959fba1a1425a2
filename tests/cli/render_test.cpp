// render and data: figures and numbers of every lab, and the way back from a figure to its scene.

#include <filesystem>
#include <map>

#include "tests/cli/process.h"
#include "tests/support/catch.h"

using namespace orrery::test;

namespace {

int bigEndian(const std::string& bytes, std::size_t at) {
  int value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes.at(at + i));
  return value;
}

// A lab, or one with a preset and values, near the beginning of its timeline: some train for a minute to their last frame, which neither
// formats nor recipes depend on. Asked once for each scene.
std::vector<std::string> early(std::vector<std::string> scene) {
  static std::map<std::vector<std::string>, bool> lengthy;
  const auto known = lengthy.find(scene);
  if (known == lengthy.end()) {
    const TemporaryFolder folder;
    std::vector<std::string> command{"data"};
    command.insert(command.end(), scene.begin(), scene.end());
    command.insert(command.end(), {"--frame", "0", "--json", "-o", folder.path("a.json")});
    const auto first = runProgram(command);
    REQUIRE(first.code == 0);
    lengthy[scene] = first.json()["frames"].get<int>() > 1;
  }
  if (lengthy[scene]) scene.insert(scene.end(), {"--frame", "1"});
  return scene;
}

std::vector<std::string> joined(std::vector<std::string> first, const std::vector<std::string>& second,
                                const std::vector<std::string>& third) {
  first.insert(first.end(), second.begin(), second.end());
  first.insert(first.end(), third.begin(), third.end());
  return first;
}

}  // namespace

TEST_CASE("Every lab renders as PNG of the asked size, SVG and PDF") {
  for (const auto& id : labIds()) {
    INFO(id);
    const TemporaryFolder folder;
    const auto scene = early({id});
    const auto ran = runProgram(joined({"render"}, scene,
                                       {"--size", "640x400", "--theme", "dark", "-o", folder.path("a.png"), "-o", folder.path("a.svg"),
                                        "-o", folder.path("a.pdf"), "--json"}));
    INFO(ran.err);
    REQUIRE(ran.code == 0);
    CHECK(ran.json()["paths"] == nlohmann::json({folder.path("a.png"), folder.path("a.svg"), folder.path("a.pdf")}));
    const auto bytes = TemporaryFolder::read(folder.path("a.png"));
    REQUIRE(bytes.size() > 1000);
    CHECK(bytes.substr(1, 3) == "PNG");
    CHECK(bigEndian(bytes, 16) == 640);
    CHECK(bigEndian(bytes, 20) == 400);
    CHECK(TemporaryFolder::read(folder.path("a.svg")).find("<text") != std::string::npos);
    CHECK(TemporaryFolder::read(folder.path("a.pdf")).starts_with("%PDF"));
    for (const auto& file : std::filesystem::directory_iterator(folder.path())) CHECK(file.path().extension() != ".partial");
  }
}

TEST_CASE("--scale multiplies the pixels") {
  const TemporaryFolder folder;
  REQUIRE(runProgram({"render", "generative/sde-vs-ode", "--size", "320x200", "--scale", "2", "-o", folder.path("a.png")}).code == 0);
  const auto bytes = TemporaryFolder::read(folder.path("a.png"));
  CHECK(bigEndian(bytes, 16) == 640);
}

TEST_CASE("The same command gives the same bytes, another seed other ones") {
  const TemporaryFolder folder;
  const auto render = [&](const std::string& seed, const std::string& name) {
    REQUIRE(runProgram({"render", "generative/sde-vs-ode", "--size", "640x400", "--set", "seed=" + seed, "-o", folder.path(name)}).code ==
            0);
    return TemporaryFolder::read(folder.path(name));
  };
  const auto first = render("3", "a.png");
  CHECK(first == render("3", "b.png"));
  CHECK(first != render("4", "c.png"));
}

TEST_CASE("data gives every array with its shape, and the metrics by name") {
  for (const auto& id : labIds()) {
    INFO(id);
    const TemporaryFolder folder;
    const auto scene = early({id});
    const auto ran =
        runProgram(joined({"data"}, scene, {"-o", folder.path("a.json"), "-o", folder.path("a.csv"), "-o", folder.path("a.npz")}));
    INFO(ran.err);
    REQUIRE(ran.code == 0);
    const auto json = nlohmann::json::parse(TemporaryFolder::read(folder.path("a.json")));
    CHECK_FALSE(json["metrics"].empty());
    CHECK_FALSE(json["arrays"].empty());
    for (const auto& [name, array] : json["arrays"].items()) {
      INFO(name);
      CHECK(std::count(name.begin(), name.end(), '.') >= 2);
      std::size_t count = 1;
      for (const auto& extent : array["shape"]) count *= extent.get<std::size_t>();
      const auto flat = array["data"].flatten();
      CHECK(flat.size() == (count == 0 ? flat.size() : count));
    }
    CHECK(ran.out == folder.path("a.json") + "\n" + folder.path("a.csv") + "\n" + folder.path("a.npz") + "\n");
    CHECK_FALSE(TemporaryFolder::read(folder.path("a.csv")).empty());
    const auto npz = runProgram({"inspect", folder.path("a.npz"), "--json"});
    CHECK(npz.code == 0);
    CHECK(npz.json()["kind"] == "npz");
    CHECK(npz.json()["tensors"].size() == json["arrays"].size() + json["metrics"].size());
  }
}

TEST_CASE("A figure restores its scene: the numbers behind it are the same") {
  const std::vector<std::string> endings{"png", "svg", "pdf"};
  std::size_t turn = 0;
  for (const auto& id : labIds()) {
    const auto lab = runProgram({"show", id, "--json"}).json();
    std::vector<std::string> scene{id};
    if (!lab["presets"].empty()) scene.insert(scene.end(), {"--preset", lab["presets"].back()["id"].get<std::string>()});
    for (const auto& parameter : lab["parameters"]) {
      if (parameter["kind"] == "seed") scene.insert(scene.end(), {"--set", parameter["id"].get<std::string>() + "=12345"});
    }
    scene = early(scene);
    // The recipe is one text whatever carries it: each lab through one format, the labs through all.
    const std::string figure = "a." + endings[turn++ % endings.size()];
    INFO(id << " " << figure);
    const TemporaryFolder folder;
    const auto path = folder.path(figure);
    REQUIRE(runProgram(joined({"render"}, scene, {"--size", "500x300", "-o", path})).code == 0);
    REQUIRE(runProgram(joined({"data"}, scene, {"-o", folder.path("a.json")})).code == 0);
    const auto again = runProgram({"data", path, "-o", folder.path("b.json")});
    INFO(again.err);
    REQUIRE(again.code == 0);
    CHECK(TemporaryFolder::read(folder.path("a.json")) == TemporaryFolder::read(folder.path("b.json")));
    // Size and theme come back with it.
    if (!path.ends_with("png")) continue;
    REQUIRE(runProgram({"render", path, "-o", folder.path("b.png")}).code == 0);
    CHECK(TemporaryFolder::read(path) == TemporaryFolder::read(folder.path("b.png")));
  }
}

TEST_CASE("--frame chooses the position, and without it the last frame is shown") {
  const TemporaryFolder folder;
  const std::string id = "generative/sde-vs-ode";
  const auto last = runProgram({"data", id, "-o", folder.path("last.json"), "--json"}).json();
  const auto frames = last["frames"].get<int>();
  REQUIRE(frames > 1);
  CHECK(last["frame"] == frames - 1);
  const auto first = runProgram({"data", id, "--frame", "0", "-o", folder.path("first.json"), "--json"}).json();
  CHECK(first["frame"] == 0);
  const auto end = runProgram({"data", id, "--frame", std::to_string(frames - 1), "-o", folder.path("end.json"), "--json"}).json();
  CHECK(end["frame"] == frames - 1);
  CHECK(TemporaryFolder::read(folder.path("end.json")) == TemporaryFolder::read(folder.path("last.json")));
  CHECK(TemporaryFolder::read(folder.path("first.json")) != TemporaryFolder::read(folder.path("last.json")));
  checkRefused(runProgram({"data", id, "--frame", std::to_string(frames), "-o", folder.path("x.json")}), 2,
               {"0 to " + std::to_string(frames - 1)});
}

TEST_CASE("A picture without a recipe, and a recipe of a newer version, are refused with a sentence") {
  const TemporaryFolder folder;
  REQUIRE(runProgram({"render", "generative/sde-vs-ode", "--size", "320x200", "-o", folder.path("a.svg")}).code == 0);
  auto svg = TemporaryFolder::read(folder.path("a.svg"));
  const auto begin = svg.find("<metadata"), end = svg.find("</metadata>");
  REQUIRE(begin != std::string::npos);
  auto without = svg;
  without.erase(begin, end + 11 - begin);
  checkRefused(runProgram({"render", folder.write("b.svg", without), "-o", folder.path("c.svg")}), 1, {"b.svg"});
  const auto version = svg.find("orrery&quot;:1") != std::string::npos ? std::string("orrery&quot;:1") : std::string("\"orrery\":1");
  const auto at = svg.find(version);
  REQUIRE(at != std::string::npos);
  auto newer = svg;
  newer.replace(at, version.size(), version.substr(0, version.size() - 1) + "7");
  checkRefused(runProgram({"render", folder.write("d.svg", newer), "-o", folder.path("c.svg")}), 1, {"newer Orrery"});
}
