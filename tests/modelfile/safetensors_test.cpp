// Every row of the malformed-input list for safetensors (E-ST) as a generated file, and the well-formed ones beside them.

#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>

#include "core/base/file_format.h"
#include "core/modelfile/tensor_file.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using namespace orrery::modelfile;
using orrery::testing::little;
using orrery::testing::Scratch;

namespace {

std::string file(const std::string& header, const std::string& data = {}) {
  return little<std::uint64_t>(header.size()) + header + data;
}

std::string floats(std::initializer_list<float> values) {
  std::string bytes(values.size() * 4, '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

// The error of opening this content.
Error errorOf(const Scratch& scratch, const std::string& content) {
  auto opened = TensorFile::open(scratch.write("file.safetensors", content));
  REQUIRE_FALSE(opened.hasValue());
  CHECK_FALSE(opened.error().message.empty());
  return opened.error();
}

const std::string oneTensor = R"({"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})";

}  // namespace

TEST_CASE("A clean safetensors file gives its tensors and values") {
  Scratch scratch;
  const std::string header = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
                             R"("b":{"dtype":"F16","shape":[2],"data_offsets":[16,20]},"c":{"dtype":"I64","shape":[],"data_offsets":[20,28]}}   )";
  const std::string data = floats({1, -2, 3.5f, 4}) + little<std::uint16_t>(0x3C00) + little<std::uint16_t>(0xC000) + little<std::uint64_t>(7);
  auto opened = TensorFile::open(scratch.write("x.bin", file(header, data)));
  INFO((opened ? "" : opened.error().message));
  REQUIRE(opened.hasValue());
  CHECK(opened->format() == "safetensors");
  CHECK(opened->metadata().at("format") == "pt");
  auto a = opened->read("a");
  REQUIRE(a.hasValue());
  CHECK(a->shape() == Shape{2, 2});
  CHECK(a->toFloats() == std::vector<float>{1, -2, 3.5f, 4});
  CHECK(opened->read("b")->toFloats() == std::vector<float>{1, -2});
  CHECK(opened->read("c")->toFloats() == std::vector<float>{7});
  auto missing = opened->read("q");
  REQUIRE_FALSE(missing.hasValue());
  CHECK(missing.error().message.find("a, b, c") != std::string::npos);
}

TEST_CASE("Damaged safetensors files are named, row by row") {
  Scratch scratch;

  SECTION("01: too short") {
    for (int bytes = 1; bytes < 8; ++bytes) {
      const Error error = errorOf(scratch, std::string(static_cast<std::size_t>(bytes), 'x'));
      CHECK(error.id == "E-ST-01");
      CHECK(error.message.find(std::to_string(bytes)) != std::string::npos);
    }
  }
  SECTION("02: a Git LFS pointer") {
    const Error error = errorOf(scratch, "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1991879104\n");
    CHECK(error.message.find("git lfs pull") != std::string::npos);
    CHECK(error.message.find("1991879104") != std::string::npos);
  }
  SECTION("03: a web page") {
    const Error error = errorOf(scratch, "<!DOCTYPE html><html><head><title>404</title></head></html>");
    CHECK(error.message.find("web page") != std::string::npos);
  }
  SECTION("04 and 06: an absurd header length, without wrapping") {
    CHECK(errorOf(scratch, little<std::uint64_t>(100'000'001) + "{}").id == "E-ST-04");
    CHECK(errorOf(scratch, little<std::uint64_t>(~std::uint64_t{0}) + "{}").id == "E-ST-04");
  }
  SECTION("05: truncated inside the header") {
    const Error error = errorOf(scratch, little<std::uint64_t>(5000) + "{\"a\":");
    CHECK(error.id == "E-ST-05");
    CHECK(error.message.find("5 000") != std::string::npos);
  }
  SECTION("07: not JSON, BOM, not UTF-8") {
    CHECK(errorOf(scratch, file("[1,2,3]")).id == "E-ST-07");
    CHECK(errorOf(scratch, file("\xEF\xBB\xBF{}")).id == "E-ST-07");
    CHECK(errorOf(scratch, file("{\"\xFF\":1}")).id == "E-ST-07");
  }
  SECTION("08: broken JSON") {
    CHECK(errorOf(scratch, file("{\"a\":{\"dtype\":\"F32\"")).id == "E-ST-08");
    CHECK(errorOf(scratch, file("{} x")).id == "E-ST-08");
    const std::string deep = "{\"a\":" + std::string(10000, '[') + std::string(10000, ']') + "}";
    const Error error = errorOf(scratch, file(deep));
    CHECK(error.id == "E-ST-08");
    CHECK(error.message.find("64") != std::string::npos);
    CHECK(errorOf(scratch, file(R"({"dtype":["x"]})")).id == "E-ST-08");
    CHECK(errorOf(scratch, file(R"({"shape":[[1]]})")).id == "E-ST-08");
    CHECK(errorOf(scratch, file(R"({"a":null})")).id == "E-ST-08");
  }
  SECTION("09: duplicates") {
    CHECK(errorOf(scratch, file(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                                floats({1})))
              .message.find("twice") != std::string::npos);
    CHECK(errorOf(scratch, file(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}})", floats({1}))).id == "E-ST-09");
  }
  SECTION("10: metadata that is no text") {
    const Error error = errorOf(scratch, file(R"({"__metadata__":{"steps":5}})"));
    CHECK(error.id == "E-ST-10");
    CHECK(error.message.find("steps") != std::string::npos);
    CHECK(errorOf(scratch, file(R"({"__metadata__":{"a":{"b":"c"}}})")).id == "E-ST-10");
  }
  SECTION("12: overflowing shapes") {
    CHECK(errorOf(scratch, file(R"({"w":{"dtype":"U8","shape":[9223372036854775808,2],"data_offsets":[0,0]}})")).id == "E-ST-12");
    CHECK(errorOf(scratch, file(R"({"w":{"dtype":"U8","shape":[4294967296,4294967296,2],"data_offsets":[0,0]}})")).id == "E-ST-12");
    CHECK(errorOf(scratch, file(R"({"w":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})")).id == "E-ST-12");
  }
  SECTION("13: numbers that are no sizes") {
    for (const char* number : {"-1", "1.5", "1e3", "\"2\""}) {
      const std::string header = std::string(R"({"w":{"dtype":"F32","shape":[)") + number + R"(],"data_offsets":[0,4]}})";
      CHECK(errorOf(scratch, file(header, floats({1}))).id == "E-ST-13");
    }
  }
  SECTION("14: gaps, overlaps, reversed extents") {
    CHECK(errorOf(scratch, file(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", floats({1}))).id == "E-ST-14");
    CHECK(errorOf(scratch, file(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                                floats({1, 2, 3})))
              .message.find("gap between 'a' and 'b' at byte 4") != std::string::npos);
    CHECK(errorOf(scratch, file(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                                floats({1, 2})))
              .message.find("overlap") != std::string::npos);
  }
  SECTION("15: size against shape") {
    const Error error = errorOf(scratch, file(R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", floats({1, 2})));
    CHECK(error.id == "E-ST-15");
    CHECK(error.message.find("12") != std::string::npos);
    CHECK(error.message.find("8") != std::string::npos);
  }
  SECTION("16: trailing bytes and missing data") {
    CHECK(errorOf(scratch, file(oneTensor, std::string(20, 'x'))).id == "E-ST-16");
    const Error error = errorOf(scratch, file(oneTensor, std::string(10, 'x')));
    CHECK(error.id == "E-ST-16");
    CHECK(error.message.find("truncated by 6") != std::string::npos);
    auto lenient = TensorFile::open(scratch.write("l.safetensors", file(oneTensor, std::string(20, 'x'))), {true});
    REQUIRE(lenient.hasValue());
    CHECK(lenient->notes().size() == 1);
  }
  SECTION("17: four bits that fill no byte") {
    CHECK(errorOf(scratch, file(R"({"w":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", "xx")).id == "E-ST-17");
  }
}

TEST_CASE("An unknown dtype makes one tensor unreadable, not the file") {
  Scratch scratch;
  for (const char* dtype : {"F24", "f32"}) {
    const std::string header = std::string(R"({"a":{"dtype":")") + dtype + R"(","shape":[1],"data_offsets":[0,3]},"b":{"dtype":"F32","shape":[1],"data_offsets":[3,7]}})";
    auto opened = TensorFile::open(scratch.write("x.safetensors", file(header, "xxx" + floats({5}))));
    REQUIRE(opened.hasValue());
    CHECK_FALSE(opened->tensors()[0].readable);
    CHECK(opened->read("a").error().message.find(dtype) != std::string::npos);
    CHECK(opened->read("b")->toFloats() == std::vector<float>{5});
  }
}

TEST_CASE("NaN and infinities are counted and said") {
  Scratch scratch;
  auto report = inspectFile(scratch.write("x.safetensors", file(oneTensor, floats({1, NAN, INFINITY, 4}))));
  REQUIRE(report.hasValue());
  CHECK(report->kind == "safetensors");
  CHECK(report->counts.at("not-finite") == 2);
  CHECK_FALSE(report->notes.empty());
}

TEST_CASE("An index names missing shards and never leaves its folder") {
  Scratch scratch;
  scratch.write("one.safetensors", file(oneTensor, std::string(16, '\0')));
  auto report = inspectFile(scratch.write("model.safetensors.index.json", R"({"weight_map":{"w":"one.safetensors","v":"two.safetensors"}})"));
  REQUIRE(report.hasValue());
  CHECK(report->kind == "safetensors-index");
  CHECK(report->tensors.size() == 1);
  bool named = false;
  for (const auto& note : report->notes) named = named || note.find("shard 2 of 2 missing") != std::string::npos;
  CHECK(named);
  for (const char* escape : {"../one.safetensors", "/etc/passwd", "a\\\\b", "C:x"}) {
    auto refused = inspectFile(scratch.write("bad.index.json", std::string(R"({"weight_map":{"w":")") + escape + "\"}}"));
    REQUIRE(refused.hasValue());
    REQUIRE(refused->error.has_value());
    CHECK(refused->error->id == "E-ST-18");
  }
}

TEST_CASE("A safetensors file cut at any byte is an error, never a crash") {
  Scratch scratch;
  const std::string whole = file(oneTensor, floats({1, 2, 3, 4}));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    auto opened = TensorFile::open(scratch.write("cut.safetensors", whole.substr(0, length)));
    CHECK_FALSE(opened.hasValue());
  }
}

TEST_CASE("A file that changed on disk is refused") {
  Scratch scratch;
  const std::string path = scratch.write("x.safetensors", file(oneTensor, floats({1, 2, 3, 4})));
  auto opened = TensorFile::open(path);
  REQUIRE(opened.hasValue());
  std::ofstream(path, std::ios::binary) << "short";
  auto read = opened->read("w");
  REQUIRE_FALSE(read.hasValue());
  CHECK(read.error().message.find("changed on disk") != std::string::npos);
}

TEST_CASE("The directory of a sparse file of 100 GB is read at once") {
  Scratch scratch;
  const std::uint64_t elements = std::uint64_t{25} << 30;
  const std::string header = R"({"w":{"dtype":"F32","shape":[)" + std::to_string(elements) + R"(],"data_offsets":[0,)" + std::to_string(elements * 4) + "]}}";
  const std::string path = scratch.write("big.safetensors", file(header));
  std::error_code failed;
  std::filesystem::resize_file(path, 8 + header.size() + elements * 4, failed);
  if (failed) {
    WARN("this file system keeps no sparse files of 100 GB");
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  auto report = inspectFile(path);
  REQUIRE(report.hasValue());
  CHECK(report->tensors.size() == 1);
  // files.md F8: metadata in under 2 s.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}
