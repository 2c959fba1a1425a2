#include "app/export/media_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/text.h"

namespace orrery::exporting {

namespace {
constexpr int bufferBytes = 1 << 16;
}

std::string avErrorText(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof text);
  return text;
}

void quietAv() { av_log_set_level(AV_LOG_QUIET); }

bool meansFull(int number) { return number == ENOSPC || number == EDQUOT || number == EFBIG; }

Error writeError(const std::string& path, int number) {
  return makeError(ErrorCode::io, trf("cannot write '{}': {}", path, std::string(std::strerror(number))), meansFull(number) ? "E-OUT-03" : "");
}

Expected<std::unique_ptr<MediaFile>> MediaFile::open(const std::string& path, Mode mode) {
  quietAv();
  const int flags = mode == Mode::write ? O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC : O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  const int file = ::open(path.c_str(), flags, 0666);
  if (file < 0) {
    if (mode == Mode::write) return writeError(path, errno);
    return makeError(errno == ENOENT ? ErrorCode::notFound : ErrorCode::io, trf("cannot read '{}': {}", path, std::string(std::strerror(errno))));
  }
  std::unique_ptr<MediaFile> made(new MediaFile(path, file));
  struct stat status {};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    return makeError(ErrorCode::io, mode == Mode::write ? trf("cannot write '{}': it is not a regular file", path)
                                                        : trf("cannot read '{}': it is not a regular file", path));
  }
  auto* buffer = static_cast<std::uint8_t*>(av_malloc(bufferBytes));
  if (buffer) made->io_ = avio_alloc_context(buffer, bufferBytes, mode == Mode::write ? 1 : 0, made.get(), read, write, seek);
  if (!made->io_) {
    av_free(buffer);
    return makeError(ErrorCode::outOfMemory, tr("The computer has too little memory for this; choose smaller values"));
  }
  return made;
}

MediaFile::~MediaFile() {
  if (io_) {
    av_freep(&io_->buffer);
    avio_context_free(&io_);
  }
  if (file_ >= 0) ::close(file_);
}

bool MediaFile::flush() {
  avio_flush(io_);
  if (failure_ == 0 && ::fsync(file_) != 0) failure_ = errno;
  return failure_ == 0;
}

int MediaFile::read(void* self, std::uint8_t* data, int size) {
  auto& file = *static_cast<MediaFile*>(self);
  for (;;) {
    const auto got = ::read(file.file_, data, static_cast<std::size_t>(size));
    if (got > 0) return static_cast<int>(got);
    if (got == 0) return AVERROR_EOF;
    if (errno == EINTR) continue;
    file.failure_ = errno;
    return AVERROR(errno);
  }
}

int MediaFile::write(void* self, std::uint8_t* data, int size) {
  auto& file = *static_cast<MediaFile*>(self);
  // After the first failure nothing more: a hole in the middle would make the part before it worthless too.
  if (file.failure_ != 0) return AVERROR(file.failure_);
  for (int done = 0; done < size;) {
    const auto put = ::write(file.file_, data + done, static_cast<std::size_t>(size - done));
    if (put >= 0) {
      done += static_cast<int>(put);
    } else if (errno != EINTR) {
      file.failure_ = errno;
      return AVERROR(errno);
    }
  }
  return size;
}

std::int64_t MediaFile::seek(void* self, std::int64_t offset, int whence) {
  auto& file = *static_cast<MediaFile*>(self);
  if (whence == AVSEEK_SIZE) {
    struct stat status {};
    return ::fstat(file.file_, &status) == 0 ? status.st_size : AVERROR(errno);
  }
  const auto at = ::lseek(file.file_, offset, whence & ~AVSEEK_FORCE);
  return at < 0 ? AVERROR(errno) : at;
}

}  // namespace orrery::exporting
