// Frames into an encoder, packets into a container.

#include "app/export/video_stream.h"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
}

#include "core/base/text.h"

namespace orrery::exporting {

namespace {

Error noMemory() { return makeError(ErrorCode::outOfMemory, tr("The computer has too little memory for this; choose smaller values")); }

// A dictionary for libav, freed at the end.
class Dictionary {
 public:
  explicit Dictionary(const AvOptions& options) {
    for (const auto& [key, value] : options) av_dict_set(&entries_, key.c_str(), value.c_str(), 0);
  }
  ~Dictionary() { av_dict_free(&entries_); }
  Dictionary(const Dictionary&) = delete;
  Dictionary& operator=(const Dictionary&) = delete;
  AVDictionary** operator&() { return &entries_; }
  AVDictionary* release() { return std::exchange(entries_, nullptr); }

 private:
  AVDictionary* entries_ = nullptr;
};

}  // namespace

std::string firstEncoder(const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (avcodec_find_encoder_by_name(name.c_str())) return name;
  }
  return {};
}

FrameConverter::~FrameConverter() { sws_freeContext(scaler_); }

FramePtr FrameConverter::convert(const render::Pixels& pixels, AVPixelFormat format) {
  FramePtr frame(av_frame_alloc());
  if (!frame) return nullptr;
  frame->format = format;
  frame->width = pixels.width;
  frame->height = pixels.height;
  if (av_frame_get_buffer(frame.get(), 0) < 0) return nullptr;
  const bool video = format == AV_PIX_FMT_YUV420P;
  // Accurate rounding and full chroma: thin coloured lines on a plain ground are what these films are made of.
  const int flags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP | SWS_FULL_CHR_H_INT;
  scaler_ = sws_getCachedContext(scaler_, pixels.width, pixels.height, AV_PIX_FMT_RGBA, pixels.width, pixels.height, format, flags, nullptr, nullptr, nullptr);
  if (!scaler_) return nullptr;
  if (video && format_ != format) {
    // BT.709, limited range: what every player expects of a film without being told, and we tell it.
    const int* table = sws_getCoefficients(SWS_CS_ITU709);
    sws_setColorspaceDetails(scaler_, sws_getCoefficients(SWS_CS_DEFAULT), 1, table, 0, 0, 1 << 16, 1 << 16);
  }
  format_ = format;
  const std::uint8_t* rows[] = {pixels.rgba.data()};
  const int stride[] = {pixels.width * 4};
  if (sws_scale(scaler_, rows, stride, 0, pixels.height, frame->data, frame->linesize) != pixels.height) return nullptr;
  if (video) {
    frame->color_range = AVCOL_RANGE_MPEG;
    frame->colorspace = AVCOL_SPC_BT709;
    frame->color_primaries = AVCOL_PRI_BT709;
    frame->color_trc = AVCOL_TRC_IEC61966_2_1;
  }
  return frame;
}

Expected<std::unique_ptr<VideoStream>> VideoStream::open(const std::string& path, const VideoFormat& format) {
  auto file = MediaFile::open(path, MediaFile::Mode::write);
  if (!file) return file.error();
  std::unique_ptr<VideoStream> made(new VideoStream);
  made->file_ = *std::move(file);
  const auto* codec = avcodec_find_encoder_by_name(format.encoder.c_str());
  if (!codec) return makeError(ErrorCode::unsupported, trf("this libavcodec has no encoder '{}'", format.encoder));
  made->encoder_.reset(avcodec_alloc_context3(codec));
  made->packet_.reset(av_packet_alloc());
  if (!made->encoder_ || !made->packet_) return noMemory();
  if (avformat_alloc_output_context2(&made->container_, nullptr, format.container.c_str(), nullptr) < 0) return noMemory();

  auto& encoder = *made->encoder_;
  made->tick_ = format.container == "gif" ? AVRational{1, 100} : av_inv_q(format.rate);
  encoder.width = format.width;
  encoder.height = format.height;
  encoder.pix_fmt = format.pixels;
  encoder.time_base = made->tick_;
  encoder.framerate = format.rate;
  encoder.thread_count = 0;
  if (format.pixels == AV_PIX_FMT_YUV420P) {
    encoder.color_range = AVCOL_RANGE_MPEG;
    encoder.colorspace = AVCOL_SPC_BT709;
    encoder.color_primaries = AVCOL_PRI_BT709;
    encoder.color_trc = AVCOL_TRC_IEC61966_2_1;
  }
  if (made->container_->oformat->flags & AVFMT_GLOBALHEADER) encoder.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  Dictionary encoderOptions(format.encoderOptions);
  if (const int code = avcodec_open2(&encoder, codec, &encoderOptions); code < 0) return made->failed(code);

  made->container_->pb = made->file_->io();
  made->container_->url = av_strdup(("file:" + path).c_str());
  made->container_->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_FLUSH_PACKETS;
  Dictionary tags(format.tags);
  made->container_->metadata = tags.release();
  auto* stream = avformat_new_stream(made->container_, nullptr);
  if (!stream || avcodec_parameters_from_context(stream->codecpar, &encoder) < 0) return noMemory();
  stream->time_base = encoder.time_base;
  stream->avg_frame_rate = format.rate;
  Dictionary containerOptions(format.containerOptions);
  if (const int code = avformat_write_header(made->container_, &containerOptions); code < 0) return made->failed(code);
  return made;
}

VideoStream::~VideoStream() { avformat_free_context(container_); }

Error VideoStream::failed(int code) const {
  if (file_->failure() != 0) return writeError(file_->path(), file_->failure());
  if (code == AVERROR(ENOMEM)) return noMemory();
  return makeError(ErrorCode::internal, trf("the film '{}' could not be encoded: {}", file_->path(), avErrorText(code)));
}

Expected<void> VideoStream::take(AVFrame* frame) {
  if (const int code = avcodec_send_frame(encoder_.get(), frame); code < 0) return failed(code);
  for (;;) {
    const int code = avcodec_receive_packet(encoder_.get(), packet_.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return {};
    if (code < 0) return failed(code);
    auto* stream = container_->streams[0];
    packet_->stream_index = 0;
    if (packet_->duration == 0 && encoder_->codec_id != AV_CODEC_ID_GIF) packet_->duration = 1;
    av_packet_rescale_ts(packet_.get(), encoder_->time_base, stream->time_base);
    if (const int written = av_interleaved_write_frame(container_, packet_.get()); written < 0) return failed(written);
    if (file_->failure() != 0) return failed(0);
  }
}

Expected<void> VideoStream::add(const render::Pixels& pixels) {
  auto frame = converter_.convert(pixels, encoder_->pix_fmt);
  if (!frame) return noMemory();
  return add(std::move(frame));
}

Expected<void> VideoStream::add(FramePtr frame) {
  const auto rate = encoder_->framerate;
  frame->pts = av_rescale_q(frames_, av_inv_q(rate), tick_);
  frame->pict_type = AV_PICTURE_TYPE_NONE;
  ++frames_;
  return take(frame.get());
}

Expected<void> VideoStream::finish() {
  if (auto drained = take(nullptr); !drained) return drained;
  const int code = av_write_trailer(container_);
  if (code < 0) return failed(code);
  if (!file_->flush()) return failed(0);
  return {};
}

Expected<std::int64_t> remux(const std::string& from, const std::string& to, const VideoFormat& format, const std::function<bool(double)>& goOn) {
  auto source = VideoReader::open(from);
  if (!source) return source.error();
  auto file = MediaFile::open(to, MediaFile::Mode::write);
  if (!file) return file.error();
  struct Container {
    AVFormatContext* context = nullptr;
    ~Container() { avformat_free_context(context); }
  } target;
  if (avformat_alloc_output_context2(&target.context, nullptr, format.container.c_str(), nullptr) < 0) return noMemory();
  const auto failed = [&](int code) {
    if ((*file)->failure() != 0) return writeError(to, (*file)->failure());
    return makeError(ErrorCode::internal, trf("the film '{}' could not be encoded: {}", to, avErrorText(code)));
  };
  target.context->pb = (*file)->io();
  target.context->url = av_strdup(("file:" + to).c_str());  // the index is moved to the front by reading the file once more
  target.context->flags |= AVFMT_FLAG_CUSTOM_IO;
  Dictionary tags(format.tags);
  target.context->metadata = tags.release();
  auto* in = (*source)->stream();
  auto* out = avformat_new_stream(target.context, nullptr);
  if (!out || avcodec_parameters_copy(out->codecpar, in->codecpar) < 0) return noMemory();
  out->codecpar->codec_tag = 0;
  out->codecpar->width = format.width;  // the reader of MPEG-4 Part 2 leaves them to the decoder
  out->codecpar->height = format.height;
  out->time_base = av_inv_q(format.rate);
  out->avg_frame_rate = format.rate;
  Dictionary options(format.containerOptions);
  if (const int code = avformat_write_header(target.context, &options); code < 0) return failed(code);
  PacketPtr packet(av_packet_alloc());
  if (!packet) return noMemory();
  const auto size = static_cast<double>(std::max<std::int64_t>(avio_size((*source)->container()->pb), 1));
  std::int64_t frames = 0, first = 0;
  for (;;) {
    const auto more = (*source)->next(packet.get());
    if (!more) return more.error();
    if (!*more) break;
    // Fragments cannot say that a film begins before its first decoding time; the film begins at its first picture.
    if (frames == 0 && packet->pts != AV_NOPTS_VALUE) first = packet->pts;
    if (packet->pts != AV_NOPTS_VALUE) packet->pts -= first;
    if (packet->dts != AV_NOPTS_VALUE) packet->dts -= first;
    if (!goOn(static_cast<double>(avio_tell((*source)->container()->pb)) / size)) return makeError(ErrorCode::cancelled, tr("Cancelled: nothing was written"));
    av_packet_rescale_ts(packet.get(), in->time_base, out->time_base);
    packet->stream_index = 0;
    packet->pos = -1;
    if (const int code = av_interleaved_write_frame(target.context, packet.get()); code < 0) return failed(code);
    ++frames;
  }
  if (const int code = av_write_trailer(target.context); code < 0) return failed(code);
  if (!(*file)->flush()) return failed(0);
  return frames;
}

Expected<std::int64_t> countFrames(const std::string& path) {
  auto reader = VideoReader::open(path);
  if (!reader) return reader.error();
  PacketPtr packet(av_packet_alloc());
  if (!packet) return noMemory();
  for (std::int64_t frames = 0;; ++frames) {
    const auto more = (*reader)->next(packet.get());
    if (!more) return more.error();
    if (!*more) return frames;
    av_packet_unref(packet.get());
  }
}

}  // namespace orrery::exporting
