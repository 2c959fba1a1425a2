// The models that come with the program: each can be opened, is small, and still does what its config says it did.

#include "core/models/bundled.h"

#include <algorithm>
#include <filesystem>

#include "core/base/files.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::models;

namespace {

// What a model must reach on what it has not seen, and settings that make judging it a matter of seconds. A quarter of the scenes moves a
// figure by a few hundredths: the bounds leave that much to the figures asked of the whole.
struct Bar {
  const char* id;
  const char* figure;
  double least, most;
  std::vector<const char*> quick;
};
const std::vector<Bar> bars{
    {"tiny-clip", "zero_shot_32", 0.88, 1, {"held-out=300"}},
    {"tiny-det", "ap50", 0.90, 1, {"held-out=64"}},
    {"tiny-dit", "class_agreement", 0.7, 1, {"samples=64", "sampling-steps=12"}},
    {"tiny-gpt", "bits_per_byte", 0, 2.2, {}},
    {"tiny-vit", "accuracy", 0.93, 1, {"held-out=256"}},
};

}  // namespace

TEST_CASE("bundled models are what their recipes make, small together, and work") {
  const std::filesystem::path all = bundledFolder("");
  if (!std::filesystem::is_directory(all)) return;
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(all)) bytes += entry.is_regular_file() ? entry.file_size() : 0;
  CHECK(bytes < (20u << 20));

  gpu::Stream stream = orrery::testing::openStream();
  for (const auto& entry : std::filesystem::directory_iterator(all)) {
    if (!entry.is_directory()) continue;
    const std::string id = entry.path().filename().string();
    INFO(id);
    const auto saved = SavedModel::open(entry.path().string());
    REQUIRE(saved);
    const auto recipe = saved->recipe();
    REQUIRE(recipe);
    CHECK((*recipe)->id == id);
    CHECK(saved->config["orrery"]["command"].get<std::string>().starts_with("orrery train " + id));
    auto settings = saved->settings();
    REQUIRE(settings);
    const auto bar = std::find_if(bars.begin(), bars.end(), [&](const Bar& b) { return b.id == id; });
    REQUIRE(bar != bars.end());
    for (const char* set : bar->quick) REQUIRE(settings->set(set));
    const auto training = (*recipe)->make(*settings);
    REQUIRE(training->prepare());
    nn::Initializer draw(stream, 1);
    const auto weights = saved->weights(training->initial(draw));
    REQUIRE(weights);
    const auto judged = training->judge(stream, *weights);
    REQUIRE(judged);
    const auto figure = std::find_if(judged->begin(), judged->end(), [&](const Judgement& j) { return j.name == bar->figure; });
    REQUIRE(figure != judged->end());
    CHECK(figure->value >= bar->least);
    CHECK(figure->value <= bar->most);
  }
}
