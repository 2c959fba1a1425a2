#include "core/base/folder_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/base/text.h"

namespace orrery {

namespace {

namespace fs = std::filesystem;

Error refused(const fs::path& path, const std::string& reason) {
  return makeError(ErrorCode::io, trf("cannot write '{}': {}", path.string(), reason), "E-IO-05");
}

Error refused(const fs::path& path, int failure) { return refused(path, std::string(std::strerror(failure))); }

// Makes a folder and its missing parents; those it made are appended, outermost first.
std::error_code makeFolders(const fs::path& folder, std::vector<std::string>& made) {
  std::error_code failure;
  if (folder.empty() || fs::is_directory(folder, failure)) return {};
  if (const auto parent = makeFolders(folder.parent_path(), made)) return parent;
  // Another program may have made it in between.
  if (fs::create_directory(folder, failure)) made.push_back(folder.string());
  return failure;
}

constexpr const char* stagingName = ".orrery-partial-";

// Removes what killed processes left behind: staging folders whose process number is no longer in use.
void removeAbandoned(const fs::path& folder) {
  std::error_code ignored;
  std::vector<fs::path> abandoned;
  for (fs::directory_iterator entry(folder, ignored), end; !ignored && entry != end; entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(stagingName)) continue;
    const int process = std::atoi(name.c_str() + std::strlen(stagingName));
    if (process > 0 && ::kill(process, 0) != 0 && errno == ESRCH) abandoned.push_back(entry->path());
  }
  for (const auto& one : abandoned) fs::remove_all(one, ignored);
}

bool staysInside(const std::string& name) {
  const fs::path path(name);
  return !name.empty() && path.is_relative() && std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
}

}  // namespace

Expected<FolderWriter> FolderWriter::open(const std::string& folder) {
  // Without the slash at the end, so that every path has a parent.
  std::string trimmed = folder;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  if (trimmed.empty()) trimmed = ".";
  FolderWriter writer(trimmed);
  std::error_code failure;
  if (fs::exists(trimmed, failure) && !fs::is_directory(trimmed, failure)) return refused(trimmed, tr("it is not a folder"));
  if (const auto made = makeFolders(trimmed, writer.made_)) return refused(trimmed, made.message());
  removeAbandoned(trimmed);
  // Two writers of one process get folders of their own.
  std::string staging;
  for (int number = 0; staging.empty() || fs::exists(staging, failure); ++number) {
    staging = fmt::format("{}/{}{}-{}", trimmed, stagingName, ::getpid(), number);
  }
  if (!fs::create_directory(staging, failure)) return refused(trimmed, failure.message());
  writer.staging_ = staging;
  return writer;
}

FolderWriter::FolderWriter(FolderWriter&& other) noexcept
    : folder_(std::move(other.folder_)),
      staging_(std::exchange(other.staging_, {})),
      names_(std::move(other.names_)),
      made_(std::exchange(other.made_, {})),
      bytes_(other.bytes_) {}

FolderWriter::~FolderWriter() {
  std::error_code ignored;
  if (!staging_.empty()) fs::remove_all(staging_, ignored);
  // Innermost first; a folder that somebody else put something into stays.
  for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) fs::remove(*folder, ignored);
}

Expected<void> FolderWriter::write(const std::string& name, std::string_view content) {
  assert(!staging_.empty());
  if (!staysInside(name)) return refused(name, tr("the name leads out of the folder"));
  const fs::path shown = fs::path(folder_) / name, path = fs::path(staging_) / name;
  std::error_code failure;
  fs::create_directories(path.parent_path(), failure);
  if (failure) return refused(shown, failure.message());
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return refused(shown, errno);
  int error = 0;
  for (std::string_view rest = content; !rest.empty() && error == 0;) {
    const ssize_t count = ::write(file, rest.data(), rest.size());
    if (count >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (::close(file) != 0 && error == 0) error = errno;
  if (error != 0) return refused(shown, error);
  names_.push_back(name);
  bytes_ += content.size();
  return {};
}

Expected<FilesWritten> FolderWriter::commit() {
  assert(!staging_.empty());
  // Once for all files: one flush of the file system instead of thousands of single ones.
  if (const int folder = ::open(staging_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
    const int failed = ::syncfs(folder) != 0 ? errno : 0;
    ::close(folder);
    if (failed != 0) return refused(folder_, failed);
  }
  // What would stop a move is looked for before the first one.
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  std::error_code failure;
  for (const auto& name : names_) {
    const fs::path target = fs::path(folder_) / name;
    if (fs::is_directory(target, failure)) return refused(target, tr("it is a folder"));
    if (const auto folders = makeFolders(target.parent_path(), made_)) return refused(target, folders.message());
  }
  for (const auto& name : names_) {
    const fs::path target = fs::path(folder_) / name;
    fs::rename(fs::path(staging_) / name, target, failure);
    if (failure) return refused(target, failure.message());
  }
  fs::remove_all(staging_, failure);
  staging_.clear();
  made_.clear();
  return FilesWritten{folder_, static_cast<std::int64_t>(names_.size()), bytes_};
}

}  // namespace orrery
