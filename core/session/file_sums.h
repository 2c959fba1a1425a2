#pragma once
// FileSums: SHA-256 of the files a session refers to, computed beside the worker so that a large file holds nothing up. Thread-safe.

#include <memory>
#include <optional>
#include <string>

namespace orrery {

class FileSums {
 public:
  FileSums();
  // Begins unless this path is known or under way.
  void request(const std::string& path);
  // Empty optional: not known yet. Empty text: there is none (a folder, an unreadable file).
  std::optional<std::string> get(const std::string& path) const;
  // The file was given anew: its content may be another.
  void forget(const std::string& path);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the threads, which may outlive the session that no longer waits for them
};

}  // namespace orrery
