#include "app/export/film.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>

#include "app/export/film_recipe.h"
#include "app/export/gif_palette.h"
#include "app/export/video_stream.h"
#include "core/base/text.h"

namespace orrery::exporting {

namespace {

// Frames drawn ahead of the encoder; more would only hold memory.
constexpr std::size_t mostWaiting = 3;
// A key frame this often: how coarsely players seek.
constexpr double keyFrameSeconds = 2;
// A fragment of the part holds so much film: what a kill may cost beside what the encoder still holds.
constexpr const char *fragmentMicroseconds = "500000", *fragmentMilliseconds = "500";
// Recording stops while this much is left on the disk, so that the film can still be closed and other programs still write. A small disk
// keeps a twentieth.
constexpr std::uint64_t reserveBytes = 200u << 20;
constexpr int framesPerSpaceCheck = 16;
// Frames at the start from which the size of a GIF is estimated.
constexpr std::size_t sampleFrames = 8;

std::string endingOf(const std::string& path) {
  auto text = std::filesystem::path(path).extension().string();
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

std::vector<std::string> usualEncoders(FilmFormat format) {
  if (format == FilmFormat::mp4) return {"libx264", "libopenh264", "mpeg4"};
  if (format == FilmFormat::webm) return {"libvpx-vp9"};
  return {"gif"};
}

std::string titleOf(const std::string& encoder) {
  if (encoder == "libx264" || encoder == "libopenh264") return "H.264 (" + encoder + ")";
  if (encoder == "mpeg4") return "MPEG-4 Part 2 (mpeg4)";
  return encoder == "libvpx-vp9" ? "VP9 (libvpx-vp9)" : encoder == "gif" ? "GIF" : encoder;
}

// Quality over size: lines of one pixel and small text have to stay readable.
AvOptions settingsOf(const std::string& encoder, AVRational rate) {
  const auto keyFrames = std::to_string(std::max(1L, std::lround(av_q2d(rate) * keyFrameSeconds)));
  if (encoder == "libx264") return {{"preset", "veryfast"}, {"crf", "17"}, {"g", keyFrames}};
  if (encoder == "libvpx-vp9") return {{"crf", "22"}, {"b", "0"}, {"deadline", "realtime"}, {"cpu-used", "7"}, {"row-mt", "1"}, {"tile-columns", "1"}, {"g", keyFrames}};
  if (encoder == "mpeg4") return {{"flags", "+qscale"}, {"global_quality", std::to_string(2 * FF_QP2LAMBDA)}, {"g", keyFrames}};
  if (encoder == "libopenh264") return {{"b", "8000000"}, {"g", keyFrames}};
  if (encoder == "ffv1") return {{"level", "3"}, {"slices", "4"}, {"slicecrc", "0"}, {"coder", "0"}, {"context", "0"}, {"g", "1"}};
  return {};
}

bool needsEvenSides(const std::string& encoder) { return encoder == "libx264" || encoder == "libopenh264" || encoder == "mpeg4"; }

// The folder's entry too: a rename is on the disk only when its folder is.
void flushFolder(const std::string& path) {
  auto folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

void removeFile(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored)) std::filesystem::remove(path, ignored);
}

}  // namespace

Expected<FilmFormat> filmFormatOf(const std::string& path) {
  const auto ending = endingOf(path);
  if (ending == ".mp4") return FilmFormat::mp4;
  if (ending == ".webm") return FilmFormat::webm;
  if (ending == ".gif") return FilmFormat::gif;
  return makeError(ErrorCode::usage, trf("'{}' must end in one of {}", path, ".mp4, .webm, .gif"), "E-OUT-01");
}

struct FilmWriter::State {
  FilmFormat format = FilmFormat::mp4;
  FilmOptions options;
  std::string path, partPath, targetPath;  // what was asked for, the part, the finished file before its renaming
  VideoFormat part, target;
  std::string encoder;
  std::vector<std::string> notes;
  std::unique_ptr<VideoStream> stream;     // writes the part
  std::unique_ptr<PaletteMaker> palette;   // GIF
  FrameConverter converter;                // GIF
  std::vector<FramePtr> sample;            // GIF: the first frames
  bool keepPart = false;                   // a full disk stopped the recording: what is there plays
  std::int64_t added = 0;

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<render::Pixels> waiting;
  bool ended = false, given = false;       // no more frames; given up
  std::optional<Error> error;
  std::optional<std::uint64_t> firstEstimate, laterEstimate;  // of the first frame, and of each further one
  std::thread thread;

  void run();
  Expected<void> encode(const render::Pixels& pixels, std::int64_t number);
  Expected<void> checkSpace(std::int64_t number);
  Expected<std::int64_t> makeGif(const std::function<bool(double)>& goOn);
  Error stopped(const Error& cause, std::int64_t recorded);
  void stop();
};

void FilmWriter::State::run() {
  std::int64_t number = 0;
  for (;;) {
    render::Pixels next;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return ended || given || !waiting.empty(); });
      if (given || waiting.empty()) return;
      next = std::move(waiting.front());
      waiting.pop_front();
    }
    changed.notify_all();
    auto done = checkSpace(number);
    if (done) done = encode(next, number);
    ++number;
    if (!done) {
      const std::scoped_lock lock(mutex);
      error = stopped(done.error(), number - 1);
      changed.notify_all();
      return;
    }
  }
}

Expected<void> FilmWriter::State::checkSpace(std::int64_t number) {
  if (number % framesPerSpaceCheck != 0) return {};
  std::error_code failed;
  auto folder = std::filesystem::path(path).parent_path();
  const auto space = std::filesystem::space(folder.empty() ? "." : folder, failed);
  if (failed || space.available >= std::min<std::uint64_t>(reserveBytes, space.capacity / 20)) return {};
  return writeError(partPath, ENOSPC);
}

Expected<void> FilmWriter::State::encode(const render::Pixels& pixels, std::int64_t number) {
  if (format != FilmFormat::gif) return stream->add(pixels);
  auto frame = converter.convert(pixels, gifInput);
  if (!frame) return makeError(ErrorCode::outOfMemory, tr("The computer has too little memory for this; choose smaller values"));
  if (auto counted = palette->add(frame.get()); !counted) return counted;
  if (static_cast<std::size_t>(number) < sampleFrames) {
    sample.push_back(std::move(frame));
    if (sample.size() == sampleFrames) {
      const auto one = estimateGif(sample, 1), two = estimateGif(sample, 2);
      sample.clear();
      const std::scoped_lock lock(mutex);
      if (one && two) {
        firstEstimate = *one;
        laterEstimate = *two - *one;
      }
    }
  }
  return stream->add(pixels);
}

// A disk that is full leaves what plays and says so; anything else leaves nothing.
Error FilmWriter::State::stopped(const Error& cause, std::int64_t recorded) {
  if (cause.id != "E-OUT-03" || recorded <= 0) return cause;
  keepPart = true;
  return makeError(ErrorCode::io, trf("the disk is full after {} frames: '{}' was not finished, but what was recorded plays from '{}'", recorded, path, partPath), "E-OUT-03");
}

void FilmWriter::State::stop() {
  {
    const std::scoped_lock lock(mutex);
    given = true;
  }
  changed.notify_all();
  if (thread.joinable()) thread.join();
}

FilmWriter::FilmWriter() : state_(std::make_unique<State>()) {}

FilmWriter::~FilmWriter() {
  state_->stop();
  state_->stream.reset();
  if (state_->partPath.empty()) return;
  if (!state_->keepPart) removeFile(state_->partPath);
  removeFile(state_->targetPath);
}

Expected<void> FilmWriter::check(const std::string& path, const FilmOptions& options) {
  quietAv();
  const auto format = filmFormatOf(path);
  if (!format) return format.error();
  const auto fps = options.framesPerSecond, fastest = *format == FilmFormat::gif ? fastestGif : fastestFilm;
  if (!(fps >= slowestFilm && fps <= fastest)) {
    return makeError(ErrorCode::usage, trf("{} frames per second are outside {} to {} of {}", fps, slowestFilm, fastest, endingOf(path)));
  }
  if (std::min(options.width, options.height) < smallestFilmSide || std::max(options.width, options.height) > largestFilmSide) {
    return makeError(ErrorCode::usage,
                     trf("a film of {}x{} px cannot be made: each side must be {} to {} px", options.width, options.height, smallestFilmSide, largestFilmSide));
  }
  if (firstEncoder(options.encoders.empty() ? usualEncoders(*format) : options.encoders).empty()) {
    return makeError(ErrorCode::unsupported,
                     trf("this computer's libavcodec has no encoder for {}; choose another ending of .mp4, .webm, .gif, or install one", endingOf(path)));
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return makeError(ErrorCode::io, trf("cannot write '{}': it is a folder", path));
  return {};
}

Expected<std::unique_ptr<FilmWriter>> FilmWriter::open(const std::string& path, const FilmOptions& options) {
  if (auto good = check(path, options); !good) return good.error();
  const auto format = filmFormatOf(path);
  const auto fps = options.framesPerSecond;
  std::unique_ptr<FilmWriter> made(new FilmWriter);
  auto& state = *made->state_;
  state.format = *format;
  state.options = options;
  state.path = path;
  state.encoder = firstEncoder(options.encoders.empty() ? usualEncoders(*format) : options.encoders);
  if (*format == FilmFormat::mp4 && state.encoder == "mpeg4") {
    state.notes.push_back(tr("there is no H.264 encoder on this computer: the film is MPEG-4 Part 2, which browsers do not play"));
  }
  if (needsEvenSides(state.encoder)) {
    state.options.width += options.width % 2;
    state.options.height += options.height % 2;
    if (state.options.width != options.width || state.options.height != options.height) {
      state.notes.push_back(trf("{} takes even sides only: the film is {}x{} px", titleOf(state.encoder), state.options.width, state.options.height));
    }
  }

  auto& part = state.part;
  part.rate = av_d2q(fps, 1001000);
  part.width = state.options.width;
  part.height = state.options.height;
  if (!options.recipe.empty()) part.tags.emplace_back("comment", options.recipe);
  if (!options.title.empty()) part.tags.emplace_back("title", options.title);
  state.target = part;
  state.target.encoder = state.encoder;
  if (*format == FilmFormat::mp4) {
    part.container = state.target.container = "mp4";
    part.containerOptions = {{"movflags", "empty_moov+default_base_moof"}, {"frag_duration", fragmentMicroseconds}};
    state.target.containerOptions = {{"movflags", "faststart"}};
  } else if (*format == FilmFormat::webm) {
    part.container = state.target.container = "webm";
    part.containerOptions = {{"cluster_time_limit", fragmentMilliseconds}};
    state.target.containerOptions = {{"cues_to_front", "1"}};
  } else {
    part.container = "matroska";
    part.containerOptions = {{"cluster_time_limit", fragmentMilliseconds}};
    state.target.container = "gif";
    state.target.pixels = AV_PIX_FMT_PAL8;
  }
  part.encoder = *format == FilmFormat::gif ? "ffv1" : state.encoder;
  if (*format == FilmFormat::gif) part.pixels = AV_PIX_FMT_0RGB32;
  part.encoderOptions = settingsOf(part.encoder, part.rate);

  state.targetPath = path + ".partial";
  state.partPath = state.targetPath + (*format == FilmFormat::gif ? ".mkv" : endingOf(path));
  auto stream = VideoStream::open(state.partPath, part);
  if (!stream) return stream.error();
  state.stream = *std::move(stream);
  if (*format == FilmFormat::gif) {
    auto palette = PaletteMaker::make(part.width, part.height);
    if (!palette) return palette.error();
    state.palette = *std::move(palette);
  }
  state.thread = std::thread([&state] { state.run(); });
  return made;
}

int FilmWriter::width() const { return state_->part.width; }
int FilmWriter::height() const { return state_->part.height; }
std::int64_t FilmWriter::added() const { return state_->added; }

Expected<void> FilmWriter::add(render::Pixels pixels) {
  auto& state = *state_;
  if (pixels.width != state.part.width || pixels.height != state.part.height) {
    return makeError(ErrorCode::internal, trf("a frame of {}x{} px does not fit the film's {}x{}", pixels.width, pixels.height, state.part.width, state.part.height));
  }
  {
    std::unique_lock lock(state.mutex);
    state.changed.wait(lock, [&] { return state.error || state.waiting.size() < mostWaiting; });
    if (state.error) return *state.error;
    state.waiting.push_back(std::move(pixels));
  }
  ++state.added;
  state.changed.notify_all();
  return {};
}

std::optional<std::uint64_t> FilmWriter::estimate(std::int64_t frames) const {
  const std::scoped_lock lock(state_->mutex);
  if (!state_->firstEstimate) return std::nullopt;
  return *state_->firstEstimate + *state_->laterEstimate * static_cast<std::uint64_t>(std::max<std::int64_t>(frames - 1, 0));
}

// The second pass: every frame of the part in the colours of the palette.
Expected<std::int64_t> FilmWriter::State::makeGif(const std::function<bool(double)>& goOn) {
  auto colours = palette->finish();
  if (!colours) return colours.error();
  auto user = PaletteUser::make(part.width, part.height, colours->get());
  if (!user) return user.error();
  auto reader = VideoReader::open(partPath);
  if (!reader) return reader.error();
  auto gif = VideoStream::open(targetPath, target);
  if (!gif) return gif.error();
  for (std::int64_t number = 0;; ++number) {
    auto frame = (*reader)->decode();
    if (!frame) return frame.error();
    if (!*frame) break;
    if (!goOn(static_cast<double>(number) / static_cast<double>(std::max<std::int64_t>(added, 1)))) {
      return makeError(ErrorCode::cancelled, tr("Cancelled: nothing was written"));
    }
    // Both are 32 bit in the same order; the unused byte becomes alpha.
    (*frame)->format = gifInput;
    if (av_frame_make_writable(frame->get()) < 0) return makeError(ErrorCode::outOfMemory, tr("The computer has too little memory for this; choose smaller values"));
    for (int y = 0; y < (*frame)->height; ++y) {
      auto* row = (*frame)->data[0] + static_cast<std::ptrdiff_t>(y) * (*frame)->linesize[0];
      for (int x = 0; x < (*frame)->width; ++x) row[4 * x + 3] = 255;
    }
    auto mapped = (*user)->map(frame->get());
    if (!mapped) return mapped.error();
    if (auto put = (*gif)->add(*std::move(mapped)); !put) return put.error();
  }
  if (auto closed = (*gif)->finish(); !closed) return closed.error();
  return (*gif)->frames();
}

Expected<FilmWritten> FilmWriter::finish(const std::function<bool(double)>& goOn) {
  auto& state = *state_;
  {
    const std::scoped_lock lock(state.mutex);
    state.ended = true;
  }
  state.changed.notify_all();
  if (state.thread.joinable()) state.thread.join();
  if (state.error) return *state.error;
  if (state.added == 0) return makeError(ErrorCode::usage, tr("a film needs at least one frame"));

  if (auto closed = state.stream->finish(); !closed) return state.stopped(closed.error(), state.added);
  state.stream.reset();
  // From here on the whole film is in the part; a disk too small for both leaves that.
  auto frames = state.format == FilmFormat::gif ? state.makeGif(goOn) : remux(state.partPath, state.targetPath, state.target, goOn);
  if (frames && state.format == FilmFormat::gif && !state.options.recipe.empty()) {
    if (auto put = appendGifComment(state.targetPath, state.options.recipe); !put) frames = put.error();
  }
  if (!frames) return state.stopped(frames.error(), state.added);
  const auto found = countFrames(state.targetPath);
  if (!found) return found.error();
  if (*frames != state.added || *found != state.added) {
    return makeError(ErrorCode::internal, trf("the film '{}' has {} frames after writing instead of {}", state.path, *found, state.added));
  }
  if (std::rename(state.targetPath.c_str(), state.path.c_str()) != 0) return writeError(state.path, errno);
  flushFolder(state.path);

  FilmWritten written;
  written.path = state.path;
  written.frames = state.added;
  written.width = state.part.width;
  written.height = state.part.height;
  written.framesPerSecond = av_q2d(state.part.rate);
  std::error_code ignored;
  written.bytes = std::filesystem::file_size(state.path, ignored);
  written.encoder = titleOf(state.encoder);
  written.notes = state.notes;
  return written;
}

}  // namespace orrery::exporting
