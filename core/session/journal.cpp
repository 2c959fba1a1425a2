#include "core/session/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "core/base/files.h"
#include "core/base/text.h"

namespace orrery {

namespace {

constexpr std::string_view magic = "ORJ1";
constexpr std::size_t headBytes = 12;

void put(std::string& record, std::uint32_t word) {
  for (int shift = 0; shift < 32; shift += 8) record.push_back(static_cast<char>(word >> shift & 0xFF));
}

std::uint32_t get(std::string_view bytes) {
  std::uint32_t word = 0;
  for (int i = 0; i < 4; ++i) word |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)])) << (8 * i);
  return word;
}

std::uint32_t sumOf(std::string_view text) { return crc32(std::as_bytes(std::span<const char>(text.data(), text.size()))); }

// The good records from the beginning, and how many bytes they take.
std::uint64_t scan(std::string_view content, std::vector<std::string>* records) {
  std::size_t at = 0;
  while (content.size() - at >= headBytes && content.substr(at, magic.size()) == magic) {
    const std::uint32_t length = get(content.substr(at + 4)), sum = get(content.substr(at + 8));
    if (length > content.size() - at - headBytes) break;
    const auto text = content.substr(at + headBytes, length);
    if (sumOf(text) != sum) break;
    if (records) records->emplace_back(text);
    at += headBytes + length;
  }
  return at;
}

Error failed(const std::string& path) {
  return makeError(ErrorCode::io, trf("The recovery journal '{}' cannot be written: {}", path, std::string(std::strerror(errno))));
}

bool writeAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Journal::Journal(std::string path, int file, std::uint64_t bytes) : path_(std::move(path)), file_(file), bytes_(bytes) {}
Journal::Journal(Journal&& other) noexcept : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)), bytes_(other.bytes_) {}

Journal& Journal::operator=(Journal&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Journal::~Journal() {
  if (file_ >= 0) ::close(file_);
}

Expected<Journal> Journal::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return failed(path);
  Journal journal(path, file, 0);
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    return makeError(ErrorCode::io, trf("Another Orrery is using the recovery journal '{}'", path));
  }
  // Cut a torn record off, so that the next one can be found.
  const auto content = readWholeFile(path, largestFile + largestRecord + headBytes);
  const std::uint64_t good = content ? scan(*content, nullptr) : 0;
  if (::ftruncate(file, static_cast<off_t>(good)) != 0) return failed(path);
  journal.bytes_ = good;
  return journal;
}

Expected<void> Journal::append(std::string_view text) {
  if (text.size() > largestRecord)
    return makeError(ErrorCode::io, trf("This session is too large for the recovery journal ({} bytes)", text.size()));
  // The newest state is all that recovery needs, so a long journal starts again with it.
  if (bytes_ + text.size() > largestFile) {
    if (auto cleared = clear(); !cleared) return cleared;
  }
  std::string record(magic);
  put(record, static_cast<std::uint32_t>(text.size()));
  put(record, sumOf(text));
  record += text;
  if (!writeAll(file_, record)) {
    // Take back what was written of it: replay would stop there and never see later records.
    auto error = failed(path_);
    (void)!::ftruncate(file_, static_cast<off_t>(bytes_));
    return error;
  }
  bytes_ += record.size();
  return {};
}

Expected<void> Journal::clear() {
  if (::ftruncate(file_, 0) != 0) return failed(path_);
  bytes_ = 0;
  return {};
}

std::vector<std::string> Journal::replay(const std::string& path) {
  std::vector<std::string> records;
  if (const auto content = readWholeFile(path, largestFile + largestRecord + headBytes)) scan(*content, &records);
  return records;
}

}  // namespace orrery
