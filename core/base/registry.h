#pragma once
// Self-registration: a lab, kernel, mark or file format adds itself with one static object in its own .cpp, and no list is edited.
// The object files must be linked directly (CMake OBJECT libraries); from a static archive the linker would drop them.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

namespace orrery {

namespace detail {
template <class T>
struct Registry {
  std::vector<T> entries;
  bool sorted = false;
  static Registry& instance() {
    static Registry registry;
    return registry;
  }
};
}  // namespace detail

// All entries of type T, sorted by `T::id`, independent of link order. Call after static initialisation only.
// Ends the program with a message when two entries share an id (our own bug, found at start-up).
template <class T>
std::span<const T> registered() {
  auto& registry = detail::Registry<T>::instance();
  if (!registry.sorted) {
    std::sort(registry.entries.begin(), registry.entries.end(), [](const T& a, const T& b) { return a.id < b.id; });
    for (std::size_t i = 1; i < registry.entries.size(); ++i) {
      if (registry.entries[i - 1].id == registry.entries[i].id) {
        std::fprintf(stderr, "orrery: two registrations share the id '%s'\n", std::string(registry.entries[i].id).c_str());
        std::abort();
      }
    }
    registry.sorted = true;
  }
  return registry.entries;
}

// The entry with this id, or nullptr.
template <class T>
const T* findRegistered(std::string_view id) {
  for (const T& entry : registered<T>()) {
    if (entry.id == id) return &entry;
  }
  return nullptr;
}

template <class T>
struct Registration {
  explicit Registration(T entry) { detail::Registry<T>::instance().entries.push_back(std::move(entry)); }
};

}  // namespace orrery
