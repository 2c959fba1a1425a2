#pragma once
// A film as a player would show it: every frame decoded and turned back into sRGB.

#include <string>
#include <vector>

extern "C" {
#include <libswscale/swscale.h>
}

#include "app/export/video_stream.h"
#include "tests/support/catch.h"

namespace orrery::testing {

struct Film {
  std::vector<render::Pixels> frames;
  std::vector<double> times;  // s, when each is shown
  double duration = 0;        // s, as the container says
  std::string codec;
};

// `tolerant`: stops at damage instead of failing the test, as players do.
inline Film readFilm(const std::string& path, bool tolerant = false) {
  Film film;
  auto reader = exporting::VideoReader::open(path);
  if (!reader) {
    INFO(reader.error().message);
    REQUIRE(tolerant);
    return film;
  }
  const auto* stream = (*reader)->stream();
  film.codec = avcodec_get_name(stream->codecpar->codec_id);
  if ((*reader)->container()->duration > 0) film.duration = static_cast<double>((*reader)->container()->duration) / AV_TIME_BASE;
  SwsContext* scaler = nullptr;
  for (;;) {
    auto frame = (*reader)->decode();
    if (!frame && tolerant) break;
    REQUIRE(frame.hasValue());
    if (!*frame) break;
    const auto& one = **frame;
    scaler = sws_getCachedContext(scaler, one.width, one.height, static_cast<AVPixelFormat>(one.format), one.width, one.height, AV_PIX_FMT_RGBA,
                                  SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, nullptr, nullptr, nullptr);
    REQUIRE(scaler);
    if (one.colorspace == AVCOL_SPC_BT709) sws_setColorspaceDetails(scaler, sws_getCoefficients(SWS_CS_ITU709), 0, sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
    render::Pixels pixels{one.width, one.height, std::vector<std::uint8_t>(static_cast<std::size_t>(one.width) * static_cast<std::size_t>(one.height) * 4)};
    std::uint8_t* rows[] = {pixels.rgba.data()};
    const int stride[] = {one.width * 4};
    sws_scale(scaler, one.data, one.linesize, 0, one.height, rows, stride);
    film.frames.push_back(std::move(pixels));
    film.times.push_back(static_cast<double>(one.best_effort_timestamp) * av_q2d(stream->time_base));
  }
  sws_freeContext(scaler);
  return film;
}

// The mean over all pixels and channels of how far two pictures are apart, 0..255.
inline double distance(const render::Pixels& a, const render::Pixels& b) {
  REQUIRE(a.width == b.width);
  REQUIRE(a.height == b.height);
  double sum = 0;
  for (std::size_t i = 0; i < a.rgba.size(); ++i) {
    if (i % 4 != 3) sum += std::abs(static_cast<int>(a.rgba[i]) - static_cast<int>(b.rgba[i]));
  }
  return sum / (static_cast<double>(a.rgba.size()) * 0.75);
}

}  // namespace orrery::testing
