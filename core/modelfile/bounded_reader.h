#pragma once
// BoundedReader: the only way core/modelfile touches a stranger's file. Every read is checked against the size first, data come by pread
// (never mapped), and a file that changed since it was opened is refused instead of being misread.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/expected.h"

namespace orrery::modelfile {

// Unsigned 64-bit arithmetic that remembers an overflow instead of wrapping.
class CheckedU64 {
 public:
  CheckedU64(std::uint64_t value) : value_(value) {}
  CheckedU64 operator+(CheckedU64 other) const { return combine(other, __builtin_add_overflow(value_, other.value_, &scratch_)); }
  CheckedU64 operator*(CheckedU64 other) const { return combine(other, __builtin_mul_overflow(value_, other.value_, &scratch_)); }
  bool overflowed() const { return overflowed_; }
  std::uint64_t value() const { return value_; }

 private:
  CheckedU64 combine(CheckedU64 other, bool overflow) const {
    CheckedU64 result(scratch_);
    result.overflowed_ = overflowed_ || other.overflowed_ || overflow;
    return result;
  }
  std::uint64_t value_ = 0;
  mutable std::uint64_t scratch_ = 0;
  bool overflowed_ = false;
};

// Number of elements of a shape, or nothing when the product does not fit 63 bits.
std::optional<std::uint64_t> elementCount(std::span<const std::int64_t> shape);

// "1 312 bytes", "2.4 MiB", "64 GiB".
std::string bytesAsText(std::uint64_t bytes);

// Names from files, fit to be shown: control characters and right-to-left marks escaped, longer than 120 bytes elided.
std::string shown(std::string_view name);

class BoundedReader {
 public:
  // Opens a regular file for reading; folders, pipes and devices are refused.
  static Expected<BoundedReader> open(const std::string& path);
  // The same of a descriptor that is open already and now belongs to the reader; `path` is for messages.
  static Expected<BoundedReader> adopt(int descriptor, const std::string& path);

  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }

  // Exactly `to.size()` bytes from `offset`. Errors: past the end (badInput), changed on disk, operating system (io).
  Expected<void> readAt(std::uint64_t offset, std::span<std::byte> to) const;
  // As above into fresh memory; refused before allocating when the range is not inside the file.
  Expected<std::vector<std::byte>> readAt(std::uint64_t offset, std::uint64_t bytes) const;

 private:
  struct Descriptor;
  BoundedReader() = default;
  std::string path_;
  std::uint64_t size_ = 0;
  std::shared_ptr<const Descriptor> descriptor_;
};

// Little-endian integers from a buffer; the caller has checked the bounds.
template <class T>
T littleEndian(std::span<const std::byte> bytes, std::size_t offset) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value | (static_cast<T>(std::to_integer<unsigned>(bytes[offset + i])) << (8 * i)));
  return value;
}

}  // namespace orrery::modelfile
