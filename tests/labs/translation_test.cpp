// Every string a person reads has a Chinese translation: the literals inside tr("...") and trf("...") of app/ and core/, and everything
// that labs, kernels and file formats declare.

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "core/base/file_format.h"
#include "core/base/text.h"
#include "core/kernels/kernel.h"
#include "core/session/lab.h"
#include "tests/support/catch.h"

using namespace orrery;
namespace fs = std::filesystem;

namespace {

// The literals given to tr( and trf(, with adjacent ones joined and escapes resolved.
std::vector<std::string> literalsIn(const std::string& code) {
  std::vector<std::string> found;
  const auto blank = [&](std::size_t& at) {
    while (at < code.size() && std::isspace(static_cast<unsigned char>(code[at]))) ++at;
  };
  for (std::size_t at = code.find("tr"); at != std::string::npos; at = code.find("tr", at + 1)) {
    if (at > 0 && (std::isalnum(static_cast<unsigned char>(code[at - 1])) || code[at - 1] == '_')) continue;
    std::size_t next = at + 2;
    if (next < code.size() && code[next] == 'f') ++next;
    if (next >= code.size() || code[next] != '(') continue;
    ++next;
    blank(next);
    // Comments that speak about tr("...") are not calls.
    const std::size_t line = code.rfind('\n', at);
    if (code.substr(line + 1, at - line - 1).find("//") != std::string::npos) continue;
    std::string text;
    bool any = false;
    while (next < code.size() && code[next] == '"') {
      any = true;
      for (++next; next < code.size() && code[next] != '"'; ++next) {
        if (code[next] != '\\') {
          text += code[next];
          continue;
        }
        ++next;
        text += code[next] == 'n' ? '\n' : code[next] == 't' ? '\t' : code[next];
      }
      ++next;
      blank(next);
    }
    if (any && !text.empty()) found.push_back(text);
  }
  return found;
}

// Numbers, symbols and single letters ("σ", "1/2", "k") read the same in both languages.
bool needsTranslation(const std::string& text) {
  int run = 0;
  for (const char c : text) {
    run = std::isalpha(static_cast<unsigned char>(c)) ? run + 1 : 0;
    if (run >= 2) return true;
  }
  return false;
}

std::string untranslated(const std::map<std::string, std::string>& strings) {
  std::string list;
  for (const auto& [text, where] : strings)
    if (needsTranslation(text) && !hasTranslation("zh", text)) list += "\n  " + where + ": " + text;
  return list;
}

}  // namespace

TEST_CASE("Literals are found as the compiler sees them") {
  const auto found = literalsIn("x = tr(\"one\"); y = trf(\"two {} \"\n   \"more\\n\", 1); str(\"not\"); tr(variable); // tr(\"comment\")\n");
  REQUIRE(found == std::vector<std::string>{"one", "two {} more\n"});
}

TEST_CASE("Every literal in tr and trf has a Chinese translation") {
  std::map<std::string, std::string> strings;
  for (const char* top : {"app", "core"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(ORRERY_SOURCE_FOLDER) / top)) {
      const std::string ending = entry.path().extension().string();
      if (ending != ".cpp" && ending != ".h") continue;
      std::ifstream file(entry.path());
      std::stringstream content;
      content << file.rdbuf();
      for (const std::string& text : literalsIn(content.str())) strings.emplace(text, fs::relative(entry.path(), ORRERY_SOURCE_FOLDER).string());
    }
  }
  REQUIRE(strings.size() > 100);                     // the search itself works
  const std::string missing = untranslated(strings);
  INFO("no entry in resources/i18n/zh/*.json for" << missing);
  CHECK(missing.empty());
}

TEST_CASE("Everything labs, kernels and file formats declare has a Chinese translation") {
  std::map<std::string, std::string> strings;
  for (const LabEntry& lab : registered<LabEntry>()) {
    const auto add = [&](const std::string& text) {
      if (!text.empty()) strings.emplace(text, lab.id);
    };
    add(lab.title);
    add(lab.summary);
    for (const Parameter& parameter : lab.parameters) {
      add(parameter.label);
      add(parameter.help);
      add(parameter.group);
      add(parameter.unit);
      if (const auto* choice = std::get_if<Choice>(&parameter.domain))
        for (const Choice::Option& option : choice->options) add(option.label);
    }
    for (const Preset& preset : lab.presets) {
      add(preset.title);
      add(preset.help);
    }
    for (const View& view : lab.views) add(view.title);
    for (const Acceptance& acceptance : lab.accepts) add(acceptance.kinds);
    // The word beside the frame number ("step") is declared by the lab before it ever computes.
    if (lab.make) add(lab.make()->timeline().unit);
  }
  for (const kernels::Kernel& kernel : registered<kernels::Kernel>()) strings.emplace(std::string(kernel.summary), "kernel " + std::string(kernel.id));
  for (const FileFormat& format : registered<FileFormat>()) strings.emplace(std::string(format.title), "format " + std::string(format.id));
  const std::string missing = untranslated(strings);
  INFO("no entry in resources/i18n/zh/*.json for" << missing);
  CHECK(missing.empty());
}
