// film: what it shows is what render shows, it comes back to its scene, and a film that cannot be made leaves nothing half done.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "app/export/export.h"
#include "app/export/film_plan.h"
#include "core/data/image.h"
#include "core/session/find_lab.h"
#include "tests/cli/process.h"
#include "tests/export/film_frames.h"
#include "tests/support/catch.h"

using namespace orrery::test;
namespace fs = std::filesystem;

namespace {

const std::string lab = "generative/sde-vs-ode";
// Small and quick: 17 positions on the timeline, few particles.
const std::vector<std::string> few{"--set", "steps=16", "--set", "particles=256", "--size", "320x200"};

std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

orrery::render::Pixels picture(const std::string& path) {
  const auto image = orrery::readImage(path);
  REQUIRE(image.hasValue());
  const auto bytes = image->rgba.as<std::uint8_t>();
  orrery::render::Pixels pixels{image->width, image->height, {bytes.begin(), bytes.end()}};
  return pixels;
}

std::vector<std::string> filesIn(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("A film of the timeline shows at each frame what render draws there") {
  const TemporaryFolder folder;
  const auto path = folder.path("film.mp4");
  // One frame of film per position.
  const auto ran = runProgram(with({"film", lab, "-o", path, "--seconds", "17/30", "--json"}, few));
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const auto told = ran.json();
  CHECK(told["frames"] == 17);
  CHECK(told["width"] == 320);
  CHECK(told["height"] == 200);
  CHECK(told["fps"] == 30);
  CHECK(filesIn(folder.path()) == std::vector<std::string>{"film.mp4"});

  const auto film = orrery::testing::readFilm(path);
  REQUIRE(film.frames.size() == 17);
  CHECK(film.duration == Approx(17.0 / 30).margin(0.01));
  std::vector<orrery::render::Pixels> drawn;
  for (const std::string frame : {"0", "8", "16"}) {
    REQUIRE(runProgram(with({"render", lab, "-o", folder.path("a.png"), "--frame", frame}, few)).code == 0);
    drawn.push_back(picture(folder.path("a.png")));
  }
  const std::size_t at[] = {0, 8, 16};
  for (std::size_t i = 0; i < 3; ++i) {
    const double own = orrery::testing::distance(film.frames[at[i]], drawn[i]);
    CAPTURE(i, own);
    // 4:2:0 and the quantiser cost these thin-lined pictures two levels in the mean; another frame of the film is further away.
    CHECK(own < 3);
    for (std::size_t k = 0; k < 3; ++k) {
      if (k != i) CHECK(orrery::testing::distance(film.frames[at[k]], drawn[i]) > own);
    }
  }
}

TEST_CASE("A parameter moves through its values, and --still keeps the timeline at its end") {
  const TemporaryFolder folder;
  const auto ran = runProgram(with({"film", lab, "-o", folder.path("film.mp4"), "--seconds", "5/30", "--still", "--animate", "steps=8:32:linear"},
                                   {"--set", "particles=256", "--size", "320x200"}));
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const auto film = orrery::testing::readFilm(folder.path("film.mp4"));
  REQUIRE(film.frames.size() == 5);
  const std::string steps[] = {"8", "20", "32"};
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(runProgram({"render", lab, "-o", folder.path("a.png"), "--set", "particles=256", "--size", "320x200", "--set", "steps=" + steps[i]}).code == 0);
    CHECK(orrery::testing::distance(film.frames[2 * i], picture(folder.path("a.png"))) < 3);
  }
}

TEST_CASE("A film brings its scene back: to render, to film again, to inspect") {
  const TemporaryFolder folder;
  for (const std::string ending : {"mp4", "webm", "gif"}) {
    CAPTURE(ending);
    const auto path = folder.path("film." + ending);
    const auto made = runProgram(with({"film", lab, "-o", path, "--seconds", "0.2", "--theme", "dark", "--scale", "1.5"}, few));
    INFO(made.err);
    REQUIRE(made.code == 0);
    REQUIRE(runProgram({"render", path, "-o", folder.path("again.png"), "--frame", "5"}).code == 0);
    REQUIRE(runProgram(with({"render", lab, "-o", folder.path("first.png"), "--frame", "5", "--theme", "dark"}, few)).code == 0);
    CHECK(TemporaryFolder::read(folder.path("again.png")) == TemporaryFolder::read(folder.path("first.png")));
    const auto inspected = runProgram({"inspect", path, "--json"});
    REQUIRE(inspected.code == 0);
    CHECK(inspected.json()["metadata"]["orrery.lab"] == lab);
    const auto again = runProgram({"film", path, "-o", folder.path("copy.mp4"), "--json"});
    INFO(again.err);
    REQUIRE(again.code == 0);
    CHECK(again.json()["width"] == 480);
    CHECK(again.json()["seconds"].get<double>() == Approx(0.2).margin(0.01));
  }
}

TEST_CASE("What cannot be filmed is one sentence, before anything is computed") {
  const TemporaryFolder folder;
  const auto out = folder.path("film.mp4");
  const auto refused = [&](std::vector<std::string> more, const std::vector<std::string>& words) {
    checkRefused(runProgram(with({"film", lab, "-o", out}, more)), 2, words);
  };
  refused({"--animate", "steps"}, {"--animate", "id=FROM:TO"});
  refused({"--animate", "steps=3"}, {"--animate", "id=FROM:TO"});
  refused({"--animate", "steps=2:8:quick"}, {"steps", "quick"});
  refused({"--animate", "steps=2:8@150%"}, {"steps", "0% and 100%"});
  refused({"--animate", "steps=2:8@70%:4@60%:9"}, {"steps", "0% and 100%"});
  refused({"--animate", "scene=ring8"}, {"--animate", "id=FROM:TO"});
  refused({"--animate", "scene=ring8:rign"}, {"rign"});
  refused({"--animate", "stpes=2:8"}, {"stpes", "steps"});
  refused({"--animate", "steps=1:8"}, {"steps", "outside", "2"});
  refused({"--animate", "steps=two:8"}, {"steps", "two"});
  refused({"--animate", "steps=2:8", "--animate", "steps=8:2"}, {"steps", "twice"});
  refused({"--still"}, {"--animate"});
  refused({"--seconds", "0"}, {"--seconds"});
  refused({"--seconds", "1e5"}, {"--seconds", "100000"});
  refused({"--seconds", "long"}, {"--seconds", "long"});
  refused({"--fps", "0"}, {"--fps", "1 to 120"});
  refused({"--fps", "500"}, {"--fps", "120"});
  refused({"--size", "10x10"}, {"--size"});
  refused({"--size", "16000x9000"}, {"8192"});
  refused({"--theme", "grey"}, {"--theme"});
  checkRefused(runProgram({"film", lab, "-o", folder.path("film.avi")}), 2, {".mp4", ".webm", ".gif"});
  checkRefused(runProgram({"film", lab, "-o", folder.path("film.gif"), "--fps", "60"}), 2, {"--fps", "50"});
  checkRefused(runProgram({"film", "attention/softmax-attention", "-o", out}), 2, {"attention/softmax-attention", "--animate"});
  checkRefused(runProgram({"film", lab, "-o", folder.path("no/folder/film.mp4")}), 1, {"cannot write", "No such file"});
  CHECK(filesIn(folder.path()).empty());
}

TEST_CASE("Ctrl+C ends a film with one sentence and nothing left; a kill leaves a part that plays") {
  for (const int signal : {SIGINT, SIGKILL}) {
    CAPTURE(signal);
    const TemporaryFolder folder;
    const auto path = folder.write("film.mp4", "the film before"), part = path + ".partial.mp4";
    const auto process = ::fork();
    REQUIRE(process >= 0);
    if (process == 0) {
      ::freopen("/dev/null", "w", stderr);
      // Key frames come every two seconds of film: at one frame a second every other one ends a fragment.
      ::execl(ORRERY_EXECUTABLE, "orrery", "film", lab.c_str(), "-o", path.c_str(), "--set", "particles=256", "--size", "320x200", "--seconds", "5000", "--fps", "1", nullptr);
      ::_exit(127);
    }
    // Until some fragments are there, far from the end.
    std::error_code ignored;
    for (int i = 0; i < 3000 && !(fs::exists(part, ignored) && fs::file_size(part, ignored) > 200000); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    REQUIRE(fs::exists(part));
    ::kill(process, signal);
    int status = 0;
    REQUIRE(::waitpid(process, &status, 0) == process);
    CHECK(TemporaryFolder::read(path) == "the film before");
    if (signal == SIGINT) {
      CHECK(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == 1);
      CHECK(filesIn(folder.path()) == std::vector<std::string>{"film.mp4"});
    } else {
      CHECK(orrery::testing::readFilm(part, true).frames.size() > 2);
      CHECK(orrery::exporting::readRecipe(part).hasValue());
      // The next film of this name clears what was left.
      REQUIRE(runProgram(with({"film", lab, "-o", path, "--seconds", "0.1"}, few)).code == 0);
      CHECK(filesIn(folder.path()) == std::vector<std::string>{"film.mp4"});
    }
  }
}

TEST_CASE("Paces begin and end where they should, and a parameter that counts stays whole") {
  using namespace orrery::exporting;
  const auto entry = orrery::findLab(lab);
  REQUIRE(entry.hasValue());
  const auto* steps = (*entry)->find("steps");
  REQUIRE(steps);
  const auto at = [&](const std::string& text, double share) {
    const auto animation = readAnimation(**entry, text);
    REQUIRE(animation.hasValue());
    const auto value = valueAt(*steps, *animation, share);
    REQUIRE(std::holds_alternative<std::int64_t>(value));
    return std::get<std::int64_t>(value);
  };
  for (const std::string pace : {"", ":linear", ":ease", ":log"}) {
    CHECK(at("steps=10:1000" + pace, 0) == 10);
    CHECK(at("steps=10:1000" + pace, 1) == 1000);
    CHECK(at("steps=1000:10" + pace, 1) == 10);
  }
  CHECK(at("steps=10:1000:linear", 0.5) == 505);
  CHECK(at("steps=10:1000:log", 0.5) == 100);
  CHECK(at("steps=10:1000", 0.5) == 100);  // its slider is logarithmic
  CHECK(at("steps=100:200:ease", 0.25) == 116);  // 3/16 - 1/32 of the way
  // More key frames, evenly or each at its share of the film.
  CHECK(at("steps=10:50:20:linear", 0.25) == 30);
  CHECK(at("steps=10:50:20:linear", 0.5) == 50);
  CHECK(at("steps=10:50:20:linear", 0.75) == 35);
  CHECK(at("steps=10:50@80%:20:linear", 0.4) == 30);
  CHECK(at("steps=10:50@80%:20:linear", 0.9) == 35);
  CHECK(at("steps=10:50@80%:20:linear", 1) == 20);
  for (const std::string text : {"steps=10:1000:log", "steps=10:50@80%:20:ease", "scene=ring8:moons:tri", "density=on:off@25%:on"}) {
    const auto read = readAnimation(**entry, text);
    REQUIRE(read.hasValue());
    CHECK(toText(*read) == text);
  }
  CHECK(toText(*readAnimation(**entry, "steps=10:1000")) == "steps=10:1000:log");
  // Before the first key frame and after the last nothing moves.
  CHECK(at("steps=10@20%:50@60%:linear", 0) == 10);
  CHECK(at("steps=10@20%:50@60%:linear", 0.4) == 30);
  CHECK(at("steps=10@20%:50@60%:linear", 1) == 50);
  for (const auto& [text, said] : {std::pair{"steps=10:1000:fast", "'fast' is no pace; there are linear, ease and log"},
                                   {"steps=10:", "--animate needs id=FROM:TO"},
                                   {"steps=10@50%:20@20%", "must rise and lie between 0% and 100%"},
                                   {"steps=10@-5%:20", "must rise and lie between 0% and 100%"}}) {
    const auto refused = readAnimation(**entry, text);
    REQUIRE_FALSE(refused.hasValue());
    INFO(refused.error().message);
    CHECK(refused.error().message.find(said) != std::string::npos);
  }
  // What is no number stays until the next comes.
  const auto* scene = (*entry)->find("scene");
  const auto scenes = readAnimation(**entry, "scene=ring8:moons@50%:tri");
  REQUIRE(scenes.hasValue());
  CHECK(std::get<std::string>(valueAt(*scene, *scenes, 0.49)) == "ring8");
  CHECK(std::get<std::string>(valueAt(*scene, *scenes, 0.5)) == "moons");
  CHECK(std::get<std::string>(valueAt(*scene, *scenes, 1)) == "tri");
}
