#include "core/modelfile/side_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "core/base/text.h"

namespace orrery::modelfile {

namespace {

struct Folder {
  int fd = -1;
  ~Folder() {
    if (fd >= 0) ::close(fd);
  }
};

// Names that mean a device on some system, whatever follows the dot.
bool reserved(std::string_view part) {
  std::string name(part.substr(0, part.find('.')));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (name == "CON" || name == "PRN" || name == "AUX" || name == "NUL") return true;
  return name.size() == 4 && (name.starts_with("COM") || name.starts_with("LPT")) && std::isdigit(static_cast<unsigned char>(name[3]));
}

// The parts between the slashes; none when the place is not plainly below the folder.
std::vector<std::string> partsOf(std::string_view location) {
  std::vector<std::string> parts;
  if (location.empty() || location.size() > 4096 || location.find_first_of(std::string_view("\\:\0", 3)) != std::string_view::npos)
    return {};
  for (std::size_t at = 0; at <= location.size();) {
    const std::size_t end = std::min(location.find('/', at), location.size());
    const std::string_view part = location.substr(at, end - at);
    at = end + 1;
    if (part == "." && end < location.size()) continue;
    if (part.empty() || part == "." || part == ".." || reserved(part)) return {};
    parts.emplace_back(part);
  }
  return parts;
}

}  // namespace

Expected<BoundedReader> openSideFile(const std::string& owner, std::string_view location) {
  const auto parts = partsOf(location);
  if (parts.empty()) {
    return makeError(ErrorCode::badInput, trf("the side file '{}' lies outside the model's folder; refused", shown(location)), "E-OX-08");
  }
  const auto parent = std::filesystem::path(owner).parent_path();
  Folder folder{::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder.fd < 0) {
    return makeError(ErrorCode::io, trf("cannot open the folder of '{}': {}", shown(owner), std::strerror(errno)), "E-IN-01");
  }
  const auto refused = [&](const std::string& part) {
    if (errno == ENOENT) {
      return makeError(ErrorCode::notFound, trf("the side file '{}' is not there: put it beside '{}'", shown(location), shown(owner)),
                       "E-OX-12");
    }
    return makeError(
        ErrorCode::badInput,
        trf("'{}' of the side file '{}' is a link, or no plain file or folder; links are not followed", shown(part), shown(location)),
        "E-OX-09");
  };
  // Part by part, so that no link on the way is followed, whatever changes meanwhile.
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    const int next = ::openat(folder.fd, parts[i].c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0) return refused(parts[i]);
    ::close(folder.fd);
    folder.fd = next;
  }
  const int file = ::openat(folder.fd, parts.back().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return refused(parts.back());
  struct stat status {};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1) {
    ::close(file);
    errno = 0;
    return refused(parts.back());
  }
  return BoundedReader::adopt(file, (parent / std::string(location)).string());
}

}  // namespace orrery::modelfile
