// The shaders that not every compiler can build lie in shaders/prebuilt as SPIR-V, and were built from the sources beside them.

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "core/base/files.h"
#include "core/gpu/shader_code.h"
#include "tests/support/catch.h"

namespace fs = std::filesystem;

namespace {

const fs::path shaders = fs::path(ORRERY_SOURCE_FOLDER) / "shaders";

std::string textOf(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// As packaging/dev/prebuilt_shaders.py: the text, and after it that of what it includes.
std::string sources(const fs::path& path) {
  const std::string text = textOf(path);
  std::string all = text;
  static const std::regex include("^#include \"([^\"]+)\"", std::regex::multiline);
  for (auto at = std::sregex_iterator(text.begin(), text.end(), include); at != std::sregex_iterator(); ++at) {
    all += sources(shaders / "include" / (*at)[1].str());
  }
  return all;
}

}  // namespace

TEST_CASE("prebuilt shaders are those of their sources") {
  std::set<std::string> marked, there;
  for (const auto& entry : fs::recursive_directory_iterator(shaders)) {
    if (entry.path().extension() != ".comp" || textOf(entry.path()).find("\n//! prebuilt") == std::string::npos) continue;
    const std::string name = fs::relative(entry.path(), shaders).replace_extension().generic_string();
    marked.insert(name);
    INFO(name << ": run packaging/dev/prebuilt_shaders.py");
    CHECK(textOf(shaders / "prebuilt" / (name + ".sha256")) == orrery::sha256(sources(entry.path())) + "\n");
    CHECK(textOf(shaders / "prebuilt" / (name + ".spv")).starts_with(std::string("\x03\x02\x23\x07", 4)));
    CHECK(orrery::findRegistered<orrery::gpu::ShaderCode>(name) != nullptr);
  }
  for (const auto& entry : fs::recursive_directory_iterator(shaders / "prebuilt")) {
    if (entry.path().extension() == ".spv")
      there.insert(fs::relative(entry.path(), shaders / "prebuilt").replace_extension().generic_string());
  }
  CHECK_FALSE(marked.empty());
  CHECK(there == marked);
}
