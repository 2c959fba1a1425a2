#pragma once
// Films: pictures -> MP4 (H.264), WebM (VP9) or GIF (one palette for all frames), with the recipe inside.
//
// Whatever happens on the way, what was recorded is not lost and the target is never half a film: frames go to a part beside it
// (name.mp4.partial.mp4, fragmented: it plays up to its last fragment, a kill or a full disk notwithstanding). At the end its packets are copied
// into the real container (name.mp4.partial, index in front), that file is opened again and its frames counted, flushed and renamed; only
// then the part goes.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/render/renderer.h"

namespace orrery::exporting {

enum class FilmFormat { mp4, webm, gif };

// By the ending of the path; any other ending is a usage error that lists them.
Expected<FilmFormat> filmFormatOf(const std::string& path);

constexpr int smallestFilmSide = 64, largestFilmSide = 8192;  // px: beyond, encoders need more memory than most machines have
constexpr double slowestFilm = 1, fastestFilm = 120;          // frames per second
constexpr double fastestGif = 50;                             // viewers slow shorter delays down to a tenth of a second
constexpr std::int64_t longestFilm = 100000;                  // frames

struct FilmOptions {
  int width = 1280, height = 720;          // px
  double framesPerSecond = 30;
  std::string recipe, title;               // JSON text; empty = do not embed
  std::vector<std::string> encoders;       // libavcodec's names, tried in this order; empty = the format's usual ones
};

struct FilmWritten {
  std::string path;
  std::int64_t frames = 0;
  int width = 0, height = 0;
  double framesPerSecond = 0;
  std::uint64_t bytes = 0;
  std::string encoder;                     // "H.264 (libx264)"
  std::vector<std::string> notes;          // a side made even, an encoder that replaced a missing one
};

// Encodes on a thread of its own while the next frame is drawn. Used by one thread.
class FilmWriter {
 public:
  // What can be refused before anything is computed: ending, size, rate, a missing encoder.
  static Expected<void> check(const std::string& path, const FilmOptions& options);
  static Expected<std::unique_ptr<FilmWriter>> open(const std::string& path, const FilmOptions& options);
  // Without finish() nothing stays behind, except what a full disk stopped.
  ~FilmWriter();

  // The size of the frames to give: that asked for, or the next one the encoder takes.
  int width() const;
  int height() const;

  // Waits while the encoder is behind. The error of an earlier frame comes back here. Frames with alpha lose it.
  Expected<void> add(render::Pixels pixels);
  std::int64_t added() const;

  // Bytes the film will have, from the first frames of it; empty until there are enough of them, and for videos.
  std::optional<std::uint64_t> estimate(std::int64_t frames) const;

  // Everything into the target. `goOn` is called with the share done and may stop it.
  Expected<FilmWritten> finish(const std::function<bool(double)>& goOn = [](double) { return true; });

 private:
  FilmWriter();
  struct State;
  std::unique_ptr<State> state_;
};

// The recipe inside a film that FilmWriter wrote; notFound when there is none. `looksLikeFilm` tells by the first bytes.
bool looksLikeFilm(std::string_view head);
Expected<std::string> recipeInFilm(const std::string& path);

}  // namespace orrery::exporting
