#pragma once
// A set of files that belongs together, written into a folder: either all of them arrive or the folder stays as it was.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"

namespace orrery {

struct FilesWritten {
  std::string folder;
  std::int64_t files = 0;
  std::uint64_t bytes = 0;
};

// Files are collected in a hidden folder inside the target (so that moving them is a rename) and moved into place by commit(). Without
// commit() they are removed again, and so are the target and its parents where open() made them.
class FolderWriter {
 public:
  // Makes the folder where it is missing. Error: not a folder, not writable.
  static Expected<FolderWriter> open(const std::string& folder);
  ~FolderWriter();
  FolderWriter(FolderWriter&& other) noexcept;
  FolderWriter& operator=(FolderWriter&&) = delete;

  // `name` is relative, parts separated by '/': "images/000001.png". Replaces a file of this name at commit().
  Expected<void> write(const std::string& name, std::string_view content);
  // Flushes and moves everything into place.
  Expected<FilesWritten> commit();

 private:
  explicit FolderWriter(std::string folder) : folder_(std::move(folder)) {}

  std::string folder_, staging_;  // staging_ is empty once there is nothing left to remove
  std::vector<std::string> names_;
  std::vector<std::string> made_;  // folders that were not there before, outermost first
  std::uint64_t bytes_ = 0;
};

}  // namespace orrery
