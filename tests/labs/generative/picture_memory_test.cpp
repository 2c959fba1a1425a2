// The labs ddpm and flow-matching on pictures: under the exact denoiser of a set every sample ends in a picture of the set, the nearest
// picture and its distance are what a search finds, and what cannot be a set is refused.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "core/data/image.h"
#include "tests/support/lab_session.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::Scratch;
using orrery::testing::arrayNamed;
using orrery::testing::metricsAt;
using orrery::testing::openLab;
using orrery::testing::refused;
using orrery::testing::text;
using orrery::testing::whole;

namespace {

constexpr std::size_t side = 8;

// Pictures with a bar of their own colour in a place of their own; RGB bytes.
std::vector<std::uint8_t> barPicture(std::size_t number) {
  std::vector<std::uint8_t> rgb(3 * side * side, 40);
  for (std::size_t x = 0; x < side; ++x) {
    for (std::size_t c = 0; c < 3; ++c) rgb[3 * (number % side * side + x) + c] = static_cast<std::uint8_t>(80 + 50 * ((number + c) % 4));
  }
  return rgb;
}

std::string folderOfBars(const Scratch& scratch, std::size_t count) {
  const std::string folder = scratch.path("bars-" + std::to_string(count));
  std::filesystem::create_directories(folder);
  for (std::size_t i = 0; i < count; ++i)
    scratch.write("bars-" + std::to_string(count) + "/" + std::to_string(i) + ".png", encodeRgbPng(barPicture(i), side, side));
  return folder;
}

// The pictures of a mosaic panel, row by row, as RGB bytes; cells and gaps as picture_memory_lab.cpp lays them out.
std::vector<std::vector<std::uint8_t>> picturesOf(Session& session, const std::string& panel, std::size_t samples) {
  const auto pixels = arrayNamed(session, panel + ".pictures.pixels");
  const auto columns = std::min(samples, static_cast<std::size_t>(std::ceil(std::sqrt(1.6 * static_cast<double>(samples)))));
  const std::size_t gap = std::max<std::size_t>(1, side / 12), below = std::max<std::size_t>(2, side / 5), width = columns * (side + gap);
  std::vector<std::vector<std::uint8_t>> pictures;
  for (std::size_t i = 0; i < samples; ++i) {
    pictures.emplace_back();
    for (std::size_t y = 0; y < side; ++y) {
      for (std::size_t x = 0; x < side; ++x) {
        const std::size_t at = 4 * ((i / columns * (side + gap + below) + y) * width + i % columns * (side + gap) + x);
        for (std::size_t c = 0; c < 3; ++c) pictures.back().push_back(static_cast<std::uint8_t>(pixels[at + c]));
      }
    }
  }
  return pictures;
}

}  // namespace

TEST_CASE("ddpm: under the exact denoiser of a folder every sample is a picture of the folder") {
  const Scratch scratch;
  const std::size_t known = 6, samples = 5;
  auto session = openLab("generative/ddpm", {{"data", text("folder")},
                                             {"folder", Asset{folderOfBars(scratch, known), ""}},
                                             {"side", whole(side)},
                                             {"samples", whole(samples)},
                                             {"schedule", text("cosine")},
                                             {"steps", whole(60)}});
  const auto start = metricsAt(*session, 0);
  CHECK(start.at("pictures") == known);
  CHECK(start.at("t") == 60);
  // Nothing is decided where 1 - abar = 1 to five digits.
  CHECK(start.at("candidates") > 0.99 * known);
  CHECK(start.at("copies") == 0);
  const auto end = metricsAt(*session, 60);
  CHECK(end.at("t") == 0);
  CHECK(end.at("evaluations") == 60);
  CHECK(end.at("candidates") == Approx(1));
  CHECK(end.at("copies") == samples);
  // To the byte: what is shown, what is said to be nearest, and the file of that number.
  const auto made = picturesOf(*session, "state", samples), nearest = picturesOf(*session, "nearest", samples);
  std::set<std::size_t> which;
  for (std::size_t i = 0; i < samples; ++i) {
    INFO("sample " << i);
    const auto number = static_cast<std::size_t>(end.at("sample." + std::to_string(i) + ".nearest"));
    which.insert(number);
    CHECK(made[i] == barPicture(number));
    CHECK(nearest[i] == barPicture(number));
    CHECK(end.at("sample." + std::to_string(i) + ".distance") < 1e-6);
  }
  CHECK(end.at("different") == which.size());
  CHECK(which.size() > 1);
  // The distance between pictures: each bar picture against the nearest other, by hand.
  double apart = 0;
  for (std::size_t k = 0; k < known; ++k) {
    double least = 1e9;
    for (std::size_t other = 0; other < known; ++other) {
      double squares = 0;
      const auto a = barPicture(k), b = barPicture(other);
      for (std::size_t v = 0; v < a.size(); ++v) squares += std::pow((a[v] - b[v]) / 127.5, 2);
      if (other != k) least = std::min(least, std::sqrt(squares / static_cast<double>(a.size())));
    }
    apart += least / known;
  }
  CHECK(end.at("pictures.apart") == Approx(apart).epsilon(1e-6));
  // Back and forth to the same bits.
  const auto middle = metricsAt(*session, 31);
  metricsAt(*session, 55);
  CHECK(metricsAt(*session, 31) == middle);
  CHECK(metricsAt(*session, 60) == end);
  // With noise in the last step no sample is quite a picture; the best variance and a clip at the colours' range end in pictures, too.
  REQUIRE(session->set({{"last-step-noise", true}, {"variance", text("beta")}}));
  CHECK(metricsAt(*session, 60).at("distance") > 1e-3);
  REQUIRE(session->set({{"last-step-noise", false}, {"variance", text("analytic")}, {"clip", 1.0}}));
  CHECK(metricsAt(*session, 60).at("copies") == samples);
  for (const auto& message : orrery::testing::device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("flow-matching: noise follows the exact velocity of a set of pictures, and one Euler step ends at its mean") {
  const Scratch scratch;
  const std::size_t known = 7, samples = 4;
  auto session = openLab("generative/flow-matching", {{"data", text("folder")},
                                                      {"folder", Asset{folderOfBars(scratch, known), ""}},
                                                      {"side", whole(side)},
                                                      {"samples", whole(samples)},
                                                      {"solver", text("euler")},
                                                      {"steps", whole(1)}});
  metricsAt(*session, 1);
  // E[x_0], which the velocity at t = 1 points to from anywhere (generative.md, flow-matching 5).
  std::vector<double> mean(3 * side * side, 0);
  for (std::size_t k = 0; k < known; ++k) {
    const auto one = barPicture(k);
    for (std::size_t v = 0; v < one.size(); ++v) mean[v] += one[v] / static_cast<double>(known);
  }
  for (const auto& made : picturesOf(*session, "state", samples)) {
    for (std::size_t v = 0; v < made.size(); ++v) CHECK(std::abs(made[v] - mean[v]) < 0.51);  // bytes are rounded
  }
  // Enough steps end in the set, by every solver and path that ends at the data.
  for (const char* solver : {"euler", "midpoint", "heun", "rk4"}) {
    for (const char* path : {"linear", "trig", "vp"}) {
      INFO(solver << " " << path);
      REQUIRE(session->set({{"solver", text(solver)}, {"path", text(path)}, {"steps", whole(80)}}));
      const auto end = metricsAt(*session, 80);
      CHECK(end.at("t") == 0);
      CHECK(end.at("candidates") == Approx(1));
      const auto nearest = picturesOf(*session, "nearest", samples);
      for (std::size_t i = 0; i < samples; ++i)
        CHECK(nearest[i] == barPicture(static_cast<std::size_t>(end.at("sample." + std::to_string(i) + ".nearest"))));
      if (std::string(path) == "linear") CHECK(picturesOf(*session, "state", samples) == nearest);
    }
  }
  // Four calls a step but the last, which is Euler's.
  REQUIRE(session->set({{"solver", text("rk4")}, {"path", text("linear")}, {"steps", whole(40)}}));
  const auto fine = metricsAt(*session, 40);
  CHECK(fine.at("evaluations") == 4 * 39 + 1);
  // The same noise ends in the same pictures whatever the order of the solver.
  REQUIRE(session->set({{"solver", text("heun")}, {"steps", whole(200)}}));
  const auto heun = metricsAt(*session, 200);
  for (std::size_t i = 0; i < samples; ++i) {
    const std::string id = "sample." + std::to_string(i) + ".nearest";
    CHECK(heun.at(id) == fine.at(id));
  }
  // What exploding variance or a floor leave is there in the state, and gone in what is expected behind it.
  REQUIRE(session->set({{"path", text("floor")}, {"floor", 0.05}, {"steps", whole(60)}}));
  const auto blurred = metricsAt(*session, 60);
  CHECK(blurred.at("sigma") == Approx(0.05));
  CHECK(blurred.at("distance") < 1e-6);
}

TEST_CASE("ddpm and flow-matching: points and pictures keep out of each other's way, and what is no set is refused") {
  const Scratch scratch;
  const Asset bars{folderOfBars(scratch, 3), ""};
  for (const char* lab : {"generative/ddpm", "generative/flow-matching"}) {
    INFO(lab);
    const bool chain = std::string(lab) == "generative/ddpm";
    const Changes small{{"steps", whole(40)}, {"particles", whole(256)}, {"side", whole(side)}, {"samples", whole(2)}, {"memory", whole(16)}};
    auto session = openLab(lab, small);
    const auto plane = metricsAt(*session, 40);
    REQUIRE(session->set({{"data", text("single")}}));
    CHECK(metricsAt(*session, 40).at("pictures") == 16);
    // What is said about points while pictures are shown holds when they are shown again.
    REQUIRE(session->set("scene", text("tri")));
    REQUIRE(session->set("data", text("plane")));
    const auto changed = metricsAt(*session, 40);
    auto fresh = openLab(lab, small);
    REQUIRE(fresh->set("scene", text("tri")));
    CHECK(changed == metricsAt(*fresh, 40));
    REQUIRE(session->set("scene", text("ring8")));
    CHECK(metricsAt(*session, 40) == plane);
    // Begun with pictures, points are there all the same.
    auto other = openLab(lab, small);
    REQUIRE(other->set("data", text("dense")));
    metricsAt(*other, 1);
    REQUIRE(other->set("data", text("plane")));
    CHECK(metricsAt(*other, 40) == plane);

    refused(*session, {{"data", text("folder")}}, "Choose a folder");
    refused(*session, {{"data", text("patches")}}, "Choose a picture");
    const std::string one = scratch.path("one");
    std::filesystem::create_directories(one);
    scratch.write("one/only.png", encodeRgbPng(barPicture(0), side, side));
    refused(*session, {{"data", text("folder")}, {"folder", Asset{one, ""}}}, "at least 2");
    scratch.write("one/broken.png", std::string("not a picture"));
    refused(*session, {{"folder", Asset{scratch.path("nowhere"), ""}}}, "cannot be read");
    REQUIRE(session->set("folder", bars));
    CHECK(metricsAt(*session, 40).at("pictures") == 3);
    const std::string picture = scratch.write(std::string(chain ? "a" : "b") + ".png", encodeRgbPng(std::vector<std::uint8_t>(3 * 40 * 40, 90), 40, 40));
    REQUIRE(session->set({{"data", text("patches")}, {"image", Asset{picture, ""}}}));
    CHECK(metricsAt(*session, 1).at("pictures.apart") == 0);  // one colour everywhere
    if (chain) refused(*session, {{"schedule", text("drawn")}, {"curve", text("0.1")}}, "two values");
  }
}
