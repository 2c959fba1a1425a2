#include "core/base/file_format.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "core/base/registry.h"
#include "core/base/text.h"

namespace orrery {

namespace {

// A format that knows a file only by its name scores below this; content that has a name of its own goes before it.
constexpr int convinced = 10;

// File names may hold control characters; they are shown as \\xNN.
std::string shown(const std::string& path) {
  std::string result;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) result += fmt::format("\\x{:02x}", byte);
    else result += c;
  }
  return result;
}

// Weights are what most often arrives as a pointer or a web page; the checklist of that format has its own codes for it.
const char* codeFor(const std::string& path, const char* general, const char* ofSafetensors) {
  return path.ends_with(".safetensors") ? ofSafetensors : general;
}

Error bad(const char* id, std::string message) { return makeError(ErrorCode::badInput, std::move(message), id); }

bool startsWith(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

// "size 1991879104" of a Git LFS pointer, or an empty view.
std::string_view pointerSize(std::string_view text) {
  const std::size_t at = text.find("\nsize ");
  if (at == std::string_view::npos) return {};
  std::size_t end = at + 6;
  while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end]))) ++end;
  return text.substr(at + 6, end - at - 6);
}

// The words for content that is never what the user meant, whatever a format thinks of it.
std::optional<Error> impostor(const FileHead& file) {
  const std::string_view text(reinterpret_cast<const char*>(file.head.data()), file.head.size());
  const std::string path = shown(file.path);
  if (startsWith(text, "version https://git-lfs")) {
    return bad(codeFor(path, "E-IN-11", "E-ST-02"), trf("'{}' is a Git LFS pointer, not the file itself ({} bytes expected): run `git lfs pull`", path, pointerSize(text)));
  }
  std::string start(text.substr(0, 512));
  std::transform(start.begin(), start.end(), start.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::size_t first = start.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  const std::string_view trimmed = first == std::string::npos ? std::string_view() : std::string_view(start).substr(first);
  if (startsWith(trimmed, "<!doctype html") || startsWith(trimmed, "<html") || startsWith(trimmed, "<head")) {
    return bad(codeFor(path, "E-IN-12", "E-ST-03"), trf("'{}' is a web page, not data: the download failed or asked for a login; download it again", path));
  }
  return std::nullopt;
}

// The words for content that we can name but that no format reads.
std::optional<Error> nameable(const FileHead& file) {
  const std::string_view text(reinterpret_cast<const char*>(file.head.data()), file.head.size());
  const std::string path = shown(file.path);
  if (startsWith(text, "\x1F\x8B")) return bad("E-IN-13", trf("'{}' is compressed with gzip: unpack it first (gunzip)", path));
  if (startsWith(text, "7z\xBC\xAF\x27\x1C")) return bad("E-IN-13", trf("'{}' is a 7z archive: unpack it first", path));
  if (text.size() > 262 && text.substr(257, 5) == "ustar") return bad("E-IN-13", trf("'{}' is a tar archive: unpack it first", path));
  if (!text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c == '\0'; })) {
    return bad("E-IN-14", trf("'{}' begins with {} zero bytes: the copy or download did not finish", path, text.size()));
  }
  return std::nullopt;
}

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Expected<FileReport> inspectFile(const std::string& path, const InspectOptions& options) {
  // Only regular files and folders; pipes and devices could block or never end.
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return makeError(errno == ENOENT ? ErrorCode::notFound : ErrorCode::io, trf("cannot open '{}': {}", shown(path), std::strerror(errno)), "E-IN-01");
  }
  const bool isFolder = S_ISDIR(status.st_mode);
  if (!isFolder && !S_ISREG(status.st_mode)) return bad("E-IN-02", trf("'{}' is not a regular file: pass a file on disk", shown(path)));

  // Read the head.
  std::vector<std::byte> head;
  FileHead file{path, {}, static_cast<std::uint64_t>(status.st_size), isFolder};
  if (!isFolder) {
    Descriptor descriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (descriptor.fd < 0) return makeError(ErrorCode::io, trf("cannot open '{}': {}", shown(path), std::strerror(errno)), "E-IN-01");
    head.resize(static_cast<std::size_t>(std::min<std::uint64_t>(file.bytes, 4096)));
    std::size_t done = 0;
    while (done < head.size()) {
      const ssize_t got = ::pread(descriptor.fd, head.data() + done, head.size() - done, static_cast<off_t>(done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return makeError(ErrorCode::io, trf("reading '{}' failed: {}", shown(path), std::strerror(errno)), "E-IN-07");
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    head.resize(done);
    file.head = head;
    if (auto error = impostor(file)) return *error;
  }

  // Let the format that is surest of it read it.
  const FileFormat* best = nullptr;
  int bestScore = 0;
  for (const FileFormat& format : registered<FileFormat>()) {
    if (const int score = format.probe(file); score > bestScore) {
      bestScore = score;
      best = &format;
    }
  }
  if (bestScore < convinced) {
    if (auto error = nameable(file)) return *error;
  }
  if (best != nullptr) return best->inspect(path, options);   // also of an empty file, which means "no objects" to some formats

  if (!isFolder && head.empty()) return bad("E-IN-03", trf("'{}' is empty (0 bytes): the copy or download did not finish", shown(path)));
  if (isFolder) {
    return bad("E-IN-15", trf("'{}' is a folder without pictures or detection files: expected PNG, JPEG, VOC Annotations/*.xml, YOLO labels/*.txt or results", shown(path)));
  }
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text[0] == '{' && (text.find("\"error\"") != std::string_view::npos || text.find("\"message\"") != std::string_view::npos)) {
    return bad("E-IN-12", trf("'{}' is an error message from a server, not data: {}", shown(path), text.substr(0, 120)));
  }
  if (text.find('\0') != std::string_view::npos) {
    return bad("E-IN-04", trf("'{}' is a binary file of a kind nothing here reads: expected safetensors, npz, npy, PNG or JPEG", shown(path)));
  }
  return bad("E-IN-04", trf("'{}' is text of a kind nothing here reads: expected points (CSV), detections (COCO, VOC, YOLO, CSV) or a figure", shown(path)));
}

}  // namespace orrery
