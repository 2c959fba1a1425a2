#include "core/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/base/text.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;

// Closes a file descriptor at the end of the scope.
struct Descriptor {
  int number = -1;
  explicit Descriptor(int descriptor) : number(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  int close() {
    const int result = ::close(number);
    number = -1;
    return result;
  }
};

Error refused(std::string_view pattern, const std::string& path, int failure) {
  const ErrorCode code = failure == ENOENT ? ErrorCode::notFound : ErrorCode::io;
  return makeError(code, fmt::format(fmt::runtime(tr(pattern)), path, std::strerror(failure)), "E-IO-01");
}

// Writes all bytes or returns the error number.
int writeAll(int file, std::string_view content) {
  while (!content.empty()) {
    const ssize_t count = ::write(file, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(count));
  }
  return 0;
}

// Creates the folder and says whether we may write into it.
bool usableFolder(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  return fs::is_directory(folder, failure) && ::access(folder.c_str(), W_OK | X_OK) == 0;
}

std::string userFolder(const char* variable, const char* belowHome, const char* name) {
  fs::path base;
  if (const char* set = std::getenv(variable); set != nullptr && *set == '/') {
    base = set;
  } else if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    base = fs::path(home) / belowHome;
  }
  if (!base.empty() && usableFolder(base / "orrery")) return (base / "orrery").string();
  // Fall back to a folder of our own among the temporary files; its name carries the user so that two users do not meet.
  std::error_code ignored;
  const fs::path temporary = fs::temp_directory_path(ignored) / ("orrery-" + std::to_string(::getuid())) / name;
  usableFolder(temporary);
  return temporary.string();
}

}  // namespace

Expected<std::string> readWholeFile(const std::string& path, std::uint64_t limit) {
  // O_NONBLOCK: opening a FIFO without a writer would wait for ever.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number < 0) return refused("cannot read '{}': {}", path, errno);
  struct stat status {};
  if (::fstat(file.number, &status) != 0) return refused("cannot read '{}': {}", path, errno);
  if (!S_ISREG(status.st_mode)) return makeError(ErrorCode::badInput, trf("'{}' is not a regular file", path), "E-IO-02");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > limit) {
    return makeError(ErrorCode::badInput, trf("'{}' has {} bytes; at most {} are read here", path, size, limit), "E-IO-03");
  }
  // Read until the end and not only `size` bytes: files of /proc report size 0.
  std::string content;
  content.reserve(size + 1);
  char chunk[65536];
  for (;;) {
    const ssize_t count = ::read(file.number, chunk, sizeof chunk);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return refused("cannot read '{}': {}", path, errno);
    if (count == 0) break;
    if (content.size() + static_cast<std::uint64_t>(count) > limit) {
      return makeError(ErrorCode::badInput, trf("'{}' has more than the {} bytes that are read here", path, limit), "E-IO-03");
    }
    content.append(chunk, static_cast<std::size_t>(count));
  }
  return content;
}

Expected<void> writeFileAtomically(const std::string& path, std::string_view content) {
  std::error_code ignored;
  // Follow links, so that the file a link points to is replaced and not the link.
  const fs::path target = fs::is_symlink(fs::path(path), ignored) ? fs::weakly_canonical(path, ignored) : fs::path(path);
  mode_t mode = 0666;   // for a new file, less the user's umask
  bool replaces = false;
  struct stat status {};
  if (::stat(target.c_str(), &status) == 0) {
    replaces = true;
    if (S_ISDIR(status.st_mode)) return makeError(ErrorCode::io, trf("cannot write '{}': it is a folder", path), "E-IO-04");
    mode = status.st_mode & 0777;
    if (!S_ISREG(status.st_mode)) {
      // A pipe or a terminal such as /dev/stdout cannot be replaced, only written to.
      Descriptor file(::open(target.c_str(), O_WRONLY | O_CLOEXEC));
      if (file.number < 0) return refused("cannot write '{}': {}", path, errno);
      if (const int failure = writeAll(file.number, content)) return refused("cannot write '{}': {}", path, failure);
      return {};
    }
  }
  const std::string partial = target.string() + ".partial";
  Descriptor file(::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (file.number < 0) return refused("cannot write '{}': {}", path, errno);
  int failure = writeAll(file.number, content);
  if (failure == 0 && replaces && ::fchmod(file.number, mode) != 0) failure = errno;
  if (failure == 0 && ::fsync(file.number) != 0) failure = errno;
  if (file.close() != 0 && failure == 0) failure = errno;
  if (failure == 0 && ::rename(partial.c_str(), target.c_str()) != 0) failure = errno;
  if (failure != 0) {
    ::unlink(partial.c_str());
    return refused("cannot write '{}': {}", path, failure);
  }
  // Flush the folder too, so that the new name survives a power cut.
  const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
  Descriptor folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.number >= 0) ::fsync(folder.number);
  return {};
}

std::string cacheFolder() { return userFolder("XDG_CACHE_HOME", ".cache", "cache"); }
std::string configFolder() { return userFolder("XDG_CONFIG_HOME", ".config", "config"); }
std::string stateFolder() { return userFolder("XDG_STATE_HOME", ".local/state", "state"); }

std::string resourceFolder() {
  static const std::string folder = [] {
    std::error_code ignored;
    if (const char* set = std::getenv("ORRERY_RESOURCES"); set != nullptr && fs::is_directory(fs::path(set) / "i18n", ignored)) {
      return std::string(set);
    }
    const fs::path executable = fs::read_symlink("/proc/self/exe", ignored);
    if (!executable.empty()) {
      const fs::path installed = executable.parent_path().parent_path() / "share" / "orrery";
      if (fs::is_directory(installed / "i18n", ignored)) return installed.string();
    }
    return std::string(ORRERY_SOURCE_FOLDER) + "/resources";
  }();
  return folder;
}

}  // namespace orrery
