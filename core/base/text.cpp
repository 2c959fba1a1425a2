#include "core/base/text.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <vector>

#include "core/base/files.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

struct Catalogue {
  std::string_view language;
  std::unordered_map<std::string, std::string, TextHash, std::equal_to<>> entries;
};

// Languages we ship a catalogue for, besides English.
constexpr std::string_view translatedLanguages[] = {"zh"};

// Merges one file; a damaged catalogue is skipped, since English is always a usable answer.
void mergeFile(const fs::path& file, Catalogue& catalogue) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return;
  const auto document = nlohmann::json::parse(stream, nullptr, false);
  if (!document.is_object()) return;
  for (const auto& [english, translated] : document.items()) {
    if (translated.is_string() && !translated.get_ref<const std::string&>().empty()) {
      catalogue.entries.insert_or_assign(english, translated.get<std::string>());
    }
  }
}

// Loads each catalogue once; it then lives as long as the program, so that readers need no lock.
const Catalogue* catalogueOf(std::string_view language) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<Catalogue>, std::less<>> loaded;
  std::lock_guard lock(mutex);
  if (const auto found = loaded.find(language); found != loaded.end()) return found->second.get();
  for (const std::string_view known : translatedLanguages) {
    if (known != language) continue;
    auto catalogue = std::make_unique<Catalogue>();
    catalogue->language = known;
    std::error_code ignored;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(fs::path(resourceFolder()) / "i18n" / std::string(known), ignored)) {
      if (entry.path().extension() == ".json") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) mergeFile(file, *catalogue);
    return loaded.emplace(std::string(language), std::move(catalogue)).first->second.get();
  }
  return nullptr;
}

// Null for English.
std::atomic<const Catalogue*> current{nullptr};

}  // namespace

std::string tr(std::string_view english) {
  if (const Catalogue* catalogue = current.load(std::memory_order_acquire)) {
    if (const auto found = catalogue->entries.find(english); found != catalogue->entries.end()) return found->second;
  }
  return std::string(english);
}

bool setLanguage(std::string_view language) {
  if (language == "en") {
    current.store(nullptr, std::memory_order_release);
    return true;
  }
  const Catalogue* catalogue = catalogueOf(language);
  if (catalogue == nullptr) return false;
  current.store(catalogue, std::memory_order_release);
  return true;
}

std::string_view language() {
  const Catalogue* catalogue = current.load(std::memory_order_acquire);
  return catalogue == nullptr ? std::string_view("en") : catalogue->language;
}

bool hasTranslation(std::string_view language, std::string_view english) {
  if (language == "en") return true;
  const Catalogue* catalogue = catalogueOf(language);
  return catalogue != nullptr && catalogue->entries.find(english) != catalogue->entries.end();
}

}  // namespace orrery
