// Images by content, refused when damaged or absurdly large.

#include <png.h>
#include <zlib.h>

#include "core/base/file_format.h"
#include "core/data/image.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::Scratch;

namespace {

std::string big(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  return big(static_cast<std::uint32_t>(data.size())) + body +
         big(static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(body.data()), body.size())));
}

std::string png(std::uint32_t width, std::uint32_t height, char bits, char kind, const std::string& raw) {
  std::string packed(compressBound(raw.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(raw.data()), raw.size());
  packed.resize(size);
  return std::string("\x89PNG\r\n\x1A\n") + chunk("IHDR", big(width) + big(height) + bits + kind + std::string(3, '\0')) + chunk("IDAT", packed) + chunk("IEND", "");
}

}  // namespace

TEST_CASE("PNG pixels arrive as RGBA, whatever the depth") {
  Scratch scratch;
  auto rgb = readImage(scratch.write("x.dat", png(2, 1, 8, 2, std::string("\0\xFF\0\0\0\x80\0", 7))));
  REQUIRE(rgb.hasValue());
  const auto bytes = rgb->rgba.as<std::uint8_t>();
  CHECK(std::vector<int>(bytes.begin(), bytes.end()) == std::vector<int>{255, 0, 0, 255, 0, 128, 0, 255});
  auto gray16 = readImage(scratch.write("g.png", png(1, 1, 16, 0, std::string("\0\x80\x00", 3))));
  REQUIRE(gray16.hasValue());
  CHECK(gray16->rgba.as<std::uint8_t>()[0] == 128);
  CHECK(luminance(*rgb).as<float>()[0] == Approx(0.2126));
}

TEST_CASE("Damaged and absurd images are refused in words") {
  Scratch scratch;
  const std::string good = png(2, 1, 8, 2, std::string("\0\xFF\0\0\0\x80\0", 7));
  for (std::size_t length = 8; length + 12 < good.size(); ++length) {
    auto cut = readImage(scratch.write("cut.png", good.substr(0, length)));
    REQUIRE_FALSE(cut.hasValue());
    CHECK(cut.error().id == "E-IM-02");
  }
  auto huge = readImage(scratch.write("huge.png", png(30000, 30000, 8, 2, "")));
  REQUIRE_FALSE(huge.hasValue());
  CHECK(huge.error().id == "E-IM-03");
  CHECK(readImage(scratch.write("t.png", "not an image")).error().id == "E-IM-01");
  CHECK(readImage(scratch.path("absent.png")).error().code == ErrorCode::notFound);
  CHECK(readImage(scratch.write("j.jpg", std::string("\xFF\xD8\xFF\xE0garbage"))).error().id == "E-IM-02");
}

TEST_CASE("inspect tells an image by its content, not its name") {
  Scratch scratch;
  auto report = inspectFile(scratch.write("picture.safetensors", png(2, 1, 8, 2, std::string("\0\xFF\0\0\0\x80\0", 7))));
  REQUIRE(report.hasValue());
  CHECK(report->kind == "image");
  CHECK(report->counts.at("width") == 2);
}
