// A saved model: what was written is read back, what does not fit is named.

#include "core/models/bundled.h"

#include <filesystem>

#include "core/base/files.h"
#include "core/modelfile/safetensors_write.h"
#include "tests/support/catch.h"

using namespace orrery;
using namespace orrery::models;

TEST_CASE("a saved model gives its numbers and its tensors in the wanted order, or says what does not fit") {
  const std::string folder = stateFolder() + "/saved-model-test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  CHECK_FALSE(SavedModel::open(folder));
  REQUIRE(writeFileAtomically(folder + "/config.json", "[1]"));
  CHECK_FALSE(SavedModel::open(folder));
  REQUIRE(writeFileAtomically(folder + "/config.json", R"({"hidden_size": 96, "layers": 0, "name": "x", "share": 0.5})"));
  const auto saved = SavedModel::open(folder);
  REQUIRE(saved);
  REQUIRE(saved->number("hidden_size"));
  CHECK(*saved->number("hidden_size") == 96);
  for (const char* wrong : {"layers", "name", "share", "heads"}) {
    INFO(wrong);
    const auto refused = saved->number(wrong);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find(wrong) != std::string::npos);
  }
  CHECK_FALSE(saved->number("hidden_size", 95));

  const nn::Weights like{{"b", Tensor::from(Shape{2, 2}, {0, 0, 0, 0})}, {"a", Tensor::from(Shape{3}, {0, 0, 0})}};
  CHECK_FALSE(saved->weights(like));  // no such file yet
  const std::vector<std::pair<std::string, Tensor>> tensors{{"a", Tensor::from(Shape{3}, {1, 2, 3})},
                                                            {"b", Tensor::from(Shape{2, 2}, {4, 5, 6, 7})}};
  REQUIRE(modelfile::writeSafetensors(folder + "/model.safetensors", tensors));
  const auto weights = saved->weights(like);
  REQUIRE(weights);
  CHECK(weights->at(0).name == "b");
  CHECK(weights->at(0).value.toFloats() == std::vector<float>{4, 5, 6, 7});
  CHECK(weights->at(1).value.toFloats() == std::vector<float>{1, 2, 3});

  const auto otherShape = saved->weights({{"a", Tensor::from(Shape{2}, {0, 0})}});
  REQUIRE_FALSE(otherShape);
  INFO(otherShape.error().message);
  CHECK(otherShape.error().message.find("[2]") != std::string::npos);
  CHECK(otherShape.error().message.find("[3]") != std::string::npos);
  const auto missing = saved->weights({{"c", Tensor::from(Shape{2}, {0, 0})}});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message.find("c") != std::string::npos);
  std::filesystem::remove_all(folder);
}
