// What FilmWriter wrote is decoded again, as a player would.

#include "app/export/film.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/export/export.h"
#include "core/base/file_format.h"
#include "tests/export/film_frames.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::distance;
using orrery::testing::readFilm;
using orrery::testing::Scratch;
namespace fs = std::filesystem;

namespace {

constexpr int frameCount = 40;
const std::string recipe = "{\"orrery\":1,\"lab\":\"generative/sde-vs-ode\",\"parameters\":{\"text\":\"<&> \\\" \u03C3\u2080 \u6CE8\u610F \xF0\x9F\x8C\x8C\"},\"frame\":7,\"pad\":\"" +
                           std::string(3000, 'x') + "\"}";

// A white ground, a coloured block that moves to the right, and a corner whose grey counts the frames.
render::Pixels frame(int number, int width, int height) {
  render::Pixels pixels{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 4, 255)};
  const auto fill = [&](int x0, int y0, int x1, int y1, std::uint8_t r, std::uint8_t g, std::uint8_t b) {
    for (int y = std::max(y0, 0); y < std::min(y1, height); ++y) {
      for (int x = std::max(x0, 0); x < std::min(x1, width); ++x) {
        auto* p = &pixels.rgba[(static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) * 4];
        p[0] = r, p[1] = g, p[2] = b;
      }
    }
  };
  const int x = 16 + 2 * number;
  fill(x, height / 4, x + 32, height * 3 / 4, 0, 114, 178);
  fill(width - 32, height - 32, width, height, 213, 94, 0);
  const auto grey = static_cast<std::uint8_t>(40 + 4 * number);
  fill(0, 0, 32, 32, grey, grey, grey);
  return pixels;
}

exporting::FilmOptions optionsFor(int width, int height, double fps = 25) {
  exporting::FilmOptions options;
  options.width = width;
  options.height = height;
  options.framesPerSecond = fps;
  options.recipe = recipe;
  options.title = "A film & more";
  return options;
}

Expected<exporting::FilmWritten> write(const std::string& path, const exporting::FilmOptions& options, int frames = frameCount) {
  auto writer = exporting::FilmWriter::open(path, options);
  if (!writer) return writer.error();
  for (int i = 0; i < frames; ++i) {
    if (auto added = (*writer)->add(frame(i, (*writer)->width(), (*writer)->height())); !added) return added.error();
  }
  return (*writer)->finish();
}

std::string bytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> filesBeside(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fs::path(path).parent_path())) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("MP4, WebM and GIF hold every frame at its time in its colours, and nothing is left beside them") {
  const std::pair<std::string, std::string> formats[] = {{"mp4", "h264"}, {"webm", "vp9"}, {"gif", "gif"}};
  for (const auto& [ending, codec] : formats) {
    CAPTURE(ending);
    const Scratch scratch;
    const auto path = scratch.path("film." + ending);
    const auto written = write(path, optionsFor(320, 180));
    REQUIRE(written.hasValue());
    CHECK(written->frames == frameCount);
    CHECK(written->bytes == fs::file_size(path));
    CHECK(filesBeside(path) == std::vector<std::string>{"film." + ending});

    const auto film = readFilm(path);
    CHECK(film.codec == codec);
    REQUIRE(film.frames.size() == frameCount);
    // WebM counts milliseconds, GIF hundredths of a second.
    for (int i = 0; i < frameCount; ++i) CHECK(film.times[static_cast<std::size_t>(i)] == Approx(i / 25.0).margin(0.001));
    if (ending != "gif") CHECK(film.duration == Approx(frameCount / 25.0).margin(0.002));
    for (int i = 0; i < frameCount; i += 13) {
      const auto& shown = film.frames[static_cast<std::size_t>(i)];
      // Flat colours survive; the edges of the block lose chroma to 4:2:0, less than 2 % of the pixels by less than a fifth of the range.
      CHECK(distance(shown, frame(i, 320, 180)) < 1.5);
      // A wrong colour matrix (BT.601 for BT.709) moves this blue and this red by 8 and more; quantisers move them by at most 3.
      const auto at = [&](int x, int y, int channel) { return static_cast<int>(shown.rgba[static_cast<std::size_t>((y * 320 + x) * 4 + channel)]); };
      const int middle = 16 + 2 * i + 16;
      const int blue[] = {0, 114, 178}, red[] = {213, 94, 0};
      for (int c = 0; c < 3; ++c) {
        CHECK(std::abs(at(middle, 90, c) - blue[c]) <= 4);
        CHECK(std::abs(at(304, 164, c) - red[c]) <= 4);
      }
    }
  }
}

TEST_CASE("The recipe comes back from every kind of film, whatever the file is called") {
  for (const std::string ending : {"mp4", "webm", "gif"}) {
    CAPTURE(ending);
    const Scratch scratch;
    const auto path = scratch.path("film." + ending);
    REQUIRE(write(path, optionsFor(160, 96), 3).hasValue());
    fs::copy_file(path, scratch.path("copy.dat"));
    const auto found = exporting::readRecipe(scratch.path("copy.dat"));
    REQUIRE(found.hasValue());
    CHECK(*found == recipe);
    const auto report = inspectFile(path);
    REQUIRE(report.hasValue());
    CHECK(report->kind == "film");
    CHECK(report->metadata.at("orrery.lab") == "generative/sde-vs-ode");

    auto options = optionsFor(160, 96);
    options.recipe.clear();
    REQUIRE(write(path, options, 3).hasValue());
    const auto none = exporting::readRecipe(path);
    REQUIRE(!none.hasValue());
    CHECK(none.error().code == ErrorCode::notFound);
  }
}

TEST_CASE("Films cut off anywhere give their whole recipe or an error") {
  for (const std::string ending : {"mp4", "webm", "gif"}) {
    CAPTURE(ending);
    const Scratch scratch;
    REQUIRE(write(scratch.path("film." + ending), optionsFor(96, 64), 4).hasValue());
    const auto whole = bytesOf(scratch.path("film." + ending));
    for (std::size_t length = 0; length < whole.size(); length += 1 + whole.size() / 50) {
      const auto found = exporting::readRecipe(scratch.write("cut", whole.substr(0, length)));
      if (found.hasValue()) CHECK(*found == recipe);
    }
  }
}

TEST_CASE("Odd sides: WebM and GIF keep them, MP4 adds the missing pixel and says so") {
  const Scratch scratch;
  for (const std::string ending : {"mp4", "webm", "gif"}) {
    CAPTURE(ending);
    const auto written = write(scratch.path("odd." + ending), optionsFor(321, 181), 5);
    REQUIRE(written.hasValue());
    const bool even = ending == "mp4";
    CHECK(written->width == (even ? 322 : 321));
    CHECK(written->height == (even ? 182 : 181));
    CHECK(written->notes.size() == (even ? 1 : 0));
    const auto film = readFilm(scratch.path("odd." + ending));
    REQUIRE(film.frames.size() == 5);
    CHECK(film.frames[0].width == written->width);
    CHECK(film.frames[0].height == written->height);
    CHECK(distance(film.frames[4], frame(4, written->width, written->height)) < 1.5);
  }
}

TEST_CASE("A rate that is no whole number keeps its times") {
  const Scratch scratch;
  REQUIRE(write(scratch.path("film.mp4"), optionsFor(96, 64, 24000.0 / 1001), 30).hasValue());
  const auto film = readFilm(scratch.path("film.mp4"));
  REQUIRE(film.times.size() == 30);
  CHECK(film.times[29] == Approx(29 * 1001.0 / 24000).margin(1e-4));
  // 30 per second are not whole hundredths: the delays alternate, and the film as a whole stays on time.
  REQUIRE(write(scratch.path("film.gif"), optionsFor(96, 64, 30), 31).hasValue());
  CHECK(readFilm(scratch.path("film.gif")).times[30] == Approx(1).margin(0.006));
}

TEST_CASE("The encoder used is named, a missing one is replaced or refused before anything is written") {
  const Scratch scratch;
  auto options = optionsFor(320, 180);
  options.encoders = {"no-such-encoder", "mpeg4"};
  const auto written = write(scratch.path("film.mp4"), options);
  INFO((written ? std::string() : written.error().message));
  REQUIRE(written.hasValue());
  CHECK(written->encoder == "MPEG-4 Part 2 (mpeg4)");
  REQUIRE(written->notes.size() == 1);
  CHECK(written->notes[0].find("MPEG-4 Part 2") != std::string::npos);
  const auto film = readFilm(scratch.path("film.mp4"));
  CHECK(film.codec == "mpeg4");
  REQUIRE(film.frames.size() == frameCount);
  CHECK(distance(film.frames[20], frame(20, 320, 180)) < 2.5);

  options.encoders = {"no-such-encoder"};
  const auto refused = write(scratch.path("none.mp4"), options);
  REQUIRE(!refused.hasValue());
  CHECK(refused.error().code == ErrorCode::unsupported);
  CHECK(refused.error().message.find(".webm") != std::string::npos);
  CHECK(filesBeside(scratch.path("film.mp4")) == std::vector<std::string>{"film.mp4"});
}

TEST_CASE("Sizes, rates and endings no film can have are usage errors") {
  const Scratch scratch;
  const auto refused = [&](const std::string& name, int width, int height, double fps, const char* word) {
    CAPTURE(name, width, height, fps);
    const auto written = write(scratch.path(name), optionsFor(width, height, fps), 1);
    REQUIRE(!written.hasValue());
    CHECK(written.error().code == ErrorCode::usage);
    CHECK(written.error().message.find(word) != std::string::npos);
  };
  refused("film.avi", 320, 180, 25, ".webm");
  refused("film", 320, 180, 25, ".webm");
  refused("film.mp4", 63, 180, 25, "64");
  refused("film.mp4", 320, 8193, 25, "8192");
  refused("film.mp4", 320, 180, 0, "1 to 120");
  refused("film.mp4", 320, 180, 121, "120");
  refused("film.gif", 320, 180, 60, "50");
  refused("film.mp4", 320, 180, std::nan(""), "120");
  CHECK(filesBeside(scratch.path("film")).empty());
  const auto nowhere = write(scratch.path("no/folder/film.mp4"), optionsFor(320, 180), 1);
  REQUIRE(!nowhere.hasValue());
  CHECK(nowhere.error().message.find("No such file or directory") != std::string::npos);
}

TEST_CASE("A film given up, or one that is cancelled while it is finished, leaves the old file and nothing else") {
  for (const std::string ending : {"mp4", "webm", "gif"}) {
    CAPTURE(ending);
    const Scratch scratch;
    const auto path = scratch.write("film." + ending, "the film before");
    {
      auto writer = exporting::FilmWriter::open(path, optionsFor(160, 96));
      REQUIRE(writer.hasValue());
      for (int i = 0; i < 10; ++i) REQUIRE((*writer)->add(frame(i, 160, 96)).hasValue());
      CHECK(filesBeside(path).size() == 2);  // the part
    }
    CHECK(filesBeside(path).size() == 1);
    {
      auto writer = exporting::FilmWriter::open(path, optionsFor(160, 96));
      REQUIRE(writer.hasValue());
      for (int i = 0; i < 10; ++i) REQUIRE((*writer)->add(frame(i, 160, 96)).hasValue());
      const auto written = (*writer)->finish([](double) { return false; });
      REQUIRE(!written.hasValue());
      CHECK(written.error().code == ErrorCode::cancelled);
    }
    CHECK(filesBeside(path).size() == 1);
    CHECK(bytesOf(path) == "the film before");
  }
}

TEST_CASE("A full disk stops the film with its reason; what was recorded plays, and the old file is intact") {
  // A limit on the size of files stands for the full disk: write() fails in the middle of a file, with EFBIG for ENOSPC.
  struct Limit {
    rlimit before{};
    void (*handler)(int);
    explicit Limit(rlim_t bytes) : handler(std::signal(SIGXFSZ, SIG_IGN)) {
      getrlimit(RLIMIT_FSIZE, &before);
      const rlimit now{bytes, before.rlim_max};
      setrlimit(RLIMIT_FSIZE, &now);
    }
    ~Limit() {
      setrlimit(RLIMIT_FSIZE, &before);
      std::signal(SIGXFSZ, handler);
    }
  };
  // Noise cannot be compressed: the limit comes soon.
  const auto noisy = [](int number) {
    auto pixels = frame(number, 320, 180);
    std::uint32_t state = 1u + static_cast<std::uint32_t>(number);
    for (auto& byte : pixels.rgba) byte = static_cast<std::uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
    return pixels;
  };
  for (const std::string ending : {"mp4", "webm", "gif"}) {
    CAPTURE(ending);
    const Scratch scratch;
    const auto path = scratch.write("film." + ending, "the film before");
    std::optional<Error> error;
    {
      const Limit limit(3u << 20);
      auto writer = exporting::FilmWriter::open(path, optionsFor(320, 180, 10));
      REQUIRE(writer.hasValue());
      for (int i = 0; i < 400 && !error; ++i) {
        if (auto added = (*writer)->add(noisy(i)); !added) error = added.error();
      }
      if (!error) {
        if (const auto written = (*writer)->finish(); !written) error = written.error();
      }
    }
    REQUIRE(error);
    CHECK(error->code == ErrorCode::io);
    CHECK(error->id == "E-OUT-03");
    const auto part = path + ".partial" + (ending == "gif" ? ".mkv" : "." + ending);
    CHECK(error->message.find(part) != std::string::npos);
    CHECK(bytesOf(path) == "the film before");
    CHECK(filesBeside(path).size() == 2);
    CHECK(readFilm(part, true).frames.size() >= 5);
  }
}

TEST_CASE("The estimate of a GIF's size comes early and is about right") {
  const Scratch scratch;
  auto writer = exporting::FilmWriter::open(scratch.path("film.gif"), optionsFor(320, 180));
  REQUIRE(writer.hasValue());
  std::optional<std::uint64_t> early;
  for (int i = 0; i < frameCount; ++i) {
    REQUIRE((*writer)->add(frame(i, 320, 180)).hasValue());
    if (!early) early = (*writer)->estimate(frameCount);
    if (i < 7) CHECK_FALSE(early);
  }
  const auto written = (*writer)->finish();
  REQUIRE(written.hasValue());
  REQUIRE(early);
  // Without recipe and table of colours, which the estimate leaves out; the motion is uniform, so a factor of two is generous.
  const auto pictures = static_cast<double>(written->bytes) - static_cast<double>(recipe.size()) - 800;
  CHECK(static_cast<double>(*early) > 0.5 * pictures);
  CHECK(static_cast<double>(*early) < 2 * pictures);
}
