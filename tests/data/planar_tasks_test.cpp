#include "core/data/planar_tasks.h"

#include <algorithm>
#include <cmath>

#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;

TEST_CASE("a file gives classes or regression by the label, and a sentence for what is missing") {
  const orrery::testing::Scratch folder;
  const auto classes = taskFromFile(folder.write("classes.csv", "x,y,label\n0,0,0\n10,0,1\n0,20,1\n10,20,0\n"), 1);
  REQUIRE(classes);
  CHECK(classes->classes);
  REQUIRE(classes->size() == 4);
  float most = 0;
  for (const float v : classes->xy) most = std::max(most, std::abs(v));
  CHECK(most == 1);  // the longer side fills the square, the other keeps its proportion
  const auto regression = taskFromFile(folder.write("regression.csv", "0,0,5\n1,1,9\n2,0,7\n"), 1);
  REQUIRE(regression);
  CHECK_FALSE(regression->classes);
  float low = 2, high = -2;
  for (const float t : regression->target) low = std::min(low, t), high = std::max(high, t);
  CHECK(low == -1);
  CHECK(high == 1);
  const auto refused = taskFromFile(folder.write("two.csv", "1,2\n3,4\n"), 1);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("three columns are needed") != std::string::npos);
  CHECK(refused.error().message.find("found 2") != std::string::npos);
}

TEST_CASE("built-in tasks: the same for a seed, balanced, in the square, and any leading part is a fair sample") {
  for (const char* name : {"moons", "circles", "xor", "spiral", "blobs", "saddle", "waves", "bumps"}) {
    INFO(name);
    const PlanarTask a = builtInTask(name, 1000, 0.02, 5), b = builtInTask(name, 1000, 0.02, 5), c = builtInTask(name, 400, 0.02, 5);
    CHECK(a.xy == b.xy);
    CHECK(a.xy != builtInTask(name, 1000, 0.02, 6).xy);
    CHECK(std::equal(c.xy.begin(), c.xy.end(), a.xy.begin()));
    for (const float v : a.xy) CHECK(std::abs(v) < 1.2f);
    if (!a.classes) continue;
    double ones = 0;
    for (const float t : a.target) ones += static_cast<double>(t);
    CHECK(std::abs(ones - 500) < 65);  // four deviations of a fair coin thrown 1000 times
  }
}
