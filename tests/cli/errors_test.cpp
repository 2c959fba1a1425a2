// Wrong use and bad luck: one sentence, the right code, nothing left behind.

#include <filesystem>

#include "tests/cli/process.h"
#include "tests/support/catch.h"

using namespace orrery::test;

namespace {
const std::string lab = "generative/sde-vs-ode";
const std::map<std::string, std::string> noDriver{{"VK_ICD_FILENAMES", "/nonexistent.json"}, {"VK_DRIVER_FILES", "/nonexistent.json"}};
}  // namespace

TEST_CASE("Wrong use ends with 2 and one sentence that says what would be right") {
  const TemporaryFolder folder;
  const auto out = folder.path("a.png");
  checkRefused(runProgram({"render", lab, "-o", folder.path("a.bmp")}), 2, {"a.bmp", ".png, .svg, .pdf"});
  checkRefused(runProgram({"render", lab, "-o", folder.path("a")}), 2, {".png, .svg, .pdf"});
  checkRefused(runProgram({"data", lab, "-o", folder.path("a.png")}), 2, {".json, .csv, .npz"});
  checkRefused(runProgram({"render", "generative/sde", "-o", out}), 2, {"no lab 'generative/sde'", "'generative/sde-vs-ode'"});
  checkRefused(runProgram({"render", lab, "--set", "nothing=3", "-o", out}), 2, {"no parameter 'nothing'", "seed"});
  checkRefused(runProgram({"render", lab, "--set", "seed", "-o", out}), 2, {"id=value", "'seed'"});
  checkRefused(runProgram({"render", lab, "--set", "seed=-1", "-o", out}), 2, {"seed: -1 is outside 0 to 4294967295"});
  checkRefused(runProgram({"render", lab, "--set", "seed=abc", "-o", out}), 2, {"seed", "'abc'"});
  checkRefused(runProgram({"render", lab, "--preset", "no-such-preset", "-o", out}), 2, {"no-such-preset"});
  checkRefused(runProgram({"render", lab, "--size", "100", "-o", out}), 2, {"1280x720", "'100'"});
  checkRefused(runProgram({"render", lab, "--size", "1x1", "-o", out}), 2, {"64"});
  checkRefused(runProgram({"render", lab, "--size", "99999x720", "-o", out}), 2, {"16384"});
  checkRefused(runProgram({"render", lab, "--size", "1280x720x3", "-o", out}), 2, {"1280x720x3"});
  checkRefused(runProgram({"render", lab, "--theme", "pink", "-o", out}), 2, {"light or dark"});
  checkRefused(runProgram({"render", lab, "--frame", "-1", "-o", out}), 2, {"--frame"});
  checkRefused(runProgram({"render", lab, "--frame", "x", "-o", out}), 2, {"--frame"});
  checkRefused(runProgram({"render", lab, "--frame", "1000000", "-o", out}), 2, {"--frame 1000000", "0 to "});
  checkRefused(runProgram({"render", lab, "--scale", "100", "-o", out}), 2, {"--scale"});
  checkRefused(runProgram({"render", lab, "--panel", "no-such-panel", "-o", out}), 2, {"no-such-panel"});
  checkRefused(runProgram({"render", lab}), 2, {"--output"});
  checkRefused(runProgram({"render", "-o", out}), 2, {"scene"});
  checkRefused(runProgram({"render", lab, "--nonsense", "-o", out}), 2, {"--nonsense"});
  checkRefused(runProgram({"bench", "no-such-kernel"}), 2, {"no-such-kernel"});
  checkRefused(runProgram({"bench", "--set", "nothing=1"}), 2, {"nothing"});
  checkRefused(runProgram({"bench", "--choose", "ddpm"}), 2, {"--choose takes kernels only"});
  checkRefused(runProgram({"bench", "--choose", "--variant", "scalar"}), 2, {"--choose times the variants itself"});
  checkRefused(runProgram({"labz"}), 2, {"'labz'", "'labs'"});
  checkRefused(runProgram({"--lang", "xx", "labs"}), 2, {"--lang"});
  checkRefused(runProgram({"--device", "-3", "labs"}), 2, {"--device"});
  checkRefused(runProgram({"map", "--gt", "a"}), 2, {"--dt"});
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("Files that are not there end with 1") {
  const TemporaryFolder folder;
  checkRefused(runProgram({folder.path("none.npz")}), 1, {"no file", "none.npz"});
  checkRefused(runProgram({"inspect", folder.path("none.npz")}), 1, {"none.npz"});
  checkRefused(runProgram({"render", folder.path("none.png"), "-o", folder.path("a.png")}), 1, {"none.png"});
  checkRefused(runProgram({"map", "--gt", folder.path("gt.json"), "--dt", folder.path("dt.json")}), 1, {"gt.json"});
  // Every file well is checked before anything is computed.
  for (const auto& id : labIds()) {
    const auto shown = runProgram({"show", id, "--json"}).json();
    for (const auto& parameter : shown["parameters"]) {
      if (parameter["kind"] != "file") continue;
      const std::string name = parameter["id"];
      checkRefused(runProgram({"render", id, "--set", name + "=" + folder.path("none"), "-o", folder.path("a.svg")}), 1, {name, "none"});
    }
  }
}

TEST_CASE("An output that cannot be written is told before anything is computed") {
  const TemporaryFolder folder;
  const auto missing = runProgram({"render", lab, "-o", folder.path("missing/a.png")}, noDriver);
  checkRefused(missing, 1, {"missing/a.png", "cannot write"});
  std::filesystem::create_directory(folder.path("folder.png"));
  checkRefused(runProgram({"render", lab, "-o", folder.path("folder.png")}, noDriver), 1, {"it is a folder"});
  checkRefused(runProgram({"data", lab, "-o", folder.path("missing/a.json")}, noDriver), 1, {"cannot write"});
  checkRefused(runProgram({"data", lab, "-o", "/proc/a.json"}, noDriver), 1, {"cannot write"});
}

TEST_CASE("Without a Vulkan device, commands that need one say so and the others work") {
  const TemporaryFolder folder;
  checkRefused(runProgram({"render", lab, "-o", folder.path("a.png")}, noDriver), 1, {"Vulkan"});
  checkRefused(runProgram({"data", lab, "-o", folder.path("a.json")}, noDriver), 1, {"Vulkan"});
  checkRefused(runProgram({"check"}, noDriver), 1, {"Vulkan"});
  checkRefused(runProgram({"bench"}, noDriver), 1, {"Vulkan"});
  CHECK(std::filesystem::is_empty(folder.path()));
  CHECK(runProgram({"labs"}, noDriver).code == 0);
  CHECK(runProgram({"show", lab}, noDriver).code == 0);
  CHECK(runProgram({"inspect", folder.write("a.txt", "hello\n")}, noDriver).code <= 1);
}

TEST_CASE("A device number that does not exist is refused") {
  const auto ran = runProgram({"check", "--device", "99"});
  CHECK(ran.code != 0);
  CHECK(ran.err.find("99") != std::string::npos);
}

TEST_CASE("Without a display the window says so in one sentence") {
  const std::map<std::string, std::string> noDisplay{{"DISPLAY", ""}, {"WAYLAND_DISPLAY", ""}, {"QT_QPA_PLATFORM", ""}};
  checkRefused(runProgram({}, noDisplay), 1, {"display"});
  const TemporaryFolder folder;
  checkRefused(runProgram({folder.write("a.csv", "1,2\n3,4\n")}, noDisplay), 1, {"display"});
}

TEST_CASE("An stdout that takes nothing is a failure, not a success") {
  const auto full = runProgram({"labs", "--json"}, {}, "/dev/full");
  CHECK(full.code == 1);
  CHECK(full.err.find("could not be written") != std::string::npos);
}
