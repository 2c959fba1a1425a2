// orrery train: lists its recipes, writes a model that can be inspected, continues a checkpoint, and says what does not fit.

#include <filesystem>

#include "tests/cli/process.h"
#include "tests/support/catch.h"

using namespace orrery::test;

namespace {

// Small enough for seconds.
const std::vector<std::string> small{"--set", "width=16", "--set", "layers=1", "--set", "heads=2",
                                     "--set", "batch=8",  "--set", "warmup=1", "--set", "held-out=16"};

std::vector<std::string> withSmall(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), small.begin(), small.end());
  return arguments;
}

}  // namespace

TEST_CASE("train without a recipe lists the recipes with their settings") {
  const auto ran = runProgram({"train", "--json"});
  CHECK(ran.code == 0);
  const auto json = ran.json();
  REQUIRE(json.size() >= 1);
  CHECK(json[0]["id"] == "tiny-vit");
  CHECK(json[0]["settings"].size() > 5);
  CHECK(runProgram({"train"}).out.find("tiny-vit") != std::string::npos);
}

TEST_CASE("train writes a model with published names, its config and how it was judged; the same seed gives the same bytes") {
  const TemporaryFolder folder;
  const auto first = runProgram(withSmall({"train", "tiny-vit", "--steps", "12", "-o", folder.path("a.safetensors"), "--json"}));
  INFO(first.err);
  REQUIRE(first.code == 0);
  const auto json = first.json();
  CHECK(json["steps"] == 12);
  CHECK(json["judged"]["accuracy"]["value"].get<double>() >= 0);
  CHECK(std::filesystem::exists(folder.path("config.json")));
  CHECK_FALSE(std::filesystem::exists(folder.path("a.safetensors.checkpoint")));
  const auto inspected = runProgram({"inspect", folder.path("a.safetensors")});
  CHECK(inspected.code == 0);
  CHECK(inspected.out.find("vit.encoder.layer.0.attention.attention.query.weight") != std::string::npos);
  REQUIRE(runProgram(withSmall({"train", "tiny-vit", "--steps", "12", "-o", folder.path("b.safetensors")})).code == 0);
  CHECK(TemporaryFolder::read(folder.path("a.safetensors")) == TemporaryFolder::read(folder.path("b.safetensors")));
}

TEST_CASE("train refuses what does not fit, with a sentence and the right exit code") {
  const TemporaryFolder folder;
  const auto refused = [&](std::vector<std::string> arguments, int code, const std::string& says) {
    arguments.insert(arguments.begin(), "train");
    checkRefused(runProgram(arguments), code, {says});
  };
  const std::string out = folder.path("m.safetensors");
  refused({"tiny-vid", "-o", out}, 2, "did you mean tiny-vit?");
  refused({"tiny-vit"}, 2, "-o is needed");
  refused({"tiny-vit", "-o", folder.path("m.pt")}, 2, ".safetensors");
  refused({"tiny-vit", "-o", folder.path("none/m.safetensors")}, 1, "none");
  refused({"tiny-vit", "--set", "batch=0", "-o", out}, 2, "from 1 to 4096");
  refused({"tiny-vit", "--set", "depth=3", "-o", out}, 2, "no setting 'depth'");
  refused({"tiny-vit", "--resume", folder.path("no.safetensors"), "-o", out}, 1, "no.safetensors");
  // A model is no checkpoint: it knows its recipe and step, but not the optimizer's state.
  REQUIRE(runProgram(withSmall({"train", "tiny-vit", "--steps", "4", "-o", out})).code == 0);
  refused(withSmall({"tiny-vit", "--steps", "4", "--resume", out, "-o", out}), 1, "exp_avg.");
  refused({"tiny-vit", "--resume", out, "-o", out}, 2, "other settings");
}
