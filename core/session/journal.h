#pragma once
// Journal: an append-only file of session states for recovery after a crash. Each record is
//   "ORJ1" | length u32 | CRC-32 of the text u32 | text           (little endian)
// Replay stops at the first bad record, so a crash in the middle of an append costs that record only. A record is handed to the operating
// system before append() returns: it survives the end of the process, not that of the machine. One journal per running instance: open()
// locks the file. Used by one thread at a time.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"

namespace orrery {

class Journal {
 public:
  // Creates the file or continues it after its last good record. Error when it cannot be written or another instance holds it.
  static Expected<Journal> open(const std::string& path);
  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;
  ~Journal();  // keeps the file

  Expected<void> append(std::string_view text);
  // The work is saved or was given up: empties the file.
  Expected<void> clear();
  const std::string& path() const { return path_; }

  // All good records from the beginning; empty when there is no file. Never fails on damaged content.
  static std::vector<std::string> replay(const std::string& path);

  // A longer text is refused; beyond this many bytes the file is cut to its newest record.
  static constexpr std::uint64_t largestRecord = 16u << 20, largestFile = 32u << 20;

 private:
  Journal(std::string path, int file, std::uint64_t bytes);
  std::string path_;
  int file_ = -1;
  std::uint64_t bytes_ = 0;
};

}  // namespace orrery
