#pragma once
// One video track in one file: encoder and container together. Internal to app/export.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/export/media_file.h"
#include "core/render/renderer.h"

struct SwsContext;

namespace orrery::exporting {

using AvOptions = std::vector<std::pair<std::string, std::string>>;

struct VideoFormat {
  std::string encoder;                               // libavcodec's name: "libx264"
  std::string container;                             // libavformat's: "mp4", "webm", "matroska", "gif"
  AVPixelFormat pixels = AV_PIX_FMT_YUV420P;
  int width = 0, height = 0;
  AVRational rate{30, 1};                            // frames per second
  AvOptions encoderOptions, containerOptions;
  AvOptions tags;                                    // "title", "comment"
};

// sRGB pixels as a frame of another format; one converter for a row of frames of one size.
class FrameConverter {
 public:
  FrameConverter() = default;
  ~FrameConverter();
  FrameConverter(const FrameConverter&) = delete;
  FrameConverter& operator=(const FrameConverter&) = delete;
  // Null when memory is exhausted.
  FramePtr convert(const render::Pixels& pixels, AVPixelFormat format);

 private:
  SwsContext* scaler_ = nullptr;
  AVPixelFormat format_ = AV_PIX_FMT_NONE;
};

class VideoStream {
 public:
  static Expected<std::unique_ptr<VideoStream>> open(const std::string& path, const VideoFormat& format);
  ~VideoStream();

  // Frame number n is shown at n / rate.
  Expected<void> add(const render::Pixels& pixels);
  Expected<void> add(FramePtr frame);
  // Drains the encoder, closes the container and flushes the file to the disk.
  Expected<void> finish();

  std::int64_t frames() const { return frames_; }

 private:
  VideoStream() = default;
  Expected<void> take(AVFrame* frame);
  Error failed(int code) const;

  std::unique_ptr<MediaFile> file_;
  AVFormatContext* container_ = nullptr;
  CodecPtr encoder_;
  PacketPtr packet_;
  FrameConverter converter_;
  AVRational tick_{1, 30};
  std::int64_t frames_ = 0;
};

// The first of these encoders that this libavcodec has; empty when it has none.
std::string firstEncoder(const std::vector<std::string>& names);

// A file of ours opened for reading: its first video track.
class VideoReader {
 public:
  static Expected<std::unique_ptr<VideoReader>> open(const std::string& path);
  ~VideoReader();
  AVFormatContext* container() { return container_; }
  AVStream* stream() { return stream_; }
  // The next packet of the track; false at the end.
  Expected<bool> next(AVPacket* packet);
  // The next picture, decoded; null at the end.
  Expected<FramePtr> decode();

 private:
  VideoReader() = default;
  std::unique_ptr<MediaFile> file_;
  AVFormatContext* container_ = nullptr;
  AVStream* stream_ = nullptr;
  CodecPtr decoder_;
  PacketPtr packet_;
  bool drained_ = false;
};

// The same packets in another container. `goOn` is asked now and then and may stop it. Returns how many frames there were.
Expected<std::int64_t> remux(const std::string& from, const std::string& to, const VideoFormat& format, const std::function<bool(double)>& goOn);
// Frames of the video track, counted by reading all of it.
Expected<std::int64_t> countFrames(const std::string& path);

}  // namespace orrery::exporting
