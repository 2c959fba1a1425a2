#include "core/modelfile/bounded_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/text.h"

namespace orrery::modelfile {

struct BoundedReader::Descriptor {
  int fd = -1;
  struct stat opened{};
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

std::optional<std::uint64_t> elementCount(std::span<const std::int64_t> shape) {
  // A zero extent empties the tensor, but the others must still be sane numbers.
  CheckedU64 count = 1;
  bool empty = false;
  for (const std::int64_t extent : shape) {
    if (extent < 0) return std::nullopt;
    if (extent == 0) empty = true;
    else count = count * static_cast<std::uint64_t>(extent);
  }
  if (count.overflowed() || count.value() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  return empty ? 0 : count.value();
}

std::string bytesAsText(std::uint64_t bytes) {
  if (bytes < 10000) {
    const std::string digits = std::to_string(bytes);
    return (digits.size() > 3 ? digits.substr(0, digits.size() - 3) + " " + digits.substr(digits.size() - 3) : digits) +
           (bytes == 1 ? " byte" : " bytes");
  }
  constexpr const char* units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  int unit = 0;
  while (value >= 1024 && unit < 5) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, value < 10 ? 1 : 0, units[unit]);
}

std::string shown(std::string_view name) {
  std::string result;
  const bool elided = name.size() > 120;
  if (elided) name = name.substr(0, 117);
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    // U+200E, U+200F, U+202A..U+202E, U+2066..U+2069 change the direction of the text around them.
    const bool direction = c == 0xE2 && i + 2 < name.size() &&
                           ((static_cast<unsigned char>(name[i + 1]) == 0x80 &&
                             (static_cast<unsigned char>(name[i + 2]) == 0x8E || static_cast<unsigned char>(name[i + 2]) == 0x8F ||
                              (static_cast<unsigned char>(name[i + 2]) >= 0xAA && static_cast<unsigned char>(name[i + 2]) <= 0xAE))) ||
                            (static_cast<unsigned char>(name[i + 1]) == 0x81 && static_cast<unsigned char>(name[i + 2]) >= 0xA6 &&
                             static_cast<unsigned char>(name[i + 2]) <= 0xA9));
    if (direction) {
      result += "\\u{dir}";
      i += 2;
    } else if (c < 0x20 || c == 0x7F) {
      result += fmt::format("\\x{:02x}", c);
    } else {
      result += static_cast<char>(c);
    }
  }
  return elided ? result + "..." : result;
}

Expected<BoundedReader> BoundedReader::open(const std::string& path) {
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::notFound : ErrorCode::io;
    return makeError(code, trf("cannot open '{}': {}", shown(path), std::strerror(errno)), "E-IN-01");
  }
  return adopt(descriptor, path);
}

Expected<BoundedReader> BoundedReader::adopt(int fd, const std::string& path) {
  auto descriptor = std::make_shared<Descriptor>();
  descriptor->fd = fd;
  if (::fstat(descriptor->fd, &descriptor->opened) != 0 || !S_ISREG(descriptor->opened.st_mode)) {
    return makeError(ErrorCode::badInput, trf("'{}' is not a regular file: pass a file on disk", shown(path)), "E-IN-02");
  }
  BoundedReader reader;
  reader.path_ = path;
  reader.size_ = static_cast<std::uint64_t>(descriptor->opened.st_size);
  reader.descriptor_ = std::move(descriptor);
  return reader;
}

Expected<void> BoundedReader::readAt(std::uint64_t offset, std::span<std::byte> to) const {
  if (offset > size_ || to.size() > size_ - offset) {
    return makeError(ErrorCode::badInput,
                     trf("'{}' ends at byte {}, but bytes {} to {} are needed: the file is truncated", shown(path_), size_, offset,
                         (CheckedU64(offset) + to.size()).value()),
                     "E-IN-05");
  }

  // Refuse a file that was replaced or cut since it was opened.
  struct stat now{};
  if (::fstat(descriptor_->fd, &now) != 0 || now.st_size != descriptor_->opened.st_size || now.st_ino != descriptor_->opened.st_ino ||
      now.st_mtim.tv_sec != descriptor_->opened.st_mtim.tv_sec || now.st_mtim.tv_nsec != descriptor_->opened.st_mtim.tv_nsec) {
    return makeError(ErrorCode::io, trf("'{}' changed on disk since it was opened: open it again", shown(path_)), "E-IN-06");
  }

  std::size_t done = 0;
  while (done < to.size()) {
    const ssize_t got = ::pread(descriptor_->fd, to.data() + done, to.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return makeError(ErrorCode::io, trf("reading '{}' failed: {}", shown(path_), std::strerror(errno)), "E-IN-07");
    if (got == 0) return makeError(ErrorCode::io, trf("'{}' changed on disk since it was opened: open it again", shown(path_)), "E-IN-06");
    done += static_cast<std::size_t>(got);
  }
  return {};
}

Expected<std::vector<std::byte>> BoundedReader::readAt(std::uint64_t offset, std::uint64_t bytes) const {
  if (offset > size_ || bytes > size_ - offset) {
    return makeError(ErrorCode::badInput,
                     trf("'{}' ends at byte {}, but {} are needed from byte {}: the file is truncated", shown(path_), size_,
                         bytesAsText(bytes), offset),
                     "E-IN-05");
  }
  std::vector<std::byte> result(bytes);
  if (auto read = readAt(offset, std::span<std::byte>(result)); !read) return read.error();
  return result;
}

}  // namespace orrery::modelfile
