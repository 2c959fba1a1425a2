// What a file is: the words for content that is not what its name says. Formats have tests of their own.

#include <sys/stat.h>

#include <chrono>

#include "core/base/file_format.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::Scratch;

namespace {

Error errorOf(const std::string& path) {
  auto report = inspectFile(path);
  REQUIRE_FALSE(report.hasValue());
  return report.error();
}

}  // namespace

TEST_CASE("Content that nothing reads is called by its name") {
  Scratch scratch;
  CHECK(errorOf(scratch.write("a.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 42\n")).message.find("42 bytes") !=
        std::string::npos);
  CHECK(errorOf(scratch.write("b.npz", "\n <!DOCTYPE HTML><html>")).message.find("web page") != std::string::npos);
  CHECK(errorOf(scratch.write("c.bin", "\x1F\x8B\x08")).message.find("gzip") != std::string::npos);
  CHECK(errorOf(scratch.write("d.bin", "7z\xBC\xAF\x27\x1C rest")).message.find("7z") != std::string::npos);
  CHECK(errorOf(scratch.write("e.bin", std::string(257, 'x') + "ustar" + std::string(300, 'x'))).message.find("tar") != std::string::npos);
  CHECK(errorOf(scratch.write("f.bin", "")).id == "E-IN-03");
  CHECK(errorOf(scratch.write("g.bin", std::string(5000, '\0'))).id == "E-IN-14");
  CHECK(errorOf(scratch.write("h.json", R"({"error": "Access denied"})")).message.find("Access denied") != std::string::npos);
  CHECK(errorOf(scratch.write("i.txt", "Once upon a time")).id == "E-IN-04");
  CHECK(errorOf(scratch.write("j.bin", std::string("\x7F\x45LF\0\1\2", 7))).id == "E-IN-04");
}

TEST_CASE("Only regular files and folders are opened, and none is waited for") {
  Scratch scratch;
  CHECK(errorOf(scratch.path("absent")).code == ErrorCode::notFound);
  const std::string pipe = scratch.path("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const auto start = std::chrono::steady_clock::now();
  CHECK(errorOf(pipe).id == "E-IN-02");
  CHECK(errorOf("/dev/zero").id == "E-IN-02");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
  CHECK(errorOf(scratch.path(".")).id == "E-IN-15");
}
