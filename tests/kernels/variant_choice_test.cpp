#include "core/kernels/variant_choice.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/kernels/kernel.h"
#include "core/kernels/matmul.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using namespace orrery::kernels;

namespace {

// A cache folder of its own, and the old one again at the end.
class OwnCache {
 public:
  OwnCache() : before_(std::getenv("XDG_CACHE_HOME") == nullptr ? "" : std::getenv("XDG_CACHE_HOME")) {
    ::setenv("XDG_CACHE_HOME", folder_.path("").c_str(), 1);
    forgetChoices();
  }
  ~OwnCache() {
    before_.empty() ? ::unsetenv("XDG_CACHE_HOME") : ::setenv("XDG_CACHE_HOME", before_.c_str(), 1);
    forgetChoices();
  }
  std::filesystem::path file() const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path(""))) {
      if (entry.path().filename().string().starts_with("variants-")) return entry.path();
    }
    return {};
  }

 private:
  testing::Scratch folder_;
  std::string before_;
};

}  // namespace

TEST_CASE("the variant that was the fastest on a device is kept and taken, unless another is asked for") {
  const auto device = gpu::Device::open();
  REQUIRE(device);
  const OwnCache cache;
  const std::string usual(variantFor(**device, "matmul")), other = usual == "scalar" ? "subgroup" : "scalar";
  CHECK(chosenVariant(**device, "matmul").empty());
  REQUIRE(keepChoice(**device, {{"matmul", other}, {"softmax", usual}}));
  REQUIRE(keepChoice(**device, {{"softmax", other}}));
  forgetChoices();  // from the file
  CHECK(variantFor(**device, "matmul") == other);
  CHECK(variantFor(**device, "softmax") == other);
  CHECK(variantFor(**device, "layer_norm") == usual);
  CHECK(runsScalar(**device, "matmul", "") == (other == "scalar" && eightLanesExchange(**device)));
  ::setenv("ORRERY_VARIANT", usual.c_str(), 1);
  CHECK(variantFor(**device, "matmul") == usual);
  ::unsetenv("ORRERY_VARIANT");
  // The product is the same by either.
  gpu::Stream stream(*device);
  const Tensor a = Tensor::from(Shape{3, 2}, std::vector<float>{1, 2, 3, 4, 5, 6}),
               b = Tensor::from(Shape{2, 1}, std::vector<float>{10, 1});
  CHECK(matmul(stream, a, b).toFloats() == std::vector<float>{12, 34, 56});
}

TEST_CASE("a file of choices that is damaged or of another device is none") {
  const auto device = gpu::Device::open();
  REQUIRE(device);
  const OwnCache cache;
  REQUIRE(keepChoice(**device, {{"matmul", "subgroup"}}));
  const auto file = cache.file();
  REQUIRE_FALSE(file.empty());
  for (const char* text :
       {"", "{", "[]", R"({"device": "another", "kernels": {"matmul": "subgroup"}})", R"({"kernels": {"matmul": "subgroup"}})"}) {
    std::ofstream(file) << text;
    forgetChoices();
    CHECK(chosenVariant(**device, "matmul").empty());
  }
  REQUIRE(keepChoice(**device, {{"matmul", "fastest"}}));
  CHECK(chosenVariant(**device, "matmul").empty());
}
