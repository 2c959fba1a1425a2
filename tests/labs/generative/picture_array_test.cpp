// Pictures out of arrays and folders: every way of writing the same pictures is read as the same bytes, whatever is no set of pictures gets one
// sentence, and what is dropped on a lab is what it then knows.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>

#include <nlohmann/json.hpp>

#include "core/data/image.h"
#include "core/labs/generative/shared/picture_array.h"
#include "tests/support/lab_session.h"
#include "tests/support/npz_writer.h"

using namespace orrery;
using namespace orrery::generative;
using orrery::testing::Member;
using orrery::testing::Scratch;
using orrery::testing::metricsAt;
using orrery::testing::npy;
using orrery::testing::npyWith;
using orrery::testing::openLab;
using orrery::testing::refused;
using orrery::testing::text;
using orrery::testing::whole;
using orrery::testing::zip;

namespace {

constexpr std::size_t count = 21, height = 9, width = 13;  // odd sizes, and no two alike

// Value of picture n at a channel and a place; the fourth channel is its opacity.
std::uint8_t valueAt(std::size_t n, std::size_t c, std::size_t y, std::size_t x) {
  return static_cast<std::uint8_t>((37 * n + 91 * c + 17 * y + 5 * x + n * x) % 256);
}

// All values in the order of [N, H, W, C] or [N, C, H, W], each written by `write`.
std::string written(std::size_t channels, bool last, const std::function<std::string(std::uint8_t)>& write) {
  std::string bytes;
  for (std::size_t n = 0; n < count; ++n) {
    if (last) {
      for (std::size_t y = 0; y < height; ++y)
        for (std::size_t x = 0; x < width; ++x)
          for (std::size_t c = 0; c < channels; ++c) bytes += write(valueAt(n, c, y, x));
    } else {
      for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t y = 0; y < height; ++y)
          for (std::size_t x = 0; x < width; ++x) bytes += write(valueAt(n, c, y, x));
    }
  }
  return bytes;
}

std::string asByte(std::uint8_t v) { return std::string(1, static_cast<char>(v)); }
template <class T>
std::string asFloat(double value, bool bigEndian = false) {
  const T number = static_cast<T>(value);
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &number, sizeof(T));
  if (bigEndian) std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

PictureSet read(const Scratch& scratch, const std::string& content, std::int64_t side = 9, std::int64_t train = 100, std::int64_t heldOut = 4) {
  const auto set = arrayOf(scratch.write("set", content), side, train, heldOut);
  INFO((set ? "" : set.error().message));
  REQUIRE(set);
  return *set;
}

std::string why(const Scratch& scratch, const std::string& content, std::int64_t least = leastPictures) {
  const auto set = arrayOf(scratch.write("bad", content), 8, 100, 4, least);
  REQUIRE_FALSE(set);
  // One sentence: what was expected, what was found.
  CHECK(set.error().message.find('\n') == std::string::npos);
  return set.error().message;
}

bool says(const std::string& message, std::string_view part) {
  INFO(message);
  return message.find(part) != std::string::npos;
}

std::string png(std::size_t n) {
  std::vector<std::uint8_t> rgb;
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t x = 0; x < width; ++x)
      for (std::size_t c = 0; c < 3; ++c) rgb.push_back(valueAt(n, c, y, x));
  return encodeRgbPng(rgb, width, height);
}

std::string nameOf(std::size_t n) { return std::string(n < 10 ? "0" : "") + std::to_string(n) + ".png"; }

FileReport inspected(const std::string& path) {
  const auto report = inspectFile(path);
  REQUIRE(report);
  return *report;
}

}  // namespace

TEST_CASE("picture arrays: bytes and floats, channels last and first, either byte order and a folder of PNG are the same pictures") {
  const Scratch scratch;
  const std::string last = "(21, 9, 13, 3)", first = "(21, 3, 9, 13)";
  const PictureSet bytes = read(scratch, npy("|u1", last, written(3, true, asByte)));
  REQUIRE(bytes.trainCount() == 17);
  REQUIRE(bytes.heldOutCount() == 4);
  // The middle square of 13 columns is 9 wide: nothing is resized, and the third picture of training is the third of all.
  CHECK(bytes.train[static_cast<std::size_t>(2 * 3 * 81 + 1 * 81 + 4 * 9 + 5)] == valueAt(2, 1, 4, 2 + 5));
  CHECK(bytes.heldOut[static_cast<std::size_t>(1 * 3 * 81 + 2 * 81)] == valueAt(7, 2, 0, 2));
  const auto same = [&](const PictureSet& other) { return other.train == bytes.train && other.heldOut == bytes.heldOut; };
  CHECK(same(read(scratch, npy("|u1", first, written(3, false, asByte)))));
  CHECK(same(read(scratch, npy("<f4", last, written(3, true, [](std::uint8_t v) { return asFloat<float>(v / 255.0); })))));
  CHECK(same(read(scratch, npy(">f8", first, written(3, false, [](std::uint8_t v) { return asFloat<double>(v / 127.5 - 1, true); })))));
  CHECK(same(read(scratch, npy("<f4", first, written(3, false, [](std::uint8_t v) { return asFloat<float>(v / 127.5 - 1); })))));
  // In an npz, stored or deflated, beside arrays that are no pictures and a smaller one that is.
  const std::string labels = npy("<i8", "(21,)", std::string(21 * 8, '\1'));
  const std::string few = npy("|u1", "(2, 9, 13, 3)", std::string(2 * 9 * 13 * 3, '\7'));
  for (const bool deflate : {false, true}) {
    CHECK(same(read(scratch, zip({{"a_few.npy", few, deflate},
                                  {"labels.npy", labels, deflate},
                                  {"x_train.npy", npy("|u1", last, written(3, true, asByte)), deflate}}))));
  }
  std::filesystem::create_directories(scratch.path("folder"));
  for (std::size_t n = 0; n < count; ++n) scratch.write("folder/" + nameOf(n), png(n));
  const auto folder = folderOf(scratch.path("folder"), 9, 100, 4);
  REQUIRE(folder);
  CHECK(same(*folder));
  // Of more pictures than asked for, those evenly spread: 0, 5, 10, 15 of 21 in four.
  const PictureSet spread = read(scratch, npy("|u1", last, written(3, true, asByte)), 9, 4, 0);
  REQUIRE(spread.trainCount() == 4);
  CHECK(spread.train[3 * 3 * 81] == valueAt(15, 0, 0, 2));
}

TEST_CASE("picture arrays: grey has three equal channels, and what is transparent shows white") {
  const Scratch scratch;
  const PictureSet grey = read(scratch, npy("|u1", "(21, 9, 13)", written(1, true, asByte)));
  for (std::size_t i = 0; i < 81; ++i) {
    CHECK(grey.train[i] == valueAt(0, 0, i / 9, 2 + i % 9));
    CHECK(grey.train[81 + i] == grey.train[i]);
    CHECK(grey.train[162 + i] == grey.train[i]);
  }
  CHECK(read(scratch, npy("|u1", "(21, 9, 13, 1)", written(1, true, asByte))).train == grey.train);
  CHECK(read(scratch, npy("|u1", "(21, 1, 9, 13)", written(1, false, asByte))).train == grey.train);
  const PictureSet over = read(scratch, npy("|u1", "(21, 9, 13, 4)", written(4, true, asByte)));
  for (std::size_t i = 0; i < 81; ++i) {
    const double alpha = valueAt(0, 3, i / 9, 2 + i % 9) / 255.0;
    CHECK(std::abs(over.train[i] - (alpha * valueAt(0, 0, i / 9, 2 + i % 9) + (1 - alpha) * 255)) < 0.51);
  }
  // Larger ones become smaller: every new pixel of a constant picture is that constant.
  const PictureSet flat = read(scratch, npy("|u1", "(16, 33, 47, 3)", std::string(16 * 33 * 47 * 3, '\x5a')), 8);
  CHECK(std::all_of(flat.train.begin(), flat.train.end(), [](std::uint8_t v) { return v == 0x5a; }));
}

TEST_CASE("picture arrays: whatever is no set of pictures is refused in one sentence") {
  const Scratch scratch;
  const auto bytes = [](std::size_t n) { return std::string(n, '\5'); };
  CHECK(says(why(scratch, npy("|u1", "(20, 64)", bytes(1280))), "N × H × W"));
  CHECK(says(why(scratch, npy("|u1", "(2, 2, 3, 8, 8)", bytes(768))), "2 × 2 × 3 × 8 × 8"));
  CHECK(says(why(scratch, npy("|u1", "()", bytes(1))), "single number"));
  CHECK(says(why(scratch, npy("|u1", "(20, 9, 9, 5)", bytes(20 * 9 * 9 * 5))), "1, 3 or 4 channels"));
  CHECK(says(why(scratch, npy("<i8", "(20, 8, 8)", bytes(20 * 64 * 8))), "uint8"));
  CHECK(says(why(scratch, npy("|b1", "(20, 8, 8)", std::string(20 * 64, '\1'))), "uint8"));
  CHECK(says(why(scratch, npy("<c8", "(20, 8, 8)", bytes(20 * 64 * 8))), "<c8"));
  CHECK(says(why(scratch, npy("|O", "(20, 8, 8)", bytes(100))), "object arrays"));
  CHECK(says(why(scratch, npy("|u1", "(20, 7, 8, 3)", bytes(20 * 7 * 8 * 3))), "at least 8"));
  CHECK(says(why(scratch, npy("|u1", "(0, 8, 8, 3)", "")), "no picture"));
  CHECK(says(why(scratch, npy("|u1", "(15, 8, 8, 3)", bytes(15 * 192))), "Expected at least 16 pictures"));
  CHECK(says(why(scratch, npy("|u1", "(99999999999, 8, 8, 3)", bytes(192))), "are stored"));
  CHECK(says(why(scratch, npy("|u1", "(4611686018427387904, 8, 8, 3)", bytes(192))), "overflows"));
  CHECK(says(why(scratch, npy("|u1", "(2, 8, 8, 3)", bytes(383)), 2), "truncated"));
  std::string floats;
  for (std::size_t i = 0; i < 16 * 64; ++i) floats += asFloat<float>(i == 700 ? std::nan("") : 0.5);
  CHECK(says(why(scratch, npy("<f4", "(16, 8, 8)", floats)), "1 values that are NaN"));
  floats.clear();
  for (std::size_t i = 0; i < 16 * 64; ++i) floats += asFloat<float>(static_cast<double>(i % 256));
  CHECK(says(why(scratch, npy("<f4", "(16, 8, 8)", floats)), "255"));
  floats.clear();
  for (std::size_t i = 0; i < 16 * 64; ++i) floats += asFloat<float>(i == 3 ? -1.5 : 0.5);
  CHECK(says(why(scratch, npy("<f4", "(16, 8, 8)", floats)), "-1.5"));
  CHECK(says(why(scratch, "no array at all"), "set of") == false);
  CHECK(says(why(scratch, zip({{"words.npy", npy("<U4", "(3,)", bytes(48))}})), "words"));
  CHECK(says(arrayOf("", 8, 10, 0).error().message, "Choose an array"));
  CHECK_FALSE(arrayOf(scratch.path("nowhere.npy"), 8, 10, 0));
  CHECK_FALSE(arrayOf(std::filesystem::temp_directory_path().string(), 8, 10, 0));
  // Too large is said before anything is read: the file is sparse.
  const std::string head = npy("|u1", "(200000, 64, 64, 3)", "");
  const std::string sparse = scratch.write("large.npy", head);
  std::filesystem::resize_file(sparse, head.size() + std::uintmax_t{200000} * 64 * 64 * 3);
  const auto large = arrayOf(sparse, 8, 10, 0);
  REQUIRE_FALSE(large);
  CHECK(says(large.error().message, "at most 256 million values"));
  // Cut off anywhere, whole files of both kinds are refused.
  const std::string whole = npy("|u1", "(2, 8, 8, 3)", bytes(384)), archive = zip({{"x.npy", whole, true}});
  for (const std::string& content : {whole, archive}) {
    REQUIRE(arrayOf(scratch.write("whole", content), 8, 10, 0, 2));
    for (std::size_t length = 0; length < content.size(); ++length) {
      if (arrayOf(scratch.write("cut", std::string_view(content).substr(0, length)), 8, 10, 0, 2)) FAIL("read after " << length << " bytes");
    }
  }
  // Given up where the watch says so.
  const auto stopped = arrayOf(scratch.path("whole"), 8, 10, 0, 2, [](double) { return false; });
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == ErrorCode::cancelled);
}

TEST_CASE("picture folders: a list of names takes these files alone, and reaches nothing outside") {
  const Scratch scratch;
  for (std::size_t n = 0; n < 5; ++n) scratch.write("folder/" + nameOf(n), png(n));
  scratch.write("folder/notes.txt", "no picture");
  scratch.write("outside.png", png(9));
  const std::string folder = scratch.path("folder");
  const auto some = folderOf(folder, 9, 10, 0, 2, "03.png\n01.png\n");
  REQUIRE(some);
  REQUIRE(some->trainCount() == 2);
  CHECK(some->train[0] == valueAt(3, 0, 0, 2));
  CHECK(some->train[3 * 81] == valueAt(1, 0, 0, 2));
  const auto refusal = [&](const std::string& names) {
    const auto set = folderOf(folder, 9, 10, 0, 2, names);
    REQUIRE_FALSE(set);
    return set.error().message;
  };
  CHECK(says(refusal("01.png\n../outside.png"), "without a path"));
  CHECK(says(refusal(".."), "without a path"));
  CHECK(says(refusal("01.png\n77.png"), "no file '77.png'"));
  CHECK(says(refusal("01.png\nnotes.txt"), "notes.txt"));
  CHECK(says(refusal("01.png"), "at least 2"));
  int asked = 0;
  const auto stopped = folderOf(folder, 9, 10, 0, 2, {}, [&](double) { return ++asked < 3; });
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == ErrorCode::cancelled);
  CHECK(asked == 3);
}

TEST_CASE("a folder, several pictures or an array dropped on a lab of pictures are what it knows") {
  const Scratch scratch;
  for (std::size_t n = 0; n < 18; ++n) scratch.write("folder/" + nameOf(n), png(n));
  scratch.write("elsewhere/a.png", png(3));
  const std::string folder = scratch.path("folder");
  const std::string array = scratch.write("set.npz", zip({{"x.npy", npy("|u1", "(21, 9, 13, 3)", written(3, true, asByte))}}));
  const FileReport ofFolder = inspected(folder), ofArray = inspected(array);
  CHECK(ofFolder.kind == "pictures");
  CHECK(ofFolder.counts.at("pictures") == 18);
  const std::vector<std::string> paths{folder + "/02.png", folder + "/11.png", folder + "/05.png"};
  std::vector<FileReport> ofSome;
  for (const std::string& path : paths) ofSome.push_back(inspected(path));

  for (const char* lab : {"generative/ddpm", "generative/flow-matching"}) {
    INFO(lab);
    auto session = openLab(lab, {{"side", whole(9)}, {"samples", whole(2)}, {"steps", whole(40)}}, {}, true);
    REQUIRE(session->drop(ofFolder, folder));
    CHECK(metricsAt(*session, 40).at("pictures") == 18);
    CHECK(metricsAt(*session, 40).at("copies") == 2);
    REQUIRE(session->drop(ofArray, array));
    CHECK(std::get<std::string>(session->value("data")) == "array");
    CHECK(metricsAt(*session, 0).at("pictures") == 21);
    // Three of the folder, as one step that is undone as one.
    REQUIRE(session->drop(ofSome, paths));
    CHECK(std::get<std::string>(session->value("data")) == "folder");
    CHECK(std::get<std::string>(session->value("files")) == "02.png\n11.png\n05.png");
    CHECK(metricsAt(*session, 0).at("pictures") == 3);
    session->undo();
    CHECK(std::get<std::string>(session->value("data")) == "array");
    // The whole folder again: the list of names is gone.
    REQUIRE(session->drop(ofSome, paths));
    REQUIRE(session->drop(ofFolder, folder));
    CHECK(std::get<std::string>(session->value("files")).empty());
    CHECK(metricsAt(*session, 0).at("pictures") == 18);
    // One picture alone is a density there.
    REQUIRE(session->drop(ofSome.front(), paths.front()));
    CHECK(std::get<std::string>(session->value("scene")) == "dropped");
    const std::vector<std::string> apart{paths[0], scratch.path("elsewhere/a.png")};
    const std::vector<FileReport> both{ofSome[0], inspected(apart[1])};
    const auto scattered = session->drop(both, apart);
    REQUIRE_FALSE(scattered);
    CHECK(says(scattered.error().message, "one folder"));
    // What is kept in a scene comes back.
    REQUIRE(session->drop(ofSome, paths));
    const auto scene = session->toJson();
    auto again = openLab(lab, {}, {}, true);
    REQUIRE(again->restore(scene));
    CHECK(metricsAt(*again, 0).at("pictures") == 3);
    refused(*again, {{"data", text("array")}, {"array", Asset{paths[0], ""}}}, "");
  }
  for (const char* lab : {"generative/glow", "generative/nice", "generative/realnvp", "generative/image-diffusion"}) {
    INFO(lab);
    const LabEntry& entry = *findRegistered<LabEntry>(lab);
    REQUIRE(entry.takes(ofFolder));
    CHECK(entry.takes(ofFolder)->parameter == "folder");
    REQUIRE(entry.takes(ofArray));
    CHECK(entry.takes(ofArray)->parameter == "array");
    REQUIRE(entry.takesTogether(ofSome));
    CHECK(entry.takesTogether(ofSome)->names == "files");
  }
  // A flow learns from the array; the ideal denoiser of image-diffusion knows it.
  auto flow = openLab("generative/nice", {{"side", whole(8)}, {"picture-steps", whole(10)}, {"picture-batch", whole(4)}}, {}, true);
  REQUIRE(flow->drop(ofArray, array));
  CHECK(std::isfinite(metricsAt(*flow, 1).at("bits.held-out")));
  auto denoised = openLab("generative/image-diffusion", {{"side", whole(9)}, {"columns", whole(2)}, {"nfe", whole(8)}}, {}, true);
  REQUIRE(denoised->drop(ofArray, array));
  CHECK(metricsAt(*denoised, 0).count("from-known.0") == 1);
}

TEST_CASE("a flow of pictures that goes back to its frame says that it trains, not that it reads") {
  auto session = openLab("generative/nice", {{"data", text("single")},
                                             {"side", whole(8)},
                                             {"pictures", whole(64)},
                                             {"picture-batch", whole(4)},
                                             {"picture-steps", whole(300)},
                                             {"steps-per-frame", whole(1)}});
  REQUIRE(session->wait());
  session->seek(290);
  bool told = false;
  while (!told && session->picture()->frame < 290) {
    const Progress progress = session->progress();
    told = progress.what == "Training up to frame 290" && progress.fraction > 0 && progress.fraction < 1;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(told);
  session->cancel();
  (void)session->wait();
}
