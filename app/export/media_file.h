#pragma once
// MediaFile: a file that libav reads and writes through us, so that a full disk is told by the system's own error and nothing is buffered
// behind our back. Internal to app/export.

#include <memory>
#include <string>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

#include "core/base/expected.h"

namespace orrery::exporting {

// libav's objects, each freed by its own function.
struct AvFree {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
};
using FramePtr = std::unique_ptr<AVFrame, AvFree>;
using PacketPtr = std::unique_ptr<AVPacket, AvFree>;
using CodecPtr = std::unique_ptr<AVCodecContext, AvFree>;

// libav's words for an error number of its own.
std::string avErrorText(int code);
// Quiet: libav's remarks are for developers; what goes wrong is told by our sentences.
void quietAv();

class MediaFile {
 public:
  enum class Mode { read, write };
  static Expected<std::unique_ptr<MediaFile>> open(const std::string& path, Mode mode);
  ~MediaFile();
  MediaFile(const MediaFile&) = delete;
  MediaFile& operator=(const MediaFile&) = delete;

  AVIOContext* io() { return io_; }
  const std::string& path() const { return path_; }
  int failure() const { return failure_; }  // errno of the first read or write that failed; 0 = none
  // Everything to the disk; false with failure() set.
  bool flush();

 private:
  MediaFile(std::string path, int file) : path_(std::move(path)), file_(file) {}
  static int read(void* self, std::uint8_t* data, int size);
  static int write(void* self, std::uint8_t* data, int size);
  static std::int64_t seek(void* self, std::int64_t offset, int whence);

  std::string path_;
  int file_ = -1, failure_ = 0;
  AVIOContext* io_ = nullptr;
};

// "cannot write 'x': No space left on device" with the code E-OUT-03 when the disk (or a quota) is full.
Error writeError(const std::string& path, int number);
bool meansFull(int number);

}  // namespace orrery::exporting
