#include "app/export/gif_palette.h"

#include <algorithm>

extern "C" {
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
}

#include "core/base/text.h"

namespace orrery::exporting {

namespace {

Error failed(int code) { return makeError(ErrorCode::internal, trf("the colours of the GIF could not be chosen: {}", avErrorText(code))); }

constexpr int paletteSide = 16;

}  // namespace

FilterGraph::~FilterGraph() { avfilter_graph_free(&graph_); }

Expected<void> FilterGraph::build(const std::string& description, const std::vector<std::pair<int, int>>& sizes) {
  graph_ = avfilter_graph_alloc();
  if (!graph_) return failed(AVERROR(ENOMEM));
  graph_->nb_threads = 1;
  AVFilterInOut *ins = nullptr, *outs = nullptr;
  int code = 0;
  for (std::size_t i = sizes.size(); i-- > 0 && code >= 0;) {
    const auto name = "in" + std::to_string(i);
    const auto arguments = fmt::format("video_size={}x{}:pix_fmt={}:time_base=1/100:pixel_aspect=1/1", sizes[i].first, sizes[i].second, static_cast<int>(gifInput));
    AVFilterContext* input = nullptr;
    code = avfilter_graph_create_filter(&input, avfilter_get_by_name("buffer"), name.c_str(), arguments.c_str(), nullptr, graph_);
    inputs_.insert(inputs_.begin(), input);
    auto* end = avfilter_inout_alloc();
    if (!end) code = AVERROR(ENOMEM);
    if (code < 0) break;
    *end = {av_strdup(name.c_str()), input, 0, outs};
    outs = end;
  }
  if (code >= 0) code = avfilter_graph_create_filter(&output_, avfilter_get_by_name("buffersink"), "out", nullptr, nullptr, graph_);
  if (code >= 0 && (ins = avfilter_inout_alloc())) {
    *ins = {av_strdup("out"), output_, 0, nullptr};
    code = avfilter_graph_parse_ptr(graph_, description.c_str(), &ins, &outs, nullptr);
  }
  avfilter_inout_free(&ins);
  avfilter_inout_free(&outs);
  if (code >= 0) code = avfilter_graph_config(graph_, nullptr);
  if (code < 0) return failed(code);
  return {};
}

Expected<void> FilterGraph::give(std::size_t input, AVFrame* frame) {
  const int code = av_buffersrc_add_frame_flags(inputs_[input], frame, AV_BUFFERSRC_FLAG_KEEP_REF | AV_BUFFERSRC_FLAG_PUSH);
  if (code < 0) return failed(code);
  return {};
}

Expected<FramePtr> FilterGraph::take() {
  FramePtr frame(av_frame_alloc());
  if (!frame) return failed(AVERROR(ENOMEM));
  const int code = av_buffersink_get_frame(output_, frame.get());
  if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return FramePtr();
  if (code < 0) return failed(code);
  return frame;
}

Expected<std::unique_ptr<PaletteMaker>> PaletteMaker::make(int width, int height) {
  std::unique_ptr<PaletteMaker> made(new PaletteMaker);
  if (auto built = made->build("[in0]palettegen=stats_mode=full[out]", {{width, height}}); !built) return built.error();
  return made;
}

Expected<FramePtr> PaletteMaker::finish() {
  if (auto ended = give(0, nullptr); !ended) return ended.error();
  auto palette = take();
  if (palette && !*palette) return failed(AVERROR_EOF);
  return palette;
}

Expected<std::unique_ptr<PaletteUser>> PaletteUser::make(int width, int height, AVFrame* palette) {
  std::unique_ptr<PaletteUser> made(new PaletteUser);
  // Only what changes is mapped anew, the weakest of the ordered patterns: flat grounds stay flat.
  if (auto built = made->build("[in0][in1]paletteuse=dither=bayer:bayer_scale=5:diff_mode=rectangle[out]", {{width, height}, {paletteSide, paletteSide}}); !built) {
    return built.error();
  }
  palette->pts = 0;
  if (auto given = made->give(1, palette); !given) return given.error();
  if (auto ended = made->give(1, nullptr); !ended) return ended.error();
  return made;
}

Expected<FramePtr> PaletteUser::map(AVFrame* frame) {
  frame->pts = count_++;
  if (auto given = give(0, frame); !given) return given.error();
  auto mapped = take();
  if (mapped && !*mapped) return failed(AVERROR(EAGAIN));
  return mapped;
}

Expected<std::uint64_t> estimateGif(const std::vector<FramePtr>& sample, std::int64_t frames) {
  if (sample.empty()) return std::uint64_t{0};
  const int width = sample.front()->width, height = sample.front()->height;
  auto maker = PaletteMaker::make(width, height);
  if (!maker) return maker.error();
  for (const auto& frame : sample) {
    if (auto added = (*maker)->add(frame.get()); !added) return added.error();
  }
  auto palette = (*maker)->finish();
  if (!palette) return palette.error();
  auto user = PaletteUser::make(width, height, palette->get());
  if (!user) return user.error();
  const auto* codec = avcodec_find_encoder(AV_CODEC_ID_GIF);
  CodecPtr encoder(codec ? avcodec_alloc_context3(codec) : nullptr);
  PacketPtr packet(av_packet_alloc());
  if (!encoder || !packet) return failed(AVERROR_ENCODER_NOT_FOUND);
  encoder->width = width;
  encoder->height = height;
  encoder->pix_fmt = AV_PIX_FMT_PAL8;
  encoder->time_base = {1, 100};
  if (const int code = avcodec_open2(encoder.get(), codec, nullptr); code < 0) return failed(code);
  std::vector<std::uint64_t> sizes;
  for (const auto& frame : sample) {
    auto mapped = (*user)->map(frame.get());
    if (!mapped) return mapped.error();
    int code = avcodec_send_frame(encoder.get(), mapped->get());
    if (code >= 0) code = avcodec_receive_packet(encoder.get(), packet.get());
    if (code < 0) return failed(code);
    sizes.push_back(static_cast<std::uint64_t>(packet->size));
    av_packet_unref(packet.get());
  }
  if (sizes.size() < 2) return sizes.front() * static_cast<std::uint64_t>(frames);
  std::uint64_t rest = 0;
  for (std::size_t i = 1; i < sizes.size(); ++i) rest += sizes[i];
  return sizes.front() + rest * static_cast<std::uint64_t>(std::max<std::int64_t>(frames - 1, 0)) / (sizes.size() - 1);
}

}  // namespace orrery::exporting
