// Every row of the malformed-input list for npy and npz (E-NP) as a generated file, and the well-formed ones beside them.

#include <cmath>

#include "core/base/file_format.h"
#include "core/modelfile/tensor_file.h"
#include "tests/support/catch.h"
#include "tests/support/npz_writer.h"

using namespace orrery;
using namespace orrery::modelfile;
using orrery::testing::Member;
using orrery::testing::Scratch;
using orrery::testing::floats;
using orrery::testing::little;
using orrery::testing::npy;
using orrery::testing::npyWith;
using orrery::testing::zip;

namespace {

Error errorOf(const Scratch& scratch, const std::string& content) {
  auto opened = TensorFile::open(scratch.write("file.npz", content));
  REQUIRE_FALSE(opened.hasValue());
  CHECK_FALSE(opened.error().message.empty());
  return opened.error();
}

}  // namespace

TEST_CASE("npy arrays are read in either byte order and either element order") {
  Scratch scratch;
  auto read = [&](const std::string& content) {
    auto opened = TensorFile::open(scratch.write("x.npy", content));
    INFO((opened ? "" : opened.error().message));
    REQUIRE(opened.hasValue());
    return *opened->read("array");
  };
  CHECK(read(npy("<f4", "(2, 3)", floats({1, 2, 3, 4, 5, 6}))).toFloats() == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(read(npy("<f4", "(2, 3)", floats({1, 4, 2, 5, 3, 6}), "True")).toFloats() == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(read(npy(">f4", "(1,)", std::string("\x3F\x80\x00\x00", 4))).toFloats() == std::vector<float>{1});
  CHECK(read(npy(">i2", "(2,)", std::string("\x00\x01\xFF\xFF", 4))).toFloats() == std::vector<float>{1, -1});
  CHECK(read(npy("|b1", "(2,)", std::string("\x01\x00", 2))).toFloats() == std::vector<float>{1, 0});
  CHECK(read(npy("<f2", "()", little<std::uint16_t>(0x3C00))).toFloats() == std::vector<float>{1});
  CHECK(read(npy("<f4", "(0, 5)", "")).shape() == Shape{0, 5});
  CHECK(read(npyWith("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", floats({3}), 2)).toFloats() == std::vector<float>{3});
  // Three axes in Fortran order: element (i, j, k) is stored at i + 2 j + 4 k.
  CHECK(read(npy("<f4", "(2, 2, 2)", floats({0, 1, 2, 3, 4, 5, 6, 7}), "True")).toFloats() == std::vector<float>{0, 4, 2, 6, 1, 5, 3, 7});
}

TEST_CASE("Damaged npy files are named, row by row") {
  Scratch scratch;
  const std::string good = npy("<f4", "(2,)", floats({1, 2}));

  SECTION("01: not NumPy") { CHECK(errorOf(scratch, good.substr(0, 9)).id == "E-NP-01"); }
  SECTION("02: version") {
    std::string other = good;
    other[6] = 4;
    CHECK(errorOf(scratch, other).id == "E-NP-02");
    other[6] = other[7] = '\xFF';
    CHECK(errorOf(scratch, other).id == "E-NP-02");
  }
  SECTION("03: header longer than the file, or than sense") {
    CHECK(errorOf(scratch, std::string("\x93NUMPY\x01\x00\xFF\xFF{", 11)).id == "E-NP-03");
    CHECK(errorOf(scratch, std::string("\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF{", 13)).id == "E-NP-03");
  }
  SECTION("04: not the dictionary") {
    CHECK(errorOf(scratch, npyWith("[1, 2]", "")).id == "E-NP-04");
    CHECK(errorOf(scratch, npyWith("{'descr': '<f4', 'shape': (1,), }", floats({1}))).message.find("fortran_order") != std::string::npos);
    CHECK(errorOf(scratch, npyWith("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", floats({1}))).id == "E-NP-04");
    CHECK(errorOf(scratch, npyWith("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", floats({1}))).id == "E-NP-04");
  }
  SECTION("05: expressions and nesting") {
    CHECK(errorOf(scratch, npyWith("{'descr': '<f4', 'fortran_order': False, 'shape': (2**3,)}", floats({1}))).id == "E-NP-05");
    CHECK(errorOf(scratch, npyWith("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,)}", floats({1}))).id == "E-NP-05");
    CHECK(errorOf(scratch, npyWith("{'descr': '<f4', 'fortran_order': False, 'shape': " + std::string(10000, '(') + "}", "")).id == "E-NP-05");
  }
  SECTION("06: pickled objects") { CHECK(errorOf(scratch, npy("|O", "(1,)", "x")).message.find("refused") != std::string::npos); }
  SECTION("09: shapes") {
    CHECK(errorOf(scratch, npy("<f4", "(-1,)", "")).id == "E-NP-09");
    CHECK(errorOf(scratch, npy("<f4", "(1.5,)", "")).id == "E-NP-09");
    CHECK(errorOf(scratch, npy("<f4", "(18446744073709551616,)", "")).id == "E-NP-09");
    CHECK(errorOf(scratch, npy("<f4", "(4294967296, 4294967296)", "")).id == "E-NP-09");
    std::string forty = "(";
    for (int i = 0; i < 40; ++i) forty += "1,";
    CHECK(errorOf(scratch, npy("<f4", forty + ")", floats({1}))).id == "E-NP-09");
  }
  SECTION("10: fortran_order that is no truth value") {
    CHECK(errorOf(scratch, npy("<f4", "(1,)", floats({1}), "1")).id == "E-NP-10");
  }
  SECTION("11: a huge shape over few bytes") {
    const Error error = errorOf(scratch, npy("<f4", "(17179869184,)", floats({1})));
    CHECK(error.id == "E-NP-11");
    CHECK(error.message.find("64 GiB") != std::string::npos);
  }
  SECTION("18: cut at every byte") {
    for (std::size_t length = 0; length < good.size(); ++length) {
      CHECK_FALSE(TensorFile::open(scratch.write("cut.npy", good.substr(0, length))).hasValue());
    }
  }
}

TEST_CASE("Types that are no plain numbers are listed, not read") {
  Scratch scratch;
  for (const char* descr : {"'<U5'", "'<M8[ns]'", "'<f16'", "'|S3'", "[('a', '<f4'), ('b', '<i4')]"}) {
    auto opened = TensorFile::open(
        scratch.write("x.npy", npyWith(std::string("{'descr': ") + descr + ", 'fortran_order': False, 'shape': (1,), }", std::string(32, 'x'))));
    INFO(descr << (opened ? "" : opened.error().message));
    REQUIRE(opened.hasValue());
    CHECK_FALSE(opened->tensors()[0].readable);
    CHECK_FALSE(opened->read("array").hasValue());
  }
}

TEST_CASE("npz archives give their members, stored or deflated") {
  Scratch scratch;
  auto opened = TensorFile::open(scratch.write(
      "x.npz", zip({{"q.npy", npy("<f4", "(2,)", floats({1, 2}))}, {"k.npy", npy("<f4", "(3,)", floats({3, 4, 5})), true}})));
  INFO((opened ? "" : opened.error().message));
  REQUIRE(opened.hasValue());
  CHECK(opened->format() == "npz");
  CHECK(opened->read("q")->toFloats() == std::vector<float>{1, 2});
  CHECK(opened->read("k")->toFloats() == std::vector<float>{3, 4, 5});
}

TEST_CASE("Damaged npz archives are named, row by row") {
  Scratch scratch;
  const Member q{"q.npy", npy("<f4", "(2,)", floats({1, 2}))};
  const Member k{"k.npy", npy("<f4", "(1,)", floats({3}))};
  auto open = [&](const std::string& content) { return TensorFile::open(scratch.write("x.npz", content)); };

  SECTION("12: a member larger than it says, and one larger than deflate can make") {
    Member bomb{"b.npy", npy("<f4", "(1000000,)", std::string(4'000'000, '\0')), true};
    auto honest = open(zip({bomb}));
    REQUIRE(honest.hasValue());
    CHECK(honest->read("b").hasValue());
    bomb.declared = 300;
    auto liar = open(zip({q, bomb}));
    REQUIRE(liar.hasValue());
    auto read = liar->read("b");
    REQUIRE_FALSE(read.hasValue());
    Member huge = q;
    huge.deflate = true;
    huge.declared = 2'000'000'000;
    CHECK(errorOf(scratch, zip({huge})).id == "E-NP-12");
  }
  SECTION("12: a member that inflates past its declared size") {
    Member liar{"b.npy", npy("<f4", "(4,)", floats({1, 2, 3, 4}) + std::string(5000, 'x')), true};
    liar.declared = static_cast<std::uint32_t>(npy("<f4", "(4,)", floats({1, 2, 3, 4})).size());
    CHECK(errorOf(scratch, zip({liar})).id == "E-NP-12");
  }
  SECTION("12: overlapping members") {
    std::string archive = zip({q, k});
    // Point the second directory entry at the first member, and give it the same story.
    const std::size_t second = archive.find("PK\1\2", archive.find("PK\1\2") + 1);
    archive.replace(second + 42, 4, little<std::uint32_t>(0));
    CHECK_FALSE(open(archive).hasValue());
  }
  SECTION("13: a damaged directory") {
    std::string archive = zip({q, k});
    const std::size_t end = archive.rfind("PK\5\6");
    std::string wrongCount = archive;
    wrongCount.replace(end + 10, 2, little<std::uint16_t>(9));
    CHECK(errorOf(scratch, wrongCount).id == "E-NP-13");
    std::string wrongOffset = archive;
    wrongOffset.replace(end + 16, 4, little<std::uint32_t>(0x7FFFFFF0));
    CHECK(errorOf(scratch, wrongOffset).id == "E-NP-13");
    std::string zip64 = archive;
    zip64.replace(end + 16, 4, little<std::uint32_t>(0xFFFFFFFF));
    CHECK(errorOf(scratch, zip64).id == "E-NP-13");
    // A second end record inside the comment.
    const std::string fake = zip({q}, "", "PK\5\6" + std::string(18, '\0'));
    CHECK(errorOf(scratch, fake).id == "E-NP-13");
  }
  SECTION("14: names are text, never paths") {
    for (const std::string& name : {std::string("../a.npy"), std::string("/etc/x.npy"), std::string("C:\\a.npy")}) {
      auto opened = open(zip({{name, q.content}}));
      REQUIRE(opened.hasValue());
      CHECK(opened->tensors().size() == 1);
    }
    auto twins = open(zip({q, q}));
    REQUIRE(twins.hasValue());
    CHECK(twins->tensors()[0].readable);
    CHECK_FALSE(twins->tensors()[1].readable);
    auto notText = open(zip({k, {"\xFF\xFE.npy", q.content}}));
    REQUIRE(notText.hasValue());
    CHECK_FALSE(notText->tensors()[1].readable);
  }
  SECTION("15: encrypted, unknown method, wrong checksum: per member") {
    Member encrypted = q;
    encrypted.flags = 1;
    Member method = q;
    method.name = "m.npy";
    method.method = 99;
    auto opened = open(zip({k, encrypted, method}));
    REQUIRE(opened.hasValue());
    CHECK(opened->read("k").hasValue());
    CHECK(opened->tensors()[1].note.find("encrypted") != std::string::npos);
    CHECK(opened->tensors()[2].note.find("99") != std::string::npos);
    Member wrong = q;
    wrong.wrongCrc = true;
    auto damaged = open(zip({k, wrong}));
    REQUIRE(damaged.hasValue());
    CHECK(damaged->read("q").error().message.find("checksum") != std::string::npos);
  }
  SECTION("16: two stories about one member") {
    Member two = q;
    two.localName = "z.npy";
    auto opened = open(zip({k, two}));
    REQUIRE(opened.hasValue());
    CHECK(opened->tensors()[1].note.find("inconsistent") != std::string::npos);
  }
  SECTION("17: something before the archive") {
    // The content no longer begins like a zip file, so only the reader itself is asked.
    auto opened = open("PK\3\4junk" + zip({q}));
    REQUIRE(opened.hasValue());
    CHECK_FALSE(opened->notes().empty());
    CHECK(opened->read("q").hasValue());
  }
  SECTION("18: cut at every byte") {
    const std::string archive = zip({q, {"d.npy", k.content, true}});
    for (std::size_t length = 0; length < archive.size(); ++length) {
      CHECK_FALSE(open(archive.substr(0, length)).hasValue());
    }
  }
}
