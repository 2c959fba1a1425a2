// The registered labs are the files on disk, and each has its test, its notes in both languages and its thumbnail.

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "core/session/lab.h"
#include "tests/support/catch.h"

namespace fs = std::filesystem;
using orrery::LabEntry;

namespace {

// "sde-vs-ode" -> "sde_vs_ode"
std::string fileNameOf(std::string id) {
  std::replace(id.begin(), id.end(), '-', '_');
  return id;
}

}  // namespace

TEST_CASE("Every lab has its source, test, notes and thumbnail where the name says") {
  const fs::path top = ORRERY_SOURCE_FOLDER;
  std::set<std::string> named;
  for (const LabEntry& lab : orrery::registered<LabEntry>()) {
    const std::string path = fileNameOf(lab.id);
    named.insert(path);
    INFO(lab.id);
    CHECK(fs::exists(top / "core/labs" / (path + ".cpp")));
    CHECK(fs::exists(top / "tests/labs" / (path + "_test.cpp")));
    CHECK(fs::exists(top / "resources/labs" / path / "notes.en.md"));
    CHECK(fs::exists(top / "resources/labs" / path / "notes.zh.md"));
    CHECK(fs::exists(top / "resources/labs" / path / "thumbnail.png"));
  }
  CHECK(named.size() >= 3);
}

TEST_CASE("A wing holds labs, the folders of their parts, and shared") {
  const fs::path labs = fs::path(ORRERY_SOURCE_FOLDER) / "core/labs";
  std::set<std::string> named;
  for (const LabEntry& lab : orrery::registered<LabEntry>()) named.insert(fileNameOf(lab.id));
  for (const auto& wing : fs::directory_iterator(labs)) {
    for (const auto& entry : fs::directory_iterator(wing.path())) {
      INFO(entry.path().string());
      const std::string path = (wing.path().filename() / entry.path().stem()).string();
      CHECK((entry.is_directory() && entry.path().filename() == "shared") | (named.count(path) == 1));
    }
  }
}

TEST_CASE("Every lab declares itself completely") {
  for (const LabEntry& lab : orrery::registered<LabEntry>()) {
    INFO(lab.id);
    CHECK_FALSE(lab.title.empty());
    CHECK_FALSE(lab.summary.empty());
    CHECK_FALSE(lab.views.empty());
    CHECK_FALSE(lab.presets.empty());
    std::set<std::string> ids;
    for (const auto& parameter : lab.parameters) {
      INFO(parameter.id);
      CHECK(ids.insert(parameter.id).second);
      CHECK_FALSE(parameter.label.empty());
      CHECK_FALSE(parameter.help.empty());
      CHECK(orrery::checked(parameter, parameter.initial).hasValue());
    }
    for (const auto& preset : lab.presets) {
      for (const auto& [id, value] : preset.values) {
        INFO(preset.id << ": " << id);
        const auto* parameter = lab.find(id);
        REQUIRE(parameter != nullptr);
        CHECK(orrery::checked(*parameter, value).hasValue());
      }
    }
    for (const auto& accept : lab.accepts) CHECK(lab.find(accept.parameter) != nullptr);
  }
}
