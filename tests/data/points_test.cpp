// Point sets as text.

#include "core/base/file_format.h"
#include "core/data/points.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::Scratch;

TEST_CASE("Points are read with any usual separator, header or none") {
  CHECK(parsePoints("1,2\n3,4\n")->points.toFloats() == std::vector<float>{1, 2, 3, 4});
  CHECK(parsePoints("x;y\r\n1;2\r\n")->names == std::vector<std::string>{"x", "y"});
  CHECK(parsePoints("# made by hand\n 1  2\n\n -3e-1\t+4 \n")->points.toFloats() == std::vector<float>{1, 2, -0.3f, 4});
  auto skipped = parsePoints("1,2\nnan,1\ninf,0\n");
  REQUIRE(skipped.hasValue());
  CHECK(skipped->skipped == 2);
  CHECK(skipped->points.shape() == Shape{1, 2});
}

TEST_CASE("Bad point files say line and reason") {
  CHECK(parsePoints("").error().id == "E-PS-01");
  CHECK(parsePoints("1,2\n3\n").error().message.find("line 2 has 1 columns") != std::string::npos);
  CHECK(parsePoints("1,2\n3,x\n").error().id == "E-PS-03");
  CHECK(parsePoints("1;2\n3;0,5\n").error().id == "E-PS-03");
  CHECK(parsePoints(std::string("1,2\n\0,3\n", 8)).error().id == "E-PS-05");
}

TEST_CASE("inspect knows a point set") {
  Scratch scratch;
  auto report = inspectFile(scratch.write("x.csv", "0.5,1\n2,3\n4,5\n"));
  REQUIRE(report.hasValue());
  CHECK(report->kind == "points");
  CHECK(report->counts.at("points") == 3);
}
