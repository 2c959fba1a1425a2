#include "core/kernels/variant_choice.h"

#include <fmt/format.h>

#include <array>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>

#include "core/base/files.h"

namespace orrery::kernels {
namespace {

constexpr std::array<std::string_view, 2> exact{"scalar", "subgroup"};

std::mutex mutex;
std::map<std::string, VariantChoice> known;  // by keyOf(device)

std::string keyOf(const gpu::Device& device) { return device.summary().name + "\n" + device.summary().driver; }

std::string pathOf(const std::string& key) {
  return fmt::format("{}/variants-{:08x}.json", cacheFolder(), crc32(std::as_bytes(std::span(key))));
}

VariantChoice read(const std::string& key) {
  VariantChoice result;
  const auto text = readWholeFile(pathOf(key), 1 << 20);
  if (!text) return result;
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_object() || json.value("device", nlohmann::json()) != key || !json.contains("kernels") || !json["kernels"].is_object())
    return result;
  for (const auto& [kernel, variant] : json["kernels"].items()) {
    if (variant.is_string()) result[kernel] = variant.get<std::string>();
  }
  return result;
}

// Guarded by mutex.
VariantChoice& of(const std::string& key) {
  const auto found = known.find(key);
  return found != known.end() ? found->second : known.emplace(key, read(key)).first->second;
}

}  // namespace

std::string_view chosenVariant(const gpu::Device& device, std::string_view kernel) {
  std::lock_guard lock(mutex);
  const VariantChoice& all = of(keyOf(device));
  const auto choice = all.find(kernel);
  for (const std::string_view variant : exact) {
    if (choice != all.end() && choice->second == variant) return variant;
  }
  return {};
}

Expected<void> keepChoice(const gpu::Device& device, const VariantChoice& choice) {
  const std::string key = keyOf(device);
  std::lock_guard lock(mutex);
  VariantChoice& all = of(key);
  for (const auto& [kernel, variant] : choice) all[kernel] = variant;
  return writeFileAtomically(pathOf(key), nlohmann::json{{"device", key}, {"kernels", all}}.dump(2) + "\n");
}

void forgetChoices() {
  std::lock_guard lock(mutex);
  known.clear();
}

}  // namespace orrery::kernels
