#pragma once
// A reader of zip directories (APPNOTE 6.3: stored and deflated members, zip64) that trusts nothing: central directory and local headers
// must agree, members must not overlap, and a member never inflates past its declared size. Names are text, never paths.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/modelfile/bounded_reader.h"

namespace orrery::modelfile {

struct ZipMember {
  std::string name;
  std::uint64_t compressedBytes = 0, bytes = 0;   // stored, inflated
  std::uint64_t localHeader = 0;                  // file offset
  std::uint64_t data = 0;                         // file offset of the compressed bytes
  std::uint32_t crc = 0;
  std::uint16_t method = 0;                       // 0 stored, 8 deflated
  std::string problem;                            // why this member cannot be read; empty = fine
  std::string problemId;
};

class ZipDirectory {
 public:
  static Expected<ZipDirectory> open(const BoundedReader& reader);
  const std::vector<ZipMember>& members() const { return members_; }
  const std::vector<std::string>& notes() const { return notes_; }

  // The inflated bytes, CRC verified. `limit` caps how much is wanted from the front (a header); the CRC is then not checked.
  Expected<std::vector<std::byte>> read(const ZipMember& member, std::uint64_t limit = ~std::uint64_t{0}) const;

 private:
  explicit ZipDirectory(BoundedReader reader) : reader_(std::move(reader)) {}
  Expected<void> parse();
  BoundedReader reader_;
  std::vector<ZipMember> members_;
  std::vector<std::string> notes_;
};

}  // namespace orrery::modelfile
