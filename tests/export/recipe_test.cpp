#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/export/export.h"
#include "app/export/png.h"
#include "core/gpu/device.h"
#include "tests/export/qt_application.h"
#include "tests/figure/sample_figures.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::Scratch;

namespace {

// Everything that is awkward in XML, PDF strings and PNG texts.
const std::string recipe = "{\n  \"lab\": \"generative/sde-vs-ode\",\n  \"text\": \"<&>\\\"']]> \\u0001 \u03C3\u2080 \u6CE8\u610F \xF0\x9F\x8C\x8C\",\n\t\"seed\": 20261120\n}\n";

std::string bytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

DisplayList figure() { return layOut(samples::attentionFigure(), {340, 170}, Fonts::shared()).list; }

render::Pixels smallPicture() { return {2, 2, std::vector<std::uint8_t>(16, 200)}; }

}  // namespace

TEST_CASE("SVG, PDF and PNG give back the recipe byte for byte, whatever the file is called") {
  qtApplication();
  const Scratch scratch;
  exporting::ExportOptions options;
  options.recipe = recipe;
  options.title = "A <title> & more";
  REQUIRE(exporting::writeSvg(figure(), scratch.path("figure.svg"), options).hasValue());
  REQUIRE(exporting::writePdf(figure(), scratch.path("figure.pdf"), options).hasValue());
  scratch.write("figure.png", exporting::encodePng(smallPicture(), recipe));
  for (const char* name : {"figure.svg", "figure.pdf", "figure.png"}) {
    CAPTURE(name);
    const auto found = exporting::readRecipe(scratch.path(name));
    REQUIRE(found.hasValue());
    CHECK(*found == recipe);
    std::filesystem::copy_file(scratch.path(name), scratch.path("copy.dat"), std::filesystem::copy_options::overwrite_existing);
    CHECK(*exporting::readRecipe(scratch.path("copy.dat")) == recipe);
  }
}

TEST_CASE("Without a recipe nothing of it is in the file, and reading says notFound") {
  qtApplication();
  const Scratch scratch;
  REQUIRE(exporting::writeSvg(figure(), scratch.path("a.svg"), {}).hasValue());
  REQUIRE(exporting::writePdf(figure(), scratch.path("a.pdf"), {}).hasValue());
  scratch.write("a.png", exporting::encodePng(smallPicture()));
  scratch.write("a.txt", "hello");
  scratch.write("empty", "");
  for (const char* name : {"a.svg", "a.pdf", "a.png", "a.txt", "empty"}) {
    CAPTURE(name);
    CHECK(bytesOf(scratch.path(name)).find("orrery:recipe") == std::string::npos);
    const auto found = exporting::readRecipe(scratch.path(name));
    REQUIRE(!found.hasValue());
    CHECK(found.error().code == ErrorCode::notFound);
    CHECK(found.error().message.find(name) != std::string::npos);
  }
  CHECK(!exporting::readRecipe(scratch.path("missing.svg")).hasValue());
}

TEST_CASE("Damaged figures give an error or the whole recipe, never a part of it and never a crash") {
  qtApplication();
  const Scratch scratch;
  exporting::ExportOptions options;
  options.recipe = recipe;
  DisplayList small;
  small.size = {20, 20};
  REQUIRE(exporting::writeSvg(small, scratch.path("f.svg"), options).hasValue());
  REQUIRE(exporting::writePdf(small, scratch.path("f.pdf"), options).hasValue());
  scratch.write("f.png", exporting::encodePng(smallPicture(), recipe));
  for (const char* name : {"f.svg", "f.pdf", "f.png"}) {
    const std::string whole = bytesOf(scratch.path(name));
    // Cut it off anywhere.
    for (std::size_t length = 0; length < whole.size(); length += 1 + whole.size() / 60) {
      const auto found = exporting::readRecipe(scratch.write("cut", whole.substr(0, length)));
      if (found.hasValue()) CHECK(*found == recipe);
    }
  }
  // One flipped bit inside the PNG's chunk is noticed by its checksum.
  std::string png = bytesOf(scratch.path("f.png"));
  const std::size_t chunk = png.find("iTXtorrery");
  REQUIRE(chunk != std::string::npos);
  png[chunk + 30] = static_cast<char>(png[chunk + 30] ^ 4);
  const auto found = exporting::readRecipe(scratch.write("flipped.png", png));
  REQUIRE(!found.hasValue());
  CHECK(found.error().code == ErrorCode::badInput);
}

TEST_CASE("An XML entity bomb is not expanded") {
  qtApplication();
  const Scratch scratch;
  const auto found = exporting::readRecipe(scratch.write("bomb.svg", "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">]><svg xmlns:orrery=\"urn:orrery:recipe:1\"><orrery:recipe>&a;</orrery:recipe></svg>"));
  CHECK(!found.hasValue());
}

TEST_CASE("A PNG file holds the picture at its resolution, the title and the recipe") {
  const auto devices = gpu::listDevices();
  REQUIRE(!devices.empty());                             // lavapipe at least: packaging/test.sh installs it
  auto device = gpu::Device::open({});
  REQUIRE(device.hasValue());
  render::Renderer renderer(*device);
  const Scratch scratch;
  exporting::ExportOptions options;
  options.recipe = recipe;
  options.pixelsPerLogical = 2;
  REQUIRE(exporting::writeFigure(figure(), renderer, scratch.path("figure.png"), options).hasValue());
  const std::string png = bytesOf(scratch.path("figure.png"));
  const auto big = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(png[at + i]);
    return value;
  };
  CHECK(big(16) == 680);
  CHECK(big(20) == 340);
  const std::size_t physical = png.find("pHYs");
  REQUIRE(physical != std::string::npos);
  CHECK(big(physical + 4) == 7559);                      // 192 dots per inch
  CHECK(*exporting::readRecipe(scratch.path("figure.png")) == recipe);
  const auto wrong = exporting::writeFigure(figure(), renderer, scratch.path("figure.bmp"), options);
  REQUIRE(!wrong.hasValue());
  CHECK(wrong.error().code == ErrorCode::usage);
  CHECK(wrong.error().message.find(".svg, .pdf or .png") != std::string::npos);
}

TEST_CASE("An unwritable output says what, where and why, and leaves the old file alone") {
  qtApplication();
  const Scratch scratch;
  for (const char* name : {"f.svg", "f.pdf"}) {
    const std::string path = scratch.path(std::string("no/such/folder/") + name);
    const auto written = std::string(name) == "f.svg" ? exporting::writeSvg(figure(), path, {}) : exporting::writePdf(figure(), path, {});
    REQUIRE(!written.hasValue());
    CHECK(written.error().message.find(path) != std::string::npos);
    CHECK(written.error().message.find("No such file or directory") != std::string::npos);
  }
  std::filesystem::create_directory(scratch.path("folder.svg"));
  CHECK(!exporting::writeSvg(figure(), scratch.path("folder.svg"), {}).hasValue());
  // No half-written file stays behind.
  REQUIRE(exporting::writeSvg(figure(), scratch.path("good.svg"), {}).hasValue());
  CHECK(!std::filesystem::exists(scratch.path("good.svg.partial")));
}
