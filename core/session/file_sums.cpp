#include "core/session/file_sums.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <thread>

#include "core/base/files.h"

namespace orrery {

struct FileSums::State {
  struct Entry {
    std::uint64_t generation = 0;
    std::optional<std::string> sum;
  };
  std::mutex mutex;
  std::map<std::string, Entry> entries;
  std::uint64_t generation = 0;  // tells a late result for a forgotten entry from a wanted one
};

FileSums::FileSums() : state_(std::make_shared<State>()) {}

void FileSums::request(const std::string& path) {
  std::uint64_t generation = 0;
  {
    const std::scoped_lock lock(state_->mutex);
    if (state_->entries.contains(path)) return;
    generation = ++state_->generation;
    state_->entries[path] = {generation, std::nullopt};
  }
  std::thread([state = state_, path, generation] {
    const auto sum = sha256OfFile(path);
    const std::scoped_lock lock(state->mutex);
    const auto entry = state->entries.find(path);
    if (entry != state->entries.end() && entry->second.generation == generation) entry->second.sum = sum ? *sum : std::string();
  }).detach();
}

std::optional<std::string> FileSums::get(const std::string& path) const {
  const std::scoped_lock lock(state_->mutex);
  const auto entry = state_->entries.find(path);
  return entry == state_->entries.end() ? std::nullopt : entry->second.sum;
}

void FileSums::forget(const std::string& path) {
  const std::scoped_lock lock(state_->mutex);
  state_->entries.erase(path);
}

}  // namespace orrery
