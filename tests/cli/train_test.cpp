// orrery train: lists its recipes, writes a model that can be inspected, continues a checkpoint, and says what does not fit.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>

#include "core/modelfile/safetensors_write.h"
#include "core/models/recipe.h"
#include "tests/cli/process.h"
#include "tests/support/catch.h"

using namespace orrery;
using namespace orrery::test;

namespace {

// Small enough for seconds.
const std::vector<std::string> small{"--set", "width=16", "--set", "layers=1", "--set", "heads=2",
                                     "--set", "batch=8",  "--set", "warmup=1", "--set", "held-out=16"};

std::vector<std::string> withSmall(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), small.begin(), small.end());
  return arguments;
}

// What `train tiny-vit` with the small settings and `steps` keeps after three of them, the tensors altered.
void writeCheckpoint(const std::string& path, int steps, const std::function<void(nn::Weights&)>& alter) {
  const auto* recipe = findRegistered<models::Recipe>("tiny-vit");
  REQUIRE(recipe != nullptr);
  models::Settings settings(recipe->settings());
  for (std::size_t i = 1; i < small.size(); i += 2) REQUIRE(settings.set(small[i]));
  REQUIRE(settings.set("steps=" + std::to_string(steps)));
  const auto device = gpu::Device::open();
  REQUIRE(device);
  gpu::Stream stream(*device);
  const auto training = recipe->make(settings);
  nn::Initializer draw(stream, 1);
  nn::Trainer trainer(training->initial(draw), training->options());
  for (int i = 0; i < 3; ++i) trainer.step(stream, training->loss(i));
  nn::Weights state = trainer.checkpoint();
  alter(state);
  std::string text;
  for (const auto& s : settings.all()) text += fmt::format("{}{}={}", text.empty() ? "" : " ", s.id, s.initial);
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& w : state) tensors.emplace_back(w.name, w.value);
  REQUIRE(modelfile::writeSafetensors(path, tensors,
                                      {{"orrery.recipe", "tiny-vit"}, {"orrery.settings", text}, {"orrery.steps", "3"}, {"format", "pt"}}));
}

}  // namespace

TEST_CASE("train without a recipe lists the recipes with their settings") {
  const auto ran = runProgram({"train", "--json"});
  CHECK(ran.code == 0);
  const auto json = ran.json();
  const auto found = std::find_if(json.begin(), json.end(), [](const auto& recipe) { return recipe["id"] == "tiny-vit"; });
  REQUIRE(found != json.end());
  CHECK((*found)["settings"].size() > 5);
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
  // Judged again, the file gives the same figures; its config says with which command it was made.
  const auto judged = runProgram({"judge", folder.path("a.safetensors"), "--json"});
  INFO(judged.err);
  REQUIRE(judged.code == 0);
  CHECK(judged.json()["judged"] == json["judged"]);
  const auto config = nlohmann::json::parse(TemporaryFolder::read(folder.path("config.json")));
  CHECK(config["orrery"]["command"].get<std::string>().starts_with("orrery train tiny-vit --set steps=12 --set batch=8 "));
  REQUIRE(runProgram(withSmall({"train", "tiny-vit", "--steps", "12", "-o", folder.path("b.safetensors")})).code == 0);
  CHECK(TemporaryFolder::read(folder.path("a.safetensors")) == TemporaryFolder::read(folder.path("b.safetensors")));
}

TEST_CASE("a training that begins from a model starts with its weights, and its own model says so") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path("a")), std::filesystem::create_directory(folder.path("b"));
  const std::string first = folder.path("a/m.safetensors"), second = folder.path("b/m.safetensors");
  REQUIRE(runProgram(withSmall({"train", "tiny-vit", "--steps", "12", "-o", first})).code == 0);
  // A rate that moves nothing: the model it began from, to the bit.
  const auto still = runProgram(
      withSmall({"train", "tiny-vit", "--steps", "1", "--set", "learning-rate=1e-7", "--set", "warmup=1000000", "--from", first, "-o", second}));
  INFO(still.err);
  REQUIRE(still.code == 0);
  const auto judged = [](const std::string& path) { return runProgram({"judge", path, "--json"}).json()["judged"]; };
  CHECK(std::abs(judged(first)["cross_entropy"]["value"].get<double>() - judged(second)["cross_entropy"]["value"].get<double>()) < 1e-5);
  const auto config = nlohmann::json::parse(TemporaryFolder::read(folder.path("b/config.json")))["orrery"];
  CHECK(config["command"].get<std::string>().find("--from earlier.safetensors") != std::string::npos);
  CHECK(config["from"] == nlohmann::json::parse(TemporaryFolder::read(folder.path("a/config.json")))["orrery"]);
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
  refused({"tiny-vit", "--resume", out, "-o", out}, 2, "other settings (batch: 8 in the file, 64 here");
  refused({"tiny-vit", "--resume", out, "--from", out, "-o", out}, 2, "give one of them");
  refused({"tiny-det", "--from", out, "-o", out}, 2, "belongs to the recipe tiny-vit");
  refused({"tiny-vit", "--set", "width=32", "--from", out, "-o", out}, 1, "vit.embeddings.cls_token");
  refused({"tiny-vit", "--from", folder.path("none"), "-o", out}, 1, "none");
}

TEST_CASE("judge refuses what is no model of a recipe, with a sentence") {
  const TemporaryFolder folder;
  const auto write = [&](const std::string& name, const std::string& text) { std::ofstream(folder.path(name)) << text; };
  checkRefused(runProgram({"judge", folder.path("none")}), 1, {"none"});
  checkRefused(runProgram({"judge", "no-such-model"}), 1, {"no-such-model"});
  write("config.json", "[1]");
  checkRefused(runProgram({"judge", folder.path("m.safetensors")}), 1, {"cannot read", "m.safetensors"});
  write("m.safetensors", "weights");
  checkRefused(runProgram({"judge", folder.path("m.safetensors")}), 1, {"is not a JSON object"});
  write("config.json", R"({"model_type": "vit"})");
  checkRefused(runProgram({"judge", folder.path("m.safetensors")}), 1, {"names no recipe"});
  write("config.json", R"({"orrery": {"recipe": "tiny-who"}})");
  checkRefused(runProgram({"judge", folder.path("m.safetensors")}), 1, {"'tiny-who'"});
  write("config.json", R"({"orrery": {"recipe": "tiny-vit"}})");
  checkRefused(runProgram({"judge", folder.path("m.safetensors")}), 1, {"with which settings"});
  write("config.json", R"({"orrery": {"recipe": "tiny-vit", "settings": "width=0"}})");
  checkRefused(runProgram({"judge", folder.path("m.safetensors")}), 1, {"config.json", "from 8 to 1024"});
  write("config.json", R"({"orrery": {"recipe": "tiny-vit", "settings": "width=16"}})");
  checkRefused(runProgram({"judge", folder.path("m.safetensors")}), 1, {"m.safetensors"});
}

TEST_CASE("a loss that is no longer a number stops training, says at which step, and keeps the last good weights") {
  const TemporaryFolder folder;
  const std::string bad = folder.path("bad.safetensors"), out = folder.path("m.safetensors"), kept = out + ".checkpoint";
  // Weights that are numbers, but whose products are not: logits of plus and minus infinity.
  writeCheckpoint(bad, 40, [](nn::Weights& state) {
    for (auto& w : state) {
      if (w.name != "classifier.weight") continue;
      std::vector<float> values(static_cast<std::size_t>(w.value.count()));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 2 == 0 ? 3e38f : -3e38f;
      w.value = Tensor::from(w.value.shape(), values);
    }
  });
  const auto ran = runProgram(withSmall({"train", "tiny-vit", "--steps", "40", "--resume", bad, "-o", out}));
  CHECK(ran.code == 1);
  INFO(ran.err);
  CHECK(ran.out.empty());
  CHECK(ran.err.find("no longer a number at step 4; the weights of step 3 are kept in " + kept) != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(out));
  // What is kept is what was there before the first bad step, and it is numbers.
  REQUIRE(std::filesystem::exists(kept));
  CHECK(TemporaryFolder::read(kept) == TemporaryFolder::read(bad));
}

TEST_CASE("a checkpoint goes on with a lower rate or more steps, and with the same settings to the same bytes") {
  const TemporaryFolder folder;
  const std::string checkpoint = folder.path("c.safetensors"), straight = folder.path("a/m.safetensors"),
                    resumed = folder.path("b/m.safetensors"), slower = folder.path("c/m.safetensors");
  for (const char* name : {"a", "b", "c"}) std::filesystem::create_directory(folder.path(name));
  writeCheckpoint(checkpoint, 8, [](nn::Weights&) {});
  REQUIRE(runProgram(withSmall({"train", "tiny-vit", "--steps", "8", "-o", straight})).code == 0);
  REQUIRE(runProgram(withSmall({"train", "tiny-vit", "--steps", "8", "--resume", checkpoint, "-o", resumed})).code == 0);
  CHECK(TemporaryFolder::read(straight) == TemporaryFolder::read(resumed));
  const auto other = runProgram(
      withSmall({"train", "tiny-vit", "--steps", "9", "--set", "learning-rate=1e-4", "--resume", checkpoint, "-o", slower, "--json"}));
  INFO(other.err);
  REQUIRE(other.code == 0);
  CHECK(other.json()["steps"] == 9);
  CHECK(TemporaryFolder::read(slower) != TemporaryFolder::read(straight));
}

TEST_CASE("a batch for which there is not enough memory is refused with the largest one that fits, and that one does") {
  // On a CPU device memory is what the driver grants; a GPU may have room for all of this.
  const auto devices = runProgram({"devices", "--json"}).json();
  REQUIRE_FALSE(devices.empty());
  if (devices[0]["kind"] != "cpu") return;
  const TemporaryFolder folder;
  const std::string out = folder.path("m.safetensors");
  const auto with = [&](int batch, const char* width) {
    return runProgram({"train", "tiny-vit", "--steps", "1", "--set", "batch=" + std::to_string(batch), "--set", std::string("width=") + width,
                       "--set", "heads=2", "--set", "layers=24", "--set", "held-out=1", "-o", out});
  };
  const auto offered = [](const Ran& ran) {
    const std::string words = "the largest batch that fits is ";
    const auto at = ran.err.find(words);
    return at == std::string::npos ? 0 : std::stoi(ran.err.substr(at + words.size()));
  };
  // Too much for one tensor: which one.
  checkRefused(with(4096, "1024"), 1, {"more than this device can bind at once"});
  // Too much together: what is needed and what is free. The offer does not depend on what was asked for.
  const auto many = with(2048, "8"), fewer = with(1024, "8");
  checkRefused(many, 1, {"MiB of device memory", "MiB are free", "--set batch="});
  CHECK_FALSE(std::filesystem::exists(out));
  CHECK(offered(many) > 1);
  CHECK(offered(fewer) == offered(many));
  const auto enough = with(offered(many), "8");
  INFO(enough.err);
  CHECK(enough.code == 0);
  CHECK(std::filesystem::exists(out));
}
