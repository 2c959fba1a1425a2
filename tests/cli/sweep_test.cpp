// sweep: every combination once, in one table, whoever computes it and however often it is stopped.

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "tests/cli/process.h"
#include "tests/support/catch.h"

using namespace orrery::test;
namespace fs = std::filesystem;

namespace {

const std::string lab = "generative/sde-vs-ode";
const std::vector<std::string> small{"--set", "particles=256", "--size", "320x200", "--format", "png", "--json"};

std::vector<std::string> command(const std::string& folder, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{"sweep", lab, "--grid", "steps=4,8,16", "--grid", "seed=1,2", "-o", folder};
  arguments.insert(arguments.end(), small.begin(), small.end());
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::vector<std::vector<std::string>> tableOf(const std::string& path) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(TemporaryFolder::read(path));
  for (std::string line; std::getline(lines, line);) {
    rows.emplace_back();
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, ',');) rows.back().push_back(cell);
  }
  return rows;
}

}  // namespace

TEST_CASE("A sweep writes a figure of every combination and a table whose metrics are those of data") {
  const TemporaryFolder folder;
  const auto ran = runProgram(command(folder.path("out")));
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  CHECK(ran.json()["points"] == 6);
  CHECK(ran.json()["computed"] == 6);
  const auto table = tableOf(folder.path("out/table.csv"));
  REQUIRE(table.size() == 7);
  REQUIRE(table[0].size() > 6);
  CHECK(std::vector<std::string>(table[0].begin(), table[0].begin() + 6) == std::vector<std::string>{"point", "steps", "seed", "frame", "figure", "error"});
  // The last grid varies fastest.
  CHECK(std::vector<std::string>(table[4].begin(), table[4].begin() + 6) == std::vector<std::string>{"3", "8", "2", "8", "0003.png", ""});
  for (std::size_t i = 1; i < table.size(); ++i) CHECK(fs::is_regular_file(folder.path("out/" + table[i][4])));

  REQUIRE(runProgram({"data", lab, "--set", "particles=256", "--set", "steps=8", "--set", "seed=2", "-o", folder.path("a.json")}).code == 0);
  const auto data = nlohmann::json::parse(TemporaryFolder::read(folder.path("a.json")));
  REQUIRE(data["metrics"].size() > 0);
  std::size_t compared = 0;
  for (std::size_t column = 6; column < table[0].size(); ++column) {
    CAPTURE(table[0][column]);
    const auto& metric = data["metrics"].at(table[0][column]);
    const auto value = metric.is_object() ? metric["value"] : metric;
    if (!value.is_number() || table[4].size() <= column) continue;
    CHECK(std::stod(table[4][column]) == value.get<double>());
    ++compared;
  }
  CHECK(compared > 0);
  // A point's figure is the figure render draws there, recipe and all.
  REQUIRE(runProgram({"render", folder.path("out/0003.png"), "-o", folder.path("b.png")}).code == 0);
  CHECK(TemporaryFolder::read(folder.path("b.png")) == TemporaryFolder::read(folder.path("out/0003.png")));
}

TEST_CASE("Shards share the points among them; the same command without --shard joins their tables and computes nothing") {
  const TemporaryFolder folder;
  REQUIRE(runProgram(command(folder.path("whole"))).code == 0);
  for (const std::string shard : {"2/4", "1/4", "4/4", "3/4"}) {
    const auto ran = runProgram(command(folder.path("out"), {"--shard", shard}));
    INFO(ran.err);
    REQUIRE(ran.code == 0);
  }
  for (const std::string part : {"1", "2", "3", "4"}) CHECK(fs::is_regular_file(folder.path("out/table-" + part + "-of-4.csv")));
  CHECK_FALSE(fs::exists(folder.path("out/table.csv")));
  CHECK(tableOf(folder.path("out/table-1-of-4.csv")).size() == 3);  // points 0 and 4
  CHECK(tableOf(folder.path("out/table-3-of-4.csv")).size() == 2);
  const auto joined = runProgram(command(folder.path("out")));
  REQUIRE(joined.code == 0);
  CHECK(joined.json()["computed"] == 0);
  CHECK(TemporaryFolder::read(folder.path("out/table.csv")) == TemporaryFolder::read(folder.path("whole/table.csv")));
}

TEST_CASE("A sweep goes on where it was: points that are there stay, missing ones and other values are computed") {
  const TemporaryFolder folder;
  REQUIRE(runProgram(command(folder.path("out"))).code == 0);
  const auto table = TemporaryFolder::read(folder.path("out/table.csv"));
  fs::remove(folder.path("out/0001.json"));
  fs::remove(folder.path("out/0002.png"));
  auto ran = runProgram(command(folder.path("out")));
  REQUIRE(ran.code == 0);
  CHECK(ran.json()["computed"] == 2);
  CHECK(TemporaryFolder::read(folder.path("out/table.csv")) == table);
  CHECK(runProgram(command(folder.path("out"), {"--again"})).json()["computed"] == 6);
  // Another theme is another figure, another density other numbers.
  CHECK(runProgram(command(folder.path("out"), {"--theme", "dark"})).json()["computed"] == 6);
}

TEST_CASE("Grids and shards that mean nothing are usage errors before anything is made") {
  const TemporaryFolder folder;
  const auto refused = [&](std::vector<std::string> grid, const std::vector<std::string>& words) {
    std::vector<std::string> arguments{"sweep", lab, "-o", folder.path("out")};
    arguments.insert(arguments.end(), grid.begin(), grid.end());
    checkRefused(runProgram(arguments), 2, words);
  };
  refused({}, {"--grid"});
  refused({"--grid", "steps"}, {"--grid", "id=a,b,c"});
  refused({"--grid", "stpes=4"}, {"stpes", "steps"});
  refused({"--grid", "steps=4,1"}, {"steps", "outside"});
  refused({"--grid", "steps=4,"}, {"steps"});
  refused({"--grid", "steps=4", "--grid", "steps=8"}, {"steps", "twice"});
  refused({"--grid", "steps=4,8,4"}, {"steps", "'4'", "twice"});
  refused({"--grid", "steps=4", "--set", "steps=8"}, {"steps", "--set", "--grid"});
  for (const std::string shard : {"0/4", "5/4", "1", "1/0", "a/b", "1/4x", "-1/4"}) refused({"--grid", "steps=4", "--shard", shard}, {"--shard"});
  refused({"--grid", "steps=4", "--format", "bmp"}, {"--format"});
  CHECK_FALSE(fs::exists(folder.path("out")));
  const auto file = folder.write("file", "x");
  checkRefused(runProgram({"sweep", lab, "--grid", "steps=4", "-o", file}), 1, {"not a folder"});
}
