// Reading a film back: to put its packets into another container, to count its frames, to look at them.

#include "app/export/video_stream.h"
#include "core/base/text.h"

namespace orrery::exporting {

namespace {
// Only what we write ourselves is read: fewer parsers for a stranger's file to attack.
constexpr const char* readable = "mov,mp4,matroska,webm,gif";

Error unreadable(const std::string& path, int code) {
  return makeError(ErrorCode::badInput, trf("'{}' cannot be read as a film: {}", path, avErrorText(code)));
}
}  // namespace

Expected<std::unique_ptr<VideoReader>> VideoReader::open(const std::string& path) {
  auto file = MediaFile::open(path, MediaFile::Mode::read);
  if (!file) return file.error();
  std::unique_ptr<VideoReader> made(new VideoReader);
  made->file_ = *std::move(file);
  made->packet_.reset(av_packet_alloc());
  made->container_ = avformat_alloc_context();
  if (!made->packet_ || !made->container_) return unreadable(path, AVERROR(ENOMEM));
  made->container_->pb = made->file_->io();
  made->container_->flags |= AVFMT_FLAG_CUSTOM_IO;
  made->container_->format_whitelist = av_strdup(readable);
  made->container_->protocol_whitelist = av_strdup("");  // a film refers to no other file
  // Frees the context when it fails.
  if (const int code = avformat_open_input(&made->container_, nullptr, nullptr, nullptr); code < 0) return unreadable(path, code);
  for (unsigned i = 0; i < made->container_->nb_streams && !made->stream_; ++i) {
    if (made->container_->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) made->stream_ = made->container_->streams[i];
  }
  if (!made->stream_) return makeError(ErrorCode::badInput, trf("'{}' has no picture track", path));
  return made;
}

VideoReader::~VideoReader() { avformat_close_input(&container_); }

Expected<bool> VideoReader::next(AVPacket* packet) {
  for (;;) {
    const int code = av_read_frame(container_, packet);
    if (code == AVERROR_EOF) return false;
    if (code < 0) return unreadable(file_->path(), code);
    if (packet->stream_index == stream_->index) return true;
    av_packet_unref(packet);
  }
}

Expected<FramePtr> VideoReader::decode() {
  const auto& path = file_->path();
  if (!decoder_) {
    const auto* codec = avcodec_find_decoder(stream_->codecpar->codec_id);
    decoder_.reset(codec ? avcodec_alloc_context3(codec) : nullptr);
    if (!decoder_) return unreadable(path, AVERROR_DECODER_NOT_FOUND);
    if (const int code = avcodec_parameters_to_context(decoder_.get(), stream_->codecpar); code < 0) return unreadable(path, code);
    decoder_->thread_count = 0;
    if (const int code = avcodec_open2(decoder_.get(), codec, nullptr); code < 0) return unreadable(path, code);
  }
  FramePtr frame(av_frame_alloc());
  if (!frame) return unreadable(path, AVERROR(ENOMEM));
  for (;;) {
    const int code = avcodec_receive_frame(decoder_.get(), frame.get());
    if (code == 0) return frame;
    if (code == AVERROR_EOF) return FramePtr();
    if (code != AVERROR(EAGAIN)) return unreadable(path, code);
    if (drained_) return FramePtr();
    const auto more = next(packet_.get());
    if (!more) return more.error();
    drained_ = !*more;
    const int sent = avcodec_send_packet(decoder_.get(), *more ? packet_.get() : nullptr);
    av_packet_unref(packet_.get());
    if (sent < 0 && sent != AVERROR_EOF) return unreadable(path, sent);
  }
}

}  // namespace orrery::exporting
