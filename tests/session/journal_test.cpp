#include "core/session/journal.h"

#include <filesystem>

#include "core/base/files.h"
#include "tests/session/fake_lab.h"
#include "tests/support/catch.h"

using namespace orrery;

TEST_CASE("What was appended is replayed, also after opening again") {
  const auto folder = test::temporaryFolder();
  const auto path = folder + "/journal";
  CHECK(Journal::replay(path).empty());
  {
    auto journal = Journal::open(path);
    REQUIRE(journal);
    REQUIRE(journal->append("one"));
    REQUIRE(journal->append(""));
    REQUIRE(journal->append("three"));
    // Before it is closed: as after kill -9.
    CHECK(Journal::replay(path) == std::vector<std::string>{"one", "", "three"});
    CHECK_FALSE(Journal::open(path));
  }
  auto journal = Journal::open(path);
  REQUIRE(journal);
  REQUIRE(journal->append("four"));
  CHECK(Journal::replay(path).size() == 4);
  REQUIRE(journal->clear());
  CHECK(Journal::replay(path).empty());
  REQUIRE(journal->append("five"));
  CHECK(Journal::replay(path) == std::vector<std::string>{"five"});
  std::filesystem::remove_all(folder);
}

TEST_CASE("Replay stops at the first bad record, wherever a byte is flipped or the file ends") {
  const auto folder = test::temporaryFolder();
  const auto path = folder + "/journal", bad = folder + "/bad";
  const std::vector<std::string> records{"{\"a\":1}", "{\"b\":22}", "{\"c\":333}"};
  {
    auto journal = Journal::open(path);
    REQUIRE(journal);
    for (const auto& record : records) REQUIRE(journal->append(record));
  }
  const auto good = *readWholeFile(path);
  const auto recordOf = [&](std::size_t at) {
    std::size_t end = 0;
    for (std::size_t i = 0; i < records.size(); ++i) {
      end += 12 + records[i].size();
      if (at < end) return i;
    }
    return records.size();
  };
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x40);
    for (const auto& content : {flipped, good.substr(0, at)}) {
      test::writeText(bad, content);
      const auto replayed = Journal::replay(bad);
      REQUIRE(replayed.size() == recordOf(at));
      for (std::size_t i = 0; i < replayed.size(); ++i) CHECK(replayed[i] == records[i]);
      // The next record goes where the damage began, so it can be read again.
      auto journal = Journal::open(bad);
      REQUIRE(journal);
      REQUIRE(journal->append("next"));
      CHECK(Journal::replay(bad).size() == recordOf(at) + 1);
    }
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("A journal that cannot be written says so") {
  const auto journal = Journal::open("/proc/none/journal");
  REQUIRE_FALSE(journal);
  CHECK(journal.error().code == ErrorCode::io);
}
