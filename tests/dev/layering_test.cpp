// The layering rule of ARCHITECTURE.md: who may include whom, who may see Vulkan, Qt and Dear ImGui.

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace fs = std::filesystem;

namespace {

using Names = std::set<std::string>;

// A module may include itself and these. Closed under "may include" by hand, so that the list reads as the design does.
const std::map<std::string, Names> allowed = {
    {"core/base", {}},
    {"core/diffusion", {"core/base"}},
    {"core/gpu", {"core/base"}},
    {"core/tensor", {"core/base", "core/gpu"}},
    {"core/kernels", {"core/base", "core/gpu", "core/tensor"}},
    {"core/nn", {"core/base", "core/gpu", "core/tensor", "core/kernels"}},
    {"core/modelfile", {"core/base", "core/tensor"}},
    {"core/data", {"core/base", "core/tensor"}},
    {"core/metrics", {"core/base", "core/tensor", "core/data"}},
    {"core/models", {"core/base", "core/diffusion", "core/gpu", "core/tensor", "core/kernels", "core/nn", "core/modelfile", "core/data", "core/metrics"}},
    {"core/figure", {"core/base", "core/tensor"}},
    {"core/render", {"core/base", "core/gpu", "core/tensor", "core/figure"}},
    {"core/session", {"core/base", "core/gpu", "core/tensor", "core/figure"}},
    {"core/labs",
     {"core/base", "core/gpu", "core/tensor", "core/kernels", "core/nn", "core/modelfile", "core/data", "core/metrics", "core/models", "core/figure", "core/session", "core/diffusion"}},
    {"app/export", {"core/base", "core/gpu", "core/tensor", "core/figure", "core/render", "core/session"}},
};
const Names coreButLabs = {"core/base",  "core/gpu",     "core/tensor", "core/kernels", "core/nn",     "core/modelfile", "core/diffusion",
                           "core/data",  "core/metrics", "core/models", "core/figure", "core/render",  "core/session"};

Names allowedFor(const std::string& module) {
  if (const auto found = allowed.find(module); found != allowed.end()) return found->second;
  Names names = coreButLabs;
  names.insert({"app/export", "app/cli", "app/shell", "app/inspector", "app/viewport", "app/overlay"});
  return names;
}

std::string moduleOf(const std::string& path) {
  const auto first = path.find('/');
  const auto second = path.find('/', first + 1);
  return second == std::string::npos ? path.substr(0, first) : path.substr(0, second);
}

struct Include {
  std::string file, target;
  bool quoted = false;
};

std::vector<Include> includesOf(const fs::path& top) {
  static const std::regex line(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<Include> result;
  for (const char* folder : {"core", "app"}) {
    for (const auto& entry : fs::recursive_directory_iterator(top / folder)) {
      if (!entry.is_regular_file()) continue;
      const auto ending = entry.path().extension();
      if (ending != ".cpp" && ending != ".h") continue;
      std::ifstream file(entry.path());
      std::string text;
      while (std::getline(file, text)) {
        std::smatch match;
        if (std::regex_search(text, match, line)) {
          result.push_back({fs::relative(entry.path(), top).generic_string(), match[2], match[1] == "\""});
        }
      }
    }
  }
  return result;
}

}  // namespace

TEST_CASE("Modules include only what the layering allows") {
  const auto includes = includesOf(ORRERY_SOURCE_FOLDER);
  REQUIRE(includes.size() > 100);
  for (const Include& include : includes) {
    if (!include.quoted || (include.target.rfind("core/", 0) != 0 && include.target.rfind("app/", 0) != 0)) continue;
    const std::string from = moduleOf(include.file), to = moduleOf(include.target);
    INFO(include.file << " includes " << include.target);
    CHECK((from == to || allowedFor(from).contains(to)));
  }
}

TEST_CASE("core knows neither Qt nor Dear ImGui, and Vulkan stays in its folders") {
  const Names vulkanFolders = {"core/gpu", "core/render", "app/viewport", "app/overlay"};
  for (const Include& include : includesOf(ORRERY_SOURCE_FOLDER)) {
    INFO(include.file << " includes " << include.target);
    if (include.file.rfind("core/", 0) == 0) {
      CHECK_FALSE(std::regex_search(include.target, std::regex("^(Qt|Q[A-Z])")));
      CHECK(include.target.find("imgui") == std::string::npos);
    }
    if (include.target.rfind("vulkan", 0) == 0 || include.target == "core/gpu/vulkan.h") {
      CHECK(vulkanFolders.contains(moduleOf(include.file)));
    }
  }
}
